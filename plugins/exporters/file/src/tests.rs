use std::fs;
use std::path::{Path, PathBuf};

use component::{Facilities, Fatal, Listeners, NodeId, Workers};
use data::{Budget, Clock as _, ManualClock, Part, Signal, Time};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use tempfile::TempDir;
use testkit::generate::{attribute, batch, message, traces};

use super::*;

/// 2023-11-14T22:13:20Z.
const WALL: u64 = 1_700_000_000_000_000_000;

/// An exporter that was started, with its directory and clock.
struct Running {
    exporter: FileExporter,
    directory: TempDir,
    clock: Arc<ManualClock>,
}

impl Running {
    async fn start(name: &str, config: Config) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), name, config).await
    }

    async fn start_in(directory: TempDir, name: &str, config: Config) -> Self {
        let path = directory.path().join(name).to_str().unwrap().to_owned();
        let clock = Arc::new(ManualClock::at(Time { mono: 0, wall: WALL }));
        let exporter = FileExporter::new(Config { path, ..config });
        exporter.start(&run_cx(Arc::clone(&clock))).await.unwrap();
        Self { exporter, directory, clock }
    }

    async fn send(&self, batch: &Batch) -> Result<Accepted, Refused> {
        self.exporter.export(batch, &mut Progress::default()).await
    }

    /// Everything in the directory, by name.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        fn visit(root: &Path, directory: &Path, found: &mut Vec<(String, Vec<u8>)>) {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    visit(root, &path, found);
                } else {
                    let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                    found.push((name, fs::read(path).unwrap()));
                }
            }
        }
        let mut found = Vec::new();
        visit(self.directory.path(), self.directory.path(), &mut found);
        found.sort();
        found
    }

    fn names(&self) -> Vec<String> {
        self.files().into_iter().map(|(name, _)| name).collect()
    }

    async fn finish(self) -> Vec<(String, Vec<u8>)> {
        self.exporter.close().await.unwrap();
        self.files()
    }
}

fn run_cx(clock: Arc<ManualClock>) -> RunCx {
    let registry = telemetry::metrics::Registry::new(
        telemetry::metrics::Options::default(),
        telemetry::Resource::default(),
    );
    RunCx::new(
        NodeId::exporter("file", Signal::Traces),
        Facilities {
            clock,
            budget: Budget::unlimited(),
            workers: Workers::new(vec![tokio::runtime::Handle::current()], Fatal::default()),
            listeners: Listeners::default(),
            meters: Arc::new(registry.scope()),
        },
        oneshot::channel().0,
    )
}

fn unbuffered() -> Config {
    Config { flush_interval: Some(Duration::ZERO), ..Config::default() }
}

fn text(files: &[(String, Vec<u8>)], name: &str) -> String {
    let (_, bytes) = files.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}"));
    String::from_utf8(bytes.clone()).unwrap()
}

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn with(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(any(value)), ..KeyValue::default() }
}

fn traces_batch(request: &ExportTraceServiceRequest) -> Batch {
    let bytes = request.encode_to_vec();
    let items = otlp::count(otlp::Signal::Traces, &bytes);
    Batch::new(Signal::Traces, vec![Part::from(bytes)], items, Time::default())
}

