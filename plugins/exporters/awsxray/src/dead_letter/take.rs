//! Takes files away from whoever writes to them, and reads what is in them.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::file::{self, Appended, Taken};
use super::record::Record;

/// Longest line: no document that X-Ray takes comes near it.
const MAX_LINE: u64 = 4 << 20;

/// A line of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Record(Record),
    /// Not one of ours, or cut by a crash.
    Unreadable(Vec<u8>),
}

/// The files of a directory, sorted by name.
pub(crate) fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    file::list(directory)
}

/// The lines of a file that is left where it is.
pub(crate) fn look(path: &Path) -> io::Result<Lines> {
    Ok(Lines(BufReader::new(std::fs::File::open(path)?)))
}

/// A file that was taken away.
pub(crate) struct Letters(Taken);

impl Letters {
    /// Takes a file away; none if another replay has it.
    pub(crate) fn take(path: &Path) -> io::Result<Option<Self>> {
        Ok(Taken::take(path)?.map(Self))
    }

    pub(crate) fn lines(&self) -> io::Result<Lines> {
        Ok(Lines(BufReader::new(self.0.file.try_clone()?)))
    }

    /// Puts lines back under the file's own name, synced.
    pub(crate) fn keep(&self, lines: &[Line]) -> io::Result<()> {
        let mut text = Vec::new();
        for line in lines {
            match line {
                Line::Record(record) => record.write(&mut text),
                Line::Unreadable(bytes) => {
                    text.extend_from_slice(bytes);
                    text.push(b'\n');
                }
            }
        }
        if text.is_empty() {
            return Ok(());
        }
        match file::append(&self.0.origin, &text, u64::MAX)? {
            Appended::Done => Ok(()),
            Appended::Full => Err(io::Error::from(io::ErrorKind::FileTooLarge)),
        }
    }

    /// Everything in it was delivered or kept.
    pub(crate) fn remove(self) -> io::Result<()> {
        self.0.remove()
    }
}

/// The lines of a file.
pub(crate) struct Lines(BufReader<std::fs::File>);

impl Iterator for Lines {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<io::Result<Line>> {
        loop {
            let mut line = Vec::new();
            match self.0.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Err(error) => return Some(Err(error)),
                Ok(_) => {}
            }
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            if !line.is_empty() {
                return Some(Ok(Record::read(&line).map_or(Line::Unreadable(line), Line::Record)));
            }
        }
    }
}
