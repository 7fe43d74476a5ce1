//! Metrics, field by field.

use std::f64::consts::LN_2;

use otlp::view::{
    Attributes, Buckets, Exemplar, ExponentialHistogramPoint, HistogramPoint, Metric, MetricData, Number,
    NumberPoint, Repeated, SummaryPoint,
};

use super::Page;
use crate::value::{Timestamp, fixed, id};

impl Page {
    pub(super) fn metric(&mut self, index: usize, metric: &Metric<'_>) {
        let data = metric.data();
        self.numbered("Metric", index);
        self.line("Descriptor:");
        self.item("Name", metric.name());
        self.item("Description", metric.description());
        self.item("Unit", metric.unit());
        self.item("DataType", data_type(&data));
        self.nested("Metadata", metric.metadata());
        match data {
            MetricData::Empty => {}
            MetricData::Gauge(gauge) => self.numbers(gauge.data_points()),
            MetricData::Sum(sum) => {
                self.item("IsMonotonic", sum.is_monotonic());
                self.item("AggregationTemporality", temporality(sum.aggregation_temporality()));
                self.numbers(sum.data_points());
            }
            MetricData::Histogram(histogram) => {
                self.item("AggregationTemporality", temporality(histogram.aggregation_temporality()));
                for (index, point) in histogram.data_points().enumerate() {
                    self.histogram(index, &point);
                }
            }
            MetricData::ExponentialHistogram(histogram) => {
                self.item("AggregationTemporality", temporality(histogram.aggregation_temporality()));
                for (index, point) in histogram.data_points().enumerate() {
                    self.exponential(index, &point);
                }
            }
            MetricData::Summary(summary) => {
                for (index, point) in summary.data_points().enumerate() {
                    self.summary(index, &point);
                }
            }
        }
    }

    fn point(&mut self, name: &str, index: usize, attributes: Attributes<'_>, start: u64, time: u64) {
        self.numbered(name, index);
        self.attributes("", "Data point attributes", attributes);
        self.entry("StartTimestamp", Timestamp(start));
        self.entry("Timestamp", Timestamp(time));
    }

    fn numbers(&mut self, points: Repeated<'_, NumberPoint<'_>>) {
        for (index, point) in points.enumerate() {
            let (start, time) = (point.start_time_unix_nano(), point.time_unix_nano());
            self.point("NumberDataPoints", index, point.attributes(), start, time);
            if let Some(value) = number(point.value()) {
                self.entry("Value", value);
            }
            self.exemplars(point.exemplars());
        }
    }

    fn optional(&mut self, name: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.entry(name, fixed(value));
        }
    }

    fn histogram(&mut self, index: usize, point: &HistogramPoint<'_>) {
        let (start, time) = (point.start_time_unix_nano(), point.time_unix_nano());
        self.point("HistogramDataPoints", index, point.attributes(), start, time);
        self.entry("Count", point.count());
        self.optional("Sum", point.sum());
        self.optional("Min", point.min());
        self.optional("Max", point.max());
        for (index, bound) in point.explicit_bounds().enumerate() {
            self.line(format_args!("ExplicitBounds #{index}: {}", fixed(bound)));
        }
        for (index, count) in point.bucket_counts().enumerate() {
            self.line(format_args!("Buckets #{index}, Count: {count}"));
        }
        self.exemplars(point.exemplars());
    }

    fn exponential(&mut self, index: usize, point: &ExponentialHistogramPoint<'_>) {
        let (start, time) = (point.start_time_unix_nano(), point.time_unix_nano());
        self.point("ExponentialHistogramDataPoints", index, point.attributes(), start, time);
        self.entry("Count", point.count());
        self.optional("Sum", point.sum());
        self.optional("Min", point.min());
        self.optional("Max", point.max());
        // A bucket ends at e to the power of its index times this.
        let factor = LN_2 * (-f64::from(point.scale())).exp2();
        let bound = |index: f64| (index * factor).exp();
        for (index, count) in buckets(point.negative()).into_iter().rev() {
            let (lower, upper) = (fixed(-bound(index + 1.0)), fixed(-bound(index)));
            self.line(format_args!("Bucket [{lower}, {upper}), Count: {count}"));
        }
        if point.zero_count() != 0 {
            self.line(format_args!("Bucket [0, 0], Count: {}", point.zero_count()));
        }
        for (index, count) in buckets(point.positive()) {
            let (lower, upper) = (fixed(bound(index)), fixed(bound(index + 1.0)));
            self.line(format_args!("Bucket ({lower}, {upper}], Count: {count}"));
        }
        self.exemplars(point.exemplars());
    }

    fn summary(&mut self, index: usize, point: &SummaryPoint<'_>) {
        let (start, time) = (point.start_time_unix_nano(), point.time_unix_nano());
        self.point("SummaryDataPoints", index, point.attributes(), start, time);
        self.entry("Count", point.count());
        self.entry("Sum", fixed(point.sum()));
        for (index, at) in point.quantile_values().enumerate() {
            let (quantile, value) = (fixed(at.quantile()), fixed(at.value()));
            self.line(format_args!("QuantileValue #{index}: Quantile {quantile}, Value {value}"));
        }
    }

    fn exemplars(&mut self, exemplars: Repeated<'_, Exemplar<'_>>) {
        for (index, exemplar) in exemplars.enumerate() {
            if index == 0 {
                self.line("Exemplars:");
            }
            self.numbered("Exemplar", index);
            self.item("Trace ID", id(&exemplar.trace_id()));
            self.item("Span ID", id(&exemplar.span_id()));
            self.item("Timestamp", Timestamp(exemplar.time_unix_nano()));
            if let Some(value) = number(exemplar.value()) {
                self.item("Value", value);
            }
            self.nested("FilteredAttributes", exemplar.filtered_attributes());
        }
    }
}

/// Buckets by index.
fn buckets(buckets: Option<Buckets<'_>>) -> Vec<(f64, u64)> {
    let Some(buckets) = buckets else { return Vec::new() };
    let first = f64::from(buckets.offset());
    let indices = std::iter::successors(Some(first), |index| Some(index + 1.0));
    indices.zip(buckets.bucket_counts()).collect()
}

fn number(number: Number) -> Option<String> {
    match number {
        Number::Empty => None,
        Number::Int(int) => Some(int.to_string()),
        Number::Double(double) => Some(fixed(double)),
    }
}

const fn data_type(data: &MetricData<'_>) -> &'static str {
    match data {
        MetricData::Empty => "Empty",
        MetricData::Gauge(_) => "Gauge",
        MetricData::Sum(_) => "Sum",
        MetricData::Histogram(_) => "Histogram",
        MetricData::ExponentialHistogram(_) => "ExponentialHistogram",
        MetricData::Summary(_) => "Summary",
    }
}

const fn temporality(temporality: i32) -> &'static str {
    match temporality {
        0 => "Unspecified",
        1 => "Delta",
        2 => "Cumulative",
        _ => "",
    }
}
