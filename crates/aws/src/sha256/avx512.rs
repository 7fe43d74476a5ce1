//! With AVX-512: sixteen messages side by side, one word of each in a register.
//!
//! Twice as quick as the SHA instructions, which take four messages in turns, if there are that many messages. What its
//! `unsafe` needs is that the processor has the instructions, and that a load or a store stays within the array it is given.
//! Fuzzed as `sha256`, compared with the library in tests, measured by the example `sha256_speed`.
//!
//! Source: FIPS 180-4, section 6.2; the letters are the standard's.
#![allow(unsafe_code, reason = "calls a function for processors that have AVX-512")]

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_loadu_si512, _mm512_ror_epi32, _mm512_set_epi64, _mm512_set1_epi32,
    _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_srli_epi32, _mm512_storeu_si512, _mm512_sub_epi32,
    _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64,
};

use super::lane::{Block, Lane, ROUNDS, Run, Way};
use super::sha_ni;

/// Messages that are taken at once.
const LANES: usize = 16;

/// Below this many the SHA instructions are as quick.
const WORTH: usize = 8;

/// This way, if this processor has what it needs.
#[must_use]
pub(super) fn way() -> Option<Way> {
    let run: Run = |lanes| {
        // SAFETY: the one condition is that the processor has the features, without which nobody gets this function.
        unsafe { run(lanes) }
    };
    let has = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") && sha_ni::has();
    has.then_some(Way { name: "avx512", together: LANES, run })
}

