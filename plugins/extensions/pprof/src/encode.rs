//! The profile as pprof's protobuf message.
//!
//! Source: `profile.proto` of <https://github.com/google/pprof>. Written by hand: six small messages.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::profile::Function;

/// A kind of value, with its unit.
pub(crate) type ValueType = (&'static str, &'static str);

/// A profile of any kind. Its samples come one by one, so that they need not all be named at once.
pub(crate) struct Encoder {
    tables: Tables,
    message: Message,
}

impl Encoder {
    /// A profile whose samples have values of these types.
    pub(crate) fn new(types: &[ValueType]) -> Self {
        let mut tables = Tables::default();
        // The string table begins with the empty one.
        tables.text("");
        let mut message = Message::default();
        for (kind, unit) in types {
            message.message(1, Message::default().number(1, tables.text(kind)).number(2, tables.text(unit)));
        }
        Self { tables, message }
    }

    /// Adds a stack, the innermost frame first, with a value of each type; `thread` may be unknown.
    pub(crate) fn sample(&mut self, frames: &[Vec<Function>], values: &[u64], thread: Option<&str>) {
        let ids: Vec<u64> = frames.iter().map(|inlined| self.tables.location(inlined)).collect();
        let mut sample = Message::default();
        sample.packed(1, &ids).packed(2, values);
        if let Some(thread) = thread {
            let (key, thread) = (self.tables.text("thread"), self.tables.text(thread));
            sample.message(3, Message::default().number(1, key).number(2, thread));
        }
        self.message.message(2, &sample);
    }

    /// The message, not compressed: one sample stands for `period` of `of`, and readers show values of type `shown` first.
    pub(crate) fn finish(
        mut self,
        taken: (Option<SystemTime>, Duration),
        (of, period): (ValueType, u64),
        shown: &str,
    ) -> Vec<u8> {
        let (kind, unit, shown) = (self.tables.text(of.0), self.tables.text(of.1), self.tables.text(shown));
        let mut message = self.message;
        message.0.extend_from_slice(&self.tables.messages.0);
        for text in &self.tables.texts {
            message.bytes(6, text.as_bytes());
        }
        let began = taken.0.and_then(|began| began.duration_since(SystemTime::UNIX_EPOCH).ok());
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        message.number(9, began.map_or(0, nanos)).number(10, nanos(taken.1));
        message.message(11, Message::default().number(1, kind).number(2, unit));
        message.number(12, period).number(14, shown);
        message.0
    }
}

/// What is named by number.
#[derive(Default)]
struct Tables {
    texts: Vec<String>,
    text_ids: BTreeMap<String, u64>,
    function_ids: BTreeMap<(String, String), u64>,
    location_ids: BTreeMap<Vec<Function>, u64>,
    /// Functions and locations as they were found.
    messages: Message,
}

impl Tables {
    fn text(&mut self, text: &str) -> u64 {
        if let Some(id) = self.text_ids.get(text) {
            return *id;
        }
        let id = self.texts.len() as u64;
        self.texts.push(text.to_owned());
        self.text_ids.insert(text.to_owned(), id);
        id
    }

    fn function(&mut self, function: &Function) -> u64 {
        let key = (function.name.clone(), function.file.clone());
        if let Some(id) = self.function_ids.get(&key) {
            return *id;
        }
        let id = self.function_ids.len() as u64 + 1;
        self.function_ids.insert(key, id);
        let (name, file) = (self.text(&function.name), self.text(&function.file));
        let mut message = Message::default();
        message.number(1, id).number(2, name).number(3, name).number(4, file);
        self.messages.message(5, &message);
        id
    }

    fn location(&mut self, inlined: &[Function]) -> u64 {
        if let Some(id) = self.location_ids.get(inlined) {
            return *id;
        }
        let id = self.location_ids.len() as u64 + 1;
        self.location_ids.insert(inlined.to_vec(), id);
        let mut message = Message::default();
        message.number(1, id);
        for function in inlined {
            let function_id = self.function(function);
            message.message(4, Message::default().number(1, function_id).number(2, function.line.into()));
        }
        self.messages.message(4, &message);
        id
    }
}

/// A protobuf message that is being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u64, value: u64) -> &mut Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) -> &mut Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn message(&mut self, field: u64, message: &Self) -> &mut Self {
        self.bytes(field, &message.0)
    }

    fn packed(&mut self, field: u64, values: &[u64]) -> &mut Self {
        let mut packed = Self::default();
        values.iter().for_each(|value| packed.varint(*value));
        self.message(field, &packed)
    }
}
