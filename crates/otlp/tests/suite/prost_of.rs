//! prost's structs, filled from views: what prost decodes must come out.

use collimator_otlp::view::{self, AnyValue as Any, MetricData, Number};
use collimator_otlp::wire::Fields;
use collimator_otlp::{Signal, Text};
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::logs::v1 as logs;
use opentelemetry_proto::tonic::metrics::v1 as metrics;
use opentelemetry_proto::tonic::resource::v1 as resource;
use opentelemetry_proto::tonic::trace::v1 as trace;

/// Whether a message has the field: views have no difference between absent and empty, prost has.
fn has(message: &[u8], number: u32) -> bool {
    Fields::new(message).any(|field| field.number == number)
}

fn text(text: Text<'_>) -> String {
    text.to_str().into_owned()
}

/// Views have zeros where there is no id.
fn id<const N: usize>(id: [u8; N]) -> Vec<u8> {
    if id == [0; N] { Vec::new() } else { id.to_vec() }
}

fn attributes(attributes: view::Attributes<'_>) -> Vec<common::KeyValue> {
    attributes
        .map(|attribute| common::KeyValue {
            key: text(attribute.key()),
            value: has(attribute.as_bytes(), 2).then(|| any(attribute.value())),
            key_strindex: attribute.key_strindex(),
        })
        .collect()
}

fn any(value: Any<'_>) -> common::AnyValue {
    use common::any_value::Value;
    let value = match value {
        Any::Empty => return common::AnyValue { value: None },
        Any::String(string) => Value::StringValue(text(string)),
        Any::Bool(truth) => Value::BoolValue(truth),
        Any::Int(int) => Value::IntValue(int),
        Any::Double(double) => Value::DoubleValue(double),
        Any::Array(values) => Value::ArrayValue(common::ArrayValue { values: values.map(any).collect() }),
        Any::KvList(list) => Value::KvlistValue(common::KeyValueList { values: attributes(list) }),
        Any::Bytes(bytes) => Value::BytesValue(bytes.to_vec()),
        Any::StringIndex(index) => Value::StringValueStrindex(index),
    };
    common::AnyValue { value: Some(value) }
}

fn resource(resource: view::Resource<'_>) -> resource::Resource {
    resource::Resource {
        attributes: attributes(resource.attributes()),
        dropped_attributes_count: resource.dropped_attributes_count(),
        entity_refs: resource
            .entity_refs()
            .map(|entity| common::EntityRef {
                schema_url: text(entity.schema_url()),
                r#type: text(entity.kind()),
                id_keys: entity.id_keys().map(text).collect(),
                description_keys: entity.description_keys().map(text).collect(),
            })
            .collect(),
    }
}

fn scope(scope: view::Scope<'_>) -> common::InstrumentationScope {
    common::InstrumentationScope {
        name: text(scope.name()),
        version: text(scope.version()),
        attributes: attributes(scope.attributes()),
        dropped_attributes_count: scope.dropped_attributes_count(),
    }
}

fn traces(bytes: &[u8]) -> trace::TracesData {
    let traces = view::Traces::new(bytes);
    let resource_spans = traces.resource_spans().map(|of_resource| trace::ResourceSpans {
        resource: has(of_resource.as_bytes(), 1).then(|| resource(of_resource.resource())),
        scope_spans: of_resource
            .scope_spans()
            .map(|of_scope| trace::ScopeSpans {
                scope: has(of_scope.as_bytes(), 1).then(|| scope(of_scope.scope())),
                spans: of_scope.spans().map(span).collect(),
                schema_url: text(of_scope.schema_url()),
            })
            .collect(),
        schema_url: text(of_resource.schema_url()),
    });
    trace::TracesData { resource_spans: resource_spans.collect() }
}

