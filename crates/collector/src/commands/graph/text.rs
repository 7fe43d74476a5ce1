//! The picture in characters:
//!
//! ```text
//! traces
//!   otlp (localhost:4317) ─┬──▶ batch ─┬──▶ otlp_grpc (backend:4317)
//!   zipkin ────────────────┘           └──▶ debug
//! ```

use component::Kind;
use config::document::{Pipeline, Reference};

use super::View;

pub(super) fn draw(view: &View<'_>) -> String {
    let mut groups: Vec<(Vec<String>, Lanes)> = Vec::new();
    for pipeline in view.pipelines() {
        let (name, lanes) = (pipeline.id.to_string(), Lanes::of(view, pipeline));
        match groups.iter_mut().find(|(_, other)| *other == lanes) {
            Some((names, _)) => names.push(name),
            None => groups.push((vec![name], lanes)),
        }
    }
    let mut blocks: Vec<String> =
        groups.iter().map(|(names, lanes)| format!("{}\n{}", names.join(", "), lanes.draw())).collect();
    blocks.extend(extensions(view));
    blocks.join("\n")
}

/// What runs beside the pipelines.
fn extensions(view: &View<'_>) -> Option<String> {
    let service = &view.draft.document.service;
    let mut lines: Vec<String> =
        service.extensions.iter().map(|it| format!("  {}\n", labelled(view, Kind::Extension, it))).collect();
    for prometheus in service.telemetry.prometheus() {
        lines.push(format!("  own metrics ({}:{}/metrics)\n", prometheus.host, prometheus.port));
    }
    if !service.admin.endpoint.is_empty() {
        lines.push(format!("  admin ({})\n", service.admin.endpoint));
    }
    (!lines.is_empty()).then(|| format!("beside them\n{}", lines.concat()))
}

fn labelled(view: &View<'_>, kind: Kind, reference: &Reference) -> String {
    let address = view.address(kind, &reference.id);
    match address.is_empty() {
        true => reference.id.to_string(),
        false => format!("{} ({})", reference.id, address.join(", ")),
    }
}

/// The words of one pipeline. Pipelines that look alike are drawn once.
#[derive(PartialEq, Eq)]
struct Lanes {
    entries: Vec<String>,
    processors: Vec<String>,
    exits: Vec<String>,
}

impl Lanes {
    fn of(view: &View<'_>, pipeline: &Pipeline) -> Self {
        let label = |reference: &Reference, end: Kind| {
            let id = &reference.id;
            match (view.kind(id, end), end) {
                (Kind::Connector, Kind::Receiver) => {
                    format!("[{id}] ◀ {}", view.beyond(id, pipeline, false).join(", "))
                }
                (Kind::Connector, _) => format!("[{id}] ▶ {}", view.beyond(id, pipeline, true).join(", ")),
                (kind, _) => labelled(view, kind, reference),
            }
        };
        let exit = |reference: &Reference| {
            let best_effort = pipeline.best_effort.iter().any(|other| other.id == reference.id);
            let suffix = if best_effort { ", best effort" } else { "" };
            label(reference, Kind::Exporter) + suffix
        };
        Self {
            entries: pipeline.receivers.iter().map(|it| label(it, Kind::Receiver)).collect(),
            processors: pipeline.processors.iter().map(|it| it.id.to_string()).collect(),
            exits: pipeline.exporters.iter().map(exit).collect(),
        }
    }

    /// The line of processors stands in the middle; what comes in and goes out is spread around it.
    fn draw(&self) -> String {
        let (entries, exits) = (self.entries.len(), self.exits.len());
        let height = entries.max(exits).max(1);
        let middle = (height - 1) / 2;
        let (first_entry, first_exit) = ((height - entries) / 2, (height - exits) / 2);
        let widest = self.entries.iter().map(|label| label.chars().count()).max().unwrap_or(0);
        let chain: String = self.processors.iter().map(|name| format!("──▶ {name} ")).collect();
        let mut text = String::new();
        for row in 0..height {
            let entry = row.checked_sub(first_entry).and_then(|index| self.entries.get(index));
            let exit = row.checked_sub(first_exit).and_then(|index| self.exits.get(index));
            let mut line = match entry {
                Some(label) => {
                    let dashes = "─".repeat(widest - label.chars().count() + 1);
                    format!("  {label} {dashes}")
                }
                None => " ".repeat(widest + 4),
            };
            line.push(junction(row, first_entry, entries, middle, true));
            match row == middle {
                true => line.push_str(&chain),
                false => line.push_str(&" ".repeat(chain.chars().count())),
            }
            line.push_str(if row == middle { "─" } else { " " });
            line.push(junction(row, first_exit, exits, middle, false));
            if let Some(label) = exit {
                line.push_str(&format!("──▶ {label}"));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Where the lines of a side meet the one in the middle.
fn junction(row: usize, first: usize, count: usize, middle: usize, left: bool) -> char {
    let end = first + count;
    if row < first || row >= end {
        return ' ';
    }
    match (row == first, row + 1 == end, row == middle) {
        (true, true, _) => '─',
        (true, false, true) => '┬',
        (false, true, true) => '┴',
        (false, false, true) => '┼',
        (true, false, false) => {
            if left {
                '┐'
            } else {
                '┌'
            }
        }
        (false, true, false) => {
            if left {
                '┘'
            } else {
                '└'
            }
        }
        (false, false, false) => {
            if left {
                '┤'
            } else {
                '├'
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_meet() {
        let check = |entries: &[&str], processors: &[&str], exits: &[&str], expected: &str| {
            let own = |names: &[&str]| names.iter().map(ToString::to_string).collect();
            let lanes = Lanes { entries: own(entries), processors: own(processors), exits: own(exits) };
            assert_eq!(lanes.draw(), expected, "\n{}", lanes.draw());
        };
        check(&["a"], &["p", "q"], &["x"], "  a ────▶ p ──▶ q ────▶ x\n");
        check(&["a"], &[], &["x", "y"], "  a ───┬──▶ x\n       └──▶ y\n");
        check(
            &["a", "bb", "c"],
            &["p"],
            &["x", "y"],
            "  a ──┐       ┌──▶ x\n  bb ─┼──▶ p ─┴──▶ y\n  c ──┘\n",
        );
    }
}
