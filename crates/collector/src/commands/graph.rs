//! `graph`: the pipelines as a picture.

mod text;

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use component::{Kind, Secrets};
use config::document::{Pipeline, Reference};
use config::{ComponentId, Subject};
use data::Signal;
use engine::{Draft, Drafted};

use crate::cli::Picture;
use crate::components::COMPONENTS;
use crate::configuration::Examined;

pub(super) fn draw(examined: &Examined, format: Picture) -> Result<String> {
    let Some(draft) = &examined.draft else { bail!("there is nothing to draw") };
    let view = View { draft };
    Ok(match format {
        Picture::Text => text::draw(&view),
        Picture::Mermaid => mermaid(&view),
        Picture::Dot => dot(&view),
    })
}

/// What a picture asks of a configuration.
struct View<'a> {
    draft: &'a Draft,
}

impl View<'_> {
    fn pipelines(&self) -> &[Pipeline] {
        &self.draft.document.service.pipelines
    }

    fn part(&self, kind: Kind, id: &ComponentId) -> Option<&Drafted> {
        self.draft.parts.iter().find(|drafted| drafted.part.spec.kind == kind && drafted.id == *id)
    }

    /// What an id at the beginning or end of a pipeline is.
    fn kind(&self, id: &ComponentId, otherwise: Kind) -> Kind {
        if self.part(Kind::Connector, id).is_some() { Kind::Connector } else { otherwise }
    }

    /// Where a component listens, sends or writes to, as far as its settings say so in a few words.
    fn address(&self, kind: Kind, id: &ComponentId) -> Vec<String> {
        let Some(drafted) = self.part(kind, id) else { return Vec::new() };
        let listener = |subject: &Subject| match subject {
            Subject::Listener(listener) => Some(listener.endpoint.clone()),
            Subject::Extension(_) => None,
        };
        let bound: Vec<String> = drafted.notes.iter().filter_map(|note| listener(&note.subject)).collect();
        if !bound.is_empty() || kind != Kind::Exporter {
            return bound;
        }
        let settings = drafted.part.plan.settings(Secrets::Hidden);
        let text = |key: &str| settings.get(key)?.as_str().filter(|text| !text.is_empty()).map(no_user);
        ["endpoint", "path"].into_iter().find_map(text).into_iter().collect()
    }

    /// The pipelines at the other end of a connector.
    fn beyond(&self, id: &ComponentId, pipeline: &Pipeline, forward: bool) -> Vec<String> {
        let here = pipeline.id.signal;
        let list = |other: &Pipeline| -> Vec<Reference> {
            if forward { other.receivers.clone() } else { other.exporters.clone() }
        };
        let carried = |there: Signal| {
            let (input, output) = if forward { (here, there) } else { (there, here) };
            COMPONENTS
                .find(Kind::Connector, id.component_type())
                .is_some_and(|spec| spec.carries.allows(input, output))
        };
        let reached = self.pipelines().iter().filter(|other| {
            carried(other.id.signal) && list(other).iter().any(|reference| reference.id == *id)
        });
        reached.map(|other| other.id.to_string()).collect()
    }
}

/// An endpoint without user, password and query, which a URL may carry.
fn no_user(endpoint: &str) -> String {
    let endpoint = endpoint.split('?').next().unwrap_or_default();
    let (scheme, rest) = match endpoint.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), endpoint),
    };
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}{host}")
}

/// The nodes of a pipeline, one behind the other, as a name for the picture and a label.
struct Edge {
    from: String,
    to: String,
    best_effort: bool,
}

fn edges(view: &View<'_>, pipeline: &Pipeline) -> Vec<Edge> {
    let inside = |reference: &Reference| format!("{} {}", pipeline.id, reference.id);
    let outside = |kind: Kind, id: &ComponentId| format!("{} {id}", view.kind(id, kind));
    let mut edges = Vec::new();
    let mut before: Vec<String> =
        pipeline.receivers.iter().map(|reference| outside(Kind::Receiver, &reference.id)).collect();
    for processor in &pipeline.processors {
        let to = inside(processor);
        edges.extend(before.drain(..).map(|from| Edge { from, to: to.clone(), best_effort: false }));
        before.push(to);
    }
    for exit in &pipeline.exporters {
        let to = outside(Kind::Exporter, &exit.id);
        let best_effort = pipeline.best_effort.iter().any(|other| other.id == exit.id);
        edges.extend(before.iter().map(|from| Edge { from: from.clone(), to: to.clone(), best_effort }));
    }
    edges
}

