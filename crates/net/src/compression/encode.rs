//! Compression of a message that is in parts.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::Encoding;

/// The codec failed. With output in memory and levels checked there is no known way to get here.
#[derive(Debug, thiserror::Error)]
#[error("compression failed: {0}")]
pub struct CompressError(#[from] io::Error);

/// Compresses `parts`, one after another, as one message.
///
/// `level` 0 is the codec's default. gzip and zlib know 1 to 9, −1 (default) and −2 (Go's Huffman-only mode, here the
/// fastest level); zstd takes its own levels and puts others to the nearest; the others have none.
pub fn compress(encoding: Encoding, level: i32, parts: &[Bytes]) -> Result<Vec<u8>, CompressError> {
    let size: usize = parts.iter().map(Bytes::len).sum();
    let out = Vec::with_capacity(size / 4 + 64);
    Ok(match encoding {
        Encoding::Gzip => {
            let mut writer = GzEncoder::new(out, flate_level(level));
            write_parts(&mut writer, parts)?;
            writer.finish()?
        }
        Encoding::Zlib => {
            let mut writer = ZlibEncoder::new(out, flate_level(level));
            write_parts(&mut writer, parts)?;
            writer.finish()?
        }
        Encoding::Zstd => compress_zstd(level, size, parts, out)?,
        Encoding::Snappy => compress_snappy(size, parts)?,
        Encoding::SnappyFramed => {
            let mut writer = snap::write::FrameEncoder::new(out);
            write_parts(&mut writer, parts)?;
            writer.into_inner().map_err(|error| error.into_error())?
        }
        Encoding::Lz4 => {
            let mut writer = lz4_flex::frame::FrameEncoder::new(out);
            write_parts(&mut writer, parts)?;
            writer.finish().map_err(io::Error::from)?
        }
    })
}

fn compress_zstd(level: i32, size: usize, parts: &[Bytes], out: Vec<u8>) -> io::Result<Vec<u8>> {
    let levels = zstd::compression_level_range();
    let mut writer = zstd::stream::write::Encoder::new(out, level.clamp(*levels.start(), *levels.end()))?;
    // The size lets the codec choose its tables, and the reader its buffer.
    writer.set_pledged_src_size(u64::try_from(size).ok())?;
    write_parts(&mut writer, parts)?;
    writer.finish()
}

/// The block format needs its input in one piece.
fn compress_snappy(size: usize, parts: &[Bytes]) -> io::Result<Vec<u8>> {
    let mut encoder = snap::raw::Encoder::new();
    let compressed = match parts {
        [one] => encoder.compress_vec(one),
        parts => {
            let mut whole = Vec::with_capacity(size);
            parts.iter().for_each(|part| whole.extend_from_slice(part));
            encoder.compress_vec(&whole)
        }
    };
    compressed.map_err(io::Error::from)
}

fn flate_level(level: i32) -> flate2::Compression {
    match level {
        1..=9 => flate2::Compression::new(level.unsigned_abs()),
        -2 => flate2::Compression::fast(),
        _ => flate2::Compression::default(),
    }
}

fn write_parts(writer: &mut impl Write, parts: &[Bytes]) -> io::Result<()> {
    parts.iter().try_for_each(|part| writer.write_all(part))
}
