//! JSON as it is written into documents, and as it is found in attributes.

pub mod escape;
pub mod scan;

use std::borrow::Cow;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends a JSON string, quotes included. What is not UTF-8 becomes U+FFFD.
#[inline]
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    string_body(out, text);
    out.push(b'"');
}

/// Appends what stands between the quotes of a JSON string.
#[inline]
pub fn string_body(out: &mut Vec<u8>, text: &[u8]) {
    if is_plain(text) {
        out.extend_from_slice(text);
    } else {
        string_body_slow(out, text);
    }
}

#[inline(never)]
fn string_body_slow(out: &mut Vec<u8>, text: &[u8]) {
    let valid: Cow<'_, [u8]> = match simdutf8::basic::from_utf8(text) {
        Ok(_) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(String::from_utf8_lossy(text).into_owned().into_bytes()),
    };
    let mut rest: &[u8] = &valid;
    while let Some(at) = rest.iter().position(|byte| needs_escape(*byte)) {
        let Some((plain, [byte, after @ ..])) = rest.split_at_checked(at) else { break };
        out.extend_from_slice(plain);
        escape_byte(out, *byte);
        rest = after;
    }
    out.extend_from_slice(rest);
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn escape_byte(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let digit = |half: u8| HEX.get(usize::from(half & 15)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Whether the text is ASCII that needs no escape: eight bytes at a time, the last of which may overlap.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk::<8>() else {
        return text.iter().all(|byte| *byte < 0x80 && !needs_escape(*byte));
    };
    let mut odd = odd_bytes(u64::from_le_bytes(*last));
    for chunk in text.as_chunks::<8>().0 {
        odd |= odd_bytes(u64::from_le_bytes(*chunk));
    }
    odd == 0
}

/// Not zero if a byte of the word is not ASCII, a control character, a quote or a backslash.
///
/// The usual tests for "a byte is below n" and "a byte is zero", which may also mark a byte above one that is marked
/// rightly; whether any is marked is right.
#[inline]
const fn odd_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let below = word.wrapping_sub(ONES * 0x20);
    (word | below | quote.wrapping_sub(ONES) | backslash.wrapping_sub(ONES)) & HIGH
}

/// Appends a whole number.
#[inline]
pub fn int(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a number as Go does: the shortest digits that read back, no fraction if it is whole, an exponent below 1e-6
/// and from 1e21. What is not finite has no form in JSON and is written as a string.
pub fn double(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        return out.extend_from_slice(b"\"NaN\"");
    }
    if value.is_infinite() {
        return out.extend_from_slice(if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
    }
    if value.abs() < 1e15 && value.trunc() == value && !(value == 0.0 && value.is_sign_negative()) {
        return int(out, value as i64);
    }
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{}", fraction.trim_end_matches('0'));
    let leading = digits.len() - digits.trim_start_matches('0').len();
    let point = whole.len() as i32 + exponent - leading as i32;
    let digits = digits.trim_start_matches('0').trim_end_matches('0');
    out.extend_from_slice(sign.as_bytes());
    lay_out(out, if digits.is_empty() { "0" } else { digits }, point);
}

/// Appends `0.<digits>` times ten to the power of `point`.
fn lay_out(out: &mut Vec<u8>, digits: &str, point: i32) {
    let len = digits.len() as i32;
    if digits == "0" {
        out.push(b'0');
    } else if !(-5..=21).contains(&point) {
        let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
        out.extend_from_slice(first.as_bytes());
        if !rest.is_empty() {
            out.push(b'.');
            out.extend_from_slice(rest.as_bytes());
        }
        let exponent = point - 1;
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        int(out, exponent.abs().into());
    } else if point <= 0 {
        out.extend_from_slice(b"0.");
        out.extend((point..0).map(|_| b'0'));
        out.extend_from_slice(digits.as_bytes());
    } else {
        let (whole, fraction) = digits.split_at_checked(point as usize).unwrap_or((digits, ""));
        out.extend_from_slice(whole.as_bytes());
        out.extend((len..point).map(|_| b'0'));
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction.as_bytes());
        }
    }
}

/// Appends a time in seconds since 1970, as the double that is nearest to it.
///
/// Doubles between 2^30 and 2^31, the years 2004 to 2038, lie 2^-22 apart, so that seven decimals always tell them
/// apart, and of the numbers with six at most one reads back as the same double: no search for the shortest is needed.
pub fn seconds(out: &mut Vec<u8>, nanos: u64) {
    let value = nanos as f64 / 1e9;
    if !(1_073_741_824.0..2_147_483_648.0).contains(&value) {
        return double(out, value);
    }
    // The value times 2^22, which is whole.
    let units = (value * 4_194_304.0) as u64;
    let scaled = u128::from(units) * 10_000_000;
    let half = scaled & 0x3f_ffff == 0x20_0000;
    let mut tenths = ((scaled + 0x20_0000) >> 22) as u64;
    if half && tenths % 2 == 1 {
        tenths -= 1;
    }
    let micros = (tenths + 5) / 10;
    if micros as f64 / 1e6 == value {
        tenths = micros * 10;
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(tenths);
    let (whole, fraction) = digits.split_at_checked(10).unwrap_or((digits, ""));
    out.extend_from_slice(whole.as_bytes());
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn strings_read_back_with_every_byte_at_every_place() {
        for byte in 0..=255_u8 {
            for len in 1..20 {
                for at in 0..len {
                    let mut text = vec![b'a'; len];
                    text[at] = byte;
                    let json = written(|out| string(out, &text));
                    let read: String = serde_json::from_str(&json).expect("a JSON string");
                    assert_eq!(read, String::from_utf8_lossy(&text), "{byte} at {at} of {len}");
                }
            }
        }
        assert_eq!(written(|out| string(out, "a\u{1}\"\\é\n".as_bytes())), r#""a\u0001\"\\é\n""#);
    }

    #[test]
    fn doubles_look_like_go_s() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (2.0, "2"),
            (-2.5, "-2.5"),
            (1_700_000_000.0, "1700000000"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.5e-7, "1.5e-7"),
            (1e15, "1000000000000000"),
            (1e16, "10000000000000000"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.25e300, "1.25e+300"),
            (0.1, "0.1"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            assert_eq!(written(|out| double(out, value)), text, "{value:e}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_double_reads_back(value: f64) {
            let text = written(|out| double(out, value));
            let read: f64 = text.trim_matches('"').parse().expect("a number");
            assert!(read == value || (read.is_nan() && value.is_nan()), "{value:e} as {text}");
            if value.is_finite() {
                assert!(serde_json::from_str::<f64>(&text).is_ok(), "{text}");
            }
        }
    }

    #[test]
    fn seconds_are_the_nearest_double_in_its_shortest_form() {
        for (nanos, text) in [
            (0, "0"),
            (1_700_000_000_123_456_789, "1700000000.1234567"),
            (1_700_000_001_500_000_000, "1700000001.5"),
            (1_700_000_000_000_000_000, "1700000000"),
            (1_498_082_657_375_180_032, "1498082657.37518"),
            (u64::MAX, "18446744073.709553"),
        ] {
            assert_eq!(written(|out| seconds(out, nanos)), text);
        }
        let mut nanos = 1_073_741_824_000_000_000_u64;
        while nanos < 2_147_483_649_000_000_000 {
            let shortest = written(|out| double(out, nanos as f64 / 1e9));
            let quick = written(|out| seconds(out, nanos));
            assert_eq!(quick, shortest, "{nanos}");
            nanos += 104_729_000_000_007 / 8;
        }
    }
}
