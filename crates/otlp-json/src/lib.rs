//! OTLP/JSON, straight to and from protobuf wire bytes.
//!
//! [`write()`] turns the wire bytes of an OTLP message into JSON text, [`read`] turns JSON text into wire bytes.
//! Neither builds structs in between: both walk their input once per nesting level, guided by the tables of
//! [`otlp::schema`].
//!
//! The text is byte for byte what the OpenTelemetry Collector writes (`pdata`'s JSON marshaller): lowerCamel
//! names, fields in the order of the `.proto` files, 64-bit integers as strings, enums as numbers, ids in
//! hexadecimal, zero values left out, embedded messages that are not optional (`resource`, `scope`, `status`,
//! an attribute's `value`, a log record's `body`, …) always written, if need be as `{}`.
//!
//! What may be read is wider: see [`read`].

mod builder;
mod cursor;
mod error;
mod fuzz;
mod number;
mod plain;
mod plan;
mod quick;
mod read;
mod response;
mod scan;
mod text;
mod walk;
mod write;

pub use error::{JsonError, Reason};
#[doc(hidden)]
pub use fuzz::fuzz_json;
/// The bounds of [`read`] are those of the wire's check.
pub use otlp::Limits;
pub use plain::plain;
pub use read::read;
pub use response::read_response;
#[doc(hidden)]
pub use write::write_by_table;
pub use write::{write, write_parts};
