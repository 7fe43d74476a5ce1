//! Logs.

use super::{
    AnyValue, Attributes, Repeated, Resource, Scope, fixed32, fixed64, id, int32, message, text, uint32,
    views,
};
use crate::Text;

views! {
    /// A request of log records.
    Logs;
    /// The log records of one resource.
    ResourceLogs;
    /// The log records of one scope.
    ScopeLogs;
    /// A log record.
    LogRecord;
}

impl<'a> Logs<'a> {
    /// By resource.
    #[must_use]
    pub fn resource_logs(&self) -> Repeated<'a, ResourceLogs<'a>> {
        Repeated::new(self.0, 1)
    }
}

impl<'a> ResourceLogs<'a> {
    /// Where the log records come from.
    #[must_use]
    pub fn resource(&self) -> Resource<'a> {
        message(self.0, 1).unwrap_or_default()
    }

    /// By scope.
    #[must_use]
    pub fn scope_logs(&self) -> Repeated<'a, ScopeLogs<'a>> {
        Repeated::new(self.0, 2)
    }

    /// Schema of what is in here.
    #[must_use]
    pub fn schema_url(&self) -> Text<'a> {
        text(self.0, 3)
    }
}

impl<'a> ScopeLogs<'a> {
    /// What made the log records.
    #[must_use]
    pub fn scope(&self) -> Scope<'a> {
        message(self.0, 1).unwrap_or_default()
    }

    /// The log records.
    #[must_use]
    pub fn log_records(&self) -> Repeated<'a, LogRecord<'a>> {
        Repeated::new(self.0, 2)
    }

    /// Schema of what is in here.
    #[must_use]
    pub fn schema_url(&self) -> Text<'a> {
        text(self.0, 3)
    }
}

impl<'a> LogRecord<'a> {
    /// When it happened, in nanoseconds since 1970; 0 if unknown.
    #[must_use]
    pub fn time_unix_nano(&self) -> u64 {
        fixed64(self.0, 1)
    }

    /// `SeverityNumber`: 1 to 24, 0 if unspecified.
    #[must_use]
    pub fn severity_number(&self) -> i32 {
        int32(self.0, 2)
    }

    /// Severity as the source has it.
    #[must_use]
    pub fn severity_text(&self) -> Text<'a> {
        text(self.0, 3)
    }

    /// What happened.
    #[must_use]
    pub fn body(&self) -> AnyValue<'a> {
        message(self.0, 5).unwrap_or_default()
    }

    /// Attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Repeated::new(self.0, 6)
    }

    /// How many attributes the sender dropped.
    #[must_use]
    pub fn dropped_attributes_count(&self) -> u32 {
        uint32(self.0, 7)
    }

    /// W3C trace flags in the low byte.
    #[must_use]
    pub fn flags(&self) -> u32 {
        fixed32(self.0, 8)
    }

    /// Trace during which it happened, all zeros if none.
    #[must_use]
    pub fn trace_id(&self) -> [u8; 16] {
        id(self.0, 9)
    }

    /// Span during which it happened, all zeros if none.
    #[must_use]
    pub fn span_id(&self) -> [u8; 8] {
        id(self.0, 10)
    }

    /// When it was observed, in nanoseconds since 1970.
    #[must_use]
    pub fn observed_time_unix_nano(&self) -> u64 {
        fixed64(self.0, 11)
    }

    /// Name, if it is an event.
    #[must_use]
    pub fn event_name(&self) -> Text<'a> {
        text(self.0, 12)
    }
}
