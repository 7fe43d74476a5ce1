//! What a node of the graph is called.

use std::fmt;
use std::sync::Arc;

pub use config::document::Kind;
use data::Signal;

/// The identity of a node: stays the same over a reload as long as the configuration names it so.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    /// What it does.
    pub kind: Kind,
    /// The id as the user wrote it, such as `otlp/backend`.
    pub id: Arc<str>,
    /// The signal it takes; none for receivers and extensions, which serve all at once.
    pub signal: Option<Signal>,
    /// The signal it gives, where that can differ (connectors).
    pub output: Option<Signal>,
    /// The pipeline it stands in; processors only.
    pub pipeline: Option<Arc<str>>,
}

impl NodeId {
    /// A node that serves every signal: a receiver or an extension.
    #[must_use]
    pub fn shared(kind: Kind, id: &str) -> Self {
        Self { kind, id: id.into(), signal: None, output: None, pipeline: None }
    }

    /// An exporter for one signal.
    #[must_use]
    pub fn exporter(id: &str, signal: Signal) -> Self {
        Self { signal: Some(signal), ..Self::shared(Kind::Exporter, id) }
    }

    /// A processor of one pipeline.
    #[must_use]
    pub fn processor(id: &str, signal: Signal, pipeline: &str) -> Self {
        Self { signal: Some(signal), pipeline: Some(pipeline.into()), ..Self::shared(Kind::Processor, id) }
    }

    /// A connector between two signals.
    #[must_use]
    pub fn connector(id: &str, signal: Signal, output: Signal) -> Self {
        Self { signal: Some(signal), output: Some(output), ..Self::shared(Kind::Connector, id) }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.id)?;
        match (&self.pipeline, self.signal, self.output) {
            (Some(pipeline), _, _) => write!(f, " ({pipeline})"),
            (None, Some(signal), Some(output)) => write!(f, " ({signal} to {output})"),
            (None, Some(signal), None) => write!(f, " ({signal})"),
            (None, None, _) => Ok(()),
        }
    }
}
