//! What the pages show, read once for each of them.

use std::sync::Arc;
use std::time::Duration;

use admin::{Flow, Pulse, Sampler};
use component::{Feature, Graph, Kind, NodeId, NodeView, Phase, PipelineView, RunCx, Sizer};
use data::{Civil, Signal, Statement, Time};
use serde_json::{Value, json};

use crate::findings::{Finding, findings};

/// Where the pages look.
pub(crate) struct Sources {
    pub(crate) build: Arc<str>,
    pub(crate) features: Arc<[Feature]>,
    pub(crate) cx: RunCx,
    pub(crate) sampler: Sampler,
    pub(crate) pulse: Pulse,
}

/// The process at one moment.
pub(crate) struct Snapshot {
    pub(crate) build: Arc<str>,
    pub(crate) features: Arc<[Feature]>,
    pub(crate) started: Time,
    pub(crate) uptime: Duration,
    pub(crate) phase: Phase,
    pub(crate) phase_since: Time,
    pub(crate) memory: Memory,
    /// For how long each worker has run nothing.
    pub(crate) silences: Vec<Duration>,
    pub(crate) graph: Arc<Graph>,
    /// In the order of the graph's nodes.
    pub(crate) nodes: Vec<Node>,
    pub(crate) findings: Vec<Finding>,
}

/// Bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) held: u64,
    pub(crate) buffers: u64,
    pub(crate) queued: u64,
    pub(crate) limit: u64,
}

/// A node at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) signal: Signal,
    pub(crate) statement: Statement,
    pub(crate) flow: Flow,
    pub(crate) room: Option<Room>,
    /// Whether a gate lets data pass.
    pub(crate) is_open: Option<bool>,
    /// Why it does not.
    pub(crate) cause: Option<String>,
    /// Requests that a gate refused before they were read; in no account.
    pub(crate) unread: u64,
    pub(crate) errors: u64,
    /// What went wrong last, and how long ago.
    pub(crate) last_error: Option<(String, Duration)>,
    /// Whether data counts as delivered without it.
    pub(crate) best_effort: bool,
}

/// An inbox or a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) used: usize,
    pub(crate) capacity: usize,
    pub(crate) unit: &'static str,
    pub(crate) is_queue: bool,
}

impl Sources {
    pub(crate) fn snapshot(&self) -> Snapshot {
        let (process, budget, now) = (&self.cx.process, &self.cx.budget, self.cx.clock.now());
        let graph = process.graph();
        let (phase, phase_since) = process.phase();
        let memory = Memory {
            held: budget.held() as u64,
            buffers: budget.buffers() as u64,
            queued: budget.queued() as u64,
            limit: budget.limit() as u64,
        };
        let nodes: Vec<Node> = graph.nodes.iter().map(|view| self.node(&graph, view, now)).collect();
        let silences = self.pulse.silences();
        let findings = findings(phase, memory, &silences, &nodes);
        let started = process.started();
        let (build, features) = (Arc::clone(&self.build), Arc::clone(&self.features));
        let uptime = now.since(started);
        Snapshot {
            build,
            features,
            started,
            uptime,
            phase,
            phase_since,
            memory,
            silences,
            graph,
            nodes,
            findings,
        }
    }

    fn node(&self, graph: &Graph, view: &NodeView, now: Time) -> Node {
        let room = view.level.as_ref().map(|level| Room {
            used: level.used(),
            capacity: level.capacity(),
            is_queue: level.is_queue(),
            unit: match level.sizer() {
                Sizer::Requests => "batches",
                Sizer::Items => "items",
                Sizer::Bytes => "bytes",
            },
        });
        Node {
            id: view.node.clone(),
            signal: view.signal,
            statement: view.account.statement(),
            flow: self.sampler.flow(view),
            room,
            is_open: view.guard.as_ref().map(|guard| guard.is_open()),
            cause: view.guard.as_ref().and_then(|guard| guard.cause()),
            unread: view.guard.as_ref().map_or(0, |guard| guard.unread()),
            errors: view.notes.count(),
            last_error: view.notes.last().map(|note| (note.text, now.since(note.at))),
            best_effort: view.node.kind == Kind::Exporter && !counts(graph, view),
        }
    }
}

/// Whether some pipeline's data counts as delivered only with this exporter.
fn counts(graph: &Graph, view: &NodeView) -> bool {
    let of_signal = graph.pipelines.iter().filter(|pipeline| pipeline.signal == view.signal);
    of_signal
        .flat_map(|pipeline| &pipeline.exits)
        .any(|(id, best_effort)| *id == view.node.id && !best_effort)
}

