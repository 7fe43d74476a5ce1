//! Attributes are changed as said and nothing else is: the same is done to what prost decodes.

use collimator_otlp::attributes::{AttributeEditor, Changes, Holder, Level, Rewriter};
use collimator_otlp::view::{Metric, Resource, Scope};
use collimator_otlp::wire::{write_len_field, write_nested};
use collimator_otlp::{Policy, Signal, check};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use proptest::prelude::*;

use crate::generate::{Odd, Rng, request};
use crate::prost_of::{Decoded, decode};

/// What becomes of an attribute.
enum Choice {
    Keep,
    Remove,
    Replace(String),
}

/// The same choices for the editor and the model: each holder's come from how many came before.
struct Choices {
    seed: u64,
    come: u64,
}

impl Choices {
    /// Most holders are left alone.
    fn holder(&mut self) -> Option<Rng> {
        self.come += 1;
        let mut rng = Rng(self.seed ^ (self.come << 20));
        rng.percent(40).then_some(rng)
    }

    fn attribute(rng: &mut Rng) -> Choice {
        match rng.below(4) {
            0 => Choice::Remove,
            // Now and then long, so that lengths around it change their width.
            1 => Choice::Replace("x".repeat(rng.below(3) * rng.below(100))),
            _ => Choice::Keep,
        }
    }

    fn added(rng: &mut Rng) -> usize {
        rng.below(3)
    }
}

fn encoded(text: &str) -> Vec<u8> {
    let mut value = Vec::new();
    write_len_field(&mut value, 1, text.as_bytes());
    value
}

impl AttributeEditor for Choices {
    fn attributes(&mut self, holder: Holder<'_>, changes: &mut Changes) {
        let Some(mut rng) = self.holder() else { return };
        let mut end = holder.bytes().len();
        let mut later = Vec::new();
        for (at, attribute) in holder.attributes() {
            end = at.end;
            match Self::attribute(&mut rng) {
                Choice::Keep => {}
                Choice::Remove => later.push(at),
                Choice::Replace(text) => {
                    changes.replace(at, attribute.key().as_bytes(), &encoded(&text));
                }
            }
        }
        // The order of calls does not matter.
        later.into_iter().for_each(|at| changes.remove(at));
        for number in 0..Self::added(&mut rng) {
            changes.add(end, b"new", &encoded(&number.to_string()));
        }
    }
}

fn string(key: &str, text: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(text)) });
    KeyValue { key: key.to_owned(), value, key_strindex: 0 }
}

/// The same on prost's structs.
fn model(choices: &mut Choices, attributes: &mut Vec<KeyValue>) {
    let Some(mut rng) = choices.holder() else { return };
    attributes.retain_mut(|attribute| match Choices::attribute(&mut rng) {
        Choice::Keep => true,
        Choice::Remove => false,
        Choice::Replace(text) => {
            *attribute = string(&attribute.key, text);
            true
        }
    });
    for number in 0..Choices::added(&mut rng) {
        attributes.push(string("new", number.to_string()));
    }
}

/// Every list of attributes of items, in order.
fn of_items<'d>(decoded: &'d mut Decoded, visit: &mut dyn FnMut(&'d mut Vec<KeyValue>)) {
    let spans = decoded.traces.resource_spans.iter_mut().flat_map(|it| &mut it.scope_spans);
    spans.flat_map(|it| &mut it.spans).for_each(|span| visit(&mut span.attributes));
    let logs = decoded.logs.resource_logs.iter_mut().flat_map(|it| &mut it.scope_logs);
    logs.flat_map(|it| &mut it.log_records).for_each(|log| visit(&mut log.attributes));
    let metrics = decoded.metrics.resource_metrics.iter_mut().flat_map(|it| &mut it.scope_metrics);
    for data in metrics.flat_map(|it| &mut it.metrics).filter_map(|metric| metric.data.as_mut()) {
        match data {
            Data::Gauge(data) => data.data_points.iter_mut().for_each(|it| visit(&mut it.attributes)),
            Data::Sum(data) => data.data_points.iter_mut().for_each(|it| visit(&mut it.attributes)),
            Data::Histogram(data) => data.data_points.iter_mut().for_each(|it| visit(&mut it.attributes)),
            Data::ExponentialHistogram(data) => {
                data.data_points.iter_mut().for_each(|it| visit(&mut it.attributes));
            }
            Data::Summary(data) => data.data_points.iter_mut().for_each(|it| visit(&mut it.attributes)),
        }
    }
}

