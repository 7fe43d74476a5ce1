//! One measured run: start, settle, load, drain, stop, compare.

use std::{
    fs,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;

use crate::{
    child, grpc,
    ledger::{Balance, Ledger},
    load::{self, Outcome, Plan},
    measure::{self, Memory},
    scenario::{Endpoints, Input, Output, Scenario},
    segments,
    sink::Sink,
    subject::Subject,
};

/// How long a child may take to accept its first span.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long acknowledged spans may take to arrive after the load's end.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// A load, without the address it goes to.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) name: String,
    /// Spans a second; `None` for full load.
    pub(crate) rate: Option<f64>,
    pub(crate) spans_per_request: usize,
    pub(crate) connections: usize,
    pub(crate) concurrency: usize,
    pub(crate) threads: usize,
    pub(crate) duration: Duration,
    pub(crate) max_requests: u64,
    pub(crate) gzip: bool,
    /// Idle time before and after the load, for the memory readings.
    pub(crate) settle: Duration,
    /// `SETTINGS_MAX_FRAME_SIZE` of the sink.
    pub(crate) sink_frame: u32,
}

impl Load {
    /// The load for a relay, which only knows OTLP and gets it plain.
    fn for_floor(&self, input: Input) -> Load {
        let load = Load { gzip: false, ..self.clone() };
        match input {
            Input::Otlp => load,
            Input::Segments => Load { rate: None, spans_per_request: 128, ..load },
        }
    }

    pub(crate) fn plan(&self, endpoints: &Endpoints, retry_for: Option<Duration>) -> Plan {
        Plan {
            target: endpoints.grpc,
            connections: self.connections,
            concurrency: self.concurrency,
            spans_per_request: self.spans_per_request,
            rate: self.rate,
            duration: self.duration,
            max_requests: self.max_requests,
            gzip: self.gzip,
            threads: self.threads,
            retry_for,
        }
    }
}

/// What one run showed.
pub(crate) struct Measured {
    pub(crate) subject: String,
    pub(crate) load: String,
    pub(crate) balance: Balance,
    /// Whether arrivals could be counted.
    pub(crate) balance_checked: bool,
    pub(crate) outcome: Outcome,
    /// Microseconds of CPU per acknowledged span: the child, the sink's thread, the generator's threads.
    pub(crate) cpu: f64,
    pub(crate) sink_cpu: f64,
    pub(crate) load_cpu: f64,
    /// The kernel's part of the child's CPU time, from 0 to 1.
    pub(crate) kernel_share: f64,
    /// Resident memory before the load, and after it.
    pub(crate) idle: Memory,
    pub(crate) after: Memory,
    /// From spawning the child to the first span answered OK.
    pub(crate) first_accepted: Duration,
    pub(crate) sink_counts: [u64; 3],
}

impl Measured {
    pub(crate) fn spans_per_second(&self) -> f64 {
        self.outcome.acknowledged as f64 / self.outcome.elapsed.as_secs_f64()
    }

    /// Nothing acknowledged is missing, nothing unknown or unreadable arrived.
    pub(crate) fn balanced(&self) -> bool {
        let [.., malformed] = self.sink_counts;
        !self.balance_checked || (self.balance.missing == 0 && self.balance.foreign == 0 && malformed == 0)
    }
}

/// A child that has accepted its first span, with its sink and its account.
pub(crate) struct Started {
    pub(crate) child: child::Subject,
    pub(crate) sink: Sink,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) endpoints: Endpoints,
    pub(crate) first_accepted: Duration,
}

/// Starts `subject` on `scenario` in `folder`, and waits until it takes spans.
pub(crate) fn start(
    subject: &Subject,
    scenario: &Scenario,
    sink_frame: u32,
    folder: &Path,
) -> anyhow::Result<Started> {
    let ledger = Arc::new(Ledger::default());
    let sink = Sink::start(Arc::clone(&ledger), sink_frame)?;
    let endpoints = Endpoints::free(sink.address(), folder)?;
    let command = subject.command(scenario, &endpoints, folder)?;
    let mut child = child::Subject::start(&command, &endpoints.environment(), &folder.join("log.txt"))?;
    let first = match subject.input(scenario) {
        Input::Otlp => load::first_answer(endpoints.grpc, &ledger, START_LIMIT),
        Input::Segments => segments::first_arrival(endpoints.xray, &ledger, START_LIMIT),
    };
    child.expect_running()?;
    let first = first.with_context(|| child.log_tail())?;
    let first_accepted = first.duration_since(child.started());
    Ok(Started { child, sink, ledger, endpoints, first_accepted })
}

