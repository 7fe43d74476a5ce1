use std::time::Duration;

use component::Carries;
use data::{Batch, Context, Signal, Signals, Verdict};
use testkit::Harness;
use testkit::generate::{batch, ids};

use super::*;

fn config(size: usize, max: usize) -> Config {
    Config { send_batch_size: size, send_batch_max_size: max, ..Config::default() }
}

fn sizes(batches: &[Batch]) -> Vec<usize> {
    batches.iter().map(Batch::items).collect()
}

#[test]
fn keeps_the_contract() {
    testkit::contract::spec(&SPEC, true);
    for config in [Config::default(), config(100, 0), config(100, 150), config(0, 0), config(0, 64)] {
        testkit::contract::processor(|| BatchProcessor::new(config.clone()), Carries::Same(Signals::ALL));
    }
}

#[test]
fn sends_by_size_and_answers_at_once() {
    let mut stage = Harness::new(BatchProcessor::new(config(100, 0)));
    let (sent, verdict) = stage.send_awaited(batch(Signal::Traces, 1, 60));
    assert!(sent.is_empty());
    assert_eq!(verdict.try_take(), Some(Verdict::TakenOver { by: "stage".into() }));
    let sent = stage.send(batch(Signal::Traces, 61, 60));
    assert_eq!(sizes(&sent), [120], "the size is a trigger, not a cap");
    assert_eq!(ids(&sent[0]), (1..=120).collect::<Vec<_>>());
}

#[test]
fn sends_by_time_counted_from_the_first_item_or_the_last_send() {
    let mut stage = Harness::new(BatchProcessor::new(config(100, 0)));
    assert!(stage.advance(Duration::from_secs(5)).is_empty());
    assert!(stage.send(batch(Signal::Logs, 1, 1)).is_empty());
    assert!(stage.advance(Duration::from_millis(199)).is_empty());
    assert!(stage.send(batch(Signal::Logs, 2, 1)).is_empty());
    assert_eq!(sizes(&stage.advance(Duration::from_millis(1))), [2]);
}

#[test]
fn cuts_at_the_maximum_and_keeps_the_rest() {
    let mut stage = Harness::new(BatchProcessor::new(config(100, 100)));
    let sent = stage.send(batch(Signal::Metrics, 1, 250));
    assert_eq!(sizes(&sent), [100, 100]);
    assert_eq!(stage.held(), 50);
    let rest = stage.drain();
    let all: Vec<u64> = sent.iter().chain(&rest).flat_map(ids).collect();
    assert_eq!(all, (1..=250).collect::<Vec<_>>());
}

#[test]
fn without_a_timeout_nothing_waits() {
    let zero = Config { timeout: Duration::ZERO, ..config(100, 40) };
    let mut stage = Harness::new(BatchProcessor::new(zero));
    assert_eq!(sizes(&stage.send(batch(Signal::Traces, 1, 90))), [40, 40, 10]);
}

#[test]
fn joins_only_what_agrees_in_metadata() {
    let keyed =
        Config { metadata_keys: vec!["X-Tenant".into()], metadata_cardinality_limit: 2, ..config(10, 0) };
    let mut stage = Harness::new(BatchProcessor::new(keyed));
    let from = |tenant: &str, first| {
        let metadata = vec![("x-other".into(), vec!["1".into()]), ("x-tenant".into(), vec![tenant.into()])];
        let context = Context { metadata, ..Context::default() };
        batch(Signal::Traces, first, 6).with_context(context.into())
    };
    assert!(stage.send(from("a", 1)).is_empty());
    assert!(stage.send(from("b", 101)).is_empty());
    let sent = stage.send(from("a", 7));
    assert_eq!(ids(&sent[0]), (1..=12).collect::<Vec<_>>());
    assert_eq!(sent[0].context.metadata("x-tenant"), ["a".into()]);
    assert!(sent[0].context.metadata("x-other").is_empty(), "only the keys are kept");
    let (sent, verdict) = stage.send_awaited(from("c", 201));
    assert!(sent.is_empty());
    let Some(Verdict::Refused(refused)) = verdict.try_take() else { panic!("a third tenant is too many") };
    assert_eq!(refused.message.as_ref(), "too many batcher metadata-value combinations");
    assert!(!refused.is_retryable());
}

#[test]
fn each_group_waits_its_own_time() {
    let keyed = Config { metadata_keys: vec!["tenant".into()], ..config(10, 0) };
    let mut stage = Harness::new(BatchProcessor::new(keyed));
    let from = |tenant: &str, first| {
        let metadata = vec![("tenant".into(), vec![tenant.into()])];
        batch(Signal::Traces, first, 6).with_context(Context { metadata, ..Context::default() }.into())
    };
    assert!(stage.send(from("a", 1)).is_empty());
    assert!(stage.advance(Duration::from_millis(100)).is_empty());
    assert!(stage.send(from("b", 11)).is_empty());
    assert_eq!(sizes(&stage.send(from("a", 21))), [12], "the first one's time is no longer due");
    assert!(stage.send(from("a", 31)).is_empty());
    assert!(stage.advance(Duration::from_millis(199)).is_empty());
    assert_eq!(sizes(&stage.advance(Duration::from_millis(1))), [6, 6]);
    assert!(stage.advance(Duration::from_secs(1)).is_empty());
}

#[test]
fn refuses_what_can_not_work() {
    let check = |yaml: &str, expected: &str| {
        let (settings, found) = testkit::settings::read::<Config>(yaml, "processors::batch");
        assert!(settings.is_none() && found.contains(expected), "{found}");
    };
    check(
        "{send_batch_size: 100, send_batch_max_size: 10}",
        "send_batch_max_size must be greater or equal to send_batch_size",
    );
    check("{metadata_keys: [a, A]}", "duplicate entry in metadata_keys: \"a\"");
    check("{timout: 1s}", "timout");
}
