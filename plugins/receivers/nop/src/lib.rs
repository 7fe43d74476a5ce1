//! `nop`: receives nothing.

use component::{
    BuildCx, BuildError, Carries, Component, Ended, Kind, Outlets, Receiver, RunCx, Spec, Stability, Stage,
};
use config::{Fields, Section};
use data::Signals;

/// The component type.
pub const SPEC: Spec = Spec::new::<Nop>(Kind::Receiver, "nop", "Receives nothing")
    .carrying(Carries::Same(Signals::ALL))
    .stability(Stability::Beta);

/// No settings.
#[derive(Clone, Debug, Default)]
pub struct Config;

impl Section for Config {
    fn describe(_fields: &mut Fields<Self>) {}
}

/// The receiver.
#[derive(Debug)]
pub struct Nop;

impl Component for Nop {
    type Config = Config;

    fn build(_config: &Config, _cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::receiver(Self))
    }
}

impl Receiver for Nop {
    async fn run(self, _outlets: Outlets, cx: RunCx) -> Ended {
        cx.ready();
        cx.draining.cancelled().await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
