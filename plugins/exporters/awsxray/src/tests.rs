//! The exporter against an API on loopback that behaves as told.

use std::collections::BTreeSet;
use std::time::Instant;

use component::ExporterUnit;
use data::{Statement, Verdict};
use testkit::generate::batch;
use testkit::xray_api::{Api, Mood, eventually};
use testkit::{RunHarness, contract};

use super::*;

#[test]
fn keeps_the_contract_of_a_type() {
    contract::spec(&SPEC, true);
}

fn findings(yaml: &str) -> (Option<Config>, String) {
    testkit::settings::read(yaml, "exporters::awsxray")
}

#[test]
fn configurations_are_read_as_by_the_collector() {
    let config = findings("{}").0.unwrap();
    assert_eq!((config.workers(), config.call_timeout(), config.attempts()), (8, Duration::from_secs(30), 2));
    let config = findings("{num_workers: -1, request_timeout_seconds: 0, max_retries: 0}").0.unwrap();
    assert_eq!((config.workers(), config.call_timeout(), config.attempts()), (8, Duration::ZERO, 3));
    let config = findings("{request_timeout_seconds: 9, timeout: 1500ms}").0.unwrap();
    assert_eq!(config.call_timeout(), Duration::from_millis(1500));
    let config = findings(
        "{telemetry: {enabled: true, contributors: [awsxray/in]}, aws_log_groups: [a], indexed_attributes: [b],
          index_all_attributes: true, preserve_xray_fields: true, translation: {keep_events: true}}",
    );
    let config = config.0.unwrap_or_else(|| panic!("{}", config.1));
    assert_eq!(config.telemetry.contributors, ["awsxray/in"]);
    let options = config.options(false, true);
    let expected = Options {
        log_groups: vec!["a".to_owned()],
        indexed_attributes: vec!["b".to_owned()],
        index_all_attributes: true,
        preserve_xray_fields: true,
        keep_events: true,
        allow_dot: false,
        ..Options::default()
    };
    assert_eq!(options, expected);
}

#[test]
fn what_is_wrong_is_said() {
    let check = |yaml: &str, part: &str| {
        let (_, findings) = findings(yaml);
        assert!(findings.contains(part), "{yaml}: {findings}");
    };
    for key in ["transit_spans_in_otlp_format: true", "middleware: a", "profile: a", "imds_retries: 1"] {
        check(&format!("{{{key}}}"), "only AWS's fork of the Collector has it");
    }
    check("{region: evil.com/}", "invalid region");
    check("{role_arn: r, sts_region: wrong.com/}", "invalid region \"wrong.com/\"");
    check("{endpoint: localhost}", "endpoint");
    check("{proxy_address: \"::\"}", "proxy_address");
    check("{external_id: a}", "has no effect without `role_arn`");
    check("{dead_letter: {directory: a, max_file_mib: 0}}", "max_file_mib");
    check("{max_request_bytes: 1}", "max_request_bytes");
    check("{telemetry: {contributors: [\"a b\"]}}", "contributors");
}

/// An API, and the exporter that leads to it. The first wait before a retry is 50 ms.
fn exporter(more: &str) -> (Api, Box<dyn ExporterUnit>) {
    let api = Api::start();
    let unit = leading_to(&api, more);
    (api, unit)
}

fn leading_to(api: &Api, more: &str) -> Box<dyn ExporterUnit> {
    let (config, cx) = configured(api, more);
    let Ok(Stage::Exporter(unit)) = AwsXray::build(&config, &cx) else { panic!("not built") };
    unit
}

fn configured(api: &Api, more: &str) -> (Config, BuildCx) {
    let retry = "retry_on_failure: {initial_interval: 50ms, max_interval: 50ms}";
    let more = if more.contains("retry_on_failure") { more.to_owned() } else { format!("{more}, {retry}") };
    let yaml = format!("{{endpoint: \"{}\", region: eu-west-1, local_mode: true{more}}}", api.url());
    let (config, findings) = findings(&yaml);
    let config = config.unwrap_or_else(|| panic!("{findings}"));
    let keys = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let keys = keys.map(|(name, value)| (name.to_owned(), value.to_owned()));
    (config, BuildCx { environment: Environment::new(keys), ..testkit::build_cx() })
}

fn ids(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|id| format!("{id:016x}")).collect()
}

