//! Text as it stands on the wire.

use std::borrow::Cow;
use std::fmt;

/// A protobuf `string`: bytes that are UTF-8 when they come from checked bytes.
///
/// Byte-backed, so that reading one costs nothing; whoever needs a `str` pays for the proof with
/// [`Text::to_str`]. Two texts are equal when their bytes are.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// Text over these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no text.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As `str`. Borrowed whenever the bytes are UTF-8, as those of checked text are.
    #[must_use]
    pub fn to_str(&self) -> Cow<'a, str> {
        match simdutf8::basic::from_utf8(self.0) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(self.0),
        }
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(text.as_bytes())
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_str())
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.to_str(), f)
    }
}

/// Longer strings are left to the vectorised validator at once.
const SHORT: usize = 64;

/// Whether the bytes are UTF-8. Most strings are short ASCII: eight bytes at a time are enough for those.
#[inline]
pub(crate) fn is_utf8(bytes: &[u8]) -> bool {
    if bytes.len() <= SHORT && is_ascii(bytes) {
        return true;
    }
    is_utf8_slow(bytes)
}

#[inline(never)]
fn is_utf8_slow(bytes: &[u8]) -> bool {
    simdutf8::basic::from_utf8(bytes).is_ok()
}

const HIGH: u64 = 0x8080_8080_8080_8080;

/// Whether the bytes are ASCII; for short ones.
#[inline]
pub(crate) fn is_ascii(bytes: &[u8]) -> bool {
    // The last word may overlap the one before: reading a byte twice does no harm and there is no tail loop.
    if let Some(last) = bytes.last_chunk::<8>() {
        let mut seen = u64::from_le_bytes(*last);
        for chunk in bytes.as_chunks::<8>().0 {
            seen |= u64::from_le_bytes(*chunk);
        }
        return seen & HIGH == 0;
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return (u32::from_le_bytes(*first) | u32::from_le_bytes(*last)) & HIGH as u32 == 0;
    }
    bytes.iter().fold(0, |seen, byte| seen | byte) < 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_is_told_from_other_bytes_at_every_length_and_place() {
        for len in 0..150 {
            let ascii = vec![b'a'; len];
            assert!(is_utf8(&ascii), "{len}");
            for at in 0..len {
                let mut bytes = ascii.clone();
                bytes[at] = 0xff;
                assert!(!is_utf8(&bytes), "{len}, {at}");
                if at + 1 < len {
                    bytes[at] = 0xc3;
                    bytes[at + 1] = 0xa4;
                    assert!(is_utf8(&bytes), "{len}, {at}");
                }
            }
        }
    }

    #[test]
    fn text_compares_and_shows_like_str() {
        let text = Text::from("größe");
        assert_eq!(text, "größe");
        assert_eq!(format!("[{text:>7}]"), "[  größe]");
        assert_eq!(format!("{text:?}"), "\"größe\"");
        assert_eq!(Text::new(b"a\xff").to_str(), "a\u{fffd}");
        assert!(matches!(text.to_str(), Cow::Borrowed(_)));
    }
}
