//! Edits change what they say and nothing else: the same ones are made to what prost decodes.

use std::collections::BTreeMap;

use bytes::Bytes;
use collimator_otlp::edit::{
    AttributesEdit, Change, Depth, Editor, EventEdit, ExemplarEdit, Fate, LinkEdit, LogEdit, MetricEdit,
    NewValue, PointEdit, ResourceEdit, ScopeEdit, SpanEdit, edit,
};
use collimator_otlp::view::AnyValue as Any;
use collimator_otlp::wire::{write_len_field, write_nested};
use collimator_otlp::{Policy, Signal, check, count};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, Metric};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use proptest::prelude::*;

use crate::generate::{Odd, Rng, request};
use crate::prost_of::{Decoded, decode};

/// Something done to attributes.
#[derive(Clone, Copy)]
enum Op {
    Set(&'static str, i64),
    Insert(&'static str, bool),
    Update(&'static str, f64),
    Remove(&'static str),
    Rename(&'static str, &'static str),
    Mask,
}

/// What is done to one message.
struct Choice {
    drop: bool,
    ops: Vec<Op>,
    /// Whether to set the other fields.
    more: bool,
}

/// The same choices for the editor and the model: by kind of message and how many of that kind came before.
struct Choices {
    seed: u64,
    come: BTreeMap<&'static str, u64>,
}

impl Choices {
    fn new(seed: u64) -> Self {
        Self { seed, come: BTreeMap::new() }
    }

    fn next(&mut self, kind: &'static str) -> Choice {
        const KEYS: [&str; 5] = ["a", "key", "größe", "", "new"];
        let index = self.come.entry(kind).or_default();
        *index += 1;
        let mut rng = Rng(self.seed ^ (*index << 32) ^ kind.len() as u64);
        let drop = rng.percent(if ["span", "point", "log", "event", "link", "exemplar"].contains(&kind) {
            20
        } else {
            4
        });
        let count = if rng.percent(50) { 0 } else { rng.below(4) };
        let ops = (0..count).map(|_| {
            let (key, other) = (KEYS[rng.below(5)], KEYS[rng.below(5)]);
            match rng.below(6) {
                0 => Op::Set(key, -1),
                1 => Op::Insert(key, true),
                2 => Op::Update(key, 0.5),
                3 => Op::Remove(key),
                4 => Op::Rename(key, other),
                _ => Op::Mask,
            }
        });
        Choice { drop, ops: ops.collect(), more: rng.percent(30) }
    }
}

struct Changer(Choices);

impl Changer {
    fn change(&mut self, kind: &'static str, mut attributes: AttributesEdit<'_, '_>) -> (Fate, bool) {
        let Choice { drop, ops, more } = self.0.next(kind);
        for op in ops {
            match op {
                Op::Set(key, value) => attributes.set(key, value),
                Op::Insert(key, value) => {
                    let was_there = attributes.get(key).is_some();
                    assert_eq!(attributes.insert(key, value), !was_there);
                }
                Op::Update(key, value) => {
                    let was_there = attributes.get(key).is_some();
                    assert_eq!(attributes.update(key, value), was_there);
                }
                Op::Remove(key) => {
                    let was_there = attributes.get(key).is_some();
                    assert_eq!(attributes.remove(key), was_there);
                    assert!(attributes.get(key).is_none());
                }
                Op::Rename(from, to) => {
                    let was_there = attributes.get(from).is_some();
                    assert_eq!(attributes.rename(from, to), was_there);
                }
                Op::Mask => attributes.change(|attribute| match attribute.value() {
                    Any::String(text) => Change::Set(NewValue::from(format!("{} bytes", text.len()))),
                    _ => Change::Keep,
                }),
            }
        }
        (if drop { Fate::Drop } else { Fate::Keep }, more)
    }
}

impl Editor for Changer {
    fn depth(&self) -> Depth {
        Depth::Nested
    }

    fn resource(&mut self, resource: &mut ResourceEdit<'_>) -> Fate {
        self.change("resource", resource.attributes()).0
    }

    fn scope(&mut self, scope: &mut ScopeEdit<'_>) -> Fate {
        let (fate, more) = self.change("scope", scope.attributes());
        if more {
            scope.set_name("scope");
            scope.set_version("2");
        }
        fate
    }

    fn metric(&mut self, metric: &mut MetricEdit<'_>) -> Fate {
        let (fate, more) = self.change("metric", metric.attributes());
        if more {
            metric.set_name("name");
            metric.set_description("");
            metric.set_unit("By");
        }
        fate
    }

    fn point(&mut self, point: &mut PointEdit<'_>) -> Fate {
        self.change("point", point.attributes()).0
    }

    fn log(&mut self, log: &mut LogEdit<'_>) -> Fate {
        let (fate, more) = self.change("log", log.attributes());
        if more {
            log.set_body(i64::MIN);
            log.set_severity_number(-1);
            log.set_severity_text("WARN");
            log.set_time(3);
        }
        fate
    }

    fn span(&mut self, span: &mut SpanEdit<'_>) -> Fate {
        let (fate, more) = self.change("span", span.attributes());
        if more {
            span.set_name("not this one");
            span.set_name("name of a span");
            span.set_kind(3);
            span.set_status(2, "bad");
            span.set_trace_state("");
            span.set_start_time(1);
            span.set_end_time(2);
        }
        fate
    }

    fn event(&mut self, event: &mut EventEdit<'_>) -> Fate {
        let (fate, more) = self.change("event", event.attributes());
        if more {
            event.set_name("event");
        }
        fate
    }

    fn exemplar(&mut self, exemplar: &mut ExemplarEdit<'_>) -> Fate {
        self.change("exemplar", exemplar.attributes()).0
    }

    fn link(&mut self, link: &mut LinkEdit<'_>) -> Fate {
        let (fate, more) = self.change("link", link.attributes());
        if more {
            link.set_trace_state("a=b");
        }
        fate
    }
}

/// The same on prost's structs. Each function returns items kept and dropped, or `None` if the message goes.
struct Model(Choices);

type Tally = (usize, usize);

impl Model {
    fn change(&mut self, kind: &'static str, attributes: &mut Vec<KeyValue>) -> (bool, bool) {
        let Choice { drop, ops, more } = self.0.next(kind);
        for op in ops {
            match op {
                Op::Set(key, value) => {
                    if !update(attributes, key, Value::IntValue(value)) {
                        attributes.push(attribute(key, Value::IntValue(value)));
                    }
                }
                Op::Insert(key, value) => {
                    if !attributes.iter().any(|old| old.key == key) {
                        attributes.push(attribute(key, Value::BoolValue(value)));
                    }
                }
                Op::Update(key, value) => {
                    update(attributes, key, Value::DoubleValue(value));
                }
                Op::Remove(key) => attributes.retain(|old| old.key != key),
                Op::Rename(from, to) => rename(attributes, from, to),
                Op::Mask => {
                    for old in attributes.iter_mut() {
                        if let Some(Value::StringValue(text)) =
                            old.value.clone().and_then(|value| value.value)
                        {
                            *old = attribute(&old.key, Value::StringValue(format!("{} bytes", text.len())));
                        }
                    }
                }
            }
        }
        (!drop, more)
    }

    fn resource(&mut self, resource: &mut Option<Resource>) -> bool {
        let mut changed = resource.clone().unwrap_or_default();
        let keep = self.change("resource", &mut changed.attributes).0;
        if resource.is_some() || changed != Resource::default() {
            *resource = Some(changed);
        }
        keep
    }

    fn scope(&mut self, scope: &mut Option<InstrumentationScope>) -> bool {
        let mut changed = scope.clone().unwrap_or_default();
        let (keep, more) = self.change("scope", &mut changed.attributes);
        if more {
            changed.name = "scope".into();
            changed.version = "2".into();
        }
        if scope.is_some() || changed != InstrumentationScope::default() {
            *scope = Some(changed);
        }
        keep
    }

    fn span(&mut self, span: &mut Span) -> Option<Tally> {
        let (keep, more) = self.change("span", &mut span.attributes);
        if !keep {
            return None;
        }
        if more {
            span.name = "name of a span".into();
            span.kind = 3;
            span.status = Some(Status { message: "bad".into(), code: 2 });
            span.trace_state = String::new();
            span.start_time_unix_nano = 1;
            span.end_time_unix_nano = 2;
        }
        span.events.retain_mut(|event| {
            let (keep, more) = self.change("event", &mut event.attributes);
            if more {
                event.name = "event".into();
            }
            keep
        });
        span.links.retain_mut(|link| {
            let (keep, more) = self.change("link", &mut link.attributes);
            if more {
                link.trace_state = "a=b".into();
            }
            keep
        });
        Some((1, 0))
    }

    fn log(&mut self, log: &mut LogRecord) -> Option<Tally> {
        let (keep, more) = self.change("log", &mut log.attributes);
        if more {
            log.body = Some(AnyValue { value: Some(Value::IntValue(i64::MIN)) });
            log.severity_number = -1;
            log.severity_text = "WARN".into();
            log.time_unix_nano = 3;
        }
        keep.then_some((1, 0))
    }

    fn metric(&mut self, metric: &mut Metric) -> Option<Tally> {
        let (keep, more) = self.change("metric", &mut metric.metadata);
        if !keep {
            return None;
        }
        if more {
            metric.name = "name".into();
            metric.description = String::new();
            metric.unit = "By".into();
        }
        let mut point = |attributes: &mut Vec<KeyValue>, exemplars: &mut Vec<Exemplar>| {
            self.change("point", attributes).0.then(|| {
                exemplars.retain_mut(|exemplar| self.change("exemplar", &mut exemplar.filtered_attributes).0);
                (1, 0)
            })
        };
        let tally = match &mut metric.data {
            None => (0, 0),
            Some(Data::Gauge(data)) => {
                retain(&mut data.data_points, |it| point(&mut it.attributes, &mut it.exemplars), |_| 1)
            }
            Some(Data::Sum(data)) => {
                retain(&mut data.data_points, |it| point(&mut it.attributes, &mut it.exemplars), |_| 1)
            }
            Some(Data::Histogram(data)) => {
                retain(&mut data.data_points, |it| point(&mut it.attributes, &mut it.exemplars), |_| 1)
            }
            Some(Data::ExponentialHistogram(data)) => {
                retain(&mut data.data_points, |it| point(&mut it.attributes, &mut it.exemplars), |_| 1)
            }
            Some(Data::Summary(data)) => {
                retain(&mut data.data_points, |it| point(&mut it.attributes, &mut Vec::new()), |_| 1)
            }
        };
        Some(tally)
    }

    fn all(&mut self, decoded: &mut Decoded) -> usize {
        let traces = retain(
            &mut decoded.traces.resource_spans,
            |of_resource| {
                self.resource(&mut of_resource.resource).then(|| {
                    retain(
                        &mut of_resource.scope_spans,
                        |of_scope| {
                            self.scope(&mut of_scope.scope)
                                .then(|| retain(&mut of_scope.spans, |span| self.span(span), |_| 1))
                        },
                        |of_scope| of_scope.spans.len(),
                    )
                })
            },
            |of_resource| of_resource.scope_spans.iter().map(|of_scope| of_scope.spans.len()).sum(),
        );
        let logs = retain(
            &mut decoded.logs.resource_logs,
            |of_resource| {
                self.resource(&mut of_resource.resource).then(|| {
                    retain(
                        &mut of_resource.scope_logs,
                        |of_scope| {
                            self.scope(&mut of_scope.scope)
                                .then(|| retain(&mut of_scope.log_records, |log| self.log(log), |_| 1))
                        },
                        |of_scope| of_scope.log_records.len(),
                    )
                })
            },
            |of_resource| of_resource.scope_logs.iter().map(|of_scope| of_scope.log_records.len()).sum(),
        );
        let metrics = retain(
            &mut decoded.metrics.resource_metrics,
            |of_resource| {
                self.resource(&mut of_resource.resource).then(|| {
                    retain(
                        &mut of_resource.scope_metrics,
                        |of_scope| {
                            self.scope(&mut of_scope.scope)
                                .then(|| retain(&mut of_scope.metrics, |metric| self.metric(metric), points))
                        },
                        |of_scope| of_scope.metrics.iter().map(points).sum(),
                    )
                })
            },
            |of_resource| {
                of_resource.scope_metrics.iter().flat_map(|of_scope| &of_scope.metrics).map(points).sum()
            },
        );
        traces.1 + logs.1 + metrics.1
    }
}

/// Changes each element; takes out those that go, and those that lose their last item.
fn retain<T: Clone>(
    list: &mut Vec<T>,
    mut change: impl FnMut(&mut T) -> Option<Tally>,
    items: impl Fn(&T) -> usize,
) -> Tally {
    let mut tally = (0, 0);
    list.retain_mut(|element| {
        let before = items(element);
        match change(element) {
            Some((kept, dropped)) if kept > 0 || dropped == 0 => {
                tally = (tally.0 + kept, tally.1 + dropped);
                true
            }
            _ => {
                tally.1 += before;
                false
            }
        }
    });
    tally
}

fn points(metric: &Metric) -> usize {
    match &metric.data {
        None => 0,
        Some(Data::Gauge(data)) => data.data_points.len(),
        Some(Data::Sum(data)) => data.data_points.len(),
        Some(Data::Histogram(data)) => data.data_points.len(),
        Some(Data::ExponentialHistogram(data)) => data.data_points.len(),
        Some(Data::Summary(data)) => data.data_points.len(),
    }
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

fn update(attributes: &mut Vec<KeyValue>, key: &str, value: Value) -> bool {
    let mut found = false;
    attributes.retain_mut(|old| {
        if old.key != key {
            return true;
        }
        *old = attribute(key, value.clone());
        !std::mem::replace(&mut found, true)
    });
    found
}

fn rename(attributes: &mut Vec<KeyValue>, from: &str, to: &str) {
    if !attributes.iter().any(|old| old.key == from) {
        return;
    }
    let mut found = false;
    attributes.retain_mut(|old| {
        if old.key == from && !std::mem::replace(&mut found, true) {
            let value = Some(old.value.take().unwrap_or_default());
            *old = KeyValue { key: to.into(), value, key_strindex: 0 };
            return true;
        }
        old.key != from && old.key != to
    });
}

proptest! {
    #[test]
    fn edits_are_made_as_prost_would(seed: u64, size in 0..4_usize) {
        for signal in Signal::ALL {
            let bytes = Bytes::from(request(signal, &mut Rng(seed), size, Odd::default()));
            let mut expected = decode(signal, &bytes).unwrap();
            let dropped = Model(Choices::new(seed)).all(&mut expected);
            let edited = edit(signal, &bytes, &mut Changer(Choices::new(seed)));
            prop_assert_eq!(edited.dropped, dropped);
            prop_assert!(check(signal, &edited.bytes, &Policy::default()).unwrap().is_clean);
            prop_assert!(decode(signal, &edited.bytes).unwrap() == expected);
            prop_assert_eq!(count(signal, &edited.bytes) + dropped, count(signal, &bytes));
        }
    }
}

/// Reads much and changes nothing.
struct Reader;

impl Editor for Reader {
    fn depth(&self) -> Depth {
        Depth::Nested
    }

    fn span(&mut self, span: &mut SpanEdit<'_>) -> Fate {
        assert!(span.before().name().len() < 10_000);
        assert!(!span.attributes().update("nobody has this", 1));
        assert!(!span.attributes().remove("nobody has this"));
        Fate::Keep
    }
}

#[test]
fn a_request_left_alone_is_handed_back() {
    let bytes = Bytes::from(request(Signal::Traces, &mut Rng(1), 4, Odd::default()));
    let edited = edit(Signal::Traces, &bytes, &mut Reader);
    assert!(!edited.changed);
    assert_eq!(edited.bytes.as_ptr(), bytes.as_ptr());
}

/// Names a resource, and looks no further.
struct Namer;

impl Editor for Namer {
    fn depth(&self) -> Depth {
        Depth::Resource
    }

    fn resource(&mut self, resource: &mut ResourceEdit<'_>) -> Fate {
        resource.attributes().insert("service.name", "unknown");
        Fate::Keep
    }

    fn span(&mut self, _span: &mut SpanEdit<'_>) -> Fate {
        unreachable!("spans lie deeper than was asked for")
    }
}

#[test]
fn a_resource_that_is_absent_can_be_added() {
    let mut bytes = Vec::new();
    write_nested(&mut bytes, 1, |out| write_nested(out, 2, |out| write_nested(out, 2, |_| {})));
    let mut expected = Vec::new();
    write_nested(&mut expected, 1, |out| {
        write_nested(out, 1, |out| {
            write_nested(out, 1, |out| {
                write_len_field(out, 1, b"service.name");
                write_nested(out, 2, |out| write_len_field(out, 1, b"unknown"));
            });
        });
        write_nested(out, 2, |out| write_nested(out, 2, |_| {}));
    });
    assert_eq!(edit(Signal::Traces, &bytes.into(), &mut Namer).bytes, expected);
}

/// Goes down as far as told and drops what it finds there.
struct Dropper(Depth);

impl Editor for Dropper {
    fn depth(&self) -> Depth {
        self.0
    }

    fn scope(&mut self, _scope: &mut ScopeEdit<'_>) -> Fate {
        if self.0 == Depth::Scope { Fate::Drop } else { Fate::Keep }
    }

    fn metric(&mut self, metric: &mut MetricEdit<'_>) -> Fate {
        assert!(self.0 >= Depth::Metric);
        let named = metric.before().name() == "name";
        if self.0 == Depth::Metric && named { Fate::Drop } else { Fate::Keep }
    }

    fn point(&mut self, point: &mut PointEdit<'_>) -> Fate {
        assert!(self.0 >= Depth::Item);
        assert_eq!(point.metric().name(), "name");
        Fate::Drop
    }
}

/// A resource with one scope, of one metric with that many points, and a resource with nothing.
fn metrics(points: usize) -> Bytes {
    let mut out = Vec::new();
    write_nested(&mut out, 1, |out| {
        write_nested(out, 2, |out| {
            write_nested(out, 2, |out| {
                write_len_field(out, 1, b"name");
                write_nested(out, 5, |out| (0..points).for_each(|_| write_nested(out, 1, |_| {})));
            });
        });
    });
    write_nested(&mut out, 1, |_| {});
    out.into()
}

#[track_caller]
fn check_dropped(depth: Depth, points: usize, left: &[u8]) {
    let edited = edit(Signal::Metrics, &metrics(points), &mut Dropper(depth));
    assert_eq!((edited.dropped, &edited.bytes[..]), (points, left));
}

#[test]
fn what_is_beside_a_message_that_goes_stays() {
    let mut out = Vec::new();
    let metric = |out: &mut Vec<u8>, name: &[u8]| {
        write_nested(out, 2, |out| {
            write_len_field(out, 1, name);
            write_nested(out, 5, |out| write_nested(out, 1, |_| {}));
        });
    };
    write_nested(&mut out, 1, |out| {
        write_nested(out, 2, |out| [b"name", b"kept"].into_iter().for_each(|name| metric(out, name)));
    });
    let mut expected = Vec::new();
    write_nested(&mut expected, 1, |out| write_nested(out, 2, |out| metric(out, b"kept")));
    let edited = edit(Signal::Metrics, &out.into(), &mut Dropper(Depth::Metric));
    assert_eq!((edited.dropped, &edited.bytes[..]), (1, &expected[..]));
}

#[test]
fn what_loses_its_last_item_goes_too() {
    // The resource that held nothing from the start stays.
    check_dropped(Depth::Item, 2, &[0x0a, 0]);
    check_dropped(Depth::Metric, 2, &[0x0a, 0]);
    check_dropped(Depth::Scope, 2, &[0x0a, 0]);
    // A metric without points is not a loss of items: what was around it stays.
    check_dropped(Depth::Metric, 0, &[0x0a, 2, 0x12, 0, 0x0a, 0]);
    check_dropped(Depth::Resource, 0, &metrics(0));
}
