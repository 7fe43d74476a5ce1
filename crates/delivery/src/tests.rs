//! Delivery against a scripted destination, on a clock that the tests turn.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use component::{Accepted, Edge, Exporter, Outlet, Progress};
use config::Optional;
use data::{Batch, Code, Refused, Signal, Verdict};
use testkit::RunHarness;
use testkit::generate::{batch, ids};
use tokio::time::Instant;

use crate::{QueueAndRetry, QueueBatch, QueueSizer, Retry, SendingQueue, Settings, unit};

/// What the destination does with a call.
enum Answer {
    Take,
    Refuse(Refused),
    TakeAllBut(u64),
    /// Never answer.
    Stall,
    Panic,
    /// Take this many, reject that many as odd, and then end like the answer behind them.
    Settle(usize, usize, Box<Answer>),
    /// Refuse as too large whatever has more items than this, for ever.
    AtMost(usize),
}

/// What was given up: the items of the batch, how often it was tried, and how many of them had arrived.
type GivenUp = (Vec<u64>, usize, usize);

/// When it came, and with which items.
type Call = (Duration, Vec<u64>);

#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    calls: Arc<Mutex<Vec<Call>>>,
    /// What the exporter remembered of the batch in each call.
    attempts: Arc<Mutex<Vec<usize>>>,
    given_up: Arc<Mutex<Vec<GivenUp>>>,
    /// Giving up a batch that was tried so often never ends.
    hangs_on: Option<usize>,
    /// It keeps what is not settled, so many bytes.
    remembers: Option<usize>,
    /// Batches whose first id can't be divided by three deliver one item and then come back after so long, for ever.
    slow: Option<Duration>,
    started: Option<Instant>,
    closed: Arc<Mutex<u32>>,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        Self { answers, started: Some(Instant::now()), ..Self::default() }
    }

    fn calls(&self) -> Vec<Vec<u64>> {
        self.calls.lock().unwrap().iter().map(|(_, ids)| ids.clone()).collect()
    }

    fn times(&self) -> Vec<f64> {
        self.calls.lock().unwrap().iter().map(|(at, _)| at.as_secs_f64()).collect()
    }
}

impl Exporter for Script {
    /// How often it was called for the batch.
    type Memory = usize;

    async fn export(&self, batch: &Batch, progress: &mut Progress<usize>) -> Result<Accepted, Refused> {
        progress.memory += 1;
        self.attempts.lock().unwrap().push(progress.memory);
        let at = self.started.map(|started| started.elapsed()).unwrap_or_default();
        self.calls.lock().unwrap().push((at, ids(batch)));
        if let Some(time) = self.slow
            && ids(batch).first().is_some_and(|id| id % 3 != 0)
        {
            tokio::time::sleep(time).await;
            progress.settled.deliver(usize::from(progress.memory == 1));
            progress.passing = true;
            return Err(Refused::retry("not this one"));
        }
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            match answers.front() {
                Some(Answer::AtMost(most)) if batch.items() > *most => {
                    Some(Answer::Refuse(Refused::too_large("big")))
                }
                Some(Answer::AtMost(_)) => None,
                _ => answers.pop_front(),
            }
        };
        progress.remembered = self.remembers;
        progress.passing = matches!(answer, Some(Answer::Settle(..)));
        let mut answer = answer;
        if let Some(Answer::Settle(taken, odd, then)) = answer {
            progress.settled.deliver(taken);
            if odd > 0 {
                progress.settled.reject("odd", odd, "it is odd");
            }
            answer = Some(*then);
        }
        match answer {
            None | Some(Answer::Take | Answer::AtMost(_)) => Ok(Accepted::default()),
            Some(Answer::TakeAllBut(n)) => Ok(Accepted { rejected: Some((n, "not these".into())) }),
            Some(Answer::Refuse(refused)) => Err(refused),
            Some(Answer::Stall) => std::future::pending().await,
            Some(Answer::Panic) => panic!("told to"),
            Some(Answer::Settle(..)) => panic!("one may settle once"),
        }
    }

    async fn give_up(&self, batch: &Batch, progress: &mut Progress<usize>, _why: &Refused) {
        let what = (ids(batch), progress.memory, progress.settled.delivered());
        self.given_up.lock().unwrap().push(what);
        if self.hangs_on == Some(progress.memory) {
            progress.settled.reject("late", 1, "it is in the books already");
            std::future::pending::<()>().await;
        }
    }

    async fn close(&self) -> Result<(), component::BoxError> {
        *self.closed.lock().unwrap() += 1;
        Ok(())
    }
}

