//! What every component promises, as functions for their tests to call.

use std::collections::BTreeSet;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use component::storage::{Position, Storage};
use component::{
    Capacity, Carries, Edge, Ended, ExporterUnit, Gate, Guard, Kind, Listeners, NodeId, Outlet, Outlets,
    Processor, RunCx, Spec, Stage, Way, channel,
};
use config::{Diagnostics, Node, Sources, Value};
use data::{Account, Budget, Signal, Ticket, Verdict};
use futures::FutureExt as _;

use crate::generate::{batch, ids};
use crate::harness::{Harness, RunHarness, build_cx, extension_node, registry, run_cx};

/// The type is named as the Collector names types, its settings are documented, and `defaults_build` tells
/// whether an empty body is a complete configuration; if not, it must be refused with a reason.
pub fn spec(spec: &Spec, defaults_build: bool) {
    let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    assert!(spec.name.chars().all(snake), "{} is not in snake case", spec.name);
    assert!(
        !spec.summary.is_empty() && !spec.summary.ends_with('.'),
        "the summary is one line, no full stop"
    );
    for row in spec.reference() {
        assert!(!row.doc.is_empty(), "{} has no line of documentation", row.name);
    }
    let mut diagnostics = Diagnostics::new(Sources::default());
    let plan = spec.parse(&Node::new(Value::Null), &mut diagnostics, "under_test");
    let built = plan.map(|plan| plan.build(&build_cx()));
    match (defaults_build, built) {
        (true, Some(Ok(stage))) => assert_eq!(kind_of(&stage), fitting(spec.kind)),
        (true, Some(Err(error))) => panic!("an empty body does not build: {error}"),
        (true, None) => panic!("an empty body is refused: {diagnostics:?}"),
        (false, Some(Ok(_))) => panic!("an empty body is taken, although something is required"),
        (false, Some(Err(_))) => {}
        (false, None) => assert!(diagnostics.has_errors(), "refused without a reason"),
    }
}

/// A processor (or connector) accounts for every item: what went in came out, was discarded or refused by the
/// end, every ticket was answered, and the books agreed after each call.
pub fn processor<P: Processor>(make: impl Fn() -> P, carries: Carries) {
    for signal in Signal::ALL.into_iter().filter(|signal| carries.takes(*signal)) {
        every_item_is_accounted_for(make(), signal);
        nothing_comes_of_nothing(make(), signal);
        built_then_dropped(make());
    }
}

/// A gate lets everything pass while nothing is held, and what it lets pass or refuses is in the books and in the
/// verdict; what was taken over before is never refused.
pub fn gate<G: Gate>(make: impl Fn() -> G) {
    let budget = Budget::unlimited();
    let (gate, account) = (Arc::new(make()), Arc::new(Account::default()));
    gate.attach(&registry().scope(), "under_test");
    gate.check(&budget);
    assert!(!gate.reason().is_empty());
    let guard = Guard::new(gate, Arc::clone(&budget), Arc::clone(&account));
    let (inlet, mut inbox) = channel(Capacity::inbox(), Arc::new(Account::default()));
    let way = Way { guards: vec![Arc::new(guard)], edges: vec![Edge { inlet, best_effort: false }] };
    let outlet = Outlet::through(vec![way], Arc::new(Account::default()));
    let offer = |items| {
        let (ticket, verdict) = Ticket::open(items);
        let batch = batch(Signal::Traces, 1, items).with_ticket(ticket);
        outlet.offer(batch, Duration::ZERO).now_or_never().expect("a gate does not wait");
        verdict
    };
    outlet.admit().expect("nothing is held");
    let verdict = offer(5);
    inbox.try_recv().expect("it passes").batch.delivered();
    assert_eq!(verdict.try_take(), Some(Verdict::Delivered));

    let full = budget.force(usize::MAX / 2);
    if outlet.admit().is_err() {
        let Some(Verdict::Refused(refused)) = offer(7).try_take() else { panic!("it is not refused") };
        assert!(refused.is_retryable(), "{refused:?}");
        assert!(inbox.try_recv().is_none(), "what is refused goes nowhere");
    }
    outlet.account().receive(3);
    outlet.send(batch(Signal::Traces, 1, 3)).now_or_never().expect("a gate does not wait");
    assert!(inbox.try_recv().is_some(), "refusing what was taken over would lose it");
    drop(full);
    for account in [&account, outlet.account()] {
        let statement = account.statement();
        assert!(statement.balances() && statement.inside() == 0, "{statement}");
    }
}

