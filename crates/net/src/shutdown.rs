//! How connections are asked to finish, and made to.

use std::sync::Arc;

use tokio::sync::watch;

/// Where a server stands on its way out. Phases only move forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Serving.
    Run,
    /// No new requests: HTTP/2 connections say so, idle ones close, requests in flight finish.
    Drain,
    /// Everything ends now, whatever is in flight.
    Stop,
}

/// Moves every [`Signal`] taken from it. Dropped, it means [`Phase::Stop`].
#[derive(Debug)]
pub struct Trigger {
    phase: watch::Sender<Phase>,
}

impl Default for Trigger {
    fn default() -> Self {
        Self { phase: watch::Sender::new(Phase::Run) }
    }
}

impl Trigger {
    /// A handle for one connection or one accept loop.
    pub fn signal(&self) -> Signal {
        Signal { phase: self.phase.subscribe() }
    }

    /// Asks connections to finish what they have begun.
    pub fn drain(&self) {
        self.advance(Phase::Drain);
    }

    /// Ends connections at once.
    pub fn stop(&self) {
        self.advance(Phase::Stop);
    }

    /// Resolves when every signal is gone, that is: every connection has ended.
    pub async fn finished(&self) {
        self.phase.closed().await;
    }

    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let later = to > *phase;
            if later {
                *phase = to;
            }
            later
        });
    }
}

/// What a connection watches.
#[derive(Clone, Debug)]
pub struct Signal {
    phase: watch::Receiver<Phase>,
}

impl Signal {
    /// A signal that never comes: for clients of a server that outlives them, and for tests.
    pub fn never() -> Self {
        static NEVER: std::sync::OnceLock<Arc<Trigger>> = std::sync::OnceLock::new();
        NEVER.get_or_init(Arc::default).signal()
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        if self.phase.has_changed().is_err() { Phase::Stop } else { *self.phase.borrow() }
    }

    /// Waits until the phase is at least `phase`, and returns what it is then.
    pub async fn reached(&mut self, phase: Phase) -> Phase {
        match self.phase.wait_for(|now| *now >= phase).await {
            Ok(now) => *now,
            Err(_) => Phase::Stop,
        }
    }
}
