//! Every attribute name that the two translations read or write, once.
//!
//! Names of the OpenTelemetry semantic conventions stand where they are used, as data, when only one table uses them;
//! here are those of X-Ray itself, and those that both directions need.

/// Bool: the segment is in progress; the span has no end.
pub const IN_PROGRESS: &str = "aws.xray.inprogress";
/// Array of strings: which attributes are annotations.
pub const ANNOTATIONS: &str = "aws.xray.annotations";
/// String of JSON, one namespace of the metadata; what follows is the namespace's name.
pub const METADATA_PREFIX: &str = "aws.xray.metadata.";

/// Event attribute, string: id of an exception.
pub const EXCEPTION_ID: &str = "aws.xray.exception.id";
/// Event attribute, bool: the exception came from downstream.
pub const EXCEPTION_REMOTE: &str = "aws.xray.exception.remote";
/// Event attribute, int: how many stack frames were left out.
pub const EXCEPTION_TRUNCATED: &str = "aws.xray.exception.truncated";
/// Event attribute, int: how many exceptions were left out between this and the one it caused.
pub const EXCEPTION_SKIPPED: &str = "aws.xray.exception.skipped";
/// Event attribute, string: id of the exception that caused it.
pub const EXCEPTION_CAUSE: &str = "aws.xray.exception.cause";

/// Int: how often a call was tried again.
pub const RETRIES: &str = "aws.xray.retries";
/// Bool: the callee is traced too.
pub const TRACED: &str = "aws.xray.traced";
/// Bool: the client's address came from a header.
pub const X_FORWARDED_FOR: &str = "aws.xray.x_forwarded_for";
/// Resource attribute, string: ARN of the resource that sent the segment.
pub const RESOURCE_ARN: &str = "aws.xray.resource_arn";

/// String: name of the exception event that stands for an exception, and of its attributes.
pub const EXCEPTION_EVENT: &str = "exception";
/// Event attribute, string.
pub const EXCEPTION_MESSAGE: &str = "exception.message";
/// Event attribute, string.
pub const EXCEPTION_TYPE: &str = "exception.type";
/// Event attribute, string.
pub const EXCEPTION_STACKTRACE: &str = "exception.stacktrace";
