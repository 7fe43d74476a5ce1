//! What of spans no document has room for: the account that a conversion gives.

use std::collections::BTreeMap;
use std::fmt;

use otlp::view::{ResourceSpans, Scope, Traces};

use super::document::Shape;
use super::http;
use super::known::{Key, KeySet};
use super::resource::{PREFIX, ResourceRead};
use super::span::{Attribute, Kind, SpanRead};
use super::{Translator, document, name, preserved};
use crate::names;

/// Something that is not carried over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// A span's kind, where two kinds make the same document.
    Kind,
    /// A span's name, where the document is named after something else.
    Name,
    /// An event that is not an exception.
    Event,
    /// An attribute of an exception beside type, message and stack trace.
    ExceptionAttribute,
    /// A stack trace of a language that is not understood.
    StackTrace,
    /// A status message beside an exception.
    StatusMessage,
    /// An attribute about the network of a span that is no HTTP request.
    NetworkAttribute,
    /// The resource of a subsegment.
    Resource,
    /// Name, version and attributes of a scope.
    Scope,
    /// The W3C trace state of a span or link.
    TraceState,
    /// What the sender counted as dropped.
    DroppedCounts,
    /// Digits of a time that a double of seconds has no room for.
    Nanoseconds,
}

impl Loss {
    /// The word for it in reports for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Name => "name",
            Self::Event => "event",
            Self::ExceptionAttribute => "exception_attribute",
            Self::StackTrace => "stack_trace",
            Self::StatusMessage => "status_message",
            Self::NetworkAttribute => "network_attribute",
            Self::Resource => "resource",
            Self::Scope => "scope",
            Self::TraceState => "trace_state",
            Self::DroppedCounts => "dropped_counts",
            Self::Nanoseconds => "nanoseconds",
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kind => "kinds of spans: a producer looks like a client, a consumer like a server",
            Self::Name => "names of spans that are called after a service",
            Self::Event => "events that are not exceptions",
            Self::ExceptionAttribute => "attributes of exceptions beside type, message and stack trace",
            Self::StackTrace => "stack traces of a language that is not understood",
            Self::StatusMessage => "status messages beside an exception",
            Self::NetworkAttribute => "attributes about the network of spans that are no HTTP requests",
            Self::Resource => "resources of subsegments",
            Self::Scope => "scopes: name, version and attributes",
            Self::TraceState => "trace states",
            Self::DroppedCounts => "counts of what the sender dropped",
            Self::Nanoseconds => "times to the nanosecond",
        })
    }
}

/// How often each thing was not carried over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses(pub BTreeMap<Loss, usize>);

impl Losses {
    fn add(&mut self, loss: Loss, times: usize) {
        if times > 0 {
            *self.0.entry(loss).or_default() += times;
        }
    }
}

impl Translator {
    /// Counts what [`translate`](Self::translate) with these options leaves out of a request, beside what it refuses.
    pub fn losses(&self, request: &[u8], losses: &mut Losses) {
        for resource_spans in Traces::new(request).resource_spans() {
            self.losses_of(resource_spans, losses);
        }
    }

    fn losses_of(&self, resource_spans: ResourceSpans<'_>, losses: &mut Losses) {
        let mut resource = ResourceRead::default();
        let mut span = SpanRead::new();
        resource.read(resource_spans.resource().attributes(), &self.context);
        losses.add(Loss::DroppedCounts, (resource_spans.resource().dropped_attributes_count() > 0).into());
        for scope_spans in resource_spans.scope_spans() {
            let is_lost = is_scope_lost(scope_spans.scope(), self.context.options.keep_events);
            for view in scope_spans.spans() {
                losses.add(Loss::Scope, is_lost.into());
                let dropped = [
                    view.dropped_attributes_count(),
                    view.dropped_events_count(),
                    view.dropped_links_count(),
                ];
                losses.add(Loss::DroppedCounts, (dropped != [0; 3]).into());
                losses.add(Loss::TraceState, (!view.trace_state().is_empty()).into());
                let states = view.links().filter(|link| !link.trace_state().is_empty());
                losses.add(Loss::TraceState, states.count());
                span.read(view.as_bytes());
                let exact = |nanos: u64| (nanos as f64 / 1e9 * 1e9) as u64 == nanos;
                losses.add(Loss::Nanoseconds, (!exact(span.start) || !exact(span.end)).into());
                if !preserved::is_preserved(&span, &self.context) {
                    self.losses_of_span(&span, &resource, losses);
                }
            }
        }
    }

    fn losses_of_span(&self, span: &SpanRead<'_>, resource: &ResourceRead<'_>, losses: &mut Losses) {
        let options = &self.context.options;
        let same = matches!(span.kind, Kind::Unspecified | Kind::Producer | Kind::Consumer);
        losses.add(Loss::Kind, same.into());
        let mut written = Vec::new();
        name::write(&mut written, span, resource, Shape::WHOLE.name, options);
        let is_sql = super::sql::read(span, options).is_some();
        losses.add(Loss::Name, (written != span.name && !is_sql).into());
        let is_exception = |event: &otlp::view::Event<'_>| event.name() == names::EXCEPTION_EVENT;
        let exceptions: Vec<_> = span.events().filter(is_exception).collect();
        if !options.keep_events {
            losses.add(Loss::Event, span.events.len() - exceptions.len());
        }
        for exception in &exceptions {
            let told = ["exception.type", "exception.message", "exception.stacktrace"];
            let other = exception.attributes().filter(|it| !told.iter().any(|known| it.key() == *known));
            losses.add(Loss::ExceptionAttribute, other.count());
            let traced = exception.attributes().get("exception.stacktrace").is_some();
            losses.add(Loss::StackTrace, (traced && resource.language.is_none()).into());
        }
        let has_message = !span.status.message().is_empty();
        losses.add(Loss::StatusMessage, (has_message && (!exceptions.is_empty() || !span.is_error())).into());
        if !http::is_present(span) && !options.keep_network_attributes {
            losses.add(Loss::NetworkAttribute, span.attributes.iter().filter(|it| is_lost(span, it)).count());
        }
        let subsegment = document::is_subsegment(span.kind, span.parent_id);
        let told = |entry: &super::resource::Entry| {
            let name = resource.name(entry).strip_prefix(PREFIX).unwrap_or_default();
            TOLD.contains(&str::from_utf8(name).unwrap_or_default())
        };
        losses.add(Loss::Resource, (subsegment && !resource.entries.iter().all(told)).into());
    }
}

/// What a subsegment tells of its resource in `aws`, `service` or its flags.
const TOLD: [&str; 9] = [
    "service.version",
    "telemetry.sdk.name",
    "telemetry.sdk.language",
    "telemetry.sdk.version",
    "cloud.account.id",
    "host.id",
    "host.type",
    "host.image.id",
    "k8s.cluster.name",
];

/// Attributes about the network that may be in the name or the `sql` block all the same.
const ELSEWHERE: KeySet = KeySet::of(&[Key::NetPeerName, Key::ServerAddress, Key::ServerPort]);

fn is_lost(span: &SpanRead<'_>, attribute: &Attribute<'_>) -> bool {
    attribute.known.is_some_and(|known| {
        let told = ELSEWHERE.has(known) && span.present.has(Key::DbSystemName);
        http::KEYS.has(known) && !told && attribute.text() != span.name
    })
}

fn is_scope_lost(scope: Scope<'_>, name_is_kept: bool) -> bool {
    let name = !name_is_kept && !scope.name().is_empty();
    name || !scope.version().is_empty() || scope.attributes().next().is_some()
}
