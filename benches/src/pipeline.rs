//! The `pipeline` command: which subjects, which loads, how many rounds.

use std::{process::Command, time::Duration};

use anyhow::Context;
use serde_json::json;

use crate::{
    cli::{Compression, PipelineOptions},
    drain, overload, report,
    run::{self, Load, Measured},
    scenario::{Input, Scenario},
    segments,
    subject::Subject,
};

/// Runs what the options ask for; an error for a broken balance.
pub(crate) fn run(options: &PipelineOptions) -> anyhow::Result<()> {
    let scenario = Scenario::read(&options.config)?;
    let subjects = subjects(options)?;
    let json = options.json.as_deref();
    report::say(&report::conditions());
    if !options.peer.is_empty() && !scenario.portable.left_out.is_empty() {
        report::say(&format!(
            "left out of the peers' configuration: {}",
            scenario.portable.left_out.join(", ")
        ));
    }
    let otlp = scenario.input == Input::Otlp;
    anyhow::ensure!(otlp || !options.overload && options.drain.is_none(), "datagrams are not answered");
    if options.overload {
        let mut load = first_load(options, 50_000.0, 300.0);
        load.concurrency = load.concurrency.max(32);
        let bound = options.memory_bound.map(|mebibytes| mebibytes << 20);
        return overload::run(&subjects, &scenario, &load, bound, json);
    }
    if let Some(runs) = options.drain {
        let seconds = if options.short { 0.5 } else { 2.0 };
        return drain::run(&subjects, &scenario, &first_load(options, 100_000.0, seconds), runs, json);
    }
    compare(options, &scenario, &subjects)
}

/// The load of a mode that has only one: `--rate` and `--duration` where given, otherwise these.
fn first_load(options: &PipelineOptions, rate: f64, seconds: f64) -> Load {
    let rate = options.rate.map_or(Some(rate), |rate| rate.0);
    one_load(options, "", rate, options.spans_per_request, first_connections(options), seconds)
}

/// Alternate rounds of every subject under every load.
fn compare(options: &PipelineOptions, scenario: &Scenario, subjects: &[Subject]) -> anyhow::Result<()> {
    let loads = match scenario.input {
        Input::Otlp => loads(options),
        Input::Segments => vec![segments_load(options)],
    };
    let rounds = options.rounds.unwrap_or(if subjects.len() > 1 && !options.short { 3 } else { 1 });
    let mut runs: Vec<Measured> = Vec::new();
    for load in &loads {
        for _ in 0..rounds {
            for subject in subjects {
                let measured = run::measure(subject, scenario, load)
                    .with_context(|| format!("{} under {}", subject.name(), load.name))?;
                report::say_run(&measured);
                runs.push(measured);
            }
        }
    }
    let names: Vec<String> = subjects.iter().map(Subject::name).collect();
    let load_names: Vec<String> = loads.iter().map(|load| load.name.clone()).collect();
    let reference = reference(subjects);
    if runs.len() > 1 {
        report::say_summary(&runs, &names, &load_names, reference.as_deref());
    }
    if let Some(file) = &options.json {
        let runs: Vec<_> = runs.iter().map(report::to_json).collect();
        let config = options.config.display().to_string();
        report::write_json(
            file,
            &json!({
                "conditions": report::conditions(),
                "config": config,
                "left_out_for_peers": scenario.portable.left_out,
                "reference": reference,
                "runs": runs,
            }),
        )?;
    }
    let broken: Vec<&str> =
        runs.iter().filter(|run| !run.balanced()).map(|run| run.subject.as_str()).collect();
    anyhow::ensure!(broken.is_empty(), "acknowledged spans did not arrive: {}", broken.join(", "));
    Ok(())
}

/// What ratios refer to: the first floor, else the first peer.
fn reference(subjects: &[Subject]) -> Option<String> {
    let floor = subjects.iter().find(|subject| matches!(subject, Subject::Floor(_)));
    let peer = subjects.iter().find(|subject| matches!(subject, Subject::Peer { .. }));
    floor.or(peer).filter(|_| subjects.len() > 1).map(Subject::name)
}

