//! Starting, exchanging and draining a graph.

use std::collections::BTreeMap;
use std::sync::Arc;

use component::{
    BoxError, BuildCx, Environment, Fatal, Inlet, Kind, Listeners, NodeId, Out, RunCx, Stage, Workers,
};
use config::Node;
use data::{Budget, Clock};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::blueprint::{Blueprint, Settings};
use crate::books::Books;
use crate::running::{NodeTask, Report, cut_off, start, wait};
use crate::stage::drive;
use crate::wiring::{Unbuilt, Wired, Work, wire};

/// What the process offers to its graph.
#[derive(Clone)]
pub struct Services {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Memory for telemetry.
    pub budget: Arc<Budget>,
    /// The data plane's threads.
    pub workers: Workers,
    /// Sockets that outlive a reload.
    pub listeners: Listeners,
    /// The collector's own metrics.
    pub registry: telemetry::metrics::Registry,
    /// Where the end of the process is asked for.
    pub fatal: Fatal,
    /// The environment at the start.
    pub environment: Environment,
    /// See [`BuildCx::user_agent`].
    pub user_agent: Arc<str>,
}

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
    books: Books,
    graph: Option<Graph>,
    /// Exporters of former graphs that still have something to deliver.
    retiring: Vec<NodeTask>,
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

impl Engine {
    /// An engine with nothing to run.
    #[must_use]
    pub fn new(services: Services) -> Self {
        let books = Books::published(services.registry.clone());
        let stopping = CancellationToken::new();
        Self { services, books, graph: None, retiring: Vec::new(), stopping }
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
    /// [`EngineError`]. When a node can't start, the former graph is started again.
    pub async fn run(&mut self, blueprint: Arc<Blueprint>) -> Result<(), EngineError> {
        let former = self.graph.as_ref().map(|graph| Arc::clone(&graph.blueprint));
        let wired = self.wire(&blueprint)?;
        self.services.listeners = self.services.listeners.next_generation();
        let kept = self.retire(&wired, &blueprint.settings).await;
        match self.start(Arc::clone(&blueprint), wired, kept).await {
            Ok(()) => {
                self.services.listeners.retain_current();
                Ok(())
            }
            Err(error) => {
                if let Some(former) = former {
                    tracing::warn!("starting the former configuration again");
                    self.services.listeners = self.services.listeners.next_generation();
                    let wired = self.wire(&former)?;
                    self.start(former, wired, BTreeMap::new()).await?;
                }
                Err(error)
            }
        }
    }

    /// Stops taking, delivers everything held, and ends every node, within the drain timeout.
    pub async fn drain(&mut self) -> Report {
        let mut report = Report::default();
        let Some(graph) = self.graph.take() else { return report };
        let deadline = Instant::now() + graph.blueprint.settings.drain_timeout;
        graph.draining.cancel();
        let mut tasks = wait(graph.front, deadline, &mut report).await;
        for (_, exporter) in graph.exporters {
            exporter.retired.cancel();
            tasks.push(exporter.task);
        }
        tasks.append(&mut self.retiring);
        let late = wait(tasks, deadline, &mut report).await;
        cut_off(late, &self.stopping, &mut report).await;
        graph.extensions_draining.cancel();
        let late =
            wait(graph.extensions, Instant::now() + std::time::Duration::from_secs(1), &mut report).await;
        cut_off(late, &self.stopping, &mut report).await;
        report.read_books(&self.books);
        report
    }

    fn build_cx(&self, id: &Arc<str>) -> BuildCx {
        BuildCx {
            id: Arc::clone(id),
            environment: self.services.environment.clone(),
            user_agent: Arc::clone(&self.services.user_agent),
        }
    }

    fn wire(&self, blueprint: &Blueprint) -> Result<Wired, EngineError> {
        let running = self.graph.as_ref().map(|graph| {
            let exporters = graph.exporters.iter();
            let alive = exporters.filter(|(_, exporter)| !exporter.retired.is_cancelled());
            alive.map(|(node, it)| (node.clone(), (it.inlet.clone(), it.body.clone()))).collect()
        });
        let running = running.unwrap_or_default();
        wire(blueprint, &|id| self.build_cx(id), &self.books, &self.services.budget, &running).map_err(unbuilt)
    }

    /// Ends what the new graph does not keep; gives back the exporters that it does.
    async fn retire(&mut self, wired: &Wired, settings: &Settings) -> BTreeMap<NodeId, RunningExporter> {
        let mut kept = BTreeMap::new();
        let Some(graph) = self.graph.take() else { return kept };
        let mut report = Report::default();
        let deadline = Instant::now() + settings.drain_timeout;
        graph.draining.cancel();
        graph.extensions_draining.cancel();
        let late = wait(graph.front, deadline, &mut report).await;
        self.retiring.extend(late);
        let built: Vec<&NodeId> = wired.work.iter().map(|(node, _)| node).collect();
        for (node, exporter) in graph.exporters {
            if wired.exporters.contains_key(&node) && !built.contains(&&node) {
                kept.insert(node, exporter);
            } else {
                exporter.retired.cancel();
                self.retiring.push(exporter.task);
            }
        }
        // A file or a lock may be theirs: wait for those that can end soon, leave the others to themselves.
        let patience = deadline.min(Instant::now() + std::time::Duration::from_secs(2));
        let retiring = std::mem::take(&mut self.retiring);
        self.retiring = wait(retiring, patience, &mut report).await;
        let late = wait(graph.extensions, patience, &mut report).await;
        self.retiring.extend(late);
        kept
    }

    async fn start(
        &mut self,
        blueprint: Arc<Blueprint>,
        wired: Wired,
        kept: BTreeMap<NodeId, RunningExporter>,
    ) -> Result<(), EngineError> {
        self.services.budget.set_limit(blueprint.settings.max_held_bytes);
        self.services.budget.set_ease(blueprint.settings.ease_above_bytes);
        let mut graph = Graph {
            blueprint,
            front: Vec::new(),
            exporters: kept,
            extensions: Vec::new(),
            draining: CancellationToken::new(),
            extensions_draining: CancellationToken::new(),
        };
        let Wired { work, exporters, .. } = wired;
        let mut work: Vec<_> = work.into_iter().collect();
        // Extensions, then exporters, then what leads to them; receivers last.
        work.sort_by_key(|(_, work)| match work {
            Work::Extension(_) => 0,
            Work::Exporter(_) => 1,
            Work::Processor { .. } => 2,
            Work::Receiver { .. } => 3,
        });
        for (node, work) in work {
            if let Err(error) = self.start_node(&mut graph, &exporters, node.clone(), work).await {
                self.abandon(graph).await;
                return Err(EngineError::Start { node, error });
            }
        }
        self.graph = Some(graph);
        Ok(())
    }

    async fn start_node(
        &self,
        graph: &mut Graph,
        exporters: &BTreeMap<NodeId, (Inlet, Node)>,
        node: NodeId,
        work: Work,
    ) -> Result<(), BoxError> {
        let (draining, expected_end) = match &work {
            Work::Extension(_) => (graph.extensions_draining.clone(), graph.extensions_draining.clone()),
            Work::Exporter(_) => (graph.draining.clone(), CancellationToken::new()),
            Work::Processor { .. } | Work::Receiver { .. } => {
                (graph.draining.clone(), graph.draining.clone())
            }
        };
        let (cx, ready) = self.run_cx(node.clone(), draining);
        let is_exporter = matches!(work, Work::Exporter(_));
        let is_extension = matches!(work, Work::Extension(_));
        let run = self.future(work, cx);
        let task = start(&self.services, 0, node.clone(), expected_end.clone(), ready, run).await?;
        if is_exporter {
            let (inlet, body) = exporters.get(&node).cloned().ok_or("an exporter without a way in")?;
            let running = RunningExporter { task, inlet, body, retired: expected_end };
            graph.exporters.insert(node, running);
        } else if is_extension {
            graph.extensions.push(task);
        } else {
            graph.front.push(task);
        }
        Ok(())
    }

    fn future(&self, work: Work, cx: RunCx) -> BoxFuture<'static, component::Ended> {
        match work {
            Work::Extension(Stage::Extension(run)) => run(cx),
            Work::Receiver { stage: Stage::Receiver(run), outlets } => run(outlets, cx),
            Work::Exporter(stage) => (stage.run)(cx),
            Work::Processor { stage, inbox, outlet } => {
                let account = Arc::clone(outlet.account());
                let out = Out::new(Arc::clone(&cx.name), Arc::clone(&cx.budget), account);
                drive(stage, inbox, outlet, out, cx).boxed()
            }
            Work::Extension(_) | Work::Receiver { .. } => {
                async { Err(BoxError::from("the component built another kind of stage")) }.boxed()
            }
        }
    }

