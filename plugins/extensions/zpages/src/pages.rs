//! What stands on each page.

use component::{Feature, Kind, PipelineView};
use data::Statement;

use crate::findings::Severity;
use crate::html::{bar, card, settings, table, write};
use crate::model::{Node, Snapshot, rfc3339};
use crate::text::{bytes, count, escape, rate, span};

/// Build, state, memory, threads, and the configuration.
pub(crate) fn service(snapshot: &Snapshot) -> String {
    let Snapshot { memory, silences, .. } = snapshot;
    let used = memory.held.saturating_add(memory.buffers);
    let held = format!("{} of {}", bytes(used), bytes(memory.limit));
    let silent = silences.iter().max().map_or_else(|| "none".to_owned(), |longest| span(*longest));
    let cards = [
        card("state", &format!("{} since {}", snapshot.phase.name(), rfc3339(snapshot.phase_since))),
        card("started", &rfc3339(snapshot.started)),
        card("held for telemetry, with buffers", &held),
        card("waiting in sending queues", &bytes(memory.queued)),
        card("workers, longest silence", &format!("{}, {silent}", silences.len())),
    ];
    let mut page = format!("<div class=\"cards\">{}</div>", cards.concat());
    page.push_str(&bar(used, memory.limit, "of the memory for telemetry"));
    page.push_str("<h2>Pipelines <small>items a second, in and delivered</small></h2>");
    let mut rows = String::new();
    for pipeline in &snapshot.graph.pipelines {
        let nodes = snapshot.nodes_of(pipeline);
        let of =
            |kinds: &[Kind]| nodes.iter().filter(|node| kinds.contains(&node.id.kind)).collect::<Vec<_>>();
        let entered: f64 = of(&[Kind::Receiver]).iter().map(|node| node.flow.entered).sum();
        let left: f64 = of(&[Kind::Exporter]).iter().map(|node| node.flow.left).sum();
        let inside: u64 = nodes.iter().map(|node| node.statement.inside()).sum();
        write(
            &mut rows,
            format_args!(
                "<tr><td><a href=\"/debug/pipelinez#{0}\">{0}</a></td><td>{1}</td><td class=\"n\">{2}</td>\
                 <td class=\"n\">{3}</td><td class=\"n\">{4}</td></tr>",
                escape(&pipeline.name),
                path_of(pipeline),
                rate(entered),
                rate(left),
                count(inside)
            ),
        );
    }
    page.push_str(&table(&["pipeline", "path", "#in /s", "#delivered /s", "#inside"], &rows));
    page.push_str("<h2>Configuration <small>with defaults; secrets are hidden</small></h2>");
    for part in &snapshot.graph.settings {
        page.push_str(&settings(&format!("{} {}", part.kind.name(), part.id), &part.settings));
    }
    page
}

/// Each pipeline with the nodes that data meets in it.
pub(crate) fn pipelines(snapshot: &Snapshot) -> String {
    const HEADS: [&str; 9] = [
        "node",
        "#in /s",
        "#out /s",
        "#refused /s",
        "#dropped /s",
        "queue or inbox",
        "#inside",
        "#nothing moved for",
        "last error",
    ];
    let mut page = String::new();
    for pipeline in &snapshot.graph.pipelines {
        let nodes = snapshot.nodes_of(pipeline);
        let name = escape(&pipeline.name);
        let (path, items) = (path_of(pipeline), pipeline.signal.items().replace('_', " "));
        write(&mut page, format_args!("<h2 id=\"{name}\">{name} <small>{items}: {path}</small></h2>"));
        let rows: String = nodes.iter().map(|node| row(snapshot, node)).collect();
        page.push_str(&table(&HEADS, &rows));
        let ledger: String = nodes.iter().map(|node| ledger(node)).collect();
        let heads = ["ledger", "#entered", "#created", "#left", "#waiting", "#held", "discarded", "refused"];
        let ledger = table(&heads, &ledger);
        write(
            &mut page,
            format_args!("<details open><summary class=\"soft\">ledger</summary>{ledger}</details>"),
        );
    }
    page
}

