//! Stack traces as texts of their language, taken apart into frames.
//!
//! A line that is not understood is skipped, and no text makes a parser fail. Where the reference's parsers do fail is
//! noted with each of them.

mod dotnet;
mod go;
mod java;
mod javascript;
mod python;

use std::borrow::Cow;

use super::Options;

/// The most frames of an exception that are written; the others are counted in `truncated`. No document has room for
/// more.
const MAX_FRAMES: usize = 2_000;
/// The most exceptions that one stack trace is taken to tell of.
const MAX_EXCEPTIONS: usize = 500;

/// Whose stack traces they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Java,
    Python,
    JavaScript,
    Dotnet,
    Go,
}

impl Language {
    /// By the resource's `telemetry.sdk.language`.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        match name {
            // PHP's SDK writes them as Java does.
            b"java" | b"php" => Some(Self::Java),
            b"python" => Some(Self::Python),
            b"javascript" | b"nodejs" | b"webjs" => Some(Self::JavaScript),
            b"dotnet" => Some(Self::Dotnet),
            b"go" => Some(Self::Go),
            _ => None,
        }
    }
}

/// One exception. Each is caused by the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Exception<'a> {
    pub kind: &'a str,
    pub message: Cow<'a, str>,
    pub frames: Vec<Frame<'a>>,
    /// How many frames were left out.
    pub truncated: usize,
}

impl<'a> Exception<'a> {
    pub(super) fn new(kind: &'a str, message: Cow<'a, str>) -> Self {
        Self { kind, message, frames: Vec::new(), truncated: 0 }
    }

    fn push(&mut self, frame: Frame<'a>) {
        if self.frames.len() < MAX_FRAMES {
            self.frames.push(frame);
        } else {
            self.truncated += 1;
        }
    }
}

/// A frame. What is not known is empty, or 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub path: &'a str,
    pub line: i64,
    pub label: &'a str,
}

/// The exception, with its frames, and what caused it.
pub(super) fn parse<'a>(
    language: Option<Language>,
    trace: &'a str,
    first: Exception<'a>,
    options: &Options,
) -> Vec<Exception<'a>> {
    let mut found = Found { done: Vec::new(), current: first };
    let complete = options.complete_stack_traces;
    match language {
        Some(Language::Java) => java::parse(trace, options.preserve_xray_fields, &mut found),
        Some(Language::Python) => python::parse(trace, complete, &mut found),
        Some(Language::JavaScript) => javascript::parse(trace, &mut found),
        Some(Language::Dotnet) => dotnet::parse(trace, complete, &mut found),
        Some(Language::Go) => go::parse(trace, &mut found),
        None => {}
    }
    found.done.push(found.current);
    found.done
}

/// What has been found of a trace so far.
struct Found<'a> {
    done: Vec<Exception<'a>>,
    current: Exception<'a>,
}

impl<'a> Found<'a> {
    fn frame(&mut self, path: &'a str, line: i64, label: &'a str) {
        self.current.push(Frame { path, line, label });
    }

    /// Goes on to the exception that caused the current one. Past the limit its frames are those of the current one.
    fn caused_by(&mut self, kind: &'a str, message: Cow<'a, str>) {
        if self.done.len() < MAX_EXCEPTIONS {
            let next = Exception::new(kind, message);
            self.done.push(std::mem::replace(&mut self.current, next));
        }
    }
}

/// The number, 0 if it is none.
fn number(text: &str) -> i64 {
    text.parse().unwrap_or(0)
}

/// What follows the colon after a type, and the blank after the colon.
fn after_colon(text: &str, colon: usize) -> &str {
    text.get(text.ceil_char_boundary(colon + 2)..).unwrap_or_default()
}

/// `type: message`; none without a colon.
fn kind_and_message(text: &str) -> Option<(&str, &str)> {
    let colon = text.find(':')?;
    Some((text.get(..colon)?, after_colon(text, colon)))
}

#[cfg(test)]
mod tests;
