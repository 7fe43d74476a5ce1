//! `awsproxy`: signs and forwards requests to an AWS service, and answers sampling requests from rules of its own.

use aws::proxy::{Config, Proxy};
use component::{
    BuildCx, BuildError, Component, Ended, Environment, Extension, Kind, RunCx, Spec, Stability, Stage,
};

/// The component type.
pub const SPEC: Spec =
    Spec::new::<AwsProxy>(Kind::Extension, "awsproxy", "Signs and forwards requests to an AWS service")
        .stability(Stability::Beta);

/// The extension.
pub struct AwsProxy {
    config: Config,
    environment: Environment,
}

impl Component for AwsProxy {
    type Config = Config;

    fn build(config: &Config, cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::extension(Self { config: config.clone(), environment: cx.environment.clone() }))
    }
}

impl Extension for AwsProxy {
    async fn run(self, cx: RunCx) -> Ended {
        let proxy = Proxy::bind(&self.config, &self.environment, &cx).await?;
        cx.ready();
        proxy.run().await
    }
}

#[cfg(test)]
mod tests;