#[tokio::test]
async fn keeps_the_contract_of_an_exporter() {
    for signal in [Signal::Traces, Signal::Xray] {
        for more in ["", ", sending_queue: {enabled: false}"] {
            let (api, unit) = exporter(more);
            contract::exporter(&*unit, signal).await;
            let taken: BTreeSet<String> = api.ids().into_iter().collect();
            assert_eq!(
                taken,
                [1].into_iter().chain(10..510).chain([1000]).map(|id: u64| format!("{id:016x}")).collect()
            );
            assert!(api.calls().iter().all(|call| call.documents().len() <= 50));
        }
    }
}

#[tokio::test]
async fn calls_are_those_of_the_api() {
    let (api, unit) = exporter("");
    let node = RunHarness::start(&*unit, Signal::Xray).await.unwrap();
    let sent = batch(Signal::Xray, 1, 120);
    let documents: Vec<String> =
        sent.chunks().map(|document| String::from_utf8(document.to_vec()).unwrap()).collect();
    node.send(sent).await;
    assert_eq!(node.finish().await.to_string(), "entered 120 = left 120");
    let mut taken = api.taken();
    taken.sort();
    let mut expected = documents;
    expected.sort();
    assert_eq!(taken, expected, "byte for byte");
    let calls = api.calls();
    let mut counts: Vec<usize> = calls.iter().map(|call| call.documents().len()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [20, 50, 50]);
    for call in &calls {
        assert_eq!((call.path.as_str(), call.header("content-type")), ("/TraceSegments", "application/json"));
        let authorization = call.header("authorization");
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{authorization}");
        assert!(authorization.contains("/eu-west-1/xray/aws4_request"), "{authorization}");
        assert!(authorization.contains("x-amzn-xray-timestamp"), "the time is signed: {authorization}");
        let (seconds, nanos) = call.header("x-amzn-xray-timestamp").split_once('.').unwrap();
        assert!(seconds.parse::<u64>().unwrap() > 1_600_000_000 && nanos.len() == 9);
        let agent = call.header("user-agent");
        assert!(agent.starts_with("Collimator/test xray-otel-exporter/"), "{agent}");
        assert!(agent.contains(" exec-env/UNKNOWN OS/"), "{agent}");
    }
}

#[tokio::test]
async fn calls_are_cut_by_bytes_and_connections_are_used_again() {
    let (api, unit) =
        exporter(", max_request_bytes: 65536, num_workers: 2, sending_queue: {num_consumers: 1}");
    let node = RunHarness::start(&*unit, Signal::Xray).await.unwrap();
    let document =
        |id: u64| format!("{{\"id\":\"{id:016x}\",\"metadata\":\"{}\"}}", "x".repeat(10_000)).into_bytes();
    for round in 0..10_u64 {
        let parts = (round * 20..round * 20 + 20).map(|id| data::Part::from(document(id))).collect();
        node.send(Batch::new(Signal::Xray, parts, 20, data::Time::default())).await;
    }
    assert_eq!(node.finish().await.to_string(), "entered 200 = left 200");
    assert_eq!(api.ids(), ids(0..200));
    assert!(api.calls().iter().all(|call| call.body.len() <= 65536));
    assert!(api.connections() <= 3, "{}", api.connections());
}

/// Sends 200 documents into a mood that passes; the books, and how long it took.
async fn through(mood: Mood, more: &str, after: Duration) -> (Api, Statement, Duration) {
    let (api, unit) = exporter(more);
    api.behave(mood);
    let node = RunHarness::start(&*unit, Signal::Xray).await.unwrap();
    let began = Instant::now();
    for first in [0, 100] {
        node.send(batch(Signal::Xray, first, 100)).await;
    }
    tokio::time::sleep(after).await;
    api.behave(Mood::Well);
    let statement = node.finish().await;
    (api, statement, began.elapsed())
}

