//! One key: what is known of it, and how it is read, shown and explained.

use serde_json::Value as Json;

use super::access::{Access, Through};
use crate::diagnostics::{Diagnostic, Severity};
use crate::duration::{self, DurationError};
use crate::reader::Reader;
use crate::section::redact;
use crate::setting::{Row, Setting, warn_of_clear_text};
use crate::tree::{Node, Value};
use crate::url;

pub(super) type ValueCheck<S> = Box<dyn Fn(&mut S) -> Result<(), String>>;

/// What a null does to the section, once it was read.
pub(super) type OnNull<S> = Box<dyn Fn(&mut S)>;

/// Puts what a negative number stands for in its place and says what that is; `None` where it is refused after all.
pub(super) type Negative<S> = Box<dyn Fn(&mut S) -> Option<&'static str>>;

/// Whether a URL has something in it that is hidden.
fn has_secrets(node: &Node) -> bool {
    node.as_text().is_some_and(|text| url::masked(text) != text)
}

/// Whether it has a user and a password.
fn has_password(node: &Node) -> bool {
    node.as_text().is_some_and(url::has_password)
}

/// One key.
pub(crate) struct Field<S> {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) required: bool,
    pub(crate) aliases: Vec<&'static str>,
    pub(super) secret: bool,
    /// Whether the value is a URL, which may hold secrets.
    pub(super) is_url: bool,
    pub(super) deprecated: Option<&'static str>,
    /// Set if the key does nothing yet, with the reason.
    pub(super) effect: Option<(Severity, &'static str)>,
    access: Option<Box<dyn Access<S>>>,
    /// The type of a key that has no place.
    pub(super) discarded: Option<Discarded>,
    /// Set if the Collector takes negative numbers here, which the type has not.
    pub(super) negative: Option<Negative<S>>,
    /// Whether a null is no more than if the key were absent.
    pub(super) null_is_absent: bool,
    pub(super) on_null: Option<OnNull<S>>,
    pub(super) checks: Vec<ValueCheck<S>>,
    /// Added to the schema of the type.
    pub(super) schema: Vec<(&'static str, Json)>,
}

/// How a value is read that nobody keeps.
#[derive(Clone, Copy)]
pub(super) struct Discarded {
    read: fn(&Node, &mut Reader<'_>),
    schema: fn() -> Json,
}

impl Discarded {
    pub(super) fn of<T: Setting>() -> Self {
        Self { read: |node, reader| T::default().read(node, reader), schema: || T::default().schema() }
    }
}

impl<S: 'static> Field<S> {
    pub(super) fn new(name: &'static str, doc: &'static str, access: Option<Box<dyn Access<S>>>) -> Self {
        Self {
            name,
            doc,
            required: false,
            aliases: Vec::new(),
            secret: false,
            is_url: false,
            deprecated: None,
            effect: None,
            access,
            discarded: None,
            negative: None,
            null_is_absent: false,
            on_null: None,
            checks: Vec::new(),
            schema: Vec::new(),
        }
    }

    pub(super) fn through<O: 'static>(self, place: fn(&mut O) -> &mut S) -> Field<O> {
        let through = |check: ValueCheck<S>| -> ValueCheck<O> { Box::new(move |outer| check(place(outer))) };
        Field {
            name: self.name,
            doc: self.doc,
            required: self.required,
            aliases: self.aliases,
            secret: self.secret,
            is_url: self.is_url,
            deprecated: self.deprecated,
            effect: self.effect,
            access: self.access.map(|inner| Box::new(Through { place, inner }) as Box<dyn Access<O>>),
            discarded: self.discarded,
            negative: self
                .negative
                .map(|negative| -> Negative<O> { Box::new(move |outer| negative(place(outer))) }),
            null_is_absent: self.null_is_absent,
            on_null: self
                .on_null
                .map(|on_null| -> OnNull<O> { Box::new(move |outer| on_null(place(outer))) }),
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
        self.warn_of_names(key, reader);
        if self.null_is_absent && node.is_null() {
            return;
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
        if self.secret || (self.is_url && has_secrets(node)) {
            reader.hide(node);
        }
        let default = access.render(section);
        let before = reader.error_count();
        if !self.took_negative(section, node, reader) {
            access.read(section, node, reader);
        }
        if reader.error_count() != before {
            return;
        }
        if let (true, Some(on_null)) = (node.is_null(), &self.on_null) {
            on_null(section);
        }
        let value = access.render(section);
        if self.secret || (self.is_url && has_password(node)) {
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

    fn warn_of_names(&self, key: &str, reader: &mut Reader<'_>) {
        let older = (key != self.name).then(|| format!("use `{}`", self.name));
        for instead in older.into_iter().chain(self.deprecated.map(str::to_owned)) {
            let message = format!("`{key}` is deprecated");
            reader.push(Diagnostic::warning(reader.place(), reader.path(), message).help(instead));
        }
    }

    /// Whether a negative number was given where one has a meaning.
    fn took_negative(&self, section: &mut S, node: &Node, reader: &mut Reader<'_>) -> bool {
        let (Some(negative), Some(access)) = (&self.negative, &self.access) else { return false };
        let is_negative = match &node.value {
            Value::Int(value) => *value < 0,
            Value::Float(value) => value.is_finite() && value.trunc() < 0.0,
            Value::String(text) if access.is_duration() => {
                matches!(duration::parse(text), Err(DurationError::Negative(_)))
            }
            _ => false,
        };
        let Some(meaning) = is_negative.then(|| negative(section)).flatten() else { return false };
        if !meaning.is_empty() {
            reader.warning(node.span, format!("a negative `{}` means {meaning}", self.name));
        }
        true
    }

    fn no_effect(&self, reader: &mut Reader<'_>) {
        match self.effect {
            None => {}
            Some((Severity::Warning, why)) => {
                reader.warning(reader.place(), format!("`{}` has no effect: {why}", self.name));
            }
            Some((Severity::Error, why)) => {
                // What is not built can't suffer from it.
                let message = format!("`{}` is not supported: {why}", self.name);
                let finding = Diagnostic::error(reader.place(), reader.path(), message);
                reader.push_of_check(Diagnostic { of_build: true, ..finding });
            }
        }
    }

    pub(crate) fn render(&self, section: &mut S) -> Json {
        let rendered = self.access.as_ref().map_or(Json::Null, |access| access.render(section));
        match rendered {
            rendered if self.secret => redact(rendered),
            Json::String(url) if self.is_url => Json::String(url::masked(&url)),
            rendered => rendered,
        }
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
        if self.negative.is_some() {
            object.remove("minimum");
            object.remove("pattern");
        }
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
