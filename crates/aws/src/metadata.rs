//! The instance's metadata service: what its host is called.

use std::time::Duration;

use crate::Session;

/// For one answer, with the token that has to be fetched before.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The text at a path such as `/latest/meta-data/instance-id`, if there is such a service and it answers in time.
pub async fn instance(session: &Session, path: &str) -> Option<String> {
    let client = aws_config::imds::Client::builder().configure(session.provider()).build();
    match tokio::time::timeout(TIMEOUT, client.get(path)).await {
        Ok(Ok(text)) => Some(text.as_ref().trim().to_owned()).filter(|text| !text.is_empty()),
        Ok(Err(error)) => {
            tracing::debug!(path, %error, "the instance's metadata service did not answer");
            None
        }
        Err(_) => None,
    }
}
