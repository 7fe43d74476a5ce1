//! The section `service::telemetry::resource`, in its two forms.

use serde_json::{Value as Json, json};

use super::any::Any;
use crate::fields::Fields;
use crate::reader::Reader;
use crate::section::{Checks, Section, has_key};
use crate::setting::{Row, Setting};
use crate::tree::{Key, Node, Value};

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
}

#[derive(Debug, Clone, Default)]
struct Attribute {
    name: String,
    value: Option<Any>,
}

impl Section for Declarative {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("attributes", "Attributes, each with name and value.", |c| &mut c.attributes);
        let why = "use `attributes`, as the Collector says, too";
        fields.unsupported("attributes_list", "Attributes as one text.", why);
        let why = "own metrics and logs do not show it";
        fields.ignored::<String>("schema_url", "Address of the attributes' schema.", why);
        let why = "nothing is detected: name the attributes";
        fields.not_honoured("detectors", "What is detected.", why);
        fields.not_honoured("detection/development", "What is detected.", why);
    }
}

impl Section for Attribute {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("name", "Name of the attribute.", |c| &mut c.name).required();
        fields.field("value", "Its value.", |c| &mut c.value);
        fields.not_honoured("type", "Type of the value.", "every value is shown as text");
    }

    fn check(&self, checks: &mut Checks) {
        if self.value.is_none() {
            checks.at("", "the key `value` is required");
        }
    }
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
            Value::Map(entries) => {
                self.0.clear();
                let (declarative, plain): (Vec<_>, Vec<_>) =
                    entries.iter().cloned().partition(|(key, _)| has_key::<Declarative>(&key.text));
                let mut section = Declarative::default();
                section.read(&Node { value: Value::Map(declarative), ..node.clone() }, reader);
                if let Some((key, _)) = plain.first().filter(|_| !section.attributes.is_empty()) {
                    let message = "`attributes` can't be used together with attributes beside it";
                    reader.error(key.span, message);
                }
                self.0.extend(section.attributes.into_iter().map(Attribute::into_pair));
                self.0.extend(plain.iter().map(|(key, node)| read_plain(key, node, reader)));
            }
            _ => reader.expected(node, "a map of attributes"),
        }
    }

    fn render(&self) -> Json {
        Json::Object(self.0.iter().map(|(name, value)| (name.clone(), json!(value))).collect())
    }

    fn reference(&self, _prefix: &str, _rows: &mut Vec<Row>) {}
}

impl Attribute {
    fn into_pair(self) -> (String, Option<String>) {
        let text = match self.value {
            None | Some(Any(Json::Null)) => None,
            Some(Any(Json::String(text))) => Some(text),
            Some(Any(other)) => Some(other.to_string()),
        };
        (self.name, text)
    }
}

/// An attribute of the first form.
fn read_plain(key: &Key, node: &Node, reader: &mut Reader<'_>) -> (String, Option<String>) {
    let value = node.as_text().map(str::to_owned);
    if value.is_none() && !node.is_null() {
        let message = format!("legacy resource attribute {:?} must be string or null", key.text);
        reader.under(&key.text, key.span, |reader| reader.error(node.span, message));
    }
    (key.text.clone(), value)
}
