//! The members `annotations` and `metadata`: every attribute that has no place of its own.

use std::borrow::Cow;

use otlp::view::AnyValue;

use super::known::{Key, KeySet};
use super::resource::{PREFIX, ResourceRead};
use super::room::Room;
use super::span::{Attribute, SpanRead};
use super::{Context, names, value};
use crate::json::{self, scan};

/// The namespace of the metadata that attributes are in.
const DEFAULT: &[u8] = b"default";

/// A set of names that is asked often, for names that are mostly not in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    sorted: Vec<Vec<u8>>,
    /// A bit for each length, modulo 64.
    lengths: u64,
}

impl Names {
    pub(super) fn new(names: &[String]) -> Self {
        let mut sorted: Vec<_> = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        sorted.sort();
        Self { lengths: sorted.iter().fold(0, |lengths, name| lengths | 1 << (name.len() % 64)), sorted }
    }

    #[inline]
    pub(super) fn has(&self, name: &[u8]) -> bool {
        self.lengths & 1 << (name.len() % 64) != 0
            && self.sorted.binary_search_by(|known| known.as_slice().cmp(name)).is_ok()
    }
}

/// Which attributes are left for here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    /// Those with a place of their own; the configuration can have them here too.
    pub consumed: KeySet,
    /// Those that this document is not to show.
    pub hidden: KeySet,
    /// The resource's attributes are shown.
    pub resource: bool,
}

/// Annotations and metadata of one document.
#[derive(Debug, Default)]
pub(super) struct Extras<'m> {
    annotations: Vec<Item<'m>>,
    default: Vec<Item<'m>>,
    /// The other namespaces, as JSON.
    namespaces: Vec<(&'m [u8], &'m [u8])>,
}

#[derive(Clone, Debug)]
struct Item<'m> {
    /// The first bytes of the key, for a quick comparison.
    rank: u64,
    key: Cow<'m, [u8]>,
    value: Written<'m>,
}

