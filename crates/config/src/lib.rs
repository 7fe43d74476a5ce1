//! Configuration with positions.
//!
//! YAML becomes a tree in which every value knows where it was written ([`Node`]); typed settings are read from it by
//! description ([`Section`]), and whatever is wrong is reported at once, with place and remedy ([`Diagnostics`]).
//! The configuration language is that of the OpenTelemetry Collector.

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
mod scalar;
mod section;
mod setting;
mod snippet;
mod source;
mod suggest;
pub mod telemetry;
mod tree;
pub mod yaml;

pub use collections::{Headers, Optional};
pub use diagnostics::{Diagnostic, Diagnostics, Severity};
pub use fields::{FieldOf, Fields};
pub use id::{ComponentId, IdError, PipelineId};
pub use load::{Env, Location, LocationError, SystemEnv, Tree, load};
pub use section::{Checks, Section, read, reference, render, schema};
pub use serde_json::Value as Json;
pub use setting::{Choice, REDACTED, Reader, Row, Secret, Setting, choice_name, choice_schema, read_choice};
pub use source::{Position, Source, SourceId, Sources, Span};
pub use tree::{Key, Node, Origin, Value};
