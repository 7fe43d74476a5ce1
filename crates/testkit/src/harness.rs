//! One stage with real channels and books, and no network.

use std::sync::Arc;
use std::time::Duration;

use component::{
    ExporterStage, ExporterUnit, Facilities, Fatal, Inlet, Kind, Listeners, NodeId, Out, Processor, RunCx,
    Workers,
};
use data::{
    Account, Batch, Budget, Clock as _, ManualClock, Pending, Signal, Signals, Statement, Ticket, Time,
};
use telemetry::metrics::{Options, Registry};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Runs a processor by hand: each call returns what it sent, and the books are checked after each.
pub struct Harness {
    processor: Box<dyn Processor>,
    out: Out,
    clock: ManualClock,
    account: Arc<Account>,
    budget: Arc<Budget>,
    _registry: Registry,
    _scope: telemetry::metrics::Scope,
}

impl Harness {
    /// A harness around `processor`, whose clock stands at an hour.
    #[must_use]
    pub fn new(mut processor: impl Processor) -> Self {
        let (account, budget) = (Arc::new(Account::default()), Budget::unlimited());
        let out = Out::new("stage".into(), Arc::clone(&budget), Arc::clone(&account));
        let hour = 3_600_000_000_000;
        let clock = ManualClock::at(Time { mono: hour, wall: 1_700_000_000_000_000_000 });
        let registry = registry();
        let scope = registry.scope();
        processor.attach(&scope, "stage");
        Self {
            processor: Box::new(processor),
            out,
            clock,
            account,
            budget,
            _registry: registry,
            _scope: scope,
        }
    }

    /// Hands in a batch for which nobody waits.
    pub fn send(&mut self, batch: Batch) -> Vec<Batch> {
        self.account.receive(batch.items());
        self.out.set_now(self.clock.now());
        self.processor.process(batch, &mut self.out);
        self.settle()
    }

    /// Hands in a batch and keeps the other end of its ticket.
    pub fn send_awaited(&mut self, batch: Batch) -> (Vec<Batch>, Pending) {
        let (ticket, pending) = Ticket::open(batch.items());
        (self.send(batch.with_ticket(ticket)), pending)
    }

    /// Lets time pass; wakes the processor whenever it asked for that.
    pub fn advance(&mut self, by: Duration) -> Vec<Batch> {
        let end = self.clock.now().after(by);
        let mut sent = Vec::new();
        // A stage that keeps asking for a time that is past would loop for ever in the engine too.
        for _ in 0..10_000 {
            let Some(at) = self.processor.wake_at().filter(|at| end.reached(*at)) else {
                self.clock.advance(end.since(self.clock.now()));
                return sent;
            };
            self.clock.advance(at.since(self.clock.now()));
            self.out.set_now(self.clock.now());
            self.processor.wake(&mut self.out);
            sent.extend(self.settle());
        }
        panic!("the processor asks to be woken again and again at a time that is past");
    }

    /// Ends the input.
    pub fn drain(&mut self) -> Vec<Batch> {
        self.out.set_now(self.clock.now());
        self.processor.drain(&mut self.out);
        self.settle()
    }

    /// The node's account.
    #[must_use]
    pub fn statement(&self) -> Statement {
        self.account.statement()
    }

    /// Memory for telemetry.
    #[must_use]
    pub const fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Items inside, by the processor's own account.
    #[must_use]
    pub fn held(&self) -> usize {
        self.processor.held()
    }

    fn settle(&mut self) -> Vec<Batch> {
        let sent: Vec<Batch> = self.out.take().collect();
        sent.iter().for_each(|batch| self.account.leave(batch.items()));
        let statement = self.statement();
        assert!(statement.balances(), "the books do not balance: {statement}");
        let held = self.processor.held() as u64;
        assert_eq!(statement.held, held, "the processor says {held} held, the books say: {statement}");
        sent
    }
}

/// Runs an exporter's node.
pub struct RunHarness {
    /// The way in; drop it (or call [`finish`](Self::finish)) to end the node.
    pub inlet: Option<Inlet>,
    account: Arc<Account>,
    registry: Registry,
    task: JoinHandle<component::Ended>,
    /// Ends what is under way.
    pub stopping: CancellationToken,
    /// What the node counts memory in.
    pub budget: Arc<Budget>,
}

