//! Where results go.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context as _, Result};

/// A file or standard output, through a buffer. Clones share it.
#[derive(Clone)]
pub(super) struct Output(Rc<RefCell<Buffered>>);

struct Buffered {
    writer: BufWriter<Box<dyn Write>>,
    /// Why what was made could not go out before a pause.
    failed: Option<io::Error>,
}

impl Output {
    /// Creates the file; `-` and none are standard output.
    pub(super) fn open(path: Option<&Path>) -> Result<Self> {
        let output: Box<dyn Write> = match path.filter(|path| *path != Path::new("-")) {
            Some(path) => {
                Box::new(File::create(path).with_context(|| format!("creating {}", path.display()))?)
            }
            None => Box::new(io::stdout().lock()),
        };
        Ok(Self::new(output))
    }

    pub(super) fn new(output: Box<dyn Write>) -> Self {
        Self(Rc::new(RefCell::new(Buffered { writer: BufWriter::new(output), failed: None })))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Buffered { writer, failed } = &mut *self.0.borrow_mut();
        failed.take().map_or_else(|| writer.write(bytes), Err)
    }

    fn flush(&mut self) -> io::Result<()> {
        let Buffered { writer, failed } = &mut *self.0.borrow_mut();
        failed.take().map_or_else(|| writer.flush(), Err)
    }
}

/// Whoever writes into a pipe may pause: what has been made by then goes out before more is waited for.
pub(super) struct Pausing<R> {
    pub(super) reader: R,
    pub(super) output: Output,
}

impl<R: Read> Read for Pausing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // It is no error of the input: whoever writes next hears of it.
        let flushed = self.output.flush();
        self.output.0.borrow_mut().failed = flushed.err();
        self.reader.read(buffer)
    }
}
