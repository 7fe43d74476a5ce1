//! Changing a batch while writing only what changes.
//!
//! An [`Editor`] is shown the messages of a request one by one and says what is to be different. What it leaves
//! alone is copied as bytes; what it changes is written anew, and so are the lengths of the messages around it.
//! A request in which nothing changes is handed back as it came.

mod attributes;
mod message;
mod patch;
mod targets;

use std::ops::Range;

use bytes::Bytes;

use crate::Signal;
use crate::shape::{Shape, count_in};
use crate::view::{Metric, ResourceSpans, ScopeSpans};
use crate::wire::Fields;

use message::{MessageEdit, Pending};
use patch::Patches;
pub(crate) use patch::Place;
use targets::Parents;

pub use attributes::{AttributesEdit, Change, NewValue};
pub use targets::{
    EventEdit, ExemplarEdit, LinkEdit, LogEdit, MetricEdit, Point, PointEdit, ResourceEdit, ScopeEdit,
    SpanEdit,
};

/// Whether a message stays. One that goes takes what it holds along, and a message whose last item goes, goes too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays.
    Keep,
    /// It goes.
    Drop,
}

/// How far down a request is walked. What lies deeper is not shown, and costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Resources only.
    Resource,
    /// And scopes.
    Scope,
    /// And metrics.
    Metric,
    /// And spans, data points, log records.
    Item,
    /// And the events and links of spans, the exemplars of data points.
    Nested,
}

/// Changes messages. Override what you change; everything else stays.
pub trait Editor {
    /// How far down to walk.
    fn depth(&self) -> Depth {
        Depth::Item
    }

    /// A resource, before what it holds. Shown with no bytes when the sender left it out.
    fn resource(&mut self, _resource: &mut ResourceEdit<'_>) -> Fate {
        Fate::Keep
    }

    /// A scope, before what it holds. Shown with no bytes when the sender left it out.
    fn scope(&mut self, _scope: &mut ScopeEdit<'_>) -> Fate {
        Fate::Keep
    }

    /// A metric, before its data points.
    fn metric(&mut self, _metric: &mut MetricEdit<'_>) -> Fate {
        Fate::Keep
    }

    /// A data point of any kind.
    fn point(&mut self, _point: &mut PointEdit<'_>) -> Fate {
        Fate::Keep
    }

    /// A log record.
    fn log(&mut self, _log: &mut LogEdit<'_>) -> Fate {
        Fate::Keep
    }

    /// A span, before its events and links.
    fn span(&mut self, _span: &mut SpanEdit<'_>) -> Fate {
        Fate::Keep
    }

    /// An event of a span that stays.
    fn event(&mut self, _event: &mut EventEdit<'_>) -> Fate {
        Fate::Keep
    }

    /// A link of a span that stays.
    fn link(&mut self, _link: &mut LinkEdit<'_>) -> Fate {
        Fate::Keep
    }

    /// An exemplar of a data point that stays.
    fn exemplar(&mut self, _exemplar: &mut ExemplarEdit<'_>) -> Fate {
        Fate::Keep
    }
}

/// What has become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The request: the same allocation as before if nothing has changed.
    pub bytes: Bytes,
    /// Whether anything has changed.
    pub changed: bool,
    /// How many spans, data points or log records have gone.
    pub dropped: usize,
}

/// Shows a checked request to an editor and makes the changes.
pub fn edit(signal: Signal, request: &Bytes, editor: &mut dyn Editor) -> Edited {
    let depth = editor.depth();
    let mut walk = Walk { signal, request, depth, editor, patches: Patches::default() };
    let whole = walk.children(Shape::Request, 0..request.len(), Parents::default());
    if walk.patches.is_empty() {
        return Edited { bytes: request.clone(), changed: false, dropped: 0 };
    }
    Edited { bytes: walk.patches.apply(request).into(), changed: true, dropped: whole.dropped }
}

struct Walk<'e> {
    signal: Signal,
    request: &'e [u8],
    depth: Depth,
    editor: &'e mut dyn Editor,
    patches: Patches,
}

/// What has become of a message's content.
#[derive(Clone, Copy, Default)]
struct Tally {
    /// By how many bytes it grows.
    growth: isize,
    /// Whether one of the innermost messages that were shown is still there.
    kept: bool,
    /// Items gone.
    dropped: usize,
}

