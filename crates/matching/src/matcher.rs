//! The match block, ready to be asked.

use otlp::Signal;
use otlp::view::{AnyValue, Attributes, LogRecord, Metric, Resource, Scope, Span};
use otlp_json::plain;

use crate::literal::same;
use crate::pattern::{Pattern, PatternError};
use crate::properties::{MatchType, Properties, SeverityMatch};
use crate::strings::Strings;

/// One match block. Telemetry is asked about from the outside in; it matches if every question is answered by yes.
#[derive(Clone, Debug)]
pub struct Matcher {
    services: Option<Strings>,
    span_names: Option<Strings>,
    span_kinds: Option<Strings>,
    log_bodies: Option<Strings>,
    log_severity_texts: Option<Strings>,
    log_severity_number: Option<SeverityMatch>,
    metric_names: Option<Strings>,
    attributes: Vec<Attribute>,
    resources: Vec<Attribute>,
    libraries: Vec<(Strings, Option<Strings>)>,
}

#[derive(Clone, Debug)]
struct Attribute {
    key: Box<str>,
    value: Expected,
}

#[derive(Clone, Debug)]
enum Expected {
    Any,
    /// An encoded `AnyValue`.
    Same(Vec<u8>),
    Pattern(Pattern),
}

/// What the Collector takes a missing `service.name` for.
const NO_SERVICE: &[u8] = b"<nil-service-name>";

impl Matcher {
    /// Makes a block ready.
    ///
    /// # Errors
    /// A pattern that is none; [`Section::check`](config::Section::check) has said so before, with its place.
    pub fn new(properties: &Properties) -> Result<Self, PatternError> {
        let set = |texts: &[String]| match texts {
            [] => Ok(None),
            texts => strings(properties.match_type, texts.iter().map(String::as_str)).map(Some),
        };
        let attributes = |list: &[crate::AttributeMatch]| -> Result<Vec<Attribute>, PatternError> {
            list.iter().map(|it| Attribute::new(it, properties.match_type)).collect()
        };
        let library = |library: &crate::LibraryMatch| {
            let one = |text: &String| strings(properties.match_type, [text.as_str()]);
            Ok((one(&library.name)?, library.version.as_ref().map(one).transpose()?))
        };
        Ok(Self {
            services: set(&properties.services)?,
            span_names: set(&properties.span_names)?,
            span_kinds: set(&properties.span_kinds)?,
            log_bodies: set(&properties.log_bodies)?,
            log_severity_texts: set(&properties.log_severity_texts)?,
            log_severity_number: properties.log_severity_number.clone(),
            metric_names: set(&properties.metric_names)?,
            attributes: attributes(&properties.attributes)?,
            resources: attributes(&properties.resources)?,
            libraries: properties.libraries.iter().map(library).collect::<Result<_, PatternError>>()?,
        })
    }

    /// Whether it says anything about a signal at all.
    #[must_use]
    pub fn concerns(&self, signal: Signal) -> bool {
        !self.resources.is_empty()
            || (signal == Signal::Traces && self.services.is_some())
            || self.asks_below_resources(signal)
    }

    /// Whether resources alone don't decide.
    #[must_use]
    pub fn asks_below_resources(&self, signal: Signal) -> bool {
        match signal {
            Signal::Metrics => self.metric_names.is_some(),
            Signal::Traces | Signal::Logs => !self.libraries.is_empty() || self.asks_items(signal),
        }
    }

    /// Whether resources and scopes alone don't decide.
    #[must_use]
    pub fn asks_items(&self, signal: Signal) -> bool {
        match signal {
            Signal::Metrics => false,
            Signal::Traces => {
                self.span_names.is_some() || self.span_kinds.is_some() || !self.attributes.is_empty()
            }
            Signal::Logs => {
                self.log_bodies.is_some()
                    || self.log_severity_texts.is_some()
                    || self.log_severity_number.is_some()
                    || !self.attributes.is_empty()
            }
        }
    }

    /// Whether a resource may hold what matches.
    #[must_use]
    pub fn resource(&self, signal: Signal, resource: Resource<'_>) -> bool {
        let service = || match resource.attributes().get("service.name") {
            Some(AnyValue::String(name)) => {
                self.services.as_ref().is_none_or(|it| it.matches(name.as_bytes()))
            }
            Some(other) => self.services.as_ref().is_none_or(|it| it.matches(plain(&other).as_bytes())),
            None => self.services.as_ref().is_none_or(|it| it.matches(NO_SERVICE)),
        };
        (signal != Signal::Traces || self.services.is_none() || service())
            && all_there(&self.resources, &resource.attributes())
    }

