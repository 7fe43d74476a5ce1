//! `group_by`: one file for each value of a resource attribute.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, ErrorKind};
use std::path::Path;

use bytes::Bytes;
use otlp::Signal;
use otlp::view::ResourceSpans;
use otlp::wire::Fields;

use crate::config::Config;
use crate::output::{Output, create_directory};

/// Most files of which it is remembered that they were written; others are only ever appended to.
const MAX_REMEMBERED: usize = 100_000;

/// The part of a batch that goes to one file.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) parts: Vec<Bytes>,
    pub(crate) items: usize,
}

/// A batch, cut up by resource.
#[derive(Debug, Default)]
pub(crate) struct Split {
    /// By path.
    pub(crate) groups: BTreeMap<String, Group>,
    /// Items of resources without the attribute.
    pub(crate) without: usize,
}

/// The open files.
#[derive(Debug)]
pub(crate) struct Groups {
    prefix: String,
    suffix: String,
    pub(crate) attribute: String,
    append: bool,
    mode: u32,
    max_open: usize,
    open: BTreeMap<String, Slot>,
    uses: u64,
    /// Files that this run has opened, by hash: to open one of them again must not empty it.
    known: HashSet<u64>,
}

#[derive(Debug)]
struct Slot {
    output: Output,
    last_use: u64,
}

impl Groups {
    pub(crate) fn new(config: &Config) -> Self {
        let (prefix, suffix) = config.path.split_once('*').unwrap_or((&config.path, ""));
        Self {
            prefix: clean_prefix(prefix),
            suffix: suffix.to_owned(),
            attribute: config.group_by.resource_attribute.clone(),
            append: config.append,
            mode: config.directory_mode().unwrap_or(0o755),
            max_open: config.group_by.max_open_files.max(1),
            open: BTreeMap::new(),
            uses: 0,
            known: HashSet::new(),
        }
    }

    /// Cuts a batch up. Nothing is copied.
    pub(crate) fn split(&self, signal: Signal, parts: &[Bytes]) -> Split {
        let mut split = Split::default();
        for part in parts {
            for field in Fields::new(part).filter(|field| field.number == 1) {
                let Some(bytes) = field.bytes() else { continue };
                let raw = part.slice(field.range());
                let items = otlp::count(signal, &raw);
                // The resource is the same field in all three signals.
                let resource = ResourceSpans::new(bytes).resource();
                let value = resource.attributes().get(&self.attribute);
                let Some(text) = value.and_then(|value| value.as_text()) else {
                    split.without += items;
                    continue;
                };
                let path = full_path(&self.prefix, &text.to_str(), &self.suffix);
                let group = split.groups.entry(path).or_default();
                group.parts.push(raw);
                group.items += items;
            }
        }
        split
    }

    /// The open file of this path, opened if need be.
    pub(crate) fn output(&mut self, path: &str, wall: u64) -> io::Result<&mut Output> {
        self.uses += 1;
        if !self.open.contains_key(path) {
            self.make_room(wall)?;
            let output = self.open_file(path)?;
            self.open.insert(path.to_owned(), Slot { output, last_use: 0 });
        }
        let slot = self.open.get_mut(path).ok_or(ErrorKind::NotFound)?;
        slot.last_use = self.uses;
        Ok(&mut slot.output)
    }

    /// The file of this path if it is open.
    pub(crate) fn opened(&mut self, path: &str) -> Option<&mut Output> {
        self.open.get_mut(path).map(|slot| &mut slot.output)
    }

    /// Every open file.
    pub(crate) fn outputs(&mut self) -> impl Iterator<Item = &mut Output> {
        self.open.values_mut().map(|slot| &mut slot.output)
    }

    fn open_file(&mut self, path: &str) -> io::Result<Output> {
        create_directory(Path::new(path), self.mode)?;
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        let hash = hasher.finish();
        let append = self.append || self.known.contains(&hash) || self.known.len() >= MAX_REMEMBERED;
        let output = Output::open(Path::new(path), append, None)?;
        if !append {
            self.known.insert(hash);
        }
        Ok(output)
    }

