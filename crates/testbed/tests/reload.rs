//! SIGHUP: the configuration is exchanged under load, or refused with everything that is wrong with it.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use prost::Message as _;
use testbed::grpc::{Client, TRACES};
use testbed::{Collector, Reply, Signal, Upstream, config, eventually, http, otlp_json};
use testkit::generate::traces;
use tokio::net::TcpStream;

const UPDATED: &str = "Config updated";

/// A connection for each few requests: none may be refused. What was answered OK is given back; what was not
/// answered is sent again, as a proper client does.
async fn load(
    to: SocketAddr,
    sender: u64,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
) -> BTreeSet<u64> {
    let mut ids = BTreeSet::new();
    let mut next = sender << 32 | 1;
    while !stop.load(Ordering::Relaxed) {
        let stream = TcpStream::connect(to).await.expect("connections are never refused");
        let Ok(client) = Client::over(stream).await else { continue };
        for _ in 0..5 {
            let range = next..next + 10;
            match client.try_export(TRACES, &traces(range.clone()).encode_to_vec()).await {
                Ok(answer) if answer.code == 0 => {
                    ids.extend(range.clone());
                    answered.fetch_add(1, Ordering::Relaxed);
                    next = range.end;
                }
                Ok(answer) => assert_eq!(answer.code, 14, "{answer:?}"),
                Err(_) => break,
            }
        }
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_under_load_loses_nothing() {
    let first = config::through_batch("file", "{path: DIR/out.json, append: true}");
    let others = [
        first.replace("50ms", "20ms"),
        // Another exporter, so the old one is drained beside the new graph.
        first.replace("out.json", "other.json"),
        first.replace("processors: [batch]", "processors: []"),
        first.clone(),
    ];
    let collector = Collector::start(&first);
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let to = collector.grpc();
    let senders: Vec<_> = (0..4)
        .map(|sender| tokio::spawn(load(to, sender, Arc::clone(&stop), Arc::clone(&answered))))
        .collect();
    for (times, next) in others.iter().enumerate() {
        let before = answered.load(Ordering::Relaxed);
        eventually("answers", || (answered.load(Ordering::Relaxed) > before + 50).then_some(()));
        collector.write_config(next);
        collector.signal(Signal::SIGHUP);
        collector.wait_for_times(UPDATED, times + 1);
    }
    let before = answered.load(Ordering::Relaxed);
    eventually("answers", || (answered.load(Ordering::Relaxed) > before + 50).then_some(()));
    stop.store(true, Ordering::Relaxed);
    let mut taken = BTreeSet::new();
    for sender in senders {
        taken.extend(sender.await.unwrap());
    }
    assert_eq!(collector.grpc(), to, "the socket stays the same");
    let ended = collector.stop_clean();
    let mut written = otlp_json::span_ids(&ended.file("out.json"));
    written.extend(otlp_json::span_ids(&ended.file("other.json")));
    // What was sent again after a lost answer may be there twice.
    let written: BTreeSet<u64> = written.into_iter().collect();
    let lost: Vec<_> = taken.difference(&written).collect();
    assert!(lost.is_empty(), "answered and lost: {lost:?}");
    let receiver = ended.account.of("receiver otlp", "spans");
    assert_eq!(receiver.inside, 0);
    let exporter = ended.account.of("exporter file (traces)", "spans");
    assert_eq!((exporter.left, exporter.entered), (receiver.left, receiver.left));
}

/// Configurations with something wrong in them, and what has to be said about it. What they lead to must never exist.
fn wrong_ones(right: &str, taken: SocketAddr) -> Vec<(String, String)> {
    let wrong = right.replace("DIR/", "DIR/never-");
    let line = 1 + wrong.lines().position(|line| line.contains("timeout: ")).unwrap();
    vec![
        (wrong.replace("timeout: ", "timeot: "), format!("config.yaml:{line}:")),
        (
            wrong.replace("exporters: [file]", "exporters: [file, missing]"),
            "no exporter or connector `missing`".to_owned(),
        ),
        (wrong.replace("receivers:", "receivers: ["), "invalid YAML".to_owned()),
        // Found only when the new graph starts: the old one is started again.
        (right.replacen("127.0.0.1:0", &taken.to_string(), 1), taken.to_string()),
        (String::new(), "empty configuration".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_reloads_valid_and_invalid_in_turn_lose_nothing() {
    let logs = "telemetry:\n    logs: {sampling: {enabled: false}}";
    let first =
        config::through_batch("file", "{path: DIR/out.json, append: true}").replacen("telemetry:", logs, 1);
    let right = [
        first.replace("50ms", "20ms"),
        // Another exporter, so the old one is drained beside the new graph.
        first.replace("out.json", "other.json"),
        first.replace("processors: [batch]", "processors: []"),
        first.replace("localhost:0", "127.0.0.2:0"),
        first.clone(),
    ];
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let wrong = wrong_ones(&first, elsewhere.local_addr().unwrap());
    let collector = Collector::start(&first);
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let to = collector.grpc();
    let senders: Vec<_> = (0..4)
        .map(|sender| tokio::spawn(load(to, sender, Arc::clone(&stop), Arc::clone(&answered))))
        .collect();
    let more_answers = || {
        let before = answered.load(Ordering::Relaxed);
        eventually("answers", || (answered.load(Ordering::Relaxed) > before + 20).then_some(()));
    };
    for turn in 0..25 {
        more_answers();
        collector.write_config(&right[turn % right.len()]);
        collector.signal(Signal::SIGHUP);
        collector.wait_for_times(UPDATED, turn + 1);
        assert_eq!(collector.metric("collimator_config_last_reload_successful"), 1.0);

        more_answers();
        let (text, expected) = &wrong[turn % wrong.len()];
        let said_before = collector.output().len();
        collector.write_config(text);
        collector.signal(Signal::SIGHUP);
        collector.wait_for_times("Configuration refused, the running one stays", turn + 1);
        let said = collector.output()[said_before..].to_owned();
        assert!(said.contains(expected.as_str()), "{expected} is not in\n{said}");
        assert_eq!(collector.metric("collimator_config_last_reload_successful"), 0.0);
        assert!(!collector.file("never-out.json").exists(), "an invalid configuration took effect");
    }
    more_answers();
    assert_eq!(collector.metric("collimator_reloads{outcome=\"applied\"}"), 25.0);
    assert_eq!(collector.metric("collimator_reloads{outcome=\"refused\"}"), 25.0);
    stop.store(true, Ordering::Relaxed);
    let mut taken = BTreeSet::new();
    for sender in senders {
        taken.extend(sender.await.unwrap());
    }
    assert_eq!(collector.grpc(), to, "the socket stays the same");
    let ended = collector.stop_clean();
    let mut written = otlp_json::span_ids(&ended.file("out.json"));
    written.extend(otlp_json::span_ids(&ended.file("other.json")));
    let written: BTreeSet<u64> = written.into_iter().collect();
    let lost: Vec<_> = taken.difference(&written).collect();
    assert!(lost.is_empty(), "answered and lost: {lost:?}");
    ended.account.nothing_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_configuration_is_refused_and_the_old_one_runs_on() {
    let first = config::through_batch("file", "{path: DIR/out.json}");
    let collector = Collector::start(&first);
    let client = Client::connect(collector.grpc()).await;
    let broken = first.replace("timeout: 50ms", "timeout: 50ms, send_batch_sise: 3");
    let line = 1 + broken.lines().position(|line| line.contains("send_batch_sise")).unwrap();
    let column = 1 + broken.lines().find_map(|line| line.find("send_batch_sise")).unwrap();
    let wrong = [
        (broken, format!("config.yaml:{line}:{column}")),
        (first.replace("exporters: [file]", "exporters: [missing]"), "missing".to_owned()),
        ("receivers: [".to_owned(), "config.yaml:1".to_owned()),
    ];
    for (times, (config, place)) in wrong.iter().enumerate() {
        collector.write_config(config);
        collector.signal(Signal::SIGHUP);
        collector.wait_for_times("Configuration refused, the running one stays", times + 1);
        assert!(collector.output().contains(place), "{place}:\n{}", collector.output());
        let first_id = times as u64 * 10 + 1;
        let answer = client.export(TRACES, &traces(first_id..first_id + 10).encode_to_vec()).await;
        assert_eq!(answer.code, 0, "the same connection still serves");
    }
    assert!(collector.output().contains("send_batch_size"), "it says what would have been right");
    // Right again.
    collector.write_config(&first.replace("50ms", "60ms"));
    collector.signal(Signal::SIGHUP);
    collector.wait_for(UPDATED);
    let ended = collector.stop_clean();
    ended.account.nothing_lost();
    ended.account.passed("exporter file (traces)", "spans", 30);
    assert_eq!(otlp_json::span_ids(&ended.file("out.json")).len(), 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_start_leaves_the_old_one_running() {
    let first = config::through_batch("file", "{path: DIR/out.json, append: true}");
    let collector = Collector::start(&first);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    // The gRPC port is somebody else's.
    collector.write_config(&first.replacen("127.0.0.1:0", &address, 1));
    collector.signal(Signal::SIGHUP);
    collector.wait_for("Configuration refused, the running one stays");
    eprintln!("{}", collector.output());
    let client = Client::connect(collector.grpc()).await;
    assert_eq!(client.export(TRACES, &traces(1..11).encode_to_vec()).await.code, 0);
    assert!(collector.output().contains(&address), "it says which:\n{}", collector.output());
    let ended = collector.stop_clean();
    ended.account.nothing_lost();
    assert_eq!(otlp_json::span_ids(&ended.file("out.json")).len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_survives_a_reload() {
    let upstream = Upstream::start(Reply::Status(14, "not now".into())).await;
    let exporter = format!(
        "otlp_grpc: {{endpoint: \"{}\", tls: {{insecure: true}}, compression: none, \
         retry_on_failure: {{initial_interval: 50ms, max_interval: 100ms, max_elapsed_time: 0s}}}}",
        upstream.address()
    );
    let first = config::graph("{}", &exporter, "[batch]", "[otlp_grpc]", "");
    let collector = Collector::start(&first);
    let client = Client::connect(collector.grpc()).await;
    assert_eq!(client.export(TRACES, &traces(1..101).encode_to_vec()).await.code, 0);
    eventually("an attempt", || (!upstream.taken().is_empty()).then_some(()));
    collector.write_config(&first.replace("50ms}", "70ms}"));
    collector.signal(Signal::SIGHUP);
    collector.wait_for(UPDATED);
    let client = Client::connect(collector.grpc()).await;
    assert_eq!(client.export(TRACES, &traces(101..201).encode_to_vec()).await.code, 0);
    upstream.reply(Reply::Ok);
    let ended = collector.stop_clean();
    ended.account.nothing_lost();
    ended.account.passed("exporter otlp_grpc (traces)", "spans", 200);
    assert_eq!(upstream.span_ids(), (1..201).collect());
}

#[test]
fn ports_can_be_exchanged() {
    let first = config::through_batch("file", "{path: DIR/out.json, append: true}");
    let collector = Collector::start(&first);
    let former = collector.http();
    collector.write_config(&first.replace("localhost:0", "127.0.0.2:0"));
    collector.signal(Signal::SIGHUP);
    collector.wait_for(UPDATED);
    assert_ne!(collector.http(), former);
    assert_eq!(http::post(collector.http(), "/v1/traces", &[http::JSON], b"{}").status, 200);
    eventually("the old port to close", || std::net::TcpStream::connect(former).is_err().then_some(()));
    collector.stop_clean().account.nothing_lost();
}
