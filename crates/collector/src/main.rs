//! The collector: command line, process, and the list of its components.

mod cli;
mod commands;
mod components;
mod configuration;
mod environment;
mod gates;
mod machine;
mod notify;
mod observe;
mod reload;
mod run;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;

// Measured against the system's allocator: half the time for the many short-lived buffers of a gateway, and
// memory that goes back to the system after a burst. Samples are taken only if the pprof extension asks for them.
#[global_allocator]
static ALLOCATOR: heap::Sampling<mimalloc::MiMalloc> = heap::Sampling::new(mimalloc::MiMalloc);

fn main() -> ExitCode {
    machine::use_small_pages();
    let cli = Cli::parse();
    let result = match cli.command {
        Some(command) => commands::execute(command, &cli.sources),
        None => run::run(&cli.sources),
    };
    result.unwrap_or_else(|error| {
        eprintln!("Error: {error:#}");
        ExitCode::FAILURE
    })
}
