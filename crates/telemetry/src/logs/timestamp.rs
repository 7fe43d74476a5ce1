//! How log lines show the time.

use std::fmt::Write as _;

use data::Civil;

/// Appends nanoseconds since the Unix epoch as UTC with milliseconds: `2026-11-21T01:14:41.502Z`.
pub(super) fn write(out: &mut String, wall: u64) {
    let Civil { year, month, day, hour, minute, second, nanosecond } = Civil::from_unix_nanos(wall.into());
    let milli = nanosecond / 1_000_000;
    // Writing to a String cannot fail.
    write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z").ok();
}

/// The same without milliseconds: `2026-11-21T01:14:41Z`.
pub(super) fn write_seconds(out: &mut String, wall: u64) {
    let Civil { year, month, day, hour, minute, second, .. } = Civil::from_unix_nanos(wall.into());
    write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z").ok();
}

#[cfg(test)]
mod tests {
    #[test]
    fn writes_utc() {
        let check = |millis: u64, expected: &str| {
            let mut text = String::new();
            super::write(&mut text, millis.saturating_mul(1_000_000));
            assert_eq!(text, expected);
        };
        check(0, "1970-01-01T00:00:00.000Z");
        check(68_169_599_999, "1972-02-28T23:59:59.999Z");
        check(68_169_600_000, "1972-02-29T00:00:00.000Z");
        check(951_868_799_001, "2000-02-29T23:59:59.001Z");
        check(951_868_800_000, "2000-03-01T00:00:00.000Z");
        check(1_735_689_599_000, "2024-12-31T23:59:59.000Z");
        check(1_795_223_681_502, "2026-11-21T01:14:41.502Z");
        check(4_107_542_400_000, "2100-03-01T00:00:00.000Z");
        check(u64::MAX, "2554-07-21T23:34:33.709Z");
    }
}
