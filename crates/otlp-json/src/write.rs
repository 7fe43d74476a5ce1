//! Wire bytes to JSON text.

use bytes::Bytes;
use otlp::schema::{Kind, Label, Message};
use otlp::wire::{Value, WireType, read_fixed32, read_fixed64, read_varint, unzigzag, unzigzag32};

use crate::plan::{Entry, LARGE, Plan, Plans, Quick, SMALL, Shape, is_quoted, with_plan};
use crate::quick::ROOM;
use crate::text::{
    push_base64, push_double, push_hex, push_opening, push_signed, push_string, push_unsigned,
};
use crate::walk::{Slot, each, locate, next, payload};

/// How deep messages are written. Far more than the wire's own check lets in; a bound for the stack only.
pub(crate) const MAX_DEPTH: usize = 256;

/// Appends the JSON form of one encoded `message` to `out`, without a line break.
///
/// Fields may come in any order, repeated fields may be interleaved with others, repeated scalars packed or
/// not. A singular field that is given twice counts as protobuf says: the last scalar, the messages merged; of
/// a oneof the last member alone. Unknown fields, and known ones of the wrong wire type, are passed over.
///
/// `wire` should have passed OTLP's check. If it has not, the rest of a message behind bytes that are no
/// protobuf is not written, nor is what nests deeper than 256 messages, and text that is not UTF-8 is passed
/// through; every bracket and quote is still closed.
///
/// # Examples
///
/// ```
/// # use collimator_otlp_json as otlp_json;
/// let wire = [0x0a, 0x02, 0x12, 0x00]; // a resource_spans that holds an empty scope_spans
/// let mut text = Vec::new();
/// otlp_json::write(&otlp::schema::TRACES, &wire, &mut text);
/// assert_eq!(
///     String::from_utf8_lossy(&text),
///     r#"{"resourceSpans":[{"resource":{},"scopeSpans":[{"scope":{}}]}]}"#
/// );
/// ```
pub fn write(message: &'static Message, wire: &[u8], out: &mut Vec<u8>) {
    with_plan(message, |plans, plan| {
        out.reserve(wire.len().saturating_mul(2));
        Writer { plans, out, room: &mut [0; ROOM], quick: true }.object(plan, wire, 0);
    });
}

/// Like [`write()`], without its quick paths: slower, and the measure of whether they are right.
#[doc(hidden)]
pub fn write_by_table(message: &'static Message, wire: &[u8], out: &mut Vec<u8>) {
    with_plan(message, |plans, plan| {
        Writer { plans, out, room: &mut [], quick: false }.object(plan, wire, 0);
    });
}

/// Appends the JSON form of one message whose encoding is split over several buffers, as [`write()`] does. Each
/// part must be a whole number of the message's fields.
pub fn write_parts(message: &'static Message, parts: &[Bytes], out: &mut Vec<u8>) {
    if let [wire] = parts {
        return write(message, wire, out);
    }
    let parts: Vec<&[u8]> = parts.iter().map(Bytes::as_ref).collect();
    with_plan(message, |plans, plan| {
        out.reserve(parts.iter().map(|part| part.len()).sum::<usize>().saturating_mul(2));
        Writer { plans, out, room: &mut [0; ROOM], quick: true }.merged(plan, &parts, 0);
    });
}

pub(crate) struct Writer<'a> {
    pub(crate) plans: &'a Plans,
    pub(crate) out: &'a mut Vec<u8>,
    /// Where quick paths put things together, if `quick` is set. Its content has no meaning.
    pub(crate) room: &'a mut [u8],
    pub(crate) quick: bool,
}

