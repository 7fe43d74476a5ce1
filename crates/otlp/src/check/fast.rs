//! The check as it runs on every request.
//!
//! The schema is compiled into one table per message, indexed by tag, so that a field costs one load and one jump.
//! The two messages that make up most of any request, `KeyValue` and `AnyValue`, are first tried against the one
//! shape that nearly all of them have. Each table entry also has the bit to set in a mask of fields seen: that is
//! how a singular field given twice, or a second member of a oneof, is noticed.

use std::sync::LazyLock;

use super::{Checked, InvalidUtf8, Policy};
use crate::Signal;
use crate::schema::{ANY_VALUE, Field, KEY_VALUE, Kind, Label, Message};
use crate::text::{is_ascii, is_utf8};
use crate::wire::{WireType, read_len, read_tag, read_varint};

/// `None` when something is wrong, or is not to be had under this policy.
pub(super) fn check(signal: Signal, bytes: &[u8], policy: &Policy) -> Option<Checked> {
    let mut walk = Walk::new(policy.limits.max_depth.into());
    walk.message(walk.plans.root(signal), bytes, 0)?;
    if !walk.is_utf8 && policy.invalid_utf8 == InvalidUtf8::Refuse {
        return None;
    }
    Some(Checked { items: walk.items, is_clean: walk.is_clean() })
}

/// Whether a message of a request that was checked can stay as it is.
pub(super) fn is_clean(message: &'static Message, bytes: &[u8]) -> bool {
    let mut walk = Walk::new(u32::MAX);
    walk.message(walk.plans.of(message), bytes, 0).is_some() && walk.is_clean()
}

/// What to do with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Refuse,
    Varint,
    Fixed64,
    Fixed32,
    /// Any bytes.
    Len,
    Text,
    /// 16 bytes or none.
    TraceId,
    /// 8 bytes or none.
    SpanId,
    /// The message whose plan is `child`.
    Message,
    KeyValue,
    AnyValue,
    PackedFixed64,
    PackedVarint,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    /// The field's bit if it may occur once; all members of a oneof have the same. 0 otherwise.
    once: u32,
    act: Act,
    child: u8,
    /// 1 for a span, a data point, a log record.
    items: u8,
}

/// Field numbers below 32, with their wire type. No known field has a higher number.
const STEPS: usize = 32 << 3;

/// What to do with each field of a message, by tag.
struct Plan {
    steps: [Step; STEPS],
}

impl Plan {
    #[inline]
    fn step(&self, tag: u32) -> Step {
        match self.steps.get(tag as usize) {
            Some(step) => *step,
            None => unknown(tag),
        }
    }
}

struct Plans {
    all: Vec<Plan>,
    /// What each plan is for.
    messages: Vec<&'static Message>,
    roots: [u8; 3],
    any_value: u8,
    key_value: u8,
}

static PLANS: LazyLock<Plans> = LazyLock::new(Plans::from_schema);
/// Refuses everything. Stands in where an index has no plan, which does not happen.
static NOTHING: Plan = Plan { steps: [Step { once: 0, act: Act::Refuse, child: 0, items: 0 }; STEPS] };

impl Plans {
    fn from_schema() -> Self {
        let mut messages: Vec<&'static Message> = Vec::new();
        let roots = [Signal::Traces, Signal::Metrics, Signal::Logs]
            .map(|signal| index_of(&mut messages, signal.schema()));
        let any_value = index_of(&mut messages, &ANY_VALUE);
        let key_value = index_of(&mut messages, &KEY_VALUE);
        let mut all = Vec::new();
        while let Some(message) = messages.get(all.len()).copied() {
            all.push(plan(message, &mut messages));
        }
        Self { all, messages, roots, any_value, key_value }
    }

    fn root(&self, signal: Signal) -> &Plan {
        let [traces, metrics, logs] = self.roots;
        self.get(match signal {
            Signal::Traces => traces,
            Signal::Metrics => metrics,
            Signal::Logs => logs,
        })
    }