fn subjects(options: &PipelineOptions) -> anyhow::Result<Vec<Subject>> {
    let mut subjects = Vec::new();
    if !options.no_collector {
        subjects.push(Subject::Collector { binary: binary(options)? });
    }
    subjects.extend(options.peer.iter().map(|command| Subject::Peer { command: command.clone() }));
    subjects.extend(options.floor.iter().map(|floor| Subject::Floor(*floor)));
    anyhow::ensure!(!subjects.is_empty(), "nothing to run");
    Ok(subjects)
}

/// The collector's binary, built where that was not ruled out.
fn binary(options: &PipelineOptions) -> anyhow::Result<String> {
    if let Some(binary) = &options.binary {
        return Ok(binary.clone());
    }
    if !options.no_build {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo).args(["build", "--release", "-p", "collimator"]).status()?;
        anyhow::ensure!(status.success(), "the collector can't be built");
    }
    // This program lies in the target folder's `release` too, unless it was built otherwise.
    let own = std::env::current_exe().context("own path")?;
    let target = own.parent().and_then(|profile| profile.parent()).context("target folder")?;
    Ok(target.join("release").join("collimator").display().to_string())
}

/// Requests in flight in a sweep over numbers of connections.
const SWEEP_IN_FLIGHT: usize = 32;

/// The loads that the options ask for.
fn loads(options: &PipelineOptions) -> Vec<Load> {
    let seconds = if options.short { 2.0 } else { 10.0 };
    let one =
        |name: &str, rate, spans, connections| one_load(options, name, rate, spans, connections, seconds);
    let first = first_connections(options);
    if options.suite {
        return vec![
            one("full load, 128", None, 128, first),
            one("100,000/s, 128", Some(100_000.0), 128, first),
            one("40,000/s, 10", Some(40_000.0), 10, first),
        ];
    }
    let rate = options.rate.and_then(|rate| rate.0);
    let spans = options.spans_per_request;
    let name = rate.map_or("full load".into(), |rate| format!("{rate:.0}/s"));
    let sweep = options.connections.len() > 1;
    let load = |connections: usize| {
        let mut load = one(&format!("{name}, {spans}, {connections} conn."), rate, spans, connections);
        if sweep {
            // As many requests in flight however many connections, as far as possible.
            load.concurrency = (SWEEP_IN_FLIGHT / connections.max(1)).clamp(1, SWEEP_IN_FLIGHT);
        }
        load
    };
    options.connections.iter().map(|connections| load(*connections)).collect()
}

/// The load of a scenario that is fed with datagrams.
fn segments_load(options: &PipelineOptions) -> Load {
    let rate = options.rate.and_then(|rate| rate.0).unwrap_or(segments::RATE);
    let seconds = if options.short { 2.0 } else { 10.0 };
    let connections = first_connections(options);
    one_load(options, &format!("{rate:.0}/s, datagrams"), Some(rate), 1, connections, seconds)
}

fn first_connections(options: &PipelineOptions) -> usize {
    options.connections.first().copied().unwrap_or(1).max(1)
}

fn one_load(
    options: &PipelineOptions,
    name: &str,
    rate: Option<f64>,
    spans: usize,
    connections: usize,
    seconds: f64,
) -> Load {
    let settle = if options.short { 0.3 } else { options.settle };
    Load {
        name: name.into(),
        rate,
        spans_per_request: spans,
        connections,
        concurrency: options.concurrency.max(1),
        threads: options.load_threads,
        duration: Duration::from_secs_f64(options.duration.unwrap_or(seconds).clamp(0.1, 86_400.0)),
        max_requests: options.requests,
        gzip: options.compression == Compression::Gzip,
        settle: Duration::from_secs_f64(settle.clamp(0.0, 600.0)),
        sink_frame: options.sink_frame,
    }
}
