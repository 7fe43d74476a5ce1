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

/// Declares what every message that is shown can do.
macro_rules! targets {
    ($($(#[$doc:meta])+ $name:ident;)+) => {$(
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

            /// Its attributes, to be read and changed.
            pub fn attributes(&mut self) -> AttributesEdit<'_, 'a> {
                self.message.attributes()
            }
        }
    )+};
}

targets! {
    /// A resource.
    ResourceEdit;
    /// A scope.
    ScopeEdit;
    /// A span.
    SpanEdit;
    /// An event of a span.
    EventEdit;
    /// A link of a span.
    LinkEdit;
    /// A metric. Its attributes are its metadata.
    MetricEdit;
    /// A data point of any kind.
    PointEdit;
    /// An exemplar of a data point. Its attributes are those that the point does not have.
    ExemplarEdit;
    /// A log record.
    LogEdit;
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

impl<'a> ResourceEdit<'a> {
    /// As it came.
    #[must_use]
    pub fn before(&self) -> Resource<'a> {
        Resource::new(self.message.bytes())
    }
}

impl<'a> ScopeEdit<'a> {
    /// As it came.
    #[must_use]
    pub fn before(&self) -> Scope<'a> {
        Scope::new(self.message.bytes())
    }

    /// The resource it comes from, as that came.
    #[must_use]
    pub fn resource(&self) -> Resource<'a> {
        self.message.parents.resource
    }

    /// Sets the name.
    pub fn set_name(&mut self, text: &str) {
        self.message.set(1, |out| write_len_field(out, 1, text.as_bytes()));
    }

    /// Sets the version.
    pub fn set_version(&mut self, text: &str) {
        self.message.set(2, |out| write_len_field(out, 2, text.as_bytes()));
    }
}

impl<'a> SpanEdit<'a> {
    /// As it came.
    #[must_use]
    pub fn before(&self) -> Span<'a> {
        Span::new(self.message.bytes())
    }

    /// The resource it comes from, as that came.
    #[must_use]
    pub fn resource(&self) -> Resource<'a> {
        self.message.parents.resource
    }

    /// The scope that made it, as that came.
    #[must_use]
    pub fn scope(&self) -> Scope<'a> {
        self.message.parents.scope
    }

    /// Sets the W3C `tracestate`.
    pub fn set_trace_state(&mut self, text: &str) {
        self.message.set(3, |out| write_len_field(out, 3, text.as_bytes()));
    }

    /// Sets the name.
    pub fn set_name(&mut self, text: &str) {
        self.message.set(5, |out| write_len_field(out, 5, text.as_bytes()));
    }

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

impl<'a> EventEdit<'a> {
    /// As it came.
    #[must_use]
    pub fn before(&self) -> Event<'a> {
        Event::new(self.message.bytes())
    }

    /// Sets the name.
    pub fn set_name(&mut self, text: &str) {
        self.message.set(2, |out| write_len_field(out, 2, text.as_bytes()));
    }
}

impl<'a> LinkEdit<'a> {
    /// As it came.
    #[must_use]
    pub fn before(&self) -> Link<'a> {
        Link::new(self.message.bytes())
    }

    /// Sets the W3C `tracestate`.
    pub fn set_trace_state(&mut self, text: &str) {
        self.message.set(3, |out| write_len_field(out, 3, text.as_bytes()));
    }
}

impl<'a> MetricEdit<'a> {
    /// As it came.
    #[must_use]
    pub fn before(&self) -> Metric<'a> {
        Metric::new(self.message.bytes())
    }

    /// The resource it comes from, as that came.
    #[must_use]
    pub fn resource(&self) -> Resource<'a> {
        self.message.parents.resource
    }

    /// The scope that made it, as that came.
    #[must_use]
    pub fn scope(&self) -> Scope<'a> {
        self.message.parents.scope
    }

    /// Sets the name.
    pub fn set_name(&mut self, text: &str) {
        self.message.set(1, |out| write_len_field(out, 1, text.as_bytes()));
    }

    /// Sets the description.
    pub fn set_description(&mut self, text: &str) {
        self.message.set(2, |out| write_len_field(out, 2, text.as_bytes()));
    }

    /// Sets the unit.
    pub fn set_unit(&mut self, text: &str) {
        self.message.set(3, |out| write_len_field(out, 3, text.as_bytes()));
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

    /// The resource it comes from, as that came.
    #[must_use]
    pub fn resource(&self) -> Resource<'a> {
        self.message.parents.resource
    }

    /// The scope that made it, as that came.
    #[must_use]
    pub fn scope(&self) -> Scope<'a> {
        self.message.parents.scope
    }

    /// The metric it is a point of, as that came.
    #[must_use]
    pub fn metric(&self) -> Metric<'a> {
        self.message.parents.metric
    }
}

impl<'a> ExemplarEdit<'a> {
    /// As it came.
    #[must_use]
    pub fn before(&self) -> Exemplar<'a> {
        Exemplar::new(self.message.bytes())
    }
}

impl<'a> LogEdit<'a> {
    /// As it came.
    #[must_use]
    pub fn before(&self) -> LogRecord<'a> {
        LogRecord::new(self.message.bytes())
    }

    /// The resource it comes from, as that came.
    #[must_use]
    pub fn resource(&self) -> Resource<'a> {
        self.message.parents.resource
    }

    /// The scope that made it, as that came.
    #[must_use]
    pub fn scope(&self) -> Scope<'a> {
        self.message.parents.scope
    }

    /// Sets the severity, a number of `SeverityNumber`.
    pub fn set_severity_number(&mut self, number: i32) {
        // Enums are sign extended on the wire.
        self.message.set(2, |out| write_varint_field(out, 2, i64::from(number) as u64));
    }

    /// Sets the severity as the source has it.
    pub fn set_severity_text(&mut self, text: &str) {
        self.message.set(3, |out| write_len_field(out, 3, text.as_bytes()));
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
