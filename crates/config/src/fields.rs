//! The description of a section: its keys and what is said about each.

use std::ops::RangeInclusive;

use serde_json::Value as Json;

use crate::diagnostics::{Diagnostic, Severity};
use crate::reader::Reader;
use crate::section::{Checks, Section, redact};
use crate::setting::{Row, Setting, warn_of_clear_text};
use crate::suggest;
use crate::tree::{Node, Value};

/// The keys of a section, in the order of documentation.
pub struct Fields<S> {
    pub(crate) list: Vec<Field<S>>,
    /// Checks of flattened sections.
    pub(crate) checks: Vec<FieldCheck<S>>,
}

type FieldCheck<S> = Box<dyn Fn(&mut S, &mut Checks)>;
type ValueCheck<S> = Box<dyn Fn(&mut S) -> Result<(), String>>;

impl<S: Section> Fields<S> {
    pub(crate) fn new() -> Self {
        Self { list: Vec::new(), checks: Vec::new() }
    }

    /// A key, its line of documentation for users, and its place in the struct.
    pub fn field<T: Setting>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        place: fn(&mut S) -> &mut T,
    ) -> FieldOf<'_, S, T> {
        let field = self.add(Field::new(name, doc, Some(Box::new(Place { place }))));
        FieldOf { field, place }
    }

    /// A key of the Collector that is accepted and has no effect: giving it is a warning that says why.
    pub fn not_honoured(&mut self, name: &'static str, doc: &'static str, why: &'static str) {
        self.add(Field::new(name, doc, None)).effect = Some((Severity::Warning, why));
    }

    /// Such a key of a known type: a value that the Collector would refuse is refused here, too.
    pub fn ignored<T: Setting>(&mut self, name: &'static str, doc: &'static str, why: &'static str) {
        let field = self.add(Field::new(name, doc, None));
        field.effect = Some((Severity::Warning, why));
        field.discarded = Some(Discarded { read: discard::<T>, schema: || T::default().schema() });
    }

    /// A key of the Collector that can't be ignored safely: giving it is an error that says why.
    pub fn unsupported(&mut self, name: &'static str, doc: &'static str, why: &'static str) {
        self.add(Field::new(name, doc, None)).effect = Some((Severity::Error, why));
    }

    /// Takes in the keys of a shared block as if they were this section's own.
    pub fn flatten<T: Section>(&mut self, place: fn(&mut S) -> &mut T) {
        let mut inner = Fields::<T>::new();
        T::describe(&mut inner);
        for field in inner.list {
            self.add(field.through(place));
        }
        self.checks.push(Box::new(move |section, checks| place(section).check(checks)));
        for check in inner.checks {
            self.checks.push(Box::new(move |section, checks| check(place(section), checks)));
        }
    }

    fn add(&mut self, field: Field<S>) -> &mut Field<S> {
        debug_assert!(!self.list.iter().any(|other| other.name == field.name), "{} twice", field.name);
        self.list.push_mut(field)
    }
}

