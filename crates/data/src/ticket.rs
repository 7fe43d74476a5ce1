//! The delivery ticket: who waits for the verdict on a batch.
//!
//! Rules, each held by a test below:
//! - splitting a batch divides its ticket, joining merges, fan-out asks every branch;
//! - a claim that is dropped without a verdict counts as *not delivered* and may be sent again;
//! - a refusal that may be retried outweighs one for good, since only a retry can still save the items;
//! - items refused for good next to delivered ones make the verdict partial.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::verdict::{Refused, Verdict};

/// The right, and duty, to say what became of some items. Travels with them.
#[derive(Debug, Default)]
#[must_use = "a ticket dropped without a verdict counts as not delivered"]
pub struct Ticket {
    claims: Vec<Claim>,
}

/// Resolves to the verdict once every claim of the ticket is settled.
#[derive(Debug)]
pub struct Pending {
    origin: Arc<Origin>,
}

#[derive(Debug)]
struct Claim {
    origin: Arc<Origin>,
    items: usize,
    settled: bool,
}

#[derive(Debug)]
struct Origin {
    items: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    holder: Option<Arc<str>>,
    retry: Option<Refused>,
    permanent: Option<Refused>,
    rejected: u64,
    waker: Option<Waker>,
}

impl Ticket {
    /// A ticket that nobody waits for: items already taken over, or made here.
    pub const fn none() -> Self {
        Self { claims: Vec::new() }
    }

    /// A ticket for `items` items, and the other end where the verdict appears.
    pub fn open(items: usize) -> (Self, Pending) {
        let state = Mutex::new(State { open: 1, ..State::default() });
        let origin = Arc::new(Origin { items, state });
        let claim = Claim { origin: Arc::clone(&origin), items, settled: false };
        (Self { claims: vec![claim] }, Pending { origin })
    }

    /// Whether somebody still waits for the verdict.
    #[must_use]
    pub const fn is_awaited(&self) -> bool {
        !self.claims.is_empty()
    }

    /// Takes off a ticket for the first `items` items; `self` keeps the rest.
    ///
    /// Claims stand in the order of the items they were merged for, so a batch that is cut in order is cut
    /// along its senders. With more items than the ticket has, all of it is taken.
    pub fn split(&mut self, mut items: usize) -> Self {
        let mut whole = 0;
        while let Some(claim) = self.claims.get(whole)
            && claim.items <= items
        {
            items -= claim.items;
            whole += 1;
        }
        let mut claims: Vec<Claim> = self.claims.drain(..whole).collect();
        if items > 0
            && let Some(cut) = self.claims.first_mut()
        {
            cut.items -= items;
            claims.push(cut.again(items));
        }
        Self { claims }
    }

    /// Adds the claims of a ticket whose items were appended to this one's.
    pub fn merge(&mut self, other: Self) {
        self.claims.extend(other.claims);
    }

    /// A second ticket for the same items: the verdict then needs both.
    pub fn branch(&self) -> Self {
        Self { claims: self.claims.iter().map(|claim| claim.again(claim.items)).collect() }
    }

    /// The stage named `by` answers for the items from here on; whoever waited may go.
    ///
    /// What is left stands for nobody.
    pub fn take_over(&mut self, by: &Arc<str>) {
        for mut claim in self.claims.drain(..) {
            claim.settle(|state, _| state.holder = Some(Arc::clone(by)));
        }
    }

    /// The items arrived, or were discarded on purpose.
    pub fn delivered(self) {
        for mut claim in self.claims {
            claim.settle(|_, _| {});
        }
    }

    /// The items were refused.
    pub fn refused(self, refused: &Refused) {
        for mut claim in self.claims {
            claim.settle(|state, items| state.refuse(refused, items));
        }
    }

    /// `rejected` of the items were refused for good; the others arrived.
    ///
    /// The peer does not say which, so the count is given to the claims in order until it is used up.
    pub fn partly(self, rejected: u64, why: &Refused) {
        let mut left = rejected;
        for mut claim in self.claims {
            claim.settle(|state, items| {
                let share = left.min(items as u64);
                left -= share;
                if share > 0 {
                    state.reject(why, share);
                }
            });
        }
    }
}

impl Claim {
    /// Another claim on the same origin, counted as open.
    fn again(&self, items: usize) -> Self {
        self.origin.lock().open += 1;
        Self { origin: Arc::clone(&self.origin), items, settled: false }
    }

    fn settle(&mut self, note: impl FnOnce(&mut State, usize)) {
        self.settled = true;
        let mut state = self.origin.lock();
        note(&mut state, self.items);
        state.open -= 1;
        let waker = if state.open == 0 { state.waker.take() } else { None };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.settled {
            let lost = Refused::retry("dropped without a verdict");
            self.settle(|state, items| state.refuse(&lost, items));
        }
    }
}

