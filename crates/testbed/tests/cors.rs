//! Web pages as senders: what browsers ask first, and what they let a page read.

#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

use prost::Message as _;
use testbed::http::{self, JSON, PROTOBUF, Response};
use testbed::{Collector, config};
use testkit::generate::traces;

const PAGE: (&str, &str) = ("Origin", "https://shop.example.com");
const FOREIGN: (&str, &str) = ("Origin", "https://example.org");
const POST: (&str, &str) = ("Access-Control-Request-Method", "POST");

const ALLOW_ORIGIN: &str = "access-control-allow-origin";

/// Headers that make a difference between an origin that may read an answer and one that may not.
const GRANTS: [&str; 6] = [
    ALLOW_ORIGIN,
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "access-control-max-age",
];

fn start(cors: &str) -> Collector {
    let config = config::through_batch("file", "{path: DIR/out.json}");
    Collector::start(
        &config.replace("endpoint: \"localhost:0\"", &format!("endpoint: \"localhost:0\", {cors}")),
    )
}

fn preflight(collector: &Collector, headers: &[(&str, &str)]) -> Response {
    http::request(collector.http(), "OPTIONS", "/v1/traces", headers, b"")
}

fn grants(response: &Response) -> Vec<(&'static str, &str)> {
    GRANTS.iter().filter_map(|name| Some((*name, response.header(name)?))).collect()
}

#[test]
fn pages_of_allowed_origins_may_send_and_read() {
    let collector = start(
        "cors: {allowed_origins: [\"https://*.example.com\"], allowed_headers: [X-Token], \
         exposed_headers: [X-One, X-Two], max_age: 600}",
    );
    let wanted = ("Access-Control-Request-Headers", "content-type,x-token");
    let response = preflight(&collector, &[PAGE, POST, wanted]);
    assert_eq!((response.status, response.body.len()), (204, 0));
    assert_eq!(
        grants(&response),
        [
            (ALLOW_ORIGIN, "https://shop.example.com"),
            ("access-control-allow-methods", "POST"),
            ("access-control-allow-headers", "content-type,x-token"),
            ("access-control-allow-credentials", "true"),
            ("access-control-max-age", "600"),
        ]
    );
    let vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
    assert_eq!(response.header("vary"), Some(vary));

    let decorated = [
        (ALLOW_ORIGIN, "https://shop.example.com"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "X-One, X-Two"),
    ];
    let body = traces(1..11).encode_to_vec();
    let response = http::post(collector.http(), "/v1/traces", &[PAGE, PROTOBUF], &body);
    assert_eq!(response.status, 200);
    assert_eq!(grants(&response), decorated);
    assert_eq!(response.header("vary"), Some("Origin"));
    // A page has to be able to read why it was refused, too.
    for (path, content_type, body, status) in [
        ("/v1/traces", JSON, &b"{"[..], 400),
        ("/v1/traces", ("content-type", "text/plain"), b"x", 415),
        ("/elsewhere", JSON, b"{}", 404),
    ] {
        let response = http::post(collector.http(), path, &[PAGE, content_type], body);
        assert_eq!(response.status, status, "{path}");
        assert_eq!(grants(&response), decorated, "{path}: {status}");
    }
    collector.stop_clean().account.passed("exporter file (traces)", "spans", 10);
}

#[test]
fn pages_of_other_origins_read_nothing() {
    let collector = start("cors: {allowed_origins: [\"https://*.example.com\"]}");
    for headers in [
        &[FOREIGN, POST][..],
        &[("Origin", "https://example.com.example.org"), POST],
        &[("Origin", "null"), POST],
        &[POST],
        &[PAGE, ("Access-Control-Request-Method", "DELETE")],
        &[PAGE, POST, ("Access-Control-Request-Headers", "x-token")],
    ] {
        let response = preflight(&collector, headers);
        assert_eq!(response.status, 204, "{headers:?}");
        assert_eq!(grants(&response), [], "{headers:?}");
    }
    // No preflight, so it is a request like any other.
    let response = preflight(&collector, &[PAGE]);
    assert_eq!(response.status, 405);

    // Such a request is served: it is the browser that keeps the answer from the page.
    let body = traces(1..11).encode_to_vec();
    let response = http::post(collector.http(), "/v1/traces", &[FOREIGN, PROTOBUF], &body);
    assert_eq!((response.status, grants(&response)), (200, vec![]));
    assert_eq!(response.header("vary"), Some("Origin"), "a cache must not give this answer to another page");
    let body = traces(11..21).encode_to_vec();
    let response = http::post(collector.http(), "/v1/traces", &[PROTOBUF], &body);
    assert_eq!((response.status, grants(&response)), (200, vec![]));
    collector.stop_clean().account.passed("exporter file (traces)", "spans", 20);
}

#[test]
fn every_origin_can_be_allowed() {
    let collector = start("cors: {allowed_origins: [\"*\"], allowed_headers: [\"*\"]}");
    let response = preflight(&collector, &[FOREIGN, POST, ("Access-Control-Request-Headers", "x-any")]);
    assert_eq!((response.status, response.header(ALLOW_ORIGIN)), (204, Some("*")));
    assert_eq!(response.header("access-control-allow-headers"), Some("x-any"));
    assert_eq!(response.header("access-control-max-age"), None);
    let response = http::post(collector.http(), "/v1/traces", &[FOREIGN, JSON], b"{}");
    assert_eq!((response.status, response.header(ALLOW_ORIGIN)), (200, Some("*")));
    let _ended = collector.stop_clean();
}

#[test]
fn without_the_block_pages_get_nothing() {
    let collector = start("max_connections: 100");
    let response = preflight(&collector, &[PAGE, POST]);
    assert_eq!((response.status, grants(&response)), (405, vec![]));
    let response = http::post(collector.http(), "/v1/traces", &[PAGE, JSON], b"{}");
    assert_eq!((response.status, grants(&response), response.header("vary")), (200, vec![], None));
    let _ended = collector.stop_clean();
}
