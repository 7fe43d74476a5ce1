use component::Carries;
use data::{Signal, Signals, Verdict};
use testkit::Harness;
use testkit::generate::{batch, ids};

use super::*;

fn dropping(names: &[&str]) -> Template {
    Template(Config { names: names.iter().map(ToString::to_string).collect() })
}

#[test]
fn keeps_the_contract() {
    testkit::contract::spec(&SPEC, true);
    testkit::contract::processor(|| dropping(&[]), Carries::Same(Signals::OTLP));
    testkit::contract::processor(|| dropping(&["span 1", "span 20"]), Carries::Same(Signals::OTLP));
}

#[test]
fn drops_what_it_is_told_to_and_says_so() {
    let mut stage = Harness::new(dropping(&["span 2", "span 3"]));
    let (sent, verdict) = stage.send_awaited(batch(Signal::Traces, 1, 5));
    assert_eq!(sent.iter().flat_map(ids).collect::<Vec<_>>(), [1, 4, 5]);
    assert_eq!(stage.statement().discarded, [("name", 2)]);
    sent.into_iter().for_each(Batch::delivered);
    assert_eq!(verdict.try_take(), Some(Verdict::Delivered));
}

#[test]
fn what_is_dropped_as_a_whole_is_done_with() {
    let mut stage = Harness::new(dropping(&["span 1"]));
    let (sent, verdict) = stage.send_awaited(batch(Signal::Traces, 1, 1));
    assert!(sent.is_empty());
    assert_eq!(verdict.try_take(), Some(Verdict::Delivered));
}

#[test]
fn leaves_other_signals_alone() {
    let mut stage = Harness::new(dropping(&["span 1"]));
    let sent = stage.send(batch(Signal::Logs, 1, 3));
    assert_eq!(sent.iter().flat_map(ids).collect::<Vec<_>>(), [1, 2, 3]);
    sent.into_iter().for_each(Batch::delivered);
}
