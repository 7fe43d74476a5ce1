//! `verbosity: detailed`: every field, one to a line. The layout is that of the Collector's `otlptext`.

mod metrics;

use std::fmt::{Display, Write as _};

use otlp::Text;
use otlp::view::{Attributes, EntityRef, LogRecord, Logs, Metrics, Repeated, Resource, Scope, Span, Traces};

use crate::value::{Timestamp, id, typed};

/// The text of spans.
pub(crate) fn traces(traces: &Traces<'_>) -> String {
    let mut page = Page::default();
    for (i, resource) in traces.resource_spans().enumerate() {
        page.resource("ResourceSpans", i, resource.schema_url(), &resource.resource());
        for (j, scope) in resource.scope_spans().enumerate() {
            page.scope("ScopeSpans", j, scope.schema_url(), &scope.scope());
            for (k, span) in scope.spans().enumerate() {
                page.span(k, &span);
            }
        }
    }
    page.text
}

/// The text of log records.
pub(crate) fn logs(logs: &Logs<'_>) -> String {
    let mut page = Page::default();
    for (i, resource) in logs.resource_logs().enumerate() {
        page.resource("ResourceLog", i, resource.schema_url(), &resource.resource());
        for (j, scope) in resource.scope_logs().enumerate() {
            page.scope("ScopeLogs", j, scope.schema_url(), &scope.scope());
            for (k, record) in scope.log_records().enumerate() {
                page.log_record(k, &record);
            }
        }
    }
    page.text
}

/// The text of metrics.
pub(crate) fn metrics(metrics: &Metrics<'_>) -> String {
    let mut page = Page::default();
    for (i, resource) in metrics.resource_metrics().enumerate() {
        page.resource("ResourceMetrics", i, resource.schema_url(), &resource.resource());
        for (j, scope) in resource.scope_metrics().enumerate() {
            page.scope("ScopeMetrics", j, scope.schema_url(), &scope.scope());
            for (k, metric) in scope.metrics().enumerate() {
                page.metric(k, &metric);
            }
        }
    }
    page.text
}

