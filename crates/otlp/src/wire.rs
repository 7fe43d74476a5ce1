//! Protobuf's wire format: varints, tags, fields.
//!
//! Two ways to read. [`Reader`] reports what is wrong and where, for bytes that nobody has looked at yet.
//! [`Fields`] is for checked bytes: it never fails and, should the bytes be garbage after all, never panics
//! either; it ends. Source of every rule: <https://protobuf.dev/programming-guides/encoding/>.

use std::ops::Range;

use thiserror::Error;

/// Most bytes a varint may have.
pub const MAX_VARINT_LEN: usize = 10;
/// Most bytes a tag may have: 29 bits of field number, 3 of wire type.
pub const MAX_TAG_LEN: usize = 5;
/// The largest field number.
pub const MAX_FIELD_NUMBER: u32 = (1 << 29) - 1;

/// How a field's value is framed. Groups (3 and 4) are obsolete and refused; 6 and 7 have no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireType {
    /// A varint.
    Varint = 0,
    /// Eight bytes, little endian.
    Fixed64 = 1,
    /// A varint length and that many bytes.
    Len = 2,
    /// Four bytes, little endian.
    Fixed32 = 5,
}

impl WireType {
    /// The wire type in the low three bits of a tag; `None` for groups and the two without meaning.
    #[must_use]
    #[inline]
    pub const fn from_tag(tag: u32) -> Option<Self> {
        match tag & 7 {
            0 => Some(Self::Varint),
            1 => Some(Self::Fixed64),
            2 => Some(Self::Len),
            5 => Some(Self::Fixed32),
            _ => None,
        }
    }
}

/// A field's value as framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A varint.
    Varint(u64),
    /// Eight bytes.
    Fixed64(u64),
    /// Bytes: a string, a message, packed scalars.
    Len(&'a [u8]),
    /// Four bytes.
    Fixed32(u32),
}

impl Value<'_> {
    /// How the value is framed.
    #[must_use]
    pub const fn wire_type(&self) -> WireType {
        match self {
            Value::Varint(_) => WireType::Varint,
            Value::Fixed64(_) => WireType::Fixed64,
            Value::Len(_) => WireType::Len,
            Value::Fixed32(_) => WireType::Fixed32,
        }
    }
}

/// One field of a message. Offsets are from the start of the message's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Field number, at least 1.
    pub number: u32,
    /// Its value.
    pub value: Value<'a>,
    /// Tag, length and value as they stand on the wire.
    pub raw: &'a [u8],
    /// Where the tag begins.
    pub start: usize,
    /// Where the value ends.
    pub end: usize,
}

impl<'a> Field<'a> {
    /// The payload of a length-delimited field.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self.value {
            Value::Len(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// From the tag to the end of the value.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Where the payload of a length-delimited field lies; empty, at the end, for any other.
    #[must_use]
    pub fn payload(&self) -> Range<usize> {
        let len = self.bytes().map_or(0, <[u8]>::len);
        self.end.saturating_sub(len)..self.end
    }
}

/// What keeps bytes from being a sequence of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The bytes end inside a tag, a length or a fixed-width value.
    #[error("the bytes end inside a field")]
    Truncated,
    /// More than ten bytes, or more than 64 bits.
    #[error("a varint of more than 64 bits")]
    VarintTooLong,
    /// More than five bytes, or a field number of more than 29 bits.
    #[error("a tag of more than 32 bits")]
    TagTooLong,
    /// Field number 0.
    #[error("field number 0")]
    FieldZero,
    /// Wire type 3 or 4, 6 or 7.
    #[error("wire type {0}, which is not in use")]
    WireType(u8),
    /// A length that reaches beyond the enclosing message.
    #[error("a length of {len} where {left} bytes are left")]
    Length {
        /// The length as written.
        len: u64,
        /// What the message still holds.
        left: usize,
    },
}

/// Reads fields one by one and says what is wrong.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the first field of a message.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Where the next field begins; after an error, where the unreadable field begins.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// The next field, `None` at the end. After an error the reader stays where it is.
    ///
    /// # Errors
    ///
    /// When the bytes at [`Reader::position`] are not a field.
    pub fn next_field(&mut self) -> Result<Option<Field<'a>>, FrameError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let (value, number, after) = read_field(rest)?;
        let len = rest.len() - after.len();
        let field = Field {
            number,
            value,
            raw: rest.get(..len).unwrap_or_default(),
            start: self.at,
            end: self.at + len,
        };
        self.at = field.end;
        Ok(Some(field))
    }
}

