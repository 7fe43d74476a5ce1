//! With AVX-512 VBMI2: every byte gets a backslash before it, and then those backslashes go that are not wanted.
//!
//! Its `unsafe` needs three things: that the processor has the instructions, that a load or a store stays within the bytes of
//! the array it is given, and that what counts as written is. Fuzzed as `json_escape`, compared with the others in tests,
//! measured by the example `xray_speed`.
#![allow(
    unsafe_code,
    reason = "calls a function for processors that have AVX-512, and fills memory once instead of twice"
)]

use std::arch::x86_64::{
    _mm256_cmpeq_epi8_mask, _mm256_cmplt_epu8_mask, _mm256_loadu_si256, _mm256_set1_epi8,
    _mm512_cvtepu8_epi16, _mm512_maskz_compress_epi8, _mm512_or_si512, _mm512_set1_epi16, _mm512_slli_epi16,
    _mm512_storeu_si512, _pdep_u64,
};
use std::mem::MaybeUninit;

use super::{Append, Way};

/// Bytes that are looked at together, and the room that they need.
const BLOCK: usize = 32;
const ROOM: usize = 2 * BLOCK;

/// Bytes of text for which room is made at a time.
const PIECE: usize = 1024;

/// This way, if this processor has what it needs.
#[must_use]
pub(super) fn way() -> Option<Way> {
    let append: Append = |text, out| {
        // SAFETY: the one condition is that the processor has the features, without which nobody gets this function.
        unsafe { append_text(text, out) }
    };
    let has = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("popcnt");
    has.then_some(Way { name: "avx512", append })
}

/// See [`Append`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,bmi2,popcnt")]
fn append_text(text: &[u8], out: &mut Vec<u8>) -> usize {
    let mut done = 0;
    for piece in text.chunks(PIECE) {
        out.reserve(2 * piece.len() + ROOM);
        let (taken, written) = fill(piece, out.spare_capacity_mut());
        // SAFETY: `fill` has written that many bytes, from the first one on, of the room behind what was there.
        unsafe { out.set_len(out.len() + written) };
        done += taken;
        if taken < piece.len() {
            break;
        }
    }
    done
}

/// Fills room with a text up to its end or its first control character: how many bytes of text, how many of room.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,bmi2,popcnt")]
fn fill(text: &[u8], room: &mut [MaybeUninit<u8>]) -> (usize, usize) {
    let (blocks, rest) = text.as_chunks();
    let mut last = [0; BLOCK];
    last.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
    let (mut taken, mut written) = (0, 0);
    for (block, len) in blocks.iter().map(|block| (block, BLOCK)).chain([(&last, rest.len())]) {
        let Some(place) = room.get_mut(written..).and_then(|room| room.first_chunk_mut()) else { break };
        let (more_taken, more_written) = put(block, len, place);
        taken += more_taken;
        // All of `place` is filled, of which no more than this counts: what comes next is written behind it.
        written += more_written;
        if more_taken < len {
            break;
        }
    }
    (taken, written)
}

/// Fills all of a place, with what counts of the first `len` bytes of a block at its beginning.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,bmi2,popcnt")]
fn put(block: &[u8; BLOCK], len: usize, place: &mut [MaybeUninit<u8>; ROOM]) -> (usize, usize) {
    // SAFETY: a block has the 32 bytes that are loaded, wherever it lies.
    let bytes = unsafe { _mm256_loadu_si256(block.as_ptr().cast()) };
    let control = _mm256_cmplt_epu8_mask(bytes, _mm256_set1_epi8(0x20));
    let taken = (u64::from(control) | 1 << len).trailing_zeros();
    let special = _mm256_cmpeq_epi8_mask(bytes, _mm256_set1_epi8(b'"' as i8))
        | _mm256_cmpeq_epi8_mask(bytes, _mm256_set1_epi8(b'\\' as i8));
    let special = u64::from(special) & ((1 << taken) - 1);
    // Of sixteen bits, the lower eight come first in memory.
    let pairs = _mm512_slli_epi16::<8>(_mm512_cvtepu8_epi16(bytes));
    let pairs = _mm512_or_si512(pairs, _mm512_set1_epi16(i16::from(b'\\')));
    let wanted = _pdep_u64(special, 0x5555_5555_5555_5555) | 0xaaaa_aaaa_aaaa_aaaa;
    // SAFETY: a place has the 64 bytes that are stored, wherever it lies.
    unsafe { _mm512_storeu_si512(place.as_mut_ptr().cast(), _mm512_maskz_compress_epi8(wanted, pairs)) };
    (taken as usize, (taken + special.count_ones()) as usize)
}
