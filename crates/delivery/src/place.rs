//! A consumer's place: how many deliveries are at work at the same time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of a stage.
#[derive(Clone)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    /// As many of them as those may have at a time that come back: new ones find a place however many wait to come back.
    again: Arc<Semaphore>,
}

/// The place of one delivery, which it has, or has left.
pub(crate) struct Place {
    places: Places,
    held: Option<Held>,
}

struct Held {
    _place: Option<OwnedSemaphorePermit>,
    _again: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub(crate) fn new(count: usize) -> Self {
        let of = |count: usize| Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        Self { all: of(count), again: of(count / 2) }
    }

    /// Waits for a place. Those that wait come one after the other.
    pub(crate) async fn take(self) -> Place {
        let held = Held { _place: acquire(&self.all).await, _again: None };
        Place { places: self, held: Some(held) }
    }
}

impl Place {
    /// Lets another delivery have it.
    pub(crate) fn leave(&mut self) {
        self.held = None;
    }

    /// Waits for a place, unless it has one.
    pub(crate) async fn take_again(&mut self) {
        if self.held.is_none() {
            let again = acquire(&self.places.again).await;
            self.held = Some(Held { _place: acquire(&self.places.all).await, _again: again });
        }
    }
}

async fn acquire(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    // Never closed.
    Arc::clone(places).acquire_owned().await.ok()
}
