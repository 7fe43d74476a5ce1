//! From sources to one tree.

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::expand;
use crate::source::{Position, SourceId, Span};
use crate::tree::{Key, Node, Value};
use crate::yaml;

/// What the process has around it, as far as a configuration may refer to it.
pub trait Env {
    /// A variable; None if it is not set.
    fn var(&self, name: &str) -> Option<String>;

    /// The content of a file.
    ///
    /// # Errors
    /// Whatever the system says. An implementation need not read more than [`yaml::MAX_BYTES`] + 1.
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The content behind an `http:` or `https:` URL.
    ///
    /// # Errors
    /// Whatever went wrong; by default that there is no network here.
    fn fetch(&self, _url: &str) -> io::Result<Vec<u8>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "there is no network here"))
    }
}

/// Where a configuration, or a part of one, is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A file.
    File(PathBuf),
    /// A variable that holds YAML.
    Env(String),
    /// YAML itself, with `::` between the keys of a path.
    Yaml(String),
    /// A web server; the whole URL.
    Http(String),
    /// `--set PATH=VALUE`: keys joined by `.`, and YAML.
    Set {
        /// The keys.
        path: String,
        /// The value.
        value: String,
    },
}

/// Why a text is no location.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// A scheme that is not known.
    #[error("unsupported scheme on URI `{0}`")]
    Scheme(String),
    /// `--set` without `=`.
    #[error("missing equal sign in `{0}`")]
    NoEqualSign(String),
}

/// A configuration with all its sources merged and expanded.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The top level.
    pub root: Node,
    found: Diagnostics,
}

impl Tree {
    /// Findings to go on with: warnings of loading, and the texts to quote from.
    pub fn diagnostics(&self) -> Diagnostics {
        self.found.clone()
    }
}

/// The real environment of the process, for `main` to hand in.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEnv;

/// Reads the sources, merges them in order and expands `${…}` in their values.
///
/// Maps merge key by key; of anything else, null included, the later one replaces the earlier.
///
/// # Errors
/// Everything that is wrong with any of the sources.
pub fn load(locations: &[Location], env: &dyn Env) -> Result<Tree, Diagnostics> {
    load_with(locations, env, Lists::Replace)
}

/// What happens to lists that several sources give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lists {
    /// The later one replaces the earlier.
    #[default]
    Replace,
    /// `service::extensions`, and the receivers and exporters of pipelines, are joined without repetitions: the
    /// Collector's gate `confmap.enableMergeAppendOption`.
    Append,
}

/// [`load`], with a choice for lists.
///
/// # Errors
/// As there.
pub fn load_with(locations: &[Location], env: &dyn Env, lists: Lists) -> Result<Tree, Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let mut root = Node::new(Value::Null);
    for location in locations {
        let Some(mut node) = read(location, env, &mut diagnostics) else { continue };
        if lists == Lists::Append {
            append_lists(&root, &mut node);
        }
        match node.value {
            Value::Null if root.span.is_known() => {}
            Value::Null => root.span = node.span,
            Value::Map(_) => merge(&mut root, node),
            _ => {
                let message = format!("expected a map of sections, found {node}");
                diagnostics.push(Diagnostic::error(node.span, "", message));
            }
        }
    }
    expand::expand(&mut root, env, &mut diagnostics);
    match diagnostics.has_errors() {
        true => Err(diagnostics),
        false => Ok(Tree { root, found: diagnostics }),
    }
}

impl Location {
    /// What `--set a.b.c=value` means.
    ///
    /// # Errors
    /// If there is no `=`.
    pub fn from_set(text: &str) -> Result<Self, LocationError> {
        let (path, value) =
            text.split_once('=').ok_or_else(|| LocationError::NoEqualSign(text.to_owned()))?;
        Ok(Self::Set { path: path.to_owned(), value: value.to_owned() })
    }
}

