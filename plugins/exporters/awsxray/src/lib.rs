//! `awsxray`: sends spans to AWS X-Ray as segment documents, and documents as they came.

mod answer;
mod body;
mod call;
mod config;
pub mod dead_letter;
mod records;
pub mod replay;
mod throttle;
mod translate;
mod work;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use component::{
    Accepted, BoxError, BuildCx, BuildError, Carries, Component, Environment, Exporter, Kind, Progress,
    RunCx, Settled, Spec, Stability, Stage,
};
use data::{Batch, Civil, Code, Refused, Signal, Signals};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use telemetry::metrics::Counter;
use xray::from_span::Options;

use crate::answer::Unprocessed;
use crate::call::{Calls, Failed, Place};
pub use crate::config::Config;
use crate::dead_letter::{DeadLetters, Record};
use crate::records::Recorder;
use crate::translate::{Position, Translators};
use crate::work::{Call, Documents, Fates, Refusal};

/// The component type.
pub const SPEC: Spec =
    Spec::new::<AwsXray>(Kind::Exporter, "awsxray", "Sends spans and segments to AWS X-Ray")
        .carrying(Carries::Same(Signals::of(&[Signal::Traces, Signal::Xray])))
        .stability(Stability::Beta);

/// The Collector's feature gates; both are on unless they are turned off.
const ALLOW_DOT: &str = "exporter.xray.allowDot";
const SKIP_TIMESTAMPS: &str = "exporter.awsxray.skiptimestampvalidation";

/// Documents that are found invalid by themselves before all of their calls are taken for invalid, unless some were taken.
const MAX_INVALID: usize = 4;

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

/// What is remembered of a batch: documents that are being sent, what became of each, and how far it is.
#[derive(Default)]
pub struct Memory {
    sending: Option<(Documents, Fates)>,
    next: Position,
}

impl Component for AwsXray {
    type Config = Config;

    fn build(config: &Config, cx: &BuildCx) -> Result<Stage, BuildError> {
        let is_on = |gate: &str| {
            cx.environment
                .features()
                .iter()
                .find(|feature| feature.id == gate)
                .is_none_or(|gate| gate.enabled)
        };
        let exporter = Self {
            config: config.clone(),
            options: config.options(is_on(ALLOW_DOT), is_on(SKIP_TIMESTAMPS)),
            environment: cx.environment.clone(),
            id: Arc::clone(&cx.id),
            product: Arc::clone(&cx.user_agent),
            running: OnceLock::new(),
        };
        // A batch is many calls, each of which has the timeout.
        let settings = config.delivery.clone().with_timeout(Duration::ZERO);
        Ok(Stage::Exporter(delivery::unit(exporter, settings, UNQUEUED_CONCURRENCY)))
    }
}

impl Exporter for AwsXray {
    type Memory = Memory;

