//! Stages that take telemetry out of the process.

use std::future::Future;
use std::sync::Arc;

use data::{Account, Batch, Budget, Refused, Signal};
use futures::future::BoxFuture;

use crate::channel::Inlet;
use crate::node::NodeId;
use crate::run::{BoxError, Ended, RunCx};

/// What a destination said when it took a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Items that it refused for good in the same answer (OTLP's partial success), with its reason.
    pub rejected: Option<(u64, String)>,
}

/// What has become of one batch, kept over all attempts to deliver it, however each of them ends.
#[derive(Debug, Default)]
pub struct Progress<M> {
    /// What the exporter remembers: which requests it has made of the batch, which of them are done.
    pub memory: M,
    /// The items whose fate is known.
    pub settled: Settled,
    /// The last attempt ended because of what is in the batch: the destination takes others. Those need not wait for it.
    pub passing: bool,
    /// What is not settled is whole in `memory`, so many bytes of it: the batch may come back without its own.
    pub remembered: Option<usize>,
}

impl<M> Progress<M> {
    /// Whether the batch is as it was: nothing is known of any item, and all bytes are there.
    pub const fn is_untouched(&self) -> bool {
        self.settled.is_empty() && self.remembered.is_none()
    }
}

/// The items of a batch that need no further attempt.
#[derive(Debug, Default)]
pub struct Settled {
    delivered: usize,
    rejected: Vec<Rejected>,
}

/// Items that the destination refused for good, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// As it stands in the books: one of a closed set.
    pub reason: &'static str,
    /// How many.
    pub items: usize,
    /// What the destination said of the first of them.
    pub message: Arc<str>,
}

impl Settled {
    /// The destination has these items.
    pub const fn deliver(&mut self, items: usize) {
        self.delivered = self.delivered.saturating_add(items);
    }

    /// The destination refused these items for good.
    pub fn reject(&mut self, reason: &'static str, items: usize, message: impl Into<Arc<str>>) {
        match self.rejected.iter_mut().find(|rejected| rejected.reason == reason) {
            Some(rejected) => rejected.items = rejected.items.saturating_add(items),
            None => self.rejected.push(Rejected { reason, items, message: message.into() }),
        }
    }

    /// Items that arrived.
    #[must_use]
    pub const fn delivered(&self) -> usize {
        self.delivered
    }

    /// Items that were refused for good, by reason.
    #[must_use]
    pub fn rejected(&self) -> &[Rejected] {
        &self.rejected
    }

    /// Items that arrived or were refused for good.
    #[must_use]
    pub fn items(&self) -> usize {
        self.rejected.iter().fold(self.delivered, |sum, rejected| sum.saturating_add(rejected.items))
    }

    /// Whether nothing is known of any item yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.delivered == 0 && self.rejected.is_empty()
    }
}

/// Delivers one batch at a time; several calls may run at once.
///
/// Queue, retry, timeout, concurrency and books wrap this from outside (`delivery`).
pub trait Exporter: Send + Sync + 'static {
    /// What it remembers of a batch from one attempt to the next; `()` where each begins anew.
    type Memory: Default + Send;

    /// Opens files and connections. An error ends the start of the process.
    fn start(&self, cx: &RunCx) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = cx;
        async { Ok(()) }
    }

    /// Labels that tell in metrics where batches of this signal go, such as `server_address`: a few that do not change. Asked
    /// once it has started.
    fn destination(&self, signal: Signal) -> Vec<(&'static str, String)> {
        let _ = signal;
        Vec::new()
    }

    /// Delivers the batch, or what of it is not settled in `progress`, which is the same one in every attempt for this
    /// batch. On success what was not rejected counts as delivered.
    ///
    /// The future may be dropped at any await, when time is up: what is to be remembered is written before.
    ///
    /// # Errors
    /// [`Refused`] says whether what is left may be sent again, in which size, and when. An exporter that settles items
    /// cuts requests itself: for what is left of a batch, too large is final.
    fn export(
        &self,
        batch: &Batch,
        progress: &mut Progress<Self::Memory>,
    ) -> impl Future<Output = Result<Accepted, Refused>> + Send;

    /// What of the batch is not settled in `progress` is given up for the reason `why`, and nobody waits to send it again:
    /// the last chance to keep it somewhere. It is in the books as lost before this is called, however this ends: what is
    /// settled here changes nothing. A batch that was never exported comes with a progress of nothing.
    ///
    /// At the end of a drain there is about a second for all of them; then the future is dropped.
    fn give_up(
        &self,
        batch: &Batch,
        progress: &mut Progress<Self::Memory>,
        why: &Refused,
    ) -> impl Future<Output = ()> + Send {
        let (_, _, _) = (batch, progress, why);
        async {}
    }

    /// Nothing more will come: flush and let go.
    fn close(&self) -> impl Future<Output = Result<(), BoxError>> + Send {
        async { Ok(()) }
    }
}

/// The future of [`ExporterStage::run`].
pub type ExportFuture = BoxFuture<'static, Ended>;

/// An exporter that is configured and can be opened for each signal that some pipeline sends to it.
pub trait ExporterUnit: Send {
    /// A stage for one signal. The stages of one unit share what the exporter shares (a file, a connection).
    fn stage(
        &self,
        node: &NodeId,
        signal: Signal,
        account: Arc<Account>,
        budget: &Arc<Budget>,
    ) -> ExporterStage;
}

/// An exporter's node: the way in, and the task behind it.
pub struct ExporterStage {
    /// The way in; for a queued exporter this is the queue.
    pub inlet: Inlet,
    /// Runs until the way in is closed and everything is settled.
    pub run: Box<dyn FnOnce(RunCx) -> ExportFuture + Send>,
}
