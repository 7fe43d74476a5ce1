//! JSON's lexical forms, as the reference implementation writes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::plan::{Entry, OPENING, opening};

/// Appends what comes before the field's value: `,"name":` and, see [`opening`], a quote or a bracket.
#[inline(always)]
pub(crate) fn push_opening(out: &mut Vec<u8>, field: &Entry) {
    if field.opening_len > OPENING {
        out.extend_from_slice(opening(field.json, field.label, field.kind).as_bytes());
        return;
    }
    // A copy of fixed size, cut back, is several times cheaper than one of unknown size.
    let end = out.len() + field.opening_len;
    out.extend_from_slice(&field.opening);
    out.truncate(end);
}

/// Appends a string and its closing quote. Quotes, backslashes and control characters are escaped, and nothing
/// else: neither HTML's characters nor U+2028.
#[inline]
pub(crate) fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    if plain_len(text) == text.len() {
        out.extend_from_slice(text);
    } else {
        push_escaped(out, text);
    }
    out.push(b'"');
}

/// How many bytes at the start need no escape: all but quotes, backslashes and control characters.
#[inline]
pub(crate) fn plain_len(text: &[u8]) -> usize {
    let (words, _) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let special = specials(u64::from_le_bytes(*word));
        if special != 0 {
            return index * 8 + first_byte(special);
        }
    }
    // What is left is less than a word: look at the last word, of which the first bytes are known already.
    if let Some(word) = text.last_chunk::<8>() {
        let special = specials(u64::from_le_bytes(*word));
        return if special == 0 { text.len() } else { text.len() - 8 + first_byte(special) };
    }
    text.iter().position(|byte| (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\')).unwrap_or(text.len())
}

/// Marks the bytes of a little-endian word that need an escape with their highest bit. Exact for the first of
/// them; bytes after it may be marked wrongly.
#[inline]
fn specials(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word;
    let quotes = zero_bytes(word ^ (ONES * b'"' as u64));
    let backslashes = zero_bytes(word ^ (ONES * b'\\' as u64));
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (quotes | backslashes | controls) & (ONES * 0x80)
}

#[inline]
fn first_byte(marked: u64) -> usize {
    (marked.trailing_zeros() / 8) as usize
}

#[cold]
fn push_escaped(out: &mut Vec<u8>, mut text: &[u8]) {
    loop {
        let (plain, rest) = text.split_at(plain_len(text));
        out.extend_from_slice(plain);
        let Some((special, rest)) = rest.split_first() else { return };
        match special {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&hex_pair(*control));
            }
        }
        text = rest;
    }
}

/// Appends bytes as lower-case hexadecimal digits and a closing quote.
#[inline]
pub(crate) fn push_hex(out: &mut Vec<u8>, id: &[u8]) {
    let (eights, rest) = id.as_chunks::<8>();
    for eight in eights {
        let mut digits = [[0; 2]; 8];
        for (pair, byte) in digits.iter_mut().zip(eight) {
            *pair = hex_pair(*byte);
        }
        out.extend_from_slice(digits.as_flattened());
    }
    for byte in rest {
        out.extend_from_slice(&hex_pair(*byte));
    }
    out.push(b'"');
}

#[inline]
pub(crate) fn hex_pair(byte: u8) -> [u8; 2] {
    let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
    [digit(byte >> 4), digit(byte & 15)]
}

/// Appends bytes in standard base64 and a closing quote.
pub(crate) fn push_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    // Four digits for three bytes, the last group padded.
    out.resize(start + bytes.len().div_ceil(3) * 4, b'=');
    let written = STANDARD.encode_slice(bytes, out.get_mut(start..).unwrap_or_default());
    debug_assert_eq!(written.ok(), Some(out.len() - start), "the room is what base64 needs");
    out.push(b'"');
}

#[inline]
pub(crate) fn push_unsigned(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

#[inline]
pub(crate) fn push_signed(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a double in the fewest digits that read back the same: plainly from 1e-6 up to 1e21, else with an
/// exponent; what is no number as a string.
pub(crate) fn push_double(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
        return;
    }
    if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"\"Infinity\"".as_slice() } else { b"\"-Infinity\"" });
        return;
    }
    // ryu finds the digits; its layout differs: `3.0`, and exponents from 1e16 up and below 1e-5.
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(value);
    let Some((digits, exponent)) = shortest.split_once('e') else {
        out.extend_from_slice(shortest.strip_suffix(".0").unwrap_or(shortest).as_bytes());
        return;
    };
    match exponent.parse::<i32>() {
        Ok(exponent @ 0..21) => push_scaled(out, digits, exponent),
        Ok(-6) => push_millionths(out, digits),
        _ => {
            out.extend_from_slice(digits.as_bytes());
            out.push(b'e');
            if !exponent.starts_with('-') {
                out.push(b'+');
            }
            out.extend_from_slice(exponent.as_bytes());
        }
    }
}

