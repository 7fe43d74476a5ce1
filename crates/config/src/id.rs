//! Names of components and pipelines.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data::Signal;
use serde_json::{Value as Json, json};

use crate::diagnostics::Diagnostic;
use crate::note::Subject;
use crate::reader::Reader;
use crate::setting::Setting;
use crate::suggest;
use crate::tree::{Node, Value};

/// Longest type of a component, in characters.
const MAX_TYPE: usize = 63;
/// Longest name of a component or pipeline, in characters.
const MAX_NAME: usize = 1024;

/// Names a component: `type`, or `type/name` where there are several of a type. The default is the empty id, which
/// no configuration can hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ComponentId {
    component_type: Arc<str>,
    name: Arc<str>,
}

impl ComponentId {
    /// The type as it was written; it may be an alias.
    pub fn component_type(&self) -> &str {
        &self.component_type
    }

    /// What follows the slash; empty if there is none.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.component_type.is_empty()
    }
}

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing before the slash.
    #[error("an id begins with the type of the component, found `{0}`")]
    NoType(String),
    /// A type that breaks its rule.
    #[error("invalid type `{0}`: a type is a letter, then letters, digits and `_`, 63 at most")]
    Type(String),
    /// A slash with nothing after it.
    #[error("the part after `/` must not be empty, found `{0}`")]
    NoName(String),
    /// A name that breaks its rule.
    #[error(
        "invalid name `{0}`: no spaces, control characters or symbols such as `+`, `$`, `=`, 1024 at most"
    )]
    Name(String),
    /// A pipeline of a signal that does not exist.
    #[error("unknown signal `{0}`")]
    Signal(String),
}

impl FromStr for ComponentId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (component_type, name) = halves(text)?;
        let mut chars = component_type.chars();
        let starts_right = chars.next().is_some_and(|c| c.is_ascii_alphabetic());
        let goes_on_right = chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
        match starts_right && goes_on_right && component_type.len() <= MAX_TYPE {
            true => Ok(Self { component_type: component_type.into(), name: name.into() }),
            false => Err(IdError::Type(component_type.escape_debug().to_string())),
        }
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_id(f, &self.component_type, &self.name)
    }
}

/// A reference to an extension: the Collector's way of saying which storage or authenticator to use. Where it may be
/// absent, the field is an `Option`.
impl Setting for ComponentId {
    fn type_name() -> String {
        "a component id".into()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string" })
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        let Value::String(text) = &node.value else { return reader.expected(node, "the id of a component") };
        match text.parse::<Self>() {
            Ok(id) => {
                reader.note(Subject::Extension(id.clone()), node.span, reader.path().to_owned());
                *self = id;
            }
            Err(error) => reader.error(node.span, IdError::to_string(&error)),
        }
    }

    fn render(&self) -> Json {
        json!(self.to_string())
    }
}

/// Names a pipeline: `signal` or `signal/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PipelineId {
    /// What it carries.
    pub signal: Signal,
    /// What follows the slash; empty if there is none.
    pub name: Arc<str>,
}

impl FromStr for PipelineId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (signal, name) = halves(text)?;
        let unknown = || IdError::Signal(signal.escape_debug().to_string());
        Ok(Self { signal: Signal::from_name(signal).ok_or_else(unknown)?, name: name.into() })
    }
}

impl fmt::Display for PipelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_id(f, self.signal.name(), &self.name)
    }
}

impl IdError {
    /// What is wrong with a text at that place, with what was probably meant.
    pub(crate) fn at(&self, node_path: &str, span: crate::Span) -> Diagnostic {
        let finding = Diagnostic::error(span, node_path, self.to_string());
        let Self::Signal(signal) = self else { return finding };
        let names = || Signal::ALL.iter().map(|signal| signal.name());
        finding.help(match suggest::nearest(signal, names()) {
            _ if signal == "profiles" => {
                "profiles are known to the Collector, but not carried here".to_owned()
            }
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("a pipeline is named after its signal: {}", suggest::list(names())),
        })
    }
}

