//! What can be wrong with a JSON document, and where.

/// Why a JSON document is no OTLP message, and where it stops being one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason} (line {line}, column {column})", Prefix(path))]
pub struct JsonError {
    path: String,
    reason: Reason,
    offset: usize,
    line: usize,
    column: usize,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The text ends within the document, or is empty.
    #[error("unexpected end of the document")]
    End,
    /// Something else stands here.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What would have been right.
        expected: &'static str,
        /// What is there: a character, or a word for what can't be shown.
        found: String,
    },
    /// Behind the document stands more than white space.
    #[error("unexpected text after the document")]
    Trailing,
    /// The text is not UTF-8.
    #[error("invalid utf-8")]
    Utf8,
    /// A control character stands in a string without an escape.
    #[error("control character {0:#04x} in a string")]
    Control(u8),
    /// A backslash is followed by nothing that JSON knows.
    #[error("invalid escape")]
    Escape,
    /// A number breaks JSON's grammar.
    #[error("invalid number")]
    Number,
    /// A number with a fraction where an integer is due.
    #[error("expected an integer, found a fraction")]
    Fraction,
    /// A number that the field can't hold.
    #[error("number out of range for {0}")]
    Range(&'static str),
    /// An id of the wrong length.
    #[error("expected {expected} hex digits, found {found}")]
    IdLength {
        /// Digits of such an id.
        expected: usize,
        /// Bytes between the quotes.
        found: usize,
    },
    /// An id with something else than a hexadecimal digit.
    #[error("expected a hex digit")]
    HexDigit,
    /// Not standard base64 with padding.
    #[error("invalid base64")]
    Base64,
    /// A name that the enum does not have.
    #[error("{name:?} is no value of {of}")]
    EnumName {
        /// Full protobuf name of the enum.
        of: &'static str,
        /// What was given, cut to 64 bytes.
        name: String,
    },
    /// Values nest deeper than [`Limits::max_depth`](crate::Limits::max_depth).
    #[error("nested deeper than {0} levels")]
    Depth(usize),
}

impl JsonError {
    /// Byte offset in the document, from 0.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// Column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// The field concerned, such as `resourceSpans[0].resource`. Empty for the document itself.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.reason
    }
}

struct Prefix<'a>(&'a str);

impl std::fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{}: ", self.0) }
    }
}

/// An error on its way out: each level adds its step to the path. Boxed, because it travels through every
/// function of the reader, which succeed nearly always.
#[derive(Debug)]
pub(crate) struct Fault(Box<Inner>);

#[derive(Debug)]
struct Inner {
    reason: Reason,
    offset: usize,
    /// Innermost first.
    path: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Field(&'static str),
    Unknown(String),
    Index(usize),
}

/// Longest piece of the input that an error repeats, in bytes.
const QUOTE: usize = 64;

/// The start of a text from the input, for an error.
pub(crate) fn excerpt(text: &[u8]) -> String {
    String::from_utf8_lossy(text.get(..QUOTE).unwrap_or(text)).into_owned()
}

impl Fault {
    #[cold]
    pub(crate) fn new(reason: Reason, offset: usize) -> Self {
        Self(Box::new(Inner { reason, offset, path: Vec::new() }))
    }

    #[cold]
    pub(crate) fn in_field(mut self, name: &'static str) -> Self {
        self.0.path.push(Step::Field(name));
        self
    }

    #[cold]
    pub(crate) fn in_unknown(mut self, name: &[u8]) -> Self {
        self.0.path.push(Step::Unknown(excerpt(name)));
        self
    }

    #[cold]
    pub(crate) fn at_index(mut self, index: usize) -> Self {
        self.0.path.push(Step::Index(index));
        self
    }

    /// The error as the caller sees it.
    pub(crate) fn locate(self, json: &[u8]) -> JsonError {
        let Inner { reason, offset, path } = *self.0;
        let mut text = String::new();
        for step in path.iter().rev() {
            match step {
                Step::Index(index) => text.push_str(&format!("[{index}]")),
                Step::Field(name) => push_name(&mut text, name),
                Step::Unknown(name) => push_name(&mut text, name),
            }
        }
        let before = json.get(..offset).unwrap_or(json);
        let mut lines = before.split(|byte| *byte == b'\n');
        let last = lines.next_back().unwrap_or_default();
        let line = lines.count() + 1;
        // A character is a byte that does not continue another.
        let column = last.iter().filter(|byte| **byte & 0xc0 != 0x80).count() + 1;
        JsonError { path: text, reason, offset, line, column }
    }
}

fn push_name(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}
