//! YAML text to positioned tree. The only file that knows the YAML library.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput, Tag};

use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::scalar;
use crate::source::{Position, SourceId, Span};
use crate::tree::{Key, Node, Origin, Value};

/// Longest text that is read, in bytes.
pub const MAX_BYTES: usize = 4 << 20;
/// Deepest nesting of maps and lists.
pub const MAX_DEPTH: usize = 64;
/// Most values in one text, with every use of an alias counted in full.
pub const MAX_NODES: usize = 200_000;
/// Most keys in one map.
pub const MAX_KEYS: usize = 10_000;

/// Reads one document. None after an error, which is then among the diagnostics; an empty text is null.
pub fn parse(text: &str, source: SourceId, diagnostics: &mut Diagnostics) -> Option<Node> {
    let before = diagnostics.error_count();
    let start = Position { line: 1, column: 1 };
    if text.len() > MAX_BYTES {
        let message = format!("longer than {MAX_BYTES} bytes, the most that is read");
        diagnostics.push(Diagnostic::error(Span { source, start, end: start }, "", message));
        return None;
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parser = Parser::new_from_str(text);
    let breaks = text.match_indices('\n').map(|(index, _)| index + 1);
    let lines = std::iter::once(0).chain(breaks).collect();
    let mut builder = Builder { parser, text, lines, source, diagnostics, anchors: HashMap::new(), nodes: 0 };
    let root = builder.document();
    match root {
        Ok(node) => (builder.diagnostics.error_count() == before).then_some(node),
        Err(error) => {
            diagnostics.push(*error);
            None
        }
    }
}

type Fallible<T> = Result<T, Box<Diagnostic>>;

struct Builder<'t, 'd> {
    parser: Parser<'t, StrInput<'t>>,
    text: &'t str,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
    source: SourceId,
    diagnostics: &'d mut Diagnostics,
    /// What each anchor stands for, by the library's number for it.
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl<'t> Builder<'t, '_> {
    fn document(&mut self) -> Fallible<Node> {
        let start = Position { line: 1, column: 1 };
        let span = Span { source: self.source, start, end: start };
        let mut root = Node { span, ..Node::new(Value::Null) };
        let mut documents = 0_u32;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        let message = "a second YAML document: only the first of a file is read";
                        self.diagnostics.push(Diagnostic::warning(span, "", message));
                        return Ok(root);
                    }
                }
                Event::StreamEnd => return Ok(root),
                event => root = self.node(event, span, 0)?,
            }
        }
    }

    fn next(&mut self) -> Fallible<(Event<'t>, Span)> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                let span = Span { source: self.source, start: place(span.start), end: place(span.end) };
                Ok((event, span))
            }
            Some(Err(error)) => {
                let start = place(*error.marker());
                let span = Span { source: self.source, start, end: start };
                Err(self.error(span, format!("invalid YAML: {}", error.info())))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn error(&self, span: Span, message: impl Into<String>) -> Box<Diagnostic> {
        Box::new(Diagnostic::error(span, "", message))
    }

    fn count(&mut self, nodes: usize, span: Span) -> Fallible<()> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(self.error(span, format!("more than {MAX_NODES} values, aliases counted in full")));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Fallible<Node> {
        self.count(1, span)?;
        if depth > MAX_DEPTH {
            return Err(self.error(span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, self.scalar(text, style, tag.as_deref(), span)?)
            }
            Event::SequenceStart(anchor, tag) => {
                self.only_core(tag.as_deref(), &["seq"], span)?;
                (anchor, self.sequence(span, depth)?)
            }
            Event::MappingStart(anchor, tag) => {
                self.only_core(tag.as_deref(), &["map"], span)?;
                (anchor, self.mapping(span, depth)?)
            }
            Event::Alias(anchor) => return self.alias(anchor, span, depth),
            _ => return Err(self.error(span, "invalid YAML: expected a value")),
        };
        if anchor != 0 {
            // The copy counts too: anchors inside anchors would make many.
            self.count(size(&node), span)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, span: Span, depth: usize) -> Fallible<Node> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(self.error(span, "this alias stands inside the value that it refers to"));
        };
        let (nodes, levels) = (size(node), levels(node));
        self.count(nodes, span)?;
        if depth + levels > MAX_DEPTH {
            return Err(self.error(span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.anchors.get(&anchor).cloned().ok_or_else(|| self.error(span, "unknown alias"))
    }

    fn scalar(
        &mut self,
        text: Cow<'t, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
    ) -> Fallible<Node> {
        self.only_core(tag, &["str", "int", "float", "bool", "null"], span)?;
        let plain = style == ScalarStyle::Plain;
        let value = match tag.map(|tag| tag.suffix.as_str()) {
            Some("str" | "") => Value::String(text.clone().into_owned()),
            Some(_) => scalar::resolve(&text),
            None if plain => scalar::resolve(&text),
            None => Value::String(text.clone().into_owned()),
        };
        let origin = if plain { Origin::Plain } else { Origin::Quoted };
        let span = match style {
            ScalarStyle::SingleQuoted => self.up_to_quote(span, '\''),
            ScalarStyle::DoubleQuoted => self.up_to_quote(span, '"'),
            _ => span,
        };
        Ok(Node { value, span, key: None, origin, text: Some(text.into()) })
    }

    /// The library takes what follows a quoted text, comments too, for a part of it. Far out in a long line this is
    /// left so, as finding the column takes time.
    fn up_to_quote(&self, span: Span, quote: char) -> Span {
        const FAR_OUT: u32 = 1_000;
        let line = self.lines.get(span.start.line.saturating_sub(1) as usize);
        let line = line.filter(|_| span.start.column < FAR_OUT).and_then(|start| self.text.get(*start..));
        let before = span.start.column.saturating_sub(1) as usize;
        let mut chars = line.unwrap_or_default().chars().take_while(|c| *c != '\n').zip(1_u32..).skip(before);
        if chars.next().is_none_or(|(c, _)| c != quote) {
            return span;
        }
        while let Some((c, column)) = chars.next().filter(|(_, column)| *column < FAR_OUT) {
            if c == '\\' && quote == '"' {
                chars.next();
            } else if c == quote {
                // Two of them inside single quotes are one that is meant, but never what is in the way of a caret.
                let end = Position { column: column.saturating_add(1), ..span.start };
                return Span { end, ..span };
            }
        }
        span
    }

    fn sequence(&mut self, start: Span, depth: usize) -> Fallible<Node> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(collection(Value::Seq(items), start, span));
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn mapping(&mut self, start: Span, depth: usize) -> Fallible<Node> {
        let mut map = Mapping::default();
        loop {
            let (event, span) = self.next()?;
            let (text, plain) = match event {
                Event::MappingEnd => return Ok(collection(Value::Map(map.finish()), start, span)),
                _ if map.entries.len() + map.merged.len() >= MAX_KEYS => {
                    return Err(self.error(span, format!("more than {MAX_KEYS} keys in one map")));
                }
                Event::Scalar(text, style, _, _) => (text.into_owned(), style == ScalarStyle::Plain),
                Event::Alias(anchor) => (self.alias_as_key(anchor, span)?, false),
                _ => return Err(self.error(span, "a key must be plain text")),
            };
            let key = Key { text, span };
            let (event, value_span) = self.next()?;
            let mut node = self.node(event, value_span, depth + 1)?;
            node.key = Some(key.span);
            if node.is_null() && node.text.as_deref() == Some("") {
                // Nothing was written: the key is the place to show.
                node.span = key.span;
            }
            match plain && key.text == "<<" {
                true => self.merge(&mut map, node, key.span)?,
                false => self.insert(&mut map, key, node),
            }
        }
    }

    fn insert(&mut self, map: &mut Mapping, key: Key, node: Node) {
        let Some(first) = map.positions.get(&key.text).and_then(|index| map.entries.get(*index)) else {
            map.positions.insert(key.text.clone(), map.entries.len());
            map.entries.push((key, node));
            return;
        };
        let message = format!("key `{}` is given twice", key.text);
        let first = first.0.span;
        self.diagnostics.push(Diagnostic::error(key.span, "", message).related(first, "first given here"));
    }

    /// `<<: *a` or `<<: [*a, *b]`: entries that hold unless the map itself, or an earlier one, has the key.
    fn merge(&mut self, map: &mut Mapping, node: Node, key: Span) -> Fallible<()> {
        let maps = match node.value {
            Value::Seq(items) => items,
            _ => vec![node],
        };
        for merged in maps {
            let Value::Map(entries) = merged.value else {
                return Err(self.error(key, "only maps can be merged with `<<`"));
            };
            map.merged.extend(entries);
            if map.entries.len() + map.merged.len() > MAX_KEYS {
                return Err(self.error(key, format!("more than {MAX_KEYS} keys in one map")));
            }
        }
        Ok(())
    }

    fn alias_as_key(&self, anchor: usize, span: Span) -> Fallible<String> {
        match self.anchors.get(&anchor).and_then(|node| node.text.as_deref()) {
            Some(text) => Ok(text.to_owned()),
            None => Err(self.error(span, "a key must be plain text")),
        }
    }

    fn only_core(&self, tag: Option<&Tag>, suffixes: &[&str], span: Span) -> Fallible<()> {
        match tag {
            None => Ok(()),
            Some(tag) if tag.is_yaml_core_schema() && suffixes.contains(&tag.suffix.as_str()) => Ok(()),
            Some(tag) if tag.handle == "!" && tag.suffix.is_empty() => Ok(()),
            Some(tag) => Err(self.error(span, format!("the tag `{tag}` is not supported here"))),
        }
    }
}

/// A map while its entries arrive.
#[derive(Default)]
struct Mapping {
    entries: Vec<(Key, Node)>,
    positions: HashMap<String, usize>,
    merged: Vec<(Key, Node)>,
}

impl Mapping {
    fn finish(mut self) -> Vec<(Key, Node)> {
        for (key, node) in self.merged {
            if !self.positions.contains_key(&key.text) {
                self.positions.insert(key.text.clone(), self.entries.len());
                self.entries.push((key, node));
            }
        }
        self.entries
    }
}

fn collection(value: Value, start: Span, end: Span) -> Node {
    Node { value, span: Span { end: end.end, ..start }, key: None, origin: Origin::Plain, text: None }
}

fn place(marker: Marker) -> Position {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Position { line: number(marker.line()), column: number(marker.col()).saturating_add(1) }
}

/// Values in this one and below it. Depth is bounded, so recursion is safe.
fn size(node: &Node) -> usize {
    let below: usize = match &node.value {
        Value::Seq(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|(_, node)| size(node)).sum(),
        _ => 0,
    };
    below + 1
}

fn levels(node: &Node) -> usize {
    match &node.value {
        Value::Seq(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        Value::Map(entries) => 1 + entries.iter().map(|(_, node)| levels(node)).max().unwrap_or(0),
        _ => 0,
    }
}
