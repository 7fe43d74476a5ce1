//! The attributes of one holder while actions are played through on them.

use std::ops::Range;

use otlp::attributes::Changes;

use crate::keys::Keys;

/// Where an encoded value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// In the holder.
    Message(Range<usize>),
    /// Among the fixed ones, by number.
    Fixed(usize),
    /// Among the facts about the sender, by number.
    Fact(usize),
    /// Among those made for this holder.
    Made(Range<usize>),
}

/// An attribute that is, or may come to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot {
    /// Where the attribute stands in the holder, and its value.
    came: Option<(Range<usize>, Range<usize>)>,
    now: Option<Held>,
    /// It comes behind those that were there.
    added: bool,
}

/// An attribute that no action names, or another one of a key that is named.
#[derive(Clone, Debug)]
struct Other {
    key: Range<usize>,
    slot: Slot,
    /// The number of its key, if it is named.
    named: Option<usize>,
    /// Patterns that match its key, a bit for each of the first 64.
    matches: u64,
}

/// How many attributes beside the named ones are kept room for.
const USUAL: usize = 256;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    named: Vec<Slot>,
    others: Vec<Other>,
    /// Keys of attributes that are added, in order.
    added: Vec<usize>,
    /// The end of the last attribute, behind which others are added.
    end: usize,
}

/// An attribute as it stands in its holder.
#[derive(Clone, Debug)]
pub(crate) struct Came {
    pub(crate) at: Range<usize>,
    pub(crate) key: Range<usize>,
    pub(crate) value: Range<usize>,
}

impl Slots {
    /// Forgets everything, for a holder of `end` bytes.
    pub(crate) fn start(&mut self, keys: usize, end: usize) {
        self.named.clear();
        self.named.resize_with(keys, Slot::default);
        self.others.clear();
        // One strange holder must not be paid for ever after.
        self.others.shrink_to(USUAL);
        self.added.clear();
        self.end = end;
    }

    /// Takes an attribute of a named key in.
    pub(crate) fn came_named(&mut self, number: usize, came: Came, matches: u64) {
        self.end = came.at.end;
        let Some(slot) = self.named.get_mut(number) else { return };
        if slot.came.is_some() {
            return self.came_other(came, Some(number), matches);
        }
        *slot = Slot::of(&came);
    }

    /// Takes any other attribute in.
    pub(crate) fn came_other(&mut self, came: Came, named: Option<usize>, matches: u64) {
        self.end = came.at.end;
        self.others.push(Other { slot: Slot::of(&came), key: came.key, named, matches });
    }

    /// An attribute came that is not taken in.
    #[inline]
    pub(crate) fn passed(&mut self, end: usize) {
        self.end = end;
    }

    /// The value of a key.
    pub(crate) fn get(&self, number: usize) -> Option<&Held> {
        self.named.get(number)?.now.as_ref()
    }

    /// Sets a key, which then is there once.
    pub(crate) fn set(&mut self, number: usize, value: Held) {
        let Some(slot) = self.named.get_mut(number) else { return };
        if slot.now.is_none() {
            slot.added = true;
            self.added.push(number);
        }
        slot.now = Some(value);
        self.remove_twins(number);
    }

    /// Gives the first attribute of a key another value; others of that key stay.
    pub(crate) fn change(&mut self, number: usize, value: Held) {
        if let Some(now) = self.named.get_mut(number).and_then(|slot| slot.now.as_mut()) {
            *now = value;
        }
    }

    /// Removes a key.
    pub(crate) fn remove(&mut self, number: usize) {
        let Some(slot) = self.named.get_mut(number) else { return };
        slot.now = None;
        if std::mem::take(&mut slot.added) {
            self.added.retain(|added| *added != number);
        }
        self.remove_twins(number);
    }

    fn remove_twins(&mut self, number: usize) {
        for twin in self.others.iter_mut().filter(|other| other.named == Some(number)) {
            twin.slot.now = None;
        }
    }

    /// Attributes beside the named ones that are still there and whose keys match: patterns' bits, where the key stands,
    /// and the place of its value, to be changed.
    pub(crate) fn others(&mut self) -> impl Iterator<Item = (u64, Range<usize>, &mut Option<Held>)> {
        let there = self.others.iter_mut().filter(|other| other.slot.now.is_some());
        there.map(|other| (other.matches, other.key.clone(), &mut other.slot.now))
    }

    /// Says what is different in the end. `value` finds encoded values, `message` is the holder.
    pub(crate) fn finish<'v>(
        &self,
        keys: &Keys,
        message: &'v [u8],
        value: impl Fn(&Held) -> &'v [u8],
        changes: &mut Changes,
    ) {
        for (number, slot) in self.named.iter().enumerate() {
            slot.finish(|| keys.get(number), message, &value, changes);
        }
        for other in &self.others {
            let key = || message.get(other.key.clone()).unwrap_or_default();
            other.slot.finish(key, message, &value, changes);
        }
        for number in &self.added {
            if let Some(held) = self.get(*number) {
                changes.add(self.end, keys.get(*number), value(held));
            }
        }
    }
}

impl Slot {
    fn of(came: &Came) -> Self {
        let now = Some(Held::Message(came.value.clone()));
        Self { came: Some((came.at.clone(), came.value.clone())), now, added: false }
    }

    /// Says what becomes of the attribute that came.
    #[inline]
    fn finish<'k, 'v>(
        &self,
        key: impl Fn() -> &'k [u8],
        message: &'v [u8],
        value: impl Fn(&Held) -> &'v [u8],
        changes: &mut Changes,
    ) {
        let Some((at, before)) = &self.came else { return };
        match &self.now {
            None => changes.remove(at.clone()),
            Some(_) if self.added => changes.remove(at.clone()),
            Some(Held::Message(now)) if now == before => {}
            Some(held) => {
                let new = value(held);
                // Set to what it was.
                if message.get(before.clone()) != Some(new) {
                    changes.replace(at.clone(), key(), new);
                }
            }
        }
    }
}