impl<'e> Walk<'e> {
    fn bytes(&self, range: &Range<usize>) -> &'e [u8] {
        self.request.get(range.clone()).unwrap_or_default()
    }

    /// Shows everything on the way down from a message.
    fn children(&mut self, shape: Shape, body: Range<usize>, parents: Parents<'e>) -> Tally {
        let mut tally = Tally::default();
        for field in Fields::new(self.bytes(&body)) {
            let Some(shape) = shape.child(self.signal, field.number) else { continue };
            let place = Place::new(body.start, &field);
            let mark = self.patches.mark();
            let child = self.child(shape, field.number, &place, parents);
            match child {
                Some(child) if child.kept || child.dropped == 0 => {
                    tally.growth += self.patches.fix_length(&place, child.growth);
                    tally.kept |= child.kept;
                    tally.dropped += child.dropped;
                }
                _ => {
                    self.patches.rewind(mark);
                    tally.dropped += count_in(self.signal, shape, self.bytes(&place.payload));
                    tally.growth += self.patches.remove(place.field);
                }
            }
        }
        tally
    }

    /// Shows a message and everything below it; `None` if it goes.
    fn child(&mut self, shape: Shape, number: u32, place: &Place, parents: Parents<'e>) -> Option<Tally> {
        let body = place.payload.clone();
        match shape {
            Shape::Request => None,
            Shape::Resource => self.resource(body, parents),
            Shape::Scope => self.scope(body, parents),
            Shape::Metric => self.metric(body, parents),
            Shape::Data => Some(self.children(shape, body, Parents { data: number, ..parents })),
            Shape::Item => self.item(body, parents),
        }
    }

    fn resource(&mut self, body: Range<usize>, parents: Parents<'e>) -> Option<Tally> {
        // The same field in the messages of all three signals.
        let resource = ResourceSpans::new(self.bytes(&body)).resource();
        let growth = self.inner(&body, RESOURCE_ATTRIBUTES, parents, |editor, message| {
            let mut edit = ResourceEdit::new(message);
            (editor.resource(&mut edit), edit.into_pending())
        })?;
        if self.depth < Depth::Scope {
            return Some(Tally { growth, kept: true, dropped: 0 });
        }
        let tally = self.children(Shape::Resource, body, Parents { resource, ..parents });
        Some(Tally { growth: tally.growth + growth, ..tally })
    }

    fn scope(&mut self, body: Range<usize>, parents: Parents<'e>) -> Option<Tally> {
        let scope = ScopeSpans::new(self.bytes(&body)).scope();
        let growth = self.inner(&body, SCOPE_ATTRIBUTES, parents, |editor, message| {
            let mut edit = ScopeEdit::new(message);
            (editor.scope(&mut edit), edit.into_pending())
        })?;
        let next = if self.signal == Signal::Metrics { Depth::Metric } else { Depth::Item };
        if self.depth < next {
            return Some(Tally { growth, kept: true, dropped: 0 });
        }
        let tally = self.children(Shape::Scope, body, Parents { scope, ..parents });
        Some(Tally { growth: tally.growth + growth, ..tally })
    }

    fn metric(&mut self, body: Range<usize>, parents: Parents<'e>) -> Option<Tally> {
        let metric = Metric::new(self.bytes(&body));
        let pending = Pending::new(body.clone(), METRIC_METADATA);
        let pending = self.show(pending, parents, |editor, message| {
            let mut edit = MetricEdit::new(message);
            (editor.metric(&mut edit), edit.into_pending())
        })?;
        let tally = match self.depth {
            Depth::Resource | Depth::Scope | Depth::Metric => Tally { kept: true, ..Tally::default() },
            Depth::Item | Depth::Nested => self.children(Shape::Metric, body, Parents { metric, ..parents }),
        };
        let growth = tally.growth + pending.flush(self.request, &mut self.patches);
        Some(Tally { growth, ..tally })
    }

    fn item(&mut self, body: Range<usize>, parents: Parents<'e>) -> Option<Tally> {
        let attributes = item_attributes(self.signal, parents.data);
        let pending = Pending::new(body.clone(), attributes);
        let pending = match self.signal {
            Signal::Traces => self.show(pending, parents, |editor, message| {
                let mut edit = SpanEdit::new(message);
                (editor.span(&mut edit), edit.into_pending())
            })?,
            Signal::Metrics => self.show(pending, parents, |editor, message| {
                let mut edit = PointEdit::new(message);
                (editor.point(&mut edit), edit.into_pending())
            })?,
            Signal::Logs => self.show(pending, parents, |editor, message| {
                let mut edit = LogEdit::new(message);
                (editor.log(&mut edit), edit.into_pending())
            })?,
        };
        let mut growth = 0;
        if self.depth >= Depth::Nested {
            growth += self.nested(body, parents);
        }
        growth += pending.flush(self.request, &mut self.patches);
        Some(Tally { growth, kept: true, dropped: 0 })
    }

    /// Shows the events and links of a span, the exemplars of a data point. Returns by how much it grows.
    fn nested(&mut self, body: Range<usize>, parents: Parents<'e>) -> isize {
        let mut growth = 0;
        for field in Fields::new(self.bytes(&body)) {
            let Some(nested) = Nested::of(self.signal, parents.data, field.number) else { continue };
            let place = Place::new(body.start, &field);
            let pending = Pending::new(place.payload.clone(), nested.attributes());
            let pending = self.show(pending, parents, |editor, message| match nested {
                Nested::Event => {
                    let mut edit = EventEdit::new(message);
                    (editor.event(&mut edit), edit.into_pending())
                }
                Nested::Link => {
                    let mut edit = LinkEdit::new(message);
                    (editor.link(&mut edit), edit.into_pending())
                }
                Nested::Exemplar => {
                    let mut edit = ExemplarEdit::new(message);
                    (editor.exemplar(&mut edit), edit.into_pending())
                }
            });
            growth += self.settle(&place, pending);
        }
        growth
    }

    /// Shows the resource of a resource's spans, the scope of a scope's spans, whether there or not. Returns by
    /// how much the message around it grows; `None` if that message goes.
    fn inner(
        &mut self,
        around: &Range<usize>,
        attributes: u32,
        parents: Parents<'e>,
        show: impl FnOnce(&mut dyn Editor, MessageEdit<'_>) -> (Fate, Pending),
    ) -> Option<isize> {
        let known = Fields::new(self.bytes(around)).find(|field| field.number == INNER);
        let Some(place) = known.map(|field| Place::new(around.start, &field)) else {
            let pending = self.show(Pending::absent(around.start, INNER, attributes), parents, show)?;
            return Some(pending.flush(self.request, &mut self.patches));
        };
        let pending = self.show(Pending::new(place.payload.clone(), attributes), parents, show)?;
        Some(self.settle(&place, Some(pending)))
    }

    /// Shows one message. Returns what is to change about it; `None` if it goes.
    fn show(
        &mut self,
        pending: Pending,
        parents: Parents<'e>,
        show: impl FnOnce(&mut dyn Editor, MessageEdit<'_>) -> (Fate, Pending),
    ) -> Option<Pending> {
        let message = MessageEdit { request: self.request, patches: &mut self.patches, pending, parents };
        match show(self.editor, message) {
            (Fate::Keep, pending) => Some(pending),
            (Fate::Drop, _) => None,
        }
    }

    /// Makes patches of what is to change about a message. Returns by how much the message around it grows.
    fn settle(&mut self, place: &Place, pending: Option<Pending>) -> isize {
        match pending {
            None => self.patches.remove(place.field.clone()),
            Some(pending) => {
                let growth = pending.flush(self.request, &mut self.patches);
                self.patches.fix_length(place, growth)
            }
        }
    }
}

/// `resource` of a resource's spans, metrics, logs; `scope` of a scope's.
pub(crate) const INNER: u32 = 1;
pub(crate) const RESOURCE_ATTRIBUTES: u32 = 1;
const SCOPE_ATTRIBUTES: u32 = 3;
const METRIC_METADATA: u32 = 12;

/// A message inside an item.
#[derive(Clone, Copy)]
enum Nested {
    Event,
    Link,
    Exemplar,
}

impl Nested {
    /// The message that an item's field holds; `data` is the field of the metric that the item is in.
    fn of(signal: Signal, data: u32, number: u32) -> Option<Self> {
        match (signal, data, number) {
            (Signal::Traces, _, 11) => Some(Self::Event),
            (Signal::Traces, _, 13) => Some(Self::Link),
            (Signal::Metrics, HISTOGRAM, 8) | (Signal::Metrics, EXPONENTIAL_HISTOGRAM, 11) => {
                Some(Self::Exemplar)
            }
            (Signal::Metrics, GAUGE | SUM, 5) => Some(Self::Exemplar),
            _ => None,
        }
    }

    /// Field number of its attributes.
    const fn attributes(self) -> u32 {
        match self {
            Self::Event => 3,
            Self::Link => 4,
            Self::Exemplar => 7,
        }
    }
}

/// Field number of an item's attributes; of a data point it depends on which field of the metric holds it.
pub(crate) fn item_attributes(signal: Signal, data: u32) -> u32 {
    match (signal, data) {
        (Signal::Traces, _) => 9,
        (Signal::Logs, _) => 6,
        (Signal::Metrics, HISTOGRAM) => 9,
        (Signal::Metrics, EXPONENTIAL_HISTOGRAM) => 1,
        // Gauge, sum, summary.
        (Signal::Metrics, _) => 7,
    }
}

const GAUGE: u32 = 5;
const SUM: u32 = 7;
const HISTOGRAM: u32 = 9;
const EXPONENTIAL_HISTOGRAM: u32 = 10;
const SUMMARY: u32 = 11;
