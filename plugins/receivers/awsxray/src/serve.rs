//! The loop that takes datagrams from the kernel.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use component::RunCx;
use data::Budget;
use net::udp::{Bound, MOST_AT_ONCE, Receiver, Taken};
use tokio::time::{Instant, sleep, sleep_until};

use crate::intake::Intake;

/// After a look at the socket that took everything: datagrams that come within this time are taken together, for the price
/// of one look and one wake-up.
const GATHER: Duration = Duration::from_millis(20);

/// What the kernel's buffer has to outlast while nobody looks, in datagrams a second; see [`gather`].
const FASTEST: usize = 100_000;

/// Bytes of the kernel's buffer that a datagram of 1 kB takes.
const PLACE: usize = 2304;

/// After finding that there is no room: datagrams stay with the kernel so long.
const NO_ROOM: Duration = Duration::from_millis(20);

/// After an error of the socket.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// Looks at the socket at the end, each of [`MOST_AT_ONCE`] datagrams: somebody may go on sending for ever.
const LAST_LOOKS: usize = 256;

/// The memory that datagrams are taken into, counted as a buffer as long as this lives.
struct Rooms {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Rooms {
    /// Where there is no room for them they are not counted: without them nothing could be received at all.
    fn count(receiver: &Receiver, cx: &RunCx) -> Self {
        let (budget, bytes) = (Arc::clone(&cx.budget), receiver.rooms_len());
        let taken = budget.take_buffer(bytes).is_ok();
        Self { budget, bytes: if taken { bytes } else { 0 } }
    }
}

impl Drop for Rooms {
    fn drop(&mut self) {
        self.budget.give_back_buffer(self.bytes);
    }
}

/// Takes datagrams until the receiver is to drain, and then those that have come already.
///
/// While datagrams come it looks every few milliseconds, and none of them wakes anybody; when none have come it waits for
/// the next one.
pub(crate) async fn serve(receiver: Receiver, granted: usize, mut intake: Intake, cx: &RunCx) {
    let mut receiver = receiver;
    let gather = gather(granted);
    let _rooms = Rooms::count(&receiver, cx);
    // Whether there may be more already.
    let mut looks = false;
    loop {
        let due = intake.flush_at();
        tokio::select! {
            biased;
            () = cx.draining.cancelled() => break,
            readable = receiver.readable(), if !looks => {
                if let Err(error) = readable {
                    fails(cx, &error).await;
                    continue;
                }
            }
            () = std::future::ready(()), if looks => {}
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                intake.flush_due();
                // What finds no room is looked at again when more has come, or soon.
                if intake.flush_at().is_some_and(|at| at <= Instant::now()) {
                    sleep(gather).await;
                }
                continue;
            }
        }
        let has_room = tokio::select! {
            biased;
            () = cx.draining.cancelled() => break,
            has_room = intake.has_room() => has_room,
        };
        if !has_room {
            wait(cx, NO_ROOM).await;
            intake.flush_due();
            continue;
        }
        let taken = receiver.take(|datagram| intake.take(datagram));
        match taken {
            Ok(taken) => {
                told(&mut intake, cx, taken);
                intake.flush_due();
                looks = taken.datagrams > 0;
                if !looks {
                    intake.rest();
                } else if taken.datagrams < MOST_AT_ONCE {
                    receiver.unwatch();
                    wait(cx, gather).await;
                }
            }
            Err(error) => fails(cx, &error).await,
        }
    }
    finish(&mut receiver, &mut intake, cx).await;
}

/// How long datagrams may gather: no longer than half of what the kernel grants holds them at the fastest that may be.
fn gather(granted: usize) -> Duration {
    let datagrams = (granted / 2 / PLACE).min(FASTEST);
    GATHER.min(Duration::from_secs_f64(datagrams as f64 / FASTEST as f64))
}

/// Takes what has come before the end, and hands everything on.
async fn finish(receiver: &mut Receiver, intake: &mut Intake, cx: &RunCx) {
    for _ in 0..LAST_LOOKS {
        while !intake.has_room().await {
            tokio::select! {
                // Time is up: what the kernel has stays with it.
                () = cx.stopping.cancelled() => return intake.flush().await,
                () = sleep(NO_ROOM) => intake.flush_due(),
            }
        }
        let Ok(taken) = receiver.take_now(|datagram| intake.take(datagram)) else { break };
        told(intake, cx, taken);
        if taken.datagrams == 0 {
            break;
        }
    }
    intake.flush().await;
}

fn told(intake: &mut Intake, cx: &RunCx, taken: Taken) {
    intake.counts.datagrams(taken.datagrams, taken.dropped);
    intake.records.tell();
    if let Some(reason) = intake.wrong.take() {
        cx.notes.add(cx.clock.now(), &format_args!("a segment was refused: {reason}"));
    }
    if taken.dropped > 0 {
        let text = format!("the kernel dropped {} datagrams: its buffer was full", taken.dropped);
        cx.notes.add(cx.clock.now(), &text);
        tracing::warn!(
            otelcol.component.id = %cx.node.id,
            otelcol.component.kind = "receiver",
            dropped = taken.dropped,
            "The kernel dropped datagrams because its buffer was full"
        );
    }
}

async fn fails(cx: &RunCx, error: &io::Error) {
    cx.notes.add(cx.clock.now(), error);
    tracing::error!(
        otelcol.component.id = %cx.node.id,
        otelcol.component.kind = "receiver",
        %error,
        "Reading from the UDP socket failed"
    );
    wait(cx, AFTER_ERROR).await;
}

async fn wait(cx: &RunCx, time: Duration) {
    tokio::select! {
        () = cx.draining.cancelled() => {}
        () = sleep(time) => {}
    }
}

/// Whether fewer bytes were granted than asked for. Linux tells twice what it gives, and never more than 2³¹ - 2.
pub(crate) const fn is_less(granted: usize, asked: usize) -> bool {
    if cfg!(target_os = "linux") { granted / 2 + 1 < asked } else { granted < asked }
}

/// Binds the socket, or takes the one that the process has bound already.
pub(crate) fn bind(endpoint: &str, buffer: usize, cx: &RunCx) -> Result<Bound, net::udp::BindError> {
    let mut key = format!("udp {endpoint}");
    if endpoint.ends_with(":0") {
        // Any free port is another one for each receiver.
        key = format!("{key} of {}", cx.name);
    }
    let bound = cx.listeners.open(&key, || Bound::bind(endpoint, buffer))?;
    let endpoint = bound.local_addr().map_or_else(|| endpoint.to_owned(), |address| address.to_string());
    let granted = bound.granted().unwrap_or_default();
    tracing::info!(
        otelcol.component.id = %cx.node.id,
        otelcol.component.kind = "receiver",
        endpoint,
        receive_buffer_asked = buffer,
        receive_buffer_granted = granted,
        "Listening on endpoint for X-Ray segments"
    );
    if is_less(granted, buffer) {
        tracing::warn!(
            otelcol.component.id = %cx.node.id,
            otelcol.component.kind = "receiver",
            "The receive buffer is smaller than asked for: net.core.rmem_max allows no more"
        );
    }
    Ok(bound)
}
