//! Starting a graph, node by node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use component::{BoxError, Facilities, Inlet, NodeId, Out, Phase, RunCx, Stage};
use config::Node;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Engine, EngineError, Graph, RunningExporter, SOON, StartFailed};
use crate::blueprint::Blueprint;
use crate::running::{Report, start, wait};
use crate::stage::{drive, look_after};
use crate::view::view;
use crate::wiring::{Wired, Work};

impl Engine {
    pub(super) async fn start(
        &mut self,
        blueprint: Arc<Blueprint>,
        wired: Wired,
        kept: BTreeMap<NodeId, RunningExporter>,
    ) -> Result<(), StartFailed> {
        self.drain_timeout = blueprint.settings.drain_timeout;
        self.services.budget.set_limit(blueprint.settings.max_held_bytes);
        self.services.budget.set_ease(blueprint.settings.ease_above_bytes);
        let ran_before: BTreeSet<NodeId> = kept.keys().cloned().collect();
        let mut graph = Graph {
            blueprint,
            front: Vec::new(),
            exporters: kept,
            extensions: Vec::new(),
            draining: CancellationToken::new(),
            extensions_draining: CancellationToken::new(),
        };
        let Wired { mut work, exporters, nodes } = wired;
        self.process.show(view(&graph.blueprint, nodes));
        // Extensions, then exporters, then what leads to them; receivers last.
        work.sort_by_key(|(_, work)| match work {
            Work::Extension(_) => 0,
            Work::Exporter(_) => 1,
            Work::Processor { .. } | Work::Gate(_) => 2,
            Work::Receiver { .. } => 3,
        });
        let mut work = work.into_iter();
        while let Some((node, stage)) = work.next() {
            if let Err(error) = self.start_node(&mut graph, &exporters, node.clone(), stage).await {
                graph.draining.cancel();
                // What has not started holds ways into what has, which could not end before it is gone.
                drop((work, exporters));
                let kept = self.abandon(graph, &ran_before).await;
                return Err(StartFailed { error: EngineError::Start { node, error }, kept });
            }
        }
        self.graph = Some(graph);
        self.process.enter(Phase::Running, self.services.clock.now());
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
            // Its own, since it may run on when the graph does not.
            Work::Exporter(_) => {
                let retired = CancellationToken::new();
                (retired.clone(), retired)
            }
            Work::Receiver { .. } | Work::Gate(_) => (graph.draining.clone(), graph.draining.clone()),
            // Ends with its input, whose end is somebody else's to explain: a receiver that failed to start.
            Work::Processor { .. } => (graph.draining.clone(), cancelled()),
        };
        let (cx, ready) = self.run_cx(node.clone(), draining);
        let is_exporter = matches!(work, Work::Exporter(_));
        let is_extension = matches!(work, Work::Extension(_));
        let run = self.future(work, cx);
        let stopping = self.stopping.clone();
        let task = start(&self.services, 0, node.clone(), expected_end.clone(), stopping, ready, run).await?;
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
            Work::Gate(gate) => look_after(gate, cx).boxed(),
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
        let notes = self.books.notes(&node);
        let facilities = Facilities {
            clock: Arc::clone(&services.clock),
            budget: Arc::clone(&services.budget),
            workers: services.workers.clone(),
            listeners: services.listeners.clone(),
            meters: Arc::new(services.registry.scope()),
        };
        let cx = RunCx::new(node, facilities, ready).until(draining, self.stopping.clone());
        (cx.within(self.process.clone(), notes), is_ready)
    }

    /// Takes down a graph that could not be started as a whole; gives back the exporters that ran before it.
    async fn abandon(
        &mut self,
        graph: Graph,
        ran_before: &BTreeSet<NodeId>,
    ) -> BTreeMap<NodeId, RunningExporter> {
        let mut report = Report::default();
        graph.draining.cancel();
        let soon = Instant::now() + SOON;
        let mut tasks = wait(graph.front, soon, &mut report).await;
        let (kept, new): (BTreeMap<_, _>, BTreeMap<_, _>) =
            graph.exporters.into_iter().partition(|(node, _)| ran_before.contains(node));
        tasks.extend(new.into_values().map(RunningExporter::retire));
        graph.extensions_draining.cancel();
        tasks.extend(graph.extensions);
        self.retiring.extend(wait(tasks, soon, &mut report).await);
        kept
    }
}

fn cancelled() -> CancellationToken {
    let token = CancellationToken::new();
    token.cancel();
    token
}
