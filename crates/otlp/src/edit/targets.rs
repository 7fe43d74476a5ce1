//! The messages that an editor is shown.

use super::message::{MessageEdit, Pending};
use super::{AttributesEdit, EXPONENTIAL_HISTOGRAM, HISTOGRAM, NewValue, SUMMARY};
use crate::view::{
    Event, Exemplar, ExponentialHistogramPoint, HistogramPoint, Link, LogRecord, Metric, NumberPoint,
    Resource, Scope, Span, SummaryPoint, View,
};
use crate::wire::{write_fixed64_field, write_len_field, write_nested, write_varint_field};

/// What a message is part of, as it came.
#[derive(Clone, Copy, Default)]
pub(super) struct Parents<'a> {
    pub(super) resource: Resource<'a>,
    pub(super) scope: Scope<'a>,
    pub(super) metric: Metric<'a>,
    /// Which field of the metric holds the data.
    pub(super) data: u32,
}

/// Declares the messages that are shown: the view of each as it came, what it is part of, and its fields of text.
macro_rules! targets {
    ($(
        $(#[$doc:meta])+
        $name:ident $(before: $view:ident)? $(, in: [$($parent:ident: $parent_view:ident),+])? {$(
            $(#[$set_doc:meta])+
            $set_text:ident = $number:literal;
        )*}
    )+) => {$(
        $(#[$doc])+
        pub struct $name<'a> {
            message: MessageEdit<'a>,
        }

        impl<'a> $name<'a> {
            pub(super) fn new(message: MessageEdit<'a>) -> Self {
                Self { message }
            }

            pub(super) fn into_pending(self) -> Pending {
                self.message.pending
            }

            $(
                /// As it came.
                #[must_use]
                pub fn before(&self) -> $view<'a> {
                    $view::new(self.message.bytes())
                }
            )?

            $($(
                #[doc = concat!("The ", stringify!($parent), " it belongs to, as that came.")]
                #[must_use]
                pub fn $parent(&self) -> $parent_view<'a> {
                    self.message.parents.$parent
                }
            )+)?

            /// Its attributes, to be read and changed.
            pub fn attributes(&mut self) -> AttributesEdit<'_, 'a> {
                self.message.attributes()
            }

            $(
                $(#[$set_doc])+
                pub fn $set_text(&mut self, text: &str) {
                    self.message.set($number, |out| write_len_field(out, $number, text.as_bytes()));
                }
            )*
        }
    )+};
}

targets! {
    /// A resource.
    ResourceEdit before: Resource {}

    /// A scope.
    ScopeEdit before: Scope, in: [resource: Resource] {
        /// Sets the name.
        set_name = 1;
        /// Sets the version.
        set_version = 2;
    }

    /// A span.
    SpanEdit before: Span, in: [resource: Resource, scope: Scope] {
        /// Sets the W3C `tracestate`.
        set_trace_state = 3;
        /// Sets the name.
        set_name = 5;
    }

    /// An event of a span.
    EventEdit before: Event {
        /// Sets the name.
        set_name = 2;
    }

    /// A link of a span.
    LinkEdit before: Link {
        /// Sets the W3C `tracestate`.
        set_trace_state = 3;
    }

    /// A metric. Its attributes are its metadata.
    MetricEdit before: Metric, in: [resource: Resource, scope: Scope] {
        /// Sets the name.
        set_name = 1;
        /// Sets the description.
        set_description = 2;
        /// Sets the unit.
        set_unit = 3;
    }

    /// A data point of any kind.
    PointEdit, in: [resource: Resource, scope: Scope, metric: Metric] {}

    /// An exemplar of a data point. Its attributes are those that the point does not have.
    ExemplarEdit before: Exemplar {}

    /// A log record.
    LogEdit before: LogRecord, in: [resource: Resource, scope: Scope] {
        /// Sets the severity as the source has it.
        set_severity_text = 3;
    }
}

/// A data point as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point<'a> {
    /// Of a gauge or sum.
    Number(NumberPoint<'a>),
    /// Of a histogram.
    Histogram(HistogramPoint<'a>),
    /// Of an exponential histogram.
    ExponentialHistogram(ExponentialHistogramPoint<'a>),
    /// Of a summary.
    Summary(SummaryPoint<'a>),
}

impl<'a> SpanEdit<'a> {
    /// Sets the kind, a number of `SpanKind`.
    pub fn set_kind(&mut self, number: i32) {
        // Enums are sign extended on the wire.
        self.message.set(6, |out| write_varint_field(out, 6, i64::from(number) as u64));
    }

    /// Sets the start, in nanoseconds since 1970.
    pub fn set_start_time(&mut self, unix_nano: u64) {
        self.message.set(7, |out| write_fixed64_field(out, 7, unix_nano));
    }

    /// Sets the end, in nanoseconds since 1970.
    pub fn set_end_time(&mut self, unix_nano: u64) {
        self.message.set(8, |out| write_fixed64_field(out, 8, unix_nano));
    }

    /// Sets the status: 0 unset, 1 ok, 2 error, and what went wrong.
    pub fn set_status(&mut self, code: i32, message: &str) {
        self.message.set(15, |out| {
            write_nested(out, 15, |out| {
                if !message.is_empty() {
                    write_len_field(out, 2, message.as_bytes());
                }
                write_varint_field(out, 3, i64::from(code) as u64);
            });
        });
    }
}

impl<'a> PointEdit<'a> {
    /// As it came.
    #[must_use]
    pub fn before(&self) -> Point<'a> {
        let bytes = self.message.bytes();
        match self.message.parents.data {
            HISTOGRAM => Point::Histogram(View::new(bytes)),
            EXPONENTIAL_HISTOGRAM => Point::ExponentialHistogram(View::new(bytes)),
            SUMMARY => Point::Summary(View::new(bytes)),
            _ => Point::Number(View::new(bytes)),
        }
    }
}

impl<'a> LogEdit<'a> {
    /// Sets the severity, a number of `SeverityNumber`.
    pub fn set_severity_number(&mut self, number: i32) {
        // Enums are sign extended on the wire.
        self.message.set(2, |out| write_varint_field(out, 2, i64::from(number) as u64));
    }

    /// Sets when it happened, in nanoseconds since 1970.
    pub fn set_time(&mut self, unix_nano: u64) {
        self.message.set(1, |out| write_fixed64_field(out, 1, unix_nano));
    }

    /// Sets the body.
    pub fn set_body<'v>(&mut self, body: impl Into<NewValue<'v>>) {
        let body = body.into();
        self.message.set(5, |out| write_nested(out, 5, |out| body.write(out)));
    }
}
