//! `awsxray`: sends spans to AWS X-Ray as segment documents, and documents as they came.

mod answer;
mod body;
mod call;
mod config;
pub mod dead_letter;
mod documents;
mod records;
pub mod replay;
mod round;
mod send;
mod throttle;
mod translate;
mod waiting;
mod work;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use component::{
    Accepted, BoxError, BuildCx, BuildError, Carries, Component, Environment, Exporter, Kind, Progress,
    RunCx, Spec, Stability, Stage,
};
use data::{Batch, Refused, Signal, Signals};
use telemetry::metrics::Counter;
use xray::from_span::Options;

use crate::call::{Calls, Place};
pub use crate::config::Config;
use crate::dead_letter::DeadLetters;
use crate::documents::Documents;
use crate::records::Recorder;
use crate::translate::{Position, Translators};
use crate::work::Wave;

/// The component type.
pub const SPEC: Spec =
    Spec::new::<AwsXray>(Kind::Exporter, "awsxray", "Sends spans and segments to AWS X-Ray")
        .carrying(Carries::Same(Signals::of(&[Signal::Traces, Signal::Xray])))
        .stability(Stability::Beta);

/// The Collector's feature gates; both are on unless they are turned off.
const ALLOW_DOT: &str = "exporter.xray.allowDot";
const SKIP_TIMESTAMPS: &str = "exporter.awsxray.skiptimestampvalidation";

/// Exports at once when there is no queue to say how many.
const UNQUEUED_CONCURRENCY: usize = 64;

/// The exporter.
pub struct AwsXray {
    config: Config,
    options: Options,
    environment: Environment,
    id: Arc<str>,
    /// What we call ourselves.
    product: Arc<str>,
    running: OnceLock<Running>,
}

struct Running {
    calls: Calls,
    translators: Translators,
    dead_letters: Option<Arc<DeadLetters>>,
    max_bytes: usize,
    cx: RunCx,
    counters: Counters,
    /// Sends telemetry records; ends with the exporter.
    records: Option<AbortOnDrop>,
}

/// What is remembered of a batch.
#[derive(Default)]
pub struct Memory {
    /// What is being sent.
    sending: Option<Wave>,
    /// What came back, and what was not reached when a wave was left.
    aside: Option<Wave>,
    /// How far the batch is.
    next: Position,
    /// The API has taken some of it.
    has_taken: bool,
    /// Times that what came back was sent again before its place was given up.
    soon: usize,
}

impl Memory {
    /// Bytes of the documents that are not settled.
    fn bytes(&self) -> usize {
        [&self.sending, &self.aside].into_iter().flatten().map(|wave| wave.documents.bytes()).sum()
    }
}

impl Component for AwsXray {
    type Config = Config;

    fn build(config: &Config, cx: &BuildCx) -> Result<Stage, BuildError> {
        let exporter = Self::new(config, cx);
        // A batch is many calls, each of which has the timeout.
        let settings = config.delivery.clone().with_timeout(Duration::ZERO);
        Ok(Stage::Exporter(delivery::unit(exporter, settings, UNQUEUED_CONCURRENCY)))
    }
}

impl AwsXray {
    fn new(config: &Config, cx: &BuildCx) -> Self {
        let is_on = |gate: &str| {
            cx.environment
                .features()
                .iter()
                .find(|feature| feature.id == gate)
                .is_none_or(|gate| gate.enabled)
        };
        Self {
            config: config.clone(),
            options: config.options(is_on(ALLOW_DOT), is_on(SKIP_TIMESTAMPS)),
            environment: cx.environment.clone(),
            id: Arc::clone(&cx.id),
            product: Arc::clone(&cx.user_agent),
            running: OnceLock::new(),
        }
    }
}

impl Exporter for AwsXray {
    type Memory = Memory;

