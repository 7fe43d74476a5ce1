//! The collector's own log, in the reference's two encodings.
//!
//! Components log through `tracing`; the fields of an event and of the spans around it (`otelcol.component.id` and
//! so on) become the fields of a line, the event's own last. Repeated messages are limited before they are
//! formatted. A line is written by one call, under a lock, by the thread that logs: nothing is lost when the process
//! ends, and what a blocked terminal or pipe can hold up is bounded by the limiter, not excluded.

mod fields;
mod layer;
mod limiter;
mod line;
mod rotate;
mod timestamp;

use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use data::Clock;
use thiserror::Error;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::Resource;
use layer::{LogLayer, Shared, State};
use rotate::Files;

/// The configuration `service.telemetry.logs`, with its defaults.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// What is logged at least.
    pub level: Level,
    /// How lines look.
    pub encoding: Encoding,
    /// How repeated lines are limited; `None` for not at all.
    pub sampling: Option<Sampling>,
    /// Whether the column or key that tells where a line comes from is left out.
    pub disable_caller: bool,
    /// Where lines go; all of them.
    pub outputs: Vec<Output>,
    /// The most bytes of a file in `outputs`, which is then renamed to its name and `.1`; 0 is no bound.
    pub rotate_at: u64,
    /// Where it is said that a line could not be written.
    pub errors: Vec<Output>,
    /// Fields of every line, each name with a JSON value.
    pub initial_fields: Vec<(String, String)>,
    /// The `resource` object in every line; `None` for none, as with `disable_zap_resource`.
    pub resource: Option<Resource>,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: Level::Info,
            encoding: Encoding::Console,
            sampling: Some(Sampling::default()),
            disable_caller: false,
            outputs: vec![Output::Stderr],
            rotate_at: 0,
            errors: vec![Output::Stderr],
            initial_fields: Vec::new(),
            resource: None,
        }
    }
}

/// A threshold of severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Everything but the internals of the protocol libraries.
    Debug,
    /// What an operator may want to know.
    Info,
    /// What an operator should look at some day.
    Warn,
    /// What an operator should look at now.
    Error,
    /// `DPANIC`, `PANIC` and `FATAL`, which nothing here logs: silence.
    Fatal,
}

impl FromStr for Level {
    type Err = UnknownName;

    /// Reads the reference's names in any case.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name.to_ascii_lowercase().as_str() {
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" => Ok(Self::Warn),
            "error" => Ok(Self::Error),
            "dpanic" | "panic" | "fatal" => Ok(Self::Fatal),
            _ => Err(UnknownName::Level(name.to_owned())),
        }
    }
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Time, level, origin, message and an object of fields, separated by tabs.
    Console,
    /// One JSON object.
    Json,
    /// As the X-Ray daemon writes it: time, level in brackets, message, and an object of fields if there are any.
    XrayDaemon,
}

impl FromStr for Encoding {
    type Err = UnknownName;

    /// Reads `console`, `json` or `xray_daemon`.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "console" => Ok(Self::Console),
            "json" => Ok(Self::Json),
            "xray_daemon" => Ok(Self::XrayDaemon),
            _ => Err(UnknownName::Encoding(name.to_owned())),
        }
    }
}

/// A level or an encoding that does not exist, in the reference's words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UnknownName {
    /// Not a level.
    #[error("unrecognized level: \"{0}\"")]
    Level(String),
    /// Not an encoding.
    #[error("no encoder registered for name \"{0}\"")]
    Encoding(String),
}

/// `logs.sampling`: of lines with the same level and message, in each tick the first few, then every n-th.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// The length of a tick, which begins with the first line after the last one.
    pub tick: Duration,
    /// How many lines of a tick are written anyway.
    pub initial: u64,
    /// Of the others one in this many; with 0 none.
    pub thereafter: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { tick: Duration::from_secs(10), initial: 10, thereafter: 100 }
    }
}

/// An entry of `logs.output_paths`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// `stderr`.
    Stderr,
    /// `stdout`.
    Stdout,
    /// A file, appended to; `file://` may stand before its path.
    File(PathBuf),
}

impl From<&str> for Output {
    fn from(path: &str) -> Self {
        match path {
            "stderr" => Self::Stderr,
            "stdout" => Self::Stdout,
            path => Self::File(path.strip_prefix("file://").unwrap_or(path).into()),
        }
    }
}

/// Why logging could not be set up.
#[derive(Debug, Error)]
pub enum InitError {
    /// A file cannot be opened.
    #[error("couldn't open sink \"{}\": {source}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody was here before.
    #[error("logging is already set up")]
    AlreadySet,
}

/// The process's log, to change it while it runs.
pub struct Logs {
    state: Shared,
}

/// Sets the process's log up; only `main` should.
///
/// # Errors
///
/// A file cannot be opened, or the log is set up already.
pub fn init(settings: &LogSettings, clock: Arc<dyn Clock>) -> Result<Logs, InitError> {
    let state = Arc::new(RwLock::new(Arc::new(state(settings)?)));
    let layer = LogLayer::new(Arc::clone(&state), clock);
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))
        .map_err(|_| InitError::AlreadySet)?;
    Ok(Logs { state })
}

impl Logs {
    /// Logs by other settings from the next line on. Files are opened anew, so that this also lets go of those that
    /// were renamed.
    ///
    /// # Errors
    ///
    /// A file cannot be opened: nothing is changed then.
    pub fn change(&self, settings: &LogSettings) -> Result<(), InitError> {
        let changed = Arc::new(state(settings)?);
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = changed;
        // What is logged where was asked once and kept.
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    }
}

fn state(settings: &LogSettings) -> Result<State, InitError> {
    let mut files = Files::default();
    let mut open_all = |outputs: &[Output], max| {
        outputs.iter().map(|it| open(it, max, &mut files)).collect::<Result<_, _>>()
    };
    Ok(State::new(settings, open_all(&settings.outputs, settings.rotate_at)?, open_all(&settings.errors, 0)?))
}

fn open(output: &Output, max: u64, files: &mut Files) -> Result<Box<dyn Write + Send>, InitError> {
    Ok(match output {
        Output::Stderr => Box::new(io::stderr()),
        Output::Stdout => Box::new(io::stdout()),
        Output::File(path) => Box::new(
            files.open(path, max).map_err(|source| InitError::Output { path: path.clone(), source })?,
        ),
    })
}

#[cfg(test)]
mod tests;
