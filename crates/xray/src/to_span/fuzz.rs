//! The body of the fuzz target, which ordinary tests run over its seeds.

use otlp::{Policy, Signal};

use super::{Conventions, Options, Translator};

/// Translates any bytes, in every way, and checks that what comes out is a clean request of as many spans as are told.
///
/// # Panics
/// If it is not: that is what is looked for.
pub fn fuzz_to_span(document: &[u8]) {
    let everything = Options {
        preserve: true,
        links: true,
        http: Conventions::Both,
        database: Conventions::Both,
        ..Options::default()
    };
    let mut answers = Vec::new();
    for options in [Options::default(), everything] {
        let mut out = Vec::new();
        let answer = Translator::new(options).read(document, &mut out);
        match &answer {
            Ok(taken) => {
                let checked = otlp::check(Signal::Traces, &out, &Policy::default());
                let checked = checked.expect("what is written is a request");
                assert!(checked.is_clean, "what is written needs no repair");
                assert_eq!(checked.items, taken.spans);
                assert!(taken.spans > 0);
            }
            Err(refused) => {
                assert!(out.is_empty(), "nothing is written of what is refused");
                assert!(!refused.to_string().is_empty());
            }
        }
        answers.push(answer.map(|taken| (taken.spans, taken.rejected())).map_err(|it| it.reason));
    }
    assert_eq!(answers.first(), answers.last(), "options change no verdict");
}