    /// Whether a scope may hold what matches.
    #[must_use]
    pub fn scope(&self, signal: Signal, scope: Scope<'_>) -> bool {
        let same = |(name, version): &(Strings, Option<Strings>)| {
            name.matches(scope.name().as_bytes())
                && version.as_ref().is_none_or(|version| version.matches(scope.version().as_bytes()))
        };
        signal == Signal::Metrics || self.libraries.is_empty() || self.libraries.iter().any(same)
    }

    /// Whether a metric matches.
    #[must_use]
    pub fn metric(&self, metric: Metric<'_>) -> bool {
        self.metric_names.as_ref().is_none_or(|names| names.matches(metric.name().as_bytes()))
    }

    /// Whether a span or log record matches, whose resource and scope do; a data point always does.
    #[must_use]
    pub fn item(&self, signal: Signal, bytes: &[u8]) -> bool {
        match signal {
            Signal::Metrics => true,
            Signal::Traces => self.span(Span::new(bytes)),
            Signal::Logs => self.log(LogRecord::new(bytes)),
        }
    }

    fn span(&self, span: Span<'_>) -> bool {
        self.span_names.as_ref().is_none_or(|names| names.matches(span.name().as_bytes()))
            && self.span_kinds.as_ref().is_none_or(|kinds| kinds.matches(kind_name(span.kind()).as_bytes()))
            && all_there(&self.attributes, &span.attributes())
    }

    fn log(&self, log: LogRecord<'_>) -> bool {
        let body = |bodies: &Strings| match log.body() {
            AnyValue::String(text) => bodies.matches(text.as_bytes()),
            other => bodies.matches(plain(&other).as_bytes()),
        };
        let severity = |severity: &SeverityMatch| match log.severity_number() {
            0 => severity.match_undefined,
            number => number >= severity.min,
        };
        self.log_bodies.as_ref().is_none_or(body)
            && self
                .log_severity_texts
                .as_ref()
                .is_none_or(|texts| texts.matches(log.severity_text().as_bytes()))
            && self.log_severity_number.as_ref().is_none_or(severity)
            && all_there(&self.attributes, &log.attributes())
    }
}

impl Attribute {
    fn new(written: &crate::AttributeMatch, match_type: MatchType) -> Result<Self, PatternError> {
        let value = match (match_type, written.value.as_text()) {
            _ if written.value.is_none() => Expected::Any,
            (MatchType::Regexp, Some(text)) => Expected::Pattern(Pattern::new(text)?),
            _ => Expected::Same(written.value.encode()),
        };
        Ok(Self { key: written.key.as_str().into(), value })
    }

    fn matches(&self, value: &AnyValue<'_>, bytes: &[u8]) -> bool {
        match &self.value {
            Expected::Any => true,
            Expected::Same(expected) => same(expected, bytes),
            Expected::Pattern(pattern) => match value {
                AnyValue::String(text) => pattern.is_match(text.as_bytes()),
                AnyValue::Bool(truth) => pattern.is_match(truth.to_string().as_bytes()),
                AnyValue::Int(int) => pattern.is_match(int.to_string().as_bytes()),
                // Without an exponent, as Go's format 'f' has it.
                AnyValue::Double(double) => pattern.is_match(double.to_string().as_bytes()),
                _ => false,
            },
        }
    }
}

fn all_there(expected: &[Attribute], attributes: &Attributes<'_>) -> bool {
    expected.iter().all(|expected| {
        let mut attributes = attributes.clone();
        attributes
            .find(|attribute| attribute.key() == *expected.key)
            .is_some_and(|found| expected.matches(&found.value(), found.value_bytes()))
    })
}

fn strings<'t>(
    match_type: MatchType,
    texts: impl IntoIterator<Item = &'t str>,
) -> Result<Strings, PatternError> {
    match match_type {
        MatchType::Regexp => Strings::regexp(texts),
        MatchType::Strict | MatchType::None => Ok(Strings::strict(texts)),
    }
}

/// The name in the protocol; nothing for a number without one.
const fn kind_name(kind: i32) -> &'static str {
    match kind {
        0 => "SPAN_KIND_UNSPECIFIED",
        1 => "SPAN_KIND_INTERNAL",
        2 => "SPAN_KIND_SERVER",
        3 => "SPAN_KIND_CLIENT",
        4 => "SPAN_KIND_PRODUCER",
        5 => "SPAN_KIND_CONSUMER",
        _ => "",
    }
}