fn waiting_clients() -> Settings {
    queued(Optional::None)
}

/// Retries without chance.
fn exact() -> Settings {
    queued(Optional::Some(SendingQueue::default()))
}

fn queued(sending_queue: Optional<SendingQueue>) -> Settings {
    let retry_on_failure = Retry { randomization_factor: 0.0, ..Retry::default() };
    QueueAndRetry { sending_queue, retry_on_failure }.with_timeout(Duration::from_secs(5))
}

fn unavailable() -> Answer {
    Answer::Refuse(Refused::retry("down"))
}

async fn node(script: &Script, settings: Settings) -> RunHarness {
    let unit = unit(script.clone(), settings, 4);
    RunHarness::start(&*unit, Signal::Traces).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn retries_with_growing_waits_until_it_passes() {
    let script = Script::new([unavailable(), unavailable(), Answer::Take]);
    let node = node(&script, waiting_clients()).await;
    let verdict = node.send(batch(Signal::Traces, 1, 3)).await;
    assert_eq!(verdict.await, Verdict::Delivered);
    assert_eq!(script.times(), [0.0, 5.0, 12.5]);
    let statement = node.finish().await;
    assert_eq!(statement.to_string(), "entered 3 = left 3");
    assert_eq!(*script.closed.lock().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_peers_hint_is_waited_for() {
    let hint = Refused::retry_after(Duration::from_secs(60), Code::Unavailable, "busy");
    let script = Script::new([Answer::Refuse(hint), Answer::Take]);
    let node = node(&script, exact()).await;
    node.send(batch(Signal::Traces, 1, 3)).await.await;
    node.finish().await;
    assert_eq!(script.times(), [0.0, 60.0]);
}

#[tokio::test(start_paused = true)]
async fn gives_up_when_the_time_is_used_up_and_says_so() {
    let script = Script::new((0..100).map(|_| unavailable()));
    let node = node(&script, waiting_clients()).await;
    let verdict = node.send(batch(Signal::Traces, 1, 3)).await.await;
    let Verdict::Refused(refused) = verdict else { panic!("{verdict:?}") };
    assert_eq!(refused.message.as_ref(), "no more retries left: down");
    let statement = node.finish().await;
    assert_eq!(statement.refused, [("retries used up", 3)]);
    assert!(script.times().last().unwrap() <= &300.0);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_not_sent_again() {
    let refusal = Refused::permanent(Code::InvalidArgument, "bad data");
    let script = Script::new([Answer::Refuse(refusal.clone())]);
    let node = node(&script, waiting_clients()).await;
    let verdict = node.send(batch(Signal::Traces, 1, 3)).await;
    assert_eq!(verdict.await, Verdict::Refused(refusal));
    let statement = node.finish().await;
    assert_eq!(statement.refused, [("refused by the peer", 3)]);
    assert_eq!(script.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_sent_in_pieces() {
    let script = Script::new([Answer::AtMost(3)]);
    let node = node(&script, waiting_clients()).await;
    assert_eq!(node.send(batch(Signal::Traces, 1, 10)).await.await, Verdict::Delivered);
    node.finish().await;
    let taken: Vec<Vec<u64>> = script.calls().into_iter().filter(|ids| ids.len() <= 3).collect();
    assert_eq!(taken.concat(), (1..=10).collect::<Vec<_>>(), "each item once and in order");
}

#[tokio::test(start_paused = true)]
async fn a_single_item_that_is_too_large_is_refused_alone() {
    let script = Script::new([Answer::AtMost(0)]);
    let node = node(&script, waiting_clients()).await;
    let verdict = node.send(batch(Signal::Traces, 1, 2)).await.await;
    assert!(matches!(verdict, Verdict::Refused(ref refused) if !refused.is_retryable()), "{verdict:?}");
    let statement = node.finish().await;
    assert_eq!(statement.refused, [("too large", 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_partial_success_is_in_the_books_and_in_the_verdict() {
    let script = Script::new([Answer::TakeAllBut(2)]);
    let node = node(&script, waiting_clients()).await;
    let verdict = node.send(batch(Signal::Traces, 1, 5)).await.await;
    assert_eq!(verdict, Verdict::Partly { rejected: 2, message: "not these".into() });
    let statement = node.finish().await;
    assert_eq!(statement.to_string(), "entered 5 = left 3 + refused{refused in part by the peer} 2");
}

/// Delivers ten items that are settled in parts; what the books and whoever waits are told.
async fn settle_in_parts(answers: Vec<Answer>, stop: bool) -> (Script, String, Verdict) {
    let script = Script::new(answers);
    let node = node(&script, waiting_clients()).await;
    let verdict = node.send(batch(Signal::Traces, 1, 10)).await;
    if stop {
        settle().await;
        node.stopping.cancel();
    }
    let verdict = verdict.await;
    (script, node.finish().await.to_string(), verdict)
}

fn in_parts(taken: usize, odd: usize, then: Answer) -> Answer {
    Answer::Settle(taken, odd, Box::new(then))
}

#[tokio::test(start_paused = true)]
async fn what_is_settled_stays_settled_whatever_comes_after() {
    let odd = || Verdict::Partly { rejected: 1, message: "it is odd".into() };
    let answers =
        vec![in_parts(4, 1, unavailable()), in_parts(3, 0, Answer::Stall), in_parts(2, 0, Answer::Take)];
    let (script, books, verdict) = settle_in_parts(answers, false).await;
    assert_eq!((books.as_str(), verdict), ("entered 10 = left 9 + refused{odd} 1", odd()));
    assert_eq!(*script.attempts.lock().unwrap(), [1, 2, 3], "one memory for all attempts");

    let refused = Refused::permanent(Code::InvalidArgument, "bad");
    let answers = vec![in_parts(4, 1, unavailable()), Answer::Refuse(refused)];
    let (_, books, verdict) = settle_in_parts(answers, false).await;
    assert_eq!(books, "entered 10 = left 4 + refused{odd} 1 + refused{refused by the peer} 5");
    assert_eq!(verdict, Verdict::Partly { rejected: 6, message: "bad".into() });

    let answers =
        (0..100).map(|n| if n == 0 { in_parts(4, 1, unavailable()) } else { unavailable() }).collect();
    let (_, books, verdict) = settle_in_parts(answers, false).await;
    assert_eq!(books, "entered 10 = left 4 + refused{odd} 1 + refused{retries used up} 5");
    assert!(matches!(verdict, Verdict::Refused(refused) if refused.is_retryable()));

    let answers = vec![in_parts(4, 1, Answer::Stall)];
    let (_, books, verdict) = settle_in_parts(answers, true).await;
    assert_eq!(books, "entered 10 = left 4 + refused{odd} 1 + refused{shutdown} 5");
    assert!(matches!(verdict, Verdict::Refused(refused) if refused.is_retryable()));
}

#[tokio::test(start_paused = true)]
async fn patience_begins_anew_with_each_progress() {
    // Five minutes of waits between two parts of it that are delivered: nearly all that the settings allow.
    let pause = || Answer::Refuse(Refused::retry_after(Duration::from_secs(200), Code::Unavailable, "later"));
    let answers = (0..10).flat_map(|_| [in_parts(1, 0, unavailable()), pause()]).collect();
    let (script, books, verdict) = settle_in_parts(answers, false).await;
    assert_eq!((books.as_str(), verdict), ("entered 10 = left 10", Verdict::Delivered));
    let times = script.times();
    assert!(times[20] > 2000.0 && times.windows(2).all(|two| two[1] - two[0] < 250.0), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_delivered_in_part_waits_without_a_consumer() {
    let one = || SendingQueue { num_consumers: 1, ..SendingQueue::default() };
    for (first, expected) in
        [(in_parts(2, 0, unavailable()), [0.0, 0.0, 5.0]), (unavailable(), [0.0, 5.0, 5.0])]
    {
        let script = Script::new([first, Answer::Take, Answer::Take]);
        let node = node(&script, queued(Optional::Some(one()))).await;
        for first in [1, 11] {
            node.inlet.as_ref().unwrap().send(batch(Signal::Traces, first, 3)).await.unwrap();
        }
        settle().await;
        let statement = node.finish().await;
        assert_eq!(
            (statement.to_string().as_str(), script.times()),
            ("entered 6 = left 6", expected.to_vec())
        );
    }
    // Its room in the queue stays taken where requests are counted: that bounds how many there are. And it waits for a place after its wait.
    let queue = SendingQueue { queue_size: 2, block_on_overflow: true, ..one() };
    let script = Script::new([
        in_parts(2, 0, unavailable()),
        in_parts(2, 0, unavailable()),
        Answer::Take,
        Answer::Stall,
    ]);
    let node = node(&script, queued(Optional::Some(queue))).await;
    for first in [1, 11] {
        node.inlet.as_ref().unwrap().send(batch(Signal::Traces, first, 3)).await.unwrap();
    }
    settle().await;
    assert_eq!(used(&node), 2);
    let third = node.inlet.as_ref().unwrap().send(batch(Signal::Traces, 21, 3));
    let waited = Instant::now();
    third.await.unwrap();
    assert_eq!(waited.elapsed().as_secs(), 5);
    assert_eq!(node.finish().await.to_string(), "entered 9 = left 9");
    assert_eq!(script.times().iter().filter(|at| **at == 5.0).count(), 2);
}

/// Two thirds of what comes is tried for a minute each time and comes back.
#[tokio::test(start_paused = true)]
async fn new_batches_have_their_turn_among_those_that_come_back() {
    for num_consumers in [1, 4] {
        let script = Script { slow: Some(Duration::from_secs(60)), ..Script::new([]) };
        let queue = SendingQueue { num_consumers, ..SendingQueue::default() };
        let retry_on_failure =
            Retry { max_elapsed_time: Duration::ZERO, randomization_factor: 0.0, ..Retry::default() };
        let settings = QueueAndRetry { sending_queue: Optional::Some(queue), retry_on_failure }
            .with_timeout(Duration::ZERO);
        let node = node(&script, settings).await;
        for first in 0..60 {
            node.inlet.as_ref().unwrap().send(batch(Signal::Traces, first * 10, 3)).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(60 * 200)).await;
        node.stopping.cancel();
        let statement = node.finish().await;
        assert_eq!(statement.left, 60 + 40, "{num_consumers}: {statement}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_exporter_remembers_is_kept_once() {
    let script = Script {
        remembers: Some(9),
        ..Script::new([in_parts(2, 0, unavailable()), unavailable(), unavailable()])
    };
    let node = node(&script, exact()).await;
    node.inlet.as_ref().unwrap().send(batch(Signal::Traces, 1, 3)).await.unwrap();
    assert_eq!(node.finish().await.to_string(), "entered 3 = left 3");
    let none = Vec::new();
    assert_eq!(script.calls(), [vec![1, 2, 3], none.clone(), none.clone(), none]);
}

/// What is left of the batches waits for hours.
#[tokio::test(start_paused = true)]
async fn what_has_arrived_of_a_batch_takes_up_no_room() {
    const ITEMS: usize = 6_000;
    let bytes = batch(Signal::Traces, 1, ITEMS).len();
    assert!(bytes > 200_000, "{bytes}");
    for (sizer, room_for_two) in [(QueueSizer::Items, 2 * ITEMS), (QueueSizer::Bytes, 2 * bytes)] {
        let answers = (0..10).map(|_| in_parts(ITEMS - 1, 0, unavailable()));
        let script = Script { remembers: Some(40), ..Script::new(answers) };
        let queue = SendingQueue { sizer: Some(sizer), queue_size: room_for_two, ..SendingQueue::default() };
        let node = node(&script, queued(Optional::Some(queue))).await;
        let started = Instant::now();
        for _ in 0..10 {
            node.inlet.as_ref().unwrap().send(batch(Signal::Traces, 1, ITEMS)).await.unwrap();
        }
        assert_eq!(started.elapsed(), Duration::ZERO, "{sizer:?}: all of them found room at once");
        assert_eq!(node.finish().await.left, 10 * ITEMS as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_settled_in_part_is_not_cut() {
    let too_large = || Answer::Refuse(Refused::too_large("big"));
    let (script, books, verdict) = settle_in_parts(vec![in_parts(4, 0, too_large())], false).await;
    assert_eq!(books, "entered 10 = left 4 + refused{too large} 6");
    assert_eq!(verdict, Verdict::Partly { rejected: 6, message: "big".into() });
    assert_eq!(script.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn more_than_was_sent_can_not_be_settled() {
    let answers = vec![in_parts(99, 7, unavailable()), in_parts(1, 98, Answer::Take)];
    let (_, books, verdict) = settle_in_parts(answers, false).await;
    assert_eq!(books, "entered 10 = left 0 + refused{odd} 10");
    assert!(matches!(verdict, Verdict::Refused(refused) if !refused.is_retryable()));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_stalls_is_cut_off_and_repeated() {
    let script = Script::new([Answer::Stall, Answer::Take]);
    let node = node(&script, exact()).await;
    node.send(batch(Signal::Traces, 1, 1)).await.await;
    node.finish().await;
    assert_eq!(script.times(), [0.0, 10.0], "five seconds of timeout, five of waiting");
}

#[tokio::test(start_paused = true)]
async fn a_queue_answers_at_once_and_waits_for_the_result_if_told_to() {
    let script = Script::new([unavailable(), unavailable()]);
    let answering = node(&script, exact()).await;
    let verdict = answering.send(batch(Signal::Traces, 1, 3)).await;
    assert!(matches!(verdict.try_take(), Some(Verdict::TakenOver { .. })));
    answering.finish().await;

    let script = Script::new([unavailable()]);
    let queue = SendingQueue { wait_for_result: true, ..SendingQueue::default() };
    let waiting = node(&script, queued(Optional::Some(queue))).await;
    let verdict = waiting.send(batch(Signal::Traces, 1, 3)).await;
    assert_eq!(verdict.try_take(), None);
    assert_eq!(verdict.await, Verdict::Delivered);
}

#[tokio::test(start_paused = true)]
async fn the_queue_joins_and_cuts() {
    let joining =
        QueueBatch { min_size: 10, max_size: 10, sizer: Some(QueueSizer::Items), ..QueueBatch::default() };
    let queue = SendingQueue { batch: Optional::Some(joining), num_consumers: 1, ..SendingQueue::default() };
    let script = Script::new([]);
    let node = node(&script, queued(Optional::Some(queue))).await;
    for first in [1, 5, 9, 13] {
        node.send(batch(Signal::Traces, first, 4)).await.await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(script.calls().iter().map(Vec::len).collect::<Vec<_>>(), [10, 6]);
    let statement = node.finish().await;
    assert_eq!(statement.to_string(), "entered 16 = left 16");
}

#[tokio::test(start_paused = true)]
async fn what_is_left_when_time_is_up_is_in_the_books() {
    let script = Script::new((0..100).map(|_| Answer::Stall));
    let queue = SendingQueue { num_consumers: 1, ..SendingQueue::default() };
    let node = node(&script, queued(Optional::Some(queue))).await;
    for first in 1..=5 {
        node.send(batch(Signal::Traces, first, 1)).await.await;
    }
    node.stopping.cancel();
    let statement = node.finish().await;
    assert_eq!(statement.refused, [("shutdown", 5)]);
}

fn joining(num_consumers: usize, queue_size: usize, batch: QueueBatch) -> Settings {
    let batch = Optional::Some(QueueBatch { sizer: Some(QueueSizer::Items), ..batch });
    let queue = SendingQueue {
        num_consumers,
        queue_size,
        sizer: Some(QueueSizer::Items),
        batch,
        ..SendingQueue::default()
    };
    queued(Optional::Some(queue))
}

fn used(node: &RunHarness) -> usize {
    node.inlet.as_ref().unwrap().level().used()
}

/// Lets every task go as far as it gets without time passing.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_joining_queue_gives_room_back_as_batches_settle() {
    let script = Script::new([]);
    let ten = QueueBatch { min_size: 10, max_size: 10, ..QueueBatch::default() };
    let node = node(&script, joining(1, 30, ten)).await;
    // Never empty: each batch of ten leaves some of the last entry behind.
    for entry in 0..50 {
        let sent = node.send(batch(Signal::Traces, 1 + entry * 7, 7));
        tokio::time::timeout(Duration::from_millis(100), sent).await.expect("there is room");
        settle().await;
        assert!(used(&node) <= 16, "{} in use after entry {entry}", used(&node));
    }
    let statement = node.finish().await;
    assert_eq!(statement.to_string(), "entered 350 = left 350");
}

#[tokio::test(start_paused = true)]
async fn an_entry_takes_up_room_until_all_its_pieces_are_settled() {
    let script = Script::new([Answer::Stall, Answer::Take]);
    let ten = QueueBatch { min_size: 10, max_size: 10, ..QueueBatch::default() };
    let node = node(&script, joining(2, 100, ten)).await;
    node.send(batch(Signal::Traces, 1, 20)).await;
    settle().await;
    assert_eq!(script.calls().len(), 2);
    assert_eq!(used(&node), 20, "its first piece is still under way");
    let statement = node.finish().await;
    assert_eq!(statement.to_string(), "entered 20 = left 20");
}

#[tokio::test(start_paused = true)]
async fn what_is_left_over_waits_its_own_time() {
    let script = Script::new([]);
    let ten = QueueBatch { min_size: 10, max_size: 10, ..QueueBatch::default() };
    let node = node(&script, joining(1, 100, ten)).await;
    node.send(batch(Signal::Traces, 1, 6)).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    node.send(batch(Signal::Traces, 7, 6)).await;
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(script.times(), [0.15, 0.35], "two items are left over at 0.15 s");
    node.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_nothing_is_answered_by_a_joining_queue() {
    let script = Script::new([]);
    let node = node(&script, joining(1, 100, QueueBatch::default())).await;
    let _verdict = node.send(batch(Signal::Traces, 1, 0)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(used(&node), 0);
    node.finish().await;
}

#[tokio::test(start_paused = true)]
async fn documents_that_are_too_many_are_sent_in_pieces() {
    let script = Script::new([Answer::AtMost(1)]);
    let node = node(&script, waiting_clients()).await;
    assert_eq!(node.send(batch(Signal::Xray, 1, 4)).await.await, Verdict::Delivered);
    node.finish().await;
    let taken: Vec<Vec<u64>> = script.calls().into_iter().filter(|ids| ids.len() == 1).collect();
    assert_eq!(taken.concat(), [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn an_exporter_is_closed_after_the_last_stage_that_ran() {
    let script = Script::new([]);
    let unit = unit(script.clone(), waiting_clients(), 4);
    let budget = data::Budget::unlimited();
    let node = |signal| component::NodeId::exporter("under_test", signal);
    let never_run = unit.stage(&node(Signal::Logs), Signal::Logs, Arc::default(), &budget);
    let traces = RunHarness::start(&*unit, Signal::Traces).await.unwrap();
    let metrics = RunHarness::start(&*unit, Signal::Metrics).await.unwrap();
    drop(never_run);
    traces.finish().await;
    assert_eq!(*script.closed.lock().unwrap(), 0, "metrics may still come");
    metrics.finish().await;
    assert_eq!(*script.closed.lock().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_takes_no_other_batch_along() {
    let script = Script::new([Answer::Panic, unavailable()]);
    let node = node(&script, waiting_clients()).await;
    let lost = node.send(batch(Signal::Traces, 1, 2)).await;
    let other = node.send(batch(Signal::Traces, 3, 1)).await;
    assert!(matches!(lost.await, Verdict::Refused(refused) if refused.is_retryable()));
    assert_eq!(other.await, Verdict::Delivered);
    assert_eq!(
        node.finish().await.to_string(),
        "entered 3 = left 1 + held 2",
        "nobody can say what became of two"
    );
}

#[tokio::test(start_paused = true)]
async fn a_drain_cuts_the_present_wait_short() {
    let script = Script::new([unavailable(), unavailable(), Answer::Take]);
    let unit = unit(script.clone(), exact(), 4);
    let node = component::NodeId::exporter("under_test", Signal::Traces);
    let stage = unit.stage(&node, Signal::Traces, Arc::default(), &data::Budget::unlimited());
    let (cx, _ready) = testkit::run_cx(node);
    let draining = cx.draining.clone();
    let run = tokio::spawn((stage.run)(cx));
    stage.inlet.send(batch(Signal::Traces, 1, 1)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    draining.cancel();
    drop(stage.inlet);
    run.await.unwrap().unwrap();
    assert_eq!(script.times(), [0.0, 1.0, 8.5], "at once, and then as ever");
}

#[tokio::test(start_paused = true)]
async fn each_partition_waits_its_own_time() {
    let script = Script::new([]);
    let partition = crate::settings::Partition { metadata_keys: vec!["tenant".into()] };
    let ten = QueueBatch { min_size: 10, partition, ..QueueBatch::default() };
    let node = node(&script, joining(4, 100, ten)).await;
    let from = |tenant: &str, first| {
        let metadata = vec![("tenant".into(), vec![tenant.into()])];
        batch(Signal::Traces, first, 6).with_context(data::Context { metadata, ..Default::default() }.into())
    };
    let wait = |millis| tokio::time::sleep(Duration::from_millis(millis));
    node.send(from("a", 1)).await;
    wait(50).await;
    node.send(from("b", 11)).await;
    wait(50).await;
    node.send(from("a", 21)).await;
    wait(50).await;
    node.send(from("a", 31)).await;
    wait(500).await;
    assert_eq!(script.times(), [0.1, 0.25, 0.35], "a by size, b by time, a by time");
    node.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_is_shown_to_the_exporter() {
    let script = Script::new([
        Answer::Settle(2, 1, Box::new(unavailable())),
        unavailable(),
        Answer::Refuse(Refused::permanent(Code::InvalidArgument, "no")),
        Answer::Stall,
    ]);
    let retry = Retry { max_elapsed_time: Duration::from_secs(6), ..Retry::default() };
    let mut settings = queued(Optional::Some(SendingQueue { num_consumers: 1, ..SendingQueue::default() }));
    settings.holding.retry_on_failure = Retry { randomization_factor: 0.0, ..retry };
    let node = node(&script, settings).await;
    node.send(batch(Signal::Traces, 1, 5)).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(*script.given_up.lock().unwrap(), [(vec![1, 2, 3, 4, 5], 2, 2)], "after the last retry");
    for first in [11, 21, 31, 41] {
        node.send(batch(Signal::Traces, first, 1)).await;
    }
    settle().await;
    node.stopping.cancel();
    assert_eq!(
        node.finish().await.to_string(),
        "entered 9 = left 2 + refused{odd} 1 + refused{retries used up} 2 + refused{refused by the peer} 1 + refused{shutdown} 3",
        "the third had left the queue, and waited for its place"
    );
    let given_up = script.given_up.lock().unwrap();
    assert_eq!(given_up[1..], [(vec![11], 1, 0), (vec![31], 0, 0), (vec![41], 0, 0), (vec![21], 1, 0)]);
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_is_in_the_books_before() {
    // Giving up the first never ends, or giving up one that was still in the queue.
    let books = [
        "entered 5 = left 2 + refused{odd} 1 + refused{shutdown} 2",
        "entered 8 = left 2 + refused{shutdown} 5 + refused{odd} 1",
    ];
    for (tried, books) in [1, 0].into_iter().zip(books) {
        let answers = [Answer::Settle(2, 1, Box::new(Answer::Stall)), Answer::Stall];
        let script = Script { hangs_on: Some(tried), ..Script::new(answers) };
        let queue = SendingQueue { num_consumers: 1, ..SendingQueue::default() };
        let node = node(&script, queued(Optional::Some(queue))).await;
        node.send(batch(Signal::Traces, 1, 5)).await;
        for first in [11, 21, 31].into_iter().filter(|_| tried == 0) {
            node.send(batch(Signal::Traces, first, 1)).await;
        }
        settle().await;
        let (statement, metrics) = node.cut_off().await;
        assert_eq!(statement.to_string(), books);
        let given_up = script.given_up.lock().unwrap().len();
        assert_eq!(given_up, 2 - tried, "the last ones were not reached");
        let failed = metrics.lines().filter(|line| line.starts_with("otelcol_exporter_send_failed_spans{"));
        let failed: f64 = failed.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum();
        assert_eq!(failed, if tried == 0 { 6.0 } else { 3.0 }, "{metrics}");
        assert_eq!(*script.closed.lock().unwrap(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_can_send_again_is_not_given_up() {
    let script = Script::new([Answer::Refuse(Refused::permanent(Code::InvalidArgument, "no"))]);
    let node = node(&script, waiting_clients()).await;
    assert!(matches!(node.send(batch(Signal::Traces, 1, 1)).await.await, Verdict::Refused(_)));
    assert!(script.given_up.lock().unwrap().is_empty());
    node.finish().await;
}

/// The value of a metric that the node under test publishes for traces.
fn metric(node: &RunHarness, series: &str) -> Option<f64> {
    let text = node.metrics();
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(value.parse().unwrap())
}

const IN_FLIGHT: &str = r#"otelcol_exporter_in_flight_requests{data_type="traces",exporter="under_test"}"#;

#[tokio::test(start_paused = true)]
async fn a_request_is_in_flight_until_its_last_attempt_ended() {
    for settings in [waiting_clients(), exact()] {
        let script = Script::new([Answer::Panic, unavailable(), Answer::Stall, Answer::Take]);
        let node = node(&script, settings).await;
        assert_eq!(metric(&node, IN_FLIGHT), Some(0.0));
        node.send(batch(Signal::Traces, 1, 1)).await;
        settle().await;
        assert_eq!(metric(&node, IN_FLIGHT), Some(0.0), "a panic gives it back");
        node.send(batch(Signal::Traces, 2, 1)).await;
        settle().await;
        assert_eq!(
            (script.calls().len(), metric(&node, IN_FLIGHT)),
            (2, Some(1.0)),
            "it waits for its retry"
        );
        node.send(batch(Signal::Traces, 3, 1)).await;
        settle().await;
        assert_eq!((script.calls().len(), metric(&node, IN_FLIGHT)), (3, Some(2.0)));
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(metric(&node, IN_FLIGHT), Some(0.0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_full_queue_refuses_is_counted_by_items() {
    const REFUSED: &str = r#"otelcol_exporter_enqueue_failed_spans{exporter="under_test"}"#;
    let script = Script::new([Answer::Stall]);
    let queue = SendingQueue { queue_size: 1, num_consumers: 1, ..SendingQueue::default() };
    let node = node(&script, queued(Optional::Some(queue))).await;
    let edge = || Edge { inlet: node.inlet.clone().unwrap(), best_effort: false };
    let receiver = Outlet::new(vec![edge()], Arc::default());
    receiver.offer(batch(Signal::Traces, 1, 2), Duration::from_secs(5)).await;
    assert_eq!(metric(&node, REFUSED), Some(0.0));
    receiver.offer(batch(Signal::Traces, 3, 4), Duration::from_secs(5)).await;
    assert_eq!(metric(&node, REFUSED), Some(4.0));
    let two_pipelines = Outlet::new(vec![edge(), edge()], Arc::default());
    two_pipelines.offer(batch(Signal::Traces, 7, 3), Duration::from_secs(5)).await;
    assert_eq!(metric(&node, REFUSED), Some(10.0));
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_nothing_is_said_of_one() {
    let node = node(&Script::new([]), waiting_clients()).await;
    let text = node.metrics();
    assert!(!text.contains("_queue_") && !text.contains("_enqueue_"), "{text}");
}
