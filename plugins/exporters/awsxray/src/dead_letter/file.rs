//! The files: appended to under a lock, listed, taken away.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// How the names of files end.
pub(super) const EXTENSION: &str = "jsonl";
/// What is added to the name of one that is being sent again.
const TAKEN: &str = "replay";

/// Tries to get hold of a file that is taken away again and again.
const TRIES: usize = 100;

/// How an append ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Appended {
    Done,
    /// The file has its size.
    Full,
}

/// Appends `text` whole or not at all, unless the file has `max` bytes already.
pub(super) fn append(path: &Path, text: &[u8], max: u64) -> io::Result<Appended> {
    for _ in 0..TRIES {
        let mut file = private(OpenOptions::new().read(true).append(true).create(true)).open(path)?;
        file.lock()?;
        if !is_at(&file, path)? {
            continue;
        }
        let len = file.metadata()?.len();
        if len >= max {
            return Ok(Appended::Full);
        }
        let written =
            end_line(&mut file, len).and_then(|()| file.write_all(text)).and_then(|()| file.sync_data());
        if written.is_err() {
            // Half a line would only be passed over by who reads it.
            file.set_len(len).ok();
        }
        return written.map(|()| Appended::Done);
    }
    Err(io::Error::other(format!("{} is taken away again and again", path.display())))
}

/// Documents tell of users and queries: they are nobody else's business.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// A crash may have left a line without its end.
fn end_line(file: &mut File, len: u64) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(len - 1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

/// Whether an open file still is the one of that name.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Elsewhere an open file can't be renamed.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Bytes of everything that is kept in a directory.
pub(super) fn total(directory: &Path) -> io::Result<u64> {
    let mut total: u64 = 0;
    for path in list(directory)? {
        // It may have been taken away meanwhile.
        total = total.saturating_add(fs::metadata(path).map_or(0, |metadata| metadata.len()));
    }
    Ok(total)
}

/// The files of a directory, sorted by name; those that a replay left behind come first.
pub(super) fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some(EXTENSION | TAKEN)) {
            paths.push(path);
        }
    }
    paths.sort_by_key(|path| (path.extension().is_none_or(|extension| extension != TAKEN), path.clone()));
    Ok(paths)
}

/// A file that nobody writes to any more.
pub(super) struct Taken {
    pub(super) file: File,
    path: PathBuf,
    /// Where what is kept of it goes.
    pub(super) origin: PathBuf,
}

impl Taken {
    /// Takes a file away from whoever writes to it; none if another replay has it.
    pub(super) fn take(path: &Path) -> io::Result<Option<Self>> {
        if path.extension().is_some_and(|extension| extension == TAKEN) {
            // Left behind by a replay that ended before its end.
            let file = File::open(path)?;
            return match file.try_lock() {
                Ok(()) => Ok(Some(Self { file, path: path.to_owned(), origin: path.with_extension("") })),
                Err(fs::TryLockError::WouldBlock) => Ok(None),
                Err(fs::TryLockError::Error(error)) => Err(error),
            };
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".");
        name.push(TAKEN);
        let taken = PathBuf::from(name);
        if taken.exists() {
            return Ok(None);
        }
        fs::rename(path, &taken)?;
        let file = File::open(&taken)?;
        // Who opened it under its old name and came first may write to the end.
        file.lock()?;
        Ok(Some(Self { file, path: taken, origin: path.to_owned() }))
    }

    /// All that was in it is elsewhere.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}
