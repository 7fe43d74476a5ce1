//! What is known of a component type before any of it exists.

use std::sync::Arc;

use config::document::Role;
use config::{Diagnostics, Json, Node, Section};
use data::{Signal, Signals};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::build::{BuildCx, BuildError};
use crate::exporter::ExporterUnit;
use crate::gate::Gate;
use crate::node::Kind;
use crate::outlet::Outlets;
use crate::processor::Processor;
use crate::run::{Ended, Extension, Receiver, RunCx};

/// How far a component can be relied on. The Collector's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stability {
    /// Configuration may still change.
    Alpha,
    /// Configuration is settled; details may change.
    Beta,
    /// Kept compatible.
    Stable,
}

impl Stability {
    /// The name that people see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alpha => "alpha",
            Self::Beta => "beta",
            Self::Stable => "stable",
        }
    }
}

/// The signals of a component.
#[derive(Clone, Copy, Debug)]
pub enum Carries {
    /// The same signal in and out.
    Same(Signals),
    /// A connector's pairs of signal in and signal out.
    Pairs(&'static [(Signal, Signal)]),
}

impl Carries {
    /// Whether the component can stand at a place that gives it `input` and takes `output`.
    #[must_use]
    pub fn allows(self, input: Signal, output: Signal) -> bool {
        match self {
            Self::Same(signals) => input == output && signals.contains(input),
            Self::Pairs(pairs) => pairs.contains(&(input, output)),
        }
    }

    /// Whether the component takes (or, for a receiver, gives) this signal at all.
    #[must_use]
    pub fn takes(self, signal: Signal) -> bool {
        match self {
            Self::Same(signals) => signals.contains(signal),
            Self::Pairs(pairs) => pairs.iter().any(|(input, _)| *input == signal),
        }
    }
}

/// A component type. Each plugin crate exports one; the binary lists them.
#[derive(Debug)]
pub struct Spec {
    /// What it does.
    pub kind: Kind,
    /// Its type name, exactly as written in YAML.
    pub name: &'static str,
    /// Former names that still work, with a warning.
    pub deprecated_names: &'static [&'static str],
    /// The signals it carries.
    pub carries: Carries,
    /// How far it can be relied on.
    pub stability: Stability,
    /// One line for people.
    pub summary: &'static str,
    /// What its place in a pipeline means for the others.
    pub role: Role,
    parse: fn(&Node, &mut Diagnostics, &str) -> Option<Box<dyn Plan>>,
    reference: fn() -> Vec<config::Row>,
    schema: fn() -> Json,
}

impl Spec {
    /// A component type of one name, carrying OTLP's signals.
    #[must_use]
    pub const fn new<C: Component>(kind: Kind, name: &'static str, summary: &'static str) -> Self {
        Self {
            kind,
            name,
            deprecated_names: &[],
            carries: Carries::Same(Signals::OTLP),
            stability: Stability::Alpha,
            summary,
            role: Role::Plain,
            parse: parse::<C>,
            reference: config::reference::<C::Config>,
            schema: config::schema::<C::Config>,
        }
    }

    /// Sets the former names.
    #[must_use]
    pub const fn formerly(mut self, names: &'static [&'static str]) -> Self {
        self.deprecated_names = names;
        self
    }

    /// Sets the signals.
    #[must_use]
    pub const fn carrying(mut self, carries: Carries) -> Self {
        self.carries = carries;
        self
    }

    /// Says what its place in a pipeline means.
    #[must_use]
    pub const fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Sets the stability.
    #[must_use]
    pub const fn stability(mut self, stability: Stability) -> Self {
        self.stability = stability;
        self
    }

    /// Whether the user may call it `name`.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.deprecated_names.contains(&name)
    }

    /// Reads a component's body. `path` is what leads there: `exporters::otlp`.
    ///
    /// Nothing is returned if there was an error in it; all of them are in `diagnostics`.
    #[must_use]
    pub fn parse(&self, body: &Node, diagnostics: &mut Diagnostics, path: &str) -> Option<Box<dyn Plan>> {
        (self.parse)(body, diagnostics, path)
    }

    /// Its settings, for documentation.
    #[must_use]
    pub fn reference(&self) -> Vec<config::Row> {
        (self.reference)()
    }

    /// The JSON schema of its settings, for editors.
    #[must_use]
    pub fn schema(&self) -> Json {
        (self.schema)()
    }
}

