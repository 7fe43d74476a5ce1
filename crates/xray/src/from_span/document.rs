//! One document, member by member, in the reference's order.

use otlp::view::AnyValue;

use super::annotations::{Extras, Left};
use super::known::{Key, KeySet};
use super::name::{self, Override};
use super::resource::ResourceRead;
use super::span::{Attribute, Kind, SpanRead};
use super::{Context, aws, cause, http, links, sql};
use crate::{ids, json};

/// What the document is of its span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The span, as kind and parent have it.
    Whole,
    /// A local root that is a segment, whatever its parent.
    LocalRoot,
    /// The call that a local root makes.
    Dependency,
    /// The service that a local root is in.
    Service,
}

/// How a document differs from the one that its span alone would make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub role: Role,
    /// Another id than the span's.
    pub id: Option<[u8; 8]>,
    /// Another parent than the span's.
    pub parent: Option<[u8; 8]>,
    pub name: Override,
    pub links: bool,
    pub http: bool,
    /// What the block `aws` says of a call.
    pub call: bool,
    /// Of the metadata only what comes from the resource.
    pub resource_only: bool,
    /// Attributes that are not looked at.
    pub hidden: KeySet,
}

impl Shape {
    /// As the span has it.
    pub(super) const WHOLE: Self = Self {
        role: Role::Whole,
        id: None,
        parent: None,
        name: Override::None,
        links: true,
        http: true,
        call: true,
        resource_only: false,
        hidden: KeySet::NONE,
    };
}

/// Appends the document of a span; returns its id.
pub(super) fn write<'m>(
    out: &mut Vec<u8>,
    span: &SpanRead<'m>,
    resource: &'m ResourceRead<'m>,
    shape: &Shape,
    context: &mut Context,
    extras: &mut Extras<'m>,
) -> [u8; 8] {
    out.extend_from_slice(b"{\"name\":\"");
    let by_aws_service = name::write(out, span, resource, shape.name, &context.options);
    let id = shape.id.unwrap_or(span.span_id);
    write_id_and_start(out, id, span.start);
    write_whose(out, span, resource);
    if shape.links && !span.links.is_empty() {
        links::write(out, span, context);
    }
    write_trace_and_end(out, span);
    http::write(out, span, shape, &context.options);
    write_flags(out, http::flags(span));
    let mut consumed = consumed_by_blocks(span, context);
    if (span.is_error() || !span.events.is_empty()) && cause::write(out, span, resource, context) {
        consumed.insert(Key::HttpStatusText);
    }
    aws::write(out, span, resource, shape);
    let sql = sql::read(span, &context.options);
    consumed = sql.as_ref().map_or(consumed, |sql| consumed.with(sql.consumed));
    let parent = shape.parent.unwrap_or(span.parent_id);
    let is_subsegment = is_subsegment(span.kind, parent);
    extras.collect(
        span,
        resource,
        Left { consumed, hidden: shape.hidden, resource: !is_subsegment },
        context,
    );
    extras.write_annotations(out);
    extras.write_metadata(out, shape.resource_only);
    let namespace = name::namespace(span, by_aws_service);
    write_place(out, shape.role, parent, is_subsegment, namespace);
    if let Some(sql) = sql {
        sql.write(out, span);
    }
    out.push(b'}');
    id
}

/// Ends the name, and appends the members `id` and `start_time`, with a comma behind them.
#[inline]
fn write_id_and_start(out: &mut Vec<u8>, id: [u8; 8], start: u64) {
    if id == [0; 8] {
        out.extend_from_slice(b"\",\"id\":null,\"start_time\":");
    } else {
        out.extend_from_slice(b"\",\"id\":\"");
        out.extend_from_slice(&ids::segment_id(id));
        out.extend_from_slice(b"\",\"start_time\":");
    }
    json::seconds(out, start);
    out.push(b',');
}

/// Appends the members `trace_id`, and `in_progress` or `end_time`.
#[inline]
fn write_trace_and_end(out: &mut Vec<u8>, span: &SpanRead<'_>) {
    out.extend_from_slice(b"\"trace_id\":\"");
    out.extend_from_slice(&ids::trace_id(span.trace_id));
    match span.get(Key::InProgress).map(Attribute::value) {
        Some(AnyValue::Bool(true)) => out.extend_from_slice(b"\",\"in_progress\":true"),
        _ => {
            out.extend_from_slice(b"\",\"end_time\":");
            json::seconds(out, span.end);
        }
    }
}

/// The attributes that the blocks `http` and `aws` have a place for.
#[inline]
fn consumed_by_blocks(span: &SpanRead<'_>, context: &Context) -> KeySet {
    if context.options.keep_network_attributes && !http::is_present(span) {
        return aws::KEYS;
    }
    http::KEYS.with(aws::KEYS)
}

/// Without regard to local roots: servers and consumers begin segments, and so does what has no parent.
pub(super) fn is_subsegment(kind: Kind, parent: [u8; 8]) -> bool {
    !matches!(kind, Kind::Server | Kind::Consumer) && parent != [0; 8]
}

/// The members `service`, `origin` and `user`, each with a comma behind it.
fn write_whose(out: &mut Vec<u8>, span: &SpanRead<'_>, resource: &ResourceRead<'_>) {
    out.extend_from_slice(resource.service());
    if !resource.origin.is_empty() {
        out.extend_from_slice(b"\"origin\":\"");
        out.extend_from_slice(resource.origin.as_bytes());
        out.extend_from_slice(b"\",");
    }
    let user = span.text(Key::EnduserId);
    if !user.is_empty() {
        out.extend_from_slice(b"\"user\":");
        json::string(out, user);
        out.push(b',');
    }
}

fn write_flags(out: &mut Vec<u8>, flags: http::Flags) {
    for (name, set) in
        [(",\"fault\":", flags.fault), (",\"error\":", flags.error), (",\"throttle\":", flags.throttle)]
    {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(if set { b"true" } else { b"false" });
    }
}

/// The members `namespace`, `parent_id` and `type`.
fn write_place(
    out: &mut Vec<u8>,
    role: Role,
    parent: [u8; 8],
    is_subsegment: bool,
    namespace: Option<&'static str>,
) {
    let (namespace, is_subsegment) = match role {
        Role::Whole => (namespace, is_subsegment),
        Role::Dependency => (namespace.or(Some("remote")), true),
        Role::LocalRoot | Role::Service => (None, false),
    };
    if let Some(namespace) = namespace {
        out.extend_from_slice(b",\"namespace\":\"");
        out.extend_from_slice(namespace.as_bytes());
        out.push(b'"');
    }
    if parent != [0; 8] {
        out.extend_from_slice(b",\"parent_id\":\"");
        out.extend_from_slice(&ids::segment_id(parent));
        out.push(b'"');
    }
    if is_subsegment {
        out.extend_from_slice(b",\"type\":\"subsegment\"");
    }
}
