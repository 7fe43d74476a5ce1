//! How single values look. Go's `fmt` and the Collector's `pdata` decide; the rules are written down here.

use std::fmt::{self, Display, Write as _};

use data::Civil;
use otlp::view::{AnyValue, Attributes};
use otlp_json::plain;

/// A value as text with its type in front: `Str(x)`.
pub(crate) fn typed(value: &AnyValue<'_>) -> String {
    let name = match value {
        AnyValue::Empty | AnyValue::StringIndex(_) => "Empty",
        AnyValue::String(_) => "Str",
        AnyValue::Bool(_) => "Bool",
        AnyValue::Int(_) => "Int",
        AnyValue::Double(_) => "Double",
        AnyValue::Array(_) => "Slice",
        AnyValue::KvList(_) => "Map",
        AnyValue::Bytes(_) => "Bytes",
    };
    format!("{name}({})", plain(value))
}

/// `k=v`, each, with `between` between them.
pub(crate) fn pairs(attributes: Attributes<'_>, between: &str) -> String {
    let pairs: Vec<String> =
        attributes.map(|attribute| format!("{}={}", attribute.key(), plain(&attribute.value()))).collect();
    pairs.join(between)
}

/// A number as Go's `%v` shows it: an exponent below 1e-4 and from 1e21 on, of two digits at least.
pub(crate) fn short(number: f64) -> String {
    if !number.is_finite() {
        return unusual(number).to_owned();
    }
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) { scientific(number) } else { number.to_string() }
}

/// A number as Go's `%f` shows it.
pub(crate) fn fixed(number: f64) -> String {
    if number.is_finite() { format!("{number:.6}") } else { unusual(number).to_owned() }
}

fn unusual(number: f64) -> &'static str {
    match (number.is_nan(), number > 0.0) {
        (true, _) => "NaN",
        (false, true) => "+Inf",
        (false, false) => "-Inf",
    }
}

fn scientific(number: f64) -> String {
    let text = format!("{number:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{exponent:0>2}")
}

/// An id in hexadecimal; nothing if there is none.
pub(crate) fn id(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    if bytes.iter().any(|byte| *byte != 0) {
        for byte in bytes {
            // A string takes everything.
            write!(text, "{byte:02x}").ok();
        }
    }
    text
}

/// Nanoseconds since 1970 as Go shows a time: `2018-12-13 14:51:00.5 +0000 UTC`.
pub(crate) struct Timestamp(pub(crate) u64);

impl Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The Collector's times are signed: what is beyond 2262 lies before 1970.
        let civil = Civil::from_unix_nanos(self.0.cast_signed().into());
        let Civil { year, month, day, hour, minute, second, nanosecond } = civil;
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")?;
        if nanosecond != 0 {
            write!(f, ".{}", format!("{nanosecond:09}").trim_end_matches('0'))?;
        }
        f.write_str(" +0000 UTC")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_in_go() {
        let check = |number: f64, v: &str, f: &str| {
            assert_eq!((short(number).as_str(), fixed(number).as_str()), (v, f));
        };
        check(0.0, "0", "0.000000");
        check(-1.5, "-1.5", "-1.500000");
        check(3.0, "3", "3.000000");
        check(1e20, "100000000000000000000", "100000000000000000000.000000");
        check(1e21, "1e+21", "1000000000000000000000.000000");
        check(0.000_1, "0.0001", "0.000100");
        check(0.000_012_5, "1.25e-05", "0.000013");
        check(1e-7, "1e-07", "0.000000");
        check(1e-12, "1e-12", "0.000000");
        check(f64::NAN, "NaN", "NaN");
        check(f64::INFINITY, "+Inf", "+Inf");
        check(f64::NEG_INFINITY, "-Inf", "-Inf");
    }

    #[test]
    fn times_look_as_in_go() {
        let check = |nanos: u64, expected: &str| assert_eq!(Timestamp(nanos).to_string(), expected);
        check(0, "1970-01-01 00:00:00 +0000 UTC");
        check(1_544_712_660_500_000_000, "2018-12-13 14:51:00.5 +0000 UTC");
        check(1_581_452_773_000_000_789, "2020-02-11 20:26:13.000000789 +0000 UTC");
        check(i64::MAX as u64, "2262-04-11 23:47:16.854775807 +0000 UTC");
        check(u64::MAX, "1969-12-31 23:59:59.999999999 +0000 UTC");
    }
}
