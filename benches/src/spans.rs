//! Realistic traces at next to no cost: a request is encoded once as a template, and only ids and times are
//! patched for each sending.

use std::{collections::BTreeMap, ops::Range};

use anyhow::Context;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::SpanKind},
};
use prost::Message;

use crate::{ledger, wire};

/// Spans of one trace: who calls whom, through which service.
const TRACE: &[(&str, SpanKind, Option<usize>, &str)] = &[
    ("frontend", SpanKind::Server, None, "GET /api/checkout/{id}"),
    ("frontend", SpanKind::Internal, Some(0), "authorize"),
    ("frontend", SpanKind::Client, Some(0), "POST"),
    ("checkout", SpanKind::Server, Some(2), "POST /orders"),
    ("checkout", SpanKind::Internal, Some(3), "price basket"),
    ("checkout", SpanKind::Client, Some(3), "payment.Payments/Charge"),
    ("payment", SpanKind::Server, Some(5), "payment.Payments/Charge"),
    ("payment", SpanKind::Client, Some(6), "INSERT payments"),
];

/// An encoded export request whose ids and times are patched before each sending.
pub(crate) struct Template {
    encoded: Vec<u8>,
    places: Vec<Places>,
}

struct Places {
    /// Number of the span within the request: its counter is the request's first plus this.
    index: u64,
    trace: u64,
    parent: Option<(u64, usize)>,
    trace_id: usize,
    span_id: usize,
    start: usize,
    end: usize,
}

impl Template {
    /// A request of `spans` spans, in whole traces as far as they fit.
    pub(crate) fn new(spans: usize) -> anyhow::Result<Self> {
        let encoded = request(spans).encode_to_vec();
        let mut places = Vec::new();
        let mut ranges = Vec::new();
        wire::for_each_span(&encoded, |range| ranges.push(range))
            .ok()
            .context("own request is unreadable")?;
        for range in ranges {
            places.push(Places::find(&encoded, range).context("own request lacks an id")?);
        }
        Ok(Template { encoded, places })
    }

    /// How many spans a request carries.
    pub(crate) fn spans(&self) -> u64 {
        self.places.len() as u64
    }

    /// Length of a request in bytes.
    pub(crate) fn len(&self) -> usize {
        self.encoded.len()
    }

    /// Appends the request whose spans have the counters from `first` on, and happened just before `now`.
    pub(crate) fn write(&self, first: u64, now_unix_nanos: u64, out: &mut Vec<u8>) {
        let base = out.len();
        out.extend_from_slice(&self.encoded);
        let out = &mut out[base..];
        for place in &self.places {
            let trace = ledger::span_id_of(first.wrapping_add(place.trace));
            put(out, place.trace_id, &(trace ^ 0x5bd1_e995_0000_0001).to_be_bytes());
            put(out, place.trace_id + 8, &trace.to_be_bytes());
            put(out, place.span_id, &ledger::span_id_of(first + place.index).to_be_bytes());
            if let Some((parent, at)) = place.parent {
                put(out, at, &ledger::span_id_of(first + parent).to_be_bytes());
            }
            let start = now_unix_nanos.wrapping_sub(5_000_000).wrapping_add(place.index * 1_000);
            put(out, place.start, &start.to_le_bytes());
            put(out, place.end, &(start + 2_000_000 + place.index * 7_919).to_le_bytes());
        }
    }
}

fn put(out: &mut [u8], at: usize, bytes: &[u8; 8]) {
    out[at..at + 8].copy_from_slice(bytes);
}

impl Places {
    /// Where the ids and times of the span at `range` lie. The template's ids hold their own meaning: the span
    /// id is its index + 1, the parent id that of the parent, the trace id the index of the trace's root.
    fn find(encoded: &[u8], range: Range<usize>) -> Option<Places> {
        let mut found = BTreeMap::new();
        let mut fields = wire::Fields::new(encoded, range);
        while let Ok(Some(field)) = fields.next() {
            found.insert(field.number, field.content);
        }
        let number = |range: Range<usize>| Some(u64::from_be_bytes(encoded.get(range)?.try_into().ok()?));
        let trace_id = found.get(&1)?.clone();
        let span_id = found.get(&2)?.clone();
        let parent = match found.get(&4) {
            Some(range) if !range.is_empty() => Some((number(range.clone())?.checked_sub(1)?, range.start)),
            _ => None,
        };
        Some(Places {
            index: number(span_id.clone())?.checked_sub(1)?,
            trace: number(trace_id.start + 8..trace_id.end)?,
            parent,
            trace_id: trace_id.start,
            span_id: span_id.start,
            start: found.get(&7)?.start,
            end: found.get(&8)?.start,
        })
    }
}

