//! The messages of OTLP, as data.
//!
//! One table serves every generic walk over the wire: the edge check, the normaliser and both directions of
//! the JSON form. Source: opentelemetry-proto 1.x (`trace`, `metrics`, `logs`, `common`, `resource` and the
//! three collector services), whose field numbers never change. A test compares it with the descriptors that
//! `opentelemetry-proto` ships.

use crate::wire::WireType;

/// A protobuf message type.
#[derive(Debug)]
pub struct Message {
    /// Full protobuf name, for error messages.
    pub name: &'static str,
    /// Fields in ascending order of number.
    pub fields: &'static [Field],
}

/// One field of a [`Message`].
#[derive(Debug)]
pub struct Field {
    /// Field number on the wire.
    pub number: u32,
    /// Name in the `.proto` file (`trace_id`); accepted by the JSON reader.
    pub name: &'static str,
    /// Name in the JSON form (`traceId`); what the JSON writer writes.
    pub json: &'static str,
    /// What the field holds.
    pub kind: Kind,
    /// How often it may occur and whether zero is the same as absent.
    pub label: Label,
}

/// What a field holds. Determines its wire type.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "protobuf's own scalar names")]
pub enum Kind {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Double,
    String,
    Bytes,
    /// `bytes` of length 16 or 0: hex in JSON.
    TraceId,
    /// `bytes` of length 8 or 0: hex in JSON.
    SpanId,
    Enum(&'static Enum),
    Message(&'static Message),
}

impl Kind {
    /// How one value is framed. A packed field frames all of them as [`WireType::Len`].
    #[must_use]
    pub const fn wire_type(&self) -> WireType {
        match self {
            Self::Bool
            | Self::Int32
            | Self::Int64
            | Self::Uint32
            | Self::Uint64
            | Self::Sint32
            | Self::Sint64
            | Self::Enum(_) => WireType::Varint,
            Self::Fixed64 | Self::Sfixed64 | Self::Double => WireType::Fixed64,
            Self::Fixed32 | Self::Sfixed32 => WireType::Fixed32,
            Self::String | Self::Bytes | Self::TraceId | Self::SpanId | Self::Message(_) => WireType::Len,
        }
    }
}

/// How often a field may occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// At most once; the zero value is the same as absent.
    Singular,
    /// At most once; a zero that is present is kept (`optional` in proto3).
    Optional,
    /// Member of the message's only oneof; a zero that is present is kept.
    Oneof,
    /// Any number of times, each with its own tag.
    Repeated,
    /// A repeated scalar: packed by writers, readers must also take it unpacked.
    Packed,
}

/// A protobuf enum.
#[derive(Debug)]
pub struct Enum {
    /// Full protobuf name.
    pub name: &'static str,
    /// Names and numbers, in the order of the `.proto` file.
    pub values: &'static [(&'static str, i32)],
}

impl Message {
    /// Whether this is what a batch counts: a span, a data point, a log record.
    #[must_use]
    pub fn is_item(&self) -> bool {
        [
            &SPAN,
            &NUMBER_DATA_POINT,
            &HISTOGRAM_DATA_POINT,
            &EXPONENTIAL_HISTOGRAM_DATA_POINT,
            &SUMMARY_DATA_POINT,
            &LOG_RECORD,
        ]
        .into_iter()
        .any(|item| std::ptr::eq(item, self))
    }

    /// The field with this number.
    #[must_use]
    pub fn field(&self, number: u32) -> Option<&'static Field> {
        // Numbers are dense from 1 in nearly every message: look there first.
        let guess = self.fields.get((number as usize).wrapping_sub(1));
        match guess {
            Some(field) if field.number == number => Some(field),
            _ => self.fields.iter().find(|field| field.number == number),
        }
    }
}

const fn field(number: u32, name: &'static str, json: &'static str, kind: Kind, label: Label) -> Field {
    Field { number, name, json, kind, label }
}

/// `opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest`.
pub static TRACES: Message = Message {
    name: "opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest",
    fields: &[field(1, "resource_spans", "resourceSpans", Kind::Message(&RESOURCE_SPANS), Label::Repeated)],
};

