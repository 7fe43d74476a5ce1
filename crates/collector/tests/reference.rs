//! No key of the Collector is silently taken: each is honoured, warned of, or refused, as `reference_keys.txt` says.

use std::path::Path;

use component::{Kind, Secrets, Spec};
use config::document::Catalog as _;
use config::{Diagnostics, Env, Json, Location, load};

#[path = "../src/components.rs"]
mod components;

/// Nothing is referred to here.
struct NoEnv;

impl Env for NoEnv {
    fn var(&self, _: &str) -> Option<String> {
        None
    }

    fn read_file(&self, _: &Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// Settings as they are kept, and what was said about them.
fn read(spec: &Spec, sources: &[&str]) -> (Option<Json>, Diagnostics) {
    let locations: Vec<Location> = sources.iter().map(|text| Location::Yaml((*text).to_owned())).collect();
    let tree = load(&locations, &NoEnv).unwrap_or_else(|found| panic!("{sources:?}: {found}"));
    let mut diagnostics = tree.diagnostics();
    let plan = spec.parse(&tree.root, &mut diagnostics, "x");
    (plan.map(|plan| plan.settings(Secrets::Shown)), diagnostics)
}

fn outcome(spec: &Spec, base: &str, key: &str) -> String {
    let (path, value) = key.split_once(": ").expect("a key and a value");
    let given = format!("{}: {value}", path.replace('.', "::"));
    let (Some(before), _) = read(spec, &[base]) else { panic!("{} does not take {base}", spec.name) };
    let (after, found) = read(spec, &[base, &given]);
    let text = found.to_string();
    match after {
        None if text.contains("is not supported:") => "refused".to_owned(),
        None => format!("an error of another kind: {text}"),
        Some(_) if text.contains("has no effect:") => "ignored".to_owned(),
        Some(after) if after == before => "silently taken".to_owned(),
        Some(_) => "honoured".to_owned(),
    }
}

#[test]
fn no_key_is_silently_taken() {
    let text = include_str!("reference_keys.txt");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut component: Option<(&Spec, &str)> = None;
    let mut wrong = Vec::new();
    let mut keys = 0;
    for line in lines {
        let (left, right) =
            line.rsplit_once("  ").unwrap_or_else(|| panic!("{line}: two spaces are missing"));
        if let Some(name) = left.strip_prefix("= ") {
            let (section, name) = name.trim().split_once('/').expect("section and type");
            let kind = Kind::ALL.into_iter().find(|kind| kind.section() == section).expect("a section");
            component = Some((components::COMPONENTS.find(kind, name).expect("a component"), right));
            continue;
        }
        let (spec, base) = component.expect("a component comes first");
        let found = outcome(spec, base, left.trim());
        keys += 1;
        if found != right {
            wrong.push(format!("{} {}: {right} expected, {found} found", spec.name, left.trim()));
        }
    }
    assert!(keys > 100, "only {keys}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A component that comes later has to be entered, unless it has no keys or is not in the Collector.
#[test]
fn every_component_with_keys_is_in_the_list() {
    let text = include_str!("reference_keys.txt");
    for kind in Kind::ALL {
        for name in components::COMPONENTS.type_names(kind) {
            let spec = components::COMPONENTS.find(kind, name).expect("it is listed");
            let listed = text.lines().any(|line| line.starts_with(&format!("= {}/{name} ", kind.section())));
            assert!(
                listed || spec.reference().is_empty(),
                "{}/{name} is not in reference_keys.txt",
                kind.section()
            );
        }
    }
}
