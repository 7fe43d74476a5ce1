//! Which documents of a batch are to be sent, and what has become of each.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use component::Settled;
use data::Budget;

use crate::answer::{self, Unprocessed};
use crate::body;
use crate::documents::{Documents, NO_ITEM};

/// Documents of the longest call: the API's limit, which the daemon and the Collector keep to.
pub(crate) const MAX_DOCUMENTS: usize = 50;

/// Documents of the longest call, of those that came back once; after another time they go alone.
const AGAIN: usize = MAX_DOCUMENTS / 2;

/// Documents that are sent together, and what became of each.
pub(crate) struct Wave {
    pub(crate) documents: Documents,
    pub(crate) fates: Fates,
    /// What was refused for good, and is in no dead letter yet.
    pub(crate) unwritten: Vec<Refusal>,
    /// Nothing was taken of it the last time, because calls failed.
    pub(crate) in_vain: bool,
}

impl Wave {
    pub(crate) fn new(documents: Documents) -> Self {
        let fates = Fates::new(&documents);
        Self { documents, fates, unwritten: Vec::new(), in_vain: false }
    }

    /// Adds what is open to another wave, unless that would then have more than `max` bytes. The other document of an item
    /// goes with it, whatever became of it: the item is settled with the last of them.
    pub(crate) fn put_aside(&self, aside: &mut Option<Self>, max: usize, budget: &Arc<Budget>) -> bool {
        let Self { documents, fates, .. } = self;
        let mut moved = Vec::new();
        for index in 0..documents.len() {
            let item = documents.item(index).filter(|item| *item != NO_ITEM);
            let neighbours = [Some(index), index.checked_sub(1), index.checked_add(1)];
            let is_open = neighbours.into_iter().flatten().any(|other| {
                (other == index || (item.is_some() && documents.item(other) == item))
                    && matches!(fates.0.get(other), Some(Fate::Open(_)))
            });
            if is_open {
                moved.push(index);
            }
        }
        let bytes: usize = moved.iter().map(|index| documents.get(*index).len()).sum();
        let held = aside.as_ref().map_or(0, |aside| aside.documents.bytes());
        if held + bytes > max {
            return false;
        }
        let aside = aside.get_or_insert_with(|| Self::new(documents.none()));
        for index in moved {
            aside.documents.push_from(documents, index, budget);
            aside.fates.0.extend(fates.0.get(index));
        }
        aside.documents.count(budget);
        true
    }
}

/// The documents of one call, by index.
pub(crate) type Call = Vec<usize>;