/// `opentelemetry.proto.trace.v1.ResourceSpans`.
pub static RESOURCE_SPANS: Message = Message {
    name: "opentelemetry.proto.trace.v1.ResourceSpans",
    fields: &[
        field(1, "resource", "resource", Kind::Message(&RESOURCE), Label::Singular),
        field(2, "scope_spans", "scopeSpans", Kind::Message(&SCOPE_SPANS), Label::Repeated),
        field(3, "schema_url", "schemaUrl", Kind::String, Label::Singular),
    ],
};

/// `opentelemetry.proto.resource.v1.Resource`.
pub static RESOURCE: Message = Message {
    name: "opentelemetry.proto.resource.v1.Resource",
    fields: &[
        field(1, "attributes", "attributes", Kind::Message(&KEY_VALUE), Label::Repeated),
        field(2, "dropped_attributes_count", "droppedAttributesCount", Kind::Uint32, Label::Singular),
        field(3, "entity_refs", "entityRefs", Kind::Message(&ENTITY_REF), Label::Repeated),
    ],
};

/// `opentelemetry.proto.common.v1.KeyValue`.
pub static KEY_VALUE: Message = Message {
    name: "opentelemetry.proto.common.v1.KeyValue",
    fields: &[
        field(1, "key", "key", Kind::String, Label::Singular),
        field(2, "value", "value", Kind::Message(&ANY_VALUE), Label::Singular),
        field(3, "key_strindex", "keyStrindex", Kind::Int32, Label::Singular),
    ],
};

/// `opentelemetry.proto.common.v1.AnyValue`.
pub static ANY_VALUE: Message = Message {
    name: "opentelemetry.proto.common.v1.AnyValue",
    fields: &[
        field(1, "string_value", "stringValue", Kind::String, Label::Oneof),
        field(2, "bool_value", "boolValue", Kind::Bool, Label::Oneof),
        field(3, "int_value", "intValue", Kind::Int64, Label::Oneof),
        field(4, "double_value", "doubleValue", Kind::Double, Label::Oneof),
        field(5, "array_value", "arrayValue", Kind::Message(&ARRAY_VALUE), Label::Oneof),
        field(6, "kvlist_value", "kvlistValue", Kind::Message(&KEY_VALUE_LIST), Label::Oneof),
        field(7, "bytes_value", "bytesValue", Kind::Bytes, Label::Oneof),
        field(8, "string_value_strindex", "stringValueStrindex", Kind::Int32, Label::Oneof),
    ],
};

/// `opentelemetry.proto.common.v1.ArrayValue`.
pub static ARRAY_VALUE: Message = Message {
    name: "opentelemetry.proto.common.v1.ArrayValue",
    fields: &[field(1, "values", "values", Kind::Message(&ANY_VALUE), Label::Repeated)],
};

/// `opentelemetry.proto.common.v1.KeyValueList`.
pub static KEY_VALUE_LIST: Message = Message {
    name: "opentelemetry.proto.common.v1.KeyValueList",
    fields: &[field(1, "values", "values", Kind::Message(&KEY_VALUE), Label::Repeated)],
};

/// `opentelemetry.proto.common.v1.EntityRef`.
pub static ENTITY_REF: Message = Message {
    name: "opentelemetry.proto.common.v1.EntityRef",
    fields: &[
        field(1, "schema_url", "schemaUrl", Kind::String, Label::Singular),
        field(2, "type", "type", Kind::String, Label::Singular),
        field(3, "id_keys", "idKeys", Kind::String, Label::Repeated),
        field(4, "description_keys", "descriptionKeys", Kind::String, Label::Repeated),
    ],
};

/// `opentelemetry.proto.trace.v1.ScopeSpans`.
pub static SCOPE_SPANS: Message = Message {
    name: "opentelemetry.proto.trace.v1.ScopeSpans",
    fields: &[
        field(1, "scope", "scope", Kind::Message(&INSTRUMENTATION_SCOPE), Label::Singular),
        field(2, "spans", "spans", Kind::Message(&SPAN), Label::Repeated),
        field(3, "schema_url", "schemaUrl", Kind::String, Label::Singular),
    ],
};

