//! The section `service::telemetry::resource`, in its two forms.

use serde_json::{Value as Json, json};

use super::any::Any;
use crate::fields::Fields;
use crate::reader::Reader;
use crate::section::Section;
use crate::setting::{Row, Setting};
use crate::tree::{Node, Value};

/// Attributes to set, or to remove where there is no value, in the order given.
///
/// Written as a map of names to texts or null, or, as OpenTelemetry's declarative configuration has it, as
/// `attributes`, a list of name and value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceAttributes(pub Vec<(String, Option<String>)>);

/// The second form.
#[derive(Debug, Clone, Default)]
struct Declarative {
    attributes: Vec<Attribute>,
    attributes_list: String,
}

#[derive(Debug, Clone, Default)]
struct Attribute {
    name: String,
    value: Any,
}

const KEYS: [&str; 5] = ["attributes", "attributes_list", "schema_url", "detectors", "detection/development"];

impl Section for Declarative {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("attributes", "Attributes, each with name and value.", |c| &mut c.attributes);
        let doc = "Attributes as one text, `name=value,name=value`; `attributes` win over them.";
        fields.field("attributes_list", doc, |c| &mut c.attributes_list).check(|list| {
            let wrong = pairs(list).find(|(name, value)| name.is_empty() || value.is_none());
            wrong.map_or(Ok(()), |_| Err("expected `name=value,name=value`".to_owned()))
        });
        let why = "own metrics and logs do not show it";
        fields.not_honoured("schema_url", "Address of the attributes' schema.", why);
        let why = "nothing is detected: name the attributes";
        fields.not_honoured("detectors", "What is detected.", why);
        fields.not_honoured("detection/development", "What is detected.", why);
    }
}

impl Section for Attribute {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("name", "Name of the attribute.", |c| &mut c.name).required();
        fields.field("value", "Its value; null removes the attribute.", |c| &mut c.value);
        fields.not_honoured("type", "Type of the value.", "every value is shown as text");
    }
}

fn pairs(list: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    list.split(',').map(str::trim).filter(|pair| !pair.is_empty()).map(|pair| match pair.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value.trim())),
        None => (pair, None),
    })
}

/// Whether this is the second form: it has one of its keys with something that no text is.
fn is_declarative(node: &Node) -> bool {
    let entries = node.entries();
    let structured = |node: &Node| matches!(node.value, Value::Seq(_) | Value::Map(_));
    entries.iter().any(|(key, node)| KEYS.contains(&key.text.as_str()) && structured(node))
        || (!entries.is_empty() && entries.iter().all(|(key, _)| KEYS.contains(&key.text.as_str())))
}

impl Setting for ResourceAttributes {
    const BLOCK: bool = true;

    fn type_name() -> String {
        "a map of strings, or `attributes` as a list of name and value".into()
    }

    fn schema(&self) -> Json {
        let text = json!({ "type": ["string", "null"] });
        let map = json!({ "type": ["object", "null"], "additionalProperties": text });
        json!({ "anyOf": [Setting::schema(&Declarative::default()), map] })
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        match &node.value {
            Value::Null => {}
            Value::Map(_) if is_declarative(node) => {
                let mut section = Declarative::default();
                section.read(node, reader);
                self.0 = section.into_attributes();
            }
            Value::Map(entries) => {
                self.0.clear();
                for (key, node) in entries {
                    let value = node.as_text().map(str::to_owned);
                    if value.is_none() && !node.is_null() {
                        let message =
                            format!("legacy resource attribute {:?} must be string or null", key.text);
                        reader.under(&key.text, key.span, |reader| reader.error(node.span, message));
                    }
                    self.0.push((key.text.clone(), value));
                }
            }
            _ => reader.expected(node, "a map of attributes"),
        }
    }

    fn render(&self) -> Json {
        Json::Object(self.0.iter().map(|(name, value)| (name.clone(), json!(value))).collect())
    }

    fn reference(&self, _prefix: &str, _rows: &mut Vec<Row>) {}
}

impl Declarative {
    fn into_attributes(self) -> Vec<(String, Option<String>)> {
        let listed =
            pairs(&self.attributes_list).map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
        let mut attributes: Vec<_> = listed.collect();
        attributes.extend(self.attributes.into_iter().map(|Attribute { name, value: Any(value) }| {
            let text = match value {
                Json::Null => None,
                Json::String(text) => Some(text),
                other => Some(other.to_string()),
            };
            (name, text)
        }));
        attributes
    }
}
