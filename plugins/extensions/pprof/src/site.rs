//! Paths.

use std::time::Duration;

use admin::Site;
use http::header::CONTENT_DISPOSITION;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use net::http::server::Response;

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
</ul><p>Not there: <code>heap</code>, <code>allocs</code>, <code>goroutine</code>, <code>block</code>, <code>mutex</code>, \
<code>threadcreate</code>, <code>trace</code>; each says why.</p></body></html>\n";

const NO_HEAP: &str = "501 the allocator (mimalloc) keeps no samples of who allocated what, so there is no heap profile. \
What is held is counted exactly: see /debug/servicez of the zpages extension, otelcol_process_memory_rss and \
collimator_ledger_items.\n";
const NOT_GO: &str = "501 this is a profile of Go's runtime, and this process has none.\n";
const NO_COMMAND_LINE: &str = "501 the command line may hold secrets (--set), so it is not shown.\n";

/// The site.
pub(crate) struct Profiles;

impl Site for Profiles {
    async fn answer(&self, head: &Parts) -> Response {
        match head.uri.path() {
            "/" | "/debug/pprof" => admin::redirect("/debug/pprof/"),
            "/debug/pprof/" => admin::content_type(StatusCode::OK, "text/html; charset=utf-8", INDEX),
            "/debug/pprof/profile" => profile(head).await,
            "/debug/pprof/heap" | "/debug/pprof/allocs" => admin::text(StatusCode::NOT_IMPLEMENTED, NO_HEAP),
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
        Ok(profile) if admin::query(head, "format") == Some("collapsed") => {
            admin::text(StatusCode::OK, profile.collapsed())
        }
        Ok(profile) => {
            let mut response =
                admin::content_type(StatusCode::OK, "application/octet-stream", profile.encoded());
            let name = HeaderValue::from_static("attachment; filename=\"profile\"");
            response.headers_mut().insert(CONTENT_DISPOSITION, name);
            response
        }
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
