//! Every compression in one place, decompression always under a cap.
//!
//! Names mean what they mean in the Collector: in HTTP `zlib` and `deflate` are both zlib streams, `snappy` is the
//! block format and `x-snappy-framed` the framed one; in gRPC `snappy` is framed. Snappy input is detected.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use config::Choice;

use crate::reserve::Refusal;

pub use decode::decompress;
pub use encode::{CompressError, compress};

/// A compression format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// RFC 1952; several members may follow one another.
    Gzip,
    /// RFC 1950, as `zlib` or `deflate`.
    Zlib,
    /// RFC 8878; several frames may follow one another.
    Zstd,
    /// Snappy's block format.
    Snappy,
    /// Snappy's framing format.
    SnappyFramed,
    /// LZ4's frame format.
    Lz4,
}

impl Encoding {
    /// The format of an HTTP `Content-Encoding`; none for identity and for unknown names, see [`http_name_is_identity`].
    pub fn from_http(name: &str) -> Option<Self> {
        Some(match name {
            "gzip" => Self::Gzip,
            "zlib" | "deflate" => Self::Zlib,
            "zstd" => Self::Zstd,
            "snappy" => Self::Snappy,
            "x-snappy-framed" => Self::SnappyFramed,
            "lz4" => Self::Lz4,
            _ => return None,
        })
    }

    /// The format of a `grpc-encoding`; none for `identity` and for unknown names.
    pub fn from_grpc(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"gzip" => Self::Gzip,
            b"zstd" => Self::Zstd,
            b"snappy" => Self::SnappyFramed,
            _ => return None,
        })
    }
}

/// Whether a `Content-Encoding` leaves the body as it is.
pub fn http_name_is_identity(name: &str) -> bool {
    name.is_empty() || name == "identity"
}

/// What an exporter compresses with: the values of the key `compression`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Nothing: `none` or an empty name.
    #[default]
    None,
    /// `gzip`
    Gzip,
    /// `zlib`
    Zlib,
    /// `deflate`, which is zlib under another name
    Deflate,
    /// `snappy`: the block format in HTTP, the framed one in gRPC
    Snappy,
    /// `x-snappy-framed`
    SnappyFramed,
    /// `zstd`
    Zstd,
    /// `lz4`
    Lz4,
}

impl Choice for Compression {
    const SPELLINGS: &'static [(&'static str, Self)] = &[
        ("none", Self::None),
        ("", Self::None),
        ("gzip", Self::Gzip),
        ("zlib", Self::Zlib),
        ("deflate", Self::Deflate),
        ("snappy", Self::Snappy),
        ("x-snappy-framed", Self::SnappyFramed),
        ("zstd", Self::Zstd),
        ("lz4", Self::Lz4),
    ];
}

config::setting_by_choice!(Compression);

/// The same where gRPC is spoken, which has fewer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForGrpc(pub Compression);

impl Choice for ForGrpc {
    const SPELLINGS: &'static [(&'static str, Self)] = &[
        ("none", Self(Compression::None)),
        ("", Self(Compression::None)),
        ("gzip", Self(Compression::Gzip)),
        ("snappy", Self(Compression::Snappy)),
        ("zstd", Self(Compression::Zstd)),
    ];
}

config::setting_by_choice!(ForGrpc);

impl Compression {
    /// The format and the `Content-Encoding` of an HTTP request.
    pub fn for_http(self) -> Option<(Encoding, &'static str)> {
        Some(match self {
            Self::None => return None,
            Self::Gzip => (Encoding::Gzip, "gzip"),
            Self::Zlib => (Encoding::Zlib, "zlib"),
            Self::Deflate => (Encoding::Zlib, "deflate"),
            Self::Snappy => (Encoding::Snappy, "snappy"),
            Self::SnappyFramed => (Encoding::SnappyFramed, "x-snappy-framed"),
            Self::Zstd => (Encoding::Zstd, "zstd"),
            Self::Lz4 => (Encoding::Lz4, "lz4"),
        })
    }

    /// The format and the `grpc-encoding` of a gRPC request; none also for what gRPC does not know.
    pub fn for_grpc(self) -> Option<(Encoding, &'static str)> {
        match self {
            Self::Gzip => Some((Encoding::Gzip, "gzip")),
            Self::Zstd => Some((Encoding::Zstd, "zstd")),
            Self::Snappy => Some((Encoding::SnappyFramed, "snappy")),
            _ => None,
        }
    }

    /// Whether gRPC can carry it.
    pub fn is_for_grpc(self) -> bool {
        self == Self::None || self.for_grpc().is_some()
    }

    /// Whether `level` is one of this codec's; 0 is every codec's default.
    pub fn allows_level(self, level: i32) -> bool {
        match self {
            Self::Gzip | Self::Zlib | Self::Deflate => (-2..=9).contains(&level),
            Self::Zstd => true,
            _ => level == 0,
        }
    }
}

/// Why bytes could not be decompressed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecompressError {
    /// More than the cap would come out.
    #[error("decompressed size exceeds {limit} bytes")]
    TooLarge {
        /// The cap.
        limit: usize,
    },
    /// Not what the encoding says, or cut off.
    #[error("{0}")]
    Corrupt(String),
    /// No memory for the result now.
    #[error(transparent)]
    Refused(#[from] Refusal),
}
