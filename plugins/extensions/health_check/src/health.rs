//! What the process's state means. No I/O and no clock: facts in, verdict out.

use std::time::Duration;

use component::Phase;

/// What is known at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) phase: Phase,
    /// For how long each worker has run nothing.
    pub(crate) silences: Vec<Duration>,
    /// Bytes of telemetry and of buffers of connections that are held, and that may be.
    pub(crate) held: usize,
    pub(crate) limit: usize,
    /// Gates that refuse data, and why.
    pub(crate) closed: Vec<(String, String)>,
    /// Exporters that count and have something to deliver, and for how long none of it was.
    pub(crate) stalled: Vec<Stalled>,
}

/// An exporter that does not get on.
#[derive(Clone, Debug)]
pub(crate) struct Stalled {
    pub(crate) node: String,
    pub(crate) since: Duration,
    pub(crate) last_error: Option<String>,
}

/// Why a probe fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    /// A word for programs.
    pub(crate) code: &'static str,
    /// A sentence for people.
    pub(crate) message: String,
}

impl Facts {
    /// Why the process should be restarted; nothing if it should not.
    pub(crate) fn dead(&self, silent_after: Duration) -> Vec<Reason> {
        let silent = self.silences.iter().enumerate().filter(|(_, silence)| **silence > silent_after);
        let reason = |(worker, silence): (usize, &Duration)| Reason {
            code: "worker_silent",
            message: format!("worker {worker} has run nothing for {}", seconds(*silence)),
        };
        silent.map(reason).collect()
    }

    /// Why the process should get no data now; nothing if it should.
    pub(crate) fn unready(&self, silent_after: Duration, stalled_after: Duration) -> Vec<Reason> {
        let mut reasons = self.dead(silent_after);
        match self.phase {
            Phase::Running => {}
            Phase::Starting => {
                reasons.push(Reason { code: "starting", message: "not every node is ready".into() })
            }
            Phase::Draining => {
                reasons.push(Reason { code: "draining", message: "the process is stopping".into() });
            }
        }
        // Requests are refused before the limit, by the size of what they ask for.
        if self.held >= self.limit - self.limit / 10 {
            let (held, limit) = (self.held >> 20, self.limit >> 20);
            let message = format!("{held} of {limit} MiB for telemetry are held");
            reasons.push(Reason { code: "memory", message });
        }
        reasons.extend(
            self.closed.iter().map(|(node, why)| Reason {
                code: "refusing",
                message: format!("{node} refuses data: {why}"),
            }),
        );
        let late = self.stalled.iter().filter(|it| is_late(it, stalled_after));
        reasons.extend(late.map(Stalled::reason));
        reasons
    }

    /// What is not bad enough yet: exporters that do not get on.
    pub(crate) fn warnings(&self, stalled_after: Duration) -> Vec<Reason> {
        self.stalled.iter().filter(|it| !is_late(it, stalled_after)).map(Stalled::reason).collect()
    }
}

fn is_late(stalled: &Stalled, stalled_after: Duration) -> bool {
    !stalled_after.is_zero() && stalled.since >= stalled_after
}

impl Stalled {
    fn reason(&self) -> Reason {
        let (node, since) = (&self.node, seconds(self.since));
        let message = match &self.last_error {
            Some(error) => format!("{node} has delivered nothing for {since}: {error}"),
            None => format!("{node} has delivered nothing for {since}"),
        };
        Reason { code: "exporter_stalled", message }
    }
}

fn seconds(duration: Duration) -> String {
    ::config::duration::format(Duration::from_secs(duration.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENT: Duration = Duration::from_secs(10);
    const STALLED: Duration = Duration::from_secs(300);

    fn well() -> Facts {
        Facts {
            phase: Phase::Running,
            silences: vec![Duration::from_millis(900); 2],
            held: 89,
            limit: 100,
            closed: Vec::new(),
            stalled: Vec::new(),
        }
    }

    fn codes(facts: &Facts) -> Vec<&'static str> {
        facts.unready(SILENT, STALLED).into_iter().map(|reason| reason.code).collect()
    }

    #[test]
    fn each_thing_that_is_wrong_is_named() {
        let stalled = |secs| {
            let since = Duration::from_secs(secs);
            vec![Stalled { node: "exporter otlp (traces)".into(), since, last_error: Some("refused".into()) }]
        };
        let cases = [
            (well(), vec![]),
            (Facts { phase: Phase::Starting, ..well() }, vec!["starting"]),
            (Facts { phase: Phase::Draining, ..well() }, vec!["draining"]),
            (Facts { held: 90, ..well() }, vec!["memory"]),
            (Facts { closed: vec![("memory_limiter".into(), "full".into())], ..well() }, vec!["refusing"]),
            (Facts { stalled: stalled(299), ..well() }, vec![]),
            (Facts { stalled: stalled(300), ..well() }, vec!["exporter_stalled"]),
            (
                Facts { silences: vec![Duration::ZERO, Duration::from_secs(11)], ..well() },
                vec!["worker_silent"],
            ),
        ];
        for (facts, expected) in cases {
            assert_eq!(codes(&facts), expected, "{facts:?}");
            let dead = facts.dead(SILENT).len();
            assert_eq!(dead, expected.iter().filter(|code| **code == "worker_silent").count(), "{facts:?}");
        }
        let late = Facts { stalled: stalled(3600), ..well() };
        let said = late.unready(SILENT, STALLED).remove(0).message;
        assert_eq!(said, "exporter otlp (traces) has delivered nothing for 1h0m0s: refused");
        assert_eq!(late.unready(SILENT, Duration::ZERO), [], "zero is never");
        let warned = |facts: &Facts, after| facts.warnings(after).len();
        let soon = Facts { stalled: stalled(5), ..well() };
        assert_eq!(
            (warned(&late, STALLED), warned(&late, Duration::ZERO), warned(&soon, STALLED)),
            (0, 1, 1)
        );
    }
}
