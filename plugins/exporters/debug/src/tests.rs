use std::fmt;
use std::sync::LazyLock;

use component::{Facilities, Fatal, Listeners, NodeId, Workers};
use data::{Budget, ManualClock, Part, Signal as DataSignal, Time};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Point;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use testkit::generate::{attribute, batch};
use tokio::sync::oneshot;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::*;

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn with(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(any(value)), ..KeyValue::default() }
}

fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

fn list(values: Vec<Value>) -> Value {
    Value::ArrayValue(ArrayValue { values: values.into_iter().map(any).collect() })
}

fn map(values: Vec<KeyValue>) -> Value {
    Value::KvlistValue(KeyValueList { values })
}

fn resource() -> Option<Resource> {
    let attributes = vec![attribute("service.name", "svc"), with("n", Value::IntValue(12))];
    Some(Resource { attributes, ..Resource::default() })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "lib".into(),
        version: "1.0".into(),
        attributes: vec![with("sa", Value::BoolValue(true))],
        ..InstrumentationScope::default()
    })
}

/// The request whose text the reference's behaviour was recorded with, and a bare span in a second resource.
fn spans() -> ExportTraceServiceRequest {
    let trace_id = 0x5b8e_fff7_9803_8103_d269_b633_813f_c60c_u128;
    let span = Span {
        trace_id: trace_id.to_be_bytes().to_vec(),
        span_id: 0xeee1_9b7e_c3c1_b174_u64.to_be_bytes().to_vec(),
        parent_span_id: 0xeee1_9b7e_c3c1_b173_u64.to_be_bytes().to_vec(),
        trace_state: "a=b".into(),
        name: "I'm a server span".into(),
        kind: 2,
        start_time_unix_nano: 1_544_712_660_000_000_000,
        end_time_unix_nano: 1_544_712_661_000_000_000,
        attributes: vec![
            with("arr", list(vec![text("x"), Value::IntValue(1)])),
            with("m", map(vec![with("k", Value::BoolValue(false))])),
            with("b", Value::BytesValue(b"hi".to_vec())),
            KeyValue { key: "e".into(), ..KeyValue::default() },
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
            trace_id: (trace_id + 1).to_be_bytes().to_vec(),
            span_id: 0xeee1_9b7e_c3c1_b175_u64.to_be_bytes().to_vec(),
            trace_state: "c=d".into(),
            attributes: vec![with("la", Value::IntValue(5))],
            ..Link::default()
        }],
        dropped_links_count: 5,
        status: Some(Status { message: "bad".into(), code: 2 }),
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans { scope: scope(), spans: vec![span], schema_url: "http://s/2".into() }];
    let full = ResourceSpans { resource: resource(), scope_spans, schema_url: "http://s/1".into() };
    let scope_spans = vec![ScopeSpans { spans: vec![Span::default()], ..ScopeSpans::default() }];
    let bare = ResourceSpans { scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![full, bare] }
}

#[track_caller]
fn check(signal: Signal, request: &impl prost::Message, normally: &str, in_detail: &str) {
    let wire = request.encode_to_vec();
    assert_eq!(normal(signal, &wire), normally);
    assert_eq!(detailed(signal, &wire), in_detail);
}

#[test]
fn spans_look_as_in_the_reference() {
    let normally = concat!(
        "ResourceTraces #0 [http://s/1] service.name=svc n=12\n",
        "ScopeTraces #0 lib@1.0 [http://s/2] sa=true\n",
        "I'm a server span 5b8efff798038103d269b633813fc60c eee19b7ec3c1b174 ",
        "arr=[\"x\",1] m={\"k\":false} b=aGk= e=\n",
        "ResourceTraces #1\nScopeTraces #1\n  \n"
    );
    check(Signal::Traces, &spans(), normally, include_str!("../testdata/spans.txt"));
}

fn log_records() -> ExportLogsServiceRequest {
    let full = LogRecord {
        time_unix_nano: 1_581_452_773_000_000_789,
        observed_time_unix_nano: 1_581_452_774_000_000_000,
        severity_number: 9,
        severity_text: "INFO".into(),
        body: Some(any(map(vec![
            with("z", text("<a & \"b\">")),
            with("a", map(vec![with("d", Value::DoubleValue(1e-7)), with("e", list(Vec::new()))])),
            KeyValue { key: "n".into(), ..KeyValue::default() },
        ]))),
        attributes: vec![with("d", Value::DoubleValue(2.5)), attribute("s", "t")],
        flags: 1,
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        event_name: "my.event".into(),
        ..LogRecord::default()
    };
    let odd = LogRecord { severity_number: 24, body: Some(any(text("hello"))), ..LogRecord::default() };
    let scope_logs = vec![ScopeLogs {
        scope: scope(),
        log_records: vec![full, odd, LogRecord::default()],
        ..ScopeLogs::default()
    }];
    let entity = EntityRef {
        schema_url: "http://e".into(),
        r#type: "service".into(),
        id_keys: vec!["service.name".into()],
        description_keys: vec!["n".into()],
    };
    let resource = Some(Resource { entity_refs: vec![entity], ..resource().unwrap() });
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { resource, scope_logs, ..ResourceLogs::default() }],
    }
}

