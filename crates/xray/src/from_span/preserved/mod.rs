//! Documents that came from X-Ray and go back to it.
//!
//! With `preserve_xray_fields` the receiver writes what OTLP has no place for into attributes ([`names`](crate::names)
//! has the list), and a span with [`names::TYPE`] is one that it has written so. Such a span becomes the document that
//! it was: the rules by which other spans are translated are not asked. What was added to it on the way is treated as
//! everywhere, as annotation or metadata; nested subsegments come back as documents of their own.

mod resource;
mod tree;

use std::borrow::Cow;

use otlp::view::{AnyValue, Event, View};

pub(super) use self::resource::OfResource;
use self::resource::put_resource;
use self::tree::{Node, Object};
use super::Context;
use super::known::Key;
use super::resource::ResourceRead;
use super::span::{Attribute, SpanRead};
use super::{name, value};
use crate::json::{self, scan};
use crate::{ids, names};

/// The members of a document in the reference's order.
const ORDER: [&str; 26] = [
    "name",
    "id",
    "start_time",
    "service",
    "origin",
    "user",
    "resource_arn",
    "links",
    "trace_id",
    "end_time",
    "in_progress",
    "http",
    "fault",
    "error",
    "throttle",
    "cause",
    "aws",
    "annotations",
    "metadata",
    "subsegments",
    "namespace",
    "parent_id",
    "type",
    "precursor_ids",
    "traced",
    "sql",
];

/// Whether the span is a document that was preserved.
#[inline]
pub(super) fn is_preserved(span: &SpanRead<'_>, context: &Context) -> bool {
    context.options.preserve_xray_fields && span.present.has(Key::XrayType)
}

/// Appends the document of a span; returns its id.
pub(super) fn write(
    out: &mut Vec<u8>,
    span: &SpanRead<'_>,
    resource: &ResourceRead<'_>,
    context: &mut Context,
) -> [u8; 8] {
    let mut root = Object::default();
    put_name(&mut root, span);
    put_id(&mut root, "id", span.span_id);
    root.text("trace_id", &ids::trace_id(span.trace_id));
    root.json("start_time", seconds(span.start));
    if span.parent_id != [0; 8] {
        root.text("parent_id", &ids::segment_id(span.parent_id));
    }
    for flag in ["fault", "error", "throttle"] {
        root.json(flag, &b"false"[..]);
    }
    // What may be embedded is not in the resource's host and service.
    let is_embedded = of_name(span, names::EMBEDDED).is_some();
    if !is_embedded {
        put_resource(&mut root, resource, context);
    }
    if context.room.is_exceeded() {
        return span.span_id;
    }
    put_exceptions(&mut root, span, context);
    put_links(&mut root, span, context);
    put_span(&mut root, span, context);
    // What is in progress has no end; some that are not have none, either. Elsewhere 0 may be written for none.
    let in_progress =
        || matches!(span.get(Key::InProgress).map(Attribute::value), Some(AnyValue::Bool(true)));
    if span.end != 0 || (span.has_end && !in_progress()) {
        root.json("end_time", seconds(span.end));
    }
    if let Some(extra) = of_name(span, names::EXTRA).and_then(scan::document) {
        root.merge(extra.1);
    }
    root.write_in_order(&ORDER, out);
    span.span_id
}

/// The name as it was. What a processor has made of it since counts, but as for any other span X-Ray has to take it.
fn put_name(root: &mut Object<'_>, span: &SpanRead<'_>) {
    let was = of_name(span, names::NAME).unwrap_or_default();
    if span.name == was || span.name.is_empty() {
        return root.text("name", was);
    }
    let mut cleaned = Vec::new();
    if name::clean(&mut cleaned, span.name) {
        root.text("name", &cleaned);
    } else {
        root.text("name", was);
    }
}

/// An id, `null` if it is none.
fn put_id<'m>(object: &mut Object<'m>, name: &'m str, id: [u8; 8]) {
    if id == [0; 8] {
        object.json(name, &b"null"[..]);
    } else {
        object.text(name, &ids::segment_id(id));
    }
}

fn of_name<'a>(span: &SpanRead<'a>, name: &str) -> Option<&'a [u8]> {
    span.attributes.iter().find(|attribute| attribute.key == name.as_bytes()).map(Attribute::text)
}

fn seconds(nanos: u64) -> Cow<'static, [u8]> {
    let mut text = Vec::new();
    json::seconds(&mut text, nanos);
    Cow::Owned(text)
}