/// `opentelemetry.proto.common.v1.InstrumentationScope`.
pub static INSTRUMENTATION_SCOPE: Message = Message {
    name: "opentelemetry.proto.common.v1.InstrumentationScope",
    fields: &[
        field(1, "name", "name", Kind::String, Label::Singular),
        field(2, "version", "version", Kind::String, Label::Singular),
        field(3, "attributes", "attributes", Kind::Message(&KEY_VALUE), Label::Repeated),
        field(4, "dropped_attributes_count", "droppedAttributesCount", Kind::Uint32, Label::Singular),
    ],
};

/// `opentelemetry.proto.trace.v1.Span`.
pub static SPAN: Message = Message {
    name: "opentelemetry.proto.trace.v1.Span",
    fields: &[
        field(1, "trace_id", "traceId", Kind::TraceId, Label::Singular),
        field(2, "span_id", "spanId", Kind::SpanId, Label::Singular),
        field(3, "trace_state", "traceState", Kind::String, Label::Singular),
        field(4, "parent_span_id", "parentSpanId", Kind::SpanId, Label::Singular),
        field(5, "name", "name", Kind::String, Label::Singular),
        field(6, "kind", "kind", Kind::Enum(&SPAN_SPAN_KIND), Label::Singular),
        field(7, "start_time_unix_nano", "startTimeUnixNano", Kind::Fixed64, Label::Singular),
        field(8, "end_time_unix_nano", "endTimeUnixNano", Kind::Fixed64, Label::Singular),
        field(9, "attributes", "attributes", Kind::Message(&KEY_VALUE), Label::Repeated),
        field(10, "dropped_attributes_count", "droppedAttributesCount", Kind::Uint32, Label::Singular),
        field(11, "events", "events", Kind::Message(&SPAN_EVENT), Label::Repeated),
        field(12, "dropped_events_count", "droppedEventsCount", Kind::Uint32, Label::Singular),
        field(13, "links", "links", Kind::Message(&SPAN_LINK), Label::Repeated),
        field(14, "dropped_links_count", "droppedLinksCount", Kind::Uint32, Label::Singular),
        field(15, "status", "status", Kind::Message(&STATUS), Label::Singular),
        field(16, "flags", "flags", Kind::Fixed32, Label::Singular),
    ],
};

/// `opentelemetry.proto.trace.v1.Span.Event`.
pub static SPAN_EVENT: Message = Message {
    name: "opentelemetry.proto.trace.v1.Span.Event",
    fields: &[
        field(1, "time_unix_nano", "timeUnixNano", Kind::Fixed64, Label::Singular),
        field(2, "name", "name", Kind::String, Label::Singular),
        field(3, "attributes", "attributes", Kind::Message(&KEY_VALUE), Label::Repeated),
        field(4, "dropped_attributes_count", "droppedAttributesCount", Kind::Uint32, Label::Singular),
    ],
};

/// `opentelemetry.proto.trace.v1.Span.Link`.
pub static SPAN_LINK: Message = Message {
    name: "opentelemetry.proto.trace.v1.Span.Link",
    fields: &[
        field(1, "trace_id", "traceId", Kind::TraceId, Label::Singular),
        field(2, "span_id", "spanId", Kind::SpanId, Label::Singular),
        field(3, "trace_state", "traceState", Kind::String, Label::Singular),
        field(4, "attributes", "attributes", Kind::Message(&KEY_VALUE), Label::Repeated),
        field(5, "dropped_attributes_count", "droppedAttributesCount", Kind::Uint32, Label::Singular),
        field(6, "flags", "flags", Kind::Fixed32, Label::Singular),
    ],
};

/// `opentelemetry.proto.trace.v1.Status`.
pub static STATUS: Message = Message {
    name: "opentelemetry.proto.trace.v1.Status",
    fields: &[
        field(2, "message", "message", Kind::String, Label::Singular),
        field(3, "code", "code", Kind::Enum(&STATUS_STATUS_CODE), Label::Singular),
    ],
};

/// `opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest`.
pub static METRICS: Message = Message {
    name: "opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest",
    fields: &[field(
        1,
        "resource_metrics",
        "resourceMetrics",
        Kind::Message(&RESOURCE_METRICS),
        Label::Repeated,
    )],
};

