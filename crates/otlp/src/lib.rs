//! OTLP on the wire.

pub mod batch;
mod check;
pub mod edit;
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
