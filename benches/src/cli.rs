//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    relay::{Stack, Threads},
    subject::Floor,
};

/// Measures a collector from outside: cost per span, memory, latency, and whether every span arrives.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a collector as a child process between a load generator and a sink.
    Pipeline(Box<PipelineOptions>),
    /// Measure the data model's operations, in nanoseconds per span.
    Micro(MicroOptions),
    /// Be the barest relay: what `pipeline --floor` runs as a child.
    Relay(RelayOptions),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PipelineOptions {
    /// Configuration in OpenTelemetry Collector syntax; see benches/README.md for the variables it uses.
    pub(crate) config: PathBuf,
    /// The collector's binary; built first unless --no-build is given.
    #[arg(long)]
    pub(crate) binary: Option<String>,
    /// Run the collector's binary as it is.
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Leave the collector out: only peers and floors run.
    #[arg(long)]
    pub(crate) no_collector: bool,
    /// Another collector to run in alternate rounds, for instance "otelcol --config {config}". Split at white space,
    /// without quoting; {config} is a copy of the configuration without Collimator's own keys.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) peer: Vec<String>,
    /// Relays to run in alternate rounds: THREADS-STACK, for instance multi-tonic,per-core-h2.
    #[arg(long, value_name = "KINDS", value_delimiter = ',', num_args = 0..=1, require_equals = true,
        default_missing_value = "multi-tonic")]
    pub(crate) floor: Vec<Floor>,
    /// Rounds of every combination; 3 when there is something to compare with, otherwise 1.
    #[arg(long)]
    pub(crate) rounds: Option<u32>,
    /// Run the three loads of the results table instead of one.
    #[arg(long)]
    pub(crate) suite: bool,
    /// A few seconds, for continuous integration: fails only on a broken balance.
    #[arg(long)]
    pub(crate) short: bool,
    /// A sink that takes a tenth of what is offered, until it recovers after --duration.
    #[arg(long, conflicts_with = "drain")]
    pub(crate) overload: bool,
    /// With --overload: fail when resident memory exceeds this.
    #[arg(long, value_name = "MIB", requires = "overload")]
    pub(crate) memory_bound: Option<u64>,
    /// Stop the collector under load this many times; every acknowledged span must have been written.
    #[arg(long, value_name = "RUNS", num_args = 0..=1, require_equals = true, default_missing_value = "5")]
    pub(crate) drain: Option<u32>,
    /// Spans a second, or "full"; full, with --overload 50,000, with --drain 100,000.
    #[arg(long)]
    pub(crate) rate: Option<Rate>,
    #[arg(long, default_value_t = 128)]
    pub(crate) spans_per_request: usize,
    /// Number of connections, or several to go through them.
    #[arg(long, value_delimiter = ',', default_value = "8")]
    pub(crate) connections: Vec<usize>,
    /// Requests in flight on each connection.
    #[arg(long, default_value_t = 4)]
    pub(crate) concurrency: usize,
    /// Threads of the load generator.
    #[arg(long, default_value_t = 1)]
    pub(crate) load_threads: usize,
    #[arg(long, default_value = "none")]
    pub(crate) compression: Compression,
    /// Seconds of load; 10, with --overload 300, with --drain 2.
    #[arg(long)]
    pub(crate) duration: Option<f64>,
    /// At most this many requests.
    #[arg(long, default_value_t = u64::MAX)]
    pub(crate) requests: u64,
    /// Idle seconds before and after the load, for the memory readings.
    #[arg(long, default_value_t = 2.0)]
    pub(crate) settle: f64,
    /// HTTP/2 frame size that the sink offers, in bytes.
    #[arg(long, default_value_t = 16_384)]
    pub(crate) sink_frame: u32,
    /// Write the results to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// A rate of spans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate(pub(crate) Option<f64>);

impl std::str::FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "full" {
            return Ok(Rate(None));
        }
        match text.replace(',', "").parse::<f64>() {
            Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(Rate(Some(rate))),
            _ => Err("a number of spans a second, or \"full\"".into()),
        }
    }
}

/// What the load generator compresses requests with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compression {
    None,
    Gzip,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RelayOptions {
    #[arg(long)]
    pub(crate) listen: SocketAddr,
    #[arg(long)]
    pub(crate) upstream: SocketAddr,
    #[arg(long, default_value = "multi")]
    pub(crate) relay_runtime: Threads,
    #[arg(long, default_value = "tonic")]
    pub(crate) relay_stack: Stack,
    /// HTTP/2 frame size offered to clients, in bytes.
    #[arg(long, default_value_t = 16_384)]
    pub(crate) frame: u32,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct MicroOptions {
    /// Rounds, of which the median counts.
    #[arg(long, default_value_t = 51)]
    pub(crate) rounds: u32,
    /// Write the results to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}
