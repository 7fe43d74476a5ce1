//! Go.

use super::{Found, number};

/// Lines come in pairs, what is called and where. Where that does not say, the reference repeats the place of the frame
/// before; here it is empty.
pub(super) fn parse<'a>(trace: &'a str, found: &mut Found<'a>) {
    let mut lines = trace.lines().skip(1);
    while let Some(mut label) = lines.next() {
        if is_goroutine(label) {
            match lines.next() {
                Some(line) => label = line,
                None => return,
            }
        }
        let Some(line) = lines.next() else { return };
        let (path, line) = place(line).unwrap_or_default();
        found.frame(path, line, label);
    }
}

/// `goroutine 1 [running]:`
fn is_goroutine(line: &str) -> bool {
    let words = line.strip_prefix("goroutine").and_then(|rest| rest.strip_suffix(':'));
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    // What follows the prefix directly is still the same word.
    words.is_some_and(|words| {
        let first = words.find(|c| !is_word(c)).unwrap_or(words.len());
        words.get(first..).unwrap_or_default().split(|c| !is_word(c)).any(|word| word == "running")
    })
}

/// The first `path:digits`.
fn place(line: &str) -> Option<(&str, i64)> {
    line.match_indices(':').find_map(|(colon, _)| {
        let (before, after) = (line.get(..colon)?, line.get(colon + 1..)?);
        let start = before.rfind(|c: char| c == ':' || c.is_ascii_whitespace()).map_or(0, |at| at + 1);
        let path = before.get(start..)?;
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let line = after.get(..digits)?;
        (!path.is_empty() && !line.is_empty()).then(|| (path, number(line)))
    })
}
