//! Changing attributes.

use std::borrow::Cow;
use std::ops::Range;

use super::message::MessageEdit;
use super::patch::Patches;
use crate::view::{AnyValue, KeyValue};
use crate::wire::{Field, Fields, write_fixed64_field, write_len_field, write_nested, write_varint_field};

/// A value to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum NewValue<'v> {
    /// Text.
    String(Cow<'v, str>),
    /// Truth.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// Bytes.
    Bytes(Cow<'v, [u8]>),
    /// An `AnyValue` that is encoded already, as [`KeyValue::value_bytes`] has it: an array, a map, a copy. It
    /// has to come from checked bytes.
    Encoded(Cow<'v, [u8]>),
}

impl<'v> From<&'v str> for NewValue<'v> {
    fn from(text: &'v str) -> Self {
        Self::String(Cow::Borrowed(text))
    }
}

impl<'v> From<Cow<'v, str>> for NewValue<'v> {
    fn from(text: Cow<'v, str>) -> Self {
        Self::String(text)
    }
}

impl From<String> for NewValue<'_> {
    fn from(text: String) -> Self {
        Self::String(Cow::Owned(text))
    }
}

impl From<i64> for NewValue<'_> {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<bool> for NewValue<'_> {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<f64> for NewValue<'_> {
    fn from(double: f64) -> Self {
        Self::Double(double)
    }
}

impl NewValue<'_> {
    /// Appends the value's `AnyValue`, without tag and length.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::String(text) => write_len_field(out, 1, text.as_bytes()),
            Self::Bool(truth) => write_varint_field(out, 2, u64::from(*truth)),
            Self::Int(int) => write_varint_field(out, 3, *int as u64),
            Self::Double(double) => write_fixed64_field(out, 4, double.to_bits()),
            Self::Bytes(bytes) => write_len_field(out, 7, bytes),
            Self::Encoded(bytes) => out.extend_from_slice(bytes),
        }
    }
}

