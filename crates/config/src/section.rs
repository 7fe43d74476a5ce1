//! Config structs: one description serves reading, defaults, documentation, schema and printing.

use serde_json::{Map as JsonMap, Value as Json, json};

use crate::diagnostics::{Diagnostic, Diagnostics, Severity};
use crate::fields::{Field, Fields};
use crate::note::{Listener, Subject};
use crate::reader::Reader;
use crate::setting::{REDACTED, Row, Setting};
use crate::source::Sources;
use crate::suggest;
use crate::tree::{Key, Node, Value};
use crate::yaml;

/// A config struct that is read from a map. Its `Default` holds the defaults of its keys.
///
/// A section must not contain itself, not even in a list: its schema would have no end.
pub trait Section: Clone + Default + 'static {
    /// Declares every key: name, one line for users, place.
    fn describe(fields: &mut Fields<Self>);

    /// Checks that need several fields, or that hold for defaults too. Runs when all fields could be read.
    fn check(&self, _checks: &mut Checks) {}

    /// Whether the addresses are bound that flattened blocks name. What [`Section::check`] names itself always is.
    fn binds(&self) -> bool {
        true
    }
}

/// Collects what [`Section::check`] finds.
#[derive(Debug, Default)]
pub struct Checks {
    found: Vec<Found>,
    listeners: Vec<(String, Listener)>,
}

#[derive(Debug)]
struct Found {
    severity: Severity,
    path: String,
    message: String,
    /// The keys that it is about; empty for all of the section.
    about: Vec<&'static str>,
    /// See [`Checks::when_built`].
    of_build: bool,
}

impl Checks {
    /// Reports an error at a key of the section, `"tls.cert_file"`, at an item of a list, `"rules.0.name"`, or at the
    /// section itself: `""`. If the key is not in the file, the nearest that is gets shown.
    pub fn at(&mut self, path: &str, message: impl Into<String>) {
        self.push(Severity::Error, path, message.into(), Vec::new());
    }

