//! The `micro` command: what the data model's operations cost per span, next to prost and to copying the bytes.

use std::{hint::black_box, path::Path, time::Instant};

use anyhow::Context;
use attribute_actions::{Action, Actions, Literal};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use otlp::attributes::{AttributeEditor, Changes, Holder, Level, Rewriter};
use otlp::edit::{Editor, Fate, SpanEdit, edit};
use otlp::{Policy, Signal, view};
use prost::Message;
use serde_json::json;
use xray::from_span::{Documents, Options, Translator};

use crate::{report, spans::Template};

/// Spans in a request, requests in the working set: together about the size of a joined batch.
const SPANS: usize = 128;
const REQUESTS: usize = 64;

/// What the operations work on.
struct Inputs {
    wire: Vec<Bytes>,
    /// The same with a string that is not UTF-8 in every request.
    dirty: Vec<Bytes>,
    json: Vec<Vec<u8>>,
    structs: Vec<ExportTraceServiceRequest>,
    scratch: Vec<u8>,
    translator: Translator,
    documents: Documents,
    rewriter: Rewriter,
    /// One that adds, one that changes and one that removes an attribute of every span.
    actions: Actions,
    /// The same for attributes that no span has.
    idle: Actions,
}

type Operation = (&'static str, fn(&mut Inputs) -> usize);

/// In the order of the table. Each returns something that depends on all its work.
const OPERATIONS: &[Operation] = &[
    ("copy the bytes", copy),
    ("count", count),
    ("check", check),
    ("check, plain version", check_plainly),
    ("admit, one bad string a request", admit_dirty),
    ("views: ids, name, times, one attribute", views),
    ("split into 1,000s", split),
    ("three attribute actions", act),
    ("three attribute actions that find nothing", act_idly),
    ("three attributes through `edit`", edit_attributes),
    ("wire to JSON", to_json),
    ("JSON to wire", from_json),
    ("to X-Ray documents", to_xray),
    ("prost decode and drop", prost_decode),
    ("prost encode", prost_encode),
    ("prost clone and drop", prost_clone),
];

/// Measures every operation in `rounds` alternate rounds and prints medians.
pub(crate) fn run(rounds: u32, json_file: Option<&Path>) -> anyhow::Result<()> {
    let mut inputs = inputs()?;
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); OPERATIONS.len()];
    for _ in 0..rounds.max(1) {
        for ((_, operation), times) in OPERATIONS.iter().zip(&mut times) {
            black_box(operation(&mut inputs));
            let begin = Instant::now();
            black_box(operation(&mut inputs));
            times.push(begin.elapsed().as_secs_f64() * 1e9 / (SPANS * REQUESTS) as f64);
        }
    }
    let medians: Vec<f64> = times.into_iter().map(report::median).collect();
    let of = |name: &str| {
        let position = OPERATIONS.iter().position(|(known, _)| *known == name);
        position.and_then(|position| medians.get(position)).copied().unwrap_or(f64::NAN)
    };
    let (copy, decode) = (of("copy the bytes"), of("prost decode and drop"));
    let bytes: usize = inputs.wire.iter().map(Bytes::len).sum();
    report::say(&format!("spans of {} bytes\n", bytes / (SPANS * REQUESTS)));
    report::say("| operation | ns per span | to a copy | to prost's decode |\n|---|---|---|---|");
    for ((name, _), median) in OPERATIONS.iter().zip(&medians) {
        report::say(&format!("| {name} | {median:.1} | {:.1} | {:.3} |", median / copy, median / decode));
    }
    if let Some(file) = json_file {
        let results: serde_json::Map<_, _> = OPERATIONS
            .iter()
            .zip(&medians)
            .map(|((name, _), median)| ((*name).to_owned(), json!(median)))
            .collect();
        report::write_json(file, &json!({"ns_per_span": results}))?;
    }
    Ok(())
}

