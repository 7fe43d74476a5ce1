//! What flows through the graph, and what is known about it.
//!
//! A [`Batch`] is encoded bytes with a count, an arrival [`Time`], a [`Context`] and a [`Ticket`] that carries
//! the delivery verdict. A [`Budget`] accounts for the memory behind the bytes and an [`Account`] for the items
//! of one node. No I/O, no runtime, no knowledge of any component.

mod account;
mod batch;
mod budget;
mod calendar;
mod context;
mod part;
pub mod serial;
mod signal;
mod ticket;
mod time;
mod verdict;

pub use account::{Account, Statement};
pub use batch::Batch;
pub use budget::{Budget, BudgetExhausted, Reservation};
pub use calendar::Civil;
pub use context::Context;
pub use part::Part;
pub use signal::{Signal, Signals};
pub use ticket::{Pending, Ticket};
pub use time::{Clock, ManualClock, SystemClock, Time};
pub use verdict::{Code, Refusal, Refused, Verdict};