/// What is to become of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Change<'v> {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
    /// It gets this value.
    Set(NewValue<'v>),
    /// It gets this key.
    Rename(&'v str),
}

/// Attributes as they are to be.
///
/// Where a key occurs more than once, which it should not, setting it leaves it there once, and removing it
/// removes all: nothing that was to be hidden stays behind in a duplicate.
pub struct AttributesEdit<'m, 'a> {
    message: &'m mut MessageEdit<'a>,
}

impl<'m, 'a> AttributesEdit<'m, 'a> {
    pub(super) fn new(message: &'m mut MessageEdit<'a>) -> Self {
        Self { message }
    }

    /// The value of the first attribute with this key, changes included.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<AnyValue<'_>> {
        match &self.message.pending.slots {
            None => self.message.attributes_before().get(key),
            Some(slots) => {
                let mut attributes = slots.list.iter().filter_map(|slot| slot.read(self.message));
                attributes.find(|attribute| attribute.key() == key).map(|attribute| attribute.value())
            }
        }
    }

    /// Sets the attribute, adding it if need be.
    pub fn set<'v>(&mut self, key: &str, value: impl Into<NewValue<'v>>) {
        if let Some(value) = self.try_update(key, value.into()) {
            self.push(key, &value);
        }
    }

    /// Adds the attribute unless there is one with the key. Returns whether it did.
    pub fn insert<'v>(&mut self, key: &str, value: impl Into<NewValue<'v>>) -> bool {
        let absent = self.get(key).is_none();
        if absent {
            self.push(key, &value.into());
        }
        absent
    }

    /// Sets the attribute if there is one with the key. Returns whether it did.
    pub fn update<'v>(&mut self, key: &str, value: impl Into<NewValue<'v>>) -> bool {
        self.try_update(key, value.into()).is_none()
    }

    /// Removes the attribute. Returns whether there was one.
    pub fn remove(&mut self, key: &str) -> bool {
        let mut found = false;
        self.change(|attribute| {
            let matches = attribute.key() == key;
            found |= matches;
            if matches { Change::Remove } else { Change::Keep }
        });
        found
    }

    /// Gives the attribute another key, in the place of any attribute that has that key already. Returns whether
    /// there was one to rename.
    pub fn rename(&mut self, from: &str, to: &str) -> bool {
        if self.get(from).is_none() {
            return false;
        }
        let mut found = false;
        self.change(|attribute| match attribute.key() {
            key if key == from && !std::mem::replace(&mut found, true) => Change::Rename(to),
            key if key == from || key == to => Change::Remove,
            _ => Change::Keep,
        });
        true
    }

    /// Asks about every attribute in turn, as it is after the changes made before.
    pub fn change<'v>(&mut self, mut ask: impl FnMut(KeyValue<'_>) -> Change<'v>) {
        let mut next = 0;
        if self.message.pending.slots.is_none() {
            // Most often nothing is to change: find out without taking anything down.
            let mut changes = self.message.attributes_before().map(&mut ask).enumerate();
            let Some((index, change)) = changes.find(|(_, change)| *change != Change::Keep) else { return };
            self.apply(index, change);
            next = index + 1;
        }
        while let Some(slot) = self.slots().list.get(next).cloned() {
            if let Some(attribute) = slot.read(self.message) {
                let change = ask(attribute);
                self.apply(next, change);
            }
            next += 1;
        }
    }

    /// Sets the attribute if it is there, hands the value back if it is not.
    fn try_update<'v>(&mut self, key: &str, value: NewValue<'v>) -> Option<NewValue<'v>> {
        let mut value = Some(value);
        self.change(|attribute| match attribute.key() == key {
            true => value.take().map_or(Change::Remove, Change::Set),
            false => Change::Keep,
        });
        value
    }

    fn push(&mut self, key: &str, value: &NewValue<'_>) {
        let number = self.message.pending.attributes;
        let with = self.message.patches.write(|out| write_attribute(out, number, key.as_bytes(), value));
        let end = self.message.pending.body.end;
        let slots = self.slots();
        let at = slots.list.last().map_or(end, |slot| slot.field.end);
        slots.list.push(Slot { field: at..at, state: State::Written(with) });
    }

    fn apply(&mut self, index: usize, change: Change<'_>) {
        if change == Change::Keep {
            return;
        }
        let Some(slot) = self.slots().list.get(index).cloned() else { return };
        let Some(attribute) = slot.read(self.message) else { return };
        let (key, value) = match change {
            Change::Keep => return,
            Change::Remove => return self.set_state(index, State::Removed),
            Change::Set(value) => (attribute.key().as_bytes().to_vec(), value),
            Change::Rename(key) => {
                let value = NewValue::Encoded(attribute.value_bytes().to_vec().into());
                (key.as_bytes().to_vec(), value)
            }
        };
        let number = self.message.pending.attributes;
        let with = self.message.patches.write(|out| write_attribute(out, number, &key, &value));
        self.set_state(index, State::Written(with));
    }

    fn set_state(&mut self, index: usize, state: State) {
        if let Some(slot) = self.slots().list.get_mut(index) {
            slot.state = state;
        }
    }

    fn slots(&mut self) -> &mut Slots {
        let (request, pending) = (self.message.request, &mut self.message.pending);
        pending.slots.get_or_insert_with(|| {
            let body = request.get(pending.body.clone()).unwrap_or_default();
            let fields = Fields::new(body).filter(|field| field.number == pending.attributes);
            let place = |field: Field<'_>| pending.body.start + field.start..pending.body.start + field.end;
            Slots { list: fields.map(|field| Slot { field: place(field), state: State::Original }).collect() }
        })
    }
}

/// All attributes of a message, in order.
pub(super) struct Slots {
    list: Vec<Slot>,
}

#[derive(Clone)]
struct Slot {
    /// The attribute's field in the request; of a new attribute, empty, where it is to be.
    field: Range<usize>,
    state: State,
}

#[derive(Clone)]
enum State {
    Original,
    /// Where the new field has been written.
    Written(Range<usize>),
    Removed,
}

impl Slot {
    fn read<'s>(&self, message: &'s MessageEdit<'_>) -> Option<KeyValue<'s>> {
        let field = match &self.state {
            State::Original => message.request.get(self.field.clone())?,
            State::Written(range) => message.patches.written(range),
            State::Removed => return None,
        };
        Some(KeyValue::new(Fields::new(field).next()?.bytes()?))
    }
}

impl Slots {
    /// Makes patches of what has changed. Returns by how much the message grows.
    pub(super) fn flush(self, patches: &mut Patches) -> isize {
        let mut growth = 0;
        for Slot { field, state } in self.list {
            growth += match state {
                State::Original => 0,
                State::Removed if field.is_empty() => 0,
                State::Removed => patches.remove(field),
                State::Written(with) => patches.replace(field, with),
            };
        }
        growth
    }
}

fn write_attribute(out: &mut Vec<u8>, number: u32, key: &[u8], value: &NewValue<'_>) {
    write_nested(out, number, |out| {
        write_len_field(out, 1, key);
        write_nested(out, 2, |out| value.write(out));
    });
}
