//! The match block as it is written.

use config::{Checks, Choice, Fields, Section, setting_by_choice};
use otlp::Signal;

use crate::literal::Literal;
use crate::pattern::Pattern;

/// How texts are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MatchType {
    /// Not said.
    #[default]
    None,
    /// They are equal.
    Strict,
    /// A pattern occurs in them.
    Regexp,
}

impl Choice for MatchType {
    const SPELLINGS: &'static [(&'static str, Self)] =
        &[("strict", Self::Strict), ("regexp", Self::Regexp), ("", Self::None)];
}
setting_by_choice!(MatchType);

/// Properties of telemetry: all that are given must match. Within a list of texts one must; of attributes, all.
#[derive(Clone, Debug, Default)]
pub struct Properties {
    /// How texts are compared.
    pub match_type: MatchType,
    /// Settings of a cache that is not needed here.
    pub regexp: Option<RegexpSettings>,
    /// `service.name` of the resource; spans only.
    pub services: Vec<String>,
    /// Names of spans.
    pub span_names: Vec<String>,
    /// Kinds of spans: `SPAN_KIND_SERVER`.
    pub span_kinds: Vec<String>,
    /// Bodies of log records, as text.
    pub log_bodies: Vec<String>,
    /// Severity texts of log records.
    pub log_severity_texts: Vec<String>,
    /// Severity numbers of log records.
    pub log_severity_number: Option<SeverityMatch>,
    /// Names of metrics.
    pub metric_names: Vec<String>,
    /// Attributes of the span or log record.
    pub attributes: Vec<AttributeMatch>,
    /// Attributes of the resource.
    pub resources: Vec<AttributeMatch>,
    /// Instrumentation scopes; spans and log records only.
    pub libraries: Vec<LibraryMatch>,
}

/// What the Collector has to make its regular expressions faster.
#[derive(Clone, Debug, Default)]
pub struct RegexpSettings {
    /// Whether results are remembered.
    pub cacheenabled: bool,
    /// How many.
    pub cachemaxnumentries: i64,
}

/// An attribute that must be there.
#[derive(Clone, Debug, Default)]
pub struct AttributeMatch {
    /// Its key.
    pub key: String,
    /// Its value; none for any. A pattern if texts are matched by patterns.
    pub value: Literal,
}

/// An instrumentation scope.
#[derive(Clone, Debug, Default)]
pub struct LibraryMatch {
    /// Its name.
    pub name: String,
    /// Its version; none for any, empty for no version.
    pub version: Option<String>,
}

/// Severity numbers.
#[derive(Clone, Debug, Default)]
pub struct SeverityMatch {
    /// The lowest that matches.
    pub min: i32,
    /// Whether log records without a severity match.
    pub match_undefined: bool,
}

/// Why properties can't be used for a signal: where, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The key; empty for the block as a whole.
    pub path: &'static str,
    /// What is wrong, in the Collector's words.
    pub message: String,
}

impl Section for Properties {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("match_type", "How texts are compared. Required.", |c| &mut c.match_type);
        fields.field("regexp", "Settings of the Collector's cache for patterns.", |c| &mut c.regexp);
        fields.field("services", "`service.name` of the resource; for spans.", |c| &mut c.services);
        fields.field("span_names", "Names of spans.", |c| &mut c.span_names);
        fields.field("span_kinds", "Kinds of spans, such as `SPAN_KIND_SERVER`.", |c| &mut c.span_kinds);
        fields.field("log_bodies", "Bodies of log records, as text.", |c| &mut c.log_bodies);
        fields.field("log_severity_texts", "Severity texts of log records.", |c| &mut c.log_severity_texts);
        fields
            .field("log_severity_number", "Severity numbers of log records.", |c| &mut c.log_severity_number)
            .null_is_absent();
        fields.field("metric_names", "Names of metrics.", |c| &mut c.metric_names);
        fields.field("attributes", "Attributes that the span or log record must all have.", |c| {
            &mut c.attributes
        });
        fields.field("resources", "Attributes that the resource must all have.", |c| &mut c.resources);
        fields.field("libraries", "Instrumentation scopes; for spans and log records.", |c| &mut c.libraries);
    }

    fn check(&self, checks: &mut Checks) {
        for (list, attributes) in [("attributes", &self.attributes), ("resources", &self.resources)] {
            for (index, attribute) in attributes.iter().enumerate() {
                self.check_attribute(attribute, &format!("{list}.{index}"), checks);
            }
        }
        match self.match_type {
            MatchType::None if self.compares_texts() => {
                checks.when_built(
                    "match_type",
                    "unrecognized match_type: '', valid types are: [regexp strict]",
                );
            }
            MatchType::Regexp => self.check_patterns(checks),
            MatchType::None | MatchType::Strict => {}
        }
    }
}