    /// Reports an error at the first of these keys. It is about them and nothing else, so it is reported though other
    /// keys of the section could not be read.
    pub fn between(&mut self, keys: &[&'static str], message: impl Into<String>) {
        let place = keys.first().copied().unwrap_or_default();
        self.push(Severity::Error, place, message.into(), keys.to_vec());
    }

    /// Reports an error that the Collector finds only when it builds the component: one that is not used may have it.
    pub fn when_built(&mut self, path: &str, message: impl Into<String>) {
        self.push(Severity::Error, path, message.into(), Vec::new());
        if let Some(found) = self.found.last_mut() {
            found.of_build = true;
        }
    }

    /// Reports a warning, in the same way.
    pub fn warn(&mut self, path: &str, message: impl Into<String>) {
        self.push(Severity::Warning, path, message.into(), Vec::new());
    }

    fn push(&mut self, severity: Severity, path: &str, message: String, about: Vec<&'static str>) {
        self.found.push(Found { severity, path: path.to_owned(), message, about, of_build: false });
    }

    /// Leaves what can be said though these keys could not be read.
    fn without(&mut self, unread: &[&'static str]) {
        let readable = |keys: &[&str]| !keys.is_empty() && !keys.iter().any(|key| unread.contains(key));
        self.found.retain(|found| readable(&found.about));
        self.listeners.retain(|(path, _)| readable(&[path, "transport"]));
    }

    /// Says that the component binds an address, which the key at `path` gives. Two that want the same are reported
    /// when the whole configuration is known.
    pub fn listens(&mut self, path: &str, transport: impl Into<String>, endpoint: impl Into<String>) {
        let listener = Listener { transport: transport.into(), endpoint: endpoint.into() };
        self.listeners.push((path.to_owned(), listener));
    }
}

/// Reads a section. `path` leads to it: `exporters::otlp`. None if there was any error; findings, warnings among
/// them, are in `diagnostics`.
pub fn read<C: Section>(node: &Node, diagnostics: &mut Diagnostics, path: &str) -> Option<C> {
    let before = diagnostics.error_count();
    let mut section = C::default();
    section.read(node, &mut Reader::new(diagnostics, path, node.place()));
    (diagnostics.error_count() == before).then_some(section)
}

/// Reads a section from a text of its own, warnings aside.
///
/// # Errors
/// Everything that is wrong with the text.
pub fn read_text<C: Section>(text: &str) -> Result<C, Diagnostics> {
    let mut sources = Sources::default();
    let source = sources.add("text", text);
    let mut diagnostics = Diagnostics::new(sources);
    let node = yaml::parse(text, source, &mut diagnostics);
    node.and_then(|node| read(&node, &mut diagnostics, "")).ok_or(diagnostics)
}

/// The JSON schema of a section.
pub fn schema<C: Section>() -> Json {
    Setting::schema(&C::default())
}

/// Every key of a section with type, default and purpose, in the order of description.
pub fn reference<C: Section>() -> Vec<Row> {
    let mut rows = Vec::new();
    Setting::reference(&C::default(), "", &mut rows);
    rows
}

/// A section with all its keys as they would be written, secrets hidden.
pub fn render<C: Section>(section: &C) -> Json {
    Setting::render(section)
}

/// A section with all its keys as they would be written, secrets and all.
pub fn expose<C: Section>(section: &C) -> Json {
    Setting::expose(section)
}

impl<S: Section> Setting for S {
    const BLOCK: bool = true;

    fn type_name() -> String {
        "a map".into()
    }

    fn schema(&self) -> Json {
        let mut section = self.clone();
        let fields = fields::<S>();
        let mut properties = JsonMap::new();
        for field in &fields.list {
            let schema = field.schema(&mut section);
            for alias in &field.aliases {
                let mut schema = schema.clone();
                schema["deprecated"] = json!(true);
                properties.insert((*alias).to_owned(), schema);
            }
            properties.insert(field.name.to_owned(), schema);
        }
        let required: Vec<&str> =
            fields.list.iter().filter(|field| field.required).map(|field| field.name).collect();
        let mut schema = json!({
            "type": ["object", "null"], "additionalProperties": false, "properties": properties
        });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        let entries = match &node.value {
            // The Collector keeps the defaults of a section without a body.
            Value::Null => &[],
            Value::Map(entries) => entries.as_slice(),
            _ => return reader.expected(node, "a map of keys"),
        };
        let fields = fields::<S>();
        let given = read_entries(self, &fields, entries, reader);
        let mut unread = given.failed;
        unread.extend(report_unknown(&fields, &given.unknown, reader));
        for field in &fields.list {
            if field.required && !given.known.contains(&field.name) && !unread.contains(&field.name) {
                let finding = Diagnostic::error(
                    reader.place(),
                    reader.path(),
                    format!("the key `{}` is required", field.name),
                );
                reader.push(finding.help(format!("{}: {}", field.name, field.doc)));
                unread.push(field.name);
            }
        }
        let mut checks = Checks::default();
        self.check(&mut checks);
        let own = checks.listeners.len();
        for check in &fields.checks {
            check(self, &mut checks);
        }
        if !self.binds() {
            checks.listeners.truncate(own);
        }
        if !unread.is_empty() {
            // What could not be read still holds its default: checks would report what nobody wrote.
            checks.without(&unread);
        }
        report_checks(checks, node, reader);
    }

    fn render(&self) -> Json {
        let mut section = self.clone();
        let one = |field: &Field<S>| (field.name.to_owned(), field.render(&mut section));
        Json::Object(fields::<S>().list.iter().filter(|field| field.has_place()).map(one).collect())
    }

    fn expose(&self) -> Json {
        let mut section = self.clone();
        let one = |field: &Field<S>| (field.name.to_owned(), field.expose(&mut section));
        Json::Object(fields::<S>().list.iter().filter(|field| field.has_place()).map(one).collect())
    }

    fn reference(&self, prefix: &str, rows: &mut Vec<Row>) {
        let mut section = self.clone();
        for field in &fields::<S>().list {
            field.reference(&mut section, prefix, rows);
        }
    }
}

/// Whether a section describes a key.
pub(crate) fn has_key<S: Section>(key: &str) -> bool {
    fields::<S>().list.iter().any(|field| field.is_called(key))
}

fn fields<S: Section>() -> Fields<S> {
    let mut fields = Fields::new();
    S::describe(&mut fields);
    fields
}

/// Which keys a map holds.
struct Given<'n> {
    known: Vec<&'static str>,
    /// Those of them that could not be read.
    failed: Vec<&'static str>,
    unknown: Vec<&'n Key>,
}

fn read_entries<'n, S: Section>(
    section: &mut S,
    fields: &Fields<S>,
    entries: &'n [(Key, Node)],
    reader: &mut Reader<'_>,
) -> Given<'n> {
    let mut given = Given { known: Vec::new(), failed: Vec::new(), unknown: Vec::new() };
    // What a block that is off may hold is known only when it is known to be off.
    let (first, rest): (Vec<_>, Vec<_>) = entries.iter().partition(|(key, _)| key.text == "enabled");
    for (key, node) in first.into_iter().chain(rest) {
        let Some(field) = fields.list.iter().find(|field| field.is_called(&key.text)) else {
            given.unknown.push(key);
            continue;
        };
        let before = reader.reading_errors();
        reader.under(&key.text, key.span, |reader| {
            if given.known.contains(&field.name) {
                reader.error(key.span, format!("`{}` is given under both of its names", field.name));
            } else {
                field.read(section, &key.text, node, reader);
            }
        });
        given.known.push(field.name);
        if reader.reading_errors() != before {
            given.failed.push(field.name);
        }
    }
    given
}

