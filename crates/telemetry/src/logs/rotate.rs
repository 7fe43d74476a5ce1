//! A log file that makes way for a new one when it is large.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Files that are open. Each has one writer, however often and by whatever names it is asked for: a second one would go on in
/// what the first has renamed.
#[derive(Default)]
pub(super) struct Files(Vec<(PathBuf, Written)>);

/// A file that several may write to.
#[derive(Clone)]
pub(super) struct Written(Arc<Mutex<Rotating>>);

impl Files {
    /// Opens a file that makes way at `max` bytes, as whoever asks first says.
    pub(super) fn open(&mut self, path: &Path, max: u64) -> io::Result<Written> {
        let opened = Rotating::open(path, max)?;
        // What is no file may have no path.
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if let Some((_, written)) = self.0.iter().find(|(other, _)| *other == place) {
            return Ok(written.clone());
        }
        let written = Written(Arc::new(Mutex::new(opened)));
        self.0.push((place, written.clone()));
        Ok(written)
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

/// Appends to a file. Before it would grow over its size it is renamed to its name and `.1`, in place of the one before.
struct Rotating {
    path: PathBuf,
    file: File,
    len: u64,
    /// 0 is no bound.
    max: u64,
}

impl Rotating {
    /// Opens the file, which may have something in it.
    fn open(path: &Path, max: u64) -> io::Result<Self> {
        let file = append_to(path)?;
        let len = file.metadata()?.len();
        // A device, or a link to one such as `/dev/stdout`, stays what it is.
        let is_file = fs::symlink_metadata(path)?.is_file();
        Ok(Self { path: path.to_owned(), file, len, max: if is_file { max } else { 0 } })
    }

    /// Goes on in a new file. If that is not possible, in the old one: a log that is too large is better than none.
    fn rotate(&mut self) {
        let mut former = self.path.as_os_str().to_owned();
        former.push(".1");
        let renamed = fs::rename(&self.path, former);
        if let (Ok(()), Ok(file)) = (renamed, append_to(&self.path)) {
            self.file = file;
        }
        self.len = 0;
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl Write for Rotating {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.len += written as u64;
        Ok(written)
    }

    /// A line, which stays whole.
    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        let len = line.len() as u64;
        if self.max > 0 && self.len > 0 && self.len.saturating_add(len) > self.max {
            self.rotate();
        }
        self.file.write_all(line)?;
        self.len += len;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_makes_way_and_lines_stay_whole() {
        let directory = tempfile::tempdir().unwrap();
        let (path, former) = (directory.path().join("own.log"), directory.path().join("own.log.1"));
        fs::write(&path, "before\n").unwrap();
        let mut log = Rotating::open(&path, 20).unwrap();
        log.write_all(b"0123456789\n").unwrap();
        assert!(!former.exists());
        log.write_all(b"next\n").unwrap();
        assert_eq!(fs::read_to_string(&former).unwrap(), "before\n0123456789\n");
        let long = [b'x'; 30];
        log.write_all(&long).unwrap();
        log.write_all(b"last\n").unwrap();
        assert_eq!(fs::read(&former).unwrap(), long, "one is kept, and a long line is not cut");
        assert_eq!(fs::read_to_string(&path).unwrap(), "last\n");

        let mut endless = Rotating::open(&path, 0).unwrap();
        (0..10).for_each(|_| endless.write_all(&long).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().len(), 305);
        #[cfg(unix)]
        {
            let link = directory.path().join("link.log");
            std::os::unix::fs::symlink(&path, &link).unwrap();
            Rotating::open(&link, 5).unwrap().write_all(&long).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().len(), 335, "links stay");
        }
    }

    #[test]
    fn a_file_has_one_writer() {
        let directory = tempfile::tempdir().unwrap();
        let (path, former) = (directory.path().join("own.log"), directory.path().join("own.log.1"));
        let mut files = Files::default();
        let mut lines = files.open(&path, 10).unwrap();
        let mut errors = files.open(&directory.path().join(".").join("own.log"), 0).unwrap();
        let mut other = files.open(&directory.path().join("other.log"), 0).unwrap();
        lines.write_all(b"line 1\n").unwrap();
        lines.write_all(b"line 2\n").unwrap();
        errors.write_all(b"e\n").unwrap();
        other.write_all(b"other\n").unwrap();
        assert_eq!(fs::read_to_string(&former).unwrap(), "line 1\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "line 2\ne\n", "the error is not in the former");
        errors.write_all(b"error\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "error\n", "its bytes count, too");
        assert_eq!(fs::read_to_string(directory.path().join("other.log")).unwrap(), "other\n");
    }

    #[test]
    fn what_can_t_be_renamed_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("own.log");
        fs::create_dir(directory.path().join("own.log.1")).unwrap();
        let mut log = Rotating::open(&path, 5).unwrap();
        (0..3).for_each(|_| log.write_all(b"line\n").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "line\nline\nline\n");
    }
}