/// The fields of checked bytes. Ends early, silently, at anything that is not a field.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// The fields of a message.
    #[must_use]
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at: 0 }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        let Ok((value, number, after)) = read_field(self.rest) else {
            self.rest = &[];
            return None;
        };
        let len = self.rest.len() - after.len();
        let raw = self.rest.get(..len)?;
        let field = Field { number, value, raw, start: self.at, end: self.at + len };
        self.at = field.end;
        self.rest = after;
        Some(field)
    }
}

#[inline]
fn read_field(bytes: &[u8]) -> Result<(Value<'_>, u32, &[u8]), FrameError> {
    let (tag, rest) = read_tag(bytes)?;
    let number = tag >> 3;
    if number == 0 {
        return Err(FrameError::FieldZero);
    }
    let wire_type = WireType::from_tag(tag).ok_or(FrameError::WireType((tag & 7) as u8))?;
    let (value, rest) = match wire_type {
        WireType::Varint => read_varint(rest).map(|(value, rest)| (Value::Varint(value), rest))?,
        WireType::Fixed64 => read_fixed64(rest).map(|(value, rest)| (Value::Fixed64(value), rest))?,
        WireType::Len => read_len(rest).map(|(value, rest)| (Value::Len(value), rest))?,
        WireType::Fixed32 => read_fixed32(rest).map(|(value, rest)| (Value::Fixed32(value), rest))?,
    };
    Ok((value, number, rest))
}

/// Reads a tag (field number and wire type) and returns what follows it.
///
/// # Errors
///
/// [`FrameError::Truncated`], or [`FrameError::TagTooLong`].
#[inline]
pub fn read_tag(bytes: &[u8]) -> Result<(u32, &[u8]), FrameError> {
    match bytes {
        [byte, rest @ ..] if *byte < 0x80 => Ok((u32::from(*byte), rest)),
        _ => {
            let (tag, rest) = read_varint(bytes).map_err(|error| match error {
                FrameError::VarintTooLong => FrameError::TagTooLong,
                other => other,
            })?;
            if bytes.len() - rest.len() > MAX_TAG_LEN {
                return Err(FrameError::TagTooLong);
            }
            let tag = u32::try_from(tag).map_err(|_| FrameError::TagTooLong)?;
            Ok((tag, rest))
        }
    }
}

/// Reads a varint and returns what follows it.
///
/// # Errors
///
/// [`FrameError::Truncated`], or [`FrameError::VarintTooLong`] for more than ten bytes or 64 bits.
#[inline]
pub fn read_varint(bytes: &[u8]) -> Result<(u64, &[u8]), FrameError> {
    match bytes {
        [byte, rest @ ..] if *byte < 0x80 => Ok((u64::from(*byte), rest)),
        [low, high, rest @ ..] if *high < 0x80 => Ok((u64::from(*low & 0x7f) | u64::from(*high) << 7, rest)),
        _ => read_long_varint(bytes),
    }
}

fn read_long_varint(bytes: &[u8]) -> Result<(u64, &[u8]), FrameError> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().enumerate().take(MAX_VARINT_LEN) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            // The tenth byte has room for one bit.
            if index == MAX_VARINT_LEN - 1 && byte > 1 {
                return Err(FrameError::VarintTooLong);
            }
            return Ok((value, bytes.get(index + 1..).unwrap_or_default()));
        }
    }
    Err(if bytes.len() < MAX_VARINT_LEN { FrameError::Truncated } else { FrameError::VarintTooLong })
}

/// Reads a length and that many bytes, and returns what follows them.
///
/// # Errors
///
/// When the length is no varint or reaches beyond `bytes`.
#[inline]
pub fn read_len(bytes: &[u8]) -> Result<(&[u8], &[u8]), FrameError> {
    let (len, rest) = read_varint(bytes)?;
    usize::try_from(len)
        .ok()
        .and_then(|len| rest.split_at_checked(len))
        .ok_or(FrameError::Length { len, left: rest.len() })
}

