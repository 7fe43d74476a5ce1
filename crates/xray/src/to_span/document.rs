//! A document as it was read: places in its text, and what was decoded already.

use super::scan::{Place, Text};

/// Everything that was read of a document. Kept between documents, so that its memory is.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// Parents before their children: the order of the spans.
    pub(super) segments: Vec<Segment>,
    /// What only the outermost segment tells, and all spans share.
    pub(super) root: Root,
    pub(super) exceptions: Vec<Exception>,
    pub(super) frames: Vec<Frame>,
    pub(super) annotations: Vec<Annotation>,
    pub(super) metadata: Vec<Namespace>,
    pub(super) links: Vec<Link>,
    /// Links that lead nowhere, if they are preserved.
    pub(super) odd_links: Vec<Place>,
    /// Members of exceptions without a place of their own, if they are preserved.
    pub(super) of_exceptions: Vec<Namespace>,
    /// Fields without a place of their own, if they are preserved.
    pub(super) extras: Vec<Extra>,
    /// How many segments were met, nested ones and dropped ones among them.
    pub(super) seen: usize,
}

impl Document {
    pub(super) fn clear(&mut self) {
        self.segments.clear();
        self.root.clear();
        self.exceptions.clear();
        self.frames.clear();
        self.annotations.clear();
        self.metadata.clear();
        self.links.clear();
        self.odd_links.clear();
        self.of_exceptions.clear();
        self.extras.clear();
        self.seen = 0;
    }
}

/// Entries of one of the lists that belong to one segment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entries {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Entries {
    pub(super) fn of<T>(self, list: &[T]) -> &[T] {
        list.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) const fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

/// A segment or subsegment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// The enclosing segment's id; none for the outermost.
    pub(super) enclosing: Option<[u8; 8]>,
    pub(super) name: Text,
    pub(super) id: [u8; 8],
    /// Its own, if it has one.
    pub(super) trace_id: Option<[u8; 16]>,
    pub(super) parent_id: Option<[u8; 8]>,
    /// In nanoseconds since 1970.
    pub(super) start: u64,
    pub(super) end: Option<u64>,
    pub(super) kind: Text,
    pub(super) namespace: Text,
    pub(super) user: Text,
    pub(super) in_progress: Option<bool>,
    pub(super) fault: Option<bool>,
    pub(super) error: Option<bool>,
    pub(super) throttle: Option<bool>,
    pub(super) traced: Option<bool>,
    pub(super) http: Http,
    pub(super) cause: Cause,
    pub(super) aws: Aws,
    pub(super) sql: Sql,
    pub(super) annotations: Entries,
    pub(super) metadata: Entries,
    pub(super) links: Entries,
    pub(super) odd_links: Entries,
    pub(super) precursor_ids: Place,
}

impl Segment {
    pub(super) const EMPTY: Self = Self {
        enclosing: None,
        name: Text::NONE,
        id: [0; 8],
        trace_id: None,
        parent_id: None,
        start: 0,
        end: None,
        kind: Text::NONE,
        namespace: Text::NONE,
        user: Text::NONE,
        in_progress: None,
        fault: None,
        error: None,
        throttle: None,
        traced: None,
        http: Http::EMPTY,
        cause: Cause::Absent,
        aws: Aws::EMPTY,
        sql: Sql::EMPTY,
        annotations: Entries { start: 0, end: 0 },
        metadata: Entries { start: 0, end: 0 },
        links: Entries { start: 0, end: 0 },
        odd_links: Entries { start: 0, end: 0 },
        precursor_ids: Place::NONE,
    };
}

/// The block `http`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Http {
    pub(super) method: Text,
    pub(super) url: Text,
    pub(super) user_agent: Text,
    pub(super) client_ip: Text,
    pub(super) x_forwarded_for: Option<bool>,
    pub(super) status: Option<i64>,
    pub(super) content_length: Length,
}

impl Http {
    pub(super) const EMPTY: Self = Self {
        method: Text::NONE,
        url: Text::NONE,
        user_agent: Text::NONE,
        client_ip: Text::NONE,
        x_forwarded_for: None,
        status: None,
        content_length: Length::None,
    };
}

/// A content length: some SDKs write it as a string.
#[derive(Clone, Copy, Debug)]
pub(super) enum Length {
    None,
    Number(f64),
    Text(Text),
}

/// Why a segment failed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause {
    Absent,
    /// The id of an exception that another segment tells of.
    Id(Text),
    Exceptions {
        exceptions: Entries,
        working_directory: Text,
        paths: Place,
        /// Nothing is told.
        empty: bool,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Exception {
    pub(super) id: Text,
    pub(super) message: Text,
    pub(super) kind: Text,
    pub(super) remote: Option<bool>,
    pub(super) truncated: Option<i64>,
    pub(super) skipped: Option<i64>,
    pub(super) cause: Text,
    pub(super) frames: Entries,
    /// The frames as they stand in the document.
    pub(super) stack: Place,
    /// What else it has.
    pub(super) others: Entries,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) path: Text,
    pub(super) line: Option<i64>,
    pub(super) label: Text,
}

