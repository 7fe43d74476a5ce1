//! `zpages`: pages about the running process, for people and as JSON.
//!
//! What is wrong stands at the top of each page; below it are pipelines with rates and queues, the ledger, what went wrong
//! last at each node, and the configuration with its secrets hidden.

mod config;
mod findings;
mod html;
mod model;
mod pages;
mod site;
mod text;

use std::sync::Arc;

use component::{
    BuildCx, BuildError, Carries, Component, Ended, Extension, Feature, Kind, RunCx, Spec, Stability, Stage,
};
use data::Signals;

pub use crate::config::Config;
use crate::site::Pages;

/// The component type.
pub const SPEC: Spec = Spec::new::<Zpages>(
    Kind::Extension,
    "zpages",
    "Serves pages about pipelines, queues, the ledger and errors",
)
.carrying(Carries::Same(Signals::of(&[])))
.stability(Stability::Beta);

/// The extension.
#[derive(Debug)]
pub struct Zpages {
    config: Config,
    build: Arc<str>,
    features: Arc<[Feature]>,
}

impl Component for Zpages {
    type Config = Config;

    fn build(config: &Config, cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::extension(Self {
            config: config.clone(),
            build: Arc::clone(&cx.user_agent),
            features: Arc::clone(cx.environment.features()),
        }))
    }
}

impl Extension for Zpages {
    async fn run(self, cx: RunCx) -> Ended {
        admin::serve(&self.config.server, Pages::new(self.build, self.features, &cx), &cx).await
    }
}

#[cfg(test)]
mod tests;
