//! What is wrong with a configuration: every finding with its place, all of them at once.

use std::fmt;

use serde_json::json;

use crate::note::Note;
use crate::snippet;
use crate::source::{Position, Sources, Span};

/// At most this many findings of each severity are kept; a file that is wrong throughout needs no more.
const MAX_FINDINGS: usize = 500;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration can't be used.
    Error,
    /// It can, but likely not as meant.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub span: Span,
    /// The keys that lead there, joined by `::` as in the Collector's messages.
    pub path: String,
    /// What is wrong, lowercase, one line.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    /// Another place that matters, and why: "first defined here".
    pub related: Option<(Span, String)>,
    /// The line holds a secret: it is not quoted.
    pub is_secret: bool,
    /// Found only when the component is built, by the Collector.
    pub(crate) of_build: bool,
}

impl Diagnostic {
    /// A new error.
    pub fn error(span: Span, path: impl Into<String>, message: impl Into<String>) -> Self {
        let (path, message) = (path.into(), message.into());
        let (help, related, is_secret, of_build) = (None, None, false, false);
        Self { severity: Severity::Error, span, path, message, help, related, is_secret, of_build }
    }

    /// A new warning.
    pub fn warning(span: Span, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, path, message) }
    }

    /// Says what would be right.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Keeps the line out of what is shown: it holds a secret.
    pub fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// Points at another place that matters.
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related = Some((span, label.into()));
        self
    }
}

/// The findings of one configuration, with the texts to quote from.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    sources: Sources,
    found: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
    /// Of `errors`, those about values that could be read.
    of_checks: usize,
    notes: Vec<Note>,
    /// Values that are not quoted.
    hidden: Vec<Span>,
}

impl Diagnostics {
    /// No findings yet, in these texts.
    pub fn new(sources: Sources) -> Self {
        Self { sources, ..Self::default() }
    }

    /// Adds a finding. The same finding at the same place counts once; of more than 500 errors, or warnings, only
    /// the number is kept.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.found.contains(&diagnostic) {
            return;
        }
        let count = match diagnostic.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count = count.saturating_add(1);
        if *count <= MAX_FINDINGS {
            self.found.push(diagnostic);
        }
    }

    /// Adds what a check of values that could be read has found.
    pub(crate) fn push_of_check(&mut self, diagnostic: Diagnostic) {
        let before = self.errors;
        self.push(diagnostic);
        self.of_checks += self.errors - before;
    }

    /// How many findings are kept, to tell later ones apart.
    pub fn kept(&self) -> usize {
        self.found.len()
    }

    /// Makes warnings of errors that matter only when something is built, as it will not be. Findings before `since`,
    /// which [`Diagnostics::kept`] has told, stay as they are.
    pub fn forgive(&mut self, since: usize) {
        for found in self.found.iter_mut().skip(since).filter(|found| found.of_build) {
            if found.severity == Severity::Error {
                found.severity = Severity::Warning;
                self.errors = self.errors.saturating_sub(1);
                self.of_checks = self.of_checks.saturating_sub(1);
                self.warnings = self.warnings.saturating_add(1);
            }
        }
    }

    /// How many errors there are about values that could not be read.
    pub(crate) fn reading_errors(&self) -> usize {
        self.errors - self.of_checks
    }

    /// Keeps a value out of the lines that are quoted: it is a secret.
    pub(crate) fn hide(&mut self, span: Span) {
        self.hidden.push(span);
    }

    /// Keeps what only the whole configuration can judge.
    pub(crate) fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    /// What reading has noted since this was asked last, for whoever knows the whole.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// Whether any finding is an error.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// How many errors were found so far, those not kept included. Compare before and after a step to learn
    /// whether the step found any.
    pub fn error_count(&self) -> usize {
        self.errors
    }

    /// Whether there is no finding.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The findings by line; of those of one line errors first.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut sorted: Vec<&Diagnostic> = self.found.iter().collect();
        sorted.sort_by_key(|found| {
            let Position { line, column } = found.span.start;
            (found.span.source, line, found.severity, column)
        });
        sorted
    }

    /// Takes the findings out.
    pub(crate) fn into_found(self) -> Vec<Diagnostic> {
        self.found
    }

    /// The texts that positions refer to.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    pub(crate) fn sources_mut(&mut self) -> &mut Sources {
        &mut self.sources
    }

    /// The findings as JSON: a list of `{severity, file, line, column, path, message, help}`.
    pub fn to_json(&self) -> serde_json::Value {
        let one = |found: &&Diagnostic| {
            let place = found.span.is_known().then_some(found.span.start);
            json!({
                "severity": found.severity.as_str(),
                "file": place.and(self.sources.get(found.span.source)).map(|source| source.name.as_str()),
                "line": place.map(|place| place.line),
                "column": place.map(|place| place.column),
                "path": found.path,
                "message": found.message,
                "help": found.help,
            })
        };
        self.sorted().iter().map(one).collect()
    }
}

/// The findings as text for a terminal, each with the line it is about.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, found) in self.sorted().into_iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            snippet::write(f, found, &self.sources, &self.hidden)?;
        }
        match self.errors.saturating_add(self.warnings).saturating_sub(self.found.len()) {
            0 => Ok(()),
            more => writeln!(f, "\n… and {more} more"),
        }
    }
}

impl std::error::Error for Diagnostics {}
