//! Lines as the reference writes them.

use super::fields::{Fields, escape, json_string};
use super::{Encoding, LogSettings, timestamp};

/// What does not change from line to line.
pub(super) struct Format {
    encoding: Encoding,
    has_caller: bool,
    /// The resource and the initial fields, without the braces around them.
    common: String,
}

/// What does.
pub(super) struct Line<'a> {
    /// Nanoseconds since the Unix epoch.
    pub(super) wall: u64,
    pub(super) level: tracing::Level,
    pub(super) caller: &'a str,
    pub(super) message: &'a str,
    pub(super) fields: &'a Fields,
}

impl Format {
    pub(super) fn new(settings: &LogSettings) -> Self {
        let mut format =
            Self { encoding: settings.encoding, has_caller: !settings.disable_caller, common: String::new() };
        let mut common = String::new();
        if let Some(resource) = &settings.resource {
            let mut object = String::new();
            for (name, value) in resource.iter() {
                format.pair(&mut object, name, &json_string(value));
            }
            format.pair(&mut common, "resource", &format!("{{{object}}}"));
        }
        for (name, value) in &settings.initial_fields {
            format.pair(&mut common, name, value);
        }
        format.common = common;
        format
    }

    /// Appends the line with its newline.
    pub(super) fn write(&self, out: &mut String, line: &Line<'_>) {
        match self.encoding {
            Encoding::Console => self.console(out, line),
            Encoding::Json => self.json(out, line),
            Encoding::XrayDaemon => self.daemon(out, line),
        }
        out.push('\n');
    }

    fn console(&self, out: &mut String, line: &Line<'_>) {
        timestamp::write(out, line.wall);
        out.push('\t');
        out.push_str(level(line.level));
        if self.has_caller {
            out.push('\t');
            out.push_str(line.caller);
        }
        out.push('\t');
        message(out, line.message);
        let fields = self.fields(self.common.clone(), line.fields);
        if !fields.is_empty() {
            out.push_str("\t{");
            out.push_str(&fields);
            out.push('}');
        }
    }

    fn daemon(&self, out: &mut String, line: &Line<'_>) {
        timestamp::write_seconds(out, line.wall);
        out.push_str(match line.level {
            tracing::Level::ERROR => " [Error] ",
            tracing::Level::WARN => " [Warn] ",
            tracing::Level::INFO => " [Info] ",
            _ => " [Debug] ",
        });
        message(out, line.message);
        let fields = self.fields(self.common.clone(), line.fields);
        if !fields.is_empty() {
            out.push_str(" {");
            out.push_str(&fields);
            out.push('}');
        }
    }

    fn json(&self, out: &mut String, line: &Line<'_>) {
        let mut time = String::new();
        timestamp::write(&mut time, line.wall);
        let mut pairs = String::new();
        self.pair(&mut pairs, "level", &json_string(level(line.level)));
        self.pair(&mut pairs, "ts", &json_string(&time));
        if self.has_caller {
            self.pair(&mut pairs, "caller", &json_string(line.caller));
        }
        self.pair(&mut pairs, "msg", &json_string(line.message));
        if !self.common.is_empty() {
            pairs.push(',');
            pairs.push_str(&self.common);
        }
        out.push('{');
        out.push_str(&self.fields(pairs, line.fields));
        out.push('}');
    }

    fn fields(&self, mut pairs: String, fields: &Fields) -> String {
        fields.iter().for_each(|(name, value)| self.pair(&mut pairs, name, value));
        pairs
    }

    /// Appends a name with its encoded value, spaced as the encoding has it.
    fn pair(&self, pairs: &mut String, name: &str, json: &str) {
        let space = if self.encoding == Encoding::Json { "" } else { " " };
        if !pairs.is_empty() {
            pairs.push(',');
            pairs.push_str(space);
        }
        pairs.push_str(&json_string(name));
        pairs.push(':');
        pairs.push_str(space);
        pairs.push_str(json);
    }
}

/// What others sent us must not reach a terminal as commands. Lines stay lines: messages are our own texts, and the one
/// that shows data (of the debug exporter) is made of lines.
fn message(out: &mut String, text: &str) {
    for (index, text) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        escape(out, text, false);
    }
}

fn level(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::ERROR => "error",
        tracing::Level::WARN => "warn",
        tracing::Level::INFO => "info",
        // The reference has nothing below.
        _ => "debug",
    }
}