fn inputs() -> anyhow::Result<Inputs> {
    let template = Template::new(SPANS)?;
    let mut inputs = Inputs {
        wire: Vec::new(),
        dirty: Vec::new(),
        json: Vec::new(),
        structs: Vec::new(),
        scratch: Vec::new(),
        translator: Translator::new(Options::default(), 1),
        documents: Documents::default(),
        rewriter: Rewriter::default(),
        actions: actions("insert", "thread.name", "thread.id")?,
        idle: actions("update", "thread.nice", "thread.ip")?,
    };
    for number in 0..REQUESTS {
        let mut wire = Vec::new();
        template.write((number * SPANS) as u64, 1_700_000_000_000_000_000, &mut wire);
        let mut dirty = wire.clone();
        let at =
            memchr::memmem::find(&dirty, b"upstream timed out").context("the template's error status")?;
        dirty[at] = 0xff;
        let mut json = Vec::new();
        otlp_json::write(&otlp::schema::TRACES, &wire, &mut json);
        inputs.structs.push(ExportTraceServiceRequest::decode(&wire[..])?);
        inputs.wire.push(wire.into());
        inputs.dirty.push(dirty.into());
        inputs.json.push(json);
    }
    Ok(inputs)
}

fn copy(inputs: &mut Inputs) -> usize {
    inputs.scratch.clear();
    for wire in &inputs.wire {
        inputs.scratch.extend_from_slice(black_box(wire));
    }
    inputs.scratch.len()
}

fn count(inputs: &mut Inputs) -> usize {
    inputs.wire.iter().map(|wire| otlp::count(Signal::Traces, wire)).sum()
}

fn check(inputs: &mut Inputs) -> usize {
    let policy = Policy::default();
    inputs
        .wire
        .iter()
        .filter_map(|wire| otlp::check(Signal::Traces, wire, &policy).ok())
        .map(|c| c.items)
        .sum()
}

fn check_plainly(inputs: &mut Inputs) -> usize {
    let policy = Policy::default();
    let checked =
        inputs.wire.iter().filter_map(|wire| otlp::check_plainly(Signal::Traces, wire, &policy).ok());
    checked.map(|checked| checked.items).sum()
}

fn admit_dirty(inputs: &mut Inputs) -> usize {
    let policy = Policy::default();
    let admitted =
        inputs.dirty.iter().filter_map(|wire| otlp::admit(Signal::Traces, wire.clone(), &policy).ok());
    admitted.map(|admitted| admitted.items + admitted.replaced).sum()
}

fn views(inputs: &mut Inputs) -> usize {
    let mut sum = 0;
    for wire in &inputs.wire {
        let traces = <view::Traces<'_> as view::View<'_>>::new(wire);
        let scopes = traces.resource_spans().flat_map(|resource| resource.scope_spans());
        for span in scopes.flat_map(|scope| scope.spans()) {
            black_box((span.trace_id(), span.span_id(), span.parent_span_id()));
            black_box(span.end_time_unix_nano().wrapping_sub(span.start_time_unix_nano()));
            let found = span.attributes().find(|attribute| attribute.key().as_bytes() == b"thread.id");
            sum += span.name().as_bytes().len() + usize::from(found.is_some());
        }
    }
    sum
}

fn split(inputs: &mut Inputs) -> usize {
    otlp::chunk_items(Signal::Traces, &inputs.wire, 1000).iter().map(|piece| piece.items).sum()
}

/// What is done to an attribute that no span has, and which ones are set and removed.
fn actions(absent: &str, set: &str, removed: &str) -> anyhow::Result<Actions> {
    let action = |action: &str, key: &str, value: Literal| Action {
        action: action.to_owned(),
        key: key.to_owned(),
        value,
        ..Action::default()
    };
    Ok(Actions::new(&[
        action(absent, "deployment.cluster.name", Literal::text("eu-west-1a")),
        action("update", set, Literal::text("redacted")),
        action("delete", removed, Literal::default()),
    ])?)
}

struct Acting<'a>(&'a mut Actions);

