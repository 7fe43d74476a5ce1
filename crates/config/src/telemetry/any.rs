//! Values that are taken as they are.

use serde_json::{Map as JsonMap, Number, Value as Json, json};

use crate::reader::Reader;
use crate::setting::Setting;
use crate::tree::{Node, Value};

/// Any value, as JSON.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Any(pub Json);

impl Setting for Any {
    const BLOCK: bool = false;

    fn type_name() -> String {
        "any value".into()
    }

    fn schema(&self) -> Json {
        json!({})
    }

    fn read(&mut self, node: &Node, _reader: &mut Reader<'_>) {
        self.0 = json_of(node);
    }

    fn render(&self) -> Json {
        self.0.clone()
    }
}

/// A node as JSON; infinities, which JSON has no words for, as text.
fn json_of(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => match (i64::try_from(*value), u64::try_from(*value)) {
            (Ok(value), _) => json!(value),
            (_, Ok(value)) => json!(value),
            _ => json!(value.to_string()),
        },
        Value::Float(value) => {
            Number::from_f64(*value).map_or_else(|| json!(value.to_string()), Json::Number)
        }
        Value::String(text) => json!(text),
        Value::Seq(items) => items.iter().map(json_of).collect(),
        Value::Map(entries) => {
            let pairs = entries.iter().map(|(key, node)| (key.text.clone(), json_of(node)));
            Json::Object(pairs.collect::<JsonMap<_, _>>())
        }
    }
}