/// `file:path`, `env:NAME`, `yaml:text`, `http://…`, `https://…`; without a scheme, or with one letter as on Windows, it is a path.
impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        let scheme = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme));
        Ok(match scheme {
            None => Self::File(text.into()),
            Some(("file", path)) => Self::File(path.into()),
            Some(("env", name)) => Self::Env(name.to_owned()),
            Some(("yaml", yaml)) => Self::Yaml(yaml.to_owned()),
            Some(("http" | "https", _)) => Self::Http(text.to_owned()),
            Some(_) => return Err(LocationError::Scheme(text.to_owned())),
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::Yaml(yaml) => write!(f, "yaml:{yaml}"),
            Self::Http(url) => f.write_str(url),
            // The value may be a secret.
            Self::Set { path, .. } => write!(f, "--set {path}"),
        }
    }
}

impl Env for SystemEnv {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        std::fs::File::open(path)?.take(yaml::MAX_BYTES as u64 + 1).read_to_end(&mut content)?;
        Ok(content)
    }
}

pub(crate) fn is_scheme(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && text.len() > 1
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-'))
}

fn read(location: &Location, env: &dyn Env, diagnostics: &mut Diagnostics) -> Option<Node> {
    let name = location.to_string();
    match location {
        Location::File(path) => named(read_file(path, env, diagnostics), diagnostics),
        Location::Http(url) => named(fetch(url, env, diagnostics), diagnostics),
        Location::Env(variable) => {
            let text = env.var(variable).unwrap_or_else(|| {
                let message = format!("environment variable `{variable}` is not set");
                diagnostics.push(Diagnostic::warning(Span::default(), "", message));
                String::new()
            });
            parse_text(&text, name, diagnostics)
        }
        Location::Yaml(text) => parse_text(text, "yaml".to_owned(), diagnostics),
        Location::Set { path, value } => parse_set(path, value, name, diagnostics),
    }
}

/// The tree of a text that was read from somewhere, or else why it was not.
fn named(read: Result<Option<(SourceId, String)>, String>, diagnostics: &mut Diagnostics) -> Option<Node> {
    let (source, text) = read.unwrap_or_else(|message| {
        diagnostics.push(Diagnostic::error(Span::default(), "", message));
        None
    })?;
    Some(split_paths(yaml::parse(&text, source, diagnostics)?))
}

/// The text of a file as a new source. None if it was unreadable as text, which is then reported; the error is for
/// the caller to report, who knows the place that names the file.
pub(crate) fn read_file(
    path: &Path,
    env: &dyn Env,
    diagnostics: &mut Diagnostics,
) -> Result<Option<(SourceId, String)>, String> {
    let name = path.display().to_string();
    let bytes = env.read_file(path).map_err(|error| format!("unable to read the file `{name}`: {error}"))?;
    Ok(source(name, bytes, diagnostics))
}

/// The same for a text from a web server.
pub(crate) fn fetch(
    url: &str,
    env: &dyn Env,
    diagnostics: &mut Diagnostics,
) -> Result<Option<(SourceId, String)>, String> {
    let bytes = env.fetch(url).map_err(|error| format!("unable to fetch `{url}`: {error}"))?;
    Ok(source(url.to_owned(), bytes, diagnostics))
}

fn source(name: String, bytes: Vec<u8>, diagnostics: &mut Diagnostics) -> Option<(SourceId, String)> {
    match String::from_utf8(bytes) {
        Ok(text) => Some((diagnostics.sources_mut().add(name, text.clone()), text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let source = diagnostics.sources_mut().add(name, text.clone());
            let start = position(text.get(..valid).unwrap_or_default());
            let span = Span { source, start, end: start };
            diagnostics.push(Diagnostic::error(span, "", "not UTF-8 text"));
            None
        }
    }
}

/// Where a text ends.
fn position(text: &str) -> Position {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1);
    let last = text.rsplit('\n').next().unwrap_or_default();
    Position { line: number(text.matches('\n').count()), column: number(last.chars().count()) }
}

fn parse_text(text: &str, name: String, diagnostics: &mut Diagnostics) -> Option<Node> {
    let source = diagnostics.sources_mut().add(name, text);
    Some(split_paths(yaml::parse(text, source, diagnostics)?))
}

