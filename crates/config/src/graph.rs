//! Checks of the configuration as a whole: types exist, references lead somewhere, pipelines are complete.

use std::collections::{BTreeMap, BTreeSet};

use crate::collector_types;
use crate::connectors;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::document::{Catalog, Declared, Document, Kind, Pipeline, Reference, Role};
use crate::id::ComponentId;
use crate::source::Span;
use crate::suggest;
use crate::tree::{Key, Node, Value};

/// Reports everything that is wrong with a document.
pub(crate) fn check(document: &Document, root: &Node, catalog: &dyn Catalog, diagnostics: &mut Diagnostics) {
    let declared = Kind::ALL.map(|kind| (kind, by_id(document.declared(kind)))).into_iter().collect();
    let mut checker = Checker { document, catalog, declared, used: BTreeSet::new(), diagnostics };
    checker.sections(root);
    for kind in Kind::ALL {
        for declared in document.declared(kind) {
            checker.known_type(kind, declared);
        }
    }
    checker.ambiguous();
    checker.extensions();
    for pipeline in &document.service.pipelines {
        checker.pipeline(pipeline);
    }
    connectors::check(document, catalog, checker.diagnostics);
    // What a misspelled reference was meant for is not unused.
    if !document.service.pipelines.is_empty() && !checker.diagnostics.has_errors() {
        checker.unused();
    }
}

type ById<'a> = BTreeMap<&'a ComponentId, &'a Declared>;

struct Checker<'a> {
    document: &'a Document,
    catalog: &'a dyn Catalog,
    declared: BTreeMap<Kind, ById<'a>>,
    /// What any list names.
    used: BTreeSet<(Kind, &'a ComponentId)>,
    diagnostics: &'a mut Diagnostics,
}

fn by_id(declared: &[Declared]) -> ById<'_> {
    declared.iter().map(|declared| (&declared.id, declared)).collect()
}

