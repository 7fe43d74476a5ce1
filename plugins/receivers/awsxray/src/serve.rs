//! The loop that takes datagrams from the kernel.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use component::RunCx;
use data::Budget;
use net::udp::{Bound, MOST_AT_ONCE, Receiver, Taken};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::intake::Intake;

/// After a look at the socket that took everything: datagrams that come within this time are taken together, for the price
/// of one look and one wake-up.
const GATHER: Duration = Duration::from_millis(10);

/// What the kernel's buffer has to outlast while nobody looks, in datagrams a second; see [`gather`].
const FASTEST: usize = 100_000;

/// Bytes of the kernel's buffer that a datagram of 1 kB takes.
const PLACE: usize = 2304;

/// A look that brings more than this part of what the kernel grants is followed by the next at once: large datagrams take
/// its room sooner than [`gather`] reckons.
const LARGE_PART: usize = 16;

/// What the timer distinguishes.
const GRAIN: Duration = Duration::from_millis(1);

/// After an error of the socket, or of the event queue, which is not asked meanwhile.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// While there is no room behind: how often what the kernel drops is asked for.
const ASK: Duration = Duration::from_secs(1);

/// How long what was taken may look for a place when time is up. Who has not ended after a second is cut off.
const LAST_WORDS: Duration = Duration::from_millis(500);

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

/// When the socket is looked at.
struct Pace {
    granted: usize,
    gather: Duration,
    /// Without being told that something has come.
    looks: bool,
    /// When what the kernel drops was asked for last.
    asked: Option<Instant>,
    /// The event queue has failed.
    deaf_until: Option<Instant>,
}

/// When the next look at the socket is.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    WhenToldTo,
    AtOnce,
    After(Duration),
}

impl Pace {
    fn new(granted: usize) -> Self {
        Self { granted, gather: gather(granted), looks: false, asked: None, deaf_until: None }
    }

    /// Nobody tells that something has come, for a while.
    fn deaf(&mut self, now: Instant) {
        self.deaf_until = Some(now + AFTER_ERROR);
        self.looks = true;
    }

    /// Whether it is time to ask what the kernel has dropped.
    fn asks(&mut self, now: Instant) -> bool {
        let asks = self.asked.is_none_or(|asked| now >= asked + ASK);
        if asks {
            self.asked = Some(now);
        }
        asks
    }

    /// After a look that brought this.
    fn looked(&mut self, taken: Taken, now: Instant) -> Next {
        self.deaf_until = self.deaf_until.filter(|until| now < *until);
        self.looks = taken.datagrams > 0 || self.deaf_until.is_some();
        if !self.looks {
            Next::WhenToldTo
        } else if taken.datagrams == 0 {
            Next::After(self.gather.max(GRAIN))
        } else if taken.datagrams == MOST_AT_ONCE || taken.bytes > self.granted / LARGE_PART {
            Next::AtOnce
        } else {
            Next::After(self.gather)
        }
    }
}

/// Takes datagrams until the receiver is to drain, and then those that have come already.
///
/// While datagrams come it looks every few milliseconds, and none of them wakes anybody; when none have come it waits for
/// the next one.
pub(crate) async fn serve(receiver: Receiver, granted: usize, mut intake: Intake, cx: &RunCx) {
    let mut receiver = receiver;
    let mut pace = Pace::new(granted);
    let _rooms = Rooms::count(&receiver, cx);
    loop {
        let due = intake.flush_at();
        tokio::select! {
            biased;
            () = cx.draining.cancelled() => break,
            readable = receiver.readable(), if !pace.looks => {
                if let Err(error) = readable {
                    failed(cx, &error);
                    // Looking works even so.
                    receiver.unwatch();
                    pace.deaf(Instant::now());
                }
            }
            () = std::future::ready(()), if pace.looks => {}
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                intake.flush_due();
                // What finds no room is looked at again when more has come, or soon.
                if intake.flush_at().is_some_and(|at| at <= Instant::now()) {
                    sleep(pace.gather).await;
                }
                continue;
            }
        }
        let has_room = tokio::select! {
            biased;
            () = cx.draining.cancelled() => break,
            has_room = timeout(ASK, intake.has_room()) => has_room.unwrap_or(false),
        };
        if !has_room {
            // Datagrams stay with the kernel, as long as it has room for them.
            if pace.asks(Instant::now()) {
                ask(&receiver, &mut intake, cx);
            }
            wait(cx, pace.gather.max(GRAIN)).await;
            intake.flush_due();
            continue;
        }
        look(&mut receiver, &mut intake, &mut pace, cx).await;
    }
    finish(&mut receiver, &mut intake, cx).await;
}

/// One look at the socket, and the wait for the next.
async fn look(receiver: &mut Receiver, intake: &mut Intake, pace: &mut Pace, cx: &RunCx) {
    let taken = receiver.take(|datagram| intake.take(datagram));
    let taken = match taken {
        Ok(taken) => taken,
        Err(error) => {
            failed(cx, &error);
            wait(cx, AFTER_ERROR).await;
            return intake.flush_due();
        }
    };
    told(intake, cx, taken);
    intake.flush_due();
    match pace.looked(taken, Instant::now()) {
        Next::WhenToldTo => intake.rest(),
        // Whoever sends without a pause must not stop the others on this worker, nor what hands on.
        Next::AtOnce => tokio::task::yield_now().await,
        Next::After(time) => {
            receiver.unwatch();
            wait(cx, time).await;
        }
    }
}

