//! Configuration with positions.
//!
//! YAML becomes a tree in which every value knows where it was written ([`Node`]); typed settings are read from it by
//! description ([`Section`]), and whatever is wrong is reported at once, with place and remedy ([`Diagnostics`]).
//! The configuration language is that of the OpenTelemetry Collector.
//!
//! ```
//! use std::time::Duration;
//!
//! use collimator_config::{Fields, Section, read_text};
//!
//! #[derive(Clone)]
//! struct Config {
//!     timeout: Duration,
//! }
//!
//! impl Default for Config {
//!     fn default() -> Self {
//!         Self { timeout: Duration::from_millis(200) }
//!     }
//! }
//!
//! impl Section for Config {
//!     fn describe(fields: &mut Fields<Self>) {
//!         let doc = "Longest wait before a batch is sent, full or not.";
//!         fields.field("timeout", doc, |c| &mut c.timeout).at_most(Duration::from_secs(60));
//!     }
//! }
//!
//! assert_eq!(read_text::<Config>("timeout: 5s")?.timeout, Duration::from_secs(5));
//! assert_eq!(read_text::<Config>("")?.timeout, Duration::from_millis(200));
//!
//! let findings = read_text::<Config>("timout: 5s").err().map(|findings| findings.to_string());
//! assert_eq!(findings.as_deref(), Some("\
//! error: unknown key `timout`
//!  --> text:1:1
//!   |
//! 1 | timout: 5s
//!   | ^^^^^^
//!   = help: did you mean `timeout`?
//! "));
//! # Ok::<(), collimator_config::Diagnostics>(())
//! ```

mod choice;
mod collections;
mod collector_types;
mod connectors;
mod diagnostics;
pub mod document;
pub mod duration;
mod expand;
mod fields;
mod graph;
mod id;
mod load;
mod note;
mod reader;
mod scalar;
mod section;
mod setting;
mod snippet;
mod source;
mod structure;
mod suggest;
pub mod telemetry;
mod tree;
mod url;
pub mod yaml;

pub use choice::{Choice, choice_name, choice_schema, read_choice};
pub use collections::{Headers, Optional};
pub use diagnostics::{Diagnostic, Diagnostics, Severity};
pub use fields::{FieldOf, Fields};
pub use id::{ComponentId, IdError, PipelineId};
pub use load::{Env, Lists, Location, LocationError, SystemEnv, Tree, load, load_with};
pub use note::{Listener, Note, Subject};
pub use reader::Reader;
pub use section::{Checks, Section, expose, read, read_text, reference, render, schema};
pub use serde_json::Value as Json;
pub use setting::{REDACTED, Row, Secret, Setting};
pub use source::{Position, Source, SourceId, Sources, Span};
pub use tree::{Key, Node, Origin, Value};