impl AttributeEditor for Acting<'_> {
    fn attributes(&mut self, holder: Holder<'_>, changes: &mut Changes) {
        self.0.apply(holder, changes);
    }
}

fn act(inputs: &mut Inputs) -> usize {
    let Inputs { wire, rewriter, actions, .. } = inputs;
    let act = |wire: &Bytes| rewriter.rewrite(Signal::Traces, Level::Item, wire, &mut Acting(actions));
    wire.iter().filter_map(act).map(|rewritten| black_box(rewritten).len()).sum()
}

fn act_idly(inputs: &mut Inputs) -> usize {
    let Inputs { wire, rewriter, idle, .. } = inputs;
    let mut act = |wire: &Bytes| rewriter.rewrite(Signal::Traces, Level::Item, wire, &mut Acting(idle));
    wire.iter().filter(|wire| black_box(act(wire)).is_none()).count()
}

/// What [`act`] does, in another way.
struct Editing;

impl Editor for Editing {
    fn span(&mut self, span: &mut SpanEdit<'_>) -> Fate {
        let mut attributes = span.attributes();
        attributes.insert("deployment.cluster.name", "eu-west-1a");
        attributes.update("thread.name", "redacted");
        attributes.remove("thread.id");
        Fate::Keep
    }
}

fn edit_attributes(inputs: &mut Inputs) -> usize {
    let edited = inputs.wire.iter().map(|wire| edit(Signal::Traces, wire, &mut Editing).bytes);
    edited.map(|edited| black_box(edited).len()).sum()
}

fn to_json(inputs: &mut Inputs) -> usize {
    let mut length = 0;
    for wire in &inputs.wire {
        inputs.scratch.clear();
        otlp_json::write(&otlp::schema::TRACES, wire, &mut inputs.scratch);
        length += inputs.scratch.len();
    }
    length
}

fn from_json(inputs: &mut Inputs) -> usize {
    let limits = otlp_json::Limits::default();
    let read =
        |json: &Vec<u8>| otlp_json::read(&otlp::schema::TRACES, json, &limits).map_or(0, |wire| wire.len());
    inputs.json.iter().map(read).sum()
}

fn to_xray(inputs: &mut Inputs) -> usize {
    let Inputs { wire, translator, documents, .. } = inputs;
    let mut bytes = 0;
    for wire in wire {
        documents.clear();
        translator.translate(black_box(wire), 0, documents);
        bytes += documents.bytes.len();
    }
    bytes
}

fn prost_decode(inputs: &mut Inputs) -> usize {
    let decode = |wire: &Bytes| ExportTraceServiceRequest::decode(wire.clone()).ok();
    inputs.wire.iter().filter_map(decode).map(|request| black_box(request).resource_spans.len()).sum()
}

fn prost_encode(inputs: &mut Inputs) -> usize {
    inputs.structs.iter().map(|request| black_box(request.encode_to_vec()).len()).sum()
}

fn prost_clone(inputs: &mut Inputs) -> usize {
    inputs.structs.iter().map(|request| black_box(request.clone()).resource_spans.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_sees_all_spans() {
        let mut inputs = inputs().expect("inputs");
        for operation in [count, check, check_plainly, split] {
            assert_eq!(operation(&mut inputs), SPANS * REQUESTS);
        }
        assert_eq!(admit_dirty(&mut inputs), (SPANS + 1) * REQUESTS);
        let bytes: usize = inputs.wire.iter().map(Bytes::len).sum();
        for operation in [copy, prost_encode] {
            assert_eq!(operation(&mut inputs), bytes);
        }
        assert_eq!(act_idly(&mut inputs), REQUESTS);
        // Less a number, more a text.
        assert!(act(&mut inputs) > bytes);
        assert_eq!(act(&mut inputs), edit_attributes(&mut inputs));
        // JSON always has a status, if an empty one, and the way back keeps it.
        assert!(from_json(&mut inputs) >= bytes);
    }
}
