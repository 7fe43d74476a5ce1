//! The section `service::telemetry`: what the process tells about itself.

mod any;
mod logs;
mod metrics;
mod resource;
mod unbuilt;

pub use any::Any;
pub use logs::{LogEncoding, LogLevel, LogSampling, Logs};
pub use metrics::{IncludeExclude, Metrics, MetricsLevel, MetricsReader, Prometheus, Pull, PullExporter};
pub use resource::ResourceAttributes;
pub use unbuilt::{Periodic, View};

use crate::fields::Fields;
use crate::section::Section;
use unbuilt::{Open, Processor, Sampler, SpanLimits};

const NOT_BUILT: &str = "own telemetry is not sent over OTLP";

/// What the process tells about itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Telemetry {
    /// Own logs.
    pub logs: Logs,
    /// Own metrics.
    pub metrics: Metrics,
    /// Own traces.
    pub traces: Traces,
    /// Who the process says it is.
    pub resource: ResourceAttributes,
}

/// Own traces, of which there are none: the keys are known, and what would need them is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces {
    /// How many. Without `processors` there are none at any level.
    pub level: MetricsLevel,
}

impl Telemetry {
    /// The Prometheus endpoints that are asked for; none at metrics level `none`.
    pub fn prometheus(&self) -> impl Iterator<Item = &Prometheus> {
        let on = self.metrics.level != MetricsLevel::None;
        let pulls = self.metrics.readers.iter().filter_map(|reader| reader.pull.as_ref());
        pulls.filter_map(|pull| pull.exporter.prometheus.as_ref()).filter(move |_| on)
    }
}

impl Section for Telemetry {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("logs", "Own logs.", |c| &mut c.logs);
        fields.field("metrics", "Own metrics.", |c| &mut c.metrics);
        fields.field("traces", "Own traces; there are none.", |c| &mut c.traces);
        let doc = "Attributes of own telemetry: a map of names to values, null to remove one, or `attributes` as a \
            list of name and value.";
        fields.field("resource", doc, |c| &mut c.resource);
    }
}

impl Section for Traces {
    fn describe(fields: &mut Fields<Self>) {
        // Without processors the Collector makes none either, so the level alone changes nothing.
        fields.field("level", "How many there are.", |c| &mut c.level);
        const NONE: &str = "there are no own traces";
        fields.ignored::<Vec<Open<Processor>>>("processors", "Sends own traces over OTLP.", NOT_BUILT);
        fields.ignored::<Vec<String>>("propagators", "How trace contexts are read.", NONE);
        fields.ignored::<Open<Sampler>>("sampler", "Which own traces are kept.", NONE);
        fields.ignored::<SpanLimits>("limits", "Bounds of own spans.", NONE);
    }
}
