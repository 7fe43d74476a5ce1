//! Random OTLP messages.

#![allow(dead_code, reason = "each test binary uses its part")]

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

/// Choices, taken from a stream of bytes that may run dry: from then on every choice is the first, so that
/// every message ends, and a test that fails shrinks with its bytes.
pub(crate) struct Dice<'a>(pub(crate) &'a [u8]);

const TEXTS: [&str; 10] = [
    "",
    "a",
    "service.name",
    "with \"quotes\" and \\ and /",
    "\u{0}\u{1}\u{8}\t\n\u{c}\r\u{1f}\u{7f}",
    "<b>&amp;</b>",
    "gr\u{fc}\u{df} dich \u{1f600} \u{2028}\u{2029}\u{fffd}\u{ffff}\u{10ffff}",
    "exactly sixteen!",
    "longer than one hundred and twenty-seven bytes, so that its length takes two: ................................................",
    "null",
];

const DOUBLES: [f64; 16] = [
    0.0,
    1.5,
    3.0,
    -0.0,
    0.1,
    1e-6,
    1.5e-7,
    1e21,
    123_456_789_012_345_680_000.0,
    -2.5e17,
    f64::MAX,
    f64::MIN_POSITIVE,
    5e-324,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
];

const INTEGERS: [u64; 8] =
    [0, 1, 127, 128, 0xffff_ffff, 0x8000_0000, 0x7fff_ffff_ffff_ffff, 1_544_712_660_000_000_000];

