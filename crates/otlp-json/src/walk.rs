//! Finding the fields of a message on the wire, for the writer.

use otlp::schema::Label;
use otlp::wire::{Value, WireType, read_fixed32, read_fixed64, read_len, read_tag, read_varint};

use crate::plan::{Entry, Plan};

/// What a walk over a message has found of one field.
#[derive(Clone, Copy)]
pub(crate) enum Slot<'a> {
    Absent,
    /// A single value.
    One(Value<'a>),
    /// The part of the encoding that holds all values, others perhaps between them.
    Run {
        start: usize,
        end: usize,
    },
}

impl Entry {
    /// Whether a value has the wire type of the field.
    #[inline]
    pub(crate) fn takes(&self, value: Value<'_>) -> bool {
        let found = value.wire_type();
        found == self.wire_type || (self.label == Label::Packed && found == WireType::Len)
    }
}

/// Notes where the values of each field are.
#[inline]
pub(crate) fn locate<'a, const N: usize>(plan: &Plan, wire: &'a [u8]) -> [Slot<'a>; N] {
    let mut slots = [Slot::Absent; N];
    let mut member = None;
    let mut rest = wire;
    loop {
        let start = wire.len() - rest.len();
        let Some((number, value)) = next(&mut rest) else { return slots };
        let end = wire.len() - rest.len();
        let Some(index) = plan.by_number(number) else { continue };
        let (Some(field), Some(slot)) = (plan.fields.get(index), slots.get_mut(index)) else { continue };
        if !field.takes(value) {
            continue;
        }
        *slot = match (field.label, *slot) {
            (Label::Repeated | Label::Packed, Slot::Run { start, .. }) => Slot::Run { start, end },
            (Label::Repeated | Label::Packed, _) => Slot::Run { start, end },
            // Twice the same message: they are merged.
            (Label::Singular, Slot::One(_)) if field.always() => Slot::Run { start: 0, end: wire.len() },
            (Label::Singular, run @ Slot::Run { .. }) => run,
            _ => Slot::One(value),
        };
        if field.label == Label::Oneof
            && let Some(before) = member.replace(index).filter(|before| *before != index)
            && let Some(slot) = slots.get_mut(before)
        {
            *slot = Slot::Absent;
        }
    }
}

/// Hands over the field's values in `ranges`, in order.
#[inline]
pub(crate) fn each<'a>(field: &Entry, ranges: &[&'a [u8]], mut work: impl FnMut(Value<'a>)) {
    for mut rest in ranges.iter().copied() {
        while let Some((number, value)) = next(&mut rest) {
            if number == field.number && field.takes(value) {
                work(value);
            }
        }
    }
}

/// The next field of a message; `None` at its end, and at what is no field.
// Always inlined: `otlp::wire::Fields`, which is not, makes the writer a quarter slower.
#[inline(always)]
pub(crate) fn next<'a>(rest: &mut &'a [u8]) -> Option<(u32, Value<'a>)> {
    let (tag, after) = read_tag(rest).ok()?;
    let (value, after) = match WireType::from_tag(tag)? {
        WireType::Varint => read_varint(after).map(|(value, after)| (Value::Varint(value), after)),
        WireType::Fixed64 => read_fixed64(after).map(|(bits, after)| (Value::Fixed64(bits), after)),
        WireType::Fixed32 => read_fixed32(after).map(|(bits, after)| (Value::Fixed32(bits), after)),
        WireType::Len => read_len(after).map(|(bytes, after)| (Value::Len(bytes), after)),
    }
    .ok()?;
    *rest = after;
    Some((tag >> 3, value))
}

pub(crate) fn payload(value: Value<'_>) -> Option<&[u8]> {
    match value {
        Value::Len(bytes) => Some(bytes),
        _ => None,
    }
}
