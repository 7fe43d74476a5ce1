//! The writer, rule by rule. Expected texts follow the reference implementation's marshaller.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use collimator_otlp_json::{write, write_parts};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar, metric,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use otlp::schema::{self, LOGS, METRICS, Message, TRACES};

#[track_caller]
fn check(message: &'static Message, wire: &[u8], expected: &str) {
    let mut text = b"before ".to_vec();
    write(message, wire, &mut text);
    assert_eq!(String::from_utf8(text).unwrap(), format!("before {expected}"));
}

#[track_caller]
fn check_prost(message: &'static Message, value: &impl prost::Message, expected: &str) {
    check(message, &value.encode_to_vec(), &expected.replace('\n', ""));
}

fn key_value(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

#[test]
fn a_full_span_is_written_as_the_file_exporter_writes_it() {
    let trace_id = (0x5b..0x6b).collect::<Vec<u8>>();
    let span_id = (0xe1..0xe9).collect::<Vec<u8>>();
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
            key_value("d", Value::DoubleValue(1.5)),
            key_value("di", Value::DoubleValue(3.0)),
            key_value(
                "arr",
                Value::ArrayValue(ArrayValue { values: vec![any(text("x")), any(Value::IntValue(1))] }),
            ),
            key_value(
                "m",
                Value::KvlistValue(KeyValueList { values: vec![key_value("k", Value::BoolValue(false))] }),
            ),
            key_value("b", Value::BytesValue(b"hi".to_vec())),
            KeyValue { key: "e".into(), value: Some(AnyValue { value: None }), key_strindex: 0 },
        ],
        dropped_attributes_count: 3,
        events: vec![Event {
            time_unix_nano: 1_544_712_660_500_000_000,
            name: "ev".into(),
            attributes: vec![key_value("ea", text("v"))],
            dropped_attributes_count: 1,
        }],
        dropped_events_count: 4,
        links: vec![Link {
            trace_id,
            span_id,
            trace_state: "c=d".into(),
            attributes: vec![key_value("la", Value::IntValue(-1))],
            dropped_attributes_count: 2,
            flags: 1,
        }],
        dropped_links_count: 5,
        status: Some(Status { message: "bad".into(), code: 2 }),
    };
    let scope = InstrumentationScope {
        name: "lib".into(),
        version: "1.0".into(),
        attributes: vec![key_value("sa", Value::BoolValue(true))],
        dropped_attributes_count: 0,
    };
    let resource = Resource {
        attributes: vec![key_value("service.name", text("svc")), key_value("n", Value::IntValue(12))],
        ..Resource::default()
    };
    let scope_spans = ScopeSpans { scope: Some(scope), spans: vec![span], schema_url: "http://s/2".into() };
    let resource_spans = ResourceSpans {
        resource: Some(resource),
        scope_spans: vec![scope_spans],
        schema_url: "http://s/1".into(),
    };
    check_prost(
        &TRACES,
        &ExportTraceServiceRequest { resource_spans: vec![resource_spans] },
        r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"svc"}},
{"key":"n","value":{"intValue":"12"}}]},"scopeSpans":[{"scope":{"name":"lib","version":"1.0",
"attributes":[{"key":"sa","value":{"boolValue":true}}]},
"spans":[{"traceId":"5b5c5d5e5f606162636465666768696a","spanId":"e1e2e3e4e5e6e7e8","traceState":"a=b",
"parentSpanId":"e1e2e3e4e5e6e7e8","flags":257,"name":"I'm a server span","kind":2,
"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712661000000000",
"attributes":[{"key":"d","value":{"doubleValue":1.5}},{"key":"di","value":{"doubleValue":3}},
{"key":"arr","value":{"arrayValue":{"values":[{"stringValue":"x"},{"intValue":"1"}]}}},
{"key":"m","value":{"kvlistValue":{"values":[{"key":"k","value":{"boolValue":false}}]}}},
{"key":"b","value":{"bytesValue":"aGk="}},{"key":"e","value":{}}],"droppedAttributesCount":3,
"events":[{"timeUnixNano":"1544712660500000000","name":"ev","attributes":[{"key":"ea","value":{"stringValue":"v"}}],
"droppedAttributesCount":1}],"droppedEventsCount":4,
"links":[{"traceId":"5b5c5d5e5f606162636465666768696a","spanId":"e1e2e3e4e5e6e7e8","traceState":"c=d",
"attributes":[{"key":"la","value":{"intValue":"-1"}}],"droppedAttributesCount":2,"flags":1}],"droppedLinksCount":5,
"status":{"message":"bad","code":2}}],"schemaUrl":"http://s/2"}],"schemaUrl":"http://s/1"}]}"#,
    );
}

