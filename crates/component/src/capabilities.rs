//! What extensions do for other components: signing requests, for instance.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// What is offered, by the id of the extension. Cheap to clone; clones share it.
///
/// Extensions start first and offer what they do before they are ready, so whoever needs one finds it at its own start.
/// A reload puts another offer in the place of the former one: who uses it for long asks each time.
#[derive(Clone, Debug, Default)]
pub struct Capabilities {
    offered: Arc<RwLock<BTreeMap<String, Offer>>>,
}

type Offer = Box<dyn Any + Send + Sync>;

/// Why an extension can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// It is not there, or offers nothing.
    #[error("not found")]
    Missing,
    /// It does something else.
    #[error("of another kind")]
    OtherKind,
}

impl Capabilities {
    /// Offers what the extension `id` does, usually an `Arc` of a trait that both sides know.
    pub fn offer<T: Clone + Send + Sync + 'static>(&self, id: &str, what: T) {
        self.offered.write().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), Box::new(what));
    }

    /// What the extension `id` offers now.
    ///
    /// # Errors
    /// If it offers nothing, or not this.
    pub fn find<T: Clone + 'static>(&self, id: &str) -> Result<T, CapabilityError> {
        let offered = self.offered.read().unwrap_or_else(PoisonError::into_inner);
        let offer = offered.get(id).ok_or(CapabilityError::Missing)?;
        offer.downcast_ref::<T>().cloned().ok_or(CapabilityError::OtherKind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_found_by_id_and_kind() {
        let capabilities = Capabilities::default();
        assert_eq!(capabilities.find::<u32>("a"), Err(CapabilityError::Missing));
        capabilities.clone().offer("a", 1_u32);
        assert_eq!(capabilities.find::<u32>("a"), Ok(1));
        assert_eq!(capabilities.find::<u64>("a"), Err(CapabilityError::OtherKind));
        capabilities.offer("a", 2_u32);
        assert_eq!(capabilities.find::<u32>("a"), Ok(2), "the newest");
    }
}
