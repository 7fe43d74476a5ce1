//! JSON's lexical forms in a fixed room, for the quick paths of the writer.
//!
//! Everything is stored in blocks of constant size, of which the part that counts is kept and the rest
//! overwritten by what comes next: a block is one or two moves, where a copy of unknown length is a call. What
//! does not fit, or has no quick form, is `None`; the caller then goes back to where it began.

use crate::text::hex_pair;

/// Texts are moved in blocks of so many bytes.
const BLOCK: usize = 16;

/// Longer texts are left to the general path, whose one big copy is better for them.
const LONGEST_TEXT: usize = 512;

/// A place in a room and what it has been filled with up to there.
pub(crate) struct Cursor<'a> {
    pub(crate) room: &'a mut [u8],
    /// Bytes before it are written, those behind it are of no meaning.
    pub(crate) len: usize,
}

/// A constant piece of text, padded to the size of one block.
pub(crate) struct Literal {
    block: [u8; 32],
    len: usize,
}

impl Literal {
    /// At most 32 bytes, which the compiler checks where the literal is a constant.
    pub(crate) const fn new(text: &str) -> Self {
        let mut block = [0; 32];
        let (start, _) = block.split_at_mut(text.len());
        start.copy_from_slice(text.as_bytes());
        Self { block, len: text.len() }
    }
}

impl Cursor<'_> {
    /// Stores the whole block and counts `len` bytes of it.
    #[inline(always)]
    fn put<const N: usize>(&mut self, block: &[u8; N], len: usize) -> Option<()> {
        *self.room.get_mut(self.len..)?.first_chunk_mut()? = *block;
        self.len += len;
        Some(())
    }

    #[inline(always)]
    pub(crate) fn byte(&mut self, byte: u8) -> Option<()> {
        self.put(&[byte], 1)
    }

    #[inline(always)]
    pub(crate) fn literal(&mut self, literal: &Literal) -> Option<()> {
        self.put(&literal.block, literal.len)
    }

    /// Copies `wire[start..end]`, which must be free of what JSON escapes, in one pass that looks and copies.
    /// The last block may reach into what follows on the wire: it is not counted.
    #[inline(always)]
    pub(crate) fn plain_text(&mut self, wire: &[u8], start: usize, end: usize) -> Option<()> {
        let mut left = end.checked_sub(start).filter(|len| *len <= LONGEST_TEXT)?;
        let mut at = start;
        while left > 0 {
            let block = block_at(wire, at);
            let len = left.min(BLOCK);
            if has_special(&block, len) {
                return None;
            }
            self.put(&block, len)?;
            at += len;
            left -= len;
        }
        Some(())
    }

    /// Writes bytes as twice as many hexadecimal digits.
    #[inline(always)]
    pub(crate) fn hex(&mut self, eight: &[u8; 8]) -> Option<()> {
        let mut digits = [[0; 2]; 8];
        for (pair, byte) in digits.iter_mut().zip(eight) {
            *pair = hex_pair(*byte);
        }
        self.put(digits.as_flattened().first_chunk::<16>()?, 16)
    }

    #[inline(always)]
    pub(crate) fn signed(&mut self, value: i64) -> Option<()> {
        if value < 0 {
            self.byte(b'-')?;
        }
        self.unsigned(value.unsigned_abs())
    }

    /// Writes a number in groups of eight digits, the first without its leading zeros.
    #[inline(always)]
    pub(crate) fn unsigned(&mut self, value: u64) -> Option<()> {
        const GROUP: u64 = 100_000_000;
        if value < GROUP {
            return self.leading_digits(value);
        }
        let (before, last) = (value / GROUP, value % GROUP);
        if before < GROUP {
            self.leading_digits(before)?;
        } else {
            self.leading_digits(before / GROUP)?;
            self.put(&ascii(eight_digits(before % GROUP)), 8)?;
        }
        self.put(&ascii(eight_digits(last)), 8)
    }

    #[inline(always)]
    fn leading_digits(&mut self, value: u64) -> Option<()> {
        let digits = eight_digits(value);
        // The most significant digit is the lowest byte. Of a zero, one digit stays.
        let zeros = (digits.trailing_zeros() / 8).min(7);
        self.put(&ascii(digits >> (8 * zeros)), 8 - zeros as usize)
    }

    /// Writes a double that needs no exponent.
    pub(crate) fn double(&mut self, value: f64) -> Option<()> {
        if !value.is_finite() {
            return None;
        }
        let mut buffer = ryu::Buffer::new();
        let shortest = buffer.format_finite(value).as_bytes();
        if shortest.contains(&b'e') {
            return None;
        }
        let digits = shortest.strip_suffix(b".0").unwrap_or(shortest);
        self.room.get_mut(self.len..)?.get_mut(..digits.len())?.copy_from_slice(digits);
        self.len += digits.len();
        Some(())
    }
}

