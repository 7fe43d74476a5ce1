//! Telemetry to feed to components. Every item has an id of its own, so that tests can say where each one went.

use data::{Batch, Part, Signal, Time};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

/// A string attribute.
#[must_use]
pub fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

/// A batch of `count` items whose ids are `first`, `first + 1`, …: spans by span id, data points by value, log
/// records by timestamp, documents by their id.
pub fn batch(signal: Signal, first: u64, count: usize) -> Batch {
    let ids = first..first + count as u64;
    let encoded = match signal {
        Signal::Traces => traces(ids).encode_to_vec(),
        Signal::Metrics => metrics(ids).encode_to_vec(),
        Signal::Logs => logs(ids).encode_to_vec(),
        Signal::Xray => return xray(ids),
    };
    Batch::new(signal, vec![Part::from(encoded)], count, Time::default())
}

/// The message that a batch is: its parts, one behind the other.
#[must_use]
pub fn message(batch: &Batch) -> Vec<u8> {
    batch.chunks().flat_map(|chunk| chunk.iter().copied()).collect()
}

/// The ids of the items of a batch, in order.
#[must_use]
pub fn ids(batch: &Batch) -> Vec<u64> {
    let bytes = message(batch);
    match batch.signal() {
        Signal::Traces => trace_ids(&ExportTraceServiceRequest::decode(&bytes[..]).unwrap()),
        Signal::Metrics => metric_ids(&ExportMetricsServiceRequest::decode(&bytes[..]).unwrap()),
        Signal::Logs => log_ids(&ExportLogsServiceRequest::decode(&bytes[..]).unwrap()),
        Signal::Xray => batch.chunks().map(|chunk| document_id(chunk)).collect(),
    }
}

/// A request of spans with these ids, all of one trace.
#[must_use]
pub fn traces(ids: impl Iterator<Item = u64>) -> ExportTraceServiceRequest {
    let spans = ids.map(|id| Span {
        trace_id: vec![7; 16],
        span_id: id.to_be_bytes().to_vec(),
        name: format!("span {id}"),
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_000_100_000_000,
        attributes: vec![attribute("http.request.method", "GET"), attribute("url.path", "/cart")],
        ..Span::default()
    });
    let scope_spans = vec![ScopeSpans { scope: scope(), spans: spans.collect(), ..ScopeSpans::default() }];
    let resource_spans =
        vec![ResourceSpans { resource: resource(), scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }
}

fn metrics(ids: impl Iterator<Item = u64>) -> ExportMetricsServiceRequest {
    let point = |id: u64| NumberDataPoint {
        time_unix_nano: 1_700_000_000_000_000_000,
        value: Some(number_data_point::Value::AsInt(i64::try_from(id).unwrap())),
        ..NumberDataPoint::default()
    };
    let data = Some(metric::Data::Gauge(Gauge { data_points: ids.map(point).collect() }));
    let metrics = vec![Metric { name: "queue.depth".to_owned(), data, ..Metric::default() }];
    let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics, ..ScopeMetrics::default() }];
    let resource_metrics =
        vec![ResourceMetrics { resource: resource(), scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }
}

fn logs(ids: impl Iterator<Item = u64>) -> ExportLogsServiceRequest {
    let record = |id: u64| LogRecord { time_unix_nano: id, severity_number: 9, ..LogRecord::default() };
    let log_records = ids.map(record).collect();
    let scope_logs = vec![ScopeLogs { scope: scope(), log_records, ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { resource: resource(), scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }
}

/// An X-Ray segment with this id.
#[must_use]
pub fn document(id: u64) -> String {
    format!(
        r#"{{"name":"shop","id":"{id:016x}","trace_id":"1-6553f100-070707070707070707070707","start_time":1700000000,"end_time":1700000000.1}}"#
    )
}

fn document_id(document: &[u8]) -> u64 {
    let text = std::str::from_utf8(document).unwrap();
    let (_, id) = text.split_once(r#""id":""#).unwrap();
    u64::from_str_radix(&id[..16], 16).unwrap()
}

fn xray(ids: impl Iterator<Item = u64>) -> Batch {
    let parts: Vec<Part> = ids.map(|id| Part::from(document(id).into_bytes())).collect();
    let count = parts.len();
    Batch::new(Signal::Xray, parts, count, Time::default())
}

#[allow(clippy::unnecessary_wraps, reason = "the shape of the generated field")]
fn resource() -> Option<Resource> {
    Some(Resource { attributes: vec![attribute("service.name", "shop")], ..Resource::default() })
}

#[allow(clippy::unnecessary_wraps, reason = "the shape of the generated field")]
fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: "testkit".to_owned(), ..InstrumentationScope::default() })
}

fn trace_ids(request: &ExportTraceServiceRequest) -> Vec<u64> {
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    let spans = scopes.flat_map(|scope| &scope.spans);
    spans.map(|span| u64::from_be_bytes(span.span_id[..].try_into().unwrap())).collect()
}

fn metric_ids(request: &ExportMetricsServiceRequest) -> Vec<u64> {
    let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    let points = scopes.flat_map(|scope| &scope.metrics).flat_map(|metric| match &metric.data {
        Some(metric::Data::Gauge(gauge)) => gauge.data_points.as_slice(),
        _ => &[],
    });
    let id = |point: &NumberDataPoint| match point.value {
        Some(number_data_point::Value::AsInt(id)) => id.unsigned_abs(),
        _ => 0,
    };
    points.map(id).collect()
}

fn log_ids(request: &ExportLogsServiceRequest) -> Vec<u64> {
    let scopes = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
    scopes.flat_map(|scope| &scope.log_records).map(|record| record.time_unix_nano).collect()
}