#[test]
fn log_records_look_as_in_the_reference() {
    let normally = concat!(
        "ResourceLog #0 service.name=svc n=12\n",
        "ScopeLog #0 lib@1.0 sa=true\n",
        r#"{"a":{"d":1e-7,"e":[]},"n":null,"z":"<a & \"b\">"} d=2.5 s=t"#,
        "\nhello \n \n"
    );
    check(Signal::Logs, &log_records(), normally, include_str!("../testdata/logs.txt"));
}

fn metric(name: &str, data: Option<Data>) -> Metric {
    Metric { name: name.into(), description: "what".into(), unit: "1".into(), data, ..Metric::default() }
}

const START: u64 = 1_581_452_772_000_000_321;
const TIME: u64 = 1_581_452_773_000_000_789;

fn number(value: Option<Point>) -> NumberDataPoint {
    let attributes = vec![attribute("k", "v"), attribute("l", "w")];
    NumberDataPoint {
        attributes,
        start_time_unix_nano: START,
        time_unix_nano: TIME,
        value,
        ..NumberDataPoint::default()
    }
}

fn exemplars() -> Vec<Exemplar> {
    let exemplar = |value| Exemplar {
        filtered_attributes: vec![attribute("x", "y")],
        time_unix_nano: TIME,
        value: Some(value),
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
    };
    vec![exemplar(exemplar::Value::AsDouble(15.0)), exemplar(exemplar::Value::AsInt(16))]
}

fn metrics() -> ExportMetricsServiceRequest {
    let gauge = vec![number(Some(Point::AsInt(123))), number(Some(Point::AsDouble(1.23))), number(None)];
    let sum = NumberDataPoint { exemplars: exemplars(), ..number(Some(Point::AsDouble(1e21))) };
    let histogram = HistogramDataPoint {
        start_time_unix_nano: START,
        time_unix_nano: TIME,
        count: 8,
        sum: Some(6.0),
        min: Some(0.5),
        max: Some(9.0),
        explicit_bounds: vec![1.0, 5.0],
        bucket_counts: vec![1, 2, 5],
        ..HistogramDataPoint::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        count: 5,
        sum: Some(0.15),
        scale: 1,
        zero_count: 1,
        positive: Some(Buckets { offset: 1, bucket_counts: vec![1, 1] }),
        negative: Some(Buckets { offset: -1, bucket_counts: vec![1, 1] }),
        ..ExponentialHistogramDataPoint::default()
    };
    let summary = SummaryDataPoint {
        count: 1,
        sum: 15.0,
        quantile_values: vec![ValueAtQuantile { quantile: 0.01, value: 15.0 }],
        ..SummaryDataPoint::default()
    };
    let mut metrics = vec![
        metric("gauge", Some(Data::Gauge(Gauge { data_points: gauge }))),
        metric(
            "sum",
            Some(Data::Sum(Sum { data_points: vec![sum], aggregation_temporality: 2, is_monotonic: true })),
        ),
        metric(
            "histogram",
            Some(Data::Histogram(Histogram { data_points: vec![histogram], aggregation_temporality: 2 })),
        ),
        metric(
            "exponential",
            Some(Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![exponential],
                aggregation_temporality: 1,
            })),
        ),
        metric("summary", Some(Data::Summary(Summary { data_points: vec![summary] }))),
        metric("empty", None),
    ];
    metrics[0].metadata = vec![attribute("meta", "data")];
    let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics, ..ScopeMetrics::default() }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: resource(),
            scope_metrics,
            ..ResourceMetrics::default()
        }],
    }
}

#[test]
fn metrics_look_as_in_the_reference() {
    let normally = "\
ResourceMetrics #0 service.name=svc n=12
ScopeMetrics #0 lib@1.0 sa=true
gauge{k=v,l=w} 123
gauge{k=v,l=w} 1.23
gauge{k=v,l=w}\x20
sum{k=v,l=w} 1e+21
histogram{} count=8 sum=6 min=0.5 max=9 le1=1 le5=2 5
exponential{} count=5 sum=0.15
summary{} count=1 sum=15.000000 q0.01=15
";
    check(Signal::Metrics, &metrics(), normally, include_str!("../testdata/metrics.txt"));
}

