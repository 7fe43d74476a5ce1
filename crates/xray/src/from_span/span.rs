//! A span, read in one pass over its bytes.

use otlp::view::{AnyValue, Event, KeyValue, Link, Status, View};
use otlp::wire::{Fields, Value};

use super::known::{COUNT, Key, KeySet};
use super::repeated::Repeated;

/// `SpanKind` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Unspecified,
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

/// An attribute and what is known of its name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    pub key: &'a [u8],
    /// The bytes of its `AnyValue`.
    pub raw: &'a [u8],
    pub known: Option<Key>,
}

impl<'a> Attribute<'a> {
    /// From the bytes of a `KeyValue`.
    #[inline]
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        // Key and value, both shorter than 128 bytes: nearly all of them.
        if let [0x0a, len @ 0..0x80, rest @ ..] = bytes
            && let Some((key, [0x12, value_len @ 0..0x80, raw @ ..])) =
                rest.split_at_checked(usize::from(*len))
            && raw.len() == usize::from(*value_len)
        {
            return Self { key, raw, known: None };
        }
        let attribute = KeyValue::new(bytes);
        Self { key: attribute.key().as_bytes(), raw: attribute.value_bytes(), known: None }
    }

    pub(super) fn value(&self) -> AnyValue<'a> {
        AnyValue::new(self.raw)
    }

    /// Its text, empty if it is none.
    #[inline]
    pub(super) fn text(&self) -> &'a [u8] {
        if let [0x0a, len @ 0..0x80, text @ ..] = self.raw
            && text.len() == usize::from(*len)
        {
            return text;
        }
        self.value().as_text().map_or(&[], |text| text.as_bytes())
    }

    /// Its text, if it is one.
    pub(super) fn as_text(&self) -> Option<&'a [u8]> {
        self.value().as_text().map(|text| text.as_bytes())
    }

    /// Its whole number, 0 if it is none.
    pub(super) fn int(&self) -> i64 {
        match self.value() {
            AnyValue::Int(value) => value,
            _ => 0,
        }
    }
}

/// What a span says. One is used for many spans, so that its lists keep their room.
#[derive(Debug)]
pub(super) struct SpanRead<'a> {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    pub parent_id: [u8; 8],
    pub name: &'a [u8],
    pub kind: Kind,
    pub start: u64,
    pub end: u64,
    /// The end is there, even if it is 0.
    pub has_end: bool,
    pub status: Status<'a>,
    pub attributes: Vec<Attribute<'a>>,
    pub events: Repeated<'a>,
    pub links: Repeated<'a>,
    /// Name of the scope, where it is wanted.
    pub scope_name: &'a [u8],
    /// The known keys that there are.
    pub present: KeySet,
    /// Where the first attribute with a key is; meaningful for those that are present.
    at: [u32; COUNT],
}

impl<'a> SpanRead<'a> {
    pub(super) fn new() -> Self {
        Self {
            trace_id: [0; 16],
            span_id: [0; 8],
            parent_id: [0; 8],
            name: &[],
            kind: Kind::Unspecified,
            start: 0,
            end: 0,
            has_end: false,
            status: Status::default(),
            attributes: Vec::new(),
            events: Repeated::new(11),
            links: Repeated::new(13),
            scope_name: &[],
            present: KeySet::NONE,
            at: [0; COUNT],
        }
    }

    /// Reads another span.
    pub(super) fn read(&mut self, bytes: &'a [u8]) {
        self.clear();
        for field in Fields::new(bytes) {
            match (field.number, field.value) {
                (9, Value::Len(attribute)) => self.push(Attribute::read(attribute)),
                (1, Value::Len(id)) => self.trace_id = id.try_into().unwrap_or_default(),
                (2, Value::Len(id)) => self.span_id = id.try_into().unwrap_or_default(),
                (4, Value::Len(id)) => self.parent_id = id.try_into().unwrap_or_default(),
                (5, Value::Len(name)) => self.name = name,
                (6, Value::Varint(kind)) => self.kind = kind_of(kind),
                (7, Value::Fixed64(nanos)) => self.start = nanos,
                (8, Value::Fixed64(nanos)) => (self.end, self.has_end) = (nanos, true),
                (11, Value::Len(event)) => self.events.push(event, bytes),
                (13, Value::Len(link)) => self.links.push(link, bytes),
                (15, Value::Len(status)) => self.status = Status::new(status),
                _ => {}
            }
        }
    }

    fn clear(&mut self) {
        self.trace_id = [0; 16];
        self.span_id = [0; 8];
        self.parent_id = [0; 8];
        self.name = &[];
        self.kind = Kind::Unspecified;
        self.start = 0;
        self.end = 0;
        self.has_end = false;
        self.status = Status::default();
        self.attributes.clear();
        self.events.clear();
        self.links.clear();
        self.present = KeySet::NONE;
    }

    #[inline]
    fn push(&mut self, mut attribute: Attribute<'a>) {
        attribute.known = Key::of(attribute.key);
        if let Some(key) = attribute.known
            && !self.present.has(key)
            && let Some(at) = self.at.get_mut(key as usize)
        {
            *at = self.attributes.len() as u32;
            self.present.insert(key);
        }
        self.attributes.push(attribute);
    }

    pub(super) fn events(&self) -> impl Iterator<Item = Event<'a>> {
        self.events.iter().map(Event::new)
    }

    pub(super) fn links(&self) -> impl Iterator<Item = Link<'a>> {
        self.links.iter().map(Link::new)
    }

    /// The attribute with a key.
    #[inline]
    pub(super) fn get(&self, key: Key) -> Option<&Attribute<'a>> {
        if !self.present.has(key) {
            return None;
        }
        self.attributes.get(self.position(key))
    }

    /// Where among the attributes one with a key is; meaningful if it is there.
    #[inline]
    pub(super) fn position(&self, key: Key) -> usize {
        self.at.get(key as usize).map_or(0, |at| *at as usize)
    }

    /// The text of an attribute, empty if there is none or it is no text.
    #[inline]
    pub(super) fn text(&self, key: Key) -> &'a [u8] {
        self.get(key).map_or(&[], Attribute::text)
    }

    /// Of an old and a new name for the same: the attribute that comes later.
    #[inline]
    pub(super) fn later(&self, one: Key, other: Key) -> Option<&Attribute<'a>> {
        match (self.get(one), self.get(other)) {
            (Some(_), Some(last)) if self.position(other) > self.position(one) => Some(last),
            (Some(only), _) | (None, Some(only)) => Some(only),
            (None, None) => None,
        }
    }

    /// A call made by an AWS SDK.
    pub(super) fn is_aws_sdk(&self) -> bool {
        self.text(Key::RpcSystem) == b"aws-api"
    }

    pub(super) fn is_local_root(&self) -> bool {
        self.text(Key::SpanKind) == b"LOCAL_ROOT"
    }

    pub(super) fn is_error(&self) -> bool {
        self.status.code() == 2
    }
}

fn kind_of(kind: u64) -> Kind {
    match kind {
        1 => Kind::Internal,
        2 => Kind::Server,
        3 => Kind::Client,
        4 => Kind::Producer,
        5 => Kind::Consumer,
        _ => Kind::Unspecified,
    }
}
