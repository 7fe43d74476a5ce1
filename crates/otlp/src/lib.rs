//! OTLP on the wire.

mod check;
pub mod schema;
mod shape;
mod signal;
mod text;
pub mod wire;

pub use check::{
    Admitted, Checked, Fault, InvalidUtf8, Limits, Malformed, Normalised, Policy, admit, check, normalise,
};
#[doc(hidden)]
pub use check::check_plainly;
pub use shape::count;
pub use signal::Signal;
pub use text::Text;
