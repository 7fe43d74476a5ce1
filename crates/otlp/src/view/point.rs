//! Data points and what they hold.

use super::{
    Attributes, Repeated, double, fixed64, fixed64s, id, message, optional_double, repeated, sint32, uint32,
    varints, views,
};
use crate::wire::{Fields, Value};

views! {
    /// A number at a time.
    NumberPoint {
        /// Since when the value has been gathered, in nanoseconds since 1970; 0 if unknown.
        start_time_unix_nano: u64 = fixed64(2);
        /// When the value was taken, in nanoseconds since 1970.
        time_unix_nano: u64 = fixed64(3);
        /// The value.
        value: Number = number(4, 6);
        /// Exemplars.
        exemplars: Repeated<'a, Exemplar<'a>> = repeated(5);
        /// Attributes.
        attributes: Attributes<'a> = repeated(7);
        /// Bit 0: no value was recorded.
        flags: u32 = uint32(8);
    }

    /// A distribution over explicit buckets at a time.
    HistogramPoint {
        /// Since when the value has been gathered, in nanoseconds since 1970; 0 if unknown.
        start_time_unix_nano: u64 = fixed64(2);
        /// When the value was taken, in nanoseconds since 1970.
        time_unix_nano: u64 = fixed64(3);
        /// How many measurements.
        count: u64 = fixed64(4);
        /// Their sum.
        sum: Option<f64> = optional_double(5);
        /// Exemplars.
        exemplars: Repeated<'a, Exemplar<'a>> = repeated(8);
        /// Attributes.
        attributes: Attributes<'a> = repeated(9);
        /// Bit 0: no value was recorded.
        flags: u32 = uint32(10);
        /// The smallest.
        min: Option<f64> = optional_double(11);
        /// The largest.
        max: Option<f64> = optional_double(12);
    }

    /// A distribution over buckets of exponential width at a time.
    ExponentialHistogramPoint {
        /// Attributes.
        attributes: Attributes<'a> = repeated(1);
        /// Since when the value has been gathered, in nanoseconds since 1970; 0 if unknown.
        start_time_unix_nano: u64 = fixed64(2);
        /// When the value was taken, in nanoseconds since 1970.
        time_unix_nano: u64 = fixed64(3);
        /// How many measurements.
        count: u64 = fixed64(4);
        /// Their sum.
        sum: Option<f64> = optional_double(5);
        /// Bucket bounds are powers of 2^(2^-scale).
        scale: i32 = sint32(6);
        /// How many are zero, give or take the threshold.
        zero_count: u64 = fixed64(7);
        /// Positive measurements.
        positive: Option<Buckets<'a>> = message(8);
        /// Negative measurements.
        negative: Option<Buckets<'a>> = message(9);
        /// Bit 0: no value was recorded.
        flags: u32 = uint32(10);
        /// Exemplars.
        exemplars: Repeated<'a, Exemplar<'a>> = repeated(11);
        /// The smallest.
        min: Option<f64> = optional_double(12);
        /// The largest.
        max: Option<f64> = optional_double(13);
        /// Half the width of the zero bucket.
        zero_threshold: f64 = double(14);
    }

    /// Buckets of exponential width.
    Buckets {
        /// Index of the first bucket.
        offset: i32 = sint32(1);
    }

    /// Quantiles at a time.
    SummaryPoint {
        /// Since when the value has been gathered, in nanoseconds since 1970; 0 if unknown.
        start_time_unix_nano: u64 = fixed64(2);
        /// When the value was taken, in nanoseconds since 1970.
        time_unix_nano: u64 = fixed64(3);
        /// How many measurements.
        count: u64 = fixed64(4);
        /// Their sum.
        sum: f64 = double(5);
        /// Quantiles.
        quantile_values: Repeated<'a, Quantile<'a>> = repeated(6);
        /// Attributes.
        attributes: Attributes<'a> = repeated(7);
        /// Bit 0: no value was recorded.
        flags: u32 = uint32(8);
    }

    /// The value at a quantile (`ValueAtQuantile`).
    Quantile {
        /// 0 to 1.
        quantile: f64 = double(1);
        /// The value there.
        value: f64 = double(2);
    }

    /// A measurement that went into a data point.
    Exemplar {
        /// When it was measured, in nanoseconds since 1970.
        time_unix_nano: u64 = fixed64(2);
        /// What was measured.
        value: Number = number(3, 6);
        /// Span during which it was measured, all zeros if none.
        span_id: [u8; 8] = id(4);
        /// Trace during which it was measured, all zeros if none.
        trace_id: [u8; 16] = id(5);
        /// Attributes that the data point does not have.
        filtered_attributes: Attributes<'a> = repeated(7);
    }
}

impl<'a> HistogramPoint<'a> {
    /// How many in each bucket.
    pub fn bucket_counts(&self) -> impl Iterator<Item = u64> + Clone + use<'a> {
        fixed64s(self.0, 6)
    }

    /// Upper bounds of all buckets but the last.
    pub fn explicit_bounds(&self) -> impl Iterator<Item = f64> + Clone + use<'a> {
        fixed64s(self.0, 7).map(f64::from_bits)
    }
}

impl<'a> Buckets<'a> {
    /// How many in each bucket.
    pub fn bucket_counts(&self) -> impl Iterator<Item = u64> + Clone + use<'a> {
        varints(self.0, 2)
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
