//! Requests to be changed, and what became of their attributes.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use testkit::generate::attribute;

/// Service name (none if empty), scope name, scope version, spans.
type OfService<'s> = (&'s str, &'s str, &'s str, &'s [Span]);

pub(crate) fn span(name: &str, kind: i32, key: &str, value: &str) -> Span {
    Span { name: name.to_owned(), kind, attributes: vec![attribute(key, value)], ..Span::default() }
}

fn resource(service: &str) -> Option<Resource> {
    let attributes = vec![attribute("service.name", service)];
    (!service.is_empty()).then(|| Resource { attributes, ..Resource::default() })
}

pub(crate) fn spans(services: &[OfService<'_>]) -> Vec<u8> {
    let one = |(service, name, version, spans): &OfService<'_>| {
        let scope = InstrumentationScope {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            ..InstrumentationScope::default()
        };
        let scope_spans =
            vec![ScopeSpans { scope: Some(scope), spans: spans.to_vec(), ..ScopeSpans::default() }];
        ResourceSpans { resource: resource(service), scope_spans, ..ResourceSpans::default() }
    };
    ExportTraceServiceRequest { resource_spans: services.iter().map(one).collect() }.encode_to_vec()
}

pub(crate) fn log(body: &str, severity_text: &str, severity_number: i32) -> LogRecord {
    LogRecord {
        body: Some(AnyValue { value: Some(Value::StringValue(body.to_owned())) }),
        severity_text: severity_text.to_owned(),
        severity_number,
        ..LogRecord::default()
    }
}

pub(crate) fn logs(records: &[LogRecord]) -> Vec<u8> {
    let scope_logs = vec![ScopeLogs { log_records: records.to_vec(), ..ScopeLogs::default() }];
    let resource_logs =
        vec![ResourceLogs { resource: resource("shop"), scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

/// A metric of each kind for each name, of one point without attributes.
pub(crate) fn metrics(names: &[&str]) -> Vec<u8> {
    let number = || vec![NumberDataPoint::default()];
    let kinds = || {
        [
            Data::Gauge(Gauge { data_points: number() }),
            Data::Sum(Sum { data_points: number(), ..Sum::default() }),
            Data::Histogram(Histogram {
                data_points: vec![HistogramDataPoint::default()],
                ..Histogram::default()
            }),
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![ExponentialHistogramDataPoint::default()],
                ..ExponentialHistogram::default()
            }),
            Data::Summary(Summary { data_points: vec![SummaryDataPoint::default()] }),
        ]
    };
    let of_name = |name: &&str| {
        let name = (*name).to_owned();
        kinds().map(|data| Metric { name: name.clone(), data: Some(data), ..Metric::default() })
    };
    let metrics = names.iter().flat_map(of_name).collect();
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics =
        vec![ResourceMetrics { resource: resource("shop"), scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

/// The keys of each item's attributes, with the name of the span or metric.
pub(crate) fn attribute_keys(signal: data::Signal, bytes: &[u8]) -> Vec<(String, Vec<String>)> {
    let keys = |list: &[KeyValue]| list.iter().map(|it| it.key.clone()).collect();
    match signal {
        data::Signal::Traces => {
            let request = ExportTraceServiceRequest::decode(bytes).expect("a request");
            let scopes = request.resource_spans.iter().flat_map(|it| &it.scope_spans);
            scopes.flat_map(|it| &it.spans).map(|it| (it.name.clone(), keys(&it.attributes))).collect()
        }
        data::Signal::Logs => {
            let request = ExportLogsServiceRequest::decode(bytes).expect("a request");
            let scopes = request.resource_logs.iter().flat_map(|it| &it.scope_logs);
            scopes.flat_map(|it| &it.log_records).map(|it| (String::new(), keys(&it.attributes))).collect()
        }
        _ => {
            let request = ExportMetricsServiceRequest::decode(bytes).expect("a request");
            let scopes = request.resource_metrics.iter().flat_map(|it| &it.scope_metrics);
            let point = |metric: &Metric| {
                let attributes = match metric.data.as_ref().expect("data") {
                    Data::Gauge(data) => &data.data_points[0].attributes,
                    Data::Sum(data) => &data.data_points[0].attributes,
                    Data::Histogram(data) => &data.data_points[0].attributes,
                    Data::ExponentialHistogram(data) => &data.data_points[0].attributes,
                    Data::Summary(data) => &data.data_points[0].attributes,
                };
                (metric.name.clone(), keys(attributes))
            };
            scopes.flat_map(|it| &it.metrics).map(point).collect()
        }
    }
}
