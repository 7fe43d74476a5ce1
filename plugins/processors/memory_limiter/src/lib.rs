//! `memory_limiter`: refuses data while too much of it is held.
//!
//! What counts is the telemetry that the graph holds, which is known exactly at every moment; the resident memory of
//! the process, looked at now and then, is the backstop. It is a [`Gate`](component::Gate): first in a pipeline it makes receivers
//! refuse requests before they read them.

mod config;
mod limiter;

use ::config::document::Role;
use component::{BuildCx, BuildError, Carries, Component, Kind, Spec, Stability, Stage};

use data::Signals;

pub use crate::config::Config;
use crate::limiter::{Limiter, Limits};

/// The component type.
pub const SPEC: Spec = Spec::new::<MemoryLimiter>(
    Kind::Processor,
    "memory_limiter",
    "Refuses data while more of it is held than a limit allows",
)
.carrying(Carries::Same(Signals::ALL))
.role(Role::Guards)
.stability(Stability::Beta);

/// The component.
#[derive(Debug)]
pub struct MemoryLimiter;

impl Component for MemoryLimiter {
    type Config = Config;

    fn build(config: &Config, cx: &BuildCx) -> Result<Stage, BuildError> {
        let machine = cx.environment.machine();
        let limits = Limits::of(config, machine.memory);
        Ok(Stage::gate(Limiter::new(limits, config.check_interval, machine, &cx.id)))
    }
}

#[cfg(test)]
mod tests;
