//! OTLP on the wire: a request is checked once and from then on read, changed, cut and joined as bytes.
//!
//! Decoding a span into structs takes about twenty times as long as walking over it, and most spans pass through
//! a pipeline without anything being changed. So a batch is its encoded bytes:
//!
//! - [`admit`] is the only way in. It refuses what is not a request, rewrites what two readers could understand
//!   differently, and counts the items, in one walk.
//! - [`view`] has a type for every message, made of nothing but a slice. Views never fail, because the bytes have
//!   been checked, and never panic, whether or not they have been.
//! - [`edit`](mod@edit) shows the messages of a batch to an editor and writes only those that it changes.
//! - [`attributes`] changes attributes and nothing else, faster.
//! - [`split_items`], [`chunk_items`] and [`split_bytes`] cut a batch; joining is putting parts one behind the
//!   other. [`batch`] does the same with ticket and memory account.
//! - [`schema`] is OTLP as data, for walks over all of it; [`wire`] is protobuf's encoding; [`response`] is what
//!   servers answer.
//!
//! Nothing here is `unsafe` and nothing recurses deeper than [`Limits::max_depth`] over checked bytes. Where
//! protobuf leaves a choice, prost is the oracle: tests compare every view, edit and cut with what it decodes.
//!
//! ```
//! use collimator_otlp::edit::{Editor, Fate, SpanEdit, edit};
//! use collimator_otlp::view::Traces;
//! use collimator_otlp::wire::{write_len_field, write_nested};
//! use collimator_otlp::{Policy, Signal, admit};
//!
//! struct Redact;
//!
//! impl Editor for Redact {
//!     fn span(&mut self, span: &mut SpanEdit<'_>) -> Fate {
//!         span.attributes().update("user.email", "****");
//!         if span.before().name() == "GET /health" { Fate::Drop } else { Fate::Keep }
//!     }
//! }
//!
//! let mut request = Vec::new();
//! write_nested(&mut request, 1, |resource_spans| {
//!     write_nested(resource_spans, 2, |scope_spans| {
//!         for name in ["GET /health", "GET /orders"] {
//!             write_nested(scope_spans, 2, |span| write_len_field(span, 5, name.as_bytes()));
//!         }
//!     });
//! });
//! let admitted = admit(Signal::Traces, request.into(), &Policy::default())?;
//! assert_eq!(admitted.items, 2);
//! let edited = edit(Signal::Traces, &admitted.bytes, &mut Redact);
//! assert_eq!(edited.dropped, 1);
//! let mut spans = Traces::new(&edited.bytes).spans_with_parents();
//! assert!(spans.next().is_some_and(|at| at.span.name() == "GET /orders"));
//! # Ok::<(), collimator_otlp::Malformed>(())
//! ```

pub mod attributes;
pub mod batch;
mod check;
pub mod edit;
pub mod response;
pub mod schema;
mod shape;
mod signal;
mod split;
mod text;
pub mod view;
pub mod wire;

pub use check::{
    Admitted, Checked, Fault, InvalidUtf8, Limits, Malformed, Normalised, Policy, admit, check, normalise,
};
#[doc(hidden)]
pub use check::{check_fast, check_plainly};
pub use shape::count;
pub use signal::Signal;
pub use split::{Piece, chunk_items, compact, split_bytes, split_items};
pub use text::Text;
