//! Sends telemetry records: one a minute of what was counted, and a last one at the end.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws::{Answer, Body, Client, ClientError};
use bytes::Bytes;
use component::{Environment, RunCx};
use http::HeaderMap;
use net::http::client::SendError;
use serde_json::json;
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

/// Counts for the records, and sends them.
pub(crate) struct Recorder {
    pub(crate) counts: Arc<Counts>,
    client: Client,
    clock: Arc<dyn data::Clock>,
    /// The part of a call's body that says where the records come from.
    origin: String,
    waiting: Mutex<VecDeque<String>>,
}

impl Recorder {
    /// As the configuration wants it. Asks the instance for its name if need be.
    pub(crate) async fn start(
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
        let origin = origin(config, environment, client).await;
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

    async fn send(&self) {
        if let Some(record) = self.counts.take(self.clock.now().wall) {
            let mut waiting = self.waiting();
            if waiting.len() == MAX_WAITING {
                waiting.pop_front();
            }
            waiting.push_back(record);
        }
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
        let body = format!("{{{},\"TelemetryRecords\":[{}]}}", self.origin, records.join(","));
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

/// Where records come from, as the members of a JSON object. Empty texts are sent too.
async fn origin(config: &Config, environment: &Environment, client: &Client) -> String {
    let telemetry = &config.telemetry;
    let (mut host, mut instance, mut arn) = (String::new(), String::new(), String::new());
    if telemetry.include_metadata {
        let told = |key: &str, variable: &str| {
            let variable = || environment.get(variable).unwrap_or_default().to_owned();
            if key.is_empty() { variable() } else { key.to_owned() }
        };
        host = told(&telemetry.hostname, "AWS_HOSTNAME");
        instance = told(&telemetry.instance_id, "AWS_INSTANCE_ID");
        for (value, path) in [(&mut host, "hostname"), (&mut instance, "instance-id")] {
            if value.is_empty() && !config.local_mode {
                let path = format!("/latest/meta-data/{path}");
                *value = aws::metadata::instance(client.session(), &path).await.unwrap_or_default();
            }
        }
        arn.clone_from(if telemetry.resource_arn.is_empty() {
            &config.resource_arn
        } else {
            &telemetry.resource_arn
        });
    }
    let (host, instance, arn) = (json!(host), json!(instance), json!(arn));
    format!("\"EC2InstanceId\":{instance},\"Hostname\":{host},\"ResourceARN\":{arn}")
}
