//! The fields of events and spans, as JSON values.

use std::error::Error;
use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};

/// The longest text of a message or value, in bytes; what is longer is cut.
pub(super) const MAX_TEXT: usize = 8 * 1024;

/// Named JSON values, each name once.
#[derive(Clone, Default)]
pub(super) struct Fields {
    values: Vec<(&'static str, String)>,
}

impl Fields {
    /// Sets a field to encoded JSON, at its old place if it has one.
    fn set(&mut self, field: &Field, value: String) {
        let name = field.name();
        let name = name.strip_prefix("r#").unwrap_or(name);
        if name == "message" {
            return;
        }
        match self.values.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.values.push((name, value)),
        }
    }

    /// Adds all fields of `inner`, which win over those that are here.
    pub(super) fn extend(&mut self, inner: &Self) {
        for (name, value) in &inner.values {
            match self.values.iter_mut().find(|(known, _)| known == name) {
                Some((_, old)) => old.clone_from(value),
                None => self.values.push((name, value.clone())),
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no words for the others.
        let json = if value.is_finite() { value.to_string() } else { format!("\"{value}\"") };
        self.set(field, json);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.to_string());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.to_string());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.to_string());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, json_string(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = Limited::default();
        // A limited text refuses what is too much.
        write!(text, "{value}").ok();
        self.set(field, json_string(&text.text));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = Limited::default();
        write!(text, "{value:?}").ok();
        self.set(field, json_string(&text.text));
    }
}

/// The message of an event.
#[derive(Default)]
pub(super) struct Message {
    text: Limited,
}

impl Message {
    pub(super) fn as_str(&self) -> &str {
        &self.text.text
    }
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            write!(self.text, "{value:?}").ok();
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.text.write_str(value).ok();
        }
    }
}

/// A text that ends at [`MAX_TEXT`], with an error to the writer, which then stops.
#[derive(Default)]
struct Limited {
    text: String,
}

impl fmt::Write for Limited {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = MAX_TEXT.saturating_sub(self.text.len());
        let fitting = more.get(..more.floor_char_boundary(room)).unwrap_or(more);
        self.text.push_str(fitting);
        if fitting.len() == more.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// A JSON string, cut to [`MAX_TEXT`] bytes of content.
pub(super) fn json_string(text: &str) -> String {
    let text = text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or(text);
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    escape(&mut json, text, true);
    json.push('"');
    json
}

/// Appends `text` with control characters escaped as in JSON, and on demand what else JSON wants escaped.
pub(super) fn escape(out: &mut String, text: &str, json: bool) {
    for character in text.chars() {
        match character {
            '"' | '\\' if json => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => {
                write!(out, "\\u{:04x}", u32::from(control)).ok();
            }
            other => out.push(other),
        }
    }
}
