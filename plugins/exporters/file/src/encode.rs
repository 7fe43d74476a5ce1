//! A batch as the bytes of one message in the file.

use std::io;

use bytes::Bytes;
use otlp::Signal;
use thiserror::Error;
use zstd::bulk::Compressor;

use crate::config::{Compression, Format};

/// A larger buffer is given back after use.
const SCRATCH: usize = 16 << 20;

/// Why a batch can't be written.
#[derive(Debug, Error)]
pub(crate) enum EncodeError {
    /// Its length has more than 32 bits.
    #[error("a message of {0} bytes does not fit behind a length of 32 bits")]
    TooLong(usize),
    /// zstd's own words.
    #[error("zstd: {0}")]
    Zstd(#[from] io::Error),
}

/// Turns batches into messages.
pub(crate) struct Encoder {
    format: Format,
    compressor: Option<Compressor<'static>>,
    scratch: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new(format: Format, compression: Compression) -> io::Result<Self> {
        let compressor = match compression {
            Compression::None => None,
            // Level 0 is zstd's default.
            Compression::Zstd => Some(Compressor::new(0)?),
        };
        Ok(Self { format, compressor, scratch: Vec::new() })
    }

    /// Appends the message of one batch: a line of JSON, or four bytes of length, big endian, and what has that
    /// length. After an error the end of `out` is of no use.
    pub(crate) fn append(
        &mut self,
        signal: Signal,
        parts: &[Bytes],
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let Some(compressor) = &mut self.compressor else {
            return match self.format {
                Format::Json => {
                    otlp_json::write_parts(signal.schema(), parts, out);
                    out.push(b'\n');
                    Ok(())
                }
                Format::Proto => {
                    push_length(parts.iter().map(Bytes::len).sum(), out)?;
                    parts.iter().for_each(|part| out.extend_from_slice(part));
                    Ok(())
                }
            };
        };
        self.scratch.clear();
        match self.format {
            Format::Json => otlp_json::write_parts(signal.schema(), parts, &mut self.scratch),
            Format::Proto => parts.iter().for_each(|part| self.scratch.extend_from_slice(part)),
        }
        let frame = compressor.compress(&self.scratch)?;
        self.scratch.clear();
        self.scratch.shrink_to(SCRATCH);
        push_length(frame.len(), out)?;
        out.extend_from_slice(&frame);
        Ok(())
    }
}

fn push_length(length: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let bytes = u32::try_from(length).map_err(|_too_long| EncodeError::TooLong(length))?;
    out.reserve(length.saturating_add(4));
    out.extend_from_slice(&bytes.to_be_bytes());
    Ok(())
}
