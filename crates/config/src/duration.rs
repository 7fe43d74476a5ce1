//! Durations as Go writes them: `1h15m30.5s`.

use std::time::Duration;

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not numbers with units.
    #[error("invalid duration `{0}`")]
    Invalid(String),
    /// A number without a unit.
    #[error("missing unit in duration `{0}`")]
    MissingUnit(String),
    /// A unit that does not exist, `d` for days among them.
    #[error("unknown unit `{unit}` in duration `{text}`")]
    UnknownUnit {
        /// What stands after the number.
        unit: String,
        /// The whole text.
        text: String,
    },
    /// Below zero.
    #[error("a duration must not be negative, found `{0}`")]
    Negative(String),
    /// Longer than 292 years, the longest that Go can hold.
    #[error("duration `{0}` is too long")]
    TooLong(String),
}

/// Nanoseconds that a Go duration can hold: 2^63 - 1, about 292 years.
pub const MAX_NANOS: u64 = i64::MAX as u64;

/// Reads what Go's `time.ParseDuration` reads, negative durations other than zero excepted.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        if !number.bytes().any(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        if unit.is_empty() {
            return Err(DurationError::MissingUnit(text.to_owned()));
        }
        let nanos_per_unit = nanos_per(unit)
            .ok_or_else(|| DurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() })?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') {
            return Err(invalid());
        }
        let nanos = nanos_of(whole, fraction, nanos_per_unit);
        total = nanos
            .and_then(|nanos| total.checked_add(nanos))
            .filter(|total| *total <= MAX_NANOS)
            .ok_or_else(|| DurationError::TooLong(text.to_owned()))?;
        rest = after;
    }
    match (negative, total) {
        (true, 1..) => Err(DurationError::Negative(text.to_owned())),
        _ => Ok(Duration::from_nanos(total)),
    }
}

/// Writes a duration as Go does: `1h0m0s`, `1.5s`, `200ms`, `10ns`, `0s`.
pub fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let (hours, minutes) = (nanos / 3_600_000_000_000, nanos / 60_000_000_000 % 60);
    let seconds = with_fraction(nanos % 60_000_000_000, 1_000_000_000);
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", with_fraction(nanos, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", with_fraction(nanos, 1_000_000)),
        _ if hours > 0 => format!("{hours}h{minutes}m{seconds}s"),
        _ if minutes > 0 => format!("{minutes}m{seconds}s"),
        _ => format!("{seconds}s"),
    }
}

fn nanos_per(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // Both letters that look like µ: micro sign and Greek mu.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// None if it does not fit. Digits of a fraction beyond what 18 can say are ignored.
fn nanos_of(whole: &str, fraction: &str, per_unit: u64) -> Option<u64> {
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = fraction.get(..fraction.len().min(18)).unwrap_or_default();
    let digits = u32::try_from(fraction.len()).ok()?;
    let part: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let part = part.checked_mul(u128::from(per_unit))? / 10_u128.checked_pow(digits)?;
    whole.checked_mul(per_unit)?.checked_add(u64::try_from(part).ok()?)
}

fn with_fraction(value: u128, one: u128) -> String {
    let digits = one.ilog10() as usize;
    match format!("{:0digits$}", value % one).trim_end_matches('0') {
        "" => (value / one).to_string(),
        fraction => format!("{}.{fraction}", value / one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Go 1.25's `time` package.
    #[test]
    fn reads_and_writes_as_go_does() {
        let check = |text: &str, nanos: u64, written: &str| {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
            assert_eq!(format(Duration::from_nanos(nanos)), written, "{text}");
        };
        check("0", 0, "0s");
        check("-0", 0, "0s");
        check("-0s", 0, "0s");
        check("0s", 0, "0s");
        check("10ns", 10, "10ns");
        check("1.5us", 1_500, "1.5µs");
        check("7µs", 7_000, "7µs");
        check("7μs", 7_000, "7µs");
        check("200ms", 200_000_000, "200ms");
        check("5s", 5_000_000_000, "5s");
        check("+5s", 5_000_000_000, "5s");
        check(".5s", 500_000_000, "500ms");
        check("1.s", 1_000_000_000, "1s");
        check("90s", 90_000_000_000, "1m30s");
        check("1h", 3_600_000_000_000, "1h0m0s");
        check("1h15m30.918s", 4_530_918_000_000, "1h15m30.918s");
        check("1m1h", 3_660_000_000_000, "1h1m0s");
        check("0.3333333333333333333h", 1_200_000_000_000 - 1, "19m59.999999999s");
        check("9223372036854775807ns", MAX_NANOS, "2562047h47m16.854775807s");
    }

    #[test]
    fn refuses_what_go_refuses() {
        let check = |text: &str, message: &str| {
            assert_eq!(parse(text).map_err(|error| error.to_string()), Err(message.to_owned()));
        };
        check("", "invalid duration ``");
        check("-", "invalid duration `-`");
        check("s", "invalid duration `s`");
        check(".s", "invalid duration `.s`");
        check("1.2.3s", "invalid duration `1.2.3s`");
        check("--5s", "invalid duration `--5s`");
        check("5", "missing unit in duration `5`");
        check("1h5", "missing unit in duration `1h5`");
        check("5x", "unknown unit `x` in duration `5x`");
        check("2d", "unknown unit `d` in duration `2d`");
        check("5 s", "unknown unit ` s` in duration `5 s`");
        check("-5s", "a duration must not be negative, found `-5s`");
        check("9223372036854775808ns", "duration `9223372036854775808ns` is too long");
        check("99999999999999999999999h", "duration `99999999999999999999999h` is too long");
    }
}
