//! One call of the API: its body, its repetitions, and what comes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws::{Body, Client, ClientError};
use component::Notes;
use data::{Clock, Code, Refused};
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue};
use net::http::client::SendError;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use xray::records::Counts;

use crate::answer::{self, Outcome, Unprocessed, outcome};
use crate::config::Config;
use crate::records::Recorder;
use crate::throttle::Throttle;

const PATH: &str = "/TraceSegments";
const TIMESTAMP: HeaderName = HeaderName::from_static("x-amzn-xray-timestamp");

/// The first wait between two attempts for a call; each further one is twice as long, and each varies.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What all calls share.
pub(crate) struct Calls {
    pub(crate) recorder: Option<Arc<Recorder>>,
    client: Client,
    clock: Arc<dyn Clock>,
    notes: Arc<Notes>,
    draining: CancellationToken,
    workers: Semaphore,
    /// Calls that the API has answered as it should.
    answered: AtomicU64,
    throttle: Throttle,
    /// Attempts for one call.
    attempts: u32,
    /// Whether a call that is throttled is made again for as long as it takes.
    outlasts_throttling: bool,
}

/// What calls need of where they are made.
pub(crate) struct Place {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) notes: Arc<Notes>,
    /// Cancelled when little time is left: waits are cut short once.
    pub(crate) draining: CancellationToken,
}

/// Why a call did not get its documents there.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It may go better later.
    Later(Refused),
    /// It may go better later, or without one of its documents: whoever stands in between may stumble over what one says.
    Broken(Refused),
    /// It may go better in smaller calls.
    TooLarge(String),
    /// It may go better without one of its documents.
    Invalid(String),
    /// It never will.
    Never(String),
}

/// What comes after an attempt.
enum Next {
    /// Another one, as soon as the pace allows it.
    AtPace,
    /// Another one soon, unless there were enough; then this is why.
    Soon(Failed),
    End(Failed),
}

impl Calls {
    /// Where they go.
    pub(crate) const fn endpoint(&self) -> &aws::endpoint::Endpoint {
        &self.client.session().endpoint
    }

    pub(crate) fn new(
        config: &Config,
        client: Client,
        place: Place,
        recorder: Option<Arc<Recorder>>,
    ) -> Self {
        let Place { clock, notes, draining } = place;
        Self {
            recorder,
            client,
            clock,
            notes,
            draining,
            workers: Semaphore::new(config.workers()),
            answered: AtomicU64::new(0),
            throttle: Throttle::default(),
            attempts: config.attempts(),
            outlasts_throttling: config.delivery.retry_on_failure.enabled,
        }
    }

    /// Calls that the API has answered as it should so far: when there are more, it works.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Whether documents that came back for this reason are sent again for as long as it takes.
    pub(crate) fn goes_on(&self, one: &Unprocessed) -> bool {
        answer::is_throttling(&one.code) && self.outlasts_throttling
    }

    /// Waits for a worker, who is busy with a call to its end.
    pub(crate) async fn worker(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed.
        self.workers.acquire().await.ok()
    }

