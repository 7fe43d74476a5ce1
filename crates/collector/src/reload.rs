//! Reloading: who may ask for it, and what is told about it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use data::Clock;
use telemetry::admin::{Admin, Answer, BindError, Page};
use telemetry::metrics::{Counter, Gauge, Registry};
use tokio::sync::{mpsc, oneshot};

/// How many requests may wait; more are told to come back. One reload answers for all of its time.
const WAITING: usize = 8;

/// Longest that somebody waits for an answer. A reload that takes longer goes on.
const PATIENCE: Duration = Duration::from_secs(120);

const TEXT: &str = "text/plain; charset=utf-8";

/// A reload that was asked for over HTTP; dropped without an answer, it was not done.
pub(crate) struct Request(oneshot::Sender<Result<(), String>>);

impl Request {
    /// Tells what became of it.
    pub(crate) fn answer(self, outcome: &Result<()>) {
        let outcome = outcome.as_ref().copied().map_err(|error| format!("{error:#}"));
        // Whoever asked may have gone.
        self.0.send(outcome).ok();
    }
}

/// The ways to ask for a reload over HTTP; without an endpoint nothing ever comes.
pub(crate) struct Requests {
    requests: mpsc::Receiver<Request>,
    /// Kept so that an empty channel does not look like a closed one.
    _sender: mpsc::Sender<Request>,
    _admin: Option<Admin>,
}

impl Requests {
    /// Listens on `endpoint` unless that is empty.
    ///
    /// # Errors
    /// If the address is taken.
    pub(crate) fn listen(endpoint: &str) -> Result<Self> {
        let (sender, requests) = mpsc::channel(WAITING);
        let admin = match endpoint {
            "" => None,
            endpoint => {
                let admin = Admin::bind(endpoint).map_err(|error| {
                    let (BindError::Lookup { source, .. }
                    | BindError::Bind { source, .. }
                    | BindError::Thread(source)) = error;
                    anyhow!("service::admin: cannot listen on {endpoint}: {source}")
                })?;
                let ask = sender.clone();
                admin.action("/-/reload", move || answer(ask.clone()));
                tracing::info!(endpoint = %admin.local_addr(), "Taking reloads");
                Some(admin)
            }
        };
        Ok(Self { requests, _sender: sender, _admin: admin })
    }

    /// Waits for the next one, and gives all that are there: one reload serves them.
    pub(crate) async fn next(&mut self) -> Vec<Request> {
        let mut all: Vec<Request> = self.requests.recv().await.into_iter().collect();
        while let Ok(request) = self.requests.try_recv() {
            all.push(request);
        }
        all
    }
}

fn answer(ask: mpsc::Sender<Request>) -> Answer {
    Box::pin(async move {
        let (sender, outcome) = oneshot::channel();
        if ask.try_send(Request(sender)).is_err() {
            return page(503, "too many reloads are asked for\n".to_owned());
        }
        match tokio::time::timeout(PATIENCE, outcome).await {
            Ok(Ok(Ok(()))) => page(200, "Config updated\n".to_owned()),
            Ok(Ok(Err(error))) => {
                page(422, format!("Configuration refused, the running one stays\n\n{error}\n"))
            }
            Ok(Err(_)) => page(503, "the process is shutting down\n".to_owned()),
            Err(_) => page(503, "still reloading\n".to_owned()),
        }
    })
}

fn page(status: u16, text: String) -> Page {
    Page { status, ..Page::ok(TEXT, text) }
}

/// What reloads have come to, for alerts.
pub(crate) struct Outcomes {
    clock: Arc<dyn Clock>,
    applied: Counter,
    refused: Counter,
    last_successful: Gauge,
    last_applied: Gauge,
}

impl Outcomes {
    /// Registers the metrics; the start counts as a configuration that was applied.
    pub(crate) fn register(registry: &Registry, clock: Arc<dyn Clock>) -> Self {
        let reloads = |outcome: &str| {
            let labels = [("outcome", outcome.to_owned())];
            registry.counter("collimator_reloads", "Number of reloads by their outcome", "{reloads}", &labels)
        };
        let help = "Whether the last configuration that was read is the running one";
        let last_successful = registry.gauge("collimator_config_last_reload_successful", help, "", &[]);
        let help = "When the running configuration was applied, in seconds since 1970";
        let last_applied = registry.gauge("collimator_config_last_applied_timestamp", help, "s", &[]);
        let (applied, refused) = (reloads("applied"), reloads("refused"));
        let outcomes = Self { clock, applied, refused, last_successful, last_applied };
        outcomes.running();
        outcomes
    }

    /// Notes a reload.
    pub(crate) fn note(&self, outcome: &Result<()>) {
        match outcome {
            Ok(()) => {
                self.applied.add(1);
                self.running();
            }
            Err(_) => {
                self.refused.add(1);
                self.last_successful.set(0);
            }
        }
    }

    fn running(&self) {
        self.last_successful.set(1);
        let now = Duration::from_nanos(self.clock.now().wall).as_secs();
        self.last_applied.set(i64::try_from(now).unwrap_or(i64::MAX));
    }
}
