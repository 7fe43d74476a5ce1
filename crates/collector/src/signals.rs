//! Signals of the operating system.

use std::pin::pin;

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that mean something to the process.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
pub(crate) enum Asked {
    /// The end.
    Stop(&'static str),
    /// Another configuration.
    Reload,
}

impl Asked {
    /// The signal's name in the log.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Stop(name) => name,
            Self::Reload => "hangup",
        }
    }
}

impl Signals {
    /// Takes them from now on.
    ///
    /// # Errors
    /// If the system does not let it.
    pub(crate) fn listen() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop("terminated"),
            _ = self.interrupt.recv() => Asked::Stop("interrupt"),
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// The next one that asks for the end; others are not taken meanwhile.
    pub(crate) async fn next_stop(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop("terminated"),
            _ = self.interrupt.recv() => Asked::Stop("interrupt"),
        }
    }

    /// Lets `work` come to its end, and tells whether a stop was asked for meanwhile. Being asked twice is not
    /// waiting any longer: `give_up` is called while the work is still there, and nothing is given.
    pub(crate) async fn hold<T>(
        &mut self,
        work: impl Future<Output = T>,
        give_up: &dyn Fn(),
    ) -> Option<(T, bool)> {
        let mut work = pin!(work);
        let mut told_to_stop = false;
        loop {
            let asked = tokio::select! {
                done = &mut work => return Some((done, told_to_stop)),
                asked = self.next_stop() => asked,
            };
            tracing::info!(signal = asked.name(), "Received signal from OS");
            if told_to_stop {
                tracing::warn!(signal = asked.name(), "Second signal: stopping at once");
                give_up();
                return None;
            }
            told_to_stop = true;
        }
    }
}
