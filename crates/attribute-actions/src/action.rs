//! One action as it is written.

use config::{Checks, Fields, Section};
use matching::{Literal, Pattern};

/// One action. Which keys it takes depends on what it does; [`Section::check`] says so.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Action {
    /// The attribute that is acted on.
    pub key: String,
    /// What to do, in any case: `insert`, `update`, `upsert`, `delete`, `hash`, `extract`, `convert`.
    pub action: String,
    /// The value to set.
    pub value: Literal,
    /// The attribute whose value is set.
    pub from_attribute: String,
    /// What is known of the sender: `metadata.<key>`, `auth.<name>`, `client.address`.
    pub from_context: String,
    /// The value to set if the source has none.
    pub default_value: Literal,
    /// A pattern: for keys in `delete` and `hash`, for the value in `extract`.
    pub pattern: String,
    /// The type to convert to: `string`, `int`, `double`.
    pub converted_type: String,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Insert,
    Update,
    Upsert,
    Delete,
    Hash,
    Extract,
    Convert,
}

/// What a value is converted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    String,
    Int,
    Double,
}

const KINDS: [(&str, Kind); 7] = [
    ("insert", Kind::Insert),
    ("update", Kind::Update),
    ("upsert", Kind::Upsert),
    ("delete", Kind::Delete),
    ("hash", Kind::Hash),
    ("extract", Kind::Extract),
    ("convert", Kind::Convert),
];

const TARGETS: [(&str, Target); 3] =
    [("string", Target::String), ("int", Target::Int), ("double", Target::Double)];

impl Section for Action {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("key", "The attribute that is acted on.", |c| &mut c.key);
        fields.field(
            "action",
            "What to do: `insert`, `update`, `upsert`, `delete`, `hash`, `extract` or `convert`.",
            |c| &mut c.action,
        );
        fields.field("value", "The value to set; it keeps the type that YAML gives it.", |c| &mut c.value);
        fields.field("from_attribute", "The attribute whose value is set.", |c| &mut c.from_attribute);
        fields.field(
            "from_context",
            "What is set of the sender: `metadata.<key>` (the receiver needs `include_metadata`), `auth.<name>` or \
             `client.address`; a bare key is one of metadata. Several values are joined with `;`.",
            |c| &mut c.from_context,
        );
        fields.field("default_value", "The value to set if the source has none.", |c| &mut c.default_value);
        fields.field(
            "pattern",
            "A regular expression (RE2, unanchored): on keys for `delete` and `hash`; on the value, with named groups \
             only, for `extract`.",
            |c| &mut c.pattern,
        );
        fields.field("converted_type", "What to convert to: `string`, `int` or `double`.", |c| {
            &mut c.converted_type
        });
    }

    fn check(&self, checks: &mut Checks) {
        let Some(kind) = self.kind() else {
            let names = KINDS.map(|(name, _)| name).join(", ");
            let found = self.action.escape_debug();
            return checks
                .when_built("action", format!("unsupported action \"{found}\", expected one of {names}"));
        };
        let by_pattern = matches!(kind, Kind::Delete | Kind::Hash);
        match (self.key.is_empty(), self.pattern.is_empty()) {
            (true, true) if by_pattern => {
                checks.when_built(
                    "key",
                    "missing required field (at least one of \"key\" and \"pattern\" have to be used)",
                );
            }
            (true, _) if !by_pattern => checks.when_built("key", "missing required field \"key\""),
            _ => {}
        }
        match kind {
            Kind::Insert | Kind::Update | Kind::Upsert => self.check_sources(checks),
            Kind::Delete | Kind::Hash => self.check_keys(checks),
            Kind::Extract => self.check_extract(checks),
            Kind::Convert => self.check_convert(checks),
        }
    }
}

impl Action {
    pub(crate) fn kind(&self) -> Option<Kind> {
        KINDS.iter().find(|(name, _)| self.action.eq_ignore_ascii_case(name)).map(|(_, kind)| *kind)
    }

    pub(crate) fn target(&self) -> Option<Target> {
        TARGETS.iter().find(|(name, _)| self.converted_type == *name).map(|(_, target)| *target)
    }

