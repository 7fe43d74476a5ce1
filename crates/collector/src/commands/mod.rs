//! What the binary does beside running.

mod components;
mod convert;
mod graph;
mod print;
mod replay;
mod schema;
mod validate;
mod yaml_text;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::CommandFactory as _;
use config::{Diagnostics, Location};

use crate::cli::{Cli, Command, Sources};
use crate::configuration::{self, Examined};
use crate::{daemon, gates};

/// Does what a subcommand asks for.
///
/// # Errors
/// What could not be done.
pub(crate) fn execute(command: Command, sources: &Sources) -> Result<ExitCode> {
    match command {
        Command::Validate { files, format, strict } => validate::validate(&files, sources, format, strict),
        Command::Components { name, format } => print(&components::list(name.as_deref(), format)?),
        Command::PrintConfig { files, defaults, mode, format, validate } => {
            let examined = examine(&files, sources, validate)?;
            print(&print::configuration(&examined, defaults, mode, format)?)
        }
        Command::Graph { files, format } => print(&graph::draw(&examine(&files, sources, true)?, format)?),
        // Its flags are not clap's: they are read before.
        Command::XrayDaemon { arguments } => daemon::run(&arguments),
        Command::Schema => print(&pretty(&schema::schema())?),
        Command::Replay { directory, exporter, region, endpoint, dry_run } => {
            let (exporter, region, endpoint) = (exporter.as_deref(), region.as_deref(), endpoint.as_deref());
            replay::execute(
                &replay::Asked { directory: &directory, exporter, region, endpoint, dry_run },
                sources,
            )
        }
        Command::Featuregate { id } => print(&feature_gates(id.as_deref())?),
        Command::Convert(conversion) => convert::convert(&conversion),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "collimator", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    }
}

/// The configuration of files and `--config` together. Warnings go to standard error.
fn examine(files: &[String], sources: &Sources, must_be_valid: bool) -> Result<Examined> {
    let mut sources = sources.clone();
    sources.config.extend_from_slice(files);
    let locations: Vec<Location> = configuration::locations(&sources)?;
    let examined = configuration::examine(&locations, gates::lists(&sources.feature_gates)?);
    refuse_errors(&examined.diagnostics, must_be_valid)?;
    Ok(examined)
}

fn refuse_errors(diagnostics: &Diagnostics, must_be_valid: bool) -> Result<()> {
    if must_be_valid && diagnostics.has_errors() {
        return Err(configuration::refuse(diagnostics));
    }
    if !diagnostics.is_empty() {
        eprint!("{diagnostics}");
    }
    Ok(())
}

/// To standard output. Whoever has stopped reading it does not want the rest.
pub(crate) fn print(text: &str) -> Result<ExitCode> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn pretty(json: &config::Json) -> Result<String> {
    Ok(serde_json::to_string_pretty(json)? + "\n")
}

fn feature_gates(id: Option<&str>) -> Result<String> {
    let mut text = String::new();
    if let Some(id) = id {
        let Some(gate) = gates::find(id) else { bail!("feature gate {id:?} not found") };
        writeln!(text, "Feature:     {}\nEnabled:     {}", gate.id, gate.is_on())?;
        writeln!(text, "Stage:       {}\nDescription: {}", gate.stage, gate.description)?;
        writeln!(text, "Here:        {}", gate.here.text())?;
        return Ok(text);
    }
    writeln!(text, "{:40} {:8} {:7} {:14} DESCRIPTION", "ID", "ENABLED", "STAGE", "HERE")?;
    for gate in gates::GATES {
        let (id, on, stage, here) = (gate.id, gate.is_on(), gate.stage, gate.here.text());
        writeln!(text, "{id:40} {on:<8} {stage:7} {here:14} {}", gate.description)?;
    }
    Ok(text)
}