impl Section for RegexpSettings {
    fn describe(fields: &mut Fields<Self>) {
        const WHY: &str = "patterns are matched without a cache";
        fields
            .field("cacheenabled", "Whether the Collector remembers results.", |c| &mut c.cacheenabled)
            .not_honoured(WHY);
        fields
            .field("cachemaxnumentries", "How many results it remembers.", |c| &mut c.cachemaxnumentries)
            .not_honoured(WHY);
    }
}

impl Section for AttributeMatch {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("key", "Key of the attribute.", |c| &mut c.key);
        fields.field("value", "Its value, of the same type; without, any value matches.", |c| &mut c.value);
    }
}

impl Section for LibraryMatch {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("name", "Name of the scope.", |c| &mut c.name);
        fields.field("version", "Its version; without, any. Empty: it has none.", |c| &mut c.version);
    }
}

impl Section for SeverityMatch {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("min", "Lowest severity number that matches; 9 is INFO.", |c| &mut c.min);
        fields.field("match_undefined", "Whether log records without a severity match.", |c| {
            &mut c.match_undefined
        });
    }
}

/// What a span's kind may be called when texts are compared strictly.
const SPAN_KINDS: [&str; 5] = [
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_CONSUMER",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_SERVER",
];

impl Properties {
    /// The lists of texts, each with its key.
    fn texts(&self) -> [(&'static str, &Vec<String>); 6] {
        [
            ("services", &self.services),
            ("span_names", &self.span_names),
            ("span_kinds", &self.span_kinds),
            ("log_bodies", &self.log_bodies),
            ("log_severity_texts", &self.log_severity_texts),
            ("metric_names", &self.metric_names),
        ]
    }

    /// Whether it has to be known how texts are compared.
    fn compares_texts(&self) -> bool {
        let values = self.attributes.iter().chain(&self.resources);
        self.texts().iter().any(|(_, texts)| !texts.is_empty())
            || !self.libraries.is_empty()
            || values.into_iter().any(|attribute| !attribute.value.is_none())
    }

    fn check_attribute(&self, attribute: &AttributeMatch, path: &str, checks: &mut Checks) {
        if attribute.key.is_empty() {
            checks.when_built(&format!("{path}.key"), "can't have empty key in the list of attributes");
        }
        if self.match_type != MatchType::Regexp || attribute.value.is_none() {
            return;
        }
        match attribute.value.as_text() {
            Some(text) => check_pattern(text, &format!("{path}.value"), checks),
            None => {
                let (key, found) = (attribute.key.escape_debug(), attribute.value.type_of());
                let message = format!("match_type=regexp for \"{key}\" only supports Str, but found {found}");
                checks.when_built(&format!("{path}.value"), message);
            }
        }
    }

    fn check_patterns(&self, checks: &mut Checks) {
        for (key, texts) in self.texts() {
            for (index, text) in texts.iter().enumerate() {
                check_pattern(text, &format!("{key}.{index}"), checks);
            }
        }
        for (index, library) in self.libraries.iter().enumerate() {
            check_pattern(&library.name, &format!("libraries.{index}.name"), checks);
            if let Some(version) = &library.version {
                check_pattern(version, &format!("libraries.{index}.version"), checks);
            }
        }
    }

    /// Whether the block can be used for a signal: the Collector's rules, which it applies when the graph is built.
    ///
    /// # Errors
    /// The first key that has no place there, or that a key is missing.
    pub fn check_for(&self, signal: Signal) -> Result<(), Misfit> {
        let misfit = |path, message: &str| Err(Misfit { path, message: message.to_owned() });
        let common = !self.attributes.is_empty() || !self.resources.is_empty() || !self.libraries.is_empty();
        match signal {
            Signal::Traces => {
                for (key, given) in [
                    ("log_bodies", !self.log_bodies.is_empty()),
                    ("log_severity_texts", !self.log_severity_texts.is_empty()),
                    ("log_severity_number", self.log_severity_number.is_some()),
                ] {
                    if given {
                        return misfit(key, &format!("{key} should not be specified for trace spans"));
                    }
                }
                let own = [&self.services, &self.span_names, &self.span_kinds];
                if !common && own.iter().all(|texts| texts.is_empty()) {
                    return misfit("", NOTHING_FOR_SPANS);
                }
                self.check_kinds()
            }
            Signal::Logs => {
                for (key, texts) in [
                    ("services", &self.services),
                    ("span_names", &self.span_names),
                    ("span_kinds", &self.span_kinds),
                ] {
                    if !texts.is_empty() {
                        return misfit(
                            key,
                            "services, span_names, and span_kinds are not valid for log records",
                        );
                    }
                }
                let own = !self.log_bodies.is_empty()
                    || !self.log_severity_texts.is_empty()
                    || self.log_severity_number.is_some();
                if common || own { Ok(()) } else { misfit("", NOTHING_FOR_LOGS) }
            }
            Signal::Metrics => Ok(()),
        }
    }

    fn check_kinds(&self) -> Result<(), Misfit> {
        let unknown = |kind: &String| !SPAN_KINDS.contains(&kind.as_str());
        if self.match_type == MatchType::Strict && self.span_kinds.iter().any(unknown) {
            let kinds = SPAN_KINDS.join(" ");
            let message = format!(
                "span_kinds string must match one of the standard span kinds when match_type=strict: [{kinds}]"
            );
            return Err(Misfit { path: "span_kinds", message });
        }
        Ok(())
    }

    /// The keys that are given and say nothing about a signal.
    #[must_use]
    pub fn idle_for(&self, signal: Signal) -> Vec<&'static str> {
        let given = [
            ("services", !self.services.is_empty()),
            ("span_names", !self.span_names.is_empty()),
            ("span_kinds", !self.span_kinds.is_empty()),
            ("log_bodies", !self.log_bodies.is_empty()),
            ("log_severity_texts", !self.log_severity_texts.is_empty()),
            ("log_severity_number", self.log_severity_number.is_some()),
            ("metric_names", !self.metric_names.is_empty()),
            ("attributes", !self.attributes.is_empty()),
            ("libraries", !self.libraries.is_empty()),
        ];
        let of_other_signals = |key: &str| match signal {
            Signal::Traces | Signal::Logs => key == "metric_names",
            Signal::Metrics => key != "metric_names",
        };
        given.into_iter().filter(|(key, given)| *given && of_other_signals(key)).map(|(key, _)| key).collect()
    }
}

const NOTHING_FOR_SPANS: &str =
    "at least one of \"attributes\", \"libraries\",  or \"resources\" field must be specified";
const NOTHING_FOR_LOGS: &str = "at least one of \"attributes\", \"libraries\", \"span_kinds\", \"resources\", \
     \"log_bodies\", \"log_severity_texts\" or \"log_severity_number\" field must be specified";

fn check_pattern(text: &str, path: &str, checks: &mut Checks) {
    if let Err(error) = Pattern::new(text) {
        checks.when_built(path, format!("invalid pattern `{}`: {error}", text.escape_debug()));
    }
}