/// `opentelemetry.proto.metrics.v1.ResourceMetrics`.
pub static RESOURCE_METRICS: Message = Message {
    name: "opentelemetry.proto.metrics.v1.ResourceMetrics",
    fields: &[
        field(1, "resource", "resource", Kind::Message(&RESOURCE), Label::Singular),
        field(2, "scope_metrics", "scopeMetrics", Kind::Message(&SCOPE_METRICS), Label::Repeated),
        field(3, "schema_url", "schemaUrl", Kind::String, Label::Singular),
    ],
};

/// `opentelemetry.proto.metrics.v1.ScopeMetrics`.
pub static SCOPE_METRICS: Message = Message {
    name: "opentelemetry.proto.metrics.v1.ScopeMetrics",
    fields: &[
        field(1, "scope", "scope", Kind::Message(&INSTRUMENTATION_SCOPE), Label::Singular),
        field(2, "metrics", "metrics", Kind::Message(&METRIC), Label::Repeated),
        field(3, "schema_url", "schemaUrl", Kind::String, Label::Singular),
    ],
};

/// `opentelemetry.proto.metrics.v1.Metric`.
pub static METRIC: Message = Message {
    name: "opentelemetry.proto.metrics.v1.Metric",
    fields: &[
        field(1, "name", "name", Kind::String, Label::Singular),
        field(2, "description", "description", Kind::String, Label::Singular),
        field(3, "unit", "unit", Kind::String, Label::Singular),
        field(5, "gauge", "gauge", Kind::Message(&GAUGE), Label::Oneof),
        field(7, "sum", "sum", Kind::Message(&SUM), Label::Oneof),
        field(9, "histogram", "histogram", Kind::Message(&HISTOGRAM), Label::Oneof),
        field(
            10,
            "exponential_histogram",
            "exponentialHistogram",
            Kind::Message(&EXPONENTIAL_HISTOGRAM),
            Label::Oneof,
        ),
        field(11, "summary", "summary", Kind::Message(&SUMMARY), Label::Oneof),
        field(12, "metadata", "metadata", Kind::Message(&KEY_VALUE), Label::Repeated),
    ],
};

/// `opentelemetry.proto.metrics.v1.Gauge`.
pub static GAUGE: Message = Message {
    name: "opentelemetry.proto.metrics.v1.Gauge",
    fields: &[field(1, "data_points", "dataPoints", Kind::Message(&NUMBER_DATA_POINT), Label::Repeated)],
};

/// `opentelemetry.proto.metrics.v1.NumberDataPoint`.
pub static NUMBER_DATA_POINT: Message = Message {
    name: "opentelemetry.proto.metrics.v1.NumberDataPoint",
    fields: &[
        field(2, "start_time_unix_nano", "startTimeUnixNano", Kind::Fixed64, Label::Singular),
        field(3, "time_unix_nano", "timeUnixNano", Kind::Fixed64, Label::Singular),
        field(4, "as_double", "asDouble", Kind::Double, Label::Oneof),
        field(5, "exemplars", "exemplars", Kind::Message(&EXEMPLAR), Label::Repeated),
        field(6, "as_int", "asInt", Kind::Sfixed64, Label::Oneof),
        field(7, "attributes", "attributes", Kind::Message(&KEY_VALUE), Label::Repeated),
        field(8, "flags", "flags", Kind::Uint32, Label::Singular),
    ],
};

/// `opentelemetry.proto.metrics.v1.Exemplar`.
pub static EXEMPLAR: Message = Message {
    name: "opentelemetry.proto.metrics.v1.Exemplar",
    fields: &[
        field(2, "time_unix_nano", "timeUnixNano", Kind::Fixed64, Label::Singular),
        field(3, "as_double", "asDouble", Kind::Double, Label::Oneof),
        field(4, "span_id", "spanId", Kind::SpanId, Label::Singular),
        field(5, "trace_id", "traceId", Kind::TraceId, Label::Singular),
        field(6, "as_int", "asInt", Kind::Sfixed64, Label::Oneof),
        field(7, "filtered_attributes", "filteredAttributes", Kind::Message(&KEY_VALUE), Label::Repeated),
    ],
};