/// What `--set` gives, read as the Collector reads it and shown as it was typed.
fn parse_set(path: &str, value: &str, name: String, diagnostics: &mut Diagnostics) -> Option<Node> {
    let source = diagnostics.sources_mut().add(name, format!("{path}={value}"));
    let keys = path.replace('.', "::");
    let mut found = Diagnostics::default();
    let node = yaml::parse(&format!("{keys}: {value}"), source, &mut found);
    let length = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    // Behind the keys everything stands further left than in the YAML: one `:` less at each dot, `=` for `: `.
    let (end, shift) =
        (length(path).saturating_add(1), length(&keys).saturating_sub(length(path)).saturating_add(1));
    let typed = |position: &mut Position| {
        if position.line == 1 {
            position.column = position.column.saturating_sub(shift).max(position.column.min(end));
        }
    };
    for mut finding in found.into_found() {
        typed(&mut finding.span.start);
        typed(&mut finding.span.end);
        diagnostics.push(finding);
    }
    let mut node = node?;
    each_span(&mut node, &mut |span| {
        typed(&mut span.start);
        typed(&mut span.end);
    });
    Some(split_paths(node))
}

fn each_span(node: &mut Node, change: &mut dyn FnMut(&mut Span)) {
    change(&mut node.span);
    node.key.iter_mut().for_each(&mut *change);
    match &mut node.value {
        Value::Seq(items) => items.iter_mut().for_each(|item| each_span(item, change)),
        Value::Map(entries) => entries.iter_mut().for_each(|(key, node)| {
            change(&mut key.span);
            each_span(node, change);
        }),
        _ => {}
    }
}

/// Keys may be paths, whatever the source: `exporters::debug::verbosity: detailed`. Maps in lists are left alone, as
/// in the Collector.
fn split_paths(node: Node) -> Node {
    let Value::Map(entries) = node.value else { return node };
    let has_paths = entries.iter().any(|(key, _)| key.text.contains("::"));
    let entries: Vec<(Key, Node)> = entries.into_iter().map(|(key, node)| (key, split_paths(node))).collect();
    let mut root = Node { value: Value::Map(Vec::new()), ..node };
    if !has_paths {
        root.value = Value::Map(entries);
        return root;
    }
    for (key, node) in entries {
        let parts: Vec<&str> = key.text.split("::").take(yaml::MAX_DEPTH).collect();
        let nest = |below: Node, part: &&str| {
            let key = Key { text: (*part).to_owned(), span: key.span };
            let (span, place) = (below.span, Some(key.span));
            Node { span, key: place, ..Node::new(Value::Map(vec![(key, below)])) }
        };
        let nested = parts.iter().rev().fold(node, nest);
        merge(&mut root, nested);
    }
    root
}

/// Puts what `base` lists before what `over` lists in its place.
fn append_lists(base: &Node, over: &mut Node) {
    let (Some(base), Some(over)) = (base.get("service"), over.get_mut("service")) else { return };
    append(base.get("extensions"), over.get_mut("extensions"));
    let Some(Node { value: Value::Map(pipelines), .. }) = over.get_mut("pipelines") else { return };
    for (key, pipeline) in pipelines {
        let former = base.get("pipelines").and_then(|pipelines| pipelines.get(&key.text));
        for list in ["receivers", "exporters"] {
            append(former.and_then(|former| former.get(list)), pipeline.get_mut(list));
        }
    }
}

fn append(base: Option<&Node>, over: Option<&mut Node>) {
    let (Some(base), Some(over)) = (base, over) else { return };
    if let (Value::Seq(first), Value::Seq(list)) = (&base.value, &mut over.value) {
        let new: Vec<Node> =
            list.drain(..).filter(|item| !first.iter().any(|other| other.value == item.value)).collect();
        list.extend(first.iter().cloned().chain(new));
    }
}

/// Lays `over` upon `base`.
fn merge(base: &mut Node, over: Node) {
    match (&mut base.value, over.value) {
        (Value::Map(entries), Value::Map(others)) => {
            for (key, node) in others {
                match entries.iter_mut().find(|(present, _)| present.text == key.text) {
                    Some((_, present)) => merge(present, node),
                    None => entries.push((key, node)),
                }
            }
        }
        (_, value) => *base = Node { value, ..over },
    }
}
