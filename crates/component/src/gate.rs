//! Processors that only let pass or refuse: they stand on the edges of the graph and cost no task and no inbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use data::{Account, Batch, Budget, Refused, Signal};
use telemetry::metrics::Scope;

use crate::outlet::Edge;

/// A processor that lets data pass as it is or refuses it, and holds none.
///
/// Whoever sends into its pipeline asks it: a receiver before it reads a request's body, and every sender before it
/// places a batch in any branch, so that a refusal leaves no copies elsewhere.
pub trait Gate: Send + Sync + 'static {
    /// Whether data may pass now. Asked for every request and batch: a few loads, no lock, no system call.
    ///
    /// `own` of the budget's bytes are those of the batch itself; 0 for a request that was not read yet. Without them
    /// a limit would refuse again and again what it had let receivers read.
    ///
    /// # Errors
    /// The refusal that senders are told.
    fn admit(&self, budget: &Budget, own: usize) -> Result<(), Refused>;

    /// The reason under which what it refuses stands in the account.
    fn reason(&self) -> &'static str;

    /// Why it refuses now, with what was found and the limit, for people; nothing while data may pass.
    fn cause(&self, budget: &Budget) -> Option<String> {
        self.admit(budget, 0).err().map(|refused| refused.message.to_string())
    }

    /// What became of the items of a batch that came to the gate, for metrics of its own.
    fn count(&self, signal: Signal, items: usize, passed: bool);

    /// A request was refused before its body was read: nobody knows how many items were in it.
    fn count_unread(&self) {}

    /// Called once before anything else: register metrics here.
    fn attach(&self, meters: &Scope, id: &str) {
        let _ = (meters, id);
    }

    /// How often [`check`](Self::check) is called; never if it is zero.
    fn check_interval(&self) -> Duration {
        Duration::ZERO
    }

    /// Looks at what is too slow to look at for each batch.
    fn check(&self, budget: &Budget) {
        let _ = budget;
    }
}

/// A gate at its place in one pipeline.
pub struct Guard {
    gate: Arc<dyn Gate>,
    budget: Arc<Budget>,
    account: Arc<Account>,
    /// Requests that were refused before they were read.
    unread: AtomicU64,
}

/// A way into a pipeline, or on in it: the gates to pass, in order, and the edges behind them.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// What has to let a batch pass first.
    pub guards: Vec<Arc<Guard>>,
    /// Where it goes then.
    pub edges: Vec<Edge>,
}

impl Guard {
    /// A gate whose items are counted in `account`.
    #[must_use]
    pub fn new(gate: Arc<dyn Gate>, budget: Arc<Budget>, account: Arc<Account>) -> Self {
        Self { gate, budget, account, unread: AtomicU64::new(0) }
    }

    /// Whether it would let a request pass now; asking is not counted.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.gate.admit(&self.budget, 0).is_ok()
    }

    /// Why it would let none pass now, for people; nothing if it would.
    #[must_use]
    pub fn cause(&self) -> Option<String> {
        self.gate.cause(&self.budget)
    }

    /// How many requests were refused here before they were read. Their items are in no account: nobody knows them.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.unread.load(Ordering::Relaxed)
    }

    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    pub(crate) fn admit(&self, batch: &Batch) -> Result<(), Refused> {
        self.gate.admit(&self.budget, batch.len())
    }

    /// As [`admit`](Self::admit), for a request that was not read yet.
    pub(crate) fn admit_unread(&self) -> Result<(), Refused> {
        self.gate.admit(&self.budget, 0).inspect_err(|_| {
            self.unread.fetch_add(1, Ordering::Relaxed);
            self.gate.count_unread();
        })
    }

    /// The batch comes to the gate and passes it, or does not.
    pub(crate) fn enter(&self, batch: &Batch, passes: bool) {
        self.account.receive(batch.items());
        if !passes {
            self.account.refuse(self.gate.reason(), batch.items());
        }
        self.gate.count(batch.signal(), batch.items(), passes);
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("account", &self.account).finish_non_exhaustive()
    }
}

impl From<Vec<Edge>> for Way {
    fn from(edges: Vec<Edge>) -> Self {
        Self { guards: Vec::new(), edges }
    }
}
