//! Enums whose values are words.

use serde_json::{Value as Json, json};

use crate::diagnostics::Diagnostic;
use crate::reader::Reader;
use crate::suggest;
use crate::tree::Node;

/// An enum whose values are words. [`setting_by_choice!`](crate::setting_by_choice) makes it a [`Setting`](crate::Setting).
pub trait Choice: Copy + PartialEq + Default + 'static {
    /// What users write for each value; the first spelling of a value is what gets printed. The empty text is
    /// what a key without a value means.
    const SPELLINGS: &'static [(&'static str, Self)];
    /// Whether capital letters don't matter.
    const IGNORE_CASE: bool = false;
    /// Whether a key without a value keeps what is there, as for those that are structs in the Collector.
    const NULL_KEEPS: bool = false;

    /// The spelling of this value.
    fn spelling(self) -> &'static str {
        Self::SPELLINGS.iter().find(|(_, value)| *value == self).map_or("", |(spelling, _)| spelling)
    }
}

/// Reads an enum by its spellings. What [`setting_by_choice!`](crate::setting_by_choice) calls.
pub fn read_choice<C: Choice>(place: &mut C, node: &Node, reader: &mut Reader<'_>) {
    if C::NULL_KEEPS && node.is_null() {
        return;
    }
    let text = if node.is_null() { Some("") } else { node.as_text() };
    let same = |spelling: &str, text: &str| match C::IGNORE_CASE {
        true => spelling.eq_ignore_ascii_case(text),
        false => spelling == text,
    };
    let chosen = text.and_then(|text| C::SPELLINGS.iter().find(|(spelling, _)| same(spelling, text)));
    if let Some((_, value)) = chosen {
        *place = *value;
        return;
    }
    let words = || C::SPELLINGS.iter().map(|(spelling, _)| *spelling).filter(|spelling| !spelling.is_empty());
    let message = format!("expected one of {}, found {node}", suggest::list(words()));
    let finding = Diagnostic::error(node.span, reader.path(), message);
    match text.and_then(|text| suggest::nearest(text, words())) {
        Some(near) if !text.is_some_and(|text| text.ends_with('\n')) => {
            reader.push(finding.help(format!("did you mean `{near}`?")));
        }
        _ => reader.push_about(node, finding),
    }
}

/// The JSON schema of an enum.
pub fn choice_schema<C: Choice>() -> Json {
    let mut words: Vec<String> = C::SPELLINGS.iter().map(|(spelling, _)| (*spelling).to_owned()).collect();
    if C::IGNORE_CASE {
        // A schema can't say so; these are the ways in which it is done.
        let capitalised = |word: &String| {
            word.get(..1).unwrap_or_default().to_uppercase() + word.get(1..).unwrap_or_default()
        };
        let others: Vec<String> =
            words.iter().flat_map(|word| [word.to_uppercase(), capitalised(word)]).collect();
        words.extend(others.into_iter().filter(|word| !word.is_empty()));
    }
    json!({ "enum": words })
}

/// The words of an enum, for documentation.
pub fn choice_name<C: Choice>() -> String {
    let words = C::SPELLINGS.iter().map(|(spelling, _)| *spelling).filter(|spelling| !spelling.is_empty());
    format!("one of {}", suggest::list(words))
}

/// Makes an enum that implements [`Choice`] a [`Setting`](crate::Setting). (Two blanket implementations, this one and that for
/// sections, would overlap.)
#[macro_export]
macro_rules! setting_by_choice {
    ($type:ty) => {
        impl $crate::Setting for $type {
            fn type_name() -> String {
                $crate::choice_name::<Self>()
            }

            fn schema(&self) -> $crate::Json {
                $crate::choice_schema::<Self>()
            }

            fn read(&mut self, node: &$crate::Node, reader: &mut $crate::Reader<'_>) {
                $crate::read_choice(self, node, reader);
            }

            fn render(&self) -> $crate::Json {
                $crate::Json::from($crate::Choice::spelling(*self))
            }
        }
    };
}
