//! Which telemetry a rule is about: the Collector's match block (`include` and `exclude`), and its patterns.
//!
//! - [`Properties`] is the block as it is written, [`Selection`] an `include` and an `exclude` made ready. A selection is
//!   asked on the way down a request: what a resource or a scope rules out is not looked into.
//! - [`Pattern`] is a regular expression with the meaning that Go's `regexp` gives it.
//! - [`Literal`] is a value of any type from a configuration, encoded as attributes are.

mod literal;
mod matcher;
mod pattern;
mod properties;
mod re2;
mod selection;
mod strings;

pub use literal::{Literal, same};
pub use matcher::Matcher;
pub use pattern::{Pattern, PatternError};
pub use properties::{
    AttributeMatch, LibraryMatch, MatchType, Misfit, Properties, RegexpSettings, SeverityMatch,
};
pub use selection::Selection;
