//! Views: messages read straight from checked bytes.
//!
//! A view is a slice with names for its fields. Making one costs nothing, asking for a field walks the message
//! up to that field, and nothing ever fails: a field that is absent has its default value, as protobuf has it.
//! Over bytes that were not checked a view says something or other, but does not panic.

mod common;
mod log;
mod metric;
mod point;
mod trace;

use std::marker::PhantomData;

use crate::Text;
use crate::wire::{Field, Fields, FrameError, Value, read_fixed64, read_varint, unzigzag32};

pub use common::{AnyValue, Attributes, EntityRef, KeyValue, Resource, Scope, Values};
pub use log::{LogRecord, Logs, ResourceLogs, ScopeLogs};
pub use metric::{
    ExponentialHistogram, Gauge, Histogram, Metric, MetricData, Metrics, ResourceMetrics, ScopeMetrics, Sum,
    Summary,
};
pub use point::{
    Buckets, Exemplar, ExponentialHistogramPoint, HistogramPoint, Number, NumberPoint, Quantile, SummaryPoint,
};
pub use trace::{Event, Link, ResourceSpans, ScopeSpans, Span, SpanAt, Status, Traces};

/// Something that is read from the bytes of one message.
pub trait View<'a> {
    /// The view over a message's bytes, without its tag and length.
    fn new(bytes: &'a [u8]) -> Self;
}

/// Declares views over one message each: the struct, how to get in and out of it, and its fields. A field is read by
/// the function of this module that is named behind it, with the field's number.
macro_rules! views {
    ($(
        $(#[$doc:meta])+
        $name:ident {$(
            $(#[$field_doc:meta])+
            $field:ident: $type:ty = $read:ident($($number:literal),+);
        )*}
    )+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name<'a>(&'a [u8]);

        impl<'a> $name<'a> {
            /// The view over a message's bytes, without its tag and length.
            #[must_use]
            pub const fn new(bytes: &'a [u8]) -> Self {
                Self(bytes)
            }

            /// The message's bytes, without its tag and length.
            #[must_use]
            pub const fn as_bytes(&self) -> &'a [u8] {
                self.0
            }

            $(
                $(#[$field_doc])+
                #[must_use]
                pub fn $field(&self) -> $type {
                    $read(self.0, $($number),+)
                }
            )*
        }

        impl<'a> $crate::view::View<'a> for $name<'a> {
            fn new(bytes: &'a [u8]) -> Self {
                Self(bytes)
            }
        }
    )+};
}
use views;

/// The elements of a repeated message field, in order.
#[derive(Clone, Debug)]
pub struct Repeated<'a, V> {
    fields: Fields<'a>,
    number: u32,
    of: PhantomData<fn() -> V>,
}

impl<'a, V: View<'a>> Repeated<'a, V> {
    pub(crate) fn new(message: &'a [u8], number: u32) -> Self {
        Self { fields: Fields::new(message), number, of: PhantomData }
    }
}

impl<'a, V: View<'a>> Iterator for Repeated<'a, V> {
    type Item = V;

    #[inline]
    fn next(&mut self) -> Option<V> {
        self.fields.find(|field| field.number == self.number).map(|field| V::new(bytes_of(&field)))
    }
}

type ReadScalar = fn(&[u8]) -> Result<(u64, &[u8]), FrameError>;

/// The elements of a repeated scalar, packed or not, as they stand on the wire.
#[derive(Clone, Debug)]
struct Scalars<'a> {
    fields: Fields<'a>,
    number: u32,
    packed: &'a [u8],
    read: ReadScalar,
}

impl Iterator for Scalars<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        loop {
            if !self.packed.is_empty() {
                let (value, rest) = (self.read)(self.packed).ok()?;
                self.packed = rest;
                return Some(value);
            }
            match self.fields.find(|field| field.number == self.number)?.value {
                Value::Len(packed) => self.packed = packed,
                Value::Varint(value) | Value::Fixed64(value) => return Some(value),
                Value::Fixed32(value) => return Some(value.into()),
            }
        }
    }
}

fn fixed64s(message: &[u8], number: u32) -> Scalars<'_> {
    Scalars { fields: Fields::new(message), number, packed: &[], read: read_fixed64 }
}

fn varints(message: &[u8], number: u32) -> Scalars<'_> {
    Scalars { fields: Fields::new(message), number, packed: &[], read: read_varint }
}

#[inline]
fn find(message: &[u8], number: u32) -> Option<Field<'_>> {
    Fields::new(message).find(|field| field.number == number)
}

#[inline]
fn bytes_of<'a>(field: &Field<'a>) -> &'a [u8] {
    field.bytes().unwrap_or_default()
}

fn message<'a, V: View<'a>>(bytes: &'a [u8], number: u32) -> Option<V> {
    find(bytes, number).map(|field| V::new(bytes_of(&field)))
}

/// A message that is empty when absent.
fn nested<'a, V: View<'a> + Default>(bytes: &'a [u8], number: u32) -> V {
    message(bytes, number).unwrap_or_default()
}

fn repeated<'a, V: View<'a>>(message: &'a [u8], number: u32) -> Repeated<'a, V> {
    Repeated::new(message, number)
}

fn text(message: &[u8], number: u32) -> Text<'_> {
    Text::new(find(message, number).map_or(&[], |field| bytes_of(&field)))
}

fn varint(message: &[u8], number: u32) -> u64 {
    find(message, number).map_or(0, |field| match field.value {
        Value::Varint(value) => value,
        _ => 0,
    })
}

fn boolean(message: &[u8], number: u32) -> bool {
    varint(message, number) != 0
}

/// `sint32`: small numbers of both signs are short.
fn sint32(message: &[u8], number: u32) -> i32 {
    unzigzag32(varint(message, number))
}

/// `uint32`: protobuf readers drop the upper half.
fn uint32(message: &[u8], number: u32) -> u32 {
    varint(message, number) as u32
}

/// `int32` and enums: protobuf readers drop the upper half.
fn int32(message: &[u8], number: u32) -> i32 {
    varint(message, number) as i32
}

fn optional_fixed64(message: &[u8], number: u32) -> Option<u64> {
    find(message, number).and_then(|field| match field.value {
        Value::Fixed64(value) => Some(value),
        _ => None,
    })
}

fn fixed64(message: &[u8], number: u32) -> u64 {
    optional_fixed64(message, number).unwrap_or_default()
}

fn fixed32(message: &[u8], number: u32) -> u32 {
    find(message, number).map_or(0, |field| match field.value {
        Value::Fixed32(value) => value,
        _ => 0,
    })
}

fn optional_double(message: &[u8], number: u32) -> Option<f64> {
    optional_fixed64(message, number).map(f64::from_bits)
}

fn double(message: &[u8], number: u32) -> f64 {
    optional_double(message, number).unwrap_or_default()
}

/// An id, all zeros when absent or empty, which both mean that there is none.
fn id<const N: usize>(message: &[u8], number: u32) -> [u8; N] {
    find(message, number).and_then(|field| bytes_of(&field).try_into().ok()).unwrap_or([0; N])
}
