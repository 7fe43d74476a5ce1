//! Replacing ranges of a request, and the lengths of the messages around them.

use std::ops::Range;

use crate::wire::{Field, WireType, read_tag, write_tag, write_varint};

/// A range of the request and what takes its place.
#[derive(Clone, Debug)]
struct Patch {
    range: Range<usize>,
    /// Where the new bytes are in the arena.
    with: Range<usize>,
}

/// Everything that is to be different about a request.
///
/// Patches may be pushed in any order; their ranges don't overlap. Of several insertions at one place the one
/// pushed first comes first, so a message pushes its own insertions after those of the messages within.
#[derive(Debug, Default)]
pub(super) struct Patches {
    list: Vec<Patch>,
    arena: Vec<u8>,
}

/// A state to go back to.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    patches: usize,
    arena: usize,
}

impl Patches {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Writes new bytes and says where they are. They mean nothing until they are used in a patch.
    pub(super) fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let start = self.arena.len();
        write(&mut self.arena);
        start..self.arena.len()
    }

    /// Bytes written before.
    pub(super) fn written(&self, range: &Range<usize>) -> &[u8] {
        self.arena.get(range.clone()).unwrap_or_default()
    }

    /// Puts bytes written before in the place of a range. Returns by how much the request grows.
    pub(super) fn replace(&mut self, range: Range<usize>, with: Range<usize>) -> isize {
        let growth = with.len() as isize - range.len() as isize;
        self.list.push(Patch { range, with });
        growth
    }

    /// Takes a range out. Returns by how much the request grows.
    pub(super) fn remove(&mut self, range: Range<usize>) -> isize {
        self.replace(range, 0..0)
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { patches: self.list.len(), arena: self.arena.len() }
    }

    /// Forgets everything since the mark.
    pub(super) fn rewind(&mut self, mark: Mark) {
        self.list.truncate(mark.patches);
        self.arena.truncate(mark.arena);
    }

    /// Turns insertions at `at`, all those since the mark, into the payload of one new field.
    pub(super) fn wrap(&mut self, mark: Mark, at: usize, number: u32, payload: usize) -> isize {
        let with = self.write(|out| {
            write_tag(out, number, WireType::Len);
            write_varint(out, payload as u64);
        });
        let growth = with.len() as isize;
        self.list.insert(mark.patches.min(self.list.len()), Patch { range: at..at, with });
        growth
    }

    /// Corrects the length of a message whose payload grows. Returns by how much its whole field grows.
    pub(super) fn fix_length(&mut self, place: &Place, growth: isize) -> isize {
        if growth == 0 {
            return 0;
        }
        let len = place.payload.len().saturating_add_signed(growth) as u64;
        let with = self.write(|out| write_varint(out, len));
        growth + self.replace(place.length.clone(), with)
    }

    /// The request as it is to be.
    pub(super) fn apply(mut self, request: &[u8]) -> Vec<u8> {
        self.list.sort_by_key(|patch| (patch.range.start, patch.range.end));
        let mut out = Vec::with_capacity(request.len() + self.arena.len());
        let mut at = 0;
        for patch in &self.list {
            debug_assert!(at <= patch.range.start, "patches overlap");
            out.extend_from_slice(request.get(at..patch.range.start).unwrap_or_default());
            out.extend_from_slice(self.written(&patch.with));
            at = patch.range.end;
        }
        out.extend_from_slice(request.get(at..).unwrap_or_default());
        out
    }
}

/// Where a message is in the request.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Tag, length and payload.
    pub(crate) field: Range<usize>,
    /// The length.
    pub(crate) length: Range<usize>,
    /// What the message holds.
    pub(crate) payload: Range<usize>,
}

impl Place {
    /// The place of a length-delimited field of a message whose payload begins at `base`.
    #[inline]
    pub(crate) fn new(base: usize, field: &Field<'_>) -> Self {
        let tag_len = read_tag(field.raw).map_or(0, |(_, rest)| field.raw.len() - rest.len());
        let payload = field.payload();
        Self {
            field: base + field.start..base + field.end,
            length: base + field.start + tag_len..base + payload.start,
            payload: base + payload.start..base + payload.end,
        }
    }
}