/// The request as structs: spans grouped by service, as an agent on a node would send them.
pub(crate) fn request(spans: usize) -> ExportTraceServiceRequest {
    let mut services: Vec<(&str, Vec<Span>)> = Vec::new();
    for index in 0..spans {
        let root = index - index % TRACE.len();
        let (service, kind, parent, name) = TRACE[index % TRACE.len()];
        let span = span(index, root, kind, parent, name);
        match services.iter_mut().find(|(known, _)| *known == service) {
            Some((_, spans)) => spans.push(span),
            None => services.push((service, vec![span])),
        }
    }
    let resource_spans = services.into_iter().map(|(service, spans)| ResourceSpans {
        resource: Some(Resource { attributes: resource(service), ..Resource::default() }),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope {
                name: "io.opentelemetry.http".into(),
                version: "2.11.0".into(),
                ..InstrumentationScope::default()
            }),
            spans,
            schema_url: String::new(),
        }],
        schema_url: "https://opentelemetry.io/schemas/1.37.0".into(),
    });
    ExportTraceServiceRequest { resource_spans: resource_spans.collect() }
}

fn span(index: usize, root: usize, kind: SpanKind, parent: Option<usize>, name: &str) -> Span {
    Span {
        trace_id: (root as u128).to_be_bytes().to_vec(),
        span_id: (index as u64 + 1).to_be_bytes().to_vec(),
        parent_span_id: parent.map_or_else(Vec::new, |p| ((root + p) as u64 + 1).to_be_bytes().to_vec()),
        name: name.into(),
        kind: kind.into(),
        flags: 0x101,
        start_time_unix_nano: 1,
        end_time_unix_nano: 2,
        attributes: attributes(index, kind),
        status: index.is_multiple_of(37).then(|| Status { code: 2, message: "upstream timed out".into() }),
        ..Span::default()
    }
}

fn attributes(index: usize, kind: SpanKind) -> Vec<KeyValue> {
    let common = [text("thread.name", "worker-7"), int("thread.id", 40 + (index % 9) as i64)];
    let specific = match kind {
        SpanKind::Server => vec![
            text("http.request.method", "POST"),
            text("http.route", "/api/checkout/{id}"),
            text("url.path", &format!("/api/checkout/{}", 1000 + index)),
            text("url.scheme", "https"),
            int("http.response.status_code", 200),
            text("client.address", "203.0.113.57"),
            text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/143.0"),
            text("network.protocol.version", "1.1"),
        ],
        SpanKind::Client => vec![
            text("rpc.system", "grpc"),
            text("rpc.service", "payment.Payments"),
            text("rpc.method", "Charge"),
            text("server.address", "payments.prod.svc.cluster.local"),
            int("server.port", 8443),
            int("rpc.grpc.status_code", 0),
            text("network.peer.address", "10.42.17.211"),
            text("peer.service", "payment-gateway-eu-west-1"),
        ],
        _ => vec![
            text("code.function.name", "com.example.checkout.PriceService.priceBasket"),
            text("code.file.path", "src/main/java/com/example/checkout/PriceService.java"),
            int("code.line.number", 214),
            text("enduser.id", "user-8812734"),
            text("basket.currency", "EUR"),
            int("basket.items", (index % 17) as i64),
            text("feature_flag.key", "new-pricing"),
            boolean("basket.discounted", index.is_multiple_of(2)),
        ],
    };
    specific.into_iter().chain(common).collect()
}

fn resource(service: &str) -> Vec<KeyValue> {
    vec![
        text("service.name", service),
        text("service.namespace", "shop"),
        text("service.version", "4.18.2"),
        text("service.instance.id", "627cc493-f310-47de-96bd-71410b7dec09"),
        text("host.name", "ip-10-42-17-12.eu-west-1.compute.internal"),
        text("telemetry.sdk.language", "java"),
        text("telemetry.sdk.name", "opentelemetry"),
        text("deployment.environment.name", "production"),
    ]
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

fn int(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn boolean(key: &str, value: bool) -> KeyValue {
    attribute(key, Value::BoolValue(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_request_holds_distinct_spans_that_know_their_parents() {
        let template = Template::new(128).expect("a template");
        let mut written = Vec::new();
        template.write(1000, 1_700_000_000_000_000_000, &mut written);
        let request = ExportTraceServiceRequest::decode(&written[..]).expect("a request");
        let spans: Vec<&Span> =
            request.resource_spans.iter().flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans).collect();
        let mut counters: Vec<u64> = spans.iter().map(|span| counter(&span.span_id)).collect();
        counters.sort_unstable();
        assert_eq!(counters, (1000..1128).collect::<Vec<_>>());
        for span in &spans {
            assert!(span.end_time_unix_nano > span.start_time_unix_nano);
            if !span.parent_span_id.is_empty() {
                let parent = spans.iter().find(|other| other.span_id == span.parent_span_id);
                assert_eq!(parent.map(|parent| &parent.trace_id), Some(&span.trace_id));
            }
        }
        let roots = spans.iter().filter(|span| span.parent_span_id.is_empty()).count();
        assert_eq!(roots, 16);
    }

    #[test]
    fn spans_have_a_realistic_size() {
        let template = Template::new(128).expect("a template");
        let bytes = template.len() / 128;
        assert!((380..=440).contains(&bytes), "{bytes} bytes a span");
    }

    fn counter(id: &[u8]) -> u64 {
        ledger::counter_of(u64::from_be_bytes(id.try_into().expect("8 bytes")))
    }
}