    /// Closes the least used file if there are as many as there may be.
    fn make_room(&mut self, wall: u64) -> io::Result<()> {
        if self.open.len() < self.max_open {
            return Ok(());
        }
        let least = self.open.iter().min_by_key(|(_, slot)| slot.last_use);
        let Some(path) = least.map(|(path, _)| path.clone()) else { return Ok(()) };
        if let Some(slot) = self.open.get_mut(&path) {
            // What can't be written stays, and the new file has to wait.
            slot.output.flush(wall)?;
        }
        self.open.remove(&path);
        Ok(())
    }
}

/// Whether a path can't be opened because of what it is, so that trying again is of no use.
pub(crate) fn is_unusable(error: &io::Error) -> bool {
    use ErrorKind::{AlreadyExists, InvalidFilename, InvalidInput, IsADirectory, NotADirectory};
    matches!(error.kind(), AlreadyExists | InvalidFilename | InvalidInput | IsADirectory | NotADirectory)
}

/// The path for an attribute's value. As the Collector has it, `..` never leads out of what stands before the
/// `*`: what would is taken as a path below it.
fn full_path(prefix: &str, value: &str, suffix: &str) -> String {
    // One leading step is dropped and its slash kept.
    let value = match value {
        here if here.starts_with("./") => here.strip_prefix('.').unwrap_or(here),
        up if up.starts_with("../") => up.strip_prefix("..").unwrap_or(up),
        other => other,
    };
    let path = clean(&format!("{prefix}{value}{suffix}"));
    if path.starts_with(prefix) {
        return path;
    }
    clean(&format!("{prefix}/{}", clean(&format!("/{value}{suffix}"))))
}

fn clean_prefix(prefix: &str) -> String {
    let mut cleaned = clean(prefix);
    if prefix.ends_with('/') && !cleaned.ends_with('/') {
        cleaned.push('/');
    }
    cleaned
}

/// The shortest path that is the same without looking at the file system: Go's `path.Clean`.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => {
                names.pop();
            }
            ".." if rooted => {}
            name => names.push(name),
        }
    }
    match (rooted, names.join("/")) {
        (true, path) => format!("/{path}"),
        (false, path) if path.is_empty() => ".".to_owned(),
        (false, path) => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_in_go() {
        let check = |path, expected: &str| assert_eq!(clean(path), expected, "{path}");
        check("", ".");
        check("abc", "abc");
        check("abc/", "abc");
        check("abc//def//ghi", "abc/def/ghi");
        check("abc/./../def", "def");
        check("abc/def/../../..", "..");
        check("/abc/def/../../..", "/");
        check("../../abc", "../../abc");
        check("./a", "a");
    }

    #[track_caller]
    fn check(pattern: &str, value: &str, expected: &str) {
        let (prefix, suffix) = pattern.split_once('*').unwrap();
        let path = full_path(&clean_prefix(prefix), value, suffix);
        assert_eq!(path, expected, "{pattern} with {value}");
    }

    #[test]
    fn values_stay_below_the_prefix() {
        check("/data/*.json", "shop", "/data/shop.json");
        check("/data/*.json", "a/b", "/data/a/b.json");
        check("/data/*.json", "/abs", "/data/abs.json");
        check("/data/*.json", "../../etc", "/data/etc.json");
        check("/data/*.json", "../../etc/passwd", "/data/etc/passwd.json");
        check("/data/*.json", "a/../../../etc", "/data/etc.json");
        check("/data/*.json", "./a", "/data/a.json");
        check("/data/*.json", "", "/data/.json");
        check("/data/*", "..", "/data");
        check("/data/app-*.json", "../../etc", "/data/app-/etc.json");
        check("/data/app-*.json", "x/../../b", "/data/app-/b.json");
        check("./out/*/spans.json", "../..", "out/spans.json");
        check("out/../data/*.json", "../x", "data/x.json");
    }

    #[test]
    fn no_value_leads_out() {
        let pieces = ["..", ".", "/", "a", "", "...", "..a", "*"];
        let mut values = vec![String::new()];
        for _ in 0..5 {
            values = values.iter().flat_map(|v| pieces.map(|piece| format!("{v}{piece}"))).collect();
        }
        for value in values {
            for (prefix, root) in [("/data/in/", "/data/in"), ("/data/in", "/data/in"), ("in/", "in")] {
                let path = full_path(&clean_prefix(prefix), &value, ".json");
                assert!(path.starts_with(root), "{prefix} {value} {path}");
                assert!(!path.split('/').any(|name| name == ".."), "{prefix} {value} {path}");
            }
        }
    }
}
