//! Request headers as metadata: they are kept where the configuration says so, and tell tenants apart.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use std::collections::BTreeSet;
use std::ops::Range;

use prost::Message as _;
use testbed::grpc::{Answer, Client, TRACES, frame};
use testbed::http::{self, PROTOBUF, Response};
use testbed::{Collector, Ended, Reply, Upstream, config, span_ids};
use testkit::generate::traces;

const TENANT: &str = "X-Tenant";
const INTERNAL: i32 = 13;

/// A collector whose batches go out at its end only, so that how many there are does not depend on time.
async fn start(receiver: &str, batch: &str) -> (Upstream, Collector) {
    let upstream = Upstream::start(Reply::Ok).await;
    let exporter =
        format!("{{endpoint: \"{}\", tls: {{insecure: true}}, compression: none}}", upstream.address());
    let config = config::through_batch("otlp_grpc", &exporter)
        .replace("{timeout: 50ms}", &format!("{{timeout: 1h, {batch}}}"))
        .replace("endpoint: \"127.0.0.1:0\"", &format!("endpoint: \"127.0.0.1:0\", {receiver}"))
        .replace("endpoint: \"localhost:0\"", &format!("endpoint: \"localhost:0\", {receiver}"));
    (upstream, Collector::start(&config))
}

async fn over_grpc(client: &Client, headers: &[(&str, &str)], ids: Range<u64>) -> Answer {
    // HTTP/2 has header names in lower case only.
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), *value)).collect();
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    client.call(TRACES, &headers, frame(0, &traces(ids).encode_to_vec())).await.unwrap()
}

fn over_http(collector: &Collector, headers: &[(&str, &str)], ids: Range<u64>) -> Response {
    let headers = [&[PROTOBUF], headers].concat();
    http::post(collector.http(), "/v1/traces", &headers, &traces(ids).encode_to_vec())
}

/// Sends as two tenants and as nobody, in turn and over both protocols; gives what arrived, request by request.
async fn send_in_turn(upstream: &Upstream, collector: Collector) -> (BTreeSet<BTreeSet<u64>>, Ended) {
    let client = Client::connect(collector.grpc()).await;
    let senders: [&[(&str, &str)]; 3] = [&[(TENANT, "a")], &[(TENANT, "b")], &[]];
    for (sender, headers) in (0..).zip(senders) {
        let first = sender * 1000;
        assert_eq!(over_grpc(&client, headers, first + 1..first + 11).await.code, 0);
    }
    for (sender, headers) in (0..).zip(senders) {
        let first = sender * 1000;
        assert_eq!(over_http(&collector, headers, first + 11..first + 21).status, 200);
    }
    drop(client);
    let ended = collector.stop_clean();
    ended.account.nothing_lost();
    let requests = upstream.taken();
    let distinct: BTreeSet<BTreeSet<u64>> =
        requests.iter().map(|(_, message)| span_ids(message).into_iter().collect()).collect();
    assert_eq!(distinct.len(), requests.len(), "nothing arrives twice");
    (distinct, ended)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_arrive_in_separate_requests() {
    // Names of headers have no case.
    let (upstream, collector) = start("include_metadata: true", "metadata_keys: [x-TENANT]").await;
    let (requests, ended) = send_in_turn(&upstream, collector).await;
    let of_sender = |sender: u64| (sender * 1000 + 1..sender * 1000 + 21).collect::<BTreeSet<u64>>();
    assert_eq!(requests, [of_sender(0), of_sender(1), of_sender(2)].into());
    ended.account.passed("processor batch (traces)", "spans", 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_are_not_kept_tell_nobody_apart() {
    let all: BTreeSet<u64> = (0..3).flat_map(|sender| sender * 1000 + 1..sender * 1000 + 21).collect();
    for (receiver, batch) in [
        ("include_metadata: false", "metadata_keys: [x-tenant]"),
        // Off is the default.
        ("max_connections: 100", "metadata_keys: [x-tenant]"),
        ("include_metadata: true", "metadata_keys: []"),
        ("include_metadata: true", "metadata_keys: [x-other]"),
    ] {
        let (upstream, collector) = start(receiver, batch).await;
        let (requests, _) = send_in_turn(&upstream, collector).await;
        assert_eq!(requests, [all.clone()].into(), "{receiver}, {batch}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_too_many_is_refused() {
    let batch = "metadata_keys: [x-tenant], metadata_cardinality_limit: 2";
    let (upstream, collector) = start("include_metadata: true", batch).await;
    let client = Client::connect(collector.grpc()).await;
    assert_eq!(over_grpc(&client, &[(TENANT, "a")], 1..11).await.code, 0);
    // Two values of one header are a combination of their own.
    assert_eq!(over_http(&collector, &[(TENANT, "a"), (TENANT, "b")], 11..21).status, 200);

    let message = "too many batcher metadata-value combinations";
    let answer = over_grpc(&client, &[(TENANT, "b")], 101..111).await;
    assert_eq!((answer.code, answer.message.as_str(), answer.retry_delay), (INTERNAL, message, None));
    let response = over_http(&collector, &[], 111..121);
    assert_eq!((response.status, response.header("retry-after")), (500, None));
    assert!(response.text().contains(message), "{}", response.text());

    // Those who are known are served on.
    assert_eq!(over_http(&collector, &[(TENANT, "a")], 21..31).status, 200);
    assert_eq!(over_grpc(&client, &[(TENANT, "a"), (TENANT, "b")], 31..41).await.code, 0);
    assert_eq!(upstream.taken().len(), 0, "nothing goes out before the end");
    let ended = collector.stop_clean();
    let processor = ended.account.of("processor batch (traces)", "spans");
    assert_eq!((processor.entered, processor.left), (60, 40));
    assert_eq!(processor.refused["too many metadata combinations"], 20);
    let requests: BTreeSet<BTreeSet<u64>> =
        upstream.taken().iter().map(|(_, message)| span_ids(message).into_iter().collect()).collect();
    let (one, two): (BTreeSet<u64>, BTreeSet<u64>) =
        ((1..11).chain(21..31).collect(), (11..21).chain(31..41).collect());
    assert_eq!(requests, [one, two].into());
}
