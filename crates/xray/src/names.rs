//! Every attribute name that the two translations read or write, once.
//!
//! Names of the OpenTelemetry semantic conventions stand where they are used, as data, when only one table uses them;
//! here are those of X-Ray itself, and those that both directions need.

/// What all names of X-Ray's own begin with.
pub const PREFIX: &str = "aws.xray.";
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

// With `preserve_xray_fields` the receiver writes what follows, and the exporter makes documents from it again. A span
// with `TYPE` has been written so: what it does not have was not in its document, either.

/// String: the type of the document. `segment` if it had none, `subsegment` for a subsegment.
pub const TYPE: &str = "aws.xray.type";
/// Bool: the subsegment was nested in another segment, so that the blocks about host and service, which are in the
/// resource, are not its own.
pub const EMBEDDED: &str = "aws.xray.embedded";
/// String: the name as it was.
pub const NAME: &str = "aws.xray.name";
/// String: the namespace as it was.
pub const NAMESPACE: &str = "aws.xray.namespace";
/// Bool: the flag as it was.
pub const FAULT: &str = "aws.xray.fault";
/// Bool: the flag as it was.
pub const ERROR: &str = "aws.xray.error";
/// Bool: the flag as it was.
pub const THROTTLE: &str = "aws.xray.throttle";
/// String: the id of an exception of another segment that is the cause.
pub const CAUSE_ID: &str = "aws.xray.cause.id";
/// String.
pub const CAUSE_WORKING_DIRECTORY: &str = "aws.xray.cause.working_directory";
/// Array of strings.
pub const CAUSE_PATHS: &str = "aws.xray.cause.paths";
/// Event attribute, string of JSON: the list of frames as it was.
pub const EXCEPTION_STACK: &str = "aws.xray.exception.stack";
/// Event attribute, string of JSON: an object of what else the exception had.
pub const EXCEPTION_EXTRA: &str = "aws.xray.exception.extra";
/// String of JSON: the list of those links that lead nowhere, and so are no links of the span.
pub const LINKS: &str = "aws.xray.links";
/// String. `sql.sanitized_query` and `sql.user` are in `db.statement` and `db.user`.
pub const SQL_CONNECTION_STRING: &str = "aws.xray.sql.connection_string";
/// String.
pub const SQL_URL: &str = "aws.xray.sql.url";
/// String.
pub const SQL_DATABASE_TYPE: &str = "aws.xray.sql.database_type";
/// String.
pub const SQL_DATABASE_VERSION: &str = "aws.xray.sql.database_version";
/// String.
pub const SQL_DRIVER_VERSION: &str = "aws.xray.sql.driver_version";
/// String: `call` or `statement`.
pub const SQL_PREPARATION: &str = "aws.xray.sql.preparation";
/// Array of strings: `aws.table_names`.
pub const TABLE_NAMES: &str = "aws.xray.table_names";
/// Array of strings: `aws.resource_names`.
pub const RESOURCE_NAMES: &str = "aws.xray.resource_names";
/// Array of strings.
pub const PRECURSOR_IDS: &str = "aws.xray.precursor_ids";
/// String of JSON: an object of the document's shape with every field that has no attribute of its own, which is to be
/// merged into the document: `{"aws": {"bucket_name": "b"}, "http": {"request": {"traced": true}}}`. Annotations whose keys
/// are names of attributes that the segment itself has, or begin with [`PREFIX`], are among them.
pub const EXTRA: &str = "aws.xray.extra";

/// Resource attribute, string: the origin as it was.
pub const ORIGIN: &str = "aws.xray.origin";
/// Resource attribute, string: `aws.xray.sdk` as it was; its version is in `telemetry.sdk.version`.
pub const SDK: &str = "aws.xray.sdk";
/// Resource attribute, bool: `aws.xray.auto_instrumentation` as it was.
pub const AUTO_INSTRUMENTATION: &str = "aws.xray.auto_instrumentation";
/// Resource attribute, string of JSON: the list `aws.cloudwatch_logs` as it was.
pub const CLOUDWATCH_LOGS: &str = "aws.xray.cloudwatch_logs";
/// Resource attributes, scalars: every one of the block `service`, each by its name.
pub const SERVICE_PREFIX: &str = "aws.xray.service.";
/// Resource attributes, scalars: every one of the block `aws.ec2`, each by its name.
pub const EC2_PREFIX: &str = "aws.xray.ec2.";
/// Resource attributes, scalars: every one of the block `aws.ecs`, each by its name.
pub const ECS_PREFIX: &str = "aws.xray.ecs.";
/// Resource attributes, scalars: every one of the block `aws.eks`, each by its name.
pub const EKS_PREFIX: &str = "aws.xray.eks.";
/// Resource attributes, scalars: every one of the block `aws.elastic_beanstalk`, each by its name.
pub const BEANSTALK_PREFIX: &str = "aws.xray.beanstalk.";
