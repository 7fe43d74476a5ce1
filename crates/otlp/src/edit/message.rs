//! A message that is being changed.

use std::ops::Range;

use super::attributes::{AttributesEdit, Slots};
use super::patch::Patches;
use super::targets::Parents;
use crate::view::{Attributes, Repeated};
use crate::wire::Fields;

/// A message of the request, as it is and as it is to be.
pub(super) struct MessageEdit<'a> {
    pub(super) request: &'a [u8],
    pub(super) patches: &'a mut Patches,
    pub(super) pending: Pending,
    pub(super) parents: Parents<'a>,
}

/// Changes that are known and not yet patches, since more may follow.
pub(super) struct Pending {
    /// The message's payload in the request.
    pub(super) body: Range<usize>,
    /// Field number of the message's attributes.
    pub(super) attributes: u32,
    /// Those attributes, once one of them has been changed.
    pub(super) slots: Option<Slots>,
    /// Other fields: number, and where the new field stands in the arena.
    fields: Vec<(u32, Range<usize>)>,
    /// The message is not there: its field number, should it come to be.
    absent: Option<u32>,
}

impl Pending {
    /// Nothing yet.
    pub(super) fn new(body: Range<usize>, attributes: u32) -> Self {
        Self { body, attributes, slots: None, fields: Vec::new(), absent: None }
    }

    /// Nothing yet for a message that is absent and would stand at `at`.
    pub(super) fn absent(at: usize, number: u32, attributes: u32) -> Self {
        Self { absent: Some(number), ..Self::new(at..at, attributes) }
    }

    /// Makes patches of the changes. Returns by how much the payload grows, or the request if it was absent.
    pub(super) fn flush(self, request: &[u8], patches: &mut Patches) -> isize {
        if self.slots.is_none() && self.fields.is_empty() {
            return 0;
        }
        let mark = patches.mark();
        let body = request.get(self.body.clone()).unwrap_or_default();
        let mut growth = 0;
        for (number, with) in self.fields {
            let known = Fields::new(body).find(|field| field.number == number);
            let range = known.map_or(self.body.end..self.body.end, |field| {
                self.body.start + field.start..self.body.start + field.end
            });
            growth += patches.replace(range, with);
        }
        if let Some(slots) = self.slots {
            growth += slots.flush(patches);
        }
        match self.absent {
            Some(number) if growth > 0 => {
                growth + patches.wrap(mark, self.body.start, number, growth.unsigned_abs())
            }
            _ => growth,
        }
    }
}

impl<'a> MessageEdit<'a> {
    /// The payload as it came.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.request.get(self.pending.body.clone()).unwrap_or_default()
    }

    /// The attributes as they came.
    pub(super) fn attributes_before(&self) -> Attributes<'a> {
        Repeated::new(self.bytes(), self.pending.attributes)
    }

    pub(super) fn attributes(&mut self) -> AttributesEdit<'_, 'a> {
        AttributesEdit::new(self)
    }

    /// Sets a singular field: `write` writes it, tag and all, or nothing to remove it.
    pub(super) fn set(&mut self, number: u32, write: impl FnOnce(&mut Vec<u8>)) {
        let with = self.patches.write(write);
        match self.pending.fields.iter_mut().find(|(known, _)| *known == number) {
            Some((_, range)) => *range = with,
            None => self.pending.fields.push((number, with)),
        }
    }
}