#[inline(always)]
fn block_at(wire: &[u8], at: usize) -> [u8; BLOCK] {
    match wire.get(at..).and_then(<[u8]>::first_chunk) {
        Some(block) => *block,
        None => last_block(wire, at),
    }
}

/// What is left of the wire if it is less than a block, padded.
#[inline(never)]
fn last_block(wire: &[u8], at: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    for (to, from) in block.iter_mut().zip(wire.get(at..).unwrap_or_default()) {
        *to = *from;
    }
    block
}

/// Whether one of the first `len` bytes needs an escape. No branch in the loop: it becomes a few instructions
/// for all bytes at once.
#[inline(always)]
fn has_special(block: &[u8; BLOCK], len: usize) -> bool {
    let mut marks = [0; BLOCK];
    for (mark, byte) in marks.iter_mut().zip(block) {
        let special = (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\');
        *mark = if special { 0xff } else { 0 };
    }
    let behind = 8 * (BLOCK - len.min(BLOCK));
    u128::from_le_bytes(marks).checked_shl(behind as u32).is_some_and(|marks| marks != 0)
}

/// The digits of a number below 100 000 000, one in each byte, the most significant in the lowest.
///
/// Halves are split into quarters and these into digits, all of one size at once. Divisions by 100 and 10 are
/// multiplications, exact for numbers this small.
#[inline(always)]
fn eight_digits(value: u64) -> u64 {
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((twos - tens * 10) << 8)
}

#[inline(always)]
fn ascii(digits: u64) -> [u8; 8] {
    (digits | u64::from_le_bytes([b'0'; 8])).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(work: impl FnOnce(&mut Cursor<'_>) -> Option<()>) -> Option<String> {
        let mut room = [b'?'; 600];
        let mut cursor = Cursor { room: &mut room, len: 0 };
        work(&mut cursor)?;
        let len = cursor.len;
        Some(String::from_utf8_lossy(&room[..len]).into_owned())
    }

    #[test]
    fn numbers_are_those_of_the_standard_library() {
        let powers = (0..20).map(|power| 10u64.pow(power));
        let around = powers.flat_map(|power| [power - 1, power, power + 1, power.wrapping_mul(7)]);
        let mixed = (0..20_000u64).map(|seed| seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (seed % 64));
        for value in around.chain(mixed).chain(0..20_000).chain([u64::MAX]) {
            assert_eq!(text(|cursor| cursor.unsigned(value)), Some(value.to_string()));
            let signed = value.cast_signed();
            assert_eq!(text(|cursor| cursor.signed(signed)), Some(signed.to_string()));
        }
    }

    #[test]
    fn every_group_of_four_digits_is_exact() {
        for value in 0..10_000 {
            let expected = format!("{value:04}{:04}", 9_999 - value);
            assert_eq!(ascii(eight_digits(value * 10_000 + 9_999 - value)), expected.as_bytes());
        }
    }

    #[test]
    fn a_text_is_copied_unless_it_needs_escapes() {
        for len in 0..70 {
            for behind in 0..20 {
                let mut wire = [b"#".repeat(3), b"x".repeat(len), b"\"".repeat(behind)].concat();
                let copy = |wire: &[u8]| text(|cursor| cursor.plain_text(wire, 3, 3 + len));
                assert_eq!(copy(&wire), Some("x".repeat(len)));
                for at in 3..3 + len {
                    for special in [0, 0x1f, b'"', b'\\'] {
                        wire[at] = special;
                        assert_eq!(copy(&wire), None);
                    }
                    wire[at] = b'x';
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let mut room = [0; 20];
        let mut cursor = Cursor { room: &mut room, len: 0 };
        assert_eq!(cursor.plain_text(&[b'x'; 40], 0, 40), None);
        cursor.len = 20;
        assert_eq!(cursor.byte(b'x'), None);
        assert_eq!(cursor.double(0.5), None);
        assert_eq!(cursor.plain_text(&[b'x'; 600], 0, 600), None);
    }

    #[test]
    fn doubles_without_exponent() {
        assert_eq!(text(|cursor| cursor.double(0.25)), Some("0.25".to_owned()));
        assert_eq!(text(|cursor| cursor.double(-3.0)), Some("-3".to_owned()));
        for other in [1e30, 1e-7, f64::NAN, f64::INFINITY] {
            assert_eq!(text(|cursor| cursor.double(other)), None);
        }
    }
}
