//! What a segment is called, and in whose namespace it is.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::known::Key;
use super::resource::ResourceRead;
use super::span::{Kind, SpanRead};
use super::{Options, url};

/// The longest name, in bytes.
pub(super) const MAX_LEN: usize = 200;

/// Names that come before the usual ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Override {
    None,
    /// Of the call that a local root makes: `aws.remote.service`.
    RemoteService,
    /// Of the service that a local root is in: `aws.local.service`, else `service.name`.
    LocalService,
}

/// Appends a segment's name, which needs no escape; says whether it is that of an AWS service.
///
/// The first source that leaves something counts. Each is cleaned: X-Ray takes letters, digits, blanks and some signs,
/// and refuses a segment with anything else in its name.
pub(super) fn write(
    out: &mut Vec<u8>,
    span: &SpanRead<'_>,
    resource: &ResourceRead<'_>,
    first: Override,
    options: &Options,
) -> bool {
    if write_override(out, span, resource, first) {
        // The namespace is still that of the usual name.
        return span.kind == Kind::Unspecified
            && span.text(Key::PeerService).is_empty()
            && !span.text(Key::AwsService).is_empty();
    }
    if write_by_kind(out, span, first) || clean(out, span.text(Key::PeerService)) {
        return false;
    }
    if clean(out, span.text(Key::AwsService)) {
        return true;
    }
    if !write_by_what_it_does(out, span, resource, options) {
        out.extend_from_slice(b"span");
    }
    false
}

#[inline]
fn write_override(
    out: &mut Vec<u8>,
    span: &SpanRead<'_>,
    resource: &ResourceRead<'_>,
    first: Override,
) -> bool {
    match first {
        Override::None => false,
        Override::RemoteService => clean(out, remote_service(span)),
        Override::LocalService => {
            clean(out, span.text(Key::LocalService)) || clean(out, resource.service_name())
        }
    }
}

/// The name that Application Signals has given.
#[inline]
fn write_by_kind(out: &mut Vec<u8>, span: &SpanRead<'_>, first: Override) -> bool {
    match span.kind {
        Kind::Server => clean(out, span.text(Key::LocalService)),
        Kind::Internal if span.is_local_root() => clean(out, span.text(Key::LocalService)),
        // The service's segment knows nothing of the service that it calls.
        _ if first == Override::LocalService => false,
        Kind::Client | Kind::Producer | Kind::Consumer => clean(out, remote_service(span)),
        _ => false,
    }
}

/// The name of what is called or, of a service's segment, of the service; else the span's own.
#[inline]
fn write_by_what_it_does(
    out: &mut Vec<u8>,
    span: &SpanRead<'_>,
    resource: &ResourceRead<'_>,
    options: &Options,
) -> bool {
    let named_by_service = match span.kind {
        Kind::Server => true,
        Kind::Consumer => options.consumers_named_by_service,
        _ => false,
    };
    clean_database(out, span, options)
        || named_by_service && clean(out, resource.service_name())
        || clean(out, span.text(Key::RpcService))
        || clean(out, span.text(Key::HttpHost))
        || clean(out, span.text(Key::NetPeerName))
        || options.stable_names
            && matches!(span.kind, Kind::Client | Kind::Producer)
            && clean(out, span.text(Key::ServerAddress))
        || clean(out, span.name)
}

/// `aws.remote.service`, for a call by an AWS SDK without the SDK's prefix.
fn remote_service<'a>(span: &SpanRead<'a>) -> &'a [u8] {
    let name = span.text(Key::RemoteService);
    if !span.is_aws_sdk() {
        return name;
    }
    name.strip_prefix(b"AWS.SDK.").or_else(|| name.strip_prefix(b"AWS::")).unwrap_or(name)
}

/// The name of a database, and of its host if there is one: `orders@db.example.com`.
fn clean_database(out: &mut Vec<u8>, span: &SpanRead<'_>, options: &Options) -> bool {
    let stable = || if options.stable_names { span.get(Key::DbNamespace) } else { None };
    let Some(name) = span.get(Key::DbName).or_else(stable) else { return false };
    let name = name.text();
    match url::host(span.text(Key::DbConnectionString)) {
        Some(host) => clean(out, &[name, b"@", host].concat()),
        None => clean(out, name),
    }
}

/// Appends what X-Ray takes of a name, at most 200 bytes; says whether anything was left.
#[inline]
pub(super) fn clean(out: &mut Vec<u8>, name: &[u8]) -> bool {
    if name.is_empty() {
        return false;
    }
    if name.len() <= MAX_LEN && name.iter().all(|byte| ALLOWED[usize::from(*byte)]) {
        out.extend_from_slice(name);
        return true;
    }
    clean_slowly(out, name)
}

fn clean_slowly(out: &mut Vec<u8>, name: &[u8]) -> bool {
    /// All but Unicode letters, which are its general categories L, and what is in [`ALLOWED`].
    #[expect(clippy::expect_used, reason = "a constant, and a test goes through here")]
    static FORBIDDEN: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"[^\p{L}0-9 _.:/%&#=+\-@]+").expect("a valid pattern"));
    let text = String::from_utf8_lossy(name);
    let cleaned: Cow<'_, str> = FORBIDDEN.replace_all(&text, "");
    let cut = cleaned.get(..cleaned.floor_char_boundary(MAX_LEN)).unwrap_or_default();
    out.extend_from_slice(cut.as_bytes());
    !cut.is_empty()
}

/// The ASCII characters of names. Of the others some are letters, which the slow path finds out.
static ALLOWED: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        allowed[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut signs: &[u8] = b" _.:/%&#=+-@";
    while let Some((sign, rest)) = signs.split_first() {
        allowed[*sign as usize] = true;
        signs = rest;
    }
    allowed
};

/// The namespace of a segment; none for local work.
pub(super) fn namespace(span: &SpanRead<'_>, named_by_aws_service: bool) -> Option<&'static str> {
    if span.is_aws_sdk() || named_by_aws_service {
        return Some("aws");
    }
    matches!(span.kind, Kind::Client | Kind::Producer).then_some("remote")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, cleaned: &str) {
        let mut out = Vec::new();
        assert_eq!(clean(&mut out, name.as_bytes()), !cleaned.is_empty());
        assert_eq!(String::from_utf8(out).expect("cut between characters"), cleaned);
    }

    #[test]
    fn names_keep_what_x_ray_takes() {
        check("orders.eu-1/a:b%&#=+@_ 9", "orders.eu-1/a:b%&#=+@_ 9");
        check("a,b(c)[d]\\e \"f\" $g é日本 ٣ Ⅷ Nn\tx", "abcde f g é日本   Nnx");
        check("host,1433", "host1433");
        check("offers?x=1", "offersx=1");
        // Marks are no letters, and a circled letter is a symbol.
        check("a\u{0301}ⓐ\u{093f}ह", "aह");
        check("", "");
        check("<>()", "");
        check(&"é".repeat(101), &"é".repeat(100));
        check(&format!("{}é", "a".repeat(199)), &"a".repeat(199));
        check(&"x".repeat(201), &"x".repeat(200));
    }
}
