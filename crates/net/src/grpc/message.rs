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
    let mut assembler = Assembler::default();
    let mut trailers = None;
    while let Some(frame) = pace.frame(body).await.map_err(read_error)? {
        match frame.into_data() {
            Ok(data) => assembler.push(data, max, reservation)?,
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    let (is_compressed, payload) = assembler.finish()?;
    Ok(Received { payload, is_compressed, trailers })
}

/// Puts a message together from pieces that may be cut anywhere.
#[derive(Default)]
struct Assembler {
    prefix: [u8; PREFIX],
    /// Bytes of the prefix that are there.
    have: usize,
    message: Option<Message>,
}

struct Message {
    is_compressed: bool,
    length: usize,
    gather: Gather,
}

impl Assembler {
    fn push(&mut self, mut data: Bytes, max: usize, reservation: &mut Reservation) -> Result<(), Status> {
        while let (Some(slot), true) = (self.prefix.get_mut(self.have), data.has_remaining()) {
            *slot = data.get_u8();
            self.have += 1;
        }
        if self.have < PREFIX {
            return Ok(());
        }
        let message = match &mut self.message {
            Some(message) => message,
            None => {
                let (is_compressed, length) = read_prefix(self.prefix, max)?;
                let gather = Gather::new(Some(length), reservation).map_err(refused)?;
                self.message.insert(Message { is_compressed, length, gather })
            }
        };
        if data.len() > message.length - message.gather.len() {
            return Err(Status::internal("cardinality violation: more than one message in a unary call"));
        }
        message.gather.push(data, reservation).map_err(refused)
    }

    /// The message, and whether it is compressed; none if there was nothing at all.
    fn finish(self) -> Result<(bool, Option<Bytes>), Status> {
        match self.message {
            Some(message) if message.gather.len() == message.length => {
                Ok((message.is_compressed, Some(message.gather.finish())))
            }
            None if self.have == 0 => Ok((false, None)),
            _ => Err(Status::internal("unexpected EOF")),
        }
    }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tonic::Code;

    use super::*;

    const MAX: usize = 100_000;

    /// Pushes `wire` cut at `cuts`; the message, and what its memory was accounted as.
    fn assemble(wire: &[u8], cuts: &[usize]) -> Result<(bool, Option<Bytes>, usize), Status> {
        let mut reservation = Reservation::unlimited();
        let mut assembler = Assembler::default();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (wire.len() + 1)).collect();
        cuts.extend([0, wire.len()]);
        cuts.sort_unstable();
        for pair in cuts.windows(2) {
            assembler.push(Bytes::copy_from_slice(&wire[pair[0]..pair[1]]), MAX, &mut reservation)?;
        }
        let (is_compressed, payload) = assembler.finish()?;
        Ok((is_compressed, payload, reservation.bytes()))
    }

    proptest! {
        #[test]
        fn a_message_is_the_same_however_it_is_cut(
            size in 0..MAX,
            flag: bool,
            cuts in prop::collection::vec(any::<usize>(), 0..20),
        ) {
            let message: Vec<u8> = (0..size).map(|i| (i % 253) as u8).collect();
            let mut wire = vec![u8::from(flag)];
            wire.extend(u32::try_from(size).unwrap().to_be_bytes());
            wire.extend(&message);
            let (is_compressed, payload, accounted) = assemble(&wire, &cuts).unwrap();
            prop_assert_eq!(is_compressed, flag);
            prop_assert_eq!(accounted, size);
            prop_assert!(payload.unwrap() == message);
            let torn = assemble(&wire[..wire.len() - 1], &cuts).unwrap_err();
            prop_assert_eq!(torn.code(), Code::Internal);
            wire.push(0);
            prop_assert_eq!(assemble(&wire, &cuts).unwrap_err().code(), Code::Internal);
        }

        #[test]
        fn anything_is_a_message_or_an_error(
            wire in prop::collection::vec(any::<u8>(), 0..64),
            cuts in prop::collection::vec(any::<usize>(), 0..8),
        ) {
            assemble(&wire, &cuts).ok();
        }
    }
}
