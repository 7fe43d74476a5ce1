//! What the process is doing, for those who show it. The engine writes it, extensions read it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use config::Json;
use data::{Account, Signal, Time};

use crate::capabilities::Capabilities;
use crate::channel::Level;
use crate::gate::Guard;
use crate::node::{Kind, NodeId};

/// Longest text of a [`Note`], in bytes.
const MAX_NOTE: usize = 1_000;

/// The process as it stands. Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub struct Process {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    started: Time,
    state: RwLock<(Phase, Time)>,
    graph: RwLock<Arc<Graph>>,
    capabilities: Capabilities,
}

/// Where the process stands between its start and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not every node is ready.
    Starting,
    /// Data is taken.
    Running,
    /// Nothing new is taken; what is held is delivered.
    Draining,
}

impl Phase {
    /// The name that people see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining => "draining",
        }
    }
}

/// The graph that runs.
#[derive(Debug, Default)]
pub struct Graph {
    /// Its pipelines, in the order of the configuration.
    pub pipelines: Vec<PipelineView>,
    /// Its nodes; one entry for each signal of a receiver.
    pub nodes: Vec<NodeView>,
    /// Ids of its extensions, in the order of their start.
    pub extensions: Vec<Arc<str>>,
    /// The components in use with their settings, secrets hidden.
    pub settings: Vec<SettingsView>,
}

/// A pipeline by the ids of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineView {
    /// Its id, such as `traces/backend`.
    pub name: Arc<str>,
    /// What it carries.
    pub signal: Signal,
    /// Receivers and connectors.
    pub receivers: Vec<Arc<str>>,
    /// Processors, in order.
    pub processors: Vec<Arc<str>>,
    /// Exporters and connectors, and whether a batch counts as delivered without them.
    pub exits: Vec<(Arc<str>, bool)>,
}

/// A node and how to look into it.
#[derive(Clone, Debug)]
pub struct NodeView {
    /// Which.
    pub node: NodeId,
    /// What is counted in `account`.
    pub signal: Signal,
    /// Its books.
    pub account: Arc<Account>,
    /// Its inbox or sending queue; none for receivers and gates.
    pub level: Option<Level>,
    /// The gate, if it is one.
    pub guard: Option<Arc<Guard>>,
    /// What went wrong there.
    pub notes: Arc<Notes>,
}

/// A component's settings.
#[derive(Clone, Debug)]
pub struct SettingsView {
    /// What it does.
    pub kind: Kind,
    /// Its id as the user wrote it.
    pub id: Arc<str>,
    /// Its type, under its current name.
    pub component_type: &'static str,
    /// Every setting, defaults too; secrets hidden.
    pub settings: Json,
}

/// What went wrong at a node: a count, and the last of it.
#[derive(Debug, Default)]
pub struct Notes {
    count: AtomicU64,
    last: Mutex<Option<Note>>,
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When.
    pub at: Time,
    /// What, for people.
    pub text: String,
}

impl Process {
    /// A process that starts now.
    #[must_use]
    pub fn new(now: Time) -> Self {
        let state = RwLock::new((Phase::Starting, now));
        let (graph, capabilities) = Default::default();
        Self { shared: Arc::new(Shared { started: now, state, graph, capabilities }) }
    }

    /// When it started.
    #[must_use]
    pub fn started(&self) -> Time {
        self.shared.started
    }

    /// Where it stands, and since when.
    #[must_use]
    pub fn phase(&self) -> (Phase, Time) {
        *self.shared.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The graph; while one is exchanged for another, the one before.
    #[must_use]
    pub fn graph(&self) -> Arc<Graph> {
        Arc::clone(&self.shared.graph.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What extensions do for other components.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    /// Enters a phase. For the engine.
    pub fn enter(&self, phase: Phase, now: Time) {
        let mut state = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.0 != phase {
            *state = (phase, now);
        }
    }

    /// Puts another graph in the place of the one before. For the engine.
    pub fn show(&self, graph: Graph) {
        *self.shared.graph.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(graph);
    }
}

impl Notes {
    /// Something went wrong. Only the last is kept, cut to 1,000 bytes.
    pub fn add(&self, at: Time, what: &dyn fmt::Display) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut text = what.to_string();
        if text.len() > MAX_NOTE {
            text.truncate(text.floor_char_boundary(MAX_NOTE));
            text.push('…');
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Note { at, text });
    }

    /// How often something went wrong.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// What went wrong last.
    #[must_use]
    pub fn last(&self) -> Option<Note> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_cut_between_characters() {
        let notes = Notes::default();
        notes.add(Time::default(), &"ä".repeat(MAX_NOTE));
        let last = notes.last().unwrap();
        assert_eq!((notes.count(), last.text.chars().count()), (1, MAX_NOTE / 2 + 1));
    }

    #[test]
    fn a_phase_is_dated_from_its_beginning() {
        let at = |mono| Time { mono, wall: mono };
        let process = Process::new(at(1));
        process.enter(Phase::Running, at(2));
        process.enter(Phase::Running, at(3));
        assert_eq!((process.started(), process.phase()), (at(1), (Phase::Running, at(2))));
    }
}
