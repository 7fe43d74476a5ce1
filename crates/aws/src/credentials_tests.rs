use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

const START: SystemTime = SystemTime::UNIX_EPOCH;

fn at(seconds: u64) -> SystemTime {
    START + Duration::from_secs(seconds)
}

/// Gives keys numbered by the call, which live for `life`; fails from the call `fails_from` on.
#[derive(Debug)]
struct Numbered {
    calls: Arc<AtomicU64>,
    life: Option<Duration>,
    fails_from: u64,
}

impl ProvideCredentials for Numbered {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if call >= self.fails_from {
            return future::ProvideCredentials::ready(Err(SdkError::not_loaded("no more")));
        }
        let expiry = self.life.map(|life| START + life * u32::try_from(call).unwrap());
        let keys =
            aws_credential_types::Credentials::new(format!("key{call}"), "secret", None, expiry, "test");
        future::ProvideCredentials::ready(Ok(keys))
    }
}

fn numbered(life: Option<u64>, fails_from: u64) -> (Credentials, Arc<AtomicU64>) {
    let calls = Arc::new(AtomicU64::new(0));
    let life = life.map(Duration::from_secs);
    (Credentials::new(Numbered { calls: Arc::clone(&calls), life, fails_from }), calls)
}

async fn key(credentials: &Credentials, now: u64) -> String {
    let held = credentials.get(at(now)).await.unwrap();
    held.identity.data::<aws_credential_types::Credentials>().unwrap().access_key_id().to_owned()
}

#[tokio::test]
async fn they_are_fetched_once_and_again_before_they_end() {
    let (credentials, calls) = numbered(Some(3600), u64::MAX);
    assert_eq!(calls.load(Ordering::Relaxed), 0, "not before they are needed");
    assert_eq!(key(&credentials, 0).await, "key1");
    assert_eq!(key(&credentials, 3299).await, "key1");
    assert_eq!(key(&credentials, 3300).await, "key2", "five minutes before the end");
    let (lasting, calls) = numbered(None, u64::MAX);
    assert_eq!(key(&lasting, 0).await, "key1");
    assert_eq!(key(&lasting, 1_000_000_000).await, "key1");
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_can_t_be_renewed_is_used_to_its_end() {
    let (credentials, calls) = numbered(Some(3600), 2);
    assert_eq!(key(&credentials, 0).await, "key1");
    assert_eq!(key(&credentials, 3400).await, "key1");
    assert_eq!(key(&credentials, 3404).await, "key1");
    assert_eq!(calls.load(Ordering::Relaxed), 2, "a failure holds for a while");
    let error = credentials.get(at(3600)).await.unwrap_err();
    assert!(error.to_string().contains("no more"), "{error}");
    assert_eq!(calls.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn refused_ones_are_fetched_anew_but_not_all_the_time() {
    let (credentials, calls) = numbered(None, u64::MAX);
    let first = credentials.get(at(0)).await.unwrap();
    assert!(credentials.forget(&first, at(1)).await);
    let second = credentials.get(at(1)).await.unwrap();
    assert!(!first.is_same(&second));
    assert!(credentials.forget(&first, at(1)).await, "others are held already");
    assert!(!credentials.forget(&second, at(2)).await, "too soon");
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    assert!(credentials.forget(&second, at(12)).await);
}

#[tokio::test]
async fn keys_of_the_environment_come_first() {
    let variables = [
        ("AWS_ACCESS_KEY_ID", " AKID "),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
    ];
    let environment = Environment::new(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let provider = crate::session::provider(crate::connector::Http::new(Default::default()));
    let found = chain(&environment, &provider, true).provide_credentials().await.unwrap();
    assert_eq!((found.access_key_id(), found.session_token()), ("AKID", Some("token")));
    assert!(Keys::new(&Environment::default()).provide_credentials().await.is_err());
}
