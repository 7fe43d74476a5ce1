//! Numbers, sizes and times for people.

use std::time::Duration;

/// A count with its digits in groups: `12 345 678`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            // Narrow, and no place to break the line.
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Items a second; nothing for none.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        none if none <= 0.0 => "–".to_owned(),
        few if few < 10.0 => format!("{few:.1}"),
        some if some < 10_000.0 => format!("{some:.0}"),
        many if many < 10_000_000.0 => format!("{:.1} k", many / 1e3),
        most => format!("{:.1} M", most / 1e6),
    }
}

/// Bytes in the unit that fits.
#[allow(clippy::cast_precision_loss, reason = "rounded to a tenth anyway")]
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        u64::MAX => "no limit".to_owned(),
        few if few < 1 << 10 => format!("{few} B"),
        some if some < 1 << 20 => format!("{:.1} KiB", some as f64 / 1024.0),
        many if many < 1 << 30 => format!("{:.1} MiB", many as f64 / 1_048_576.0),
        most => format!("{:.1} GiB", most as f64 / 1_073_741_824.0),
    }
}

/// A time in its two largest units: `3d4h`, `2m5s`, `340ms`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match seconds {
        0 => format!("{}ms", span.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{minutes}m{}s", seconds % 60),
        3_600..86_400 => format!("{hours}h{minutes}m"),
        _ => format!("{days}d{hours}h"),
    }
}

/// Text where markup is read.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_exact_enough() {
        assert_eq!([count(0), count(999), count(1_234_567)], ["0", "999", "1\u{202f}234\u{202f}567"]);
        let rates = [0.0, 0.25, 12.4, 9_999.4, 123_456.0, 12_345_678.0].map(rate);
        assert_eq!(rates, ["–", "0.2", "12", "9999", "123.5 k", "12.3 M"]);
        let sizes = [0, 1_536, 5 << 20, 3 << 30, u64::MAX].map(bytes);
        assert_eq!(sizes, ["0 B", "1.5 KiB", "5.0 MiB", "3.0 GiB", "no limit"]);
        let spans = [0, 59, 125, 7_260, 273_600].map(|secs| span(Duration::from_secs(secs)));
        assert_eq!(spans, ["0ms", "59s", "2m5s", "2h1m", "3d4h"]);
    }

    #[test]
    fn markup_is_shown_not_read() {
        assert_eq!(escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    }
}
