//! Settings: the Collector's keys and defaults, those of our other exporters, and a few of our own.

use std::time::Duration;

use aws::region::Order;
use component::Environment;
use config::{Checks, ComponentId, Fields, Section};
use xray::from_span::Options;

use crate::dead_letter;

/// What a fork knows and nobody else.
const FORK: &str = "only AWS's fork of the Collector has it (the CloudWatch agent)";

/// Settings of the exporter.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where segments go and who signs.
    pub region: String,
    /// The API's URL; empty is the region's.
    pub endpoint: String,
    /// Calls at once. Below 1 is the default.
    pub num_workers: i64,
    /// For one call, in seconds; 0 is no limit.
    pub request_timeout_seconds: u64,
    /// The same under the name that our other exporters have; it wins.
    pub timeout: Option<Duration>,
    /// Attempts for one call before the batch waits as `retry_on_failure` says; 0 is 3.
    pub max_retries: u32,
    /// Take any certificate.
    pub no_verify_ssl: bool,
    /// Proxy of the API's calls.
    pub proxy_address: String,
    /// Never ask the instance for anything.
    pub local_mode: bool,
    /// Of telemetry records.
    pub resource_arn: String,
    /// A role to assume.
    pub role_arn: String,
    /// For that.
    pub external_id: String,
    /// Region of STS.
    pub sts_region: String,
    /// What the role's owner sees in logs.
    pub role_session_name: String,
    /// Attributes that become annotations.
    pub indexed_attributes: Vec<String>,
    /// All do.
    pub index_all_attributes: bool,
    /// Log groups of resources that name none.
    pub aws_log_groups: Vec<String>,
    /// Telemetry records.
    pub telemetry: Telemetry,
    /// The most bytes of a call's body.
    pub max_request_bytes: usize,
    /// X-Ray's own fields come back from `aws.xray.*`.
    pub preserve_xray_fields: bool,
    /// What of the translation is a matter of choice.
    pub translation: Translation,
    /// What X-Ray refused.
    pub dead_letter: dead_letter::Config,
    /// Queue and retry.
    pub delivery: delivery::QueueAndRetry,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: String::new(),
            endpoint: String::new(),
            num_workers: 8,
            request_timeout_seconds: 30,
            timeout: None,
            max_retries: 2,
            no_verify_ssl: false,
            proxy_address: String::new(),
            local_mode: false,
            resource_arn: String::new(),
            role_arn: String::new(),
            external_id: String::new(),
            sts_region: String::new(),
            role_session_name: String::new(),
            indexed_attributes: Vec::new(),
            index_all_attributes: false,
            aws_log_groups: Vec::new(),
            telemetry: Telemetry::default(),
            max_request_bytes: 3 << 20,
            preserve_xray_fields: false,
            translation: Translation::default(),
            dead_letter: dead_letter::Config::default(),
            delivery: delivery::QueueAndRetry::default(),
        }
    }
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        connection(fields);
        fields.field("indexed_attributes", "Attributes that become annotations.", |c| {
            &mut c.indexed_attributes
        });
        fields.field("index_all_attributes", "Every simple attribute becomes an annotation.", |c| {
            &mut c.index_all_attributes
        });
        fields.field("aws_log_groups", "Log groups of resources that name none.", |c| &mut c.aws_log_groups);
        fields.field("telemetry", "Records for X-Ray of what was received and sent.", |c| &mut c.telemetry);
        fields
            .field("max_request_bytes", "Bytes of one call's body, at most. Ours.", |c| {
                &mut c.max_request_bytes
            })
            .range(64 << 10..=64 << 20);
        fields.field(
            "preserve_xray_fields",
            "Put back what the receiver kept of X-Ray's own fields in `aws.xray.*`. Ours.",
            |c| &mut c.preserve_xray_fields,
        );
        fields.field("translation", "What of the translation is a matter of choice. Ours.", |c| {
            &mut c.translation
        });
        fields.field(
            "dead_letter",
            "Keeps documents that X-Ray refuses for good, or does not take in time, for `replay`. Ours.",
            |c| &mut c.dead_letter,
        );
        fields.flatten(|c| &mut c.delivery);
        fork(fields);
    }

    fn check(&self, checks: &mut Checks) {
        for (key, region) in [("region", &self.region), ("sts_region", &self.sts_region)] {
            if !region.is_empty()
                && let Err(error) = aws::region::check(region)
            {
                checks.at(key, error);
            }
        }
        if !self.endpoint.is_empty()
            && let Err(error) = aws::endpoint::Endpoint::parse(&self.endpoint)
        {
            checks.at("endpoint", error.to_string());
        }
        if let Err(error) = net::proxy::Proxies::new(&self.proxy_address, &net::proxy::Environment::default())
        {
            checks.at("proxy_address", error.to_string());
        }
        for id in &self.telemetry.contributors {
            // They are receivers; as a setting of its own an id names an extension.
            if let Err(error) = id.parse::<ComponentId>() {
                checks.at("telemetry.contributors", format!("{id:?}: {error}"));
            }
        }
        if self.role_arn.is_empty() {
            let of_a_role = [
                ("external_id", &self.external_id),
                ("sts_region", &self.sts_region),
                ("role_session_name", &self.role_session_name),
            ];
            for (key, value) in of_a_role {
                if !value.is_empty() {
                    checks.warn(key, format!("`{key}` has no effect without `role_arn`"));
                }
            }
        }
    }
}

