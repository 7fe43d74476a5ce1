//! What the Collector's processors `attributes` and `resource` do to attributes: a list of actions, applied in order.
//!
//! [`Action`] is one action as it is written, [`Actions`] a list made ready. Each holder of attributes is scanned once;
//! the actions are then played through on the few attributes that they name, and only what is different in the end is
//! written. So an action costs little where it finds nothing, and an attribute that no action names costs a comparison
//! of lengths.

mod action;
mod actions;
mod context;
mod keys;
mod program;
mod slots;
mod values;

pub use action::Action;
pub use actions::Actions;
pub use matching::Literal;