/// Text that grows by lines.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: impl Display) {
        // A string takes everything.
        writeln!(self.text, "{line}").ok();
    }

    fn numbered(&mut self, name: &str, number: usize) {
        self.line(format_args!("{name} #{number}"));
    }

    /// `name: value` without indentation.
    fn entry(&mut self, name: &str, value: impl Display) {
        self.line(format_args!("{name}: {value}"));
    }

    /// `-> name: value`.
    fn item(&mut self, name: &str, value: impl Display) {
        self.line(format_args!("     -> {name}: {value}"));
    }

    /// A field of a span, in columns.
    fn column(&mut self, name: &str, value: impl Display) {
        self.line(format_args!("    {name:<15}: {value}"));
    }

    /// Attributes under a header, nothing if there are none.
    fn attributes(&mut self, indent: &str, header: &str, attributes: Attributes<'_>) {
        for (index, attribute) in attributes.enumerate() {
            if index == 0 {
                self.line(format_args!("{header}:"));
            }
            self.line(format_args!("{indent}     -> {}: {}", attribute.key(), typed(&attribute.value())));
        }
    }

    /// The same one step in.
    fn nested(&mut self, header: &str, attributes: Attributes<'_>) {
        self.attributes("     ", &format!("     -> {header}"), attributes);
    }

    fn resource(&mut self, name: &str, index: usize, schema: Text<'_>, resource: &Resource<'_>) {
        self.numbered(name, index);
        self.entry("Resource SchemaURL", schema);
        self.attributes("", "Resource attributes", resource.attributes());
        for (index, entity) in resource.entity_refs().enumerate() {
            if index == 0 {
                self.line("Resource entity refs:");
            }
            self.entity(index, &entity);
        }
    }

    fn entity(&mut self, index: usize, entity: &EntityRef<'_>) {
        self.line(format_args!("     -> Entity ref #{index}:"));
        self.line(format_args!("          -> Type: {}", entity.kind()));
        if !entity.schema_url().is_empty() {
            self.line(format_args!("          -> Schema URL: {}", entity.schema_url()));
        }
        self.keys("ID keys", entity.id_keys());
        self.keys("Description keys", entity.description_keys());
    }

    fn keys(&mut self, header: &str, keys: Repeated<'_, Text<'_>>) {
        for (index, key) in keys.enumerate() {
            if index == 0 {
                self.line(format_args!("          -> {header}:"));
            }
            self.line(format_args!("               -> {key}"));
        }
    }

    fn scope(&mut self, name: &str, index: usize, schema: Text<'_>, scope: &Scope<'_>) {
        self.numbered(name, index);
        self.line(format_args!("{name} SchemaURL: {schema}"));
        self.line(format_args!("InstrumentationScope {} {}", scope.name(), scope.version()));
        self.attributes("", "InstrumentationScope attributes", scope.attributes());
    }

    fn span(&mut self, index: usize, span: &Span<'_>) {
        self.numbered("Span", index);
        self.column("Trace ID", id(&span.trace_id()));
        self.column("Parent ID", id(&span.parent_span_id()));
        self.column("ID", id(&span.span_id()));
        self.column("Name", span.name());
        self.column("Kind", span_kind(span.kind()));
        if !span.trace_state().is_empty() {
            self.column("TraceState", span.trace_state());
        }
        self.column("Start time", Timestamp(span.start_time_unix_nano()));
        self.column("End time", Timestamp(span.end_time_unix_nano()));
        self.column("Status code", status_code(span.status().code()));
        self.column("Status message", span.status().message());
        for (name, count) in [
            ("DroppedAttributesCount", span.dropped_attributes_count()),
            ("DroppedEventsCount", span.dropped_events_count()),
            ("DroppedLinksCount", span.dropped_links_count()),
        ] {
            if count != 0 {
                self.column(name, count);
            }
        }
        self.attributes("", "Attributes", span.attributes());
        self.events(span);
        self.links(span);
    }

    fn events(&mut self, span: &Span<'_>) {
        for (index, event) in span.events().enumerate() {
            if index == 0 {
                self.line("Events:");
            }
            self.numbered("SpanEvent", index);
            self.item("Name", event.name());
            self.item("Timestamp", Timestamp(event.time_unix_nano()));
            self.item("DroppedAttributesCount", event.dropped_attributes_count());
            // The second colon is the Collector's.
            self.nested("Attributes:", event.attributes());
        }
    }

    fn links(&mut self, span: &Span<'_>) {
        for (index, link) in span.links().enumerate() {
            if index == 0 {
                self.line("Links:");
            }
            self.numbered("SpanLink", index);
            self.item("Trace ID", id(&link.trace_id()));
            self.item("ID", id(&link.span_id()));
            self.item("TraceState", link.trace_state());
            self.item("DroppedAttributesCount", link.dropped_attributes_count());
            self.nested("Attributes:", link.attributes());
        }
    }

    fn log_record(&mut self, index: usize, record: &LogRecord<'_>) {
        self.numbered("LogRecord", index);
        self.entry("ObservedTimestamp", Timestamp(record.observed_time_unix_nano()));
        self.entry("Timestamp", Timestamp(record.time_unix_nano()));
        self.entry("SeverityText", record.severity_text());
        let number = record.severity_number();
        self.entry("SeverityNumber", format_args!("{}({number})", severity(number)));
        if !record.event_name().is_empty() {
            self.entry("EventName", record.event_name());
        }
        self.entry("Body", typed(&record.body()));
        self.attributes("", "Attributes", record.attributes());
        self.entry("Trace ID", id(&record.trace_id()));
        self.entry("Span ID", id(&record.span_id()));
        self.entry("Flags", record.flags());
    }
}

const fn span_kind(kind: i32) -> &'static str {
    match kind {
        0 => "Unspecified",
        1 => "Internal",
        2 => "Server",
        3 => "Client",
        4 => "Producer",
        5 => "Consumer",
        _ => "",
    }
}

const fn status_code(code: i32) -> &'static str {
    match code {
        0 => "Unset",
        1 => "Ok",
        2 => "Error",
        _ => "",
    }
}

/// Six levels of four steps each: `Trace`, `Trace2` … `Fatal4`.
fn severity(number: i32) -> String {
    const LEVELS: [&str; 6] = ["Trace", "Debug", "Info", "Warn", "Error", "Fatal"];
    if number == 0 {
        return "Unspecified".to_owned();
    }
    let steps = number.checked_sub(1).and_then(|steps| usize::try_from(steps).ok()).unwrap_or(usize::MAX);
    match (LEVELS.get(steps / 4), steps % 4) {
        (None, _) => String::new(),
        (Some(level), 0) => (*level).to_owned(),
        (Some(level), step) => format!("{level}{}", step + 1),
    }
}