    /// Makes a call with `documents` documents; those that were not processed.
    pub(crate) async fn put(&self, body: &Body, documents: usize) -> Result<Vec<Unprocessed>, Failed> {
        let mut attempt = 1;
        loop {
            self.unless_draining(self.throttle.pass()).await;
            let called = Instant::now();
            let next = match self.once(body).await {
                Ok(Outcome::Taken(unprocessed)) => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    if unprocessed.iter().any(|one| answer::is_throttling(&one.code)) {
                        self.throttle.slow_down(Instant::now(), called, None);
                    } else {
                        self.throttle.ease();
                    }
                    self.record(|counts| counts.sent(documents.saturating_sub(unprocessed.len())));
                    return Ok(unprocessed);
                }
                Ok(outcome) => self.next(outcome, called),
                Err(error) => next_after_error(error),
            };
            match next {
                Next::AtPace => {}
                Next::Soon(_) if attempt < self.attempts => {
                    self.unless_draining(tokio::time::sleep(self.wait(attempt))).await;
                    attempt += 1;
                }
                Next::Soon(failed) | Next::End(failed) => return Err(failed),
            }
        }
    }

    /// Waits. The wait may be longer than what time is left: when the drain begins it ends, as those of `delivery` do.
    pub(crate) async fn unless_draining(&self, wait: impl Future<Output = ()>) {
        let draining = self.draining.is_cancelled();
        tokio::select! {
            () = wait => {}
            () = self.draining.cancelled(), if !draining => {}
        }
    }

    fn next(&self, outcome: Outcome, called: Instant) -> Next {
        match outcome {
            Outcome::Throttled(hint) => {
                let wait = self.throttle.slow_down(Instant::now(), called, hint);
                if self.outlasts_throttling {
                    self.notes.add(self.clock.now(), &"throttled by X-Ray");
                    tracing::info!(wait = config::duration::format(wait), "X-Ray throttles: sending slower");
                    return Next::AtPace;
                }
                let refused = Refused::retry_after(wait, Code::ResourceExhausted, "throttled by X-Ray");
                Next::End(Failed::Later(refused))
            }
            // The client has tried with fresh credentials.
            Outcome::Denied(said) => {
                tracing::error!(error = said, "X-Ray denies access");
                Next::End(Failed::Broken(Refused { code: Code::PermissionDenied, ..Refused::retry(said) }))
            }
            Outcome::Again(None, said) => Next::Soon(Failed::Broken(Refused::retry(said))),
            Outcome::Again(Some(after), said) => {
                Next::End(Failed::Broken(Refused::retry_after(after, Code::Unavailable, said)))
            }
            Outcome::TooLarge(said) => Next::End(Failed::TooLarge(said)),
            Outcome::Invalid(said) => Next::End(Failed::Invalid(said)),
            Outcome::Never(said) => Next::End(Failed::Never(said)),
            // Not for here.
            Outcome::Taken(_) => Next::AtPace,
        }
    }

    async fn once(&self, body: &Body) -> Result<Outcome, ClientError> {
        let now = UNIX_EPOCH + Duration::from_nanos(self.clock.now().wall);
        let mut headers = HeaderMap::new();
        headers.insert(TIMESTAMP, timestamp(now));
        let answer = self.client.post(PATH, headers, body, now).await;
        if let Some(recorder) = &self.recorder {
            recorder.answered(&answer);
        }
        let answer = answer?;
        let retry_after = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|value| net::status::parse_retry_after(value, now));
        let (code, message) = answer.error.as_ref().map_or(("", ""), |error| (&error.code, &error.message));
        let code = Some(code).filter(|code| !code.is_empty());
        Ok(outcome(answer.status.as_u16(), code, message, &answer.body, retry_after))
    }

    fn record(&self, note: impl FnOnce(&Counts)) {
        if let Some(recorder) = &self.recorder {
            note(&recorder.counts);
        }
    }

    /// Between half and all of a wait that doubles from attempt to attempt.
    fn wait(&self, attempt: u32) -> Duration {
        let longest = FIRST_WAIT.saturating_mul(1 << attempt.min(16)).min(LONGEST_WAIT);
        // The clock's nanoseconds are chance enough to keep workers apart.
        let share = 500 + u32::try_from((self.clock.now().mono >> 4) % 500).unwrap_or(0);
        longest * share / 1000
    }
}

fn next_after_error(error: ClientError) -> Next {
    let refused = |code| Refused { code, ..Refused::retry(error.to_string()) };
    match &error {
        ClientError::Send(SendError::Timeout) => Next::Soon(Failed::Broken(refused(Code::DeadlineExceeded))),
        ClientError::Send(SendError::Transport(_)) => Next::Soon(Failed::Broken(refused(Code::Unavailable))),
        ClientError::Send(_) => Next::Soon(Failed::Later(refused(Code::Unavailable))),
        ClientError::Credentials(_) => Next::End(Failed::Later(refused(Code::Unauthenticated))),
        ClientError::Sign(_) | ClientError::Path(_) => Next::End(Failed::Never(error.to_string())),
    }
}

/// Epoch seconds with nine decimals, as the daemon writes them.
fn timestamp(now: SystemTime) -> HeaderValue {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let text = format!("{}.{:09}", since.as_secs(), since.subsec_nanos());
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("0.000000000"))
}
