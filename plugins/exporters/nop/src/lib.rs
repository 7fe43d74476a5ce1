//! `nop`: takes everything and drops it.

use component::{
    Accepted, BuildCx, BuildError, Carries, Component, Exporter, Kind, Progress, Spec, Stability, Stage,
};
use config::{Fields, Section};
use data::{Batch, Refused, Signals};
use delivery::Settings;

/// The component type.
pub const SPEC: Spec = Spec::new::<Nop>(Kind::Exporter, "nop", "Takes everything and drops it")
    .carrying(Carries::Same(Signals::ALL))
    .stability(Stability::Beta);

/// No settings.
#[derive(Clone, Debug, Default)]
pub struct Config;

impl Section for Config {
    fn describe(_fields: &mut Fields<Self>) {}
}

/// The exporter.
#[derive(Debug)]
pub struct Nop;

impl Component for Nop {
    type Config = Config;

    fn build(_config: &Config, _cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::Exporter(delivery::unit(Self, Settings::direct(), 1)))
    }
}

impl Exporter for Nop {
    type Memory = ();

    async fn export(&self, _batch: &Batch, _progress: &mut Progress<()>) -> Result<Accepted, Refused> {
        Ok(Accepted::default())
    }
}

#[cfg(test)]
mod tests;