#[test]
fn a_full_log_record() {
    let record = LogRecord {
        time_unix_nano: 1,
        observed_time_unix_nano: 2,
        severity_number: 9,
        severity_text: "INFO".into(),
        body: Some(any(text("hello"))),
        attributes: vec![key_value("a", Value::IntValue(0))],
        dropped_attributes_count: 3,
        flags: 1,
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        event_name: "ev".into(),
    };
    let scope_logs = ScopeLogs { log_records: vec![record, LogRecord::default()], ..ScopeLogs::default() };
    let resource_logs = ResourceLogs { scope_logs: vec![scope_logs], ..ResourceLogs::default() };
    check_prost(
        &LOGS,
        &ExportLogsServiceRequest { resource_logs: vec![resource_logs] },
        r#"{"resourceLogs":[{"resource":{},"scopeLogs":[{"scope":{},"logRecords":[{"timeUnixNano":"1",
"observedTimeUnixNano":"2","severityNumber":9,"severityText":"INFO","body":{"stringValue":"hello"},
"attributes":[{"key":"a","value":{"intValue":"0"}}],"droppedAttributesCount":3,"flags":1,
"traceId":"01010101010101010101010101010101","spanId":"0202020202020202","eventName":"ev"},{"body":{}}]}]}]}"#,
    );
}

#[test]
fn every_kind_of_metric() {
    let exemplar = Exemplar {
        filtered_attributes: vec![key_value("f", text("x"))],
        time_unix_nano: 3,
        span_id: vec![2; 8],
        trace_id: vec![1; 16],
        value: Some(exemplar::Value::AsDouble(0.0)),
    };
    let number = NumberDataPoint {
        attributes: vec![key_value("a", text("b"))],
        start_time_unix_nano: 1,
        time_unix_nano: 2,
        exemplars: vec![exemplar.clone()],
        flags: 1,
        value: Some(number_data_point::Value::AsInt(-5)),
    };
    let double = NumberDataPoint {
        value: Some(number_data_point::Value::AsDouble(-0.0)),
        ..NumberDataPoint::default()
    };
    let histogram = HistogramDataPoint {
        attributes: number.attributes.clone(),
        start_time_unix_nano: 1,
        time_unix_nano: 2,
        count: 3,
        sum: Some(0.0),
        bucket_counts: vec![0, 300],
        explicit_bounds: vec![0.0, f64::INFINITY],
        exemplars: vec![exemplar],
        flags: 1,
        min: Some(0.0),
        max: Some(1e21),
    };
    let exponential = ExponentialHistogramDataPoint {
        attributes: number.attributes.clone(),
        count: 3,
        scale: -1,
        zero_count: 4,
        positive: Some(Buckets { offset: -2, bucket_counts: vec![1, 0] }),
        zero_threshold: 1e-7,
        max: Some(f64::NAN),
        ..ExponentialHistogramDataPoint::default()
    };
    let summary = SummaryDataPoint {
        attributes: number.attributes.clone(),
        count: 1,
        sum: 2.5,
        quantile_values: vec![ValueAtQuantile::default(), ValueAtQuantile { quantile: 0.99, value: 2.5 }],
        flags: 1,
        ..SummaryDataPoint::default()
    };
    let metric = |data| Metric { data: Some(data), ..Metric::default() };
    let full = Metric {
        name: "n".into(),
        description: "d".into(),
        unit: "1".into(),
        metadata: vec![key_value("m", text("d"))],
        data: Some(metric::Data::Sum(Sum {
            data_points: vec![number],
            aggregation_temporality: 2,
            is_monotonic: true,
        })),
    };
    let histogram = Histogram { data_points: vec![histogram], aggregation_temporality: 1 };
    let exponential = ExponentialHistogram { data_points: vec![exponential], aggregation_temporality: 2 };
    let metrics = vec![
        full,
        metric(metric::Data::Gauge(Gauge { data_points: vec![double] })),
        metric(metric::Data::Histogram(histogram)),
        metric(metric::Data::ExponentialHistogram(exponential)),
        metric(metric::Data::Summary(Summary { data_points: vec![summary] })),
        metric(metric::Data::Gauge(Gauge::default())),
        Metric::default(),
    ];
    let scope_metrics = ScopeMetrics { metrics, ..ScopeMetrics::default() };
    let resource_metrics =
        ResourceMetrics { scope_metrics: vec![scope_metrics], ..ResourceMetrics::default() };
    check_prost(
        &METRICS,
        &ExportMetricsServiceRequest { resource_metrics: vec![resource_metrics] },
        r#"{"resourceMetrics":[{"resource":{},"scopeMetrics":[{"scope":{},"metrics":[
{"name":"n","description":"d","unit":"1","sum":{"dataPoints":[{"attributes":[{"key":"a","value":{"stringValue":"b"}}],
"startTimeUnixNano":"1","timeUnixNano":"2","asInt":"-5","exemplars":[
{"filteredAttributes":[{"key":"f","value":{"stringValue":"x"}}],"timeUnixNano":"3","asDouble":0,
"traceId":"01010101010101010101010101010101","spanId":"0202020202020202"}],"flags":1}],
"aggregationTemporality":2,"isMonotonic":true},"metadata":[{"key":"m","value":{"stringValue":"d"}}]},
{"gauge":{"dataPoints":[{"asDouble":-0}]}},
{"histogram":{"dataPoints":[{"attributes":[{"key":"a","value":{"stringValue":"b"}}],"startTimeUnixNano":"1",
"timeUnixNano":"2","count":"3","sum":0,"bucketCounts":["0","300"],"explicitBounds":[0,"Infinity"],"exemplars":[
{"filteredAttributes":[{"key":"f","value":{"stringValue":"x"}}],"timeUnixNano":"3","asDouble":0,
"traceId":"01010101010101010101010101010101","spanId":"0202020202020202"}],"flags":1,"min":0,"max":1e+21}],
"aggregationTemporality":1}},
{"exponentialHistogram":{"dataPoints":[{"attributes":[{"key":"a","value":{"stringValue":"b"}}],"count":"3",
"scale":-1,"zeroCount":"4","positive":{"offset":-2,"bucketCounts":["1","0"]},"negative":{},"max":"NaN",
"zeroThreshold":1e-7}],"aggregationTemporality":2}},
{"summary":{"dataPoints":[{"attributes":[{"key":"a","value":{"stringValue":"b"}}],"count":"1","sum":2.5,
"quantileValues":[{},{"quantile":0.99,"value":2.5}],"flags":1}]}},
{"gauge":{}},{}]}]}]}"#,
    );
}