/// Where calls go and how they are made.
fn connection(fields: &mut Fields<Config>) {
    fields.field("region", "AWS region; otherwise of the environment, the profile or the instance.", |c| {
        &mut c.region
    });
    fields.field("endpoint", "URL of the API; otherwise of the environment or the region.", |c| {
        &mut c.endpoint
    });
    fields.field("num_workers", "Calls at once.", |c| &mut c.num_workers);
    fields
        .field("request_timeout_seconds", "For one call; 0 is no limit.", |c| &mut c.request_timeout_seconds);
    fields.field("timeout", "The same as a duration; it wins. Ours.", |c| &mut c.timeout);
    fields.field(
        "max_retries",
        "Attempts for one call before its batch waits as `retry_on_failure` says; 0 is 3.",
        |c| &mut c.max_retries,
    );
    fields.field("no_verify_ssl", "Take any certificate of the API.", |c| &mut c.no_verify_ssl);
    fields.field("proxy_address", "Proxy for the API's calls; the environment decides when empty.", |c| {
        &mut c.proxy_address
    });
    fields.field("local_mode", "Never ask the instance for region, credentials or its name.", |c| {
        &mut c.local_mode
    });
    fields.field("resource_arn", "ARN in telemetry records.", |c| &mut c.resource_arn);
    fields.field("role_arn", "A role to assume.", |c| &mut c.role_arn);
    fields.field("external_id", "External id for that.", |c| &mut c.external_id);
    fields.field("sts_region", "Region of STS; otherwise `region`. Ours.", |c| &mut c.sts_region);
    fields.field(
        "role_session_name",
        "What the role's owner sees in logs; otherwise `collimator`. Ours.",
        |c| &mut c.role_session_name,
    );
}

/// Keys that only AWS's fork has: named, so that nobody thinks they were misspelt.
fn fork(fields: &mut Fields<Config>) {
    for (name, doc) in [
        ("transit_spans_in_otlp_format", "Spans as OTLP inside of documents."),
        ("middleware", "Extension that sees requests."),
        ("profile", "Profile of the shared credentials; set AWS_PROFILE."),
        ("shared_credentials_file", "Files of credentials; set AWS_SHARED_CREDENTIALS_FILE."),
        ("certificate_file_path", "Authorities of the API; set SSL_CERT_FILE."),
        ("imds_retries", "Attempts for the instance's metadata."),
    ] {
        fields.unsupported(name, doc, FORK);
    }
}

/// `telemetry:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// Whether records are sent.
    pub enabled: bool,
    /// Whether they say where they come from.
    pub include_metadata: bool,
    /// Receivers whose counts are in the records, beside the one of the exporter's own id.
    pub contributors: Vec<String>,
    /// Name of the host.
    pub hostname: String,
    /// Id of the instance.
    pub instance_id: String,
    /// ARN of the resource.
    pub resource_arn: String,
}

impl Section for Telemetry {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("enabled", "Whether records are sent, one a minute.", |t| &mut t.enabled);
        fields
            .field("include_metadata", "Whether they say where they come from.", |t| &mut t.include_metadata);
        fields.field(
            "contributors",
            "Receivers whose counts are in the records, beside that of the same id.",
            |t| &mut t.contributors,
        );
        fields.field("hostname", "Host; otherwise AWS_HOSTNAME, or the instance's.", |t| &mut t.hostname);
        fields.field("instance_id", "Instance; otherwise AWS_INSTANCE_ID, or the instance's.", |t| {
            &mut t.instance_id
        });
        fields.field("resource_arn", "ARN; otherwise the exporter's.", |t| &mut t.resource_arn);
    }
}

