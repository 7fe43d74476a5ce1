//! `resource`: changes attributes of resources.
//!
//! What no action finds is passed on as it came, bytes and all.

use attribute_actions::{Action, Actions};
use component::{BuildCx, BuildError, Component, Kind, Out, Processor, Spec, Stability, Stage};
use config::{Checks, Fields, Section};
use data::Batch;
use otlp::attributes::{AttributeEditor, Changes, Holder, Level, Rewriter};

/// The component type.
pub const SPEC: Spec = Spec::new::<Resources>(Kind::Processor, "resource", "Changes attributes of resources")
    .stability(Stability::Beta);

/// Settings; the Collector's keys.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What is done, in order.
    pub attributes: Vec<Action>,
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("attributes", "What is done, in order. Required.", |c| &mut c.attributes);
    }

    fn check(&self, checks: &mut Checks) {
        if self.attributes.is_empty() {
            checks.at("attributes", "missing required field \"attributes\"");
        }
    }
}

/// The processor.
#[derive(Debug)]
pub struct Resources {
    rewriter: Rewriter,
    editor: Editor,
}

#[derive(Debug)]
struct Editor(Actions);

impl Component for Resources {
    type Config = Config;

    fn build(config: &Config, _cx: &BuildCx) -> Result<Stage, BuildError> {
        let actions =
            Actions::new(&config.attributes).map_err(|error| BuildError::at("attributes", error))?;
        Ok(Stage::processor(Self::new(actions)))
    }
}

impl Resources {
    /// A processor of these actions.
    #[must_use]
    pub fn new(actions: Actions) -> Self {
        Self { rewriter: Rewriter::default(), editor: Editor(actions) }
    }
}

impl Processor for Resources {
    fn process(&mut self, batch: Batch, out: &mut Out) {
        self.editor.0.begin(&batch.context);
        out.send(self.rewriter.rewrite_batch(batch, Level::Resource, out.budget(), &mut self.editor));
    }
}

impl AttributeEditor for Editor {
    fn attributes(&mut self, holder: Holder<'_>, changes: &mut Changes) {
        self.0.apply(holder, changes);
    }
}

#[cfg(test)]
mod tests;
