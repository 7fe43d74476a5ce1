//! Stages that only compute.

use data::{Batch, Time};
use telemetry::metrics::Scope;

use crate::out::Out;

/// A stage between receivers and exporters. Single owner, no I/O, no clock; the engine does the awaiting.
///
/// Connectors are processors too: the engine leads what they send into the pipelines behind them.
///
/// Every batch handed in ends in exactly one way: sent, discarded, refused, or held and later one of those.
/// `held` must tell the truth: the engine's books are compared with it.
pub trait Processor: Send + 'static {
    /// Takes one batch.
    fn process(&mut self, batch: Batch, out: &mut Out);

    /// When [`wake`](Self::wake) is to be called if nothing arrives before.
    fn wake_at(&self) -> Option<Time> {
        None
    }

    /// The time asked for has come.
    fn wake(&mut self, out: &mut Out) {
        let _ = out;
    }

    /// Nothing more will come: hand over everything still held.
    fn drain(&mut self, out: &mut Out) {
        let _ = out;
    }

    /// How many items are inside.
    fn held(&self) -> usize {
        0
    }

    /// Called once before anything else: register the stage's own metrics here.
    fn attach(&mut self, meters: &Scope, id: &str) {
        let _ = (meters, id);
    }

    /// Whether a batch counts as taken over as soon as it is in the inbox.
    ///
    /// True only for a stage that holds data and never refuses any.
    fn takes_over(&self) -> bool {
        false
    }
}