/// What has become of the documents of a batch.
pub(crate) struct Fates(Vec<Fate>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is still to be sent, with so many in a call at most.
    Open(usize),
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
        Self(vec![Fate::Open(MAX_DOCUMENTS); documents.len()])
    }

    pub(crate) fn open(&self) -> usize {
        self.0.iter().filter(|fate| matches!(fate, Fate::Open(_))).count()
    }

    /// What is open.
    pub(crate) fn left(&self) -> Call {
        let open = self.0.iter().enumerate().filter(|(_, fate)| matches!(fate, Fate::Open(_)));
        open.map(|(index, _)| index).collect()
    }

    /// The calls that take what is open, each within what its documents allow and `max_bytes` of body.
    pub(crate) fn calls(&self, documents: &Documents, max_bytes: usize) -> VecDeque<Call> {
        let mut calls = VecDeque::new();
        let mut call = Call::new();
        let (mut bytes, mut most) = (body::FRAME, MAX_DOCUMENTS);
        for (index, fate) in self.0.iter().enumerate() {
            let Fate::Open(with) = *fate else { continue };
            if with <= 1 {
                calls.push_back(vec![index]);
                continue;
            }
            let more = body::escaped_len(documents.get(index)) + body::PER_DOCUMENT;
            if call.len() >= most.min(with) || (!call.is_empty() && bytes + more > max_bytes) {
                calls.push_back(std::mem::take(&mut call));
                (bytes, most) = (body::FRAME, MAX_DOCUMENTS);
            }
            if call.is_empty() {
                call.reserve(MAX_DOCUMENTS);
            }
            call.push(index);
            bytes += more;
            most = most.min(with);
        }
        if !call.is_empty() {
            calls.push_back(call);
        }
        calls
    }

    /// Notes the answer to a call. What may be sent again stays open; what is refused for good comes back, open until
    /// it is [`refused`](Self::refused).
    ///
    /// The API names documents by their segment ids. Where that does not say which ones are meant (one of two documents
    /// of the same segment, or no id at all), all that may be meant stay open and go alone the next time: nothing counts
    /// as delivered that may have been refused, and sending a segment again does no harm.
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
        let mut left: Vec<(usize, Option<String>)> =
            call.iter().map(|index| (*index, documents.id(*index))).collect();
        let mut named: BTreeMap<Option<String>, Vec<Unprocessed>> = BTreeMap::new();
        for entry in unprocessed {
            let id = entry.id.as_deref().map(str::to_ascii_lowercase);
            let is_known = id.is_some() && left.iter().any(|(_, own)| *own == id);
            named.entry(id.filter(|_| is_known)).or_default().push(entry);
        }
        // Those without a name of ours come last: they are among what nobody else named.
        let nameless = named.remove(&None);
        let mut refusals = Vec::new();
        for (id, entries) in named {
            let meant = left.extract_if(.., |(_, own)| *own == id).map(|(index, _)| index).collect();
            self.named(meant, entries, &mut refusals);
        }
        if let Some(entries) = nameless {
            self.named(left.drain(..).map(|(index, _)| index).collect(), entries, &mut refusals);
        }
        left.iter().for_each(|(index, _)| self.settle(documents, *index, Fate::Sent, settled));
        refusals
    }

    /// Notes what was said of `entries.len()` of these documents.
    fn named(&mut self, meant: Vec<usize>, entries: Vec<Unprocessed>, refusals: &mut Vec<Refusal>) {
        if entries.len() < meant.len() {
            return meant.into_iter().for_each(|document| self.at_most(document, 1));
        }
        for (document, Unprocessed { code, message, .. }) in meant.into_iter().zip(entries) {
            if answer::may_be_sent_again(&code) {
                self.returned(document);
            } else {
                refusals.push(Refusal { document, code, message });
            }
        }
    }

    /// Notes documents that were refused for good, under the reason that the books have for their codes.
    pub(crate) fn refused(&mut self, documents: &Documents, refusals: &[Refusal], settled: &mut Settled) {
        for Refusal { document, code, message } in refusals {
            // Told before it is counted: what was said first of a reason is what people see.
            let reason = answer::reason(code);
            settled.reject(reason, 0, &**message);
            self.settle(documents, *document, Fate::Refused(reason), settled);
        }
    }

    /// Whether the API has a document.
    pub(crate) fn was_taken(&self, index: usize) -> bool {
        self.0.get(index) == Some(&Fate::Sent)
    }

    /// Notes a call that failed, perhaps because of one of its documents: the next ones are half as long.
    pub(crate) fn broke(&mut self, call: &Call) {
        for index in call {
            self.at_most(*index, call.len() / 2);
        }
    }

    /// Calls may be as long as ever again.
    pub(crate) fn forget_limits(&mut self) {
        for fate in &mut self.0 {
            if let Fate::Open(with) = fate {
                *with = MAX_DOCUMENTS;
            }
        }
    }

    fn returned(&mut self, index: usize) {
        let is_first = matches!(self.0.get(index), Some(Fate::Open(with)) if *with > AGAIN);
        self.at_most(index, if is_first { AGAIN } else { 1 });
    }

    /// It goes with so many at most from now on.
    fn at_most(&mut self, index: usize, most: usize) {
        if let Some(Fate::Open(with)) = self.0.get_mut(index) {
            *with = most.min(*with);
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
    use bytes::Bytes;
    use xray::from_span::{Documents as Translated, Entry};

    use super::*;

    /// Documents of these items, one byte each, with their place as the segment id.
    fn written(items: &[usize]) -> Documents {
        let entry = |(place, item): (usize, &usize)| Entry {
            range: place..place + 1,
            item: *item,
            id: (place as u64).to_be_bytes(),
            trimmed: false,
        };
        let entries = items.iter().enumerate().map(entry).collect();
        let made = Translated { bytes: vec![b'x'; items.len()], entries, ..Translated::default() };
        Documents::Written { made, _counted: None }
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
        fates.refused(&documents, &refused, &mut books);
        assert_eq!(settled(&books), (1, vec![("InvalidName", 1, "1 is wrong"), ("other", 1, "6 is wrong")]));
        assert_eq!((fates.open(), fates.was_taken(2), fates.was_taken(3)), (1, true, false));
        assert!(fates.taken(&documents, &vec![3], Vec::new(), &mut books).is_empty());
        assert_eq!((fates.open(), settled(&books).0), (0, 2));
    }

    #[test]
    fn what_is_put_aside_is_settled_as_if_it_had_stayed() {
        let budget = Budget::unlimited();
        let mut books = Settled::default();
        let mut aside = None;
        // In two waves, of items of two documents: one is sent and one comes back; one is refused and one comes back;
        // both come back; both are sent.
        for _ in 0..2 {
            let mut wave = Wave::new(written(&[0, 0, 1, 1, 2, 2, 3, 3]));
            let said = vec![
                unprocessed(1, "InternalFailure"),
                unprocessed(2, "InvalidName"),
                unprocessed(3, "InternalFailure"),
                unprocessed(4, "InternalFailure"),
                unprocessed(5, "InternalFailure"),
            ];
            let refused = wave.fates.taken(&wave.documents, &(0..8).collect(), said, &mut books);
            wave.fates.refused(&wave.documents, &refused, &mut books);
            assert!(!wave.put_aside(&mut aside, 5, &budget) || aside.is_none());
            assert!(wave.put_aside(&mut aside, 100, &budget));
        }
        assert_eq!(settled(&books), (2, vec![("InvalidName", 0, "2 is wrong")]));
        let Some(mut aside) = aside else { panic!("nothing was put aside") };
        assert_eq!((aside.documents.len(), aside.fates.open(), budget.held() >= 12), (12, 8, true));
        let calls: Vec<Call> = aside.fates.calls(&aside.documents, 1 << 20).into();
        assert_eq!(calls, [vec![1, 3, 4, 5, 7, 9, 10, 11]]);
        assert!(aside.fates.taken(&aside.documents, &calls[0], Vec::new(), &mut books).is_empty());
        let (delivered, rejected) = settled(&books);
        assert_eq!((delivered, rejected[0].1), (6, 2), "two of each kind, and the refused ones");
        drop(aside);
        assert_eq!(budget.held(), 0);
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

    fn documents(ids: &[&str]) -> Documents {
        let document = |id: &&str| Bytes::from(format!("{{\"id\":\"{id}\",\"name\":\"n\"}}"));
        Documents::AsTheyCame(ids.iter().map(document).collect())
    }

    fn entry(id: Option<&str>, code: &str) -> Unprocessed {
        Unprocessed { id: id.map(str::to_owned), code: code.to_owned(), message: String::new() }
    }

    /// Open documents, delivered ones, and those refused, after an answer.
    fn after(ids: &[&str], unprocessed: Vec<Unprocessed>) -> (usize, usize, Vec<usize>) {
        let documents = documents(ids);
        let mut fates = Fates::new(&documents);
        let mut settled = Settled::default();
        let call = (0..ids.len()).collect();
        let refusals = fates.taken(&documents, &call, unprocessed, &mut settled);
        let open = fates.open();
        fates.refused(&documents, &refusals, &mut settled);
        assert_eq!(fates.open() + refusals.len(), open, "refused documents are open until they are counted");
        (fates.open(), settled.delivered(), refusals.iter().map(|one| one.document).collect())
    }

    #[test]
    fn segments_are_known_by_their_ids_in_any_case() {
        assert_eq!(after(&["0A", "0b"], vec![entry(Some("0a"), "InvalidName")]), (0, 1, vec![0]));
        assert_eq!(after(&["0a", "0b"], vec![entry(Some("0B"), "InternalFailure")]), (1, 1, vec![]));
    }

    #[test]
    fn what_may_have_been_refused_is_not_delivered() {
        // Nobody is named: it is the only one, or all may be meant.
        assert_eq!(after(&["0a"], vec![entry(None, "MissingId")]), (0, 0, vec![0]));
        assert_eq!(after(&["0a", "0b"], vec![entry(None, "MissingId")]), (2, 0, vec![]));
        assert_eq!(after(&["0a", "0b"], vec![entry(Some("ff"), "InvalidName")]), (2, 0, vec![]));
        // One is named, so the nameless one is the other.
        let both = vec![entry(None, "MissingId"), entry(Some("0a"), "InvalidName")];
        assert_eq!(after(&["0a", "0b"], both), (0, 0, vec![0, 1]));
    }

    #[test]
    fn of_two_documents_of_a_segment_none_is_taken_for_the_other() {
        let ids = ["0a", "0b", "0a"];
        assert_eq!(after(&ids, vec![entry(Some("0a"), "ThrottledException")]), (2, 1, vec![]));
        let both = vec![entry(Some("0a"), "InvalidName"), entry(Some("0a"), "InternalFailure")];
        assert_eq!(after(&ids, both), (1, 1, vec![0]));
        // They go alone then.
        let documents = documents(&ids);
        let mut fates = Fates::new(&documents);
        let call = vec![0, 1, 2];
        let one = vec![entry(Some("0a"), "InvalidName")];
        assert!(fates.taken(&documents, &call, one, &mut Settled::default()).is_empty());
        assert_eq!(fates.calls(&documents, 1 << 20), [vec![0], vec![2]]);
    }
}
