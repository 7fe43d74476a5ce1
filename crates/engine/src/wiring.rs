//! From a blueprint to nodes joined by channels.
//!
//! Built from the exits backwards, so that a way in exists before the way out that leads to it. An exporter that
//! a reload leaves as it was is not built again: its running node is joined to the new graph.

use std::collections::BTreeMap;
use std::sync::Arc;

use component::{
    BuildCx, BuildError, Capacity, Edge, ExporterStage, ExporterUnit, Gate, Guard, Inbox, Inlet, Kind, Level,
    NodeId, NodeView, Outlet, Outlets, Processor, Stage, Way, channel,
};
use config::Node;
use data::{Account, Budget, Signal};

use crate::blueprint::{Blueprint, Pipeline, same};
use crate::books::Books;

/// A component can't be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unbuilt {
    pub(crate) kind: Kind,
    pub(crate) id: Arc<str>,
    pub(crate) error: BuildError,
}

/// What is to be run at one node.
pub(crate) enum Work {
    Extension(Stage),
    Exporter(ExporterStage),
    Processor {
        stage: Box<dyn Processor>,
        inbox: Inbox,
        outlet: Outlet,
    },
    /// What looks after a gate; the gate itself stands on the edges.
    Gate(Arc<dyn Gate>),
    Receiver {
        stage: Stage,
        outlets: Outlets,
    },
}

/// A graph that is wired and not yet started.
pub(crate) struct Wired {
    pub(crate) work: Vec<(NodeId, Work)>,
    /// The ways into the exporters, by node: what keeps them open for the next reload.
    pub(crate) exporters: BTreeMap<NodeId, (Inlet, Node)>,
    /// Every node, to look into.
    pub(crate) nodes: Vec<NodeView>,
}

/// Builds every component in use and joins them.
///
/// `running` are exporters that may be joined instead of built, with the settings that they run with.
pub(crate) fn wire(
    blueprint: &Blueprint,
    cx: &dyn Fn(&Arc<str>) -> BuildCx,
    books: &Books,
    budget: &Arc<Budget>,
    running: &BTreeMap<NodeId, (Inlet, Node)>,
) -> Result<Wired, Vec<Unbuilt>> {
    let mut wiring = Wiring {
        blueprint,
        cx,
        books,
        budget,
        running,
        units: BTreeMap::new(),
        connectors: BTreeMap::new(),
        gates: BTreeMap::new(),
        entries: BTreeMap::new(),
        errors: Vec::new(),
        wired: Wired { work: Vec::new(), exporters: BTreeMap::new(), nodes: Vec::new() },
    };
    wiring.extensions();
    for pipeline in &blueprint.pipelines {
        wiring.entry(pipeline);
    }
    wiring.receivers();
    if wiring.errors.is_empty() { Ok(wiring.wired) } else { Err(wiring.errors) }
}

struct Wiring<'a> {
    blueprint: &'a Blueprint,
    cx: &'a dyn Fn(&Arc<str>) -> BuildCx,
    books: &'a Books,
    budget: &'a Arc<Budget>,
    running: &'a BTreeMap<NodeId, (Inlet, Node)>,
    units: BTreeMap<Arc<str>, Box<dyn ExporterUnit>>,
    connectors: BTreeMap<NodeId, Inlet>,
    /// One for each id, whatever pipelines it stands in.
    gates: BTreeMap<Arc<str>, Arc<dyn Gate>>,
    entries: BTreeMap<Arc<str>, Way>,
    errors: Vec<Unbuilt>,
    wired: Wired,
}