/// Reads eight bytes, little endian, and returns what follows them.
///
/// # Errors
///
/// [`FrameError::Truncated`].
#[inline]
pub fn read_fixed64(bytes: &[u8]) -> Result<(u64, &[u8]), FrameError> {
    let (value, rest) = bytes.split_first_chunk().ok_or(FrameError::Truncated)?;
    Ok((u64::from_le_bytes(*value), rest))
}

/// Reads four bytes, little endian, and returns what follows them.
///
/// # Errors
///
/// [`FrameError::Truncated`].
#[inline]
pub fn read_fixed32(bytes: &[u8]) -> Result<(u32, &[u8]), FrameError> {
    let (value, rest) = bytes.split_first_chunk().ok_or(FrameError::Truncated)?;
    Ok((u32::from_le_bytes(*value), rest))
}

/// How many bytes [`write_varint`] writes: 1 to 10.
#[must_use]
#[inline]
pub const fn varint_len(value: u64) -> usize {
    // Seven bits a byte: ceil(bits / 7), with zero taking one.
    ((64 - (value | 1).leading_zeros() as usize) * 9 + 64) / 64
}

/// How many bytes a length-delimited field takes: tag, length and `len` bytes.
#[must_use]
#[inline]
pub const fn len_field_len(number: u32, len: usize) -> usize {
    varint_len((number as u64) << 3) + varint_len(len as u64) + len
}

/// Appends a varint in its shortest form.
#[inline]
pub fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a tag.
#[inline]
pub fn write_tag(out: &mut Vec<u8>, number: u32, wire_type: WireType) {
    write_varint(out, u64::from(number) << 3 | wire_type as u64);
}

/// Appends a varint field; for `int32`, `int64`, enums cast with `as u64` (sign extended), `bool` with `u64::from`.
#[inline]
pub fn write_varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    write_tag(out, number, WireType::Varint);
    write_varint(out, value);
}

