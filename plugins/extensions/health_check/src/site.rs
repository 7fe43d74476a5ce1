//! The answers.

use std::sync::Arc;
use std::time::Duration;

use ::config::duration;
use admin::{Pulse, Sampler, Site};
use component::{Graph, Kind, NodeView, Phase, Process, RunCx};
use data::{Budget, Civil, Clock, Time};
use http::StatusCode;
use http::request::Parts;
use net::http::server::Response;
use serde_json::{Value, json};

use crate::config::Config;
use crate::health::{Facts, Reason, Stalled};

/// Answers probes.
pub(crate) struct HealthSite {
    config: Arc<Config>,
    process: Process,
    budget: Arc<Budget>,
    clock: Arc<dyn Clock>,
    /// When the extension started.
    started: Time,
    sampler: Sampler,
    pulse: Pulse,
}

impl Site for HealthSite {
    async fn answer(&self, head: &Parts) -> Response {
        let path = head.uri.path();
        // What the user has put there goes before what is ours.
        if let Some(http) = self.config.http.as_ref().filter(|_| self.config.use_v2) {
            return match path {
                _ if http.status.enabled && path == http.status.path => self.status(),
                "/live" => self.live(),
                "/ready" => self.ready(),
                _ => admin::text(StatusCode::NOT_FOUND, "404 page not found\n"),
            };
        }
        match path {
            _ if path == self.config.path && path != "/" => self.collector(),
            "/live" => self.live(),
            "/ready" => self.ready(),
            _ if self.config.path == "/" => self.collector(),
            _ => admin::text(StatusCode::NOT_FOUND, "404 page not found\n"),
        }
    }

    fn tick(&self) {
        self.pulse.ask();
        self.sampler.sample();
    }
}

impl HealthSite {
    pub(crate) fn new(config: Arc<Config>, cx: &RunCx) -> Self {
        Self {
            config,
            process: cx.process.clone(),
            budget: Arc::clone(&cx.budget),
            clock: Arc::clone(&cx.clock),
            started: cx.clock.now(),
            sampler: Sampler::new(cx.process.clone(), Arc::clone(&cx.clock)),
            pulse: Pulse::new(cx.workers.clone(), Arc::clone(&cx.clock)),
        }
    }

    /// What the Collector says: whether the graph has started and is not draining. Nothing of how it fares.
    fn collector(&self) -> Response {
        let (phase, since) = self.process.phase();
        let healthy = phase == Phase::Running;
        let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        if let Some(body) = self.config.response_body.get() {
            let body = if healthy { &body.healthy } else { &body.unhealthy };
            return admin::text(status, body.clone());
        }
        let body = match healthy {
            true => {
                collectors_body("Server available", &rfc3339(since), &uptime(self.clock.now().since(since)))
            }
            false => collectors_body("Server not available", "0001-01-01T00:00:00Z", ""),
        };
        admin::content_type(status, "application/json", body)
    }

    /// What the second version of the Collector's extension says of the process.
    fn status(&self) -> Response {
        let (phase, since) = self.process.phase();
        let (code, status) = match phase {
            Phase::Running => (StatusCode::OK, "StatusOK"),
            Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "StatusStarting"),
            Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "StatusStopping"),
        };
        let (start, since) = (rfc3339(self.started), rfc3339(since));
        let body = format!(
            r#"{{"start_time":"{start}","healthy":true,"status":"{status}","status_time":"{since}"}}"#
        );
        admin::content_type(code, "application/json", body)
    }

    fn live(&self) -> Response {
        probe("alive", "dead", &self.facts().dead(self.config.silent_after), Value::Null)
    }

    fn ready(&self) -> Response {
        let facts = self.facts();
        let reasons = facts.unready(self.config.silent_after, self.config.stalled_after);
        let warnings: Vec<Value> =
            facts.warnings(self.config.stalled_after).iter().map(Reason::json).collect();
        let more = json!({
            "warnings": warnings,
            "phase": facts.phase.name(),
            "memory": { "held_bytes": facts.held, "limit_bytes": facts.limit },
        });
        probe("ready", "not ready", &reasons, more)
    }

    fn facts(&self) -> Facts {
        let graph = self.process.graph();
        let gates = graph.nodes.iter().filter_map(|view| Some((view, view.guard.as_ref()?.cause()?)));
        let exporters =
            graph.nodes.iter().filter(|view| view.node.kind == Kind::Exporter && counts(&graph, view));
        Facts {
            phase: self.process.phase().0,
            silences: self.pulse.silences(),
            held: self.budget.held().saturating_add(self.budget.buffers()),
            limit: self.budget.limit(),
            closed: gates.map(|(view, why)| (view.node.to_string(), why)).collect(),
            stalled: exporters.map(|view| self.stalled(view)).filter(|it| !it.since.is_zero()).collect(),
        }
    }

    fn stalled(&self, view: &NodeView) -> Stalled {
        let last_error = view.notes.last().map(|note| note.text);
        Stalled { node: view.node.to_string(), since: self.sampler.flow(view).stalled, last_error }
    }
}

impl Reason {
    fn json(&self) -> Value {
        json!({ "code": self.code, "message": self.message })
    }
}

/// Whether some pipeline's data counts as delivered only with this exporter.
fn counts(graph: &Graph, view: &NodeView) -> bool {
    let of_signal = graph.pipelines.iter().filter(|pipeline| pipeline.signal == view.signal);
    of_signal
        .flat_map(|pipeline| &pipeline.exits)
        .any(|(id, best_effort)| *id == view.node.id && !best_effort)
}

fn probe(well: &str, ill: &str, reasons: &[Reason], more: Value) -> Response {
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verdict = if reasons.is_empty() { well } else { ill };
    let reasons: Vec<Value> = reasons.iter().map(Reason::json).collect();
    let mut body = json!({ "status": verdict, "reasons": reasons });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    admin::json(status, &body)
}

/// The Collector's body, in its order.
fn collectors_body(status: &str, up_since: &str, uptime: &str) -> String {
    format!(r#"{{"status":"{status}","upSince":"{up_since}","uptime":"{uptime}"}}"#)
}

fn rfc3339(time: Time) -> String {
    Civil::from_unix_nanos(i128::from(time.wall)).rfc3339()
}

fn uptime(duration: Duration) -> String {
    duration::format(duration)
}
