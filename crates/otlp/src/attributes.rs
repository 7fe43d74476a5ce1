//! Changing attributes, and nothing else, in one pass.
//!
//! [`edit`](mod@crate::edit) can change everything about a request, and pays for it: what changes is kept until the end,
//! since more may follow. Changing attributes of items is by far the most frequent edit, so it has a way of its own: each
//! holder of attributes is shown once, says all its changes at once, and the request is written anew as the walk goes on.
//! Nothing is written, nor copied, before the first change.

use std::ops::Range;
use std::sync::Arc;

use data::{Batch, Budget, Part};

use crate::Signal;
use crate::batch::otlp_signal;
use crate::edit::{INNER, Place, RESOURCE_ATTRIBUTES, item_attributes};
use crate::shape::Shape;
use crate::view::{KeyValue, Metric, Resource, Scope};
use crate::wire::{
    Field, Fields, WireType, len_field_len, varint_len, write_len_field, write_tag, write_varint,
};

/// Whose attributes are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Those of resources.
    Resource,
    /// Those of spans, data points and log records.
    Item,
}

/// Decides what becomes of attributes.
pub trait AttributeEditor {
    /// Whether to look into what a resource holds. Asked at [`Level::Item`] only, as are the next two.
    fn resource(&mut self, _resource: Resource<'_>) -> bool {
        true
    }

    /// Whether to look into what a scope holds.
    fn scope(&mut self, _scope: Scope<'_>) -> bool {
        true
    }

    /// Whether to look into what a metric holds.
    fn metric(&mut self, _metric: Metric<'_>) -> bool {
        true
    }

    /// The holder of attributes, and where to say what is to change. Nothing said leaves its bytes as they are.
    fn attributes(&mut self, holder: Holder<'_>, changes: &mut Changes);
}

/// A message that has attributes, as it came. A resource that the sender left out has no bytes.
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    bytes: &'a [u8],
    number: u32,
}

impl<'a> Holder<'a> {
    /// The message, for the view that belongs to it.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its attributes, each with where it stands in [`bytes`](Self::bytes), tag and length included.
    #[must_use]
    #[inline]
    pub const fn attributes(&self) -> PlacedAttributes<'a> {
        PlacedAttributes { rest: self.bytes, at: 0, number: self.number }
    }
}

/// The attributes of a [`Holder`], in order, with their places.
#[derive(Clone, Debug)]
pub struct PlacedAttributes<'a> {
    rest: &'a [u8],
    at: usize,
    number: u32,
}

impl<'a> Iterator for PlacedAttributes<'a> {
    type Item = (Range<usize>, KeyValue<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let tag = self.number << 3 | WireType::Len as u32;
        loop {
            // Most fields are attributes of less than 128 bytes, whose field number fits a tag of one byte.
            if let [found, len @ 0..0x80, rest @ ..] = self.rest
                && u32::from(*found) == tag
                && let Some((bytes, rest)) = rest.split_at_checked(usize::from(*len))
            {
                let start = self.at;
                self.at += 2 + bytes.len();
                self.rest = rest;
                return Some((start..self.at, KeyValue::new(bytes)));
            }
            let field = Fields::new(self.rest).next()?;
            let start = self.at;
            self.at += field.end;
            self.rest = self.rest.get(field.end..)?;
            if field.number == self.number
                && let Some(bytes) = field.bytes()
            {
                return Some((start..self.at, KeyValue::new(bytes)));
            }
        }
    }
}

/// What is to change about one holder's attributes. Places are those that [`Holder::attributes`] gave.
#[derive(Debug, Default)]
pub struct Changes {
    number: u32,
    list: Vec<Change>,
    written: Vec<u8>,
}

#[derive(Debug)]
struct Change {
    at: Range<usize>,
    with: Range<usize>,
}

impl Changes {
    /// Takes an attribute out.
    pub fn remove(&mut self, at: Range<usize>) {
        self.list.push(Change { at, with: 0..0 });
    }

    /// Puts an attribute in the place of another. `value` is an encoded `AnyValue`, without tag and length.
    pub fn replace(&mut self, at: Range<usize>, key: &[u8], value: &[u8]) {
        let with = self.write(key, value);
        self.list.push(Change { at, with });
    }

    /// Adds an attribute at `at`, the end of an attribute or of the message. Those added at one place keep their order.
    pub fn add(&mut self, at: usize, key: &[u8], value: &[u8]) {
        self.replace(at..at, key, value);
    }