    /// The keys that say where a value comes from, and whether they are given.
    fn sources(&self) -> [(&'static str, bool); 3] {
        [
            ("value", !self.value.is_none()),
            ("from_attribute", !self.from_attribute.is_empty()),
            ("from_context", !self.from_context.is_empty()),
        ]
    }

    fn unused(&self, key: &str, checks: &mut Checks) {
        let action = self.action.to_ascii_lowercase();
        checks.when_built(
            key,
            format!("action \"{action}\" does not use the \"{key}\" field; it must not be specified"),
        );
    }

    fn check_sources(&self, checks: &mut Checks) {
        let given = self.sources().iter().filter(|(_, given)| *given).count();
        if given == 0 && self.default_value.is_none() {
            checks.when_built(
                "",
                "either field \"value\", \"from_attribute\", \"from_context\", or \"default_value\" must be specified",
            );
        }
        if given > 1 {
            let names = self.sources().into_iter().filter(|(_, given)| *given).map(|(name, _)| name);
            let names: Vec<_> = names.collect();
            checks.when_built(
                names.last().copied().unwrap_or_default(),
                format!("multiple value sources being set: {}", names.join(", ")),
            );
        }
        if !self.pattern.is_empty() {
            self.unused("pattern", checks);
        }
        if !self.converted_type.is_empty() {
            self.unused("converted_type", checks);
        }
    }

    fn check_keys(&self, checks: &mut Checks) {
        for (name, given) in self.sources() {
            match name {
                // The Collector takes it without a word.
                "from_context" if given => {
                    let action = self.action.to_ascii_lowercase();
                    checks.warn(name, format!("action \"{action}\" does not use it"));
                }
                _ if given => self.unused(name, checks),
                _ => {}
            }
        }
        self.warn_of_default(checks);
        if !self.converted_type.is_empty() {
            self.unused("converted_type", checks);
        }
        if !self.pattern.is_empty() {
            self.check_pattern(checks);
        }
    }

    fn check_extract(&self, checks: &mut Checks) {
        self.no_sources(checks);
        if !self.converted_type.is_empty() {
            self.unused("converted_type", checks);
        }
        if self.pattern.is_empty() {
            return checks.when_built("pattern", "missing required field \"pattern\" for action \"extract\"");
        }
        let Some(pattern) = self.check_pattern(checks) else { return };
        if pattern.groups().len() == 0 {
            checks.when_built("pattern", "field \"pattern\" contains no named matcher groups");
        } else if pattern.groups().any(|name| name.is_none()) {
            checks.when_built("pattern", "field \"pattern\" contains at least one unnamed matcher group");
        }
    }

    fn check_convert(&self, checks: &mut Checks) {
        self.no_sources(checks);
        if !self.pattern.is_empty() {
            self.unused("pattern", checks);
        }
        if self.converted_type.is_empty() {
            checks.when_built(
                "converted_type",
                "missing required field \"converted_type\" for action \"convert\"",
            );
        } else if self.target().is_none() {
            let found = self.converted_type.escape_debug();
            checks.when_built("converted_type", format!(
                "invalid value \"{found}\" in field \"converted_type\" for action \"convert\", expected string, int or \
                 double"
            ));
        }
    }

    fn no_sources(&self, checks: &mut Checks) {
        for (name, _) in self.sources().into_iter().filter(|(_, given)| *given) {
            self.unused(name, checks);
        }
        self.warn_of_default(checks);
    }

    /// The Collector takes it without a word.
    fn warn_of_default(&self, checks: &mut Checks) {
        if !self.default_value.is_none() {
            let action = self.action.to_ascii_lowercase();
            checks.warn("default_value", format!("action \"{action}\" does not use it"));
        }
    }

    fn check_pattern(&self, checks: &mut Checks) -> Option<Pattern> {
        match Pattern::new(&self.pattern) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let pattern = self.pattern.escape_debug();
                checks.when_built(
                    "pattern",
                    format!("field \"pattern\" has invalid pattern: \"{pattern}\": {error}"),
                );
                None
            }
        }
    }
}
