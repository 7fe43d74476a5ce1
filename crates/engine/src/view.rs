//! What of a graph can be seen while it runs.

use component::{Graph, NodeView, PipelineView};

use crate::blueprint::{Blueprint, Pipeline};

/// The graph of a blueprint, for people.
pub(crate) fn view(blueprint: &Blueprint, nodes: Vec<NodeView>) -> Graph {
    Graph {
        pipelines: blueprint.pipelines.iter().map(pipeline).collect(),
        nodes,
        extensions: blueprint.extensions.clone(),
        settings: Vec::new(),
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
