//! The little of HTTP/1.1 that an admin listener needs, without I/O.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Answer, Handler, Page};

/// The longest head of a request, in bytes.
pub(super) const MAX_HEAD: usize = 8 * 1024;

const PLAIN: &str = "text/plain; charset=utf-8";

/// Whether these bytes hold a whole head.
pub(super) fn is_whole(head: &[u8]) -> bool {
    head.windows(4).any(|end| end == b"\r\n\r\n") || head.windows(2).any(|end| end == b"\n\n")
}

/// What a request asks for.
pub(super) enum Asked {
    /// A page, with its content or without.
    Page(Arc<dyn Fn() -> Page + Send + Sync>, bool),
    /// Something to be done.
    Action(Arc<dyn Fn() -> Answer + Send + Sync>),
}

/// Reads a whole head; the error is the answer to it.
pub(super) fn read(head: &[u8], find: impl Fn(&str) -> Option<Handler>) -> Result<Asked, Vec<u8>> {
    let Some((method, path)) = request_line(head) else { return Err(refuse(400, "400 Bad Request\n")) };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    match (find(path), method) {
        (None, _) => Err(refuse(404, "404 page not found\n")),
        (Some(Handler::Page(page)), "GET") => Ok(Asked::Page(page, true)),
        (Some(Handler::Page(page)), "HEAD") => Ok(Asked::Page(page, false)),
        // A browser sends such requests for any web page that asks it to, and says for which.
        (Some(Handler::Action(_)), "POST") if has_origin(head) => Err(refuse(403, "403 not for web pages\n")),
        (Some(Handler::Action(action)), "POST") => Ok(Asked::Action(action)),
        (Some(Handler::Page(_)), _) => Err(not_allowed("GET, HEAD")),
        (Some(Handler::Action(_)), _) => Err(not_allowed("POST")),
    }
}

/// An answer of our own.
pub(super) fn refuse(status: u16, text: &str) -> Vec<u8> {
    write(&Page { status, content_type: PLAIN, body: text.into() }, true, None)
}

fn not_allowed(allowed: &str) -> Vec<u8> {
    let page = Page { status: 405, content_type: PLAIN, body: b"405 method not allowed\n".to_vec() };
    write(&page, true, Some(allowed))
}

fn has_origin(head: &[u8]) -> bool {
    let names =
        head.split(|byte| *byte == b'\n').skip(1).filter_map(|line| line.split(|byte| *byte == b':').next());
    names.into_iter().any(|name| name.trim_ascii().eq_ignore_ascii_case(b"origin"))
}

fn request_line(head: &[u8]) -> Option<(&str, &str)> {
    let line = head.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.trim_end_matches('\r').split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_token = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_known = matches!(version, "HTTP/1.1" | "HTTP/1.0") && words.next().is_none();
    (is_token && is_known && target.starts_with('/')).then_some((method, target))
}

/// The bytes of a page. `allow` are the methods that would have been right.
pub(super) fn write(page: &Page, with_body: bool, allow: Option<&str>) -> Vec<u8> {
    let allow = allow.map(|methods| format!("Allow: {methods}\r\n")).unwrap_or_default();
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
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        422 => "Unprocessable Content",
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
