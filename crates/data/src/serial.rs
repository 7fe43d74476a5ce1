//! The serialised form of a batch, for queues on disk.
//!
//! All integers little-endian:
//!
//! ```text
//! "CLMB"  version: u8 = 1   signal: u8   arrived (wall ns): u64   items: u64
//! metadata: count u32, each: name, values: count u32, each: text        (name, text: length u32 + UTF-8)
//! auth: count u32, each: name, text
//! peer: length u8 + text ("" if unknown)
//! parts: count u32, each: length u64 + bytes
//! ```
//!
//! Integrity (checksums, torn writes) is the business of whoever stores it; this form only promises that a
//! reader never panics and never allocates more than it was given. The ticket is not part of it: what is on disk
//! was taken over.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use crate::batch::Batch;
use crate::context::Context;
use crate::part::Part;
use crate::signal::Signal;
use crate::time::Time;

const MAGIC: &[u8; 4] = b"CLMB";
const VERSION: u8 = 1;

/// Why stored bytes are not a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SerialError {
    /// The magic bytes are missing.
    #[error("not a stored batch")]
    NotABatch,
    /// Written by a version that this one does not know.
    #[error("stored batch of unknown version {0}")]
    Version(u8),
    /// Fewer bytes than announced, or more.
    #[error("stored batch is cut off or has trailing bytes")]
    Length,
    /// A field holds what it can't.
    #[error("stored batch has an invalid {0}")]
    Invalid(&'static str),
}

/// Appends the serialised form of `batch` to `out`.
pub fn write(batch: &Batch, out: &mut Vec<u8>) {
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    out.push(batch.signal() as u8);
    out.extend_from_slice(&batch.arrived.wall.to_le_bytes());
    out.extend_from_slice(&(batch.items() as u64).to_le_bytes());
    put_count(out, batch.context.metadata.len());
    for (name, values) in &batch.context.metadata {
        put_text(out, name);
        put_count(out, values.len());
        values.iter().for_each(|value| put_text(out, value));
    }
    put_count(out, batch.context.auth.len());
    for (name, value) in &batch.context.auth {
        put_text(out, name);
        put_text(out, value);
    }
    let peer = batch.context.peer.map(|peer| peer.to_string()).unwrap_or_default();
    out.push(u8::try_from(peer.len()).unwrap_or_default());
    out.extend_from_slice(peer.as_bytes());
    put_count(out, batch.parts().len());
    for part in batch.parts() {
        out.extend_from_slice(&(part.len() as u64).to_le_bytes());
        out.extend_from_slice(part.as_ref());
    }
}

/// Reads a batch back; its parts share `stored`. `now` gives the monotonic side of its arrival.
///
/// # Errors
/// [`SerialError`] for anything that [`write()`] did not write.
pub fn read(stored: &Bytes, now: Time) -> Result<Batch, SerialError> {
    let mut rest = stored.clone();
    if take(&mut rest, MAGIC.len())? != MAGIC.as_slice() {
        return Err(SerialError::NotABatch);
    }
    match take(&mut rest, 1)?.get_u8() {
        VERSION => {}
        other => return Err(SerialError::Version(other)),
    }
    let signal = usize::from(take(&mut rest, 1)?.get_u8());
    let signal = *Signal::ALL.get(signal).ok_or(SerialError::Invalid("signal"))?;
    let wall = take(&mut rest, 8)?.get_u64_le();
    let items = take(&mut rest, 8)?.get_u64_le();
    let items = usize::try_from(items).map_err(|_| SerialError::Invalid("count"))?;
    let context = read_context(&mut rest)?;
    let mut parts = Vec::new();
    for _ in 0..take(&mut rest, 4)?.get_u32_le() {
        let len = take(&mut rest, 8)?.get_u64_le();
        let len = usize::try_from(len).map_err(|_| SerialError::Length)?;
        parts.push(Part::new(take(&mut rest, len)?, stored.len()));
    }
    if rest.has_remaining() {
        return Err(SerialError::Length);
    }
    let arrived = Time { mono: now.mono.saturating_sub(now.wall.saturating_sub(wall)), wall };
    Ok(Batch::new(signal, parts, items, arrived).with_context(context))
}

