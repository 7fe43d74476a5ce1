//! The body of the fuzz target, so that ordinary tests can run it too.

use otlp::schema::Message;
use otlp::{Limits, Policy, Signal};

use crate::error::{Fault, Reason};
use crate::scan::Scanner;
use crate::{read, write, write_by_table};

/// Throws bytes at both directions and checks what must hold for any input. Panics if it does not.
#[doc(hidden)]
pub fn fuzz_json(data: &[u8]) {
    let limits = Limits::default();
    for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
        let message = signal.schema();
        if let Ok(wire) = read(message, data, &limits) {
            assert!(wire.len() <= data.len() * 4, "the wire is linear in the text");
            otlp::check(signal, &wire, &Policy::default()).expect("what is read passes the check");
            let text = json_of(message, &wire);
            let again = read(message, &text, &limits).expect("what we write can be read");
            assert_eq!(json_of(message, &again), text, "a second round changes nothing");
        }
        // The same bytes as wire: whatever they are, the text is JSON.
        let text = json_of(message, data);
        let mut by_table = Vec::new();
        write_by_table(message, data, &mut by_table);
        assert!(text == by_table, "quick paths write the same");
        if std::str::from_utf8(&text).is_ok() {
            check_json(&text).expect("what we write is JSON");
        }
    }
}

fn json_of(message: &'static Message, wire: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    write(message, wire, &mut text);
    text
}

fn check_json(text: &[u8]) -> Result<(), Reason> {
    let mut scanner = Scanner::new(text, usize::MAX);
    let result = scanner.skip(0).and_then(|()| scanner.end());
    result.map_err(|fault: Fault| fault.locate(text).reason().clone())
}
