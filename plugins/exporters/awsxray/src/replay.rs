//! Sends again what X-Ray refused, after the cause was mended.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use component::{BoxError, Environment, Settled};
use data::{Budget, Clock};
use tokio_util::sync::CancellationToken;

use crate::answer;
use crate::call::{Calls, Place};
use crate::config::Config;
use crate::dead_letter::Record;
use crate::dead_letter::take::{Letters, Line, files, look};
use crate::documents::Documents;
use crate::round::{self, Round};
use crate::work::{Refusal, Wave};

/// Bytes of documents that are read before they are sent.
const CHUNK: usize = 8 << 20;

/// Rounds in a row in which nothing is taken before what is left is kept: as many as it takes until calls that fail, and are
/// halved each time, have one document.
const MAX_IN_VAIN: u32 = 6;

/// The wait after the first of them; each further one is as much longer.
const PAUSE: Duration = Duration::from_millis(100);

/// So long it goes on while no call is answered.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pieces of files in a row of which no call is answered before no more are tried.
const MAX_PIECES_IN_VAIN: usize = 2;

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
    /// Pieces of files of which nothing was taken, one after the other, since no call was answered; and why.
    in_vain: usize,
    why: String,
}

impl Report {
    /// Documents that are still there.
    #[must_use]
    pub fn left(&self) -> usize {
        self.kept.values().sum()
    }

    /// Counts what is in a file that is not tried. Somebody else may have it, or be done with it.
    fn passes(&mut self, path: &Path) -> io::Result<()> {
        match look(path) {
            Ok(mut lines) => lines.try_for_each(|line| {
                self.keeps(&[line?]);
                Ok(())
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// No call of a piece was answered.
    fn failed_in_vain(&mut self, why: &str) {
        self.in_vain += 1;
        self.why = why.to_owned();
        if self.in_vain >= MAX_PIECES_IN_VAIN {
            self.stopped = Some(self.why.clone());
        }
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
    let replay = Replay { calls, budget: Budget::unlimited(), max_bytes: config.max_request_bytes };
    let mut report = Report::default();
    for path in files(directory)? {
        if report.stopped.is_none() {
            replay.file(path, &mut report).await?;
        } else {
            report.passes(&path)?;
        }
    }
    if report.delivered == 0 && report.in_vain > 0 {
        report.stopped.get_or_insert_with(|| report.why.clone());
    }
    Ok(report)
}

struct Replay {
    calls: Calls,
    budget: Arc<Budget>,
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

    /// Sends records; those that were not taken come back with what was said of them. What makes its call fail, or is not
    /// processed, stops no other; it is over when the API answers no call of several pieces.
    async fn send(&self, mut records: Vec<Record>, report: &mut Report) -> Vec<Record> {
        if report.stopped.is_some() {
            return records;
        }
        let document = |record: &Record| Bytes::copy_from_slice(record.document.as_bytes());
        let mut wave = Wave::new(Documents::AsTheyCame(records.iter().map(document).collect()));
        let (mut settled, mut has_taken, mut answered, mut in_vain) = (Settled::default(), false, false, 0);
        let (calls, budget, max_bytes) = (&self.calls, &self.budget, self.max_bytes);
        let round = Round { calls, budget, max_bytes, keeps: true, told: &|_, _| {} };
        let begun = Instant::now();
        while wave.fates.open() > 0 {
            let came = round.send(&mut wave, &mut has_taken, &mut settled).await;
            answered |= came.answered;
            in_vain = if came.taken { 0 } else { in_vain + 1 };
            if in_vain <= MAX_IN_VAIN && (came.answered || begun.elapsed() < PATIENCE) {
                tokio::time::sleep(PAUSE * in_vain).await;
                continue;
            }
            let (code, message) = match (came.failed, came.back) {
                (Some(refused), _) => (answer::GIVEN_UP.to_owned(), refused.message.to_string()),
                (None, Some(one)) => (one.code, one.message),
                // Named by none of their ids, which goes on alone.
                (None, None) => continue,
            };
            if !answered {
                report.failed_in_vain(&message);
            }
            let left = wave.fates.left();
            wave.unwritten.extend(round::refusals(&left, &code, &message));
            break;
        }
        if answered {
            report.in_vain = 0;
        }
        for Refusal { document, code, message } in wave.unwritten {
            if let Some(record) = records.get_mut(document) {
                (record.code, record.message) = (code, message);
            }
        }
        let mut index = 0;
        records.retain(|_| {
            index += 1;
            !wave.fates.was_taken(index - 1)
        });
        records
    }
}