fn read_context(rest: &mut Bytes) -> Result<Arc<Context>, SerialError> {
    let mut context = Context::default();
    for _ in 0..take(rest, 4)?.get_u32_le() {
        let name = take_text(rest)?;
        let mut values = Vec::new();
        for _ in 0..take(rest, 4)?.get_u32_le() {
            values.push(take_text(rest)?);
        }
        context.metadata.push((name, values));
    }
    for _ in 0..take(rest, 4)?.get_u32_le() {
        context.auth.push((take_text(rest)?, take_text(rest)?));
    }
    let len = take(rest, 1)?.get_u8();
    let peer = take(rest, usize::from(len))?;
    if !peer.is_empty() {
        let text = std::str::from_utf8(&peer).map_err(|_| SerialError::Invalid("peer"))?;
        context.peer = Some(text.parse::<SocketAddr>().map_err(|_| SerialError::Invalid("peer"))?);
    }
    Ok(if context == Context::default() { Context::empty() } else { Arc::new(context) })
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    // Counts come from requests whose size is capped far below this.
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn take(rest: &mut Bytes, len: usize) -> Result<Bytes, SerialError> {
    if len > rest.len() { Err(SerialError::Length) } else { Ok(rest.split_to(len)) }
}

fn take_text(rest: &mut Bytes) -> Result<Box<str>, SerialError> {
    let len = take(rest, 4)?.get_u32_le() as usize;
    let bytes = take(rest, len)?;
    std::str::from_utf8(&bytes).map(Into::into).map_err(|_| SerialError::Invalid("text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stored(batch: &Batch) -> Bytes {
        let mut out = Vec::new();
        write(batch, &mut out);
        out.into()
    }

    fn sample() -> Batch {
        let context = Context {
            metadata: vec![("x-tenant".into(), vec!["a".into(), "ü".into()])],
            auth: vec![("subject".into(), "me".into())],
            peer: Some("[::1]:4317".parse().unwrap()),
        };
        let parts = vec![Part::from(vec![1, 2, 3]), Part::from(vec![]), Part::from(vec![4])];
        Batch::new(Signal::Logs, parts, 7, Time { mono: 5, wall: 1_000 }).with_context(Arc::new(context))
    }

    #[test]
    fn what_is_written_is_read_back() {
        let batch = sample();
        let now = Time { mono: 2_000, wall: 1_500 };
        let back = read(&stored(&batch), now).unwrap();
        assert_eq!((back.signal(), back.items(), &back.context), (Signal::Logs, 7, &batch.context));
        assert_eq!(back.arrived, Time { mono: 1_500, wall: 1_000 });
        let bytes = |batch: &Batch| batch.chunks().cloned().collect::<Vec<_>>();
        assert_eq!(bytes(&back), bytes(&batch));
    }

    #[test]
    fn every_truncation_and_extension_is_refused() {
        let whole = stored(&sample());
        for len in 0..whole.len() {
            assert!(read(&whole.slice(..len), Time::default()).is_err(), "{len} bytes");
        }
        let longer: Vec<u8> = whole.iter().copied().chain([0]).collect();
        assert_eq!(read(&longer.into(), Time::default()).unwrap_err(), SerialError::Length);
        let mut newer = whole.to_vec();
        newer[4] = 9;
        assert_eq!(read(&newer.into(), Time::default()).unwrap_err(), SerialError::Version(9));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(tail in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut bytes = b"CLMB\x01\x00".to_vec();
            bytes.extend(tail);
            read(&bytes.into(), Time::default()).map(Batch::delivered).ok();
        }
    }
}