impl Writer<'_> {
    fn object(&mut self, plan: &Plan, wire: &[u8], depth: usize) {
        match plan.quick {
            Some(Quick::Attribute) if self.quick => self.attribute(plan, wire, depth),
            Some(Quick::Span) if self.quick => self.span(plan, wire, depth),
            _ => self.object_by_table(plan, wire, depth),
        }
    }

    pub(crate) fn object_by_table(&mut self, plan: &Plan, wire: &[u8], depth: usize) {
        match plan.shape {
            Shape::Union => self.union(plan, wire, depth),
            Shape::Small => self.fields::<SMALL>(plan, wire, depth),
            Shape::Large => self.fields::<LARGE>(plan, wire, depth),
            Shape::Huge => self.merged(plan, &[wire], depth),
        }
    }

    /// Writes a message that is a oneof: its last member.
    fn union(&mut self, plan: &Plan, wire: &[u8], depth: usize) {
        let mut last = None;
        let mut rest = wire;
        while let Some((number, value)) = next(&mut rest) {
            let field = plan.by_number(number).and_then(|index| plan.fields.get(index));
            if let Some(field) = field.filter(|field| field.takes(value)) {
                last = Some((field, value));
            }
        }
        let begin = self.out.len();
        if let Some((field, value)) = last {
            self.single(field, value, depth);
        }
        self.end_object(begin);
    }

    /// Writes a message of at most `N` fields. A first walk notes where each field is, so that they can be
    /// written in JSON's order whatever the order on the wire.
    #[inline]
    fn fields<const N: usize>(&mut self, plan: &Plan, wire: &[u8], depth: usize) {
        let slots = locate::<N>(plan, wire);
        let begin = self.out.len();
        for (field, slot) in plan.fields.iter().zip(&slots) {
            match *slot {
                Slot::One(value) => self.single(field, value, depth),
                Slot::Run { start, end } => {
                    self.run(field, &[wire.get(start..end).unwrap_or_default()], depth);
                }
                Slot::Absent if field.always() => self.single(field, Value::Len(&[]), depth),
                Slot::Absent => {}
            }
        }
        self.end_object(begin);
    }

    /// Writes a message whose encoding is the concatenation of `parts`: what protobuf calls merging.
    #[cold]
    fn merged(&mut self, plan: &Plan, parts: &[&[u8]], depth: usize) {
        let mut member = None;
        for mut rest in parts.iter().copied() {
            while let Some((number, value)) = next(&mut rest) {
                let field = plan.by_number(number).and_then(|index| plan.fields.get(index));
                if field.is_some_and(|field| field.label == Label::Oneof && field.takes(value)) {
                    member = Some(number);
                }
            }
        }
        let begin = self.out.len();
        for field in &plan.fields {
            match field.label {
                Label::Oneof if member != Some(field.number) => {}
                _ => self.run(field, parts, depth),
            }
        }
        self.end_object(begin);
    }

    /// Every field is written with a comma before it; the first one's becomes the bracket.
    #[inline]
    pub(crate) fn end_object(&mut self, begin: usize) {
        match self.out.get_mut(begin) {
            Some(comma) => *comma = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
    }

    /// Writes a field that has one value.
    #[inline]
    pub(crate) fn single(&mut self, field: &Entry, value: Value<'_>, depth: usize) {
        match (field.kind, value) {
            (Kind::Message(_), Value::Len(wire)) => {
                push_opening(self.out, field);
                self.nested(self.plans.get(field.child), wire, depth);
            }
            _ if field.label == Label::Singular && is_zero(field.kind, value) => {}
            _ => {
                push_opening(self.out, field);
                self.scalar(field.kind, value);
            }
        }
    }

    /// Writes the field's values among those in `ranges`, or nothing.
    fn run(&mut self, field: &Entry, ranges: &[&[u8]], depth: usize) {
        match (field.label, field.kind) {
            (Label::Repeated, Kind::Message(_)) => self.messages(field, ranges, depth),
            (Label::Repeated | Label::Packed, _) => self.scalars(field, ranges),
            (Label::Singular, Kind::Message(_)) => {
                push_opening(self.out, field);
                let mut parts = Vec::new();
                each(field, ranges, |value| parts.extend(payload(value)));
                if depth + 1 < MAX_DEPTH {
                    self.merged(self.plans.get(field.child), &parts, depth + 1);
                } else {
                    self.out.extend_from_slice(b"{}");
                }
            }
            _ => {
                let mut last = None;
                each(field, ranges, |value| last = Some(value));
                if let Some(value) = last {
                    self.single(field, value, depth);
                }
            }
        }
    }

    pub(crate) fn messages(&mut self, field: &Entry, ranges: &[&[u8]], depth: usize) {
        let plan = self.plans.get(field.child);
        let mut first = true;
        each(field, ranges, |value| {
            let Value::Len(wire) = value else { return };
            if first {
                push_opening(self.out, field);
            } else {
                self.out.push(b',');
            }
            first = false;
            self.nested(plan, wire, depth);
        });
        if !first {
            self.out.push(b']');
        }
    }

    #[inline]
    fn nested(&mut self, plan: &Plan, wire: &[u8], depth: usize) {
        // An empty message still has fields that are always written.
        if depth + 1 < MAX_DEPTH {
            self.object(plan, wire, depth + 1);
        } else {
            self.out.extend_from_slice(b"{}");
        }
    }

    fn scalars(&mut self, field: &Entry, ranges: &[&[u8]]) {
        let begin = self.out.len();
        each(field, ranges, |value| match value {
            Value::Len(packed) if field.label == Label::Packed => self.packed(field, packed, begin),
            value => self.element(field, value, begin),
        });
        if self.out.len() > begin {
            self.out.push(b']');
        }
    }

    fn packed(&mut self, field: &Entry, mut packed: &[u8], begin: usize) {
        while let Ok((value, rest)) = match field.wire_type {
            WireType::Fixed64 => read_fixed64(packed).map(|(bits, rest)| (Value::Fixed64(bits), rest)),
            WireType::Fixed32 => read_fixed32(packed).map(|(bits, rest)| (Value::Fixed32(bits), rest)),
            WireType::Varint | WireType::Len => {
                read_varint(packed).map(|(value, rest)| (Value::Varint(value), rest))
            }
        } {
            self.element(field, value, begin);
            packed = rest;
        }
    }

    fn element(&mut self, field: &Entry, value: Value<'_>, begin: usize) {
        if self.out.len() == begin {
            push_opening(self.out, field);
        } else {
            self.out.push(b',');
        }
        if is_quoted(field.kind) {
            self.out.push(b'"');
        }
        self.scalar(field.kind, value);
    }

    /// Writes a value, without the quote that opens it.
    #[inline]
    fn scalar(&mut self, kind: Kind, value: Value<'_>) {
        match value {
            Value::Len(bytes) => match kind {
                Kind::TraceId | Kind::SpanId => push_hex(self.out, bytes),
                Kind::Bytes => push_base64(self.out, bytes),
                _ => push_string(self.out, bytes),
            },
            Value::Fixed64(bits) => match kind {
                Kind::Double => push_double(self.out, f64::from_bits(bits)),
                Kind::Sfixed64 => self.quoted(|out| push_signed(out, bits.cast_signed())),
                _ => self.quoted(|out| push_unsigned(out, bits)),
            },
            Value::Fixed32(bits) => match kind {
                Kind::Sfixed32 => push_signed(self.out, i64::from(bits.cast_signed())),
                _ => push_unsigned(self.out, u64::from(bits)),
            },
            Value::Varint(value) => self.varint(kind, value),
        }
    }

    fn varint(&mut self, kind: Kind, value: u64) {
        // 32-bit values are the low half of the varint.
        let low = value as u32;
        match kind {
            Kind::Bool => self.out.extend_from_slice(if value == 0 { b"false" } else { b"true" }),
            Kind::Int64 => self.quoted(|out| push_signed(out, value.cast_signed())),
            Kind::Sint64 => self.quoted(|out| push_signed(out, unzigzag(value))),
            Kind::Sint32 => push_signed(self.out, unzigzag32(value).into()),
            Kind::Uint32 => push_unsigned(self.out, low.into()),
            Kind::Int32 | Kind::Enum(_) => push_signed(self.out, low.cast_signed().into()),
            _ => self.quoted(|out| push_unsigned(out, value)),
        }
    }

    #[inline]
    fn quoted(&mut self, push: impl FnOnce(&mut Vec<u8>)) {
        push(self.out);
        self.out.push(b'"');
    }
}

/// Whether a singular scalar is left out. As for the reference, minus zero and ids of nothing but zeros are.
#[inline]
fn is_zero(kind: Kind, value: Value<'_>) -> bool {
    match (kind, value) {
        (Kind::Double, Value::Fixed64(bits)) => f64::from_bits(bits) == 0.0,
        (Kind::TraceId | Kind::SpanId, Value::Len(id)) => id.iter().all(|byte| *byte == 0),
        (Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Enum(_), Value::Varint(value)) => {
            value as u32 == 0
        }
        (_, Value::Varint(value) | Value::Fixed64(value)) => value == 0,
        (_, Value::Fixed32(value)) => value == 0,
        (_, Value::Len(bytes)) => bytes.is_empty(),
    }
}
