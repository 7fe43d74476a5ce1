//! Decompression under a cap. The output grows with what really comes out, never with what the input claims.

use std::io::{self, Chain, Read};

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use lz4_flex::frame::FrameDecoder;

use super::{DecompressError, Encoding};
use crate::reserve::Reservation;

/// First size of an output buffer; it doubles from there.
const FIRST_STEP: usize = 16 * 1024;

/// zstd frames ask for a window of memory: the cap on it is the output's cap, held between 8 MiB, which every decoder
/// must offer (RFC 8878), and 128 MiB, which is the most the reference decoder gives.
const ZSTD_WINDOW_LOG: std::ops::RangeInclusive<u32> = 23..=27;

/// No snappy block grows by more: the densest element makes 64 bytes of 3.
const SNAPPY_MAX_RATIO: usize = 22;

const SNAPPY_STREAM_START: &[u8] = b"\xff\x06\x00\x00sNaPpY";

/// A whole frame without content. Read after the input, it is nothing after a complete frame and an error after a
/// torn one, which the decoder alone takes for the end.
const LZ4_EMPTY_FRAME: &[u8] = b"\x04\x22\x4d\x18\x60\x40\x82\x00\x00\x00\x00";

/// Decompresses the whole of `input` into at most `limit` bytes, asking `reservation` for the output's memory as it
/// grows. Needs at most `limit` bytes, one step beyond them, and the codec's own window.
pub fn decompress(
    encoding: Encoding,
    input: &[u8],
    limit: usize,
    reservation: &mut Reservation,
) -> Result<Vec<u8>, DecompressError> {
    match encoding {
        Encoding::Gzip => read_all(MultiGzDecoder::new(input), input.len(), limit, reservation),
        Encoding::Zlib => read_all(ZlibDecoder::new(input), input.len(), limit, reservation),
        Encoding::Zstd => read_all(zstd_reader(input, limit)?, input.len(), limit, reservation),
        Encoding::Snappy | Encoding::SnappyFramed if input.starts_with(SNAPPY_STREAM_START) => {
            read_all(snap::read::FrameDecoder::new(input), input.len(), limit, reservation)
        }
        Encoding::Snappy => snappy_block(input, limit, reservation),
        // An empty stream is a stream; anything else has to begin as one, or be a block by another name.
        Encoding::SnappyFramed if input.is_empty() => Ok(Vec::new()),
        Encoding::SnappyFramed => snappy_block(input, limit, reservation),
        Encoding::Lz4 => read_all(Lz4Frames::new(input), input.len(), limit, reservation),
    }
}

fn zstd_reader(
    input: &[u8],
    limit: usize,
) -> Result<zstd::stream::read::Decoder<'static, &[u8]>, DecompressError> {
    let window = limit.max(1).checked_next_power_of_two().map_or(usize::BITS, usize::trailing_zeros);
    let window = window.clamp(*ZSTD_WINDOW_LOG.start(), *ZSTD_WINDOW_LOG.end());
    let mut reader = zstd::stream::read::Decoder::with_buffer(input).map_err(corrupt)?;
    reader.window_log_max(window).map_err(corrupt)?;
    Ok(reader)
}

/// Reads LZ4 frames one after another, each with a decoder of its own: they may differ in block size.
struct Lz4Frames<'a> {
    frame: FrameDecoder<Chain<&'a [u8], &'a [u8]>>,
}

impl<'a> Lz4Frames<'a> {
    fn new(input: &'a [u8]) -> Self {
        Self { frame: FrameDecoder::new(input.chain(LZ4_EMPTY_FRAME)) }
    }
}

impl Read for Lz4Frames<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.frame.read(out)?;
            let (input, sentinel) = self.frame.get_ref().get_ref();
            if count > 0 || out.is_empty() || (input.is_empty() && sentinel.is_empty()) {
                return Ok(count);
            }
            self.frame = FrameDecoder::new(input.chain(*sentinel));
        }
    }
}

fn snappy_block(
    input: &[u8],
    limit: usize,
    reservation: &mut Reservation,
) -> Result<Vec<u8>, DecompressError> {
    let size = snap::raw::decompress_len(input).map_err(corrupt)?;
    if size > limit {
        return Err(DecompressError::TooLarge { limit });
    }
    if size > input.len().saturating_mul(SNAPPY_MAX_RATIO) {
        return Err(DecompressError::Corrupt("snappy: claimed size cannot be in the input".to_owned()));
    }
    reservation.grow(size)?;
    snap::raw::Decoder::new().decompress_vec(input).map_err(corrupt)
}

fn read_all(
    mut reader: impl Read,
    input: usize,
    limit: usize,
    reservation: &mut Reservation,
) -> Result<Vec<u8>, DecompressError> {
    let mut out = Vec::new();
    let mut filled = 0;
    // Telemetry shrinks five- to tenfold; a small input gets a small start.
    let mut step = input.saturating_mul(4).max(FIRST_STEP);
    loop {
        if filled == out.len() {
            // One byte beyond the limit tells "just fits" from "too large".
            let room = limit.saturating_add(1).saturating_sub(filled);
            if room == 0 {
                return Err(DecompressError::TooLarge { limit });
            }
            let more = step.min(room);
            reservation.grow(more)?;
            out.reserve_exact(more);
            out.resize(filled + more, 0);
            step = out.len();
        }
        let free = out.get_mut(filled..).unwrap_or_default();
        match reader.read(free) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(corrupt(error)),
        }
    }
    if filled > limit {
        return Err(DecompressError::TooLarge { limit });
    }
    let surplus = out.len() - filled;
    out.truncate(filled);
    // What lies around the message in its allocation stays accounted, unless it is worth giving back.
    if surplus > filled / 2 {
        out.shrink_to_fit();
        reservation.shrink_to(reservation.bytes().saturating_sub(surplus));
    }
    Ok(out)
}

fn corrupt(error: impl std::fmt::Display) -> DecompressError {
    DecompressError::Corrupt(error.to_string())
}