fn write_id(f: &mut fmt::Formatter<'_>, kind: &str, name: &str) -> fmt::Result {
    match name {
        "" => f.write_str(kind),
        name => write!(f, "{kind}/{name}"),
    }
}

/// Type and checked name, without the white space around them.
fn halves(text: &str) -> Result<(&str, &str), IdError> {
    let shown = || text.escape_debug().to_string();
    let (before, after) = match text.split_once('/') {
        Some((before, after)) => (before.trim(), Some(after.trim())),
        None => (text.trim(), None),
    };
    if before.is_empty() {
        return Err(IdError::NoType(shown()));
    }
    match after {
        None => Ok((before, "")),
        Some("") => Err(IdError::NoName(shown())),
        Some(name) if name.chars().any(is_forbidden) || name.chars().count() > MAX_NAME => {
            Err(IdError::Name(name.escape_debug().to_string()))
        }
        Some(name) => Ok((before, name)),
    }
}

/// Separators, control characters and symbols: the Collector's `\pZ\pC\pS`. Of the symbols beyond Latin-1 the
/// blocks of currency signs, arrows, mathematics, pictures and private use are known here.
fn is_forbidden(c: char) -> bool {
    match c {
        '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~' => true,
        '\u{a2}'..='\u{a6}' | '\u{a8}' | '\u{a9}' | '\u{ac}'..='\u{b1}' | '\u{b4}' | '\u{b8}' => true,
        '\u{d7}' | '\u{f7}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' => true,
        '\u{20a0}'..='\u{20cf}' | '\u{2190}'..='\u{23ff}' | '\u{2500}'..='\u{2767}' => true,
        '\u{2794}'..='\u{27c4}' | '\u{27f0}'..='\u{2982}' | '\u{2999}'..='\u{2bff}' => true,
        '\u{e000}'..='\u{f8ff}' | '\u{1f000}'..='\u{1faff}' | '\u{feff}' | '\u{fffd}' => true,
        c => c.is_whitespace() || c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn component_ids() {
        let check = |text: &str, expected: Result<(&str, &str), &str>| {
            let id = text.parse::<ComponentId>();
            let found = id.as_ref().map(|id| (id.component_type(), id.name()));
            assert_eq!(found.map_err(ToString::to_string), expected.map_err(ToString::to_string), "{text}");
        };
        check("otlp", Ok(("otlp", "")));
        check(" otlp / eu-1 ", Ok(("otlp", "eu-1")));
        check("otlp/a/b:c@d._-", Ok(("otlp", "a/b:c@d._-")));
        check("otlp/müller", Ok(("otlp", "müller")));
        check("", Err("an id begins with the type of the component, found ``"));
        check("/x", Err("an id begins with the type of the component, found `/x`"));
        check("debug/", Err("the part after `/` must not be empty, found `debug/`"));
        let type_rule = "a type is a letter, then letters, digits and `_`, 63 at most";
        check("1batch", Err(&format!("invalid type `1batch`: {type_rule}")));
        check("a-b", Err(&format!("invalid type `a-b`: {type_rule}")));
        let name_rule = "no spaces, control characters or symbols such as `+`, `$`, `=`, 1024 at most";
        for name in ["a b", "a+b", "a$", "a=b", "a<b", "→", "€", "🦀"] {
            check(&format!("otlp/{name}"), Err(&format!("invalid name `{name}`: {name_rule}")));
        }
        assert!(format!("otlp/{}", "x".repeat(1025)).parse::<ComponentId>().is_err());
        assert!("x".repeat(64).parse::<ComponentId>().is_err());
        assert!("x".repeat(63).parse::<ComponentId>().is_ok());
    }

    #[test]
    fn pipeline_ids() {
        let check = |text: &str, expected: &str| {
            let found = match text.parse::<PipelineId>() {
                Ok(id) => id.to_string(),
                Err(error) => error.to_string(),
            };
            assert_eq!(found, expected, "{text}");
        };
        check("traces", "traces");
        check(" logs / x", "logs/x");
        check("xray/daemon", "xray/daemon");
        check("tracez", "unknown signal `tracez`");
        check("traces/", "the part after `/` must not be empty, found `traces/`");
    }
}
