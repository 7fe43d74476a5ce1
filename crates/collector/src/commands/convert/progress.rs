//! How far a conversion has come, for somebody who watches.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

/// How often it is shown.
const EVERY: Duration = Duration::from_millis(200);

/// A line on standard error that is written over and over; nothing where nobody watches, or before it takes long.
pub(super) struct Progress {
    name: String,
    total: Option<u64>,
    is_watched: bool,
    shown: Instant,
    is_there: bool,
}

impl Progress {
    pub(super) fn new(name: &str, total: Option<u64>) -> Self {
        let is_watched = io::stderr().is_terminal();
        Self { name: name.to_owned(), total, is_watched, shown: Instant::now(), is_there: false }
    }

    /// Shows it if it is time to.
    pub(super) fn show(&mut self, bytes: u64, items: usize) {
        if !self.is_watched || self.shown.elapsed() < EVERY {
            return;
        }
        self.shown = Instant::now();
        self.is_there = true;
        let name = &self.name;
        match self.total.filter(|total| *total > 0) {
            Some(total) => eprint!("\r\x1b[K{name}: {}%, {items} items", bytes.saturating_mul(100) / total),
            None => eprint!("\r\x1b[K{name}: {} MiB, {items} items", bytes >> 20),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_there {
            eprint!("\r\x1b[K");
        }
    }
}
