//! Reading what nobody wants, so that a client that is still sending gets to reading its answer.

use std::time::Duration;

use bytes::Bytes;
use http::header::EXPECT;
use http::request::Parts;
use hyper::body::Incoming;

use super::Response;
use crate::body::Pace;

/// What is left of a refused body and still read, so that the client gets to reading the refusal: as much as Go does.
const DISCARD: usize = 256 << 10;

/// How long that may take if nothing of the request matters.
const LONGEST_DISCARD: Duration = Duration::from_millis(500);

/// The answer to a request that was not looked into, after a little of what the client is sending.
pub(super) async fn hear_out(
    head: &Parts,
    body: &mut Incoming,
    pace: &mut Pace,
    response: Response,
) -> Response {
    // Who waits to be told to go on sends nothing, and reading would tell it.
    if !head.headers.contains_key(EXPECT) {
        // A client that stops in the middle waits for an answer, too.
        tokio::time::timeout(LONGEST_DISCARD, discard(body, pace)).await.ok();
    }
    response
}

/// Reads on a little, so that a client that is still sending is not cut off before it can read the answer.
pub(super) async fn discard(body: &mut Incoming, pace: &mut Pace) {
    let mut left = DISCARD;
    while let Ok(Some(frame)) = pace.frame(body).await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            break;
        }
    }
}
