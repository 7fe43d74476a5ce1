//! The block `http`, and what its status says of the segment.

use std::net::IpAddr;

use otlp::view::AnyValue;

use super::Options;
use super::document::Shape;
use super::known::{Key, KeySet};
use super::span::{Attribute, Kind, SpanRead};
use crate::json;

/// The span attributes that go into the block and nowhere else.
pub(super) const KEYS: KeySet =
    PRESENT.with(LOCATED).with(KeySet::of(&[Key::ClientAddress, Key::NetPeerPort, Key::ServerPort]));

/// Any of these makes the block.
const PRESENT: KeySet = KeySet::of(&[
    Key::HttpMethod,
    Key::HttpRequestMethod,
    Key::HttpClientIp,
    Key::HttpUserAgent,
    Key::UserAgentOriginal,
    Key::HttpStatusCode,
    Key::HttpResponseStatusCode,
    Key::HttpUrl,
    Key::UrlFull,
    Key::HttpScheme,
    Key::UrlScheme,
    Key::HttpHost,
    Key::HttpTarget,
    Key::HttpServerName,
    Key::NetHostPort,
    Key::UrlPath,
    Key::UrlQuery,
]);

/// Any of these allows a URL.
const LOCATED: KeySet = KeySet::of(&[
    Key::HttpUrl,
    Key::UrlFull,
    Key::HttpHost,
    Key::HttpServerName,
    Key::HostName,
    Key::NetHostName,
    Key::NetPeerName,
    Key::ServerAddress,
    Key::NetPeerIp,
    Key::NetworkPeerAddress,
]);

/// How a segment went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flags {
    pub fault: bool,
    pub error: bool,
    pub throttle: bool,
}

/// From the HTTP status, which outweighs the span's.
pub(super) fn flags(span: &SpanRead<'_>) -> Flags {
    let code = span.get(Key::HttpStatusCode).or_else(|| span.get(Key::HttpResponseStatusCode));
    match code.map(Attribute::int) {
        Some(code @ 400..=499) => Flags { fault: false, error: true, throttle: code == 429 },
        Some(500..=599) => Flags { fault: true, error: false, throttle: false },
        _ => Flags { fault: span.is_error(), error: false, throttle: false },
    }
}

/// Whether the span has a block.
pub(super) fn is_present(span: &SpanRead<'_>) -> bool {
    span.present.meets(PRESENT)
}

/// Appends the member `http`, with a comma before it, if there is one.
pub(super) fn write(out: &mut Vec<u8>, span: &SpanRead<'_>, shape: &Shape, options: &Options) {
    if !shape.http || !is_present(span) {
        return;
    }
    out.extend_from_slice(b",\"http\":{\"request\":{");
    let start = out.len();
    write_request(out, span);
    // Every member has a comma behind it.
    if out.len() > start {
        out.pop();
    }
    out.extend_from_slice(b"},\"response\":{");
    if let Some(status) = span.later(Key::HttpStatusCode, Key::HttpResponseStatusCode) {
        out.extend_from_slice(b"\"status\":");
        json::int(out, status.int());
        out.push(b',');
    }
    out.extend_from_slice(b"\"content_length\":");
    json::int(out, content_length(span, options));
    out.extend_from_slice(b"}}");
}

fn write_request(out: &mut Vec<u8>, span: &SpanRead<'_>) {
    let client_ip = client_ip(span);
    if !client_ip.is_empty() && !is_peer_known(span) {
        out.extend_from_slice(b"\"x_forwarded_for\":true,");
    }
    let later = |one, other| span.later(one, other).map_or(&[][..], Attribute::text);
    member(out, "method", later(Key::HttpMethod, Key::HttpRequestMethod));
    if span.present.meets(LOCATED) {
        write_url(out, span);
    }
    member(out, "user_agent", later(Key::HttpUserAgent, Key::UserAgentOriginal));
    member(out, "client_ip", client_ip);
}

/// Appends `"<name>":"<text>",` unless the text is empty.
#[inline]
fn member(out: &mut Vec<u8>, name: &str, text: &[u8]) {
    if text.is_empty() {
        return;
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":\"");
    json::string_body(out, text);
    out.extend_from_slice(b"\",");
}

/// The client's address: what names the client, else what names the other end of the connection.
fn client_ip<'a>(span: &SpanRead<'a>) -> &'a [u8] {
    let client = match (span.get(Key::HttpClientIp), literal(span, Key::ClientAddress)) {
        (Some(old), Some(new)) if span.position(Key::ClientAddress) < span.position(Key::HttpClientIp) => {
            or(old.text(), new)
        }
        (_, Some(new)) => new,
        (Some(old), None) => old.text(),
        (None, None) => &[],
    };
    if !client.is_empty() {
        return client;
    }
    let (old, new) = (span.text(Key::NetPeerIp), literal(span, Key::NetworkPeerAddress).unwrap_or_default());
    if span.position(Key::NetworkPeerAddress) < span.position(Key::NetPeerIp) {
        or(new, old)
    } else {
        or(old, new)
    }
}

fn or<'a>(one: &'a [u8], other: &'a [u8]) -> &'a [u8] {
    if one.is_empty() { other } else { one }
}

