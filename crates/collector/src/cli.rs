//! The command line.

use clap::{Args, Parser, Subcommand};

/// A telemetry pipeline for traces, metrics and logs, configured like the OpenTelemetry Collector.
#[derive(Debug, Parser)]
#[command(name = "collimator", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Where the configuration comes from.
#[derive(Args, Clone, Debug)]
pub(crate) struct Sources {
    /// A configuration file, or `env:NAME`, or `yaml:TEXT`; later ones are merged over earlier ones. Without any,
    /// a local pipeline receives OTLP on localhost and prints a line for what arrives.
    #[arg(long = "config", value_name = "FILE", global = true)]
    pub(crate) config: Vec<String>,
    /// Sets one value over every configuration, such as `--set processors.batch.timeout=2s`.
    #[arg(long = "set", value_name = "PATH=VALUE", global = true)]
    pub(crate) set: Vec<String>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks the configuration without starting anything; silent if it is good.
    Validate,
}
