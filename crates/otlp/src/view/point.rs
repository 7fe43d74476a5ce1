//! Data points and what they hold.

use super::{
    Attributes, Repeated, double, fixed64, fixed64s, id, message, optional_double, uint32, varint, varints,
    views,
};
use crate::wire::{Fields, Value, unzigzag32};

views! {
    /// A number at a time.
    NumberPoint;
    /// A distribution over explicit buckets at a time.
    HistogramPoint;
    /// A distribution over buckets of exponential width at a time.
    ExponentialHistogramPoint;
    /// Buckets of exponential width.
    Buckets;
    /// Quantiles at a time.
    SummaryPoint;
    /// The value at a quantile (`ValueAtQuantile`).
    Quantile;
    /// A measurement that went into a data point.
    Exemplar;
}

impl<'a> NumberPoint<'a> {
    /// Since when the value has been gathered, in nanoseconds since 1970; 0 if unknown.
    #[must_use]
    pub fn start_time_unix_nano(&self) -> u64 {
        fixed64(self.0, 2)
    }

    /// When the value was taken, in nanoseconds since 1970.
    #[must_use]
    pub fn time_unix_nano(&self) -> u64 {
        fixed64(self.0, 3)
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> Number {
        number(self.0, 4, 6)
    }

    /// Exemplars.
    #[must_use]
    pub fn exemplars(&self) -> Repeated<'a, Exemplar<'a>> {
        Repeated::new(self.0, 5)
    }

    /// Attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Repeated::new(self.0, 7)
    }

    /// Bit 0: no value was recorded.
    #[must_use]
    pub fn flags(&self) -> u32 {
        uint32(self.0, 8)
    }
}

impl<'a> HistogramPoint<'a> {
    /// Since when the value has been gathered, in nanoseconds since 1970; 0 if unknown.
    #[must_use]
    pub fn start_time_unix_nano(&self) -> u64 {
        fixed64(self.0, 2)
    }

    /// When the value was taken, in nanoseconds since 1970.
    #[must_use]
    pub fn time_unix_nano(&self) -> u64 {
        fixed64(self.0, 3)
    }

    /// How many measurements.
    #[must_use]
    pub fn count(&self) -> u64 {
        fixed64(self.0, 4)
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> Option<f64> {
        optional_double(self.0, 5)
    }

    /// How many in each bucket.
    pub fn bucket_counts(&self) -> impl Iterator<Item = u64> + Clone + use<'a> {
        fixed64s(self.0, 6)
    }

    /// Upper bounds of all buckets but the last.
    pub fn explicit_bounds(&self) -> impl Iterator<Item = f64> + Clone + use<'a> {
        fixed64s(self.0, 7).map(f64::from_bits)
    }

    /// Exemplars.
    #[must_use]
    pub fn exemplars(&self) -> Repeated<'a, Exemplar<'a>> {
        Repeated::new(self.0, 8)
    }

    /// Attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Repeated::new(self.0, 9)
    }

    /// Bit 0: no value was recorded.
    #[must_use]
    pub fn flags(&self) -> u32 {
        uint32(self.0, 10)
    }

    /// The smallest.
    #[must_use]
    pub fn min(&self) -> Option<f64> {
        optional_double(self.0, 11)
    }

    /// The largest.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        optional_double(self.0, 12)
    }
}

