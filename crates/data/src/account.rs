//! The ledger: what became of every item that a node saw.
//!
//! For each node, at any moment:
//! `entered + created = left + waiting + held + discarded + refused`, in items. Each term is counted where it
//! happens, none is derived from the others, so the sum is a check. Counts are kept per batch, never per item.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The running account of one node and one signal.
#[derive(Debug, Default)]
pub struct Account {
    entered: AtomicU64,
    created: AtomicU64,
    left: AtomicU64,
    waiting: AtomicU64,
    held: AtomicU64,
    discarded: Reasons,
    refused: Reasons,
}

/// A copy of an [`Account`] at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// Items taken in.
    pub entered: u64,
    /// Items made here: copies for further branches, derived data.
    pub created: u64,
    /// Items handed on, or delivered to their destination.
    pub left: u64,
    /// Items in the inbox or queue.
    pub waiting: u64,
    /// Items inside the stage.
    pub held: u64,
    /// Items dropped on purpose, by reason.
    pub discarded: Vec<(&'static str, u64)>,
    /// Items sent back or lost, by reason.
    pub refused: Vec<(&'static str, u64)>,
}

#[derive(Debug, Default)]
struct Reasons(Mutex<Vec<(&'static str, u64)>>);

impl Account {
    /// Items came in and wait in the inbox.
    pub fn enter(&self, items: usize) {
        self.waiting.fetch_add(items as u64, Ordering::Relaxed);
        self.entered.fetch_add(items as u64, Ordering::Relaxed);
    }

    /// Items went from the inbox into the stage.
    pub fn begin(&self, items: usize) {
        self.held.fetch_add(items as u64, Ordering::Relaxed);
        self.waiting.fetch_sub(items as u64, Ordering::Relaxed);
    }

    /// Items came in without an inbox: what a receiver took off the wire.
    pub fn receive(&self, items: usize) {
        self.held.fetch_add(items as u64, Ordering::Relaxed);
        self.entered.fetch_add(items as u64, Ordering::Relaxed);
    }

    /// Items were made here and are inside the stage.
    pub fn create(&self, items: usize) {
        self.held.fetch_add(items as u64, Ordering::Relaxed);
        self.created.fetch_add(items as u64, Ordering::Relaxed);
    }

    /// Items inside the stage were handed on.
    pub fn leave(&self, items: usize) {
        self.end(items);
        self.left.fetch_add(items as u64, Ordering::Relaxed);
    }

    /// Items inside the stage were dropped on purpose.
    pub fn discard(&self, reason: &'static str, items: usize) {
        self.end(items);
        self.discarded.add(reason, items);
    }

    /// Items inside the stage were refused by what comes after, or given up.
    pub fn refuse(&self, reason: &'static str, items: usize) {
        self.end(items);
        self.refused.add(reason, items);
    }

    /// The account as it stands. Exact when the node is at rest; under load the terms are read one by one.
    #[must_use]
    pub fn statement(&self) -> Statement {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Statement {
            entered: read(&self.entered),
            created: read(&self.created),
            left: read(&self.left),
            waiting: read(&self.waiting),
            held: read(&self.held),
            discarded: self.discarded.read(),
            refused: self.refused.read(),
        }
    }

    /// What a stage gives out of itself must have been in it: wrapping here would hide a bug, so the books show
    /// an absurd number instead of a plausible one.
    fn end(&self, items: usize) {
        self.held.fetch_sub(items as u64, Ordering::Relaxed);
    }
}

impl Reasons {
    fn add(&self, reason: &'static str, items: usize) {
        let mut reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += items as u64,
            None => reasons.push((reason, items as u64)),
        }
    }

    fn read(&self) -> Vec<(&'static str, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Statement {
    /// Whether everything that came in is accounted for.
    #[must_use]
    pub fn balances(&self) -> bool {
        let out = [self.left, self.waiting, self.held, self.discarded_in_all(), self.refused_in_all()];
        let out = out.into_iter().fold(0_u64, u64::wrapping_add);
        self.entered.wrapping_add(self.created) == out
    }

    /// Items dropped on purpose, for any reason.
    #[must_use]
    pub fn discarded_in_all(&self) -> u64 {
        self.discarded.iter().map(|(_, count)| count).sum()
    }

    /// Items sent back or lost, for any reason.
    #[must_use]
    pub fn refused_in_all(&self) -> u64 {
        self.refused.iter().map(|(_, count)| count).sum()
    }

    /// Items not yet handed on: waiting or held.
    #[must_use]
    pub const fn inside(&self) -> u64 {
        self.waiting.wrapping_add(self.held)
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entered {}", self.entered)?;
        if self.created > 0 {
            write!(f, " + created {}", self.created)?;
        }
        write!(f, " = left {}", self.left)?;
        for (name, count) in [("waiting", self.waiting), ("held", self.held)] {
            if count > 0 {
                write!(f, " + {name} {count}")?;
            }
        }
        for (name, reasons) in [("discarded", &self.discarded), ("refused", &self.refused)] {
            for (reason, count) in reasons {
                write!(f, " + {name}{{{reason}}} {count}")?;
            }
        }
        if self.balances() { Ok(()) } else { f.write_str(" (DOES NOT BALANCE)") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_keeps_the_balance() {
        let account = Account::default();
        account.enter(10);
        account.receive(5);
        account.begin(10);
        account.create(3);
        account.leave(12);
        account.discard("filtered", 2);
        account.discard("filtered", 1);
        account.refuse("queue full", 1);
        let statement = account.statement();
        assert!(statement.balances());
        assert_eq!(statement.inside(), 2);
        assert_eq!(
            statement.to_string(),
            "entered 15 + created 3 = left 12 + held 2 + discarded{filtered} 3 + refused{queue full} 1"
        );
    }

    #[test]
    fn a_lost_item_shows() {
        let statement = Statement { entered: 5, left: 4, ..Statement::default() };
        assert!(!statement.balances());
        assert_eq!(statement.to_string(), "entered 5 = left 4 (DOES NOT BALANCE)");
    }
}
