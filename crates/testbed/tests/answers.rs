//! What clients are answered when the pipeline can't take their data, or its destination won't.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::ops::Range;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message as _;
use serde_json::{Value, json};
use testbed::grpc::{Client, RpcStatus, TRACES};
use testbed::http::{self, JSON, PROTOBUF};
use testbed::{Collector, Reply, Signal, Upstream, config, eventually};
use testkit::generate::traces;

const UNAVAILABLE: i32 = 14;

fn spans(ids: Range<u64>) -> Vec<u8> {
    traces(ids).encode_to_vec()
}

/// One span as JSON.
fn span_json(id: u64) -> Vec<u8> {
    let span = json!({ "traceId": "07".repeat(16), "spanId": format!("{id:016x}"), "name": "x" });
    json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] }).to_string().into_bytes()
}

/// `otlp → otlp_grpc` without a queue: what the upstream says is what the client hears.
async fn unqueued(reply: Reply, retry: &str) -> (Upstream, Collector, Client) {
    let upstream = Upstream::start(reply).await;
    let collector = Collector::start(&config::direct(
        "otlp_grpc",
        &format!(
            "{{endpoint: \"{}\", tls: {{insecure: true}}, compression: none, sending_queue: {{enabled: false}}, \
             retry_on_failure: {retry}}}",
            upstream.address()
        ),
    ));
    let client = Client::connect(collector.grpc()).await;
    (upstream, collector, client)
}

