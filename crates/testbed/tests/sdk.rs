//! What the OpenTelemetry SDKs send arrives whole, field by field, over every protocol, through every exporter.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::net::SocketAddr;

use serde_json::Value;
use testbed::account::Account;
use testbed::sdk::{self, Sent, Sink, Way};
use testbed::{Collector, config, otlp_json};

const GRPC: Way = Way { protocol: "grpc", compression: "none" };
const GRPC_GZIP: Way = Way { compression: "gzip", ..GRPC };
const HTTP: Way = Way { protocol: "http/protobuf", compression: "none" };
const HTTP_GZIP: Way = Way { compression: "gzip", ..HTTP };
const JSON: Way = Way { protocol: "http/json", compression: "none" };
const JSON_GZIP: Way = Way { compression: "gzip", ..JSON };

type Send = fn(SocketAddr, Way) -> Sent;

const PYTHON: Send = sdk::send_python;
const NODE: Send = sdk::send_node;

fn send(collector: &Collector, ways: &[(Send, Way)]) -> Sent {
    let mut all =
        Sent { traces: Value::Array(vec![]), metrics: Value::Array(vec![]), logs: Value::Array(vec![]) };
    for (send, way) in ways {
        let to = if way.protocol == "grpc" { collector.grpc() } else { collector.http() };
        let sent = send(to, *way);
        for (all, one) in
            [(&mut all.traces, sent.traces), (&mut all.metrics, sent.metrics), (&mut all.logs, sent.logs)]
        {
            all.as_array_mut().unwrap().push(one);
        }
    }
    all
}

fn compare(what: &str, arrived: &[Value], sent: &Sent) {
    for (signal, key, sent) in [
        ("traces", "resourceSpans", &sent.traces),
        ("metrics", "resourceMetrics", &sent.metrics),
        ("logs", "resourceLogs", &sent.logs),
    ] {
        let arrived: Vec<Value> =
            arrived.iter().filter(|document| !document[key].is_null()).cloned().collect();
        otlp_json::assert_same(&format!("{what}, {signal}"), &arrived, sent.as_array().unwrap());
    }
}

/// The books say of every item that was sent that it came and went.
fn counted(account: &Account, sent: &Sent) {
    account.nothing_lost();
    for (documents, items) in
        [(&sent.traces, "spans"), (&sent.metrics, "metric_points"), (&sent.logs, "log_records")]
    {
        let count = documents.as_array().unwrap().iter().flat_map(otlp_json::items).count();
        account.passed("receiver otlp", items, count as u64);
    }
    // What an SDK leaves out is not tested.
    let metrics = sent.metrics.to_string();
    for kind in ["gauge", "sum", "histogram", "exponentialHistogram"] {
        assert!(metrics.contains(&format!("\"{kind}\":")), "no {kind} was sent");
    }
}

fn to_file(ways: &[(Send, Way)]) {
    if !sdk::available() {
        return;
    }
    let collector = Collector::start(&config::through_batch("file", "{path: DIR/out.json}"));
    let sent = send(&collector, ways);
    let ended = collector.stop_clean();
    counted(&ended.account, &sent);
    compare("file", &otlp_json::lines(&ended.file("out.json")), &sent);
}

#[test]
fn python_to_a_file() {
    to_file(&[(PYTHON, GRPC), (PYTHON, GRPC_GZIP), (PYTHON, HTTP), (PYTHON, HTTP_GZIP)]);
}

#[test]
fn node_over_protobuf_to_a_file() {
    to_file(&[(NODE, GRPC), (NODE, GRPC_GZIP), (NODE, HTTP), (NODE, HTTP_GZIP)]);
}

#[test]
fn node_over_json_to_a_file() {
    to_file(&[(NODE, JSON), (NODE, JSON_GZIP)]);
}

/// Through an exporter into a receiver that others wrote.
fn to_sink(exporter: &str, body: impl Fn(&Sink) -> String, via: &str) {
    if !sdk::available() {
        return;
    }
    let sink = Sink::start();
    let collector = Collector::start(&config::through_batch(exporter, &body(&sink)));
    let sent = send(&collector, &[(PYTHON, GRPC), (NODE, JSON_GZIP)]);
    let ended = collector.stop_clean();
    counted(&ended.account, &sent);
    let taken = sink.take();
    assert!(taken.iter().all(|request| request["via"] == via), "everything came by {via}");
    let documents: Vec<Value> = taken.into_iter().map(|mut request| request["request"].take()).collect();
    compare(exporter, &documents, &sent);
}

#[test]
fn through_otlp_grpc() {
    for compression in ["none", "gzip"] {
        let body = |sink: &Sink| {
            format!("{{endpoint: \"{}\", tls: {{insecure: true}}, compression: {compression}}}", sink.grpc())
        };
        to_sink("otlp_grpc", body, "grpc");
    }
}

#[test]
fn through_otlp_http() {
    for compression in ["none", "gzip"] {
        let body =
            |sink: &Sink| format!("{{endpoint: \"http://{}\", compression: {compression}}}", sink.http());
        to_sink("otlp_http", body, "application/x-protobuf");
    }
}

#[test]
fn through_otlp_http_as_json() {
    let body = |sink: &Sink| format!("{{endpoint: \"http://{}\", encoding: json}}", sink.http());
    to_sink("otlp_http", body, "application/json");
}
