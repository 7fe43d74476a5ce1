//! `replay`: what a destination refused is sent again, after the cause was mended.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use component::{Kind, Secrets};
use data::SystemClock;
use exporter_awsxray::replay::{Report, inspect, replay};
use exporter_awsxray::{Config, SPEC};

use super::{examine, print};
use crate::cli::Sources;
use crate::{environment, run};

/// What the command line says.
pub(super) struct Asked<'a> {
    pub(super) directory: &'a Path,
    pub(super) exporter: Option<&'a str>,
    pub(super) region: Option<&'a str>,
    pub(super) endpoint: Option<&'a str>,
    pub(super) dry_run: bool,
}

/// Sends what is in the directory, or says what is there. It fails if something is left.
pub(super) fn execute(asked: &Asked<'_>, sources: &Sources) -> Result<ExitCode> {
    let place = || asked.directory.display().to_string();
    if asked.dry_run {
        let report = inspect(asked.directory).with_context(place)?;
        print(&told(&report, true)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = config(asked, sources)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let clock: Arc<dyn data::Clock> = Arc::new(SystemClock::new());
    let (environment, user_agent) = (environment::of_process(), run::user_agent());
    let sending = replay(&config, &environment, &user_agent, &clock, asked.directory);
    let report = runtime.block_on(sending).map_err(|error| anyhow!("{}: {error}", place()))?;
    print(&told(&report, false)?)?;
    let is_done = report.left() == 0 && report.unreadable == 0 && report.busy == 0;
    Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The settings of an exporter of the configuration, or those that the command line gives.
fn config(asked: &Asked<'_>, sources: &Sources) -> Result<Config> {
    if sources.config.is_empty() {
        if asked.exporter.is_some() {
            bail!("--exporter names an exporter of a configuration: --config is missing");
        }
        return settings(asked, serde_json::json!({}));
    }
    let examined = examine(&[], sources, true)?;
    let draft = examined.draft.as_ref().context("there is no configuration")?;
    let is_one = |kind: Kind, name: &str| kind == Kind::Exporter && name == SPEC.name;
    let mut found = draft.parts.iter().filter(|drafted| {
        let spec = drafted.part.spec;
        is_one(spec.kind, spec.name) && asked.exporter.is_none_or(|id| drafted.id.to_string() == id)
    });
    let Some(first) = found.next() else {
        match asked.exporter {
            Some(id) => bail!("the configuration has no {} exporter `{id}`", SPEC.name),
            None => bail!("the configuration has no {} exporter", SPEC.name),
        }
    };
    if let Some(second) = found.next() {
        bail!("there are several: --exporter {} or {}, for instance", first.id, second.id);
    }
    settings(asked, first.part.plan.settings(Secrets::Shown))
}

/// Settings with what the command line puts over them.
fn settings(asked: &Asked<'_>, mut settings: serde_json::Value) -> Result<Config> {
    for (key, value) in [("region", asked.region), ("endpoint", asked.endpoint)] {
        if let Some(value) = value {
            settings[key] = value.into();
        }
    }
    config::read_text(&settings.to_string()).map_err(|diagnostics| anyhow!("{diagnostics}"))
}

fn told(report: &Report, dry_run: bool) -> Result<String> {
    let mut text = String::new();
    if !dry_run {
        writeln!(text, "delivered   {}", report.delivered)?;
    }
    writeln!(text, "still there {}", report.left())?;
    for (code, count) in &report.kept {
        writeln!(text, "  {count} {code}")?;
    }
    if report.unreadable > 0 {
        writeln!(text, "lines that are no documents: {}", report.unreadable)?;
    }
    if report.busy > 0 {
        writeln!(text, "files that another replay has: {}", report.busy)?;
    }
    if let Some(why) = &report.stopped {
        writeln!(text, "stopped: {why}")?;
    }
    Ok(text)
}
