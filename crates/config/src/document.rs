//! The whole configuration: which components there are and how pipelines connect them.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use data::Signal;

use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::fields::Fields;
use crate::graph;
use crate::id::{ComponentId, PipelineId};
use crate::load::Tree;
use crate::reader::Reader;
use crate::section::Section;
use crate::setting::Setting;
use crate::source::Span;
use crate::structure::Top;
use crate::telemetry::Telemetry;
use crate::tree::{Node, Value};

/// Most pipelines in one configuration.
pub const MAX_PIPELINES: usize = 1_000;

/// What a component does in the graph; each has its own section of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Takes data in.
    Receiver,
    /// Changes it on the way.
    Processor,
    /// Gives it out.
    Exporter,
    /// Ends one pipeline and begins another.
    Connector,
    /// Serves the others.
    Extension,
}

impl Kind {
    /// Every kind, in the order of documentation.
    pub const ALL: [Self; 5] =
        [Self::Receiver, Self::Processor, Self::Exporter, Self::Connector, Self::Extension];

    /// `receiver` and so on.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Receiver => "receiver",
            Self::Processor => "processor",
            Self::Exporter => "exporter",
            Self::Connector => "connector",
            Self::Extension => "extension",
        }
    }

    /// The key of the section: `receivers` and so on.
    pub const fn section(self) -> &'static str {
        match self {
            Self::Receiver => "receivers",
            Self::Processor => "processors",
            Self::Exporter => "exporters",
            Self::Connector => "connectors",
            Self::Extension => "extensions",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the place of a component in a pipeline means for the others; for advice only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// Nothing.
    #[default]
    Plain,
    /// Refuses data when memory is short: best before anything that costs memory.
    Guards,
    /// Joins what arrives: best behind whatever drops.
    Joins,
    /// Keeps a part of what arrives.
    Samples,
}

/// The component types that exist. This crate knows none.
pub trait Catalog {
    /// The current name of a type; another than was asked for means that an alias was used.
    fn current_name(&self, kind: Kind, component_type: &str) -> Option<&'static str>;

    /// The current names of all types, to list and to suggest.
    fn type_names(&self, kind: Kind) -> Vec<&'static str>;

    /// Whether a type takes `input` and gives `output`. Both are the same for all but connectors.
    fn carries(&self, kind: Kind, component_type: &str, input: Signal, output: Signal) -> bool;

    /// What the place of a processor means.
    fn role(&self, _component_type: &str) -> Role {
        Role::Plain
    }
}

/// A configuration whose structure is known; the bodies of components are still to be read.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// The section `receivers`.
    pub receivers: Vec<Declared>,
    /// The section `processors`.
    pub processors: Vec<Declared>,
    /// The section `exporters`.
    pub exporters: Vec<Declared>,
    /// The section `connectors`.
    pub connectors: Vec<Declared>,
    /// The section `extensions`.
    pub extensions: Vec<Declared>,
    /// The section `service`.
    pub service: Service,
}

/// A component and its body.
#[derive(Debug, Clone)]
pub struct Declared {
    /// Its name.
    pub id: ComponentId,
    /// Its body; null if there is none.
    pub node: Node,
    /// Where its name stands.
    pub key_span: Span,
}

/// The section `service`.
#[derive(Debug, Clone)]
pub struct Service {
    /// Extensions to start, in this order.
    pub extensions: Vec<Reference>,
    /// The pipelines, in the order of the file.
    pub pipelines: Vec<Pipeline>,
    /// What the process tells about itself.
    pub telemetry: Telemetry,
    /// Longest drain after the signal to stop; what is still held then is lost and counted.
    pub drain_timeout: Duration,
    /// Threads of the data plane; 0 lets the process choose.
    pub workers: usize,
    /// Bounds of the whole process.
    pub limits: Limits,
    /// Where the process can be told to reload.
    pub admin: Admin,
}

/// Where the process can be told what to do, over HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admin {
    /// Address to listen on, `host:port`; nowhere if it is empty.
    pub endpoint: String,
}

/// Bounds of the whole process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Resident memory that the process stays under, in MiB; 0 means half of what it may use.
    pub max_memory_mib: u64,
    /// Most telemetry and connections' buffers held at once, in MiB; 0 means what `max_memory_mib` leaves.
    pub max_held_mib: u64,
    /// With more than this waiting in sending queues, in MiB, clients are answered later.
    pub ease_above_mib: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_memory_mib: 0, max_held_mib: 0, ease_above_mib: 4 }
    }
}

/// One pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// Its name.
    pub id: PipelineId,
    /// Where its name stands.
    pub key_span: Span,
    /// Receivers and connectors that feed it.
    pub receivers: Vec<Reference>,
    /// Processors in order.
    pub processors: Vec<Reference>,
    /// Exporters and connectors that it feeds.
    pub exporters: Vec<Reference>,
    /// Those of `exporters` whose refusal does not count.
    pub best_effort: Vec<Reference>,
}

