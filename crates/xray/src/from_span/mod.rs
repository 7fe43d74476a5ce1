//! Spans become documents.
//!
//! [`Translator::translate`] reads a request in wire bytes and appends one document for each span, or two for the local
//! root of a service that calls another. Nothing is built in between: a span is read in one pass into a list of its
//! attributes, each looked up once in a table of the names that mean something (`known`); the members of the document
//! are then written in the reference's order. What all spans of a resource have in common is made once (`resource`).
//!
//! The rules are those of the OpenTelemetry Collector's `awsxrayexporter`, 0.156. Where that one loses data or fails,
//! this does not; what else it does better is an option.

mod annotations;
mod aws;
mod bound;
mod cause;
mod cursor;
mod document;
mod fuzz;
mod http;
mod known;
mod links;
mod local_root;
mod losses;
mod name;
mod preserved;
mod repeated;
mod resource;
mod room;
mod span;
mod sql;
mod stack;
mod url;
mod value;

use std::mem::take;
use std::ops::Range;

use otlp::view::{ResourceSpans, ScopeSpans};

use crate::ids::IdSource;
use crate::names;
use crate::trim::trim;
#[doc(hidden)]
pub use fuzz::fuzz_spans;

pub use cursor::{Cursor, Enough};
pub use losses::{Loss, Losses};

use annotations::{Extras, Names};
use cursor::messages;
use resource::ResourceRead;
use room::Room;
use span::SpanRead;

/// What of a translation is a matter of choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Names of attributes that become annotations; resource attributes as `otel.resource.<key>`.
    pub indexed_attributes: Vec<String>,
    /// Every attribute of a simple type becomes an annotation.
    pub index_all_attributes: bool,
    /// Log groups of the resources that name none.
    pub log_groups: Vec<String>,
    /// Dots stay in the keys of annotations (the Collector's gate `exporter.xray.allowDot`).
    pub allow_dot: bool,
    /// Trace ids need not have a recent time in them (its gate `exporter.awsxray.skiptimestampvalidation`).
    pub skip_timestamp_validation: bool,
    /// What the receiver kept of X-Ray's own fields in `aws.xray.*` is put back in its place.
    pub preserve_xray_fields: bool,
    /// The stable names of database attributes make a `sql` block too.
    pub stable_database_conventions: bool,
    /// A segment that nothing else names is named after `server.address` or `db.namespace`.
    pub stable_names: bool,
    /// CONSUMER segments are named after their service, as SERVER segments are.
    pub consumers_named_by_service: bool,
    /// Attributes of the network go into the metadata of a span without an `http` block.
    pub keep_network_attributes: bool,
    /// `content_length` is read from `http.response.body.size` as well.
    pub body_size_as_content_length: bool,
    /// Events that are not exceptions and the scope's name go into the metadata.
    pub keep_events: bool,
    /// Stack traces tell of Python's direct causes, and of .NET's paths without a line.
    pub complete_stack_traces: bool,
    /// The most bytes of a document.
    pub max_document_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            indexed_attributes: Vec::new(),
            index_all_attributes: false,
            log_groups: Vec::new(),
            allow_dot: true,
            skip_timestamp_validation: true,
            preserve_xray_fields: false,
            stable_database_conventions: true,
            stable_names: false,
            consumers_named_by_service: false,
            keep_network_attributes: false,
            body_size_as_content_length: false,
            keep_events: false,
            complete_stack_traces: false,
            max_document_bytes: 64_000,
        }
    }
}

/// Documents, one behind the other in one buffer.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// The text of all documents. They are not separated.
    pub bytes: Vec<u8>,
    /// The documents, in the order of the spans.
    pub entries: Vec<Entry>,
    /// The spans that did not become a document, or a part of which did not.
    pub refused: Vec<Refused>,
    /// How many spans were read.
    pub items: usize,
    /// Bytes of these spans, each at least [`LEAST_WORK`], and all that was written of them: also what was cut away again,
    /// or refused as too large.
    pub work: usize,
}

impl Documents {
    /// The text of a document: one JSON object.
    #[must_use]
    pub fn text(&self, entry: &Entry) -> &[u8] {
        self.bytes.get(entry.range.clone()).unwrap_or_default()
    }

    /// Bytes of memory that these take, what is not filled yet among them.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.bytes.capacity()
            + self.entries.capacity() * size_of::<Entry>()
            + self.refused.capacity() * size_of::<Refused>()
    }

    /// Forgets everything but the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.refused.clear();
        self.items = 0;
        self.work = 0;
    }
}

/// One document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is in the buffer.
    pub range: Range<usize>,
    /// Which span it is of, from 0. A local root that calls another service becomes two documents.
    pub item: usize,
    /// The segment's id, which the API names when it could not process it; as text with
    /// [`segment_id`](crate::ids::segment_id).
    pub id: [u8; 8],
    /// Something was left out, because it would have been too large.
    pub trimmed: bool,
}

/// A span that did not become a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which span, from 0.
    pub item: usize,
    /// Why.
    pub reason: Reason,
}

/// Why a span did not become a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The time in its trace id is more than 28 days ago or more than five minutes ahead.
    #[error("the time in the trace id is not within the last 28 days")]
    TraceIdTime,
    /// Nothing more could be left out, and it is larger than a document may be.
    #[error("the document is too large")]
    TooLarge,
}

/// What a span counts in [`Documents::work`] at least. One of no bytes is looked at, too, and if it is refused it has an
/// entry that says so.
pub const LEAST_WORK: usize = 64;