fn nothing_rejected(body: &[u8]) {
    let said = ExportTraceServiceResponse::decode(body).unwrap();
    assert_eq!(said.partial_success.unwrap_or_default(), ExportTracePartialSuccess::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivered_means_delivered() {
    let (upstream, collector, client) = unqueued(Reply::Ok, "{enabled: false}").await;
    let answer = client.export(TRACES, &spans(1..11)).await;
    assert_eq!(answer.code, 0, "{answer:?}");
    nothing_rejected(&answer.body);
    assert_eq!(upstream.span_ids(), (1..11).collect(), "it is there when the client is answered");
    let response = http::post(collector.http(), "/v1/traces", &[PROTOBUF], &spans(11..21));
    assert_eq!(response.status, 200);
    nothing_rejected(&response.body);
    let ended = collector.stop_clean();
    ended.account.nothing_lost();
    ended.account.passed("exporter otlp_grpc (traces)", "spans", 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partial_success_is_passed_on() {
    let reply = Reply::Partial(3, "too old: \"x\"".to_owned());
    let (_upstream, collector, client) = unqueued(reply, "{enabled: false}").await;
    let check = |body: &[u8]| {
        let partial = ExportTraceServiceResponse::decode(body).unwrap().partial_success.unwrap();
        assert_eq!((partial.rejected_spans, partial.error_message.as_str()), (3, "too old: \"x\""));
    };
    let answer = client.export(TRACES, &spans(1..11)).await;
    assert_eq!(answer.code, 0, "{answer:?}");
    check(&answer.body);
    let response = http::post(collector.http(), "/v1/traces", &[PROTOBUF], &spans(11..21));
    assert_eq!(response.status, 200);
    check(&response.body);
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [
        { "traceId": "07".repeat(16), "spanId": "0000000000000001" },
        { "traceId": "07".repeat(16), "spanId": "0000000000000002" },
        { "traceId": "07".repeat(16), "spanId": "0000000000000003" },
        { "traceId": "07".repeat(16), "spanId": "0000000000000004" },
    ] }] }] });
    let response = http::post(collector.http(), "/v1/traces", &[JSON], body.to_string().as_bytes());
    assert_eq!(response.status, 200);
    let said: Value = serde_json::from_str(&response.text()).unwrap();
    let expected = json!({ "partialSuccess": { "rejectedSpans": "3", "errorMessage": "too old: \"x\"" } });
    assert_eq!(said, expected);

    let ended = collector.stop_clean();
    let exporter = ended.account.of("exporter otlp_grpc (traces)", "spans");
    assert_eq!((exporter.entered, exporter.left), (24, 24 - 9));
    assert_eq!(exporter.refused["refused in part by the peer"], 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warning_without_refusal_is_a_success() {
    let (_upstream, collector, client) =
        unqueued(Reply::Partial(0, "please send less".to_owned()), "{enabled: false}").await;
    let answer = client.export(TRACES, &spans(1..11)).await;
    assert_eq!(answer.code, 0);
    nothing_rejected(&answer.body);
    let ended = collector.stop_clean();
    ended.account.nothing_lost();
    let line = ended.output.lines().find(|line| line.contains("please send less"));
    assert!(
        line.is_some_and(|line| line.contains("warn")),
        "it is for the operator to see:\n{}",
        ended.output
    );
}

/// What the upstream says, and what clients hear: a gRPC code and an HTTP status.
const REFUSALS: &[(i32, i32, u16)] = &[
    (3, 3, 400),
    (7, 7, 403),
    (16, 16, 401),
    (12, 12, 404),
    (13, 13, 500),
    // Full without a word of when: for good, so it must not be told under a code that means "again".
    (8, 13, 500),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_for_good_are_passed_on() {
    let (upstream, collector, client) = unqueued(Reply::Ok, "{}").await;
    for &(said, code, status) in REFUSALS {
        let before = upstream.taken().len();
        upstream.reply(Reply::Status(said, "because".to_owned()));
        let answer = client.export(TRACES, &spans(1..11)).await;
        assert_eq!((answer.code, answer.message.as_str()), (code, "because"), "{said}");
        assert_eq!(answer.retry_delay, None, "{said}");
        let response = http::post(collector.http(), "/v1/traces", &[PROTOBUF], &spans(1..11));
        let text = RpcStatus::decode(&response.body[..]).unwrap();
        assert_eq!((response.status, text.code, text.message.as_str()), (status, code, "because"), "{said}");
        assert_eq!(response.header("retry-after"), None, "{said}");
        let response = http::post(collector.http(), "/v1/traces", &[JSON], &span_json(1));
        assert_eq!(response.status, status, "{said}");
        let text: Value = serde_json::from_str(&response.text()).unwrap();
        assert_eq!(text, json!({ "code": code, "message": "because" }), "{said}");
        assert_eq!(upstream.taken().len(), before + 3, "{said}: nothing is tried again");
    }
    let ended = collector.stop_clean();
    let exporter = ended.account.of("exporter otlp_grpc (traces)", "spans");
    let count = REFUSALS.len() as u64 * 21;
    assert_eq!((exporter.entered, exporter.left, exporter.refused["refused by the peer"]), (count, 0, count));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_that_pass_say_so() {
    for said in [1, 4, 10, 14, 15] {
        let (_upstream, collector, client) =
            unqueued(Reply::Status(said, "not now".to_owned()), "{enabled: false}").await;
        let answer = client.export(TRACES, &spans(1..11)).await;
        assert_eq!(answer.code, said, "{answer:?}");
        let response = http::post(collector.http(), "/v1/traces", &[PROTOBUF], &spans(1..11));
        // The status codes that OTLP/HTTP clients send again at.
        assert!([429, 502, 503, 504].contains(&response.status), "{said}: {}", response.status);
        let ended = collector.stop_clean();
        assert_eq!(ended.account.of("exporter otlp_grpc (traces)", "spans").refused["failed"], 20);
    }
}

/// Asserts that both protocols tell their clients to come back, and when.
fn told_to_come_back(collector: &Collector, answer: &testbed::grpc::Answer, body: &[u8]) {
    assert_eq!(answer.code, UNAVAILABLE, "{answer:?}");
    assert!(answer.retry_delay.is_some_and(|delay| delay > Duration::ZERO), "{answer:?}");
    let response = http::post(collector.http(), "/v1/traces", &[PROTOBUF], body);
    assert_eq!(response.status, 503, "{}", response.text());
    let after: u64 = response.header("retry-after").expect("Retry-After").parse().unwrap();
    assert!(after > 0);
    let status = RpcStatus::decode(&response.body[..]).unwrap();
    assert_eq!((status.code, &status.message), (UNAVAILABLE, &answer.message));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses() {
    let upstream = Upstream::start(Reply::Never).await;
    let exporter = format!(
        "otlp_grpc: {{endpoint: \"{}\", tls: {{insecure: true}}, compression: none, timeout: 60s, \
         sending_queue: {{queue_size: 2, num_consumers: 1}}}}",
        upstream.address()
    );
    let config = config::graph("{}", &exporter, "[]", "[otlp_grpc]", "drain_timeout: 1s");
    let collector = Collector::start(&config);
    let client = Client::connect(collector.grpc()).await;
    assert_eq!(client.export(TRACES, &spans(1..11)).await.code, 0);
    assert_eq!(client.export(TRACES, &spans(11..21)).await.code, 0);
    let answer = client.export(TRACES, &spans(21..31)).await;
    assert_eq!(answer.message, "sending queue is full");
    told_to_come_back(&collector, &answer, &spans(21..31));
    let ended = collector.stop();
    assert_eq!(ended.code, Some(1), "what the queue holds is not delivered");
    let receiver = ended.account.of("receiver otlp", "spans");
    assert_eq!((receiver.entered, receiver.left, receiver.refused["queue full"]), (40, 20, 20));
    assert_eq!(ended.account.of("exporter otlp_grpc (traces)", "spans").refused["shutdown"], 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_memory_refuses_and_recovers() {
    let upstream = Upstream::start(Reply::Never).await;
    let exporter = format!(
        "otlp_grpc: {{endpoint: \"{}\", tls: {{insecure: true}}, compression: none, timeout: 1s, \
         sending_queue: {{queue_size: 100000}}, \
         retry_on_failure: {{initial_interval: 50ms, max_interval: 100ms, max_elapsed_time: 0s}}}}",
        upstream.address()
    );
    let config = config::graph("{}", &exporter, "[batch]", "[otlp_grpc]", "limits: {max_held_mib: 8}");
    let collector = Collector::start(&config);
    let client = Client::connect(collector.grpc()).await;
    let (mut next, mut taken, mut refused_again) = (1, 0, 0);
    let refused = loop {
        let answer = client.export(TRACES, &spans(next..next + 1000)).await;
        if answer.code != 0 {
            break answer;
        }
        next += 1000;
        taken += 1000;
        assert!(taken < 1_000_000, "it takes more than 8 MiB can hold");
    };
    assert!(taken > 0);
    assert_eq!(refused.message, "data refused due to high memory usage");
    // Many are told so, and none of it costs anything.
    for _ in 0..20 {
        told_to_come_back(&collector, &refused, &spans(next..next + 1000));
    }
    upstream.reply(Reply::Ok);
    eventually("what was taken to arrive", || (upstream.span_ids().len() as u64 == taken).then_some(()));
    // There is room again, as soon as the process has heard that too.
    let mut answer = client.export(TRACES, &spans(next..next + 1000)).await;
    while answer.code != 0 {
        assert_eq!(answer.code, UNAVAILABLE, "{answer:?}");
        refused_again += 1;
        assert!(refused_again < 6000, "no room again: {answer:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
        answer = client.export(TRACES, &spans(next..next + 1000)).await;
    }
    let ended = collector.stop_clean();
    ended.account.nothing_lost();
    ended.account.passed("exporter otlp_grpc (traces)", "spans", taken + 1000);
    assert_eq!(upstream.span_ids().len() as u64, taken + 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_wait_hear_of_the_end() {
    let (upstream, collector, client) =
        unqueued(Reply::Status(14, "not now".to_owned()), "{max_elapsed_time: 0s}").await;
    let waiting = tokio::spawn(async move { client.try_export(TRACES, &spans(1..11)).await });
    eventually("an attempt", || (!upstream.taken().is_empty()).then_some(()));
    collector.signal(Signal::SIGTERM);
    collector.wait_for("Starting shutdown");
    upstream.reply(Reply::Ok);
    let ended = tokio::task::spawn_blocking(|| collector.ended()).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().code, 0, "it is delivered after all");
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    ended.account.nothing_lost();
}

/// Two branches: what one refuses must not arrive twice at the other when the client sends it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_branch_leaves_nothing_on_the_other() {
    let upstream = Upstream::start(Reply::Never).await;
    let exporters = format!(
        "otlp_grpc: {{endpoint: \"{}\", tls: {{insecure: true}}, compression: none, timeout: 60s, \
         sending_queue: {{queue_size: 1, num_consumers: 1}}}}\nfile: {{path: DIR/out.json}}",
        upstream.address()
    );
    let config = config::graph("{}", &exporters, "[]", "[otlp_grpc, file]", "drain_timeout: 1s");
    let collector = Collector::start(&config);
    let client = Client::connect(collector.grpc()).await;
    assert_eq!(client.export(TRACES, &spans(1..11)).await.code, 0);
    for _ in 0..5 {
        assert_eq!(client.export(TRACES, &spans(11..21)).await.code, UNAVAILABLE);
    }
    let ended = collector.stop();
    let receiver = ended.account.of("receiver otlp", "spans");
    assert_eq!((receiver.entered, receiver.created, receiver.left), (60, 10, 20));
    ended.account.passed("exporter file (traces)", "spans", 10);
    assert_eq!(testbed::otlp_json::span_ids(&ended.file("out.json")), (1..11).collect::<Vec<_>>());
}
