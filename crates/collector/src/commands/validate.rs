//! `validate`: what is wrong with configurations.

use std::process::ExitCode;

use anyhow::{Result, bail};
use config::{Diagnostics, Json, Location};
use serde_json::json;

use super::{pretty, print};
use crate::cli::{Report, Sources};
use crate::{configuration, gates};

/// Checks each file by itself, or what `--config` names together.
pub(super) fn validate(
    files: &[String],
    sources: &Sources,
    format: Report,
    strict: bool,
) -> Result<ExitCode> {
    if !files.is_empty() && !sources.config.is_empty() {
        bail!("give files to check one by one, or --config to check them merged, but not both");
    }
    let lists = gates::lists(&sources.feature_gates)?;
    let mut results = Vec::new();
    for (name, locations) in inputs(files, sources)? {
        results.push((name, configuration::examine(&locations, lists).diagnostics));
    }
    let fails = |found: &Diagnostics| found.has_errors() || (strict && !found.is_empty());
    match format {
        Report::Json => {
            let one = |(name, found): &(String, Diagnostics)| -> Json {
                json!({ "config": name, "valid": !fails(found), "findings": found.to_json() })
            };
            print(&pretty(&results.iter().map(one).collect())?)?;
        }
        Report::Text => results.iter().for_each(|(name, found)| report(name, found, fails(found))),
    }
    match results.iter().any(|(_, found)| fails(found)) {
        true => Ok(ExitCode::FAILURE),
        false => Ok(ExitCode::SUCCESS),
    }
}

fn inputs(files: &[String], sources: &Sources) -> Result<Vec<(String, Vec<Location>)>> {
    if files.is_empty() {
        return Ok(vec![("the configuration".to_owned(), configuration::locations(sources)?)]);
    }
    let one = |file: &String| {
        let sources = Sources { config: vec![file.clone()], ..sources.clone() };
        Ok((file.clone(), configuration::locations(&sources)?))
    };
    files.iter().map(one).collect()
}

fn report(name: &str, found: &Diagnostics, fails: bool) {
    match (fails, found.has_errors()) {
        (true, true) => eprintln!("Error: {name} is not valid\n\n{found}"),
        (true, false) => eprintln!("Error: there are warnings about {name}\n\n{found}"),
        _ if !found.is_empty() => eprintln!("{found}"),
        _ => {}
    }
}
