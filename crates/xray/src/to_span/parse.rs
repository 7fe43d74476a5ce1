//! Segments out of a document: every field that is known, with its type, and what makes a segment a valid one.
//!
//! Fields and types are those of the reference implementation's segment model; what it does not know is passed over.

use std::ops::Range;

use super::Limits;
use super::blocks;
use super::document::{Document, Entries, Link, Namespace, Segment};
use super::refusal::{Dropped, Reason, Refused};
use super::scan::{Fault, Scanner, Text};
use super::steps;
use super::values::{Parser, Wrong};
use crate::ids;

/// The last moment that a document may tell of, in seconds: what 64 bits of nanoseconds have room for, in the year 2554.
const MAX_SECONDS: f64 = 18_446_744_073.0;

/// Reads a document. What is wrong inside of it is dropped, what is wrong at its top refuses it.
pub(super) fn parse(
    json: &[u8],
    limits: &Limits,
    preserve: bool,
    document: &mut Document,
    dropped: &mut Vec<Dropped>,
) -> Result<(), Refused> {
    document.clear();
    let scan = Scanner::new(json);
    let mut parser = Parser { scan, document, wrong: None, current: 0, preserve };
    let unread = |fault: Fault| Refused { reason: fault.reason, field: "", at: fault.at, segments: 0 };
    if parser.scan.peek().map_err(unread)? != b'{' {
        return Err(unread(parser.scan.fault()));
    }
    let mut nested = Nested { limits, dropped };
    let wrong = nested.segment(&mut parser, 0).map_err(unread)?;
    parser.scan.end().map_err(unread)?;
    match wrong {
        None => Ok(()),
        Some(Wrong { reason, field, at }) => {
            Err(Refused { reason, field, at, segments: parser.document.seen })
        }
    }
}

/// What is the same at every level.
struct Nested<'l> {
    limits: &'l Limits,
    dropped: &'l mut Vec<Dropped>,
}

/// What was counted before the subsegments of a segment, to which another list of them goes back.
struct Before {
    seen: usize,
    dropped: usize,
    /// Where the extras of the latest list stand: one behind the other, since they were read in one go.
    extras: Range<usize>,
}

/// Fields that make a segment valid or not, as read.
#[derive(Default)]
struct Required {
    id: Text,
    trace_id: Text,
    parent_id: Text,
    start: Option<f64>,
    end: Option<f64>,
}

impl Nested<'_> {
    /// Reads a segment and everything nested in it, which is next; says what is wrong with the segment itself.
    fn segment(&mut self, parser: &mut Parser<'_, '_>, level: usize) -> Result<Option<Wrong>, Fault> {
        let at = parser.scan.position();
        parser.document.seen += 1;
        if level > self.limits.max_depth {
            return Err(Fault { reason: Reason::TooDeep, at });
        }
        if parser.document.seen > self.limits.max_segments {
            return Err(Fault { reason: Reason::TooManySegments, at });
        }
        let number = parser.document.segments.len();
        parser.document.segments.push(Segment::EMPTY);
        let outer = (parser.current, parser.wrong.take());
        parser.current = number;
        let mut before = Before { seen: parser.document.seen, dropped: self.dropped.len(), extras: 0..0 };
        let (mut segment, mut required) = (Segment::EMPTY, Required::default());
        parser.object("subsegments", &mut |parser, key, name| {
            parser.current = number;
            match key {
                b"subsegments" => self.subsegments(parser, number, level, &mut before),
                _ => field(parser, key, name, level, &mut segment, &mut required),
            }
        })?;
        if parser.wrong.is_none() {
            let checked = check(parser.scan.json(), level, &required, &mut segment);
            parser.wrong = checked.err().map(|(reason, field)| Wrong { reason, field, at });
        }
        if let Some(place) = parser.document.segments.get_mut(number) {
            *place = segment;
        }
        for child in parser.document.segments.iter_mut().skip(number + 1) {
            // Those of deeper levels know theirs already.
            child.enclosing.get_or_insert(segment.id);
        }
        let wrong = parser.wrong.take();
        (parser.current, parser.wrong) = outer;
        Ok(wrong)
    }

    fn subsegments(
        &mut self,
        parser: &mut Parser<'_, '_>,
        number: usize,
        level: usize,
        before: &mut Before,
    ) -> Result<(), Fault> {
        // The last of several fields of one name counts.
        parser.document.seen = before.seen;
        self.dropped.truncate(before.dropped);
        parser.document.segments.truncate(number + 1);
        // Only the latest list's: a document may have thousands of lists, and thousands of extras beside each.
        if !before.extras.is_empty() {
            steps::took(parser.document.extras.len() - before.extras.start);
            parser.document.extras.drain(before.extras.clone());
        }
        before.extras.start = parser.document.extras.len();
        parser.array("subsegments", &mut |parser| {
            let (first, seen, extras) =
                (parser.document.segments.len(), parser.document.seen, parser.document.extras.len());
            let wrong = if parser.scan.peek()? == b'{' {
                self.segment(parser, level + 1)?
            } else {
                let at = parser.scan.position();
                parser.document.seen += 1;
                parser.scan.skip(0)?;
                Some(Wrong { reason: Reason::WrongType, field: "subsegments", at })
            };
            if let Some(Wrong { reason, field, at }) = wrong {
                parser.document.segments.truncate(first);
                parser.document.extras.truncate(extras);
                let segments = parser.document.seen - seen;
                self.dropped.push(Dropped { reason, field, at, segments });
            }
            Ok(())
        })?;
        before.extras.end = parser.document.extras.len();
        Ok(())
    }
}

