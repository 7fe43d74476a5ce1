//! `forward`: joins pipelines of the same signal.

use component::{BuildCx, BuildError, Carries, Component, Kind, Out, Processor, Spec, Stability, Stage};
use config::{Fields, Section};
use data::{Batch, Signals};

/// The component type.
pub const SPEC: Spec = Spec::new::<Forward>(
    Kind::Connector,
    "forward",
    "Passes everything on to every pipeline that receives from it",
)
.carrying(Carries::Same(Signals::ALL))
.stability(Stability::Beta);

/// No settings.
#[derive(Clone, Debug, Default)]
pub struct Config;

impl Section for Config {
    fn describe(_fields: &mut Fields<Self>) {}
}

/// The connector.
#[derive(Debug)]
pub struct Forward;

impl Component for Forward {
    type Config = Config;

    fn build(_config: &Config, _cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::processor(Self))
    }
}

impl Processor for Forward {
    fn process(&mut self, batch: Batch, out: &mut Out) {
        out.send(batch);
    }
}

#[cfg(test)]
mod tests;
