//! The member `links`.

use super::span::SpanRead;
use super::{Context, is_time_valid, value};
use crate::ids;

/// Appends the member `links`, a comma behind it, if there are any. Where the time in trace ids is looked at, a link to
/// a trace whose time is not right is left out.
pub(super) fn write(out: &mut Vec<u8>, span: &SpanRead<'_>, context: &mut Context) {
    let start = out.len();
    for link in span.links() {
        let trace_id = link.trace_id();
        if !is_time_valid(trace_id, context) {
            continue;
        }
        if context.room.is_full(out.len() - start) {
            context.room.left_out.links += 1;
            continue;
        }
        out.extend_from_slice(if out.len() == start {
            b"\"links\":[{\"trace_id\":\""
        } else {
            b",{\"trace_id\":\""
        });
        out.extend_from_slice(&ids::trace_id(trace_id));
        out.extend_from_slice(b"\",\"id\":\"");
        let id = link.span_id();
        if id != [0; 8] {
            out.extend_from_slice(&ids::segment_id(id));
        }
        out.push(b'"');
        let attributes = link.attributes();
        if attributes.clone().next().is_some() {
            out.extend_from_slice(b",\"attributes\":");
            value::write_map(out, attributes);
        }
        out.push(b'}');
    }
    if out.len() > start {
        out.extend_from_slice(b"],");
    }
}
