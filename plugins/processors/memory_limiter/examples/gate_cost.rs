//! What a memory limiter costs for each request: `cargo run --release -p collimator-processor-memory_limiter --example
//! gate_cost`.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a tool for developers")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use collimator_processor_memory_limiter::SPEC;
use component::{Capacity, Edge, Guard, Outlet, Stage, Way, channel};
use config::{Diagnostics, Sources, yaml};
use data::{Account, Batch, Budget, Part, Signal, Ticket, Time};
use futures::FutureExt as _;

const ROUNDS: u32 = 1_000_000;

fn main() {
    let mut diagnostics = Diagnostics::new(Sources::default());
    let source = diagnostics.sources().clone().add("text", "{check_interval: 1s, limit_mib: 100}");
    let node = yaml::parse("{check_interval: 1s, limit_mib: 100}", source, &mut diagnostics).unwrap();
    let plan = SPEC.parse(&node, &mut diagnostics, "memory_limiter").unwrap();
    let Ok(Stage::Gate(gate)) = plan.build(&testkit::build_cx()) else { panic!("it is a gate") };
    let guard = Arc::new(Guard::new(gate, Budget::unlimited(), Arc::new(Account::default())));
    for round in 1..=5 {
        let (without, with) = (nanos(Vec::new()), nanos(vec![Arc::clone(&guard)]));
        println!("round {round}: {without:.0} ns a request, {with:.0} ns with the limiter");
    }
}

/// What it takes to ask whether a request may be read, to offer it, and to take it out again.
fn nanos(guards: Vec<Arc<Guard>>) -> f64 {
    let (inlet, mut inbox) = channel(Capacity::inbox(), Arc::new(Account::default()));
    let way = Way { guards, edges: vec![Edge { inlet, best_effort: false }] };
    let outlet = Outlet::through(vec![way], Arc::new(Account::default()));
    let part = Part::from(vec![0; 4000]);
    let started = Instant::now();
    for _ in 0..ROUNDS {
        outlet.admit().unwrap();
        let (ticket, _pending) = Ticket::open(10);
        let batch = Batch::new(Signal::Traces, vec![part.clone()], 10, Time::default()).with_ticket(ticket);
        outlet.offer(batch, Duration::ZERO).now_or_never().unwrap();
        inbox.try_recv().unwrap().batch.delivered();
    }
    started.elapsed().as_nanos() as f64 / f64::from(ROUNDS)
}