#[tokio::test]
async fn whatever_passes_loses_nothing() {
    for mood in [
        Mood::Error(429, "ThrottledException", ""),
        Mood::Error(400, "ThrottlingException", ""),
        Mood::Error(500, "", ""),
        Mood::Error(503, "ServiceUnavailable", ""),
        Mood::Error(503, "", "1"),
        Mood::Error(403, "ExpiredTokenException", ""),
        Mood::Error(408, "", ""),
        Mood::Garbage,
        Mood::Stall,
        Mood::Cut,
        Mood::Unprocessed(3, "InternalFailure"),
        Mood::Unprocessed(1, "ServiceUnavailable"),
        Mood::Unprocessed(2, "ThrottledException"),
    ] {
        let (api, statement, _) = through(mood.clone(), ", timeout: 200ms", Duration::from_millis(700)).await;
        assert_eq!(statement.to_string(), "entered 200 = left 200", "{mood:?}");
        let mut taken = api.ids();
        if !matches!(mood, Mood::Stall | Mood::Garbage) {
            assert_eq!(taken, ids(0..200), "{mood:?}: each once");
        }
        taken.dedup();
        assert_eq!(taken, ids(0..200), "{mood:?}");
    }
}

#[tokio::test]
async fn throttling_slows_all_workers_down() {
    let wait = Duration::from_millis(1500);
    let (api, statement, _) = through(Mood::Error(429, "ThrottledException", ""), "", wait).await;
    assert_eq!(statement.to_string(), "entered 200 = left 200");
    // 200, 400, 800 ms, and each time at most the four calls that were waiting.
    let refused = api.calls().len() - 4;
    assert!(refused <= 4 * 4, "{refused} calls in vain");
    let (api, _, took) =
        through(Mood::Error(429, "ThrottledException", "2"), "", Duration::from_millis(300)).await;
    assert!(
        took >= Duration::from_secs(2) && api.calls().len() <= 8,
        "{took:?}, {} calls",
        api.calls().len()
    );
}

