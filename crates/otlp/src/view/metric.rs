//! Metrics, down to their data points.

use super::{
    Attributes, ExponentialHistogramPoint, HistogramPoint, NumberPoint, Repeated, Resource, Scope,
    SummaryPoint, View, boolean, int32, nested, repeated, text, views,
};
use crate::Text;
use crate::wire::Fields;

views! {
    /// A request of metrics.
    Metrics {
        /// By resource.
        resource_metrics: Repeated<'a, ResourceMetrics<'a>> = repeated(1);
    }

    /// The metrics of one resource.
    ResourceMetrics {
        /// Where the metrics come from.
        resource: Resource<'a> = nested(1);
        /// By scope.
        scope_metrics: Repeated<'a, ScopeMetrics<'a>> = repeated(2);
        /// Schema of what is in here.
        schema_url: Text<'a> = text(3);
    }

    /// The metrics of one scope.
    ScopeMetrics {
        /// What made the metrics.
        scope: Scope<'a> = nested(1);
        /// The metrics.
        metrics: Repeated<'a, Metric<'a>> = repeated(2);
        /// Schema of what is in here.
        schema_url: Text<'a> = text(3);
    }

    /// A metric: a name and data points.
    Metric {
        /// Name.
        name: Text<'a> = text(1);
        /// What it measures.
        description: Text<'a> = text(2);
        /// Unit, as UCUM has it.
        unit: Text<'a> = text(3);
        /// Attributes of the metric itself.
        metadata: Attributes<'a> = repeated(12);
    }

    /// Values as sampled.
    Gauge {
        /// Data points.
        data_points: Repeated<'a, NumberPoint<'a>> = repeated(1);
    }

    /// Values that add up.
    Sum {
        /// Data points.
        data_points: Repeated<'a, NumberPoint<'a>> = repeated(1);
        /// `AggregationTemporality`: 0 unspecified, 1 delta, 2 cumulative.
        aggregation_temporality: i32 = int32(2);
        /// Whether it only grows.
        is_monotonic: bool = boolean(3);
    }

    /// Distributions over explicit buckets.
    Histogram {
        /// Data points.
        data_points: Repeated<'a, HistogramPoint<'a>> = repeated(1);
        /// `AggregationTemporality`: 0 unspecified, 1 delta, 2 cumulative.
        aggregation_temporality: i32 = int32(2);
    }

    /// Distributions over buckets of exponential width.
    ExponentialHistogram {
        /// Data points.
        data_points: Repeated<'a, ExponentialHistogramPoint<'a>> = repeated(1);
        /// `AggregationTemporality`: 0 unspecified, 1 delta, 2 cumulative.
        aggregation_temporality: i32 = int32(2);
    }

    /// Distributions as quantiles.
    Summary {
        /// Data points.
        data_points: Repeated<'a, SummaryPoint<'a>> = repeated(1);
    }
}

/// The data of a metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricData<'a> {
    /// None, or of a kind we do not know.
    #[default]
    Empty,
    /// Values as sampled.
    Gauge(Gauge<'a>),
    /// Values that add up.
    Sum(Sum<'a>),
    /// Distributions over explicit buckets.
    Histogram(Histogram<'a>),
    /// Distributions over buckets of exponential width.
    ExponentialHistogram(ExponentialHistogram<'a>),
    /// Distributions as quantiles.
    Summary(Summary<'a>),
}

impl<'a> Metric<'a> {
    /// The data points and what they have in common.
    #[must_use]
    pub fn data(&self) -> MetricData<'a> {
        Fields::new(self.0).find_map(|field| member(field.number, field.bytes()?)).unwrap_or_default()
    }
}

fn member(number: u32, bytes: &[u8]) -> Option<MetricData<'_>> {
    Some(match number {
        5 => MetricData::Gauge(View::new(bytes)),
        7 => MetricData::Sum(View::new(bytes)),
        9 => MetricData::Histogram(View::new(bytes)),
        10 => MetricData::ExponentialHistogram(View::new(bytes)),
        11 => MetricData::Summary(View::new(bytes)),
        _ => return None,
    })
}
