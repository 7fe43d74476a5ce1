//! Running: from a blueprint to the last line of the account.

use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use component::{Fatal, Listeners};
use config::telemetry::{Metrics, ResourceAttributes};
use data::{Budget, Clock, SystemClock};
use engine::{Blueprint, Engine, EngineError, Report, Services, Threads};
use telemetry::Resource;
use telemetry::logs::Logs;

use crate::cli::Sources;
use crate::notify::Notify;
use crate::reload::{Outcomes, Requests};
use crate::signals::{Asked, Signals};
use crate::{configuration, environment, gates, machine, observe};

/// Runs until a signal, a failure, or the end of the drain.
///
/// # Errors
/// If the graph can't be started.
pub(crate) fn run(sources: &Sources) -> Result<ExitCode> {
    run_saying(sources, &[])
}

/// The same, with some lines at the beginning of the log.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_saying(sources: &Sources, lines: &[String]) -> Result<ExitCode> {
    let blueprint = configuration::read(sources)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let service = blueprint.document.service.clone();
    let telemetry = service.telemetry;
    let resource = observe::resource(&telemetry);
    let logs = observe::start_logs(&telemetry, &resource, Arc::clone(&clock))?;
    for line in lines {
        tracing::info!("{line}");
    }
    let registry = observe::registry(&telemetry, &resource, Arc::clone(&clock));
    let _endpoints = observe::serve(&telemetry, &resource, &registry)?;
    let requests = Requests::listen(&service.admin.endpoint)?;

    let fatal = Fatal::default();
    let workers = match blueprint.settings.workers {
        0 => machine::workers(),
        count => count,
    };
    let threads = Threads::start(workers, fatal.clone()).context("cannot start the worker threads")?;
    let environment = environment::of_process().with_features(gates::features(&sources.feature_gates));
    let notify = Notify::new(&environment);
    notify.watch(&threads.workers()).context("cannot start the watchdog's thread")?;
    let outcomes = Outcomes::register(&registry, Arc::clone(&clock));
    let budget = Budget::new(blueprint.settings.max_held_bytes);
    observe::memory(&registry, &budget);
    let services = Services {
        clock,
        budget,
        workers: threads.workers(),
        listeners: Listeners::default(),
        registry,
        fatal: fatal.clone(),
        environment,
        user_agent: user_agent().into(),
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        cpus = machine::millicpus() as f64 / 1000.0,
        workers,
        max_held_mib = blueprint.settings.max_held_bytes >> 20,
        "Starting collimator"
    );
    let process = Process {
        sources,
        logs,
        resource,
        at_start: Fixed::of(&blueprint),
        now: Arc::new(blueprint),
        notify,
        outcomes,
        fatal,
    };
    let control = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    control.block_on(supervise(Engine::new(services), process, requests))
}

/// What the process has beside its engine.
struct Process<'a> {
    sources: &'a Sources,
    logs: Logs,
    resource: Resource,
    at_start: Fixed,
    /// What runs.
    now: Arc<Blueprint>,
    notify: Notify,
    outcomes: Outcomes,
    fatal: Fatal,
}

async fn supervise(mut engine: Engine, mut process: Process<'_>, mut requests: Requests) -> Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let stopping = engine.stopping();
    let give_up = || stopping.cancel();
    let fatal = process.fatal.clone();
    let first = Arc::clone(&process.now);
    let Some((started, mut told_to_stop)) = signals.hold(engine.run(Arc::clone(&first)), &give_up).await
    else {
        return Ok(settle(&engine, &engine.undelivered(), &fatal));
    };
    if let Err(error) = started {
        // A receiver that had started may have taken something already.
        let report = engine.drain().await;
        if !report.is_clean() {
            settle(&engine, &report, &fatal);
        }
        return Err(explained(&first, error));
    }
    tracing::info!("Everything is ready. Begin running and processing data.");
    process.notify.ready(RUNNING);
    while !told_to_stop {
        let asking = tokio::select! {
            asked = signals.next() => {
                tracing::info!(signal = asked.name(), "Received signal from OS");
                match asked {
                    Asked::Stop(_) => break,
                    Asked::Reload => Vec::new(),
                }
            }
            asking = requests.next() => asking,
            () = fatal.reported() => break,
        };
        process.notify.reloading();
        let read = tokio::select! {
            read = configuration::read_aside(process.sources) => read,
            // What is being read is of no use any more.
            asked = signals.next_stop() => {
                tracing::info!(signal = asked.name(), "Received signal from OS");
                break;
            }
        };
        let reloading = reload(&mut engine, &mut process, read);
        let Some((outcome, stop)) = signals.hold(reloading, &give_up).await else {
            return Ok(settle(&engine, &engine.undelivered(), &fatal));
        };
        asking.into_iter().for_each(|request| request.answer(&outcome));
        told_to_stop = stop;
    }
    tracing::info!("Starting shutdown...");
    process.notify.stopping(process.now.settings.drain_timeout + AFTER_THE_DRAIN);
    let drained = {
        let mut drain = pin!(engine.drain());
        tokio::select! {
            report = &mut drain => Some(report),
            asked = signals.next_stop() => {
                tracing::warn!(signal = asked.name(), "Second signal: stopping at once");
                // Before the drain is let go, so that no node's end is taken for a failure.
                stopping.cancel();
                None
            }
        }
    };
    let report = drained.unwrap_or_else(|| engine.undelivered());
    Ok(settle(&engine, &report, &fatal))
}

