//! Sends again what X-Ray refused, after the cause was mended.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use component::{BoxError, Environment, Settled};
use data::{Budget, Clock};
use tokio_util::sync::CancellationToken;

use crate::answer;
use crate::call::{Calls, Failed, Place};
use crate::config::Config;
use crate::dead_letter::Record;
use crate::dead_letter::take::{Letters, Line, files, look};
use crate::documents::Documents;
use crate::waiting::{Ready, Waiting};
use crate::work::{Fates, Refusal};

/// Bytes of documents that are read before they are sent.
const CHUNK: usize = 8 << 20;

/// What a replay found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Files that were gone through.
    pub files: usize,
    /// Files that another replay has at the moment.
    pub busy: usize,
    /// Documents that X-Ray took.
    pub delivered: usize,
    /// Documents that are still there, by the code of their last refusal.
    pub kept: BTreeMap<String, usize>,
    /// Lines that are no documents; they are still there, too.
    pub unreadable: usize,
    /// Why it ended before its end.
    pub stopped: Option<String>,
}

impl Report {
    /// Documents that are still there.
    #[must_use]
    pub fn left(&self) -> usize {
        self.kept.values().sum()
    }

    fn keeps(&mut self, lines: &[Line]) {
        for line in lines {
            match line {
                Line::Record(record) => *self.kept.entry(record.code.clone()).or_default() += 1,
                Line::Unreadable(_) => self.unreadable += 1,
            }
        }
    }
}

/// Says what is in a directory and leaves it there.
///
/// # Errors
/// If it can't be read.
pub fn inspect(directory: &Path) -> io::Result<Report> {
    let mut report = Report::default();
    for path in files(directory)? {
        report.files += 1;
        for line in look(&path)? {
            report.keeps(&[line?]);
        }
    }
    Ok(report)
}

/// Sends what is in a directory as the exporter of this configuration would. What X-Ray takes is removed, what it
/// refuses again is kept with its new answer. A process that writes to the directory meanwhile does no harm.
///
/// # Errors
/// If files can't be read or written, or no call can be made at all.
pub async fn replay(
    config: &Config,
    environment: &Environment,
    user_agent: &str,
    clock: &Arc<dyn Clock>,
    directory: &Path,
) -> Result<Report, BoxError> {
    let place = Place { clock: Arc::clone(clock), notes: Arc::default(), draining: CancellationToken::new() };
    let client = crate::client(config, environment, user_agent).await?;
    let calls = Calls::new(config, client, place, None);
    let replay = Replay { calls, max_bytes: config.max_request_bytes };
    let mut report = Report::default();
    for path in files(directory)? {
        if report.stopped.is_some() {
            break;
        }
        replay.file(path, &mut report).await?;
    }
    Ok(report)
}

struct Replay {
    calls: Calls,
    max_bytes: usize,
}

impl Replay {
    async fn file(&self, path: PathBuf, report: &mut Report) -> io::Result<()> {
        let Some(letters) = Letters::take(&path)? else {
            report.busy += 1;
            return Ok(());
        };
        report.files += 1;
        let mut lines = letters.lines()?;
        loop {
            let (mut records, mut kept, mut bytes) = (Vec::new(), Vec::new(), 0);
            for line in lines.by_ref() {
                match line? {
                    Line::Record(record) => {
                        bytes += record.document.len();
                        records.push(record);
                    }
                    unreadable @ Line::Unreadable(_) => kept.push(unreadable),
                }
                if bytes >= CHUNK {
                    break;
                }
            }
            if records.is_empty() && kept.is_empty() {
                return letters.remove();
            }
            let in_all = records.len();
            let left = self.send(records, report).await;
            report.delivered += in_all - left.len();
            kept.extend(left.into_iter().map(Line::Record));
            report.keeps(&kept);
            // Kept before what was read is removed: after a crash a document may be there twice, but never not at all.
            letters.keep(&kept)?;
        }
    }

    /// Sends records; those that were not taken come back with what was said of them.
    async fn send(&self, mut records: Vec<Record>, report: &mut Report) -> Vec<Record> {
        let documents =
            records.iter().map(|record| Bytes::copy_from_slice(record.document.as_bytes())).collect();
        let documents = Documents::AsTheyCame(documents);
        let mut fates = Fates::new(&documents);
        let mut settled = Settled::default();
        let budget = Budget::unlimited();
        let mut waiting = Waiting::new(&documents, fates.calls(&documents, self.max_bytes), &budget);
        let mut again: Vec<Refusal> = Vec::new();
        while report.stopped.is_none()
            && let Some(Ready { call, body, .. }) = waiting.next()
        {
            match self.calls.put(&body, call.len()).await {
                Ok(unprocessed) => {
                    let refusals = fates.taken(&documents, &call, unprocessed, &mut settled);
                    fates.refused(&documents, &refusals, &mut settled);
                    again.extend(refusals);
                }
                Err(Failed::TooLarge(_) | Failed::Invalid(_)) if call.len() > 1 => {
                    waiting.halve(&call, false);
                }
                Err(Failed::TooLarge(said) | Failed::Invalid(said) | Failed::Never(said)) => {
                    let refusals = crate::send::refusals(&call, answer::OTHER, &said);
                    fates.refused(&documents, &refusals, &mut settled);
                    again.extend(refusals);
                }
                Err(Failed::Later(refused)) => report.stopped = Some(refused.message.to_string()),
            }
        }
        for Refusal { document, code, message } in again {
            if let Some(record) = records.get_mut(document) {
                (record.code, record.message) = (code, message);
            }
        }
        let mut index = 0;
        records.retain(|_| {
            index += 1;
            !fates.was_taken(index - 1)
        });
        records
    }
}