impl Wiring<'_> {
    fn extensions(&mut self) {
        for id in &self.blueprint.extensions {
            if let Some(stage) = self.build(Kind::Extension, id) {
                self.wired.work.push((NodeId::shared(Kind::Extension, id), Work::Extension(stage)));
            }
        }
    }

    fn receivers(&mut self) {
        for part in self.blueprint.parts.iter().filter(|part| part.spec.kind == Kind::Receiver) {
            let signals = self.blueprint.signals_from(&part.id);
            if signals.is_empty() {
                continue;
            }
            let node = NodeId::shared(Kind::Receiver, &part.id);
            let mut outlets = Outlets::default();
            for signal in signals {
                let account = self.books.account(&node, signal);
                self.show(&node, signal, &account, None, None);
                let outlet = Outlet::through(self.ways_from(&part.id, signal), account);
                outlets = outlets.with(signal, outlet);
            }
            if let Some(stage) = self.build(Kind::Receiver, &part.id) {
                self.wired.work.push((node, Work::Receiver { stage, outlets }));
            }
        }
    }

    /// The ways from a receiver or connector into every pipeline of that signal that takes from it.
    fn ways_from(&mut self, id: &str, signal: Signal) -> Vec<Way> {
        let takes = |pipeline: &&Pipeline| {
            pipeline.signal == signal && pipeline.receivers.iter().any(|receiver| &**receiver == id)
        };
        self.blueprint.pipelines.iter().filter(takes).map(|pipeline| self.entry(pipeline)).collect()
    }

    /// The way into a pipeline, wiring it if that has not been done.
    fn entry(&mut self, pipeline: &Pipeline) -> Way {
        if let Some(way) = self.entries.get(&pipeline.name) {
            return way.clone();
        }
        let mut way = Way::from(self.exits(pipeline));
        for id in pipeline.processors.iter().rev() {
            let node = NodeId::processor(id, pipeline.signal, &pipeline.name);
            way = self.stage(Kind::Processor, id, node, pipeline.signal, vec![way]);
        }
        self.entries.insert(Arc::clone(&pipeline.name), way.clone());
        way
    }

    fn exits(&mut self, pipeline: &Pipeline) -> Vec<Edge> {
        let mut edges = Vec::new();
        for exit in &pipeline.exits {
            let inlets = if self.blueprint.part(Kind::Exporter, &exit.id).is_some() {
                self.exporter(&exit.id, pipeline.signal).into_iter().collect()
            } else {
                self.connector(&exit.id, pipeline.signal)
            };
            edges.extend(inlets.into_iter().map(|inlet| Edge { inlet, best_effort: exit.best_effort }));
        }
        edges
    }

    fn connector(&mut self, id: &Arc<str>, input: Signal) -> Vec<Inlet> {
        let mut inlets = Vec::new();
        for output in self.blueprint.outputs(id, input) {
            let node = NodeId::connector(id, input, output);
            if let Some(inlet) = self.connectors.get(&node) {
                inlets.push(inlet.clone());
                continue;
            }
            let ways = self.ways_from(id, output);
            let way = self.stage(Kind::Connector, id, node.clone(), input, ways);
            if let [Edge { inlet, .. }] = &*way.edges {
                self.connectors.insert(node, inlet.clone());
                inlets.push(inlet.clone());
            }
        }
        inlets
    }

    /// The way through a processor or connector to what is behind it; without edges if it can't be built.
    fn stage(&mut self, kind: Kind, id: &Arc<str>, node: NodeId, signal: Signal, behind: Vec<Way>) -> Way {
        if let (Kind::Processor, Some(gate)) = (kind, self.gates.get(id)) {
            return self.guarded(Arc::clone(gate), &node, signal, behind);
        }
        match self.build_for(kind, id, Some(signal)) {
            Some(Stage::Processor(stage)) => self.processor(stage, node, signal, behind),
            Some(Stage::Gate(gate)) if kind == Kind::Processor => {
                self.gates.insert(Arc::clone(id), Arc::clone(&gate));
                self.wired.work.push((NodeId::shared(kind, id), Work::Gate(Arc::clone(&gate))));
                self.guarded(gate, &node, signal, behind)
            }
            Some(_) => self.wrong_stage(kind, id).unwrap_or_default(),
            None => Way::default(),
        }
    }

    fn processor(
        &mut self,
        stage: Box<dyn Processor>,
        node: NodeId,
        signal: Signal,
        behind: Vec<Way>,
    ) -> Way {
        let account = self.books.account(&node, signal);
        let takes_over = stage.takes_over().then(|| node.to_string().into());
        let (inlet, inbox) = channel(Capacity { takes_over, ..Capacity::inbox() }, Arc::clone(&account));
        self.show(&node, signal, &account, Some(inlet.level()), None);
        let outlet = Outlet::through(behind, account);
        self.wired.work.push((node, Work::Processor { stage, inbox, outlet }));
        vec![Edge { inlet, best_effort: false }].into()
    }

    fn guarded(&mut self, gate: Arc<dyn Gate>, node: &NodeId, signal: Signal, behind: Vec<Way>) -> Way {
        let account = self.books.account(node, signal);
        let guard = Arc::new(Guard::new(gate, Arc::clone(self.budget), Arc::clone(&account)));
        self.show(node, signal, &account, None, Some(Arc::clone(&guard)));
        let mut way = Way { guards: vec![guard], edges: Vec::new() };
        // Inside a pipeline there is one way behind a processor.
        for Way { guards, edges } in behind {
            way.guards.extend(guards);
            way.edges.extend(edges);
        }
        way
    }

    fn exporter(&mut self, id: &Arc<str>, signal: Signal) -> Option<Inlet> {
        let node = NodeId::exporter(id, signal);
        if let Some((inlet, _)) = self.wired.exporters.get(&node) {
            return Some(inlet.clone());
        }
        let body = &self.blueprint.part(Kind::Exporter, id)?.body;
        let inlet = match self.running.get(&node) {
            Some((inlet, _)) if self.runs_on(id, body) => inlet.clone(),
            _ => self.new_exporter(id, &node, signal)?,
        };
        let account = self.books.account(&node, signal);
        self.show(&node, signal, &account, Some(inlet.level()), None);
        self.wired.exporters.insert(node, (inlet.clone(), body.clone()));
        Some(inlet)
    }

    /// Whether a running exporter serves the new graph as it is: with these settings, and for each of its signals.
    ///
    /// Built for one more signal it would be there twice, and both would own what its stages share, such as a file.
    fn runs_on(&self, id: &Arc<str>, body: &Node) -> bool {
        let leads_here = |pipeline: &&Pipeline| pipeline.exits.iter().any(|exit| exit.id == *id);
        let mut signals = self.blueprint.pipelines.iter().filter(leads_here).map(|pipeline| pipeline.signal);
        signals.all(|signal| {
            let running = self.running.get(&NodeId::exporter(id, signal));
            running.is_some_and(|(_, former)| same(former, body))
        })
    }

    fn new_exporter(&mut self, id: &Arc<str>, node: &NodeId, signal: Signal) -> Option<Inlet> {
        if !self.units.contains_key(id) {
            let Stage::Exporter(unit) = self.build(Kind::Exporter, id)? else {
                return self.wrong_stage(Kind::Exporter, id);
            };
            self.units.insert(Arc::clone(id), unit);
        }
        let stage = self.units.get(id)?.stage(node, signal, self.books.account(node, signal), self.budget);
        let inlet = stage.inlet.clone();
        self.wired.work.push((node.clone(), Work::Exporter(stage)));
        Some(inlet)
    }

    /// Makes a node visible.
    fn show(
        &mut self,
        node: &NodeId,
        signal: Signal,
        account: &Arc<Account>,
        level: Option<Level>,
        guard: Option<Arc<Guard>>,
    ) {
        let (node, account, notes) = (node.clone(), Arc::clone(account), self.books.notes(node));
        self.wired.nodes.push(NodeView { node, signal, account, level, guard, notes });
    }

    fn build(&mut self, kind: Kind, id: &Arc<str>) -> Option<Stage> {
        self.build_for(kind, id, None)
    }

    fn build_for(&mut self, kind: Kind, id: &Arc<str>, signal: Option<Signal>) -> Option<Stage> {
        let part = self.blueprint.part(kind, id)?;
        let signals = self.blueprint.carried(kind, id);
        match part.plan.build(&BuildCx { signal, signals, ..(self.cx)(&part.id) }) {
            Ok(stage) => Some(stage),
            Err(error) => {
                self.errors.push(Unbuilt { kind, id: Arc::clone(id), error });
                None
            }
        }
    }

    fn wrong_stage<T>(&mut self, kind: Kind, id: &Arc<str>) -> Option<T> {
        let error = BuildError::at("", format!("the component did not build a {}", kind.name()));
        self.errors.push(Unbuilt { kind, id: Arc::clone(id), error });
        None
    }
}
