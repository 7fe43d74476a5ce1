//! Full files: what they are called and when they go.
//!
//! Names and rules are those of the Collector's rotation (lumberjack): `traces.json` becomes
//! `traces-2006-01-02T15-04-05.000.json`.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use data::Civil;

use crate::config::Rotation;

const MILLISECOND: u64 = 1_000_000;
const DAY: u64 = 86_400_000 * MILLISECOND;
/// How many names are tried when files of the same millisecond are there already.
const MAX_TRIES: u64 = 1000;

/// Decides when a file is full and what becomes of it.
#[derive(Clone, Debug)]
pub(crate) struct Rotator {
    max_bytes: u64,
    max_days: u64,
    max_backups: usize,
}

impl Rotator {
    pub(crate) fn new(rotation: &Rotation) -> Self {
        let megabytes = if rotation.max_megabytes == 0 { 100 } else { rotation.max_megabytes };
        Self {
            max_bytes: megabytes.saturating_mul(1 << 20),
            max_days: rotation.max_days,
            max_backups: rotation.max_backups,
        }
    }

    /// Whether a file of `size` bytes must not get `more`. An empty one takes anything: a message larger than a
    /// file may be has one of its own.
    pub(crate) const fn is_full(&self, size: u64, more: u64) -> bool {
        size > 0 && size.saturating_add(more) > self.max_bytes
    }

    /// Gives the file the name of a full one. That it is not there is no error.
    pub(crate) fn set_aside(&self, path: &Path, wall: u64) -> io::Result<()> {
        let mut name = backup(path, wall);
        for later in 1..MAX_TRIES {
            if !name.try_exists()? {
                break;
            }
            name = backup(path, wall.saturating_add(later.saturating_mul(MILLISECOND)));
        }
        match fs::rename(path, name) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes full files beyond their number and age. What can't be removed is logged.
    pub(crate) fn prune(&self, path: &Path, wall: u64) {
        if let Err(error) = self.try_prune(path, wall) {
            tracing::warn!(path = %path.display(), %error, "Failed to remove old files");
        }
    }

    fn try_prune(&self, path: &Path, wall: u64) -> io::Result<()> {
        if self.max_backups == 0 && self.max_days == 0 {
            return Ok(());
        }
        let (directory, stem, extension) = pieces(path);
        let mut backups: Vec<(String, PathBuf)> = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let stamp = name.to_str().and_then(|name| name.strip_prefix(stem)?.strip_prefix('-'));
            if let Some(stamp) = stamp.and_then(|rest| rest.strip_suffix(extension)).filter(|it| is_stamp(it))
            {
                backups.push((stamp.to_owned(), entry.path()));
            }
        }
        // The width of a stamp is fixed, so its order as text is that of time. The newest first.
        backups.sort_unstable_by(|one, other| other.cmp(one));
        let oldest = match self.max_days {
            0 => String::new(),
            days => stamp(wall.saturating_sub(days.saturating_mul(DAY))),
        };
        let most = if self.max_backups == 0 { usize::MAX } else { self.max_backups };
        let superfluous = |index: usize, stamp: &str| index >= most || stamp < oldest.as_str();
        for (_, (_, path)) in backups.iter().enumerate().filter(|(i, (stamp, _))| superfluous(*i, stamp)) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

/// The name of a full file.
fn backup(path: &Path, wall: u64) -> PathBuf {
    let (directory, stem, extension) = pieces(path);
    directory.join(format!("{stem}-{}{extension}", stamp(wall)))
}

/// Directory, name up to the last dot, and the rest.
fn pieces(path: &Path) -> (&Path, &str, &str) {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let (stem, extension) = name.split_at(name.rfind('.').unwrap_or(name.len()));
    (directory.unwrap_or(Path::new(".")), stem, extension)
}

/// `2006-01-02T15-04-05.000` in UTC.
fn stamp(wall: u64) -> String {
    let Civil { year, month, day, hour, minute, second, nanosecond } = Civil::from_unix_nanos(wall.into());
    let milli = nanosecond / 1_000_000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}-{minute:02}-{second:02}.{milli:03}")
}

fn is_stamp(text: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00-00-00.000";
    let fits = |(byte, shape): (u8, &u8)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == *shape };
    text.len() == SHAPE.len() && text.bytes().zip(SHAPE).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, wall: u64, expected: &str) {
        assert_eq!(backup(Path::new(path), wall), Path::new(expected));
    }

    #[test]
    fn names_are_those_of_the_reference() {
        check("/data/traces.json", 1_136_214_245_006_999_999, "/data/traces-2006-01-02T15-04-05.006.json");
        check("traces", 0, "./traces-1970-01-01T00-00-00.000");
        check("a/.hidden", 951_782_400_000_000_000, "a/-2000-02-29T00-00-00.000.hidden");
        check("a/b.c.d", 4_107_542_399_999_000_000, "a/b.c-2100-02-28T23-59-59.999.d");
        check("x.y", u64::MAX, "./x-2554-07-21T23-34-33.709.y");
    }

    #[test]
    fn other_files_are_not_taken_for_backups() {
        assert!(is_stamp("2006-01-02T15-04-05.000"));
        for other in
            ["", "2006-01-02T15-04-05.00", "2006-01-02T15-04-05.0000", "2006-01-02 15-04-05.000", "a"]
        {
            assert!(!is_stamp(other), "{other}");
        }
    }
}
