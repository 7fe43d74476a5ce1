use std::path::Path;

use super::take::{Letters, Line, MAX_LINE, Unreadable, files, look};
use super::*;

fn record(document: &str) -> Record {
    let text = |text: &str| text.to_owned();
    let time = text("2026-11-21T14:00:00Z");
    Record { time, code: text("InvalidName"), message: text("a \"bad\" name"), document: text(document) }
}

fn letters(directory: &Path, config: Config) -> DeadLetters {
    let config = Config { directory: directory.display().to_string(), ..config };
    DeadLetters::open(&config, "awsxray/one").unwrap().unwrap()
}

impl DeadLetters {
    fn append(&self, records: &[Record]) -> io::Result<()> {
        let mut lines = Vec::new();
        records.iter().for_each(|record| record.write(&mut lines));
        self.append_lines(&mut self.state.blocking_lock(), &lines)
    }
}

/// Every document in the directory, in order.
fn kept(directory: &Path) -> Vec<String> {
    let lines = files(directory).unwrap().into_iter().flat_map(|path| look(&path).unwrap());
    let document = |line| match line {
        Line::Record(record) => record.document,
        Line::Unreadable(Unreadable::Bytes(line)) => {
            format!("unreadable: {}", String::from_utf8_lossy(&line))
        }
        Line::Unreadable(Unreadable::TooLong(range)) => format!("too long: {}", range.end - range.start),
    };
    lines.map(|line| document(line.unwrap())).collect()
}

#[test]
fn without_a_directory_nothing_is_kept() {
    assert!(DeadLetters::open(&Config::default(), "awsxray").unwrap().is_none());
}

#[cfg(unix)]
#[test]
fn only_their_owner_may_read_them() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("a/b");
    letters(&inside, Config::default()).append(&[record("one")]).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&inside), mode(&files(&inside).unwrap()[0])), (0o700, 0o600));
}

/// Somebody who is not root.
#[cfg(unix)]
const SOMEBODY: u32 = 12_345;

/// Does something without root's rights, in a thread of its own, which has them for itself.
#[cfg(target_os = "linux")]
fn as_somebody<T: Send>(what: impl FnOnce() -> T + Send) -> T {
    let with_other_rights = || {
        nix::unistd::setfsuid(SOMEBODY.into());
        what()
    };
    std::thread::scope(|scope| scope.spawn(with_other_rights).join().unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_belongs_to_another_is_passed_over() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    // Where root runs the test, it is somebody's; elsewhere both are the same.
    std::os::unix::fs::chown(directory.path(), Some(SOMEBODY), None).ok();
    let letters = letters(directory.path(), Config::default());
    as_somebody(|| letters.append(&[record("one")]).unwrap());
    let first = files(directory.path()).unwrap().remove(0);
    let unreadable = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(&first, unreadable).unwrap();
    as_somebody(|| {
        letters.append(&[record("two")]).unwrap();
        letters.append(&[record("three")]).unwrap();
    });
    let files = files(directory.path()).unwrap();
    assert_eq!(files.len(), 2);
    let lines = look(&files[1]).unwrap().map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(lines, ["two", "three"].map(|document| Line::Record(record(document))));
    // Where nothing can be made at all, that is an error and not the end of the numbers.
    let sealed = std::fs::Permissions::from_mode(0o500);
    std::fs::set_permissions(directory.path(), sealed).unwrap();
    let again = self::letters(directory.path(), Config::default());
    std::fs::set_permissions(&files[1], std::fs::Permissions::from_mode(0o000)).unwrap();
    let error = as_somebody(|| again.append(&[record("four")]).unwrap_err());
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[cfg(unix)]
#[test]
fn what_a_replay_leaves_belongs_to_whom_it_belonged() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let directory = tempfile::tempdir().unwrap();
    letters(directory.path(), Config::default()).append(&[record("one")]).unwrap();
    let path = files(directory.path()).unwrap().remove(0);
    let is_root = chown(&path, Some(SOMEBODY), Some(SOMEBODY)).is_ok();
    let taken = Letters::take(&path).unwrap().unwrap();
    taken.keep(&[Line::Record(record("one"))]).unwrap();
    taken.remove().unwrap();
    let left = std::fs::metadata(&path).unwrap();
    let ours = std::fs::metadata(directory.path()).unwrap();
    let expected = if is_root { (SOMEBODY, SOMEBODY) } else { (ours.uid(), ours.gid()) };
    assert_eq!((left.uid(), left.gid()), expected);
    assert_eq!(kept(directory.path()), ["one"]);
}

#[test]
fn records_are_read_as_they_were_written() {
    let directory = tempfile::tempdir().unwrap();
    let letters = letters(directory.path(), Config::default());
    let documents = ["{\"id\":\"1\"}\n", "\u{0}\\\"ä\u{2028}", ""];
    letters.append(&documents.map(record)).unwrap();
    let path = files(directory.path()).unwrap().remove(0);
    assert_eq!(path.file_name().unwrap(), "awsxray_one-000000.jsonl");
    let read: Vec<Line> = look(&path).unwrap().map(Result::unwrap).collect();
    assert_eq!(read, documents.map(|document| Line::Record(record(document))));
}

#[test]
fn a_line_that_a_crash_cut_is_passed_over_and_ended() {
    let directory = tempfile::tempdir().unwrap();
    let letters = letters(directory.path(), Config::default());
    letters.append(&[record("one"), record("two")]).unwrap();
    let path = files(directory.path()).unwrap().remove(0);
    let text = std::fs::read(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 20]).unwrap();
    letters.append(&[record("three")]).unwrap();
    let kept = kept(directory.path());
    assert_eq!((kept[0].as_str(), kept[2].as_str(), kept.len()), ("one", "three", 3));
    assert!(kept[1].starts_with("unreadable: {\"code\""), "{kept:?}");
}

