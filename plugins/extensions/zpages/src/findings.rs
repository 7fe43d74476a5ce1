//! Where data is stuck, and why: the first thing that somebody who was woken up wants to read.

use std::time::Duration;

use component::{Kind, Phase};

use crate::model::{Memory, Node};
use crate::text::{bytes, count, rate, span};

/// How long nothing may move before that is told.
const STALL: Duration = Duration::from_secs(10);
/// How long a worker may run nothing before that is told.
const SILENCE: Duration = Duration::from_secs(5);

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Data is stuck, refused or lost.
    Bad,
    /// It soon will be, or somebody else is to blame.
    Warning,
}

impl Severity {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Warning => "warning",
        }
    }
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// Where; nothing for the process.
    pub(crate) node: Option<String>,
    pub(crate) message: String,
}

/// Everything that is not as it should be, the worst first, causes before what follows from them.
pub(crate) fn findings(phase: Phase, memory: Memory, silences: &[Duration], nodes: &[Node]) -> Vec<Finding> {
    let mut found = Vec::new();
    process(phase, memory, silences, &mut found);
    // From the exits: what is stuck there is why the rest is.
    for kind in [Kind::Exporter, Kind::Connector, Kind::Processor, Kind::Receiver] {
        nodes.iter().filter(|node| node.id.kind == kind).for_each(|node| of(node, &mut found));
    }
    found.sort_by_key(|finding| finding.severity);
    found
}

fn process(phase: Phase, memory: Memory, silences: &[Duration], found: &mut Vec<Finding>) {
    let mut push = |severity, message| found.push(Finding { severity, node: None, message });
    for (worker, silence) in silences.iter().enumerate().filter(|(_, silence)| **silence > SILENCE) {
        push(Severity::Bad, format!("worker {worker} has run nothing for {}", span(*silence)));
    }
    let used = memory.held.saturating_add(memory.buffers);
    if used >= memory.limit - memory.limit / 10 {
        let (used, limit) = (bytes(used), bytes(memory.limit));
        push(
            Severity::Bad,
            format!("{used} of {limit} for telemetry are held: receivers refuse or soon will"),
        );
    }
    match phase {
        Phase::Running => {}
        Phase::Starting => push(Severity::Warning, "not every node is ready yet".to_owned()),
        Phase::Draining => {
            push(Severity::Warning, "the process is stopping and delivers what it has".to_owned())
        }
    }
}

fn of(node: &Node, found: &mut Vec<Finding>) {
    let mut push = |severity, message| {
        found.push(Finding { severity, node: Some(node.id.to_string()), message });
    };
    let what = node.signal.items().replace('_', " ");
    if node.flow.stalled >= STALL {
        let (stuck, since) = (count(node.statement.inside()), span(node.flow.stalled));
        match node.id.kind {
            Kind::Exporter => {
                let why = match &node.last_error {
                    Some((error, ago)) => format!("; last error {} ago: {error}", span(*ago)),
                    None => "; no error: the destination does not answer".to_owned(),
                };
                let message = format!("has delivered nothing for {since}, {stuck} {what} wait{why}");
                push(if node.best_effort { Severity::Warning } else { Severity::Bad }, message);
            }
            _ => push(
                Severity::Warning,
                format!(
                    "has handed on nothing for {since}, {stuck} {what} are inside: what comes next has no room"
                ),
            ),
        }
    }
    if let (Kind::Exporter, false, Some((error, _))) =
        (node.id.kind, node.flow.stalled.is_zero() || node.flow.stalled >= STALL, &node.last_error)
    {
        let since = span(node.flow.stalled);
        push(Severity::Warning, format!("has delivered nothing for {since}; last error: {error}"));
    }
    if node.is_open == Some(false) {
        let why = node.cause.as_deref().unwrap_or("too much is held");
        let unread = match node.unread {
            0 => String::new(),
            requests => format!("; {} requests were refused before they were read", count(requests)),
        };
        push(Severity::Bad, format!("refuses all data: {why}{unread}"));
    }
    if let Some(room) = node.room.filter(|room| room.is_queue && room.used * 5 >= room.capacity * 4) {
        let (used, capacity, unit) = (count(room.used as u64), count(room.capacity as u64), room.unit);
        let severity = if room.used >= room.capacity { Severity::Bad } else { Severity::Warning };
        push(severity, format!("its queue has {used} of {capacity} {unit}"));
    }
    if node.flow.refused > 0.0 {
        let reasons: Vec<&str> = node.statement.refused.iter().map(|(reason, _)| *reason).collect();
        let (per_second, reasons) = (rate(node.flow.refused), reasons.join(", "));
        push(Severity::Bad, format!("sends back or loses {per_second} {what}/s (so far: {reasons})"));
    }
    if !node.statement.balances() && node.flow.entered <= 0.0 {
        push(Severity::Bad, format!("its books do not balance: {}", node.statement));
    }
}

