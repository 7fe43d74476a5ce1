//! Spans reach X-Ray: through an API that behaves in every bad way, and into programs that others wrote.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use serde_json::{Value, json};
use testbed::http::{self, PROTOBUF};
use testbed::{Collector, Ended, eventually, set_up_with, skip};
use testkit::generate::{attribute, traces};
use testkit::xray_api::{Api, Mood};

const KEYS: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
    ("AWS_REGION", "eu-west-1"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// `otlp → batch → awsxray`, with the exporter's settings in flow style.
fn to_xray(url: &str, more: &str) -> Collector {
    Collector::start_with(&configuration(url, more), &KEYS)
}

fn configuration(url: &str, more: &str) -> String {
    format!(
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
    )
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

/// Documents whose ids end in 0, 3, 6, 9, c or f are left unprocessed for a minute. They hold up no others, of their batch
/// or of later ones, and no document that was taken is sent again.
#[test]
fn a_third_unprocessed_for_a_minute_arrives_once() {
    let api = Api::start();
    api.behave(Mood::Unprocessed(3, "InternalFailure"));
    let config = configuration(&api.url(), "")
        .replace("initial_interval: 100ms, max_interval: 200ms", "initial_interval: 2s, max_interval: 10s")
        .replace("send_batch_size: 200", "send_batch_size: 2048");
    let collector = Collector::start_with(&config, &KEYS);
    let began = Instant::now();
    let (mut next, mut others) = (1, 0);
    while began.elapsed() < Duration::from_secs(60) {
        send(collector.http(), &traces(next..next + 1000));
        others += (next..next + 1000).filter(|id| (id % 16) % 3 != 0).count();
        next += 1000;
        eventually("what is processed", || (api.ids().len() >= others).then_some(()));
        std::thread::sleep(Duration::from_secs(2));
    }
    api.behave(Mood::Well);
    eventually("the rest", || (api.ids().len() as u64 >= next - 1).then_some(()));
    passed(&collector.stop_clean(), next - 1);
    assert_eq!(api.ids(), ids(1..next), "each once");
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

/// The API is away when the process has to end.
#[test]
fn what_a_drain_leaves_is_in_files_and_replayed() {
    const SPANS: u64 = 4_000;
    let api = Api::start();
    api.behave(Mood::Stall);
    let more = ", sending_queue: {num_consumers: 2}, dead_letter: {directory: DIR/letters}";
    let config = configuration(&api.url(), more).replace("service:", "service:\n  drain_timeout: 500ms");
    let collector = Collector::start_with(&config, &KEYS);
    for first in (1..=SPANS).step_by(200) {
        send(collector.http(), &traces(first..first + 200));
    }
    eventually("a call", || (!api.calls().is_empty()).then_some(()));
    let ended = collector.stop();
    let refused = &ended.account.of("exporter awsxray (traces)", "spans").refused;
    assert_eq!(*refused, [("shutdown".to_owned(), SPANS)].into(), "{}", ended.output);
    api.behave(Mood::Well);
    let output = replay(&ended.file("letters"), &ended.file("config.yaml"), &[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        said,
        format!("delivered   {SPANS}\nstill there 0\n"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(api.ids(), ids(1..SPANS + 1), "each once");
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

/// Whether moto and botocore are there; otherwise a line says why not.
fn moto_is_there() -> bool {
    static READY: OnceLock<Result<(), String>> = OnceLock::new();
    match READY.get_or_init(|| set_up_with("setup.sh moto")) {
        Ok(()) => true,
        Err(why) => {
            skip(&format!("moto can't be set up: {why}"));
            false
        }
    }
}

fn python(script: &str) -> Command {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(here.join("../../.test-env/moto/venv/bin/python"));
    command.arg(here.join("moto").join(script)).envs(KEYS);
    command
}

/// The moto server.
struct Moto {
    child: Child,
    url: String,
}

impl Moto {
    fn start() -> Self {
        let mut child = python("serve.py").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { child, url: format!("http://127.0.0.1:{}", port.trim()) }
    }

    /// The documents of traces, by segment id, as boto3 reads them.
    fn read(&self, traces: &[String]) -> Value {
        let output = python("read.py").arg(&self.url).args(traces).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What an API stores that others wrote, and boto3 reads from it.
#[test]
fn boto3_reads_from_moto_what_was_sent() {
    if !moto_is_there() {
        return;
    }
    let moto = Moto::start();
    let collector = to_xray(&moto.url, ", indexed_attributes: [tenant]");
    let mut request = traces(1..121);
    let spans = &mut request.resource_spans[0].scope_spans[0].spans;
    for (n, span) in spans.iter_mut().enumerate() {
        // Twelve traces of ten spans; a server's span and its children.
        span.trace_id = [&[0x69, 0, 0, 0][..], &[1; 11], &[(n / 10) as u8]].concat();
        span.kind = if n % 10 == 0 { 2 } else { 1 };
        span.parent_span_id =
            if n % 10 == 0 { Vec::new() } else { (n as u64 / 10 * 10 + 1).to_be_bytes().to_vec() };
        span.attributes.push(attribute("tenant", "t\u{e4} \"1\" \\ \n\u{2028}"));
    }
    send(collector.http(), &request);
    passed(&collector.stop_clean(), 120);
    let traces: Vec<String> = (0..12).map(|n| format!("1-69000000-0101010101010101010101{n:02x}")).collect();
    let stored = moto.read(&traces);
    let stored = stored.as_object().unwrap();
    assert_eq!(stored.keys().cloned().collect::<Vec<_>>(), ids(1..121), "each by its segment id");
    for (n, document) in stored.values().enumerate() {
        let is_root = n % 10 == 0;
        assert_eq!(document["trace_id"], traces[n / 10]);
        assert_eq!(document["type"], if is_root { Value::Null } else { json!("subsegment") });
        assert_eq!(document["annotations"]["tenant"], "t\u{e4} \"1\" \\ \n\u{2028}");
        let parent = if is_root { Value::Null } else { json!(format!("{:016x}", n / 10 * 10 + 1)) };
        assert_eq!(document["parent_id"], parent);
        assert_eq!(document["name"], if is_root { "shop".to_owned() } else { format!("span {}", n + 1) });
    }
}

/// Signatures are those that botocore computes for the same requests.
#[test]
fn botocore_computes_the_same_signatures() {
    if !moto_is_there() {
        return;
    }
    let api = Api::start();
    for base in ["", "/base/path"] {
        let collector = to_xray(&format!("{}{base}", api.url()), ", telemetry: {enabled: true}");
        send(collector.http(), &traces(1..301));
        passed(&collector.stop_clean(), 300);
    }
    let calls = api.calls();
    assert!(
        calls.iter().any(|call| call.path == "/base/path/TelemetryRecords"),
        "telemetry records are signed too"
    );
    assert!(calls.len() >= 14, "{}", calls.len());
    let mut child = python("sign.py").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    for call in &calls {
        let headers: serde_json::Map<String, Value> =
            call.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let url = format!("http://{}{}", call.header("host"), call.path);
        let request = json!({ "url": url, "headers": headers, "body": STANDARD.encode(&call.body) });
        writeln!(input, "{request}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let expected: Vec<String> =
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    let found: Vec<String> = calls.iter().map(|call| call.header("authorization").to_owned()).collect();
    assert_eq!(found, expected);
}
