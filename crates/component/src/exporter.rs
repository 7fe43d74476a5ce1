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

/// Delivers one batch at a time; several calls may run at once.
///
/// Queue, retry, timeout, concurrency and books wrap this from outside (`delivery`).
pub trait Exporter: Send + Sync + 'static {
    /// Opens files and connections. An error ends the start of the process.
    fn start(&self, cx: &RunCx) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = cx;
        async { Ok(()) }
    }

    /// Labels that tell in metrics where batches of this signal go, such as `server_address`: a few that do not change.
    fn destination(&self, signal: Signal) -> Vec<(&'static str, String)> {
        let _ = signal;
        Vec::new()
    }

    /// Delivers the batch.
    ///
    /// # Errors
    /// [`Refused`] says whether the same batch may be sent again, in which size, and when.
    fn export(&self, batch: &Batch) -> impl Future<Output = Result<Accepted, Refused>> + Send;

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