impl Origin {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn refuse(&mut self, refused: &Refused, items: usize) {
        if refused.is_retryable() {
            self.retry.get_or_insert_with(|| refused.clone());
        } else {
            self.reject(refused, items as u64);
        }
    }

    fn reject(&mut self, refused: &Refused, items: u64) {
        self.rejected += items;
        self.permanent.get_or_insert_with(|| refused.clone());
    }

    fn verdict(&self, items: usize) -> Verdict {
        if let Some(refused) = self.retry.clone() {
            return Verdict::Refused(refused);
        }
        match (self.permanent.clone(), self.holder.clone()) {
            (Some(refused), _) if self.rejected >= items as u64 => Verdict::Refused(refused),
            (Some(refused), _) => Verdict::Partly { rejected: self.rejected, message: refused.message },
            (None, Some(by)) => Verdict::TakenOver { by },
            (None, None) => Verdict::Delivered,
        }
    }
}

impl Future for Pending {
    type Output = Verdict;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict> {
        let mut state = self.origin.lock();
        if state.open == 0 {
            return Poll::Ready(state.verdict(self.origin.items));
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Pending {
    /// The verdict, if every claim is settled already.
    #[must_use]
    pub fn try_take(&self) -> Option<Verdict> {
        let state = self.origin.lock();
        (state.open == 0).then(|| state.verdict(self.origin.items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Code;

    fn permanent() -> Refused {
        Refused::permanent(Code::InvalidArgument, "no")
    }

    fn verdict(play: impl FnOnce(Ticket)) -> Verdict {
        let (ticket, pending) = Ticket::open(10);
        play(ticket);
        pending.try_take().expect("every claim is settled")
    }

    #[test]
    fn plain_outcomes() {
        assert_eq!(verdict(Ticket::delivered), Verdict::Delivered);
        assert_eq!(verdict(|t| t.refused(&permanent())), Verdict::Refused(permanent()));
        let by: Arc<str> = "batch".into();
        assert_eq!(verdict(|mut t| t.take_over(&by)), Verdict::TakenOver { by: Arc::clone(&by) });
    }

    #[test]
    fn dropped_is_not_delivered() {
        let Verdict::Refused(refused) = verdict(drop) else { panic!("a dropped ticket must refuse") };
        assert!(refused.is_retryable());
    }

    #[test]
    fn fan_out_needs_both() {
        let (ticket, pending) = Ticket::open(10);
        let branch = ticket.branch();
        ticket.delivered();
        assert_eq!(pending.try_take(), None);
        branch.refused(&Refused::retry("full"));
        for _ in 0..2 {
            assert_eq!(pending.try_take(), Some(Verdict::Refused(Refused::retry("full"))), "and it stays so");
        }
    }

    #[test]
    fn retry_outweighs_permanent() {
        let outcome = verdict(|t| {
            t.branch().refused(&permanent());
            t.refused(&Refused::retry("full"));
        });
        assert_eq!(outcome, Verdict::Refused(Refused::retry("full")));
    }

    #[test]
    fn split_parts_make_a_partial_verdict() {
        let outcome = verdict(|mut t| {
            t.split(3).refused(&permanent());
            t.delivered();
        });
        assert_eq!(outcome, Verdict::Partly { rejected: 3, message: "no".into() });
    }

    #[test]
    fn merged_tickets_split_along_their_senders() {
        let (mut all, first) = Ticket::open(4);
        let (second_ticket, second) = Ticket::open(6);
        all.merge(second_ticket);
        let head = all.split(5);
        head.delivered();
        assert_eq!(first.try_take(), Some(Verdict::Delivered));
        assert_eq!(second.try_take(), None);
        all.refused(&permanent());
        assert_eq!(second.try_take(), Some(Verdict::Partly { rejected: 5, message: "no".into() }));
    }

    #[test]
    fn a_peers_partial_success_is_shared_out_in_order() {
        let (mut all, first) = Ticket::open(4);
        let (second_ticket, second) = Ticket::open(6);
        all.merge(second_ticket);
        all.partly(5, &permanent());
        assert_eq!(first.try_take(), Some(Verdict::Refused(permanent())));
        assert_eq!(second.try_take(), Some(Verdict::Partly { rejected: 1, message: "no".into() }));
    }

    #[test]
    fn a_waiting_task_is_woken_once_all_is_settled() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        struct Count(AtomicUsize);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let (mut ticket, mut pending) = Ticket::open(2);
        assert!(Pin::new(&mut pending).poll(&mut Context::from_waker(&waker)).is_pending());
        ticket.split(1).delivered();
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        ticket.delivered();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        let done = Pin::new(&mut pending).poll(&mut Context::from_waker(&waker));
        assert_eq!(done, Poll::Ready(Verdict::Delivered));
    }
}