/// `translation:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// See [`Options::stable_database_conventions`].
    pub stable_database_conventions: bool,
    /// See [`Options::stable_names`].
    pub stable_names: bool,
    /// See [`Options::consumers_named_by_service`].
    pub consumers_named_by_service: bool,
    /// See [`Options::keep_network_attributes`].
    pub keep_network_attributes: bool,
    /// See [`Options::body_size_as_content_length`].
    pub body_size_as_content_length: bool,
    /// See [`Options::keep_events`].
    pub keep_events: bool,
    /// See [`Options::complete_stack_traces`].
    pub complete_stack_traces: bool,
}

impl Default for Translation {
    fn default() -> Self {
        let options = Options::default();
        Self {
            stable_database_conventions: options.stable_database_conventions,
            stable_names: options.stable_names,
            consumers_named_by_service: options.consumers_named_by_service,
            keep_network_attributes: options.keep_network_attributes,
            body_size_as_content_length: options.body_size_as_content_length,
            keep_events: options.keep_events,
            complete_stack_traces: options.complete_stack_traces,
        }
    }
}

impl Section for Translation {
    fn describe(fields: &mut Fields<Self>) {
        fields.field(
            "stable_database_conventions",
            "Read `db.system.name`, `db.namespace` and `db.query.text` too.",
            |t| &mut t.stable_database_conventions,
        );
        fields.field(
            "stable_names",
            "Name a segment that nothing else names after `server.address` or `db.namespace`.",
            |t| &mut t.stable_names,
        );
        fields.field("consumers_named_by_service", "Name CONSUMER segments after their service.", |t| {
            &mut t.consumers_named_by_service
        });
        fields.field(
            "keep_network_attributes",
            "Put attributes of the network into the metadata of spans without HTTP.",
            |t| &mut t.keep_network_attributes,
        );
        fields.field(
            "body_size_as_content_length",
            "Read `content_length` from `http.response.body.size` too.",
            |t| &mut t.body_size_as_content_length,
        );
        fields.field("keep_events", "Put events that are no exceptions into the metadata.", |t| {
            &mut t.keep_events
        });
        fields.field(
            "complete_stack_traces",
            "Read Python's direct causes, and .NET's paths without a line.",
            |t| &mut t.complete_stack_traces,
        );
    }
}

impl Config {
    /// Calls at once.
    pub(crate) fn workers(&self) -> usize {
        usize::try_from(self.num_workers).ok().filter(|workers| *workers > 0).unwrap_or(8).min(1_000)
    }

    /// For one call; zero is no limit.
    pub(crate) fn call_timeout(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(self.request_timeout_seconds))
    }

    /// Attempts for one call.
    pub(crate) fn attempts(&self) -> u32 {
        if self.max_retries == 0 { 3 } else { self.max_retries }
    }

    /// What the session is opened with.
    pub(crate) fn session(&self) -> aws::SessionSettings {
        let role = (!self.role_arn.is_empty()).then(|| aws::Role {
            arn: self.role_arn.clone(),
            external_id: self.external_id.clone(),
            session_name: self.role_session_name.clone(),
            sts_region: self.sts_region.clone(),
            web_identity_token_file: None,
        });
        aws::SessionSettings {
            service: "xray".to_owned(),
            region: self.region.clone(),
            order: Order::Sdk,
            endpoint: self.endpoint.clone(),
            local_mode: self.local_mode,
            role,
        }
    }

    /// What the client is made with.
    pub(crate) fn client(&self, environment: &Environment, product: &str) -> aws::ClientSettings {
        // The names behind the product are those that AWS counts exporters by.
        let version = env!("CARGO_PKG_VERSION");
        let platform = aws::platform(environment);
        aws::ClientSettings {
            timeout: self.call_timeout(),
            proxy_address: self.proxy_address.clone(),
            no_verify_ssl: self.no_verify_ssl,
            max_idle_conns: self.workers(),
            user_agent: format!("{product} xray-otel-exporter/{version} {platform}"),
            ..aws::ClientSettings::default()
        }
    }

    /// What spans are translated with. The two gates are the process's.
    pub(crate) fn options(&self, allow_dot: bool, skip_timestamp_validation: bool) -> Options {
        Options {
            indexed_attributes: self.indexed_attributes.clone(),
            index_all_attributes: self.index_all_attributes,
            log_groups: self.aws_log_groups.clone(),
            allow_dot,
            skip_timestamp_validation,
            preserve_xray_fields: self.preserve_xray_fields,
            stable_database_conventions: self.translation.stable_database_conventions,
            stable_names: self.translation.stable_names,
            consumers_named_by_service: self.translation.consumers_named_by_service,
            keep_network_attributes: self.translation.keep_network_attributes,
            body_size_as_content_length: self.translation.body_size_as_content_length,
            keep_events: self.translation.keep_events,
            complete_stack_traces: self.translation.complete_stack_traces,
            ..Options::default()
        }
    }
}