    async fn start(&self, cx: &RunCx) -> Result<(), BoxError> {
        let client = client(&self.config, &self.environment, &self.product).await?;
        let recorder = Recorder::new(&self.config, &self.environment, &self.id, &client, cx);
        let dead_letters = DeadLetters::open(&self.config.dead_letter, &self.id).map_err(|error| {
            format!("dead_letter::directory: {}: {error}", self.config.dead_letter.directory)
        })?;
        let records = recorder.as_ref().map(|recorder| AbortOnDrop(tokio::spawn(Arc::clone(recorder).run())));
        let place = Place {
            clock: Arc::clone(&cx.clock),
            notes: Arc::clone(&cx.notes),
            draining: cx.draining.clone(),
        };
        let running = Running {
            translators: Translators::new(
                self.options.clone(),
                self.config.workers(),
                Arc::clone(&cx.budget),
            ),
            calls: Calls::new(&self.config, client, place, recorder),
            dead_letters: dead_letters.map(Arc::new),
            max_bytes: self.config.max_request_bytes,
            cx: cx.clone(),
            counters: Counters::register(cx),
            records,
        };
        self.running.get_or_init(|| running);
        Ok(())
    }

    async fn export(&self, batch: &Batch, progress: &mut Progress<Memory>) -> Result<Accepted, Refused> {
        let Some(running) = self.running.get() else { return Err(Refused::retry("not started")) };
        let answered = running.calls.answered();
        let result = running.send_batch(batch, &mut progress.memory, &mut progress.settled).await;
        progress.passing = running.calls.answered() > answered;
        let is_remembered = progress.memory.next.is_at_the_end(batch);
        progress.remembered = is_remembered.then(|| progress.memory.bytes());
        result
    }

    /// With `dead_letter` what nobody sends any more is kept, too.
    async fn give_up(&self, batch: &Batch, progress: &mut Progress<Memory>, why: &Refused) {
        let Some(running) = self.running.get().filter(|running| running.dead_letters.is_some()) else {
            return;
        };
        running.give_up(batch, &mut progress.memory, &mut progress.settled, &why.message).await;
    }

    fn destination(&self, _signal: Signal) -> Vec<(&'static str, String)> {
        let endpoint = self.running.get().map(|running| running.calls.endpoint().url("/"));
        let Some(Ok(url)) = endpoint else { return Vec::new() };
        let usual = if url.scheme_str() == Some("https") { 443 } else { 80 };
        vec![
            ("server_address", url.host().unwrap_or_default().to_owned()),
            ("server_port", url.port_u16().unwrap_or(usual).to_string()),
        ]
    }

    async fn close(&self) -> Result<(), BoxError> {
        let Some(running) = self.running.get() else { return Ok(()) };
        if let Some(records) = &running.records {
            // Two that send the same records would forget ones that were not sent.
            records.0.abort();
        }
        if let Some(recorder) = &running.calls.recorder {
            recorder.finish().await;
        }
        // What is still being written when nobody waits for it any more.
        drop(running.turn().await);
        Ok(())
    }
}

/// The signed client of the API.
async fn client(config: &Config, environment: &Environment, product: &str) -> Result<aws::Client, BoxError> {
    let session = aws::Session::open(&config.session(), environment).await?;
    tracing::info!(region = session.region, endpoint = %session.endpoint, "sending to X-Ray");
    let settings = config.client(environment, product);
    Ok(aws::Client::new(session, &settings, environment)?)
}

/// A task that ends with whoever started it.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is counted beside what every exporter counts.
struct Counters {
    trimmed: Counter,
    kept: Counter,
    not_kept: Counter,
}

impl Counters {
    fn register(cx: &RunCx) -> Self {
        let labels = [("exporter", cx.node.id.to_string())];
        let counter = |name: &str, help: &str| cx.meters.counter(name, help, "{documents}", &labels);
        Self {
            trimmed: counter(
                "collimator_xray_documents_trimmed",
                "Documents that were shortened to fit the API",
            ),
            kept: counter("collimator_xray_dead_letters", "Documents that were kept in files"),
            not_kept: counter("collimator_xray_dead_letters_failed", "Documents that could not be kept"),
        }
    }

    fn translated(&self, documents: &Documents) {
        if let Documents::Written { made, .. } = documents {
            let trimmed = made.entries.iter().filter(|entry| entry.trimmed).count();
            self.trimmed.add(trimmed as u64);
        }
    }
}

#[cfg(test)]
mod tests;
