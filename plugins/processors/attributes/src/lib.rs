//! `attributes`: changes attributes of spans, data points and log records.
//!
//! What no action finds is passed on as it came, bytes and all.

use attribute_actions::{Action, Actions};
use component::{BuildCx, BuildError, Component, Kind, Out, Processor, Spec, Stability, Stage};
use config::{Checks, Fields, Section};
use data::Batch;
use matching::{PatternError, Properties, Selection};
use otlp::Signal;
use otlp::attributes::{AttributeEditor, Changes, Holder, Level, Rewriter};
use otlp::batch::otlp_signal;
use otlp::view::{Metric, Resource, Scope};

/// The component type.
pub const SPEC: Spec = Spec::new::<Attributes>(
    Kind::Processor,
    "attributes",
    "Changes attributes of spans, data points and log records",
)
.stability(Stability::Beta);

/// Settings; the Collector's keys.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What is changed; all if absent.
    pub include: Option<Properties>,
    /// What is left alone, of that.
    pub exclude: Option<Properties>,
    /// What is done, in order.
    pub actions: Vec<Action>,
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("include", "Only what matches is changed.", |c| &mut c.include).null_is_absent();
        fields
            .field("exclude", "What matches is left alone; asked after `include`.", |c| &mut c.exclude)
            .null_is_absent();
        fields.field("actions", "What is done, in order. Required.", |c| &mut c.actions);
    }

    fn check(&self, checks: &mut Checks) {
        if self.actions.is_empty() {
            checks.at("actions", "missing required field \"actions\"");
        }
    }
}

/// The processor.
#[derive(Debug)]
pub struct Attributes {
    rewriter: Rewriter,
    actions: Actions,
    traces: Selection,
    metrics: Selection,
    logs: Selection,
}

impl Component for Attributes {
    type Config = Config;

    fn build(config: &Config, cx: &BuildCx) -> Result<Stage, BuildError> {
        for (key, block) in [("include", &config.include), ("exclude", &config.exclude)] {
            if let Some(block) = block {
                check_block(key, block, cx)?;
            }
        }
        let processor = Self::new(config).map_err(|error| BuildError::at("", error))?;
        Ok(Stage::processor(processor))
    }
}

/// Whether a block can be used for the signal of the pipeline. What has no effect there, and the Collector takes in
/// silence, is logged.
fn check_block(key: &str, block: &Properties, cx: &BuildCx) -> Result<(), BuildError> {
    let Some(carried) = cx.signal else { return Ok(()) };
    let Some(signal) = otlp_signal(carried) else { return Ok(()) };
    block.check_for(signal).map_err(|misfit| {
        let separator = if misfit.path.is_empty() { "" } else { "::" };
        BuildError::at(format!("{key}{separator}{}", misfit.path), misfit.message)
    })?;
    for idle in block.idle_for(signal) {
        let message = format!("{key}::{idle} has no effect on {}", carried.name());
        tracing::warn!(otelcol.component.id = %cx.id, otelcol.component.kind = "processor", "{message}");
    }
    Ok(())
}

impl Attributes {
    /// A processor of a configuration that was checked.
    ///
    /// # Errors
    /// A pattern that is none, which the check of the configuration reports with its place.
    pub fn new(config: &Config) -> Result<Self, PatternError> {
        let selection = |signal| Selection::new(config.include.as_ref(), config.exclude.as_ref(), signal);
        Ok(Self {
            rewriter: Rewriter::default(),
            actions: Actions::new(&config.actions)?,
            traces: selection(Signal::Traces)?,
            metrics: selection(Signal::Metrics)?,
            logs: selection(Signal::Logs)?,
        })
    }
}

impl Processor for Attributes {
    fn process(&mut self, batch: Batch, out: &mut Out) {
        let selection = match otlp_signal(batch.signal()) {
            Some(Signal::Traces) => &mut self.traces,
            Some(Signal::Metrics) => &mut self.metrics,
            Some(Signal::Logs) => &mut self.logs,
            None => return out.send(batch),
        };
        self.actions.begin(&batch.context);
        let mut editor = Editor { actions: &mut self.actions, selection };
        let batch = self.rewriter.rewrite_batch(batch, Level::Item, out.budget(), &mut editor);
        out.send(batch);
    }
}

struct Editor<'p> {
    actions: &'p mut Actions,
    selection: &'p mut Selection,
}

impl AttributeEditor for Editor<'_> {
    fn resource(&mut self, resource: Resource<'_>) -> bool {
        self.selection.resource(resource)
    }

    fn scope(&mut self, scope: Scope<'_>) -> bool {
        self.selection.scope(scope)
    }

    fn metric(&mut self, metric: Metric<'_>) -> bool {
        self.selection.metric(metric)
    }

    #[inline]
    fn attributes(&mut self, holder: Holder<'_>, changes: &mut Changes) {
        if self.selection.item(holder.bytes()) {
            self.actions.apply(holder, changes);
        }
    }
}

#[cfg(test)]
mod tests;