    fn run_cx(&self, node: NodeId, draining: CancellationToken) -> (RunCx, oneshot::Receiver<()>) {
        let (ready, is_ready) = oneshot::channel();
        let services = &self.services;
        let cx = RunCx::new(
            node,
            Arc::clone(&services.clock),
            Arc::clone(&services.budget),
            services.workers.clone(),
            services.listeners.clone(),
            Arc::new(services.registry.scope()),
            draining,
            self.stopping.clone(),
            ready,
        );
        (cx, is_ready)
    }

    /// Takes down a graph that could not be started as a whole.
    async fn abandon(&mut self, graph: Graph) {
        let mut report = Report::default();
        graph.draining.cancel();
        graph.extensions_draining.cancel();
        let soon = Instant::now() + std::time::Duration::from_secs(2);
        let mut tasks = wait(graph.front, soon, &mut report).await;
        for (_, exporter) in graph.exporters {
            exporter.retired.cancel();
            tasks.push(exporter.task);
        }
        tasks.extend(graph.extensions);
        self.retiring.extend(wait(tasks, soon, &mut report).await);
    }
}

/// Checks that every component in use can be built, without starting anything.
///
/// # Errors
/// [`EngineError::Build`] with everything that can't.
pub fn check(blueprint: &Blueprint, environment: &Environment, user_agent: &Arc<str>) -> Result<(), EngineError> {
    let cx = |id: &Arc<str>| BuildCx {
        id: Arc::clone(id),
        environment: environment.clone(),
        user_agent: Arc::clone(user_agent),
    };
    wire(blueprint, &cx, &Books::default(), &Budget::unlimited(), &BTreeMap::new()).map(drop).map_err(unbuilt)
}

fn unbuilt(errors: Vec<Unbuilt>) -> EngineError {
    EngineError::Build(errors.into_iter().map(|it| (it.kind, it.id, it.error)).collect())
}
