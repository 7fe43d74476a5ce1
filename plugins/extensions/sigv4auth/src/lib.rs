//! `sigv4auth`: signs the HTTP requests of exporters for AWS.

use std::path::PathBuf;
use std::sync::Arc;

use aws::region::{self, Order};
use aws::{Role, Session, SessionSettings, Signer};
use component::{
    BuildCx, BuildError, Component, Ended, Environment, Extension, Kind, RunCx, Spec, Stability, Stage,
};
use config::{Checks, Fields, Section};
use net::http::client::Authorizer;

/// The component type.
pub const SPEC: Spec =
    Spec::new::<Sigv4Auth>(Kind::Extension, "sigv4auth", "Signs exporters' HTTP requests for AWS")
        .stability(Stability::Beta);

/// Where the token service is asked when nothing says where.
const GLOBAL_REGION: &str = "us-east-1";

/// Settings; the Collector's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The region; empty is told by the host of each request.
    pub region: String,
    /// The service's name in signatures; empty is told by the host of each request.
    pub service: String,
    /// A role to assume.
    pub assume_role: AssumeRole,
}

/// `assume_role:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssumeRole {
    /// Its ARN; empty is no role.
    pub arn: String,
    /// What its owner sees in logs.
    pub session_name: String,
    /// Where the token service is asked.
    pub sts_region: String,
    /// A file with a web identity token.
    pub web_identity_token_file: String,
    /// The id that its owner asks for.
    pub external_id: String,
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("region", "AWS region; empty is told by the host of each request.", |c| &mut c.region);
        fields.field("service", "The service's name in signatures; empty is told by the host.", |c| {
            &mut c.service
        });
        fields.field("assume_role", "A role to assume.", |c| &mut c.assume_role);
    }

    fn check(&self, checks: &mut Checks) {
        for (key, text) in
            [("region", &self.region), ("assume_role.sts_region", &self.assume_role.sts_region)]
        {
            if !text.is_empty()
                && let Err(error) = region::check(text)
            {
                checks.at(key, error);
            }
        }
        let role = &self.assume_role;
        if role.arn.is_empty() && !role.web_identity_token_file.is_empty() {
            checks.at("assume_role", "must specify ARN when web_identity_token_file is specified");
        }
    }
}

impl Section for AssumeRole {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("arn", "ARN of the role; empty is none.", |r| &mut r.arn);
        fields.field("session_name", "What the role's owner sees in logs.", |r| &mut r.session_name);
        fields.field("sts_region", "Region of the token service; empty is `region`.", |r| &mut r.sts_region);
        fields.field("web_identity_token_file", "File of a token that proves who asks.", |r| {
            &mut r.web_identity_token_file
        });
        fields.field("external_id", "The id that the role's owner asks for.", |r| &mut r.external_id);
    }
}

impl Config {
    fn session(&self, environment: &Environment) -> SessionSettings {
        let role = &self.assume_role;
        let is_told = |text: &&str| !text.is_empty();
        let named = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().filter_map(|name| environment.get(name));
        let region = [self.region.as_str(), role.sts_region.as_str()].into_iter().chain(named).find(is_told);
        SessionSettings {
            service: self.service.clone(),
            region: region.unwrap_or(GLOBAL_REGION).to_owned(),
            order: Order::Sdk,
            endpoint: String::new(),
            local_mode: false,
            role: (!role.arn.is_empty()).then(|| Role {
                arn: role.arn.clone(),
                external_id: role.external_id.clone(),
                session_name: role.session_name.clone(),
                sts_region: role.sts_region.clone(),
                web_identity_token_file: Some(&role.web_identity_token_file)
                    .filter(|file| !file.is_empty())
                    .map(PathBuf::from),
            }),
        }
    }
}

/// The extension.
pub struct Sigv4Auth {
    config: Config,
    environment: Environment,
}

impl Component for Sigv4Auth {
    type Config = Config;

    fn build(config: &Config, cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::extension(Self { config: config.clone(), environment: cx.environment.clone() }))
    }
}

impl Extension for Sigv4Auth {
    async fn run(self, cx: RunCx) -> Ended {
        let session = Session::open(&self.config.session(&self.environment), &self.environment).await?;
        let Config { region, service, .. } = self.config;
        let signer: Authorizer = Arc::new(Signer::new(session, region, service, Arc::clone(&cx.clock)));
        cx.process.capabilities().offer(&cx.node.id, signer);
        cx.ready();
        cx.draining.cancelled().await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