/// Takes every lane to its end, the last few by the SHA instructions.
#[target_feature(enable = "avx512f,avx512bw,sha,ssse3,sse4.1")]
fn run(lanes: &mut [Lane<'_>]) {
    loop {
        let mut left: Vec<_> = lanes.iter_mut().filter(|lane| !lane.blocks.is_empty()).collect();
        if left.len() < WORTH {
            return sha_ni::run(lanes);
        }
        let most = left.len().min(LANES);
        sixteen(&mut left[..most]);
    }
}

/// A word of each lane.
type Words = [u32; LANES];

/// `ch` and `maj` of the standard, and the exclusive or of three, as tables of what comes of three bits.
const CHOICE: i32 = 0b1100_1010;
const MAJORITY: i32 = 0b1110_1000;
const PARITY: i32 = 0b1001_0110;

/// Takes in as many blocks as the shortest of up to sixteen lanes has.
#[target_feature(enable = "avx512f,avx512bw")]
fn sixteen(lanes: &mut [&mut Lane<'_>]) {
    let count = lanes.iter().map(|lane| lane.blocks.len()).min().unwrap_or(0);
    let mut words = [Words::default(); 8];
    let mut blocks: [&[Block]; LANES] = [&[]; LANES];
    for (at, lane) in lanes.iter_mut().enumerate() {
        blocks[at] = lane.take(count);
        words.iter_mut().zip(lane.state).for_each(|(words, word)| words[at] = word);
    }
    // Lanes that nobody needs do what the first one does.
    let first = blocks[0];
    blocks.iter_mut().skip(lanes.len()).for_each(|blocks| *blocks = first);
    let mut state = words.each_ref().map(|words| load(words));
    for at in 0..count {
        state = take_in(state, blocks.map(|blocks| &blocks[at]));
    }
    words.iter_mut().zip(state).for_each(|(words, register)| store(words, register));
    for (at, lane) in lanes.iter_mut().enumerate() {
        lane.state = words.map(|words| words[at]);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(words: &Words) -> __m512i {
    // SAFETY: they are the 64 bytes that are loaded, wherever they lie.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(words: &mut Words, register: __m512i) {
    // SAFETY: they have room for the 64 bytes that are stored, wherever they lie.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), register) }
}

/// A block, each four bytes of it as the number that they are in big-endian order.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn read(block: &Block) -> __m512i {
    // SAFETY: a block has the 64 bytes that are loaded, wherever it lies.
    let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
    let (high, low) = (0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    _mm512_shuffle_epi8(bytes, _mm512_set_epi64(high, low, high, low, high, low, high, low))
}

/// Sixteen times a round, in which the registers change their names, and are named as before afterwards.
///
/// Written out, as loops stay loops in a program that is linked for size, and these would go through memory.
macro_rules! sixteen_times {
    ($do:ident!, $state:ident, $words:ident, $constants:ident) => {
        let [a, b, c, d, e, f, g, h] = &mut $state;
        $do!(a b c d e f g h, $words, $constants, 0 1 9 14);
        $do!(h a b c d e f g, $words, $constants, 1 2 10 15);
        $do!(g h a b c d e f, $words, $constants, 2 3 11 0);
        $do!(f g h a b c d e, $words, $constants, 3 4 12 1);
        $do!(e f g h a b c d, $words, $constants, 4 5 13 2);
        $do!(d e f g h a b c, $words, $constants, 5 6 14 3);
        $do!(c d e f g h a b, $words, $constants, 6 7 15 4);
        $do!(b c d e f g h a, $words, $constants, 7 8 0 5);
        $do!(a b c d e f g h, $words, $constants, 8 9 1 6);
        $do!(h a b c d e f g, $words, $constants, 9 10 2 7);
        $do!(g h a b c d e f, $words, $constants, 10 11 3 8);
        $do!(f g h a b c d e, $words, $constants, 11 12 4 9);
        $do!(e f g h a b c d, $words, $constants, 12 13 5 10);
        $do!(d e f g h a b c, $words, $constants, 13 14 6 11);
        $do!(c d e f g h a b, $words, $constants, 14 15 7 12);
        $do!(b c d e f g h a, $words, $constants, 15 0 8 13);
    };
}

/// One round of every lane.
macro_rules! round {
    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $words:ident, $constants:ident,
     $at:literal $one:literal $nine:literal $fourteen:literal) => {
        let constant = _mm512_set1_epi32($constants[$at / 4][$at % 4].cast_signed());
        // As few steps as may be from one round's `e` to the next one's, which is what all else waits for.
        let before = *$d;
        let known = add(add(before, *$h), add($words[$at], constant));
        *$d = add(add(known, choice(*$e, *$f, *$g)), rotated::<6, 11, 25>(*$e));
        let sum = _mm512_sub_epi32(*$d, before);
        *$h = add(add(sum, majority(*$a, *$b, *$c)), rotated::<2, 13, 22>(*$a));
    };
}

/// The same, after the schedule's word for it is made of those before.
macro_rules! scheduled_round {
    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $words:ident, $constants:ident,
     $at:literal $one:literal $nine:literal $fourteen:literal) => {
        $words[$at] = add(
            add($words[$at], $words[$nine]),
            add(mixed::<7, 18, 3>($words[$one]), mixed::<17, 19, 10>($words[$fourteen])),
        );
        round!($a $b $c $d $e $f $g $h, $words, $constants, $at $one $nine $fourteen);
    };
}

/// Takes in a block of each lane.
#[target_feature(enable = "avx512f,avx512bw")]
fn take_in(before: [__m512i; 8], blocks: [&Block; LANES]) -> [__m512i; 8] {
    let mut words = transposed(blocks);
    let mut state = before;
    let [first, later @ ..] = &ROUNDS;
    {
        sixteen_times!(round!, state, words, first);
    }
    for constants in later {
        sixteen_times!(scheduled_round!, state, words, constants);
    }
    let [a, b, c, d, e, f, g, h] = state;
    [
        add(a, before[0]),
        add(b, before[1]),
        add(c, before[2]),
        add(d, before[3]),
        add(e, before[4]),
        add(f, before[5]),
        add(g, before[6]),
        add(h, before[7]),
    ]
}

/// The words of a block of each lane: the first of all of them, the second of all of them, and so on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transposed(blocks: [&Block; LANES]) -> [__m512i; LANES] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = blocks;
    let first = four_lanes(read(a), read(b), read(c), read(d));
    let second = four_lanes(read(e), read(f), read(g), read(h));
    let third = four_lanes(read(i), read(j), read(k), read(l));
    let fourth = four_lanes(read(m), read(n), read(o), read(p));
    let [w0, w4, w8, w12] = four_words(first[0], second[0], third[0], fourth[0]);
    let [w1, w5, w9, w13] = four_words(first[1], second[1], third[1], fourth[1]);
    let [w2, w6, w10, w14] = four_words(first[2], second[2], third[2], fourth[2]);
    let [w3, w7, w11, w15] = four_words(first[3], second[3], third[3], fourth[3]);
    [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15]
}

/// Of four lanes the words 0, 4, 8 and 12, then 1, 5, 9 and 13, and so on; each word of all four.
#[inline]
#[target_feature(enable = "avx512f")]
fn four_lanes(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> [__m512i; 4] {
    let (low_ab, high_ab) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let (low_cd, high_cd) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    [
        _mm512_unpacklo_epi64(low_ab, low_cd),
        _mm512_unpackhi_epi64(low_ab, low_cd),
        _mm512_unpacklo_epi64(high_ab, high_cd),
        _mm512_unpackhi_epi64(high_ab, high_cd),
    ]
}

/// Of what four times four lanes have of four words, each word of all sixteen.
#[inline]
#[target_feature(enable = "avx512f")]
fn four_words(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> [__m512i; 4] {
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;
    let (even_ab, odd_ab) = (_mm512_shuffle_i32x4::<EVEN>(a, b), _mm512_shuffle_i32x4::<ODD>(a, b));
    let (even_cd, odd_cd) = (_mm512_shuffle_i32x4::<EVEN>(c, d), _mm512_shuffle_i32x4::<ODD>(c, d));
    [
        _mm512_shuffle_i32x4::<EVEN>(even_ab, even_cd),
        _mm512_shuffle_i32x4::<EVEN>(odd_ab, odd_cd),
        _mm512_shuffle_i32x4::<ODD>(even_ab, even_cd),
        _mm512_shuffle_i32x4::<ODD>(odd_ab, odd_cd),
    ]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(a: __m512i, b: __m512i) -> __m512i {
    _mm512_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn choice(e: __m512i, f: __m512i, g: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<CHOICE>(e, f, g)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn majority(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<MAJORITY>(a, b, c)
}

/// The standard's capital sigmas: three rotations.
#[inline]
#[target_feature(enable = "avx512f")]
fn rotated<const A: i32, const B: i32, const C: i32>(word: __m512i) -> __m512i {
    let (a, b, c) = (_mm512_ror_epi32::<A>(word), _mm512_ror_epi32::<B>(word), _mm512_ror_epi32::<C>(word));
    _mm512_ternarylogic_epi32::<PARITY>(a, b, c)
}

/// The standard's small sigmas: two rotations and a shift.
#[inline]
#[target_feature(enable = "avx512f")]
fn mixed<const A: i32, const B: i32, const SHIFT: u32>(word: __m512i) -> __m512i {
    let (a, b, c) =
        (_mm512_ror_epi32::<A>(word), _mm512_ror_epi32::<B>(word), _mm512_srli_epi32::<SHIFT>(word));
    _mm512_ternarylogic_epi32::<PARITY>(a, b, c)
}