/// What runs beside the pipelines.
pub(crate) fn extensions(snapshot: &Snapshot) -> String {
    let mut page = "<h2>Extensions</h2>".to_owned();
    for part in snapshot.graph.settings.iter().filter(|part| part.kind == Kind::Extension) {
        page.push_str(&settings(&part.id, &part.settings));
    }
    page
}

/// The Collector's feature gates, and what they mean here.
pub(crate) fn features(snapshot: &Snapshot) -> String {
    let row = |feature: &Feature| {
        let enabled = if feature.enabled { "yes" } else { "no" };
        let cells = [feature.id, enabled, feature.here, feature.stage, feature.description].map(escape);
        format!("<tr><td>{}</td></tr>", cells.join("</td><td>"))
    };
    let rows: String = snapshot.features.iter().map(row).collect();
    format!("<h2>Features</h2>{}", table(&["id", "enabled", "here", "stage", "description"], &rows))
}

fn path_of(pipeline: &PipelineView) -> String {
    let join = |ids: &[std::sync::Arc<str>]| ids.iter().map(|id| escape(id)).collect::<Vec<_>>().join(", ");
    let exit = |(id, best_effort): &(std::sync::Arc<str>, bool)| {
        format!("{}{}", escape(id), if *best_effort { " (best effort)" } else { "" })
    };
    let mut steps = vec![join(&pipeline.receivers)];
    steps.extend(pipeline.processors.iter().map(|id| escape(id)));
    steps.push(pipeline.exits.iter().map(exit).collect::<Vec<_>>().join(", "));
    steps.join(" → ")
}

fn row(snapshot: &Snapshot, node: &Node) -> String {
    let name = node.id.to_string();
    let of_this = snapshot.findings.iter().filter(|finding| finding.node.as_ref() == Some(&name));
    let class = of_this.map(|finding| finding.severity).min().map_or("", Severity::name);
    let room = match (node.room, node.is_open) {
        (Some(room), _) => {
            let what = if room.is_queue { "" } else { " (inbox)" };
            let (used, capacity) = (room.used as u64, room.capacity as u64);
            bar(used, capacity, &format!("{} / {} {}{what}", count(used), count(capacity), room.unit))
        }
        (None, Some(true)) => "open".to_owned(),
        (None, Some(false)) => {
            format!(
                "<span class=\"bad-text\">refuses</span> <span class=\"soft\">{} requests unread</span>",
                count(node.unread)
            )
        }
        (None, None) => String::new(),
    };
    let stalled = if node.flow.stalled.as_secs() > 0 { span(node.flow.stalled) } else { String::new() };
    let error = match &node.last_error {
        Some((text, ago)) => {
            format!(
                "{} <span class=\"soft\">{} ago, {} in all</span>",
                escape(text),
                span(*ago),
                count(node.errors)
            )
        }
        None => String::new(),
    };
    let best_effort = if node.best_effort { " <span class=\"soft\">best effort</span>" } else { "" };
    let flow = node.flow;
    let refused = if flow.refused > 0.0 { "n bad-text" } else { "n" };
    format!(
        "<tr class=\"{class}\"><td>{}{best_effort}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
         <td class=\"{refused}\">{}</td><td class=\"n\">{}</td><td>{room}</td><td class=\"n\">{}</td>\
         <td class=\"n\">{stalled}</td><td class=\"error\">{error}</td></tr>",
        escape(&name),
        rate(flow.entered),
        rate(flow.left),
        rate(flow.refused),
        rate(flow.discarded),
        count(node.statement.inside())
    )
}

fn ledger(node: &Node) -> String {
    let Statement { entered, created, left, waiting, held, discarded, refused } = &node.statement;
    let reasons = |reasons: &[(&'static str, u64)]| {
        reasons
            .iter()
            .map(|(why, items)| format!("{} {}", escape(why), count(*items)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let numbers: String = [entered, created, left, waiting, held]
        .map(|it| format!("<td class=\"n\">{}</td>", count(*it)))
        .concat();
    format!(
        "<tr><td>{}</td>{numbers}<td>{}</td><td>{}</td></tr>",
        escape(&node.id.to_string()),
        reasons(discarded),
        reasons(refused)
    )
}
