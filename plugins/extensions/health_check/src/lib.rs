//! `health_check`: tells load balancers and orchestrators how the process is.
//!
//! The Collector's answer at `path`; ours at `/live` (does the process run) and `/ready` (should it get data).

mod config;
mod health;
mod second;
mod site;

use std::sync::Arc;

use component::{
    BuildCx, BuildError, Carries, Component, Ended, Extension, Kind, RunCx, Spec, Stability, Stage,
};
use data::Signals;

pub use crate::config::Config;
use crate::site::HealthSite;

/// The component type.
pub const SPEC: Spec = Spec::new::<HealthCheck>(
    Kind::Extension,
    "health_check",
    "Answers liveness and readiness probes over HTTP",
)
.carrying(Carries::Same(Signals::of(&[])))
.stability(Stability::Beta);

/// The extension.
#[derive(Debug)]
pub struct HealthCheck {
    config: Arc<Config>,
}

impl Component for HealthCheck {
    type Config = Config;

    fn build(config: &Config, _cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::extension(Self { config: Arc::new(config.clone()) }))
    }
}

impl Extension for HealthCheck {
    async fn run(self, cx: RunCx) -> Ended {
        let Some(server) = self.config.server() else {
            cx.ready();
            cx.draining.cancelled().await;
            return Ok(());
        };
        let site = HealthSite::new(Arc::clone(&self.config), &cx);
        admin::serve(server, site, &cx).await
    }
}

#[cfg(test)]
mod tests;