/// `opentelemetry.proto.metrics.v1.Sum`.
pub static SUM: Message = Message {
    name: "opentelemetry.proto.metrics.v1.Sum",
    fields: &[
        field(1, "data_points", "dataPoints", Kind::Message(&NUMBER_DATA_POINT), Label::Repeated),
        field(
            2,
            "aggregation_temporality",
            "aggregationTemporality",
            Kind::Enum(&AGGREGATION_TEMPORALITY),
            Label::Singular,
        ),
        field(3, "is_monotonic", "isMonotonic", Kind::Bool, Label::Singular),
    ],
};

/// `opentelemetry.proto.metrics.v1.Histogram`.
pub static HISTOGRAM: Message = Message {
    name: "opentelemetry.proto.metrics.v1.Histogram",
    fields: &[
        field(1, "data_points", "dataPoints", Kind::Message(&HISTOGRAM_DATA_POINT), Label::Repeated),
        field(
            2,
            "aggregation_temporality",
            "aggregationTemporality",
            Kind::Enum(&AGGREGATION_TEMPORALITY),
            Label::Singular,
        ),
    ],
};

/// `opentelemetry.proto.metrics.v1.HistogramDataPoint`.
pub static HISTOGRAM_DATA_POINT: Message = Message {
    name: "opentelemetry.proto.metrics.v1.HistogramDataPoint",
    fields: &[
        field(2, "start_time_unix_nano", "startTimeUnixNano", Kind::Fixed64, Label::Singular),
        field(3, "time_unix_nano", "timeUnixNano", Kind::Fixed64, Label::Singular),
        field(4, "count", "count", Kind::Fixed64, Label::Singular),
        field(5, "sum", "sum", Kind::Double, Label::Optional),
        field(6, "bucket_counts", "bucketCounts", Kind::Fixed64, Label::Packed),
        field(7, "explicit_bounds", "explicitBounds", Kind::Double, Label::Packed),
        field(8, "exemplars", "exemplars", Kind::Message(&EXEMPLAR), Label::Repeated),
        field(9, "attributes", "attributes", Kind::Message(&KEY_VALUE), Label::Repeated),
        field(10, "flags", "flags", Kind::Uint32, Label::Singular),
        field(11, "min", "min", Kind::Double, Label::Optional),
        field(12, "max", "max", Kind::Double, Label::Optional),
    ],
};

/// `opentelemetry.proto.metrics.v1.ExponentialHistogram`.
pub static EXPONENTIAL_HISTOGRAM: Message = Message {
    name: "opentelemetry.proto.metrics.v1.ExponentialHistogram",
    fields: &[
        field(
            1,
            "data_points",
            "dataPoints",
            Kind::Message(&EXPONENTIAL_HISTOGRAM_DATA_POINT),
            Label::Repeated,
        ),
        field(
            2,
            "aggregation_temporality",
            "aggregationTemporality",
            Kind::Enum(&AGGREGATION_TEMPORALITY),
            Label::Singular,
        ),
    ],
};

/// `opentelemetry.proto.metrics.v1.ExponentialHistogramDataPoint`.
pub static EXPONENTIAL_HISTOGRAM_DATA_POINT: Message = Message {
    name: "opentelemetry.proto.metrics.v1.ExponentialHistogramDataPoint",
    fields: &[
        field(1, "attributes", "attributes", Kind::Message(&KEY_VALUE), Label::Repeated),
        field(2, "start_time_unix_nano", "startTimeUnixNano", Kind::Fixed64, Label::Singular),
        field(3, "time_unix_nano", "timeUnixNano", Kind::Fixed64, Label::Singular),
        field(4, "count", "count", Kind::Fixed64, Label::Singular),
        field(5, "sum", "sum", Kind::Double, Label::Optional),
        field(6, "scale", "scale", Kind::Sint32, Label::Singular),
        field(7, "zero_count", "zeroCount", Kind::Fixed64, Label::Singular),
        field(
            8,
            "positive",
            "positive",
            Kind::Message(&EXPONENTIAL_HISTOGRAM_DATA_POINT_BUCKETS),
            Label::Singular,
        ),
        field(
            9,
            "negative",
            "negative",
            Kind::Message(&EXPONENTIAL_HISTOGRAM_DATA_POINT_BUCKETS),
            Label::Singular,
        ),
        field(10, "flags", "flags", Kind::Uint32, Label::Singular),
        field(11, "exemplars", "exemplars", Kind::Message(&EXEMPLAR), Label::Repeated),
        field(12, "min", "min", Kind::Double, Label::Optional),
        field(13, "max", "max", Kind::Double, Label::Optional),
        field(14, "zero_threshold", "zeroThreshold", Kind::Double, Label::Singular),
    ],
};

