//! One open file: a buffer in front of it, and nothing but whole messages in it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::rotation::Rotator;

/// Telemetry is nobody else's business.
const FILE_MODE: u32 = 0o600;

/// A file that is written in whole messages.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    file: File,
    /// Whether the file has a length that can be set back: it is no pipe, no device.
    regular: bool,
    size: u64,
    rotator: Option<Rotator>,
    /// Messages that wait to be written.
    pub(crate) buffer: Vec<u8>,
    /// How many items they hold.
    pub(crate) items: usize,
    /// The rest of messages that were written in part to something that can't be set back.
    torn: Vec<u8>,
}

/// A point to which a buffer can be set back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    len: usize,
    items: usize,
}

impl Output {
    /// Opens the file, made if need be; what it holds is kept if `append`.
    pub(crate) fn open(path: &Path, append: bool, rotator: Option<Rotator>) -> io::Result<Self> {
        let file = open(path)?;
        let meta = file.metadata()?;
        let regular = meta.is_file();
        // A file that is rotated is never emptied: what is in it counts towards its size.
        let keep = append || rotator.is_some();
        if regular && !keep {
            file.set_len(0)?;
        }
        let size = if keep { meta.len() } else { 0 };
        let (path, buffer, torn) = (path.to_owned(), Vec::new(), Vec::new());
        Ok(Self { path, file, regular, size, rotator, buffer, items: 0, torn })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The present end of the buffer.
    pub(crate) const fn mark(&self) -> Mark {
        Mark { len: self.buffer.len(), items: self.items }
    }

    /// Takes back what was buffered since, as far as it is not written.
    pub(crate) fn set_back(&mut self, mark: Mark) {
        self.buffer.truncate(mark.len);
        self.items = self.items.min(mark.items);
    }

    /// Whether there is anything to [`flush`](Self::flush).
    pub(crate) const fn is_clean(&self) -> bool {
        self.buffer.is_empty() && self.torn.is_empty()
    }

    /// Hands the buffer to the kernel, in a new file if the present one is full. `wall` is in nanoseconds since
    /// 1970.
    ///
    /// After an error the file ends where it ended before and the buffer is as it was. A pipe or device can't be
    /// set back: if it took a part, the rest is the first thing that it gets when this is called again.
    pub(crate) fn flush(&mut self, wall: u64) -> io::Result<()> {
        self.finish_torn()?;
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.rotate_if_full(wall)?;
        let (written, result) = write(&mut self.file, &self.buffer);
        if result.is_ok() {
            self.size = self.size.saturating_add(written as u64);
        } else if written == 0 || self.take_back(written) {
            return result;
        } else {
            self.torn = self.buffer.split_off(written.min(self.buffer.len()));
        }
        self.buffer.clear();
        self.items = 0;
        result
    }

    /// Gives memory back beyond `keep` bytes.
    pub(crate) fn shrink(&mut self, keep: usize) {
        self.buffer.shrink_to(keep);
    }

    fn finish_torn(&mut self) -> io::Result<()> {
        let (written, result) = write(&mut self.file, &self.torn);
        self.torn.drain(..written.min(self.torn.len()));
        result
    }

    /// Shortens the file by what was just written to it.
    fn take_back(&self, written: usize) -> bool {
        let shorter = |len: u64| len.checked_sub(written as u64);
        let len = self.file.metadata().ok().and_then(|meta| shorter(meta.len()));
        self.regular && len.is_some_and(|len| self.file.set_len(len).is_ok())
    }

    fn rotate_if_full(&mut self, wall: u64) -> io::Result<()> {
        let more = self.buffer.len() as u64;
        let Some(rotator) = self.rotator.as_ref().filter(|rotator| rotator.is_full(self.size, more)) else {
            return Ok(());
        };
        if !self.regular {
            return Ok(());
        }
        rotator.set_aside(&self.path, wall)?;
        self.file = open(&self.path)?;
        self.size = 0;
        rotator.prune(&self.path, wall);
        Ok(())
    }
}

/// Makes the directory in which `path` is, and those above it.
pub(crate) fn create_directory(path: &Path, mode: u32) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => {
            DirBuilder::new().recursive(true).mode(mode).create(parent)
        }
        _ => Ok(()),
    }
}

/// Always to append: what another process cuts off (`copytruncate`) then leaves no hole.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)
}

/// Like `write_all`, but says how far it came.
fn write(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut rest = bytes;
    while !rest.is_empty() {
        match file.write(rest) {
            Ok(0) => return (bytes.len() - rest.len(), Err(ErrorKind::WriteZero.into())),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (bytes.len() - rest.len(), Err(error)),
        }
    }
    (bytes.len(), Ok(()))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn half_a_message_is_taken_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let mut output = Output::open(&path, false, None).unwrap();
        output.buffer.extend_from_slice(b"good\n");
        output.flush(0).unwrap();
        // As if the disk had been full in the middle.
        output.file.write_all(b"half").unwrap();
        assert!(output.take_back(4));
        output.buffer.extend_from_slice(b"next\n");
        output.flush(0).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"good\nnext\n");
        assert!(!output.take_back(11), "there is not so much");
    }

    #[test]
    fn a_pipe_that_took_a_part_gets_the_rest_first() {
        const O_NONBLOCK: i32 = 0o4000;
        let (mut reader, writer) = io::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
        let mut output = Output::open(Path::new(&path), false, None).unwrap();
        output.file = OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(&path).unwrap();
        drop(writer);
        let mark = output.mark();
        let long = [vec![b'x'; 200_000], vec![b'\n']].concat();
        output.buffer.extend_from_slice(&long);
        output.items = 1;
        output.flush(0).unwrap_err();
        output.set_back(mark);
        assert!(!output.is_clean() && output.buffer.is_empty() && output.items == 0);
        output.buffer.extend_from_slice(b"y\n");
        let (mut read, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
        while output.flush(0).is_err() {
            let n = reader.read(&mut chunk).unwrap();
            read.extend_from_slice(&chunk[..n]);
        }
        drop(output);
        reader.read_to_end(&mut read).unwrap();
        assert!(read == [long, b"y\n".to_vec()].concat());
    }
}
