//! Checks of connectors: both sides are used, with signals that go together, and never in a circle.

use std::collections::{BTreeMap, BTreeSet};

use data::Signal;

use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::document::{Catalog, Document, Kind, Pipeline, Reference};
use crate::source::Span;
use crate::suggest;

/// One use of a connector: the pipeline, by its index, and the place that names the connector.
#[derive(Clone, Copy)]
struct Use<'a> {
    pipeline: &'a Pipeline,
    index: usize,
    span: Span,
}

/// A way from one pipeline to another.
#[derive(Clone, Copy)]
struct Edge<'a> {
    to: usize,
    connector: &'a str,
    span: Span,
}

/// Reports connectors that are used on one side only or for the wrong signals, and circles.
pub(crate) fn check(document: &Document, catalog: &dyn Catalog, diagnostics: &mut Diagnostics) {
    let pipelines = &document.service.pipelines;
    let names: Vec<String> = document.connectors.iter().map(|connector| connector.id.to_string()).collect();
    let mut edges: BTreeMap<usize, Vec<Edge<'_>>> = BTreeMap::new();
    // One way between two pipelines is enough to find a circle.
    let mut linked = BTreeSet::new();
    for (connector, name) in document.connectors.iter().zip(&names) {
        let component_type = connector.id.component_type();
        if catalog.current_name(Kind::Connector, component_type).is_none() {
            continue;
        }
        let uses = |list: fn(&Pipeline) -> &[Reference]| -> Vec<Use<'_>> {
            let one = |(index, pipeline): (usize, _)| {
                let named = list(pipeline).iter().find(|reference| reference.id == connector.id)?;
                Some(Use { pipeline, index, span: named.span })
            };
            pipelines.iter().enumerate().filter_map(one).collect()
        };
        let (inputs, outputs) = (uses(|pipeline| &pipeline.exporters), uses(|pipeline| &pipeline.receivers));
        let carries = |from: &Use<'_>, to: &Use<'_>| {
            let (input, output) = (from.pipeline.id.signal, to.pipeline.id.signal);
            catalog.carries(Kind::Connector, component_type, input, output)
        };
        for from in &inputs {
            let goes_to: Vec<&Use<'_>> = outputs.iter().filter(|to| carries(from, to)).collect();
            if goes_to.is_empty() {
                diagnostics.push(one_sided(name, from, "exporter", &outputs, "receiver"));
            }
            let edge = |to: &&Use<'_>| Edge { to: to.index, connector: name, span: from.span };
            let new = goes_to.iter().filter(|to| linked.insert((from.index, to.index)));
            edges.entry(from.index).or_default().extend(new.map(edge));
        }
        for to in outputs.iter().filter(|to| !inputs.iter().any(|from| carries(from, to))) {
            diagnostics.push(one_sided(name, to, "receiver", &inputs, "exporter"));
        }
    }
    circles(pipelines, &edges, diagnostics);
}

fn one_sided(name: &str, here: &Use<'_>, as_what: &str, others: &[Use<'_>], other: &str) -> Diagnostic {
    let id = &here.pipeline.id;
    let path = format!("service::pipelines::{id}::{as_what}s");
    let used = format!("the connector `{name}` is used as {} {as_what} in `{id}`", suggest::article(as_what));
    if others.is_empty() {
        let message = format!("{used}, but as {} {other} nowhere", suggest::article(other));
        let help = format!("list it among the {other}s of the pipeline at its other end");
        return Diagnostic::error(here.span, path, message).help(help);
    }
    let ids: Vec<String> = others.iter().map(|other| format!("`{}`", other.pipeline.id)).collect();
    let signals: BTreeSet<Signal> = others.iter().map(|other| other.pipeline.id.signal).collect();
    let signals = signals.into_iter().map(Signal::name).collect::<Vec<_>>().join(" or ");
    let (leads, turns) = match as_what {
        "exporter" => ("can't lead to", format!("{} into {signals}", id.signal)),
        _ => ("can't be reached from", format!("{signals} into {}", id.signal)),
    };
    let message = format!("{used}, but {leads} {}", ids.join(", "));
    Diagnostic::error(here.span, path, message).help(format!("it does not turn {turns}"))
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    OnPath,
    Done,
}

/// Depth first, with a stack of its own: a chain may be as long as the file allows.
fn circles(pipelines: &[Pipeline], edges: &BTreeMap<usize, Vec<Edge<'_>>>, diagnostics: &mut Diagnostics) {
    let mut states = vec![State::New; pipelines.len()];
    let out = |index: usize| edges.get(&index).map_or(&[] as &[Edge<'_>], Vec::as_slice);
    for start in 0..pipelines.len() {
        if states.get(start) != Some(&State::New) {
            continue;
        }
        let mut path: Vec<(usize, std::slice::Iter<'_, Edge<'_>>, Option<Edge<'_>>)> = Vec::new();
        path.push((start, out(start).iter(), None));
        set(&mut states, start, State::OnPath);
        while let Some((index, rest, _)) = path.last_mut() {
            let Some(edge) = rest.next() else {
                set(&mut states, *index, State::Done);
                path.pop();
                continue;
            };
            match states.get(edge.to) {
                Some(State::New) => {
                    set(&mut states, edge.to, State::OnPath);
                    path.push((edge.to, out(edge.to).iter(), Some(*edge)));
                }
                Some(State::OnPath) => {
                    let begins = path.iter().position(|(index, _, _)| *index == edge.to).unwrap_or(0);
                    let within = path.iter().skip(begins + 1).filter_map(|(_, _, edge)| *edge);
                    report(pipelines, edge.to, within.chain([*edge]), diagnostics);
                }
                _ => {}
            }
        }
    }
}

fn set(states: &mut [State], index: usize, state: State) {
    if let Some(place) = states.get_mut(index) {
        *place = state;
    }
}

fn report<'a>(
    pipelines: &[Pipeline],
    first: usize,
    edges: impl Iterator<Item = Edge<'a>>,
    diagnostics: &mut Diagnostics,
) {
    let name =
        |index: usize| pipelines.get(index).map_or_else(String::new, |pipeline| pipeline.id.to_string());
    let mut way = format!("`{}`", name(first));
    let mut span = None;
    for edge in edges {
        span.get_or_insert(edge.span);
        way += &format!(" -> connector `{}` -> `{}`", edge.connector, name(edge.to));
    }
    let path = format!("service::pipelines::{}", name(first));
    let message = format!("pipelines form a circle: {way}");
    diagnostics.push(Diagnostic::error(span.unwrap_or_default(), path, message));
}