/// The request whose line the reference's behaviour was recorded with.
fn recorded() -> ExportTraceServiceRequest {
    let trace_id = 0x5b8e_fff7_9803_8103_d269_b633_813f_c60c_u128.to_be_bytes().to_vec();
    let span_id = 0xeee1_9b7e_c3c1_b174_u64.to_be_bytes().to_vec();
    let list = Value::ArrayValue(ArrayValue {
        values: vec![any(Value::StringValue("x".into())), any(Value::IntValue(1))],
    });
    let map = Value::KvlistValue(KeyValueList { values: vec![with("k", Value::BoolValue(false))] });
    let span = Span {
        trace_id: trace_id.clone(),
        span_id: span_id.clone(),
        trace_state: "a=b".into(),
        parent_span_id: span_id.clone(),
        flags: 257,
        name: "I'm a server span".into(),
        kind: 2,
        start_time_unix_nano: 1_544_712_660_000_000_000,
        end_time_unix_nano: 1_544_712_661_000_000_000,
        attributes: vec![
            with("d", Value::DoubleValue(1.5)),
            with("di", Value::DoubleValue(3.0)),
            with("arr", list),
            with("m", map),
            with("b", Value::BytesValue(b"hi".to_vec())),
            KeyValue { key: "e".into(), value: Some(AnyValue { value: None }), ..KeyValue::default() },
        ],
        dropped_attributes_count: 3,
        events: vec![Event {
            time_unix_nano: 1_544_712_660_500_000_000,
            name: "ev".into(),
            attributes: vec![attribute("ea", "x")],
            dropped_attributes_count: 1,
        }],
        dropped_events_count: 4,
        links: vec![Link {
            trace_id,
            span_id,
            trace_state: "c=d".into(),
            attributes: vec![with("la", Value::IntValue(5))],
            flags: 1,
            ..Link::default()
        }],
        dropped_links_count: 5,
        status: Some(Status { message: "bad".into(), code: 2 }),
    };
    let scope = InstrumentationScope {
        name: "lib".into(),
        version: "1.0".into(),
        attributes: vec![with("sa", Value::BoolValue(true))],
        ..InstrumentationScope::default()
    };
    let resource = Resource {
        attributes: vec![attribute("service.name", "svc"), with("n", Value::IntValue(12))],
        ..Resource::default()
    };
    let scope_spans = ScopeSpans { scope: Some(scope), spans: vec![span], schema_url: "http://s/2".into() };
    let resource_spans = vec![ResourceSpans {
        resource: Some(resource),
        scope_spans: vec![scope_spans],
        schema_url: "http://s/1".into(),
    }];
    ExportTraceServiceRequest { resource_spans }
}

const LINE: &str = concat!(
    r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"svc"}},"#,
    r#"{"key":"n","value":{"intValue":"12"}}]},"scopeSpans":[{"scope":{"name":"lib","version":"1.0","#,
    r#""attributes":[{"key":"sa","value":{"boolValue":true}}]},"spans":[{"#,
    r#""traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","traceState":"a=b","#,
    r#""parentSpanId":"eee19b7ec3c1b174","flags":257,"name":"I'm a server span","kind":2,"#,
    r#""startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712661000000000","attributes":["#,
    r#"{"key":"d","value":{"doubleValue":1.5}},{"key":"di","value":{"doubleValue":3}},"#,
    r#"{"key":"arr","value":{"arrayValue":{"values":[{"stringValue":"x"},{"intValue":"1"}]}}},"#,
    r#"{"key":"m","value":{"kvlistValue":{"values":[{"key":"k","value":{"boolValue":false}}]}}},"#,
    r#"{"key":"b","value":{"bytesValue":"aGk="}},{"key":"e","value":{}}],"droppedAttributesCount":3,"#,
    r#""events":[{"timeUnixNano":"1544712660500000000","name":"ev","attributes":[{"key":"ea","#,
    r#""value":{"stringValue":"x"}}],"droppedAttributesCount":1}],"droppedEventsCount":4,"#,
    r#""links":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","#,
    r#""traceState":"c=d","attributes":[{"key":"la","value":{"intValue":"5"}}],"flags":1}],"#,
    r#""droppedLinksCount":5,"status":{"message":"bad","code":2}}],"schemaUrl":"http://s/2"}],"#,
    r#""schemaUrl":"http://s/1"}]}"#,
    "\n"
);

#[tokio::test]
async fn keeps_the_contract() {
    testkit::contract::spec(&SPEC, false);
    for config in [Config::default(), unbuffered()] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.json").to_str().unwrap().to_owned();
        for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
            let exporter = FileExporter::new(Config { path: path.clone(), append: true, ..config.clone() });
            testkit::contract::exporter(&*delivery::unit(exporter, Settings::direct(), 1), signal).await;
        }
    }
}

#[tokio::test]
async fn a_line_is_what_the_reference_writes() {
    let running = Running::start("out.json", Config::default()).await;
    running.send(&traces_batch(&recorded())).await.unwrap();
    let empty = Batch::new(Signal::Traces, Vec::new(), 0, Time::default());
    running.send(&empty).await.unwrap();
    assert_eq!(text(&running.finish().await, "out.json"), format!("{LINE}{{}}\n"));
}

