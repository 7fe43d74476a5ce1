//! What OTLP has no place for, in attributes: [`names`](crate::names) has the list.

use std::collections::BTreeMap;

use super::Writer;
use super::any::{self, members};
use super::attributes::nested;
use super::blocks::keep_last;
use super::document::{Annotation, Cause, Entries, Exception, Extra, Link, Segment, Value};
use super::scan::{Place, Scanner, Text};
use super::span::write_id;
use crate::{ids, names};

/// `Span.links`, and the fields of `Link`.
const LINKS: u32 = 13;
const LINK_TRACE_ID: u32 = 1;
const LINK_SPAN_ID: u32 = 2;
const LINK_ATTRIBUTES: u32 = 4;

impl Writer<'_> {
    /// What the segment says beside what its attributes do, and the annotations that can be no attributes.
    pub(super) fn preserve_span(
        &mut self,
        out: &mut Vec<u8>,
        segment: &Segment,
        number: usize,
        annotations: &[Annotation],
    ) {
        let embedded = segment.enclosing.is_some();
        match segment.kind.get(self.json) {
            _ if embedded => self.attributes.bytes(out, names::TYPE.as_bytes(), b"subsegment"),
            kind if kind.is_empty() => self.attributes.bytes(out, names::TYPE.as_bytes(), b"segment"),
            kind => self.attributes.bytes(out, names::TYPE.as_bytes(), &kind),
        }
        self.attributes.flag(out, names::EMBEDDED, embedded.then_some(true));
        self.text(out, names::NAME, segment.name);
        self.text(out, names::NAMESPACE, segment.namespace);
        self.attributes.flag(out, names::FAULT, segment.fault);
        self.attributes.flag(out, names::ERROR, segment.error);
        self.attributes.flag(out, names::THROTTLE, segment.throttle);
        self.preserve_cause(out, &segment.cause);
        let sql = &segment.sql;
        self.text(out, names::SQL_CONNECTION_STRING, sql.connection_string);
        self.text(out, names::SQL_URL, sql.url);
        self.text(out, names::SQL_DATABASE_TYPE, sql.database_type);
        self.text(out, names::SQL_DATABASE_VERSION, sql.database_version);
        self.text(out, names::SQL_DRIVER_VERSION, sql.driver_version);
        self.text(out, names::SQL_PREPARATION, sql.preparation);
        self.list(out, names::TABLE_NAMES, segment.aws.table_names);
        self.list(out, names::RESOURCE_NAMES, segment.aws.resource_names);
        self.list(out, names::PRECURSOR_IDS, segment.precursor_ids);
        self.odd_links(out, segment.odd_links);
        self.extras(out, segment, number, annotations);
    }

    /// Links that lead nowhere are none of a span.
    fn odd_links(&mut self, out: &mut Vec<u8>, links: Entries) {
        if links.is_empty() {
            return;
        }
        self.scratch.clear();
        for link in links.of(&self.document.odd_links) {
            self.scratch.push(if self.scratch.is_empty() { b'[' } else { b',' });
            super::canonical::write(link.get(self.json), self.scratch);
        }
        self.scratch.push(b']');
        self.attributes.bytes(out, names::LINKS.as_bytes(), self.scratch);
    }

    /// What an exception says beside what its event's attributes do.
    pub(super) fn preserve_exception(&mut self, out: &mut Vec<u8>, exception: &Exception) {
        if exception.others.is_empty() {
            return;
        }
        let others = exception.others.of(&self.document.of_exceptions).iter();
        let members: BTreeMap<_, _> = others.map(|it| (it.name.get(self.json), it.value)).collect();
        self.scratch.clear();
        for (name, value) in members {
            self.scratch.push(if self.scratch.is_empty() { b'{' } else { b',' });
            crate::json::string(self.scratch, &name);
            self.scratch.push(b':');
            super::canonical::write(value.get(self.json), self.scratch);
        }
        self.scratch.push(b'}');
        self.attributes.bytes(out, names::EXCEPTION_EXTRA.as_bytes(), self.scratch);
    }

    fn preserve_cause(&mut self, out: &mut Vec<u8>, cause: &Cause) {
        match *cause {
            Cause::Absent => {}
            Cause::Id(id) => self.text(out, names::CAUSE_ID, id),
            Cause::Exceptions { working_directory, paths, .. } => {
                self.text(out, names::CAUSE_WORKING_DIRECTORY, working_directory);
                self.list(out, names::CAUSE_PATHS, paths);
            }
        }
    }

    pub(super) fn links(&mut self, out: &mut Vec<u8>, segment: &Segment) {
        for Link { trace_id, id, attributes } in segment.links.of(&self.document.links) {
            nested(out, LINKS, 1, |out| {
                write_id(out, LINK_TRACE_ID, trace_id);
                write_id(out, LINK_SPAN_ID, id);
                self.attributes.open(LINK_ATTRIBUTES, false);
                self.link_attributes(out, *attributes);
            });
        }
    }

    /// Of several of one name the last.
    fn link_attributes(&mut self, out: &mut Vec<u8>, attributes: Place) {
        let json = attributes.get(self.json);
        let mut members = members(json);
        keep_last(&mut members, 0, |(key, _)| key.get(json));
        for (key, value) in members {
            self.scratch.clear();
            any::write(value.get(json), 0, self.scratch);
            // Null is no value.
            if !self.scratch.is_empty() {
                self.attributes.encoded(out, &key.get(json), self.scratch);
            }
        }
    }

    /// A value as a string of JSON, unless there is none.
    pub(super) fn json_text(&mut self, out: &mut Vec<u8>, name: &str, place: Place) {
        if place.is_some() {
            self.scratch.clear();
            super::canonical::write(place.get(self.json), self.scratch);
            self.attributes.bytes(out, name.as_bytes(), self.scratch);
        }
    }

    /// An array of strings, unless there is none.
    fn list(&mut self, out: &mut Vec<u8>, name: &str, place: Place) {
        if place.is_some() {
            let json = place.get(self.json);
            self.attributes.array(out, name, texts(json).into_iter(), json);
        }
    }

    /// Everything else, in one object of the document's shape.
    fn extras(&mut self, out: &mut Vec<u8>, segment: &Segment, number: usize, annotations: &[Annotation]) {
        // Those that are no scalars are among the extras already.
        let scalars = annotations.iter().filter(|it| !matches!(it.value, Value::Other(_)));
        let extra =
            |it: &Annotation| Extra { segment: number, path: &["annotations"], key: it.key, value: it.place };
        let scalars: Vec<Extra> = scalars.map(extra).collect();
        let extras = &self.document.extras;
        let first = extras.partition_point(|extra| extra.segment < number);
        let own = extras.iter().skip(first).take_while(|it| it.segment == number);
        let own = own.filter(|it| !self.says_what_encloses(it, segment));
        let mine: Vec<&Extra> = own.chain(&scalars).collect();
        if mine.is_empty() {
            return;
        }
        self.scratch.clear();
        write_tree(self.scratch, &mine, 0, self.json);
        self.attributes.bytes(out, names::EXTRA.as_bytes(), self.scratch);
    }
}