/// Appends `d.ddd` times ten to the `exponent`, which is more than there are decimals.
fn push_scaled(out: &mut Vec<u8>, digits: &str, exponent: i32) {
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    out.extend_from_slice(whole.as_bytes());
    let exponent = usize::try_from(exponent).unwrap_or_default();
    let (left, right) = decimals.split_at(decimals.len().min(exponent));
    out.extend_from_slice(left.as_bytes());
    out.resize(out.len() + exponent - left.len(), b'0');
    if !right.is_empty() {
        out.push(b'.');
        out.extend_from_slice(right.as_bytes());
    }
}

/// Appends `d.ddd` times 1e-6.
fn push_millionths(out: &mut Vec<u8>, digits: &str) {
    let digits = match digits.strip_prefix('-') {
        Some(digits) => {
            out.push(b'-');
            digits
        }
        None => digits,
    };
    out.extend_from_slice(b"0.00000");
    out.extend(digits.bytes().filter(|byte| *byte != b'.'));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(push: impl FnOnce(&mut Vec<u8>)) -> String {
        format!("\"{}", text(push))
    }

    fn text(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles_are_laid_out_like_the_reference() {
        let check = |value: f64, expected: &str| {
            assert_eq!(text(|out| push_double(out, value)), expected, "{value:?}");
        };
        check(0.0, "0");
        check(-0.0, "-0");
        check(3.0, "3");
        check(1.5, "1.5");
        check(-1.5, "-1.5");
        check(0.1, "0.1");
        check(100.0, "100");
        check(1e-5, "0.00001");
        check(1.25e-5, "0.0000125");
        check(1e-6, "0.000001");
        check(-1e-6, "-0.000001");
        check(1.234e-6, "0.000001234");
        check(9.99e-7, "9.99e-7");
        check(1e-7, "1e-7");
        check(-1e-7, "-1e-7");
        check(1e-10, "1e-10");
        check(5e-324, "5e-324");
        check(1e15, "1000000000000000");
        check(1e16, "10000000000000000");
        check(-1e16, "-10000000000000000");
        check(123_456_789_012_345_680.0, "123456789012345680");
        check(1.5e20, "150000000000000000000");
        check(999_999_999_999_999_900_000.0, "999999999999999900000");
        check(1e21, "1e+21");
        check(-1.5e21, "-1.5e+21");
        check(1e100, "1e+100");
        check(f64::MAX, "1.7976931348623157e+308");
        check(0.000_123_456_789, "0.000123456789");
        check(12_345.678_9, "12345.6789");
        check(f64::NAN, "\"NaN\"");
        check(f64::INFINITY, "\"Infinity\"");
        check(f64::NEG_INFINITY, "\"-Infinity\"");
    }

    #[test]
    fn strings_escape_what_json_demands_and_nothing_else() {
        let check = |value: &str, expected: &str| {
            assert_eq!(quoted(|out| push_string(out, value.as_bytes())), expected);
        };
        check("", r#""""#);
        check("plain", r#""plain""#);
        check("a\"b\\c/d", r#""a\"b\\c/d""#);
        check("\n\r\t", r#""\n\r\t""#);
        check("\u{0}\u{8}\u{b}\u{c}\u{1f}\u{7f}", "\"\\u0000\\u0008\\u000b\\u000c\\u001f\u{7f}\"");
        check("<a href='x'>&</a>", "\"<a href='x'>&</a>\"");
        check("\u{2028}\u{2029}é😀", "\"\u{2028}\u{2029}é😀\"");
        check("sixteen bytes 16\"and more, with\nbreaks", r#""sixteen bytes 16\"and more, with\nbreaks""#);
    }

    #[test]
    fn plain_len_agrees_with_a_plain_search() {
        for len in 0..70 {
            let mut bytes = vec![b'x'; len];
            assert_eq!(plain_len(&bytes), len);
            for at in 0..len {
                for special in [0, 0x1f, b'"', b'\\'] {
                    bytes[at] = special;
                    assert_eq!(plain_len(&bytes), at);
                    bytes[at] = b'x';
                }
            }
        }
    }

    #[test]
    fn ids_and_bytes() {
        assert_eq!(quoted(|out| push_hex(out, &[0x5b, 0x8e, 0xff, 0x00])), "\"5b8eff00\"");
        assert_eq!(quoted(|out| push_hex(out, &[0xa9; 16])), format!("\"{}\"", "a9".repeat(16)));
        for (bytes, expected) in
            [("", ""), ("h", "aA=="), ("hi", "aGk="), ("hi!", "aGkh"), ("\u{3ff}?", "z78/")]
        {
            assert_eq!(quoted(|out| push_base64(out, bytes.as_bytes())), format!("\"{expected}\""));
        }
    }
}