    /// Not for the walk over every request: it looks for the message.
    fn of(&self, message: &'static Message) -> &Plan {
        let index = self.messages.iter().position(|known| std::ptr::eq(*known, message));
        index.and_then(|index| self.all.get(index)).unwrap_or(&NOTHING)
    }

    #[inline]
    fn get(&self, index: u8) -> &Plan {
        self.all.get(usize::from(index)).unwrap_or(&NOTHING)
    }
}

/// Where the message stands in the list, at its end if it is new.
fn index_of(messages: &mut Vec<&'static Message>, message: &'static Message) -> u8 {
    let index = messages.iter().position(|known| std::ptr::eq(*known, message)).unwrap_or_else(|| {
        messages.push(message);
        messages.len() - 1
    });
    u8::try_from(index).unwrap_or(u8::MAX)
}

fn plan(message: &'static Message, messages: &mut Vec<&'static Message>) -> Plan {
    let mut steps = [Step { once: 0, act: Act::Refuse, child: 0, items: 0 }; STEPS];
    for (tag, step) in (0_u32..).zip(&mut steps) {
        *step = match message.field(tag >> 3) {
            Some(field) => known(field, tag, messages),
            None => unknown(tag),
        };
    }
    Plan { steps }
}

fn known(field: &'static Field, tag: u32, messages: &mut Vec<&'static Message>) -> Step {
    let once = match field.label {
        Label::Repeated | Label::Packed => 0,
        Label::Oneof => 1,
        Label::Singular | Label::Optional => 1 << (field.number & 31),
    };
    let mut step = Step { once, ..unknown(tag) };
    let needed = field.kind.wire_type();
    let found = WireType::from_tag(tag);
    if field.label == Label::Packed && found == Some(WireType::Len) {
        step.act = match needed {
            WireType::Fixed64 => Act::PackedFixed64,
            WireType::Varint => Act::PackedVarint,
            // OTLP has no packed field of four-byte scalars.
            WireType::Fixed32 | WireType::Len => Act::Refuse,
        };
        return step;
    }
    if found != Some(needed) {
        step.act = Act::Refuse;
        return step;
    }
    match field.kind {
        Kind::String => step.act = Act::Text,
        Kind::TraceId => step.act = Act::TraceId,
        Kind::SpanId => step.act = Act::SpanId,
        Kind::Message(message) => {
            step.child = index_of(messages, message);
            step.items = u8::from(message.is_item());
            step.act = if std::ptr::eq(message, &KEY_VALUE) {
                Act::KeyValue
            } else if std::ptr::eq(message, &ANY_VALUE) {
                Act::AnyValue
            } else {
                Act::Message
            };
        }
        // Scalars and bytes: as an unknown field of that wire type, only once.
        _ => {}
    }
    step
}

/// A field that the schema does not have is kept if it is framed well.
fn unknown(tag: u32) -> Step {
    let act = match WireType::from_tag(tag) {
        _ if tag >> 3 == 0 => Act::Refuse,
        None => Act::Refuse,
        Some(WireType::Varint) => Act::Varint,
        Some(WireType::Fixed64) => Act::Fixed64,
        Some(WireType::Fixed32) => Act::Fixed32,
        Some(WireType::Len) => Act::Len,
    };
    Step { once: 0, act, child: 0, items: 0 }
}

struct Walk<'p> {
    plans: &'p Plans,
    /// Wider than the policy's, so that counting can go beyond it.
    max_depth: u32,
    items: usize,
    /// Bits of fields that came twice, of any message.
    repeated: u32,
    is_utf8: bool,
}

impl Walk<'static> {
    fn new(max_depth: u32) -> Self {
        Self { plans: &PLANS, max_depth, items: 0, repeated: 0, is_utf8: true }
    }
}

impl<'p> Walk<'p> {
    const fn is_clean(&self) -> bool {
        self.is_utf8 && self.repeated == 0
    }