#[derive(Clone, Debug)]
enum Written<'m> {
    /// The bytes of an `AnyValue`.
    Attribute(&'m [u8]),
    /// JSON of somebody else's, checked.
    Json(&'m [u8]),
    /// JSON as it is to be written.
    Ready(Cow<'m, [u8]>),
    /// Members of an object, all of whose keys begin with the item's.
    Members(&'m [u8]),
}

impl<'m> Item<'m> {
    fn new(key: Cow<'m, [u8]>, value: Written<'m>) -> Self {
        let rank = key.first_chunk::<8>().map_or_else(
            || key.iter().chain(&[0; 8]).take(8).fold(0, |rank, byte| rank << 8 | u64::from(*byte)),
            |first| u64::from_be_bytes(*first),
        );
        Self { rank, key, value }
    }

    fn write(&self, out: &mut Vec<u8>) {
        if let Written::Members(members) = &self.value {
            return out.extend_from_slice(members);
        }
        json::string(out, &self.key);
        out.push(b':');
        match &self.value {
            Written::Attribute(raw) => value::write_raw(out, raw),
            Written::Json(json) => scan::compact(out, json),
            Written::Ready(json) => out.extend_from_slice(json),
            Written::Members(_) => {}
        }
    }
}

impl<'m> Extras<'m> {
    /// Gathers those of another document.
    pub(super) fn collect(
        &mut self,
        span: &SpanRead<'m>,
        resource: &'m ResourceRead<'m>,
        left: Left,
        context: &mut Context,
    ) {
        self.annotations.clear();
        self.default.clear();
        self.namespaces.clear();
        let listed = listed(span);
        if left.resource {
            self.collect_resource(span, resource, &listed, context);
            context.room.add(resource.cut);
        }
        self.collect_own(span, &listed, left, context);
        if context.options.keep_events {
            self.collect_events(span, &mut context.room);
        }
    }

    /// Gathers the span's own attributes.
    #[inline]
    fn collect_own(&mut self, span: &SpanRead<'m>, listed: &[&[u8]], left: Left, context: &Context) {
        let index_all = context.options.index_all_attributes;
        let mut merged = Vec::new();
        for attribute in &span.attributes {
            let key = attribute.key;
            if attribute.known.is_some_and(|known| !is_left(known, attribute, left, context)) {
                continue;
            }
            if index_all || context.indexed.has(key) || listed.binary_search(&key).is_ok() {
                let simple = value::is_simple_raw(attribute.raw);
                let place = if simple { &mut self.annotations } else { &mut self.default };
                let key = if simple { annotation_key(key, context) } else { Cow::Borrowed(key) };
                push(place, key, attribute);
            } else if let Some(name) = namespace_of(key)
                && let Some((kind @ (scan::Kind::Object | scan::Kind::Null), text)) =
                    attribute.as_text().and_then(scan::document)
            {
                if !name.eq_ignore_ascii_case(DEFAULT) {
                    self.namespaces.push((name, text));
                } else if kind == scan::Kind::Object {
                    merged.push(text);
                }
            } else {
                push(&mut self.default, Cow::Borrowed(key), attribute);
            }
        }
        for (key, value) in merged.into_iter().flat_map(scan::members_of) {
            self.default.push(Item::new(scan::unescape(key), Written::Json(value)));
        }
    }

    fn collect_resource(
        &mut self,
        span: &SpanRead<'m>,
        resource: &'m ResourceRead<'m>,
        listed: &[&[u8]],
        context: &Context,
    ) {
        let ours = |name: &[u8]| name.starts_with(PREFIX);
        // What a document of this exporter says of its resource is in its default namespace.
        let is_default =
            |key: &[u8]| namespace_of(key).is_some_and(|name| name.eq_ignore_ascii_case(DEFAULT));
        let apart = listed.iter().any(|name| ours(name))
            || span.attributes.iter().any(|attribute| ours(attribute.key) || is_default(attribute.key));
        for entry in &resource.entries {
            let json = || Written::Ready(Cow::Borrowed(resource.value(entry)));
            let name = resource.name(entry);
            if entry.indexed || (entry.simple && listed.binary_search(&name).is_ok()) {
                self.annotations.push(Item::new(annotation_key(name, context), json()));
            } else if apart {
                self.default.push(Item::new(Cow::Borrowed(name), json()));
            }
        }
        if !apart && !resource.metadata().is_empty() {
            self.default.push(Item::new(Cow::Borrowed(PREFIX), Written::Members(resource.metadata())));
        }
    }

    fn collect_events(&mut self, span: &SpanRead<'m>, room: &mut Room) {
        let mut events = Vec::new();
        let mut is_cut = false;
        let kept = || span.events().filter(|event| event.name() != names::EXCEPTION_EVENT);
        for event in kept() {
            if room.is_full(events.len()) {
                // Trimming would take all of them out.
                events = format!("\"({} events cut)\"", kept().count()).into_bytes();
                is_cut = true;
                break;
            }
            events.extend_from_slice(if events.is_empty() { b"[{\"name\":" } else { b",{\"name\":" });
            json::string(&mut events, event.name().as_bytes());
            events.extend_from_slice(b",\"time\":");
            json::seconds(&mut events, event.time_unix_nano());
            events.extend_from_slice(b",\"attributes\":");
            value::write_map(&mut events, event.attributes());
            events.push(b'}');
        }
        if !events.is_empty() {
            if !is_cut {
                events.push(b']');
            }
            room.is_cut |= is_cut;
            self.default.push(Item::new(Cow::Borrowed(b"otel.events"), Written::Ready(Cow::Owned(events))));
        }
        if !span.scope_name.is_empty() {
            let mut name = Vec::new();
            json::string(&mut name, span.scope_name);
            self.default.push(Item::new(Cow::Borrowed(b"otel.scope.name"), Written::Ready(Cow::Owned(name))));
        }
    }

    /// Appends the member `annotations`, with a comma before it, if there are any.
    pub(super) fn write_annotations(&mut self, out: &mut Vec<u8>) {
        if !self.annotations.is_empty() {
            out.extend_from_slice(b",\"annotations\":{");
            write_sorted(out, &mut self.annotations);
            out.push(b'}');
        }
    }

    /// Appends the member `metadata`, with a comma before it, if there is any. With `resource_only` the rest is emptied,
    /// but its namespaces stay.
    pub(super) fn write_metadata(&mut self, out: &mut Vec<u8>, resource_only: bool) {
        if self.default.is_empty() && self.namespaces.is_empty() {
            return;
        }
        out.extend_from_slice(b",\"metadata\":{");
        self.namespaces.sort_by_key(|(name, _)| *name);
        let mut is_default_due = !self.default.is_empty();
        let mut separator: &[u8] = b"";
        for at in 0..=self.namespaces.len() {
            let namespace = self.namespaces.get(at).copied();
            if is_default_due && namespace.is_none_or(|(name, _)| name > DEFAULT) {
                is_default_due = false;
                out.extend_from_slice(separator);
                out.extend_from_slice(b"\"default\":{");
                if resource_only {
                    self.default.retain(|item| item.key.starts_with(PREFIX));
                }
                write_sorted(out, &mut self.default);
                out.push(b'}');
                separator = b",";
            }
            let again = self
                .namespaces
                .get(at + 1)
                .is_some_and(|(next, _)| namespace.is_some_and(|(name, _)| name == *next));
            if let Some((name, object)) = namespace.filter(|_| !again) {
                out.extend_from_slice(separator);
                separator = b",";
                json::string(out, name);
                out.push(b':');
                write_namespace(out, object, resource_only);
            }
        }
        out.push(b'}');
    }
}

/// The names of attributes that the span itself wants as annotations, sorted: a sender may list any number of them.
#[inline]
fn listed<'m>(span: &SpanRead<'m>) -> Vec<&'m [u8]> {
    let mut listed: Vec<&[u8]> = match span.get(Key::Annotations).map(Attribute::value) {
        Some(AnyValue::Array(names)) => {
            names.filter_map(|name| name.as_text()).map(|name| name.as_bytes()).collect()
        }
        _ => Vec::new(),
    };
    listed.sort_unstable();
    listed
}

/// The namespace of the metadata that an attribute holds.
fn namespace_of(key: &[u8]) -> Option<&[u8]> {
    key.strip_prefix(names::METADATA_PREFIX.as_bytes())
}

fn push<'m>(place: &mut Vec<Item<'m>>, key: Cow<'m, [u8]>, attribute: &Attribute<'m>) {
    if value::is_some_raw(attribute.raw) {
        place.push(Item::new(key, Written::Attribute(attribute.raw)));
    }
}