    async fn start(&self, cx: &RunCx) -> Result<(), BoxError> {
        let client = client(&self.config, &self.environment, &self.product).await?;
        let recorder = Recorder::start(&self.config, &self.environment, &self.id, &client, cx).await;
        let dead_letters = DeadLetters::open(&self.config.dead_letter, &self.id).map_err(|error| {
            format!("dead_letter::directory: {}: {error}", self.config.dead_letter.directory)
        })?;
        let records = recorder.as_ref().map(|recorder| AbortOnDrop(tokio::spawn(Arc::clone(recorder).run())));
        let place = Place {
            clock: Arc::clone(&cx.clock),
            budget: Arc::clone(&cx.budget),
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
        let Progress { memory, settled } = progress;
        loop {
            let (documents, fates) = match &mut memory.sending {
                Some(sending) => sending,
                none => match running.next(batch, &mut memory.next, settled)? {
                    Some(next) => none.insert(next),
                    None => return Ok(Accepted::default()),
                },
            };
            running.send(documents, fates, settled).await?;
            if let Some((documents, _)) = memory.sending.take() {
                running.translators.done(documents);
            }
        }
    }

    /// With `dead_letter` what nobody sends any more is kept, too.
    async fn give_up(&self, batch: &Batch, progress: &mut Progress<Memory>, why: &Refused) {
        let Some(running) = self.running.get().filter(|running| running.dead_letters.is_some()) else {
            return;
        };
        let Progress { memory, settled } = progress;
        loop {
            let next = match memory.sending.take() {
                None => running.next(batch, &mut memory.next, settled).unwrap_or_default(),
                sending => sending,
            };
            let Some((documents, fates)) = next else { return };
            running.write_down(&documents, &refusals(&fates.left(), answer::GIVEN_UP, &why.message)).await;
            running.translators.done(documents);
        }
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

impl Running {
    /// The next documents of a batch, none of which is sent yet.
    fn next(
        &self,
        batch: &Batch,
        position: &mut Position,
        settled: &mut Settled,
    ) -> Result<Option<(Documents, Fates)>, Refused> {
        let documents = match batch.signal() {
            Signal::Xray => position.as_they_came(batch),
            Signal::Traces => self.translators.next(batch, position, self.cx.clock.now(), settled),
            other => {
                return Err(Refused::permanent(Code::Unimplemented, format!("X-Ray does not take {other}")));
            }
        };
        if documents.len() == 0 {
            self.translators.done(documents);
            return Ok(None);
        }
        self.counters.translated(&documents);
        let fates = Fates::new(&documents);
        Ok(Some((documents, fates)))
    }

    /// Sends what is open, until nothing is, or what is left must wait.
    async fn send(
        &self,
        documents: &Documents,
        fates: &mut Fates,
        settled: &mut Settled,
    ) -> Result<Accepted, Refused> {
        loop {
            let returned = self.send_once(documents, fates, settled).await?;
            match (fates.open(), returned) {
                (0, _) => return Ok(Accepted::default()),
                (open, Some(one)) if !self.goes_on(&one) => {
                    let said = format!("{open} segments were not processed: {}: {}", one.code, one.message);
                    return Err(Refused::retry(said));
                }
                // At the pace that throttling sets; or alone, since it was not clear which of several was meant.
                _ => {}
            }
        }
    }

    /// Whether documents that came back for this reason are sent again for as long as it takes.
    fn goes_on(&self, one: &Unprocessed) -> bool {
        answer::is_throttling(&one.code) && self.calls.outlasts_throttling
    }

    /// Sends what is open once, in as many calls as it needs, several at once. What came back to be sent again comes
    /// first if it may not go on at once.
    async fn send_once(
        &self,
        documents: &Documents,
        fates: &mut Fates,
        settled: &mut Settled,
    ) -> Result<Option<Unprocessed>, Refused> {
        let mut waiting = fates.calls(documents, self.max_bytes);
        let mut under_way = FuturesUnordered::new();
        let mut failed: Option<Refused> = None;
        let mut returned: Option<Unprocessed> = None;
        let mut invalid = 0;
        loop {
            // After a failure what is under way is awaited, and the rest keeps its place.
            while failed.is_none()
                && under_way.len() < self.calls.at_once
                && let Some(call) = waiting.pop_front()
            {
                under_way.push(self.call(documents, call));
            }
            let Some((call, result)) = under_way.next().await else { break };
            match result {
                Ok(unprocessed) => {
                    let mut again = unprocessed.iter().filter(|one| answer::may_be_sent_again(&one.code));
                    if let Some(one) = again.clone().find(|one| !self.goes_on(one)).or_else(|| again.next())
                        && returned.as_ref().is_none_or(|former| self.goes_on(former))
                    {
                        returned = Some(one.clone());
                    }
                    let refusals = fates.taken(documents, &call, unprocessed, settled);
                    self.bury(documents, refusals, fates, settled).await;
                }
                Err(Failed::TooLarge(_)) if call.len() > 1 => {
                    let (front, back) = call.split_at(call.len() / 2);
                    waiting.extend([front.to_vec(), back.to_vec()]);
                }
                // Looked for at once, so that it is soon known whether it is one document or all of them.
                Err(Failed::Invalid(_)) if call.len() > 1 && (invalid < MAX_INVALID || fates.has_taken()) => {
                    let (front, back) = call.split_at(call.len() / 2);
                    waiting.push_front(back.to_vec());
                    waiting.push_front(front.to_vec());
                }
                Err(Failed::TooLarge(said)) => {
                    self.bury(documents, refusals(&call, answer::TOO_LARGE, &said), fates, settled).await;
                }
                Err(Failed::Invalid(said) | Failed::Never(said)) => {
                    invalid += 1;
                    self.bury(documents, refusals(&call, answer::REFUSED, &said), fates, settled).await;
                }
                Err(Failed::Later(refused)) => {
                    failed.get_or_insert(refused);
                }
            }
        }
        failed.map_or(Ok(returned), Err)
    }

    async fn call(&self, documents: &Documents, call: Call) -> (Call, Result<Vec<Unprocessed>, Failed>) {
        let result = self.calls.put(|| documents.body(&call), call.len()).await;
        (call, result)
    }

    /// Says what was refused for good, keeps it where the configuration wants that, and only then counts it: should time
    /// be up meanwhile, it is in the books as not delivered.
    async fn bury(
        &self,
        documents: &Documents,
        refusals: Vec<Refusal>,
        fates: &mut Fates,
        settled: &mut Settled,
    ) {
        self.keep(documents, &refusals).await;
        fates.refused(documents, &refusals, settled);
    }

    async fn keep(&self, documents: &Documents, refusals: &[Refusal]) {
        let Some(first) = refusals.first() else { return };
        if let Some(recorder) = &self.calls.recorder {
            recorder.counts.rejected(refusals.len());
        }
        tracing::warn!(
            otelcol.component.id = %self.cx.node.id,
            otelcol.component.kind = "exporter",
            segment = documents.id(first.document),
            code = first.code,
            said = first.message,
            others = refusals.len() - 1,
            "X-Ray refused segments"
        );
        self.write_down(documents, refusals).await;
    }

    /// Writes documents to the dead letters, if they are kept.
    async fn write_down(&self, documents: &Documents, refusals: &[Refusal]) {
        let Some(dead_letters) = self.dead_letters.as_ref().filter(|_| !refusals.is_empty()) else { return };
        let dead_letters = Arc::clone(dead_letters);
        let time = Civil::from_unix_nanos(self.cx.clock.now().wall.into()).rfc3339();
        let record = |Refusal { document, code, message }: &Refusal| {
            let document = String::from_utf8_lossy(documents.get(*document)).into_owned();
            Record { time: time.clone(), code: code.clone(), message: message.clone(), document }
        };
        let records: Vec<Record> = refusals.iter().map(record).collect();
        let count = records.len() as u64;
        // The disk may take its time.
        let written = tokio::task::spawn_blocking(move || dead_letters.append(&records)).await;
        match written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(()) => self.counters.kept.add(count),
            Err(error) => {
                self.counters.not_kept.add(count);
                tracing::error!(
                    otelcol.component.id = %self.cx.node.id,
                    otelcol.component.kind = "exporter",
                    %error,
                    documents = count,
                    "segments can't be kept"
                );
            }
        }
    }
}

fn refusals(call: &Call, code: &str, message: &str) -> Vec<Refusal> {
    let refusal =
        |index: &usize| Refusal { document: *index, code: code.to_owned(), message: message.to_owned() };
    call.iter().map(refusal).collect()
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
