//! `${…}` in values: environment variables, files, inline YAML.

use std::borrow::Cow;
use std::path::Path;

use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::load::{Env, fetch, is_scheme, read_file};
use crate::source::{SourceId, Span};
use crate::tree::{Node, Origin, Value};
use crate::yaml;

/// How far what a reference supplies may contain references in turn: as far as in the Collector, which tries 1,000 times
/// and wants to find nothing the last time.
const MAX_DEPTH: usize = 999;
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
    Whole(Supplied),
    /// Text around and between references.
    Text(String),
}

/// A text on its way: what is still to read, and the references that are open, the first being what is outside of all.
struct Reading<'t> {
    open: Vec<String>,
    text: Cow<'t, str>,
    at: usize,
    /// How deep in references the text is.
    depth: usize,
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
    fn node(&mut self, node: &mut Node, level: usize, mut depth: usize) {
        // What one reference supplies may be another: a loop, so that a long chain needs no stack.
        while let Value::String(text) = &node.value
            && text.contains('$')
        {
            // Places inside what a variable supplied are not places of a file.
            if depth == 0 {
                self.place = node.span;
            }
            let before = self.references;
            match self.text(text, depth, true) {
                Expanded::Whole(supplied) => {
                    *node = Node { key: node.key, ..self.whole(supplied) };
                    depth += 1;
                }
                Expanded::Text(text) => {
                    if self.references != before && node.origin != Origin::Expanded {
                        node.origin = Origin::Composed;
                    }
                    node.text = Some(text.as_str().into());
                    node.value = Value::String(text);
                    break;
                }
            }
        }
        match &mut node.value {
            // Only with the help of references: a text alone can't be so deep.
            Value::Seq(_) | Value::Map(_) if level > yaml::MAX_DEPTH => {
                self.stop(format!("nested deeper than {} levels", yaml::MAX_DEPTH));
                node.value = Value::Null;
            }
            Value::Seq(items) => items.iter_mut().for_each(|item| self.node(item, level + 1, depth)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, node)| self.node(node, level + 1, depth)),
            _ => return,
        }
        // What supplied it may be wanted as a text.
        if let Some(text) = node.text.take_if(|text| text.contains('$'))
            && let Expanded::Text(text) = self.text(&text, depth, false)
        {
            node.text = Some(text.into());
        }
    }

    /// Expands a text, from the left. What references supply is read in their places, but for one that is the whole
    /// text, if that `may_be_whole`.
    fn text(&mut self, text: &str, depth: usize, may_be_whole: bool) -> Expanded {
        let outermost = Reading { open: vec![String::new()], text: text.into(), at: 0, depth };
        let mut readings = vec![outermost];
        loop {
            let may_be_whole = may_be_whole && readings.len() == 1;
            let Some(reading) = readings.last_mut() else { return Expanded::Text(String::new()) };
            let Some(reference) = reading.next_reference() else {
                let text = readings.pop().map(Reading::finish).unwrap_or_default();
                match readings.last_mut() {
                    None => return Expanded::Text(text),
                    Some(outer) => outer.push(&text),
                }
                continue;
            };
            let (depth, is_whole) = (reading.depth, may_be_whole && reading.is_done());
            let supplied = self.resolve(&reference, depth);
            if is_whole {
                return Expanded::Whole(supplied);
            }
            match supplied {
                Supplied::Yaml(text) | Supplied::File(_, text) if text.contains('$') => {
                    let open = vec![String::new()];
                    readings.push(Reading { open, text: text.into(), at: 0, depth: depth + 1 });
                }
                Supplied::Yaml(text) | Supplied::File(_, text) | Supplied::Text(text) => reading.push(&text),
                Supplied::Nothing => {}
            }
        }
    }

    /// The value of a reference that is a value's whole text. There may be references in it.
    fn whole(&self, supplied: Supplied) -> Node {
        let (mut node, text) = match supplied {
            Supplied::Nothing => return self.placed(Value::Null, ""),
            // Nobody looks for references in it.
            Supplied::Text(text) => return self.placed(Value::String(text.clone()), &text),
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
            value.clone_from(&text);
        }
        let collection = matches!(node.value, Value::Seq(_) | Value::Map(_));
        node.span = if collection { node.span } else { self.place };
        node.text = Some(text.into());
        node
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

impl Reading<'_> {
    fn push(&mut self, text: &str) {
        if let Some(last) = self.open.last_mut() {
            last.push_str(text);
        }
    }

    /// Reads on until a reference is closed, and gives what it says; `None` at the end of the text.
    fn next_reference(&mut self) -> Option<String> {
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let first = rest.chars().next()?;
            let inside = self.open.len() > 1;
            if rest.starts_with("$$") && !inside {
                self.at += 2;
                self.push("$");
            } else if rest.starts_with("${") {
                self.at += 2;
                self.open.push(String::new());
            } else if first == '}' && inside {
                self.at += 1;
                return self.open.pop();
            } else {
                let end = rest.char_indices().skip(1).find(|(_, c)| matches!(c, '$' | '}'));
                let plain = rest.get(..end.map_or(rest.len(), |(index, _)| index)).unwrap_or_default();
                self.at += plain.len();
                if let Some(last) = self.open.last_mut() {
                    last.push_str(plain);
                }
            }
        }
    }

    /// Whether the whole text was the reference that was closed last.
    fn is_done(&self) -> bool {
        self.at == self.text.len() && self.open.len() == 1 && self.open.iter().all(String::is_empty)
    }

    /// The text that it became. What was never closed is left as it is.
    fn finish(self) -> String {
        let mut parts = self.open.into_iter();
        let outside = parts.next().unwrap_or_default();
        parts.fold(outside, |text, part| text + "${" + &part.replace("$$", "$"))
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
