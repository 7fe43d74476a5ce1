//! Running stages.

use std::error::Error;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use data::{Budget, Clock};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::listeners::Listeners;
use crate::node::NodeId;
use crate::outlet::Outlets;
use crate::process::{Notes, Process};
use crate::workers::Workers;

/// Any error, for people to read.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// How a stage ended.
pub type Ended = Result<(), BoxError>;

/// What a running stage is given.
#[derive(Clone)]
pub struct RunCx {
    /// Who it is.
    pub node: NodeId,
    /// The same as text, for logs and tickets.
    pub name: Arc<str>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Memory for telemetry.
    pub budget: Arc<Budget>,
    /// Where to run tasks.
    pub workers: Workers,
    /// Where to get listening sockets.
    pub listeners: Listeners,
    /// The collector's own metrics; series vanish with the graph.
    pub meters: Arc<telemetry::metrics::Scope>,
    /// Cancelled when the stage should take nothing new and finish what it has. For an exporter: when nothing
    /// more is led to it than is on its way.
    pub draining: CancellationToken,
    /// Cancelled when time is up: settle what is left as refused and end.
    pub stopping: CancellationToken,
    /// Where to note what went wrong here, for people to see.
    pub notes: Arc<Notes>,
    /// What the process as a whole is doing.
    pub process: Process,
    ready: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

/// What a process has for all of its stages.
#[derive(Clone)]
pub struct Facilities {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Memory for telemetry.
    pub budget: Arc<Budget>,
    /// Where to run tasks.
    pub workers: Workers,
    /// Where to get listening sockets.
    pub listeners: Listeners,
    /// Where own metrics are registered.
    pub meters: Arc<telemetry::metrics::Scope>,
}

impl RunCx {
    /// What `node` is given, for the engine and for test harnesses. `ready` is told once.
    ///
    /// It is alone in a process of its own, and nobody tells it to end: see [`within`](Self::within) and
    /// [`until`](Self::until).
    #[must_use]
    pub fn new(node: NodeId, facilities: Facilities, ready: oneshot::Sender<()>) -> Self {
        let Facilities { clock, budget, workers, listeners, meters } = facilities;
        Self {
            name: node.to_string().into(),
            node,
            process: Process::new(clock.now()),
            notes: Arc::default(),
            clock,
            budget,
            workers,
            listeners,
            meters,
            draining: CancellationToken::new(),
            stopping: CancellationToken::new(),
            ready: Arc::new(Mutex::new(Some(ready))),
        }
    }

    /// The same with these ends.
    #[must_use]
    pub fn until(self, draining: CancellationToken, stopping: CancellationToken) -> Self {
        Self { draining, stopping, ..self }
    }

    /// The same inside `process`, with a place for notes that others read.
    #[must_use]
    pub fn within(self, process: Process, notes: Arc<Notes>) -> Self {
        Self { process, notes, ..self }
    }

    /// Says that the stage can do its work: sockets are bound, files open.
    ///
    /// Stages before it in the graph start only after that. Further calls do nothing.
    pub fn ready(&self) {
        let sender = self.ready.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            // The engine is gone only if the process is ending anyway.
            sender.send(()).ok();
        }
    }
}

/// Brings telemetry in.
pub trait Receiver: Send + 'static {
    /// Binds, calls [`RunCx::ready`], takes telemetry until [`RunCx::draining`], answers what it has, ends.
    fn run(self, outlets: Outlets, cx: RunCx) -> impl Future<Output = Ended> + Send;
}

/// A service beside the pipelines.
pub trait Extension: Send + 'static {
    /// Starts, calls [`RunCx::ready`], serves until [`RunCx::draining`].
    fn run(self, cx: RunCx) -> impl Future<Output = Ended> + Send;
}