#[tokio::test]
async fn a_drain_cuts_the_wait_of_throttling_short() {
    let (api, unit) = exporter("");
    api.behave(Mood::Error(429, "ThrottledException", "60"));
    let node = component::NodeId::exporter("under_test", Signal::Xray);
    let stage = unit.stage(&node, Signal::Xray, Arc::default(), &data::Budget::unlimited());
    let (cx, _ready) = testkit::run_cx(node);
    let draining = cx.draining.clone();
    let run = tokio::spawn((stage.run)(cx));
    stage.inlet.send(batch(Signal::Xray, 0, 10)).await.unwrap();
    eventually("a call", || (!api.calls().is_empty()).then_some(())).await;
    api.behave(Mood::Well);
    let began = Instant::now();
    draining.cancel();
    drop(stage.inlet);
    run.await.unwrap().unwrap();
    assert_eq!(api.ids(), ids(0..10));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn throttling_without_retries_is_a_failure() {
    let more = ", retry_on_failure: {enabled: false}, sending_queue: {enabled: false}";
    let (_, statement, _) =
        through(Mood::Error(429, "ThrottledException", ""), more, Duration::from_millis(500)).await;
    assert_eq!(statement.to_string(), "entered 200 = left 0 + refused{failed} 200");
}

#[tokio::test]
async fn what_was_taken_is_not_sent_again() {
    let (api, unit) = exporter(", num_workers: 1");
    api.behave(Mood::Unprocessed(4, "InternalFailure"));
    let node = RunHarness::start(&*unit, Signal::Xray).await.unwrap();
    node.send(batch(Signal::Xray, 0, 64)).await;
    eventually("three rounds", || (api.calls().len() > 20).then_some(())).await;
    api.behave(Mood::Well);
    assert_eq!(node.finish().await.to_string(), "entered 64 = left 64");
    let calls = api.calls();
    let counts: Vec<usize> = calls.iter().map(|call| call.documents().len()).collect();
    assert_eq!(counts[..3], [50, 14, 16], "what came back once goes together");
    assert!(counts[3..].iter().all(|count| *count == 1), "and then one by one: {counts:?}");
}

#[tokio::test]
async fn what_comes_back_holds_up_no_other() {
    // Waves of two hundred spans, in each of which some are never processed.
    let retry = "retry_on_failure: {initial_interval: 20ms, max_interval: 20ms, max_elapsed_time: 70ms}";
    let (api, unit) = exporter(&format!(", num_workers: 2, {retry}"));
    api.behave(Mood::Unprocessed(16, "InternalFailure"));
    let node = RunHarness::start(&*unit, Signal::Traces).await.unwrap();
    node.send(batch(Signal::Traces, 1, 1000)).await;
    let never = (1..=1000_u64).filter(|id| id % 16 == 0).count();
    let expected = format!("entered 1000 = left {} + refused{{retries used up}} {never}", 1000 - never);
    assert_eq!(node.finish().await.to_string(), expected);
    assert_eq!(api.ids().len(), 1000 - never, "each of the others once");
}

/// The consumers are fewer than the batches, and those wait for minutes and for ever.
const FEW_AND_PATIENT: &str = ", sending_queue: {num_consumers: 2}, retry_on_failure: {max_elapsed_time: 0s}";

/// Each batch has one that is never processed, and there are more of them than consumers.
#[tokio::test]
async fn what_never_passes_stops_no_other_batch() {
    let (api, unit) = exporter(FEW_AND_PATIENT);
    api.behave(Mood::Unprocessed(16, "InternalFailure"));
    let node = RunHarness::start(&*unit, Signal::Xray).await.unwrap();
    for first in 0..12 {
        node.inlet.as_ref().unwrap().send(batch(Signal::Xray, first * 16, 16)).await.unwrap();
    }
    let passing = 12 * 15;
    eventually("all that can pass", || (api.ids().len() == passing).then_some(())).await;
    // A copy of one document of each.
    let one = batch(Signal::Xray, 0, 1).len();
    eventually("what waits", || (node.budget.held() == 12 * one).then_some(())).await;
    node.stopping.cancel();
    assert_eq!(node.finish().await.to_string(), "entered 192 = left 180 + refused{shutdown} 12");
}

#[tokio::test]
async fn a_batch_that_is_nothing_but_what_never_passes_stops_no_other() {
    let (api, unit) = exporter(FEW_AND_PATIENT);
    api.behave(Mood::Unprocessed(2, "InternalFailure"));
    let node = RunHarness::start(&*unit, Signal::Xray).await.unwrap();
    for id in 0..12 {
        node.inlet.as_ref().unwrap().send(batch(Signal::Xray, id, 1)).await.unwrap();
    }
    eventually("all that can pass", || (api.ids().len() == 6).then_some(())).await;
    node.stopping.cancel();
    assert_eq!(node.finish().await.to_string(), "entered 12 = left 6 + refused{shutdown} 6");
}

#[tokio::test]
async fn calls_are_long_again_after_an_outage() {
    let (api, unit) = exporter("");
    api.behave(Mood::Error(500, "", ""));
    let node = RunHarness::start(&*unit, Signal::Traces).await.unwrap();
    node.inlet.as_ref().unwrap().send(batch(Signal::Traces, 1, 1600)).await.unwrap();
    eventually("several attempts", || (api.calls().len() > 60).then_some(())).await;
    api.behave(Mood::Well);
    assert_eq!(node.finish().await.to_string(), "entered 1600 = left 1600");
    let calls = api.calls();
    let last: Vec<usize> = calls[calls.len() - 8..].iter().map(|call| call.documents().len()).collect();
    assert_eq!(last, [50; 8]);
}

#[tokio::test]
async fn a_file_of_what_never_passes_stops_no_replay() {
    let directory = tempfile::tempdir().unwrap();
    let bad = format!("{:016x}", 0);
    for (name, ids) in [("a", 0..1), ("b", 1..101), ("c", 101..102)] {
        let mut lines = Vec::new();
        for document in batch(Signal::Xray, ids.start, ids.count()).chunks() {
            dead_letter::write(&mut lines, "", "GivenUp", "", std::str::from_utf8(document).unwrap());
        }
        std::fs::write(directory.path().join(format!("{name}-000000.jsonl")), lines).unwrap();
    }
    let (api, _unit) = exporter("");
    api.behave(Mood::Error(500, "", ""));
    let report = replayed(&api, directory.path()).await;
    assert_eq!((report.delivered, report.left()), (0, 102), "all are counted");
    assert!(report.stopped.unwrap().contains("HTTP status 500"));
    api.behave(Mood::ErrorWith(bad, 500, ""));
    let report = replayed(&api, directory.path()).await;
    assert_eq!((report.delivered, report.left(), report.stopped), (101, 1, None));
    api.behave(Mood::Unprocessed(1, "InternalFailure"));
    let report = replayed(&api, directory.path()).await;
    assert_eq!((report.delivered, report.kept["InternalFailure"], report.stopped), (0, 1, None));
}

/// `retry_on_failure` would give up instead.
#[tokio::test]
async fn what_comes_back_once_is_sent_again_soon() {
    let (api, unit) = exporter(", sending_queue: {num_consumers: 1}, retry_on_failure: {enabled: false}");
    api.behave(Mood::UnprocessedOnce(16, "ServiceUnavailable"));
    let node = RunHarness::start(&*unit, Signal::Traces).await.unwrap();
    for first in 0..5 {
        node.inlet.as_ref().unwrap().send(batch(Signal::Traces, 1 + first * 100, 100)).await.unwrap();
    }
    assert_eq!(node.finish().await.to_string(), "entered 500 = left 500");
    assert_eq!(api.ids(), ids(1..501));
}

/// Somebody in between stumbles over a document, and says so of the whole call.
#[tokio::test]
async fn a_document_that_makes_its_call_fail_stops_no_other() {
    for (status, code) in [(500, ""), (403, "AccessDenied")] {
        for signal in [Signal::Traces, Signal::Xray] {
            let directory = tempfile::tempdir().unwrap();
            let retry =
                "retry_on_failure: {initial_interval: 20ms, max_interval: 20ms, max_elapsed_time: 100ms}";
            let letters = format!("dead_letter: {{directory: {}}}", directory.path().display());
            let (api, unit) = exporter(&format!(", num_workers: 2, {letters}, {retry}"));
            let bad = format!("{:016x}", 123);
            api.behave(Mood::ErrorWith(bad.clone(), status, code));
            let node = RunHarness::start(&*unit, signal).await.unwrap();
            node.inlet.as_ref().unwrap().send(batch(signal, 1, 400)).await.unwrap();
            let expected = "entered 400 = left 399 + refused{retries used up} 1";
            assert_eq!(node.finish().await.to_string(), expected, "{status} {signal}");
            assert!(api.ids().len() == 399 && !api.ids().contains(&bad), "each of the others once");

            // Nor does it stop what is with it in the files.
            api.behave(Mood::Error(500, "", ""));
            let (another, unit) = exporter(&format!(", {letters}, {retry}"));
            another.behave(Mood::Error(500, "", ""));
            let node = RunHarness::start(&*unit, signal).await.unwrap();
            node.inlet.as_ref().unwrap().send(batch(signal, 1000, 120)).await.unwrap();
            assert_eq!(
                node.finish().await.to_string(),
                "entered 120 = left 0 + refused{retries used up} 120"
            );
            api.behave(Mood::ErrorWith(bad.clone(), status, code));
            let report = replayed(&api, directory.path()).await;
            assert_eq!(
                (report.delivered, report.left(), report.stopped),
                (120, 1, None),
                "{status} {signal}"
            );
            api.behave(Mood::Well);
            assert_eq!(replayed(&api, directory.path()).await.delivered, 1);
        }
    }
}

#[tokio::test]
async fn what_was_put_aside_arrives_in_the_end() {
    let retry = "retry_on_failure: {initial_interval: 20ms, max_interval: 50ms}";
    let (api, unit) = exporter(&format!(", num_workers: 1, {retry}"));
    let node = RunHarness::start(&*unit, Signal::Traces).await.unwrap();
    api.behave(Mood::Unprocessed(3, "InternalFailure"));
    node.send(batch(Signal::Traces, 1, 400)).await;
    eventually("the last wave", || api.ids().contains(&format!("{:016x}", 398)).then_some(())).await;
    // The next attempt ends in the middle, and so do some more.
    api.behave(Mood::Error(503, "", ""));
    tokio::time::sleep(Duration::from_millis(200)).await;
    api.behave(Mood::Unprocessed(5, "ServiceUnavailable"));
    tokio::time::sleep(Duration::from_millis(200)).await;
    api.behave(Mood::Well);
    assert_eq!(node.finish().await.to_string(), "entered 400 = left 400");
    assert_eq!(api.ids(), ids(1..401));
}

#[tokio::test]
async fn what_is_too_large_is_halved() {
    let (api, unit) = exporter("");
    api.behave(Mood::AtMost(9));
    let node = RunHarness::start(&*unit, Signal::Xray).await.unwrap();
    node.send(batch(Signal::Xray, 0, 100)).await;
    assert_eq!(node.finish().await.to_string(), "entered 100 = left 100");
    assert_eq!(api.ids(), ids(0..100));

    let (api, unit) = exporter("");
    api.behave(Mood::AtMost(0));
    let node = RunHarness::start(&*unit, Signal::Xray).await.unwrap();
    let verdict = node.send(batch(Signal::Xray, 0, 3)).await;
    assert_eq!(node.finish().await.to_string(), "entered 3 = left 0 + refused{too large} 3");
    assert!(matches!(verdict.try_take(), Some(Verdict::TakenOver { .. })));
    drop(api);
}

#[tokio::test]
async fn what_is_refused_for_good_is_in_the_books_and_replayed() {
    let directory = tempfile::tempdir().unwrap();
    let more = format!(", dead_letter: {{directory: {}}}", directory.path().display());
    let (api, unit) = exporter(&more);
    api.behave(Mood::Unprocessed(2, "InvalidName"));
    let node = RunHarness::start(&*unit, Signal::Xray).await.unwrap();
    node.send(batch(Signal::Xray, 0, 100)).await;
    assert_eq!(node.finish().await.to_string(), "entered 100 = left 50 + refused{InvalidName} 50");
    let found = replay::inspect(directory.path()).unwrap();
    assert_eq!((found.files, found.left(), found.kept["InvalidName"]), (1, 50, 50));

    // A third of what is sent again is refused again; then the API is down; then all is well.
    api.behave(Mood::Unprocessed(3, "Strange"));
    let report = replayed(&api, directory.path()).await;
    let again = (0..100).step_by(2).filter(|id| id % 16 % 3 == 0).count();
    assert_eq!((report.delivered, report.left(), report.kept["Strange"]), (50 - again, again, again));
    api.behave(Mood::Error(500, "", ""));
    let report = replayed(&api, directory.path()).await;
    assert_eq!((report.delivered, report.left()), (0, again));
    assert!(report.stopped.unwrap().contains("HTTP status 500"));
    api.behave(Mood::Well);
    let report = replayed(&api, directory.path()).await;
    assert_eq!((report.delivered, report.left(), report.stopped), (again, 0, None));
    assert_eq!(replay::inspect(directory.path()).unwrap(), replay::Report::default());
    assert_eq!(api.ids(), ids(0..100), "each once, as it was sent first");
}

/// What was given up is in the files, so many documents, and arrives with a replay.
async fn check_given_up(api: &Api, directory: &std::path::Path, count: usize) {
    let found = replay::inspect(directory).unwrap();
    assert_eq!((found.left(), found.kept["GivenUp"]), (count, count));
    api.behave(Mood::Well);
    let report = replayed(api, directory).await;
    assert_eq!((report.delivered, report.left()), (count, 0));
}

#[tokio::test]
async fn what_is_given_up_is_kept() {
    for signal in [Signal::Traces, Signal::Xray] {
        let directory = tempfile::tempdir().unwrap();
        let more = format!(
            ", dead_letter: {{directory: {}}},
              retry_on_failure: {{initial_interval: 20ms, max_interval: 20ms, max_elapsed_time: 60ms}}",
            directory.path().display()
        );
        let (api, unit) = exporter(&more);
        api.behave(Mood::Unprocessed(2, "InternalFailure"));
        let node = RunHarness::start(&*unit, signal).await.unwrap();
        node.inlet.as_ref().unwrap().send(batch(signal, 0, 100)).await.unwrap();
        let statement = node.finish().await;
        let left = 100 - statement.left as usize;
        assert_eq!(
            statement.to_string(),
            format!("entered 100 = left {} + refused{{retries used up}} {left}", 100 - left)
        );
        assert!(left > 0 && left < 100, "{signal}: {left}");
        check_given_up(&api, directory.path(), left).await;
        assert_eq!(api.ids().len(), 100, "{signal}: each once");
    }
}

#[tokio::test]
async fn what_is_left_when_time_is_up_is_kept() {
    for signal in [Signal::Traces, Signal::Xray] {
        let directory = tempfile::tempdir().unwrap();
        let more = format!(
            ", num_workers: 1, sending_queue: {{num_consumers: 1}}, dead_letter: {{directory: {}}}",
            directory.path().display()
        );
        let (api, unit) = exporter(&more);
        api.behave(Mood::Stall);
        let node = RunHarness::start(&*unit, signal).await.unwrap();
        // One is under way, one waits for its place, and four are in the queue.
        for first in 0..6 {
            node.inlet.as_ref().unwrap().send(batch(signal, first * 100, 100)).await.unwrap();
        }
        eventually("a call", || (!api.calls().is_empty()).then_some(())).await;
        node.stopping.cancel();
        assert_eq!(
            node.finish().await.to_string(),
            "entered 600 = left 0 + refused{shutdown} 600",
            "{signal}"
        );
        check_given_up(&api, directory.path(), 600).await;
        assert_eq!(api.ids().len(), 600, "{signal}: each once");
    }
}

#[tokio::test]
async fn what_is_refused_is_kept_once_though_nobody_waits_for_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let api = Api::start();
    api.behave(Mood::Unprocessed(2, "InvalidName"));
    let more = format!(", num_workers: 1, dead_letter: {{directory: {}}}", directory.path().display());
    let (config, cx) = configured(&api, &more);
    let exporter = AwsXray::new(&config, &cx);
    let (cx, _ready) = testkit::run_cx(component::NodeId::exporter("under_test", Signal::Xray));
    exporter.start(&cx).await.unwrap();
    // The disk stands still.
    let file = std::fs::File::create(directory.path().join("under_test-000000.jsonl")).unwrap();
    file.lock().unwrap();
    let (batch, mut progress) = (batch(Signal::Xray, 0, 100), Progress::default());
    while progress.settled.rejected().is_empty() {
        // Each time it is dropped before its end.
        let export = exporter.export(&batch, &mut progress);
        assert!(tokio::time::timeout(Duration::from_millis(200), export).await.is_err());
    }
    let settled = &progress.settled;
    assert_eq!((settled.delivered(), settled.rejected()[0].items), (50, 50));
    let counters = &exporter.running.get().unwrap().counters;
    assert_eq!(counters.kept.value(), 0);
    file.unlock().unwrap();
    let why = Refused::retry("time is up");
    exporter.give_up(&batch, &mut progress, &why).await;
    exporter.close().await.unwrap();
    assert_eq!((counters.kept.value(), counters.not_kept.value()), (50, 0));
    let kept = replay::inspect(directory.path()).unwrap().kept;
    assert_eq!(kept, [("InvalidName".to_owned(), 50)].into());
}

