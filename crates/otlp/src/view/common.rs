//! What all signals share: attributes and their values, resource, scope.

use super::{Repeated, View, bytes_of, find, int32, nested, repeated, text, uint32, views};
use crate::Text;
use crate::wire::{Fields, Value};

views! {
    /// Where telemetry comes from.
    Resource {
        /// Attributes.
        attributes: Attributes<'a> = repeated(1);
        /// How many attributes the sender dropped.
        dropped_attributes_count: u32 = uint32(2);
        /// Entities the resource is made of.
        entity_refs: Repeated<'a, EntityRef<'a>> = repeated(3);
    }

    /// The library that made the telemetry (`InstrumentationScope`).
    Scope {
        /// Name.
        name: Text<'a> = text(1);
        /// Version.
        version: Text<'a> = text(2);
        /// Attributes.
        attributes: Attributes<'a> = repeated(3);
        /// How many attributes the sender dropped.
        dropped_attributes_count: u32 = uint32(4);
    }

    /// One attribute.
    KeyValue {
        /// Value; [`AnyValue::Empty`] when there is none.
        value: AnyValue<'a> = nested(2);
        /// Index of the key in the string table of profiles; 0, and without meaning, in every signal we have.
        key_strindex: i32 = int32(3);
    }

    /// Which attributes of a resource identify and describe an entity.
    EntityRef {
        /// Schema of the entity.
        schema_url: Text<'a> = text(1);
        /// `service`, `host`.
        kind: Text<'a> = text(2);
        /// Keys of the attributes that identify the entity.
        id_keys: Repeated<'a, Text<'a>> = repeated(3);
        /// Keys of the attributes that describe the entity.
        description_keys: Repeated<'a, Text<'a>> = repeated(4);
    }
}

/// Attributes, in order. Keys should be unique; nothing makes them so.
pub type Attributes<'a> = Repeated<'a, KeyValue<'a>>;
/// The elements of an array value.
pub type Values<'a> = Repeated<'a, AnyValue<'a>>;

impl<'a> Attributes<'a> {
    /// The value of the first attribute with this key, among those not yet iterated over.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<AnyValue<'a>> {
        self.clone().find(|attribute| attribute.key() == key).map(|attribute| attribute.value())
    }
}

impl<'a> View<'a> for Text<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Text::new(bytes)
    }
}

impl<'a> KeyValue<'a> {
    /// Key.
    #[must_use]
    #[inline]
    pub fn key(&self) -> Text<'a> {
        // It nearly always comes first, and is asked for more often than anything else.
        if let [0x0a, len @ 0..0x80, rest @ ..] = self.0
            && let Some(key) = rest.get(..usize::from(*len))
        {
            return Text::new(key);
        }
        text(self.0, 1)
    }

    /// The value's bytes, without tag and length: what a copy of it needs.
    #[must_use]
    pub fn value_bytes(&self) -> &'a [u8] {
        find(self.0, 2).map_or(&[], |field| bytes_of(&field))
    }
}

/// The value of an attribute, the body of a log record.
#[derive(Clone, Debug, Default)]
pub enum AnyValue<'a> {
    /// No value.
    #[default]
    Empty,
    /// Text.
    String(Text<'a>),
    /// Truth.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// A list of values.
    Array(Values<'a>),
    /// A map.
    KvList(Attributes<'a>),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Index in the string table of profiles; without meaning in every signal we have.
    StringIndex(i32),
}

impl<'a> View<'a> for AnyValue<'a> {
    #[inline]
    fn new(bytes: &'a [u8]) -> Self {
        // Members of the oneof; an unknown field may stand before it.
        Fields::new(bytes).find_map(|field| member(field.number, field.value)).unwrap_or_default()
    }
}

#[inline]
fn member(number: u32, value: Value<'_>) -> Option<AnyValue<'_>> {
    Some(match (number, value) {
        (1, Value::Len(text)) => AnyValue::String(Text::new(text)),
        (2, Value::Varint(truth)) => AnyValue::Bool(truth != 0),
        (3, Value::Varint(int)) => AnyValue::Int(int as i64),
        (4, Value::Fixed64(bits)) => AnyValue::Double(f64::from_bits(bits)),
        (5, Value::Len(array)) => AnyValue::Array(Repeated::new(array, 1)),
        (6, Value::Len(list)) => AnyValue::KvList(Repeated::new(list, 1)),
        (7, Value::Len(bytes)) => AnyValue::Bytes(bytes),
        (8, Value::Varint(index)) => AnyValue::StringIndex(index as i32),
        _ => return None,
    })
}

impl<'a> AnyValue<'a> {
    /// The text of a string value.
    #[must_use]
    pub fn as_text(&self) -> Option<Text<'a>> {
        match self {
            Self::String(text) => Some(*text),
            _ => None,
        }
    }
}
