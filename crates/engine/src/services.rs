//! What the process lends to the graph.

use std::sync::Arc;

use component::{Environment, Fatal, Listeners, Workers};
use data::{Budget, Clock};

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
    /// See [`BuildCx::user_agent`](component::BuildCx::user_agent).
    pub user_agent: Arc<str>,
}