impl RunHarness {
    /// Opens the exporter for one signal and waits until it is ready.
    ///
    /// # Errors
    /// What the exporter said when it could not start.
    pub async fn start(unit: &dyn ExporterUnit, signal: Signal) -> Result<Self, component::BoxError> {
        let account = Arc::new(Account::default());
        let node = NodeId::exporter("under_test", signal);
        let ExporterStage { inlet, run } =
            unit.stage(&node, signal, Arc::clone(&account), &Budget::unlimited());
        let registry = registry();
        let (cx, ready) = run_cx_in(&registry, node);
        let (stopping, budget) = (cx.stopping.clone(), Arc::clone(&cx.budget));
        let task = tokio::spawn(run(cx));
        if ready.await.is_err() {
            return Err(task.await.unwrap().expect_err("it ended before it was ready"));
        }
        Ok(Self { inlet: Some(inlet), account, registry, task, stopping, budget })
    }

    /// Sends a batch and keeps the other end of its ticket.
    pub async fn send(&self, batch: Batch) -> Pending {
        let (ticket, pending) = Ticket::open(batch.items());
        let inlet = self.inlet.as_ref().expect("the node is not finished yet");
        inlet.send(batch.with_ticket(ticket)).await.expect("the node runs");
        pending
    }

    /// The node's account.
    #[must_use]
    pub fn statement(&self) -> Statement {
        self.account.statement()
    }

    /// What the node publishes about itself now, in Prometheus' text format.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        self.registry.render(&mut text);
        text
    }

    /// Ends the input, waits for the node to end well, and gives its final account.
    pub async fn finish(mut self) -> Statement {
        self.inlet = None;
        self.task.await.unwrap().expect("the node ends well");
        let statement = self.account.statement();
        assert!(statement.balances(), "the books do not balance: {statement}");
        statement
    }

    /// Ends the node as the engine does when time is up and it does not end by itself: a second after it was told, it is
    /// aborted. Its account, and the metrics that it had.
    pub async fn cut_off(mut self) -> (Statement, String) {
        self.stopping.cancel();
        self.inlet = None;
        let ended = tokio::time::timeout(Duration::from_secs(1), &mut self.task).await;
        assert!(ended.is_err(), "it ended by itself");
        let metrics = self.metrics();
        self.task.abort();
        self.task.await.ok();
        (self.account.statement(), metrics)
    }
}

/// What a stage is run with, on the current runtime, and the signal that it is ready.
#[must_use]
pub fn run_cx(node: NodeId) -> (RunCx, oneshot::Receiver<()>) {
    run_cx_in(&registry(), node)
}

fn run_cx_in(registry: &Registry, node: NodeId) -> (RunCx, oneshot::Receiver<()>) {
    let (ready, is_ready) = oneshot::channel();
    let cx = RunCx::new(
        node,
        Facilities {
            clock: Arc::new(data::SystemClock::new()),
            budget: Budget::unlimited(),
            workers: Workers::new(vec![tokio::runtime::Handle::current()], Fatal::default()),
            listeners: Listeners::default(),
            meters: Arc::new(registry.scope()),
        },
        ready,
    );
    (cx, is_ready)
}

/// What a component is built with.
#[must_use]
pub fn build_cx() -> component::BuildCx {
    component::BuildCx {
        id: "under_test".into(),
        signal: None,
        signals: Signals::default(),
        environment: component::Environment::default(),
        user_agent: "Collimator/test".into(),
    }
}

/// The identity of an extension under test.
#[must_use]
pub fn extension_node() -> NodeId {
    NodeId::shared(Kind::Extension, "under_test")
}

/// The identity of a receiver under test.
#[must_use]
pub fn receiver_node() -> NodeId {
    NodeId::shared(Kind::Receiver, "under_test")
}

pub(crate) fn registry() -> Registry {
    Registry::new(Options::default(), telemetry::Resource::default())
}