/// The part of the block `aws` that every segment may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aws {
    pub(super) account_id: Text,
    pub(super) operation: Text,
    pub(super) region: Text,
    pub(super) request_id: Text,
    pub(super) queue_url: Text,
    pub(super) table_name: Text,
    pub(super) retries: Option<i64>,
    pub(super) table_names: Place,
    pub(super) resource_names: Place,
}

impl Aws {
    pub(super) const EMPTY: Self = Self {
        account_id: Text::NONE,
        operation: Text::NONE,
        region: Text::NONE,
        request_id: Text::NONE,
        queue_url: Text::NONE,
        table_name: Text::NONE,
        retries: None,
        table_names: Place::NONE,
        resource_names: Place::NONE,
    };
}

/// The block `sql`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sql {
    pub(super) connection_string: Text,
    pub(super) url: Text,
    pub(super) sanitized_query: Text,
    pub(super) database_type: Text,
    pub(super) database_version: Text,
    pub(super) driver_version: Text,
    pub(super) user: Text,
    pub(super) preparation: Text,
}

impl Sql {
    pub(super) const EMPTY: Self = Self {
        connection_string: Text::NONE,
        url: Text::NONE,
        sanitized_query: Text::NONE,
        database_type: Text::NONE,
        database_version: Text::NONE,
        driver_version: Text::NONE,
        user: Text::NONE,
        preparation: Text::NONE,
    };
}

/// One annotation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Annotation {
    pub(super) key: Text,
    pub(super) value: Value,
    /// The value as it stands in the document.
    pub(super) place: Place,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Text(Text),
    Bool(bool),
    /// As a double, and as it stands in the document.
    Number(f64, Place),
    /// What no annotation can be.
    Other(Place),
}

/// One namespace of the metadata, which is an object or null; or any other member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Namespace {
    pub(super) name: Text,
    pub(super) value: Place,
}

/// A link to another segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) trace_id: [u8; 16],
    pub(super) id: [u8; 8],
    /// An object, if there is one.
    pub(super) attributes: Place,
}

/// A field that is preserved as JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extra {
    /// Which of the segments it belongs to.
    pub(super) segment: usize,
    /// The objects that it lies in, from the outermost: `["aws", "xray"]`.
    pub(super) path: &'static [&'static str],
    pub(super) key: Text,
    pub(super) value: Place,
}

/// What the outermost segment tells about where it ran.
#[derive(Debug, Default)]
pub(super) struct Root {
    pub(super) origin: Text,
    pub(super) resource_arn: Text,
    pub(super) service_version: Text,
    /// Whether there is a block `aws`.
    pub(super) has_aws: bool,
    pub(super) host: Host,
    pub(super) logs: Vec<LogGroup>,
    /// The same as it stands in the document.
    pub(super) logs_place: Place,
    /// Every scalar of the blocks about the host and the service, if they are preserved.
    pub(super) kept: Vec<Kept>,
}

impl Root {
    fn clear(&mut self) {
        let (mut logs, mut kept) = (std::mem::take(&mut self.logs), std::mem::take(&mut self.kept));
        logs.clear();
        kept.clear();
        *self = Self { logs, kept, ..Self::default() };
    }
}

/// The blocks of `aws` that tell of host, container and SDK.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Host {
    pub(super) ec2: Option<Ec2>,
    pub(super) ecs: Option<Ecs>,
    pub(super) eks: Option<Eks>,
    pub(super) beanstalk: Option<Beanstalk>,
    pub(super) sdk: Text,
    pub(super) sdk_version: Text,
    pub(super) auto_instrumentation: Option<bool>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ec2 {
    pub(super) availability_zone: Text,
    pub(super) instance_id: Text,
    pub(super) instance_size: Text,
    pub(super) ami_id: Text,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ecs {
    pub(super) container: Text,
    pub(super) container_id: Text,
    pub(super) availability_zone: Text,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Eks {
    pub(super) container_id: Text,
    pub(super) cluster_name: Text,
    pub(super) pod: Text,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beanstalk {
    pub(super) environment_name: Text,
    pub(super) version_label: Text,
    pub(super) deployment_id: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct LogGroup {
    pub(super) name: Text,
    pub(super) arn: Text,
}

/// A scalar of the document that becomes a resource attribute of the same name behind a prefix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) prefix: &'static str,
    pub(super) key: Text,
    pub(super) value: Value,
}

impl Default for Text {
    fn default() -> Self {
        Self::NONE
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::NONE
    }
}