/// Those of resources; what is absent comes to be if it gets any.
fn of_resources(decoded: &mut Decoded, visit: &mut dyn FnMut(&mut Vec<KeyValue>)) {
    let traces = decoded.traces.resource_spans.iter_mut().map(|it| &mut it.resource);
    let metrics = decoded.metrics.resource_metrics.iter_mut().map(|it| &mut it.resource);
    let logs = decoded.logs.resource_logs.iter_mut().map(|it| &mut it.resource);
    for resource in traces.chain(metrics).chain(logs) {
        let mut changed = resource.clone().unwrap_or_default();
        visit(&mut changed.attributes);
        if resource.is_some() || !changed.attributes.is_empty() {
            *resource = Some(changed);
        }
    }
}

proptest! {
    #[test]
    fn attributes_are_changed_as_prost_would(seed: u64, size in 0..5_usize) {
        // One after the other: nothing of one request is left for the next.
        let mut rewriter = Rewriter::default();
        for signal in Signal::ALL {
            let bytes = request(signal, &mut Rng(seed), size, Odd::default());
            for level in [Level::Item, Level::Resource] {
                let before = decode(signal, &bytes).unwrap();
                let mut expected = before.clone();
                let mut choices = Choices { seed, come: 0 };
                match level {
                    Level::Item => of_items(&mut expected, &mut |list| model(&mut choices, list)),
                    Level::Resource => of_resources(&mut expected, &mut |list| model(&mut choices, list)),
                }
                let changed = rewriter.rewrite(signal, level, &bytes, &mut Choices { seed, come: 0 });
                // A value may be replaced by an equal one, so that bytes change where prost sees no difference.
                prop_assert!(changed.is_some() || before == expected);
                let changed = changed.unwrap_or_else(|| bytes.clone());
                prop_assert!(check(signal, &changed, &Policy::default()).unwrap().is_clean);
                prop_assert!(decode(signal, &changed).unwrap() == expected);
            }
        }
    }
}

/// Removes everything it is shown, and looks only where it is told to.
struct Where {
    resource: bool,
    scope: bool,
    metric: bool,
    shown: usize,
}

impl AttributeEditor for Where {
    fn resource(&mut self, _resource: Resource<'_>) -> bool {
        self.resource
    }

    fn scope(&mut self, scope: Scope<'_>) -> bool {
        assert_eq!(scope.name(), "lib");
        self.scope
    }

    fn metric(&mut self, metric: Metric<'_>) -> bool {
        assert_eq!(metric.name(), "name");
        self.metric
    }

    fn attributes(&mut self, holder: Holder<'_>, changes: &mut Changes) {
        self.shown += 1;
        holder.attributes().for_each(|(at, _)| changes.remove(at));
    }
}

#[test]
fn what_is_not_looked_into_is_not_shown() {
    let mut request = Vec::new();
    write_nested(&mut request, 1, |out| {
        write_nested(out, 2, |out| {
            write_nested(out, 1, |out| write_len_field(out, 1, b"lib"));
            write_nested(out, 2, |out| {
                write_len_field(out, 1, b"name");
                write_nested(out, 5, |out| {
                    write_nested(out, 1, |out| write_nested(out, 7, |out| write_len_field(out, 1, b"key")));
                });
            });
        });
    });
    let all = Where { resource: true, scope: true, metric: true, shown: 0 };
    let nowhere =
        [Where { resource: false, ..all }, Where { scope: false, ..all }, Where { metric: false, ..all }];
    let rewrite =
        |editor: &mut Where| Rewriter::default().rewrite(Signal::Metrics, Level::Item, &request, editor);
    for mut editor in nowhere {
        assert_eq!((rewrite(&mut editor), editor.shown), (None, 0));
    }
    let mut all = all;
    assert_eq!(rewrite(&mut all).map(|bytes| bytes.len()), Some(request.len() - 7));
    assert_eq!(all.shown, 1);
}

/// Grows one item of many, far beyond what the lengths around it have bytes for.
struct Grow(usize);

impl AttributeEditor for Grow {
    fn attributes(&mut self, holder: Holder<'_>, changes: &mut Changes) {
        self.0 += 1;
        if self.0 == 2 {
            changes.add(holder.bytes().len(), b"large", &encoded(&"x".repeat(100_000)));
        }
    }
}

#[test]
fn lengths_around_a_change_may_need_more_bytes() {
    let mut request = Vec::new();
    write_nested(&mut request, 1, |out| {
        write_nested(out, 2, |out| {
            (0..3).for_each(|_| write_nested(out, 2, |out| out.extend([0x2a, 1, b'a'])))
        });
        write_len_field(out, 3, b"schema");
    });
    let changed = Rewriter::default().rewrite(Signal::Traces, Level::Item, &request, &mut Grow(0)).unwrap();
    let mut expected = decode(Signal::Traces, &request).unwrap();
    let span = &mut expected.traces.resource_spans[0].scope_spans[0].spans[1];
    span.attributes.push(string("large", "x".repeat(100_000)));
    assert!(decode(Signal::Traces, &changed).unwrap() == expected);
    assert!(check(Signal::Traces, &changed, &Policy::default()).unwrap().is_clean);
}
