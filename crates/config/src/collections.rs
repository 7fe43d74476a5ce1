//! Settings made of others: lists, maps, headers, optional blocks.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::reader::Reader;
use crate::section::Section;
use crate::setting::{Row, Secret, Setting, warn_of_clear_text};
use crate::tree::{Node, Value};

/// A list. Null keeps the default, `[]` empties it.
impl<T: Setting> Setting for Vec<T> {
    fn type_name() -> String {
        let item = T::type_name();
        let item = item.strip_prefix("an ").or(item.strip_prefix("a ")).unwrap_or(&item);
        format!("a list of {item}{}", if item.starts_with("one of") { "" } else { "s" })
    }

    fn schema(&self) -> Json {
        let items = T::default().schema();
        match T::COMMA_LIST {
            true => json!({ "type": ["array", "string", "null"], "items": items }),
            false => json!({ "type": ["array", "null"], "items": items }),
        }
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        match &node.value {
            Value::Null => {}
            Value::Seq(items) => {
                self.clear();
                for (index, item) in items.iter().enumerate() {
                    let mut value = T::default();
                    reader.item(index, item.span, |reader| value.read(item, reader));
                    self.push(value);
                }
            }
            Value::String(text) if T::COMMA_LIST => {
                self.clear();
                for part in text.split(',').filter(|_| !text.is_empty()) {
                    let mut value = T::default();
                    value.read(&Node { value: Value::String(part.to_owned()), ..node.clone() }, reader);
                    self.push(value);
                }
            }
            _ => reader.expected(node, "a list"),
        }
    }

    fn render(&self) -> Json {
        self.iter().map(Setting::render).collect()
    }

    fn expose(&self) -> Json {
        self.iter().map(Setting::expose).collect()
    }

    fn reference(&self, prefix: &str, rows: &mut Vec<Row>) {
        T::default().reference(&format!("{}[].", prefix.trim_end_matches('.')), rows);
    }
}

/// A map with free keys. What is given is added to the default.
impl<T: Setting> Setting for BTreeMap<String, T> {
    fn type_name() -> String {
        format!("a map, each value {}", T::type_name())
    }

    fn schema(&self) -> Json {
        json!({ "type": ["object", "null"], "additionalProperties": T::default().schema() })
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        match &node.value {
            Value::Null => {}
            Value::Map(entries) => {
                for (key, node) in entries {
                    let value = self.entry(key.text.clone()).or_default();
                    reader.under(&key.text, key.span, |reader| value.read(node, reader));
                }
            }
            _ => reader.expected(node, "a map"),
        }
    }

    fn render(&self) -> Json {
        Json::Object(self.iter().map(|(key, value)| (key.clone(), value.render())).collect())
    }

    fn expose(&self) -> Json {
        Json::Object(self.iter().map(|(key, value)| (key.clone(), value.expose())).collect())
    }

    fn reference(&self, prefix: &str, rows: &mut Vec<Row>) {
        T::default().reference(&format!("{prefix}<key>."), rows);
    }
}

/// Headers to send, in the order given: a map of strings, or a list of `{name, value}`. Values are secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, Secret)>);

/// One header of the list form.
#[derive(Debug, Clone, Default)]
struct Header {
    name: String,
    value: HeaderValue,
}

/// The value of a header, which is a secret if the name says so.
#[derive(Debug, Clone, Default)]
struct HeaderValue(Secret);

impl Setting for HeaderValue {
    fn type_name() -> String {
        Secret::type_name()
    }

    fn schema(&self) -> Json {
        self.0.schema()
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        self.0.take(node, reader);
    }

    fn render(&self) -> Json {
        self.0.render()
    }

    fn expose(&self) -> Json {
        Setting::expose(&self.0)
    }
}

/// Whether a header of that name lets its bearer in somewhere.
fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = ["authorization", "token", "secret", "password", "api-key", "apikey", "api_key", "cookie"];
    words.iter().any(|word| name.contains(word))
}

impl Section for Header {
    fn describe(fields: &mut crate::Fields<Self>) {
        fields.field("name", "Name of the header.", |c| &mut c.name).required();
        fields.field("value", "Value of the header.", |c| &mut c.value);
    }
}

impl Setting for Headers {
    fn type_name() -> String {
        "a map of strings, or a list of name and value".into()
    }

    fn schema(&self) -> Json {
        let map = BTreeMap::<String, Secret>::default().schema();
        json!({ "anyOf": [map, Vec::<Header>::default().schema()] })
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        match &node.value {
            Value::Null => {}
            Value::Map(entries) => {
                self.0.clear();
                for (key, node) in entries {
                    let mut value = Secret::default();
                    reader.under(&key.text, key.span, |reader| {
                        value.take(node, reader);
                        if is_credential(&key.text) {
                            warn_of_clear_text(node, reader);
                        }
                    });
                    self.0.push((key.text.clone(), value));
                }
            }
            Value::Seq(items) => {
                let mut list = Vec::<Header>::default();
                list.read(node, reader);
                for (index, (header, item)) in list.iter().zip(items).enumerate() {
                    if let Some((key, value)) = item.entry("value").filter(|_| is_credential(&header.name)) {
                        reader.item(index, key.span, |reader| {
                            reader.under("value", key.span, |reader| warn_of_clear_text(value, reader));
                        });
                    }
                }
                self.0 = list.into_iter().map(|header| (header.name, header.value.0)).collect();
            }
            _ => reader.expected(node, "a map of strings, or a list of `{name, value}`"),
        }
    }

