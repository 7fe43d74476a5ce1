//! Who holds how much memory: an allocator that takes a sample of what passes through it.
//!
//! [`Sampling`] wraps the process's allocator. While sampling is on ([`start`]), about one allocation in every so many
//! bytes is recorded with the stack that asked for it, until it is freed. On or off, an allocation costs a subtraction,
//! which also counts all bytes that were ever allocated ([`allocated`]).
//! The samples are weighted so that their sums estimate the whole, as Go's runtime does (`runtime/mprof.go`,
//! `scaleHeapSample` of `runtime/pprof`).

mod allocator;
mod sampler;
mod table;

pub use crate::allocator::Sampling;
pub use crate::sampler::{allocated, is_installed, start, stop};
pub use crate::table::{Amount, MAX_SAMPLES, MAX_STACKS, Stack, snapshot};
