//! Local roots: the first span of a service, which Application Signals marks with `aws.span.kind`.
//!
//! A local root that is a server or internal is the service's segment, whatever its parent. One that calls another
//! service (a client, a producer, a consumer) becomes two documents, joined by a new id: a segment for the service, and
//! below it a subsegment for the call.

use super::document::{Role, Shape};
use super::known::{Key, KeySet};
use super::name::Override;
use super::span::{Kind, SpanRead};
use crate::ids::IdSource;

/// What of a call the service's segment does not show.
const OF_THE_CALL: KeySet =
    KeySet::of(&[Key::RemoteService, Key::RemoteOperation, Key::RemoteTarget, Key::RemoteNamespace]);

/// The documents of a span, one or two.
#[inline]
pub(super) fn shapes(span: &SpanRead<'_>, ids: &mut IdSource) -> (Shape, Option<Shape>) {
    if !span.present.has(Key::SpanKind) || !span.is_local_root() {
        return (Shape::WHOLE, None);
    }
    if matches!(span.kind, Kind::Server | Kind::Internal) {
        return (Shape { role: Role::LocalRoot, ..Shape::WHOLE }, None);
    }
    let segment = ids.segment_id();
    let is_consumer = span.kind == Kind::Consumer;
    let dependency = Shape {
        role: Role::Dependency,
        parent: Some(segment),
        name: Override::RemoteService,
        links: !is_consumer,
        ..Shape::WHOLE
    };
    let service = Shape {
        role: Role::Service,
        id: Some(segment),
        name: Override::LocalService,
        links: is_consumer,
        http: false,
        call: false,
        resource_only: true,
        hidden: OF_THE_CALL,
        ..Shape::WHOLE
    };
    (dependency, Some(service))
}