/// Reads the value of one field of a segment.
fn field(
    parser: &mut Parser<'_, '_>,
    key: &[u8],
    name: Text,
    level: usize,
    segment: &mut Segment,
    required: &mut Required,
) -> Result<(), Fault> {
    match key {
        b"name" => segment.name = parser.text("name")?,
        b"id" => required.id = parser.text("id")?,
        b"trace_id" => required.trace_id = parser.text("trace_id")?,
        b"parent_id" => {
            let start = parser.start()?;
            required.parent_id = parser.text("parent_id")?;
            if level > 0 && required.parent_id.is_some() {
                parser.keep(&[], name, parser.scan.since(start));
            }
        }
        b"start_time" => required.start = parser.double("start_time")?,
        b"end_time" => required.end = parser.double("end_time")?,
        b"type" => segment.kind = parser.text("type")?,
        b"namespace" => segment.namespace = parser.text("namespace")?,
        b"in_progress" => segment.in_progress = parser.flag("in_progress")?,
        b"user" => segment.user = parser.text("user")?,
        b"fault" => segment.fault = parser.flag("fault")?,
        b"error" => segment.error = parser.flag("error")?,
        b"throttle" => segment.throttle = parser.flag("throttle")?,
        b"traced" => segment.traced = parser.flag("traced")?,
        b"http" => segment.http = blocks::http(parser)?,
        b"cause" => segment.cause = blocks::cause(parser, name)?,
        b"aws" => segment.aws = blocks::aws(parser, level == 0)?,
        b"sql" => segment.sql = blocks::sql(parser)?,
        b"annotations" => segment.annotations = blocks::annotations(parser)?,
        b"metadata" => segment.metadata = metadata(parser)?,
        b"links" => (segment.links, segment.odd_links) = links(parser)?,
        b"precursor_ids" => segment.precursor_ids = parser.texts("precursor_ids", &[], name)?,
        b"origin" => {
            let origin = outermost(parser, level, name, "origin")?;
            parser.document.root.origin = origin.or(parser.document.root.origin);
        }
        b"resource_arn" => {
            let arn = outermost(parser, level, name, "resource_arn")?;
            parser.document.root.resource_arn = arn.or(parser.document.root.resource_arn);
        }
        b"service" => super::host::service(parser, level == 0)?,
        _ => parser.extra(&[], name)?,
    }
    Ok(())
}

/// A string that only the outermost segment has an attribute for.
fn outermost(
    parser: &mut Parser<'_, '_>,
    level: usize,
    name: Text,
    field: &'static str,
) -> Result<Text, Fault> {
    if level == 0 {
        return parser.text(field);
    }
    let start = parser.start()?;
    if parser.text(field)?.is_some() {
        parser.keep(&[], name, parser.scan.since(start));
    }
    Ok(Text::NONE)
}

