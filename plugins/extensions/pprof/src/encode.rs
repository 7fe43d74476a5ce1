//! The profile as pprof's protobuf message.
//!
//! Source: `profile.proto` of <https://github.com/google/pprof>. Written by hand: six small messages, once.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::profile::{FREQUENCY, Function, Profile};

/// Nanoseconds of CPU time that a sample stands for.
const PERIOD: u64 = 1_000_000_000 / FREQUENCY as u64;

impl Profile {
    /// The message, not compressed.
    pub(crate) fn encoded(&self) -> Vec<u8> {
        let mut tables = Tables::default();
        // The string table begins with the empty one.
        tables.text("");
        let types = [("samples", "count"), ("cpu", "nanoseconds")];
        let types = types.map(|(kind, unit)| [tables.text(kind), tables.text(unit)]);
        let mut message = Message::default();
        for [kind, unit] in types {
            message.message(1, Message::default().number(1, kind).number(2, unit));
        }
        let thread_key = tables.text("thread");
        for (stack, count) in &self.stacks {
            let ids: Vec<u64> = stack.frames.iter().map(|inlined| tables.location(inlined)).collect();
            let thread = tables.text(&stack.thread);
            let mut sample = Message::default();
            sample.packed(1, &ids).packed(2, &[*count, count.saturating_mul(PERIOD)]);
            sample.message(3, Message::default().number(1, thread_key).number(2, thread));
            message.message(2, &sample);
        }
        message.0.extend_from_slice(&tables.messages.0);
        for text in &tables.texts {
            message.bytes(6, text.as_bytes());
        }
        let began = self.began.and_then(|began| began.duration_since(SystemTime::UNIX_EPOCH).ok());
        let nanos = |duration: std::time::Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        message.number(9, began.map_or(0, nanos)).number(10, nanos(self.lasted));
        let [_, [cpu, nanoseconds]] = types;
        message.message(11, Message::default().number(1, cpu).number(2, nanoseconds));
        message.number(12, PERIOD);
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