/// The component types of a distribution: what a configuration may name.
#[derive(Clone, Copy, Debug)]
pub struct Specs(pub &'static [&'static Spec]);

impl Specs {
    /// The type of that kind which the user may call `name`.
    #[must_use]
    pub fn find(self, kind: Kind, name: &str) -> Option<&'static Spec> {
        self.0.iter().find(|spec| spec.kind == kind && spec.is_called(name)).copied()
    }

    /// Every type of a kind, in the order of the list.
    pub fn of_kind(self, kind: Kind) -> impl Iterator<Item = &'static Spec> {
        self.0.iter().copied().filter(move |spec| spec.kind == kind)
    }
}

impl config::document::Catalog for Specs {
    fn current_name(&self, kind: Kind, component_type: &str) -> Option<&'static str> {
        self.find(kind, component_type).map(|spec| spec.name)
    }

    fn type_names(&self, kind: Kind) -> Vec<&'static str> {
        self.of_kind(kind).map(|spec| spec.name).collect()
    }

    fn carries(&self, kind: Kind, component_type: &str, input: Signal, output: Signal) -> bool {
        self.find(kind, component_type).is_some_and(|spec| spec.carries.allows(input, output))
    }

    fn role(&self, component_type: &str) -> Role {
        self.find(Kind::Processor, component_type).map_or(Role::Plain, |spec| spec.role)
    }
}

/// How a component type is made. The configuration is typed and complete: after `build` nothing of it remains
/// to be interpreted.
pub trait Component: 'static {
    /// Its settings.
    type Config: Section + Send + Sync;

    /// Builds a stage. No I/O, no task: this also runs when a configuration is only checked.
    ///
    /// # Errors
    /// What is wrong with which field, beyond what the configuration's own checks found.
    fn build(config: &Self::Config, cx: &BuildCx) -> Result<Stage, BuildError>;
}

/// A configuration that was read and can be built, any number of times.
pub trait Plan: Send + Sync {
    /// See [`Component::build`].
    ///
    /// # Errors
    /// As there.
    fn build(&self, cx: &BuildCx) -> Result<Stage, BuildError>;

    /// Every setting as it would be written, defaults too; secrets as they are, or hidden.
    fn settings(&self, secrets: Secrets) -> Json;
}

/// Whether secrets are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// As [`config::REDACTED`].
    Hidden,
    /// As they are.
    Shown,
}

struct Planned<C: Component>(C::Config);

impl<C: Component> Plan for Planned<C> {
    fn build(&self, cx: &BuildCx) -> Result<Stage, BuildError> {
        C::build(&self.0, cx)
    }

    fn settings(&self, secrets: Secrets) -> Json {
        match secrets {
            Secrets::Hidden => config::render(&self.0),
            Secrets::Shown => config::expose(&self.0),
        }
    }
}

fn parse<C: Component>(body: &Node, diagnostics: &mut Diagnostics, path: &str) -> Option<Box<dyn Plan>> {
    let config = config::read::<C::Config>(body, diagnostics, path)?;
    Some(Box::new(Planned::<C>(config)))
}

/// A built component, ready to run.
pub enum Stage {
    /// Runs with a way out for each signal.
    Receiver(Box<dyn FnOnce(Outlets, RunCx) -> BoxFuture<'static, Ended> + Send>),
    /// A processor or connector.
    Processor(Box<dyn Processor>),
    /// A processor that only lets pass or refuses. One for all pipelines that name it.
    Gate(Arc<dyn Gate>),
    /// Opened once for each signal.
    Exporter(Box<dyn ExporterUnit>),
    /// Runs beside the pipelines.
    Extension(Box<dyn FnOnce(RunCx) -> BoxFuture<'static, Ended> + Send>),
}

impl Stage {
    /// Erases a receiver.
    pub fn receiver(receiver: impl Receiver) -> Self {
        Self::Receiver(Box::new(|outlets, cx| receiver.run(outlets, cx).boxed()))
    }

    /// Erases a processor or connector.
    pub fn processor(processor: impl Processor) -> Self {
        Self::Processor(Box::new(processor))
    }

    /// Erases a gate.
    pub fn gate(gate: impl Gate) -> Self {
        Self::Gate(Arc::new(gate))
    }

    /// Erases an extension.
    pub fn extension(extension: impl Extension) -> Self {
        Self::Extension(Box::new(|cx| extension.run(cx).boxed()))
    }
}
