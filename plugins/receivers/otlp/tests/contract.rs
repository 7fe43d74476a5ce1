//! The receiver keeps the contract of receivers, over both protocols and with every signal.

#![allow(clippy::unwrap_used, reason = "test code: a panic is the failure report")]

use bytes::Bytes;
use collimator_receiver_otlp::SPEC;
use component::{Listeners, Stage};
use config::{Diagnostics, Sources};
use data::Signal;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};
use net::listen::{Bound, Settings};
use testkit::generate::batch;

/// A receiver of one protocol on a port of loopback, whose socket it finds bound.
fn receiver(protocol: &str) -> (Stage, Listeners, String) {
    let any = Settings { endpoint: "127.0.0.1:0".to_owned(), ..Settings::default() };
    let bound = Bound::bind(&any).unwrap();
    let endpoint = bound.local_addr().unwrap().to_string();
    let (listeners, key) = (Listeners::default(), Settings { endpoint: endpoint.clone(), ..any }.key());
    listeners.open(&key, || Ok::<_, std::convert::Infallible>(bound)).unwrap();
    let yaml = format!("{{protocols: {{{protocol}: {{endpoint: '{endpoint}'}}}}}}");
    let mut sources = Sources::default();
    let source = sources.add("test.yaml", yaml.as_str());
    let mut diagnostics = Diagnostics::new(sources);
    let body = config::yaml::parse(&yaml, source, &mut diagnostics).unwrap();
    let plan = SPEC.parse(&body, &mut diagnostics, "receivers::otlp").unwrap();
    (plan.build(&testkit::build_cx()).unwrap(), listeners, endpoint)
}

fn encoded(signal: Signal, items: usize) -> Vec<Bytes> {
    let batch = batch(signal, 1, items);
    let parts = batch.chunks().cloned().collect();
    batch.delivered();
    parts
}

#[tokio::test]
async fn grpc_keeps_the_contract() {
    for (signal, service) in [
        (Signal::Traces, "trace.v1.Trace"),
        (Signal::Metrics, "metrics.v1.Metrics"),
        (Signal::Logs, "logs.v1.Logs"),
    ] {
        let (stage, listeners, endpoint) = receiver("grpc");
        let path = format!("/opentelemetry.proto.collector.{service}Service/Export");
        let send = || async move {
            let tls = net::tls::ClientSettings { insecure: true, ..net::tls::ClientSettings::default() };
            let settings =
                net::grpc::client::Settings { endpoint, tls, ..net::grpc::client::Settings::default() };
            let client = net::grpc::client::Client::new(settings, &net::proxy::Proxies::default()).unwrap();
            let path = PathAndQuery::try_from(path).unwrap();
            for items in [100, 0, 23] {
                let answer = client.unary(&path, &HeaderMap::new(), &encoded(signal, items), None).await;
                assert_eq!(&answer.unwrap().message[..], [0x0a, 0x00]);
            }
        };
        testkit::contract::receiver_with(stage, listeners, signal, 123, send).await;
    }
}

#[tokio::test]
async fn http_keeps_the_contract() {
    for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
        let (stage, listeners, endpoint) = receiver("http");
        let send = || async move {
            let (settings, environment) = Default::default();
            let client = net::http::client::Client::new(settings, &environment).unwrap();
            let url = format!("http://{endpoint}/v1/{signal}").parse().unwrap();
            let protobuf = HeaderValue::from_static("application/x-protobuf");
            let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, protobuf)]);
            for items in [100, 0, 23] {
                let answer = client.post(&url, &headers, &encoded(signal, items)).await.unwrap();
                assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &[0x0a, 0x00][..]));
            }
        };
        testkit::contract::receiver_with(stage, listeners, signal, 123, send).await;
    }
}
