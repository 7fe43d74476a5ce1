//! With the SHA instructions of x86-64: the rounds of several messages take turns, so that none waits for its own.
//!
//! What its `unsafe` needs is that the processor has the instructions. Memory is reached through slices alone. Fuzzed as
//! `sha256`, compared with the library in tests, measured by the example `sha256_speed`.
//!
//! Source: FIPS 180-4, section 6.2; the order of words in registers is the instructions'.
#![allow(unsafe_code, reason = "calls a function for processors that have SHA instructions")]

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x,
    _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32,
};

use super::lane::{Block, Lane, ROUNDS, Run, Way};

/// The same words in two registers: a, b, e, f and c, d, g, h.
type State = [__m128i; 2];

/// Sixteen words of a message's schedule.
type Words = [__m128i; 4];

/// This way, if this processor has what it needs.
#[must_use]
pub(super) fn way() -> Option<Way> {
    let run: Run = |lanes| {
        // SAFETY: the one condition is that the processor has the features, without which nobody gets this function.
        unsafe { run(lanes) }
    };
    has().then_some(Way { name: "sha_ni", together: 4, run })
}

pub(super) fn has() -> bool {
    is_x86_feature_detected!("sha") && is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("sse4.1")
}

/// Takes every lane to its end, as many together as have something left.
#[target_feature(enable = "sha,ssse3,sse4.1")]
pub(super) fn run(lanes: &mut [Lane<'_>]) {
    loop {
        let mut left: Vec<_> = lanes.iter_mut().filter(|lane| !lane.blocks.is_empty()).collect();
        if let Some(four) = left.first_chunk_mut() {
            self::four(four);
        } else if let Some(two) = left.first_chunk_mut() {
            self::two(two);
        } else if let Some(one) = left.first_chunk_mut() {
            self::one(one);
        } else {
            return;
        }
    }
}

/// Four rounds for each lane, and the next four words of its schedule.
///
/// Written out, and so are four of these: in a program that is linked for size loops stay loops, and one over lanes goes
/// through memory, which takes as long as one message after the other.
macro_rules! four_rounds {
    ($constants:expr, $states:ident, $words:ident; $($lane:literal)*) => {
        $($states[$lane] = four_rounds($states[$lane], $words[$lane][0], $constants);
        $words[$lane] = schedule($words[$lane]);)*
    };
}

/// Takes in as many blocks as the shortest of so many lanes has.
macro_rules! together {
    ($name:ident, $count:literal; $($lane:literal)*) => {
        #[target_feature(enable = "sha,ssse3,sse4.1")]
        fn $name(lanes: &mut [&mut Lane<'_>; $count]) {
            let count = [$(lanes[$lane].blocks.len()),*].into_iter().min().unwrap_or(0);
            let taken = [$(lanes[$lane].take(count)),*];
            let mut states = [$(pack(lanes[$lane].state)),*];
            for at in 0..count {
                let before = states;
                let mut words = [$(read(&taken[$lane][at])),*];
                for [a, b, c, d] in &ROUNDS[..3] {
                    four_rounds!(a, states, words; $($lane)*);
                    four_rounds!(b, states, words; $($lane)*);
                    four_rounds!(c, states, words; $($lane)*);
                    four_rounds!(d, states, words; $($lane)*);
                }
                let [a, b, c, d] = &ROUNDS[3];
                $(states[$lane] = four_rounds(states[$lane], words[$lane][0], a);)*
                $(states[$lane] = four_rounds(states[$lane], words[$lane][1], b);)*
                $(states[$lane] = four_rounds(states[$lane], words[$lane][2], c);)*
                $(states[$lane] = four_rounds(states[$lane], words[$lane][3], d);)*
                $(states[$lane] = add(states[$lane], before[$lane]);)*
            }
            $(lanes[$lane].state = unpack(states[$lane]);)*
        }
    };
}

together!(four, 4; 0 1 2 3);
together!(two, 2; 0 1);
together!(one, 1; 0);

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn four_rounds([abef, cdgh]: State, words: __m128i, rounds: &[u32; 4]) -> State {
    let [k0, k1, k2, k3] = rounds.map(u32::cast_signed);
    let words = _mm_add_epi32(words, _mm_set_epi32(k3, k2, k1, k0));
    // Two rounds later the one is what the other was.
    let cdgh = _mm_sha256rnds2_epu32(cdgh, abef, words);
    let abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32::<0b_00_00_11_10>(words));
    [abef, cdgh]
}

/// The sixteen words of the schedule that come four words later.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn schedule([w0, w4, w8, w12]: Words) -> Words {
    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w4), _mm_alignr_epi8::<4>(w12, w8));
    [w4, w8, w12, _mm_sha256msg2_epu32(sum, w12)]
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn add([abef, cdgh]: State, before: State) -> State {
    [_mm_add_epi32(abef, before[0]), _mm_add_epi32(cdgh, before[1])]
}

/// A block's sixteen words.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn read(block: &Block) -> Words {
    let (quarters, _) = block.as_chunks();
    [four_words(&quarters[0]), four_words(&quarters[1]), four_words(&quarters[2]), four_words(&quarters[3])]
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn four_words(bytes: &[u8; 16]) -> __m128i {
    let bytes = i128::from_le_bytes(*bytes);
    // Words are big-endian.
    let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    _mm_shuffle_epi8(_mm_set_epi64x((bytes >> 64) as i64, bytes as i64), order)
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
fn pack(state: [u32; 8]) -> State {
    let [a, b, c, d, e, f, g, h] = state.map(u32::cast_signed);
    [_mm_set_epi32(a, b, e, f), _mm_set_epi32(c, d, g, h)]
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
fn unpack([abef, cdgh]: State) -> [u32; 8] {
    let words = |state| {
        [
            _mm_extract_epi32::<3>(state),
            _mm_extract_epi32::<2>(state),
            _mm_extract_epi32::<1>(state),
            _mm_extract_epi32::<0>(state),
        ]
    };
    let ([a, b, e, f], [c, d, g, h]) = (words(abef), words(cdgh));
    [a, b, c, d, e, f, g, h].map(i32::cast_unsigned)
}
