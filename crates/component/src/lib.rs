//! The boundary between the engine and the components: the only crate that both know.
//!
//! A component is a [`Spec`] (what it is called, what it carries, how its configuration is read) and, built from
//! a configuration, a [`Stage`]: a [`Receiver`], a [`Processor`] (connectors are processors whose edges cross
//! pipelines), an [`ExporterUnit`] or an [`Extension`]. The engine alone connects, drives and awaits them.

mod build;
mod capabilities;
mod channel;
mod exporter;
mod gate;
mod listeners;
mod node;
mod out;
mod outlet;
mod process;
mod processor;
mod run;
mod spec;
pub mod storage;
mod workers;

pub use build::{BuildCx, BuildError, Environment, Feature, Machine};
pub use capabilities::{Capabilities, CapabilityError};
pub use channel::{Capacity, Closed, Entry, Inbox, Inlet, Level, Overflow, SHUTDOWN, Sizer, channel};
pub use exporter::{
    Accepted, ExportFuture, Exporter, ExporterStage, ExporterUnit, Progress, Rejected, Settled,
};
pub use gate::{Gate, Guard, Way};
pub use listeners::Listeners;
pub use node::{Kind, NodeId};
pub use out::Out;
pub use outlet::{Edge, Outlet, Outlets};
pub use process::{Graph, NodeView, Note, Notes, Phase, PipelineView, Process, SettingsView};
pub use processor::Processor;
pub use run::{BoxError, Ended, Extension, Facilities, Receiver, RunCx};
pub use spec::{Carries, Component, Plan, Secrets, Spec, Specs, Stability, Stage};
pub use workers::{Fatal, Workers};