/// An exporter settles everything that it is given, in order of its life: ready, batches, end of input.
pub async fn exporter(unit: &dyn ExporterUnit, signal: Signal) {
    let node = RunHarness::start(unit, signal).await.expect("it starts");
    let mut verdicts = Vec::new();
    for (first, count) in [(1, 1), (2, 0), (10, 500), (1000, 1)] {
        verdicts.push(node.send(batch(signal, first, count)).await);
    }
    let statement = node.finish().await;
    assert_eq!(statement.inside(), 0, "everything is settled at the end: {statement}");
    assert_eq!(statement.entered, 502);
    for verdict in verdicts {
        let verdict = verdict.try_take().expect("every ticket is answered");
        assert!(verdict.is_ok(), "{verdict:?}");
    }
}

/// A receiver is ready only once it can take data, hands on what `send` sends it with the right count, answers
/// all of it, and ends when it is told to drain, with its books balanced.
///
/// `send` gets the receiver's name and must deliver exactly `items` items of `signal` to it, however that is done.
pub async fn receiver<F: Future<Output = ()>>(
    stage: Stage,
    signal: Signal,
    items: usize,
    send: impl FnOnce() -> F,
) {
    receiver_with(stage, Listeners::default(), signal, items, send).await;
}

/// The same with sockets that are bound already, as after a reload: the test need not guess a free port.
pub async fn receiver_with<F: Future<Output = ()>>(
    stage: Stage,
    listeners: Listeners,
    signal: Signal,
    items: usize,
    send: impl FnOnce() -> F,
) {
    let Stage::Receiver(run) = stage else { panic!("not a receiver") };
    let (node, account) = (NodeId::shared(Kind::Receiver, "under_test"), Arc::new(Account::default()));
    let (inlet, mut inbox) = channel(Capacity::inbox(), Arc::new(Account::default()));
    let edge = Edge { inlet, best_effort: false };
    let outlets = Outlets::default().with(signal, Outlet::new(vec![edge], Arc::clone(&account)));
    let (mut cx, ready) = run_cx(node);
    cx.listeners = listeners.next_generation();
    let draining = cx.draining.clone();
    let task = tokio::spawn(run(outlets, cx));
    ready.await.expect("it becomes ready");
    let taken = tokio::spawn(async move {
        let mut taken = 0;
        while let Some(entry) = inbox.recv().await {
            assert_eq!(ids(&entry.batch).len(), entry.batch.items(), "the count is what the bytes hold");
            taken += entry.batch.items();
            entry.batch.delivered();
        }
        taken
    });
    send().await;
    draining.cancel();
    task.await.unwrap().expect("it ends well when told to drain");
    assert_eq!(taken.await.unwrap(), items, "everything sent was handed on, and its way out is closed");
    let statement = account.statement();
    assert!(statement.balances() && statement.inside() == 0, "{statement}");
    assert_eq!((statement.entered, statement.left), (items as u64, items as u64));
}

