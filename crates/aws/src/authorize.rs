//! Signatures for requests of other components.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use data::Clock;
use futures::future::BoxFuture;
use http::Uri;
use net::http::client::{Authorize, AuthorizeError, Outgoing, Proof};

use crate::Session;
use crate::sign::{Keys, Scope, body_hash, sign};

/// Signs requests to any service. What is not said of region and service is told by the host of each request.
pub struct Signer {
    session: Session,
    region: String,
    service: String,
    clock: Arc<dyn Clock>,
    keys: Keys,
}

impl Signer {
    /// Signs for who is in the session, whose region and service are not used. An empty region or service is that of the
    /// host.
    #[must_use]
    pub fn new(session: Session, region: String, service: String, clock: Arc<dyn Clock>) -> Self {
        Self { session, region, service, clock, keys: Keys::default() }
    }

    fn now(&self) -> std::time::SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.clock.now().wall)
    }
}

impl Authorize for Signer {
    fn authorize<'a>(&'a self, request: Outgoing<'a>) -> BoxFuture<'a, Result<Proof, AuthorizeError>> {
        Box::pin(async move {
            let (service, region) = scope(request.url, &self.service, &self.region)?;
            let time = self.now();
            let failed = |error: &dyn std::fmt::Display| AuthorizeError(error.to_string());
            let held = self.session.credentials.get(time).await.map_err(|error| failed(&error))?;
            let scope = Scope { region: &region, service: &service, time };
            let hash = body_hash(request.body);
            sign(request.method, request.url, request.headers, hash, &held, scope, &self.keys)
                .map_err(|error| failed(&error))?;
            Ok(Proof(held.fetch))
        })
    }

    fn refused(&self, proof: Proof) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.session.credentials.forget(proof.0, self.now()).await;
        })
    }
}

/// Service and region of a request, as the Collector tells them from hosts such as `xray.eu-west-1.amazonaws.com`.
fn scope(url: &Uri, service: &str, region: &str) -> Result<(String, String), AuthorizeError> {
    let host = url.host().unwrap_or_default();
    let (first, rest) = host.split_once('.').unwrap_or((host, ""));
    let of_host = [
        ("aps-workspaces", "aps"),
        ("search-", "es"),
        ("logs", first),
        ("xray", first),
        ("monitoring", first),
    ];
    let told = of_host.into_iter().find(|(prefix, _)| host.starts_with(prefix)).map(|(_, service)| service);
    let in_host = told.and_then(|_| rest.split_once('.')).map(|(region, _)| region);
    let or = |said: &str, told: Option<&str>| match said {
        "" => told.unwrap_or_default().to_owned(),
        said => said.to_owned(),
    };
    let (service, region) = (or(service, told), or(region, in_host));
    if service.is_empty() || region.is_empty() {
        let message = "unable to infer region and/or service from the URL: set `region` and `service`";
        return Err(AuthorizeError(format!("{message} (host {host:?})")));
    }
    Ok((service, region))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use data::SystemClock;
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;
    use crate::Credentials;
    use crate::endpoint::Endpoint;

    #[test]
    fn hosts_tell_service_and_region() {
        let check = |host: &str, service: &str, region: &str, expected: Option<(&str, &str)>| {
            let url = format!("https://{host}/v1/traces").parse().unwrap();
            let found = scope(&url, service, region).ok();
            let expected = expected.map(|(service, region)| (service.to_owned(), region.to_owned()));
            assert_eq!(found, expected, "{host}");
        };
        check("xray.eu-west-1.amazonaws.com", "", "", Some(("xray", "eu-west-1")));
        check("logs.us-east-2.amazonaws.com", "", "", Some(("logs", "us-east-2")));
        check("monitoring.eu-north-1.amazonaws.com", "", "", Some(("monitoring", "eu-north-1")));
        check("aps-workspaces.us-east-1.amazonaws.com", "", "", Some(("aps", "us-east-1")));
        check("search-my-domain.us-west-2.es.amazonaws.com", "", "", Some(("es", "us-west-2")));
        check("xray.eu-west-1.amazonaws.com", "other", "us-east-1", Some(("other", "us-east-1")));
        check("localhost:4318", "xray", "eu-west-1", Some(("xray", "eu-west-1")));
        check("localhost:4318", "xray", "", None);
        check("localhost:4318", "", "eu-west-1", None);
        check("xray", "", "", None);
    }

    #[tokio::test]
    async fn a_request_is_signed_for_its_host() {
        let endpoint = Endpoint::parse("http://unused").unwrap();
        let session = Session::fixed("", "", endpoint, Credentials::fixed("key1", "secret", Some("token")));
        let clock = Arc::new(SystemClock::new());
        let signer = Signer::new(session, String::new(), String::new(), clock);
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/x-protobuf"));
        headers.insert("content-encoding", HeaderValue::from_static("gzip"));
        let url: Uri = "https://xray.eu-west-1.amazonaws.com/v1/traces".parse().unwrap();
        let body = [Bytes::from_static(b"abc")];
        let outgoing = Outgoing { method: &Method::POST, url: &url, headers: &mut headers, body: &body };
        assert_eq!(signer.authorize(outgoing).await.unwrap(), Proof(1), "those of the first fetch");
        let authorization = headers["authorization"].to_str().unwrap();
        assert!(authorization.contains("/eu-west-1/xray/aws4_request"), "{authorization}");
        assert!(
            authorization.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token"),
            "{authorization}"
        );
        let url: Uri = "http://localhost/".parse().unwrap();
        let outgoing = Outgoing { method: &Method::POST, url: &url, headers: &mut headers, body: &body };
        let error = signer.authorize(outgoing).await.unwrap_err();
        assert!(error.to_string().contains("unable to infer region"), "{error}");
    }
}