/// A component named in a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reference {
    /// Which.
    pub id: ComponentId,
    /// Where.
    pub span: Span,
}

impl Document {
    /// The section of a kind.
    pub fn declared(&self, kind: Kind) -> &[Declared] {
        match kind {
            Kind::Receiver => &self.receivers,
            Kind::Processor => &self.processors,
            Kind::Exporter => &self.exporters,
            Kind::Connector => &self.connectors,
            Kind::Extension => &self.extensions,
        }
    }
}

/// Reads the structure of a configuration and checks it as a whole. Begin with [`Tree::diagnostics`].
///
/// The document is returned in spite of errors unless the tree is not a map, so that the caller can read the bodies
/// of components too and report everything at once. Nothing may be built from it if `diagnostics` has errors.
pub fn read(tree: &Tree, catalog: &dyn Catalog, diagnostics: &mut Diagnostics) -> Option<Document> {
    let root = &tree.root;
    match &root.value {
        Value::Map(entries) if !entries.is_empty() => {}
        Value::Map(_) | Value::Null => {
            let help = "a configuration has receivers, exporters and service::pipelines";
            diagnostics.push(Diagnostic::error(root.span, "", "empty configuration").help(help));
            return None;
        }
        _ => {
            let message = format!("expected a map of sections, found {root}");
            diagnostics.push(Diagnostic::error(root.span, "", message));
            return None;
        }
    }
    let mut top = Top::default();
    top.read(root, &mut Reader::new(diagnostics, "", root.place()));
    let mut document = top.into_document();
    graph::check(&document, root, catalog, diagnostics);
    let service = &mut document.service;
    once_each(&mut service.extensions);
    for pipeline in &mut service.pipelines {
        once_each(&mut pipeline.receivers);
        once_each(&mut pipeline.exporters);
        once_each(&mut pipeline.best_effort);
    }
    Some(document)
}

/// The JSON schema of a configuration, in which bodies of components are free.
pub fn schema() -> serde_json::Value {
    Setting::schema(&Top::default())
}

/// What a list names twice is used once; there was a warning.
fn once_each(list: &mut Vec<Reference>) {
    let mut seen = BTreeSet::new();
    list.retain(|reference| seen.insert(reference.id.clone()));
}

impl Default for Service {
    fn default() -> Self {
        Self {
            extensions: Vec::new(),
            pipelines: Vec::new(),
            telemetry: Telemetry::default(),
            drain_timeout: Duration::from_secs(25),
            workers: 0,
            limits: Limits::default(),
            admin: Admin::default(),
        }
    }
}

impl Section for Service {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("extensions", "Extensions to start, in this order.", |c| &mut c.extensions);
        fields.field("pipelines", "Paths from receivers to exporters, by name.", |c| &mut c.pipelines);
        fields.field("telemetry", "What the process tells about itself.", |c| &mut c.telemetry);
        let doc = "Longest drain after the signal to stop; what is still held then is lost and counted.";
        fields.field("drain_timeout", doc, |c| &mut c.drain_timeout);
        let doc = "Threads that carry telemetry; 0 lets the process choose.";
        fields.field("workers", doc, |c| &mut c.workers).range(0..=1024);
        fields.field("limits", "Bounds of the whole process.", |c| &mut c.limits);
        fields.field("admin", "Where the process can be told what to do.", |c| &mut c.admin);
    }
}

impl Section for Admin {
    fn describe(fields: &mut Fields<Self>) {
        let doc = "Address to listen on, `host:port`, for `POST /-/reload`, which does what SIGHUP does and answers \
            what became of it. Nobody is asked who he is: keep it on localhost. Nowhere if it is empty.";
        fields.field("endpoint", doc, |c| &mut c.endpoint).check(|endpoint| {
            let port = endpoint.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
            match port {
                Some(Ok(_)) => Ok(()),
                _ if endpoint.is_empty() => Ok(()),
                Some(Err(_)) => Err(format!("the port of `{}` is none", endpoint.escape_debug())),
                None => Err("expected an address such as `localhost:8889`".to_owned()),
            }
        });
    }
}

impl Section for Limits {
    fn describe(fields: &mut Fields<Self>) {
        let doc = "Resident memory that the process stays under, in MiB; 0 is half of what it may use. Beyond it \
            clients are told to come back.";
        fields.field("max_memory_mib", doc, |c| &mut c.max_memory_mib).at_most(1 << 24);
        let doc = "Most telemetry and connections' buffers held at once, in MiB; 0 is four fifths of max_memory_mib \
            less 40 MiB.";
        fields.field("max_held_mib", doc, |c| &mut c.max_held_mib).at_most(1 << 24);
        let doc = "With more than this waiting in sending queues, in MiB, clients are answered later, by up to 500 ms, \
            so that they send no faster than data leaves.";
        fields.field("ease_above_mib", doc, |c| &mut c.ease_above_mib).at_most(1 << 24);
    }
}
