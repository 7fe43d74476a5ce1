//! Whose requests these are: the AWS SDK's chain of providers, a role on top of it, and a cache.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_credential_types::provider::error::CredentialsError as SdkError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_types::region::Region;
use component::Environment;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};
use tokio::time::Instant;

/// How long before their end credentials are fetched anew, or a quarter of their life if that is less.
const EARLY: Duration = Duration::from_secs(300);

/// For one pass through the chain; a metadata service that is not there takes seconds to give up on.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

/// After a failure the same answer is given for so long, so that waiting requests do not each try again.
const FAILURE_HOLDS: Duration = Duration::from_secs(5);

/// The same while credentials are held that have not ended: after the first failure, and after further ones.
const EARLY_FAILURE_HOLDS: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(60)];

/// Credentials are taken to last so long at least, whatever their end says to a clock that is ahead: they are not fetched
/// for every request.
const LEAST_LIFE: Duration = Duration::from_secs(10);

/// Refused credentials are fetched anew no more often than this.
const FORCED_PAUSE: Duration = Duration::from_secs(10);

/// Sessions of assumed roles last as long as those of AWS's SDK for Go.
const ROLE_SESSION: Duration = Duration::from_secs(900);

/// A role to assume with the credentials that the chain finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// The id that its owner agreed on with whoever assumes it; empty for none.
    pub external_id: String,
    /// What its owner sees in logs; empty is `collimator`.
    pub session_name: String,
    /// Where the token service is asked; empty is the region of the requests.
    pub sts_region: String,
    /// A file with a web identity token that proves who asks, instead of credentials.
    pub web_identity_token_file: Option<PathBuf>,
}

/// Why there are no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no credentials: {0}")]
pub struct CredentialsError(Arc<str>);

/// Credentials that are fetched when first needed, and kept until shortly before they end. Clones share them.
///
/// One fetch is under way at a time, in a task of its own: whoever waited for it may give up. Nobody waits while there
/// are credentials that have not ended.
#[derive(Clone, Debug)]
pub struct Credentials {
    source: SharedCredentialsProvider,
    state: Arc<Mutex<State>>,
    /// Held by who fetches.
    turn: Arc<Turn<()>>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    failed: Option<Failed>,
    /// When they were last fetched because a service had refused them.
    forced: Option<SystemTime>,
    fetches: u64,
}

/// The last fetch, if it failed.
#[derive(Debug)]
struct Failed {
    /// When it was over.
    at: SystemTime,
    error: CredentialsError,
    /// How many have failed in a row.
    in_a_row: usize,
}

/// What there is for a request.
enum Found {
    /// Nothing to do.
    Fresh(Held),
    /// To be used, and renewed.
    Ending(Held),
    /// Nothing, and it is too soon to look again.
    Failed(CredentialsError),
    /// Nothing yet.
    Nothing,
}

/// Credentials in use.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) identity: Identity,
    refresh_at: Option<SystemTime>,
    expires: Option<SystemTime>,
    /// Which fetch they came from.
    pub(crate) fetch: u64,
}

impl Credentials {
    pub(crate) fn new(source: impl ProvideCredentials + 'static) -> Self {
        Self { source: SharedCredentialsProvider::new(source), state: Arc::default(), turn: Arc::default() }
    }

    /// Credentials that are known: for tests and for local services.
    #[must_use]
    pub fn fixed(key_id: &str, secret: &str, token: Option<&str>) -> Self {
        let token = token.map(str::to_owned);
        Self::new(aws_credential_types::Credentials::new(key_id, secret, token, None, "fixed"))
    }

    /// The credentials to use at `now`: at once if some are held that have not ended.
    pub(crate) async fn get(&self, now: SystemTime) -> Result<Held, CredentialsError> {
        if let Some(found) = self.look(now) {
            return found;
        }
        let turn = Arc::clone(&self.turn).lock_owned().await;
        // Somebody else may have fetched them, or tried to.
        match self.state().find(now) {
            Found::Fresh(held) | Found::Ending(held) => return Ok(held),
            Found::Failed(error) => return Err(error),
            Found::Nothing => {}
        }
        self.start(turn, now).await.ok();
        match self.state().find(now) {
            Found::Fresh(held) | Found::Ending(held) => Ok(held),
            Found::Failed(error) => Err(error),
            Found::Nothing => Err(CredentialsError("finding them failed".into())),
        }
    }

