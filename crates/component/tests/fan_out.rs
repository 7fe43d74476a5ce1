//! What an outlet does with several branches, and a channel with what is left in it.

use std::sync::Arc;
use std::time::Duration;

use collimator_component::{Capacity, Edge, Inbox, Outlet, Overflow, SHUTDOWN, channel};
use data::{Account, Batch, Part, Signal, Ticket, Time, Verdict};

fn batch(items: usize) -> Batch {
    Batch::new(Signal::Traces, vec![Part::from(vec![0; items])], items, Time::default())
}

/// A branch with room for `size` batches, which refuses at once when it is full.
fn branch(size: usize, best_effort: bool) -> (Edge, Inbox) {
    let capacity = Capacity { size, overflow: Overflow::Refuse, ..Capacity::inbox() };
    let (inlet, inbox) = channel(capacity, Arc::default());
    (Edge { inlet, best_effort }, inbox)
}

/// Offers a batch of ten items and tells what became of it, if anything has yet.
fn offer(outlet: &Outlet) -> Option<Verdict> {
    let (ticket, pending) = Ticket::open(10);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(outlet.offer(batch(10).with_ticket(ticket), Duration::ZERO));
    pending.try_take()
}

fn settle(inbox: &mut Inbox) -> usize {
    let mut settled = 0;
    while let Some(entry) = inbox.try_recv() {
        inbox.account().leave(entry.batch.items());
        entry.batch.delivered();
        settled += 1;
    }
    settled
}

#[test]
fn a_full_branch_leaves_nothing_on_the_others() {
    let ((wide, mut wide_inbox), (narrow, mut narrow_inbox)) = (branch(8, false), branch(1, false));
    let outlet = Outlet::new(vec![wide, narrow], Arc::new(Account::default()));
    assert_eq!(offer(&outlet), None, "both have it, neither has answered");
    let Some(Verdict::Refused(refused)) = offer(&outlet) else { panic!("one branch is full") };
    assert!(refused.is_retryable());
    assert_eq!((settle(&mut wide_inbox), settle(&mut narrow_inbox)), (1, 1));
    let statement = outlet.account().statement();
    assert_eq!(statement.to_string(), "entered 20 + created 10 = left 20 + refused{queue full} 10");
}

#[test]
fn a_best_effort_branch_is_no_part_of_the_verdict() {
    let ((wide, mut wide_inbox), (narrow, _full)) = (branch(8, false), branch(1, true));
    let outlet = Outlet::new(vec![wide, narrow], Arc::new(Account::default()));
    assert_eq!(offer(&outlet), None);
    assert_eq!(offer(&outlet), None, "the full branch holds up nobody");
    assert_eq!(settle(&mut wide_inbox), 2);
    let statement = outlet.account().statement();
    let expected = "entered 20 + created 20 = left 30 + discarded{best-effort branch full} 10";
    assert_eq!(statement.to_string(), expected);
}

#[test]
fn a_stage_that_takes_over_answers_at_once() {
    let capacity = Capacity { takes_over: Some("queue".into()), ..Capacity::inbox() };
    let (inlet, _inbox) = channel(capacity, Arc::default());
    let outlet = Outlet::new(vec![Edge { inlet, best_effort: false }], Arc::new(Account::default()));
    assert_eq!(offer(&outlet), Some(Verdict::TakenOver { by: "queue".into() }));
}

#[test]
fn what_is_left_in_an_inbox_is_in_the_books() {
    let (edge, inbox) = branch(8, false);
    let account = Arc::clone(inbox.account());
    let outlet = Outlet::new(vec![edge], Arc::new(Account::default()));
    assert_eq!(offer(&outlet), None);
    drop(inbox);
    let statement = account.statement();
    assert!(statement.balances(), "{statement}");
    assert_eq!(statement.refused, [(SHUTDOWN, 10)]);
    let Some(Verdict::Refused(refused)) = offer(&outlet) else { panic!("nobody is there any more") };
    assert!(refused.is_retryable());
    assert!(outlet.account().statement().balances());
}
