//! Measures a collector from outside. See benches/README.md.

mod child;
mod cli;
mod client;
mod drain;
mod grpc;
mod ledger;
mod load;
mod measure;
mod micro;
mod overload;
mod pipeline;
mod portable;
mod relay;
mod report;
mod run;
mod scenario;
mod segments;
mod sink;
mod spans;
mod subject;
mod wire;
mod xray;

use clap::Parser;
use cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Pipeline(options) => {
            child::end_children_on_signals()?;
            child::raise_open_files_limit()?;
            pipeline::run(&options)
        }
        Command::Micro(options) => micro::run(options.rounds, options.json.as_deref()),
        Command::Relay(options) => relay::run(&relay::Settings {
            listen: options.listen,
            upstream: options.upstream,
            threads: options.relay_runtime,
            stack: options.relay_stack,
            frame: options.frame,
        }),
    }
}