/// Everything that is in the span's attributes.
fn put_span<'m>(root: &mut Object<'m>, span: &SpanRead<'m>, context: &Context) {
    let mut listed: Vec<&[u8]> = match span.get(Key::Annotations).map(Attribute::value) {
        Some(AnyValue::Array(keys)) => keys.map(|key| key.as_text().unwrap_or_default().as_bytes()).collect(),
        _ => Vec::new(),
    };
    listed.sort_unstable();
    for attribute in &span.attributes {
        let Attribute { key, raw, .. } = *attribute;
        if !value::is_some_raw(raw) {
            continue;
        }
        // A number that JSON has no form for may have been put there on the way. An annotation can't hold it.
        let is_number = || !matches!(attribute.value(), AnyValue::Double(number) if !number.is_finite());
        if listed.binary_search(&key).is_ok() && !key.starts_with(b"aws.xray.") && is_number() {
            root.object("annotations").put(key, Node::Attribute(raw));
        } else if let Some(namespace) = key.strip_prefix(names::METADATA_PREFIX.as_bytes()) {
            match attribute.as_text().and_then(scan::document) {
                Some((_, json)) => root.object("metadata").put_json(namespace, json),
                None => put_other(root, key, raw, context),
            }
        } else if !put_known(root, key, raw) {
            put_other(root, key, raw, context);
        }
    }
}

/// What somebody has added: an annotation if the configuration says so, else metadata.
fn put_other<'m>(root: &mut Object<'m>, key: impl Into<Cow<'m, [u8]>>, raw: &'m [u8], context: &Context) {
    let key = key.into();
    if !value::is_some_raw(raw) {
        return;
    }
    let indexed = context.options.index_all_attributes || context.indexed.has(&key);
    if indexed && value::is_simple_raw(raw) {
        let key = super::annotations::annotation_key(&key, context).into_owned();
        root.object("annotations").put(key, Node::Attribute(raw));
        return;
    }
    let metadata = root.object("metadata");
    metadata.expand("default");
    metadata.object("default").put(key, Node::Attribute(raw));
}

/// Puts an attribute where it was in the document; says whether it has such a place.
fn put_known<'m>(root: &mut Object<'m>, key: &[u8], raw: &'m [u8]) -> bool {
    let text = str::from_utf8(key).unwrap_or_default();
    match text {
        names::TYPE => {
            // A segment has none.
            if !matches!(AnyValue::new(raw).as_text(), Some(kind) if kind == "segment") {
                root.attribute("type", raw);
            }
        }
        // Read elsewhere, or the same as something that is.
        names::EMBEDDED
        | names::NAME
        | names::EXTRA
        | names::LINKS
        | names::ANNOTATIONS
        | "aws.service"
        | "db.connection_string"
        | "db.name"
        | "db.namespace"
        | "db.system"
        | "db.system.name" => {}
        names::NAMESPACE => root.attribute("namespace", raw),
        names::FAULT => root.attribute("fault", raw),
        names::ERROR => root.attribute("error", raw),
        names::THROTTLE => root.attribute("throttle", raw),
        names::TRACED => root.attribute("traced", raw),
        names::IN_PROGRESS => root.attribute("in_progress", raw),
        names::PRECURSOR_IDS => root.attribute("precursor_ids", raw),
        names::CAUSE_ID => root.attribute("cause", raw),
        names::CAUSE_WORKING_DIRECTORY => root.object("cause").attribute("working_directory", raw),
        names::CAUSE_PATHS => root.object("cause").attribute("paths", raw),
        "enduser.id" => root.attribute("user", raw),
        _ => return put_block(root, text, raw),
    }
    true
}

