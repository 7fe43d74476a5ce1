//! A configuration, read and checked, that can be built.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use component::{BuildError, Carries, Kind, Plan, Spec, Specs};
use config::document::{self, Document, Reference};
use config::{Diagnostic, Diagnostics, Node, Span, Tree, Value};
use data::{Signal, Signals};

use crate::draft::Draft;
use crate::engine::EngineError;

/// A component of the configuration with its settings read.
pub struct Part {
    /// Its type.
    pub spec: &'static Spec,
    /// The id as the user wrote it.
    pub id: Arc<str>,
    /// Its settings.
    pub plan: Box<dyn Plan>,
    /// Its body in the configuration, for the places of errors.
    pub body: Node,
}

/// Where a pipeline leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The id of an exporter or connector.
    pub id: Arc<str>,
    /// Whether a batch counts as delivered without it.
    pub best_effort: bool,
}

/// One pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// Its id, such as `traces/backend`.
    pub name: Arc<str>,
    /// What it carries.
    pub signal: Signal,
    /// Ids of receivers and connectors.
    pub receivers: Vec<Arc<str>>,
    /// Ids of processors, in order.
    pub processors: Vec<Arc<str>>,
    /// Where it leads.
    pub exits: Vec<Exit>,
}

/// What holds for the process as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Longest time for everything held to be delivered once the process is told to stop.
    pub drain_timeout: Duration,
    /// Most bytes of telemetry that may be held; beyond it receivers refuse.
    pub max_held_bytes: usize,
    /// Bytes waiting in sending queues above which clients are answered more slowly.
    pub ease_above_bytes: usize,
    /// Threads of the data plane; 0 lets the process choose.
    pub workers: usize,
}

/// A graph that is known to fit together: every reference leads somewhere, every signal is carried.
#[derive(Debug)]
pub struct Blueprint {
    /// Every component, used or not.
    pub parts: Vec<Part>,
    /// Ids of the extensions to start, in order.
    pub extensions: Vec<Arc<str>>,
    /// The pipelines.
    pub pipelines: Vec<Pipeline>,
    /// The process.
    pub settings: Settings,
    /// What it was read from.
    pub document: Document,
    /// The texts to quote from when something is wrong with it.
    pub texts: Diagnostics,
}

impl Part {
    /// What can't be built, at its place in the configuration.
    pub(crate) fn finding(&self, error: &BuildError) -> Diagnostic {
        let path = format!("{}::{}", self.spec.kind.section(), self.id);
        let path = if error.path.is_empty() { path } else { format!("{path}::{}", error.path) };
        Diagnostic::error(place(&self.body, &error.path), path, error.message.clone())
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.spec.kind.name(), self.id)
    }
}

impl Blueprint {
    /// Reads a whole configuration: its structure and the settings of every component, used or not.
    ///
    /// Everything that is wrong goes to `diagnostics`; nothing is returned if there was any error.
    /// `memory` is what the process may use, in bytes.
    #[must_use]
    pub fn read(tree: &Tree, specs: Specs, memory: u64, diagnostics: &mut Diagnostics) -> Option<Self> {
        Draft::read(tree, specs, diagnostics)?.finish(memory, diagnostics)
    }

    pub(crate) fn of(draft: Draft, memory: u64) -> Self {
        let Draft { document, parts, texts, .. } = draft;
        let service = &document.service;
        let max_held_bytes =
            max_held_bytes(service.limits.max_memory_mib, service.limits.max_held_mib, memory);
        let settings = Settings {
            drain_timeout: service.drain_timeout,
            max_held_bytes: usize::try_from(max_held_bytes).unwrap_or(usize::MAX),
            ease_above_bytes: usize::try_from(service.limits.ease_above_mib.saturating_mul(1 << 20))
                .unwrap_or(usize::MAX),
            workers: service.workers,
        };
        let pipelines = service.pipelines.iter().map(pipeline).collect();
        let parts = parts.into_iter().map(|drafted| drafted.part).collect();
        Self { parts, extensions: ids(&service.extensions), pipelines, settings, document, texts }
    }

    /// Findings for what the engine could not build, at their places in the configuration.
    #[must_use]
    pub fn explain(&self, error: &EngineError) -> Option<Diagnostics> {
        let EngineError::Build(failures) = error else { return None };
        let mut diagnostics = Diagnostics::new(self.texts.sources().clone());
        for (kind, id, error) in failures {
            diagnostics.push(match self.part(*kind, id) {
                Some(part) => part.finding(error),
                None => Diagnostic::error(Span::default(), kind.section(), error.to_string()),
            });
        }
        Some(diagnostics)
    }