/// One key.
pub(crate) struct Field<S> {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) required: bool,
    pub(crate) aliases: Vec<&'static str>,
    secret: bool,
    deprecated: Option<&'static str>,
    /// Set if the key does nothing yet, with the reason.
    effect: Option<(Severity, &'static str)>,
    access: Option<Box<dyn Access<S>>>,
    /// The type of a key that has no place.
    discarded: Option<Discarded>,
    checks: Vec<ValueCheck<S>>,
    /// Added to the schema of the type.
    schema: Vec<(&'static str, Json)>,
}

/// How a value is read that nobody keeps.
#[derive(Clone, Copy)]
struct Discarded {
    read: fn(&Node, &mut Reader<'_>),
    schema: fn() -> Json,
}

fn discard<T: Setting>(node: &Node, reader: &mut Reader<'_>) {
    T::default().read(node, reader);
}

/// A key that has just been described, to say more about it.
pub struct FieldOf<'f, S, T> {
    field: &'f mut Field<S>,
    place: fn(&mut S) -> &mut T,
}

impl<S: Section, T: Setting> FieldOf<'_, S, T> {
    /// Hides the value wherever it would be shown.
    pub fn secret(self) -> Self {
        self.field.secret = true;
        self
    }

    /// Must be given, and not be empty.
    pub fn required(self) -> Self {
        self.field.required = true;
        self
    }

    /// An older name, accepted with a warning.
    pub fn alias(self, name: &'static str) -> Self {
        self.field.aliases.push(name);
        self
    }

    /// Giving the key is a warning; `instead` says what to do: "use `timeout`".
    pub fn deprecated(self, instead: &'static str) -> Self {
        self.field.deprecated = Some(instead);
        self
    }

    /// The key is read but has no effect yet: any value but the default is a warning that says why.
    pub fn not_honoured(self, why: &'static str) -> Self {
        self.field.effect = Some((Severity::Warning, why));
        self
    }

    /// The key has no effect yet and can't be ignored safely: any value but the default is an error that says why.
    pub fn unsupported(self, why: &'static str) -> Self {
        self.field.effect = Some((Severity::Error, why));
        self
    }

    /// A check of the value alone; the error says what must be: "must be a power of two".
    pub fn check(self, check: impl Fn(&T) -> Result<(), String> + 'static) -> Self {
        let place = self.place;
        self.field.checks.push(Box::new(move |section| check(place(section))));
        self
    }

    /// A lower bound, itself allowed.
    pub fn at_least(mut self, least: T) -> Self
    where
        T: PartialOrd,
    {
        self.bound("minimum", least.render());
        self.check(move |value| match *value >= least {
            true => Ok(()),
            false => Err(format!("must be at least {}, found {}", plain(&least), plain(value))),
        })
    }

    /// An upper bound, itself allowed.
    pub fn at_most(mut self, most: T) -> Self
    where
        T: PartialOrd,
    {
        self.bound("maximum", most.render());
        self.check(move |value| match *value <= most {
            true => Ok(()),
            false => Err(format!("must be at most {}, found {}", plain(&most), plain(value))),
        })
    }

    /// Both bounds, themselves allowed.
    pub fn range(mut self, range: RangeInclusive<T>) -> Self
    where
        T: PartialOrd,
    {
        self.bound("minimum", range.start().render());
        self.bound("maximum", range.end().render());
        self.check(move |value| match range.contains(value) {
            true => Ok(()),
            false => {
                let (least, most) = (plain(range.start()), plain(range.end()));
                Err(format!("must be between {least} and {most}, found {}", plain(value)))
            }
        })
    }

    /// The words that a text may be.
    pub fn one_of(self, words: &'static [&'static str]) -> Self
    where
        T: AsRef<str>,
    {
        self.field.schema.push(("enum", words.into()));
        self.check(move |value| match words.contains(&value.as_ref()) {
            true => Ok(()),
            false => Err(format!(
                "expected one of {}, found `{}`",
                suggest::list(words.iter().copied()),
                value.as_ref().escape_debug()
            )),
        })
    }

    /// Only numbers have bounds in a schema; durations are texts there.
    fn bound(&mut self, name: &'static str, value: Json) {
        if value.is_number() {
            self.field.schema.push((name, value));
        }
    }
}

/// A value without the quotes of JSON.
fn plain<T: Setting>(value: &T) -> String {
    match value.render() {
        Json::String(text) => text,
        other => other.to_string(),
    }
}

