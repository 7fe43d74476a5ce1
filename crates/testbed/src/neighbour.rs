//! Somebody who sends valid data all the while, and must not notice what others do.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prost::Message as _;
use testkit::generate::traces;
use tokio::task::JoinHandle;

use crate::grpc::{Client, TRACES};
use crate::{Collector, Ended, config, otlp_json};

/// The ids of the neighbour's spans begin here; those of a test's own spans are smaller.
pub const FIRST: u64 = 1 << 40;

/// A collector that writes to a file, and a neighbour who uses it.
pub struct Scene {
    /// The process.
    pub collector: Collector,
    stop: Arc<AtomicBool>,
    sent: JoinHandle<BTreeSet<u64>>,
}

impl Scene {
    /// The usual pipeline into a file.
    pub async fn start() -> Self {
        Self::with_receiver("{}").await
    }

    /// The same with further settings of the receiver.
    pub async fn with_receiver(receiver: &str) -> Self {
        Self::with_config(&config::graph(receiver, "file: {path: DIR/out.json}", "[batch]", "[file]", ""))
            .await
    }

    /// The same with another configuration of that shape.
    pub async fn with_config(config: &str) -> Self {
        let collector = Collector::start(config);
        let stop = Arc::new(AtomicBool::new(false));
        let sent = tokio::spawn(neighbour(Client::connect(collector.grpc()).await, Arc::clone(&stop)));
        Self { collector, stop, sent }
    }

    /// Ends all of it. The neighbour's spans and those in `others` are in the file, and nothing else is.
    pub async fn finish(mut self, others: impl IntoIterator<Item = u64>) -> Ended {
        assert!(self.collector.is_alive(), "{}", self.collector.output());
        self.stop.store(true, Ordering::Relaxed);
        let mut expected = self.sent.await.unwrap();
        expected.extend(others);
        let ended = self.collector.stop_clean();
        ended.account.nothing_lost();
        ended.account.passed("receiver otlp", "spans", expected.len() as u64);
        ended.account.passed("exporter file (traces)", "spans", expected.len() as u64);
        let in_file = otlp_json::distinct(otlp_json::span_ids(&ended.file("out.json")));
        assert!(in_file == expected, "the file holds {} spans, sent were {}", in_file.len(), expected.len());
        ended
    }
}

async fn neighbour(client: Client, stop: Arc<AtomicBool>) -> BTreeSet<u64> {
    let mut sent = BTreeSet::new();
    let mut next = FIRST;
    // At least once, however short the test.
    while next == FIRST || !stop.load(Ordering::Relaxed) {
        let answer = client.export(TRACES, &traces(next..next + 10).encode_to_vec()).await;
        assert_eq!(answer.code, 0, "the neighbour is refused: {answer:?}");
        sent.extend(next..next + 10);
        next += 10;
        // It is there to be disturbed, not to be the load.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    sent
}
