//! Rates and stalls of nodes, from their books.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use component::{NodeId, NodeView, Process};
use data::{Clock, Signal, Time};

/// Samples kept of each node: rates are over the time between the first and the last.
const KEPT: usize = 11;

/// A node and the signal of its items.
pub type NodeKey = (NodeId, Signal);

/// Looks at every node's books now and then.
pub struct Sampler {
    process: Process,
    clock: Arc<dyn Clock>,
    tracks: Mutex<BTreeMap<NodeKey, Track>>,
}

/// What moves through a node.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flow {
    /// Items a second that came in, over the last ten samples.
    pub entered: f64,
    /// Items a second that were handed on or delivered.
    pub left: f64,
    /// Items a second that were sent back or lost.
    pub refused: f64,
    /// Items a second that were dropped on purpose.
    pub discarded: f64,
    /// For how long there has been something inside and nothing of it was handed on or dropped on purpose.
    pub stalled: Duration,
}

#[derive(Default)]
struct Track {
    samples: VecDeque<Sample>,
    /// When something was handed on last, or when there was nothing inside.
    moved: Time,
}

#[derive(Clone, Copy)]
struct Sample {
    at: Time,
    entered: u64,
    left: u64,
    refused: u64,
    discarded: u64,
}

impl Sampler {
    /// A sampler that has seen nothing yet.
    #[must_use]
    pub fn new(process: Process, clock: Arc<dyn Clock>) -> Self {
        Self { process, clock, tracks: Mutex::default() }
    }

    /// Looks at every node; to be called once a second.
    pub fn sample(&self) {
        let (graph, now) = (self.process.graph(), self.clock.now());
        let mut tracks = self.lock();
        tracks.retain(|key, _| graph.nodes.iter().any(|view| view.node == key.0 && view.signal == key.1));
        for view in &graph.nodes {
            let key = (view.node.clone(), view.signal);
            tracks.entry(key).or_insert_with(|| Track { moved: now, ..Track::default() }).add(view, now);
        }
    }

    /// What moves through a node; nothing for one that was seen less than twice.
    #[must_use]
    pub fn flow(&self, view: &NodeView) -> Flow {
        let tracks = self.lock();
        let track = tracks.get(&(view.node.clone(), view.signal));
        track.map_or_else(Flow::default, |track| track.flow(self.clock.now()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeKey, Track>> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Track {
    fn add(&mut self, view: &NodeView, at: Time) {
        let it = view.account.statement();
        let (refused, discarded) = (it.refused_in_all(), it.discarded_in_all());
        let sample = Sample { at, entered: it.entered, left: it.left, refused, discarded };
        let moves = |last: &Sample| last.left != sample.left || last.discarded != sample.discarded;
        if it.inside() == 0 || self.samples.back().is_some_and(moves) {
            self.moved = at;
        }
        self.samples.push_back(sample);
        if self.samples.len() > KEPT {
            self.samples.pop_front();
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "differences of ten seconds")]
    fn flow(&self, now: Time) -> Flow {
        let stalled = match self.samples.back() {
            Some(last) if last.at.mono > self.moved.mono => now.since(self.moved),
            _ => Duration::ZERO,
        };
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else {
            return Flow::default();
        };
        let seconds = last.at.since(first.at).as_secs_f64();
        let rate = |read: fn(&Sample) -> u64| match seconds > 0.0 {
            true => read(last).saturating_sub(read(first)) as f64 / seconds,
            false => 0.0,
        };
        Flow {
            entered: rate(|it| it.entered),
            left: rate(|it| it.left),
            refused: rate(|it| it.refused),
            discarded: rate(|it| it.discarded),
            stalled,
        }
    }
}

#[cfg(test)]
mod tests {
    use component::{Graph, Kind};
    use data::{Account, ManualClock};

    use super::*;

    #[test]
    fn rates_and_stalls_come_from_the_books() {
        let clock = Arc::new(ManualClock::at(Time { mono: 1_000_000_000, wall: 0 }));
        let process = Process::new(clock.now());
        let account = Arc::new(Account::default());
        let view = NodeView {
            node: NodeId::shared(Kind::Receiver, "r"),
            signal: Signal::Traces,
            account: Arc::clone(&account),
            level: None,
            guard: None,
            notes: Arc::default(),
        };
        process.show(Graph { nodes: vec![view.clone()], ..Graph::default() });
        let sampler = Sampler::new(process, clock.clone());
        assert_eq!(sampler.flow(&view), Flow::default(), "nothing was seen yet");
        for _ in 0..30 {
            account.receive(100);
            account.leave(50);
            account.refuse("why", 25);
            account.discard("why", 25);
            sampler.sample();
            clock.advance(Duration::from_secs(1));
        }
        let expected =
            Flow { entered: 100.0, left: 50.0, refused: 25.0, discarded: 25.0, stalled: Duration::ZERO };
        assert_eq!(sampler.flow(&view), expected);
        account.receive(10);
        for _ in 0..20 {
            sampler.sample();
            clock.advance(Duration::from_secs(1));
        }
        let flow = sampler.flow(&view);
        assert_eq!((flow.left, flow.stalled), (0.0, Duration::from_secs(21)), "nothing has left since");
        account.leave(1);
        sampler.sample();
        assert_eq!(sampler.flow(&view).stalled, Duration::ZERO);
    }
}