impl Dice<'_> {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % bound
    }

    fn bool(&mut self) -> bool {
        self.below(2) == 1
    }

    pub(crate) fn string(&mut self) -> String {
        TEXTS[self.below(TEXTS.len())].to_owned()
    }

    pub(crate) fn u64(&mut self) -> u64 {
        match self.below(INTEGERS.len() + 2) {
            choice if choice < INTEGERS.len() => INTEGERS[choice],
            8 => u64::MAX,
            _ => (0..8).fold(0, |value, _| value << 8 | self.below(256) as u64),
        }
    }

    fn u32(&mut self) -> u32 {
        self.u64() as u32
    }

    fn i32(&mut self) -> i32 {
        self.u64() as i32
    }

    fn double(&mut self) -> f64 {
        match self.below(DOUBLES.len() + 2) {
            choice if choice < DOUBLES.len() => DOUBLES[choice],
            _ => {
                let value = f64::from_bits(self.u64());
                if value.is_nan() { f64::NAN } else { value }
            }
        }
    }

    fn id(&mut self, len: usize) -> Vec<u8> {
        if self.below(4) == 0 { Vec::new() } else { (0..len).map(|_| self.below(255) as u8 + 1).collect() }
    }

    fn some<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.bool().then(|| make(self))
    }

    fn many<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(4)).map(|_| make(self)).collect()
    }

    fn any(&mut self, depth: usize) -> AnyValue {
        let value = match self.below(if depth < 5 { 9 } else { 6 }) {
            0 => return AnyValue { value: None },
            1 => Value::StringValue(self.string()),
            2 => Value::BoolValue(self.bool()),
            3 => Value::IntValue(self.u64() as i64),
            4 => Value::DoubleValue(self.double()),
            5 => Value::BytesValue(self.string().into_bytes()),
            6 => Value::ArrayValue(ArrayValue { values: self.many(|dice| dice.any(depth + 1)) }),
            7 => Value::KvlistValue(KeyValueList { values: self.many(|dice| dice.key_value(depth + 1)) }),
            _ => Value::StringValueStrindex(self.i32()),
        };
        AnyValue { value: Some(value) }
    }

    fn key_value(&mut self, depth: usize) -> KeyValue {
        KeyValue {
            key: self.string(),
            // Absent and empty are the same in JSON.
            value: Some(self.any(depth)),
            key_strindex: if self.below(5) == 1 { self.i32() } else { 0 },
        }
    }

    fn attributes(&mut self) -> Vec<KeyValue> {
        self.many(|dice| dice.key_value(0))
    }

    fn resource(&mut self) -> Option<Resource> {
        Some(Resource {
            attributes: self.attributes(),
            dropped_attributes_count: self.u32(),
            entity_refs: self.many(|dice| EntityRef {
                schema_url: dice.string(),
                r#type: dice.string(),
                id_keys: dice.many(Self::string),
                description_keys: dice.many(Self::string),
            }),
        })
    }

    fn scope(&mut self) -> Option<InstrumentationScope> {
        Some(InstrumentationScope {
            name: self.string(),
            version: self.string(),
            attributes: self.attributes(),
            dropped_attributes_count: self.u32(),
        })
    }

    pub(crate) fn traces(&mut self) -> ExportTraceServiceRequest {
        let resource_spans = self.many(|dice| ResourceSpans {
            resource: dice.resource(),
            scope_spans: dice.many(|dice| ScopeSpans {
                scope: dice.scope(),
                spans: dice.many(Self::span),
                schema_url: dice.string(),
            }),
            schema_url: dice.string(),
        });
        ExportTraceServiceRequest { resource_spans }
    }

    fn span(&mut self) -> Span {
        Span {
            trace_id: self.id(16),
            span_id: self.id(8),
            trace_state: self.string(),
            parent_span_id: self.id(8),
            flags: self.u32(),
            name: self.string(),
            kind: self.i32(),
            start_time_unix_nano: self.u64(),
            end_time_unix_nano: self.u64(),
            attributes: self.attributes(),
            dropped_attributes_count: self.u32(),
            events: self.many(|dice| Event {
                time_unix_nano: dice.u64(),
                name: dice.string(),
                attributes: dice.attributes(),
                dropped_attributes_count: dice.u32(),
            }),
            dropped_events_count: self.u32(),
            links: self.many(|dice| Link {
                trace_id: dice.id(16),
                span_id: dice.id(8),
                trace_state: dice.string(),
                attributes: dice.attributes(),
                dropped_attributes_count: dice.u32(),
                flags: dice.u32(),
            }),
            dropped_links_count: self.u32(),
            status: Some(Status { message: self.string(), code: self.i32() }),
        }
    }

    pub(crate) fn logs(&mut self) -> ExportLogsServiceRequest {
        let resource_logs = self.many(|dice| ResourceLogs {
            resource: dice.resource(),
            scope_logs: dice.many(|dice| ScopeLogs {
                scope: dice.scope(),
                log_records: dice.many(Self::log_record),
                schema_url: dice.string(),
            }),
            schema_url: dice.string(),
        });
        ExportLogsServiceRequest { resource_logs }
    }

    fn log_record(&mut self) -> LogRecord {
        LogRecord {
            time_unix_nano: self.u64(),
            observed_time_unix_nano: self.u64(),
            severity_number: self.i32(),
            severity_text: self.string(),
            body: Some(self.any(0)),
            attributes: self.attributes(),
            dropped_attributes_count: self.u32(),
            flags: self.u32(),
            trace_id: self.id(16),
            span_id: self.id(8),
            event_name: self.string(),
        }
    }

    pub(crate) fn metrics(&mut self) -> ExportMetricsServiceRequest {
        let resource_metrics = self.many(|dice| ResourceMetrics {
            resource: dice.resource(),
            scope_metrics: dice.many(|dice| ScopeMetrics {
                scope: dice.scope(),
                metrics: dice.many(Self::metric),
                schema_url: dice.string(),
            }),
            schema_url: dice.string(),
        });
        ExportMetricsServiceRequest { resource_metrics }
    }

    fn metric(&mut self) -> Metric {
        let data = match self.below(6) {
            0 => None,
            1 => Some(metric::Data::Gauge(Gauge { data_points: self.many(Self::number) })),
            2 => Some(metric::Data::Sum(Sum {
                data_points: self.many(Self::number),
                aggregation_temporality: self.i32(),
                is_monotonic: self.bool(),
            })),
            3 => Some(metric::Data::Histogram(Histogram {
                data_points: self.many(Self::histogram),
                aggregation_temporality: self.i32(),
            })),
            4 => Some(metric::Data::ExponentialHistogram(ExponentialHistogram {
                data_points: self.many(Self::exponential),
                aggregation_temporality: self.i32(),
            })),
            _ => Some(metric::Data::Summary(Summary { data_points: self.many(Self::summary) })),
        };
        Metric {
            name: self.string(),
            description: self.string(),
            unit: self.string(),
            metadata: self.attributes(),
            data,
        }
    }

    fn number(&mut self) -> NumberDataPoint {
        NumberDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: self.u64(),
            time_unix_nano: self.u64(),
            exemplars: self.many(Self::exemplar),
            flags: self.u32(),
            value: match self.below(3) {
                0 => None,
                1 => Some(number_data_point::Value::AsDouble(self.double())),
                _ => Some(number_data_point::Value::AsInt(self.u64() as i64)),
            },
        }
    }

    fn exemplar(&mut self) -> Exemplar {
        Exemplar {
            filtered_attributes: self.attributes(),
            time_unix_nano: self.u64(),
            span_id: self.id(8),
            trace_id: self.id(16),
            value: match self.below(3) {
                0 => None,
                1 => Some(exemplar::Value::AsDouble(self.double())),
                _ => Some(exemplar::Value::AsInt(self.u64() as i64)),
            },
        }
    }

    fn histogram(&mut self) -> HistogramDataPoint {
        HistogramDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: self.u64(),
            time_unix_nano: self.u64(),
            count: self.u64(),
            sum: self.some(Self::double),
            bucket_counts: self.many(Self::u64),
            explicit_bounds: self.many(Self::double),
            exemplars: self.many(Self::exemplar),
            flags: self.u32(),
            min: self.some(Self::double),
            max: self.some(Self::double),
        }
    }

    fn exponential(&mut self) -> ExponentialHistogramDataPoint {
        ExponentialHistogramDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: self.u64(),
            time_unix_nano: self.u64(),
            count: self.u64(),
            sum: self.some(Self::double),
            scale: self.i32(),
            zero_count: self.u64(),
            positive: Some(self.buckets()),
            negative: Some(self.buckets()),
            flags: self.u32(),
            exemplars: self.many(Self::exemplar),
            min: self.some(Self::double),
            max: self.some(Self::double),
            zero_threshold: self.double(),
        }
    }

    fn buckets(&mut self) -> Buckets {
        Buckets { offset: self.i32(), bucket_counts: self.many(Self::u64) }
    }

    fn summary(&mut self) -> SummaryDataPoint {
        SummaryDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: self.u64(),
            time_unix_nano: self.u64(),
            count: self.u64(),
            sum: self.double(),
            quantile_values: self
                .many(|dice| ValueAtQuantile { quantile: dice.double(), value: dice.double() }),
            flags: self.u32(),
        }
    }
}
