use component::Carries;
use data::{Signal, Signals};
use testkit::Harness;
use testkit::generate::batch;

use super::*;

#[test]
fn keeps_the_contract() {
    testkit::contract::spec(&SPEC, true);
    testkit::contract::processor(|| Forward, Carries::Same(Signals::ALL));
}

#[test]
fn passes_on_what_it_gets_with_its_ticket() {
    let mut stage = Harness::new(Forward);
    let (mut sent, verdict) = stage.send_awaited(batch(Signal::Traces, 1, 3));
    assert_eq!(verdict.try_take(), None, "nobody has taken it over yet");
    sent.remove(0).delivered();
    assert_eq!(verdict.try_take(), Some(data::Verdict::Delivered));
}
