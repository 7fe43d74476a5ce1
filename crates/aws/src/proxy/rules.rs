//! Rules in a file: read at the start, and when the file changes.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use component::BoxError;
use xray::sampling::{Call, Central, Now, file};

/// The rules, and the reservoirs that clients share.
pub(crate) struct Rules {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    central: Central,
    seen: Option<Seen>,
}

/// What tells a changed file from the one that was read.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    modified: SystemTime,
    length: u64,
}

impl Rules {
    /// Reads the file at `now`.
    pub(crate) fn open(path: &str, now: Now) -> Result<Self, BoxError> {
        let path = PathBuf::from(path);
        let seen = Seen::of(&path)?;
        let rules = read(&path)?;
        tracing::info!(path = %path.display(), rules = rules.len(), "Answering sampling requests from a file");
        let central = Central::new(rules, now);
        Ok(Self { path, state: Mutex::new(State { central, seen: Some(seen) }) })
    }

    /// Reads the file again if it is another than the one that was read. What is wrong with it is logged once, and the
    /// rules stay as they are. They changed at `now`, a time of day, for clients: the file's own time may be one that they
    /// have passed already.
    pub(crate) fn look(&self, now: Duration) {
        let seen = Seen::of(&self.path).ok();
        {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.is_none() || seen == state.seen {
                return;
            }
        }
        let read = read(&self.path);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.seen = seen;
        match (read, seen) {
            (Ok(rules), Some(_)) => {
                tracing::info!(path = %self.path.display(), rules = rules.len(), "Sampling rules changed");
                state.central.replace(rules, now);
            }
            (Err(error), _) => {
                tracing::error!(path = %self.path.display(), %error, "sampling rules refused, the former ones stay");
            }
            (Ok(_), None) => {}
        }
    }

    /// Answers a request of the API.
    pub(crate) fn answer(&self, call: &Call, now: Now) -> Vec<u8> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).central.answer(call, now)
    }
}

impl Seen {
    fn of(path: &Path) -> Result<Self, BoxError> {
        let told = |error: std::io::Error| format!("cannot read sampling rules {}: {error}", path.display());
        let metadata = std::fs::metadata(path).map_err(told)?;
        Ok(Self { modified: metadata.modified().map_err(told)?, length: metadata.len() })
    }
}

fn read(path: &Path) -> Result<Vec<xray::sampling::Rule>, BoxError> {
    let shown = path.display();
    let length = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if length > file::MAX_FILE {
        return Err(
            format!("sampling rules {shown} have {length} bytes; {} are the most", file::MAX_FILE).into()
        );
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read sampling rules {shown}: {error}"))?;
    file::read(&shown.to_string(), &text).map_err(|found| BoxError::from(found.to_string()))
}
