//! `components`: what there is, and what can be set.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use component::{Carries, Kind, Spec};
use config::{Json, Row};
use data::Signal;
use serde_json::json;

use super::pretty;
use crate::cli::Report;
use crate::components::COMPONENTS;

/// All of them, or the settings of those that `name` means.
pub(super) fn list(name: Option<&str>, format: Report) -> Result<String> {
    let specs: Vec<&Spec> = match name {
        None => Kind::ALL.into_iter().flat_map(|kind| COMPONENTS.of_kind(kind)).collect(),
        Some(name) => named(name)?,
    };
    match (format, name) {
        (Report::Json, _) => pretty(&specs.into_iter().map(|spec| as_json(spec, name.is_some())).collect()),
        (Report::Text, None) => overview(&specs),
        (Report::Text, Some(_)) => {
            specs.into_iter().map(details).collect::<Result<Vec<_>>>().map(|all| all.join("\n"))
        }
    }
}

/// `otlp`, or with its section if there are several: `receivers/otlp`, `receiver/otlp`.
fn named(name: &str) -> Result<Vec<&'static Spec>> {
    let (section, component_type) = match name.split_once('/') {
        Some((section, component_type)) => (Some(section), component_type),
        None => (None, name),
    };
    let kinds = Kind::ALL
        .into_iter()
        .filter(|kind| section.is_none_or(|section| section == kind.section() || section == kind.name()));
    let found: Vec<&Spec> = kinds.filter_map(|kind| COMPONENTS.find(kind, component_type)).collect();
    if found.is_empty() {
        bail!("there is no component `{name}`; `collimator components` lists them");
    }
    Ok(found)
}

fn overview(specs: &[&Spec]) -> Result<String> {
    let mut text = String::new();
    let widest = specs.iter().map(|spec| signals(spec).chars().count()).max().unwrap_or(0);
    for kind in Kind::ALL {
        let mut specs = specs.iter().filter(|spec| spec.kind == kind).peekable();
        if specs.peek().is_some() {
            writeln!(text, "{}", kind.section())?;
        }
        for spec in specs {
            let (name, signals, stability) = (spec.name, signals(spec), spec.stability.name());
            writeln!(text, "  {name:22} {signals:widest$} {stability:8} {}", spec.summary)?;
        }
    }
    Ok(text)
}

fn details(spec: &Spec) -> Result<String> {
    let mut text = format!("{} {} ({})\n", spec.kind.name(), spec.name, spec.stability.name());
    writeln!(text, "{}. Signals: {}.", spec.summary, signals(spec))?;
    if !spec.deprecated_names.is_empty() {
        writeln!(text, "Former names: {}.", spec.deprecated_names.join(", "))?;
    }
    let rows = spec.reference();
    if rows.is_empty() {
        writeln!(text, "\nIt has no settings.")?;
    }
    for Row { name, type_name, default, doc } in rows {
        let default = if default.is_empty() { String::new() } else { format!(", default {default}") };
        writeln!(text, "\n  {name}  ({type_name}{default})\n      {doc}")?;
    }
    Ok(text)
}

/// Extensions carry none.
fn signals(spec: &Spec) -> String {
    let names =
        |signals: &mut dyn Iterator<Item = Signal>| signals.map(Signal::name).collect::<Vec<_>>().join(", ");
    match spec.carries {
        _ if spec.kind == Kind::Extension => "-".to_owned(),
        Carries::Same(signals) => {
            names(&mut Signal::ALL.into_iter().filter(|signal| signals.contains(*signal)))
        }
        Carries::Pairs(pairs) => {
            let one = |(input, output): &(Signal, Signal)| format!("{input} to {output}");
            pairs.iter().map(one).collect::<Vec<_>>().join(", ")
        }
    }
}

fn as_json(spec: &Spec, with_settings: bool) -> Json {
    let mut json = json!({
        "kind": spec.kind.name(),
        "type": spec.name,
        "former_names": spec.deprecated_names,
        "signals": signals(spec),
        "stability": spec.stability.name(),
        "summary": spec.summary,
    });
    if with_settings {
        let one = |row: Row| json!({ "key": row.name, "type": row.type_name, "default": row.default, "doc": row.doc });
        json["settings"] = spec.reference().into_iter().map(one).collect();
    }
    json
}
