//! The section `service::telemetry::metrics`.

use super::any::Any;
use super::unbuilt::{Periodic, View};
use crate::choice::Choice;
use crate::fields::Fields;
use crate::section::{Checks, Section};
use crate::setting_by_choice;

/// Own metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
    /// How many.
    pub level: MetricsLevel,
    /// Where they can be read.
    pub readers: Vec<MetricsReader>,
    /// Changes of single metrics; known, and not done.
    pub views: Vec<View>,
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
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricsReader {
    /// An endpoint to read from.
    pub pull: Option<Pull>,
    /// Sends in intervals; known, and not done.
    pub periodic: Option<Periodic>,
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
    /// Which resource attributes are labels of every series; none without it.
    pub with_resource_constant_labels: Option<IncludeExclude>,
}

/// Names to take and to leave; `*` stands for any characters, `?` for one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IncludeExclude {
    /// What is taken; all without any.
    pub included: Vec<String>,
    /// What is left out, whatever `included` says.
    pub excluded: Vec<String>,
}

impl IncludeExclude {
    /// Whether a name is taken.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        let any =
            |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern.as_bytes(), name.as_bytes()));
        !any(&self.excluded) && (self.included.is_empty() || any(&self.included))
    }
}

/// Whether a pattern matches the whole name. Looks back only to the last `*`, so it takes no more than the product
/// of both lengths.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut of_name, mut retry) = (0, 0, None);
    while of_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at + 1, of_name));
                at += 1;
            }
            Some(byte) if *byte == b'?' || name.get(of_name) == Some(byte) => {
                at += 1;
                of_name += 1;
            }
            _ => {
                let Some((after, from)) = retry else { return false };
                retry = Some((after, from + 1));
                (at, of_name) = (after, from + 1);
            }
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

impl Default for Metrics {
    fn default() -> Self {
        let prometheus = Some(Prometheus::default());
        let reader =
            MetricsReader { pull: Some(Pull { exporter: PullExporter { prometheus } }), periodic: None };
        Self { level: MetricsLevel::Normal, readers: vec![reader], views: Vec::new() }
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
            with_resource_constant_labels: None,
        }
    }
}

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

impl Section for Metrics {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("level", "How many metrics there are.", |c| &mut c.level);
        fields.field("readers", "Where they can be read.", |c| &mut c.readers);
        let why = "metrics are served as they are";
        fields.field("views", "Changes of single metrics.", |c| &mut c.views).not_honoured(why);
    }

    fn check(&self, checks: &mut Checks) {
        if self.level != MetricsLevel::None && self.readers.is_empty() {
            checks.at(
                "readers",
                "collector telemetry metrics reader should exist when metric level is not none",
            );
        }
        if self.level != MetricsLevel::Detailed && !self.views.is_empty() {
            let message = "service::telemetry::metrics::views can only be set when \
                service::telemetry::metrics::level is detailed";
            checks.at("views", message);
        }
        let mut taken: Vec<(&str, u16)> = Vec::new();
        for (index, reader) in self.readers.iter().enumerate() {
            let Some(prometheus) = reader.pull.as_ref().and_then(|pull| pull.exporter.prometheus.as_ref())
            else {
                continue;
            };
            let place = (prometheus.host.as_str(), prometheus.port);
            if prometheus.port != 0 && taken.contains(&place) {
                let message =
                    format!("another reader listens on {}:{}, too", prometheus.host, prometheus.port);
                checks.at(&format!("readers.{index}"), message);
            }
            taken.push(place);
        }
    }
}

impl Section for MetricsReader {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("pull", "An endpoint to read from.", |c| &mut c.pull).null_is_absent();
        let why = "own metrics are not sent, only served: use a pull reader with `prometheus`";
        fields
            .field("periodic", "Sends own metrics in intervals.", |c| &mut c.periodic)
            .null_is_absent()
            .not_honoured(why);
        let why = "there are no other sources of own metrics";
        fields.ignored::<Vec<Any>>("producers", "Other sources of metrics.", why);
    }

    fn check(&self, checks: &mut Checks) {
        match (&self.pull, &self.periodic) {
            (None, None) => checks.at("", "a reader needs `pull` or `periodic`"),
            (Some(_), Some(_)) => checks.at("", "a reader is either `pull` or `periodic`"),
            (Some(pull), None) if pull.exporter.prometheus.is_none() => {
                checks.at("pull", "a pull reader needs the exporter `prometheus`");
            }
            _ => {}
        }
    }
}

impl Section for Pull {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("exporter", "The form of the endpoint.", |c| &mut c.exporter);
        let why = "there are no other sources of own metrics";
        fields.ignored::<Vec<Any>>("producers", "Other sources of metrics.", why);
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
        let doc = "Resource attributes that are labels of every series.";
        fields.field("with_resource_constant_labels", doc, |c| &mut c.with_resource_constant_labels);
    }
}

impl Section for IncludeExclude {
    fn describe(fields: &mut Fields<Self>) {
        let doc = "Names that are taken, with `*` and `?`; all without any.";
        fields.field("included", doc, |c| &mut c.included);
        let doc = "Names that are left out, with `*` and `?`.";
        fields.field("excluded", doc, |c| &mut c.excluded);
    }

    fn check(&self, checks: &mut Checks) {
        for (index, name) in self.excluded.iter().enumerate() {
            if self.included.contains(name) {
                let message = format!("attribute cannot be in both include and exclude list: {name}");
                checks.at(&format!("excluded.{index}"), message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_patterns() {
        let check = |included: &[&str], excluded: &[&str], taken: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
            let lists = IncludeExclude { included: owned(included), excluded: owned(excluded) };
            let names = ["service.name", "service.version", "host", "os"];
            let found: Vec<&str> = names.into_iter().filter(|name| lists.takes(name)).collect();
            assert_eq!(found, taken, "{included:?} {excluded:?}");
        };
        check(&[], &[], &["service.name", "service.version", "host", "os"]);
        check(&["service.*"], &[], &["service.name", "service.version"]);
        check(&["*e*e"], &[], &["service.name"]);
        check(&["service.*", "host"], &["*version"], &["service.name", "host"]);
        check(&["?s", "h??t"], &[], &["host", "os"]);
        check(&[], &["*"], &[]);
        check(&["hos", "service"], &[], &[]);
    }
}