#[tokio::test]
async fn several_parts_are_one_object() {
    let running = Running::start("out.json", unbuffered()).await;
    let part = Part::from(recorded().encode_to_vec());
    let twice = Batch::new(Signal::Traces, vec![part.clone(), part], 2, Time::default());
    running.send(&twice).await.unwrap();
    let object = LINE.trim_end().strip_prefix(r#"{"resourceSpans":["#).unwrap().strip_suffix("]}").unwrap();
    let expected = format!("{{\"resourceSpans\":[{object},{object}]}}\n");
    assert_eq!(text(&running.finish().await, "out.json"), expected);
}

/// The messages behind their lengths.
fn framed(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (message, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        messages.push(message.to_vec());
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half a length at the end");
    messages
}

fn wire(signal: Signal, json: &[u8]) -> Vec<u8> {
    let schema = otlp_signal(signal).unwrap().schema();
    otlp_json::read(schema, json, &otlp_json::Limits::default()).unwrap()
}

#[tokio::test]
async fn what_is_written_reads_back_equal() {
    use {Compression as C, Format as F};
    for (format, compression) in
        [(F::Json, C::None), (F::Json, C::Zstd), (F::Proto, C::None), (F::Proto, C::Zstd)]
    {
        for config in [Config::default(), unbuffered()] {
            let running = Running::start("out", Config { format, compression, ..config }).await;
            let mut sent: Vec<(Signal, Vec<u8>)> = Vec::new();
            let counts = [1_usize, 2, 900, 0, 30]
                .into_iter()
                .zip([Signal::Traces, Signal::Metrics, Signal::Logs].into_iter().cycle());
            for (count, signal) in counts.chain([(1500, Signal::Traces)]) {
                let mut one = batch(signal, 1, count);
                one.append(batch(signal, 7, count / 2));
                sent.push((signal, message(&one)));
                running.send(&one).await.unwrap();
            }
            let (_, bytes) = running.finish().await.remove(0);
            let messages = match (format, compression) {
                (F::Json, C::None) => {
                    bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
                }
                _ => framed(&bytes),
            };
            assert_eq!(messages.len(), sent.len());
            for ((signal, sent), mut message) in sent.into_iter().zip(messages) {
                if compression == C::Zstd {
                    message = zstd::decode_all(&message[..]).unwrap();
                }
                if format == F::Json {
                    message = wire(signal, &message);
                }
                assert_same(signal, &message, &sent);
            }
        }
    }
}

/// Compares as protobuf has it: JSON always writes a message that is not optional, here that is the same as none.
#[track_caller]
fn assert_same(signal: Signal, one: &[u8], other: &[u8]) {
    match signal {
        Signal::Traces => {
            let decode = |bytes| {
                let mut request = ExportTraceServiceRequest::decode(bytes).unwrap();
                let scopes = request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans);
                scopes.flat_map(|scope| &mut scope.spans).for_each(|span| {
                    span.status.get_or_insert_default();
                });
                request
            };
            assert_eq!(decode(one), decode(other));
        }
        Signal::Metrics => {
            let decode = |bytes| ExportMetricsServiceRequest::decode(bytes).unwrap();
            assert_eq!(decode(one), decode(other));
        }
        _ => {
            let decode = |bytes| {
                let mut request = ExportLogsServiceRequest::decode(bytes).unwrap();
                let scopes = request.resource_logs.iter_mut().flat_map(|resource| &mut resource.scope_logs);
                scopes.flat_map(|scope| &mut scope.log_records).for_each(|record| {
                    record.body.get_or_insert_default();
                });
                request
            };
            assert_eq!(decode(one), decode(other));
        }
    }
}

#[tokio::test]
async fn the_file_is_emptied_at_the_start_unless_it_is_appended_to() {
    for (append, expected) in [(false, "{}\n"), (true, "old\n{}\n")] {
        for config in [Config::default(), unbuffered()] {
            let directory = tempfile::tempdir().unwrap();
            fs::write(directory.path().join("out.json"), "old\n").unwrap();
            let running = Running::start_in(directory, "out.json", Config { append, ..config }).await;
            running.send(&Batch::new(Signal::Logs, Vec::new(), 0, Time::default())).await.unwrap();
            assert_eq!(text(&running.finish().await, "out.json"), expected);
        }
    }
}

#[tokio::test]
async fn without_a_buffer_a_delivered_batch_is_in_the_file() {
    let running = Running::start("out.json", unbuffered()).await;
    running.send(&traces_batch(&recorded())).await.unwrap();
    assert_eq!(text(&running.files(), "out.json"), LINE);
    let running = Running::start("out.json", Config { flush_interval: None, ..Config::default() }).await;
    running.send(&traces_batch(&recorded())).await.unwrap();
    assert_eq!(text(&running.files(), "out.json"), "", "it is in the buffer");
    assert_eq!(text(&running.finish().await, "out.json"), LINE);
}

#[tokio::test]
async fn the_buffer_is_written_at_the_interval() {
    let config = Config { flush_interval: Some(Duration::from_millis(1)), ..Config::default() };
    let running = Running::start("out.json", config).await;
    running.send(&traces_batch(&recorded())).await.unwrap();
    while text(&running.files(), "out.json").is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(text(&running.files(), "out.json"), LINE);
}

#[tokio::test]
async fn signals_that_are_sent_at_once_are_whole_lines() {
    let running = Running::start("out.json", Config::default()).await;
    let exporter = Arc::new(running.exporter);
    let mut tasks = Vec::new();
    for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
        let exporter = Arc::clone(&exporter);
        tasks.push(tokio::spawn(async move {
            for round in 0..40 {
                exporter.export(&batch(signal, 1, 1 + round * 20), &mut Progress::default()).await.unwrap();
                tokio::task::yield_now().await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    exporter.close().await.unwrap();
    let written = fs::read_to_string(running.directory.path().join("out.json")).unwrap();
    let mut lines = [0, 0, 0];
    for line in written.lines() {
        let keys = ["{\"resourceSpans\"", "{\"resourceMetrics\"", "{\"resourceLogs\""];
        let kind = keys.iter().position(|key| line.starts_with(key)).unwrap();
        let signal = [Signal::Traces, Signal::Metrics, Signal::Logs][kind];
        assert!(!wire(signal, line.as_bytes()).is_empty());
        lines[kind] += 1;
    }
    assert_eq!(lines, [40, 40, 40]);
}

#[tokio::test]
async fn an_export_that_is_given_up_leaves_whole_lines_in_order() {
    let running = Running::start("out.json", unbuffered()).await;
    for first in 0..20 {
        // Polled once: the work has begun and goes on when the future is dropped.
        let large = batch(Signal::Traces, first, 200);
        let mut given_up = std::pin::pin!(running.send(&large));
        std::future::poll_fn(|cx| {
            let _pending = given_up.as_mut().poll(cx).is_pending();
            std::task::Poll::Ready(())
        })
        .await;
    }
    running.send(&traces_batch(&recorded())).await.unwrap();
    let written = text(&running.finish().await, "out.json");
    assert!(written.ends_with(LINE));
    let mut lines: Vec<&str> = written.split_inclusive('\n').collect();
    assert_eq!(lines.pop(), Some(LINE));
    assert!(!lines.is_empty(), "at least the first had begun");
    for line in lines {
        assert_eq!(otlp::count(otlp::Signal::Traces, &wire(Signal::Traces, line.as_bytes())), 200);
    }
}

#[tokio::test]
async fn full_files_are_set_aside_and_the_oldest_removed() {
    let rotation = Rotation { max_megabytes: 1, max_backups: 2, ..Rotation::default() };
    let config = Config { rotation: Some(rotation), ..Config::default() };
    let running = Running::start("spans.json", config).await;
    let large = batch(Signal::Traces, 1, 1500);
    for second in 0..5 {
        running.send(&large).await.unwrap();
        running.send(&large).await.unwrap();
        assert_eq!(running.clock.now().wall, WALL + second * 1_000_000_000);
        running.clock.advance(Duration::from_secs(1));
    }
    let names = running.names();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(names[2], "spans.json");
    assert!(names[0] < names[1] && names[0].starts_with("spans-2023-11-14T22-13-2"), "{names:?}");
    for (name, bytes) in running.files() {
        assert!(bytes.len() <= 1 << 20, "{name} has {} bytes", bytes.len());
        assert!(bytes.ends_with(b"\n"), "{name} ends in half a line");
    }
}

#[tokio::test]
async fn full_files_of_the_same_millisecond_have_names_of_their_own() {
    let rotation = Rotation { max_megabytes: 1, max_backups: 0, ..Rotation::default() };
    let running = Running::start("x.json", Config { rotation: Some(rotation), ..Config::default() }).await;
    for _ in 0..4 {
        running.send(&batch(Signal::Traces, 1, 2500)).await.unwrap();
    }
    let expected = [
        "x-2023-11-14T22-13-20.000.json",
        "x-2023-11-14T22-13-20.001.json",
        "x-2023-11-14T22-13-20.002.json",
        "x.json",
    ];
    assert_eq!(running.names(), expected);
}

#[tokio::test]
async fn full_files_are_removed_by_age_and_others_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    for name in [
        "x-2023-11-12T22-13-19.999.json",
        "x-2023-11-12T22-13-20.000.json",
        "x-2020-01-01T00-00-00.json",
        "y-2020-01-01T00-00-00.000.json",
        "x-2020-01-01T00-00-00.000.json.gz",
    ] {
        fs::write(directory.path().join(name), "old").unwrap();
    }
    let rotation = Rotation { max_days: 2, ..Rotation::default() };
    let config = Config { rotation: Some(rotation), ..Config::default() };
    let running = Running::start_in(directory, "x.json", config).await;
    let mut expected = [
        "x-2023-11-12T22-13-20.000.json",
        "x-2020-01-01T00-00-00.json",
        "y-2020-01-01T00-00-00.000.json",
        "x-2020-01-01T00-00-00.000.json.gz",
        "x.json",
    ];
    expected.sort_unstable();
    assert_eq!(running.names(), expected);
}

#[tokio::test]
async fn a_file_that_is_rotated_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("x.json"), "old\n").unwrap();
    let config = Config { rotation: Some(Rotation::default()), ..Config::default() };
    let running = Running::start_in(directory, "x.json", config).await;
    running.send(&traces_batch(&recorded())).await.unwrap();
    assert_eq!(text(&running.files(), "x.json"), format!("old\n{LINE}"), "not emptied, and no buffer");
}

#[tokio::test]
async fn a_full_disk_is_a_refusal_that_passes() {
    for config in [Config { append: true, ..unbuffered() }, Config { append: true, ..Config::default() }] {
        let exporter = FileExporter::new(Config { path: "/dev/full".into(), ..config });
        exporter.start(&run_cx(Arc::default())).await.unwrap();
        // Large enough to be written at once in any case.
        let refused =
            exporter.export(&batch(Signal::Traces, 1, 3000), &mut Progress::default()).await.unwrap_err();
        assert!(refused.is_retryable(), "{refused}");
        assert!(refused.message.contains("/dev/full: No space left on device"), "{refused}");
        exporter.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_lost_at_the_end_is_said() {
    let exporter = FileExporter::new(Config { path: "/dev/full".into(), ..Config::default() });
    exporter.start(&run_cx(Arc::default())).await.unwrap();
    exporter.export(&batch(Signal::Traces, 1, 3), &mut Progress::default()).await.unwrap();
    let error = exporter.close().await.unwrap_err().to_string();
    assert!(error.starts_with("data is lost: can't write /dev/full"), "{error}");
    assert!(error.ends_with("(3 items wait in memory)"), "{error}");
}

fn grouped(attribute: &str) -> Config {
    let group_by = GroupBy { enabled: true, resource_attribute: attribute.into(), ..GroupBy::default() };
    Config { group_by, ..Config::default() }
}

/// A request of one resource with `spans` spans, and an attribute if there is a value for it.
fn from(value: Option<Value>, spans: u64) -> ResourceSpans {
    let mut one = traces(0..spans).resource_spans.remove(0);
    let attributes = value.map(|value| with("tenant", value));
    one.resource = Some(Resource { attributes: attributes.into_iter().collect(), ..Resource::default() });
    one
}

fn named(value: &str, spans: u64) -> ResourceSpans {
    from(Some(Value::StringValue(value.into())), spans)
}

#[tokio::test]
async fn groups_have_files_of_their_own_and_none_leads_out() {
    let running = Running::start("in/*.json", grouped("tenant")).await;
    let request = ExportTraceServiceRequest {
        resource_spans: vec![
            named("a", 1),
            named("../../etc/passwd", 2),
            from(None, 3),
            from(Some(Value::IntValue(4)), 4),
            named("a", 5),
            named("b/c", 6),
            named("nul\0", 7),
        ],
    };
    let accepted = running.send(&traces_batch(&request)).await.unwrap();
    let (rejected, why) = accepted.rejected.unwrap();
    assert_eq!(rejected, 3 + 4 + 7);
    assert_eq!(why, "the resource has no attribute tenant with a string");
    let files = running.finish().await;
    let spans: Vec<(&str, Vec<usize>)> = files
        .iter()
        .map(|(name, bytes)| {
            let lines = bytes.split_inclusive(|byte| *byte == b'\n');
            (
                name.as_str(),
                lines.map(|line| otlp::count(otlp::Signal::Traces, &wire(Signal::Traces, line))).collect(),
            )
        })
        .collect();
    assert_eq!(spans, [("in/a.json", vec![6]), ("in/b/c.json", vec![6]), ("in/etc/passwd.json", vec![2])]);
}

#[tokio::test]
async fn the_least_used_file_is_closed_and_later_goes_on() {
    let mut config = grouped("tenant");
    config.group_by.max_open_files = 2;
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.json"), "old\n").unwrap();
    let running = Running::start_in(directory, "*.json", config).await;
    let send = async |value: &str| {
        let request = ExportTraceServiceRequest { resource_spans: vec![named(value, 1)] };
        running.send(&traces_batch(&request)).await.unwrap();
    };
    for value in ["a", "b", "a", "c", "b", "a"] {
        send(value).await;
    }
    let lines = |files: &[(String, Vec<u8>)]| -> Vec<usize> {
        files.iter().map(|(_, bytes)| bytes.iter().filter(|byte| **byte == b'\n').count()).collect()
    };
    assert_eq!(running.names(), ["a.json", "b.json", "c.json"]);
    assert_eq!(lines(&running.finish().await), [3, 2, 1], "emptied once, not each time");
}

#[tokio::test]
async fn a_start_that_fails_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("not/there.json").to_str().unwrap().to_owned();
    let config = Config { path: path.clone(), ..Config::default() };
    let error = FileExporter::new(config.clone()).start(&run_cx(Arc::default())).await.unwrap_err();
    assert_eq!(error.to_string(), format!("can't open {path}: No such file or directory (os error 2)"));
    let made = FileExporter::new(Config { create_directory: true, ..config });
    made.start(&run_cx(Arc::default())).await.unwrap();
    made.close().await.unwrap();
    assert!(PathBuf::from(path).exists());
}

/// Reads a configuration; the findings, or nothing.
fn findings(yaml: &str) -> (Option<Config>, String) {
    testkit::settings::read(yaml, "exporters::file")
}

#[test]
fn configurations_are_read_as_by_the_collector() {
    let read = |yaml: &str| {
        let (config, findings) = findings(yaml);
        config.unwrap_or_else(|| panic!("{findings}"))
    };
    let plain = Config { path: "x".into(), ..Config::default() };
    assert_eq!(read("path: x"), plain);
    assert_eq!(read("path: x\nflush_interval:").buffering(), Some(Duration::from_secs(1)));
    assert_eq!(read("path: x\nflush_interval: 0s").buffering(), None);
    assert_eq!(read("path: x\nrotation:").rotation, Some(Rotation::default()));
    assert_eq!(read("path: x\nrotation: {}").buffering(), None);
    assert_eq!(read("path: x\ncompression: zstd").compression, Compression::Zstd);
    let read = read("path: a\nencoding:\ncreate_directory: true\ndirectory_permissions: \"0700\"");
    assert_eq!((read.encoding.as_deref(), read.directory_mode()), (None, Some(0o700)));
}

#[test]
fn wrong_configurations_are_refused_in_the_collectors_words() {
    #[track_caller]
    fn check(yaml: &str, expected: &str) {
        let (config, findings) = findings(yaml);
        assert!(config.is_none(), "{yaml} is taken");
        assert!(findings.contains(expected), "{yaml}: {findings}");
    }
    check("{}", "path must be non-empty");
    check(
        "path: x\nappend: true\nrotation:",
        "append and rotation enabled at the same time is not supported",
    );
    check("path: x\ngroup_by: {enabled: true}", "path must contain exactly one * when group_by is enabled");
    check("path: '*x'\ngroup_by: {enabled: true}", "path must not start with * when group_by is enabled");
    check(
        "path: a*\ngroup_by: {enabled: true, resource_attribute: ''}",
        "resource_attribute must not be empty",
    );
    check("path: x\nformat: xml", "`json`");
    check("path: x\ncompression: gzip", "`zstd`");
    check("path: x\nflush_interval: -1s", "negative");
    check("path: x\ncreate_directory: true\ndirectory_permissions: '0999'", "octal");
    check("path: x\ndirectory_permissions: '0755'", "requires create_directory to be true");
    check(
        "path: a/*\ngroup_by: {enabled: true}\ndirectory_permissions: '0755'",
        "requires create_directory to be true",
    );
    check("path: x\nencoding: otlp", "`encoding` is not supported");
    check("path: x\nencoding: ''", "`encoding` is not supported");
    for (yaml, warning) in [
        ("path: x\ncompression_params: {level: 3}", "`compression_params` has no effect"),
        ("path: x\nrotation: {localtime: true}", "`localtime` has no effect: the names are in UTC"),
    ] {
        let (config, findings) = findings(yaml);
        assert!(config.is_some() && findings.contains(warning), "{findings}");
    }
}
