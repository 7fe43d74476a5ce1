//! Graphs of more than one way: connectors, several branches, several pipelines.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use prost::Message as _;
use testbed::grpc::{Client, LOGS, METRICS, TRACES};
use testbed::{Collector, Reply, Upstream, config, otlp_json};
use testkit::generate::{batch, message, traces};

const OTLP: &str =
    "otlp: {protocols: {grpc: {endpoint: \"127.0.0.1:0\"}, http: {endpoint: \"localhost:0\"}}}";
const TELEMETRY: &str = "telemetry: {metrics: {level: none}}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_leads_into_two_pipelines() {
    let collector = Collector::start(&format!(
        "receivers: {{{OTLP}}}
processors: {{batch: {{timeout: 50ms}}}}
connectors: {{forward: }}
exporters: {{file/one: {{path: DIR/one.json}}, file/two: {{path: DIR/two.json}}}}
service:
  {TELEMETRY}
  pipelines:
    traces/in: {{receivers: [otlp], exporters: [forward]}}
    traces/one: {{receivers: [forward], processors: [batch], exporters: [file/one]}}
    traces/two: {{receivers: [forward], exporters: [file/two]}}
"
    ));
    let client = Client::connect(collector.grpc()).await;
    for first in (1..501).step_by(10) {
        assert_eq!(client.export(TRACES, &traces(first..first + 10).encode_to_vec()).await.code, 0);
    }
    let ended = collector.stop_clean();
    let account = &ended.account;
    account.passed("receiver otlp", "spans", 500);
    let connector = account.of("connector forward (traces to traces)", "spans");
    assert_eq!((connector.entered, connector.created, connector.left), (500, 500, 1000));
    account.passed("processor batch (traces/one)", "spans", 500);
    for name in ["one", "two"] {
        account.passed(&format!("exporter file/{name} (traces)"), "spans", 500);
        let ids = otlp_json::distinct(otlp_json::span_ids(&ended.file(&format!("{name}.json"))));
        assert_eq!(ids, (1..501).collect(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_pipelines_share_receiver_and_exporter() {
    let collector = Collector::start(&format!(
        "receivers: {{{OTLP}}}
processors: {{batch: {{timeout: 50ms}}}}
exporters: {{file: {{path: DIR/out.json}}, nop: }}
service:
  {TELEMETRY}
  pipelines:
    traces/a: {{receivers: [otlp], processors: [batch], exporters: [file, nop]}}
    traces/b: {{receivers: [otlp], exporters: [nop]}}
    logs: {{receivers: [otlp], processors: [batch], exporters: [file]}}
"
    ));
    let client = Client::connect(collector.grpc()).await;
    assert_eq!(client.export(TRACES, &traces(1..11).encode_to_vec()).await.code, 0);
    assert_eq!(client.export(LOGS, &message(&batch(data::Signal::Logs, 1, 7))).await.code, 0);
    // No pipeline takes metrics.
    let answer = client.export(METRICS, &message(&batch(data::Signal::Metrics, 1, 7))).await;
    assert_eq!((answer.code, answer.message.starts_with("unknown service")), (12, true));
    let ended = collector.stop_clean();
    let receiver = ended.account.of("receiver otlp", "spans");
    assert_eq!((receiver.entered, receiver.created, receiver.left), (10, 10, 20));
    ended.account.passed("exporter nop (traces)", "spans", 20);
    ended.account.passed("exporter file (traces)", "spans", 10);
    ended.account.passed("exporter file (logs)", "log_records", 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_best_effort_branch_holds_nobody_up() {
    let upstream = Upstream::start(Reply::Never).await;
    let exporters = format!(
        "otlp_grpc: {{endpoint: \"{}\", tls: {{insecure: true}}, compression: none, timeout: 60s, \
         sending_queue: {{queue_size: 2, num_consumers: 1}}}}\nfile: {{path: DIR/out.json}}",
        upstream.address()
    );
    let config = config::graph("{}", &exporters, "[]", "[otlp_grpc, file]", "drain_timeout: 1s");
    let config = config
        .replace("exporters: [otlp_grpc, file]", "exporters: [otlp_grpc, file], best_effort: [otlp_grpc]");
    let collector = Collector::start(&config);
    let client = Client::connect(collector.grpc()).await;
    for first in (1..101).step_by(10) {
        assert_eq!(client.export(TRACES, &traces(first..first + 10).encode_to_vec()).await.code, 0);
    }
    let ended = collector.stop();
    let receiver = ended.account.of("receiver otlp", "spans");
    assert_eq!((receiver.entered, receiver.created, receiver.left), (100, 100, 120));
    assert_eq!(receiver.discarded["best-effort branch full"], 80);
    ended.account.passed("exporter file (traces)", "spans", 100);
    assert_eq!(otlp_json::span_ids(&ended.file("out.json")), (1..101).collect::<Vec<_>>());
}
