use std::fmt::Write as _;

const NANOS_PER_MILLI: u64 = 1_000_000;
const MILLIS_PER_DAY: u64 = 86_400_000;

/// Appends nanoseconds since the Unix epoch as UTC with milliseconds: `2026-11-21T01:14:41.502Z`.
pub(super) fn write(out: &mut String, wall: u64) {
    let millis = wall / NANOS_PER_MILLI;
    let (year, month, day) = date(millis / MILLIS_PER_DAY);
    let of_day = millis % MILLIS_PER_DAY;
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1_000 % 60);
    let milli = of_day % 1_000;
    // Writing to a String cannot fail.
    write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z").ok();
}

/// Year, month and day of the Gregorian calendar, from days since 1970-01-01: Howard Hinnant's `civil_from_days`,
/// in which years begin in March, so that the leap day is the last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
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
