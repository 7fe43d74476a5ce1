//! A configuration as far as it could be read, so that everything wrong with it can be said at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use component::{BuildCx, Kind, Spec, Specs};
use config::document::{self, Declared, Document, Reference};
use config::{ComponentId, Diagnostics, Note, Tree};
use data::{Signal, Signals};

use crate::blueprint::{Blueprint, Part};
use crate::needs;

/// Structure and components, in spite of errors.
pub struct Draft {
    /// The structure.
    pub document: Document,
    /// Every component whose settings could be read.
    pub parts: Vec<Drafted>,
    /// The others, as far as they matter to those.
    pub(crate) unread: Vec<Unread>,
    pub(crate) texts: Diagnostics,
}

/// A component of a draft.
pub struct Drafted {
    /// The component.
    pub part: Part,
    /// Its id, in two halves.
    pub id: ComponentId,
    /// What it binds and needs.
    pub notes: Vec<Note>,
    /// Whether a pipeline, or `service::extensions`, names it.
    pub used: bool,
}

/// A component whose settings could not all be read.
pub(crate) struct Unread {
    pub(crate) kind: Kind,
    pub(crate) id: ComponentId,
    pub(crate) notes: Vec<Note>,
    pub(crate) used: bool,
}

impl Draft {
    /// Reads the structure and the settings of every component, used or not. Everything that is wrong goes to
    /// `diagnostics`; nothing is returned if there is no structure at all.
    #[must_use]
    pub fn read(tree: &Tree, specs: Specs, diagnostics: &mut Diagnostics) -> Option<Self> {
        let document = document::read(tree, &specs, diagnostics)?;
        // The structure names components, too; those references were checked with it.
        drop(diagnostics.take_notes());
        let (parts, unread) = read_parts(&document, specs, diagnostics);
        let draft = Self { document, parts, unread, texts: tree.diagnostics() };
        needs::check(&draft, &tree.root, diagnostics);
        Some(draft)
    }

    /// Builds every component in use and throws it away: what can't be built is reported with the rest.
    pub fn try_build(&self, cx: &BuildCx, diagnostics: &mut Diagnostics) {
        for drafted in self.parts.iter().filter(|drafted| drafted.used) {
            let part = &drafted.part;
            let signals = self.carried(&drafted.id, part.spec.kind);
            for signal in self.signals(&drafted.id, part.spec) {
                let cx = BuildCx { id: Arc::clone(&part.id), signal, signals, ..cx.clone() };
                if let Err(error) = part.plan.build(&cx) {
                    diagnostics.push(part.finding(&error));
                }
            }
        }
    }

    /// The blueprint, unless there was any error. `memory` is what the process may use, in bytes.
    #[must_use]
    pub fn finish(self, memory: u64, diagnostics: &Diagnostics) -> Option<Blueprint> {
        (!diagnostics.has_errors()).then(|| Blueprint::of(self, memory))
    }

    /// What the pipelines carry that name a component.
    fn carried(&self, id: &ComponentId, kind: Kind) -> Signals {
        let names = |pipeline: &&document::Pipeline| {
            let lists: &[&[Reference]] = match kind {
                Kind::Receiver => &[&pipeline.receivers],
                Kind::Processor => &[&pipeline.processors],
                Kind::Exporter => &[&pipeline.exporters],
                Kind::Connector => &[&pipeline.exporters, &pipeline.receivers],
                Kind::Extension => &[],
            };
            lists.iter().any(|list| list.iter().any(|named| named.id == *id))
        };
        let pipelines = self.document.service.pipelines.iter().filter(names);
        let signals: Vec<Signal> = pipelines.map(|pipeline| pipeline.id.signal).collect();
        Signals::of(&signals)
    }

    /// What a component is built for: each signal it is handed, if it is told that at all.
    fn signals(&self, id: &ComponentId, spec: &Spec) -> BTreeSet<Option<Signal>> {
        let pipelines = &self.document.service.pipelines;
        let list = |pipeline: &document::Pipeline| match spec.kind {
            Kind::Processor => pipeline.processors.iter().any(|named| named.id == *id),
            _ => pipeline.exporters.iter().any(|named| named.id == *id),
        };
        match spec.kind {
            Kind::Processor | Kind::Connector => {
                let named = pipelines.iter().filter(|pipeline| list(pipeline));
                let signals = named.map(|pipeline| pipeline.id.signal);
                signals.filter(|signal| spec.carries.takes(*signal)).map(Some).collect()
            }
            Kind::Receiver | Kind::Exporter | Kind::Extension => BTreeSet::from([None]),
        }
    }
}

fn read_parts(
    document: &Document,
    specs: Specs,
    diagnostics: &mut Diagnostics,
) -> (Vec<Drafted>, Vec<Unread>) {
    let used = used(document);
    let (mut parts, mut unread) = (Vec::new(), Vec::new());
    for kind in Kind::ALL {
        for Declared { id, node, .. } in document.declared(kind) {
            // An unknown type was reported with the structure.
            let Some(spec) = specs.find(kind, id.component_type()) else { continue };
            let path = format!("{}::{id}", kind.section());
            let found = diagnostics.kept();
            let plan = spec.parse(node, diagnostics, &path);
            let (notes, used) = (diagnostics.take_notes(), used.contains(&(kind, id)));
            if !used {
                diagnostics.forgive(found);
            }
            let id = id.clone();
            match plan {
                Some(plan) => {
                    let part = Part { spec, id: id.to_string().into(), plan, body: node.clone() };
                    parts.push(Drafted { part, id, notes, used });
                }
                None => unread.push(Unread { kind, id, notes, used }),
            }
        }
    }
    (parts, unread)
}

/// What the lists of the service name.
fn used(document: &Document) -> BTreeSet<(Kind, &ComponentId)> {
    let service = &document.service;
    let mut used: BTreeSet<_> =
        service.extensions.iter().map(|reference| (Kind::Extension, &reference.id)).collect();
    for pipeline in &service.pipelines {
        for (list, kinds) in [
            (&pipeline.receivers, [Kind::Receiver, Kind::Connector]),
            (&pipeline.processors, [Kind::Processor, Kind::Processor]),
            (&pipeline.exporters, [Kind::Exporter, Kind::Connector]),
        ] {
            used.extend(list.iter().flat_map(|reference| kinds.map(|kind| (kind, &reference.id))));
        }
    }
    used
}
