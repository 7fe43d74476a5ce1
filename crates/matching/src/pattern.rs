//! Regular expressions as the Collector reads them: RE2, of Go's flavour.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

use crate::re2::translate;

/// A compiled pattern. Unanchored, case-sensitive unless it says `(?i)`; `\d`, `\w`, `\s` and `\b` are ASCII's.
///
/// It takes time linear in the text, whatever the pattern.
#[derive(Clone)]
pub struct Pattern {
    regex: Regex,
    source: Box<str>,
    /// Names of the groups, in the order of their opening brackets.
    groups: Vec<Option<Box<str>>>,
}

/// Why a text is no pattern. Lower case, no full stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(pub(crate) String);

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What Go's `regexp` refuses, and what would take more than 10 MB compiled.
    pub fn new(source: &str) -> Result<Self, PatternError> {
        let translated = translate(source)?;
        // The names are kept here, since Go allows other ones.
        let regex = RegexBuilder::new(&translated.pattern).build().map_err(|error| {
            let text = error.to_string();
            let last = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
            PatternError(last.unwrap_or(&text).to_owned())
        })?;
        Ok(Self { regex, source: source.into(), groups: translated.groups })
    }

    /// Whether it occurs in the text.
    #[must_use]
    #[inline]
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }

    /// The names of its groups, in the order of their opening brackets.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = Option<&str>> {
        self.groups.iter().map(Option::as_deref)
    }

    /// What its groups hold where it first occurs in the text: nothing for one that took no part. `None` if it does not
    /// occur.
    #[must_use]
    pub fn captures<'t>(&self, text: &'t [u8]) -> Option<Vec<&'t [u8]>> {
        let captures = self.regex.captures(text)?;
        Some(captures.iter().skip(1).map(|group| group.map_or(&[][..], |group| group.as_bytes())).collect())
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}
