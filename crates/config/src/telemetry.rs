//! The section `service::telemetry`: what the process tells about itself.

use crate::choice::Choice;
use crate::fields::Fields;
use crate::section::{Checks, Section};
use crate::setting_by_choice;

/// What the process tells about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// Own logs.
    pub logs: Logs,
    /// Own metrics.
    pub metrics: Metrics,
}

/// Own logs, to standard error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logs {
    /// Least level that is written.
    pub level: LogLevel,
    /// How lines look.
    pub encoding: LogEncoding,
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
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogEncoding {
    /// For people.
    #[default]
    Console,
    /// One JSON object a line.
    Json,
}

/// Own metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// How many.
    pub level: MetricsLevel,
    /// Where they can be read.
    pub readers: Vec<MetricsReader>,
}

/// How many metrics there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetricsLevel {
    /// None, and no endpoint.
    None,
    /// The most important.
    Basic,
    /// The usual.
    #[default]
    Normal,
    /// All.
    Detailed,
}

/// One way out for metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricsReader {
    /// An endpoint to read from.
    pub pull: Option<Pull>,
}

/// An endpoint to read from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pull {
    /// In which form.
    pub exporter: PullExporter,
}

/// The form of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PullExporter {
    /// The Prometheus text format.
    pub prometheus: Option<Prometheus>,
}

/// An endpoint for Prometheus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prometheus {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on.
    pub port: u16,
    /// Whether labels with the scope are left out.
    pub without_scope_info: bool,
    /// Whether names have no unit at the end.
    pub without_units: bool,
    /// Whether names of counters have no `_total` at the end.
    pub without_type_suffix: bool,
}

impl Telemetry {
    /// The Prometheus endpoints that are asked for; none at metrics level `none`.
    pub fn prometheus(&self) -> impl Iterator<Item = &Prometheus> {
        let on = self.metrics.level != MetricsLevel::None;
        let pulls = self.metrics.readers.iter().filter_map(|reader| reader.pull.as_ref());
        pulls.filter_map(|pull| pull.exporter.prometheus.as_ref()).filter(move |_| on)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let prometheus = Some(Prometheus::default());
        let reader = MetricsReader { pull: Some(Pull { exporter: PullExporter { prometheus } }) };
        Self { level: MetricsLevel::Normal, readers: vec![reader] }
    }
}

impl Default for Prometheus {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 8888,
            without_scope_info: true,
            without_units: true,
            without_type_suffix: true,
        }
    }
}

impl Choice for LogLevel {
    // A level without a value keeps the default, unlike other words.
    const SPELLINGS: &'static [(&'static str, Self)] = &[
        ("debug", Self::Debug),
        ("info", Self::Info),
        ("warn", Self::Warn),
        ("error", Self::Error),
        ("dpanic", Self::Error),
        ("panic", Self::Error),
        ("fatal", Self::Error),
        ("", Self::Info),
    ];
    const IGNORE_CASE: bool = true;
}
setting_by_choice!(LogLevel);

impl Choice for LogEncoding {
    const SPELLINGS: &'static [(&'static str, Self)] = &[("console", Self::Console), ("json", Self::Json)];
}
setting_by_choice!(LogEncoding);

impl Choice for MetricsLevel {
    const SPELLINGS: &'static [(&'static str, Self)] = &[
        ("none", Self::None),
        ("basic", Self::Basic),
        ("normal", Self::Normal),
        ("detailed", Self::Detailed),
        ("", Self::None),
    ];
    const IGNORE_CASE: bool = true;
}
setting_by_choice!(MetricsLevel);

const NOT_YET: &str = "not implemented yet";

impl Section for Telemetry {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("logs", "Own logs.", |c| &mut c.logs);
        fields.field("metrics", "Own metrics.", |c| &mut c.metrics);
        fields.not_honoured("traces", "Own traces.", NOT_YET);
        fields.not_honoured("resource", "Attributes of own telemetry.", NOT_YET);
    }
}

impl Section for Logs {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("level", "Least level that is written.", |c| &mut c.level);
        fields.field("encoding", "How lines look.", |c| &mut c.encoding);
        fields.not_honoured("development", "Development mode.", NOT_YET);
        fields.not_honoured("disable_caller", "Leaves out the place in the code.", "it is never written");
        fields.not_honoured("disable_stacktrace", "Leaves out stack traces.", "they are never written");
        fields.not_honoured("sampling", "Thins out repeated lines.", NOT_YET);
        fields.not_honoured("output_paths", "Where lines go.", "lines go to standard error");
        fields.not_honoured(
            "error_output_paths",
            "Where errors of the logger go.",
            "lines go to standard error",
        );
        fields.not_honoured("initial_fields", "Fields of every line.", NOT_YET);
        fields.not_honoured("processors", "Sends own logs over OTLP.", NOT_YET);
        fields.not_honoured("disable_zap_resource", "Leaves out the resource.", "it is never written");
    }
}

impl Section for Metrics {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("level", "How many metrics there are.", |c| &mut c.level);
        fields.field("readers", "Where they can be read.", |c| &mut c.readers);
        fields.not_honoured("views", "Changes of single metrics.", NOT_YET);
    }

    fn check(&self, checks: &mut Checks) {
        if self.level != MetricsLevel::None && self.readers.is_empty() {
            checks.at("readers", "there must be a reader unless the metrics level is `none`");
        }
        match self.level {
            MetricsLevel::None | MetricsLevel::Normal => {}
            MetricsLevel::Basic => checks.warn("level", "`basic` shows what `normal` shows"),
            MetricsLevel::Detailed => checks.warn("level", "`detailed` shows no more than `normal` yet"),
        }
    }
}

impl Section for MetricsReader {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("pull", "An endpoint to read from.", |c| &mut c.pull);
        fields.not_honoured("periodic", "Sends own metrics in intervals.", NOT_YET);
    }

    fn check(&self, checks: &mut Checks) {
        if self.pull.as_ref().is_some_and(|pull| pull.exporter.prometheus.is_none()) {
            checks.at("pull", "a pull reader needs the exporter `prometheus`");
        }
    }
}

impl Section for Pull {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("exporter", "The form of the endpoint.", |c| &mut c.exporter);
    }
}

impl Section for PullExporter {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("prometheus", "The Prometheus text format.", |c| &mut c.prometheus);
    }
}

impl Section for Prometheus {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("host", "Address to listen on.", |c| &mut c.host);
        fields.field("port", "Port to listen on.", |c| &mut c.port);
        fields
            .field("without_scope_info", "Leaves out labels with the scope.", |c| &mut c.without_scope_info);
        fields.field("without_units", "Names have no unit at the end.", |c| &mut c.without_units);
        let doc = "Names of counters have no `_total` at the end.";
        fields.field("without_type_suffix", doc, |c| &mut c.without_type_suffix);
        let doc = "Resource attributes that become labels.";
        fields.not_honoured("with_resource_constant_labels", doc, NOT_YET);
    }
}
