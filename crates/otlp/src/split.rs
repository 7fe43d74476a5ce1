//! Cutting a batch without decoding it.
//!
//! A batch is a rope of parts: requests that, one after the other, are one request again, since a repeated
//! protobuf field may be cut anywhere between its elements. So joining is concatenation, and cutting slices the
//! parts wherever a cut falls between two resources. Where it falls inside one, the messages around the cut are
//! written again on both sides: with the resource, the scope, the schema URLs, a metric's name, unit and
//! temporality, and every unknown field, but each with its own share of the items.

use std::ops::Range;

use bytes::Bytes;

use crate::Signal;
use crate::shape::{Shape, count_in};
use crate::wire::{Field, Fields, WireType, len_field_len, write_tag, write_varint};

/// One of the batches that a batch has been cut into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Its encoded parts.
    pub parts: Vec<Bytes>,
    /// How many spans, data points or log records they hold.
    pub items: usize,
    /// How many bytes they have.
    pub bytes: usize,
    /// Whether it has more bytes than were asked for, because a single item has, or what surrounds the items.
    pub oversize: bool,
}

/// Cuts after `n` items: the first piece holds exactly that many, or all there are.
#[must_use]
pub fn split_items(signal: Signal, parts: Vec<Bytes>, n: usize) -> (Vec<Bytes>, Vec<Bytes>) {
    if n == 0 {
        return (Vec::new(), parts);
    }
    let mut pieces = cut(signal, &parts, Limit::FirstItems(n)).into_iter();
    let head = pieces.next().unwrap_or_default().parts;
    (head, pieces.next().unwrap_or_default().parts)
}

/// Cuts into pieces of `n` items each (at least 1), the last one with what is left.
#[must_use]
pub fn chunk_items(signal: Signal, parts: &[Bytes], n: usize) -> Vec<Piece> {
    cut(signal, parts, Limit::Items(n.max(1)))
}

/// Cuts into pieces of at most `max` encoded bytes. An item that is larger together with its resource and scope
/// is in a piece of its own, marked [`Piece::oversize`].
///
/// Every piece repeats what surrounds its items. Where that alone takes more than seven eighths of `max` nothing
/// is cut and the items stay in one piece, oversize or not: otherwise a request of a large resource and many
/// small spans would come out many thousand times its size.
#[must_use]
pub fn split_bytes(signal: Signal, parts: &[Bytes], max: usize) -> Vec<Piece> {
    cut(signal, parts, Limit::Bytes(max))
}

/// Copies a slice out of the allocation behind it, of `backing_len` bytes, when it keeps less than half of it.
#[must_use]
pub fn compact(slice: Bytes, backing_len: usize) -> Bytes {
    if slice.len() < backing_len / 2 { Bytes::copy_from_slice(&slice) } else { slice }
}

fn cut(signal: Signal, parts: &[Bytes], limit: Limit) -> Vec<Piece> {
    let mut cutter = Cutter {
        signal,
        limit,
        part: Bytes::new(),
        open: Vec::new(),
        piece: Piece::default(),
        pieces: Vec::new(),
    };
    for part in parts {
        cutter.part(part);
    }
    cutter.end_piece();
    cutter.pieces
}

/// When a piece is full.
#[derive(Clone, Copy)]
enum Limit {
    /// After as many items.
    Items(usize),
    /// After as many items the first piece, never the second.
    FirstItems(usize),
    /// Before it has more bytes.
    Bytes(usize),
}

/// Bytes to be written: ranges of the part and, between them, new tags and lengths.
#[derive(Clone, Default)]
struct Rope {
    segments: Vec<Segment>,
    len: usize,
}

#[derive(Clone)]
enum Segment {
    Source(Range<usize>),
    New(Vec<u8>),
}

impl Rope {
    fn push_source(&mut self, range: Range<usize>) {
        self.len += range.len();
        match self.segments.last_mut() {
            Some(Segment::Source(last)) if last.end == range.start => last.end = range.end,
            _ => self.segments.push(Segment::Source(range)),
        }
    }

    fn push_new(&mut self, bytes: Vec<u8>) {
        self.len += bytes.len();
        self.segments.push(Segment::New(bytes));
    }

    fn append(&mut self, mut other: Self) {
        self.len += other.len;
        self.segments.append(&mut other.segments);
    }

    fn write(self, part: &Bytes) -> Bytes {
        let mut out = Vec::with_capacity(self.len);
        for segment in &self.segments {
            match segment {
                Segment::Source(range) => out.extend_from_slice(part.get(range.clone()).unwrap_or_default()),
                Segment::New(bytes) => out.extend_from_slice(bytes),
            }
        }
        out.into()
    }
}

/// A message that is being shared out over pieces.
struct Open {
    /// Its field number in the message around it.
    number: u32,
    /// The fields that every share repeats.
    shared: Rope,
    /// The children in the current piece's share.
    children: Rope,
}

impl Open {
    /// Ends the current share: what it has as a field, nothing if it has no children.
    fn take_share(&mut self) -> Rope {
        let mut share = Rope::default();
        let children = std::mem::take(&mut self.children);
        if children.len > 0 {
            let mut header = Vec::new();
            write_tag(&mut header, self.number, WireType::Len);
            write_varint(&mut header, (self.shared.len + children.len) as u64);
            share.push_new(header);
            share.append(self.shared.clone());
            share.append(children);
        }
        share
    }
}

struct Cutter {
    signal: Signal,
    limit: Limit,
    /// The part that is being cut; the open messages are all in it.
    part: Bytes,
    /// The messages around the current position, outermost first.
    open: Vec<Open>,
    piece: Piece,
    pieces: Vec<Piece>,
}

