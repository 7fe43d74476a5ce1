//! Re-encoding what two readers could understand differently.
//!
//! Protobuf allows a singular field to come more than once. For a scalar the last one counts, for a message the
//! occurrences are merged, field by field, as if their bytes stood one after the other; of a oneof the last member
//! counts, merged only with directly preceding occurrences of itself. A reader that stops at the first occurrence
//! sees something else. After rewriting each such field is there once and says what a conforming reader saw;
//! text is UTF-8; unknown fields and the order of repeated ones are as before. A message that needs none of it is
//! copied as it came.

use std::borrow::Cow;

use super::{Malformed, Policy, check, fast};
use crate::Signal;
use crate::schema::{Field as Known, Kind, Label, Message};
use crate::wire::{Field, Fields, write_len_field, write_nested};

/// So many levels, from `resource_spans` down, are looked at before they are rewritten: a data point's attributes are
/// the sixth. Values below may nest as deep as a sender likes, and a look at each level of them would cost too much.
const LEVELS_LOOKED_AT: usize = 6;

/// A request rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normalised {
    /// The bytes, for which [`check`] says that they are clean.
    pub bytes: Vec<u8>,
    /// How many strings were not UTF-8.
    pub replaced: usize,
}

/// Rewrites a request so that no two readers can see different values in it. This is the slow path.
///
/// # Errors
///
/// When the request would be refused anyway; see [`check`].
pub fn normalise(signal: Signal, bytes: &[u8], policy: &Policy) -> Result<Normalised, Malformed> {
    check(signal, bytes, policy)?;
    Ok(rewrite(signal, bytes))
}

/// As [`normalise`], for checked bytes. Recursion is bounded by the depth that the check allowed.
pub(super) fn rewrite(signal: Signal, bytes: &[u8]) -> Normalised {
    let mut rewriter = Rewriter { replaced: 0, level: 0 };
    let mut out = Vec::with_capacity(bytes.len());
    rewriter.message(&mut out, signal.schema(), &[bytes]);
    Normalised { bytes: out, replaced: rewriter.replaced }
}

struct Rewriter {
    replaced: usize,
    /// Messages around the one that is being written.
    level: usize,
}

/// The occurrences of a field that count: a run of fields, of which the last is where it is written.
#[derive(Clone, Copy)]
struct Run {
    number: u32,
    first: usize,
    last: usize,
}

impl Rewriter {
    /// Writes the message whose occurrences have these payloads.
    fn message(&mut self, out: &mut Vec<u8>, message: &'static Message, payloads: &[&[u8]]) {
        let fields = || payloads.iter().flat_map(|payload| Fields::new(payload)).enumerate();
        let runs = runs(message, fields());
        for (index, field) in fields() {
            let Some(known) = message.field(field.number) else {
                out.extend_from_slice(field.raw);
                continue;
            };
            if matches!(known.label, Label::Repeated | Label::Packed) {
                self.field(out, known, &field, &[field.bytes().unwrap_or_default()]);
                continue;
            }
            let Some(run) = runs.iter().find(|run| run.number == field.number && run.last == index) else {
                continue;
            };
            if run.first == run.last || !matches!(known.kind, Kind::Message(_)) {
                self.field(out, known, &field, &[field.bytes().unwrap_or_default()]);
                continue;
            }
            let merged: Vec<&[u8]> = fields()
                .filter(|(index, field)| (run.first..=run.last).contains(index) && field.number == run.number)
                .filter_map(|(_, field)| field.bytes())
                .collect();
            self.field(out, known, &field, &merged);
        }
    }

    fn field(&mut self, out: &mut Vec<u8>, known: &'static Known, field: &Field<'_>, payloads: &[&[u8]]) {
        match known.kind {
            Kind::Message(message) if self.can_stay(message, payloads) => out.extend_from_slice(field.raw),
            Kind::Message(message) => {
                self.level += 1;
                write_nested(out, known.number, |out| self.message(out, message, payloads));
                self.level -= 1;
            }
            Kind::String => {
                let text = String::from_utf8_lossy(field.bytes().unwrap_or_default());
                self.replaced += usize::from(matches!(text, Cow::Owned(_)));
                write_len_field(out, known.number, text.as_bytes());
            }
            _ => out.extend_from_slice(field.raw),
        }
    }

    fn can_stay(&self, message: &'static Message, payloads: &[&[u8]]) -> bool {
        match payloads {
            [only] => self.level < LEVELS_LOOKED_AT && fast::is_clean(message, only),
            _ => false,
        }
    }
}

/// For each field that may occur once, and for the oneof: which occurrences count.
fn runs<'a>(message: &'static Message, fields: impl Iterator<Item = (usize, Field<'a>)>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut oneof: Option<Run> = None;
    for (index, field) in fields {
        let Some(known) = message.field(field.number) else { continue };
        let number = field.number;
        match known.label {
            Label::Repeated | Label::Packed => {}
            Label::Oneof => {
                let first = oneof.filter(|run| run.number == number).map_or(index, |run| run.first);
                oneof = Some(Run { number, first, last: index });
            }
            Label::Singular | Label::Optional => match runs.iter_mut().find(|run| run.number == number) {
                Some(run) => run.last = index,
                None => runs.push(Run { number, first: index, last: index }),
            },
        }
    }
    runs.extend(oneof);
    runs
}