/// An extension that serves HTTP is ready only once it can be asked, answers `path`, ends when it is told to drain, and
/// fails its start when its port is taken.
///
/// `make` gets the endpoint. The test needs a runtime of several threads.
pub async fn extension(make: impl Fn(&str) -> Stage, path: &str) {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = taken.local_addr().unwrap().to_string();
    let (cx, ready) = run_cx(extension_node());
    let error = run_extension(make(&endpoint), cx).await.expect_err("the port is taken").to_string();
    assert!(error.contains("address already in use"), "{error}");
    assert!(ready.await.is_err(), "it must not say that it is ready");
    drop(taken);

    let (cx, ready) = run_cx(extension_node());
    let draining = cx.draining.clone();
    let task = tokio::spawn(run_extension(make(&endpoint), cx));
    ready.await.expect("it becomes ready");
    let (target, request) =
        (endpoint.clone(), format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    let ask = move || {
        let mut stream = std::net::TcpStream::connect(target).expect("it can be asked once it is ready");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let answer = tokio::task::spawn_blocking(ask).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    draining.cancel();
    task.await.unwrap().expect("it ends well when told to drain");
    assert!(std::net::TcpStream::connect(&endpoint).is_err(), "nothing serves after the end");
}

async fn run_extension(stage: Stage, cx: RunCx) -> Ended {
    let Stage::Extension(run) = stage else { panic!("not an extension") };
    run(cx).await
}

/// A storage keeps records until they are acknowledged, in any order, and values until they are removed.
pub fn storage(storage: &dyn Storage) {
    let record = |n: u8| Bytes::from(vec![n; 10]);
    let queue = storage.queue("a").unwrap();
    let other = storage.queue("b").unwrap();
    let positions: Vec<Position> = (0..4).map(|n| queue.push(record(n)).unwrap()).collect();
    assert!(positions.is_sorted(), "positions grow");
    other.push(record(9)).unwrap();
    for (n, position) in positions.iter().enumerate() {
        assert_eq!(queue.next().unwrap(), Some((*position, record(u8::try_from(n).unwrap()))));
    }
    assert_eq!(queue.next().unwrap(), None, "each record is handed out once");
    for position in [positions[2], positions[0], positions[2]] {
        queue.acknowledge(position).unwrap();
    }
    assert_eq!(queue.len(), 2);
    drop(queue);

    let again = storage.queue("a").unwrap();
    let left: Vec<Bytes> = std::iter::from_fn(|| again.next().unwrap()).map(|(_, record)| record).collect();
    assert_eq!(left, [record(1), record(3)], "what was not acknowledged comes back, in order");
    let later = again.push(record(5)).unwrap();
    assert!(later > positions[3], "no position is used twice");
    assert_eq!(other.len(), 1, "queues do not mix");

    storage.set("k", Some(record(7))).unwrap();
    assert_eq!(storage.get("k").unwrap(), Some(record(7)));
    storage.set("k", None).unwrap();
    assert_eq!(storage.get("k").unwrap(), None);
}

fn every_item_is_accounted_for(processor: impl Processor, signal: Signal) {
    let mut harness = Harness::new(processor);
    let (mut out, mut verdicts) = (Vec::new(), Vec::new());
    let (mut next, mut entered) = (1, 0);
    for count in [1, 10, 3000, 7, 10_000] {
        let (sent, verdict) = harness.send_awaited(batch(signal, next, count));
        out.extend(sent);
        verdicts.push(verdict);
        out.extend(harness.advance(Duration::from_millis(30)));
        next += count as u64;
        entered += count as u64;
    }
    out.extend(harness.advance(Duration::from_secs(1)));
    out.extend(harness.drain());
    assert_eq!(harness.held(), 0, "nothing is held after the drain");
    let statement = harness.statement();
    assert_eq!(statement.entered, entered);
    let same_signal = out.iter().all(|batch| batch.signal() == signal);
    if same_signal && statement.created == 0 {
        let seen: Vec<u64> = out.iter().flat_map(ids).collect();
        let distinct: BTreeSet<u64> = seen.iter().copied().collect();
        assert_eq!(seen.len(), distinct.len(), "an item came out twice");
        assert_eq!(seen.len() as u64, statement.left, "the counts and the contents of what came out differ");
        assert!(distinct.iter().all(|id| (1..next).contains(id)), "an item came out that never went in");
    }
    out.into_iter().for_each(data::Batch::delivered);
    for verdict in verdicts {
        let verdict = verdict.try_take().expect("every ticket is answered");
        assert!(matches!(verdict, Verdict::Delivered | Verdict::TakenOver { .. }), "{verdict:?}");
    }
    assert_eq!(harness.budget().held(), 0, "memory is given back");
}

fn nothing_comes_of_nothing(processor: impl Processor, signal: Signal) {
    let mut harness = Harness::new(processor);
    let mut out = harness.advance(Duration::from_secs(10));
    out.extend(harness.send(batch(signal, 1, 0)));
    out.extend(harness.drain());
    assert_eq!(out.iter().map(data::Batch::items).sum::<usize>(), 0);
    out.into_iter().for_each(data::Batch::delivered);
}

fn built_then_dropped(processor: impl Processor) {
    drop(Harness::new(processor));
}

const fn kind_of(stage: &Stage) -> Kind {
    match stage {
        Stage::Receiver(_) => Kind::Receiver,
        Stage::Processor(_) | Stage::Gate(_) => Kind::Processor,
        Stage::Exporter(_) => Kind::Exporter,
        Stage::Extension(_) => Kind::Extension,
    }
}

const fn fitting(kind: Kind) -> Kind {
    match kind {
        Kind::Connector => Kind::Processor,
        other => other,
    }
}
