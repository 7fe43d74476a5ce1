//! From the command line to a blueprint.

use anyhow::{Context as _, Result, anyhow};
use config::{Diagnostics, Location, SystemEnv, Tree, load};
use engine::Blueprint;

use crate::cli::Sources;
use crate::components::COMPONENTS;
use crate::machine;

/// What runs when no configuration is given. The same file that `pipelines/` shows.
const LOCAL: &str = include_str!("../../../pipelines/local.yaml");

/// Reads and checks a whole configuration. Warnings are printed.
///
/// # Errors
/// A text with everything that is wrong, each at its place.
pub(crate) fn read(sources: &Sources) -> Result<Blueprint> {
    let locations = locations(sources)?;
    let tree = load(&locations, &SystemEnv).map_err(|diagnostics| refuse(&diagnostics))?;
    let (blueprint, diagnostics) = read_tree(&tree);
    let blueprint = blueprint.ok_or_else(|| refuse(&diagnostics))?;
    if !diagnostics.is_empty() {
        eprint!("{diagnostics}");
    }
    Ok(blueprint)
}

fn read_tree(tree: &Tree) -> (Option<Blueprint>, Diagnostics) {
    let mut diagnostics = tree.diagnostics();
    let blueprint = Blueprint::read(tree, COMPONENTS, machine::memory(), &mut diagnostics);
    (blueprint, diagnostics)
}

fn locations(sources: &Sources) -> Result<Vec<Location>> {
    let mut locations = Vec::new();
    for text in &sources.config {
        locations.push(text.parse().with_context(|| format!("--config {text}"))?);
    }
    if locations.is_empty() {
        locations.push(Location::Yaml(LOCAL.to_owned()));
    }
    for text in &sources.set {
        locations.push(Location::from_set(text).with_context(|| format!("--set {text}"))?);
    }
    Ok(locations)
}

/// Every finding, as it is shown to the user.
pub(crate) fn refuse(diagnostics: &Diagnostics) -> anyhow::Error {
    anyhow!("the configuration is not valid\n\n{diagnostics}")
}
