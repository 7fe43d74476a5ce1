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

/// Lets a fetch behind run, and checks how many there were.
async fn fetched(calls: &AtomicU64, expected: u64) {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(calls.load(Ordering::Relaxed), expected);
}

/// Gives keys once, then never answers.
#[derive(Debug)]
struct Stalling(Arc<AtomicU64>);

impl ProvideCredentials for Stalling {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        if self.0.fetch_add(1, Ordering::Relaxed) > 0 {
            return future::ProvideCredentials::new(std::future::pending());
        }
        let end = Some(at(3600));
        let keys = aws_credential_types::Credentials::new("key1", "secret", None, end, "test");
        future::ProvideCredentials::ready(Ok(keys))
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_source_that_stalls_while_there_are_valid_ones() {
    let calls = Arc::new(AtomicU64::new(0));
    let credentials = Credentials::new(Stalling(Arc::clone(&calls)));
    assert_eq!(key(&credentials, 0).await, "key1");
    let started = Instant::now();
    for now in 3300..3310 {
        assert_eq!(key(&credentials, now).await, "key1");
        fetched(&calls, 2).await;
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
    // Both wait for the one fetch that is under way; who gives up does not end it.
    let given_up = tokio::time::timeout(Duration::from_secs(1), credentials.get(at(3600))).await;
    assert!(given_up.is_err());
    tokio::time::sleep(FETCH_TIMEOUT).await;
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn refused_ones_stay_if_there_are_no_others() {
    let (credentials, calls) = numbered(Some(3600), 2);
    let first = credentials.get(at(0)).await.unwrap();
    assert!(!credentials.forget(first.fetch, at(1)).await);
    assert_eq!((key(&credentials, 1).await.as_str(), calls.load(Ordering::Relaxed)), ("key1", 2));
}

#[tokio::test]
async fn a_clock_that_is_ahead_does_not_fetch_for_every_request() {
    let (credentials, calls) = numbered(Some(100), u64::MAX);
    for now in [5_000, 5_001, 5_006] {
        assert_eq!(key(&credentials, now).await, "key1");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert_eq!(key(&credentials, 5_011).await, "key2");
}

#[tokio::test]
async fn they_are_fetched_once_and_again_before_they_end() {
    let (credentials, calls) = numbered(Some(3600), u64::MAX);
    assert_eq!(calls.load(Ordering::Relaxed), 0, "not before they are needed");
    assert_eq!(key(&credentials, 0).await, "key1");
    assert_eq!(key(&credentials, 3299).await, "key1");
    assert_eq!(key(&credentials, 3300).await, "key1", "five minutes before the end they are renewed behind");
    fetched(&calls, 2).await;
    assert_eq!(key(&credentials, 3300).await, "key2");
    let (lasting, calls) = numbered(None, u64::MAX);
    assert_eq!(key(&lasting, 0).await, "key1");
    assert_eq!(key(&lasting, 1_000_000_000).await, "key1");
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_can_t_be_renewed_is_used_to_its_end() {
    let (credentials, calls) = numbered(Some(3600), 2);
    assert_eq!(key(&credentials, 0).await, "key1");
    for (now, expected) in [(3400, 2), (3429, 2), (3431, 3), (3489, 3), (3492, 4)] {
        assert_eq!(key(&credentials, now).await, "key1");
        fetched(&calls, expected).await;
    }
    let error = credentials.get(at(3600)).await.unwrap_err();
    assert!(error.to_string().contains("no more"), "{error}");
    assert!(credentials.get(at(3604)).await.is_err());
    assert_eq!(calls.load(Ordering::Relaxed), 5, "a failure holds for a while");
}

#[tokio::test]
async fn refused_ones_are_fetched_anew_but_not_all_the_time() {
    let (credentials, calls) = numbered(None, u64::MAX);
    let first = credentials.get(at(0)).await.unwrap();
    assert!(credentials.forget(first.fetch, at(1)).await);
    let second = credentials.get(at(1)).await.unwrap();
    assert!(!first.is_same(&second));
    assert!(credentials.forget(first.fetch, at(1)).await, "others are held already");
    assert!(!credentials.forget(second.fetch, at(2)).await, "too soon");
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    assert!(credentials.forget(second.fetch, at(12)).await);
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
