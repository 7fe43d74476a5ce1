//! `${…}` in values: environment variables, files, inline YAML.

use std::path::Path;

use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::load::{Env, fetch, is_scheme, read_file};
use crate::source::{SourceId, Span};
use crate::tree::{Node, Origin, Value};
use crate::yaml;

/// How far what a reference supplies may contain references in turn. The Collector goes to 1,000.
const MAX_DEPTH: usize = 200;
/// Most bytes that all references together may supply.
const MAX_SUPPLIED: usize = yaml::MAX_BYTES;
/// Most references in one configuration, those in what references supply included.
const MAX_REFERENCES: usize = 100_000;

/// Expands all values of the tree in place; keys stay as they are.
pub(crate) fn expand(root: &mut Node, env: &dyn Env, diagnostics: &mut Diagnostics) {
    let mut expander =
        Expander { env, diagnostics, place: Span::default(), supplied: 0, references: 0, stopped: false };
    expander.node(root, 0, 0);
}

struct Expander<'a> {
    env: &'a dyn Env,
    diagnostics: &'a mut Diagnostics,
    /// The value being expanded, as it stands in the file.
    place: Span,
    supplied: usize,
    references: usize,
    /// Set when a bound was passed: one message is enough.
    stopped: bool,
}

/// What a text becomes.
enum Expanded {
    /// It was one reference: whatever that supplied.
    Whole(Node),
    /// Text around and between references.
    Text(String),
}

/// What a reference supplied.
enum Supplied {
    /// Text, to be read as YAML.
    Yaml(String),
    /// A file, to be read as YAML; its values have places of their own.
    File(Node, String),
    /// Text that is only text.
    Text(String),
    /// The variable is not set.
    Nothing,
}

