//! Cross-origin requests: which web pages may send to a server.
//!
//! Behaves like the middleware that the Collector uses: credentials are always allowed, preflights are answered
//! here, and requests from other origins are served, just without the headers that would let a page read the answer.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::server::Response;

/// Methods that pages may use.
const METHODS: [&str; 3] = ["GET", "POST", "HEAD"];

/// Headers that need no permission.
const SAFE_HEADERS: [&str; 6] =
    ["accept", "accept-language", "content-type", "content-language", "origin", "x-requested-with"];

/// `cors:` of an HTTP server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Origins such as `https://*.example.com`; `*` is all. Empty turns CORS off.
    pub allowed_origins: Vec<String>,
    /// Request headers beyond those that are always allowed; `*` is all.
    pub allowed_headers: Vec<String>,
    /// Response headers that pages may read.
    pub exposed_headers: Vec<String>,
    /// How long browsers may remember a preflight, in seconds; 0 leaves it to them.
    pub max_age: i64,
}

impl Settings {
    /// The answer to a preflight; none if this is not one.
    pub(crate) fn preflight(&self, head: &Parts) -> Option<Response> {
        let method = head.headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        if self.allowed_origins.is_empty() || head.method != Method::OPTIONS {
            return None;
        }
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        let vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        headers.insert(VARY, HeaderValue::from_static(vary));
        let wanted = head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
        let is_allowed = METHODS.iter().any(|known| method == known) && self.allows_headers(wanted);
        if let (Some(origin), true) = (self.allow_origin(&head.headers), is_allowed) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
            if let Some(wanted) = wanted {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
            }
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            if self.max_age != 0 {
                headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.max_age.max(0)));
            }
        }
        Some(response)
    }

    /// Adds what an answer to a page needs.
    pub(crate) fn decorate(&self, request: &HeaderMap, response: &mut HeaderMap) {
        if self.allowed_origins.is_empty() {
            return;
        }
        response.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = self.allow_origin(request) else { return };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        if let (false, Ok(exposed)) =
            (self.exposed_headers.is_empty(), HeaderValue::try_from(self.exposed_headers.join(", ")))
        {
            response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }

    fn allow_origin(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(ORIGIN)?;
        if self.allowed_origins.iter().any(|allowed| allowed == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        let text = origin.to_str().ok()?.to_ascii_lowercase();
        let is_allowed = self.allowed_origins.iter().any(|pattern| matches(pattern, &text));
        is_allowed.then(|| origin.clone())
    }

    fn allows_headers(&self, wanted: Option<&HeaderValue>) -> bool {
        if self.allowed_headers.iter().any(|allowed| allowed == "*") {
            return true;
        }
        let Some(wanted) = wanted else { return true };
        let Ok(wanted) = wanted.to_str() else { return false };
        wanted.split(',').map(str::trim).filter(|name| !name.is_empty()).all(|name| {
            let is = |known: &str| known.eq_ignore_ascii_case(name);
            SAFE_HEADERS.iter().any(|known| is(known)) || self.allowed_headers.iter().any(|known| is(known))
        })
    }
}

/// A pattern has at most one `*`, which stands for any characters.
fn matches(pattern: &str, origin: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    match pattern.split_once('*') {
        None => pattern == origin,
        Some((start, end)) => {
            origin.len() >= start.len() + end.len() && origin.starts_with(start) && origin.ends_with(end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, headers: &[(&'static str, &str)]) -> Parts {
        let mut request = http::Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn origins_match_with_wildcards() {
        let check = |pattern: &str, origin: &str, expected| {
            assert_eq!(matches(pattern, origin), expected, "{pattern} {origin}");
        };
        check("https://a.example.com", "https://a.example.com", true);
        check("https://*.example.com", "https://a.example.com", true);
        check("https://*.example.com", "https://.example.com", true);
        check("https://*.example.com", "https://example.com", false);
        check("https://aa*aa", "https://aa", false);
        check("https://A.example.com", "https://a.example.com", true);
    }

    #[test]
    fn a_preflight_is_answered_whether_or_not_it_is_allowed() {
        let settings = Settings {
            allowed_origins: vec!["https://*.example.com".to_owned()],
            allowed_headers: vec!["X-Token".to_owned()],
            max_age: 600,
            ..Settings::default()
        };
        let check = |origin: &str, method: &str, headers: &str, allowed: bool| {
            let head = head(
                "OPTIONS",
                &[
                    ("origin", origin),
                    ("access-control-request-method", method),
                    ("access-control-request-headers", headers),
                ],
            );
            let answer = settings.preflight(&head).unwrap();
            assert_eq!(answer.status(), StatusCode::NO_CONTENT);
            let origin_header = answer.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN);
            assert_eq!(origin_header.is_some(), allowed, "{origin} {method} {headers}");
            assert_eq!(answer.headers().contains_key(ACCESS_CONTROL_MAX_AGE), allowed);
        };
        check("https://a.example.com", "POST", "content-type, x-token", true);
        check("https://a.example.com", "POST", "x-other", false);
        check("https://a.example.com", "DELETE", "", false);
        check("https://evil.org", "POST", "", false);
        assert!(settings.preflight(&head("OPTIONS", &[("origin", "https://a.example.com")])).is_none());
    }
}
