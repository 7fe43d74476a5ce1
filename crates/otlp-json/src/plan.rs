//! The schema, prepared for both directions: JSON order, ready-made keys, lookup by number and by name.

use std::sync::LazyLock;

use otlp::schema::{self, Field, Kind, Label, Message};
use otlp::wire::WireType;

use crate::response::RESPONSE;

/// Longest opening of the schema, rounded up. A fixed size lets the writer copy it with a few moves where a
/// copy of unknown length would be a call.
pub(crate) const OPENING: usize = 32;

/// Messages with at most this many fields are small to the writer.
pub(crate) const SMALL: usize = 4;

/// Messages with at most this many fields are large to the writer; what is beyond takes its general path.
pub(crate) const LARGE: usize = 16;

/// Field numbers below this are looked up in a table.
const DIRECT: usize = 32;

/// Every message that can be reached from the roots, each as a [`Plan`].
#[derive(Debug)]
pub(crate) struct Plans(Vec<Plan>);

/// A message type, prepared.
#[derive(Debug)]
pub(crate) struct Plan {
    message: &'static Message,
    /// Fields in the order in which they are written.
    pub(crate) fields: Vec<Entry>,
    /// How the writer takes the message.
    pub(crate) shape: Shape,
    /// Which quick path the writer has for it.
    pub(crate) quick: Option<Quick>,
    /// Field number to index in `fields` plus one; zero is no field.
    direct: [u8; DIRECT],
}

/// How the writer takes a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Nothing but a oneof, as `AnyValue` is.
    Union,
    /// At most [`SMALL`] fields.
    Small,
    /// At most [`LARGE`] fields.
    Large,
    /// More fields.
    Huge,
}

/// Messages for which the writer has a quick path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quick {
    /// `KeyValue`.
    Attribute,
    /// `Span`.
    Span,
}

/// A field of a [`Plan`].
#[derive(Debug)]
pub(crate) struct Entry {
    /// What comes before the value, padded.
    pub(crate) opening: [u8; OPENING],
    pub(crate) opening_len: usize,
    /// Length of `,"name":` alone.
    name_len: usize,
    pub(crate) number: u32,
    pub(crate) kind: Kind,
    pub(crate) label: Label,
    /// Wire type of one value.
    pub(crate) wire_type: WireType,
    /// Where the plan of an embedded message is.
    pub(crate) child: PlanId,
    /// The name to write.
    pub(crate) json: &'static str,
    /// The name in the `.proto` file.
    pub(crate) name: &'static str,
}

/// Index of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlanId(usize);

static KNOWN: LazyLock<Plans> =
    LazyLock::new(|| Plans::compile(&[&schema::TRACES, &schema::METRICS, &schema::LOGS, &RESPONSE]));

/// Runs `work` with the plan of `message`. A message that cannot be reached from OTLP's requests and responses
/// is prepared for this one call.
pub(crate) fn with_plan<T>(message: &'static Message, work: impl FnOnce(&Plans, &Plan) -> T) -> T {
    if let Some(plan) = KNOWN.find(message) {
        return work(&KNOWN, plan);
    }
    let plans = Plans::compile(&[message]);
    let plan = plans.get(PlanId(0));
    work(&plans, plan)
}

impl Plans {
    fn compile(roots: &[&'static Message]) -> Self {
        let mut messages: Vec<&'static Message> = Vec::new();
        for root in roots {
            id_of(&mut messages, root);
        }
        let mut plans = Vec::new();
        // The list grows while it is walked: each plan names its children, which queue up behind it.
        while let Some(message) = messages.get(plans.len()).copied() {
            plans.push(Plan::new(message, &mut messages));
        }
        Self(plans)
    }

    pub(crate) fn get(&self, id: PlanId) -> &Plan {
        self.0.get(id.0).expect("ids are made by `compile`, which prepares every message it has numbered")
    }

    fn find(&self, message: &'static Message) -> Option<&Plan> {
        self.0.iter().find(|plan| std::ptr::eq(plan.message, message))
    }
}

fn id_of(messages: &mut Vec<&'static Message>, message: &'static Message) -> PlanId {
    let known = messages.iter().position(|known| std::ptr::eq(*known, message));
    PlanId(known.unwrap_or_else(|| {
        messages.push(message);
        messages.len() - 1
    }))
}

impl Plan {
    fn new(message: &'static Message, messages: &mut Vec<&'static Message>) -> Self {
        let order = declared_order(message.name);
        let rank = |field: &Field| order.iter().position(|number| *number == field.number);
        let mut ordered: Vec<&'static Field> = message.fields.iter().collect();
        if !order.is_empty() {
            ordered.sort_by_key(|field| rank(field).unwrap_or(usize::MAX));
        }
        let fields: Vec<Entry> = ordered.into_iter().map(|field| Entry::new(field, messages)).collect();
        let mut direct = [0; DIRECT];
        for (field, index) in fields.iter().zip(0u8..) {
            if let Some(entry) = direct.get_mut(field.number as usize) {
                *entry = index + 1;
            }
        }
        let shape = match fields.len() {
            _ if fields.iter().all(|field| field.label == Label::Oneof) => Shape::Union,
            len if len <= SMALL => Shape::Small,
            len if len <= LARGE => Shape::Large,
            _ => Shape::Huge,
        };
        let quick = match message {
            _ if std::ptr::eq(message, &schema::KEY_VALUE) => Some(Quick::Attribute),
            _ if std::ptr::eq(message, &schema::SPAN) => Some(Quick::Span),
            _ => None,
        };
        Self { message, fields, shape, quick, direct }
    }

