//! Where batches go: one file, or several.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use component::{Accepted, BoxError};
use data::{Clock, Code, Refused};
use otlp::Signal;

use crate::config::Config;
use crate::encode::{EncodeError, Encoder};
use crate::group::{Group, Groups, Split, is_unusable};
use crate::output::{Mark, Output, create_directory};
use crate::rotation::Rotator;

/// A buffer of so many bytes is written at once.
const WRITE_AT: usize = 256 << 10;
/// The same for all buffers of grouped files together.
const WRITE_AT_GROUPED: usize = 16 << 20;
/// A buffer keeps no more memory than this when it is empty: as much as the JSON of a batch of usual size.
const KEEP: usize = 16 << 20;
/// JSON is about twice as long as the protobuf that it is made from, seldom more than this.
const GROWTH: usize = 4;

/// Encodes batches and writes them. Every call may block on the file system.
pub(crate) struct Sink {
    encoder: Encoder,
    files: Files,
    clock: Arc<dyn Clock>,
    /// Buffers of at least so many bytes are written at once; zero is no buffering.
    write_at: usize,
}

enum Files {
    One(Box<Output>),
    Grouped(Groups),
}

impl Sink {
    /// Opens the file, unless there is one for each group.
    pub(crate) fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, BoxError> {
        let encoder = Encoder::new(config.format, config.compression)?;
        let buffered = config.buffering().is_some();
        if config.group_by.enabled {
            let share = WRITE_AT_GROUPED / config.group_by.max_open_files.max(1);
            let write_at = if buffered { share.clamp(4 << 10, WRITE_AT) } else { 0 };
            return Ok(Self { encoder, files: Files::Grouped(Groups::new(config)), clock, write_at });
        }
        let path = Path::new(&config.path);
        let rotator = config.rotation.as_ref().map(Rotator::new);
        let output = open_file(config, path, rotator.clone())
            .map_err(|error| format!("can't open {}: {error}", path.display()))?;
        if let Some(rotator) = rotator {
            rotator.prune(path, clock.now().wall);
        }
        let write_at = if buffered { WRITE_AT } else { 0 };
        Ok(Self { encoder, files: Files::One(Box::new(output)), clock, write_at })
    }

    /// Whether a batch of `len` encoded bytes only goes into the buffer, so that taking it does not block.
    pub(crate) fn has_room(&self, len: usize) -> bool {
        match &self.files {
            Files::One(output) => {
                let after = output.buffer.len().saturating_add(len.saturating_mul(GROWTH));
                after < self.write_at
            }
            // A file may have to be opened.
            Files::Grouped(_) => false,
        }
    }

    /// Takes a batch whole, or not at all.
    pub(crate) fn export(
        &mut self,
        signal: Signal,
        parts: &[Bytes],
        items: usize,
    ) -> Result<Accepted, Refused> {
        let wall = self.clock.now().wall;
        let output = match &mut self.files {
            Files::One(output) => output,
            Files::Grouped(groups) => {
                let split = groups.split(signal, parts);
                return Grouped { encoder: &mut self.encoder, groups, wall, write_at: self.write_at }
                    .export(signal, &split);
            }
        };
        let mark = output.mark();
        let taken = append(&mut self.encoder, output, signal, parts, items)
            .and_then(|()| write_if_due(output, self.write_at, KEEP, wall));
        if taken.is_err() {
            output.set_back(mark);
        }
        taken.map(|()| Accepted::default())
    }

    /// Whether [`flush`](Self::flush) has nothing to do.
    pub(crate) fn is_clean(&mut self) -> bool {
        self.outputs().iter().all(|output| output.is_clean())
    }

    /// Writes what is in the buffers, as far as that is possible; the first error and how many items still wait.
    pub(crate) fn flush(&mut self) -> Result<(), Unwritten> {
        let wall = self.clock.now().wall;
        let mut unwritten: Option<Unwritten> = None;
        for output in self.outputs() {
            if let Err(error) = output.flush(wall) {
                let items = output.items;
                let path = output.path().display().to_string();
                unwritten.get_or_insert(Unwritten { path, error, items: 0 }).items += items;
            }
        }
        unwritten.map_or(Ok(()), Err)
    }

    fn outputs(&mut self) -> Vec<&mut Output> {
        match &mut self.files {
            Files::One(output) => vec![output.as_mut()],
            Files::Grouped(groups) => groups.outputs().collect(),
        }
    }
}

