//! Days and clock readings in the Gregorian calendar, UTC.

/// A point in time as people write it, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Civil {
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    /// 0 to 999,999,999.
    pub nanosecond: i64,
}

const SECOND: i128 = 1_000_000_000;
const DAY: i64 = 86_400;

impl Civil {
    /// The calendar's reading of nanoseconds since the Unix epoch.
    #[must_use]
    pub fn from_unix_nanos(nanos: i128) -> Self {
        let seconds = i64::try_from(nanos.div_euclid(SECOND)).unwrap_or(i64::MAX / 2);
        // (Beyond some 146 billion years: any far day will do.)
        let nanosecond = i64::try_from(nanos.rem_euclid(SECOND)).unwrap_or(0);
        let (year, month, day) = date(seconds.div_euclid(DAY));
        let of_day = seconds.rem_euclid(DAY);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        Self { year, month, day, hour, minute, second, nanosecond }
    }

    /// As RFC 3339 has it, with as many digits of the second as it takes: `2026-11-21T01:14:41.502Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let Self { year, month, day, hour, minute, second, nanosecond } = self;
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        if nanosecond > 0 {
            let fraction = format!(".{nanosecond:09}");
            text.push_str(fraction.trim_end_matches('0'));
        }
        text.push('Z');
        text
    }
}

/// Year, month and day from days since 1970-01-01: Howard Hinnant's `civil_from_days`, in which years begin in
/// March, so that the leap day is the last.
const fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next) =
        if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    (year_of_era + era * 400 + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_the_second_needs() {
        let check = |nanos: i128, expected: &str| {
            assert_eq!(Civil::from_unix_nanos(nanos).rfc3339(), expected);
        };
        check(0, "1970-01-01T00:00:00Z");
        check(1_502_000_000, "1970-01-01T00:00:01.502Z");
        check(1, "1970-01-01T00:00:00.000000001Z");
    }

    #[test]
    fn reads_the_calendar() {
        let check = |seconds: i64, expected: &str| {
            let Civil { year, month, day, hour, minute, second, .. } =
                Civil::from_unix_nanos(i128::from(seconds) * SECOND);
            let text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
            assert_eq!(text, expected);
        };
        check(0, "1970-01-01 00:00:00");
        check(-1, "1969-12-31 23:59:59");
        check(68_169_599, "1972-02-28 23:59:59");
        check(68_169_600, "1972-02-29 00:00:00");
        check(951_868_799, "2000-02-29 23:59:59");
        check(951_868_800, "2000-03-01 00:00:00");
        check(1_735_689_599, "2024-12-31 23:59:59");
        check(4_107_542_400, "2100-03-01 00:00:00");
        check(-62_135_596_800, "0001-01-01 00:00:00");
    }

    #[test]
    fn fractions_are_counted_up_from_the_second() {
        assert_eq!(Civil::from_unix_nanos(-1).nanosecond, 999_999_999);
        assert_eq!(Civil::from_unix_nanos(1_500_000_000).nanosecond, 500_000_000);
    }
}
