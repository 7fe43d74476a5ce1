//! JavaScript, as V8 writes it.

use super::{Found, number};

/// The reference takes the first two colons for those around the line, which they are not when the path has a scheme or
/// a drive; here the last two numbers are line and column. It also leaves a blank behind each label.
pub(super) fn parse<'a>(trace: &'a str, found: &mut Found<'a>) {
    for line in trace.lines().skip(1) {
        let Some(call) = line.strip_prefix("    at ") else { continue };
        let (label, path) = match call.split_once('(') {
            Some((label, path)) => match path.strip_suffix(')') {
                Some(path) => (label.trim(), path),
                None => continue,
            },
            None => ("", call),
        };
        let (path, line) = place(path);
        if !path.is_empty() || !label.is_empty() || line != 0 {
            found.frame(path, line, label);
        }
    }
}

/// `path:line:column`, else a path alone, which is `native` where it says so.
fn place(text: &str) -> (&str, i64) {
    let numbered = ending(text).and_then(|(rest, _)| ending(rest));
    numbered.unwrap_or_else(|| {
        let native = !text.contains(':') && text.contains("native");
        (if native { "native" } else { text }, 0)
    })
}

/// `rest:number`
fn ending(text: &str) -> Option<(&str, i64)> {
    let (rest, digits) = text.rsplit_once(':')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| (rest, number(digits)))
}