impl Expander<'_> {
    /// `level` is how deep in maps and lists the node is, `depth` how deep in references.
    fn node(&mut self, node: &mut Node, level: usize, depth: usize) {
        match &mut node.value {
            // Only with the help of references: a text alone can't be so deep.
            Value::Seq(_) | Value::Map(_) if level > yaml::MAX_DEPTH => {
                self.stop(format!("nested deeper than {} levels", yaml::MAX_DEPTH));
                node.value = Value::Null;
            }
            Value::String(text) if text.contains('$') => {
                // Places inside what a variable supplied are not places of a file.
                if depth == 0 {
                    self.place = node.span;
                }
                let before = self.references;
                match self.text(text, level, depth) {
                    Expanded::Whole(new) => *node = Node { key: node.key, ..new },
                    Expanded::Text(text) => {
                        if self.references != before && node.origin != Origin::Expanded {
                            node.origin = Origin::Composed;
                        }
                        node.text = Some(text.as_str().into());
                        node.value = Value::String(text);
                    }
                }
            }
            Value::Seq(items) => items.iter_mut().for_each(|item| self.node(item, level + 1, depth)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, node)| self.node(node, level + 1, depth)),
            _ => {}
        }
    }

    /// One pass from the left, with a stack of references that are still open: the first is the text outside of all.
    fn text(&mut self, text: &str, level: usize, depth: usize) -> Expanded {
        let mut open = vec![String::new()];
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let inside = open.len() > 1;
            if rest.starts_with("$$") && !inside {
                push(&mut open, "$");
                rest = rest.get(2..).unwrap_or_default();
            } else if rest.starts_with("${") {
                open.push(String::new());
                rest = rest.get(2..).unwrap_or_default();
            } else if c == '}' && inside {
                rest = rest.get(1..).unwrap_or_default();
                let reference = open.pop().unwrap_or_default();
                let supplied = self.resolve(&reference, depth);
                if rest.is_empty() && open.len() == 1 && open.iter().all(String::is_empty) {
                    return self.whole(supplied, level, depth);
                }
                let text = self.embedded(supplied, depth);
                push(&mut open, &text);
            } else {
                let end = rest.char_indices().skip(1).find(|(_, c)| matches!(c, '$' | '}'));
                let (plain, after) = rest.split_at(end.map_or(rest.len(), |(index, _)| index));
                push(&mut open, plain);
                rest = after;
            }
        }
        // What was never closed is left as it is.
        let mut parts = open.into_iter();
        let outside = parts.next().unwrap_or_default();
        Expanded::Text(parts.fold(outside, |text, part| text + "${" + &part.replace("$$", "$")))
    }

    /// The value of a reference that is a value's whole text.
    fn whole(&mut self, supplied: Supplied, level: usize, depth: usize) -> Expanded {
        let (mut node, text) = match supplied {
            Supplied::Nothing => return Expanded::Whole(self.placed(Value::Null, "")),
            Supplied::Text(text) => return Expanded::Whole(self.placed(Value::String(text.clone()), &text)),
            Supplied::File(node, text) => (node, text),
            Supplied::Yaml(text) => {
                let mut scratch = Diagnostics::default();
                let parsed = yaml::parse(&text, self.place.source, &mut scratch);
                let mut node = parsed.unwrap_or_else(|| Node::new(Value::String(text.clone())));
                place_all(&mut node, self.place);
                (node, text)
            }
        };
        node.origin = Origin::Expanded;
        if let Value::String(value) = &mut node.value {
            // Quotes in a variable are part of the text.
            *value = text.clone();
        }
        let collection = matches!(node.value, Value::Seq(_) | Value::Map(_));
        node.span = if collection { node.span } else { self.place };
        if depth < MAX_DEPTH {
            self.node(&mut node, level, depth + 1);
        }
        if !matches!(node.value, Value::String(_)) {
            node.text = Some(if text.contains('$') { self.inner(&text, depth) } else { text }.into());
        }
        Expanded::Whole(node)
    }

    fn embedded(&mut self, supplied: Supplied, depth: usize) -> String {
        match supplied {
            Supplied::Yaml(text) | Supplied::File(_, text) => self.inner(&text, depth),
            Supplied::Text(text) => text,
            Supplied::Nothing => String::new(),
        }
    }

    /// Expands supplied text as text.
    fn inner(&mut self, text: &str, depth: usize) -> String {
        if !text.contains('$') {
            return text.to_owned();
        }
        match self.text(text, 0, depth + 1) {
            Expanded::Text(text) => text,
            Expanded::Whole(node) => node.text.unwrap_or_default().into(),
        }
    }

    fn placed(&self, value: Value, text: &str) -> Node {
        let text = Some(text.into());
        Node { span: self.place, origin: Origin::Expanded, text, ..Node::new(value) }
    }

    fn resolve(&mut self, reference: &str, depth: usize) -> Supplied {
        self.references = self.references.saturating_add(1);
        if depth >= MAX_DEPTH || self.references > MAX_REFERENCES || self.supplied > MAX_SUPPLIED {
            let message = match depth >= MAX_DEPTH {
                true => format!("references nested deeper than {MAX_DEPTH} levels"),
                false => "references supply too much".to_owned(),
            };
            self.stop(message);
            return Supplied::Nothing;
        }
        let supplied = self.supply(reference);
        if let Supplied::Yaml(text) | Supplied::File(_, text) | Supplied::Text(text) = &supplied {
            self.supplied = self.supplied.saturating_add(text.len());
        }
        supplied
    }

    fn supply(&mut self, reference: &str) -> Supplied {
        let (scheme, rest) = match reference.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) && !rest.starts_with('-') => (scheme, rest),
            _ => ("env", reference),
        };
        match scheme {
            "env" => self.variable(rest),
            "yaml" => Supplied::Yaml(rest.to_owned()),
            "file" => {
                let read = read_file(Path::new(rest), self.env, self.diagnostics);
                self.parsed(read)
            }
            "http" | "https" => {
                let read = fetch(reference, self.env, self.diagnostics);
                self.parsed(read)
            }
            _ => {
                let known = "`env`, `file`, `yaml`, `http` and `https` are";
                self.error(format!("scheme `{scheme}` is not supported in `${{…}}`; {known}"));
                Supplied::Nothing
            }
        }
    }

    fn variable(&mut self, reference: &str) -> Supplied {
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (reference, None),
        };
        let starts_right = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts_right || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let rule = "letters, digits and `_`, and no digit first";
            let shown = name.escape_debug();
            self.error(format!("`{shown}` is not the name of an environment variable: {rule}"));
            return Supplied::Nothing;
        }
        match (self.env.var(name), default) {
            (Some(value), _) => Supplied::Yaml(value),
            (None, Some("")) => Supplied::Text(String::new()),
            (None, Some(default)) => Supplied::Yaml(default.to_owned()),
            (None, None) => {
                let message = format!("environment variable `{name}` is not set");
                let finding = Diagnostic::warning(self.place, "", message);
                self.diagnostics.push(finding.help(format!("`${{env:{name}:-text}}` gives a default")));
                Supplied::Nothing
            }
        }
    }

    /// What a text that was read from somewhere supplies.
    fn parsed(&mut self, read: Result<Option<(SourceId, String)>, String>) -> Supplied {
        match read {
            Ok(Some((source, text))) => {
                let mut scratch = Diagnostics::default();
                let node = yaml::parse(&text, source, &mut scratch);
                Supplied::File(node.unwrap_or_else(|| Node::new(Value::String(text.clone()))), text)
            }
            Ok(None) => Supplied::Nothing,
            Err(message) => {
                self.error(message);
                Supplied::Nothing
            }
        }
    }

    fn stop(&mut self, message: String) {
        if !std::mem::replace(&mut self.stopped, true) {
            self.error(message);
        }
    }

    fn error(&mut self, message: String) {
        self.diagnostics.push(Diagnostic::error(self.place, "", message));
    }
}

fn push(open: &mut [String], text: &str) {
    if let Some(last) = open.last_mut() {
        last.push_str(text);
    }
}

/// What a variable supplies stands where the variable is named.
fn place_all(node: &mut Node, place: Span) {
    node.span = place;
    match &mut node.value {
        Value::Seq(items) => items.iter_mut().for_each(|item| place_all(item, place)),
        Value::Map(entries) => entries.iter_mut().for_each(|(key, node)| {
            key.span = place;
            node.key = Some(place);
            place_all(node, place);
        }),
        _ => {}
    }
}
