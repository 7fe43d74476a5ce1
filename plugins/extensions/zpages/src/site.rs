//! Paths and forms.

use std::sync::Arc;

use admin::{Pulse, Sampler, Site};
use component::{Feature, Kind, RunCx};
use http::header::CONTENT_SECURITY_POLICY;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use net::http::server::Response;
use serde_json::{Value, json};

use crate::model::{Snapshot, Sources};
use crate::{html, pages};

/// Shortest and longest time after which a browser asks again, in seconds.
const REFRESH: std::ops::RangeInclusive<u32> = 1..=3600;

/// The second line of defence behind escaping.
const NOTHING_RUNS: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");

/// The site.
pub(crate) struct Pages(pub(crate) Sources);

impl Site for Pages {
    async fn answer(&self, head: &Parts) -> Response {
        match head.uri.path() {
            "/" | "/debug" | "/debug/" => admin::redirect("/debug/servicez"),
            path @ "/debug/servicez" => self.page(head, path, pages::service, Snapshot::service),
            path @ "/debug/pipelinez" => self.page(head, path, pages::pipelines, Snapshot::pipelines),
            path @ "/debug/extensionz" => self.page(head, path, pages::extensions, extensions),
            path @ "/debug/featurez" => self.page(head, path, pages::features, features),
            "/debug/tracez" => {
                let why = "404 page not found: the process makes no traces of its own\n";
                admin::text(StatusCode::NOT_FOUND, why)
            }
            _ => admin::text(StatusCode::NOT_FOUND, "404 page not found\n"),
        }
    }

    fn tick(&self) {
        self.0.pulse.ask();
        self.0.sampler.sample();
    }
}

impl Pages {
    pub(crate) fn new(build: Arc<str>, features: Arc<[Feature]>, cx: &RunCx) -> Self {
        let sampler = Sampler::new(cx.process.clone(), Arc::clone(&cx.clock));
        let pulse = Pulse::new(cx.workers.clone(), Arc::clone(&cx.clock));
        Self(Sources { build, features, cx: cx.clone(), sampler, pulse })
    }

    fn page(
        &self,
        head: &Parts,
        path: &str,
        body: fn(&Snapshot) -> String,
        data: fn(&Snapshot) -> Value,
    ) -> Response {
        let snapshot = self.0.snapshot();
        if admin::asked_for_json(head) {
            return admin::json(StatusCode::OK, &data(&snapshot));
        }
        let refresh = admin::query(head, "refresh").and_then(|text| text.parse().ok());
        let refresh = refresh.filter(|seconds| REFRESH.contains(seconds));
        let page = html::page(path, &snapshot, refresh, &body(&snapshot));
        let mut response = admin::content_type(StatusCode::OK, "text/html; charset=utf-8", page);
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, NOTHING_RUNS);
        response
    }
}

fn features(snapshot: &Snapshot) -> Value {
    let one = |it: &Feature| {
        json!({
            "id": it.id, "enabled": it.enabled, "stage": it.stage, "description": it.description, "here": it.here,
        })
    };
    json!({ "features": snapshot.features.iter().map(one).collect::<Vec<_>>() })
}

fn extensions(snapshot: &Snapshot) -> Value {
    json!({ "extensions": snapshot.settings(|kind| kind == Kind::Extension) })
}