    fn write(&mut self, key: &[u8], value: &[u8]) -> Range<usize> {
        let start = self.written.len();
        let len = len_field_len(1, key.len()) + len_field_len(2, value.len());
        write_tag(&mut self.written, self.number, WireType::Len);
        write_varint(&mut self.written, len as u64);
        write_len_field(&mut self.written, 1, key);
        write_len_field(&mut self.written, 2, value);
        start..self.written.len()
    }

    fn start(&mut self, number: u32) {
        self.number = number;
        self.list.clear();
        self.written.clear();
    }

    /// Puts the changes in the order of their places. Returns by how much the message grows.
    fn settle(&mut self) -> isize {
        if !self.list.is_sorted_by_key(|change| change.at.start) {
            self.list.sort_by_key(|change| change.at.start);
        }
        let growth = |change: &Change| change.with.len() as isize - change.at.len() as isize;
        self.list.iter().map(growth).sum()
    }
}

/// Rewrites requests, one after the other. Keeps its buffers between them.
#[derive(Debug, Default)]
pub struct Rewriter {
    changes: Changes,
    /// Length of the last request that changed, before and after: the next is likely to grow as much.
    last: (usize, usize),
}

impl Rewriter {
    /// Shows the attributes of a checked request. Returns the changed request, nothing if nothing has changed.
    pub fn rewrite<E: AttributeEditor>(
        &mut self,
        signal: Signal,
        level: Level,
        request: &[u8],
        editor: &mut E,
    ) -> Option<Vec<u8>> {
        let capacity = self.capacity(request.len());
        let changes = &mut self.changes;
        let copy = Copied { request, upto: 0, capacity, out: Vec::new() };
        let mut walk = Walk { signal, level, request, editor, changes, copy, open: Vec::new() };
        walk.children(Shape::Request, 0..request.len(), 0);
        let out = walk.copy.finish()?;
        self.last = (request.len(), out.len());
        Some(out)
    }

    /// The same with every part of a batch; what is written is counted in the budget. A signal that is not OTLP's is
    /// left alone.
    pub fn rewrite_batch<E: AttributeEditor>(
        &mut self,
        mut batch: Batch,
        level: Level,
        budget: &Arc<Budget>,
        editor: &mut E,
    ) -> Batch {
        let Some(signal) = otlp_signal(batch.signal()) else { return batch };
        let (parts, items) = batch.take();
        let mut rewrite = |part: Part| match self.rewrite(signal, level, part.bytes(), editor) {
            Some(changed) => budget.adopt(changed),
            None => part,
        };
        batch.replace(parts.into_iter().map(&mut rewrite).collect(), items);
        batch
    }

    /// What a rewritten request will probably take, and a little more.
    fn capacity(&self, len: usize) -> usize {
        let (before, after) = self.last;
        let grown = len.saturating_mul(after).checked_div(before).unwrap_or(len).min(len.saturating_mul(4));
        grown.max(len) + len / 32 + 64
    }
}

/// The new request as far as it is written: everything before `upto` of the old one is in it.
struct Copied<'e> {
    request: &'e [u8],
    upto: usize,
    capacity: usize,
    out: Vec<u8>,
}

impl Copied<'_> {
    #[inline]
    fn copy(&mut self, end: usize) {
        if self.out.capacity() == 0 {
            self.out.reserve(self.capacity);
        }
        self.out.extend_from_slice(self.request.get(self.upto..end).unwrap_or_default());
        self.upto = end.max(self.upto);
    }

    /// The whole, if anything has changed.
    fn finish(mut self) -> Option<Vec<u8>> {
        if self.out.capacity() == 0 {
            return None;
        }
        self.copy(self.request.len());
        Some(self.out)
    }
}

/// A message around the one that is shown.
struct Open {
    /// Where its length stands in the request.
    length: Range<usize>,
    /// Where its length stands in the new request, once something within has changed.
    written: Option<usize>,
}

struct Walk<'e, E> {
    signal: Signal,
    level: Level,
    request: &'e [u8],
    editor: &'e mut E,
    changes: &'e mut Changes,
    copy: Copied<'e>,
    open: Vec<Open>,
}