impl<S: 'static> Field<S> {
    fn new(name: &'static str, doc: &'static str, access: Option<Box<dyn Access<S>>>) -> Self {
        let (aliases, checks, schema) = (Vec::new(), Vec::new(), Vec::new());
        let (required, secret, deprecated, effect) = (false, false, None, None);
        let discarded = None;
        Self { name, doc, required, aliases, secret, deprecated, effect, access, discarded, checks, schema }
    }

    fn through<O: 'static>(self, place: fn(&mut O) -> &mut S) -> Field<O> {
        let through = |check: ValueCheck<S>| -> ValueCheck<O> { Box::new(move |outer| check(place(outer))) };
        Field {
            name: self.name,
            doc: self.doc,
            required: self.required,
            aliases: self.aliases,
            secret: self.secret,
            deprecated: self.deprecated,
            effect: self.effect,
            access: self.access.map(|inner| Box::new(Through { place, inner }) as Box<dyn Access<O>>),
            discarded: self.discarded,
            checks: self.checks.into_iter().map(through).collect(),
            schema: self.schema,
        }
    }

    pub(crate) fn is_called(&self, key: &str) -> bool {
        self.name == key || self.aliases.contains(&key)
    }

    /// Whether the struct holds it, or it is merely known.
    pub(crate) fn has_place(&self) -> bool {
        self.access.is_some()
    }

    pub(crate) fn read(&self, section: &mut S, key: &str, node: &Node, reader: &mut Reader<'_>) {
        let warn = |reader: &mut Reader<'_>, message: String, help: String| {
            reader.push(Diagnostic::warning(reader.place(), reader.path(), message).help(help));
        };
        if key != self.name {
            warn(reader, format!("`{key}` is deprecated"), format!("use `{}`", self.name));
        }
        if let Some(instead) = self.deprecated {
            warn(reader, format!("`{key}` is deprecated"), instead.to_owned());
        }
        let Some(access) = &self.access else {
            if let Some(discarded) = self.discarded {
                (discarded.read)(node, reader);
            }
            // Without a value nothing is asked for.
            if !node.is_null() && node.value != Value::Seq(Vec::new()) {
                self.no_effect(reader);
            }
            return;
        };
        let default = access.render(section);
        let before = reader.error_count();
        access.read(section, node, reader);
        if reader.error_count() != before {
            return;
        }
        let value = access.render(section);
        if self.secret {
            warn_of_clear_text(node, reader);
        }
        if self.required && (value == Json::Null || value == "") {
            reader.error(node.span, format!("`{}` must not be empty", self.name));
            return;
        }
        if value != default {
            self.no_effect(reader);
        }
        for check in &self.checks {
            if let Err(message) = check(section) {
                reader.error(node.span, message);
            }
        }
    }

    fn no_effect(&self, reader: &mut Reader<'_>) {
        match self.effect {
            None => {}
            Some((Severity::Warning, why)) => {
                reader.warning(reader.place(), format!("`{}` has no effect: {why}", self.name));
            }
            Some((Severity::Error, why)) => {
                reader.error(reader.place(), format!("`{}` is not supported: {why}", self.name));
            }
        }
    }

    pub(crate) fn render(&self, section: &mut S) -> Json {
        let rendered = self.access.as_ref().map_or(Json::Null, |access| access.render(section));
        if self.secret { redact(rendered) } else { rendered }
    }

    pub(crate) fn expose(&self, section: &mut S) -> Json {
        self.access.as_ref().map_or(Json::Null, |access| access.expose(section))
    }

    pub(crate) fn schema(&self, section: &mut S) -> Json {
        let mut schema = match (&self.access, self.discarded) {
            (Some(access), _) => access.schema(section),
            (None, Some(discarded)) => (discarded.schema)(),
            (None, None) => Json::Object(Default::default()),
        };
        let Some(object) = schema.as_object_mut() else { return schema };
        object.extend(self.schema.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        object.insert("description".into(), self.doc.into());
        if self.deprecated.is_some() || self.effect.is_some() {
            object.insert("deprecated".into(), true.into());
        }
        if self.access.as_ref().is_some_and(|access| !access.is_block()) {
            object.insert("default".into(), self.render(section));
        }
        schema
    }

    pub(crate) fn reference(&self, section: &mut S, prefix: &str, rows: &mut Vec<Row>) {
        let Some(access) = &self.access else { return };
        let name = format!("{prefix}{}", self.name);
        let default = match self.render(section) {
            _ if access.is_block() || self.required => String::new(),
            Json::Null => String::new(),
            Json::String(text) => text,
            other => other.to_string(),
        };
        let doc = match self.effect {
            Some((Severity::Warning, why)) => format!("{} Has no effect: {why}.", self.doc),
            Some((Severity::Error, why)) => format!("{} Refused: {why}.", self.doc),
            None => self.doc.to_owned(),
        };
        rows.push(Row { name: name.clone(), type_name: access.type_name(), default, doc });
        access.reference(section, &format!("{name}."), rows);
    }
}

/// A field with its type erased.
trait Access<S> {
    fn read(&self, section: &mut S, node: &Node, reader: &mut Reader<'_>);
    fn render(&self, section: &mut S) -> Json;
    fn expose(&self, section: &mut S) -> Json;
    fn schema(&self, section: &mut S) -> Json;
    fn reference(&self, section: &mut S, prefix: &str, rows: &mut Vec<Row>);
    fn type_name(&self) -> String;
    fn is_block(&self) -> bool;
}

struct Place<S, T> {
    place: fn(&mut S) -> &mut T,
}

impl<S, T: Setting> Access<S> for Place<S, T> {
    fn read(&self, section: &mut S, node: &Node, reader: &mut Reader<'_>) {
        (self.place)(section).read(node, reader);
    }

    fn render(&self, section: &mut S) -> Json {
        (self.place)(section).render()
    }

    fn expose(&self, section: &mut S) -> Json {
        (self.place)(section).expose()
    }

    fn schema(&self, section: &mut S) -> Json {
        (self.place)(section).schema()
    }

    fn reference(&self, section: &mut S, prefix: &str, rows: &mut Vec<Row>) {
        (self.place)(section).reference(prefix, rows);
    }

    fn type_name(&self) -> String {
        T::type_name()
    }

    fn is_block(&self) -> bool {
        T::BLOCK
    }
}

/// A field of a flattened section.
struct Through<O, S> {
    place: fn(&mut O) -> &mut S,
    inner: Box<dyn Access<S>>,
}

impl<O, S> Access<O> for Through<O, S> {
    fn read(&self, outer: &mut O, node: &Node, reader: &mut Reader<'_>) {
        self.inner.read((self.place)(outer), node, reader);
    }

    fn render(&self, outer: &mut O) -> Json {
        self.inner.render((self.place)(outer))
    }

    fn expose(&self, outer: &mut O) -> Json {
        self.inner.expose((self.place)(outer))
    }

    fn schema(&self, outer: &mut O) -> Json {
        self.inner.schema((self.place)(outer))
    }

    fn reference(&self, outer: &mut O, prefix: &str, rows: &mut Vec<Row>) {
        self.inner.reference((self.place)(outer), prefix, rows);
    }

    fn type_name(&self) -> String {
        self.inner.type_name()
    }

    fn is_block(&self) -> bool {
        self.inner.is_block()
    }
}
