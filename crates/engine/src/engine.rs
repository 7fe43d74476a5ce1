//! Starting, exchanging and draining a graph.

mod starting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use component::{BoxError, BuildCx, Environment, Inlet, Kind, NodeId, Phase, Process};
use config::Node;
use data::{Budget, Signals};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::blueprint::{Blueprint, Settings};
use crate::books::Books;
use crate::running::{NodeTask, Report, cut_off, wait};
use crate::services::Services;
use crate::wiring::{Unbuilt, Wired, wire};

/// What nodes get to end while something else waits for them, such as the next graph.
const SOON: Duration = Duration::from_secs(2);

/// Why a graph was not started. If another one was running, it still is.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Components that can't be built: kind, id, and what is wrong with which field.
    #[error("{}", .0.iter().map(|(kind, id, error)| format!("{} {id}: {error}", kind.name())).collect::<Vec<_>>().join("; "))]
    Build(Vec<(Kind, Arc<str>, component::BuildError)>),
    /// A node that could not start.
    #[error("cannot start pipelines: failed to start {node}: {error}")]
    Start {
        /// Which.
        node: NodeId,
        /// Why.
        error: BoxError,
    },
}

/// Runs one graph at a time.
pub struct Engine {
    services: Services,
    process: Process,
    books: Books,
    graph: Option<Graph>,
    /// Nodes of former graphs that still have something to deliver.
    retiring: Vec<NodeTask>,
    /// That of the newest graph.
    drain_timeout: Duration,
    stopping: CancellationToken,
}

struct Graph {
    blueprint: Arc<Blueprint>,
    /// Receivers, processors and connectors.
    front: Vec<NodeTask>,
    exporters: BTreeMap<NodeId, RunningExporter>,
    extensions: Vec<NodeTask>,
    draining: CancellationToken,
    extensions_draining: CancellationToken,
}

struct RunningExporter {
    task: NodeTask,
    inlet: Inlet,
    body: Node,
    retired: CancellationToken,
}

/// A graph that did not start, and the exporters in it that ran before.
struct StartFailed {
    error: EngineError,
    kept: BTreeMap<NodeId, RunningExporter>,
}

impl Engine {
    /// An engine with nothing to run.
    #[must_use]
    pub fn new(services: Services) -> Self {
        let books = Books::published(services.registry.clone());
        let process = Process::new(services.clock.now());
        let stopping = CancellationToken::new();
        Self { services, process, books, graph: None, retiring: Vec::new(), drain_timeout: SOON, stopping }
    }

    /// What it is doing, to look at while it runs.
    #[must_use]
    pub fn process(&self) -> Process {
        self.process.clone()
    }

    /// The accounts of every node that ever ran here.
    #[must_use]
    pub const fn books(&self) -> &Books {
        &self.books
    }

    /// Starts a graph, or exchanges the running one for it.
    ///
    /// The new one is built before the old one is touched. Then the old receivers stop taking, everything
    /// between them and the exporters is handed on, and the new graph starts. Exporters whose settings are the
    /// same run on with their queues; the others drain beside the new graph.
    ///
    /// # Errors
    /// [`EngineError`]. When a node can't start, the former graph is started again; if that fails too, it is
    /// [`Fatal`](component::Fatal).
    pub async fn run(&mut self, blueprint: Arc<Blueprint>) -> Result<(), EngineError> {
        let former = self.graph.as_ref().map(|graph| Arc::clone(&graph.blueprint));
        let nothing = BTreeMap::new();
        let running = self.graph.as_ref().map_or(&nothing, |graph| &graph.exporters);
        let wired = self.wire(&blueprint, running)?;
        self.services.listeners = self.services.listeners.next_generation();
        let kept = self.retire(&wired, &blueprint.settings).await;
        let failed = match self.start(blueprint, wired, kept).await {
            Ok(()) => {
                self.services.listeners.retain_current();
                return Ok(());
            }
            Err(failed) => failed,
        };
        if let Some(former) = former {
            self.restore(former, failed.kept).await;
        }
        Err(failed.error)
    }

    /// Stops taking, delivers everything held, and ends every node, within the drain timeout.
    ///
    /// Dropped before it is done, it leaves the books as they are: see [`undelivered`](Self::undelivered).
    pub async fn drain(&mut self) -> Report {
        self.process.enter(Phase::Draining, self.services.clock.now());
        let mut report = Report::default();
        let graph = self.graph.take();
        let deadline = Instant::now() + self.drain_timeout;
        let mut tasks = std::mem::take(&mut self.retiring);
        let mut extensions = None;
        if let Some(graph) = graph {
            graph.draining.cancel();
            tasks.extend(wait(graph.front, deadline, &mut report).await);
            tasks.extend(graph.exporters.into_values().map(RunningExporter::retire));
            extensions = Some((graph.extensions, graph.extensions_draining));
        }
        let late = wait(tasks, deadline, &mut report).await;
        cut_off(late, &self.stopping, &mut report).await;
        if let Some((tasks, draining)) = extensions {
            draining.cancel();
            let late = wait(tasks, Instant::now() + Duration::from_secs(1), &mut report).await;
            cut_off(late, &self.stopping, &mut report).await;
        }
        report.read_books(&self.books);
        report
    }

