//! Traces.

use std::ops::Range;

use super::{
    Attributes, Repeated, Resource, Scope, View, fixed32, fixed64, id, int32, message, text, uint32, views,
};
use crate::Text;
use crate::wire::Fields;

views! {
    /// A request of spans.
    Traces;
    /// The spans of one resource.
    ResourceSpans;
    /// The spans of one scope.
    ScopeSpans;
    /// A span.
    Span;
    /// Something that happened during a span.
    Event;
    /// Another span that a span refers to.
    Link;
    /// How a span ended.
    Status;
}

impl<'a> Traces<'a> {
    /// By resource.
    #[must_use]
    pub fn resource_spans(&self) -> Repeated<'a, ResourceSpans<'a>> {
        Repeated::new(self.0, 1)
    }
}

impl<'a> ResourceSpans<'a> {
    /// Where the spans come from.
    #[must_use]
    pub fn resource(&self) -> Resource<'a> {
        message(self.0, 1).unwrap_or_default()
    }

    /// By scope.
    #[must_use]
    pub fn scope_spans(&self) -> Repeated<'a, ScopeSpans<'a>> {
        Repeated::new(self.0, 2)
    }

    /// Schema of what is in here.
    #[must_use]
    pub fn schema_url(&self) -> Text<'a> {
        text(self.0, 3)
    }
}

impl<'a> ScopeSpans<'a> {
    /// What made the spans.
    #[must_use]
    pub fn scope(&self) -> Scope<'a> {
        message(self.0, 1).unwrap_or_default()
    }

    /// The spans.
    #[must_use]
    pub fn spans(&self) -> Repeated<'a, Span<'a>> {
        Repeated::new(self.0, 2)
    }

    /// Schema of what is in here.
    #[must_use]
    pub fn schema_url(&self) -> Text<'a> {
        text(self.0, 3)
    }
}

impl<'a> Span<'a> {
    /// Trace id, all zeros if there is none.
    #[must_use]
    pub fn trace_id(&self) -> [u8; 16] {
        id(self.0, 1)
    }

    /// Span id, all zeros if there is none.
    #[must_use]
    pub fn span_id(&self) -> [u8; 8] {
        id(self.0, 2)
    }

    /// W3C `tracestate`.
    #[must_use]
    pub fn trace_state(&self) -> Text<'a> {
        text(self.0, 3)
    }

    /// Span id of the parent, all zeros for a root.
    #[must_use]
    pub fn parent_span_id(&self) -> [u8; 8] {
        id(self.0, 4)
    }

    /// Name of the operation.
    #[must_use]
    pub fn name(&self) -> Text<'a> {
        text(self.0, 5)
    }

    /// `SpanKind`: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    #[must_use]
    pub fn kind(&self) -> i32 {
        int32(self.0, 6)
    }

    /// Start, in nanoseconds since 1970.
    #[must_use]
    pub fn start_time_unix_nano(&self) -> u64 {
        fixed64(self.0, 7)
    }

    /// End, in nanoseconds since 1970.
    #[must_use]
    pub fn end_time_unix_nano(&self) -> u64 {
        fixed64(self.0, 8)
    }

    /// Attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Repeated::new(self.0, 9)
    }

    /// How many attributes the sender dropped.
    #[must_use]
    pub fn dropped_attributes_count(&self) -> u32 {
        uint32(self.0, 10)
    }

    /// Events.
    #[must_use]
    pub fn events(&self) -> Repeated<'a, Event<'a>> {
        Repeated::new(self.0, 11)
    }

    /// How many events the sender dropped.
    #[must_use]
    pub fn dropped_events_count(&self) -> u32 {
        uint32(self.0, 12)
    }

    /// Links.
    #[must_use]
    pub fn links(&self) -> Repeated<'a, Link<'a>> {
        Repeated::new(self.0, 13)
    }

    /// How many links the sender dropped.
    #[must_use]
    pub fn dropped_links_count(&self) -> u32 {
        uint32(self.0, 14)
    }

    /// Status; unset when absent.
    #[must_use]
    pub fn status(&self) -> Status<'a> {
        message(self.0, 15).unwrap_or_default()
    }

    /// W3C trace flags in the low byte; bits 8 and 9 say whether the parent is remote.
    #[must_use]
    pub fn flags(&self) -> u32 {
        fixed32(self.0, 16)
    }
}

