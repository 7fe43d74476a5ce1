//! Counts for the telemetry records that an exporter sends to X-Ray, if one does so for this receiver.

use std::sync::{Arc, Weak};
use std::time::Duration;

use component::{Capabilities, RunCx};
use tokio::time::Instant;
use xray::records::{Counts, offered_to};

/// How often an exporter is looked for that offers none: a reload may bring one.
const LOOK: Duration = Duration::from_secs(10);

/// What came in since the last time, and where it is told.
pub(crate) struct Records {
    capabilities: Capabilities,
    offer: String,
    counts: Weak<Counts>,
    look_at: Instant,
    received: usize,
    rejected: usize,
    spilled: usize,
}

impl Records {
    pub(crate) fn new(cx: &RunCx) -> Self {
        Self {
            capabilities: cx.process.capabilities().clone(),
            offer: offered_to(&cx.node.id),
            counts: Weak::new(),
            look_at: Instant::now(),
            received: 0,
            rejected: 0,
            spilled: 0,
        }
    }

    /// Segments came in, some of which are no good.
    pub(crate) const fn count(&mut self, received: usize, rejected: usize) {
        self.received += received;
        self.rejected += rejected;
    }

    /// The kernel dropped datagrams for want of room.
    pub(crate) const fn spilled(&mut self, datagrams: u32) {
        self.spilled += datagrams as usize;
    }

    /// Adds what was counted to the exporter's.
    pub(crate) fn tell(&mut self) {
        if self.received == 0 && self.spilled == 0 {
            return;
        }
        if let Some(counts) = self.counts() {
            counts.received(self.received);
            counts.rejected(self.rejected);
            counts.spilled(self.spilled);
        }
        (self.received, self.rejected, self.spilled) = (0, 0, 0);
    }

    fn counts(&mut self) -> Option<Arc<Counts>> {
        let kept = self.counts.upgrade();
        if kept.is_some() || Instant::now() < self.look_at {
            return kept;
        }
        self.look_at = Instant::now() + LOOK;
        self.counts = self.capabilities.find(&self.offer).unwrap_or_default();
        self.counts.upgrade()
    }
}
