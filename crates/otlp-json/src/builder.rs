//! Wire bytes, written front to back.

use otlp::wire::{WireType, varint_len, write_tag, write_varint};

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
    pub(crate) fn varint(&mut self, value: u64) {
        write_varint(&mut self.bytes, value);
    }

    #[inline]
    pub(crate) fn tag(&mut self, number: u32, wire_type: WireType) {
        write_tag(&mut self.bytes, number, wire_type);
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
                self.growth += varint_len(len as u64) - 1;
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

#[cfg(test)]
mod tests {
    use otlp::wire::{Fields, Value};

    use super::*;

    #[test]
    fn lengths_of_every_width_nest() {
        for len in [0, 1, 126, 127, 128, 129, 16_383, 16_384, 16_385, 2_097_151, 2_097_152] {
            let mut builder = Builder::default();
            builder.tag(1, WireType::Len);
            let outer = builder.open();
            builder.tag(2, WireType::Len);
            let inner = builder.open();
            builder.raw(&vec![7; len]);
            builder.close(inner);
            builder.tag(3, WireType::Varint);
            builder.varint(300);
            builder.close(outer);
            let wire = builder.finish();
            assert_eq!(wire.capacity(), wire.len());

            let outer: Vec<_> = Fields::new(&wire).collect();
            assert_eq!(outer.len(), 1);
            assert_eq!((outer[0].number, outer[0].end), (1, wire.len()));
            let inner: Vec<_> = Fields::new(outer[0].bytes().unwrap()).collect();
            assert_eq!(inner[0].bytes().map(<[u8]>::len), Some(len));
            assert_eq!((inner[1].number, inner[1].value), (3, Value::Varint(300)));
        }
    }
}
