//! What of a graph can be seen while it runs.

use component::{Graph, Kind, NodeView, PipelineView, Secrets, SettingsView};

use crate::blueprint::{Blueprint, Part, Pipeline};

/// The graph of a blueprint, for people.
pub(crate) fn view(blueprint: &Blueprint, nodes: Vec<NodeView>) -> Graph {
    Graph {
        pipelines: blueprint.pipelines.iter().map(pipeline).collect(),
        nodes,
        extensions: blueprint.extensions.clone(),
        settings: blueprint.parts.iter().filter(|part| is_used(blueprint, part)).map(settings).collect(),
    }
}

/// Whether the graph has the component, or it is an extension that runs.
fn is_used(blueprint: &Blueprint, part: &Part) -> bool {
    let pipelines = &blueprint.pipelines;
    let exits = || pipelines.iter().flat_map(|pipeline| &pipeline.exits);
    match part.spec.kind {
        Kind::Extension => blueprint.extensions.contains(&part.id),
        Kind::Receiver => pipelines.iter().any(|pipeline| pipeline.receivers.contains(&part.id)),
        Kind::Processor => pipelines.iter().any(|pipeline| pipeline.processors.contains(&part.id)),
        Kind::Exporter | Kind::Connector => exits().any(|exit| exit.id == part.id),
    }
}

fn settings(part: &Part) -> SettingsView {
    SettingsView {
        kind: part.spec.kind,
        id: part.id.clone(),
        component_type: part.spec.name,
        settings: part.plan.settings(Secrets::Hidden),
    }
}

fn pipeline(pipeline: &Pipeline) -> PipelineView {
    PipelineView {
        name: pipeline.name.clone(),
        signal: pipeline.signal,
        receivers: pipeline.receivers.clone(),
        processors: pipeline.processors.clone(),
        exits: pipeline.exits.iter().map(|exit| (exit.id.clone(), exit.best_effort)).collect(),
    }
}