    /// The component of that kind and id.
    #[must_use]
    pub fn part(&self, kind: Kind, id: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.spec.kind == kind && &*part.id == id)
    }

    /// Signals that some pipeline takes from the receiver `id`.
    pub(crate) fn signals_from(&self, id: &str) -> BTreeSet<Signal> {
        let takes = |pipeline: &&Pipeline| pipeline.receivers.iter().any(|receiver| &**receiver == id);
        self.pipelines.iter().filter(takes).map(|pipeline| pipeline.signal).collect()
    }

    /// What the pipelines carry that name a component.
    pub(crate) fn carried(&self, kind: Kind, id: &str) -> Signals {
        let among = |list: &[Arc<str>]| list.iter().any(|named| &**named == id);
        let leads_to = |pipeline: &Pipeline| pipeline.exits.iter().any(|exit| &*exit.id == id);
        let names = |pipeline: &&Pipeline| match kind {
            Kind::Receiver => among(&pipeline.receivers),
            Kind::Processor => among(&pipeline.processors),
            Kind::Exporter => leads_to(pipeline),
            Kind::Connector => leads_to(pipeline) || among(&pipeline.receivers),
            Kind::Extension => false,
        };
        let signals: Vec<Signal> =
            self.pipelines.iter().filter(names).map(|pipeline| pipeline.signal).collect();
        Signals::of(&signals)
    }

    /// Signals that the connector `id` gives for `input`.
    pub(crate) fn outputs(&self, id: &str, input: Signal) -> Vec<Signal> {
        let carries = self.part(Kind::Connector, id).map(|part| part.spec.carries);
        let allowed =
            |output: &Signal| carries.is_some_and(|carries: Carries| carries.allows(input, *output));
        self.signals_from(id).into_iter().filter(allowed).collect()
    }
}

/// Bytes of telemetry and of connections' buffers that keep the resident memory under its bound.
///
/// Measured with full queues: the process itself takes under 40 MiB, and the allocator under a twentieth more than
/// what is held. Buffers may take an eighth of the result beyond it.
fn max_held_bytes(max_memory_mib: u64, max_held_mib: u64, available: u64) -> u64 {
    const MIB: u64 = 1024 * 1024;
    let max_memory = match max_memory_mib {
        0 => available / 2,
        mib => mib.saturating_mul(MIB),
    };
    match max_held_mib {
        0 => (max_memory / 10 * 8).saturating_sub(40 * MIB).max(4 * MIB),
        mib => mib.saturating_mul(MIB),
    }
}

fn pipeline(pipeline: &document::Pipeline) -> Pipeline {
    let best_effort = |exit: &Reference| pipeline.best_effort.iter().any(|other| other.id == exit.id);
    let exits = pipeline.exporters.iter();
    let mut exits: Vec<Exit> =
        exits.map(|exit| Exit { id: exit.id.to_string().into(), best_effort: best_effort(exit) }).collect();
    // Named twice is used once, as in the Collector; the reader has warned.
    let mut seen = BTreeSet::new();
    exits.retain(|exit| seen.insert(Arc::clone(&exit.id)));
    Pipeline {
        name: pipeline.id.to_string().into(),
        signal: pipeline.id.signal,
        receivers: ids(&pipeline.receivers),
        processors: ids(&pipeline.processors),
        exits,
    }
}

/// Whether two bodies say the same, wherever they stand.
pub(crate) fn same(one: &Node, other: &Node) -> bool {
    match (&one.value, &other.value) {
        (Value::Seq(one), Value::Seq(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Map(one), Value::Map(other)) => {
            let pairs = || one.iter().zip(other);
            one.len() == other.len()
                && pairs().all(|(one, other)| one.0.text == other.0.text && same(&one.1, &other.1))
        }
        // The text matters too: a text field takes it as it was written.
        (value, other_value) => value == other_value && one.text == other.text,
    }
}

fn ids(references: &[Reference]) -> Vec<Arc<str>> {
    references.iter().map(|reference| reference.id.to_string().into()).collect()
}

/// Where a `::` path below a body stands, or the nearest place above it that does.
fn place(body: &Node, path: &str) -> Span {
    let mut node = body;
    let mut span = body.place();
    for key in path.split("::").filter(|key| !key.is_empty()) {
        let Some((key, inner)) = node.entry(key) else { break };
        (span, node) = (key.span, inner);
    }
    span
}