impl<'a> Checker<'a> {
    fn error(&mut self, span: Span, path: impl Into<String>, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(span, path, message));
    }

    fn sections(&mut self, root: &Node) {
        let place = |keys: &[&str]| {
            let deepest = keys.iter().try_fold(root, |node, key| node.get(key).ok_or(node));
            let (Ok(node) | Err(node)) = deepest;
            node.key.unwrap_or(Span { end: node.span.start, ..node.span })
        };
        // What is there but wrong, or misspelled, was reported as such.
        let given = |node: &Node, key: &str| {
            let meant = |(found, _): &(Key, Node)| suggest::nearest(&found.text, [key]).is_some();
            let present = |section: &Node| !section.is_null() && !is_empty_map(section);
            node.get(key).map_or_else(|| node.entries().iter().any(meant), present)
        };
        if !given(root, "receivers") && !given(root, "connectors") {
            self.error(place(&["receivers"]), "receivers", "no receivers are configured");
        }
        if !given(root, "exporters") && !given(root, "connectors") {
            self.error(place(&["exporters"]), "exporters", "no exporters are configured");
        }
        if !root.get("service").map_or(given(root, "service"), |service| given(service, "pipelines")) {
            let message = "the service must have at least one pipeline";
            self.error(place(&["service", "pipelines"]), "service::pipelines", message);
        }
    }

    fn known_type(&mut self, kind: Kind, declared: &Declared) {
        let written = declared.id.component_type();
        let (path, span) = (format!("{}::{}", kind.section(), declared.id), declared.key_span);
        match self.catalog.current_name(kind, written) {
            Some(current) if current == written => {}
            Some(current) => {
                let message = format!("`{written}` is a deprecated name of the {} `{current}`", kind.name());
                let finding = Diagnostic::warning(span, path, message);
                self.diagnostics.push(finding.help(format!("use `{current}`")));
            }
            None if collector_types::is_known(kind, written) => {
                let message = format!(
                    "the {} type `{written}` is known to the Collector, but not in Collimator",
                    kind.name()
                );
                let finding = Diagnostic::error(span, path, message);
                self.diagnostics.push(finding.help("the command `components` lists what there is"));
            }
            None => {
                let message = format!("unknown {} type `{written}`", kind.name());
                let finding = Diagnostic::error(span, path, message);
                self.diagnostics.push(finding.help(self.help_with_type(kind, written)));
            }
        }
    }

    fn help_with_type(&self, kind: Kind, written: &str) -> String {
        let names = self.catalog.type_names(kind);
        let elsewhere =
            Kind::ALL.into_iter().find(|kind| self.catalog.current_name(*kind, written).is_some());
        match (suggest::nearest(written, names.iter().copied()), elsewhere) {
            _ if (kind, written) == (Kind::Exporter, "logging") => {
                "the logging exporter was replaced by `debug`".to_owned()
            }
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, Some(kind)) => {
                format!("there is one among the {}; is this the right section?", kind.section())
            }
            (None, None) if names.is_empty() => format!("there are no {} in this build", kind.section()),
            (None, None) => format!("there are {}", suggest::list(names)),
        }
    }

    /// Lists name connectors beside receivers and exporters, so an id can be only one of them.
    fn ambiguous(&mut self) {
        for connector in &self.document.connectors {
            for kind in [Kind::Receiver, Kind::Exporter] {
                let Some(other) = self.find(kind, &connector.id) else { continue };
                let (id, kind) = (&connector.id, kind.name());
                let message = format!("`{id}` is both a connector and {} {kind}", suggest::article(kind));
                let path = format!("connectors::{id}");
                let finding = Diagnostic::error(connector.key_span, path, message)
                    .related(other.key_span, format!("the {kind}"))
                    .help(format!("rename one of them, such as `{id}` to `{id}/connector`"));
                self.diagnostics.push(finding);
            }
        }
    }

    fn extensions(&mut self) {
        let document = self.document;
        let list = &document.service.extensions;
        self.references(list, &[Kind::Extension], "service::extensions");
        self.repeated(list, "service::extensions", "extension", false);
    }

    fn pipeline(&mut self, pipeline: &'a Pipeline) {
        let path = format!("service::pipelines::{}", pipeline.id);
        let lists: [(&str, &[Kind], &'a [Reference]); 3] = [
            ("receivers", &[Kind::Receiver, Kind::Connector], &pipeline.receivers),
            ("processors", &[Kind::Processor], &pipeline.processors),
            ("exporters", &[Kind::Exporter, Kind::Connector], &pipeline.exporters),
        ];
        for (key, kinds, list) in lists {
            let path = format!("{path}::{key}");
            self.references(list, kinds, &path);
            self.repeated(list, &path, key.trim_end_matches('s'), key == "processors");
            self.signals(list, kinds, pipeline, &path);
        }
        self.order(&pipeline.processors, &format!("{path}::processors"));
    }

    /// What works in any order, and is likely not meant in this one.
    fn order(&mut self, processors: &[Reference], path: &str) {
        let mut joins: Option<&Reference> = None;
        for (index, reference) in processors.iter().enumerate() {
            let finding = match (self.catalog.role(reference.id.component_type()), joins) {
                (Role::Guards, _) if index > 0 => {
                    let message = format!("`{}` is not the first processor", reference.id);
                    Diagnostic::warning(reference.span, path, message)
                        .help("put it first, so that it refuses data before others hold it")
                }
                (Role::Samples, Some(joining)) => {
                    let message = format!("`{}` stands before the sampler `{}`", joining.id, reference.id);
                    Diagnostic::warning(joining.span, path, message)
                        .help("put it behind: what the sampler drops need not be joined")
                }
                (Role::Joins, _) => {
                    joins = Some(reference);
                    continue;
                }
                _ => continue,
            };
            self.diagnostics.push(finding);
        }
    }

    fn find(&self, kind: Kind, id: &ComponentId) -> Option<&'a Declared> {
        self.declared.get(&kind).and_then(|declared| declared.get(id)).copied()
    }

    /// Every id of the list must be declared as one of the kinds.
    fn references(&mut self, list: &'a [Reference], kinds: &[Kind], path: &str) {
        // An id that could not be read is empty, and was reported.
        for Reference { id, span } in list.iter().filter(|reference| !reference.id.is_empty()) {
            let found = kinds.iter().filter(|kind| self.find(**kind, id).is_some());
            let found: Vec<Kind> = found.copied().collect();
            self.used.extend(found.iter().map(|kind| (*kind, id)));
            if !found.is_empty() {
                continue;
            }
            let wanted = kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" or ");
            let message = format!("no {wanted} `{id}` is configured");
            let finding = Diagnostic::error(*span, path, message);
            self.diagnostics.push(finding.help(self.help_with_reference(kinds, id)));
        }
    }

    fn help_with_reference(&self, kinds: &[Kind], id: &ComponentId) -> String {
        let names = kinds.iter().filter_map(|kind| self.declared.get(kind)).flat_map(|ids| ids.keys());
        let names: Vec<String> = names.map(ToString::to_string).collect();
        let elsewhere = Kind::ALL.into_iter().find(|kind| self.find(*kind, id).is_some());
        let section = kinds.first().map_or("", |kind| kind.section());
        match (suggest::nearest(&id.to_string(), names.iter().map(String::as_str)), elsewhere) {
            (_, Some(kind)) => format!("`{id}` is {} {}", suggest::article(kind.name()), kind.name()),
            (Some(near), None) => format!("did you mean `{near}`?"),
            (None, None) if names.is_empty() => format!("add `{id}` to `{section}`"),
            (None, None) => {
                let names = suggest::list(names.iter().map(String::as_str));
                format!("add `{id}` to `{section}`; configured: {names}")
            }
        }
    }

    fn repeated(&mut self, list: &[Reference], path: &str, what: &str, wrong: bool) {
        let mut seen = BTreeMap::new();
        for Reference { id, span } in list.iter().filter(|reference| !reference.id.is_empty()) {
            let Some(first) = seen.insert(id, *span) else { continue };
            let finding = match wrong {
                true => Diagnostic::error(*span, path, format!("the {what} `{id}` is listed twice"))
                    .help("give one of them a name of its own: `type/name`"),
                false => {
                    let message = format!("the {what} `{id}` is listed twice, and used once");
                    Diagnostic::warning(*span, path, message)
                }
            };
            self.diagnostics.push(finding.related(first, "first listed here"));
        }
    }

    /// Receivers, processors and exporters must carry the signal; connectors are another matter.
    fn signals(&mut self, list: &[Reference], kinds: &[Kind], pipeline: &Pipeline, path: &str) {
        let Some(kind) = kinds.first().copied() else { return };
        let signal = pipeline.id.signal;
        for Reference { id, span } in list {
            let component_type = id.component_type();
            let known =
                self.find(kind, id).is_some() && self.catalog.current_name(kind, component_type).is_some();
            if known && !self.catalog.carries(kind, component_type, signal, signal) {
                self.error(*span, path, format!("the {} `{id}` does not carry {signal}", kind.name()));
            }
        }
    }

    fn unused(&mut self) {
        for kind in Kind::ALL {
            for declared in self.document.declared(kind) {
                let known = self.catalog.current_name(kind, declared.id.component_type()).is_some();
                if !known || self.used.contains(&(kind, &declared.id)) {
                    continue;
                }
                let id = &declared.id;
                let message = match kind {
                    Kind::Extension => {
                        format!("`{id}` is not in `service::extensions`, so it is not started")
                    }
                    _ => format!("no pipeline uses the {} `{id}`", kind.name()),
                };
                let path = format!("{}::{id}", kind.section());
                self.diagnostics.push(Diagnostic::warning(declared.key_span, path, message));
            }
        }
    }
}

fn is_empty_map(node: &Node) -> bool {
    matches!(&node.value, Value::Map(entries) if entries.is_empty())
}
