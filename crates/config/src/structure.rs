//! Reading the structure: sections of components, pipelines, lists of ids.

use serde_json::{Value as Json, json};

use crate::diagnostics::Diagnostic;
use crate::document::{Declared, Document, MAX_PIPELINES, Pipeline, Reference, Service};
use crate::fields::Fields;
use crate::id::{ComponentId, PipelineId};
use crate::reader::Reader;
use crate::section::{Checks, Section};
use crate::setting::Setting;
use crate::tree::{Node, Value};

/// The sections of the file.
#[derive(Clone, Default)]
pub(crate) struct Top {
    receivers: Declarations,
    processors: Declarations,
    exporters: Declarations,
    connectors: Declarations,
    extensions: Declarations,
    service: Service,
}

impl Top {
    pub(crate) fn into_document(self) -> Document {
        Document {
            receivers: self.receivers.0,
            processors: self.processors.0,
            exporters: self.exporters.0,
            connectors: self.connectors.0,
            extensions: self.extensions.0,
            service: self.service,
        }
    }
}

impl Section for Top {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("receivers", "Where telemetry comes in.", |c| &mut c.receivers);
        fields.field("processors", "What happens to it on the way.", |c| &mut c.processors);
        fields.field("exporters", "Where it goes.", |c| &mut c.exporters);
        fields.field("connectors", "What leads from one pipeline to another.", |c| &mut c.connectors);
        fields.field("extensions", "What serves the components.", |c| &mut c.extensions);
        fields.field("service", "What is started and how it is connected.", |c| &mut c.service);
    }
}

/// A section of components, in the order of the file.
#[derive(Clone, Default)]
struct Declarations(Vec<Declared>);

impl Setting for Declarations {
    const BLOCK: bool = true;

    fn type_name() -> String {
        "a map of components by id".into()
    }

    fn schema(&self) -> Json {
        json!({ "type": ["object", "null"], "additionalProperties": { "type": ["object", "null"] } })
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        let entries = match &node.value {
            Value::Null => return,
            Value::Map(entries) => entries,
            _ => return reader.expected(node, "a map of components"),
        };
        for (key, body) in entries {
            let id = match key.text.parse::<ComponentId>() {
                Ok(id) => id,
                Err(error) => {
                    reader.push(error.at(reader.path(), key.span));
                    continue;
                }
            };
            let same = self.0.iter().find(|declared| declared.id == id);
            if let Some(first) = same {
                let message = format!("`{id}` is declared twice");
                let finding = Diagnostic::error(key.span, reader.path(), message);
                reader.push(finding.related(first.key_span, "first declared here"));
                continue;
            }
            self.0.push(Declared { id, node: body.clone(), key_span: key.span });
        }
    }

    fn render(&self) -> Json {
        Json::Null
    }
}

impl Setting for Reference {
    fn type_name() -> String {
        ComponentId::type_name()
    }

    fn schema(&self) -> Json {
        self.id.schema()
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        self.span = node.span;
        self.id.read(node, reader);
    }

    fn render(&self) -> Json {
        self.id.render()
    }
}

/// The body of a pipeline.
#[derive(Debug, Clone, Default)]
struct PipelineBody {
    receivers: Vec<Reference>,
    processors: Vec<Reference>,
    exporters: Vec<Reference>,
    best_effort: Vec<Reference>,
}

impl Section for PipelineBody {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("receivers", "Receivers and connectors that feed it.", |c| &mut c.receivers);
        fields.field("processors", "Processors, in order.", |c| &mut c.processors);
        fields.field("exporters", "Exporters and connectors that it feeds.", |c| &mut c.exporters);
        let doc =
            "Those of `exporters` whose refusal does not count: the sender gets its answer without them.";
        fields.field("best_effort", doc, |c| &mut c.best_effort);
    }

    fn check(&self, checks: &mut Checks) {
        if self.receivers.is_empty() {
            checks.at("receivers", "the pipeline must have at least one receiver");
        }
        if self.exporters.is_empty() {
            checks.at("exporters", "the pipeline must have at least one exporter");
        }
        for reference in &self.best_effort {
            if !self.exporters.iter().any(|exporter| exporter.id == reference.id) {
                checks.at(
                    "best_effort",
                    format!("`{}` is not among the exporters of this pipeline", reference.id),
                );
            }
        }
    }
}

/// Pipelines by id. A pipeline alone is no setting, so this is not one of the lists of settings.
impl Setting for Vec<Pipeline> {
    const BLOCK: bool = true;

    fn type_name() -> String {
        "a map of pipelines by id".into()
    }

    fn schema(&self) -> Json {
        let body = Setting::schema(&PipelineBody::default());
        json!({ "type": ["object", "null"], "additionalProperties": body })
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        let entries = match &node.value {
            Value::Null => return,
            Value::Map(entries) => entries,
            _ => return reader.expected(node, "a map of pipelines"),
        };
        for (key, node) in entries {
            if self.len() >= MAX_PIPELINES {
                return reader.error(key.span, format!("more than {MAX_PIPELINES} pipelines"));
            }
            let id = match key.text.parse::<PipelineId>() {
                Ok(id) => id,
                Err(error) => {
                    reader.push(error.at(reader.path(), key.span));
                    continue;
                }
            };
            let mut body = PipelineBody::default();
            reader.under(&key.text, key.span, |reader| body.read(node, reader));
            if let Some(first) = self.iter().find(|pipeline| pipeline.id == id) {
                let finding = Diagnostic::error(key.span, reader.path(), format!("`{id}` is declared twice"));
                reader.push(finding.related(first.key_span, "first declared here"));
                continue;
            }
            let PipelineBody { receivers, processors, exporters, best_effort } = body;
            self.push(Pipeline { id, key_span: key.span, receivers, processors, exporters, best_effort });
        }
    }

    fn render(&self) -> Json {
        let one = |pipeline: &Pipeline| {
            let body = json!({
                "receivers": pipeline.receivers.render(),
                "processors": pipeline.processors.render(),
                "exporters": pipeline.exporters.render(),
                "best_effort": pipeline.best_effort.render(),
            });
            (pipeline.id.to_string(), body)
        };
        Json::Object(self.iter().map(one).collect())
    }
}