#[tokio::test]
async fn what_somebody_waits_for_is_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let more = format!(
        ", sending_queue: {{enabled: false}}, retry_on_failure: {{enabled: false}}, dead_letter: {{directory: {}}}",
        directory.path().display()
    );
    let (api, unit) = exporter(&more);
    api.behave(Mood::Error(500, "", ""));
    let node = RunHarness::start(&*unit, Signal::Xray).await.unwrap();
    let verdict = node.send(batch(Signal::Xray, 0, 10)).await;
    assert!(matches!(verdict.await, Verdict::Refused(refused) if refused.is_retryable()));
    node.finish().await;
    assert_eq!(replay::inspect(directory.path()).unwrap(), replay::Report::default());
}

#[tokio::test]
async fn metrics_tell_where_it_sends_to() {
    let (api, unit) = exporter("");
    let node = RunHarness::start(&*unit, Signal::Xray).await.unwrap();
    node.send(batch(Signal::Xray, 0, 1)).await;
    eventually("a call", || (!api.calls().is_empty()).then_some(())).await;
    let port = api.url().rsplit_once(':').unwrap().1.to_owned();
    let metrics = node.metrics();
    let label = format!("server_address=\"127.0.0.1\",server_port=\"{port}\"");
    assert!(metrics.contains(&label), "{metrics}");
    node.finish().await;
}