/// Whether a known attribute is shown here.
#[inline]
fn is_left(known: Key, attribute: &Attribute<'_>, left: Left, context: &Context) -> bool {
    if left.hidden.has(known) {
        return false;
    }
    match known {
        Key::EnduserId => false,
        Key::InProgress => !matches!(attribute.value(), AnyValue::Bool(_)),
        Key::Annotations => !matches!(attribute.value(), AnyValue::Array(_)),
        _ => !left.consumed.has(known) || context.indexed.has(attribute.key),
    }
}

/// The key as X-Ray takes it: what is not a letter, a digit or, unless it is forbidden, a dot becomes an underscore.
pub(super) fn annotation_key<'m>(key: &'m [u8], context: &Context) -> Cow<'m, [u8]> {
    let allow_dot = context.options.allow_dot;
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || (byte == b'.' && allow_dot);
    if key.iter().all(|byte| fine(*byte) || *byte == b'_') {
        return Cow::Borrowed(key);
    }
    let text = String::from_utf8_lossy(key);
    let fine = |c: char| u8::try_from(c).is_ok_and(fine);
    Cow::Owned(text.chars().map(|c| if fine(c) { c as u8 } else { b'_' }).collect())
}

/// Appends members, a comma between them. Of equal keys the last counts.
fn write_sorted(out: &mut Vec<u8>, items: &mut [Item<'_>]) {
    items.sort_by(|one, other| one.rank.cmp(&other.rank).then_with(|| one.key.cmp(&other.key)));
    let mut first = true;
    for (at, item) in items.iter().enumerate() {
        if items.get(at + 1).is_some_and(|next| next.key == item.key) {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        item.write(out);
    }
}

fn write_namespace(out: &mut Vec<u8>, object: &[u8], resource_only: bool) {
    if !resource_only || !object.starts_with(b"{") {
        return scan::compact(out, object);
    }
    let members =
        scan::members_of(object).map(|(key, value)| Item::new(scan::unescape(key), Written::Json(value)));
    let mut items: Vec<_> = members.filter(|item| item.key.starts_with(PREFIX)).collect();
    out.push(b'{');
    write_sorted(out, &mut items);
    out.push(b'}');
}
