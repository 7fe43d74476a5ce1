//! What is measured: the collector itself, a peer on the same configuration, or the relay that sets the floor.

use std::{path::Path, str::FromStr};

use anyhow::Context;
use clap::ValueEnum;

use crate::{
    relay::{Stack, Threads},
    scenario::{Endpoints, Scenario},
};

/// A program that takes part in a comparison.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    Collector { binary: String },
    Peer { command: String },
    Floor(Floor),
}

/// A kind of relay, written `threads-stack`, for instance `multi-tonic` or `per-core-h2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Floor {
    pub(crate) threads: Threads,
    pub(crate) stack: Stack,
}

impl FromStr for Floor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = Threads::value_variants().iter().flat_map(|threads| {
            Stack::value_variants().iter().map(|stack| Floor { threads: *threads, stack: *stack })
        });
        let wanted = all.clone().find(|floor| floor.name() == text);
        wanted
            .ok_or_else(|| format!("one of {}", all.map(|floor| floor.name()).collect::<Vec<_>>().join(", ")))
    }
}

impl Floor {
    pub(crate) fn name(self) -> String {
        format!("{}-{}", value_name(&self.threads), value_name(&self.stack))
    }
}

fn value_name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

impl Subject {
    /// How results call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Subject::Collector { .. } => "collimator".into(),
            Subject::Peer { command } => {
                let program = command.split_whitespace().next().unwrap_or("peer");
                Path::new(program)
                    .file_name()
                    .map_or("peer".into(), |name| name.to_string_lossy().into_owned())
            }
            Subject::Floor(floor) => format!("floor {}", floor.name()),
        }
    }

    /// The command line that runs it.
    pub(crate) fn command(&self, scenario: &Scenario, endpoints: &Endpoints) -> anyhow::Result<Vec<String>> {
        let config = scenario.config.display().to_string();
        Ok(match self {
            Subject::Collector { binary } => vec![binary.clone(), "--config".into(), config],
            Subject::Peer { command } => {
                command.split_whitespace().map(|word| word.replace("{config}", &config)).collect()
            }
            Subject::Floor(floor) => vec![
                std::env::current_exe().context("own path")?.display().to_string(),
                "relay".into(),
                format!("--listen={}", endpoints.grpc),
                format!("--upstream={}", endpoints.upstream),
                format!("--relay-runtime={}", value_name(&floor.threads)),
                format!("--relay-stack={}", value_name(&floor.stack)),
            ],
        })
    }
}
