//! Where configuration text came from, and places in it.

use std::sync::Arc;

/// Names one text among the [`Sources`] of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SourceId(u32);

/// A place in a text; both numbers count from 1, columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The line. 0 stands for "no place".
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// A stretch of a source; the end is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The text.
    pub source: SourceId,
    /// The first character.
    pub start: Position,
    /// One past the last character.
    pub end: Position,
}

impl Span {
    /// Whether this names a place at all; what the program made up itself has none.
    pub fn is_known(&self) -> bool {
        self.start.line != 0
    }
}

/// One text of a configuration.
#[derive(Debug)]
pub struct Source {
    /// What to call it in messages: a path as the user wrote it, or `env:NAME`.
    pub name: String,
    /// The text.
    pub text: String,
}

/// All texts of a configuration, in the order they were read. Copies share the texts.
#[derive(Debug, Clone, Default)]
pub struct Sources(Vec<Arc<Source>>);

impl Sources {
    /// Adds a text and names it.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        let id = SourceId(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        self.0.push(Arc::new(Source { name: name.into(), text: text.into() }));
        id
    }

    /// The text of that name.
    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.0.get(id.0 as usize).map(AsRef::as_ref)
    }

    /// All texts in order.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter().map(AsRef::as_ref)
    }
}
