//! `debug`: shows what arrives, in the collector's log or on standard output.

mod config;
mod detailed;
mod normal;
mod output;
mod sampler;
mod value;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::{Bytes, BytesMut};
use component::{
    Accepted, BoxError, BuildCx, BuildError, Carries, Component, Exporter, Kind, Progress, RunCx, Spec,
    Stability, Stage,
};
use data::{Batch, Clock, Code, Refused, Signals};
use otlp::Signal;
use otlp::batch::otlp_signal;
use otlp::view::{Logs, Metrics, Traces};
use tokio::task::spawn_blocking;

pub use config::{Config, Verbosity};
use output::{Message, Output};
use sampler::Sampler;

/// The component type.
pub const SPEC: Spec =
    Spec::new::<DebugExporter>(Kind::Exporter, "debug", "Shows telemetry, for people who look for faults")
        .carrying(Carries::Same(Signals::ALL))
        .stability(Stability::Beta);

/// The exporter.
pub struct DebugExporter {
    verbosity: Verbosity,
    config: Config,
    running: OnceLock<Arc<Running>>,
}

/// What is there between start and end.
struct Running {
    clock: Arc<dyn Clock>,
    shown: Mutex<Shown>,
}

struct Shown {
    sampler: Sampler,
    output: Output,
}

impl Component for DebugExporter {
    type Config = Config;

    fn build(config: &Config, _cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::Exporter(delivery::unit(Self::new(config.clone()), config.delivery(), 1)))
    }
}

impl DebugExporter {
    /// An exporter that shows nothing yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { verbosity: config.verbosity, config, running: OnceLock::new() }
    }
}

impl Exporter for DebugExporter {
    type Memory = ();

    async fn start(&self, cx: &RunCx) -> Result<(), BoxError> {
        let output = if self.config.use_internal_logger {
            Output::log(&cx.node.id)
        } else {
            Output::open(self.config.output_paths.as_deref().unwrap_or(&["stdout".to_owned()]))?
        };
        let sampler = Sampler::new(self.config.sampling_initial, self.config.sampling_thereafter);
        let shown = Mutex::new(Shown { sampler, output });
        self.running.get_or_init(|| Arc::new(Running { clock: Arc::clone(&cx.clock), shown }));
        Ok(())
    }

    async fn export(&self, batch: &Batch, _progress: &mut Progress<()>) -> Result<Accepted, Refused> {
        let Some(running) = self.running.get() else {
            return Err(Refused::permanent(Code::Internal, "the exporter has not been started"));
        };
        let signal = batch.signal();
        let (running, parts) = (Arc::clone(running), batch.chunks().cloned().collect::<Vec<_>>());
        let (verbosity, items) = (self.verbosity, batch.items());
        // A terminal can stand still, and the text of a batch is long.
        let work = spawn_blocking(move || match otlp_signal(signal) {
            Some(signal) => running.show(signal, &joined(&parts), items, verbosity),
            None => running.show_documents(&parts, verbosity),
        });
        match work.await {
            Ok(Ok(())) => Ok(Accepted::default()),
            Ok(Err(error)) => Err(Refused::retry(format!("can't write: {error}"))),
            Err(error) => Err(Refused::permanent(Code::Internal, format!("writing was cut short: {error}"))),
        }
    }
}

impl Running {
    fn show(&self, signal: Signal, wire: &[u8], items: usize, verbosity: Verbosity) -> std::io::Result<()> {
        let text = match verbosity {
            Verbosity::Basic => None,
            Verbosity::Normal => Some(normal(signal, wire)),
            Verbosity::Detailed => Some(detailed(signal, wire)),
        };
        self.write(name(signal), &Message::head(signal, wire, items), text)
    }

    /// Documents of X-Ray are text already; both verbosities show it, a line for each.
    fn show_documents(&self, documents: &[Bytes], verbosity: Verbosity) -> std::io::Result<()> {
        let text = |document: &Bytes| String::from_utf8_lossy(document).trim_end().to_owned();
        let text = (verbosity != Verbosity::Basic)
            .then(|| documents.iter().map(text).collect::<Vec<_>>().join("\n"));
        self.write(data::Signal::Xray.name(), &Message::Documents(documents.len()), text)
    }

    fn write(&self, signal: &str, head: &Message, text: Option<String>) -> std::io::Result<()> {
        let now = self.clock.now();
        let Shown { sampler, output } = &mut *self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if sampler.admits(head.name(), now) {
            output.write(signal, head)?;
        }
        match text {
            Some(text) if sampler.admits(&text, now) => output.write(signal, &Message::Text(text)),
            _ => Ok(()),
        }
    }
}

/// The signal's name for people.
const fn name(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => data::Signal::Traces.name(),
        Signal::Metrics => data::Signal::Metrics.name(),
        Signal::Logs => data::Signal::Logs.name(),
    }
}

/// The parts as one message.
fn joined(parts: &[Bytes]) -> Bytes {
    if let [part] = parts {
        return part.clone();
    }
    let mut whole = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
    parts.iter().for_each(|part| whole.extend_from_slice(part));
    whole.freeze()
}

fn normal(signal: Signal, wire: &[u8]) -> String {
    match signal {
        Signal::Traces => normal::traces(&Traces::new(wire)),
        Signal::Metrics => normal::metrics(&Metrics::new(wire)),
        Signal::Logs => normal::logs(&Logs::new(wire)),
    }
}

fn detailed(signal: Signal, wire: &[u8]) -> String {
    match signal {
        Signal::Traces => detailed::traces(&Traces::new(wire)),
        Signal::Metrics => detailed::metrics(&Metrics::new(wire)),
        Signal::Logs => detailed::logs(&Logs::new(wire)),
    }
}

#[cfg(test)]
mod tests;
