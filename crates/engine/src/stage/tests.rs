//! One stage between two channels.

use std::sync::atomic::{AtomicUsize, Ordering};

use component::{Capacity, Edge, Facilities, Fatal, Inlet, Kind, Listeners, NodeId, Workers, channel};
use data::{Account, Batch, Budget, Part, Signal, SystemClock, Ticket, Verdict};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

struct Bed {
    inlet: Inlet,
    next: Inbox,
    account: Arc<Account>,
    task: JoinHandle<Ended>,
}

/// Runs a stage whose way out has room for one batch.
fn bed(stage: impl Processor) -> Bed {
    let (ready, _) = oneshot::channel();
    let registry = telemetry::metrics::Registry::new(Default::default(), telemetry::Resource::default());
    let cx = RunCx::new(
        NodeId::shared(Kind::Processor, "stage"),
        Facilities {
            clock: Arc::new(SystemClock::new()),
            budget: Budget::unlimited(),
            workers: Workers::new(vec![tokio::runtime::Handle::current()], Fatal::default()),
            listeners: Listeners::default(),
            meters: Arc::new(registry.scope()),
        },
        ready,
    );
    let account = Arc::<Account>::default();
    let (inlet, inbox) = channel(Capacity::inbox(), Arc::clone(&account));
    let (next_inlet, next) = channel(Capacity { size: 1, ..Capacity::inbox() }, Arc::default());
    let edge = Edge { inlet: next_inlet, best_effort: false };
    let outlet = Outlet::new(vec![edge], Arc::clone(&account));
    let out = Out::new(Arc::clone(&cx.name), Arc::clone(&cx.budget), Arc::clone(&account));
    let task = tokio::spawn(drive(Box::new(stage), inbox, outlet, out, cx));
    Bed { inlet, next, account, task }
}

fn batch() -> Batch {
    Batch::new(Signal::Traces, vec![Part::from(vec![0])], 1, Time::default())
}

struct Relay;

impl Processor for Relay {
    fn process(&mut self, batch: Batch, out: &mut Out) {
        out.send(batch);
    }
}

/// Wants to be woken at a time that is past, for ever.
struct Restless(Arc<AtomicUsize>);

impl Processor for Restless {
    fn process(&mut self, batch: Batch, out: &mut Out) {
        out.send(batch);
    }

    fn wake_at(&self) -> Option<Time> {
        Some(Time::default())
    }

    fn wake(&mut self, _out: &mut Out) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_stage_that_never_rests_blocks_nobody() {
    let wakes = Arc::<AtomicUsize>::default();
    let bed = bed(Restless(Arc::clone(&wakes)));
    while wakes.load(Ordering::Relaxed) < 10 {
        tokio::task::yield_now().await;
    }
    bed.task.abort();
    assert!(bed.task.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn what_waits_for_a_stage_that_ends_is_refused_in_the_books() {
    let mut bed = bed(Relay);
    let (ticket, verdict) = Ticket::open(1);
    for batch in [batch(), batch(), batch().with_ticket(ticket)] {
        bed.inlet.send(batch).await.unwrap();
    }
    let first = bed.next.recv().await.unwrap();
    drop((bed.next, bed.inlet));
    bed.task.await.unwrap().unwrap();
    drop(first);
    assert!(matches!(verdict.await, Verdict::Refused(refused) if refused.is_retryable()));
    let statement = bed.account.statement();
    assert_eq!(statement.to_string(), "entered 3 = left 1 + refused{shutdown} 1 + refused{stopped} 1");
}
