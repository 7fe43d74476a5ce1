//! .NET.

use super::{Found, number};

/// With `complete`, only `:line <number>` is taken from the end of a path; the reference cuts at the last colon, so that
/// `C:\a.cs` becomes `C`. It fails where the text ends in `:line`; here the line is 0.
pub(super) fn parse<'a>(trace: &'a str, complete: bool, found: &mut Found<'a>) {
    for line in trace.lines().skip(1) {
        let Some(call) = line.trim().strip_prefix("at ") else { continue };
        let mut parts = call.split(" in ");
        let label = parts.next().unwrap_or_default();
        if let Some(place) = parts.next() {
            let (path, line) = if complete { strict(place) } else { lenient(place) };
            found.frame(path, line, label);
        } else if let Some(end) = call.rfind(')') {
            found.frame("", 0, call.get(..=end).unwrap_or_default());
        }
    }
}

fn lenient(place: &str) -> (&str, i64) {
    let Some((path, line)) = place.rsplit_once(':') else { return (place, 0) };
    let digits = line.strip_prefix("line").map_or(line, |rest| rest.get(1..).unwrap_or_default());
    (path, number(digits))
}

fn strict(place: &str) -> (&str, i64) {
    let found = place.rsplit_once(":line ").and_then(|(path, digits)| Some((path, digits.parse().ok()?)));
    found.unwrap_or((place, 0))
}
