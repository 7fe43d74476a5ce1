//! Answers.

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use net::http::server::Response;
use serde_json::Value;

/// An answer of that status and content type, which nobody may keep.
pub fn content_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Plain text.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Response {
    content_type(status, "text/plain; charset=utf-8", body)
}

/// JSON.
pub fn json(status: StatusCode, body: &Value) -> Response {
    content_type(status, "application/json", body.to_string())
}

/// Sends the client to another path of the same server.
pub fn redirect(to: &'static str) -> Response {
    let mut response = text(StatusCode::FOUND, "");
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
    response
}

/// The value of a key in the query, as it stands there; empty for a key without a value.
pub fn query<'a>(head: &'a Parts, key: &str) -> Option<&'a str> {
    let pairs = head.uri.query().unwrap_or_default().split('&');
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).find(|(name, _)| *name == key).map(|it| it.1)
}

/// Whether the client wants JSON: by `?format=json`, or because it accepts that and not HTML.
pub fn asked_for_json(head: &Parts) -> bool {
    if let Some(format) = query(head, "format") {
        return format == "json";
    }
    let accept = head.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("application/json") && !accept.contains("text/html")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, accept: &str) -> Parts {
        http::Request::get(uri).header(ACCEPT, accept).body(()).unwrap().into_parts().0
    }

    #[test]
    fn json_is_asked_for_by_query_or_header() {
        assert!(asked_for_json(&head("/?a=1&format=json", "text/html")));
        assert!(asked_for_json(&head("/", "application/json")));
        for (uri, accept) in
            [("/", "*/*"), ("/?format=html", "application/json"), ("/", "text/html, application/json")]
        {
            assert!(!asked_for_json(&head(uri, accept)), "{uri} {accept}");
        }
    }

    #[test]
    fn keys_of_a_query_are_found_whole() {
        let head = head("/?seconds=5&verbose", "*/*");
        assert_eq!((query(&head, "seconds"), query(&head, "verbose")), (Some("5"), Some("")));
        assert_eq!(query(&head, "second"), None);
    }
}
