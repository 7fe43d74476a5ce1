//! With the whole numbers of any processor.

use super::{ROOM, WORD, append_words};

/// The same byte in all places of a word.
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x80 * ONES;
const LOW_BITS: u64 = !HIGH_BITS;

/// See [`Append`](super::Append).
pub(super) fn append(text: &[u8], out: &mut Vec<u8>) -> usize {
    append_words(fill, text, out)
}

fn fill(words: &[[u8; WORD]], room: &mut [u8]) -> (usize, usize) {
    let mut at = 0;
    for (done, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // Exact as a whole: whether any byte is below 0x20.
        if word.wrapping_sub(0x20 * ONES) & !word & HIGH_BITS != 0 {
            return (done, at);
        }
        let Some(to) = room.get_mut(at..at + ROOM) else { return (done, at) };
        at += escape_word(word, to);
    }
    (words.len(), at)
}

/// Writes a word with a backslash before each quote and backslash, and says how many bytes that makes. What comes behind
/// them is of no meaning.
#[inline(always)]
fn escape_word(mut word: u64, to: &mut [u8]) -> usize {
    // The high bit of each byte that is zero. Nothing is carried from one byte into the next.
    let zero = |word: u64| !(((word & LOW_BITS) + LOW_BITS) | word) & HIGH_BITS;
    let mut specials = zero(word ^ (u64::from(b'"') * ONES)) | zero(word ^ (u64::from(b'\\') * ONES));
    let mut left = WORD;
    let mut at = 0;
    while specials != 0 {
        let plain = specials.trailing_zeros() as usize / 8;
        put(to, at, word);
        let shifted = word >> (8 * plain);
        put(to, at + plain, shifted << 8 | u64::from(b'\\'));
        at += plain + 2;
        left -= plain + 1;
        // In two steps: a shift by the whole width is none.
        word = shifted >> 8;
        specials = (specials >> (8 * plain)) >> 8;
    }
    put(to, at, word);
    at + left
}

/// Writes the bytes of a word for which there is room.
#[inline(always)]
fn put(to: &mut [u8], at: usize, word: u64) {
    let bytes = word.to_le_bytes();
    let Some(to) = to.get_mut(at..) else { return };
    if let Some(place) = to.first_chunk_mut::<WORD>() {
        *place = bytes;
    } else {
        to.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
    }
}
