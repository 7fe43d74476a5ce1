//! `template`: drops spans by name. The smallest processor that changes what flows; copy it to write your own.

use component::{BuildCx, BuildError, Component, Kind, Out, Processor, Spec, Stage};
use config::{Fields, Section};
use data::{Batch, Part};
use otlp::edit::{Editor, Fate, SpanEdit, edit};

/// The component type: kind, name in the configuration, one line for people.
pub const SPEC: Spec = Spec::new::<Template>(Kind::Processor, "template", "Drops spans by name");

/// Settings; `Default` says what an empty body means.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Names of the spans that go no further.
    pub names: Vec<String>,
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("names", "Names of the spans that go no further.", |c| &mut c.names);
    }
}

/// The processor, and the editor of its batches.
#[derive(Debug)]
pub struct Template(Config);

impl Component for Template {
    type Config = Config;

    fn build(config: &Config, _cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::processor(Self(config.clone())))
    }
}

impl Editor for Template {
    fn span(&mut self, span: &mut SpanEdit<'_>) -> Fate {
        let drop = self.0.names.iter().any(|name| span.before().name() == name.as_str());
        if drop { Fate::Drop } else { Fate::Keep }
    }
}

impl Processor for Template {
    fn process(&mut self, mut batch: Batch, out: &mut Out) {
        let Some(signal) = otlp::batch::otlp_signal(batch.signal()) else { return out.send(batch) };
        let (parts, items) = batch.take();
        let mut dropped = 0;
        let keep = |part: Part| {
            let edited = edit(signal, part.bytes(), self);
            dropped += edited.dropped;
            if edited.changed { out.budget().adopt_bytes(edited.bytes) } else { part }
        };
        let parts = parts.into_iter().map(keep).collect();
        batch.replace(parts, items.saturating_sub(dropped));
        out.discarded("name", dropped);
        if batch.items() > 0 { out.send(batch) } else { batch.delivered() }
    }
}

#[cfg(test)]
mod tests;
