//! Gates on the way into pipelines: refused together, counted where they stand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use collimator_component::{Capacity, Edge, Gate, Guard, Inbox, Outlet, Way, channel};
use data::{Account, Batch, Budget, Part, Refused, Signal, Ticket, Time, Verdict};
use futures::FutureExt as _;

/// Open or closed by hand.
#[derive(Default)]
struct Door {
    is_closed: AtomicBool,
    unread: AtomicUsize,
}

struct Hinge(Arc<Door>);

impl Gate for Hinge {
    fn admit(&self, _budget: &Budget, _own: usize) -> Result<(), Refused> {
        if self.0.is_closed.load(Ordering::Relaxed) { Err(Refused::retry("closed")) } else { Ok(()) }
    }

    fn reason(&self) -> &'static str {
        "closed"
    }

    fn count(&self, _signal: Signal, _items: usize, _passed: bool) {}

    fn count_unread(&self) {
        self.0.unread.fetch_add(1, Ordering::Relaxed);
    }
}

struct Gated {
    door: Arc<Door>,
    account: Arc<Account>,
    inboxes: Vec<Inbox>,
}

/// A pipeline with a gate and that many exporters, the last of which may be best-effort.
fn pipeline(exporters: usize, best_effort: bool) -> (Gated, Way) {
    let (door, account) = (Arc::<Door>::default(), Arc::<Account>::default());
    let guard = Guard::new(Arc::new(Hinge(Arc::clone(&door))), Budget::unlimited(), Arc::clone(&account));
    let (mut edges, mut inboxes) = (Vec::new(), Vec::new());
    for exporter in 1..=exporters {
        let (inlet, inbox) = channel(Capacity::inbox(), Arc::default());
        edges.push(Edge { inlet, best_effort: best_effort && exporter == exporters });
        inboxes.push(inbox);
    }
    (Gated { door, account, inboxes }, Way { guards: vec![Arc::new(guard)], edges })
}

fn batch() -> Batch {
    Batch::new(Signal::Traces, vec![Part::from(vec![0; 10])], 10, Time::default())
}

fn offer(outlet: &Outlet) -> Option<Verdict> {
    let (ticket, pending) = Ticket::open(10);
    outlet.offer(batch().with_ticket(ticket), Duration::ZERO).now_or_never().expect("there is room");
    pending.try_take()
}

fn settle(gated: &mut Gated) -> usize {
    let mut settled = 0;
    for inbox in &mut gated.inboxes {
        while let Some(entry) = inbox.try_recv() {
            entry.batch.delivered();
            settled += 1;
        }
    }
    settled
}

#[test]
fn a_closed_gate_leaves_nothing_in_other_pipelines() {
    let ((mut first, one), (mut second, other)) = (pipeline(1, false), pipeline(1, false));
    let outlet = Outlet::through(vec![one, other], Arc::default());
    second.door.is_closed.store(true, Ordering::Relaxed);
    assert!(outlet.admit().is_err());
    assert_eq!(second.door.unread.load(Ordering::Relaxed), 1);
    let Some(Verdict::Refused(refused)) = offer(&outlet) else { panic!("one gate is closed") };
    assert_eq!(&*refused.message, "closed");
    assert_eq!((settle(&mut first), settle(&mut second)), (0, 0));
    assert_eq!(second.account.statement().to_string(), "entered 10 = left 0 + refused{closed} 10");
    assert_eq!(first.account.statement().to_string(), "entered 0 = left 0");
    assert_eq!(outlet.account().statement().to_string(), "entered 10 = left 10");

    second.door.is_closed.store(false, Ordering::Relaxed);
    outlet.admit().expect("both are open");
    assert_eq!(offer(&outlet), None);
    assert_eq!((settle(&mut first), settle(&mut second)), (1, 1));
    assert_eq!(outlet.account().statement().to_string(), "entered 20 + created 10 = left 30");
}

#[test]
fn copies_are_made_behind_the_gate() {
    let (mut gated, way) = pipeline(3, true);
    let outlet = Outlet::through(vec![way], Arc::default());
    assert_eq!(offer(&outlet), None);
    assert_eq!(settle(&mut gated), 3);
    assert_eq!(outlet.account().statement().to_string(), "entered 10 = left 10");
    assert_eq!(gated.account.statement().to_string(), "entered 10 + created 20 = left 30");
}

#[test]
fn what_was_taken_over_passes_a_closed_gate() {
    let (mut gated, way) = pipeline(1, false);
    let outlet = Outlet::through(vec![way], Arc::default());
    gated.door.is_closed.store(true, Ordering::Relaxed);
    outlet.account().receive(10);
    outlet.send(batch()).now_or_never().expect("there is room");
    assert_eq!(settle(&mut gated), 1, "refusing it would lose it");
}

#[test]
fn a_best_effort_pipeline_refuses_nobody() {
    let (mut gated, way) = pipeline(1, true);
    let outlet = Outlet::through(vec![way], Arc::default());
    gated.door.is_closed.store(true, Ordering::Relaxed);
    outlet.admit().expect("its refusal does not count");
    assert_eq!(offer(&outlet), Some(Verdict::Delivered));
    assert_eq!(settle(&mut gated), 1);
}

#[test]
fn several_gates_are_passed_in_order() {
    let ((first, one), (mut second, other)) = (pipeline(0, false), pipeline(1, false));
    let way = Way { guards: [one.guards, other.guards].concat(), edges: other.edges };
    let outlet = Outlet::through(vec![way], Arc::default());
    assert_eq!(offer(&outlet), None);
    second.door.is_closed.store(true, Ordering::Relaxed);
    assert!(matches!(offer(&outlet), Some(Verdict::Refused(_))));
    assert_eq!(settle(&mut second), 1);
    assert_eq!(first.account.statement().to_string(), "entered 20 = left 20");
    assert_eq!(second.account.statement().to_string(), "entered 20 = left 10 + refused{closed} 10");
}
