//! Python.

use std::borrow::Cow;

use super::{Found, kind_and_message, number};

const FILE: &str = "  File ";
const DURING: &str = "During handling of the above exception, another exception occurred:";
const DIRECT: &str = "The above exception was the direct cause of the following exception:";

/// From the last line upwards, since a traceback has the innermost frame last, and the first exception first.
///
/// With `complete`, `raise … from …` chains exceptions too. Where the reference fails, for a message that is only a
/// colon or a sentence right below a frame, the message is empty or the trace ends there.
pub(super) fn parse<'a>(trace: &'a str, complete: bool, found: &mut Found<'a>) {
    let mut next = 0;
    let begins = |line: &'a str| {
        let start = next;
        next += line.len() + 1;
        (start, line)
    };
    let mut lines: Vec<(usize, &str)> = trace.split('\n').map(begins).collect();
    lines.pop();
    let mut above = lines.as_slice();
    while let Some(((_, line), rest)) = above.split_last() {
        above = rest;
        if let Some(frame) = line.strip_prefix(FILE) {
            push_frame(frame, found);
        } else if line.starts_with(DURING) || complete && line.starts_with(DIRECT) {
            let Some(at) = rest.iter().rposition(|(_, line)| line.starts_with(FILE)) else { return };
            // Below the frame stand its source, then the message, then an empty line.
            let message = lines.get(at + 2..rest.len().saturating_sub(1)).unwrap_or_default();
            let (Some((start, _)), Some((last, line))) = (message.first(), message.last()) else { return };
            let message = trace.get(*start..last + line.len()).unwrap_or_default();
            let Some((kind, message)) = kind_and_message(message) else { return };
            found.caused_by(kind, Cow::Borrowed(message));
            above = lines.get(..=at).unwrap_or_default();
        }
    }
}

/// `"a.py", line 3, in f`, with three parts exactly.
fn push_frame<'a>(frame: &'a str, found: &mut Found<'a>) {
    let mut parts = frame.split(',');
    let (Some(file), Some(line), Some(label), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    // Whatever the quotes are, they are one character each.
    let mut file = file.chars();
    if file.next().is_none() || file.next_back().is_none() {
        return;
    }
    let line = line.strip_prefix(" line ").map_or(0, number);
    found.frame(file.as_str(), line, label.strip_prefix(" in ").unwrap_or_default());
}
