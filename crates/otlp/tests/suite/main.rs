//! Holds the wire code against prost, which decodes the same bytes.

#![allow(clippy::unwrap_used, reason = "this is a test")]

mod attributes;
mod checks;
mod edits;
mod fuzz_body;
mod fuzzed;
mod generate;
mod items;
mod prost_of;
mod schema;
mod splits;
mod views;
