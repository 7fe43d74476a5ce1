//! Java, and PHP.

use std::borrow::Cow;

use super::{Found, kind_and_message, number};

const AT: &str = "\tat ";

/// Where a message should be and is none (`Caused by: X:`), the reference fails; here it is empty. With `spaced` a blank may stand before the line, as the X-Ray receiver writes it.
pub(super) fn parse<'a>(trace: &'a str, spaced: bool, found: &mut Found<'a>) {
    let mut lines = trace.lines().skip(1).peekable();
    while let Some(line) = lines.next() {
        if let Some((label, path)) = call(line) {
            let (path, line) = path.split_once(':').unwrap_or((path, ""));
            let line = if spaced { line.trim_ascii_start() } else { line };
            found.frame(path, number(line), label);
        } else if let Some(cause) = line.strip_prefix("Caused by: ") {
            let (kind, message) = kind_and_message(cause).unwrap_or((cause, ""));
            let mut message = Cow::Borrowed(message);
            // A message may have several lines; they end where the frames begin.
            while let Some(more) = lines.next_if(|line| call(line).is_none()) {
                message.to_mut().push_str(more);
            }
            found.caused_by(kind, message);
        }
    }
}

/// `⇥at loader/package.Class.method(File.java:7)`: what is called, without what stands before the first slash, and what
/// is in the parentheses.
fn call(line: &str) -> Option<(&str, &str)> {
    let (label, path) = line.strip_prefix(AT)?.strip_suffix(')')?.split_once('(')?;
    Some((label.split_once('/').map_or(label, |(_, label)| label), path))
}
