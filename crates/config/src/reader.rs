//! Where typed reading is and where its findings go.

use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::note::{Note, Subject};
use crate::source::Span;
use crate::tree::{Node, Origin, Value};

/// Where reading is, and where findings go.
pub struct Reader<'d> {
    diagnostics: &'d mut Diagnostics,
    path: String,
    place: Span,
}

impl<'d> Reader<'d> {
    pub(crate) fn new(diagnostics: &'d mut Diagnostics, path: &str, place: Span) -> Self {
        Self { diagnostics, path: path.to_owned(), place }
    }

    /// The keys that lead here, joined by `::`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The key under which the present value was given.
    pub fn place(&self) -> Span {
        self.place
    }

    /// Reports an error here.
    pub fn error(&mut self, span: Span, message: impl Into<String>) {
        self.push(Diagnostic::error(span, self.path.as_str(), message));
    }

    /// Reports a warning here.
    pub fn warning(&mut self, span: Span, message: impl Into<String>) {
        self.push(Diagnostic::warning(span, self.path.as_str(), message));
    }

    /// Reports a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Reports that something else was found than expected.
    pub fn expected(&mut self, node: &Node, what: &str) {
        let finding =
            Diagnostic::error(node.span, self.path.as_str(), format!("expected {what}, found {node}"));
        self.push_about(node, finding);
    }

    /// The same for what would have been right without quotes.
    pub(crate) fn expected_bare(&mut self, node: &Node, what: &str, is_right: fn(&Value) -> bool) {
        if !node.without_quotes().is_some_and(|value| is_right(&value)) {
            return self.expected(node, what);
        }
        let text = node.text.as_deref().unwrap_or_default();
        let finding =
            Diagnostic::error(node.span, self.path.as_str(), format!("expected {what}, found {node}"));
        self.push(finding.help(format!("take the quotes away: {text}")));
    }

    /// Reports a finding about a value, with what may be the reason of it.
    pub(crate) fn push_about(&mut self, node: &Node, finding: Diagnostic) {
        let reason = if finding.help.is_none() { node.remark() } else { None };
        self.push(match reason {
            Some(reason) => finding.help(reason),
            None => finding,
        });
    }

    /// Reports that a null sets the zero value, as in the Collector, and not the default.
    pub fn null_is_zero(&mut self, node: &Node, zero: &str) {
        let message = format!("no value: this sets {zero}, not the default");
        let finding = Diagnostic::warning(node.span, self.path.as_str(), message);
        self.push(finding.help("remove the key to get the default"));
    }

    /// Keeps what only the whole configuration can judge.
    pub(crate) fn note(&mut self, subject: Subject, span: Span, path: String) {
        self.diagnostics.note(Note { subject, span, path });
    }

    /// Reports what a check of values that could be read has found.
    pub(crate) fn push_of_check(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push_of_check(diagnostic);
    }

    /// Keeps a value out of the lines that findings quote.
    pub(crate) fn hide(&mut self, node: &Node) {
        if matches!(node.origin, Origin::Plain | Origin::Quoted | Origin::Composed) {
            self.diagnostics.hide(node.span);
        }
    }

    /// How many values could not be read so far, to compare later.
    pub(crate) fn reading_errors(&self) -> usize {
        self.diagnostics.reading_errors()
    }

    /// How many errors there are so far, to compare later.
    pub fn error_count(&self) -> usize {
        self.diagnostics.error_count()
    }

    /// Reads what is below a key.
    pub fn under<T>(&mut self, key: &str, place: Span, read: impl FnOnce(&mut Reader<'_>) -> T) -> T {
        let separator = if self.path.is_empty() { "" } else { "::" };
        self.at(format!("{}{separator}{key}", self.path), place, read)
    }

    /// Reads an item of a list.
    pub fn item<T>(&mut self, index: usize, place: Span, read: impl FnOnce(&mut Reader<'_>) -> T) -> T {
        self.at(format!("{}[{index}]", self.path), place, read)
    }

    fn at<T>(&mut self, path: String, place: Span, read: impl FnOnce(&mut Reader<'_>) -> T) -> T {
        read(&mut Reader { diagnostics: self.diagnostics, path, place })
    }
}
