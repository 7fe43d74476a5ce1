//! The AWS SDK's requests over our HTTP client.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use net::http::client::{Client, SendError, Settings};
use net::proxy::Environment;

use crate::client::{HTTP2_PING, HTTP2_SILENCE};

/// For a request of which the SDK does not say how long it may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Credentials, documents of the metadata services: all small.
const MAX_ANSWER: usize = 1 << 20;

/// Addresses that no proxy stands before: the metadata services of EC2, ECS and EKS.
const LINK_LOCAL: &str = "169.254.0.0/16,fd00:ec2::/32";

/// Our client as the SDK wants it. Made when it is first used: most processes have their credentials in the environment.
#[derive(Clone)]
pub(crate) struct Http {
    proxies: Environment,
    client: Arc<OnceLock<Result<Client, String>>>,
}

impl Http {
    pub(crate) fn new(mut proxies: Environment) -> Self {
        let without = if proxies.no_proxy.is_empty() { "" } else { "," };
        proxies.no_proxy = format!("{}{without}{LINK_LOCAL}", proxies.no_proxy);
        Self { proxies, client: Arc::default() }
    }

    fn client(&self) -> Result<&Client, ConnectorError> {
        let settings = || Settings {
            max_response_body_size: MAX_ANSWER,
            max_idle_conns: 4,
            http2_read_idle_timeout: HTTP2_SILENCE,
            http2_ping_timeout: HTTP2_PING,
            ..Settings::default()
        };
        let made = self
            .client
            .get_or_init(|| Client::new(settings(), &self.proxies).map_err(|error| error.to_string()));
        made.as_ref().map_err(|error| ConnectorError::user(error.clone().into()))
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

impl HttpClient for Http {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let limit = limit(settings.connect_timeout(), settings.read_timeout());
        SharedHttpConnector::new(Connector { http: self.clone(), limit })
    }
}

/// For a whole request. The metadata services have short limits for both parts; STS and SSO only one for connecting, which
/// says nothing about how long an answer may take.
fn limit(connect: Option<Duration>, read: Option<Duration>) -> Duration {
    read.map_or(TIMEOUT, |read| read.saturating_add(connect.unwrap_or(read)))
}

#[derive(Clone, Debug)]
struct Connector {
    http: Http,
    limit: Duration,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move { this.send(request).await })
    }
}

impl Connector {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        let (head, body) = request.into_parts();
        let body = body.bytes().map(Bytes::copy_from_slice);
        let body = [body.ok_or_else(|| ConnectorError::user("the body is a stream".into()))?];
        let sending = self.http.client()?.request(head.method, &head.uri, &head.headers, &body);
        let answer = tokio::time::timeout(self.limit, sending).await.unwrap_or(Err(SendError::Timeout));
        let answer = answer.map_err(|error| match error {
            SendError::Timeout => ConnectorError::timeout(error.into()),
            error => ConnectorError::io(error.into()),
        })?;
        let mut response = http::Response::new(SdkBody::from(answer.body));
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_for_connecting_is_none_for_the_answer() {
        let seconds = |seconds: f64| Some(Duration::from_secs_f64(seconds));
        assert_eq!(limit(seconds(1.0), seconds(1.0)), Duration::from_secs(2), "the metadata services");
        assert_eq!(limit(seconds(3.1), None), TIMEOUT, "STS");
        assert_eq!((limit(None, None), limit(None, seconds(2.0))), (TIMEOUT, Duration::from_secs(4)));
    }

    #[test]
    fn no_proxy_stands_before_the_metadata_services() {
        let proxies = Environment {
            http_proxy: "http://proxy:1".to_owned(),
            https_proxy: "http://proxy:1".to_owned(),
            no_proxy: "internal".to_owned(),
        };
        let proxies = net::proxy::Proxies::new("", &Http::new(proxies).proxies).unwrap();
        for direct in ["169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "internal"] {
            assert!(proxies.for_target(false, direct, 80).is_none(), "{direct}");
        }
        assert!(proxies.for_target(true, "sts.eu-west-1.amazonaws.com", 443).is_some());
    }
}
