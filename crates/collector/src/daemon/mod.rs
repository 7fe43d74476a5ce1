//! In the X-Ray daemon's place: its flags, its file, its environment, and an `xray` pipeline made of them.
//!
//! Source: the daemon 3.6 (`cmd/tracing`, `pkg/cfg`). Where it can't be copied it is more careful: nothing that was taken is
//! dropped because something is full, and what can't be delivered is tried again.

mod file;
mod flags;
mod pipeline;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use aws::region::{self, Order};

use crate::cli::Sources;
use crate::daemon::file::{File, Unknown};
use crate::daemon::flags::{Flags, Parsed, USAGE};
use crate::{environment, machine, run};

/// The subcommand's name.
const NAME: &str = "xray-daemon";
/// What is told of our version.
const VERSION: &str = concat!("Collimator ", env!("CARGO_PKG_VERSION"));
/// Where the daemon looks for its file if none is named; the second is in the working directory.
const FILES: [&str; 2] = ["/etc/amazon/xray/cfg.yaml", "cfg.yaml"];

/// The arguments for the daemon, if the process is called as the daemon: by its subcommand, or by its program's name.
pub(crate) fn called(arguments: &[String]) -> Option<&[String]> {
    let (program, rest) = arguments.split_first()?;
    if rest.first().is_some_and(|first| first == NAME) {
        return rest.get(1..);
    }
    // Debian's and Amazon's packages, and the container image, call it xray; the archives xray_linux.
    let stem = Path::new(program).file_name()?.to_str()?;
    matches!(stem, "xray" | "xray_linux" | "xray-daemon" | "xray_daemon").then_some(rest)
}

/// Runs as the daemon would with these arguments.
///
/// # Errors
/// If the file or a flag is wrong (exit code 1, as the daemon's), or the start fails.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let flags = match flags::parse(arguments) {
        Ok(Parsed::Run(flags)) => flags,
        Ok(Parsed::Help) => {
            eprint!("{USAGE}");
            return Ok(ExitCode::SUCCESS);
        }
        Ok(Parsed::Version) => {
            return crate::commands::print(&format!("AWS X-Ray daemon version: {VERSION}\n"));
        }
        Err(message) => {
            eprint!("{message}\n{USAGE}");
            return Ok(ExitCode::from(2));
        }
    };
    let file = read_file(&flags)?;
    let region = region(&flags, &file)?;
    let buffer = pipeline::buffer(&flags, &file, machine::memory())?;
    let configuration = pipeline::configuration(&flags, &file, &region, buffer)?;
    let lines = [
        format!("Initializing AWS X-Ray daemon {VERSION}"),
        format!("Using buffer memory limit of {buffer} MB"),
        format!("Using region: {region}"),
    ];
    let sources =
        Sources { config: vec![format!("yaml:{configuration}")], set: Vec::new(), feature_gates: Vec::new() };
    run::run_saying(&sources, &lines)
}

/// The region of flag or file, or wherever the daemon looks for it: other places than exporter and proxy do.
fn region(flags: &Flags, file: &File) -> Result<String> {
    let told = flags.region.clone().filter(|region| !region.is_empty());
    let told = told.unwrap_or_else(|| file.region.clone());
    let local_mode = flags.local_mode.unwrap_or(file.local_mode);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let environment = environment::of_process();
    let Some(region) = runtime.block_on(region::resolve(&told, Order::Daemon, local_mode, &environment))
    else {
        bail!("Cannot fetch region variable from config file, environment variables and ec2 metadata.");
    };
    region::check(&region).map_err(anyhow::Error::msg)?;
    Ok(region)
}

/// The file that is named, or the first of the usual ones that there is.
fn read_file(flags: &Flags) -> Result<File> {
    let path = match &flags.config {
        Some(path) => path.clone(),
        None => match FILES.into_iter().find(|path| Path::new(path).exists()) {
            Some(path) => path.to_owned(),
            None => return Ok(File::default()),
        },
    };
    let text = std::fs::read_to_string(&path).map_err(|error| anyhow!("{path}: {error}"))?;
    file::read(&path, &text, if flags.config.is_some() { Unknown::Refused } else { Unknown::SetAside })
}
