//! `print-config`: the configuration as it is understood.

use anyhow::{Result, bail};
use component::{Kind, Secrets};
use config::{Json, Node, Value};
use engine::{Draft, Drafted};
use serde_json::{Map, json};

use super::{pretty, yaml_text};
use crate::cli::{Form, Mode};
use crate::configuration::Examined;

/// What stands for a body that could not be read, and may hold secrets.
const UNREADABLE: &str = "[NOT READABLE]";

pub(super) fn configuration(examined: &Examined, defaults: bool, mode: Mode, format: Form) -> Result<String> {
    let (Some(draft), Some(root)) = (&examined.draft, &examined.root) else {
        bail!("there is nothing to print")
    };
    let mut sections = Vec::new();
    for kind in Kind::ALL {
        let one = |declared: &config::document::Declared| {
            let id = declared.id.to_string();
            let drafted = draft
                .parts
                .iter()
                .find(|drafted| drafted.part.spec.kind == kind && drafted.id == declared.id);
            let body = drafted.map_or_else(|| json!(UNREADABLE), |drafted| body(drafted, defaults, mode));
            (id, body)
        };
        let bodies: Map<String, Json> = draft.document.declared(kind).iter().map(one).collect();
        if !bodies.is_empty() {
            sections.push((kind.section(), Json::Object(bodies)));
        }
    }
    sections.push(("service", service(draft, root, defaults, mode)));
    match format {
        Form::Yaml => Ok(sections.iter().map(|(name, section)| yaml_text::entry(name, section)).collect()),
        Form::Json => {
            let all = sections.into_iter().map(|(name, section)| (name.to_owned(), section));
            pretty(&Json::Object(all.collect()))
        }
    }
}

fn service(draft: &Draft, root: &Node, defaults: bool, mode: Mode) -> Json {
    let service = &draft.document.service;
    match (defaults, mode, root.get("service")) {
        (true, Mode::Redacted, _) => without_nulls(config::render(service)),
        (true, Mode::Unredacted, _) => without_nulls(config::expose(service)),
        (false, _, None) => json!({}),
        (false, Mode::Unredacted, Some(given)) => as_written(given, &[]),
        (false, Mode::Redacted, Some(given)) => {
            let mut secrets = Vec::new();
            collect(&config::render(service), &config::expose(service), &mut secrets);
            as_written(given, &secrets)
        }
    }
}

fn body(drafted: &Drafted, defaults: bool, mode: Mode) -> Json {
    let shown = match mode {
        Mode::Redacted => Secrets::Hidden,
        Mode::Unredacted => Secrets::Shown,
    };
    if defaults {
        return without_nulls(drafted.part.plan.settings(shown));
    }
    let mut secrets = Vec::new();
    if shown == Secrets::Hidden {
        let plan = &drafted.part.plan;
        collect(&plan.settings(Secrets::Hidden), &plan.settings(Secrets::Shown), &mut secrets);
    }
    as_written(&drafted.part.body, &secrets)
}

/// The texts that are hidden in one form and shown in the other, each with what stands for it.
fn collect(hidden: &Json, shown: &Json, secrets: &mut Vec<(String, String)>) {
    match (hidden, shown) {
        (Json::String(mask), Json::String(text)) if text != mask => {
            secrets.push((text.clone(), mask.clone()));
        }
        (Json::Object(hidden), Json::Object(shown)) => {
            let both = hidden.iter().filter_map(|(key, value)| Some((value, shown.get(key)?)));
            both.for_each(|(hidden, shown)| collect(hidden, shown, secrets));
        }
        (Json::Array(hidden), Json::Array(shown)) => {
            hidden.iter().zip(shown).for_each(|(hidden, shown)| collect(hidden, shown, secrets));
        }
        _ => {}
    }
}

/// What the sources give, expanded; each of the secrets masked wherever it stands.
fn as_written(node: &Node, secrets: &[(String, String)]) -> Json {
    let text = node.as_text();
    if let Some((_, mask)) = secrets.iter().find(|(secret, _)| text.is_some_and(|text| secret == text)) {
        return json!(mask);
    }
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => {
            i64::try_from(*value).map_or_else(|_| json!(*value as u64), |value| json!(value))
        }
        Value::Float(value) if value.is_finite() => json!(value),
        Value::Float(_) => json!(node.text.as_deref().unwrap_or_default()),
        Value::String(text) => json!(text),
        Value::Seq(items) => items.iter().map(|item| as_written(item, secrets)).collect(),
        // Of a block that is off nothing was read, so nobody knows what in it is secret.
        Value::Map(_) if node.get("enabled").is_some_and(|enabled| enabled.value == Value::Bool(false)) => {
            json!({ "enabled": false })
        }
        Value::Map(entries) => {
            let one = |(key, node): &(config::Key, Node)| (key.text.clone(), as_written(node, secrets));
            Json::Object(entries.iter().map(one).collect())
        }
    }
}

/// A null would turn on some of what is off.
fn without_nulls(json: Json) -> Json {
    match json {
        Json::Object(entries) => {
            let given = entries.into_iter().filter(|(_, value)| !value.is_null());
            Json::Object(given.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Json::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}
