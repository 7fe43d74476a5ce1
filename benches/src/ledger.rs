//! Who got which span: ids issued, acknowledged to the client, and received behind the collector.
//!
//! A span id is the run-local counter of its span, scrambled so that it looks like an id; the way back is a
//! multiplication. So three bit sets hold the account of a run, at three bits a span.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// The account of one run, by span id.
#[derive(Default)]
pub(crate) struct Ledger {
    issued: AtomicU64,
    acknowledged: Mutex<BitSet>,
    received: Mutex<Received>,
}

#[derive(Default)]
struct Received {
    ids: BitSet,
    duplicates: u64,
    foreign: u64,
}

/// How the account stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    /// Spans sent at least once.
    pub(crate) issued: u64,
    /// Spans whose request was answered OK.
    pub(crate) acknowledged: u64,
    /// Distinct spans that arrived.
    pub(crate) received: u64,
    /// Acknowledged and not arrived: the loss, which must be nothing.
    pub(crate) missing: u64,
    /// Arrived without having been acknowledged; no fault, the client was told to send them again.
    pub(crate) unacknowledged: u64,
    /// Arrivals beyond the first of a span.
    pub(crate) duplicates: u64,
    /// Ids that this run never sent.
    pub(crate) foreign: u64,
}

impl Ledger {
    /// Reserves `count` consecutive counters and returns the first.
    pub(crate) fn issue(&self, count: u64) -> u64 {
        self.issued.fetch_add(count, Relaxed)
    }

    /// Notes that the spans from counter `first` on were answered OK.
    pub(crate) fn acknowledge(&self, first: u64, count: u64) {
        let mut acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        for counter in first..first.saturating_add(count) {
            acknowledged.insert(counter);
        }
    }

    /// Notes that the spans with these ids arrived.
    pub(crate) fn receive(&self, ids: &[u64]) {
        let issued = self.issued.load(Relaxed);
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            let counter = counter_of(*id);
            if counter >= issued {
                received.foreign += 1;
            } else if !received.ids.insert(counter) {
                received.duplicates += 1;
            }
        }
    }

    /// The account as it stands now.
    pub(crate) fn balance(&self) -> Balance {
        let acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = acknowledged.len_without(&received.ids);
        Balance {
            issued: self.issued.load(Relaxed),
            acknowledged: acknowledged.len,
            received: received.ids.len,
            missing,
            unacknowledged: received.ids.len_without(&acknowledged),
            duplicates: received.duplicates,
            foreign: received.foreign,
        }
    }
}

const SCRAMBLE: u64 = 0x9e37_79b9_7f4a_7c15;
const UNSCRAMBLE: u64 = inverse(SCRAMBLE);
const OFFSET: u64 = 0x6a09_e667_f3bc_c909;

/// The inverse of an odd number modulo 2^64: each Newton step doubles the correct bits.
const fn inverse(odd: u64) -> u64 {
    let mut guess = odd;
    let mut step = 0;
    while step < 6 {
        guess = guess.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(guess)));
        step += 1;
    }
    guess
}

/// The span id of the span with this run-local counter.
pub(crate) fn span_id_of(counter: u64) -> u64 {
    counter.wrapping_add(OFFSET).wrapping_mul(SCRAMBLE)
}

/// The way back from [`span_id_of`]; a foreign id almost surely gives a counter that was never issued.
pub(crate) fn counter_of(span_id: u64) -> u64 {
    span_id.wrapping_mul(UNSCRAMBLE).wrapping_sub(OFFSET)
}

#[derive(Default)]
struct BitSet {
    words: Vec<u64>,
    len: u64,
}

impl BitSet {
    /// Adds a member; false when it was there already.
    fn insert(&mut self, member: u64) -> bool {
        let (word, bit) = ((member / 64) as usize, 1 << (member % 64));
        if word >= self.words.len() {
            self.words.resize((word + 1).next_power_of_two(), 0);
        }
        let fresh = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.len += u64::from(fresh);
        fresh
    }

    fn len_without(&self, other: &BitSet) -> u64 {
        let others = other.words.iter().copied().chain(std::iter::repeat(0));
        self.words.iter().zip(others).map(|(mine, theirs)| u64::from((mine & !theirs).count_ones())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn span_ids_lead_back_to_their_counters() {
        for counter in [0, 1, 2, 63, 64, 1 << 40, u64::MAX] {
            assert_eq!(counter_of(span_id_of(counter)), counter);
        }
    }

    #[test]
    fn the_balance_tells_lost_from_unacknowledged_spans() {
        let ledger = Ledger::default();
        let first = ledger.issue(10);
        ledger.acknowledge(first, 6);
        let ids: Vec<u64> = [0, 1, 2, 3, 8, 8].map(span_id_of).into();
        ledger.receive(&ids);
        ledger.receive(&[12345]);
        let expected = Balance {
            issued: 10,
            acknowledged: 6,
            received: 5,
            missing: 2,
            unacknowledged: 1,
            duplicates: 1,
            foreign: 1,
        };
        assert_eq!(ledger.balance(), expected);
    }
}
