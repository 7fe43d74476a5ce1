//! A finding as text: message, place, the line with a caret, path and help.

use std::fmt;

use crate::diagnostics::Diagnostic;
use crate::source::{Sources, Span};

/// Lines longer than this are cut in the quote, so that a one-line file stays readable.
const MAX_QUOTED: usize = 160;

pub(crate) fn write(f: &mut fmt::Formatter<'_>, found: &Diagnostic, sources: &Sources) -> fmt::Result {
    writeln!(f, "{}: {}", found.severity.as_str(), clean(&found.message))?;
    let related = found.related.as_ref().filter(|(span, _)| span.is_known());
    let widest = related.map_or(0, |(span, _)| span.start.line).max(found.span.start.line);
    let margin = widest.to_string().len();
    if found.is_secret {
        place(f, found.span, sources, margin)?;
    } else {
        quote(f, found.span, "", sources, margin)?;
    }
    if let Some((span, label)) = related {
        quote(f, *span, label, sources, margin)?;
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
    let shown: String = text.chars().take(MAX_QUOTED).map(visible).collect();
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
