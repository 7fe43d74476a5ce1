//! Sets of texts to match against.

use crate::pattern::{Pattern, PatternError};

/// Texts or patterns, any of which may match.
#[derive(Clone, Debug)]
pub(crate) enum Strings {
    /// Sorted.
    Strict(Vec<Box<[u8]>>),
    Regexp(Vec<Pattern>),
}

impl Strings {
    pub(crate) fn strict<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut texts: Vec<Box<[u8]>> = texts.into_iter().map(|text| text.as_bytes().into()).collect();
        texts.sort_unstable();
        texts.dedup();
        Self::Strict(texts)
    }

    pub(crate) fn regexp<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, PatternError> {
        texts.into_iter().map(Pattern::new).collect::<Result<_, _>>().map(Self::Regexp)
    }

    #[inline]
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Strict(texts) => texts.binary_search_by(|known| (**known).cmp(text)).is_ok(),
            Self::Regexp(patterns) => patterns.iter().any(|pattern| pattern.is_match(text)),
        }
    }
}
