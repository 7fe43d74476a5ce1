//! Signature Version 4.

mod quick;

use std::time::SystemTime;

use aws_lc_rs::digest::{Context, SHA256};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as sign_request};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Uri};

use crate::credentials::Held;
pub(crate) use quick::Keys;

/// Headers that a signature makes; what a caller had under these names is replaced.
const MADE: [&str; 4] = ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"];

/// Added by services and balancers on the way, so no signature covers it.
const TRACE_ID: &str = "x-amzn-trace-id";

/// Why a request could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A header that is signed has a value that is no text.
    #[error("header {0} is not text")]
    Header(HeaderName),
    /// The signature itself.
    #[error("cannot sign the request: {0}")]
    Signature(String),
}

/// For whom and where a signature is valid.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The region.
    pub region: &'a str,
    /// The service's name in signatures.
    pub service: &'a str,
    /// Its time; services accept a few minutes of difference to theirs.
    pub time: SystemTime,
}

/// The SHA-256 of a body in parts, in hexadecimal digits.
#[must_use]
pub fn body_hash(parts: &[Bytes]) -> String {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    hex(context.finish().as_ref())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| DIGITS.get(usize::from(half & 15)).copied().map_or('0', char::from);
    let mut text = String::with_capacity(bytes.len() * 2);
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]));
    text
}

/// Signs a request: host, content type and every `x-amz…` header, path, query, and the body by its hash. Other headers
/// may change on the way and are left out, as AWS recommends.
///
/// # Errors
/// If a header that is signed is no text, or the request none that can be signed.
pub(crate) fn sign(
    method: &Method,
    url: &Uri,
    headers: &mut HeaderMap,
    body_hash: String,
    held: &Held,
    scope: Scope<'_>,
    keys: &Keys,
) -> Result<(), SignError> {
    // The signature's own code takes a host for granted.
    if url.host().is_none_or(str::is_empty) {
        return Err(SignError::Signature("the URL has no host".to_owned()));
    }
    for name in MADE {
        headers.remove(name);
    }
    if keys.sign(method, url, headers, &body_hash, held, scope) {
        return Ok(());
    }
    sign_any(method, url, headers, body_hash, held, scope)
}

/// The same for any request.
fn sign_any(
    method: &Method,
    url: &Uri,
    headers: &mut HeaderMap,
    body_hash: String,
    held: &Held,
    scope: Scope<'_>,
) -> Result<(), SignError> {
    let signed = signed_headers(headers)?;
    let failed = |error: &dyn std::fmt::Display| SignError::Signature(error.to_string());
    let body = SignableBody::Precomputed(body_hash);
    let request = SignableRequest::new(method.as_str(), url.to_string(), signed.into_iter(), body);
    let request = request.map_err(|error| failed(&error))?;
    let params = v4::SigningParams::builder()
        .identity(&held.identity)
        .region(scope.region)
        .name(scope.service)
        .time(scope.time)
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| failed(&error))?;
    let params = params.into();
    let output = sign_request(request, &params).map_err(|error| failed(&error))?;
    let (made, _) = output.into_parts().0.into_parts();
    for header in made {
        let mut value = HeaderValue::from_str(header.value()).map_err(|error| failed(&error))?;
        value.set_sensitive(header.sensitive() || header.name() == AUTHORIZATION.as_str());
        let name = HeaderName::try_from(header.name()).map_err(|error| failed(&error))?;
        headers.insert(name, value);
    }
    Ok(())
}

fn is_signed(name: &HeaderName) -> bool {
    name == CONTENT_TYPE || (name.as_str().starts_with("x-amz") && name.as_str() != TRACE_ID)
}

fn signed_headers(headers: &HeaderMap) -> Result<Vec<(&str, &str)>, SignError> {
    let mut signed = Vec::with_capacity(4);
    for (name, value) in headers.iter().filter(|(name, _)| is_signed(name)) {
        let value = value.to_str().map_err(|_| SignError::Header(name.clone()))?;
        signed.push((name.as_str(), value));
    }
    Ok(signed)
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
