//! With the SHA instructions of x86-64: the rounds of several messages take turns, so that none waits for its own.
//!
//! The only `unsafe` of this crate; what it needs is that the processor has the instructions. Memory is reached through
//! slices alone. Fuzzed as `sha256`, compared with the library in tests, measured by the example `sha256_speed`.
//!
//! Source: FIPS 180-4, section 6.2; the order of words in registers is the instructions'.
#![allow(unsafe_code, reason = "calls a function for processors that have SHA instructions")]

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x,
    _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32,
};

use super::{Digest, Digests};

/// What is taken in at a time.
const BLOCK: usize = 64;
type Block = [u8; BLOCK];

/// Behind a message: a one, zeros, and its length in bits.
const LENGTH: usize = 8;

const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// One for each of 64 rounds, which are made four at a time, and those four at a time.
static ROUNDS: [[[u32; 4]; 4]; 4] = [
    [
        [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
        [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
        [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
        [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    ],
    [
        [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
        [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
        [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
        [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    ],
    [
        [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
        [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
        [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
        [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    ],
    [
        [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
        [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
        [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
        [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
    ],
];

/// A message on its way: its words as the standard names them, a to h, and what of it is not taken in yet.
struct Lane<'a> {
    state: [u32; 8],
    blocks: &'a [Block],
}

impl<'a> Lane<'a> {
    /// Takes so many blocks out.
    fn take(&mut self, count: usize) -> &'a [Block] {
        let (taken, left) = self.blocks.split_at_checked(count).unwrap_or_default();
        self.blocks = left;
        taken
    }
}

/// The same words in two registers: a, b, e, f and c, d, g, h.
type State = [__m128i; 2];

/// Sixteen words of a message's schedule.
type Words = [__m128i; 4];

/// The function, if this processor has what it needs.
#[must_use]
pub(super) fn digests() -> Option<Digests> {
    let digests: Digests = |messages| {
        // SAFETY: the one condition is that the processor has the features, without which nobody gets this function.
        unsafe { digests_of(messages) }
    };
    let has = is_x86_feature_detected!("sha")
        && is_x86_feature_detected!("ssse3")
        && is_x86_feature_detected!("sse4.1");
    has.then_some(digests)
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
fn digests_of(messages: &[&[u8]]) -> Vec<Digest> {
    let mut lanes: Vec<Lane<'_>> =
        messages.iter().map(|message| Lane { state: START, blocks: message.as_chunks().0 }).collect();
    run(&mut lanes);
    let ends: Vec<Vec<u8>> = messages.iter().map(|message| end(message)).collect();
    for (lane, end) in lanes.iter_mut().zip(&ends) {
        lane.blocks = end.as_chunks().0;
    }
    run(&mut lanes);
    lanes.iter().map(digest).collect()
}

/// What of a message fills no block, and what the standard adds to it.
fn end(message: &[u8]) -> Vec<u8> {
    let (_, rest) = message.as_chunks::<BLOCK>();
    let mut end = [rest, &[0x80]].concat();
    end.resize((end.len() + LENGTH).next_multiple_of(BLOCK) - LENGTH, 0);
    end.extend((message.len() as u64).wrapping_mul(8).to_be_bytes());
    end
}

fn digest(lane: &Lane<'_>) -> Digest {
    let mut digest = Digest::default();
    for (place, word) in digest.as_chunks_mut().0.iter_mut().zip(lane.state) {
        *place = word.to_be_bytes();
    }
    digest
}

/// Takes every lane to its end, as many together as have something left.
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn run(lanes: &mut [Lane<'_>]) {
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
/// Written out, and so are four of these: in a program that is built for size loops stay loops, and one over lanes goes
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
