//! Sends telemetry records: one a minute of what was counted, and a last one at the end.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws::{Answer, Body, Client, ClientError, Session, metadata};
use bytes::Bytes;
use component::{Environment, RunCx};
use http::HeaderMap;
use net::http::client::SendError;
use serde_json::json;
use tokio::sync::OnceCell;
use xray::records::{Counts, Failure, offered_to};

use crate::config::Config;

const PATH: &str = "/TelemetryRecords";
/// Between two records.
const INTERVAL: Duration = Duration::from_secs(60);
/// Records that wait; older ones are forgotten.
const MAX_WAITING: usize = 30;
/// Records of one call.
const MAX_IN_CALL: usize = 10;
/// For the last call, at the end.
const LAST_CALL: Duration = Duration::from_secs(2);
/// For the instance to tell its names before that call.
const LAST_QUESTION: Duration = Duration::from_secs(1);

/// Counts for the records, and sends them.
pub(crate) struct Recorder {
    pub(crate) counts: Arc<Counts>,
    client: Client,
    clock: Arc<dyn data::Clock>,
    origin: Origin,
    waiting: Mutex<VecDeque<String>>,
}

/// Where records come from.
#[derive(Default)]
struct Origin {
    host: String,
    instance: String,
    arn: String,
    /// Ask the instance's metadata service for what is not told.
    asks: bool,
    /// All of it as members of a JSON object, once it is known.
    members: OnceCell<String>,
}

impl Recorder {
    /// As the configuration wants it. The instance is asked for its names when there is a record to send: a start does not
    /// wait for a metadata service that may not be there.
    pub(crate) fn new(
        config: &Config,
        environment: &Environment,
        id: &str,
        client: &Client,
        cx: &RunCx,
    ) -> Option<Arc<Self>> {
        let telemetry = &config.telemetry;
        if !telemetry.enabled {
            return None;
        }
        let counts = Arc::<Counts>::default();
        let offer = |id: &str| cx.process.capabilities().offer(&offered_to(id), Arc::downgrade(&counts));
        offer(id);
        telemetry.contributors.iter().for_each(|id| offer(id));
        let origin = Origin::new(config, environment);
        let (client, clock) = (client.clone(), Arc::clone(&cx.clock));
        Some(Arc::new(Self { counts, client, clock, origin, waiting: Mutex::default() }))
    }

    /// Sends what was counted, every minute, for ever.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            self.send().await;
        }
    }

    /// Sends what was counted since, if the service takes it soon.
    pub(crate) async fn finish(&self) {
        self.take();
        if !self.waiting().is_empty() {
            self.origin.settle(self.client.session(), LAST_QUESTION).await;
        }
        if tokio::time::timeout(LAST_CALL, self.send()).await.is_err() {
            tracing::debug!("the last telemetry record was not sent in time");
        }
    }

    /// Counts what came of a call.
    pub(crate) fn answered(&self, answer: &Result<Answer, ClientError>) {
        let failure = match answer {
            Ok(answer) => match answer.status.as_u16() {
                200..=299 => return,
                400..=499 => Failure::Http4xx,
                500..=599 => Failure::Http5xx,
                _ => Failure::Other,
            },
            Err(ClientError::Send(SendError::Timeout)) => Failure::Timeout,
            Err(ClientError::Send(SendError::Refused(_))) => Failure::ConnectionRefused,
            Err(ClientError::Send(SendError::UnknownHost(_))) => Failure::UnknownHost,
            Err(_) => Failure::Other,
        };
        self.counts.failed(failure);
    }

    /// Makes a record of what was counted, if that is anything.
    fn take(&self) {
        if let Some(record) = self.counts.take(self.clock.now().wall) {
            let mut waiting = self.waiting();
            if waiting.len() == MAX_WAITING {
                waiting.pop_front();
            }
            waiting.push_back(record);
        }
    }

    async fn send(&self) {
        self.take();
        loop {
            // The newest first, as the daemon does: what is old matters least.
            let call: Vec<String> = self.waiting().iter().rev().take(MAX_IN_CALL).cloned().collect();
            if call.is_empty() || !self.put(&call).await {
                return;
            }
            let mut waiting = self.waiting();
            let left = waiting.len().saturating_sub(call.len());
            waiting.truncate(left);
        }
    }

    async fn put(&self, records: &[String]) -> bool {
        let origin = self.origin.members(self.client.session()).await;
        let body = format!("{{{origin},\"TelemetryRecords\":[{}]}}", records.join(","));
        let now = std::time::UNIX_EPOCH + Duration::from_nanos(self.clock.now().wall);
        let answer = self.client.post(PATH, HeaderMap::new(), &Body::new(Bytes::from(body)), now).await;
        // Not counted: a role that may not send records would make a record a minute of that.
        match answer {
            Ok(answer) if answer.status.is_success() => true,
            Ok(answer) => {
                let error = answer.error.unwrap_or_default();
                tracing::debug!(
                    status = answer.status.as_u16(),
                    code = error.code,
                    "telemetry records were refused"
                );
                false
            }
            Err(error) => {
                tracing::debug!(%error, "telemetry records can't be sent");
                false
            }
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Origin {
    fn new(config: &Config, environment: &Environment) -> Self {
        let telemetry = &config.telemetry;
        if !telemetry.include_metadata {
            return Self::default();
        }
        let told = |key: &str, variable: &str| match key {
            "" => environment.get(variable).unwrap_or_default().to_owned(),
            key => key.to_owned(),
        };
        let arn =
            if telemetry.resource_arn.is_empty() { &config.resource_arn } else { &telemetry.resource_arn };
        Self {
            host: told(&telemetry.hostname, "AWS_HOSTNAME"),
            instance: told(&telemetry.instance_id, "AWS_INSTANCE_ID"),
            arn: arn.clone(),
            asks: !config.local_mode,
            members: OnceCell::new(),
        }
    }

    /// Asks the instance, the first time, for what nobody told. Empty texts are sent, too.
    async fn members(&self, session: &Session) -> &str {
        let find = async || {
            let ask = async |told: &str, path| match told {
                "" if self.asks => metadata::instance(session, path).await.unwrap_or_default(),
                told => told.to_owned(),
            };
            let (host, instance) = tokio::join!(
                ask(&self.host, "/latest/meta-data/hostname"),
                ask(&self.instance, "/latest/meta-data/instance-id"),
            );
            members(&host, &instance, &self.arn)
        };
        self.members.get_or_init(find).await
    }

    /// The same within some time; then what is told is all.
    async fn settle(&self, session: &Session, patience: Duration) {
        if tokio::time::timeout(patience, self.members(session)).await.is_err() {
            self.members.set(members(&self.host, &self.instance, &self.arn)).ok();
        }
    }
}

fn members(host: &str, instance: &str, arn: &str) -> String {
    let (host, instance, arn) = (json!(host), json!(instance), json!(arn));
    format!("\"EC2InstanceId\":{instance},\"Hostname\":{host},\"ResourceARN\":{arn}")
}
