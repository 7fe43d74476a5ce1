//! Configuration with positions.
//!
//! YAML becomes a tree in which every value knows where it was written ([`Node`]); typed settings are read from it by
//! description ([`Section`]), and whatever is wrong is reported at once, with place and remedy ([`Diagnostics`]).
//! The configuration language is that of the OpenTelemetry Collector.

mod choice;
mod collections;
mod connectors;
mod diagnostics;
pub mod document;
pub mod duration;
mod expand;
mod fields;
mod graph;
mod id;
mod load;
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
pub mod yaml;

pub use choice::{Choice, choice_name, choice_schema, read_choice};
pub use collections::{Headers, Optional};
pub use diagnostics::{Diagnostic, Diagnostics, Severity};
pub use fields::{FieldOf, Fields};
pub use id::{ComponentId, IdError, PipelineId};
pub use load::{Env, Location, LocationError, SystemEnv, Tree, load};
pub use reader::Reader;
pub use section::{Checks, Section, read, read_text, reference, render, schema};
pub use serde_json::Value as Json;
pub use setting::{REDACTED, Row, Secret, Setting};
pub use source::{Position, Source, SourceId, Sources, Span};
pub use tree::{Key, Node, Origin, Value};