    fn render(&self) -> Json {
        Json::Object(self.0.iter().map(|(name, value)| (name.clone(), value.render())).collect())
    }

    fn expose(&self) -> Json {
        Json::Object(self.0.iter().map(|(name, value)| (name.clone(), Setting::expose(value))).collect())
    }
}

/// A value that may be absent. A block is on when its key is given, with or without a value (the Collector's older,
/// pointer style); of anything else, null is none.
impl<T: Setting> Setting for Option<T> {
    const BLOCK: bool = T::BLOCK;

    fn type_name() -> String {
        T::type_name()
    }

    fn schema(&self) -> Json {
        let inner = self.as_ref().map_or_else(|| T::default().schema(), Setting::schema);
        if T::BLOCK { inner } else { json!({ "anyOf": [inner, { "type": "null" }] }) }
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        if node.is_null() && !T::BLOCK {
            *self = None;
        } else {
            self.get_or_insert_default().read(node, reader);
        }
    }

    fn render(&self) -> Json {
        self.as_ref().map_or(Json::Null, Setting::render)
    }

    fn expose(&self) -> Json {
        self.as_ref().map_or(Json::Null, Setting::expose)
    }

    fn reference(&self, prefix: &str, rows: &mut Vec<Row>) {
        match self {
            Some(value) => value.reference(prefix, rows),
            None => T::default().reference(prefix, rows),
        }
    }
}

/// A block that can be absent, in the Collector's three flavours. Which one is said by the default:
///
/// | default | key absent | `key:` | `key: {}` |
/// |---|---|---|---|
/// | `None` | off | off | on |
/// | `Default(defaults)` | off | on | on |
/// | `Some(defaults)` | on | on | on |
///
/// An inner `enabled: false` turns all of them off, whatever else the block says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Optional<T> {
    /// Off.
    #[default]
    None,
    /// Off; these values if the key is given.
    Default(T),
    /// On.
    Some(T),
}

impl<T> Optional<T> {
    /// The block, if it is on.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Some(block) => Some(block),
            Self::None | Self::Default(_) => None,
        }
    }

    /// The block, if it is on.
    pub fn into_option(self) -> Option<T> {
        match self {
            Self::Some(block) => Some(block),
            Self::None | Self::Default(_) => None,
        }
    }
}

impl<T: Section> Optional<T> {
    /// What the block starts from when it is turned on.
    fn start(&self) -> T {
        match self {
            Self::None => T::default(),
            Self::Default(block) | Self::Some(block) => block.clone(),
        }
    }
}

impl<T: Section> Setting for Optional<T> {
    const BLOCK: bool = true;

    fn type_name() -> String {
        T::type_name()
    }

    fn schema(&self) -> Json {
        let mut schema = self.start().schema();
        let enabled = json!({ "type": "boolean", "description": "Turns the block off, or on." });
        if let Some(Json::Object(properties)) = schema.get_mut("properties") {
            properties.entry("enabled").or_insert(enabled);
        }
        schema
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        if node.is_null() && matches!(self, Self::None) {
            return;
        }
        let mut node = node.clone();
        if let Value::Map(entries) = &mut node.value
            && let Some(index) = entries.iter().position(|(key, _)| key.text == "enabled")
        {
            let (key, enabled) = entries.remove(index);
            match enabled.value {
                Value::Bool(true) => {}
                Value::Bool(false) => {
                    *self = Self::None;
                    return;
                }
                _ => reader.under("enabled", key.span, |reader| {
                    reader.expected_bare(&enabled, "`true` or `false`", |value| {
                        matches!(value, Value::Bool(_))
                    });
                }),
            }
        }
        let mut block = self.start();
        block.read(&node, reader);
        *self = Self::Some(block);
    }

    /// One that is off is said to be: a null would turn some of them on.
    fn render(&self) -> Json {
        self.get().map_or_else(|| json!({ "enabled": false }), Setting::render)
    }

    fn expose(&self) -> Json {
        self.get().map_or_else(|| json!({ "enabled": false }), Setting::expose)
    }

    fn reference(&self, prefix: &str, rows: &mut Vec<Row>) {
        let default = matches!(self, Self::Some(_)).to_string();
        let doc = "Turns the block off, or on.".to_owned();
        rows.push(Row { name: format!("{prefix}enabled"), type_name: bool::type_name(), default, doc });
        self.start().reference(prefix, rows);
    }
}
