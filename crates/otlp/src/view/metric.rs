//! Metrics, down to their data points.

use super::{
    Attributes, ExponentialHistogramPoint, HistogramPoint, NumberPoint, Repeated, Resource, Scope,
    SummaryPoint, View, int32, message, text, varint, views,
};
use crate::Text;
use crate::wire::Fields;

views! {
    /// A request of metrics.
    Metrics;
    /// The metrics of one resource.
    ResourceMetrics;
    /// The metrics of one scope.
    ScopeMetrics;
    /// A metric: a name and data points.
    Metric;
    /// Values as sampled.
    Gauge;
    /// Values that add up.
    Sum;
    /// Distributions over explicit buckets.
    Histogram;
    /// Distributions over buckets of exponential width.
    ExponentialHistogram;
    /// Distributions as quantiles.
    Summary;
}

impl<'a> Metrics<'a> {
    /// By resource.
    #[must_use]
    pub fn resource_metrics(&self) -> Repeated<'a, ResourceMetrics<'a>> {
        Repeated::new(self.0, 1)
    }
}

impl<'a> ResourceMetrics<'a> {
    /// Where the metrics come from.
    #[must_use]
    pub fn resource(&self) -> Resource<'a> {
        message(self.0, 1).unwrap_or_default()
    }

    /// By scope.
    #[must_use]
    pub fn scope_metrics(&self) -> Repeated<'a, ScopeMetrics<'a>> {
        Repeated::new(self.0, 2)
    }

    /// Schema of what is in here.
    #[must_use]
    pub fn schema_url(&self) -> Text<'a> {
        text(self.0, 3)
    }
}

impl<'a> ScopeMetrics<'a> {
    /// What made the metrics.
    #[must_use]
    pub fn scope(&self) -> Scope<'a> {
        message(self.0, 1).unwrap_or_default()
    }

    /// The metrics.
    #[must_use]
    pub fn metrics(&self) -> Repeated<'a, Metric<'a>> {
        Repeated::new(self.0, 2)
    }

    /// Schema of what is in here.
    #[must_use]
    pub fn schema_url(&self) -> Text<'a> {
        text(self.0, 3)
    }
}

impl<'a> Metric<'a> {
    /// Name.
    #[must_use]
    pub fn name(&self) -> Text<'a> {
        text(self.0, 1)
    }

    /// What it measures.
    #[must_use]
    pub fn description(&self) -> Text<'a> {
        text(self.0, 2)
    }

    /// Unit, as UCUM has it.
    #[must_use]
    pub fn unit(&self) -> Text<'a> {
        text(self.0, 3)
    }

    /// Attributes of the metric itself.
    #[must_use]
    pub fn metadata(&self) -> Attributes<'a> {
        Repeated::new(self.0, 12)
    }
}

impl<'a> Gauge<'a> {
    /// Data points.
    #[must_use]
    pub fn data_points(&self) -> Repeated<'a, NumberPoint<'a>> {
        Repeated::new(self.0, 1)
    }
}

impl<'a> Sum<'a> {
    /// Data points.
    #[must_use]
    pub fn data_points(&self) -> Repeated<'a, NumberPoint<'a>> {
        Repeated::new(self.0, 1)
    }

    /// `AggregationTemporality`: 0 unspecified, 1 delta, 2 cumulative.
    #[must_use]
    pub fn aggregation_temporality(&self) -> i32 {
        int32(self.0, 2)
    }

    /// Whether it only grows.
    #[must_use]
    pub fn is_monotonic(&self) -> bool {
        varint(self.0, 3) != 0
    }
}

impl<'a> Histogram<'a> {
    /// Data points.
    #[must_use]
    pub fn data_points(&self) -> Repeated<'a, HistogramPoint<'a>> {
        Repeated::new(self.0, 1)
    }

    /// `AggregationTemporality`: 0 unspecified, 1 delta, 2 cumulative.
    #[must_use]
    pub fn aggregation_temporality(&self) -> i32 {
        int32(self.0, 2)
    }
}

impl<'a> ExponentialHistogram<'a> {
    /// Data points.
    #[must_use]
    pub fn data_points(&self) -> Repeated<'a, ExponentialHistogramPoint<'a>> {
        Repeated::new(self.0, 1)
    }

    /// `AggregationTemporality`: 0 unspecified, 1 delta, 2 cumulative.
    #[must_use]
    pub fn aggregation_temporality(&self) -> i32 {
        int32(self.0, 2)
    }
}

impl<'a> Summary<'a> {
    /// Data points.
    #[must_use]
    pub fn data_points(&self) -> Repeated<'a, SummaryPoint<'a>> {
        Repeated::new(self.0, 1)
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