fn run_cx(id: &str) -> RunCx {
    let options = telemetry::metrics::Options::default();
    let registry = telemetry::metrics::Registry::new(options, telemetry::Resource::default());
    RunCx::new(
        NodeId::exporter(id, DataSignal::Traces),
        Facilities {
            clock: Arc::new(ManualClock::at(Time { mono: 1, wall: 1 })),
            budget: Budget::unlimited(),
            workers: Workers::new(vec![tokio::runtime::Handle::current()], Fatal::default()),
            listeners: Listeners::default(),
            meters: Arc::new(registry.scope()),
        },
        oneshot::channel().0,
    )
}

async fn started(id: &str, config: Config) -> DebugExporter {
    let exporter = DebugExporter::new(config);
    exporter.start(&run_cx(id)).await.unwrap();
    exporter
}

fn batch_of(signal: DataSignal, request: &impl prost::Message, items: usize) -> Batch {
    Batch::new(signal, vec![Part::from(request.encode_to_vec())], items, Time::default())
}

#[tokio::test]
async fn keeps_the_contract() {
    testkit::contract::spec(&SPEC, true);
    for verbosity in [Verbosity::Basic, Verbosity::Normal, Verbosity::Detailed] {
        let config = Config { verbosity, ..Config::default() };
        for signal in DataSignal::ALL {
            let unit = delivery::unit(DebugExporter::new(config.clone()), config.delivery(), 1);
            testkit::contract::exporter(&*unit, signal).await;
        }
    }
}

#[tokio::test]
async fn files_get_what_the_reference_prints() {
    let directory = tempfile::tempdir().unwrap();
    let paths = ["one", "two"].map(|name| directory.path().join(name).to_str().unwrap().to_owned());
    std::fs::write(&paths[0], "old\n").unwrap();
    let config = Config {
        verbosity: Verbosity::Normal,
        use_internal_logger: false,
        output_paths: Some(paths.to_vec()),
        ..Config::default()
    };
    let exporter = started("debug", config).await;
    exporter.export(&batch_of(DataSignal::Metrics, &metrics(), 7), &mut Progress::default()).await.unwrap();
    exporter.export(&batch_of(DataSignal::Logs, &log_records(), 3), &mut Progress::default()).await.unwrap();
    // Two parts are shown as one.
    let part = Part::from(spans().encode_to_vec());
    let twice = Batch::new(DataSignal::Traces, vec![part.clone(), part], 4, Time::default());
    exporter.export(&twice, &mut Progress::default()).await.unwrap();
    let lines = |path: &String| -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .filter(|line| line.contains('\t') || line.is_empty() || *line == "old")
            .map(str::to_owned)
            .collect()
    };
    let expected = [
        "Metrics\t{\"resource metrics\": 1, \"metrics\": 6, \"data points\": 7}",
        "",
        "Logs\t{\"resource logs\": 1, \"log records\": 3}",
        "",
        "Traces\t{\"resource spans\": 4, \"spans\": 4}",
        "",
    ];
    assert_eq!(lines(&paths[1]), expected);
    assert_eq!(lines(&paths[0]), [&["old"][..], &expected[..]].concat());
    assert!(std::fs::read_to_string(&paths[1]).unwrap().contains("ResourceTraces #3\n"));
}

#[tokio::test]
async fn documents_are_shown_as_they_came() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out").to_str().unwrap().to_owned();
    let output_paths = Some(vec![path.clone()]);
    let config = Config {
        verbosity: Verbosity::Normal,
        use_internal_logger: false,
        output_paths,
        ..Config::default()
    };
    let exporter = started("debug", config).await;
    exporter.export(&batch(DataSignal::Xray, 1, 2), &mut Progress::default()).await.unwrap();
    let [first, second] = [1, 2].map(testkit::generate::document);
    let wanted = format!("X-Ray\t{{\"documents\": 2}}\n{first}\n{second}\n");
    assert_eq!(std::fs::read_to_string(path).unwrap(), wanted);
}

#[tokio::test]
async fn a_full_disk_is_a_refusal_that_passes() {
    let output_paths = Some(vec!["/dev/full".to_owned()]);
    let exporter =
        started("debug", Config { use_internal_logger: false, output_paths, ..Config::default() }).await;
    let refused =
        exporter.export(&batch(DataSignal::Traces, 1, 1), &mut Progress::default()).await.unwrap_err();
    assert!(refused.is_retryable() && refused.message.starts_with("can't write: No space left"), "{refused}");
}