/// Reports unknown keys; returns the fields that were probably meant.
fn report_unknown<S: Section>(
    fields: &Fields<S>,
    unknown: &[&Key],
    reader: &mut Reader<'_>,
) -> Vec<&'static str> {
    let names = || fields.list.iter().map(|field| field.name);
    let mut meant = Vec::new();
    for key in unknown {
        let finding =
            Diagnostic::error(key.span, reader.path(), format!("unknown key `{}`", key.text.escape_debug()));
        reader.push(match suggest::nearest(&key.text, names()) {
            Some(near) => {
                meant.extend(names().find(|name| *name == near));
                finding.help(format!("did you mean `{near}`?"))
            }
            None if fields.list.is_empty() => finding.help("there are no keys here"),
            None => finding.help(format!("valid keys: {}", suggest::list(names()))),
        });
    }
    meant
}

fn report_checks(checks: Checks, node: &Node, reader: &mut Reader<'_>) {
    let locate = |keys: &str, reader: &Reader<'_>| {
        let (span, below) = node.locate(keys);
        let separator = if below.is_empty() || reader.path().is_empty() { "" } else { "::" };
        (span, format!("{}{separator}{below}", reader.path()))
    };
    for Found { severity, path: keys, message, of_build, .. } in checks.found {
        let (span, path) = locate(&keys, reader);
        reader.push_of_check(Diagnostic { severity, of_build, ..Diagnostic::error(span, path, message) });
    }
    for (keys, listener) in checks.listeners {
        let (span, path) = locate(&keys, reader);
        reader.note(Subject::Listener(listener), span, path);
    }
}

/// Hides a rendered secret; what is empty hides nothing.
pub(crate) fn redact(rendered: Json) -> Json {
    match rendered {
        Json::String(text) if text.is_empty() => Json::String(text),
        Json::Null => Json::Null,
        _ => json!(REDACTED),
    }
}
