//! Protobuf's wire format: just what the two directions need.

use otlp::schema::Kind;

/// How a value is encoded, by the number in its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum WireType {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

impl WireType {
    /// The wire type of one value.
    pub(crate) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Bool | Kind::Enum(_) => Self::Varint,
            Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Sint32 | Kind::Sint64 => {
                Self::Varint
            }
            Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => Self::Fixed64,
            Kind::Fixed32 | Kind::Sfixed32 => Self::Fixed32,
            Kind::String | Kind::Bytes | Kind::TraceId | Kind::SpanId | Kind::Message(_) => Self::Bytes,
        }
    }
}

/// The value of a field on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The bytes, if it is any.
    pub(crate) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn wire_type(self) -> WireType {
        match self {
            Self::Varint(_) => WireType::Varint,
            Self::Fixed64(_) => WireType::Fixed64,
            Self::Fixed32(_) => WireType::Fixed32,
            Self::Bytes(_) => WireType::Bytes,
        }
    }
}

/// A walk over the fields of one message. Ends early at bytes that are no protobuf.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    wire: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(wire: &'a [u8]) -> Self {
        Self { wire, at: 0 }
    }

    /// Where the next field begins.
    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    #[inline(always)]
    pub(crate) fn varint(&mut self) -> Option<u64> {
        let first = *self.wire.get(self.at)?;
        self.at += 1;
        if first < 0x80 {
            return Some(u64::from(first));
        }
        self.long_varint(first)
    }

    fn long_varint(&mut self, first: u8) -> Option<u64> {
        let mut value = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = *self.wire.get(self.at)?;
            self.at += 1;
            // The tenth byte has room for one bit; protobuf drops what is above.
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    #[inline]
    pub(crate) fn fixed64(&mut self) -> Option<u64> {
        let bytes = self.wire.get(self.at..)?.first_chunk::<8>()?;
        self.at += 8;
        Some(u64::from_le_bytes(*bytes))
    }

    #[inline]
    pub(crate) fn fixed32(&mut self) -> Option<u32> {
        let bytes = self.wire.get(self.at..)?.first_chunk::<4>()?;
        self.at += 4;
        Some(u32::from_le_bytes(*bytes))
    }

    #[inline]
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.varint()?).ok()?;
        let end = self.at.checked_add(len)?;
        let bytes = self.wire.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    /// Passes over a group, protobuf's old form of an embedded message. OTLP has none.
    fn skip_group(&mut self) -> Option<()> {
        let mut open = 1usize;
        while open > 0 {
            match self.varint()? & 7 {
                0 => drop(self.varint()?),
                1 => drop(self.fixed64()?),
                2 => drop(self.bytes()?),
                3 => open += 1,
                4 => open -= 1,
                5 => drop(self.fixed32()?),
                _ => return None,
            }
        }
        Some(())
    }

    /// The next field: its number and its value.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<(u32, Value<'a>)> {
        loop {
            let tag = self.varint()?;
            let number = u32::try_from(tag >> 3).ok()?;
            let value = match tag & 7 {
                0 => Value::Varint(self.varint()?),
                1 => Value::Fixed64(self.fixed64()?),
                2 => Value::Bytes(self.bytes()?),
                3 => {
                    self.skip_group()?;
                    continue;
                }
                5 => Value::Fixed32(self.fixed32()?),
                _ => return None,
            };
            return Some((number, value));
        }
    }
}

/// Wire bytes under construction. A message's length comes before it but is known after it. One byte is kept
/// free for it, which is right for most messages. What needs more is noted, and [`Builder::finish`] copies the
/// whole once, widening as it goes: every byte is moved at most once, however deep it is nested. Moving a
/// message's bytes when it ends would move them once per level, building back to front would need the input
/// read backwards.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    bytes: Vec<u8>,
    /// Lengths that don't fit their byte: where the byte is, and the length.
    wide: Vec<(usize, usize)>,
    /// How many bytes `finish` will add.
    growth: usize,
}

/// A message that has begun and not ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    at: usize,
    growth: usize,
}

impl Builder {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity), ..Self::default() }
    }

    #[inline]
    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.bytes.push(value.to_le_bytes()[0]);
    }

    #[inline]
    pub(crate) fn tag(&mut self, number: u32, wire_type: WireType) {
        self.varint(u64::from(number << 3) | wire_type as u64);
    }

    #[inline]
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The buffer's end, for decoders that append. Only between `open` and `close`.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    #[inline]
    pub(crate) fn open(&mut self) -> Open {
        self.bytes.push(0);
        Open { at: self.bytes.len() - 1, growth: self.growth }
    }

    #[inline]
    pub(crate) fn close(&mut self, open: Open) {
        // What will be inserted inside the message counts towards its length.
        let len = self.bytes.len() - open.at - 1 + (self.growth - open.growth);
        match u8::try_from(len) {
            Ok(short) if short < 0x80 => {
                if let Some(byte) = self.bytes.get_mut(open.at) {
                    *byte = short;
                }
            }
            _ => {
                self.growth += varint_len(len) - 1;
                self.wide.push((open.at, len));
            }
        }
    }

    /// The finished bytes, without room to spare: whoever keeps them pays for their capacity.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        if self.wide.is_empty() {
            self.bytes.shrink_to_fit();
            return self.bytes;
        }
        self.wide.sort_unstable();
        let mut out = Self::with_capacity(self.bytes.len() + self.growth);
        let mut done = 0;
        for (at, len) in self.wide {
            out.raw(self.bytes.get(done..at).unwrap_or_default());
            out.varint(len as u64);
            done = at + 1;
        }
        out.raw(self.bytes.get(done..).unwrap_or_default());
        out.bytes
    }
}

fn varint_len(value: usize) -> usize {
    let bits = usize::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_every_width_nest() {
        for len in [0, 1, 126, 127, 128, 129, 16_383, 16_384, 16_385, 2_097_151, 2_097_152] {
            let mut builder = Builder::default();
            builder.tag(1, WireType::Bytes);
            let outer = builder.open();
            builder.tag(2, WireType::Bytes);
            let inner = builder.open();
            builder.raw(&vec![7; len]);
            builder.close(inner);
            builder.tag(3, WireType::Varint);
            builder.varint(300);
            builder.close(outer);
            let wire = builder.finish();
            let mut fields = Fields::new(&wire);
            let Some((1, Value::Bytes(outer))) = fields.next() else { panic!("no outer message") };
            assert!(fields.next().is_none());
            assert_eq!(fields.position(), wire.len());
            let mut fields = Fields::new(outer);
            assert!(matches!(fields.next(), Some((2, Value::Bytes(inner))) if inner.len() == len));
            assert!(matches!(fields.next(), Some((3, Value::Varint(300)))));
        }
    }

    #[test]
    fn a_walk_ends_at_what_is_no_protobuf_and_passes_groups() {
        let check = |wire: &[u8], expected: usize| {
            let mut fields = Fields::new(wire);
            let mut count = 0;
            while fields.next().is_some() {
                count += 1;
            }
            assert_eq!(count, expected, "{wire:?}");
        };
        check(&[], 0);
        check(&[0x08], 0);
        check(&[0x08, 0x01, 0x0a, 0x05, 0x00], 1);
        check(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], 0);
        check(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], 0);
        check(&[0x0b, 0x13, 0x08, 0x01, 0x14, 0x0c, 0x10, 0x02], 1);
        check(&[0x0b, 0x13], 0);
        check(&[0x0f], 0);
    }
}