/// How long datagrams may gather: no longer than half of what the kernel grants holds them at the fastest that may be.
fn gather(granted: usize) -> Duration {
    let datagrams = (granted / 2 / PLACE).min(FASTEST);
    GATHER.min(Duration::from_secs_f64(datagrams as f64 / FASTEST as f64))
}

/// Takes what has come before the end, and hands everything on, as long as there is time. What is left then is in the books
/// as refused: whoever waits for a place longer is cut off, and nobody would know of it.
async fn finish(receiver: &mut Receiver, intake: &mut Intake, cx: &RunCx) {
    let handing_on = async {
        take_rest(receiver, intake, cx).await;
        intake.flush().await;
    };
    let time_is_up = async {
        cx.stopping.cancelled().await;
        // What ends behind takes in some of it, perhaps to keep it.
        sleep(LAST_WORDS).await;
    };
    tokio::select! {
        biased;
        () = handing_on => {}
        () = time_is_up => {}
    }
    ask(receiver, intake, cx);
    intake.give_up();
}

/// Takes what the kernel has, as long as there is time.
async fn take_rest(receiver: &mut Receiver, intake: &mut Intake, cx: &RunCx) {
    for _ in 0..LAST_LOOKS {
        while !intake.has_room().await {
            tokio::select! {
                () = cx.stopping.cancelled() => return,
                () = sleep(GRAIN) => intake.flush_due(),
            }
        }
        // What the kernel has stays with it when time is up: whoever listens there after a reload takes it.
        if cx.stopping.is_cancelled() {
            return;
        }
        let Ok(taken) = receiver.take_now(|datagram| intake.take(datagram)) else { return };
        told(intake, cx, taken);
        if taken.datagrams == 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Tells of what the kernel has dropped although nothing is taken from it.
fn ask(receiver: &Receiver, intake: &mut Intake, cx: &RunCx) {
    told(intake, cx, Taken { dropped: receiver.dropped(), ..Taken::default() });
}

fn told(intake: &mut Intake, cx: &RunCx, taken: Taken) {
    intake.counts.datagrams(taken.datagrams, taken.dropped);
    intake.records.spilled(taken.dropped);
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

fn failed(cx: &RunCx, error: &io::Error) {
    cx.notes.add(cx.clock.now(), error);
    tracing::error!(
        otelcol.component.id = %cx.node.id,
        otelcol.component.kind = "receiver",
        %error,
        "Reading from the UDP socket failed"
    );
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
    // One that was bound already has the buffer of the configuration before.
    bound.ask(buffer);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(datagrams: usize, bytes: usize) -> Taken {
        Taken { datagrams, bytes, dropped: 0 }
    }

    #[test]
    fn datagrams_gather_as_long_as_the_kernel_has_room() {
        let micros = |granted| gather(granted).as_micros();
        // Linux' usual size has room for 184 datagrams of 1 kB, of which half come in 0.92 ms at the fastest.
        assert_eq!([0, 4607, 425_984, 16 << 20, usize::MAX].map(micros), [0, 0, 920, 10_000, 10_000]);
    }

    #[test]
    fn a_look_that_brings_much_is_followed_by_the_next_at_once() {
        let now = Instant::now();
        let mut pace = Pace::new(425_984);
        let after = Next::After(Duration::from_micros(920));
        assert_eq!(pace.looked(taken(1, 1000), now), after);
        assert!(pace.looks);
        assert_eq!(pace.looked(taken(MOST_AT_ONCE - 1, 26_000), now), after);
        assert_eq!(pace.looked(taken(1, 60_000), now), Next::AtOnce);
        assert_eq!(pace.looked(taken(MOST_AT_ONCE, 64), now), Next::AtOnce);
        assert_eq!(pace.looked(taken(0, 0), now), Next::WhenToldTo);
        assert!(!pace.looks);
        let mut roomy = Pace::new(16 << 20);
        assert_eq!(roomy.looked(taken(1, 60_000), now), Next::After(GATHER));
    }

    #[test]
    fn while_the_event_queue_fails_the_socket_is_looked_at_even_so() {
        let now = Instant::now();
        let mut pace = Pace::new(0);
        pace.deaf(now);
        assert!(pace.looks);
        assert_eq!(pace.looked(taken(0, 0), now), Next::After(GRAIN), "without spinning");
        assert_eq!(pace.looked(taken(1, 9), now), Next::AtOnce);
        assert_eq!(pace.looked(taken(0, 0), now + AFTER_ERROR / 2), Next::After(GRAIN));
        assert_eq!(pace.looked(taken(0, 0), now + AFTER_ERROR), Next::WhenToldTo, "it is asked again");
    }
}