    /// What can be said without waiting; starts a fetch if one is due and none is under way.
    fn look(&self, now: SystemTime) -> Option<Result<Held, CredentialsError>> {
        let found = self.state().find(now);
        match found {
            Found::Fresh(held) => Some(Ok(held)),
            Found::Ending(held) => {
                if let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() {
                    self.start(turn, now);
                }
                Some(Ok(held))
            }
            Found::Failed(error) => Some(Err(error)),
            Found::Nothing => None,
        }
    }

    /// A service refused those of this fetch: fetches others, unless others are held by now or that was done a moment ago. Those
    /// that are held stay in use meanwhile, and if there are no others: one operation may be denied to good ones.
    /// Says whether [`get`](Self::get) may give others.
    pub(crate) async fn forget(&self, refused: u64, now: SystemTime) -> bool {
        let is_other = |state: &State| state.held.as_ref().is_none_or(|held| held.fetch != refused);
        {
            let mut state = self.state();
            if is_other(&state) {
                return true;
            }
            if state.forced.is_some_and(|at| is_within(now, at, FORCED_PAUSE)) {
                return false;
            }
            state.forced = Some(now);
        }
        let turn = Arc::clone(&self.turn).lock_owned().await;
        if is_other(&self.state()) {
            return true;
        }
        self.start(turn, now).await.ok();
        is_other(&self.state())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches in a task of its own, which has the turn until it is over.
    fn start(&self, turn: OwnedMutexGuard<()>, now: SystemTime) -> tokio::task::JoinHandle<()> {
        let this = self.clone();
        tokio::spawn(async move {
            let started = Instant::now();
            let found = this.fetch().await;
            let now = now.checked_add(started.elapsed()).unwrap_or(now);
            this.state().take(found, now);
            drop(turn);
        })
    }

    async fn fetch(&self) -> Result<aws_credential_types::Credentials, CredentialsError> {
        match tokio::time::timeout(FETCH_TIMEOUT, self.source.provide_credentials()).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(CredentialsError(DisplayErrorContext(&error).to_string().into())),
            Err(_) => Err(CredentialsError("finding them took too long".into())),
        }
    }
}

impl State {
    fn find(&self, now: SystemTime) -> Found {
        let usable = self.held.clone().filter(|held| held.expires.is_none_or(|end| now < end));
        let is_fresh = |held: &Held| held.refresh_at.is_none_or(|at| now < at);
        match (usable, &self.failed) {
            (Some(held), Some(failed)) if is_within(now, failed.at, failed.early_hold()) => {
                Found::Fresh(held)
            }
            (Some(held), _) if is_fresh(&held) => Found::Fresh(held),
            (Some(held), _) => Found::Ending(held),
            (None, Some(failed)) if is_within(now, failed.at, FAILURE_HOLDS) => {
                Found::Failed(failed.error.clone())
            }
            (None, _) => Found::Nothing,
        }
    }

    /// What a fetch brought that was over at `now`.
    fn take(&mut self, found: Result<aws_credential_types::Credentials, CredentialsError>, now: SystemTime) {
        match found {
            Ok(found) => {
                self.failed = None;
                self.fetches += 1;
                self.held = Some(Held::new(found, self.fetches, now));
            }
            Err(error) => {
                if self.held.is_some() {
                    tracing::warn!(%error, "credentials could not be renewed, the present ones are used to their end");
                }
                let in_a_row = self.failed.as_ref().map_or(0, |failed| failed.in_a_row).saturating_add(1);
                self.failed = Some(Failed { at: now, error, in_a_row });
            }
        }
    }
}

