//! Spans reach X-Ray: through an API that behaves in every bad way, and into programs that others wrote.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use testbed::http::{self, PROTOBUF};
use testbed::{Collector, Ended, eventually};
use testkit::generate::traces;
use testkit::xray_api::{Api, Mood};

const KEYS: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    ("AWS_REGION", "eu-west-1"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// `otlp → batch → awsxray`, with the exporter's settings in flow style.
fn to_xray(url: &str, more: &str) -> Collector {
    let config = format!(
        "receivers:
  otlp: {{protocols: {{http: {{endpoint: \"127.0.0.1:0\"}}}}}}
processors:
  batch: {{timeout: 50ms, send_batch_size: 200}}
exporters:
  awsxray:
    {{endpoint: \"{url}\", retry_on_failure: {{initial_interval: 100ms, max_interval: 200ms}}{more}}}
service:
  telemetry:
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: 0}}}}}}}}]}}
  pipelines:
    traces: {{receivers: [otlp], processors: [batch], exporters: [awsxray]}}
"
    );
    Collector::start_with(&config, &KEYS)
}

fn send(to: SocketAddr, request: &ExportTraceServiceRequest) {
    let response = http::post(to, "/v1/traces", &[PROTOBUF], &request.encode_to_vec());
    assert_eq!(response.status, 200);
}

fn ids(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|id| format!("{id:016x}")).collect()
}

fn passed(ended: &Ended, count: u64) {
    ended.account.nothing_lost();
    ended.account.passed("receiver otlp", "spans", count);
    ended.account.passed("exporter awsxray (traces)", "spans", count);
}

/// The API goes through every mood while spans come in, then is well again.
#[test]
fn everything_arrives_once_the_api_recovers() {
    let api = Api::start();
    let collector = to_xray(&api.url(), ", timeout: 1s, num_workers: 4");
    let moods = [
        Mood::Error(429, "ThrottledException", ""),
        Mood::Error(500, "", ""),
        Mood::Error(503, "ServiceUnavailable", "1"),
        Mood::Stall,
        Mood::Cut,
        Mood::Garbage,
        Mood::Unprocessed(3, "InternalFailure"),
        Mood::Unprocessed(2, "ThrottledException"),
        Mood::AtMost(7),
        Mood::Well,
    ];
    let mut next = 1;
    for mood in moods {
        api.behave(mood);
        for _ in 0..3 {
            send(collector.http(), &traces(next..next + 100));
            next += 100;
            std::thread::sleep(Duration::from_millis(150));
        }
    }
    let all = ids(1..next);
    eventually("every span in the API", || {
        let mut taken = api.ids();
        taken.dedup();
        (taken == all).then_some(())
    });
    let ended = collector.stop_clean();
    passed(&ended, next - 1);
}

/// A third is left unprocessed for a while: no document that was taken is sent again.
#[test]
fn a_third_unprocessed_for_a_while_arrives_once() {
    let api = Api::start();
    api.behave(Mood::Unprocessed(3, "InternalFailure"));
    let collector = to_xray(&api.url(), "");
    send(collector.http(), &traces(1..501));
    eventually("what is processed", || (api.ids().len() >= 300).then_some(()));
    std::thread::sleep(Duration::from_secs(2));
    api.behave(Mood::Well);
    eventually("the rest", || (api.ids().len() >= 500).then_some(()));
    passed(&collector.stop_clean(), 500);
    assert_eq!(api.ids(), ids(1..501), "each once");
}

#[test]
fn what_is_refused_is_kept_and_replayed() {
    let api = Api::start();
    api.behave(Mood::Unprocessed(2, "InvalidName"));
    let collector = to_xray(&api.url(), ", dead_letter: {directory: DIR/letters}");
    send(collector.http(), &traces(1..101));
    eventually("the first half", || (api.ids().len() >= 50).then_some(()));
    // While the collector runs.
    let letters = collector.file("letters");
    let replay = |more: &[&str]| replay(&letters, &collector.file("config.yaml"), more);
    let said = eventually("the other half in files", || {
        let output = replay(&["--dry-run"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success() && said.contains("50 InvalidName")).then_some(said)
    });
    assert!(said.starts_with("still there 50\n"), "{said}");
    let output = replay(&[]);
    assert_eq!(output.status.code(), Some(1), "they are refused again");
    api.behave(Mood::Well);
    let output = replay(&[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said, "delivered   50\nstill there 0\n");
    assert_eq!(api.ids(), ids(1..101));
    let ended = collector.stop();
    assert_eq!(
        ended.account.of("exporter awsxray (traces)", "spans").refused,
        [("InvalidName".to_owned(), 50)].into()
    );
}

fn replay(letters: &Path, config: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(testbed::binary());
    command.arg("replay").arg(letters).arg("--config").arg(config).args(more).envs(KEYS);
    command.output().unwrap()
}

/// The pipeline that comes with the project.
#[test]
fn otlp_to_xray() {
    let api = Api::start();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/otlp-to-xray.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let url = api.url();
    let places = [
        ("OTLP_GRPC_ENDPOINT", "127.0.0.1:0"),
        ("OTLP_HTTP_ENDPOINT", "localhost:0"),
        ("METRICS_PORT", "0"),
        ("XRAY_ENDPOINT", url.as_str()),
    ];
    let collector = Collector::start_with(&text, &[&KEYS[..], &places].concat());
    send(collector.http(), &traces(1..1001));
    passed(&collector.stop_clean(), 1000);
    assert_eq!(api.ids(), ids(1..1001));
}