#[test]
fn files_are_of_one_size_and_the_whole_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let letters = letters(directory.path(), Config { max_file_mib: 1, max_mib: 3, ..Config::default() });
    let large = "x".repeat(400 << 10);
    let mut taken = 0;
    let error = loop {
        match letters.append(&[record(&large)]) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(error.to_string(), "3 MiB are full, as max_mib says");
    assert_eq!((taken, files(directory.path()).unwrap().len()), (7, 3));
    // Another start begins where there is room.
    letters_again(directory.path());
    assert_eq!(kept(directory.path()).len(), 8);
}

fn letters_again(directory: &Path) {
    letters(directory, Config { max_file_mib: 1, ..Config::default() }).append(&[record("more")]).unwrap();
}

#[test]
fn a_file_that_is_taken_away_is_not_written_to() {
    let directory = tempfile::tempdir().unwrap();
    let letters = letters(directory.path(), Config::default());
    letters.append(&[record("one")]).unwrap();
    let path = files(directory.path()).unwrap().remove(0);
    let taken = Letters::take(&path).unwrap().unwrap();
    letters.append(&[record("two")]).unwrap();
    let read: Vec<Line> = taken.lines().unwrap().map(Result::unwrap).collect();
    assert_eq!(read, [Line::Record(record("one"))]);

    // Another replay finds it taken; after a crash of the first, it goes on.
    let left_behind = files(directory.path()).unwrap().remove(0);
    assert!(Letters::take(&left_behind).unwrap().is_none());
    drop(taken);
    let taken = Letters::take(&left_behind).unwrap().unwrap();
    taken
        .keep(&[Line::Record(record("one, again")), Line::Unreadable(Unreadable::Bytes(b"?".to_vec()))])
        .unwrap();
    taken.remove().unwrap();
    assert_eq!(kept(directory.path()), ["two", "one, again", "unreadable: ?"]);
}

#[test]
fn a_line_that_is_too_long_is_kept_whole() {
    let directory = tempfile::tempdir().unwrap();
    let letters = letters(directory.path(), Config::default());
    letters.append(&[record("one")]).unwrap();
    let path = files(directory.path()).unwrap().remove(0);
    let mut text = std::fs::read(&path).unwrap();
    let long = "x".repeat(3 * MAX_LINE as usize);
    // The last line has no end.
    text.extend_from_slice(format!("{long}\n?\n{long}").as_bytes());
    std::fs::write(&path, &text).unwrap();
    let taken = Letters::take(&path).unwrap().unwrap();
    let mut lines = taken.lines().unwrap();
    // As a replay does: a part is kept before the next is read.
    taken.keep(&[lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap()]).unwrap();
    let rest: Vec<Line> = lines.map(Result::unwrap).collect();
    taken.keep(&rest).unwrap();
    taken.remove().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), [text.as_slice(), b"\n"].concat());
    let len = format!("too long: {}", long.len() + 1);
    assert_eq!(kept(directory.path())[1..], [len.as_str(), "unreadable: ?", len.as_str()]);
}

#[test]
fn of_many_replays_each_line_goes_to_one() {
    const ROUNDS: usize = 100;
    let directory = tempfile::tempdir().unwrap();
    let letters = letters(directory.path(), Config::default());
    for round in 0..ROUNDS {
        letters.append(&[record(&round.to_string())]).unwrap();
        let barrier = std::sync::Barrier::new(3);
        let replay = || {
            barrier.wait();
            let mut lines = 0;
            // Also what another has renamed just now is tried.
            for path in files(directory.path()).unwrap() {
                let Some(taken) = Letters::take(&path).unwrap() else { continue };
                lines += taken.lines().unwrap().count();
                taken.remove().unwrap();
            }
            lines
        };
        let took: usize = std::thread::scope(|scope| {
            let replays: Vec<_> = (0..3).map(|_| scope.spawn(replay)).collect();
            replays.into_iter().map(|replay| replay.join().unwrap()).sum()
        });
        assert_eq!(took, 1, "round {round}");
    }
}

#[test]
fn many_writers_and_a_replay_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut read = Vec::new();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let letters = letters(directory.path(), Config::default());
            scope.spawn(move || {
                for n in 0..50 {
                    letters.append(&[record(&format!("{writer}:{n}"))]).unwrap();
                }
            });
        }
        for _ in 0..200 {
            for path in files(directory.path()).unwrap() {
                let Some(taken) = Letters::take(&path).unwrap() else { continue };
                read.extend(taken.lines().unwrap().map(Result::unwrap));
                taken.remove().unwrap();
            }
        }
    });
    let read = read.into_iter().map(|line| match line {
        Line::Record(record) => record.document,
        Line::Unreadable(line) => panic!("{line:?}"),
    });
    let mut all: Vec<String> = read.chain(kept(directory.path())).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 200);
}
