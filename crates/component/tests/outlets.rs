//! Ways out: room in every branch or in none, books that balance, and nobody waiting for ever.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::future::Future;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use collimator_component::{Capacity, Edge, Inbox, Inlet, Outlet, Overflow, Sizer, channel};
use data::{Account, Batch, Part, Pending, Refused, Signal, Ticket, Time, Verdict};
use futures::poll;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(5);

struct Branch {
    inlet: Inlet,
    inbox: Inbox,
}

fn branch(sizer: Sizer, size: usize, overflow: Overflow) -> Branch {
    let capacity = Capacity { sizer, size, overflow, takes_over: None, queued_in: None };
    let (inlet, inbox) = channel(capacity, Arc::default());
    Branch { inlet, inbox }
}

fn small() -> Branch {
    branch(Sizer::Requests, 1, Overflow::Wait)
}

fn outlet(edges: &[(&Branch, bool)]) -> Outlet {
    let edge = |(branch, best_effort): &(&Branch, bool)| Edge {
        inlet: branch.inlet.clone(),
        best_effort: *best_effort,
    };
    Outlet::new(edges.iter().map(edge).collect(), Arc::default())
}

fn batch(items: usize) -> (Batch, Pending) {
    let (ticket, pending) = Ticket::open(items);
    (
        Batch::new(Signal::Traces, vec![Part::from(vec![0; items])], items, Time::default())
            .with_ticket(ticket),
        pending,
    )
}

/// Puts a batch for which nobody waits into the node, as its stage would.
fn inside(outlet: &Outlet, items: usize) -> Batch {
    outlet.account().receive(items);
    batch(items).0
}

fn books(outlet: &Outlet) -> String {
    outlet.account().statement().to_string()
}

