//! The same signatures for requests in which nothing has to be normalized, with a key that is derived once a day: what an
//! exporter sends all the time. Key and signature are `aws-sigv4`'s, which does all of it for every other request, and is
//! what this is compared with in tests.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use aws_credential_types::Credentials;
use aws_lc_rs::digest::{SHA256, digest};
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use data::Civil;
use http::header::{AUTHORIZATION, HOST, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Uri};

use super::{Scope, hex, is_signed};
use crate::credentials::Held;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// The last key that was derived. Whoever signs for one service keeps one.
#[derive(Default)]
pub(crate) struct Keys(Mutex<Option<Derived>>);

/// (Without `Debug`: it is secret.)
struct Derived {
    credentials: Credentials,
    /// `20261121/eu-west-1/xray/aws4_request`
    scope: String,
    key: Arc<[u8]>,
}

impl Keys {
    /// Signs a request, unless something in it has to be normalized: then nothing is done, and it says so. Headers that a
    /// signature makes are not among `headers`.
    pub(super) fn sign(
        &self,
        method: &Method,
        url: &Uri,
        headers: &mut HeaderMap,
        body_hash: &str,
        held: &Held,
        scope: Scope<'_>,
    ) -> bool {
        let Some(credentials) = held.identity.data::<Credentials>() else { return false };
        if !is_plain_path(url) || headers.contains_key(HOST) {
            return false;
        }
        let (Some(host), Some((time, day))) = (host(url), moment(scope)) else { return false };
        let mut signed = Vec::with_capacity(8);
        signed.extend([("host", host.as_str()), ("x-amz-date", &time)]);
        signed.extend(credentials.session_token().map(|token| ("x-amz-security-token", token)));
        for (name, value) in headers.iter().filter(|(name, _)| is_signed(name)) {
            let Ok(value) = value.to_str() else { return false };
            signed.push((name.as_str(), value));
        }
        signed.sort_unstable();
        let twice = signed.windows(2).any(|two| matches!(two, [(one, _), (next, _)] if one == next));
        if twice || !signed.iter().all(|(_, value)| is_plain_value(value)) {
            return false;
        }
        let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let canonical = canonical(method, url, &signed, &names, body_hash);
        let hash = hex(digest(&SHA256, canonical.as_bytes()).as_ref());
        let within = [&day, "/", scope.region, "/", scope.service, "/aws4_request"].concat();
        let text = ["AWS4-HMAC-SHA256\n", &time, "\n", &within, "\n", &hash].concat();
        let signature = calculate_signature(self.key(credentials, &within, scope), text.as_bytes());
        let who = ["AWS4-HMAC-SHA256 Credential=", credentials.access_key_id(), "/", &within];
        let what = [", SignedHeaders=", &names, ", Signature=", &signature];
        put(headers, time, credentials.session_token(), [who, what].as_flattened().concat())
    }

    /// The key of a scope, derived if it is not the last one's.
    fn key(&self, credentials: &Credentials, within: &str, scope: Scope<'_>) -> Arc<[u8]> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Derived { key, .. }) =
            last.as_ref().filter(|last| last.scope == within && last.credentials == *credentials)
        {
            return Arc::clone(key);
        }
        let Scope { region, service, time } = scope;
        let key = generate_signing_key(credentials.secret_access_key(), time, region, service);
        let key: Arc<[u8]> = key.as_ref().into();
        let (credentials, scope) = (credentials.clone(), within.to_owned());
        *last = Some(Derived { credentials, scope, key: Arc::clone(&key) });
        key
    }
}

/// Whether the path stands in the canonical request as it is: no escapes, no dots, nothing empty, and no query.
fn is_plain_path(url: &Uri) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'~');
    url.query().is_none() && url.path().bytes().all(is_plain) && !url.path().contains("//")
}

/// Whether a header's value stands in the canonical request as it is.
fn is_plain_value(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
        && value.trim().len() == value.len()
        && !value.contains("  ")
}

/// The header `host` of a request: without the port that the scheme has anyway.
fn host(url: &Uri) -> Option<String> {
    let usual = match url.scheme_str()? {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let host = url.host().filter(|_| !url.authority().is_some_and(|whole| whole.as_str().contains('@')))?;
    Some(match url.port_u16().filter(|port| *port != usual) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// The time as `20261121T120000Z`, and its day.
fn moment(scope: Scope<'_>) -> Option<(String, String)> {
    let since = scope.time.duration_since(UNIX_EPOCH).ok()?;
    let Civil { year, month, day, hour, minute, second, .. } =
        Civil::from_unix_nanos(i128::try_from(since.as_nanos()).ok()?);
    let day = format!("{year:04}{month:02}{day:02}");
    Some((format!("{day}T{hour:02}{minute:02}{second:02}Z"), day))
}

fn canonical(method: &Method, url: &Uri, signed: &[(&str, &str)], names: &str, body_hash: &str) -> String {
    let mut text = vec![method.as_str(), "\n", url.path(), "\n\n"];
    text.extend(signed.iter().flat_map(|(name, value)| [*name, ":", *value, "\n"]));
    text.extend(["\n", names, "\n", body_hash]);
    text.concat()
}

/// Puts the headers that a signature makes, all or none of them.
fn put(headers: &mut HeaderMap, time: String, token: Option<&str>, authorization: String) -> bool {
    let sensitive = |text: String| {
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    };
    let (Ok(time), Some(authorization)) = (HeaderValue::try_from(time), sensitive(authorization)) else {
        return false;
    };
    if let Some(token) = token {
        let Some(token) = sensitive(token.to_owned()) else { return false };
        headers.insert(TOKEN, token);
    }
    headers.insert(DATE, time);
    headers.insert(AUTHORIZATION, authorization);
    true
}
