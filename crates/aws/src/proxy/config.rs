//! The proxy's keys: `proxy_server` of the receiver, and the extension's own.

use config::{Checks, Choice, Fields, Section};
use net::tls;

use crate::endpoint::Endpoint;
use crate::region;

/// What is signed and forwarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forward {
    /// Everything, unless there are rules; with them nothing but sampling calls, which are answered here.
    #[default]
    Auto,
    /// Whatever is asked.
    All,
    /// The three sampling calls.
    Sampling,
}

impl Choice for Forward {
    const SPELLINGS: &'static [(&'static str, Self)] =
        &[("", Self::Auto), ("all", Self::All), ("sampling", Self::Sampling)];
}

config::setting_by_choice!(Forward);

/// TLS to AWS. `insecure` has another meaning here than elsewhere, which is the Collector's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls(pub tls::ClientSettings);

impl Section for Tls {
    fn describe(fields: &mut Fields<Self>) {
        fields.flatten(|c| &mut c.0);
        fields.without("insecure");
        fields.field(
            "insecure",
            "Accept any certificate of the service, like `insecure_skip_verify`.",
            |c| &mut c.0.insecure,
        );
    }
}

/// What the proxy is configured by. The Collector's keys and defaults, but for those marked as ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whether there is one. Only where [`Switchable`] reads it.
    pub enabled: bool,
    /// `host:port` to listen on.
    pub endpoint: String,
    /// A proxy on the way to AWS; empty leaves it to the environment.
    pub proxy_address: String,
    /// TLS to AWS.
    pub tls: Tls,
    /// The region; empty is found.
    pub region: String,
    /// A role to assume.
    pub role_arn: String,
    /// What its owner sees in logs. Ours.
    pub role_session_name: String,
    /// The service's URL, of which scheme and host are used; empty is the region's.
    pub aws_endpoint: String,
    /// Ask no metadata service.
    pub local_mode: bool,
    /// The service in hosts and signatures.
    pub service_name: String,
    /// A file with sampling rules to answer from. Ours.
    pub rules: String,
    /// What is signed and forwarded. Ours.
    pub forward: Forward,
}

impl Config {
    /// Whether only sampling calls are forwarded.
    pub(crate) fn is_only_sampling(&self) -> bool {
        match self.forward {
            Forward::Auto => !self.rules.is_empty(),
            Forward::All => false,
            Forward::Sampling => true,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            endpoint: "localhost:2000".to_owned(),
            proxy_address: String::new(),
            tls: Tls::default(),
            region: String::new(),
            role_arn: String::new(),
            role_session_name: String::new(),
            aws_endpoint: String::new(),
            local_mode: false,
            service_name: "xray".to_owned(),
            rules: String::new(),
            forward: Forward::Auto,
        }
    }
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("endpoint", "host:port to listen on.", |c| &mut c.endpoint);
        fields.not_honoured("dialer", "How long connecting may take.", "a server connects to nobody");
        fields.field(
            "proxy_address",
            "HTTP proxy on the way to AWS; empty leaves it to the environment.",
            |c| &mut c.proxy_address,
        );
        fields.field("tls", "TLS to AWS.", |c| &mut c.tls);
        fields.field("region", "AWS region; empty is found in the environment or the metadata.", |c| {
            &mut c.region
        });
        fields.field("role_arn", "Role to assume for signing.", |c| &mut c.role_arn);
        fields.field(
            "role_session_name",
            "What the role's owner sees in logs; otherwise `collimator`. Ours.",
            |c| &mut c.role_session_name,
        );
        fields.field("aws_endpoint", "URL of the service; its path is not used.", |c| &mut c.aws_endpoint);
        fields.field("local_mode", "Ask no metadata service of the instance.", |c| &mut c.local_mode);
        fields.field("service_name", "The service's name in hosts and signatures.", |c| &mut c.service_name);
        fields.field(
            "rules",
            "File of sampling rules to answer GetSamplingRules and GetSamplingTargets from. Ours.",
            |c| &mut c.rules,
        );
        fields.field(
            "forward",
            "What is signed and forwarded: `all`, or only the calls about `sampling`; if it is not given, all without `rules`. Ours.",
            |c| &mut c.forward,
        );
    }

    fn check(&self, checks: &mut Checks) {
        if !self.enabled {
            return;
        }
        checks.listens("endpoint", "tcp", self.endpoint.as_str());
        match self.endpoint.rsplit_once(':') {
            None => {
                checks.when_built("endpoint", format!("address {}: missing port in address", self.endpoint));
            }
            Some((_, port)) if port.parse::<u16>().is_err() => {
                checks
                    .when_built("endpoint", format!("invalid port {port:?}: a number up to 65535 is needed"));
            }
            Some(_) => {}
        }
        if !self.region.is_empty()
            && let Err(error) = region::check(&self.region)
        {
            checks.at("region", error);
        }
        if let Err(error) = region::check(&self.service_name) {
            checks.at("service_name", error.replace("region", "service name"));
        }
        if !self.aws_endpoint.is_empty()
            && let Err(error) = Endpoint::parse(&self.aws_endpoint)
        {
            checks.at("aws_endpoint", error.to_string());
        }
    }
}

/// The same with the key `enabled`: for a component that has the proxy beside something else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Switchable(pub Config);

impl Section for Switchable {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("enabled", "Whether the proxy runs. Ours.", |c| &mut c.0.enabled);
        fields.flatten(|c| &mut c.0);
    }
}