#[cfg(test)]
mod tests {
    use component::NodeId;
    use data::{Signal, Statement};

    use super::*;
    use crate::model::Room;

    const MEMORY: Memory = Memory { held: 10, buffers: 0, queued: 0, limit: 100 };

    fn exporter() -> Node {
        Node {
            id: NodeId::exporter("otlp", Signal::Traces),
            signal: Signal::Traces,
            statement: Statement { entered: 5, waiting: 5, ..Statement::default() },
            flow: admin::Flow::default(),
            room: Some(Room { used: 1, capacity: 10, unit: "batches", is_queue: true }),
            is_open: None,
            cause: None,
            unread: 0,
            errors: 0,
            last_error: None,
            best_effort: false,
        }
    }

    fn said(node: Node) -> Vec<(Severity, String)> {
        let found = findings(Phase::Running, MEMORY, &[], &[node]);
        found.into_iter().map(|finding| (finding.severity, finding.message)).collect()
    }

    #[test]
    fn all_is_well() {
        assert_eq!(said(exporter()), []);
    }

    #[test]
    fn a_stuck_exporter_is_told_with_its_error() {
        let mut node = exporter();
        node.flow.stalled = Duration::from_secs(75);
        node.last_error = Some(("UNAVAILABLE: connection refused".to_owned(), Duration::from_secs(3)));
        let expected = "has delivered nothing for 1m15s, 5 spans wait; last error 3s ago: UNAVAILABLE: connection refused";
        assert_eq!(said(node.clone()), [(Severity::Bad, expected.to_owned())]);
        node.best_effort = true;
        assert_eq!(said(node)[0].0, Severity::Warning);
    }

    /// Without waiting: what fails is told with its error at once, and a gate says what it found.
    #[test]
    fn what_fails_is_told_at_once() {
        let mut node = exporter();
        node.flow.stalled = Duration::from_secs(2);
        assert_eq!(said(node.clone()), [], "it may just be slow");
        node.last_error = Some(("connection refused".to_owned(), Duration::from_secs(1)));
        let expected = "has delivered nothing for 2s; last error: connection refused";
        assert_eq!(said(node), [(Severity::Warning, expected.to_owned())]);
        let (is_open, cause) = (Some(false), Some("420 MiB are held".to_owned()));
        let gate = Node { is_open, cause, unread: 7, ..exporter() };
        let expected = "refuses all data: 420 MiB are held; 7 requests were refused before they were read";
        assert_eq!(said(gate), [(Severity::Bad, expected.to_owned())]);
    }

    #[test]
    fn queues_and_losses_are_told() {
        let mut node = exporter();
        node.room = Some(Room { used: 8, capacity: 10, unit: "batches", is_queue: true });
        assert_eq!(said(node.clone()), [(Severity::Warning, "its queue has 8 of 10 batches".to_owned())]);
        node.room = Some(Room { used: 10, capacity: 10, unit: "batches", is_queue: true });
        node.flow.refused = 12.0;
        node.statement = Statement { entered: 12, refused: vec![("queue full", 12)], ..Statement::default() };
        let messages: Vec<String> = said(node).into_iter().map(|(_, message)| message).collect();
        let lost = "sends back or loses 12 spans/s (so far: queue full)";
        assert_eq!(messages, ["its queue has 10 of 10 batches", lost]);
    }

    #[test]
    fn the_process_comes_first() {
        let memory = Memory { held: 80, buffers: 15, ..MEMORY };
        let mut node = exporter();
        node.flow.stalled = STALL;
        let found = findings(Phase::Draining, memory, &[Duration::ZERO, SILENCE * 2], &[node]);
        let messages: Vec<&str> = found.iter().map(|finding| &*finding.message).collect();
        assert_eq!(messages[0], "worker 1 has run nothing for 10s");
        assert!(messages[1].starts_with("95 B of 100 B"), "{messages:?}");
        assert!(messages[2].starts_with("has delivered nothing"), "{messages:?}");
        assert!(messages[3].starts_with("the process is stopping"), "warnings last: {messages:?}");
    }
}
