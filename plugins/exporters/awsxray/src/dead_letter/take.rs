//! Takes files away from whoever writes to them, and reads what is in them.

use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::file::{self, Appended, Taken};
use super::record::Record;

/// Longest line that is read: no document that X-Ray takes comes near it.
pub(super) const MAX_LINE: u64 = 4 << 20;

/// A line of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Record(Record),
    /// Not one of ours, or cut by a crash.
    Unreadable(Unreadable),
}

/// A line as it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Bytes(Vec<u8>),
    /// Too long to be one of ours: where it is in the file.
    TooLong(Range<u64>),
}

/// The files of a directory, sorted by name.
pub(crate) fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    file::list(directory)
}

/// The lines of a file that is left where it is.
pub(crate) fn look(path: &Path) -> io::Result<Lines> {
    Ok(Lines::of(std::fs::File::open(path)?))
}

/// A file that was taken away.
pub(crate) struct Letters(Taken);

impl Letters {
    /// Takes a file away; none if another replay has it.
    pub(crate) fn take(path: &Path) -> io::Result<Option<Self>> {
        Ok(Taken::take(path)?.map(Self))
    }

    pub(crate) fn lines(&self) -> io::Result<Lines> {
        Ok(Lines::of(self.0.file.try_clone()?))
    }

    /// Puts lines back under the file's own name, synced. Whoever may run a replay, they stay with their owner.
    pub(crate) fn keep(&self, lines: &[Line]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        let appended = file::append(&self.0.origin, u64::MAX, Some(&self.0.file), |file| {
            for line in lines {
                match line {
                    Line::Record(record) => record.write(&mut text),
                    Line::Unreadable(Unreadable::Bytes(bytes)) => {
                        text.extend_from_slice(bytes);
                        text.push(b'\n');
                    }
                    Line::Unreadable(Unreadable::TooLong(range)) => {
                        file.write_all(&text)?;
                        text.clear();
                        let mut from = self.0.again()?;
                        from.seek(SeekFrom::Start(range.start))?;
                        io::copy(&mut from.take(range.end.saturating_sub(range.start)), file)?;
                        file::end_line(file)?;
                    }
                }
            }
            file.write_all(&text)
        });
        match appended? {
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
pub(crate) struct Lines {
    file: BufReader<std::fs::File>,
    /// How far it is read.
    at: u64,
}

impl Lines {
    fn of(file: std::fs::File) -> Self {
        Self { file: BufReader::new(file), at: 0 }
    }

    /// The next line with its end; none at the end of the file.
    fn read(&mut self) -> io::Result<Option<Unreadable>> {
        let start = self.at;
        let mut line = Vec::new();
        let read = self.file.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? as u64;
        self.at += read;
        if read == MAX_LINE && line.last() != Some(&b'\n') {
            self.at += self.file.skip_until(b'\n')? as u64;
            return Ok(Some(Unreadable::TooLong(start..self.at)));
        }
        Ok((read > 0).then_some(Unreadable::Bytes(line)))
    }
}

impl Iterator for Lines {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<io::Result<Line>> {
        loop {
            let mut line = match self.read() {
                Ok(Some(Unreadable::Bytes(line))) => line,
                Ok(other) => return other.map(|it| Ok(Line::Unreadable(it))),
                Err(error) => return Some(Err(error)),
            };
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            if !line.is_empty() {
                return Some(Ok(match Record::read(&line) {
                    Some(record) => Line::Record(record),
                    None => Line::Unreadable(Unreadable::Bytes(line)),
                }));
            }
        }
    }
}