impl<'a> ExponentialHistogramPoint<'a> {
    /// Attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Repeated::new(self.0, 1)
    }

    /// Since when the value has been gathered, in nanoseconds since 1970; 0 if unknown.
    #[must_use]
    pub fn start_time_unix_nano(&self) -> u64 {
        fixed64(self.0, 2)
    }

    /// When the value was taken, in nanoseconds since 1970.
    #[must_use]
    pub fn time_unix_nano(&self) -> u64 {
        fixed64(self.0, 3)
    }

    /// How many measurements.
    #[must_use]
    pub fn count(&self) -> u64 {
        fixed64(self.0, 4)
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> Option<f64> {
        optional_double(self.0, 5)
    }

    /// Bucket bounds are powers of 2^(2^-scale).
    #[must_use]
    pub fn scale(&self) -> i32 {
        unzigzag32(varint(self.0, 6))
    }

    /// How many are zero, give or take the threshold.
    #[must_use]
    pub fn zero_count(&self) -> u64 {
        fixed64(self.0, 7)
    }

    /// Positive measurements.
    #[must_use]
    pub fn positive(&self) -> Option<Buckets<'a>> {
        message(self.0, 8)
    }

    /// Negative measurements.
    #[must_use]
    pub fn negative(&self) -> Option<Buckets<'a>> {
        message(self.0, 9)
    }

    /// Bit 0: no value was recorded.
    #[must_use]
    pub fn flags(&self) -> u32 {
        uint32(self.0, 10)
    }

    /// Exemplars.
    #[must_use]
    pub fn exemplars(&self) -> Repeated<'a, Exemplar<'a>> {
        Repeated::new(self.0, 11)
    }

    /// The smallest.
    #[must_use]
    pub fn min(&self) -> Option<f64> {
        optional_double(self.0, 12)
    }

    /// The largest.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        optional_double(self.0, 13)
    }

    /// Half the width of the zero bucket.
    #[must_use]
    pub fn zero_threshold(&self) -> f64 {
        double(self.0, 14)
    }
}

impl<'a> Buckets<'a> {
    /// Index of the first bucket.
    #[must_use]
    pub fn offset(&self) -> i32 {
        unzigzag32(varint(self.0, 1))
    }

    /// How many in each bucket.
    pub fn bucket_counts(&self) -> impl Iterator<Item = u64> + Clone + use<'a> {
        varints(self.0, 2)
    }
}

impl<'a> SummaryPoint<'a> {
    /// Since when the value has been gathered, in nanoseconds since 1970; 0 if unknown.
    #[must_use]
    pub fn start_time_unix_nano(&self) -> u64 {
        fixed64(self.0, 2)
    }

    /// When the value was taken, in nanoseconds since 1970.
    #[must_use]
    pub fn time_unix_nano(&self) -> u64 {
        fixed64(self.0, 3)
    }

    /// How many measurements.
    #[must_use]
    pub fn count(&self) -> u64 {
        fixed64(self.0, 4)
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> f64 {
        double(self.0, 5)
    }

    /// Quantiles.
    #[must_use]
    pub fn quantile_values(&self) -> Repeated<'a, Quantile<'a>> {
        Repeated::new(self.0, 6)
    }

    /// Attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Repeated::new(self.0, 7)
    }

    /// Bit 0: no value was recorded.
    #[must_use]
    pub fn flags(&self) -> u32 {
        uint32(self.0, 8)
    }
}

impl<'a> Quantile<'a> {
    /// 0 to 1.
    #[must_use]
    pub fn quantile(&self) -> f64 {
        double(self.0, 1)
    }

    /// The value there.
    #[must_use]
    pub fn value(&self) -> f64 {
        double(self.0, 2)
    }
}

impl<'a> Exemplar<'a> {
    /// When it was measured, in nanoseconds since 1970.
    #[must_use]
    pub fn time_unix_nano(&self) -> u64 {
        fixed64(self.0, 2)
    }

    /// What was measured.
    #[must_use]
    pub fn value(&self) -> Number {
        number(self.0, 3, 6)
    }

    /// Span during which it was measured, all zeros if none.
    #[must_use]
    pub fn span_id(&self) -> [u8; 8] {
        id(self.0, 4)
    }

    /// Trace during which it was measured, all zeros if none.
    #[must_use]
    pub fn trace_id(&self) -> [u8; 16] {
        id(self.0, 5)
    }

    /// Attributes that the data point does not have.
    #[must_use]
    pub fn filtered_attributes(&self) -> Attributes<'a> {
        Repeated::new(self.0, 7)
    }
}

/// The value of a data point or exemplar.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Number {
    /// No value.
    #[default]
    Empty,
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
}

/// Of the oneof `as_double`, `as_int`: whichever is there.
fn number(message: &[u8], as_double: u32, as_int: u32) -> Number {
    let member = |number, value| match value {
        Value::Fixed64(bits) if number == as_double => Some(Number::Double(f64::from_bits(bits))),
        Value::Fixed64(bits) if number == as_int => Some(Number::Int(bits as i64)),
        _ => None,
    };
    Fields::new(message).find_map(|field| member(field.number, field.value)).unwrap_or_default()
}