/// The other end of the connection is known, so that the client's address need not be a claim of the client's.
fn is_peer_known(span: &SpanRead<'_>) -> bool {
    span.present.has(Key::NetPeerIp) || literal(span, Key::NetworkPeerAddress).is_some()
}

/// An attribute's text, if it is an IP address.
fn literal<'a>(span: &SpanRead<'a>, key: Key) -> Option<&'a [u8]> {
    let text = span.get(key)?.text();
    ip(text).map(|_| text)
}

fn ip(text: &[u8]) -> Option<IpAddr> {
    str::from_utf8(text).ok()?.parse().ok()
}

/// Appends the member `url`, a comma behind it, if it can be told.
fn write_url(out: &mut Vec<u8>, span: &SpanRead<'_>) {
    if let Some(url) = span.later(Key::HttpUrl, Key::UrlFull) {
        return member(out, "url", url.text());
    }
    let Some((host, port)) = authority(span) else { return };
    let scheme = span.later(Key::HttpScheme, Key::UrlScheme).map_or(&[][..], Attribute::text);
    let scheme = or(scheme, b"http");
    out.extend_from_slice(b"\"url\":\"");
    json::string_body(out, scheme);
    out.extend_from_slice(b"://");
    write_host(out, host);
    let usual: &[u8] = match scheme {
        b"http" => b"80",
        b"https" => b"443",
        _ => b"",
    };
    write_port(out, port, usual);
    if let Some(target) = span.get(Key::HttpTarget) {
        json::string_body(out, target.text());
    } else {
        json::string_body(out, or(span.text(Key::UrlPath), b"/"));
        let query = span.text(Key::UrlQuery);
        if !query.is_empty() && !query.starts_with(b"?") {
            out.push(b'?');
        }
        json::string_body(out, query);
    }
    out.extend_from_slice(b"\",");
}

/// Host and port. A server says what it was asked as; without that there is an empty host, as in the reference. A client
/// says what it asked, and without that there is no URL.
fn authority<'s, 'a>(span: &'s SpanRead<'a>) -> Option<(&'a [u8], Option<&'s Attribute<'a>>)> {
    let first = |keys: &[Key]| keys.iter().map(|key| span.text(*key)).find(|text| !text.is_empty());
    let host = span.text(Key::HttpHost);
    if !host.is_empty() {
        return Some((host, None));
    }
    if span.kind == Kind::Server {
        let names = [Key::HttpServerName, Key::NetHostName, Key::HostName, Key::ServerAddress];
        let port = span.get(Key::NetHostPort).or_else(|| span.get(Key::ServerPort));
        return Some((first(&names).unwrap_or_default(), port));
    }
    if let Some(peer) = first(&[Key::NetPeerName, Key::NetPeerIp]) {
        return Some((peer, span.get(Key::NetPeerPort)));
    }
    if let Some(server) = first(&[Key::ServerAddress]) {
        return Some((server, span.get(Key::ServerPort)));
    }
    first(&[Key::NetworkPeerAddress]).map(|peer| (peer, None))
}

/// Appends a host; an IPv6 address in brackets.
pub(super) fn write_host(out: &mut Vec<u8>, host: &[u8]) {
    let is_v6 =
        host.iter().filter(|byte| **byte == b':').count() > 1 && matches!(ip(host), Some(IpAddr::V6(_)));
    if is_v6 {
        out.push(b'[');
        out.extend_from_slice(host);
        out.push(b']');
    } else {
        json::string_body(out, host);
    }
}

/// Appends a port and the colon before it, unless there is none or it is the usual one.
pub(super) fn write_port(out: &mut Vec<u8>, port: Option<&Attribute<'_>>, usual: &[u8]) {
    let Some(port) = port else { return };
    let mut number = itoa::Buffer::new();
    let text = match port.text() {
        [] => number.format(port.int()).as_bytes(),
        text => text,
    };
    if !text.is_empty() && text != usual {
        out.push(b':');
        json::string_body(out, text);
    }
}

/// The response's length: what the span, or one of its events, says of a message that was received.
fn content_length(span: &SpanRead<'_>, options: &Options) -> i64 {
    let own = match span.text(Key::MessageType) {
        b"RECEIVED" => span.get(Key::MessageSize).map_or(0, Attribute::int),
        _ => 0,
    };
    if own != 0 {
        return own;
    }
    let of_events = span.events().map(|event| {
        let attributes = event.attributes();
        let received = attributes
            .get("message.type")
            .and_then(|kind| kind.as_text())
            .is_some_and(|kind| kind == "RECEIVED");
        match received.then(|| attributes.get("messaging.message_payload_size_bytes")).flatten() {
            Some(AnyValue::Int(size)) => size,
            _ => 0,
        }
    });
    let found = of_events.into_iter().find(|size| *size != 0);
    found.unwrap_or_else(|| {
        if !options.body_size_as_content_length {
            return 0;
        }
        let size = span.get(Key::ResponseBodySize).or_else(|| span.get(Key::ResponseContentLength));
        size.map_or(0, Attribute::int)
    })
}
