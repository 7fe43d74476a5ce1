//! One segment as a span.

use std::borrow::Cow;

use otlp::wire::{write_fixed64_field, write_len_field, write_varint_field};

use super::Writer;
use super::attributes::nested;
use super::document::{Annotation, Cause, Exception, Frame, Http, Length, Segment, Sql, Value};
use super::sql::split_url;
use crate::names;

/// Fields of `Span`.
const TRACE_ID: u32 = 1;
const SPAN_ID: u32 = 2;
const PARENT_SPAN_ID: u32 = 4;
const NAME: u32 = 5;
const KIND: u32 = 6;
const START: u32 = 7;
const END: u32 = 8;
const ATTRIBUTES: u32 = 9;
const EVENTS: u32 = 11;
const STATUS: u32 = 15;
/// Fields of `Status`, and its code for an error.
const STATUS_MESSAGE: u32 = 2;
const STATUS_CODE: u32 = 3;
const ERROR: u64 = 2;
/// Fields of `Event`.
const EVENT_NAME: u32 = 2;
const EVENT_ATTRIBUTES: u32 = 3;
/// Values of `Span.kind`.
const INTERNAL: u64 = 1;
const SERVER: u64 = 2;
const CLIENT: u64 = 3;

impl Writer<'_> {
    pub(super) fn span(&mut self, out: &mut Vec<u8>, segment: &Segment, number: usize, root: &Segment) {
        let trace_id = segment.trace_id.or(root.trace_id).unwrap_or_default();
        // An id of zeros is no id: OTLP leaves it out.
        write_id(out, TRACE_ID, &trace_id);
        write_id(out, SPAN_ID, &segment.id);
        write_id(out, PARENT_SPAN_ID, &segment.enclosing.or(segment.parent_id).unwrap_or_default());
        write_len_field(out, NAME, &segment.name.get(self.json));
        let namespace = segment.namespace.get(self.json);
        write_varint_field(out, KIND, self.kind(segment, &namespace));
        write_fixed64_field(out, START, segment.start);
        if let Some(end) = segment.end {
            write_fixed64_field(out, END, end);
        }
        let annotations = segment.annotations.of(&self.document.annotations);
        let dotted = |annotation: &Annotation| annotation.key.raw(self.json).contains(&b'.');
        let watched = annotations.iter().any(|it| it.key.is_escaped() || dotted(it));
        self.attributes.open(ATTRIBUTES, watched);
        if &*namespace == b"aws" {
            self.text(out, "aws.service", segment.name);
        }
        self.attributes.flag(out, names::IN_PROGRESS, segment.in_progress);
        self.text(out, "enduser.id", segment.user);
        self.http(out, &segment.http);
        self.aws(out, segment);
        self.sql(out, &segment.sql);
        self.attributes.flag(out, names::TRACED, segment.traced);
        let (ours, annotations) = match watched && self.options.preserve {
            true => self.apart(out, annotations),
            false => (Vec::new(), Cow::Borrowed(annotations)),
        };
        self.annotations(out, &annotations);
        self.metadata(out, segment);
        if self.options.preserve {
            self.preserve_span(out, segment, number, &ours);
        }
        if let Cause::Exceptions { exceptions, .. } = segment.cause {
            for exception in exceptions.of(&self.document.exceptions) {
                nested(out, EVENTS, 2, |out| self.event(out, exception));
            }
        }
        if self.options.links || self.options.preserve {
            self.links(out, segment);
        }
        self.status(out, segment);
    }

    fn kind(&self, segment: &Segment, namespace: &[u8]) -> u64 {
        let alone_but_subsegment =
            segment.parent_id.is_some() && segment.kind.get(self.json).eq_ignore_ascii_case(b"subsegment");
        let is_subsegment = segment.enclosing.is_some() || alone_but_subsegment;
        match namespace {
            _ if !is_subsegment => SERVER,
            b"aws" | b"remote" => CLIENT,
            _ if segment.http.client_ip.is_some() => SERVER,
            _ => INTERNAL,
        }
    }

    fn http(&mut self, out: &mut Vec<u8>, http: &Http) {
        let (old, stable) = (self.options.http.old(), self.options.http.stable());
        for (is_on, method, client_ip, user_agent, url) in [
            (old, "http.method", "http.client_ip", "http.user_agent", "http.url"),
            (stable, "http.request.method", "client.address", "user_agent.original", "url.full"),
        ] {
            if is_on {
                self.text(out, method, http.method);
                self.text(out, client_ip, http.client_ip);
                self.text(out, user_agent, http.user_agent);
                self.text(out, url, http.url);
            }
        }
        self.attributes.flag(out, names::X_FORWARDED_FOR, http.x_forwarded_for);
        for (is_on, status, length) in [
            (old, "http.status_code", "http.response_content_length"),
            (stable, "http.response.status_code", "http.response.body.size"),
        ] {
            if is_on {
                self.attributes.int(out, status, http.status);
                match http.content_length {
                    Length::None => {}
                    // What the reference cuts off is kept with everything else.
                    Length::Number(number) if self.options.preserve && number as i64 as f64 != number => {
                        self.attributes.double(out, length.as_bytes(), number);
                    }
                    Length::Number(number) => self.attributes.whole(out, length.as_bytes(), number as i64),
                    Length::Text(text) => self.text(out, length, text),
                }
            }
        }
    }

    fn aws(&mut self, out: &mut Vec<u8>, segment: &Segment) {
        let aws = &segment.aws;
        self.text(out, "aws.account_id", aws.account_id);
        self.text(out, "aws.operation", aws.operation);
        self.text(out, "aws.region", aws.region);
        self.text(out, "aws.request_id", aws.request_id);
        self.text(out, "aws.queue_url", aws.queue_url);
        self.text(out, "aws.table_name", aws.table_name);
        self.attributes.int(out, names::RETRIES, aws.retries);
    }

    fn sql(&mut self, out: &mut Vec<u8>, sql: &Sql) {
        let (old, stable) = (self.options.database.old(), self.options.database.stable());
        if sql.url.is_some() {
            let url = sql.url.get(self.json);
            let (place, name) = split_url(&url).map_or((&*url, None), |(place, name)| (place, Some(name)));
            self.attributes.bytes(out, b"db.connection_string", place);
            for (is_on, key) in [(old, "db.name"), (stable, "db.namespace")] {
                if let Some(name) = name.filter(|_| is_on) {
                    self.attributes.bytes(out, key.as_bytes(), name);
                }
            }
        }
        for (is_on, system, statement) in
            [(old, "db.system", "db.statement"), (stable, "db.system.name", "db.query.text")]
        {
            if is_on {
                self.text(out, system, sql.database_type);
                self.text(out, statement, sql.sanitized_query);
            }
        }
        self.text(out, "db.user", sql.user);
    }

    /// Annotations that would take the place of an attribute which says something else, and the others.
    fn apart<'a>(&self, out: &[u8], annotations: &[Annotation]) -> (Vec<Annotation>, Cow<'a, [Annotation]>) {
        let is_ours = |annotation: &Annotation| {
            let key = annotation.key.get(self.json);
            key.starts_with(names::PREFIX.as_bytes()) || self.attributes.has(out, &key)
        };
        let (ours, others) = annotations.iter().copied().partition(is_ours);
        (ours, Cow::Owned(others))
    }

    fn annotations(&mut self, out: &mut Vec<u8>, annotations: &[Annotation]) {
        if annotations.is_empty() {
            return;
        }
        let keys = annotations.iter().map(|annotation| annotation.key);
        self.attributes.array(out, names::ANNOTATIONS, keys, self.json);
        for Annotation { key, value, .. } in annotations {
            let key = key.get(self.json);
            match *value {
                // Every number is a double, as in the reference, unless that would change it and nothing may be lost.
                Value::Number(number, _)
                    if !self.options.preserve || number.abs() < 9_007_199_254_740_992.0 =>
                {
                    self.attributes.double(out, &key, number);
                }
                value => self.scalar(out, &key, value),
            }
        }
    }

    fn metadata(&mut self, out: &mut Vec<u8>, segment: &Segment) {
        for namespace in segment.metadata.of(&self.document.metadata) {
            let name = [names::METADATA_PREFIX.as_bytes(), &namespace.name.get(self.json)].concat();
            self.scratch.clear();
            super::canonical::write(namespace.value.get(self.json), self.scratch);
            self.attributes.bytes(out, &name, self.scratch);
        }
    }

    fn status(&self, out: &mut Vec<u8>, segment: &Segment) {
        let bad_status = segment.http.status.is_some_and(|status| !(100..399).contains(&status));
        let (cause, message) = match segment.cause {
            Cause::Absent => (false, None),
            Cause::Id(id) => (true, Some(id)),
            Cause::Exceptions { empty, .. } => (!empty || self.options.empty_cause_is_error, None),
        };
        let flagged = segment.fault == Some(true) || segment.error == Some(true);
        if bad_status || cause || (flagged && self.options.status_from_flags) {
            nested(out, STATUS, 1, |out| {
                if let Some(message) = message {
                    write_len_field(out, STATUS_MESSAGE, &message.get(self.json));
                }
                write_varint_field(out, STATUS_CODE, ERROR);
            });
        }
    }

    /// An exception; it has no time.
    fn event(&mut self, out: &mut Vec<u8>, exception: &Exception) {
        write_len_field(out, EVENT_NAME, names::EXCEPTION_EVENT.as_bytes());
        self.attributes.open(EVENT_ATTRIBUTES, false);
        self.text(out, names::EXCEPTION_ID, exception.id);
        self.text(out, names::EXCEPTION_MESSAGE, exception.message);
        self.text(out, names::EXCEPTION_TYPE, exception.kind);
        self.attributes.flag(out, names::EXCEPTION_REMOTE, exception.remote);
        self.attributes.int(out, names::EXCEPTION_TRUNCATED, exception.truncated);
        self.attributes.int(out, names::EXCEPTION_SKIPPED, exception.skipped);
        self.text(out, names::EXCEPTION_CAUSE, exception.cause);
        let frames = exception.frames.of(&self.document.frames);
        if !frames.is_empty() {
            self.scratch.clear();
            write_stack(self.scratch, exception, frames, self.json);
            self.attributes.bytes(out, names::EXCEPTION_STACKTRACE.as_bytes(), self.scratch);
            if self.options.preserve {
                self.json_text(out, names::EXCEPTION_STACK, exception.stack);
            }
        }
        self.preserve_exception(out, exception);
    }
}

/// The frames in the words of the reference, which are nearly Java's.
fn write_stack(out: &mut Vec<u8>, exception: &Exception, frames: &[Frame], json: &[u8]) {
    out.extend_from_slice(&exception.kind.get(json));
    out.extend_from_slice(b": ");
    out.extend_from_slice(&exception.message.get(json));
    out.push(b'\n');
    for Frame { path, line, label } in frames {
        out.extend_from_slice(b"\tat ");
        out.extend_from_slice(&label.get(json));
        out.push(b'(');
        out.extend_from_slice(&path.get(json));
        out.extend_from_slice(b": ");
        match line {
            Some(line) => out.extend_from_slice(itoa::Buffer::new().format(*line).as_bytes()),
            None => out.extend_from_slice(b"<unknown>"),
        }
        out.extend_from_slice(b")\n");
    }
}

pub(super) fn write_id(out: &mut Vec<u8>, field: u32, id: &[u8]) {
    if id.iter().any(|byte| *byte != 0) {
        write_len_field(out, field, id);
    }
}
