//! The member `cause`: what went wrong, from exception events, or else from the status.

use std::borrow::Cow;
use std::io::Write;

use otlp::view::{AnyValue, Event};

use super::known::Key;
use super::resource::ResourceRead;
use super::span::{Kind, SpanRead};
use super::stack::{self, Exception, Frame};
use super::{Context, names};
use crate::{ids, json};

/// The event that an AWS SDK adds when a request of a call fails.
const HTTP_FAILURE: &str = "HTTP request failure";
/// The type of exception that it becomes.
const HTTP_FAILURE_TYPE: &str = "aws.http.error.event";

/// Appends the member `cause`, with a comma before it, if something went wrong; says whether `http.status_text` is in it.
pub(super) fn write(
    out: &mut Vec<u8>,
    span: &SpanRead<'_>,
    resource: &ResourceRead<'_>,
    context: &mut Context,
) -> bool {
    let is_aws_sdk = !span.events.is_empty() && span.is_aws_sdk();
    let counts = |event: &Event<'_>| {
        let name = event.name();
        name == names::EXCEPTION_EVENT || (is_aws_sdk && name == HTTP_FAILURE)
    };
    if span.events().any(|event| counts(&event)) {
        let start = out.len();
        for event in span.events().filter(counts) {
            if context.room.is_exceeded() {
                break;
            }
            if event.name() == names::EXCEPTION_EVENT {
                write_event(out, start, &event, span, resource, context);
            } else {
                write_http_failure(out, start, &event, context);
            }
        }
        if out.len() > start {
            out.extend_from_slice(b"]}");
            return false;
        }
        // Failures that say nothing. The status may.
    }
    span.is_error() && write_status(out, span, context)
}

fn write_status(out: &mut Vec<u8>, span: &SpanRead<'_>, context: &mut Context) -> bool {
    let message = span.status.message();
    let message = if message.is_empty() { span.text(Key::HttpStatusText) } else { message.as_bytes() };
    if !message.is_empty() {
        let start = out.len();
        open(out, start, context.ids.segment_id());
        member(out, "message", message);
        member(out, "type", b"");
        out.extend_from_slice(b"}]}");
    }
    true
}

/// Begins an exception, and the list if it is the first.
fn open(out: &mut Vec<u8>, list: usize, id: [u8; 8]) {
    let begin: &[u8] = if out.len() == list { b",\"cause\":{\"exceptions\":[" } else { b"," };
    out.extend_from_slice(begin);
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(&ids::segment_id(id));
    out.push(b'"');
}

fn member(out: &mut Vec<u8>, name: &str, text: &[u8]) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    json::string(out, text);
}

fn write_remote(out: &mut Vec<u8>, remote: bool) {
    out.extend_from_slice(if remote { b",\"remote\":true" } else { b",\"remote\":false" });
}

/// Appends an exception event and the exceptions that its stack trace tells of.
fn write_event(
    out: &mut Vec<u8>,
    list: usize,
    event: &Event<'_>,
    span: &SpanRead<'_>,
    resource: &ResourceRead<'_>,
    context: &mut Context,
) {
    let Told { kind, message, trace } = Told::of(event);
    let kept = if context.options.preserve_xray_fields { Kept::of(event) } else { Kept::default() };
    let exceptions =
        stack::parse(resource.language, &trace, Exception::new(&kind, message), &context.options);
    let remote = kept.remote.unwrap_or(matches!(span.kind, Kind::Client | Kind::Producer));
    let mut id = kept.id.unwrap_or_else(|| context.ids.segment_id());
    let last = exceptions.len().saturating_sub(1);
    for (index, exception) in exceptions.iter().enumerate() {
        context.room.exception(exception.kind.as_bytes(), exception.message.as_bytes());
        if context.room.is_exceeded() {
            return;
        }
        let frames = if context.room.is_without_frames(out.len() - list) { &[] } else { &*exception.frames };
        let left_out = exception.truncated + exception.frames.len() - frames.len();
        open(out, list, id);
        member(out, "message", exception.message.as_bytes());
        member(out, "type", exception.kind.as_bytes());
        write_remote(out, remote);
        let (truncated, skipped) = if index == 0 { (kept.truncated, kept.skipped) } else { (0, 0) };
        count(out, "truncated", truncated.saturating_add(left_out as i64));
        count(out, "skipped", skipped);
        if index < last {
            id = context.ids.segment_id();
            member(out, "cause", &ids::segment_id(id));
        } else if let Some(cause) = kept.cause {
            member(out, "cause", &ids::segment_id(cause));
        }
        write_stack(out, frames);
        out.push(b'}');
    }
}