    /// Cancelled by whoever can wait no longer: every node then gives up what it has and ends. What it gave up is
    /// in the books, and in [`undelivered`](Self::undelivered).
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// What is not delivered at this moment, for a drain that was cut short.
    #[must_use]
    pub fn undelivered(&self) -> Report {
        let mut report = Report::default();
        report.read_books(&self.books);
        report
    }

    fn build_cx(&self, id: &Arc<str>) -> BuildCx {
        BuildCx {
            id: Arc::clone(id),
            signal: None,
            signals: Signals::default(),
            environment: self.services.environment.clone(),
            user_agent: Arc::clone(&self.services.user_agent),
        }
    }

    fn wire(
        &self,
        blueprint: &Blueprint,
        running: &BTreeMap<NodeId, RunningExporter>,
    ) -> Result<Wired, EngineError> {
        let alive = running.iter().filter(|(_, exporter)| !exporter.retired.is_cancelled());
        let running = alive.map(|(node, it)| (node.clone(), (it.inlet.clone(), it.body.clone()))).collect();
        wire(blueprint, &|id| self.build_cx(id), &self.books, &self.services.budget, &running)
            .map_err(unbuilt)
    }

    /// Ends what the new graph does not keep; gives back the exporters that it does.
    async fn retire(&mut self, wired: &Wired, settings: &Settings) -> BTreeMap<NodeId, RunningExporter> {
        let Some(graph) = self.graph.take() else { return BTreeMap::new() };
        let mut report = Report::default();
        graph.draining.cancel();
        // Nobody is served meanwhile, so what can't be handed on soon goes its way beside the new graph.
        let patience = Instant::now() + settings.drain_timeout.min(SOON);
        let late = wait(graph.front, patience, &mut report).await;
        self.retiring.extend(late);
        let kept = self.keep(graph.exporters, wired);
        graph.extensions_draining.cancel();
        // A file or a lock may be theirs: wait for those that can end soon, leave the others to themselves.
        let patience = Instant::now() + settings.drain_timeout.min(SOON);
        self.retiring.extend(graph.extensions);
        let retiring = std::mem::take(&mut self.retiring);
        self.retiring = wait(retiring, patience, &mut report).await;
        kept
    }

    /// The exporters that `wired` joins as they are; the others are retired.
    fn keep(
        &mut self,
        exporters: BTreeMap<NodeId, RunningExporter>,
        wired: &Wired,
    ) -> BTreeMap<NodeId, RunningExporter> {
        let built: BTreeSet<&NodeId> = wired.work.iter().map(|(node, _)| node).collect();
        let stays = |node: &NodeId| wired.exporters.contains_key(node) && !built.contains(node);
        let (kept, retired): (BTreeMap<_, _>, BTreeMap<_, _>) =
            exporters.into_iter().partition(|(node, _)| stays(node));
        self.retiring.extend(retired.into_values().map(RunningExporter::retire));
        kept
    }

    /// Starts the former graph again, with the exporters that ran on. If that fails too nothing is left that
    /// could run, so the process ends.
    async fn restore(&mut self, former: Arc<Blueprint>, exporters: BTreeMap<NodeId, RunningExporter>) {
        tracing::warn!("starting the former configuration again");
        self.services.listeners = self.services.listeners.next_generation();
        let started = match self.wire(&former, &exporters) {
            Ok(wired) => {
                let kept = self.keep(exporters, &wired);
                self.start(former, wired, kept).await
            }
            Err(error) => Err(StartFailed { error, kept: exporters }),
        };
        match started {
            Ok(()) => self.services.listeners.retain_current(),
            Err(StartFailed { error, kept }) => {
                self.retiring.extend(kept.into_values().map(RunningExporter::retire));
                let reason = format!("the former configuration can't be started again: {error}");
                self.services.fatal.report(reason);
            }
        }
    }
}

impl RunningExporter {
    /// Lets go of the way in: the exporter ends once everybody else has, and all is delivered.
    fn retire(self) -> NodeTask {
        self.retired.cancel();
        self.task
    }
}

/// Checks that every component in use can be built, without starting anything.
///
/// # Errors
/// [`EngineError::Build`] with everything that can't.
pub fn check(
    blueprint: &Blueprint,
    environment: &Environment,
    user_agent: &Arc<str>,
) -> Result<(), EngineError> {
    let cx = |id: &Arc<str>| BuildCx {
        id: Arc::clone(id),
        signal: None,
        signals: Signals::default(),
        environment: environment.clone(),
        user_agent: Arc::clone(user_agent),
    };
    wire(blueprint, &cx, &Books::default(), &Budget::unlimited(), &BTreeMap::new()).map(drop).map_err(unbuilt)
}

fn unbuilt(errors: Vec<Unbuilt>) -> EngineError {
    EngineError::Build(errors.into_iter().map(|it| (it.kind, it.id, it.error)).collect())
}
