//! The check in its simplest form, straight from the schema, with a name for everything that is wrong.

use super::{Checked, Fault, InvalidUtf8, Malformed, Policy};
use crate::Signal;
use crate::schema::{Field as Known, Kind, Label, Message};
use crate::wire::{Field, FrameError, Reader, Value, WireType, read_varint};

pub(super) fn check(signal: Signal, bytes: &[u8], policy: &Policy) -> Result<Checked, Malformed> {
    let mut walk = Walk { policy, items: 0, is_clean: true };
    match walk.message(signal.schema(), bytes, 0, 0) {
        Ok(()) => Ok(Checked { items: walk.items, is_clean: walk.is_clean }),
        Err(found) => Err(found.into_malformed()),
    }
}

/// A fault on its way up, gathering its path from the innermost field outwards.
struct Found {
    offset: usize,
    what: Fault,
    path: Vec<String>,
}

impl Found {
    fn into_malformed(self) -> Malformed {
        let mut path = self.path;
        path.reverse();
        let path = if path.is_empty() { "request".to_owned() } else { path.join(".") };
        Malformed { offset: self.offset, path, what: self.what }
    }
}

struct Walk<'p> {
    policy: &'p Policy,
    items: usize,
    is_clean: bool,
}

impl Walk<'_> {
    /// Checks one message, whose bytes begin `base` bytes into the request.
    fn message(
        &mut self,
        message: &'static Message,
        bytes: &[u8],
        base: usize,
        depth: usize,
    ) -> Result<(), Found> {
        let mut reader = Reader::new(bytes);
        let mut seen = Seen::default();
        loop {
            let start = reader.position();
            let field = match reader.next_field() {
                Ok(Some(field)) => field,
                Ok(None) => return Ok(()),
                Err(error) => {
                    let path = unreadable(message, bytes.get(start..).unwrap_or_default());
                    return Err(Found { offset: base + start, what: error.into(), path });
                }
            };
            let Some(known) = message.field(field.number) else { continue };
            self.is_clean &= seen.first(known);
            let payload = base + field.payload().start;
            self.field(known, &field, payload, depth).map_err(|what| match what {
                Outcome::Here(what) => {
                    Found { offset: base + start, what, path: vec![segment(known, bytes, start)] }
                }
                Outcome::Below(mut found) => {
                    found.path.push(segment(known, bytes, start));
                    found
                }
            })?;
        }
    }

    fn field(
        &mut self,
        known: &'static Known,
        field: &Field<'_>,
        base: usize,
        depth: usize,
    ) -> Result<(), Outcome> {
        let needed = known.kind.wire_type();
        let Value::Len(bytes) = field.value else {
            let found = field.value.wire_type();
            return if found == needed { Ok(()) } else { Err(Fault::WireType { found, needed }.into()) };
        };
        if known.label == Label::Packed {
            return packed(needed, bytes).map_err(Outcome::Here);
        }
        match known.kind {
            Kind::Message(_) if depth >= usize::from(self.policy.limits.max_depth) => {
                Err(Fault::TooDeep { max: self.policy.limits.max_depth }.into())
            }
            Kind::Message(message) => {
                self.items += usize::from(message.is_item());
                self.message(message, bytes, base, depth + 1).map_err(Outcome::Below)
            }
            Kind::String => self.text(bytes).map_err(Outcome::Here),
            Kind::TraceId => id(bytes.len(), 16).map_err(Outcome::Here),
            Kind::SpanId => id(bytes.len(), 8).map_err(Outcome::Here),
            Kind::Bytes => Ok(()),
            _ => Err(Fault::WireType { found: WireType::Len, needed }.into()),
        }
    }

    fn text(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if std::str::from_utf8(bytes).is_ok() {
            return Ok(());
        }
        self.is_clean = false;
        match self.policy.invalid_utf8 {
            InvalidUtf8::Replace => Ok(()),
            InvalidUtf8::Refuse => Err(Fault::InvalidUtf8),
        }
    }
}

/// Wrong in this field, or somewhere inside it.
enum Outcome {
    Here(Fault),
    Below(Found),
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        Self::Here(fault)
    }
}

/// Which fields of a message that may occur once have occurred. A oneof counts as one.
#[derive(Default)]
struct Seen {
    numbers: Vec<u32>,
    oneof: bool,
}

impl Seen {
    /// Whether this occurrence is one that may be.
    fn first(&mut self, known: &Known) -> bool {
        match known.label {
            Label::Repeated | Label::Packed => true,
            Label::Oneof => !std::mem::replace(&mut self.oneof, true),
            Label::Singular | Label::Optional => {
                let first = !self.numbers.contains(&known.number);
                if first {
                    self.numbers.push(known.number);
                }
                first
            }
        }
    }
}

fn id(len: usize, needed: usize) -> Result<(), Fault> {
    if len == needed || len == 0 { Ok(()) } else { Err(Fault::IdLength { len, needed }) }
}

fn packed(element: WireType, mut bytes: &[u8]) -> Result<(), Fault> {
    let whole = match element {
        WireType::Fixed64 => bytes.len().is_multiple_of(8),
        WireType::Fixed32 => bytes.len().is_multiple_of(4),
        WireType::Len => false,
        WireType::Varint => {
            while !bytes.is_empty() {
                bytes = match read_varint(bytes) {
                    Ok((_, rest)) => rest,
                    Err(FrameError::Truncated) => return Err(Fault::Packed),
                    Err(other) => return Err(other.into()),
                };
            }
            true
        }
    };
    if whole { Ok(()) } else { Err(Fault::Packed) }
}

/// `spans[3]`, `trace_id`: the field that begins at `start`.
fn segment(known: &Known, bytes: &[u8], start: usize) -> String {
    if known.label != Label::Repeated {
        return known.name.to_owned();
    }
    let mut reader = Reader::new(bytes);
    let mut index = 0;
    while reader.position() < start
        && let Ok(Some(field)) = reader.next_field()
    {
        index += usize::from(field.number == known.number);
    }
    format!("{}[{index}]", known.name)
}

/// The name of the field whose tag can be read though the rest of it cannot.
fn unreadable(message: &'static Message, bytes: &[u8]) -> Vec<String> {
    let number = crate::wire::read_tag(bytes).map_or(0, |(tag, _)| tag >> 3);
    message.field(number).map(|known| known.name.to_owned()).into_iter().collect()
}
