//! Region, endpoint and credentials, found together.

use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::region::Region;
use component::Environment;

use crate::connector::Http;
use crate::credentials::{self, Credentials, Role};
use crate::endpoint::{Endpoint, EndpointError, Variant};
use crate::region::{self, Order};

/// What a configuration says about a session.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The service as signatures and hosts name it: `xray`.
    pub service: String,
    /// The region; empty is found in `order`.
    pub region: String,
    /// Where the region is looked for.
    pub order: Order,
    /// The service's URL; empty is the environment's, or the region's usual one.
    pub endpoint: String,
    /// No metadata service of the instance is asked for anything.
    pub local_mode: bool,
    /// A role to assume.
    pub role: Option<Role>,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No region in the configuration, nor anywhere else.
    #[error("cannot fetch region variable from config file, environment variables and ec2 metadata")]
    NoRegion,
    /// A region that can't be one.
    #[error("{0}")]
    Region(String),
    /// An endpoint that is none.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}

/// Who sends requests for which service to where. Clones share credentials.
#[derive(Clone, Debug)]
pub struct Session {
    /// The service as signatures name it.
    pub service: String,
    /// The region.
    pub region: String,
    /// Where requests go.
    pub endpoint: Endpoint,
    /// Who signs them.
    pub credentials: Credentials,
    provider: ProviderConfig,
}

impl Session {
    /// Finds region and endpoint; credentials only when a request needs them. Reads the profile's files, and asks the
    /// instance's metadata service if there is no other way and `local_mode` allows it.
    ///
    /// # Errors
    /// If there is no region, or the endpoint is none.
    pub async fn open(settings: &Settings, environment: &Environment) -> Result<Self, SessionError> {
        let proxies = net::proxy::Environment::from_variables(|name| environment.get(name));
        let http = Http::new(proxies);
        let provider = provider(http.clone());
        let region = match settings.region.as_str() {
            "" => {
                let found = region::find(settings.order, settings.local_mode, environment, &provider).await;
                let (region, origin) = found.ok_or(SessionError::NoRegion)?;
                tracing::info!(region, origin, "region found");
                region
            }
            region => region.to_owned(),
        };
        region::check(&region).map_err(SessionError::Region)?;
        let provider = provider.with_region(Some(Region::new(region.clone())));
        let base = credentials::chain(environment, &provider, settings.local_mode);
        let base = SharedCredentialsProvider::new(base);
        let sdk = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .region(Region::new(region.clone()))
            .credentials_provider(base.clone())
            .load()
            .await;
        let variant = variant(environment, &sdk);
        let provider =
            provider.with_use_fips(Some(variant.fips)).with_use_dual_stack(Some(variant.dual_stack));
        let endpoint = match endpoint(settings, environment, &sdk) {
            Some(url) => Endpoint::parse(&url)?,
            None => Endpoint::of(&settings.service, &region, variant),
        };
        let credentials = match &settings.role {
            Some(role) => credentials::assume(role, &region, base, &sdk, &provider).await,
            None => Credentials::new(base),
        };
        Ok(Self { service: settings.service.clone(), region, endpoint, credentials, provider })
    }

    /// A session of known parts.
    #[must_use]
    pub fn fixed(service: &str, region: &str, endpoint: Endpoint, credentials: Credentials) -> Self {
        let (service, region) = (service.to_owned(), region.to_owned());
        let provider = provider(Http::new(net::proxy::Environment::default()));
        Self { service, region, endpoint, credentials, provider }
    }

    pub(crate) const fn provider(&self) -> &ProviderConfig {
        &self.provider
    }
}

/// What the SDK's providers share. Without an HTTP client they would panic.
pub(crate) fn provider(http: Http) -> ProviderConfig {
    ProviderConfig::without_region()
        .with_http_client(http)
        .with_behavior_version(Some(BehaviorVersion::latest()))
}

/// The key wins, which the Collector does otherwise; then the service's variable, then the common one.
fn endpoint(settings: &Settings, environment: &Environment, sdk: &SdkConfig) -> Option<String> {
    let mut of_service = String::from("AWS_ENDPOINT_URL_");
    of_service.extend(settings.service.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_uppercase() }));
    let is_told = |url: &&str| !url.is_empty();
    let ignored = environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") == Some("true");
    let configured = Some(settings.endpoint.as_str()).filter(is_told);
    let variable = |name: &str| environment.get(name).filter(|url| !ignored && is_told(url));
    let found = configured.or_else(|| variable(&of_service)).or_else(|| variable("AWS_ENDPOINT_URL"));
    found.or_else(|| sdk.endpoint_url()).map(str::to_owned)
}

fn variant(environment: &Environment, sdk: &SdkConfig) -> Variant {
    let flag = |name: &str| environment.get(name).map(|value| value.eq_ignore_ascii_case("true"));
    Variant {
        fips: flag("AWS_USE_FIPS_ENDPOINT").or(sdk.use_fips()).unwrap_or_default(),
        dual_stack: flag("AWS_USE_DUALSTACK_ENDPOINT").or(sdk.use_dual_stack()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(region: &str, endpoint: &str) -> Settings {
        Settings {
            service: "xray".to_owned(),
            region: region.to_owned(),
            order: Order::Proxy,
            endpoint: endpoint.to_owned(),
            local_mode: true,
            role: None,
        }
    }

    async fn opened(settings: Settings, variables: &[(&str, &str)]) -> Result<Session, SessionError> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Session::open(&settings, &Environment::new(variables)).await
    }

    #[tokio::test]
    async fn the_key_goes_before_the_environment() {
        let check = async |endpoint: &str, variables: &[(&str, &str)], expected: &str| {
            let session = opened(settings("eu-west-1", endpoint), variables).await.unwrap();
            assert_eq!(session.endpoint.to_string(), expected, "{endpoint} {variables:?}");
        };
        let common = ("AWS_ENDPOINT_URL", "http://common:1");
        let own = ("AWS_ENDPOINT_URL_XRAY", "http://own:2");
        check("", &[], "https://xray.eu-west-1.amazonaws.com").await;
        check("", &[common], "http://common:1").await;
        check("", &[common, own], "http://own:2").await;
        check("http://key:3/base", &[common, own], "http://key:3/base").await;
        let ignored = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
        check("", &[own, ignored], "https://xray.eu-west-1.amazonaws.com").await;
        let (fips, dual) = (("AWS_USE_FIPS_ENDPOINT", "true"), ("AWS_USE_DUALSTACK_ENDPOINT", "true"));
        check("", &[fips, dual], "https://xray-fips.eu-west-1.api.aws").await;
    }

    #[tokio::test]
    async fn what_is_missing_or_wrong_is_said() {
        let none = opened(settings("", ""), &[]).await.unwrap_err();
        assert!(none.to_string().contains("cannot fetch region"), "{none}");
        let wrong = opened(settings("", ""), &[("AWS_REGION", "evil.com/")]).await.unwrap_err();
        assert!(wrong.to_string().contains("invalid region"), "{wrong}");
        let wrong = opened(settings("eu-west-1", "localhost:1"), &[]).await.unwrap_err();
        assert!(wrong.to_string().contains("is no endpoint"), "{wrong}");
    }
}