async fn replayed(api: &Api, directory: &std::path::Path) -> replay::Report {
    let yaml = format!("{{endpoint: \"{}\", region: eu-west-1, local_mode: true}}", api.url());
    let config = findings(&yaml).0.unwrap();
    let keys = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let environment = Environment::new(keys.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let clock: Arc<dyn data::Clock> = Arc::new(data::SystemClock::new());
    replay::replay(&config, &environment, "test", &clock, directory).await.unwrap()
}

#[tokio::test]
async fn one_invalid_document_takes_no_other_with_it() {
    let (api, unit) = exporter(", num_workers: 1");
    let bad = format!("{:016x}", 33);
    api.behave(Mood::ErrorWith(bad.clone(), 400, "InvalidRequestException"));
    let node = RunHarness::start(&*unit, Signal::Xray).await.unwrap();
    node.send(batch(Signal::Xray, 1, 50)).await;
    assert_eq!(node.finish().await.to_string(), "entered 50 = left 49 + refused{refused by the peer} 1");
    assert!(!api.ids().contains(&bad) && api.calls().len() < 15, "{}", api.calls().len());
}

/// X50 of the specification: there the third call is not made, and the batch has failed for good.
#[tokio::test]
async fn an_invalid_call_in_the_middle_stops_no_other() {
    let (api, unit) = exporter(", num_workers: 1");
    let bad = format!("{:016x}", 60);
    api.behave(Mood::ErrorWith(bad.clone(), 400, "InvalidRequestException"));
    let node = RunHarness::start(&*unit, Signal::Xray).await.unwrap();
    node.send(batch(Signal::Xray, 0, 120)).await;
    assert_eq!(node.finish().await.to_string(), "entered 120 = left 119 + refused{refused by the peer} 1");
    let counts: Vec<usize> = api.calls().iter().map(|call| call.documents().len()).collect();
    assert_eq!((counts[..2].to_vec(), counts.last()), (vec![50, 50], Some(&20)), "{counts:?}");
    let ids = api.ids();
    assert!(ids.len() == 119 && !ids.contains(&bad));
}

#[tokio::test]
async fn a_call_that_is_invalid_is_refused_alone() {
    let (api, unit) = exporter(", num_workers: 1");
    api.behave(Mood::Error(400, "InvalidRequestException", ""));
    let node = RunHarness::start(&*unit, Signal::Xray).await.unwrap();
    node.send(batch(Signal::Xray, 0, 60)).await;
    assert_eq!(node.finish().await.to_string(), "entered 60 = left 0 + refused{refused by the peer} 60");
    // It was looked for the one that is invalid, but not for ever.
    assert!(api.calls().len() < 25, "{}", api.calls().len());
}

#[tokio::test]
async fn what_is_left_when_time_is_up_is_in_the_books() {
    let (api, unit) = exporter(", num_workers: 1");
    let node = RunHarness::start(&*unit, Signal::Xray).await.unwrap();
    api.behave(Mood::Unprocessed(2, "InternalFailure"));
    node.send(batch(Signal::Xray, 0, 50)).await;
    eventually("the first answer", || (!api.taken().is_empty()).then_some(())).await;
    api.behave(Mood::Stall);
    eventually("another call", || (api.calls().len() > 1).then_some(())).await;
    node.stopping.cancel();
    assert_eq!(node.finish().await.to_string(), "entered 50 = left 25 + refused{shutdown} 25");
}

#[tokio::test]
async fn without_a_region_it_does_not_start() {
    let (config, _) = findings("{local_mode: true}");
    let Ok(Stage::Exporter(unit)) = AwsXray::build(&config.unwrap(), &testkit::build_cx()) else { panic!() };
    let error = RunHarness::start(&*unit, Signal::Xray).await.err().unwrap().to_string();
    assert!(error.contains("cannot fetch region"), "{error}");
}

#[tokio::test]
async fn a_last_telemetry_record_is_sent_at_the_end() {
    let telemetry =
        "telemetry: {enabled: true, include_metadata: true, hostname: h, instance_id: i, resource_arn: a}";
    let (api, unit) = exporter(&format!(", {telemetry}"));
    let node = RunHarness::start(&*unit, Signal::Xray).await.unwrap();
    api.behave(Mood::Unprocessed(2, "InvalidName"));
    node.send(batch(Signal::Xray, 0, 10)).await;
    node.finish().await;
    let calls = api.calls();
    let record = calls.iter().find(|call| call.path == "/TelemetryRecords").expect("a record");
    let record: serde_json::Value = serde_json::from_slice(&record.body).unwrap();
    let texts =
        ["EC2InstanceId", "Hostname", "ResourceARN"].map(|key| record[key].as_str().unwrap().to_owned());
    assert_eq!(texts, ["i", "h", "a"]);
    let counts = &record["TelemetryRecords"][0];
    assert_eq!((&counts["SegmentsSentCount"], &counts["SegmentsRejectedCount"]), (&5.into(), &5.into()));
}