/// What an exception event tells, each empty unless it is there.
#[derive(Clone, Debug, Default)]
struct Told<'m> {
    kind: Cow<'m, str>,
    message: Cow<'m, str>,
    trace: Cow<'m, str>,
}

impl<'m> Told<'m> {
    fn of(event: &Event<'m>) -> Self {
        let mut told = Self::default();
        for attribute in event.attributes() {
            let place = match attribute.key().as_bytes() {
                b"exception.type" => &mut told.kind,
                b"exception.message" => &mut told.message,
                b"exception.stacktrace" => &mut told.trace,
                _ => continue,
            };
            if let AnyValue::String(text) = attribute.value() {
                *place = text.to_str();
            }
        }
        told
    }
}

/// What the receiver kept of an exception, in attributes of its event.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    id: Option<[u8; 8]>,
    cause: Option<[u8; 8]>,
    remote: Option<bool>,
    truncated: i64,
    skipped: i64,
}

impl Kept {
    fn of(event: &Event<'_>) -> Self {
        let mut kept = Self::default();
        for attribute in event.attributes() {
            let id = |value: &AnyValue<'_>| ids::parse_segment_id(value.as_text()?.as_bytes());
            match (str::from_utf8(attribute.key().as_bytes()).unwrap_or_default(), attribute.value()) {
                (names::EXCEPTION_ID, value) => kept.id = id(&value),
                (names::EXCEPTION_CAUSE, value) => kept.cause = id(&value),
                (names::EXCEPTION_REMOTE, AnyValue::Bool(remote)) => kept.remote = Some(remote),
                (names::EXCEPTION_TRUNCATED, AnyValue::Int(count)) => kept.truncated = count,
                (names::EXCEPTION_SKIPPED, AnyValue::Int(count)) => kept.skipped = count,
                _ => {}
            }
        }
        kept
    }
}

/// Appends a count, unless it is 0.
fn count(out: &mut Vec<u8>, name: &str, count: i64) {
    if count != 0 {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        json::int(out, count);
    }
}

fn write_stack(out: &mut Vec<u8>, frames: &[Frame<'_>]) {
    for (index, frame) in frames.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b",\"stack\":[{\"path\":" } else { b",{\"path\":" });
        json::string(out, frame.path.as_bytes());
        out.extend_from_slice(b",\"line\":");
        json::int(out, frame.line);
        member(out, "label", frame.label.as_bytes());
        out.push(b'}');
    }
    if !frames.is_empty() {
        out.push(b']');
    }
}

/// Appends a request that failed: `<status>@<time in seconds>@<message>`. Nothing if it does not say both.
fn write_http_failure(out: &mut Vec<u8>, list: usize, event: &Event<'_>, context: &mut Context) {
    let attributes = event.attributes();
    let status = match attributes.get("http.response.status_code") {
        Some(AnyValue::Int(status)) => status.to_string(),
        Some(AnyValue::String(status)) => status.to_str().into_owned(),
        Some(_) => String::new(),
        None => return,
    };
    let Some(message) = attributes.get("aws.http.error_message") else { return };
    let message = message.as_text().unwrap_or_default();
    context.room.exception(HTTP_FAILURE_TYPE.as_bytes(), message.as_bytes());
    open(out, list, context.ids.segment_id());
    let mut text = status.into_bytes();
    let seconds = event.time_unix_nano() as f64 / 1e9;
    if write!(text, "@{seconds:.6}@").is_ok() {
        text.extend_from_slice(message.as_bytes());
    }
    member(out, "message", &text);
    member(out, "type", HTTP_FAILURE_TYPE.as_bytes());
    write_remote(out, true);
    out.push(b'}');
}
