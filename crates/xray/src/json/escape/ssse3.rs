//! With SSSE3: a table says for each pattern of special bytes in a word how it is to be spread.
//!
//! What its `unsafe` needs is that the processor has the instructions. Memory is reached through slices alone. Fuzzed as
//! `json_escape`, compared with the others in tests, measured by the example `xray_speed`.
#![allow(unsafe_code, reason = "calls a function for processors that have SSSE3")]

use std::arch::x86_64::{
    __m128i, _mm_cmpeq_epi8, _mm_cvtsi128_si64, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
    _mm_set_epi64x, _mm_set1_epi8, _mm_shuffle_epi8, _mm_unpackhi_epi64,
};

use super::{Append, ROOM, WORD, Way, append_words};

/// For each pattern, a bit a byte, which byte of the word goes where; [`BACKSLASH`] is the backslash.
static SPREAD: [(i64, i64); 256] = spread();

/// Where in the register behind a word a backslash is.
const BACKSLASH: u8 = 8;

const fn spread() -> [(i64, i64); 256] {
    let mut table = [(0, 0); 256];
    let mut pattern = 0;
    while pattern < table.len() {
        let (mut places, mut at, mut byte) = ([0_u8; ROOM], 0, 0);
        while byte < WORD {
            if pattern >> byte & 1 == 1 {
                places[at] = BACKSLASH;
                at += 1;
            }
            places[at] = byte as u8;
            at += 1;
            byte += 1;
        }
        let places = u128::from_le_bytes(places);
        table[pattern] = (places as i64, (places >> 64) as i64);
        pattern += 1;
    }
    table
}

/// This way, if this processor has what it needs.
#[must_use]
pub(super) fn way() -> Option<Way> {
    let append: Append = |text, out| {
        // SAFETY: the one condition is that the processor has both features, without which nobody gets this function.
        append_words(|words, room| unsafe { fill_words(words, room) }, text, out)
    };
    (is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("popcnt"))
        .then_some(Way { name: "ssse3", append })
}

/// See [`append_words`].
#[target_feature(enable = "ssse3,popcnt")]
fn fill_words(words: &[[u8; WORD]], room: &mut [u8]) -> (usize, usize) {
    let (quote, backslash) = (_mm_set1_epi8(b'"' as i8), _mm_set1_epi8(b'\\' as i8));
    let last_control = _mm_set1_epi8(0x1f);
    let mut at = 0;
    for (done, word) in words.iter().enumerate() {
        // The word, and behind it nothing but backslashes.
        let word = _mm_set_epi64x(i64::from_le_bytes([b'\\'; WORD]), i64::from_le_bytes(*word));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(word, last_control), word);
        let special = _mm_or_si128(_mm_cmpeq_epi8(word, quote), _mm_cmpeq_epi8(word, backslash));
        let pattern = _mm_movemask_epi8(special) & 0xff;
        let Some(place) = room.get_mut(at..at + ROOM).filter(|_| _mm_movemask_epi8(control) == 0) else {
            return (done, at);
        };
        let (low, high) = SPREAD.get(pattern as usize).copied().unwrap_or_default();
        put(place, _mm_shuffle_epi8(word, _mm_set_epi64x(high, low)));
        at += WORD + pattern.count_ones() as usize;
    }
    (words.len(), at)
}

#[inline]
#[target_feature(enable = "ssse3")]
fn put(place: &mut [u8], register: __m128i) {
    let (low, high) = place.split_at_mut(WORD);
    low.copy_from_slice(&_mm_cvtsi128_si64(register).to_le_bytes());
    high.copy_from_slice(&_mm_cvtsi128_si64(_mm_unpackhi_epi64(register, register)).to_le_bytes());
}
