//! The collector: command line, process, and the list of its components.

mod cli;
mod commands;
mod components;
mod configuration;
mod daemon;
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

fn collect() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    match cli.command {
        Some(command) => commands::execute(command, &cli.sources),
        None => run::run(&cli.sources),
    }
}

fn main() -> ExitCode {
    machine::use_small_pages();
    // What is not UTF-8 is reported by clap.
    let arguments: Vec<String> =
        std::env::args_os().map_while(|argument| argument.into_string().ok()).collect();
    let result = match daemon::called(&arguments) {
        Some(arguments) => daemon::run(arguments),
        None => collect(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("Error: {error:#}");
        ExitCode::FAILURE
    })
}
