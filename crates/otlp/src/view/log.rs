//! Logs.

use super::{
    AnyValue, Attributes, Repeated, Resource, Scope, fixed32, fixed64, id, int32, nested, repeated, text,
    uint32, views,
};
use crate::Text;

views! {
    /// A request of log records.
    Logs {
        /// By resource.
        resource_logs: Repeated<'a, ResourceLogs<'a>> = repeated(1);
    }

    /// The log records of one resource.
    ResourceLogs {
        /// Where the log records come from.
        resource: Resource<'a> = nested(1);
        /// By scope.
        scope_logs: Repeated<'a, ScopeLogs<'a>> = repeated(2);
        /// Schema of what is in here.
        schema_url: Text<'a> = text(3);
    }

    /// The log records of one scope.
    ScopeLogs {
        /// What made the log records.
        scope: Scope<'a> = nested(1);
        /// The log records.
        log_records: Repeated<'a, LogRecord<'a>> = repeated(2);
        /// Schema of what is in here.
        schema_url: Text<'a> = text(3);
    }

    /// A log record.
    LogRecord {
        /// When it happened, in nanoseconds since 1970; 0 if unknown.
        time_unix_nano: u64 = fixed64(1);
        /// `SeverityNumber`: 1 to 24, 0 if unspecified.
        severity_number: i32 = int32(2);
        /// Severity as the source has it.
        severity_text: Text<'a> = text(3);
        /// What happened.
        body: AnyValue<'a> = nested(5);
        /// Attributes.
        attributes: Attributes<'a> = repeated(6);
        /// How many attributes the sender dropped.
        dropped_attributes_count: u32 = uint32(7);
        /// W3C trace flags in the low byte.
        flags: u32 = fixed32(8);
        /// Trace during which it happened, all zeros if none.
        trace_id: [u8; 16] = id(9);
        /// Span during which it happened, all zeros if none.
        span_id: [u8; 8] = id(10);
        /// When it was observed, in nanoseconds since 1970.
        observed_time_unix_nano: u64 = fixed64(11);
        /// Name, if it is an event.
        event_name: Text<'a> = text(12);
    }
}