async fn is_stuck<F: Future + Unpin>(mut future: F) -> bool {
    matches!(poll!(&mut future), Poll::Pending)
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_while_it_waits_is_in_the_books() {
    let full = small();
    let way = outlet(&[(&full, false)]);
    way.offer(batch(1).0, PATIENCE).await;
    let (second, verdict) = batch(3);
    {
        let offer = Box::pin(way.offer(second, PATIENCE));
        assert!(is_stuck(offer).await);
    }
    let Some(Verdict::Refused(refused)) = verdict.try_take() else { panic!("not answered") };
    assert!(refused.is_retryable());
    assert_eq!(books(&way), "entered 4 = left 1 + refused{client gone} 3");
}

#[tokio::test(start_paused = true)]
async fn patience_is_for_all_branches_together() {
    let (first, second) = (small(), small());
    let way = outlet(&[(&first, false), (&second, false)]);
    way.offer(batch(1).0, PATIENCE).await;
    let (waiting, verdict) = batch(1);
    let (mut back, start) = (second, Instant::now());
    let free_one = async {
        tokio::time::sleep(PATIENCE - Duration::from_secs(1)).await;
        drop(back.inbox.recv().await);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = way.offer(waiting, PATIENCE) => {}
        () = free_one => {}
    }
    assert_eq!(start.elapsed(), PATIENCE);
    assert!(matches!(verdict.try_take(), Some(Verdict::Refused(_))));
    assert_eq!(books(&way), "entered 2 + created 1 = left 2 + refused{queue full} 1");
    assert_eq!(back.inlet.level().used(), 0, "what was reserved is given back");
}

#[tokio::test(start_paused = true)]
async fn two_edges_into_one_channel_do_not_wait_for_each_other() {
    let shared = small();
    let way = outlet(&[(&shared, false), (&shared, false)]);
    let (twice, verdict) = batch(2);
    way.offer(twice, PATIENCE).await;
    assert_eq!(books(&way), "entered 2 + created 2 = left 4");
    let mut shared = shared;
    for _ in 0..2 {
        shared.inbox.recv().await.unwrap().batch.delivered();
    }
    assert_eq!(verdict.try_take(), Some(Verdict::Delivered));

    let counted = branch(Sizer::Items, 10, Overflow::Wait);
    let way = outlet(&[(&counted, false), (&counted, false)]);
    way.send(inside(&way, 8)).await;
    assert_eq!(counted.inlet.level().used(), 10, "both take what there is");
}

#[tokio::test(start_paused = true)]
async fn branches_are_reserved_in_one_order_whatever_the_configuration_says() {
    let (back, front) = (small(), small());
    let one = outlet(&[(&back, false), (&front, false)]);
    let other = outlet(&[(&front, false), (&back, false)]);
    // Room in the front only: both wait for it first, so neither has anything that the other needs.
    one.send(inside(&one, 1)).await;
    let mut first = Box::pin(one.send(inside(&one, 1)));
    let mut second = Box::pin(other.send(inside(&other, 1)));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    let drain = async |mut inbox: Inbox| {
        for _ in 0..3 {
            inbox.recv().await.unwrap().batch.delivered();
        }
    };
    let all = async { tokio::join!(first, second, drain(back.inbox), drain(front.inbox)) };
    tokio::time::timeout(Duration::from_secs(1), all).await.expect("nobody waits for ever");
    assert_eq!(books(&one), "entered 2 + created 2 = left 4");
}

#[tokio::test(start_paused = true)]
async fn a_full_branch_leaves_nothing_on_the_others() {
    let (wide, full) =
        (branch(Sizer::Requests, 9, Overflow::Wait), branch(Sizer::Requests, 1, Overflow::Refuse));
    let way = outlet(&[(&wide, false), (&full, false)]);
    way.offer(batch(1).0, PATIENCE).await;
    let (refused, verdict) = batch(1);
    way.offer(refused, PATIENCE).await;
    assert!(matches!(verdict.try_take(), Some(Verdict::Refused(_))));
    assert_eq!(wide.inlet.level().used(), 1);
    assert_eq!(books(&way), "entered 2 + created 1 = left 2 + refused{queue full} 1");
}

#[tokio::test(start_paused = true)]
async fn best_effort_branches_are_no_part_of_the_verdict() {
    let (full, closed, needed) = (small(), small(), branch(Sizer::Requests, 9, Overflow::Wait));
    let way = outlet(&[(&full, true), (&needed, false), (&closed, true)]);
    let closed = closed.inbox;
    drop(closed);
    for _ in 0..2 {
        way.offer(batch(1).0, PATIENCE).await;
    }
    assert_eq!(books(&way), "entered 2 + created 4 = left 3 + discarded{best-effort branch full} 3");
}

#[tokio::test(start_paused = true)]
async fn with_best_effort_branches_only_the_client_is_answered_at_once() {
    let (one, other) = (small(), small());
    let way = outlet(&[(&one, true), (&other, true)]);
    for expected in [
        "entered 2 + created 2 = left 4",
        "entered 4 + created 4 = left 4 + discarded{best-effort branch full} 4",
    ] {
        let (offered, verdict) = batch(2);
        way.offer(offered, PATIENCE).await;
        assert_eq!(verdict.try_take(), Some(Verdict::Delivered));
        assert_eq!(books(&way), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_stage_leaves_in_its_inbox_is_refused_and_answered() {
    let account = Arc::<Account>::default();
    let (inlet, inbox) = channel(Capacity::inbox(), Arc::clone(&account));
    let (left, verdict) = batch(3);
    inlet.send(left).await.unwrap();
    drop(inbox);
    assert!(matches!(verdict.try_take(), Some(Verdict::Refused(_))));
    assert_eq!(account.statement().to_string(), "entered 3 = left 0 + refused{shutdown} 3");
    let (late, verdict) = batch(1);
    inlet.send(late).await.unwrap_err().refused(&Refused::retry("late"));
    assert_eq!(verdict.try_take(), Some(Verdict::Refused(Refused::retry("late"))));
}

#[tokio::test(start_paused = true)]
async fn a_stage_takes_over_what_is_in_its_inbox_and_nothing_else() {
    let capacity = Capacity { takes_over: Some("queue".into()), ..Capacity::inbox() };
    let (inlet, inbox) = channel(capacity, Arc::default());
    let (taken, verdict) = batch(1);
    inlet.send(taken).await.unwrap();
    assert_eq!(verdict.try_take(), Some(Verdict::TakenOver { by: "queue".into() }));
    drop(inbox);
    let (late, verdict) = batch(1);
    let back = inlet.send(late).await.unwrap_err();
    assert_eq!(verdict.try_take(), None, "the ticket comes back with the batch");
    back.delivered();
    assert_eq!(verdict.try_take(), Some(Verdict::Delivered));
}
