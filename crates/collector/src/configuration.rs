//! From the command line to a blueprint.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use component::BuildCx;
use config::{Diagnostics, Lists, Location, Node, load_with};
use engine::{Blueprint, Draft};
use tokio::sync::oneshot;

use crate::cli::Sources;
use crate::components::COMPONENTS;
use crate::environment::{self, ProcessEnv};
use crate::{gates, machine, run};

/// What runs when no configuration is given. The same file that `pipelines/` shows.
const LOCAL: &str = include_str!("../../../pipelines/local.yaml");

/// A configuration as far as it could be read, and what was found.
pub(crate) struct Examined {
    /// None if there is no structure to speak of.
    pub(crate) draft: Option<Draft>,
    /// What the sources give together, expanded.
    pub(crate) root: Option<Node>,
    pub(crate) diagnostics: Diagnostics,
}

/// Reads and checks a whole configuration. Warnings are printed.
///
/// # Errors
/// A text with everything that is wrong, each at its place.
pub(crate) fn read(sources: &Sources) -> Result<Blueprint> {
    let lists = gates::lists(&sources.feature_gates)?;
    let Examined { draft, diagnostics, .. } = examine(&locations(sources)?, lists);
    let blueprint = draft.and_then(|draft| draft.finish(machine::memory(), &diagnostics));
    let blueprint = blueprint.ok_or_else(|| refuse(&diagnostics))?;
    if !diagnostics.is_empty() {
        eprint!("{diagnostics}");
    }
    Ok(blueprint)
}

/// Reads a configuration, and builds its components to throw them away: whatever is wrong is found here.
pub(crate) fn examine(locations: &[Location], lists: Lists) -> Examined {
    let tree = match load_with(locations, &ProcessEnv, lists) {
        Ok(tree) => tree,
        Err(diagnostics) => return Examined { draft: None, root: None, diagnostics },
    };
    let mut diagnostics = tree.diagnostics();
    let draft = Draft::read(&tree, COMPONENTS, &mut diagnostics);
    if let Some(draft) = &draft {
        let (environment, user_agent) = (environment::of_process(), run::user_agent().into());
        let cx = BuildCx {
            id: Arc::default(),
            signal: None,
            signals: data::Signals::default(),
            environment,
            user_agent,
        };
        draft.try_build(&cx, &mut diagnostics);
    }
    Examined { draft, root: Some(tree.root), diagnostics }
}

/// The same on a thread of its own: a web server that holds it up must not hold up who asked for it.
pub(crate) async fn read_aside(sources: &Sources) -> Result<Blueprint> {
    let (sender, outcome) = oneshot::channel();
    let sources = sources.clone();
    // Whoever asked may have gone.
    let work = move || drop(sender.send(read(&sources)));
    std::thread::Builder::new().name("configuration".to_owned()).spawn(work)?;
    outcome.await.context("reading the configuration ended unexpectedly")?
}

/// What the command line names, or the built-in configuration.
pub(crate) fn locations(sources: &Sources) -> Result<Vec<Location>> {
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
