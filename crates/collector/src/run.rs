//! Running: from a blueprint to the last line of the account.

use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use component::{Fatal, Listeners};
use config::telemetry::Telemetry;
use data::{Budget, Clock, SystemClock};
use engine::{Blueprint, Engine, EngineError, Report, Services, Threads};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::Sources;
use crate::{configuration, environment, machine, observe};

/// Runs until a signal, a failure, or the end of the drain.
///
/// # Errors
/// If the graph can't be started.
pub(crate) fn run(sources: &Sources) -> Result<ExitCode> {
    let blueprint = configuration::read(sources)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let telemetry = blueprint.document.service.telemetry.clone();
    let resource = observe::resource(&telemetry);
    observe::start_logs(&telemetry, &resource, Arc::clone(&clock))?;
    let registry = observe::registry(&telemetry, &resource, Arc::clone(&clock));
    let _endpoints = observe::serve(&telemetry, &resource, &registry)?;

    let fatal = Fatal::default();
    let workers = match blueprint.settings.workers {
        0 => machine::workers(),
        count => count,
    };
    let threads = Threads::start(workers, fatal.clone()).context("cannot start the worker threads")?;
    let services = Services {
        clock,
        budget: Budget::new(blueprint.settings.max_held_bytes),
        workers: threads.workers(),
        listeners: Listeners::default(),
        registry,
        fatal: fatal.clone(),
        environment: environment::of_process(),
        user_agent: user_agent().into(),
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        workers,
        max_held_mib = blueprint.settings.max_held_bytes >> 20,
        "Starting collimator"
    );
    let control = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    control.block_on(supervise(Engine::new(services), Arc::new(blueprint), sources, &fatal))
}

/// Checks a configuration without starting anything.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn validate(sources: &Sources) -> Result<ExitCode> {
    let blueprint = configuration::read(sources)?;
    drop(blueprint);
    Ok(ExitCode::SUCCESS)
}

async fn supervise(
    mut engine: Engine,
    blueprint: Arc<Blueprint>,
    sources: &Sources,
    fatal: &Fatal,
) -> Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let at_start = Fixed::of(&blueprint);
    let stopping = engine.stopping();
    let give_up = || stopping.cancel();
    let Some((started, mut told_to_stop)) = signals.hold(engine.run(Arc::clone(&blueprint)), &give_up).await
    else {
        return Ok(settle(&engine, &engine.undelivered(), fatal));
    };
    if let Err(error) = started {
        // A receiver that had started may have taken something already.
        let report = engine.drain().await;
        if !report.is_clean() {
            settle(&engine, &report, fatal);
        }
        return Err(explained(&blueprint, error));
    }
    tracing::info!("Everything is ready. Begin running and processing data.");
    while !told_to_stop {
        let asked = tokio::select! {
            asked = signals.next() => asked,
            () = fatal.reported() => break,
        };
        tracing::info!(signal = asked.name(), "Received signal from OS");
        told_to_stop = match asked {
            Asked::Stop(_) => true,
            Asked::Reload => match signals.hold(reload(&mut engine, sources, &at_start), &give_up).await {
                Some(((), told_to_stop)) => told_to_stop,
                None => return Ok(settle(&engine, &engine.undelivered(), fatal)),
            },
        };
    }
    tracing::info!("Starting shutdown...");
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
    Ok(settle(&engine, &report, fatal))
}

/// What a reload does not change.
#[derive(PartialEq)]
struct Fixed {
    telemetry: Telemetry,
    workers: usize,
}

impl Fixed {
    fn of(blueprint: &Blueprint) -> Self {
        let telemetry = blueprint.document.service.telemetry.clone();
        Self { telemetry, workers: blueprint.settings.workers }
    }
}

/// Takes in a new configuration; whatever is wrong with it, the old one runs on.
async fn reload(engine: &mut Engine, sources: &Sources, at_start: &Fixed) {
    let blueprint = match configuration::read(sources) {
        Ok(blueprint) => Arc::new(blueprint),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "Configuration refused, the running one stays");
            return;
        }
    };
    match engine.run(Arc::clone(&blueprint)).await {
        Ok(()) => {
            tracing::info!("Config updated");
            if *at_start != Fixed::of(&blueprint) {
                let changed =
                    "service::telemetry and service::workers take effect at the next start of the process";
                tracing::warn!("{changed}");
            }
        }
        Err(error) => {
            let error = explained(&blueprint, error);
            tracing::error!(error = format!("{error:#}"), "Configuration refused, the running one stays");
        }
    }
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

/// The signals that mean something to the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

enum Asked {
    Stop(&'static str),
    Reload,
}

impl Asked {
    const fn name(&self) -> &'static str {
        match self {
            Self::Stop(name) => name,
            Self::Reload => "hangup",
        }
    }
}

impl Signals {
    fn listen() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop("terminated"),
            _ = self.interrupt.recv() => Asked::Stop("interrupt"),
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    async fn next_stop(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop("terminated"),
            _ = self.interrupt.recv() => Asked::Stop("interrupt"),
        }
    }

    /// Lets `work` come to its end, and tells whether a stop was asked for meanwhile. Being asked twice is not
    /// waiting any longer: `give_up` is called while the work is still there, and nothing is given.
    async fn hold<T>(&mut self, work: impl Future<Output = T>, give_up: &dyn Fn()) -> Option<(T, bool)> {
        let mut work = pin!(work);
        let mut told_to_stop = false;
        loop {
            let asked = tokio::select! {
                done = &mut work => return Some((done, told_to_stop)),
                asked = self.next_stop() => asked,
            };
            tracing::info!(signal = asked.name(), "Received signal from OS");
            if told_to_stop {
                tracing::warn!(signal = asked.name(), "Second signal: stopping at once");
                give_up();
                return None;
            }
            told_to_stop = true;
        }
    }
}