#[tokio::test]
async fn a_file_that_cant_be_opened_ends_the_start() {
    let output_paths = Some(vec!["/not/there".to_owned()]);
    let exporter =
        DebugExporter::new(Config { use_internal_logger: false, output_paths, ..Config::default() });
    let error = exporter.start(&run_cx("debug")).await.unwrap_err().to_string();
    assert!(error.starts_with("can't open /not/there: No such file"), "{error}");
}

/// Every event, as `component id|field=value …|message`.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<String>>>);

#[derive(Default)]
struct Line {
    id: String,
    fields: String,
    message: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => self.fields.push_str(&format!(" {name}={value:?}")),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "otelcol.component.id" => value.clone_into(&mut self.id),
            name => self.fields.push_str(&format!(" {name}={value}")),
        }
    }
}

impl<S: tracing::Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let Line { id, fields, message } = line;
        self.0.lock().unwrap().push(format!("{id}|{fields}|{message}"));
    }
}

static CAPTURE: LazyLock<Capture> = LazyLock::new(|| {
    let capture = Capture::default();
    let subscriber = tracing_subscriber::registry().with(capture.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    capture
});

#[tokio::test]
async fn the_log_gets_counts_and_then_the_text() {
    let capture = CAPTURE.clone();
    let exporter = started("debug/log", Config { verbosity: Verbosity::Detailed, ..Config::default() }).await;
    exporter.export(&batch_of(DataSignal::Logs, &log_records(), 3), &mut Progress::default()).await.unwrap();
    exporter.export(&batch_of(DataSignal::Metrics, &metrics(), 7), &mut Progress::default()).await.unwrap();
    let lines: Vec<String> = capture.0.lock().unwrap().clone();
    let ours: Vec<&String> = lines.iter().filter(|line| line.starts_with("debug/log|")).collect();
    let fields = "otelcol.component.kind=exporter otelcol.signal";
    assert_eq!(
        ours,
        [
            &format!("debug/log| {fields}=logs resource logs=1 log records=3|Logs"),
            &format!("debug/log| {fields}=logs|{}", include_str!("../testdata/logs.txt")),
            &format!("debug/log| {fields}=metrics resource metrics=1 metrics=6 data points=7|Metrics"),
            &format!("debug/log| {fields}=metrics|{}", include_str!("../testdata/metrics.txt")),
        ]
    );
}

#[tokio::test]
async fn repeated_messages_are_sampled() {
    let capture = CAPTURE.clone();
    let config = Config { sampling_initial: 2, sampling_thereafter: 3, ..Config::default() };
    let exporter = started("debug/sampled", config).await;
    for _ in 0..8 {
        exporter.export(&batch(DataSignal::Traces, 1, 1), &mut Progress::default()).await.unwrap();
    }
    let shown = capture.0.lock().unwrap().iter().filter(|line| line.starts_with("debug/sampled|")).count();
    assert_eq!(shown, 4, "the first two, the fifth and the eighth");
}

#[test]
fn long_texts_are_cut_between_lines() {
    let text: String = (0..3000).map(|number| format!("line {number} ä\n")).collect();
    let cut: Vec<&str> = output::pieces(&text).collect();
    assert!(cut.len() > 3 && cut.concat() == text);
    assert!(cut.iter().all(|piece| piece.len() <= 8192 && piece.ends_with('\n')));
    let unbroken = "ä".repeat(10_000);
    assert_eq!(output::pieces(&unbroken).collect::<String>(), unbroken);
    assert_eq!(output::pieces("").count(), 0);
}

#[test]
fn configurations_are_read_as_by_the_collector() {
    let read = |yaml: &str| testkit::settings::read::<Config>(yaml, "exporters::debug");
    let good = |yaml: &str| read(yaml).0.unwrap_or_else(|| panic!("{}", read(yaml).1));
    assert_eq!(good("{}"), Config::default());
    assert_eq!(good("verbosity: DetaileD").verbosity, Verbosity::Detailed);
    assert!(good("{}").sending_queue.get().is_none(), "off");
    assert!(good("sending_queue:").sending_queue.get().is_some(), "on with defaults");
    assert_eq!(good("use_internal_logger: false\noutput_paths: a,b").output_paths.unwrap(), ["a", "b"]);
    let bad = |yaml: &str, expected: &str| {
        let (config, findings) = read(yaml);
        assert!(config.is_none() && findings.contains(expected), "{yaml}: {findings}");
    };
    bad("verbosity: loud", "`basic`");
    bad("verbosity: 1", "`basic`");
    bad("verbosity:", "`basic`");
    bad("sampling_initial: x", "integer");
    bad("use_internal_logger: false\noutput_paths: []", "output_paths must not be empty");
    bad("output_paths: [stderr]", "output_paths is not supported when use_internal_logger is true");
}
