//! What is measured: the collector itself, a peer on the same configuration, or the relay that sets the floor.

use std::{fs, path::Path, str::FromStr};

use anyhow::Context;
use clap::ValueEnum;

use crate::{
    relay::{Stack, Threads},
    scenario::{Endpoints, Input, Scenario},
};

/// A program that takes part in a comparison.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    Collector {
        binary: String,
    },
    /// Another collector; its command line is split at white space, without quoting, and then `{config}` is replaced
    /// in every word.
    Peer {
        command: String,
    },
    Floor(Floor),
}

/// A kind of relay, written `threads-stack`, for instance `multi-tonic` or `per-core-h2`, with the HTTP/2 frame
/// size that it offers to clients behind an `@` if that is not the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Floor {
    pub(crate) threads: Threads,
    pub(crate) stack: Stack,
    pub(crate) frame: u32,
}

/// HTTP/2's default frame size, in bytes.
const DEFAULT_FRAME: u32 = 16_384;

impl FromStr for Floor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, frame) = match text.split_once('@') {
            None => (text, DEFAULT_FRAME),
            Some((name, frame)) => (name, frame.parse().map_err(|_| "a frame size is a number of bytes")?),
        };
        let all = Threads::value_variants().iter().flat_map(|threads| {
            Stack::value_variants().iter().map(move |stack| Floor { threads: *threads, stack: *stack, frame })
        });
        let wanted = all.clone().find(|floor| floor.kind() == name);
        wanted.ok_or_else(|| format!("one of {}", all.map(Floor::kind).collect::<Vec<_>>().join(", ")))
    }
}

impl Floor {
    fn kind(self) -> String {
        format!("{}-{}", value_name(&self.threads), value_name(&self.stack))
    }

    fn name(self) -> String {
        match self.frame {
            DEFAULT_FRAME => self.kind(),
            frame => format!("{}@{frame}", self.kind()),
        }
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
                // Apart from the collector's, which may be its own peer.
                Path::new(program)
                    .file_name()
                    .map_or("peer".into(), |name| format!("peer {}", name.to_string_lossy()))
            }
            Subject::Floor(floor) => format!("floor {}", floor.name()),
        }
    }

    /// What it is fed with: a relay only knows OTLP.
    pub(crate) fn input(&self, scenario: &Scenario) -> Input {
        match self {
            Subject::Floor(_) => Input::Otlp,
            Subject::Collector { .. } | Subject::Peer { .. } => scenario.input,
        }
    }

    /// The command line that runs it. A peer's configuration is written into `folder` first.
    pub(crate) fn command(
        &self,
        scenario: &Scenario,
        endpoints: &Endpoints,
        folder: &Path,
    ) -> anyhow::Result<Vec<String>> {
        Ok(match self {
            Subject::Collector { binary } => {
                vec![binary.clone(), "--config".into(), scenario.config.display().to_string()]
            }
            Subject::Peer { command } => {
                let config = folder.join("peer.yaml");
                fs::write(&config, &scenario.portable.text).with_context(|| config.display().to_string())?;
                let config = config.display().to_string();
                command.split_whitespace().map(|word| word.replace("{config}", &config)).collect()
            }
            Subject::Floor(floor) => vec![
                std::env::current_exe().context("own path")?.display().to_string(),
                "relay".into(),
                format!("--listen={}", endpoints.grpc),
                format!("--upstream={}", endpoints.upstream),
                format!("--relay-runtime={}", value_name(&floor.threads)),
                format!("--relay-stack={}", value_name(&floor.stack)),
                format!("--frame={}", floor.frame),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_floors_are_read_as_they_are_written() {
        for name in ["multi-tonic", "per-core-h2", "single-tonic-hyper", "single-hyper@1048576"] {
            assert_eq!(name.parse::<Floor>().map(Floor::name), Ok(name.to_owned()));
        }
        assert!("tonic".parse::<Floor>().is_err());
        assert!("multi-tonic@x".parse::<Floor>().is_err());
    }

    #[test]
    fn a_peer_gets_a_copy_of_the_configuration_without_our_keys() {
        let folder = tempfile::tempdir().expect("a folder");
        let gateway = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/gateway.yaml"));
        let scenario = Scenario::read(gateway).expect("read");
        let upstream = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let endpoints = Endpoints::free(upstream, folder.path()).expect("free ports");

        let peer = Subject::Peer { command: "/opt/otelcol  --config=file:{config} --set a=b".into() };
        let command = peer.command(&scenario, &endpoints, folder.path()).expect("written");
        let copy = folder.path().join("peer.yaml");
        let config = format!("--config=file:{}", copy.display());
        assert_eq!(command, ["/opt/otelcol", config.as_str(), "--set", "a=b"]);
        assert_eq!(peer.name(), "peer otelcol");
        let written = fs::read_to_string(copy).expect("read");
        assert!(!written.contains("  limits:") && written.contains("otlp_grpc:"), "{written}");

        let ours = Subject::Collector { binary: "collimator".into() };
        let command = ours.command(&scenario, &endpoints, folder.path()).expect("nothing to write");
        assert_eq!(command, ["collimator", "--config", &gateway.display().to_string()]);
    }
}
