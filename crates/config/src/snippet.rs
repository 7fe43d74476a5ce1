//! A finding as text: message, place, the line with a caret, path and help.

use std::fmt;

use crate::diagnostics::Diagnostic;
use crate::source::{Sources, Span};

/// Lines longer than this are cut in the quote, so that a one-line file stays readable.
const MAX_QUOTED: usize = 160;

/// Writes a finding. Of the lines it quotes, `hidden` stretches are starred out, and what looks like a secret.
pub(crate) fn write(
    f: &mut fmt::Formatter<'_>,
    found: &Diagnostic,
    sources: &Sources,
    hidden: &[Span],
) -> fmt::Result {
    writeln!(f, "{}: {}", found.severity.as_str(), clean(&found.message))?;
    let related = found.related.as_ref().filter(|(span, _)| span.is_known());
    let widest = related.map_or(0, |(span, _)| span.start.line).max(found.span.start.line);
    let margin = widest.to_string().len();
    if found.is_secret {
        place(f, found.span, sources, margin)?;
    } else {
        quote(f, found.span, "", sources, hidden, margin)?;
    }
    if let Some((span, label)) = related {
        quote(f, *span, label, sources, hidden, margin)?;
    }
    if !found.path.is_empty() {
        writeln!(f, "{:margin$} = at: {}", "", clean(&found.path))?;
    }
    if let Some(help) = &found.help {
        writeln!(f, "{:margin$} = help: {}", "", clean(help))?;
    }
    Ok(())
}

fn place(f: &mut fmt::Formatter<'_>, span: Span, sources: &Sources, margin: usize) -> fmt::Result {
    let Some(source) = sources.get(span.source).filter(|_| span.is_known()) else { return Ok(()) };
    writeln!(f, "{:margin$}--> {}:{}:{}", "", clean(&source.name), span.start.line, span.start.column)
}

fn quote(
    f: &mut fmt::Formatter<'_>,
    span: Span,
    label: &str,
    sources: &Sources,
    hidden: &[Span],
    margin: usize,
) -> fmt::Result {
    let Some(source) = sources.get(span.source).filter(|_| span.is_known()) else { return Ok(()) };
    let (line, column) = (span.start.line, span.start.column);
    place(f, span, sources, margin)?;
    let Some(text) = source.text.lines().nth(line.saturating_sub(1) as usize) else { return Ok(()) };
    let before = column.saturating_sub(1) as usize;
    if before > MAX_QUOTED {
        return Ok(());
    }
    let hidden = hidden.iter().filter(|hidden| hidden.source == span.source);
    let shown: String = starred(text, line, hidden).into_iter().map(visible).collect();
    let rest = shown.chars().count().saturating_sub(before).max(1);
    let marked = match span.end.line == line {
        true => (span.end.column.saturating_sub(column) as usize).clamp(1, rest),
        false => rest,
    };
    writeln!(f, "{:margin$} |", "")?;
    writeln!(f, "{line:margin$} | {shown}")?;
    write!(f, "{:margin$} | {:before$}{}", "", "", "^".repeat(marked))?;
    match label {
        "" => writeln!(f),
        label => writeln!(f, " {label}"),
    }
}

/// A line with the hidden stretches starred out, column for column.
fn starred<'s>(text: &str, line: u32, hidden: impl Iterator<Item = &'s Span>) -> Vec<char> {
    let mut chars: Vec<char> = text.chars().take(MAX_QUOTED).collect();
    let stretches = hidden.filter(|span| span.start.line <= line && line <= span.end.line).map(|span| {
        let from = if span.start.line == line { span.start.column.saturating_sub(1) as usize } else { 0 };
        let to = if span.end.line == line { span.end.column.saturating_sub(1) as usize } else { usize::MAX };
        (from, to)
    });
    // What was never read, such as a body of an unknown type, is judged by the names of its keys.
    let guessed = values_of_secret_keys(&chars);
    for (from, to) in stretches.chain(guessed) {
        let to = to.min(chars.len());
        chars.get_mut(from..to).unwrap_or_default().fill('*');
    }
    chars
}

/// Words that the keys of secrets have in them.
const SECRET_WORDS: [&str; 13] = [
    "password",
    "pasword",
    "passwd",
    "pwd",
    "secret",
    "token",
    "authorization",
    "api-key",
    "api_key",
    "apikey",
    "cookie",
    "credential",
    "key_pem",
];

/// Where the values stand that follow such keys on this line, in characters.
fn values_of_secret_keys(text: &[char]) -> Vec<(usize, usize)> {
    let lower: Vec<char> = text.iter().map(char::to_ascii_lowercase).collect();
    let mut found = Vec::new();
    for word in SECRET_WORDS.map(|word| word.chars().collect::<Vec<char>>()) {
        for (index, _) in lower.windows(word.len()).enumerate().filter(|(_, window)| **window == *word) {
            let rest = lower.get(index + word.len()..).unwrap_or_default();
            // The rest of the key, perhaps a quote, a colon or an equal sign, and white space.
            let key =
                rest.iter().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '"' | '\''));
            let key = key.count();
            if !rest.get(key).is_some_and(|c| matches!(c, ':' | '=')) {
                continue;
            }
            let from = key + 1 + rest.iter().skip(key + 1).take_while(|c| **c == ' ').count();
            let value = rest.iter().skip(from).take_while(|c| !matches!(c, ',' | '}' | ']')).count();
            let start = index + word.len() + from;
            let is_reference = lower.get(start..).is_some_and(|value| value.starts_with(&['$', '{']));
            let is_block = lower.get(start).is_some_and(|c| matches!(c, '{' | '['));
            if !is_reference && !is_block {
                found.push((start, start + value));
            }
        }
    }
    found
}

fn clean(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// A terminal must not be steered by what stands in a file, and a tab must stay one column wide.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}
