//! Prometheus' text format 0.0.4, with names and numbers as Go's client writes them.

use std::fmt::Write as _;

use super::Options;
use super::registry::{Family, OwnedLabels};
use super::series::{Kind, Reading, Series, read, read_total};
use crate::Resource;

/// The family of the resource.
pub(super) const TARGET_INFO: &str = "target_info";

/// A family's name as the options want it.
pub(super) fn exposed_name(name: &str, family: &Family, options: &Options) -> String {
    let mut exposed = name.to_owned();
    // Metrics of Prometheus' own handler bring their suffix along.
    if exposed.ends_with("_total") {
        return exposed;
    }
    if !options.without_units {
        append(&mut exposed, unit_suffix(&family.unit, family.kind));
    }
    if !options.without_type_suffix && family.kind == Kind::Counter {
        append(&mut exposed, "total");
    }
    exposed
}

/// The labels that the options add to every series, each name once.
pub(super) fn constant_labels(options: &Options, resource: &Resource) -> Vec<(String, String)> {
    let attributes = options.constant_labels.iter();
    let mut labels: Vec<_> = attributes.map(|(name, value)| (identifier(name), value.clone())).collect();
    if !options.without_scope_info {
        let of_resource = |name| resource.get(name).unwrap_or_default().to_owned();
        labels.push(("otel_scope_name".to_owned(), of_resource("service.name")));
        labels.push(("otel_scope_schema_url".to_owned(), String::new()));
        labels.push(("otel_scope_version".to_owned(), of_resource("service.version")));
    }
    labels.sort();
    labels.dedup_by(|later, earlier| later.0 == earlier.0);
    labels
}

/// Writes the resource as the labels of `target_info`.
pub(super) fn target_info(out: &mut String, resource: &Resource) {
    header(out, TARGET_INFO, "Target metadata", Kind::Gauge);
    let mut labels: Vec<(String, &str)> =
        resource.iter().map(|(name, value)| (identifier(name), value)).collect();
    labels.sort();
    // `a.b` and `a_b` are one label; a repeated one would make Prometheus refuse the whole scrape.
    labels.dedup_by(|later, earlier| later.0 == earlier.0);
    out.push_str(TARGET_INFO);
    write_labels(out, labels.iter().map(|(name, value)| (name.as_str(), *value)));
    out.push_str(" 1\n");
}

/// Writes a family with all series that are shown, or nothing without any.
pub(super) fn family(out: &mut String, name: &str, family: &Family, constant: &[(String, String)]) {
    if !family.series.values().any(Series::is_shown) {
        return;
    }
    header(out, name, &family.help, family.kind);
    for (labels, series) in family.series.iter().filter(|(_, series)| series.is_shown()) {
        let labels = Labels { own: labels, constant };
        let mut sample =
            |suffix: &str, le: Option<&str>, value: &str| line(out, (name, suffix), &labels, le, value);
        match &series.reading {
            Reading::Counter { cell, settled, readers } if readers.is_empty() && *settled == 0.0 => {
                sample("", None, &cell.value().to_string());
            }
            Reading::Counter { cell, settled, readers } => {
                let elsewhere: f64 = readers.iter().map(|(_, reader)| read_total(reader)).sum();
                sample("", None, &number(cell.value() as f64 + settled + elsewhere));
            }
            Reading::Gauge { cell, readers } => match readers.last() {
                Some((_, reader)) => sample("", None, &number(read(reader))),
                None => sample("", None, &cell.value().to_string()),
            },
            Reading::Histogram(histogram) => {
                let mut count = 0_u64;
                for (bound, of_bucket) in histogram.buckets() {
                    count = count.wrapping_add(of_bucket);
                    sample("_bucket", Some(&number(bound)), &count.to_string());
                }
                sample("_sum", None, &number(histogram.sum()));
                sample("_count", None, &count.to_string());
            }
        }
    }
}

/// The labels of a series, those of its own first.
struct Labels<'a> {
    own: &'a OwnedLabels,
    constant: &'a [(String, String)],
}

impl Labels<'_> {
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.own.iter().map(|(name, value)| (*name, value.as_str()));
        let is_new = |name: &str| self.own.iter().all(|(own, _)| *own != name);
        let constant = self.constant.iter().filter(move |(name, _)| is_new(name));
        own.chain(constant.map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

fn line(out: &mut String, (name, suffix): (&str, &str), labels: &Labels<'_>, le: Option<&str>, value: &str) {
    out.push_str(name);
    out.push_str(suffix);
    write_labels(out, labels.iter().chain(le.map(|bound| ("le", bound))));
    out.push(' ');
    out.push_str(value);
    out.push('\n');
}

fn header(out: &mut String, name: &str, help: &str, kind: Kind) {
    out.push_str("# HELP ");
    out.push_str(name);
    out.push(' ');
    escape(out, help, false);
    out.push_str("\n# TYPE ");
    out.push_str(name);
    out.push(' ');
    out.push_str(kind.name());
    out.push('\n');
}

fn write_labels<'a>(out: &mut String, labels: impl Iterator<Item = (&'a str, &'a str)>) {
    let mut separator = '{';
    for (name, value) in labels {
        out.push(separator);
        out.push_str(name);
        out.push_str("=\"");
        escape(out, value, true);
        out.push('"');
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
}

fn escape(out: &mut String, text: &str, quotes: bool) {
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            other => out.push(other),
        }
    }
}

/// A number as Go's shortest `%g` has it: matchers on `le` compare the text.
pub(super) fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let Ok(exponent) = exponent.parse::<i32>() else { return scientific };
    // Where Go's shortest form turns to exponents.
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    let mut text = String::new();
    // Writing to a String cannot fail.
    write!(text, "{mantissa}e{sign}{:02}", exponent.unsigned_abs()).ok();
    text
}

/// A name with what no metric or label name may hold replaced by `_`.
pub(super) fn identifier(name: &str) -> String {
    let allowed = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut identifier: String =
        name.chars().map(|character| if allowed(character) { character } else { '_' }).collect();
    if identifier.is_empty() || identifier.starts_with(|first: char| first.is_ascii_digit()) {
        identifier.insert(0, '_');
    }
    identifier
}

fn append(name: &mut String, suffix: &str) {
    let is_there = name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('_'));
    if !suffix.is_empty() && !is_there {
        name.push('_');
        name.push_str(suffix);
    }
}

/// The OpenTelemetry exporter's words for UCUM's units; annotations such as `{spans}` have none.
fn unit_suffix(unit: &str, kind: Kind) -> &'static str {
    match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "%" => "percent",
        "1" if kind == Kind::Gauge => "ratio",
        _ => "",
    }
}