/// Appends an eight-byte field; for `double` pass `value.to_bits()`.
#[inline]
pub fn write_fixed64_field(out: &mut Vec<u8>, number: u32, value: u64) {
    write_tag(out, number, WireType::Fixed64);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a four-byte field.
#[inline]
pub fn write_fixed32_field(out: &mut Vec<u8>, number: u32, value: u32) {
    write_tag(out, number, WireType::Fixed32);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a length-delimited field: a string, bytes, a message that is encoded already.
#[inline]
pub fn write_len_field(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    write_tag(out, number, WireType::Len);
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a length-delimited field whose payload `body` appends. The length is set afterwards, which moves the
/// payload when it takes more than one byte.
pub fn write_nested(out: &mut Vec<u8>, number: u32, body: impl FnOnce(&mut Vec<u8>)) {
    write_tag(out, number, WireType::Len);
    let at = out.len();
    out.push(0);
    body(out);
    set_len(out, at);
}

/// Puts the length of `out[at + 1..]` at `at`, where one byte has been left for it.
fn set_len(out: &mut Vec<u8>, at: usize) {
    let len = out.len().saturating_sub(at + 1) as u64;
    let extra = varint_len(len) - 1;
    if extra == 0 {
        if let Some(byte) = out.get_mut(at) {
            *byte = len as u8;
        }
        return;
    }
    let mut prefix = Vec::with_capacity(MAX_VARINT_LEN);
    write_varint(&mut prefix, len);
    out.splice(at..=at, prefix);
}

/// `sint64` from its varint (zigzag).
#[must_use]
#[inline]
pub const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// `sint32` from its varint. The upper half is dropped first, as with every 32-bit type.
#[must_use]
#[inline]
pub const fn unzigzag32(value: u64) -> i32 {
    unzigzag(value & u32::MAX as u64) as i32
}

/// The varint of a `sint32` or `sint64` (zigzag).
#[must_use]
#[inline]
pub const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_varint(value: u64, encoded: &[u8]) {
        let mut out = Vec::new();
        write_varint(&mut out, value);
        assert_eq!(out, encoded);
        assert_eq!(varint_len(value), encoded.len());
        assert_eq!(read_varint(encoded), Ok((value, &[][..])));
        for cut in 0..encoded.len() {
            assert_eq!(read_varint(&encoded[..cut]), Err(FrameError::Truncated));
        }
    }

    #[test]
    fn varints_round_trip() {
        check_varint(0, &[0]);
        check_varint(127, &[0x7f]);
        check_varint(128, &[0x80, 1]);
        check_varint(16_383, &[0xff, 0x7f]);
        check_varint(16_384, &[0x80, 0x80, 1]);
        check_varint(u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
        for shift in 0..64 {
            for value in [1_u64 << shift, (1 << shift) - 1] {
                let mut out = Vec::new();
                write_varint(&mut out, value);
                assert_eq!(varint_len(value), out.len(), "{value}");
                assert_eq!(varint_len(value), prost::encoding::encoded_len_varint(value));
                assert_eq!(read_varint(&out), Ok((value, &[][..])));
            }
        }
    }

    #[test]
    fn varints_may_be_long_but_not_too_long() {
        assert_eq!(read_varint(&[0x81, 0x80, 0]), Ok((1, &[][..])));
        assert_eq!(read_varint(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]), Ok((0, &[][..])));
        assert_eq!(
            read_varint(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]),
            Err(FrameError::VarintTooLong)
        );
        assert_eq!(read_varint(&[0x80; 11]), Err(FrameError::VarintTooLong));
    }

    #[test]
    fn tags_have_32_bits_and_five_bytes() {
        assert_eq!(read_tag(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Ok((u32::MAX, &[][..])));
        assert_eq!(read_tag(&[0xff, 0xff, 0xff, 0xff, 0x1f]), Err(FrameError::TagTooLong));
        assert_eq!(read_tag(&[0x8a, 0x80, 0x80, 0x80, 0x80, 0]), Err(FrameError::TagTooLong));
        assert_eq!(read_tag(&[0x80]), Err(FrameError::Truncated));
    }

    #[track_caller]
    fn check_frame(bytes: &[u8], expected: FrameError) {
        assert_eq!(Reader::new(bytes).next_field(), Err(expected));
        assert_eq!(Fields::new(bytes).next(), None);
    }

    #[test]
    fn what_is_no_field_is_refused() {
        check_frame(&[0x02, 0], FrameError::FieldZero);
        check_frame(&[0x0b], FrameError::WireType(3));
        check_frame(&[0x0c], FrameError::WireType(4));
        check_frame(&[0x0e], FrameError::WireType(6));
        check_frame(&[0x0f], FrameError::WireType(7));
        check_frame(&[0x0a, 2, 0], FrameError::Length { len: 2, left: 1 });
        check_frame(&[0x09, 0, 0, 0, 0, 0, 0, 0], FrameError::Truncated);
        check_frame(&[0x0d, 0, 0, 0], FrameError::Truncated);
        check_frame(&[0x0a, 0x80, 0x80, 0x80, 0x80, 0x28], FrameError::Length { len: 10 << 30, left: 0 });
    }

    #[test]
    fn fields_know_where_they_are() {
        let mut out = Vec::new();
        write_varint_field(&mut out, 1, 300);
        write_nested(&mut out, 2, |out| write_fixed32_field(out, 3, 7));
        write_nested(&mut out, 4, |out| out.extend([b'x'; 200]));
        write_fixed64_field(&mut out, 1 << 20, 9);
        let fields: Vec<_> = Fields::new(&out).collect();
        assert_eq!(fields.iter().map(|field| field.number).collect::<Vec<_>>(), [1, 2, 4, 1 << 20]);
        for field in &fields {
            assert_eq!(out.get(field.range()), Some(field.raw));
            if let Some(bytes) = field.bytes() {
                assert_eq!(out.get(field.payload()), Some(bytes));
            }
        }
        assert_eq!(fields[2].payload().len(), 200);
        assert_eq!(len_field_len(4, 200), fields[2].raw.len());
        assert_eq!(fields[3].end, out.len());
    }

    #[test]
    fn zigzag_goes_both_ways() {
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        assert_eq!(zigzag(-1), 1);
        assert_eq!(unzigzag32(zigzag(i32::MIN.into())), i32::MIN);
        assert_eq!(unzigzag32(1 << 32 | 1), -1);
    }
}