impl Snapshot {
    /// The nodes of a pipeline in the order in which data meets them.
    pub(crate) fn nodes_of<'a>(&'a self, pipeline: &'a PipelineView) -> Vec<&'a Node> {
        let signal = pipeline.signal;
        let feeds = |node: &Node, id: &Arc<str>| match node.id.kind {
            Kind::Receiver => node.id.id == *id && node.signal == signal,
            Kind::Connector => node.id.id == *id && node.id.output == Some(signal),
            Kind::Processor | Kind::Exporter | Kind::Extension => false,
        };
        let stands = |node: &Node, id: &Arc<str>| {
            node.id.id == *id && node.id.pipeline.as_ref() == Some(&pipeline.name)
        };
        let ends = |node: &Node, id: &Arc<str>| {
            matches!(node.id.kind, Kind::Exporter | Kind::Connector)
                && node.id.id == *id
                && node.signal == signal
        };
        let receivers =
            pipeline.receivers.iter().flat_map(|id| self.nodes.iter().filter(move |node| feeds(node, id)));
        let processors =
            pipeline.processors.iter().flat_map(|id| self.nodes.iter().filter(move |node| stands(node, id)));
        let exits =
            pipeline.exits.iter().flat_map(|(id, _)| self.nodes.iter().filter(move |node| ends(node, id)));
        receivers.chain(processors).chain(exits).collect()
    }

    /// The page about the service, for programs.
    pub(crate) fn service(&self) -> Value {
        json!({
            "build": &*self.build,
            "phase": self.phase.name(),
            "phase_since": rfc3339(self.phase_since),
            "started": rfc3339(self.started),
            "uptime_seconds": self.uptime.as_secs_f64(),
            "findings": self.findings(),
            "memory": {
                "held_bytes": self.memory.held,
                "connection_buffers_bytes": self.memory.buffers,
                "queued_bytes": self.memory.queued,
                "limit_bytes": self.memory.limit,
            },
            "workers": self.silences.iter().map(|it| json!({"silent_seconds": it.as_secs_f64()})).collect::<Vec<_>>(),
            "settings": self.settings(|_| true),
        })
    }

    /// The page about the pipelines, for programs.
    pub(crate) fn pipelines(&self) -> Value {
        let pipeline = |pipeline: &PipelineView| {
            json!({
                "name": &*pipeline.name,
                "signal": pipeline.signal.name(),
                "nodes": self.nodes_of(pipeline).into_iter().map(Node::json).collect::<Vec<_>>(),
            })
        };
        let pipelines: Vec<Value> = self.graph.pipelines.iter().map(pipeline).collect();
        json!({ "findings": self.findings(), "pipelines": pipelines })
    }

    /// Settings of components, for programs.
    pub(crate) fn settings(&self, wanted: fn(Kind) -> bool) -> Value {
        let parts = self.graph.settings.iter().filter(|part| wanted(part.kind));
        let part = |part: &component::SettingsView| {
            json!({
                "kind": part.kind.name(), "id": &*part.id, "type": part.component_type, "settings": part.settings,
            })
        };
        parts.map(part).collect()
    }

    fn findings(&self) -> Value {
        let one =
            |it: &Finding| json!({ "severity": it.severity.name(), "node": it.node, "message": it.message });
        self.findings.iter().map(one).collect()
    }
}

impl Node {
    fn json(&self) -> Value {
        let reasons = |reasons: &[(&'static str, u64)]| -> Value {
            Value::Object(
                reasons.iter().map(|(reason, items)| ((*reason).to_owned(), json!(items))).collect(),
            )
        };
        let it = &self.statement;
        json!({
            "node": self.id.to_string(),
            "kind": self.id.kind.name(),
            "id": &*self.id.id,
            "items": self.signal.items(),
            "per_second": {
                "entered": self.flow.entered, "left": self.flow.left,
                "refused": self.flow.refused, "discarded": self.flow.discarded,
            },
            "stalled_seconds": self.flow.stalled.as_secs_f64(),
            "ledger": {
                "entered": it.entered, "created": it.created, "left": it.left, "waiting": it.waiting,
                "held": it.held, "discarded": reasons(&it.discarded), "refused": reasons(&it.refused),
            },
            "room": self.room.map(|room| json!({
                "used": room.used, "capacity": room.capacity, "unit": room.unit, "queue": room.is_queue,
            })),
            "open": self.is_open,
            "closed_because": self.cause,
            "requests_refused_unread": self.is_open.map(|_| self.unread),
            "best_effort": self.best_effort,
            "errors": self.errors,
            "last_error": self.last_error.as_ref().map(|(text, ago)| json!({
                "message": text, "seconds_ago": ago.as_secs_f64(),
            })),
        })
    }
}

pub(crate) fn rfc3339(time: Time) -> String {
    Civil::from_unix_nanos(i128::from(time.wall)).rfc3339()
}
