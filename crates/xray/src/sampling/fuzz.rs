//! The body of the fuzz target `sampling`, which ordinary tests run over its seeds and mutations of them.

use std::time::Duration;

use super::{Call, Central, Now, Operation, Rule, file, wildcard};

/// Takes bytes for a request of each operation, for a file of rules, and for a pattern with a text. What is answered is
/// JSON; what is read as rules is in order, with one default rule at its end.
///
/// # Panics
///
/// When that is not so.
pub fn fuzz_sampling(data: &[u8]) {
    let rules = vec![Rule { name: "a".to_owned(), priority: 1, ..Rule::default() }, Rule::default()];
    let mut central = Central::new(rules, Now::default());
    for seconds in [1, 11] {
        for operation in [Operation::Rules, Operation::Targets, Operation::Summaries] {
            if let Ok(call) = Call::read(operation, data) {
                let now = Duration::from_secs(seconds);
                let answer = central.answer(&call, Now { mono: now, wall: now });
                serde_json::from_slice::<serde_json::Value>(&answer).expect("answers are JSON");
            }
        }
    }
    let text = String::from_utf8_lossy(data);
    if let Ok(rules) = file::read("rules", &text) {
        assert!(rules.is_sorted_by(|a, b| a.order(b).is_le()), "in the order in which they are asked");
        assert_eq!(rules.iter().filter(|rule| rule.is_default()).count(), 1);
        assert!(rules.last().is_some_and(Rule::is_default));
        assert!(rules.iter().all(|rule| (0.0..=1.0).contains(&rule.fixed_rate)));
        assert_eq!(Central::new(rules.clone(), Now::default()).rules().count(), rules.len());
    }
    // Patterns have at most 128 characters, and paths some thousands.
    let short: String = text.chars().take(128).collect();
    let (pattern, text) = short.split_once('\n').unwrap_or((&short, &text));
    assert!(wildcard("*", text) && wildcard(pattern, pattern), "{pattern:?}");
    let reversed = |text: &str| text.chars().rev().collect::<String>();
    let backwards = wildcard(&reversed(pattern), &reversed(text));
    assert_eq!(wildcard(pattern, text), backwards, "{pattern:?} {text:?}");
}