/// `opentelemetry.proto.metrics.v1.ExponentialHistogramDataPoint.Buckets`.
pub static EXPONENTIAL_HISTOGRAM_DATA_POINT_BUCKETS: Message = Message {
    name: "opentelemetry.proto.metrics.v1.ExponentialHistogramDataPoint.Buckets",
    fields: &[
        field(1, "offset", "offset", Kind::Sint32, Label::Singular),
        field(2, "bucket_counts", "bucketCounts", Kind::Uint64, Label::Packed),
    ],
};

/// `opentelemetry.proto.metrics.v1.Summary`.
pub static SUMMARY: Message = Message {
    name: "opentelemetry.proto.metrics.v1.Summary",
    fields: &[field(1, "data_points", "dataPoints", Kind::Message(&SUMMARY_DATA_POINT), Label::Repeated)],
};

/// `opentelemetry.proto.metrics.v1.SummaryDataPoint`.
pub static SUMMARY_DATA_POINT: Message = Message {
    name: "opentelemetry.proto.metrics.v1.SummaryDataPoint",
    fields: &[
        field(2, "start_time_unix_nano", "startTimeUnixNano", Kind::Fixed64, Label::Singular),
        field(3, "time_unix_nano", "timeUnixNano", Kind::Fixed64, Label::Singular),
        field(4, "count", "count", Kind::Fixed64, Label::Singular),
        field(5, "sum", "sum", Kind::Double, Label::Singular),
        field(
            6,
            "quantile_values",
            "quantileValues",
            Kind::Message(&SUMMARY_DATA_POINT_VALUE_AT_QUANTILE),
            Label::Repeated,
        ),
        field(7, "attributes", "attributes", Kind::Message(&KEY_VALUE), Label::Repeated),
        field(8, "flags", "flags", Kind::Uint32, Label::Singular),
    ],
};

/// `opentelemetry.proto.metrics.v1.SummaryDataPoint.ValueAtQuantile`.
pub static SUMMARY_DATA_POINT_VALUE_AT_QUANTILE: Message = Message {
    name: "opentelemetry.proto.metrics.v1.SummaryDataPoint.ValueAtQuantile",
    fields: &[
        field(1, "quantile", "quantile", Kind::Double, Label::Singular),
        field(2, "value", "value", Kind::Double, Label::Singular),
    ],
};

/// `opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest`.
pub static LOGS: Message = Message {
    name: "opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest",
    fields: &[field(1, "resource_logs", "resourceLogs", Kind::Message(&RESOURCE_LOGS), Label::Repeated)],
};

/// `opentelemetry.proto.logs.v1.ResourceLogs`.
pub static RESOURCE_LOGS: Message = Message {
    name: "opentelemetry.proto.logs.v1.ResourceLogs",
    fields: &[
        field(1, "resource", "resource", Kind::Message(&RESOURCE), Label::Singular),
        field(2, "scope_logs", "scopeLogs", Kind::Message(&SCOPE_LOGS), Label::Repeated),
        field(3, "schema_url", "schemaUrl", Kind::String, Label::Singular),
    ],
};

/// `opentelemetry.proto.logs.v1.ScopeLogs`.
pub static SCOPE_LOGS: Message = Message {
    name: "opentelemetry.proto.logs.v1.ScopeLogs",
    fields: &[
        field(1, "scope", "scope", Kind::Message(&INSTRUMENTATION_SCOPE), Label::Singular),
        field(2, "log_records", "logRecords", Kind::Message(&LOG_RECORD), Label::Repeated),
        field(3, "schema_url", "schemaUrl", Kind::String, Label::Singular),
    ],
};

