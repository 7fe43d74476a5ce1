//! What one value of a configuration can be, and how it is read.

use std::fmt;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::diagnostics::Diagnostic;
use crate::duration;
use crate::reader::Reader;
use crate::tree::{Node, Origin, Value};

/// A type that a configuration can hold.
///
/// Reading happens in place: the value is the default when [`read`](Self::read) is called, and keeps what the node
/// does not change. That is how a section keeps the defaults of keys that are not given.
pub trait Setting: Default + 'static {
    /// Whether this is a map of named keys. An `Option` of a block is on when the key is given with no value.
    const BLOCK: bool = false;
    /// Whether a list of these may be given as one text with commas.
    const COMMA_LIST: bool = false;

    /// What to call the type in messages and documentation: "a duration", "a list of strings".
    fn type_name() -> String;

    /// The JSON schema of the type, with `self` for the default.
    fn schema(&self) -> Json;

    /// Takes the value of the node. Says what is wrong through the reader, and then leaves `self` as it likes.
    fn read(&mut self, node: &Node, reader: &mut Reader<'_>);

    /// The value as it would be written, secrets hidden.
    fn render(&self) -> Json;

    /// The value as it would be written, secrets and all. What holds others overrides it.
    fn expose(&self) -> Json {
        self.render()
    }

    /// The keys inside, for documentation; `prefix` leads to this value.
    fn reference(&self, _prefix: &str, _rows: &mut Vec<Row>) {}
}

/// One key in a component's documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The keys that lead there, joined by `.`; `[]` stands for each of a list, `<key>` for each of a map.
    pub name: String,
    /// The type, in words.
    pub type_name: String,
    /// The default as it would be written; empty if there is none.
    pub default: String,
    /// What it is for.
    pub doc: String,
}

impl Setting for bool {
    fn type_name() -> String {
        "a boolean".into()
    }

    fn schema(&self) -> Json {
        json!({ "type": "boolean" })
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        match node.value {
            Value::Bool(value) => *self = value,
            Value::Null => {
                *self = false;
                reader.null_is_zero(node, "`false`");
            }
            _ => reader.expected_bare(node, "`true` or `false`", |value| matches!(value, Value::Bool(_))),
        }
    }

    fn render(&self) -> Json {
        json!(self)
    }
}

