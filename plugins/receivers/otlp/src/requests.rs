//! Requests by their outcome, for the level `detailed` of own metrics: OpenTelemetry's conventions for HTTP and RPC
//! servers, as far as the values are bounded.

use component::RunCx;
use http::{Method, Version};
use net::status::code_name;
use telemetry::metrics::{Histograms, bounds};
use tokio::time::Instant;
use tonic::Code;

/// What is observed of one receiver's requests.
pub(crate) struct Requests {
    calls: Histograms,
    duration: Histograms,
    request_size: Histograms,
    response_size: Histograms,
}

/// A request that is being answered.
pub(crate) struct Begun {
    at: Instant,
    size: usize,
}

impl Requests {
    pub(crate) fn new(cx: &RunCx) -> Self {
        let seconds = |name, help| Histograms::new(&cx.meters, name, help, "s", bounds::DURATION_SECONDS);
        let bytes = |name, help| Histograms::new(&cx.meters, name, help, "By", bounds::SIZE_BYTES);
        Self {
            calls: seconds("rpc_server_call_duration", "Duration of calls that were served [Development]"),
            duration: seconds(
                "http_server_request_duration",
                "Duration of HTTP server requests [Development]",
            ),
            request_size: bytes(
                "http_server_request_body_size",
                "Size of HTTP server request bodies [Development]",
            ),
            response_size: bytes(
                "http_server_response_body_size",
                "Size of HTTP server response bodies [Development]",
            ),
        }
    }

    /// A request whose body had `size` bytes as it was sent; nothing if nobody looks.
    pub(crate) fn begin(&self, size: usize) -> Option<Begun> {
        self.calls.is_on().then(|| Begun { at: Instant::now(), size })
    }

    /// A gRPC call was answered. `path` only if it is one that is served.
    pub(crate) fn called(&self, begun: &Begun, path: Option<&str>, code: Code) {
        let method = path.map_or("_OTHER", |path| path.trim_start_matches('/'));
        let labels = [
            ("rpc_system_name", "grpc".to_owned()),
            ("rpc_method", method.to_owned()),
            ("rpc_response_status_code", code_name(code).to_owned()),
        ];
        self.calls.observe(&labels, begun.at.elapsed().as_secs_f64());
    }

    /// An HTTP request to a path that is served was answered.
    #[allow(clippy::cast_precision_loss, reason = "metrics of Prometheus are doubles")]
    pub(crate) fn answered(&self, begun: &Begun, route: &str, version: Version, status: u16, size: usize) {
        let version = if version == Version::HTTP_2 { "2" } else { "1.1" };
        let labels = [
            ("http_request_method", Method::POST.to_string()),
            ("http_response_status_code", status.to_string()),
            ("http_route", route.to_owned()),
            ("network_protocol_name", "http".to_owned()),
            ("network_protocol_version", version.to_owned()),
        ];
        self.duration.observe(&labels, begun.at.elapsed().as_secs_f64());
        self.request_size.observe(&labels, begun.size as f64);
        self.response_size.observe(&labels, size as f64);
    }
}