/// `opentelemetry.proto.logs.v1.LogRecord`.
pub static LOG_RECORD: Message = Message {
    name: "opentelemetry.proto.logs.v1.LogRecord",
    fields: &[
        field(1, "time_unix_nano", "timeUnixNano", Kind::Fixed64, Label::Singular),
        field(2, "severity_number", "severityNumber", Kind::Enum(&SEVERITY_NUMBER), Label::Singular),
        field(3, "severity_text", "severityText", Kind::String, Label::Singular),
        field(5, "body", "body", Kind::Message(&ANY_VALUE), Label::Singular),
        field(6, "attributes", "attributes", Kind::Message(&KEY_VALUE), Label::Repeated),
        field(7, "dropped_attributes_count", "droppedAttributesCount", Kind::Uint32, Label::Singular),
        field(8, "flags", "flags", Kind::Fixed32, Label::Singular),
        field(9, "trace_id", "traceId", Kind::TraceId, Label::Singular),
        field(10, "span_id", "spanId", Kind::SpanId, Label::Singular),
        field(11, "observed_time_unix_nano", "observedTimeUnixNano", Kind::Fixed64, Label::Singular),
        field(12, "event_name", "eventName", Kind::String, Label::Singular),
    ],
};

/// `opentelemetry.proto.trace.v1.Span.SpanKind`.
pub static SPAN_SPAN_KIND: Enum = Enum {
    name: "opentelemetry.proto.trace.v1.Span.SpanKind",
    values: &[
        ("SPAN_KIND_UNSPECIFIED", 0),
        ("SPAN_KIND_INTERNAL", 1),
        ("SPAN_KIND_SERVER", 2),
        ("SPAN_KIND_CLIENT", 3),
        ("SPAN_KIND_PRODUCER", 4),
        ("SPAN_KIND_CONSUMER", 5),
    ],
};

/// `opentelemetry.proto.trace.v1.Status.StatusCode`.
pub static STATUS_STATUS_CODE: Enum = Enum {
    name: "opentelemetry.proto.trace.v1.Status.StatusCode",
    values: &[("STATUS_CODE_UNSET", 0), ("STATUS_CODE_OK", 1), ("STATUS_CODE_ERROR", 2)],
};

/// `opentelemetry.proto.metrics.v1.AggregationTemporality`.
pub static AGGREGATION_TEMPORALITY: Enum = Enum {
    name: "opentelemetry.proto.metrics.v1.AggregationTemporality",
    values: &[
        ("AGGREGATION_TEMPORALITY_UNSPECIFIED", 0),
        ("AGGREGATION_TEMPORALITY_DELTA", 1),
        ("AGGREGATION_TEMPORALITY_CUMULATIVE", 2),
    ],
};

/// `opentelemetry.proto.logs.v1.SeverityNumber`.
pub static SEVERITY_NUMBER: Enum = Enum {
    name: "opentelemetry.proto.logs.v1.SeverityNumber",
    values: &[
        ("SEVERITY_NUMBER_UNSPECIFIED", 0),
        ("SEVERITY_NUMBER_TRACE", 1),
        ("SEVERITY_NUMBER_TRACE2", 2),
        ("SEVERITY_NUMBER_TRACE3", 3),
        ("SEVERITY_NUMBER_TRACE4", 4),
        ("SEVERITY_NUMBER_DEBUG", 5),
        ("SEVERITY_NUMBER_DEBUG2", 6),
        ("SEVERITY_NUMBER_DEBUG3", 7),
        ("SEVERITY_NUMBER_DEBUG4", 8),
        ("SEVERITY_NUMBER_INFO", 9),
        ("SEVERITY_NUMBER_INFO2", 10),
        ("SEVERITY_NUMBER_INFO3", 11),
        ("SEVERITY_NUMBER_INFO4", 12),
        ("SEVERITY_NUMBER_WARN", 13),
        ("SEVERITY_NUMBER_WARN2", 14),
        ("SEVERITY_NUMBER_WARN3", 15),
        ("SEVERITY_NUMBER_WARN4", 16),
        ("SEVERITY_NUMBER_ERROR", 17),
        ("SEVERITY_NUMBER_ERROR2", 18),
        ("SEVERITY_NUMBER_ERROR3", 19),
        ("SEVERITY_NUMBER_ERROR4", 20),
        ("SEVERITY_NUMBER_FATAL", 21),
        ("SEVERITY_NUMBER_FATAL2", 22),
        ("SEVERITY_NUMBER_FATAL3", 23),
        ("SEVERITY_NUMBER_FATAL4", 24),
    ],
};