impl Writer<'_> {
    /// Whether a field is the parent that the span has anyway.
    fn says_what_encloses(&self, extra: &Extra, segment: &Segment) -> bool {
        let id = || Scanner::new(extra.value.get(self.json)).string().unwrap_or_default();
        extra.path.is_empty()
            && &*extra.key.get(self.json) == b"parent_id"
            && ids::parse_segment_id(&id().get(extra.value.get(self.json))) == segment.enclosing
    }
}

/// Writes the fields of an object `level` objects deep, and the objects in it.
fn write_tree(out: &mut Vec<u8>, extras: &[&Extra], level: usize, json: &[u8]) {
    let mut fields = BTreeMap::new();
    let mut objects: BTreeMap<&str, Vec<&Extra>> = BTreeMap::new();
    for extra in extras {
        match extra.path.get(level) {
            Some(object) => objects.entry(object).or_default().push(extra),
            None => drop(fields.insert(extra.key.get(json), extra.value)),
        }
    }
    out.push(b'{');
    for (key, value) in &fields {
        crate::json::string(out, key);
        out.push(b':');
        super::canonical::write(value.get(json), out);
        out.push(b',');
    }
    for (key, inside) in &objects {
        crate::json::string(out, key.as_bytes());
        out.push(b':');
        write_tree(out, inside, level + 1, json);
        out.push(b',');
    }
    out.pop_if(|last| *last == b',');
    out.push(b'}');
}

/// The elements of an array of strings that was read already.
fn texts(json: &[u8]) -> Vec<Text> {
    let mut scan = Scanner::new(json);
    let mut texts = Vec::new();
    let mut more = scan.open(b'[', b']').is_ok_and(|empty| !empty);
    while more {
        let text = match scan.null() {
            Ok(true) => Text::NONE,
            _ => scan.string().unwrap_or_default(),
        };
        texts.push(text);
        more = scan.more(b']').unwrap_or_default();
    }
    texts
}