/// What the service manager shows.
const RUNNING: &str = "Running";

/// What a process takes at most from the end of its drain to its own.
const AFTER_THE_DRAIN: Duration = Duration::from_secs(5);

/// What a reload does not change.
#[derive(PartialEq)]
struct Fixed {
    metrics: Metrics,
    resource: ResourceAttributes,
    admin: config::document::Admin,
    workers: usize,
}

impl Fixed {
    fn of(blueprint: &Blueprint) -> Self {
        let service = &blueprint.document.service;
        Self {
            metrics: service.telemetry.metrics.clone(),
            resource: service.telemetry.resource.clone(),
            admin: service.admin.clone(),
            workers: blueprint.settings.workers,
        }
    }
}

/// Takes in a new configuration; whatever is wrong with it, the old one runs on. Tells everybody how it went.
async fn reload(engine: &mut Engine, process: &mut Process<'_>, read: Result<Blueprint>) -> Result<()> {
    let outcome = match read {
        Ok(blueprint) => exchange(engine, process, Arc::new(blueprint)).await,
        Err(error) => Err(error),
    };
    process.outcomes.note(&outcome);
    match &outcome {
        Ok(()) => {
            tracing::info!("Config updated");
            process.notify.ready(RUNNING);
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "Configuration refused, the running one stays");
            process.notify.ready("Running, but the last configuration was refused");
        }
    }
    outcome
}

async fn exchange(engine: &mut Engine, process: &mut Process<'_>, blueprint: Arc<Blueprint>) -> Result<()> {
    let started = engine.run(Arc::clone(&blueprint)).await;
    started.map_err(|error| explained(&blueprint, error))?;
    process.now = blueprint;
    // Always, since this also opens files anew that were renamed.
    let telemetry = &process.now.document.service.telemetry;
    if let Err(error) = process.logs.change(&observe::log_settings(&telemetry.logs, &process.resource)) {
        tracing::warn!(%error, "Logs go on as before");
    }
    if process.at_start != Fixed::of(&process.now) {
        tracing::warn!(
            "service::telemetry::metrics, service::telemetry::resource, service::admin and service::workers take \
             effect at the next start of the process"
        );
    }
    Ok(())
}

/// Prints the account and says how it all ended.
fn settle(engine: &Engine, report: &Report, fatal: &Fatal) -> ExitCode {
    for left in &report.left {
        let (node, signal, items) = (&left.node, left.signal, left.items);
        tracing::error!(node = %node, signal = %signal, items, "Not delivered");
    }
    for node in &report.stragglers {
        tracing::error!(node = %node, "Cut off: it did not end in time");
    }
    let books = engine.books();
    eprint!("{}", books.render());
    let clean = report.is_clean() && books.closed() && fatal.reason().is_none();
    tracing::info!(clean, "Shutdown complete.");
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn explained(blueprint: &Blueprint, error: EngineError) -> anyhow::Error {
    match blueprint.explain(&error) {
        Some(diagnostics) => configuration::refuse(&diagnostics),
        None => anyhow!(error),
    }
}

pub(crate) fn user_agent() -> String {
    let (version, os, arch) = (env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
    format!("Collimator/{version} ({os}/{arch})")
}
