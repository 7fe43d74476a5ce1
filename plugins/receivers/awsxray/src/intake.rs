//! What is done with each datagram.

use component::{Outlets, RunCx};
use data::Signal;
use tokio::time::Instant;
use xray::to_span::{Reason, Refused, Taken, Translator};

use crate::config::Config;
use crate::counts::Counts;
use crate::header::{self, Flaw};
use crate::lane::{Forward, Lane};
use crate::records::Records;

/// The way of datagrams into the pipelines.
pub(crate) struct Intake {
    translator: Translator,
    traces: Option<Lane>,
    documents: Option<Lane>,
    pub(crate) counts: Counts,
    pub(crate) records: Records,
    /// What was wrong last since somebody asked.
    pub(crate) wrong: Option<&'static str>,
    id: String,
}

impl Intake {
    /// An intake, and what hands on what comes out of it.
    pub(crate) fn new(config: &Config, outlets: &Outlets, cx: &RunCx) -> (Self, Vec<Forward>) {
        let mut forwards = Vec::new();
        let mut lane = |signal| {
            let outlet = outlets.get(signal)?.clone();
            let (lane, forward) =
                Lane::new(signal, outlet, cx, config.batch_delay, config.max_held_mib << 20);
            forwards.push(forward);
            Some(lane)
        };
        let intake = Self {
            translator: Translator::new(config.options()),
            traces: lane(Signal::Traces),
            documents: lane(Signal::Xray),
            counts: Counts::register(cx),
            records: Records::new(cx),
            wrong: None,
            id: cx.node.id.to_string(),
        };
        (intake, forwards)
    }

    fn lanes(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.traces.iter_mut().chain(&mut self.documents)
    }

    /// Whether datagrams may be taken from the kernel. Waits for room for what was taken before.
    pub(crate) async fn has_room(&mut self) -> bool {
        let mut has_room = true;
        for lane in self.lanes() {
            has_room &= lane.has_room().await;
        }
        if !has_room {
            self.lanes().for_each(Lane::rest);
        }
        has_room
    }

    /// When something that was taken has to go on.
    pub(crate) fn flush_at(&mut self) -> Option<Instant> {
        self.lanes().filter_map(|lane| lane.flush_at()).min()
    }

    /// Sends on what has waited long enough, as far as there is room.
    pub(crate) fn flush_due(&mut self) {
        let now = Instant::now();
        for lane in self.lanes() {
            if lane.flush_at().is_some_and(|at| at <= now) {
                lane.try_flush();
            }
        }
    }

    /// Nothing is on its way now.
    pub(crate) fn rest(&mut self) {
        self.lanes().for_each(Lane::rest);
    }

    /// Sends on everything, waiting for room.
    pub(crate) async fn flush(&mut self) {
        for lane in self.lanes() {
            lane.flush().await;
        }
    }

    /// Nobody takes what is collected any more.
    pub(crate) fn give_up(&mut self) {
        self.lanes().for_each(Lane::give_up);
    }

    /// Takes one datagram.
    pub(crate) fn take(&mut self, datagram: &[u8]) {
        match header::document(datagram) {
            Ok(document) => {
                if let Some(lane) = &mut self.documents {
                    lane.buffer.extend_from_slice(document);
                    lane.took(1);
                }
                self.translate(document);
            }
            Err(flaw) => self.flawed(flaw),
        }
    }

    fn translate(&mut self, document: &[u8]) {
        let Some(lane) = &mut self.traces else { return self.records.count(1, 0) };
        match self.translator.read(document, &mut lane.buffer) {
            Ok(taken) => {
                lane.took(taken.spans);
                self.records.count(taken.segments(), taken.rejected());
                self.left_out(&taken);
            }
            Err(refused) => {
                let Refused { reason, field, at, segments } = refused;
                lane.refuse(reason.code(), segments.max(1));
                self.wrong = Some(reason.code());
                self.records.count(segments, segments);
                self.counts.refused(reason, 1);
                tracing::warn!(
                    otelcol.component.id = self.id,
                    otelcol.component.kind = "receiver",
                    %reason,
                    field,
                    at,
                    bytes = document.len(),
                    "X-Ray segment document is refused"
                );
            }
        }
    }

    /// Counts the subsegments that were left out, and tells of the first: one datagram may bring thousands of them.
    fn left_out(&mut self, taken: &Taken) {
        let (Some(lane), Some(first)) = (&self.traces, taken.dropped.first()) else { return };
        let mut sums = [(0, 0); Reason::ALL.len()];
        for dropped in &taken.dropped {
            if let Some((times, segments)) = sums.get_mut(dropped.reason as usize) {
                *times += 1;
                *segments += dropped.segments;
            }
        }
        for (reason, (times, segments)) in Reason::ALL.into_iter().zip(sums).filter(|(_, sums)| sums.0 > 0) {
            lane.refuse(reason.code(), segments);
            self.counts.refused(reason, times);
        }
        self.wrong = Some(first.reason.code());
        tracing::warn!(
            otelcol.component.id = self.id,
            otelcol.component.kind = "receiver",
            reason = %first.reason,
            field = first.field,
            at = first.at,
            segments = taken.rejected(),
            "X-Ray subsegments are left out; this is what is wrong with the first"
        );
    }

    fn flawed(&mut self, flaw: Flaw) {
        self.counts.flawed(flaw);
        self.wrong = Some(flaw.code());
        self.lanes().for_each(|lane| lane.refuse(flaw.code(), 1));
        tracing::warn!(
            otelcol.component.id = self.id,
            otelcol.component.kind = "receiver",
            reason = flaw.code(),
            "X-Ray datagram is refused"
        );
    }
}
