//! Where messages go: the collector's log, or streams and files.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};

use component::BoxError;
use otlp::Signal;
use otlp::view::{Logs, Metrics, Traces};

/// The collector's log cuts longer messages.
const MAX_LOGGED: usize = 8 * 1024;

/// One thing to show.
#[derive(Debug)]
pub(crate) enum Message {
    /// Resources and spans.
    Traces(usize, usize),
    /// Resources, metrics and data points.
    Metrics(usize, usize, usize),
    /// Resources and log records.
    Logs(usize, usize),
    /// Documents of X-Ray.
    Documents(usize),
    /// Contents.
    Text(String),
}

impl Message {
    /// What is in a batch, in numbers.
    pub(crate) fn head(signal: Signal, wire: &[u8], items: usize) -> Self {
        match signal {
            Signal::Traces => Self::Traces(Traces::new(wire).resource_spans().count(), items),
            Signal::Logs => Self::Logs(Logs::new(wire).resource_logs().count(), items),
            Signal::Metrics => {
                let resources = Metrics::new(wire).resource_metrics();
                let scopes = resources.clone().flat_map(|resource| resource.scope_metrics());
                let metrics = scopes.map(|scope| scope.metrics().count()).sum();
                Self::Metrics(resources.count(), metrics, items)
            }
        }
    }

    /// The message without its fields.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Traces(..) => "Traces",
            Self::Metrics(..) => "Metrics",
            Self::Logs(..) => "Logs",
            Self::Documents(..) => "X-Ray",
            Self::Text(text) => text,
        }
    }

    /// As a line of the Collector's console encoder without time, level and place.
    fn console(&self) -> String {
        match self {
            Self::Traces(resources, spans) => {
                format!("Traces\t{{\"resource spans\": {resources}, \"spans\": {spans}}}\n")
            }
            Self::Metrics(resources, metrics, points) => format!(
                "Metrics\t{{\"resource metrics\": {resources}, \"metrics\": {metrics}, \
                 \"data points\": {points}}}\n"
            ),
            Self::Logs(resources, records) => {
                format!("Logs\t{{\"resource logs\": {resources}, \"log records\": {records}}}\n")
            }
            Self::Documents(documents) => format!("X-Ray\t{{\"documents\": {documents}}}\n"),
            Self::Text(text) => format!("{text}\n"),
        }
    }
}

/// Where messages go.
pub(crate) enum Output {
    /// The collector's log, under this component id.
    Log(String),
    /// All of these.
    Streams(Vec<Stream>),
}

/// A stream or file.
pub(crate) enum Stream {
    Stdout,
    Stderr,
    File(File),
}

impl Output {
    pub(crate) fn log(id: &str) -> Self {
        Self::Log(id.to_owned())
    }

    /// Opens files, to append to them; `stdout` and `stderr` are the streams.
    pub(crate) fn open(paths: &[String]) -> Result<Self, BoxError> {
        let open = |path: &String| -> Result<Stream, BoxError> {
            Ok(match path.as_str() {
                "stdout" => Stream::Stdout,
                "stderr" => Stream::Stderr,
                path => Stream::File(
                    OpenOptions::new()
                        .append(true)
                        .create(true)
                        .open(path)
                        .map_err(|error| format!("can't open {path}: {error}"))?,
                ),
            })
        };
        Ok(Self::Streams(paths.iter().map(open).collect::<Result<_, _>>()?))
    }

    pub(crate) fn write(&mut self, signal: &str, message: &Message) -> io::Result<()> {
        match self {
            Self::Log(id) => log(id, signal, message),
            Self::Streams(streams) => {
                let text = message.console();
                for stream in streams {
                    stream.write(text.as_bytes())?;
                }
            }
        }
        Ok(())
    }
}

impl Stream {
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => write_all(&mut io::stdout().lock(), text),
            Self::Stderr => write_all(&mut io::stderr().lock(), text),
            Self::File(file) => write_all(file, text),
        }
    }
}

fn write_all(out: &mut impl Write, text: &[u8]) -> io::Result<()> {
    out.write_all(text)?;
    out.flush()
}

/// Writes an event with the fields that every line of a component has.
macro_rules! event {
    ($id:expr, $signal:expr, $($rest:tt)+) => {
        tracing::info!(
            otelcol.component.id = $id,
            otelcol.component.kind = "exporter",
            otelcol.signal = $signal,
            $($rest)+
        )
    };
}

fn log(id: &str, signal: &str, message: &Message) {
    match *message {
        Message::Traces(resources, spans) => {
            event!(id, signal, "resource spans" = resources, "spans" = spans, "Traces");
        }
        Message::Metrics(resources, metrics, points) => event!(
            id,
            signal,
            "resource metrics" = resources,
            "metrics" = metrics,
            "data points" = points,
            "Metrics"
        ),
        Message::Logs(resources, records) => {
            event!(id, signal, "resource logs" = resources, "log records" = records, "Logs");
        }
        Message::Documents(documents) => event!(id, signal, "documents" = documents, "X-Ray"),
        Message::Text(ref text) => pieces(text).for_each(|piece| event!(id, signal, "{piece}")),
    }
}

/// The text in as many pieces as it takes for the log to keep all of it, cut between lines where that is possible.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let most = rest.floor_char_boundary(MAX_LOGGED);
        let window = rest.get(..most).unwrap_or(rest);
        let end = if most == rest.len() { most } else { window.rfind('\n').map_or(most, |at| at + 1) };
        let (piece, after) = rest.split_at_checked(end)?;
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}
