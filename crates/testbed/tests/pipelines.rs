//! The configurations that come with the project do what they say.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::path::{Path, PathBuf};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use testbed::grpc::{Client, LOGS, METRICS, TRACES};
use testbed::http::{self, PROTOBUF};
use testbed::{Collector, Reply, Upstream, eventually, validate};
use testkit::generate::{attribute, batch, message, traces};

fn pipelines() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines")
}

fn pipeline(name: &str) -> String {
    std::fs::read_to_string(pipelines().join(name)).unwrap()
}

const PORTS: [(&str, &str); 5] = [
    ("OTLP_GRPC_ENDPOINT", "127.0.0.1:0"),
    ("OTLP_HTTP_ENDPOINT", "localhost:0"),
    ("METRICS_HOST", "127.0.0.1"),
    ("METRICS_PORT", "0"),
    ("HEALTH_ENDPOINT", "127.0.0.1:0"),
];

#[test]
fn every_file_is_valid() {
    let files = std::fs::read_dir(pipelines()).unwrap().map(|entry| entry.unwrap().path());
    let yaml: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    assert!(yaml.len() >= 2, "{yaml:?}");
    for path in yaml {
        let output = validate(&path);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{}: {said}", path.display());
    }
}

#[test]
fn what_is_wrong_is_shown_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wrong.yaml");
    let text = pipeline("local.yaml")
        .replace("verbosity:", "verbosty:")
        .replace("exporters: [debug]", "exporters: [debugg]");
    std::fs::write(&path, &text).unwrap();
    let output = validate(&path);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for wrong in ["verbosty", "debugg"] {
        let line = 1 + text.lines().position(|line| line.contains(wrong)).unwrap();
        let column = 1 + text.lines().find_map(|line| line.find(wrong)).unwrap();
        assert!(said.contains(&format!("wrong.yaml:{line}:{column}")), "{wrong} at {line}:{column}:\n{said}");
    }
    assert!(said.contains("verbosity"), "it says what would have been right:\n{said}");
}

#[test]
fn the_span_of_the_readme_is_taken() {
    let readme = std::fs::read_to_string(pipelines().join("../README.md")).unwrap();
    let (_, after) = readme.split_once("curl localhost:4318/v1/traces --json '").unwrap();
    let (body, _) = after.split_once('\'').unwrap();
    let collector = Collector::start_with(&pipeline("local.yaml"), &PORTS);
    let response = http::post(collector.http(), "/v1/traces", &[http::JSON], body.as_bytes());
    assert_eq!((response.status, response.text().as_str()), (200, "{\"partialSuccess\":{}}"));
    collector.stop_clean().account.passed("exporter debug (traces)", "spans", 1);
}

async fn send_everything(collector: &Collector) {
    let client = Client::connect(collector.grpc()).await;
    for (path, signal) in
        [(TRACES, data::Signal::Traces), (METRICS, data::Signal::Metrics), (LOGS, data::Signal::Logs)]
    {
        let message = message(&batch(signal, 1, 7));
        assert_eq!(client.export(path, &message).await.code, 0, "{path}");
    }
    let response = http::post(collector.http(), "/v1/traces", &[PROTOBUF], &traces(8..11).encode_to_vec());
    assert_eq!(response.status, 200);
}

fn everything_passed(account: &testbed::account::Account, exporter: &str) {
    account.nothing_lost();
    for (signal, items, count) in
        [("traces", "spans", 10), ("metrics", "metric_points", 7), ("logs", "log_records", 7)]
    {
        account.passed("receiver otlp", items, count);
        account.passed(&format!("exporter {exporter} ({signal})"), items, count);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local() {
    let environment = [&PORTS[..], &[("VERBOSITY", "detailed")]].concat();
    let collector = Collector::start_with(&pipeline("local.yaml"), &environment);
    send_everything(&collector).await;
    assert!(collector.metric("otelcol_receiver_accepted_spans") > 0.0);
    let ended = collector.stop_clean();
    everything_passed(&ended.account, "debug");
    for text in ["span 1", "span 10", "queue.depth", "LogRecord"] {
        assert!(ended.output.contains(text), "{text} is not shown:\n{}", ended.output);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateway() {
    let upstream = Upstream::start(Reply::Status(14, "not yet".to_owned())).await;
    let address = upstream.address().to_string();
    let environment = [&PORTS[..], &[("UPSTREAM_ENDPOINT", address.as_str())]].concat();
    // The file's own first wait is five seconds.
    let collector = Collector::start_with(&impatient("gateway.yaml"), &environment);
    send_everything(&collector).await;
    eventually("an attempt", || (!upstream.taken().is_empty()).then_some(()));
    upstream.reply(Reply::Ok);
    let ended = collector.stop_clean();
    everything_passed(&ended.account, "otlp_grpc");
    assert_eq!(upstream.span_ids(), (1..11).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scrub() {
    let upstream = Upstream::start(Reply::Ok).await;
    let address = upstream.address().to_string();
    let environment =
        [&PORTS[..], &[("UPSTREAM_ENDPOINT", address.as_str()), ("ENVIRONMENT", "test")]].concat();
    let collector = Collector::start_with(&pipeline("scrub.yaml"), &environment);
    let mut request = traces(1..2);
    let span = &mut request.resource_spans[0].scope_spans[0].spans[0];
    span.attributes.extend([attribute("internal.shard", "7"), attribute("user.email", "abc")]);
    let headers = [PROTOBUF, ("x-tenant", "acme")];
    let response = http::post(collector.http(), "/v1/traces", &headers, &request.encode_to_vec());
    assert_eq!(response.status, 200);
    let ended = collector.stop_clean();
    ended.account.nothing_lost();

    let changed = &mut request.resource_spans[0];
    let resource = changed.resource.as_mut().unwrap();
    resource.attributes.push(attribute("deployment.environment.name", "test"));
    let attributes = &mut changed.scope_spans[0].spans[0].attributes;
    attributes.truncate(2);
    // SHA-256 of "abc": FIPS 180-2, appendix B.1.
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    attributes.extend([attribute("user.email", hash), attribute("tenant", "acme")]);
    let taken = upstream.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(ExportTraceServiceRequest::decode(&taken[0].1[..]).unwrap(), request);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn container() {
    let upstream = Upstream::start(Reply::Ok).await;
    let address = upstream.address().to_string();
    let more =
        [("UPSTREAM_ENDPOINT", address.as_str()), ("UPSTREAM_INSECURE", "true"), ("LOG_LEVEL", "debug")];
    let environment = [&PORTS[..], &more].concat();
    // The server of this test reads plain messages only.
    let text = impatient("container.yaml").replace("    tls:\n", "    compression: none\n    tls:\n");
    let collector = Collector::start_with(&text, &environment);
    send_everything(&collector).await;
    let ended = collector.stop_clean();
    everything_passed(&ended.account, "otlp_grpc");
    assert_eq!(upstream.span_ids(), (1..11).collect());
    let first: serde_json::Value = serde_json::from_str(ended.output.lines().next().unwrap()).unwrap();
    assert_eq!(first["resource"]["service.name"], "collimator");
}

/// A pipeline whose first wait before a retry is not the five seconds that the file has.
fn impatient(name: &str) -> String {
    let waits = "retry_on_failure:\n      initial_interval: 50ms\n      max_interval: 50ms";
    pipeline(name).replace("retry_on_failure:", waits)
}
