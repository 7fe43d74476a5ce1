//! Documents that X-Ray refused for good, or did not take in time, kept in files until somebody has mended the cause.
//!
//! A file has one JSON object to a line: `time` (RFC 3339), `code` and `message` of the refusal, and the `document` as
//! the text that was sent. A line is written whole and synced to the disk before the document is forgotten; after a
//! crash the last line of a file may be cut, and is then passed over.
//!
//! A file is opened anew for each append, and written under an exclusive lock, so that `replay` can take it away from a
//! running process: it renames the file under that lock, and who has opened it before finds that out.

mod file;
mod record;
pub(crate) mod take;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use config::{Fields, Section};
use tokio::sync::{Mutex, OwnedMutexGuard};

use self::file::Appended;
pub use self::record::Record;
pub(crate) use self::record::write;

/// `dead_letter:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the files are; empty keeps nothing.
    pub directory: String,
    /// Size at which a new file is begun.
    pub max_file_mib: u64,
    /// The most that is kept in the directory.
    pub max_mib: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { directory: String::new(), max_file_mib: 16, max_mib: 1024 }
    }
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.field(
            "directory",
            "Where documents are kept that X-Ray refuses, or does not take in time; empty keeps none.",
            |c| &mut c.directory,
        );
        fields
            .field("max_file_mib", "Size at which a new file is begun.", |c| &mut c.max_file_mib)
            .range(1..=1 << 20);
        fields
            .field("max_mib", "The most that is kept; what comes then is only counted.", |c| &mut c.max_mib)
            .range(1..=1 << 30);
    }
}

/// Where documents go that were refused or given up.
pub(crate) struct DeadLetters {
    directory: PathBuf,
    /// Of the files that this exporter writes: its id, without what a file's name should not have.
    prefix: String,
    max_file: u64,
    max: u64,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The file that is appended to, by its number.
    number: u64,
}

impl DeadLetters {
    /// Where the configuration wants them, if it does. Makes the directory.
    ///
    /// # Errors
    /// If it can't be made.
    pub(crate) fn open(config: &Config, id: &str) -> io::Result<Option<Self>> {
        if config.directory.is_empty() {
            return Ok(None);
        }
        let directory = PathBuf::from(&config.directory);
        private_directory(&directory)?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let prefix = id.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let (max_file, max) = (config.max_file_mib << 20, config.max_mib << 20);
        Ok(Some(Self { directory, prefix, max_file, max, state: Arc::default() }))
    }

    /// Waits until nobody else writes. Who has the turn makes what he writes then, so that there is one such text and not
    /// one of each delivery.
    pub(crate) async fn turn(self: Arc<Self>) -> Turn {
        let state = Arc::clone(&self.state).lock_owned().await;
        Turn { letters: self, state }
    }

    /// Appends lines, all or none, and syncs them to the disk. Blocks.
    fn append_lines(&self, state: &mut State, lines: &[u8]) -> io::Result<()> {
        let held = file::total(&self.directory)?;
        if held.saturating_add(lines.len() as u64) > self.max {
            let message = format!("{} MiB are full, as max_mib says", self.max >> 20);
            return Err(io::Error::new(io::ErrorKind::StorageFull, message));
        }
        loop {
            let path =
                self.directory.join(format!("{}-{:06}.{}", self.prefix, state.number, file::EXTENSION));
            match file::append(&path, self.max_file, None, |file| file.write_all(lines)) {
                Ok(Appended::Done) => return Ok(()),
                Ok(Appended::Full) => state.number += 1,
                // Another user's: there are only so many.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && path.exists() => {
                    state.number += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The right to write, which one at a time has.
pub(crate) struct Turn {
    letters: Arc<DeadLetters>,
    state: OwnedMutexGuard<State>,
}

impl Turn {
    /// Appends lines that [`write()`] made, all or none, and syncs them to the disk. Blocks.
    ///
    /// # Errors
    /// If there is no room within the bounds, or the disk fails.
    pub(crate) fn append(mut self, lines: &[u8]) -> io::Result<()> {
        self.letters.append_lines(&mut self.state, lines)
    }
}

/// Makes a directory, as far as it is not there, that only its owner may look into.
fn private_directory(path: &std::path::Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests;
