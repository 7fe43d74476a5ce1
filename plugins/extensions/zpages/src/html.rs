//! The frame of a page, and the pieces that pages are made of. Plain HTML: nothing runs in the browser, nothing is loaded.

use std::fmt::{self, Write as _};

use crate::findings::Finding;
use crate::model::Snapshot;
use crate::text::{escape, span};

const STYLE: &str = include_str!("style.css");

const PAGES: [(&str, &str); 4] = [
    ("/debug/servicez", "Service"),
    ("/debug/pipelinez", "Pipelines"),
    ("/debug/extensionz", "Extensions"),
    ("/debug/featurez", "Features"),
];

/// A page under its path. `refresh` makes the browser ask again after so many seconds.
pub(crate) fn page(path: &str, snapshot: &Snapshot, refresh: Option<u32>, body: &str) -> String {
    let mut links = String::new();
    for (target, name) in PAGES {
        let current = if target == path { " aria-current=\"page\"" } else { "" };
        write(&mut links, format_args!("<a href=\"{target}\"{current}>{name}</a> "));
    }
    let again =
        refresh.map(|secs| format!("<meta http-equiv=\"refresh\" content=\"{secs}\">")).unwrap_or_default();
    let turn = match refresh {
        Some(_) => format!("<a href=\"{path}\">stop refreshing</a>"),
        None => "<a href=\"?refresh=5\">refresh every 5 s</a>".to_owned(),
    };
    let (build, uptime) = (escape(&snapshot.build), span(snapshot.uptime));
    let phase = snapshot.phase.name();
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">{again}<title>{path} – Collimator</title>\
         <style>{STYLE}</style></head><body><header><strong>Collimator</strong> {links}\
         <span class=\"right\">{phase}, up {uptime} · {build} · {turn} · <a href=\"?format=json\">JSON</a></span></header>\
         {}{body}</body></html>\n",
        findings(&snapshot.findings)
    )
}

fn findings(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "<ul class=\"findings\"><li class=\"well\">Nothing is stuck, refused or lost.</li></ul>"
            .to_owned();
    }
    let mut list = "<ul class=\"findings\">".to_owned();
    for Finding { severity, node, message } in findings {
        let node = node.as_ref().map(|node| format!("<b>{}</b> ", escape(node))).unwrap_or_default();
        write(&mut list, format_args!("<li class=\"{}\">{node}{}</li>", severity.name(), escape(message)));
    }
    list.push_str("</ul>");
    list
}

/// A number with its name.
pub(crate) fn card(name: &str, value: &str) -> String {
    format!("<div class=\"card\"><span>{}</span><b>{}</b></div>", escape(name), escape(value))
}

/// How full something is, as a bar and in words.
#[allow(clippy::cast_precision_loss, reason = "a bar of a hundred pixels")]
pub(crate) fn bar(used: u64, capacity: u64, words: &str) -> String {
    let percent = (used as f64 / capacity.max(1) as f64 * 100.0).clamp(0.0, 100.0);
    let class = if percent >= 80.0 { "bar bad" } else { "bar" };
    format!("<span class=\"{class}\"><i style=\"width:{percent:.0}%\"></i></span>{}", escape(words))
}

/// A table that scrolls by itself. Heads that begin with `#` are of numbers.
pub(crate) fn table(heads: &[&str], rows: &str) -> String {
    let mut table = "<div class=\"scroll\"><table><thead><tr>".to_owned();
    for head in heads {
        let (class, head) = head.strip_prefix('#').map_or(("", *head), |head| (" class=\"n\"", head));
        write(&mut table, format_args!("<th{class}>{head}</th>"));
    }
    write(&mut table, format_args!("</tr></thead><tbody>{rows}</tbody></table></div>"));
    table
}

/// Settings, folded.
pub(crate) fn settings(title: &str, settings: &serde_json::Value) -> String {
    // A value of JSON can always be written.
    let text = serde_json::to_string_pretty(settings).unwrap_or_default();
    format!("<details><summary>{}</summary><pre>{}</pre></details>", escape(title), escape(&text))
}

/// Writing to a string can't fail.
pub(crate) fn write(to: &mut String, what: fmt::Arguments<'_>) {
    to.write_fmt(what).ok();
}