/// What a segment must have, decoded.
fn check(
    json: &[u8],
    level: usize,
    required: &Required,
    segment: &mut Segment,
) -> Result<(), (Reason, &'static str)> {
    let missing = |there: bool, field| if there { Ok(()) } else { Err((Reason::Missing, field)) };
    missing(segment.name.is_some(), "name")?;
    missing(required.id.is_some(), "id")?;
    let start = required.start.ok_or((Reason::Missing, "start_time"))?;
    missing(required.trace_id.is_some() || level > 0, "trace_id")?;
    segment.id = ids::parse_segment_id(&required.id.get(json)).ok_or((Reason::InvalidId, "id"))?;
    if required.trace_id.is_some() {
        let id = ids::parse_trace_id(&required.trace_id.get(json));
        segment.trace_id = Some(id.ok_or((Reason::InvalidId, "trace_id"))?);
    }
    // Of what is nested the parent is what it is nested in, whatever else is said.
    if required.parent_id.is_some() && level == 0 {
        let id = ids::parse_segment_id(&required.parent_id.get(json));
        segment.parent_id = Some(id.ok_or((Reason::InvalidId, "parent_id"))?);
    }
    segment.start = nanos(start).ok_or((Reason::InvalidTime, "start_time"))?;
    if let Some(end) = required.end {
        segment.end = Some(nanos(end).ok_or((Reason::InvalidTime, "end_time"))?);
    }
    let namespace = segment.namespace.get(json);
    if level > 0 && segment.namespace.is_some() && !matches!(&*namespace, b"aws" | b"remote" | b"local") {
        return Err((Reason::InvalidNamespace, "namespace"));
    }
    Ok(())
}

/// Seconds as nanoseconds, cut, as the reference does it.
fn nanos(seconds: f64) -> Option<u64> {
    (0.0..=MAX_SECONDS).contains(&seconds).then_some((seconds * 1e9) as u64)
}

fn metadata(parser: &mut Parser<'_, '_>) -> Result<Entries, Fault> {
    let start = parser.document.metadata.len();
    parser.object("metadata", &mut |parser, _, name| {
        match parser.scan.peek()? {
            b'{' | b'n' => {}
            _ => parser.note(Reason::WrongType, "metadata"),
        }
        let value = parser.scan.skip(0)?;
        parser.document.metadata.push(Namespace { name, value });
        Ok(())
    })?;
    let json = parser.scan.json();
    blocks::keep_last(&mut parser.document.metadata, start, |namespace| namespace.name.get(json));
    Ok(Entries { start, end: parser.document.metadata.len() })
}

/// The links, and those that lead nowhere.
fn links(parser: &mut Parser<'_, '_>) -> Result<(Entries, Entries), Fault> {
    let (start, odd) = (parser.document.links.len(), parser.document.odd_links.len());
    let json = parser.scan.json();
    parser.array("links", &mut |parser| {
        let (start, mut trace_id, mut id) = (parser.start()?, Text::NONE, Text::NONE);
        let mut attributes = super::scan::Place::NONE;
        parser.object("links", &mut |parser, key, _| {
            match key {
                b"trace_id" => trace_id = parser.text("links.trace_id")?,
                b"id" => id = parser.text("links.id")?,
                b"attributes" => {
                    let start = parser.start()?;
                    if parser.object("links.attributes", &mut |parser, _, _| parser.pass())? {
                        attributes = parser.scan.since(start);
                    }
                }
                _ => parser.pass()?,
            }
            Ok(())
        })?;
        let ids = (ids::parse_trace_id(&trace_id.get(json)), ids::parse_segment_id(&id.get(json)));
        if let (Some(trace_id), Some(id)) = ids {
            parser.document.links.push(Link { trace_id, id, attributes });
        } else if parser.preserve {
            parser.document.odd_links.push(parser.scan.since(start));
        }
        Ok(())
    })?;
    let links = Entries { start, end: parser.document.links.len() };
    Ok((links, Entries { start: odd, end: parser.document.odd_links.len() }))
}