impl<'e, E: AttributeEditor> Walk<'e, E> {
    fn bytes(&self, range: &Range<usize>) -> &'e [u8] {
        self.request.get(range.clone()).unwrap_or_default()
    }

    /// Shows everything on the way down from a message. Returns by how much it grows. `data` is the field of a metric
    /// that holds its points.
    fn children(&mut self, shape: Shape, body: Range<usize>, data: u32) -> isize {
        let mut growth = 0;
        for field in Fields::new(self.bytes(&body)) {
            let Some(shape) = shape.child(self.signal, field.number) else { continue };
            let Place { length, payload, .. } = Place::new(body.start, &field);
            if shape == Shape::Item {
                growth += self.holder(&length, &payload, item_attributes(self.signal, data));
                continue;
            }
            self.open.push(Open { length, written: None });
            let inside = self.inside(shape, payload.clone(), field.number);
            growth += self.close(payload.len(), inside);
        }
        growth
    }

    /// What is in a message that is no item.
    fn inside(&mut self, shape: Shape, body: Range<usize>, number: u32) -> isize {
        let bytes = self.bytes(&body);
        let inner = || Fields::new(bytes).find(|field| field.number == INNER);
        let enter = match shape {
            Shape::Resource if self.level == Level::Resource => {
                return match inner().map(|field| Place::new(body.start, &field)) {
                    Some(place) => self.holder(&place.length, &place.payload, RESOURCE_ATTRIBUTES),
                    None => self.absent_resource(body.start),
                };
            }
            Shape::Resource => self.editor.resource(Resource::new(payload_of(inner()))),
            Shape::Scope => self.editor.scope(Scope::new(payload_of(inner()))),
            Shape::Metric => self.editor.metric(Metric::new(bytes)),
            Shape::Request | Shape::Data | Shape::Item => true,
        };
        if enter { self.children(shape, body, number) } else { 0 }
    }

    /// Shows a holder of attributes and writes what changes. Returns by how much it grows, its length included.
    fn holder(&mut self, length: &Range<usize>, payload: &Range<usize>, number: u32) -> isize {
        self.changes.start(number);
        let bytes = self.bytes(payload);
        self.editor.attributes(Holder { bytes, number }, self.changes);
        if self.changes.list.is_empty() {
            return 0;
        }
        let growth = self.changes.settle();
        self.write_open();
        let copy = &mut self.copy;
        copy.copy(length.start);
        let len = payload.len().saturating_add_signed(growth) as u64;
        write_varint(&mut copy.out, len);
        copy.upto = length.end;
        for Change { at, with } in &self.changes.list {
            copy.copy(payload.start + at.start);
            copy.out.extend_from_slice(self.changes.written.get(with.clone()).unwrap_or_default());
            copy.upto = copy.upto.max(payload.start + at.end);
        }
        growth + varint_len(len) as isize - length.len() as isize
    }

    /// Shows a resource that is not there, and writes it if it gets attributes.
    fn absent_resource(&mut self, at: usize) -> isize {
        self.changes.start(RESOURCE_ATTRIBUTES);
        self.editor.attributes(Holder { bytes: &[], number: RESOURCE_ATTRIBUTES }, self.changes);
        if self.changes.list.is_empty() {
            return 0;
        }
        self.write_open();
        self.copy.copy(at);
        let before = self.copy.out.len();
        write_len_field(&mut self.copy.out, INNER, &self.changes.written);
        (self.copy.out.len() - before) as isize
    }

    /// Writes the messages around a change up to their lengths, as those are for now.
    #[inline]
    fn write_open(&mut self) {
        for open in self.open.iter_mut().filter(|open| open.written.is_none()) {
            self.copy.copy(open.length.end);
            open.written = Some(self.copy.out.len() - open.length.len());
        }
    }

    /// The innermost open message is done: corrects its length. Returns by how much its whole field grows.
    fn close(&mut self, len: usize, growth: isize) -> isize {
        let Some(Open { length, written: Some(at) }) = self.open.pop() else { return 0 };
        let mut new = Vec::with_capacity(5);
        write_varint(&mut new, len.saturating_add_signed(growth) as u64);
        let wider = new.len() as isize - length.len() as isize;
        // Rarely of another width, which moves what is written of the message.
        self.copy.out.splice(at..at + length.len(), new);
        growth + wider
    }
}

fn payload_of(field: Option<Field<'_>>) -> &[u8] {
    field.and_then(|field| field.bytes()).unwrap_or_default()
}
