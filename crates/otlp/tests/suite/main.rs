//! Holds the wire code against prost, which decodes the same bytes.

#![allow(clippy::unwrap_used, reason = "this is a test")]

mod checks;
mod generate;
mod prost_of;
mod schema;
mod views;