impl<'a> Event<'a> {
    /// When, in nanoseconds since 1970.
    #[must_use]
    pub fn time_unix_nano(&self) -> u64 {
        fixed64(self.0, 1)
    }

    /// Name.
    #[must_use]
    pub fn name(&self) -> Text<'a> {
        text(self.0, 2)
    }

    /// Attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Repeated::new(self.0, 3)
    }

    /// How many attributes the sender dropped.
    #[must_use]
    pub fn dropped_attributes_count(&self) -> u32 {
        uint32(self.0, 4)
    }
}

impl<'a> Link<'a> {
    /// Trace id of the other span.
    #[must_use]
    pub fn trace_id(&self) -> [u8; 16] {
        id(self.0, 1)
    }

    /// Span id of the other span.
    #[must_use]
    pub fn span_id(&self) -> [u8; 8] {
        id(self.0, 2)
    }

    /// W3C `tracestate` of the other span.
    #[must_use]
    pub fn trace_state(&self) -> Text<'a> {
        text(self.0, 3)
    }

    /// Attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Repeated::new(self.0, 4)
    }

    /// How many attributes the sender dropped.
    #[must_use]
    pub fn dropped_attributes_count(&self) -> u32 {
        uint32(self.0, 5)
    }

    /// As for a span.
    #[must_use]
    pub fn flags(&self) -> u32 {
        fixed32(self.0, 6)
    }
}

impl<'a> Status<'a> {
    /// What went wrong.
    #[must_use]
    pub fn message(&self) -> Text<'a> {
        text(self.0, 2)
    }

    /// `StatusCode`: 0 unset, 1 ok, 2 error.
    #[must_use]
    pub fn code(&self) -> i32 {
        int32(self.0, 3)
    }
}

/// A span and the messages around it. Ranges are of whole fields, tag included, in the request's bytes.
#[derive(Clone, Debug)]
pub struct SpanAt<'a> {
    /// The resource's spans that it is among.
    pub resource_spans: ResourceSpans<'a>,
    /// The scope's spans that it is among.
    pub scope_spans: ScopeSpans<'a>,
    /// The span.
    pub span: Span<'a>,
    /// Where the resource's field is.
    pub resource_range: Range<usize>,
    /// Where the scope's field is.
    pub scope_range: Range<usize>,
    /// Where the span's field is.
    pub range: Range<usize>,
}

impl<'a> Traces<'a> {
    /// Every span with its resource and scope, in order: what is needed to regroup spans.
    pub fn spans_with_parents(&self) -> impl Iterator<Item = SpanAt<'a>> + use<'a> {
        located(self.0, 0, 1).flat_map(|(resource, resource_range, base)| {
            located(resource, base, 2).flat_map(move |(scope, scope_range, base)| {
                let resource_range = resource_range.clone();
                located(scope, base, 2).map(move |(span, range, _)| SpanAt {
                    resource_spans: View::new(resource),
                    scope_spans: View::new(scope),
                    span: View::new(span),
                    resource_range: resource_range.clone(),
                    scope_range: scope_range.clone(),
                    range,
                })
            })
        })
    }
}

/// The messages in a repeated field of a message that begins at `base`: payload, field, where the payload begins.
fn located(bytes: &[u8], base: usize, number: u32) -> impl Iterator<Item = (&[u8], Range<usize>, usize)> {
    Fields::new(bytes).filter(move |field| field.number == number).filter_map(move |field| {
        let range = base + field.start..base + field.end;
        Some((field.bytes()?, range, base + field.payload().start))
    })
}
