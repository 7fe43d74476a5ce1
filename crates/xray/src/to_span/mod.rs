//! Documents become OTLP.
//!
//! A document is one segment with everything nested in it. It becomes one `ResourceSpans` with one scope, a span for each
//! segment, parents before children. What comes from outside is not trusted: a document is read in one pass into places
//! of its text, checked, and then written straight to the wire. Names, types and oddities are those of the reference
//! implementation (the Collector's `awsxrayreceiver`), with these differences, which are always on:
//!
//! - Nothing that is wrong ends the process: a nested subsegment that is wrong is left out with what is nested in it, and
//!   the rest of the document is kept; a wrong namespace at the top counts as none.
//! - An exception without an id is taken; a trace id of the wrong length refuses the document, 32 hex digits do not.
//! - A `sql.url` that can't be split is kept whole as `db.connection_string`.
//! - A time before 1970 or after 2554 is refused instead of wrapped.
//!
//! ```
//! use collimator_xray::to_span::{Options, read};
//!
//! let document = br#"{"name": "shop", "id": "6226467e3f845502", "trace_id": "1-5f84c7a1-e7d1852db8c4fd35d88bf49a",
//!     "start_time": 1498082657.5, "end_time": 1498082658, "http": {"response": {"status": 404}}}"#;
//! let mut request = Vec::new();
//! let taken = read(document, &Options::default(), &mut request)?;
//! assert_eq!((taken.spans, taken.segments()), (1, 1));
//! let traces = otlp::view::Traces::new(&request);
//! assert!(traces.spans_with_parents().all(|at| at.span.name() == "shop"));
//! # Ok::<(), collimator_xray::to_span::Refused>(())
//! ```

mod any;
mod attributes;
mod blocks;
mod canonical;
mod document;
mod host;
mod parse;
mod preserve;
mod refusal;
mod resource;
mod scan;
mod span;
mod sql;
mod steps;
mod values;

use std::borrow::Cow;

use self::attributes::{Attributes, nested};
use self::document::Document;
pub use self::refusal::{Dropped, Reason, Refused};

/// How documents are translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// A segment whose `fault` or `error` is true has an error, also without an HTTP status and a cause that say so. The
    /// reference ignores both.
    pub status_from_flags: bool,
    /// An empty `cause` is an error, as in the reference.
    pub empty_cause_is_error: bool,
    /// What the reference loses is written into attributes, from which documents can be made again; see
    /// [`names`](crate::names).
    pub preserve: bool,
    /// Links to other segments become links of the span. Also with `preserve`.
    pub links: bool,
    /// The names of the attributes about HTTP.
    pub http: Conventions,
    /// The names of the attributes about databases.
    pub database: Conventions,
    /// What is refused.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            status_from_flags: true,
            empty_cause_is_error: true,
            preserve: false,
            links: false,
            http: Conventions::Old,
            database: Conventions::Old,
            limits: Limits::default(),
        }
    }
}

/// Which of OpenTelemetry's semantic conventions the names of attributes follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conventions {
    /// Those of the reference: `http.method`, `db.system`.
    #[default]
    Old,
    /// The stable ones: `http.request.method`, `db.system.name`.
    Stable,
    /// Both.
    Both,
}

impl Conventions {
    const fn old(self) -> bool {
        matches!(self, Self::Old | Self::Both)
    }

    const fn stable(self) -> bool {
        matches!(self, Self::Stable | Self::Both)
    }
}

/// Bounds of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes. X-Ray takes 64 kB, a datagram has room for a little less.
    pub max_bytes: usize,
    /// Levels of subsegments below the segment.
    pub max_depth: usize,
    /// Segments in all.
    pub max_segments: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 1 << 20, max_depth: 64, max_segments: 10_000 }
    }
}

/// What became of a document that was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Spans written.
    pub spans: usize,
    /// What was left out.
    pub dropped: Vec<Dropped>,
}

impl Taken {
    /// Segments received, nested ones and dropped ones among them: the count of the daemon's telemetry.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.spans + self.rejected()
    }

    /// Segments dropped.
    #[must_use]
    pub fn rejected(&self) -> usize {
        self.dropped.iter().map(|dropped| dropped.segments).sum()
    }
}

/// Translates documents, one after the other. Keeps its memory between them.
#[derive(Debug, Default)]
pub struct Translator {
    options: Options,
    document: Document,
    attributes: Attributes,
    scratch: Vec<u8>,
}

impl Translator {
    /// A translator with these options.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// Appends the spans of a document to `out`, as one element of a trace request.
    ///
    /// # Errors
    /// Why the document is refused as a whole; nothing is appended then.
    pub fn read(&mut self, document: &[u8], out: &mut Vec<u8>) -> Result<Taken, Refused> {
        let limits = self.options.limits;
        if document.len() > limits.max_bytes.min(i32::MAX as usize) {
            return Err(Refused { reason: Reason::TooLarge, field: "", at: limits.max_bytes, segments: 0 });
        }
        let json = match simdutf8::basic::from_utf8(document) {
            Ok(_) => Cow::Borrowed(document),
            Err(_) => Cow::Owned(String::from_utf8_lossy(document).into_owned().into_bytes()),
        };
        let mut dropped = Vec::new();
        parse::parse(&json, &limits, self.options.preserve, &mut self.document, &mut dropped)?;
        self.write(&json, out);
        Ok(Taken { spans: self.document.segments.len(), dropped })
    }

    /// Writes what was read.
    fn write(&mut self, json: &[u8], out: &mut Vec<u8>) {
        let Self { options, document, attributes, scratch } = self;
        if options.preserve {
            document.extras.sort_by_key(|extra| extra.segment);
            // Each name once, so that an attribute is written anew only where it meets one of ours.
            blocks::keep_last(&mut document.root.kept, 0, |kept| (kept.prefix, kept.key.get(json)));
        }
        let Some(root) = document.segments.first() else { return };
        // A document of one segment is mostly somewhat shorter as spans, and mostly longer than 127 bytes.
        nested(out, RESOURCE_SPANS, 2, |out| {
            let mut writer = Writer { json, options, document, attributes, scratch };
            nested(out, RESOURCE, 2, |out| writer.resource(out, root));
            nested(out, SCOPE_SPANS, 2, |out| {
                otlp::wire::write_len_field(out, SCOPE, &[]);
                for (number, segment) in document.segments.iter().enumerate() {
                    nested(out, SPAN, 2, |out| writer.span(out, segment, number, root));
                }
            });
        });
    }
}

/// `TracesData.resource_spans`.
const RESOURCE_SPANS: u32 = 1;
/// `ResourceSpans.resource`, `ResourceSpans.scope_spans`.
const RESOURCE: u32 = 1;
const SCOPE_SPANS: u32 = 2;
/// `ScopeSpans.scope`, `ScopeSpans.spans`.
const SCOPE: u32 = 1;
const SPAN: u32 = 2;

/// Writes the spans of one document.
struct Writer<'w> {
    json: &'w [u8],
    options: &'w Options,
    document: &'w Document,
    attributes: &'w mut Attributes,
    scratch: &'w mut Vec<u8>,
}

/// Appends the spans of one document to `out`, as one element of a trace request.
///
/// # Errors
/// As [`Translator::read`], which is better for more than one.
pub fn read(document: &[u8], options: &Options, out: &mut Vec<u8>) -> Result<Taken, Refused> {
    Translator::new(options.clone()).read(document, out)
}

#[doc(hidden)]
pub mod fuzz;
#[cfg(test)]
mod tests;
