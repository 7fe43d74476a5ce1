//! Spans become documents.

use std::ops::Range;

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
    /// The spans that did not become a document.
    pub refused: Vec<Refused>,
    /// How many spans were read.
    pub items: usize,
}

impl Documents {
    /// The text of a document: one JSON object.
    #[must_use]
    pub fn text(&self, entry: &Entry) -> &[u8] {
        self.bytes.get(entry.range.clone()).unwrap_or_default()
    }

    /// Forgets everything but the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.refused.clear();
        self.items = 0;
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