/// Receivers, exporters and connectors: they stand between pipelines.
fn shared(view: &View<'_>) -> Vec<(Kind, ComponentId)> {
    let mut seen = BTreeSet::new();
    let mut shared = Vec::new();
    for pipeline in view.pipelines() {
        let lists = [(Kind::Receiver, &pipeline.receivers), (Kind::Exporter, &pipeline.exporters)];
        for (kind, reference) in
            lists.into_iter().flat_map(|(kind, list)| list.iter().map(move |it| (kind, it)))
        {
            let kind = view.kind(&reference.id, kind);
            if seen.insert((kind, reference.id.clone())) {
                shared.push((kind, reference.id.clone()));
            }
        }
    }
    shared
}

fn mermaid(view: &View<'_>) -> String {
    let mut text = "flowchart LR\n".to_owned();
    for (kind, id) in shared(view) {
        let (open, close) = match kind {
            Kind::Connector => ("{{\"", "\"}}"),
            Kind::Exporter => ("[/\"", "\"/]"),
            _ => ("([\"", "\"])"),
        };
        let address: String =
            view.address(kind, &id).iter().map(|it| format!("<br/>{}", it.replace('"', "#quot;"))).collect();
        line(&mut text, &format!("  {}{open}{id}{address}{close}", name(&format!("{kind} {id}"))));
    }
    for pipeline in view.pipelines() {
        if !pipeline.processors.is_empty() {
            line(
                &mut text,
                &format!("  subgraph {}[\"{}\"]", name(&format!("in {}", pipeline.id)), pipeline.id),
            );
            for processor in &pipeline.processors {
                let node = name(&format!("{} {}", pipeline.id, processor.id));
                line(&mut text, &format!("    {node}[\"{}\"]", processor.id));
            }
            line(&mut text, "  end");
        }
        for edge in edges(view, pipeline) {
            let arrow = if edge.best_effort { "-.->" } else { "-->" };
            let (from, to, id) = (name(&edge.from), name(&edge.to), &pipeline.id);
            let label = if pipeline.processors.is_empty() { format!("|{id}|") } else { String::new() };
            line(&mut text, &format!("  {from} {arrow}{label} {to}"));
        }
    }
    text
}

fn dot(view: &View<'_>) -> String {
    let mut text =
        "digraph collimator {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n".to_owned();
    for (kind, id) in shared(view) {
        let shape = match kind {
            Kind::Connector => "hexagon",
            Kind::Exporter => "parallelogram",
            _ => "ellipse",
        };
        let address: String =
            view.address(kind, &id).iter().map(|it| format!("\\n{}", it.replace('"', "\\\""))).collect();
        line(&mut text, &format!("  \"{kind} {id}\" [label=\"{id}{address}\", shape={shape}];"));
    }
    for (index, pipeline) in view.pipelines().iter().enumerate() {
        if !pipeline.processors.is_empty() {
            line(&mut text, &format!("  subgraph cluster_{index} {{\n    label=\"{}\";", pipeline.id));
            for processor in &pipeline.processors {
                let id = &processor.id;
                line(&mut text, &format!("    \"{} {id}\" [label=\"{id}\"];", pipeline.id));
            }
            line(&mut text, "  }");
        }
        for edge in edges(view, pipeline) {
            let mut attributes = Vec::new();
            if pipeline.processors.is_empty() {
                attributes.push(format!("label=\"{}\"", pipeline.id));
            }
            if edge.best_effort {
                attributes.push("style=dashed".to_owned());
            }
            let attributes = match attributes.as_slice() {
                [] => String::new(),
                given => format!(" [{}]", given.join(", ")),
            };
            line(&mut text, &format!("  \"{}\" -> \"{}\"{attributes};", edge.from, edge.to));
        }
    }
    text + "}\n"
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// A name that Mermaid takes: other characters become their numbers.
fn name(text: &str) -> String {
    let one = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c.to_string(),
        ' ' => "__".to_owned(),
        '_' => "_".to_owned(),
        other => format!("_{:x}_", u32::from(other)),
    };
    text.chars().map(one).collect()
}
