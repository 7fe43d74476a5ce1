//! A consumer's place: how many deliveries are at work at the same time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of a stage.
#[derive(Clone)]
pub(crate) struct Places(Arc<Semaphore>);

/// The place of one delivery, which it has, or has left.
pub(crate) struct Place {
    places: Places,
    permit: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub(crate) fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))))
    }

    /// Waits for a place.
    pub(crate) async fn take(&self) -> Place {
        Place { places: self.clone(), permit: self.acquire().await }
    }

    async fn acquire(&self) -> Option<OwnedSemaphorePermit> {
        // Never closed.
        Arc::clone(&self.0).acquire_owned().await.ok()
    }
}

impl Place {
    /// Lets another delivery have it.
    pub(crate) fn leave(&mut self) {
        self.permit = None;
    }

    /// Waits for a place, unless it has one.
    pub(crate) async fn take(&mut self) {
        if self.permit.is_none() {
            self.permit = self.places.acquire().await;
        }
    }
}