impl Cutter {
    /// Adds a whole part, or else its fields one by one. Runs of whole fields stay slices of the part.
    fn part(&mut self, part: &Bytes) {
        let items = count_in(self.signal, Shape::Request, part);
        self.make_room(items);
        if self.fits(part.len(), items) {
            self.push(part.clone(), items);
            return;
        }
        self.part = part.clone();
        let mut run = 0..0;
        let mut items_in_run = 0;
        for field in Fields::new(part) {
            let shape = Shape::Request.child(self.signal, field.number);
            let items =
                shape.map_or(0, |shape| count_in(self.signal, shape, field.bytes().unwrap_or_default()));
            if self.fits(run.len() + field.raw.len(), items_in_run + items) {
                run.end = field.end;
                items_in_run += items;
                continue;
            }
            self.push(part.slice(run), items_in_run);
            (run, items_in_run) = (field.end..field.end, 0);
            self.make_room(items);
            if self.fits(field.raw.len(), items) {
                (run, items_in_run) = (field.range(), items);
                continue;
            }
            match shape {
                Some(shape) if items > 0 => self.share_out(&field, 0, shape, items),
                _ => {
                    self.end_piece();
                    self.push(part.slice(field.range()), items);
                }
            }
        }
        self.push(part.slice(run), items_in_run);
    }

    /// Shares a message's children out over this piece and as many more as it takes. `base` is where the message
    /// around it begins in the part.
    fn share_out(&mut self, message: &Field<'_>, base: usize, shape: Shape, items: usize) {
        let bytes = message.bytes().unwrap_or_default();
        let whole = base + message.start..base + message.end;
        let base = base + message.payload().start;
        let mut shared = Rope::default();
        for field in Fields::new(bytes).filter(|field| shape.child(self.signal, field.number).is_none()) {
            shared.push_source(base + field.start..base + field.end);
        }
        self.open.push(Open { number: message.number, shared, children: Rope::default() });
        if !self.leaves_room() {
            self.open.pop();
            self.end_piece();
            self.add(whole, items);
            return;
        }
        for field in Fields::new(bytes) {
            let Some(shape) = shape.child(self.signal, field.number) else { continue };
            let items = count_in(self.signal, shape, field.bytes().unwrap_or_default());
            self.make_room(items);
            if self.fits(field.raw.len(), items) {
                self.add(base + field.start..base + field.end, items);
            } else if shape == Shape::Item || items == 0 {
                self.end_piece();
                self.add(base + field.start..base + field.end, items);
            } else {
                self.share_out(&field, base, shape, items);
            }
        }
        self.close();
    }

    /// Whether a piece has room for items beside what surrounds them.
    fn leaves_room(&self) -> bool {
        let Limit::Bytes(max) = self.limit else { return true };
        let open = self.open.iter().rev();
        open.fold(0, |len, open| len_field_len(open.number, open.shared.len + len)) <= max - max / 8
    }

    /// Ends the piece when it has all the items that it may have, so that what follows can stay whole.
    fn make_room(&mut self, items: usize) {
        let full = match self.limit {
            Limit::Items(max) => self.piece.items >= max,
            Limit::FirstItems(max) => self.pieces.is_empty() && self.piece.items >= max,
            Limit::Bytes(_) => false,
        };
        if full && items > 0 {
            self.end_piece();
        }
    }

    /// Whether the piece stays within the limit with `len` more bytes in the innermost open message.
    fn fits(&self, len: usize, items: usize) -> bool {
        match self.limit {
            Limit::Items(max) => self.piece.items + items <= max,
            Limit::FirstItems(max) => !self.pieces.is_empty() || self.piece.items + items <= max,
            Limit::Bytes(max) => self.len_with(len) <= max,
        }
    }

    /// How long the piece is with `len` more bytes in the innermost open message.
    fn len_with(&self, len: usize) -> usize {
        let open = self.open.iter().rev();
        let len =
            open.fold(len, |len, open| len_field_len(open.number, open.shared.len + open.children.len + len));
        self.piece.bytes + len
    }

    /// Adds a field of the part to the innermost open message, or to the request.
    fn add(&mut self, field: Range<usize>, items: usize) {
        match self.open.last_mut() {
            Some(open) => {
                open.children.push_source(field);
                self.piece.items += items;
            }
            None => self.push(self.part.slice(field), items),
        }
    }

    /// Ends the innermost open message: its share becomes a child of the message around it.
    fn close(&mut self) {
        let Some(share) = self.open.pop().map(|mut open| open.take_share()) else { return };
        match self.open.last_mut() {
            Some(outer) => outer.children.append(share),
            None => self.push(share.write(&self.part), 0),
        }
    }

    /// Ends the piece, if there is anything in it, and begins one with the same messages open.
    fn end_piece(&mut self) {
        let mut inner = Rope::default();
        for open in self.open.iter_mut().rev() {
            open.children.append(inner);
            inner = open.take_share();
        }
        self.push(inner.write(&self.part), 0);
        if self.piece.bytes > 0 {
            let mut piece = std::mem::take(&mut self.piece);
            piece.oversize = matches!(self.limit, Limit::Bytes(max) if piece.bytes > max);
            self.pieces.push(piece);
        }
    }

    fn push(&mut self, encoded: Bytes, items: usize) {
        if !encoded.is_empty() {
            self.piece.bytes += encoded.len();
            self.piece.parts.push(encoded);
            self.piece.items += items;
        }
    }
}
