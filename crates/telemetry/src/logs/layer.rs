use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use data::Clock;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::fields::{Fields, Message};
use super::limiter::Limiter;
use super::line::{Format, Line};
use super::{Level, LogSettings, timestamp};

/// Libraries whose debug lines tell of frames and packets, which would drown ours.
const PROTOCOL_INTERNALS: [&str; 8] =
    ["h2", "hyper", "hyper_util", "mio", "rustls", "tokio", "tokio_rustls", "tonic"];

/// Turns events into lines.
pub(super) struct LogLayer {
    state: Shared,
    clock: Arc<dyn Clock>,
}

/// What the settings make, exchanged as a whole when they change.
pub(super) type Shared = Arc<RwLock<Arc<State>>>;

pub(super) struct State {
    threshold: LevelFilter,
    limiter: Option<Limiter>,
    format: Format,
    writers: Mutex<Writers>,
}

pub(super) type Writer = Box<dyn Write + Send>;

/// Where lines go, and where it is said that they did not get there.
struct Writers {
    outputs: Vec<Writer>,
    errors: Vec<Writer>,
}

impl State {
    pub(super) fn new(settings: &LogSettings, outputs: Vec<Writer>, errors: Vec<Writer>) -> Self {
        let threshold = match settings.level {
            Level::Debug => LevelFilter::DEBUG,
            Level::Info => LevelFilter::INFO,
            Level::Warn => LevelFilter::WARN,
            Level::Error => LevelFilter::ERROR,
            Level::Fatal => LevelFilter::OFF,
        };
        let limiter = settings.sampling.map(Limiter::new);
        let writers = Mutex::new(Writers { outputs, errors });
        Self { threshold, limiter, format: Format::new(settings), writers }
    }

    /// Spans are wanted from info on whatever is logged: an error's line needs the names they carry.
    fn span_threshold(&self) -> LevelFilter {
        self.threshold.max(LevelFilter::INFO)
    }
}

impl LogLayer {
    pub(super) fn new(state: Shared, clock: Arc<dyn Clock>) -> Self {
        Self { state, clock }
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let (state, level) = (self.state(), *metadata.level());
        if metadata.is_span() {
            return level <= state.span_threshold();
        }
        let library = metadata.target().split("::").next().unwrap_or_default();
        level <= state.threshold && (level <= tracing::Level::INFO || !PROTOCOL_INTERNALS.contains(&library))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.state().span_threshold())
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let level = *event.metadata().level();
        let (state, now) = (self.state(), self.clock.now());
        let mut message = Message::default();
        event.record(&mut message);
        if state.limiter.as_ref().is_some_and(|limiter| !limiter.admit(level, message.as_str(), now)) {
            return;
        }
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.extend(of_span);
            }
        }
        event.record(&mut fields);
        let caller = caller(event.metadata());
        let mut text = String::with_capacity(256);
        let line =
            Line { wall: now.wall, level, caller: &caller, message: message.as_str(), fields: &fields };
        state.format.write(&mut text, &line);
        state.writers.lock().unwrap_or_else(PoisonError::into_inner).write(&text, now.wall);
    }
}

/// Where in the code a line comes from, as the reference shows it: the folder, the file, the line. Of the folders
/// `src` tells nothing.
fn caller(metadata: &Metadata<'_>) -> String {
    let Some(file) = metadata.file() else { return metadata.target().to_owned() };
    let mut parts = file.rsplit(['/', '\\']).filter(|part| !part.is_empty() && *part != "src");
    let name = parts.next().unwrap_or(file);
    let line = metadata.line().unwrap_or_default();
    parts.next().map_or_else(|| format!("{name}:{line}"), |folder| format!("{folder}/{name}:{line}"))
}

impl Writers {
    fn write(&mut self, line: &str, wall: u64) {
        for writer in &mut self.outputs {
            if let Err(error) = write(writer, line) {
                let mut text = String::new();
                timestamp::write(&mut text, wall);
                text += &format!(" write error: {error}\n");
                for writer in &mut self.errors {
                    // There is nowhere left to tell of this one.
                    write(writer, &text).ok();
                }
            }
        }
    }
}

fn write(writer: &mut Writer, text: &str) -> io::Result<()> {
    writer.write_all(text.as_bytes())?;
    writer.flush()
}