fn span(span: view::Span<'_>) -> trace::Span {
    trace::Span {
        trace_id: id(span.trace_id()),
        span_id: id(span.span_id()),
        trace_state: text(span.trace_state()),
        parent_span_id: id(span.parent_span_id()),
        flags: span.flags(),
        name: text(span.name()),
        kind: span.kind(),
        start_time_unix_nano: span.start_time_unix_nano(),
        end_time_unix_nano: span.end_time_unix_nano(),
        attributes: attributes(span.attributes()),
        dropped_attributes_count: span.dropped_attributes_count(),
        events: span
            .events()
            .map(|event| trace::span::Event {
                time_unix_nano: event.time_unix_nano(),
                name: text(event.name()),
                attributes: attributes(event.attributes()),
                dropped_attributes_count: event.dropped_attributes_count(),
            })
            .collect(),
        dropped_events_count: span.dropped_events_count(),
        links: span
            .links()
            .map(|link| trace::span::Link {
                trace_id: id(link.trace_id()),
                span_id: id(link.span_id()),
                trace_state: text(link.trace_state()),
                attributes: attributes(link.attributes()),
                dropped_attributes_count: link.dropped_attributes_count(),
                flags: link.flags(),
            })
            .collect(),
        dropped_links_count: span.dropped_links_count(),
        status: has(span.as_bytes(), 15)
            .then(|| trace::Status { message: text(span.status().message()), code: span.status().code() }),
    }
}

fn logs(bytes: &[u8]) -> logs::LogsData {
    let all = view::Logs::new(bytes);
    let resource_logs = all.resource_logs().map(|of_resource| logs::ResourceLogs {
        resource: has(of_resource.as_bytes(), 1).then(|| resource(of_resource.resource())),
        scope_logs: of_resource
            .scope_logs()
            .map(|of_scope| logs::ScopeLogs {
                scope: has(of_scope.as_bytes(), 1).then(|| scope(of_scope.scope())),
                log_records: of_scope.log_records().map(log_record).collect(),
                schema_url: text(of_scope.schema_url()),
            })
            .collect(),
        schema_url: text(of_resource.schema_url()),
    });
    logs::LogsData { resource_logs: resource_logs.collect() }
}

fn log_record(log: view::LogRecord<'_>) -> logs::LogRecord {
    logs::LogRecord {
        time_unix_nano: log.time_unix_nano(),
        observed_time_unix_nano: log.observed_time_unix_nano(),
        severity_number: log.severity_number(),
        severity_text: text(log.severity_text()),
        body: has(log.as_bytes(), 5).then(|| any(log.body())),
        attributes: attributes(log.attributes()),
        dropped_attributes_count: log.dropped_attributes_count(),
        flags: log.flags(),
        trace_id: id(log.trace_id()),
        span_id: id(log.span_id()),
        event_name: text(log.event_name()),
    }
}

fn metrics(bytes: &[u8]) -> metrics::MetricsData {
    let all = view::Metrics::new(bytes);
    let resource_metrics = all.resource_metrics().map(|of_resource| metrics::ResourceMetrics {
        resource: has(of_resource.as_bytes(), 1).then(|| resource(of_resource.resource())),
        scope_metrics: of_resource
            .scope_metrics()
            .map(|of_scope| metrics::ScopeMetrics {
                scope: has(of_scope.as_bytes(), 1).then(|| scope(of_scope.scope())),
                metrics: of_scope.metrics().map(metric).collect(),
                schema_url: text(of_scope.schema_url()),
            })
            .collect(),
        schema_url: text(of_resource.schema_url()),
    });
    metrics::MetricsData { resource_metrics: resource_metrics.collect() }
}

fn metric(metric: view::Metric<'_>) -> metrics::Metric {
    use metrics::metric::Data;
    let data = match metric.data() {
        MetricData::Empty => None,
        MetricData::Gauge(gauge) => {
            Some(Data::Gauge(metrics::Gauge { data_points: gauge.data_points().map(number_point).collect() }))
        }
        MetricData::Sum(sum) => Some(Data::Sum(metrics::Sum {
            data_points: sum.data_points().map(number_point).collect(),
            aggregation_temporality: sum.aggregation_temporality(),
            is_monotonic: sum.is_monotonic(),
        })),
        MetricData::Histogram(histogram) => Some(Data::Histogram(metrics::Histogram {
            data_points: histogram.data_points().map(histogram_point).collect(),
            aggregation_temporality: histogram.aggregation_temporality(),
        })),
        MetricData::ExponentialHistogram(histogram) => {
            Some(Data::ExponentialHistogram(metrics::ExponentialHistogram {
                data_points: histogram.data_points().map(exponential_point).collect(),
                aggregation_temporality: histogram.aggregation_temporality(),
            }))
        }
        MetricData::Summary(summary) => Some(Data::Summary(metrics::Summary {
            data_points: summary.data_points().map(summary_point).collect(),
        })),
    };
    metrics::Metric {
        name: text(metric.name()),
        description: text(metric.description()),
        unit: text(metric.unit()),
        metadata: attributes(metric.metadata()),
        data,
    }
}

