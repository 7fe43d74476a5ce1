//! Paths.

use std::time::Duration;

use admin::Site;
use http::header::CONTENT_DISPOSITION;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use net::http::server::Response;

use crate::held::{self, Shown};
use crate::profile::{Profile, ProfileError, Recording};

/// How long a profile takes if nothing is said; Go's default.
const DEFAULT_SECONDS: u64 = 30;
/// Longest profile.
const MAX_SECONDS: u64 = 300;

const INDEX: &str = "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>/debug/pprof/ – Collimator</title>\
<style>:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:60rem}</style></head>\
<body><h1>Profiles</h1><ul>\
<li><a href=\"profile?seconds=10\">profile</a>: CPU time, <code>?seconds=N</code> (30). \
Read it with <code>go tool pprof</code> or any other reader of pprof's format.</li>\
<li><a href=\"profile?seconds=10&amp;format=collapsed\">profile?format=collapsed</a>: the same as lines for flame graphs.</li>\
<li><a href=\"heap\">heap</a>: memory that is held, by who asked for it; <a href=\"allocs\">allocs</a>: \
all that was asked for since the start. Estimates from samples; <code>?format=collapsed</code>, too.</li>\
</ul><p>Not there: <code>goroutine</code>, <code>block</code>, <code>mutex</code>, \
<code>threadcreate</code>, <code>trace</code>; each says why.</p></body></html>\n";

const NO_HEAP: &str = "501 no samples of the heap are taken: heap_sample_interval_kib is 0.\n";
const NOT_GO: &str = "501 this is a profile of Go's runtime, and this process has none.\n";
const NO_COMMAND_LINE: &str = "501 the command line may hold secrets (--set), so it is not shown.\n";

/// The site.
pub(crate) struct Profiles {
    /// Bytes between two samples of the heap; 0 if none are taken.
    pub(crate) heap_interval: u64,
}

impl Site for Profiles {
    async fn answer(&self, head: &Parts) -> Response {
        match head.uri.path() {
            "/" | "/debug/pprof" => admin::redirect("/debug/pprof/"),
            "/debug/pprof/" => admin::content_type(StatusCode::OK, "text/html; charset=utf-8", INDEX),
            "/debug/pprof/profile" => profile(head).await,
            "/debug/pprof/heap" => self.heap(head, Shown::Held).await,
            "/debug/pprof/allocs" => self.heap(head, Shown::Allocated).await,
            "/debug/pprof/cmdline" => admin::text(StatusCode::NOT_IMPLEMENTED, NO_COMMAND_LINE),
            "/debug/pprof/goroutine"
            | "/debug/pprof/block"
            | "/debug/pprof/mutex"
            | "/debug/pprof/symbol"
            | "/debug/pprof/threadcreate"
            | "/debug/pprof/trace" => admin::text(StatusCode::NOT_IMPLEMENTED, NOT_GO),
            _ => admin::text(StatusCode::NOT_FOUND, "404 page not found\n"),
        }
    }
}

impl Profiles {
    async fn heap(&self, head: &Parts, shown: Shown) -> Response {
        let interval = self.heap_interval;
        if interval == 0 || !::heap::is_installed() {
            return admin::text(StatusCode::NOT_IMPLEMENTED, NO_HEAP);
        }
        let collapsed = admin::query(head, "format") == Some("collapsed");
        // Naming takes its time, and other requests are served by the same thread.
        let work = tokio::task::spawn_blocking(move || {
            let stacks = ::heap::snapshot();
            if collapsed {
                admin::text(StatusCode::OK, held::collapsed(&stacks, shown))
            } else {
                attachment("heap", held::encoded(&stacks, interval, shown))
            }
        });
        work.await.unwrap_or_else(|error| {
            tracing::error!(%error, "no heap profile");
            admin::text(StatusCode::INTERNAL_SERVER_ERROR, "500 the profile could not be made\n")
        })
    }
}

fn attachment(name: &str, profile: Vec<u8>) -> Response {
    let mut response = admin::content_type(StatusCode::OK, "application/octet-stream", profile);
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    response
}

async fn profile(head: &Parts) -> Response {
    let seconds = match admin::query(head, "seconds") {
        None => Some(DEFAULT_SECONDS),
        Some(text) => text.parse().ok().filter(|seconds| (1..=MAX_SECONDS).contains(seconds)),
    };
    let Some(seconds) = seconds else {
        let message = format!("400 seconds must be a number from 1 to {MAX_SECONDS}\n");
        return admin::text(StatusCode::BAD_REQUEST, message);
    };
    match record(Duration::from_secs(seconds)).await {
        Ok(profile) if profile.stacks.is_empty() => {
            let message = format!("503 no samples: in {seconds} s the process used next to no CPU time\n");
            admin::text(StatusCode::SERVICE_UNAVAILABLE, message)
        }
        Ok(profile) if admin::query(head, "format") == Some("collapsed") => {
            admin::text(StatusCode::OK, profile.collapsed())
        }
        Ok(profile) => attachment("profile", profile.encoded()),
        Err(ProfileError::InUse) => {
            admin::text(StatusCode::CONFLICT, "409 a profile is being recorded already\n")
        }
        Err(error) => {
            tracing::error!(%error, "no profile");
            admin::text(StatusCode::INTERNAL_SERVER_ERROR, format!("500 {error}\n"))
        }
    }
}

/// A client that goes away ends the recording.
async fn record(duration: Duration) -> Result<Profile, ProfileError> {
    let recording = Recording::start()?;
    tokio::time::sleep(duration).await;
    recording.finish()
}
