//! The graph that runs components. It names none of them.
//!
//! A [`Blueprint`] is read from a configuration with a list of component types; an [`Engine`] builds it, starts
//! it (exporters first, receivers last), exchanges it for another one and drains it. [`Books`] hold the account
//! of every node.

mod blueprint;
mod books;
mod draft;
mod engine;
mod needs;
mod running;
mod services;
mod stage;
mod threads;
mod view;
mod wiring;

pub use blueprint::{Blueprint, Exit, Part, Pipeline, Settings};
pub use books::Books;
pub use draft::{Draft, Drafted};
pub use engine::{Engine, EngineError, check};
pub use running::{Left, Report};
pub use services::Services;
pub use threads::Threads;