impl Failed {
    fn early_hold(&self) -> Duration {
        let [first, further] = EARLY_FAILURE_HOLDS;
        if self.in_a_row <= 1 { first } else { further }
    }
}

/// Whether `now` is less than `pause` after `at`, or so little before it that the request was waiting then.
fn is_within(now: SystemTime, at: SystemTime, pause: Duration) -> bool {
    match now.duration_since(at) {
        Ok(since) => since < pause,
        Err(before) => before.duration() <= FETCH_TIMEOUT,
    }
}

impl Held {
    fn new(found: aws_credential_types::Credentials, fetch: u64, now: SystemTime) -> Self {
        let expires = found.expiry().map(|end| end.max(now.checked_add(LEAST_LIFE).unwrap_or(now)));
        let refresh_at = expires.map(|end| {
            let life = end.duration_since(now).unwrap_or_default();
            end.checked_sub(EARLY.min(life / 4)).unwrap_or(end)
        });
        Self { identity: found.into(), refresh_at, expires, fetch }
    }

    /// Whether the two are the same to a service.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let of = |held: &Self| held.identity.data::<aws_credential_types::Credentials>().cloned();
        of(self) == of(other)
    }
}

/// The chain in the order of AWS's SDK for Go: static keys, a web identity, the profile, the container, the instance.
pub(crate) fn chain(
    environment: &Environment,
    sdk: &ProviderConfig,
    local_mode: bool,
) -> CredentialsProviderChain {
    let web_identity = WebIdentityTokenCredentialsProvider::builder().configure(sdk).build();
    let profile = ProfileFileCredentialsProvider::builder().configure(sdk).build();
    let container = EcsCredentialsProvider::builder().configure(sdk).build();
    let chain = CredentialsProviderChain::first_try("Environment", Keys::new(environment))
        .or_else("WebIdentityToken", web_identity)
        .or_else("Profile", profile)
        .or_else("EcsContainer", container);
    if local_mode {
        return chain;
    }
    chain.or_else("Ec2InstanceMetadata", ImdsCredentialsProvider::builder().configure(sdk).build())
}

/// The role on top of `base`.
pub(crate) async fn assume(
    role: &Role,
    region: &str,
    base: SharedCredentialsProvider,
    sdk: &SdkConfig,
    provider: &ProviderConfig,
) -> Credentials {
    let or = |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
    let sts_region = Region::new(or(&role.sts_region, region));
    let session_name = or(&role.session_name, "collimator");
    if let Some(file) = &role.web_identity_token_file {
        let configuration = StaticConfiguration {
            web_identity_token_file: file.clone(),
            role_arn: role.arn.clone(),
            session_name,
        };
        let provider = provider.clone().with_region(Some(sts_region));
        let builder = WebIdentityTokenCredentialsProvider::builder().configure(&provider);
        return Credentials::new(builder.static_configuration(configuration).build());
    }
    let mut builder = AssumeRoleProvider::builder(&role.arn)
        .configure(sdk)
        .region(sts_region)
        .session_name(session_name)
        .session_length(ROLE_SESSION);
    if !role.external_id.is_empty() {
        builder = builder.external_id(&role.external_id);
    }
    Credentials::new(builder.build_from_provider(base).await)
}

/// Keys from the environment that the process was started with.
#[derive(Debug)]
struct Keys(Option<aws_credential_types::Credentials>);

impl Keys {
    fn new(environment: &Environment) -> Self {
        let get = |name: &str| environment.get(name).map(str::trim).filter(|value| !value.is_empty());
        let (id, secret) = (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY"));
        let token = get("AWS_SESSION_TOKEN").map(str::to_owned);
        Self(id.zip(secret).map(|(id, secret)| {
            aws_credential_types::Credentials::new(id, secret, token, None, "Environment")
        }))
    }
}

impl ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let found = self.0.clone();
        future::ProvideCredentials::ready(
            found.ok_or_else(|| {
                SdkError::not_loaded("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
            }),
        )
    }
}

#[cfg(test)]
#[path = "credentials_tests.rs"]
mod tests;
