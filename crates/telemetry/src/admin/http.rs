//! The little of HTTP/1.1 that an admin listener needs, without I/O.

use std::collections::BTreeMap;

use super::{Handler, Page};

/// The longest head of a request, in bytes.
pub(super) const MAX_HEAD: usize = 8 * 1024;

const PLAIN: &str = "text/plain; charset=utf-8";

/// Whether these bytes hold a whole head.
pub(super) fn is_whole(head: &[u8]) -> bool {
    head.windows(4).any(|end| end == b"\r\n\r\n") || head.windows(2).any(|end| end == b"\n\n")
}

/// The bytes that answer a whole head.
pub(super) fn respond(head: &[u8], find: impl Fn(&str) -> Option<Handler>) -> Vec<u8> {
    let Some((method, path)) = request_line(head) else { return refuse(400, "400 Bad Request\n") };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let Some(page) = find(path) else { return refuse(404, "404 page not found\n") };
    match method {
        "GET" => write(&page(), true),
        "HEAD" => write(&page(), false),
        _ => refuse(405, "405 method not allowed\n"),
    }
}

/// An answer of our own.
pub(super) fn refuse(status: u16, text: &str) -> Vec<u8> {
    write(&Page { status, content_type: PLAIN, body: text.into() }, true)
}

fn request_line(head: &[u8]) -> Option<(&str, &str)> {
    let line = head.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.trim_end_matches('\r').split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_token = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_known = matches!(version, "HTTP/1.1" | "HTTP/1.0") && words.next().is_none();
    (is_token && is_known && target.starts_with('/')).then_some((method, target))
}

fn write(page: &Page, with_body: bool) -> Vec<u8> {
    let allow = if page.status == 405 { "Allow: GET, HEAD\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{allow}Connection: close\r\n\r\n",
        page.status,
        phrase(page.status),
        page.content_type,
        page.body.len(),
    );
    let mut bytes = head.into_bytes();
    if with_body {
        bytes.extend_from_slice(&page.body);
    }
    bytes
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "",
    }
}

/// The handler of a path.
pub(super) fn find(routes: &BTreeMap<&'static str, Handler>, path: &str) -> Option<Handler> {
    routes.get(path).cloned()
}
