//! The positioned tree that every part of a configuration is read from.

use std::fmt;

use crate::scalar;
use crate::source::Span;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it was written. For what a variable supplied: where the variable is named.
    pub span: Span,
    /// Where the key of a map stands that holds it.
    pub key: Option<Span>,
    /// How it was written.
    pub origin: Origin,
    /// The text as written: always there for scalars, and for whatever an expansion supplied.
    pub text: Option<Box<str>>,
}

/// How a value was written. A string field takes the text of an expanded `1.10`, but refuses a plain one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    /// Without quotes, or a map or list.
    #[default]
    Plain,
    /// In quotes or as a block scalar.
    Quoted,
    /// By a `${…}` that was the whole value.
    Expanded,
    /// Text with a `${…}` in it.
    Composed,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~`, or nothing after the colon.
    Null,
    /// `true` or `false`; `yes` and `on` are strings.
    Bool(bool),
    /// An integer in the range of `i64` and `u64` together.
    Int(i128),
    /// A number with fraction or exponent, or an infinity.
    Float(f64),
    /// Text.
    String(String),
    /// A list.
    Seq(Vec<Node>),
    /// A map in the order of the text; no key occurs twice.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key itself.
    pub text: String,
    /// Where it was written.
    pub span: Span,
}

impl Node {
    /// A node without a place, for values that the program makes itself.
    pub fn new(value: Value) -> Self {
        Self { value, span: Span::default(), key: None, origin: Origin::Plain, text: None }
    }

    /// Where to point when the whole value is meant, or something missing in it: its key if it has one.
    pub fn place(&self) -> Span {
        self.key.unwrap_or(self.span)
    }

    /// Where to point for what is at `path` below: keys, and indexes of lists, joined by `.`. What is not there is
    /// missed in the nearest that is.
    pub fn place_of(&self, path: &str) -> Span {
        self.locate(path).0
    }

    /// The place of a path, and how the path is written in findings.
    pub(crate) fn locate(&self, path: &str) -> (Span, String) {
        let (mut place, mut shown) = (self.place(), String::new());
        let mut node = Some(self);
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let item = match node.map(|node| &node.value) {
                Some(Value::Seq(items)) => part.parse().ok().and_then(|index: usize| items.get(index)),
                _ => None,
            };
            match item {
                Some(_) => shown += &format!("[{part}]"),
                None if shown.is_empty() => shown += part,
                None => shown += &format!("::{part}"),
            }
            node = item.or_else(|| node.and_then(|node| node.get(part)));
            place = node.map_or(place, Node::place_of_value);
        }
        (place, shown)
    }

    /// What to underline for a value with a key: the value if it is short, else the key.
    fn place_of_value(&self) -> Span {
        match self.value {
            Value::Seq(_) | Value::Map(_) => self.place(),
            _ => self.span,
        }
    }

    /// The value of a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// The value of a key, to change it.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.value {
            Value::Map(entries) => {
                entries.iter_mut().find(|(found, _)| found.text == key).map(|(_, node)| node)
            }
            _ => None,
        }
    }

    /// A key and its value, if this is a map that has it.
    pub fn entry(&self, key: &str) -> Option<(&Key, &Node)> {
        self.entries().iter().find(|(found, _)| found.text == key).map(|(key, node)| (key, node))
    }

    /// The entries of a map; none for anything else.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// The text for a string field: strings, and whatever else an expansion supplied.
    pub fn as_text(&self) -> Option<&str> {
        match (&self.value, self.origin, &self.text) {
            (Value::String(text), _, _) => Some(text),
            (Value::Null, _, _) => None,
            (_, Origin::Expanded, Some(text)) => Some(text),
            _ => None,
        }
    }
}

impl Node {
    /// What about the way this was written may be the reason that it is refused.
    pub(crate) fn remark(&self) -> Option<String> {
        let text = self.text.as_deref()?;
        let is_expanded = self.origin == Origin::Expanded && matches!(self.value, Value::String(_));
        let remark = "the text that was put in here ends with a line break: take it away";
        (is_expanded && text.ends_with('\n')).then(|| remark.to_owned())
    }

    /// What a text in quotes would be without them.
    pub(crate) fn without_quotes(&self) -> Option<Value> {
        let is_quoted = self.origin == Origin::Quoted && matches!(self.value, Value::String(_));
        self.text.as_deref().filter(|_| is_quoted).map(scalar::resolve)
    }
}

/// What was found, for messages: "the string `x`", "the number 5", "a list".
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text.as_deref().unwrap_or_default();
        match &self.value {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "the boolean {value}"),
            Value::Int(_) | Value::Float(_) => write!(f, "the number {text}"),
            Value::String(text) if text.chars().count() > 60 => {
                write!(f, "the string `{}…`", text.chars().take(60).collect::<String>().escape_debug())
            }
            Value::String(text) => write!(f, "the string `{}`", text.escape_debug()),
            Value::Seq(_) => f.write_str("a list"),
            Value::Map(_) => f.write_str("a map"),
        }
    }
}