/// The whole number in a node: fractions are cut off, null is 0.
fn whole_number(node: &Node, reader: &mut Reader<'_>) -> Option<i128> {
    match node.value {
        Value::Int(value) => Some(value),
        Value::Float(value) if value.is_finite() => {
            let whole = value.trunc() as i128;
            if value.fract() != 0.0 {
                reader.warning(node.span, format!("{value} is not an integer: {whole} is taken"));
            }
            Some(whole)
        }
        Value::Null => {
            reader.null_is_zero(node, "0");
            Some(0)
        }
        _ => {
            reader.expected_bare(node, "an integer", |value| matches!(value, Value::Int(_)));
            None
        }
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Setting for $integer {
            fn type_name() -> String {
                "an integer".into()
            }

            fn schema(&self) -> Json {
                match <$integer>::MIN {
                    0 => json!({ "type": "integer", "minimum": 0 }),
                    _ => json!({ "type": "integer" }),
                }
            }

            fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
                let Some(value) = whole_number(node, reader) else { return };
                match <$integer>::try_from(value) {
                    Ok(value) => *self = value,
                    Err(_) if value < 0 && <$integer>::MIN == 0 => {
                        reader.error(node.span, format!("must not be negative, found {value}"));
                    }
                    Err(_) => {
                        let (least, most) = (<$integer>::MIN, <$integer>::MAX);
                        reader.error(node.span, format!("{value} is not between {least} and {most}"));
                    }
                }
            }

            fn render(&self) -> Json {
                json!(self)
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

impl Setting for f64 {
    fn type_name() -> String {
        "a number".into()
    }

    fn schema(&self) -> Json {
        json!({ "type": "number" })
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        match node.value {
            Value::Int(value) => *self = value as f64,
            Value::Float(value) => *self = value,
            Value::Null => {
                *self = 0.0;
                reader.null_is_zero(node, "0");
            }
            _ => reader
                .expected_bare(node, "a number", |value| matches!(value, Value::Int(_) | Value::Float(_))),
        }
    }

    fn render(&self) -> Json {
        match self.is_finite() {
            true => json!(self),
            // What YAML writes; JSON has no infinity.
            false => json!(format!("{self:?}").replace("inf", ".inf").replace("NaN", ".nan")),
        }
    }
}

/// The text for a string field; null is the empty text.
fn text<'n>(node: &'n Node, reader: &mut Reader<'_>) -> Option<&'n str> {
    if node.is_null() {
        reader.null_is_zero(node, "the empty text");
        return Some("");
    }
    let text = node.as_text();
    if text.is_none() {
        let message = format!("expected a string, found {node}");
        let finding = Diagnostic::error(node.span, reader.path(), message);
        reader.push(match &node.text {
            Some(text) => finding.help(format!("put it in quotes: \"{text}\"")),
            None => finding,
        });
    }
    text
}

impl Setting for String {
    const COMMA_LIST: bool = true;

    fn type_name() -> String {
        "a string".into()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string" })
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        if let Some(text) = text(node, reader) {
            *self = text.to_owned();
        }
    }

    fn render(&self) -> Json {
        json!(self)
    }
}

/// What stands in for a secret wherever one would be shown.
pub const REDACTED: &str = "[REDACTED]";

/// A string that is never shown: not in logs, not in `print-config`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the text of a node. A value of the wrong type may be the secret: it is not quoted back.
    pub(crate) fn take(&mut self, node: &Node, reader: &mut Reader<'_>) {
        reader.hide(node);
        match node.as_text() {
            Some(text) => self.0 = text.to_owned(),
            None if node.is_null() => self.0.clear(),
            None => {
                let message = "expected a string; put the value in quotes";
                reader.push(Diagnostic::error(node.span, reader.path(), message).secret());
            }
        }
    }
}

/// A secret belongs into the environment or a file of its own: configurations are shown, copied and committed.
pub(crate) fn warn_of_clear_text(node: &Node, reader: &mut Reader<'_>) {
    let written_here = matches!(node.origin, Origin::Plain | Origin::Quoted);
    if written_here && matches!(&node.value, Value::String(text) if !text.is_empty()) {
        let finding = Diagnostic::warning(reader.place(), reader.path(), "a secret in clear text");
        reader.push(finding.secret().help("keep it outside: `${env:NAME}` or `${file:PATH}`"));
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Setting for Secret {
    fn type_name() -> String {
        "a secret string".into()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string" })
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        self.take(node, reader);
        warn_of_clear_text(node, reader);
    }

    fn render(&self) -> Json {
        json!(if self.0.is_empty() { "" } else { REDACTED })
    }

    fn expose(&self) -> Json {
        json!(self.0)
    }
}

impl Setting for Duration {
    fn type_name() -> String {
        "a duration".into()
    }

    fn schema(&self) -> Json {
        // A number is nanoseconds, as in the Collector.
        json!({ "type": ["string", "integer"], "pattern": "^[+]?([0-9.]+(ns|us|µs|μs|ms|s|m|h))+$|^[+-]?0$" })
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        match &node.value {
            Value::String(text) => match duration::parse(text) {
                Ok(value) => *self = value,
                Err(error) => {
                    let finding = Diagnostic::error(node.span, reader.path(), error.to_string());
                    let units = || "write numbers with units: `300ms`, `5s`, `1m30s`, `24h`".to_owned();
                    let line_break = node.remark().filter(|_| text.ends_with('\n'));
                    reader.push(finding.help(line_break.unwrap_or_else(units)));
                }
            },
            Value::Int(_) | Value::Float(_) => nanoseconds(self, node, reader),
            Value::Null => {
                *self = Duration::ZERO;
                reader.null_is_zero(node, "0s");
            }
            _ => reader.expected(node, "a duration such as `5s`"),
        }
    }

    fn render(&self) -> Json {
        json!(duration::format(*self))
    }
}

/// A plain number, which the Collector takes for nanoseconds without a word.
fn nanoseconds(place: &mut Duration, node: &Node, reader: &mut Reader<'_>) {
    let Some(number) = whole_number(node, reader) else { return };
    let written = node.text.as_deref().unwrap_or_default();
    match u64::try_from(number).ok().filter(|nanos| *nanos <= duration::MAX_NANOS) {
        Some(nanos) => {
            *place = Duration::from_nanos(nanos);
            if nanos != 0 {
                let message = format!("a number without a unit is nanoseconds: {nanos}ns");
                let finding = Diagnostic::warning(node.span, reader.path(), message);
                reader.push(finding.help(format!("write `{written}s` for seconds")));
            }
        }
        None if number < 0 => {
            reader.error(node.span, format!("a duration must not be negative, found `{written}`"));
        }
        None => reader.error(node.span, format!("duration `{written}` is too long")),
    }
}