/// Runs `load` against `subject` and stops it again.
///
/// A relay knows no more than to send on what it gets: whatever the scenario, its requests come uncompressed and leave
/// for the sink, as the measure of this machine at this minute.
pub(crate) fn measure(subject: &Subject, scenario: &Scenario, load: &Load) -> anyhow::Result<Measured> {
    let is_floor = matches!(subject, Subject::Floor(_));
    let output = if is_floor { Output::Sink } else { scenario.output };
    let name = &load.name;
    let load = if is_floor { &load.for_floor(scenario.input) } else { load };
    let folder = tempfile::tempdir()?;
    let Started { mut child, sink, ledger, endpoints, first_accepted } =
        start(subject, scenario, load.sink_frame, folder.path())?;
    thread::sleep(load.settle);
    let idle = measure::memory(child.pid()).context("the collector's memory")?;
    let cpu_before = measure::process_cpu(child.pid()).context("the collector's CPU time")?;
    let ticks_before = measure::ticks(child.pid()).unwrap_or_default();
    let sink_before = measure::threads_cpu("sink");
    let own_before = measure::own_cpu();
    let plan = load.plan(&endpoints, None);
    let outcome = match subject.input(scenario) {
        Input::Otlp => load::run(&plan, &ledger, &load::Stop::default())?,
        Input::Segments => segments::run(&plan, endpoints.xray, &ledger)?,
    };
    child.expect_running()?;
    anyhow::ensure!(outcome.acknowledged > 0, "no request was accepted; refused: {:?}", outcome.refused);
    if output == Output::Sink {
        wait_until_arrived(&ledger, DRAIN_LIMIT, DRAIN_LIMIT / 2);
    } else {
        thread::sleep(Duration::from_millis(500));
    }
    let cpu =
        measure::process_cpu(child.pid()).context("the collector's CPU time")?.saturating_sub(cpu_before);
    let ticks = measure::ticks(child.pid()).unwrap_or_default();
    let sink_cpu = measure::threads_cpu("sink").saturating_sub(sink_before);
    let own_cpu = measure::own_cpu().saturating_sub(own_before);
    thread::sleep(load.settle);
    let after = measure::memory(child.pid()).context("the collector's memory")?;
    child.stop()?;
    if output == Output::File {
        receive_file(&endpoints.file, &ledger)?;
    }
    let per_span = |time: Duration| time.as_secs_f64() * 1e6 / outcome.acknowledged.max(1) as f64;
    Ok(Measured {
        subject: subject.name(),
        load: name.clone(),
        balance: ledger.balance(),
        balance_checked: output != Output::Nowhere,
        cpu: per_span(cpu),
        kernel_share: kernel_share(ticks_before, ticks),
        sink_cpu: per_span(sink_cpu),
        load_cpu: per_span(own_cpu.saturating_sub(sink_cpu)),
        outcome,
        idle,
        after,
        first_accepted,
        sink_counts: sink.counts(),
    })
}

fn kernel_share(before: [u64; 2], after: [u64; 2]) -> f64 {
    let [user, kernel] = [0, 1].map(|kind: usize| after[kind].saturating_sub(before[kind]) as f64);
    kernel / (user + kernel).max(1.0)
}

/// Waits until every acknowledged span has arrived: at most for `limit`, and no longer than nothing has come
/// for `quiet`.
pub(crate) fn wait_until_arrived(ledger: &Ledger, limit: Duration, quiet: Duration) {
    let deadline = Instant::now() + limit;
    let mut seen = (ledger.balance().received, Instant::now());
    loop {
        let balance = ledger.balance();
        let now = Instant::now();
        if balance.received != seen.0 {
            seen = (balance.received, now);
        }
        if balance.missing == 0 || now >= deadline || now - seen.1 >= quiet {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Enters the span ids in a file of OTLP JSON lines as received.
pub(crate) fn receive_file(file: &Path, ledger: &Ledger) -> anyhow::Result<()> {
    const KEY: &[u8] = b"\"spanId\":\"";
    let bytes = fs::read(file).with_context(|| file.display().to_string())?;
    let mut ids = Vec::new();
    for at in memchr::memmem::find_iter(&bytes, KEY) {
        let digits = bytes.get(at + KEY.len()..at + KEY.len() + 16).unwrap_or_default();
        let id = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
        ids.push(id.context("a span id is not 16 hexadecimal digits")?);
    }
    ledger.receive(&ids);
    Ok(())
}

/// Names of the gRPC codes that a collector refuses with.
pub(crate) fn code_name(code: i32) -> String {
    match code {
        2 => "UNKNOWN".into(),
        4 => "DEADLINE_EXCEEDED".into(),
        8 => "RESOURCE_EXHAUSTED".into(),
        grpc::INTERNAL => "INTERNAL".into(),
        grpc::UNAVAILABLE => "UNAVAILABLE".into(),
        other => format!("code {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::span_id_of;

    #[test]
    fn span_ids_are_found_in_json_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("out.json");
        let line =
            |counter| format!("{{\"spanId\":\"{:016x}\",\"parentSpanId\":\"00\"}}\n", span_id_of(counter));
        fs::write(&file, [line(0), line(2)].concat()).expect("written");
        let ledger = Ledger::default();
        ledger.issue(3);
        ledger.acknowledge(0, 3);
        receive_file(&file, &ledger).expect("read");
        assert_eq!((ledger.balance().received, ledger.balance().missing), (2, 1));
    }
}