/// Numbers of the fields of `TracesData`, `ResourceSpans` and `ScopeSpans` that lead to spans.
const RESOURCE_SPANS: u32 = 1;
const SCOPE_SPANS: u32 = 2;
const SPANS: u32 = 2;

/// The oldest time in a trace id, in seconds before now: 28 days.
const MAX_AGE: i64 = 28 * 24 * 60 * 60;
/// How far ahead it may be, in seconds.
const MAX_LEAD: i64 = 5 * 60;

/// Makes documents of spans.
#[derive(Debug)]
pub struct Translator {
    context: Context,
}

/// What every part of the translation may need.
#[derive(Debug)]
struct Context {
    options: Options,
    indexed: Names,
    ids: IdSource,
    /// Seconds since 1970.
    now: i64,
    /// Of the document that is being written.
    room: Room,
}

impl Translator {
    /// With these options. The ids of exceptions, and of segments that no span has, follow from the seed.
    #[must_use]
    pub fn new(options: Options, seed: u64) -> Self {
        let indexed = Names::new(&options.indexed_attributes);
        let room = Room::new(options.max_document_bytes);
        Self { context: Context { options, indexed, ids: IdSource::new(seed), now: 0, room } }
    }

    /// Appends the documents of a request of traces, in the order of its spans, to those that are there. `now`, in
    /// seconds since 1970, matters only where the time in trace ids is looked at.
    ///
    /// The request should have passed [`otlp::admit`]; of one that has not, this makes something or other.
    pub fn translate(&mut self, request: &[u8], now: i64, documents: &mut Documents) {
        self.translate_some(request, &mut Cursor::default(), Enough::NEVER, now, documents);
    }

    /// The same from where the cursor is, until there are enough documents or no spans left, which it says. The cursor is
    /// then at the next span, or of no more use.
    pub fn translate_some(
        &mut self,
        request: &[u8],
        cursor: &mut Cursor,
        enough: Enough,
        now: i64,
        documents: &mut Documents,
    ) -> bool {
        self.context.now = now;
        let mut resource = ResourceRead::default();
        let mut span = SpanRead::new();
        let mut last = None;
        for (at, bytes) in messages(request, RESOURCE_SPANS, cursor.resource) {
            cursor.resource = at;
            // Where requests have been joined, many resources are the same as the one before.
            let view = ResourceSpans::new(bytes).resource();
            if last.replace(view) != Some(view) {
                resource.read(view.attributes(), &self.context);
            }
            let mut extras = Extras::default();
            for (at, bytes) in messages(bytes, SCOPE_SPANS, take(&mut cursor.scope)) {
                cursor.scope = at;
                if self.context.options.keep_events {
                    span.scope_name = ScopeSpans::new(bytes).scope().name().as_bytes();
                }
                for (at, bytes) in messages(bytes, SPANS, take(&mut cursor.span)) {
                    if enough.is_there(documents, view.as_bytes().len()) {
                        cursor.span = at;
                        return false;
                    }
                    span.read(bytes);
                    documents.work += bytes.len().max(LEAST_WORK);
                    self.write(&span, &resource, &mut extras, documents);
                }
            }
            cursor.scope = 0;
        }
        true
    }

    fn write<'m>(
        &mut self,
        span: &SpanRead<'m>,
        resource: &'m ResourceRead<'m>,
        extras: &mut Extras<'m>,
        documents: &mut Documents,
    ) {
        let item = documents.items;
        documents.items += 1;
        if !is_time_valid(span.trace_id, &self.context) {
            documents.refused.push(Refused { item, reason: Reason::TraceIdTime });
            return;
        }
        if preserved::is_preserved(span, &self.context) {
            let start = documents.bytes.len();
            self.context.room.begin();
            let id = preserved::write(&mut documents.bytes, span, resource, &mut self.context);
            self.add(documents, start, item, id);
            return;
        }
        if resource.is_too_large {
            documents.refused.push(Refused { item, reason: Reason::TooLarge });
            return;
        }
        let (first, second) = local_root::shapes(span, &mut self.context.ids);
        for shape in std::iter::once(first).chain(second) {
            let start = documents.bytes.len();
            self.context.room.begin();
            let id = document::write(&mut documents.bytes, span, resource, &shape, &mut self.context, extras);
            self.add(documents, start, item, id);
        }
    }

    /// Adds the document that begins at `start` to the list, shortened if need be.
    fn add(&self, documents: &mut Documents, start: usize, item: usize, id: [u8; 8]) {
        let max = self.context.options.max_document_bytes;
        let room = &self.context.room;
        let written = documents.bytes.len() - start;
        documents.work += written;
        let is_large = written > max || room.left_out.is_any();
        if room.is_exceeded() || (is_large && !trim(&mut documents.bytes, start, max, room.left_out)) {
            documents.bytes.truncate(start);
            documents.refused.push(Refused { item, reason: Reason::TooLarge });
            return;
        }
        let trimmed = is_large || room.is_cut;
        documents.entries.push(Entry { range: start..documents.bytes.len(), item, id, trimmed });
    }
}

/// Whether the time in a trace id is one that X-Ray took before it took ids of any kind.
fn is_time_valid(trace_id: [u8; 16], context: &Context) -> bool {
    if context.options.skip_timestamp_validation {
        return true;
    }
    let [a, b, c, d, ..] = trace_id;
    let age = context.now.saturating_sub(u32::from_be_bytes([a, b, c, d]).into());
    (-MAX_LEAD..=MAX_AGE).contains(&age)
}