    fn message(&mut self, plan: &'p Plan, mut bytes: &[u8], depth: u32) -> Option<()> {
        if depth > self.max_depth {
            return None;
        }
        let below = depth + 1;
        let mut seen = 0;
        while !bytes.is_empty() {
            let (tag, rest) = read_tag(bytes).ok()?;
            let step = plan.step(tag);
            self.repeated |= seen & step.once;
            seen |= step.once;
            bytes = match step.act {
                Act::Refuse => return None,
                Act::Varint => read_varint(rest).ok()?.1,
                Act::Fixed64 => rest.get(8..)?,
                Act::Fixed32 => rest.get(4..)?,
                _ => {
                    let (value, rest) = read_len(rest).ok()?;
                    self.value(step, value, below)?;
                    rest
                }
            };
        }
        Some(())
    }

    #[inline(always)]
    fn value(&mut self, step: Step, value: &[u8], depth: u32) -> Option<()> {
        match step.act {
            Act::Text => self.text(value),
            Act::KeyValue => self.key_value(value, depth)?,
            Act::AnyValue => self.any_value(value, depth)?,
            Act::Message => {
                self.items += usize::from(step.items);
                self.message(self.plans.get(step.child), value, depth)?;
            }
            Act::TraceId if !matches!(value.len(), 0 | 16) => return None,
            Act::SpanId if !matches!(value.len(), 0 | 8) => return None,
            Act::PackedFixed64 if value.len() & 7 != 0 => return None,
            Act::PackedVarint => varints(value)?,
            _ => {}
        }
        Some(())
    }

    #[inline]
    fn text(&mut self, bytes: &[u8]) {
        self.is_utf8 &= is_utf8(bytes);
    }

    #[inline]
    fn key_value(&mut self, bytes: &[u8], depth: u32) -> Option<()> {
        // A short key, a short string, nothing else.
        if let [0x0a, key_len @ 0..0x80, rest @ ..] = bytes
            && let Some((key, [0x12, value_len @ 0..0x80, value @ ..])) =
                rest.split_at_checked(usize::from(*key_len))
            && usize::from(*value_len) == value.len()
            && depth < self.max_depth
        {
            // The tags and lengths between the two are below 0x80 as well: all of it can be looked at in one go.
            if let [0x0a, text_len @ 0..0x80, text @ ..] = value
                && usize::from(*text_len) == text.len()
            {
                if !is_ascii(bytes) {
                    self.text(key);
                    self.text(text);
                }
                return Some(());
            }
            self.text(key);
            return self.any_value(value, depth + 1);
        }
        self.message(self.plans.get(self.plans.key_value), bytes, depth)
    }

    #[inline]
    fn any_value(&mut self, bytes: &[u8], depth: u32) -> Option<()> {
        // A short string, nothing else.
        if let [0x0a, len @ 0..0x80, text @ ..] = bytes
            && usize::from(*len) == text.len()
            && depth <= self.max_depth
        {
            self.text(text);
            return Some(());
        }
        self.message(self.plans.get(self.plans.any_value), bytes, depth)
    }
}

fn varints(mut bytes: &[u8]) -> Option<()> {
    while !bytes.is_empty() {
        bytes = read_varint(bytes).ok()?.1;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_field_has_its_place_in_a_plan() {
        let mut messages = Vec::new();
        for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
            index_of(&mut messages, signal.schema());
        }
        let mut at = 0;
        while let Some(message) = messages.get(at).copied() {
            plan(message, &mut messages);
            at += 1;
            for field in message.fields {
                assert!((field.number as usize) << 3 < STEPS, "{}.{}", message.name, field.name);
                let packed_fixed32 =
                    field.label == Label::Packed && field.kind.wire_type() == WireType::Fixed32;
                assert!(!packed_fixed32, "{}.{}", message.name, field.name);
                // Bit 0 is the oneof's.
                assert_ne!(field.number, 0);
            }
        }
        assert!(at < usize::from(u8::MAX));
        assert_eq!(PLANS.all.len(), at);
    }
}
