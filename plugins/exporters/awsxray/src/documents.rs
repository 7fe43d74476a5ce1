//! The documents of a batch.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use data::{Budget, Reservation};
use serde_json::Value;
use xray::from_span::{Documents as Translated, Entry};
use xray::ids::segment_id;

use crate::body;
use crate::work::Call;

/// Stands in an entry for the item of a document that is not counted: its other document was never made.
pub(crate) const NO_ITEM: usize = usize::MAX;

/// Where the documents are.
pub(crate) enum Documents {
    /// Each by itself, as a client sent it.
    AsTheyCame(Vec<Bytes>),
    /// Made of spans, and counted in the budget.
    Written { made: Translated, _counted: Option<Reservation> },
}

impl Documents {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::AsTheyCame(documents) => documents.len(),
            Self::Written { made, .. } => made.entries.len(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> &[u8] {
        match self {
            Self::AsTheyCame(documents) => documents.get(index).map_or(&[], |document| document),
            Self::Written { made, .. } => made.entries.get(index).map_or(&[], |entry| made.text(entry)),
        }
    }

    /// The body of a call.
    pub(crate) fn body(&self, call: &Call) -> Vec<u8> {
        let bytes = call.iter().map(|index| self.get(*index).len()).sum();
        body::body(bytes, call.iter().map(|index| self.text(*index)))
    }

    /// A document as text: what is made here is, what came may be anything.
    fn text(&self, index: usize) -> Cow<'_, [u8]> {
        match self {
            Self::AsTheyCame(_) => body::utf8(self.get(index)),
            Self::Written { .. } => Cow::Borrowed(self.get(index)),
        }
    }

    /// A document's segment id in lower case, by which the API names it.
    pub(crate) fn id(&self, index: usize) -> Option<String> {
        match self {
            Self::AsTheyCame(_) => {
                let document: Value = serde_json::from_slice(self.get(index)).ok()?;
                document.get("id")?.as_str().map(str::to_ascii_lowercase)
            }
            Self::Written { made, .. } => {
                // Zeros are written as null.
                let id = made.entries.get(index).map(|entry| entry.id).filter(|id| *id != [0; 8])?;
                Some(String::from_utf8_lossy(&segment_id(id)).into_owned())
            }
        }
    }

    /// Bytes of them together.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::AsTheyCame(documents) => documents.iter().map(Bytes::len).sum(),
            Self::Written { made, .. } => made.bytes.len(),
        }
    }

    /// None of the same kind.
    pub(crate) fn none(&self) -> Self {
        match self {
            Self::AsTheyCame(_) => Self::AsTheyCame(Vec::new()),
            Self::Written { .. } => Self::Written { made: Translated::default(), _counted: None },
        }
    }

    /// Adds a copy of one of others, which are of the same kind. Those of one item have to come one after the other.
    pub(crate) fn push_from(&mut self, others: &Self, index: usize, budget: &Arc<Budget>) {
        match (self, others) {
            (Self::AsTheyCame(documents), Self::AsTheyCame(others)) => {
                // It may be a small part of what was received together.
                documents.extend(others.get(index).map(|other| budget.adopt(other.to_vec()).bytes().clone()));
            }
            (Self::Written { made, .. }, Self::Written { made: others, .. }) => {
                let Some(entry) = others.entries.get(index) else { return };
                let before = index.checked_sub(1).and_then(|before| others.entries.get(before));
                let is_next_item = before.is_none_or(|before| before.item != entry.item);
                if is_next_item || made.items == 0 {
                    made.items += 1;
                }
                let start = made.bytes.len();
                made.bytes.extend_from_slice(others.text(entry));
                let item = if entry.item == NO_ITEM { NO_ITEM } else { made.items };
                made.entries.push(Entry { range: start..made.bytes.len(), item, ..entry.clone() });
            }
            // A batch has documents of one kind.
            _ => {}
        }
    }

    /// Counts what was added in the budget.
    pub(crate) fn count(&mut self, budget: &Arc<Budget>) {
        if let Self::Written { made, _counted } = self {
            *_counted = Some(budget.force(made.memory()));
        }
    }

    pub(crate) fn item(&self, index: usize) -> Option<usize> {
        match self {
            Self::AsTheyCame(documents) => (index < documents.len()).then_some(index),
            Self::Written { made, .. } => {
                made.entries.get(index).map(|entry| entry.item).filter(|item| *item != NO_ITEM)
            }
        }
    }
}
