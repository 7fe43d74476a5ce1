//! Length-prefixed messages: how they are read from a body, for servers and clients alike.

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use hyper::body::Incoming;
use tonic::Status;

use super::{code_from_reset, reset_reason};
use crate::body::{Gather, Pace, ReadError};
use crate::compression::{DecompressError, Encoding, decompress};
use crate::reserve::{Refusal, Reservation};
use crate::status::status_with_retry;

/// One byte for compression, four for the length.
pub(super) const PREFIX: usize = 5;

/// A message as it came.
pub(super) struct Received {
    /// As it was on the wire; none if the body had no message.
    pub(super) payload: Option<Bytes>,
    pub(super) is_compressed: bool,
    pub(super) trailers: Option<HeaderMap>,
}

/// Reads the only message of `body`, and `body` to its end. Its memory is asked for once its length is known.
pub(super) async fn read(
    body: &mut Incoming,
    max: usize,
    pace: &mut Pace,
    reservation: &mut Reservation,
) -> Result<Received, Status> {
    let mut received = Received { payload: None, is_compressed: false, trailers: None };
    let mut prefix = [0u8; PREFIX];
    let mut have = 0;
    let mut open: Option<(usize, Gather)> = None;
    while let Some(frame) = pace.frame(body).await.map_err(read_error)? {
        let mut data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                received.trailers = frame.into_trailers().ok();
                continue;
            }
        };
        if received.payload.is_some() && !data.is_empty() {
            return Err(Status::internal("cardinality violation: more than one message in a unary call"));
        }
        while let (Some(slot), true) = (prefix.get_mut(have), data.has_remaining()) {
            *slot = data.get_u8();
            have += 1;
        }
        if have < PREFIX {
            continue;
        }
        let (length, mut gather) = match open.take() {
            Some(open) => open,
            None => {
                let length;
                (received.is_compressed, length) = read_prefix(prefix, max)?;
                (length, Gather::new(Some(length), reservation).map_err(refused)?)
            }
        };
        let missing = length - gather.len();
        if data.len() > missing {
            return Err(Status::internal("cardinality violation: more than one message in a unary call"));
        }
        gather.push(data, reservation).map_err(refused)?;
        if gather.len() == length {
            received.payload = Some(gather.finish());
        } else {
            open = Some((length, gather));
        }
    }
    if have > 0 && received.payload.is_none() {
        return Err(Status::internal("unexpected EOF"));
    }
    Ok(received)
}

/// Decompresses what was read, within `max` bytes; the reservation then stands for the result alone.
pub(super) fn open(
    payload: Bytes,
    encoding: Encoding,
    max: usize,
    reservation: &mut Reservation,
) -> Result<Bytes, Status> {
    let mut result = reservation.sibling();
    let message = decompress(encoding, &payload, max, &mut result).map_err(|error| match error {
        DecompressError::TooLarge { limit } => Status::resource_exhausted(format!(
            "grpc: received message after decompression larger than max {limit}"
        )),
        DecompressError::Corrupt(why) => {
            Status::internal(format!("grpc: failed to decompress the received message: {why}"))
        }
        DecompressError::Refused(refusal) => refused(refusal),
    })?;
    *reservation = result;
    Ok(Bytes::from(message))
}

/// The status of a refusal: come back later.
pub(super) fn refused(refusal: Refusal) -> Status {
    match refusal.retry_after {
        Some(delay) => status_with_retry(tonic::Code::Unavailable, refusal.message, delay),
        None => Status::unavailable(refusal.message),
    }
}

fn read_prefix(prefix: [u8; PREFIX], max: usize) -> Result<(bool, usize), Status> {
    let [flag, a, b, c, d] = prefix;
    let is_compressed = match flag {
        0 => false,
        1 => true,
        other => {
            return Err(Status::internal(format!("grpc: received unexpected payload format {other}")));
        }
    };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length > max {
        return Err(Status::resource_exhausted(format!(
            "grpc: received message larger than max ({length} vs. {max})"
        )));
    }
    Ok((is_compressed, length))
}

fn read_error(error: ReadError) -> Status {
    match error {
        ReadError::Stalled => Status::deadline_exceeded("message body made too little progress"),
        ReadError::Deadline => Status::deadline_exceeded("context deadline exceeded"),
        ReadError::Broken(error) => match reset_reason(&error) {
            Some(reason) => Status::new(
                code_from_reset(reason),
                format!("stream terminated by RST_STREAM with error code: {reason}"),
            ),
            None => Status::unavailable(format!("connection error: {error}")),
        },
    }
}
