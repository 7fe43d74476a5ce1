//! The section `service::telemetry::logs`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::any::Any;
use super::unbuilt::{Open, Processor};
use crate::choice::Choice;
use crate::collections::Optional;
use crate::fields::Fields;
use crate::section::{Checks, Section};
use crate::setting_by_choice;

/// Own logs.
#[derive(Debug, Clone, PartialEq)]
pub struct Logs {
    /// Least level that is written.
    pub level: LogLevel,
    /// How lines look.
    pub encoding: LogEncoding,
    /// Whether the place in the code is left out.
    pub disable_caller: bool,
    /// Whether stack traces are left out; they always are.
    pub disable_stacktrace: bool,
    /// How repeated lines are thinned out.
    pub sampling: Optional<LogSampling>,
    /// Where lines go: `stderr`, `stdout`, paths of files; all of them.
    pub output_paths: Vec<String>,
    /// The most MiB of a file; 0 is no bound. Ours.
    pub rotate_at_mib: u64,
    /// Where it is said that a line could not be written.
    pub error_output_paths: Vec<String>,
    /// Fields of every line.
    pub initial_fields: BTreeMap<String, Any>,
    /// Whether the `resource` object is left out of every line.
    pub disable_zap_resource: bool,
}

/// A log level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What an operator may want to know.
    #[default]
    Info,
    /// What may need an action.
    Warn,
    /// What needs an action.
    Error,
    /// What nothing here logs: silence.
    Fatal,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogEncoding {
    /// For people.
    #[default]
    Console,
    /// One JSON object a line.
    Json,
    /// As the X-Ray daemon writes them.
    XrayDaemon,
}

/// Of lines with the same level and message, in each tick the first few are written, then every n-th.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSampling {
    /// Length of a tick.
    pub tick: Duration,
    /// Lines of a tick that are written anyway.
    pub initial: u64,
    /// Of the others one in this many; 0 for none.
    pub thereafter: u64,
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            encoding: LogEncoding::Console,
            disable_caller: false,
            disable_stacktrace: false,
            sampling: Optional::Some(LogSampling::default()),
            output_paths: vec!["stderr".to_owned()],
            rotate_at_mib: 0,
            error_output_paths: vec!["stderr".to_owned()],
            initial_fields: BTreeMap::new(),
            disable_zap_resource: false,
        }
    }
}

impl Default for LogSampling {
    fn default() -> Self {
        Self { tick: Duration::from_secs(10), initial: 10, thereafter: 100 }
    }
}

impl Choice for LogLevel {
    // A level without a value keeps the default, unlike other words.
    const SPELLINGS: &'static [(&'static str, Self)] = &[
        ("debug", Self::Debug),
        ("info", Self::Info),
        ("warn", Self::Warn),
        ("error", Self::Error),
        ("dpanic", Self::Fatal),
        ("panic", Self::Fatal),
        ("fatal", Self::Fatal),
        ("", Self::Info),
    ];
    const IGNORE_CASE: bool = true;
}
setting_by_choice!(LogLevel);

impl Choice for LogEncoding {
    const SPELLINGS: &'static [(&'static str, Self)] =
        &[("console", Self::Console), ("json", Self::Json), ("xray_daemon", Self::XrayDaemon)];
}
setting_by_choice!(LogEncoding);

impl Section for Logs {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("level", "Least level that is written.", |c| &mut c.level);
        fields.field("encoding", "How lines look.", |c| &mut c.encoding);
        let why = "it changes only panics and stack traces of the Collector, which do not exist here";
        fields.ignored::<bool>("development", "Development mode.", why);
        fields.field("disable_caller", "Leaves out the place in the code.", |c| &mut c.disable_caller);
        // Asked for or not, the outcome is what `true` wants.
        let doc = "Leaves out stack traces; there never are any.";
        fields.field("disable_stacktrace", doc, |c| &mut c.disable_stacktrace);
        fields.field("sampling", "Thins out repeated lines.", |c| &mut c.sampling);
        let doc = "Where lines go: `stderr`, `stdout`, or files, which are appended to.";
        fields.field("output_paths", doc, |c| &mut c.output_paths);
        let doc =
            "Size at which a file is renamed to its name and `.1` and a new one begun; 0 is never. Ours.";
        fields.field("rotate_at_mib", doc, |c| &mut c.rotate_at_mib).range(0..=1 << 20);
        let doc = "Where it is said that a line could not be written.";
        fields.field("error_output_paths", doc, |c| &mut c.error_output_paths);
        fields.field("initial_fields", "Fields of every line.", |c| &mut c.initial_fields);
        let doc = "Sends own logs over OTLP.";
        fields.ignored::<Vec<Open<Processor>>>("processors", doc, super::NOT_BUILT);
        let doc = "Leaves the `resource` object out of every line.";
        fields.field("disable_zap_resource", doc, |c| &mut c.disable_zap_resource);
    }

    fn check(&self, checks: &mut Checks) {
        if self.output_paths.is_empty() {
            checks.warn("output_paths", "without a path nothing is logged");
        }
        for (key, paths) in
            [("output_paths", &self.output_paths), ("error_output_paths", &self.error_output_paths)]
        {
            for (index, path) in paths.iter().enumerate() {
                if let Err(message) = check_path(path) {
                    checks.at(&format!("{key}.{index}"), message);
                }
            }
        }
    }
}

impl Section for LogSampling {
    fn describe(fields: &mut Fields<Self>) {
        fields
            .field("tick", "Length of a tick.", |c| &mut c.tick)
            .negative_is(Duration::ZERO, "that every line is written");
        fields
            .field("initial", "Equal lines of a tick that are written anyway.", |c| &mut c.initial)
            .negative_is(u64::MAX, "all of them");
        fields
            .field("thereafter", "Of the others one in this many; 0 for none.", |c| &mut c.thereafter)
            .negative_is(0, "none");
    }
}

/// Paths may be `file:` URLs, as in the Collector; no other scheme is known.
fn check_path(path: &str) -> Result<(), String> {
    match path.split_once("://") {
        _ if path.is_empty() => Err("a path must not be empty".to_owned()),
        None | Some(("file", _)) => Ok(()),
        Some((scheme, _)) => Err(format!("no sink found for scheme {scheme:?}")),
    }
}