#[test]
fn absent_and_zero() {
    check(&TRACES, &[], "{}");
    check(&METRICS, &[], "{}");
    check(&LOGS, &[], "{}");
    check(&TRACES, &[0x0a, 0x00], r#"{"resourceSpans":[{"resource":{}}]}"#);
    check(&schema::SCOPE_SPANS, &[], r#"{"scope":{}}"#);
    check_prost(&schema::SPAN, &Span::default(), r#"{"status":{}}"#);
    check_prost(
        &schema::SPAN,
        &Span { kind: -1, flags: u32::MAX, ..Span::default() },
        r#"{"flags":4294967295,"kind":-1,"status":{}}"#,
    );
    check_prost(&schema::KEY_VALUE, &KeyValue::default(), r#"{"value":{}}"#);
    let zeros = Span { trace_id: vec![0; 16], span_id: vec![0; 8], ..Span::default() };
    check_prost(&schema::SPAN, &zeros, r#"{"status":{}}"#);
    // Zeros that somebody has written out, minus zero among them.
    check(&schema::SPAN, &[0x2a, 0x00, 0x30, 0x00, 0x39, 0, 0, 0, 0, 0, 0, 0, 0], r#"{"status":{}}"#);
    check(&schema::SUMMARY_DATA_POINT, &[0x29, 0, 0, 0, 0, 0, 0, 0, 0x80], "{}");
}

#[test]
fn values() {
    let check = |value: Value, expected: &str| check_prost(&schema::ANY_VALUE, &any(value), expected);
    check(text(""), r#"{"stringValue":""}"#);
    check(text("a\"\\\n\u{1}<&>\u{2028}é"), "{\"stringValue\":\"a\\\"\\\\\\n\\u0001<&>\u{2028}é\"}");
    check(Value::BoolValue(false), r#"{"boolValue":false}"#);
    check(Value::IntValue(0), r#"{"intValue":"0"}"#);
    check(Value::IntValue(i64::MIN), r#"{"intValue":"-9223372036854775808"}"#);
    check(Value::DoubleValue(0.0), r#"{"doubleValue":0}"#);
    check(Value::DoubleValue(f64::NEG_INFINITY), r#"{"doubleValue":"-Infinity"}"#);
    check(Value::BytesValue(Vec::new()), r#"{"bytesValue":""}"#);
    check(Value::ArrayValue(ArrayValue::default()), r#"{"arrayValue":{}}"#);
    check(Value::KvlistValue(KeyValueList::default()), r#"{"kvlistValue":{}}"#);
    check(Value::StringValueStrindex(0), r#"{"stringValueStrindex":0}"#);
    let entity =
        EntityRef { r#type: "host".into(), id_keys: vec![String::new(), "a".into()], ..EntityRef::default() };
    check_prost(&schema::ENTITY_REF, &entity, r#"{"type":"host","idKeys":["","a"]}"#);
}

#[test]
fn odd_but_legal_encodings() {
    // Kind before name, name twice, status twice (message, then code).
    let span = [
        0x30, 0x01, 0x2a, 0x01, b'a', 0x7a, 0x03, 0x12, 0x01, b'm', 0x2a, 0x01, b'b', 0x7a, 0x02, 0x18, 0x02,
    ];
    check(&schema::SPAN, &span, r#"{"name":"b","kind":1,"status":{"message":"m","code":2}}"#);
    // Two members of a oneof, and the same one twice.
    check(&schema::ANY_VALUE, &[0x10, 0x01, 0x0a, 0x01, b'x'], r#"{"stringValue":"x"}"#);
    check(&schema::ANY_VALUE, &[0x0a, 0x01, b'x', 0x10, 0x01], r#"{"boolValue":true}"#);
    check(&schema::ANY_VALUE, &[0x18, 0x01, 0x18, 0x02], r#"{"intValue":"2"}"#);
    // Interleaved repeated fields.
    let point = [0x29, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f];
    let mut histogram = vec![0x31, 1, 0, 0, 0, 0, 0, 0, 0];
    histogram.extend([0x3a, 8, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f]);
    histogram.extend([0x32, 8, 2, 0, 0, 0, 0, 0, 0, 0]);
    histogram.extend(point);
    histogram.extend([0x39, 0, 0, 0, 0, 0, 0, 0, 0x40]);
    check(
        &schema::HISTOGRAM_DATA_POINT,
        &histogram,
        r#"{"sum":1.5,"bucketCounts":["1","2"],"explicitBounds":[1.5,2]}"#,
    );
    // An unknown field, a known one of the wrong wire type.
    check(&schema::STATUS, &[0xfa, 0x07, 0x01, 0x00, 0x10, 0x05, 0x18, 0x01], r#"{"code":1}"#);
    // Varints longer than they need to be, 32-bit values with high bits.
    check(&schema::STATUS, &[0x18, 0x82, 0x80, 0x00], r#"{"code":2}"#);
    check(&schema::RESOURCE, &[0x10, 0x81, 0x80, 0x80, 0x80, 0x10], r#"{"droppedAttributesCount":1}"#);
}

#[test]
fn what_is_no_protobuf_still_gives_json() {
    check(&TRACES, &[0x0a, 0x05, 0x00], "{}");
    check(&schema::STATUS, &[0x18, 0x02, 0x12, 0x09, b'x'], r#"{"code":2}"#);
    let mut nested = vec![0x0a, 0x00];
    for _ in 0..2000 {
        let mut outer = vec![0x2a];
        prost::encoding::encode_varint(nested.len() as u64, &mut outer);
        outer.extend(nested);
        nested = vec![0x0a];
        prost::encoding::encode_varint(outer.len() as u64, &mut nested);
        nested.extend(outer);
    }
    let mut text = Vec::new();
    write(&schema::ARRAY_VALUE, &nested, &mut text);
    let value = |text: &[u8]| text.iter().filter(|byte| **byte == b'{').count();
    assert_eq!(value(&text), 257);
    assert!(text.ends_with(b"}]}"));
}

#[test]
fn parts_are_one_message() {
    let parts = [&[0x0a, 0x00][..], &[], &[0x0a, 0x03, 0x1a, 0x01, b'u', 0x0a, 0x00]];
    let parts: Vec<bytes::Bytes> = parts.into_iter().map(bytes::Bytes::from_static).collect();
    let mut text = Vec::new();
    write_parts(&TRACES, &parts, &mut text);
    let expected = r#"{"resourceSpans":[{"resource":{}},{"resource":{},"schemaUrl":"u"},{"resource":{}}]}"#;
    assert_eq!(String::from_utf8(text).unwrap(), expected);
    let mut text = Vec::new();
    write_parts(&TRACES, &[], &mut text);
    assert_eq!(text, b"{}");
}