/// What a flush could not do.
#[derive(Debug, thiserror::Error)]
#[error("can't write {path}: {error} ({items} items wait in memory)")]
pub(crate) struct Unwritten {
    path: String,
    error: io::Error,
    items: usize,
}

/// One batch on its way to several files.
struct Grouped<'a> {
    encoder: &'a mut Encoder,
    groups: &'a mut Groups,
    wall: u64,
    write_at: usize,
}

impl Grouped<'_> {
    /// Everything is buffered before anything is written, so that a refusal leaves as little behind as can be.
    fn export(&mut self, signal: Signal, split: &Split) -> Result<Accepted, Refused> {
        let mut buffered: Vec<(&str, Mark)> = Vec::with_capacity(split.groups.len());
        let mut rejected = Rejected::default();
        if split.without > 0 {
            let why = format!("the resource has no attribute {} with a string", self.groups.attribute);
            rejected.add(split.without, why);
        }
        for (path, group) in &split.groups {
            match self.buffer(signal, path, group) {
                Ok(mark) => buffered.push((path, mark)),
                Err(Failed::Unusable(error)) => {
                    rejected.add(group.items, format!("can't open {path}: {error}"))
                }
                Err(Failed::Refused(refused)) => return Err(self.set_back(&buffered, refused)),
            }
        }
        for (index, (path, _)) in buffered.iter().enumerate() {
            let Some(output) = self.groups.opened(path) else { continue };
            if let Err(refused) = write_if_due(output, self.write_at, self.write_at, self.wall) {
                return Err(self.set_back(buffered.get(index..).unwrap_or_default(), refused));
            }
        }
        Ok(rejected.into())
    }

    fn buffer(&mut self, signal: Signal, path: &str, group: &Group) -> Result<Mark, Failed> {
        let output = self.groups.output(path, self.wall).map_err(|error| match is_unusable(&error) {
            true => Failed::Unusable(error),
            false => Failed::Refused(refused(path, &error)),
        })?;
        let mark = output.mark();
        append(self.encoder, output, signal, &group.parts, group.items)
            .inspect_err(|_refused| output.set_back(mark))
            .map_err(Failed::Refused)?;
        Ok(mark)
    }

    fn set_back(&mut self, buffered: &[(&str, Mark)], refused: Refused) -> Refused {
        for (path, mark) in buffered {
            if let Some(output) = self.groups.opened(path) {
                output.set_back(*mark);
            }
        }
        refused
    }
}

enum Failed {
    /// There can be no file of this path.
    Unusable(io::Error),
    Refused(Refused),
}

/// Items that no file can take, and the first reason.
#[derive(Default)]
struct Rejected {
    items: usize,
    why: Option<String>,
}

impl Rejected {
    fn add(&mut self, items: usize, why: String) {
        self.items += items;
        self.why.get_or_insert(why);
    }
}

impl From<Rejected> for Accepted {
    fn from(rejected: Rejected) -> Self {
        Self { rejected: rejected.why.map(|why| (rejected.items as u64, why)) }
    }
}

fn open_file(config: &Config, path: &Path, rotator: Option<Rotator>) -> io::Result<Output> {
    // Rotation makes the directory in any case, as the Collector's does.
    if config.create_directory || rotator.is_some() {
        create_directory(path, config.directory_mode().unwrap_or(0o755))?;
    }
    Output::open(path, config.append, rotator)
}

fn append(
    encoder: &mut Encoder,
    output: &mut Output,
    signal: Signal,
    parts: &[Bytes],
    items: usize,
) -> Result<(), Refused> {
    encoder.append(signal, parts, &mut output.buffer).map_err(|error| match error {
        EncodeError::TooLong(_) => Refused::too_large(error.to_string()),
        EncodeError::Zstd(_) => Refused::permanent(Code::Internal, error.to_string()),
    })?;
    output.items += items;
    Ok(())
}

fn write_if_due(output: &mut Output, write_at: usize, keep: usize, wall: u64) -> Result<(), Refused> {
    if output.buffer.len() < write_at {
        return Ok(());
    }
    output.flush(wall).map_err(|error| refused(output.path().display(), &error))?;
    output.shrink(keep);
    Ok(())
}

/// A full disk, a missing right, a vanished directory: all of them can pass.
fn refused(path: impl Display, error: &io::Error) -> Refused {
    Refused::retry(format!("can't write {path}: {error}"))
}
