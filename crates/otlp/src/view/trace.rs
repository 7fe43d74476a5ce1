//! Traces.

use std::ops::Range;

use super::{
    Attributes, Repeated, Resource, Scope, View, fixed32, fixed64, id, int32, nested, repeated, text, uint32,
    views,
};
use crate::Text;
use crate::wire::Fields;

views! {
    /// A request of spans.
    Traces {
        /// By resource.
        resource_spans: Repeated<'a, ResourceSpans<'a>> = repeated(1);
    }

    /// The spans of one resource.
    ResourceSpans {
        /// Where the spans come from.
        resource: Resource<'a> = nested(1);
        /// By scope.
        scope_spans: Repeated<'a, ScopeSpans<'a>> = repeated(2);
        /// Schema of what is in here.
        schema_url: Text<'a> = text(3);
    }

    /// The spans of one scope.
    ScopeSpans {
        /// What made the spans.
        scope: Scope<'a> = nested(1);
        /// The spans.
        spans: Repeated<'a, Span<'a>> = repeated(2);
        /// Schema of what is in here.
        schema_url: Text<'a> = text(3);
    }

    /// A span.
    Span {
        /// Trace id, all zeros if there is none.
        trace_id: [u8; 16] = id(1);
        /// Span id, all zeros if there is none.
        span_id: [u8; 8] = id(2);
        /// W3C `tracestate`.
        trace_state: Text<'a> = text(3);
        /// Span id of the parent, all zeros for a root.
        parent_span_id: [u8; 8] = id(4);
        /// Name of the operation.
        name: Text<'a> = text(5);
        /// `SpanKind`: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
        kind: i32 = int32(6);
        /// Start, in nanoseconds since 1970.
        start_time_unix_nano: u64 = fixed64(7);
        /// End, in nanoseconds since 1970.
        end_time_unix_nano: u64 = fixed64(8);
        /// Attributes.
        attributes: Attributes<'a> = repeated(9);
        /// How many attributes the sender dropped.
        dropped_attributes_count: u32 = uint32(10);
        /// Events.
        events: Repeated<'a, Event<'a>> = repeated(11);
        /// How many events the sender dropped.
        dropped_events_count: u32 = uint32(12);
        /// Links.
        links: Repeated<'a, Link<'a>> = repeated(13);
        /// How many links the sender dropped.
        dropped_links_count: u32 = uint32(14);
        /// Status; unset when absent.
        status: Status<'a> = nested(15);
        /// W3C trace flags in the low byte; bits 8 and 9 say whether the parent is remote.
        flags: u32 = fixed32(16);
    }

    /// Something that happened during a span.
    Event {
        /// When, in nanoseconds since 1970.
        time_unix_nano: u64 = fixed64(1);
        /// Name.
        name: Text<'a> = text(2);
        /// Attributes.
        attributes: Attributes<'a> = repeated(3);
        /// How many attributes the sender dropped.
        dropped_attributes_count: u32 = uint32(4);
    }

    /// Another span that a span refers to.
    Link {
        /// Trace id of the other span.
        trace_id: [u8; 16] = id(1);
        /// Span id of the other span.
        span_id: [u8; 8] = id(2);
        /// W3C `tracestate` of the other span.
        trace_state: Text<'a> = text(3);
        /// Attributes.
        attributes: Attributes<'a> = repeated(4);
        /// How many attributes the sender dropped.
        dropped_attributes_count: u32 = uint32(5);
        /// As for a span.
        flags: u32 = fixed32(6);
    }

    /// How a span ended.
    Status {
        /// What went wrong.
        message: Text<'a> = text(2);
        /// `StatusCode`: 0 unset, 1 ok, 2 error.
        code: i32 = int32(3);
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
