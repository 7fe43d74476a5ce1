//! Stopping: what was answered is delivered, time limits hold, what is left is named.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prost::Message as _;
use testbed::grpc::{Client, TRACES};
use testbed::{Collector, PATIENCE, Reply, Signal, Upstream, config, eventually, http, otlp_json};
use testkit::generate::traces;

fn spans(ids: Range<u64>) -> Vec<u8> {
    traces(ids).encode_to_vec()
}

/// Sends requests one after the other until the server ends the connection; gives the ids that were answered OK.
async fn load(to: SocketAddr, sender: u64, answered: Arc<AtomicUsize>) -> BTreeSet<u64> {
    let client = Client::connect(to).await;
    let mut ids = BTreeSet::new();
    let mut next = sender << 32 | 1;
    loop {
        let range = next..next + 20;
        next = range.end;
        match client.try_export(TRACES, &spans(range.clone())).await {
            Ok(answer) if answer.code == 0 => {
                ids.extend(range);
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => assert_eq!(answer.code, 14, "it may only be told to come back: {answer:?}"),
            Err(_) => return ids,
        }
    }
}

async fn stop_under_load(run: usize) {
    let collector = Collector::start(&config::through_batch("file", "{path: DIR/out.json}"));
    let answered = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> =
        (0..6).map(|sender| tokio::spawn(load(collector.grpc(), sender, Arc::clone(&answered)))).collect();
    // Each run stops at another moment: at the first answers, or in the middle of things.
    eventually("the load to run", || (answered.load(Ordering::Relaxed) > run * 20).then_some(()));
    let ended = collector.stop_clean();
    let mut taken = BTreeSet::new();
    for sender in senders {
        taken.extend(sender.await.unwrap());
    }
    ended.account.nothing_lost();
    let in_file = otlp_json::distinct(otlp_json::span_ids(&ended.file("out.json")));
    let lost: Vec<_> = taken.difference(&in_file).collect();
    assert!(lost.is_empty(), "run {run}: answered and lost: {lost:?}");
    // More may be in the file: taken in the last moment, the answer cut off with the connection.
    ended.account.passed("exporter file (traces)", "spans", in_file.len() as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_in_the_file() {
    for run in 0..20 {
        stop_under_load(run).await;
    }
}

fn to_upstream(address: SocketAddr, service: &str) -> String {
    let exporter = format!(
        "otlp_grpc: {{endpoint: \"{address}\", tls: {{insecure: true}}, compression: none, timeout: 60s, \
         retry_on_failure: {{initial_interval: 100ms, max_interval: 200ms, max_elapsed_time: 0s}}}}"
    );
    config::graph("{}", &exporter, "[batch]", "[otlp_grpc]", service)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_upstream_ends_at_the_deadline() {
    let upstream = Upstream::start(Reply::Never).await;
    let silent = upstream.address();
    // Nobody listens on a port that was just given back.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [silent, closed] {
        let collector = Collector::start(&to_upstream(address, "drain_timeout: 2s"));
        let client = Client::connect(collector.grpc()).await;
        assert_eq!(client.export(TRACES, &spans(1..101)).await.code, 0);
        let ended = tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(|| collector.stop()));
        let ended = ended.await.expect("the deadline is kept").unwrap();
        assert_eq!(ended.code, Some(1), "{}", ended.output);
        ended.account.passed("processor batch (traces)", "spans", 100);
        let exporter = ended.account.of("exporter otlp_grpc (traces)", "spans");
        assert_eq!((exporter.entered, exporter.left, exporter.refused["shutdown"]), (100, 0, 100));
        let line = ended.output.lines().find(|line| line.contains("Not delivered")).unwrap();
        assert!(line.contains("exporter otlp_grpc (traces)") && line.contains("100"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_upstream_takes_late_is_delivered() {
    let upstream = Upstream::start(Reply::Status(14, "not now".into())).await;
    let collector = Collector::start(&to_upstream(upstream.address(), "drain_timeout: 60s"));
    let client = Client::connect(collector.grpc()).await;
    assert_eq!(client.export(TRACES, &spans(1..101)).await.code, 0);
    eventually("an attempt", || (!upstream.taken().is_empty()).then_some(()));
    collector.signal(Signal::SIGTERM);
    collector.wait_for("Starting shutdown");
    upstream.reply(Reply::Ok);
    let ended = collector.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    ended.account.nothing_lost();
    ended.account.passed("exporter otlp_grpc (traces)", "spans", 100);
    assert_eq!(upstream.span_ids(), (1..101).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_stops_at_once() {
    for second in [Signal::SIGTERM, Signal::SIGINT] {
        let upstream = Upstream::start(Reply::Never).await;
        let collector = Collector::start(&to_upstream(upstream.address(), "drain_timeout: 1h"));
        let client = Client::connect(collector.grpc()).await;
        assert_eq!(client.export(TRACES, &spans(1..11)).await.code, 0);
        eventually("an attempt", || (!upstream.taken().is_empty()).then_some(()));
        collector.signal(Signal::SIGTERM);
        collector.wait_for("Starting shutdown");
        collector.signal(second);
        let ended = collector.ended();
        assert_eq!(ended.code, Some(1), "{}", ended.output);
        assert!(ended.output.contains("Second signal: stopping at once"), "{}", ended.output);
        // Not delivered, and not forgotten either: still inside, or given up under a name.
        let exporter = ended.account.of("exporter otlp_grpc (traces)", "spans");
        assert_eq!((exporter.entered, exporter.left), (10, 0));
        let line = ended.output.lines().find(|line| line.contains("Not delivered"));
        assert!(line.is_some_and(|line| line.contains("otlp_grpc")), "{}", ended.output);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_signals_to_an_idle_process_are_no_failure() {
    for _ in 0..5 {
        let collector = Collector::start(&config::through_batch("nop", "{}"));
        collector.signal(Signal::SIGTERM);
        collector.signal(Signal::SIGTERM);
        let ended = collector.ended();
        assert_eq!(ended.code, Some(0), "{}", ended.output);
        assert!(!ended.output.contains("ended by itself"), "{}", ended.output);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_wait_are_answered_before_the_end() {
    // Without a queue the client waits for the upstream's word.
    let upstream = Upstream::start(Reply::Never).await;
    let body = format!(
        "{{endpoint: \"{}\", tls: {{insecure: true}}, compression: none, timeout: 60s, sending_queue: {{enabled: false}}}}",
        upstream.address()
    );
    let config = config::graph("{}", &format!("otlp_grpc: {body}"), "[]", "[otlp_grpc]", "drain_timeout: 2s");
    let collector = Collector::start(&config);
    let client = Client::connect(collector.grpc()).await;
    let waiting = tokio::spawn(async move { client.try_export(TRACES, &spans(1..11)).await });
    eventually("the request to get through", || (!upstream.taken().is_empty()).then_some(()));
    let ended = tokio::task::spawn_blocking(|| collector.stop()).await.unwrap();
    let answer = waiting.await.unwrap().expect("an answer");
    assert_eq!(answer.code, 14, "it may send again: {answer:?}");
    assert_eq!(ended.code, Some(1), "{}", ended.output);
    assert_eq!(ended.account.of("exporter otlp_grpc (traces)", "spans").left, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_do_not_hold_the_process() {
    let collector = Collector::start(&config::through_batch("file", "{path: DIR/out.json}"));
    let (grpc, http) = (collector.grpc(), collector.http());
    let client = Client::connect(grpc).await;
    assert_eq!(client.export(TRACES, &spans(1..2)).await.code, 0);
    let silent: Vec<_> = (0..10).flat_map(|_| [http::connect(grpc), http::connect(http)]).collect();
    let ended = collector.stop_clean();
    ended.account.passed("exporter file (traces)", "spans", 1);
    drop(silent);
}
