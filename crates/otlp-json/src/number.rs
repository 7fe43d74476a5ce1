//! Numbers from their JSON text.

use crate::error::Reason;
use crate::scan::number_len;

/// A number as it goes on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scalar {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
}

impl Scalar {
    /// Negative numbers, of 32 bits too, take all ten bytes.
    pub(crate) fn varint(value: i64) -> Self {
        Self::Varint(value.cast_unsigned())
    }

    pub(crate) fn zigzag(value: i64) -> Self {
        Self::Varint((value << 1 ^ value >> 63).cast_unsigned())
    }

    /// Whether all bits are zero. Minus zero is kept: it is not the default.
    pub(crate) fn is_zero(self) -> bool {
        matches!(self, Self::Varint(0) | Self::Fixed32(0) | Self::Fixed64(0))
    }
}

/// An integer of any kind of protobuf: sign and magnitude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Integer {
    negative: bool,
    magnitude: u64,
}

impl Integer {
    pub(crate) fn unsigned(self, max: u64, kind: &'static str) -> Result<u64, Reason> {
        if self.magnitude > max || (self.negative && self.magnitude > 0) {
            return Err(Reason::Range(kind));
        }
        Ok(self.magnitude)
    }

    pub(crate) fn signed(self, min: i64, max: i64, kind: &'static str) -> Result<i64, Reason> {
        let value = if self.negative {
            0i64.checked_sub_unsigned(self.magnitude)
        } else {
            i64::try_from(self.magnitude).ok()
        };
        value.filter(|value| (min..=max).contains(value)).ok_or(Reason::Range(kind))
    }
}

/// An integer from a JSON number or the content of a string. Fractions and exponents are taken if the value is
/// whole: `5.0`, `1e3`, `120e-1`.
#[inline]
pub(crate) fn integer(text: &[u8], kind: &'static str) -> Result<Integer, Reason> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', digits)) => (true, digits),
        _ => (false, text),
    };
    // Up to 19 digits cannot overflow.
    if (1..20).contains(&digits.len()) && (digits.len() == 1 || digits.first() != Some(&b'0')) {
        let mut magnitude = 0;
        let mut plain = true;
        for digit in digits {
            plain &= digit.is_ascii_digit();
            magnitude = magnitude * 10 + u64::from(digit & 15);
        }
        if plain {
            return Ok(Integer { negative, magnitude });
        }
    }
    scaled_integer(negative, digits, kind)
}

fn scaled_integer(negative: bool, text: &[u8], kind: &'static str) -> Result<Integer, Reason> {
    if text.first() == Some(&b'-') || number_len(text) != Some(text.len()) {
        return Err(Reason::Number);
    }
    let (digits, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => text.split_at(at),
        None => (text, [].as_slice()),
    };
    let (whole, decimals) = match digits.iter().position(|byte| *byte == b'.') {
        Some(at) => (digits.get(..at).unwrap_or_default(), digits.get(at + 1..).unwrap_or_default()),
        None => (digits, [].as_slice()),
    };
    let significant = || whole.iter().chain(decimals).skip_while(|digit| **digit == b'0');
    let count = significant().count();
    if count == 0 {
        return Ok(Integer { negative, magnitude: 0 });
    }
    let zeros = match last_zeros(decimals) {
        all if all == decimals.len() => all + last_zeros(whole),
        some => some,
    };
    // The value is the significant digits without their last zeros, times ten to the `scale`.
    let as_scale = |len: usize| i64::try_from(len).unwrap_or(i64::MAX);
    let scale =
        exponent_value(exponent).saturating_sub(as_scale(decimals.len())).saturating_add(as_scale(zeros));
    let scale =
        u32::try_from(scale).map_err(|_| if scale < 0 { Reason::Fraction } else { Reason::Range(kind) })?;
    significant()
        .take(count - zeros)
        .try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit & 15)))
        .and_then(|value| value.checked_mul(10u64.checked_pow(scale)?))
        .map(|magnitude| Integer { negative, magnitude })
        .ok_or(Reason::Range(kind))
}

fn last_zeros(digits: &[u8]) -> usize {
    digits.iter().rev().take_while(|digit| **digit == b'0').count()
}

/// The value of `e…`, at most a billion either way, which no sum with a length can bring back in range.
fn exponent_value(text: &[u8]) -> i64 {
    let negative = text.get(1) == Some(&b'-');
    let digits = text.iter().filter(|byte| byte.is_ascii_digit());
    let value =
        digits.fold(0i64, |value, digit| (value * 10 + i64::from(digit & 15)).min(i64::from(u32::MAX) << 8));
    if negative { -value } else { value }
}

/// A double from a JSON number or the content of a string.
pub(crate) fn double(text: &[u8]) -> Result<f64, Reason> {
    if number_len(text) != Some(text.len()) {
        return Err(Reason::Number);
    }
    let value = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    match value {
        Some(value) if value.is_finite() => Ok(value),
        Some(_) => Err(Reason::Range("double")),
        None => Err(Reason::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_exact() {
        let check = |text: &str, expected: Result<i128, Reason>| {
            let found = integer(text.as_bytes(), "int64").map(|Integer { negative, magnitude }| {
                if negative { -i128::from(magnitude) } else { i128::from(magnitude) }
            });
            assert_eq!(found, expected, "{text}");
        };
        let range = || Err(Reason::Range("int64"));
        check("0", Ok(0));
        check("-0", Ok(0));
        check("7", Ok(7));
        check("-7", Ok(-7));
        check("9999999999999999999", Ok(9_999_999_999_999_999_999));
        check("18446744073709551615", Ok(i128::from(u64::MAX)));
        check("18446744073709551616", range());
        check("-9223372036854775808", Ok(i128::from(i64::MIN)));
        check("5.0", Ok(5));
        check("1e3", Ok(1000));
        check("1E+3", Ok(1000));
        check("120e-1", Ok(12));
        check("1.25e2", Ok(125));
        check("0.5e1", Ok(5));
        check("0e999999999999999999999", Ok(0));
        check("0.0", Ok(0));
        check("100000000000000000000000e-20", Ok(1000));
        check("1e19", Ok(10_000_000_000_000_000_000));
        check("1e20", range());
        check("1e999999999999999999999", range());
        check("1e-999999999999999999999", Err(Reason::Fraction));
        check("5.5", Err(Reason::Fraction));
        check("15e-1", Err(Reason::Fraction));
        for text in
            ["", "-", "--5", "+5", "05", "5.", ".5", "1e", "1e+", "0x10", " 5", "5 ", "NaN", "1_000", "٣"]
        {
            check(text, Err(Reason::Number));
        }
    }

    #[test]
    fn doubles_follow_the_grammar() {
        for (text, expected) in
            [("0", 0.0), ("-1.5", -1.5), ("1e3", 1000.0), ("1e-400", 0.0), ("2.5E+2", 250.0)]
        {
            assert_eq!(double(text.as_bytes()), Ok(expected), "{text}");
        }
        assert_eq!(double(b"1e400"), Err(Reason::Range("double")));
        for text in ["", "inf", "nan", "infinity", "1.", ".5", "+1", "1e", "0x1p3"] {
            assert_eq!(double(text.as_bytes()), Err(Reason::Number), "{text}");
        }
    }
}