/// The same for the blocks `http`, `aws` and `sql`.
fn put_block<'m>(root: &mut Object<'m>, key: &str, raw: &'m [u8]) -> bool {
    let (block, inner, field) = match key {
        "http.method" | "http.request.method" => ("http", "request", "method"),
        "http.url" | "url.full" => ("http", "request", "url"),
        "http.user_agent" | "user_agent.original" => ("http", "request", "user_agent"),
        "http.client_ip" | "client.address" => ("http", "request", "client_ip"),
        names::X_FORWARDED_FOR => ("http", "request", "x_forwarded_for"),
        "http.status_code" | "http.response.status_code" => ("http", "response", "status"),
        "http.response_content_length" | "http.response.body.size" => ("http", "response", "content_length"),
        "aws.account_id" => ("aws", "", "account_id"),
        "aws.operation" => ("aws", "", "operation"),
        "aws.region" => ("aws", "", "region"),
        "aws.request_id" => ("aws", "", "request_id"),
        "aws.queue_url" => ("aws", "", "queue_url"),
        "aws.table_name" => ("aws", "", "table_name"),
        names::TABLE_NAMES => ("aws", "", "table_names"),
        names::RETRIES => ("aws", "", "retries"),
        names::RESOURCE_NAMES => ("aws", "", "resource_names"),
        names::SQL_CONNECTION_STRING => ("sql", "", "connection_string"),
        names::SQL_URL => ("sql", "", "url"),
        "db.statement" | "db.query.text" => ("sql", "", "sanitized_query"),
        names::SQL_DATABASE_TYPE => ("sql", "", "database_type"),
        names::SQL_DATABASE_VERSION => ("sql", "", "database_version"),
        names::SQL_DRIVER_VERSION => ("sql", "", "driver_version"),
        "db.user" => ("sql", "", "user"),
        names::SQL_PREPARATION => ("sql", "", "preparation"),
        _ => return false,
    };
    let object = root.object(block);
    let object = if inner.is_empty() { object } else { object.object(inner) };
    object.attribute(field, raw);
    true
}

fn put_exceptions<'m>(root: &mut Object<'m>, span: &SpanRead<'m>, context: &mut Context) {
    let mut list = Vec::new();
    for event in span.events().filter(|event| event.name() == names::EXCEPTION_EVENT) {
        context.room.preserved_exception();
        if context.room.is_exceeded() {
            break;
        }
        list.push(if list.is_empty() { b'[' } else { b',' });
        exception(&event, context).write(&mut list);
    }
    if !list.is_empty() {
        list.push(b']');
        root.object("cause").json("exceptions", list);
    }
}

fn exception<'m>(event: &Event<'m>, context: &mut Context) -> Object<'m> {
    let mut exception = Object::default();
    let mut extra = AnyValue::Empty;
    for attribute in event.attributes() {
        let raw = attribute.value_bytes();
        match str::from_utf8(attribute.key().as_bytes()).unwrap_or_default() {
            names::EXCEPTION_ID => exception.attribute("id", raw),
            names::EXCEPTION_MESSAGE => exception.attribute("message", raw),
            names::EXCEPTION_TYPE => exception.attribute("type", raw),
            names::EXCEPTION_REMOTE => exception.attribute("remote", raw),
            names::EXCEPTION_TRUNCATED => exception.attribute("truncated", raw),
            names::EXCEPTION_SKIPPED => exception.attribute("skipped", raw),
            names::EXCEPTION_CAUSE => exception.attribute("cause", raw),
            names::EXCEPTION_STACK => exception.json_text("stack", raw),
            names::EXCEPTION_EXTRA => extra = attribute.value(),
            _ => {}
        }
    }
    if let AnyValue::String(text) = extra
        && let Some((_, json)) = scan::document(text.as_bytes())
    {
        exception.merge(json);
    }
    if !exception.has("id") {
        // X-Ray wants one.
        exception.text("id", &ids::segment_id(context.ids.segment_id()));
    }
    exception
}

fn put_links<'m>(root: &mut Object<'m>, span: &SpanRead<'m>, context: &mut Context) {
    let mut list = Vec::new();
    for link in span.links() {
        if context.room.is_full(list.len()) {
            context.room.left_out.links += 1;
            continue;
        }
        list.push(if list.is_empty() { b'[' } else { b',' });
        let mut object = Object::default();
        object.text("trace_id", &ids::trace_id(link.trace_id()));
        put_id(&mut object, "id", link.span_id());
        let attributes = link.attributes();
        if attributes.clone().next().is_some() {
            let mut text = Vec::new();
            value::write_map(&mut text, attributes);
            object.json("attributes", text);
        }
        object.write(&mut list);
    }
    let odd = of_name(span, names::LINKS).and_then(scan::document);
    for link in odd.into_iter().flat_map(|(_, json)| scan::elements_of(json)) {
        if context.room.is_full(list.len()) {
            context.room.left_out.links += 1;
            continue;
        }
        list.push(if list.is_empty() { b'[' } else { b',' });
        scan::compact(&mut list, link);
    }
    if !list.is_empty() {
        list.push(b']');
        root.json("links", list);
    }
}
