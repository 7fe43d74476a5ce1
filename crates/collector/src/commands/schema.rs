//! `schema`: a JSON schema of whole configurations, from the descriptions that they are read by.

use component::{Kind, Spec};
use config::{Json, document};
use serde_json::{Map, json};

use crate::components::COMPONENTS;

/// For editors: `# yaml-language-server: $schema=collimator.schema.json`.
pub(super) fn schema() -> Json {
    let mut schema = document::schema();
    let mut definitions = Map::new();
    for kind in Kind::ALL {
        let mut types = Map::new();
        for spec in COMPONENTS.of_kind(kind) {
            let name = format!("{}.{}", kind.name(), spec.name);
            let mut body = spec.schema();
            body["description"] = json!(format!("{}.", spec.summary));
            definitions.insert(name.clone(), referable(body));
            let body =
                json!({ "anyOf": [{ "$ref": format!("#/$defs/{name}") }, { "$ref": "#/$defs/reference" }] });
            types.insert(pattern(spec), body);
        }
        schema["properties"][kind.section()] =
            json!({ "type": ["object", "null"], "additionalProperties": false, "patternProperties": types });
    }
    let service = schema["properties"]["service"].take();
    schema["properties"]["service"] = referable(service);
    let expansion =
        "A value from the environment, a file or elsewhere: `${env:NAME:-default}`, `${file:PATH}`.";
    definitions.insert(
        "reference".to_owned(),
        json!({ "type": "string", "pattern": "\\$\\{.*\\}", "description": expansion }),
    );
    schema["$defs"] = Json::Object(definitions);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("Collimator configuration");
    schema
}

/// What keys of a section name this type.
fn pattern(spec: &Spec) -> String {
    let names: Vec<&str> = [spec.name].into_iter().chain(spec.deprecated_names.iter().copied()).collect();
    format!("^\\s*({})\\s*(/.+)?$", names.join("|"))
}

/// Lets a `${…}` stand for every value, as it may; what a schema says of a value otherwise stays.
fn referable(schema: Json) -> Json {
    let Json::Object(mut object) = schema else { return schema };
    for key in ["properties", "patternProperties"] {
        if let Some(Json::Object(inner)) = object.remove(key) {
            let inner = inner.into_iter().map(|(name, schema)| (name, referable_value(schema)));
            object.insert(key.to_owned(), Json::Object(inner.collect()));
        }
    }
    for key in ["items", "additionalProperties"] {
        match object.remove(key) {
            Some(inner @ Json::Object(_)) => object.insert(key.to_owned(), referable_value(inner)),
            Some(other) => object.insert(key.to_owned(), other),
            None => None,
        };
    }
    if let Some(Json::Array(inner)) = object.remove("anyOf") {
        object.insert("anyOf".to_owned(), inner.into_iter().map(referable).collect());
    }
    Json::Object(object)
}

fn referable_value(schema: Json) -> Json {
    let mut schema = referable(schema);
    // Anything goes already.
    let Some(object) = schema.as_object_mut().filter(|object| {
        object.contains_key("type") || object.contains_key("enum") || object.contains_key("anyOf")
    }) else {
        return schema;
    };
    // Editors show these for the key, so they stay outside.
    let mut outer = Map::new();
    for key in ["description", "default", "deprecated"] {
        outer.extend(object.remove(key).map(|value| (key.to_owned(), value)));
    }
    // A key without a value is its zero value.
    outer.insert("anyOf".to_owned(), json!([schema, { "type": "null" }, { "$ref": "#/$defs/reference" }]));
    Json::Object(outer)
}
