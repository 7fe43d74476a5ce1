//! The documents of one batch, and what has become of each.

use std::collections::VecDeque;

use bytes::Bytes;
use component::Settled;
use data::Part;
use serde_json::Value;
use xray::from_span::Entry;
use xray::ids::segment_id;

use crate::answer::{self, Unprocessed};
use crate::body;

/// Documents of the longest call: the API's limit, which the daemon and the Collector keep to.
pub(crate) const MAX_DOCUMENTS: usize = 50;

/// Stands in an entry for the item of a document that is not counted: its other document was never made.
pub(crate) const NO_ITEM: usize = usize::MAX;

/// Where the documents are.
pub(crate) enum Documents {
    /// Each by itself, as a client sent it.
    AsTheyCame(Vec<Bytes>),
    /// One behind the other in a buffer: where, and of which item.
    Written { buffer: Part, entries: Vec<Entry> },
}

impl Documents {
    fn len(&self) -> usize {
        match self {
            Self::AsTheyCame(documents) => documents.len(),
            Self::Written { entries, .. } => entries.len(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> &[u8] {
        match self {
            Self::AsTheyCame(documents) => documents.get(index).map_or(&[], |document| document),
            Self::Written { buffer, entries } => entries
                .get(index)
                .and_then(|entry| buffer.bytes().get(entry.range.clone()))
                .unwrap_or_default(),
        }
    }

    /// A document's segment id, as the API names it.
    pub(crate) fn id(&self, index: usize) -> Option<String> {
        match self {
            Self::AsTheyCame(_) => {
                let document: Value = serde_json::from_slice(self.get(index)).ok()?;
                document.get("id")?.as_str().map(str::to_owned)
            }
            Self::Written { entries, .. } => {
                let id = entries.get(index)?.id;
                Some(String::from_utf8_lossy(&segment_id(id)).into_owned())
            }
        }
    }

    fn item(&self, index: usize) -> Option<usize> {
        match self {
            Self::AsTheyCame(documents) => (index < documents.len()).then_some(index),
            Self::Written { entries, .. } => {
                entries.get(index).map(|entry| entry.item).filter(|item| *item != NO_ITEM)
            }
        }
    }
}

/// The documents of one call, by index.
pub(crate) type Call = Vec<usize>;

/// What has become of the documents of a batch.
pub(crate) struct Fates(Vec<Fate>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is still to be sent; so often it came back.
    Open(u8),
    Sent,
    /// Refused for good, under this reason.
    Refused(&'static str),
}

/// A document that the API refused for good.
pub(crate) struct Refusal {
    pub(crate) document: usize,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Fates {
    pub(crate) fn new(documents: &Documents) -> Self {
        Self(vec![Fate::Open(0); documents.len()])
    }

    pub(crate) fn open(&self) -> usize {
        self.0.iter().filter(|fate| matches!(fate, Fate::Open(_))).count()
    }

    /// The calls that take what is open, each within the API's count and `max_bytes` of body.
    ///
    /// What came back more than once goes alone.
    pub(crate) fn calls(&self, documents: &Documents, max_bytes: usize) -> VecDeque<Call> {
        let mut calls = VecDeque::new();
        let mut call = Call::new();
        let mut bytes = body::FRAME;
        for (index, fate) in self.0.iter().enumerate() {
            let Fate::Open(returns) = fate else { continue };
            if *returns > 1 {
                calls.push_back(vec![index]);
                continue;
            }
            let document = documents.get(index);
            let more = document.len() + document.len() / 5 + body::PER_DOCUMENT;
            if call.len() == MAX_DOCUMENTS || (!call.is_empty() && bytes + more > max_bytes) {
                calls.push_back(std::mem::take(&mut call));
                bytes = body::FRAME;
            }
            call.push(index);
            bytes += more;
        }
        if !call.is_empty() {
            calls.push_back(call);
        }
        calls
    }

    /// Notes the answer to a call. What may be sent again stays open; what is refused for good comes back.
    pub(crate) fn taken(
        &mut self,
        documents: &Documents,
        call: &Call,
        unprocessed: Vec<Unprocessed>,
        settled: &mut Settled,
    ) -> Vec<Refusal> {
        if unprocessed.is_empty() {
            call.iter().for_each(|index| self.settle(documents, *index, Fate::Sent, settled));
            return Vec::new();
        }
        let mut refusals = Vec::new();
        let mut left: Vec<_> = call.iter().map(|index| (*index, documents.id(*index))).collect();
        for Unprocessed { id, code, message } in unprocessed {
            // The same id may be there twice: a document in progress and the whole one. They are named in order.
            let Some(at) = left.iter().position(|(_, own)| *own == id) else {
                tracing::warn!(id, code, message, "X-Ray names a segment that was not sent to it");
                continue;
            };
            let (document, _) = left.remove(at);
            if answer::may_be_sent_again(&code) {
                self.returned(document);
            } else {
                refusals.push(Refusal { document, code, message });
            }
        }
        left.iter().for_each(|(index, _)| self.settle(documents, *index, Fate::Sent, settled));
        for Refusal { document, code, message } in &refusals {
            self.refuse(documents, *document, answer::reason(code), message, settled);
        }
        refusals
    }

    /// Notes that a whole call was refused for good.
    pub(crate) fn refused(
        &mut self,
        documents: &Documents,
        call: &Call,
        reason: &'static str,
        message: &str,
        settled: &mut Settled,
    ) {
        call.iter().for_each(|index| self.refuse(documents, *index, reason, message, settled));
    }

    fn refuse(
        &mut self,
        documents: &Documents,
        index: usize,
        reason: &'static str,
        message: &str,
        settled: &mut Settled,
    ) {
        // Told before it is counted: what was said first of a reason is what people see.
        settled.reject(reason, 0, message);
        self.settle(documents, index, Fate::Refused(reason), settled);
    }

    /// Whether the API has a document.
    pub(crate) fn was_taken(&self, index: usize) -> bool {
        self.0.get(index) == Some(&Fate::Sent)
    }

    fn returned(&mut self, index: usize) {
        if let Some(Fate::Open(returns)) = self.0.get_mut(index) {
            *returns = returns.saturating_add(1);
        }
    }

    /// Notes one document, and its item with the last document of it.
    fn settle(&mut self, documents: &Documents, index: usize, fate: Fate, settled: &mut Settled) {
        let Some(place) = self.0.get_mut(index) else { return };
        *place = fate;
        let Some(item) = documents.item(index) else { return };
        // The documents of an item stand one behind the other, and are two at most.
        let neighbours = [index.checked_sub(1), index.checked_add(1)].into_iter().flatten();
        let other = neighbours
            .filter(|other| documents.item(*other) == Some(item))
            .find_map(|other| self.0.get(other))
            .copied();
        match (fate, other) {
            (_, Some(Fate::Open(_))) | (Fate::Open(_), _) => {}
            (Fate::Sent, None | Some(Fate::Sent)) => settled.deliver(1),
            (Fate::Refused(reason), _) | (Fate::Sent, Some(Fate::Refused(reason))) => {
                settled.reject(reason, 1, reason);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Documents of these items, one byte each, with their place as the segment id.
    fn written(items: &[usize]) -> Documents {
        let entry = |(place, item): (usize, &usize)| Entry {
            range: place..place + 1,
            item: *item,
            id: (place as u64).to_be_bytes(),
            trimmed: false,
        };
        let buffer = Part::from(vec![b'x'; items.len()]);
        Documents::Written { buffer, entries: items.iter().enumerate().map(entry).collect() }
    }

    fn unprocessed(place: u64, code: &str) -> Unprocessed {
        let id = Some(format!("{place:016x}"));
        Unprocessed { id, code: code.to_owned(), message: format!("{place} is wrong") }
    }

    fn settled(settled: &Settled) -> (usize, Vec<(&'static str, usize, &str)>) {
        let rejected = settled.rejected().iter();
        let rejected = rejected.map(|one| (one.reason, one.items, &*one.message)).collect();
        (settled.delivered(), rejected)
    }

    #[test]
    fn an_item_of_two_documents_is_settled_with_the_second() {
        let documents = written(&[0, 1, 1, 2, 2, 3, 3, NO_ITEM]);
        let mut fates = Fates::new(&documents);
        let mut books = Settled::default();
        // Of item 1 one document is refused, of item 2 one comes back, of item 3 both are refused.
        let said = vec![
            unprocessed(1, "InvalidName"),
            unprocessed(3, "InternalFailure"),
            unprocessed(5, "InvalidName"),
            unprocessed(6, "Strange"),
        ];
        let refused = fates.taken(&documents, &(0..8).collect(), said, &mut books);
        assert_eq!(refused.iter().map(|one| one.document).collect::<Vec<_>>(), [1, 5, 6]);
        assert_eq!(settled(&books), (1, vec![("InvalidName", 1, "1 is wrong"), ("other", 1, "6 is wrong")]));
        assert_eq!((fates.open(), fates.was_taken(2), fates.was_taken(3)), (1, true, false));
        assert!(fates.taken(&documents, &vec![3], Vec::new(), &mut books).is_empty());
        assert_eq!((fates.open(), settled(&books).0), (0, 2));
    }

    #[test]
    fn what_the_api_names_is_found_by_id_in_order() {
        let document = |id: &str| Bytes::from(format!("{{\"id\":\"{id}\"}}"));
        let parts = vec![document("a"), document("b"), document("a"), Bytes::from_static(b"no JSON")];
        let documents = Documents::AsTheyCame(parts);
        let mut fates = Fates::new(&documents);
        let mut books = Settled::default();
        let name = |id: Option<&str>| Unprocessed {
            id: id.map(str::to_owned),
            code: "InvalidSegment".to_owned(),
            ..Unprocessed::default()
        };
        let said = vec![name(Some("a")), name(None), name(Some("unknown")), name(Some("a")), name(Some("a"))];
        let refused = fates.taken(&documents, &vec![0, 1, 2, 3], said, &mut books);
        assert_eq!(refused.iter().map(|one| one.document).collect::<Vec<_>>(), [0, 3, 2]);
        assert_eq!(settled(&books), (1, vec![("InvalidSegment", 3, "")]));
    }

    #[test]
    fn calls_keep_to_count_and_bytes() {
        let large = |len: usize| Bytes::from(vec![b'x'; len]);
        let documents = Documents::AsTheyCame([10, 400, 400, 2_000, 10, 10].map(large).to_vec());
        let fates = Fates::new(&documents);
        let calls: Vec<Call> = fates.calls(&documents, 1_000).into();
        assert_eq!(calls, [vec![0, 1], vec![2], vec![3], vec![4, 5]], "what is too large goes alone");
        let documents = written(&(0..120).collect::<Vec<_>>());
        let calls = Fates::new(&documents).calls(&documents, 1 << 20);
        assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [50, 50, 20]);
    }
}
