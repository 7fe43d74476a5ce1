//! Cutting a batch without decoding it.
//!
//! A batch is a rope of parts: requests that, one after the other, are one request again, since a repeated
//! protobuf field may be cut anywhere between its elements. So joining is concatenation, and cutting slices the
//! parts wherever a cut falls between two resources. Where it falls inside one, the messages around the cut are
//! written again on both sides: with the resource, the scope, the schema URLs, a metric's name, unit and
//! temporality, and every unknown field, but each with its own share of the items.

use bytes::Bytes;

use crate::Signal;
use crate::shape::{Shape, count_in};
use crate::wire::{Field, Fields, len_field_len, write_len_field};

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
    let mut cutter = Cutter { signal, limit, open: Vec::new(), piece: Piece::default(), pieces: Vec::new() };
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

/// A message that is being shared out over pieces.
struct Open {
    /// Its field number in the message around it.
    number: u32,
    /// The fields that every share repeats.
    shared: Vec<u8>,
    /// The children in the current piece's share.
    children: Vec<u8>,
}

impl Open {
    fn len(&self) -> usize {
        self.shared.len() + self.children.len()
    }
}

struct Cutter {
    signal: Signal,
    limit: Limit,
    /// The messages around the current position, outermost first.
    open: Vec<Open>,
    piece: Piece,
    pieces: Vec<Piece>,
}

impl Cutter {
    /// Adds a whole part, or else its fields one by one. Runs of whole fields stay slices of the part.
    fn part(&mut self, part: &Bytes) {
        if part.is_empty() {
            return;
        }
        let items = count_in(self.signal, Shape::Request, part);
        self.make_room(items);
        if self.fits(part.len(), items) {
            self.push_slice(part.clone(), items);
            return;
        }
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
            self.push_slice(part.slice(run), items_in_run);
            (run, items_in_run) = (field.end..field.end, 0);
            self.make_room(items);
            if self.fits(field.raw.len(), items) {
                (run, items_in_run) = (field.range(), items);
                continue;
            }
            match (shape, field.bytes()) {
                (Some(shape), Some(_)) if items > 0 => self.share_out(&field, shape, items),
                _ => {
                    self.end_piece();
                    self.push_slice(part.slice(field.range()), items);
                }
            }
        }
        self.push_slice(part.slice(run), items_in_run);
    }

    /// Shares a message's children out over this piece and as many more as it takes.
    fn share_out(&mut self, message: &Field<'_>, shape: Shape, items: usize) {
        let bytes = message.bytes().unwrap_or_default();
        let child_shape = |number| shape.child(self.signal, number);
        let mut shared = Vec::new();
        for field in Fields::new(bytes).filter(|field| child_shape(field.number).is_none()) {
            shared.extend_from_slice(field.raw);
        }
        self.open.push(Open { number: message.number, shared, children: Vec::new() });
        if !self.leaves_room() {
            self.open.pop();
            self.end_piece();
            self.add(message.raw, items);
            return;
        }
        for field in Fields::new(bytes) {
            let (Some(shape), Some(bytes)) = (shape.child(self.signal, field.number), field.bytes()) else {
                continue;
            };
            let items = count_in(self.signal, shape, bytes);
            self.make_room(items);
            if self.fits(field.raw.len(), items) {
                self.add(field.raw, items);
            } else if shape == Shape::Item || items == 0 {
                self.end_piece();
                self.add(field.raw, items);
            } else {
                self.share_out(&field, shape, items);
            }
        }
        self.close();
    }

    /// Whether a piece has room for items beside what surrounds them.
    fn leaves_room(&self) -> bool {
        let Limit::Bytes(max) = self.limit else { return true };
        let open = self.open.iter().rev();
        open.fold(0, |len, open| len_field_len(open.number, open.shared.len() + len)) <= max - max / 8
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
        self.piece.bytes + open.fold(len, |len, open| len_field_len(open.number, open.len() + len))
    }

    /// Adds a field to the innermost open message, or to the request.
    fn add(&mut self, raw: &[u8], items: usize) {
        match self.open.last_mut() {
            Some(open) => {
                open.children.extend_from_slice(raw);
                self.piece.items += items;
            }
            None => self.push_slice(Bytes::copy_from_slice(raw), items),
        }
    }

    /// Ends the innermost open message: its share becomes a child of the message around it.
    fn close(&mut self) {
        if let Some(mut open) = self.open.pop() {
            let share = take_share(&mut open);
            match self.open.last_mut() {
                Some(outer) => outer.children.extend_from_slice(&share),
                None => self.push_slice(share.into(), 0),
            }
        }
    }

    /// Ends the piece, if there is anything in it, and begins one with the same messages open.
    fn end_piece(&mut self) {
        let mut inner = Vec::new();
        for open in self.open.iter_mut().rev() {
            open.children.append(&mut inner);
            inner = take_share(open);
        }
        self.push_slice(inner.into(), 0);
        if self.piece.bytes > 0 {
            let mut piece = std::mem::take(&mut self.piece);
            piece.oversize = matches!(self.limit, Limit::Bytes(max) if piece.bytes > max);
            self.pieces.push(piece);
        }
    }

    fn push_slice(&mut self, slice: Bytes, items: usize) {
        if !slice.is_empty() {
            self.piece.bytes += slice.len();
            self.piece.parts.push(slice);
            self.piece.items += items;
        }
    }
}

/// The open message as a field, with the children of this share; nothing if it has none.
fn take_share(open: &mut Open) -> Vec<u8> {
    if open.children.is_empty() {
        return Vec::new();
    }
    let mut payload = Vec::with_capacity(open.len());
    payload.extend_from_slice(&open.shared);
    payload.append(&mut open.children);
    let mut field = Vec::with_capacity(len_field_len(open.number, payload.len()));
    write_len_field(&mut field, open.number, &payload);
    field
}