fn number_point(point: view::NumberPoint<'_>) -> metrics::NumberDataPoint {
    use metrics::number_data_point::Value;
    metrics::NumberDataPoint {
        attributes: attributes(point.attributes()),
        start_time_unix_nano: point.start_time_unix_nano(),
        time_unix_nano: point.time_unix_nano(),
        exemplars: point.exemplars().map(exemplar).collect(),
        flags: point.flags(),
        value: match point.value() {
            Number::Empty => None,
            Number::Int(int) => Some(Value::AsInt(int)),
            Number::Double(double) => Some(Value::AsDouble(double)),
        },
    }
}

fn exemplar(exemplar: view::Exemplar<'_>) -> metrics::Exemplar {
    use metrics::exemplar::Value;
    metrics::Exemplar {
        filtered_attributes: attributes(exemplar.filtered_attributes()),
        time_unix_nano: exemplar.time_unix_nano(),
        span_id: id(exemplar.span_id()),
        trace_id: id(exemplar.trace_id()),
        value: match exemplar.value() {
            Number::Empty => None,
            Number::Int(int) => Some(Value::AsInt(int)),
            Number::Double(double) => Some(Value::AsDouble(double)),
        },
    }
}

fn histogram_point(point: view::HistogramPoint<'_>) -> metrics::HistogramDataPoint {
    metrics::HistogramDataPoint {
        attributes: attributes(point.attributes()),
        start_time_unix_nano: point.start_time_unix_nano(),
        time_unix_nano: point.time_unix_nano(),
        count: point.count(),
        sum: point.sum(),
        bucket_counts: point.bucket_counts().collect(),
        explicit_bounds: point.explicit_bounds().collect(),
        exemplars: point.exemplars().map(exemplar).collect(),
        flags: point.flags(),
        min: point.min(),
        max: point.max(),
    }
}

fn exponential_point(point: view::ExponentialHistogramPoint<'_>) -> metrics::ExponentialHistogramDataPoint {
    let buckets = |buckets: view::Buckets<'_>| metrics::exponential_histogram_data_point::Buckets {
        offset: buckets.offset(),
        bucket_counts: buckets.bucket_counts().collect(),
    };
    metrics::ExponentialHistogramDataPoint {
        attributes: attributes(point.attributes()),
        start_time_unix_nano: point.start_time_unix_nano(),
        time_unix_nano: point.time_unix_nano(),
        count: point.count(),
        sum: point.sum(),
        scale: point.scale(),
        zero_count: point.zero_count(),
        positive: point.positive().map(buckets),
        negative: point.negative().map(buckets),
        flags: point.flags(),
        exemplars: point.exemplars().map(exemplar).collect(),
        min: point.min(),
        max: point.max(),
        zero_threshold: point.zero_threshold(),
    }
}

fn summary_point(point: view::SummaryPoint<'_>) -> metrics::SummaryDataPoint {
    metrics::SummaryDataPoint {
        attributes: attributes(point.attributes()),
        start_time_unix_nano: point.start_time_unix_nano(),
        time_unix_nano: point.time_unix_nano(),
        count: point.count(),
        sum: point.sum(),
        quantile_values: point
            .quantile_values()
            .map(|value| metrics::summary_data_point::ValueAtQuantile {
                quantile: value.quantile(),
                value: value.value(),
            })
            .collect(),
        flags: point.flags(),
    }
}

/// What a request says: decoded by prost, or read through views.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Decoded {
    pub(crate) traces: trace::TracesData,
    pub(crate) metrics: metrics::MetricsData,
    pub(crate) logs: logs::LogsData,
}

/// As prost decodes it.
pub(crate) fn decode(signal: Signal, bytes: &[u8]) -> Result<Decoded, prost::DecodeError> {
    let mut decoded = Decoded::default();
    match signal {
        Signal::Traces => decoded.traces = prost::Message::decode(bytes)?,
        Signal::Metrics => decoded.metrics = prost::Message::decode(bytes)?,
        Signal::Logs => decoded.logs = prost::Message::decode(bytes)?,
    }
    Ok(decoded)
}

/// As views have it.
pub(crate) fn read(signal: Signal, bytes: &[u8]) -> Decoded {
    let mut read = Decoded::default();
    match signal {
        Signal::Traces => read.traces = traces(bytes),
        Signal::Metrics => read.metrics = metrics(bytes),
        Signal::Logs => read.logs = logs(bytes),
    }
    read
}
