//! A configuration, read and checked, that can be built.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use component::{Carries, Kind, Plan, Spec};
use data::Signal;

/// A component of the configuration with its settings read.
pub struct Part {
    /// Its type.
    pub spec: &'static Spec,
    /// The id as the user wrote it.
    pub id: Arc<str>,
    /// Its settings.
    pub plan: Box<dyn Plan>,
    /// Equal for equal settings: what a reload compares.
    pub fingerprint: String,
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
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.spec.kind, self.id)
    }
}

impl Blueprint {
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

    /// Signals that the connector `id` gives for `input`.
    pub(crate) fn outputs(&self, id: &str, input: Signal) -> Vec<Signal> {
        let carries = self.part(Kind::Connector, id).map(|part| part.spec.carries);
        let allowed =
            |output: &Signal| carries.is_some_and(|carries: Carries| carries.allows(input, *output));
        self.signals_from(id).into_iter().filter(allowed).collect()
    }
}
