//! Where results go.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context as _, Result};

/// A file or standard output, through a buffer. Clones share it.
#[derive(Clone)]
pub(super) struct Output(Rc<RefCell<BufWriter<Box<dyn Write>>>>);

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
        Self(Rc::new(RefCell::new(BufWriter::new(output))))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

/// Whoever writes into a pipe may pause: what has been made by then goes out before more is waited for.
pub(super) struct Pausing<R> {
    pub(super) reader: R,
    pub(super) output: Output,
}

impl<R: Read> Read for Pausing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // It is no error of the input; the next that is written, or the end, tells of it.
        self.output.flush().ok();
        self.reader.read(buffer)
    }
}