    /// Index of the field with this number.
    #[inline]
    pub(crate) fn by_number(&self, number: u32) -> Option<usize> {
        match self.direct.get(number as usize) {
            Some(0) => None,
            Some(index) => Some(usize::from(*index) - 1),
            None => self.fields.iter().position(|field| field.number == number),
        }
    }

    /// Index of the field with this name, lowerCamel or as in the `.proto` file. `hint` is where to look first:
    /// senders mostly keep the order of the fields.
    #[inline]
    pub(crate) fn by_name(&self, name: &[u8], hint: usize) -> Option<usize> {
        let (before, after) = self.fields.split_at_checked(hint).unwrap_or_default();
        let found = |field: &Entry| field.json.as_bytes() == name;
        if let Some(index) = after.iter().position(found) {
            return Some(hint + index);
        }
        let in_snake = || self.fields.iter().position(|field| field.name.as_bytes() == name);
        before.iter().position(found).or_else(in_snake)
    }
}

impl Entry {
    fn new(field: &'static Field, messages: &mut Vec<&'static Message>) -> Self {
        let text = opening(field.json, field.label, field.kind);
        let mut opening = [0; OPENING];
        // A name of somebody else's schema may be too long: the writer takes the plain way then.
        if let Some(start) = opening.get_mut(..text.len()) {
            start.copy_from_slice(text.as_bytes());
        }
        let child = match field.kind {
            Kind::Message(message) => id_of(messages, message),
            _ => PlanId(0),
        };
        Self {
            opening,
            opening_len: text.len(),
            name_len: field.json.len() + 4,
            number: field.number,
            kind: field.kind,
            label: field.label,
            wire_type: field.kind.wire_type(),
            child,
            json: field.json,
            name: field.name,
        }
    }

    /// `"name":`, or nothing useful if the name is too long for the table.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        self.opening.get(1..self.name_len).unwrap_or(&[0])
    }

    /// Whether the field is written even if it is absent: the reference keeps embedded messages that are
    /// neither repeated nor in a oneof by value.
    #[inline]
    pub(crate) fn always(&self) -> bool {
        self.label == Label::Singular && matches!(self.kind, Kind::Message(_))
    }
}

/// What the writer puts before a value: `,"name":`, and the bracket of a repeated field, or the quote of a
/// single value that is always in quotes.
pub(crate) fn opening(name: &str, label: Label, kind: Kind) -> String {
    let start = match label {
        Label::Repeated | Label::Packed => "[",
        _ if is_quoted(kind) => "\"",
        _ => "",
    };
    format!(",\"{name}\":{start}")
}

/// Whether values of this kind are strings in JSON. A double is one at times only.
#[inline]
pub(crate) fn is_quoted(kind: Kind) -> bool {
    match kind {
        Kind::String | Kind::Bytes | Kind::TraceId | Kind::SpanId => true,
        Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => true,
        Kind::Bool | Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Fixed32 | Kind::Sfixed32 => false,
        Kind::Double | Kind::Enum(_) | Kind::Message(_) => false,
    }
}

/// Numbers of a message's fields in the order in which the `.proto` file declares them, where this is not the
/// order of the numbers. The reference implementation writes in this order (except for `Exemplar`, whose order
/// is its own).
fn declared_order(message: &str) -> &'static [u32] {
    match message {
        "opentelemetry.proto.trace.v1.Span" => &[1, 2, 3, 4, 16, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        "opentelemetry.proto.logs.v1.LogRecord" => &[1, 11, 2, 3, 5, 6, 7, 8, 9, 10, 12],
        "opentelemetry.proto.metrics.v1.NumberDataPoint" => &[7, 2, 3, 4, 6, 5, 8],
        "opentelemetry.proto.metrics.v1.HistogramDataPoint" => &[9, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12],
        "opentelemetry.proto.metrics.v1.SummaryDataPoint" => &[7, 2, 3, 4, 5, 6, 8],
        "opentelemetry.proto.metrics.v1.Exemplar" => &[7, 2, 3, 6, 5, 4],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_schema_fits_the_fast_paths() {
        for plan in &KNOWN.0 {
            assert_ne!(plan.shape, Shape::Huge, "{} has too many fields", plan.message.name);
            for field in &plan.fields {
                assert!(field.opening_len <= OPENING, "{} is too long", field.json);
                assert!((field.number as usize) < DIRECT);
                let found = plan.by_number(field.number).map(|index| plan.fields[index].number);
                assert_eq!(found, Some(field.number));
            }
        }
    }

    #[test]
    fn an_order_names_every_field_of_its_message_once() {
        for plan in &KNOWN.0 {
            let order = declared_order(plan.message.name);
            if !order.is_empty() {
                let mut sorted = order.to_vec();
                sorted.sort_unstable();
                let numbers: Vec<u32> = plan.message.fields.iter().map(|field| field.number).collect();
                assert_eq!(sorted, numbers, "{}", plan.message.name);
            }
        }
    }
}
