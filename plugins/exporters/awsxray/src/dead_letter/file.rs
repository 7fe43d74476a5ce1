//! The files: appended to under a lock, listed, taken away.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How the names of files end.
pub(super) const EXTENSION: &str = "jsonl";
/// What is added to the name of one that is being sent again.
const TAKEN: &str = "replay";

/// Tries to get hold of a file that is taken away again and again.
const TRIES: usize = 100;

/// Between two looks at a lock that another has, which is short for an append.
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// How an append ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Appended {
    Done,
    /// The file has its size.
    Full,
}

/// Appends what `write` writes, whole or not at all, unless the file has `max` bytes already. A new file belongs to whom
/// `former` belongs, if there is one.
pub(super) fn append(
    path: &Path,
    max: u64,
    former: Option<&File>,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<Appended> {
    for _ in 0..TRIES {
        let mut file = private(OpenOptions::new().read(true).append(true).create(true)).open(path)?;
        if !lock_at(&file, path)? {
            continue;
        }
        let len = file.metadata()?.len();
        if len >= max {
            return Ok(Appended::Full);
        }
        if let Some(former) = former.filter(|_| len == 0) {
            belong_as(&file, former)?;
        }
        let written = end_line(&mut file).and_then(|()| write(&mut file)).and_then(|()| file.sync_data());
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

/// Gives a file to whom another belongs. Who may not do that keeps it: the other has to go on in another file.
#[cfg(unix)]
fn belong_as(file: &File, other: &File) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let (ours, theirs) = (file.metadata()?, other.metadata()?);
    if (ours.uid(), ours.gid()) != (theirs.uid(), theirs.gid()) {
        fchown(file, Some(theirs.uid()), Some(theirs.gid())).ok();
    }
    Ok(())
}

#[cfg(not(unix))]
fn belong_as(_file: &File, _other: &File) -> io::Result<()> {
    Ok(())
}

/// Locks a file as long as it is the one of that name; whether it still is. A replay that has renamed it keeps its lock
/// for as long as it sends.
fn lock_at(file: &File, path: &Path) -> io::Result<bool> {
    loop {
        if !is_at(file, path)? {
            return Ok(false);
        }
        match file.try_lock() {
            Ok(()) => return is_at(file, path),
            Err(fs::TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// A crash may have left a line without its end.
pub(super) fn end_line(file: &mut File) -> io::Result<()> {
    let len = file.metadata()?.len();
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
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if path.extension().is_some_and(|extension| extension == TAKEN) {
            // Left behind by a replay that ended before its end.
            return match file.try_lock() {
                Ok(()) if is_at(&file, path)? => {
                    Ok(Some(Self { file, path: path.to_owned(), origin: path.with_extension("") }))
                }
                Ok(()) | Err(fs::TryLockError::WouldBlock) => Ok(None),
                Err(fs::TryLockError::Error(error)) => Err(error),
            };
        }
        // Before it has its other name, under which another replay would look for its lock. Who came first may write to
        // the end.
        if !lock_at(&file, path)? {
            return Ok(None);
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".");
        name.push(TAKEN);
        let taken = PathBuf::from(name);
        if taken.exists() {
            // Another has what was here before this file.
            return Ok(None);
        }
        fs::rename(path, &taken)?;
        Ok(Some(Self { file, path: taken, origin: path.to_owned() }))
    }

    /// The file once more, to be read from another place.
    pub(super) fn again(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    /// All that was in it is elsewhere.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}
