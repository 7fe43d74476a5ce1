use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use component::{
    Capacity, Edge, Entry, Facilities, Fatal, Inbox, Listeners, NodeId, Outlet, SHUTDOWN, Workers, channel,
};
use data::{Account, Budget, Statement};
use testkit::generate::{document, ids};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;

const HEADER: &str = "{\"format\":\"json\",\"version\":1}\n";

#[test]
fn keeps_the_contract_of_a_type() {
    testkit::contract::spec(&SPEC, true);
}

fn read(yaml: &str) -> (Option<Config>, String) {
    testkit::settings::read(yaml, "receivers::awsxray")
}

#[test]
fn the_collectors_keys_are_taken() {
    let yaml = "{endpoint: '0.0.0.0:2000', transport: udp, proxy_server: {endpoint: 'localhost:2001', region: eu-west-1, \
                role_arn: r, local_mode: true, service_name: xray, tls: {insecure: true}}}";
    let (config, findings) = read(yaml);
    let config = config.unwrap_or_else(|| panic!("{findings}"));
    assert_eq!(findings, "");
    assert_eq!(
        (config.endpoint.as_str(), config.proxy_server.0.endpoint.as_str()),
        ("0.0.0.0:2000", "localhost:2001")
    );
    let defaults = read("").0.unwrap();
    assert_eq!(
        (defaults.endpoint.as_str(), defaults.proxy_server.0.endpoint.as_str()),
        ("localhost:2000", "localhost:2000")
    );
}

#[test]
fn what_is_wrong_is_said() {
    for (yaml, part) in [
        ("transport: tcp", "X-Ray receiver only supports ingesting spans through UDP, `tcp` was given"),
        ("transport: foo", "invalid transport type \"foo\": must be `udp`"),
        ("endpoint: localhost", "address localhost: missing port in address"),
        ("proxy_server: {endpoint: 'localhost:x'}", "invalid port \"x\""),
        ("batch_delay: 1m", "must be at most 1s"),
        ("limits: {max_depth: 0}", "must be between 1 and 256"),
        ("http_conventions: new", "expected one of `old`, `stable`, `both`"),
    ] {
        let (config, findings) = read(yaml);
        assert!(config.is_none() && findings.contains(part), "{yaml}: {findings}");
    }
    let (config, findings) = read("dialer: {timeout: 1s}");
    assert!(config.is_some() && findings.contains("`dialer` has no effect"), "{findings}");
}

/// A receiver that runs.
struct Running {
    endpoint: String,
    client: UdpSocket,
    inboxes: BTreeMap<Signal, Inbox>,
    accounts: BTreeMap<Signal, Arc<Account>>,
    budget: Arc<Budget>,
    registry: telemetry::metrics::Registry,
    /// What an exporter would tell X-Ray.
    records: Arc<xray::records::Counts>,
    draining: CancellationToken,
    stopping: CancellationToken,
    task: JoinHandle<Ended>,
}

impl Running {
    /// A receiver without a proxy, with these settings, whose inboxes hold so many batches.
    async fn start(yaml: &str, signals: &[Signal], room: usize, budget: Arc<Budget>) -> Self {
        let free = UdpSocket::bind("127.0.0.1:0").unwrap();
        let endpoint = free.local_addr().unwrap().to_string();
        drop(free);
        let proxy = if yaml.contains("proxy_server") { "" } else { ", proxy_server: {enabled: false}" };
        let yaml = format!("{{endpoint: '{endpoint}'{proxy}{yaml}}}");
        let (config, findings) = read(&yaml);
        let config = config.unwrap_or_else(|| panic!("{findings}"));
        let mut outlets = Outlets::default();
        let (mut inboxes, mut accounts) = (BTreeMap::new(), BTreeMap::new());
        for signal in signals {
            let capacity = Capacity { size: room, ..Capacity::inbox() };
            let (inlet, inbox) = channel(capacity, Arc::default());
            let account = Arc::<Account>::default();
            let edge = Edge { inlet, best_effort: false };
            outlets = outlets.with(*signal, Outlet::new(vec![edge], Arc::clone(&account)));
            inboxes.insert(*signal, inbox);
            accounts.insert(*signal, account);
        }
        let options = telemetry::metrics::Options::default();
        let registry = telemetry::metrics::Registry::new(options, telemetry::Resource::default());
        let (ready, is_ready) = oneshot::channel();
        let cx = RunCx::new(
            NodeId::shared(Kind::Receiver, "awsxray"),
            Facilities {
                clock: Arc::new(data::SystemClock::new()),
                budget: Arc::clone(&budget),
                workers: Workers::new(vec![tokio::runtime::Handle::current()], Fatal::default()),
                listeners: Listeners::default(),
                meters: Arc::new(registry.scope()),
            },
            ready,
        );
        let (draining, stopping) = (cx.draining.clone(), cx.stopping.clone());
        let records = Arc::<xray::records::Counts>::default();
        cx.process.capabilities().offer(&xray::records::offered_to("awsxray"), Arc::downgrade(&records));
        let receiver = XrayReceiver { config, environment: Environment::default() };
        let task = tokio::spawn(receiver.run(outlets, cx));
        is_ready.await.expect("it becomes ready");
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(&endpoint).unwrap();
        Self { endpoint, client, inboxes, accounts, budget, registry, records, draining, stopping, task }
    }

    fn send(&self, document: &str) {
        self.client.send(format!("{HEADER}{document}").as_bytes()).unwrap();
    }

    async fn next(&mut self, signal: Signal) -> Entry {
        let entry = self.inboxes.get_mut(&signal).unwrap().recv();
        tokio::time::timeout(Duration::from_secs(20), entry).await.expect("in time").expect("a batch")
    }

    /// The value of the first series of that name with these labels.
    fn metric(&self, name: &str, labels: &str) -> f64 {
        let mut text = String::new();
        self.registry.render(&mut text);
        let line = text.lines().find(|line| line.starts_with(name) && line.contains(labels));
        let line = line.unwrap_or_else(|| panic!("no {name} {labels} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Ends it; how much was not taken out before, by signal, and the books.
    async fn finish(mut self) -> BTreeMap<Signal, (usize, Statement)> {
        self.draining.cancel();
        let mut rest = BTreeMap::new();
        for (signal, mut inbox) in std::mem::take(&mut self.inboxes) {
            let mut found = 0;
            while let Some(entry) = inbox.recv().await {
                found += entry.batch.items();
                entry.batch.delivered();
            }
            rest.insert(signal, found);
        }
        self.task.await.unwrap().expect("it ends well");
        let statement = |(signal, found)| {
            let statement = self.accounts[&signal].statement();
            assert!(statement.balances() && statement.inside() == 0, "{statement}");
            (signal, (found, statement))
        };
        rest.into_iter().map(statement).collect()
    }
}

/// Lets the receiver work until something is so.
async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it becomes so");
}

#[tokio::test]
async fn keeps_the_contract_of_receivers() {
    for signal in [Signal::Traces, Signal::Xray] {
        let free = UdpSocket::bind("127.0.0.1:0").unwrap();
        let endpoint = free.local_addr().unwrap();
        drop(free);
        let config =
            read(&format!("{{endpoint: '{endpoint}', proxy_server: {{enabled: false}}}}")).0.unwrap();
        let stage =
            XrayReceiver::build(&config, &testkit::build_cx()).unwrap_or_else(|error| panic!("{error}"));
        let send = || async move {
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            for id in 1..=123 {
                client.send_to(format!("{HEADER}{}", document(id)).as_bytes(), endpoint).unwrap();
            }
        };
        testkit::contract::receiver(stage, signal, 123, send).await;
    }
}

#[tokio::test]
async fn both_signals_are_fed_by_one_datagram() {
    let mut running = Running::start("", &[Signal::Traces, Signal::Xray], 64, Budget::unlimited()).await;
    // As it came: blanks, order and all.
    let text = format!(" {} ", document(7));
    running.send(&text);
    let spans = running.next(Signal::Traces).await;
    let documents = running.next(Signal::Xray).await;
    assert_eq!(ids(&spans.batch), [7]);
    assert_eq!(documents.batch.chunks().collect::<Vec<_>>(), [text.as_bytes()]);
    spans.batch.delivered();
    documents.batch.delivered();
    drop((spans.permit, documents.permit));
    assert_eq!(running.metric("otelcol_receiver_accepted_spans", "transport=\"udp\""), 1.0);
    assert_eq!(running.metric("otelcol_receiver_accepted_documents", "receiver=\"awsxray\""), 1.0);
    let budget = Arc::clone(&running.budget);
    assert!(budget.buffers() > 1 << 20, "what datagrams are taken into is counted");
    for (_, (rest, statement)) in running.finish().await {
        assert_eq!((rest, statement.entered, statement.left), (0, 1, 1));
    }
    assert_eq!((budget.held(), budget.buffers()), (0, 0), "memory is given back");
}

#[tokio::test]
async fn documents_that_come_together_become_one_batch() {
    let mut running = Running::start(", batch_delay: 1s", &[Signal::Xray], 64, Budget::unlimited()).await;
    for id in 1..=50 {
        running.send(&document(id));
    }
    let entry = running.next(Signal::Xray).await;
    assert_eq!(ids(&entry.batch), (1..=50).collect::<Vec<_>>());
    assert_eq!((entry.batch.items(), entry.batch.parts().len()), (50, 50));
    entry.batch.delivered();
    running.finish().await;
}

#[tokio::test]
async fn what_is_bad_is_counted_by_reason_and_the_receiver_lives_on() {
    let mut running = Running::start("", &[Signal::Traces, Signal::Xray], 64, Budget::unlimited()).await;
    let nested =
        r#""subsegments":[{"name":"n","id":"00000000000000a0","start_time":1,"end_time":2},{"id":"x"}],"#;
    let good = document(1).replacen('{', &format!("{{{nested}"), 1);
    let spaces = " ".repeat(64_000);
    for datagram in [
        "no header",
        "",
        "{\"format\":\"xml\",\"version\":1}\n{}",
        HEADER,
        &format!("{HEADER}{spaces}"),
        &format!("{HEADER}{{\"name\":"),
        &format!("{HEADER}{} {}", document(1), document(2)),
        &format!("{HEADER}{}", document(3).replace("\"id\"", "\"no_id\"")),
        &format!("{HEADER}{}", document(3).replace("1700000000,", "\"1700000000\",")),
        &format!("{HEADER}{{\"metadata\":{{\"a\":{}", "[".repeat(30_000)),
        &format!("{HEADER}{good}"),
    ] {
        running.client.send(datagram.as_bytes()).unwrap();
    }
    let spans = running.next(Signal::Traces).await;
    assert_eq!(ids(&spans.batch), [1, 0xa0]);
    spans.batch.delivered();
    for (reason, count) in [
        ("no_header", 2.0),
        ("bad_header", 1.0),
        ("no_document", 2.0),
        ("not_json", 2.0),
        ("missing_field", 2.0),
        ("wrong_type", 1.0),
        ("too_deep", 1.0),
    ] {
        let found = running.metric("collimator_receiver_awsxray_refused", &format!("reason=\"{reason}\""));
        assert_eq!(found, count, "{reason}");
    }
    assert_eq!(running.metric("otelcol_receiver_refused_spans", "udp"), 11.0);
    assert_eq!(running.metric("otelcol_receiver_accepted_spans", "udp"), 2.0);
    assert_eq!(running.metric("otelcol_receiver_refused_documents", "udp"), 5.0);
    // What could not be read so far as to count its segments is not told, as the daemon has it.
    let record = running.records.take(1).expect("something was counted");
    assert!(record.contains("\"SegmentsReceivedCount\":5,"), "{record}");
    assert!(record.contains("\"SegmentsRejectedCount\":3,"), "{record}");
    let rest = running.finish().await;
    let (_, spans) = &rest[&Signal::Traces];
    let refused = [
        ("bad_header", 1),
        ("missing_field", 2),
        ("no_document", 2),
        ("no_header", 2),
        ("not_json", 2),
        ("too_deep", 1),
        ("wrong_type", 1),
    ];
    let mut found = spans.refused.clone();
    found.sort_unstable();
    assert_eq!((spans.entered, spans.left, found.as_slice()), (13, 2, &refused[..]));
    let (_, documents) = &rest[&Signal::Xray];
    assert_eq!(
        (documents.entered, documents.left),
        (11, 6),
        "documents are not judged where they are only passed on"
    );
}

#[tokio::test]
async fn a_full_pipeline_leaves_datagrams_with_the_kernel_and_loses_none() {
    let asked = 64 << 20;
    let granted = net::udp::Bound::bind("127.0.0.1:0", asked).unwrap().granted().unwrap();
    let yaml = ", batch_delay: 1ms, max_held_mib: 1, receive_buffer_mib: 64";
    let running = Running::start(yaml, &[Signal::Xray], 1, Budget::unlimited()).await;
    let text = "y".repeat(8_000);
    let long = document(1).replacen('{', &format!("{{\"metadata\":{{\"d\":{{\"x\":\"{text}\"}}}},"), 1);
    for _ in 0..2000 {
        running.send(&long);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let taken = running.metric("collimator_receiver_datagrams", "udp");
    assert!((1.0..2000.0).contains(&taken), "the rest waits in the kernel: {taken} taken");
    assert!(running.budget.held() < 8 << 20, "what is held is bounded: {}", running.budget.held());
    let budget = Arc::clone(&running.budget);
    let rest = running.finish().await;
    let (count, statement) = &rest[&Signal::Xray];
    assert_eq!(*count as u64, statement.left);
    // A system that grants less may have had to drop some.
    if !serve::is_less(granted, asked) {
        assert_eq!(*count, 2000);
    }
    assert_eq!(budget.held(), 0);
}

#[tokio::test]
async fn what_the_kernel_drops_is_in_the_records() {
    // What is held has reached its bound, or has no place further on.
    for max_held_mib in [1, 4] {
        what_the_kernel_drops_is_told_with(max_held_mib).await;
    }
}

async fn what_the_kernel_drops_is_told_with(max_held_mib: usize) {
    let yaml = format!(", batch_delay: 1ms, max_held_mib: {max_held_mib}, receive_buffer_mib: 1");
    let running = Running::start(&yaml, &[Signal::Xray], 1, Budget::unlimited()).await;
    let text = "y".repeat(8_000);
    let long = document(1).replacen('{', &format!("{{\"metadata\":{{\"d\":{{\"x\":\"{text}\"}}}},"), 1);
    let taken = || running.metric("collimator_receiver_datagrams", "udp");
    let dropped = || running.metric("collimator_receiver_dropped_datagrams", "udp");
    // The pipeline is full, and nothing more is taken.
    for _ in 0..30 {
        (0..10).for_each(|_| running.send(&long));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (full, dropped_before) = (taken(), dropped());
    (0..2000).for_each(|_| running.send(&long));
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    while dropped() == dropped_before && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let dropped = dropped();
    assert!(dropped > dropped_before && taken() == full, "{dropped_before} {dropped}, {full} {}", taken());
    let record = running.records.take(1).expect("something was counted");
    assert!(record.contains(&format!("\"SegmentsSpilloverCount\":{dropped},")), "{record}");
    running.finish().await;
}

#[tokio::test]
async fn what_is_taken_and_finds_no_place_when_time_is_up_is_in_the_books() {
    const SENT: u64 = 40;
    let signals = [Signal::Traces, Signal::Xray];
    let yaml = ", batch_delay: 1ms, max_held_mib: 1";
    let running = Running::start(yaml, &signals, 1, Budget::unlimited()).await;
    let entered = |items| signals.iter().all(|signal| running.accounts[signal].statement().entered == items);
    // One fills the pipeline, one waits for room there, one for its turn: each is a batch before the next one comes.
    for id in 1..=3 {
        running.send(&document(id));
        until(|| entered(id)).await;
    }
    // The rest is collected.
    (4..=SENT).for_each(|id| running.send(&document(id)));
    until(|| running.metric("collimator_receiver_datagrams", "udp") == SENT as f64).await;
    assert!(entered(3));
    running.draining.cancel();
    running.stopping.cancel();
    until(|| entered(SENT)).await;
    for signal in signals {
        let statement = running.accounts[&signal].statement();
        assert!(
            statement.refused.iter().any(|(reason, items)| *reason == SHUTDOWN && *items > 0),
            "{statement}"
        );
    }
    // Then what was on its way goes on.
    running.finish().await;
}

#[tokio::test]
async fn the_largest_datagrams_are_held_within_the_bound_too() {
    let yaml = ", batch_delay: 1ms, max_held_mib: 1, receive_buffer_mib: 64";
    let running = Running::start(yaml, &[Signal::Xray], 1, Budget::unlimited()).await;
    let text = "y".repeat(60_000);
    let long = document(1).replacen('{', &format!("{{\"metadata\":{{\"d\":{{\"x\":\"{text}\"}}}},"), 1);
    for _ in 0..500 {
        running.send(&long);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    // What is held, what the pipeline has taken, and one look at the socket beyond that.
    let held = running.budget.held();
    assert!(held < 16 << 20, "{held} of {} bytes", 500 * long.len());
    running.finish().await;
}

#[tokio::test]
async fn without_memory_nothing_is_taken_until_there_is_some() {
    let budget = Budget::new(1 << 20);
    let mut running = Running::start("", &[Signal::Traces], 64, Arc::clone(&budget)).await;
    let all = budget.force(1 << 20);
    running.send(&document(5));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(running.inboxes.get_mut(&Signal::Traces).unwrap().try_recv().is_none());
    assert_eq!(running.metric("collimator_receiver_datagrams", "udp"), 0.0);
    drop(all);
    let entry = running.next(Signal::Traces).await;
    assert_eq!(ids(&entry.batch), [5]);
    entry.batch.delivered();
    running.finish().await;
}

#[tokio::test]
async fn a_sender_without_a_pause_does_not_stop_the_others() {
    const ALL: u64 = 4 * net::udp::MOST_AT_ONCE as u64;
    let running = Running::start("", &[Signal::Xray], 64, Budget::unlimited()).await;
    (1..=ALL).for_each(|id| running.send(&document(id)));
    let mut seen = Vec::new();
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    while seen.last() != Some(&ALL) && tokio::time::Instant::now() < until {
        // As anybody else on this worker.
        tokio::task::yield_now().await;
        seen.push(running.metric("collimator_receiver_datagrams", "udp") as u64);
        seen.dedup();
    }
    assert!(seen.ends_with(&[ALL / 4, ALL / 2, ALL / 4 * 3, ALL]), "{seen:?}");
    running.finish().await;
}

#[tokio::test]
async fn what_comes_while_nobody_is_woken_is_taken_at_a_drain() {
    let running = Running::start(", receive_buffer_mib: 64", &[Signal::Xray], 64, Budget::unlimited()).await;
    running.send(&document(1));
    while running.metric("collimator_receiver_datagrams", "udp") < 1.0 {
        tokio::task::yield_now().await;
    }
    // Now it waits for more to gather, and is not told of these.
    (2..=100).for_each(|id| running.send(&document(id)));
    assert_eq!(running.metric("collimator_receiver_datagrams", "udp"), 1.0);
    let rest = running.finish().await;
    let (count, statement) = &rest[&Signal::Xray];
    assert_eq!((*count, statement.left), (100, 100));
}

#[tokio::test]
async fn what_the_kernel_has_when_time_is_up_stays_with_it() {
    let running = Running::start(", receive_buffer_mib: 64", &[Signal::Xray], 64, Budget::unlimited()).await;
    running.send(&document(1));
    while running.metric("collimator_receiver_datagrams", "udp") < 1.0 {
        tokio::task::yield_now().await;
    }
    (2..=100).for_each(|id| running.send(&document(id)));
    running.stopping.cancel();
    let rest = running.finish().await;
    let (count, statement) = &rest[&Signal::Xray];
    assert_eq!((*count, statement.entered, statement.left), (1, 1, 1), "the next one gets the others");
}

#[tokio::test]
async fn a_port_that_is_taken_fails_the_start() {
    let running = Running::start("", &[Signal::Xray], 1, Budget::unlimited()).await;
    let yaml = format!("{{endpoint: '{}', proxy_server: {{enabled: false}}}}", running.endpoint);
    let receiver = XrayReceiver { config: read(&yaml).0.unwrap(), environment: Environment::default() };
    let (cx, ready) = testkit::run_cx(testkit::receiver_node());
    let error = receiver.run(Outlets::default(), cx).await.unwrap_err().to_string();
    assert!(error.contains("address already in use"), "{error}");
    assert!(ready.await.is_err(), "it must not say that it is ready");
    running.finish().await;
}

/// Counts warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<AtomicUsize>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() == tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn thousands_of_bad_subsegments_are_one_line_and_all_counted() {
    let mut running = Running::start("", &[Signal::Traces], 64, Budget::unlimited()).await;
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let bad = format!("{}{}7", "{},".repeat(3000), r#"{"name":1},"#.repeat(500));
    running.send(&document(1).replacen('{', &format!("{{\"subsegments\":[{bad}],"), 1));
    let spans = running.next(Signal::Traces).await;
    assert_eq!(ids(&spans.batch), [1]);
    spans.batch.delivered();
    assert_eq!(warnings.0.load(Ordering::Relaxed), 1);
    let refused = |reason: &str| running.metric("collimator_receiver_awsxray_refused", reason);
    assert_eq!((refused("missing_field"), refused("wrong_type")), (3000.0, 501.0));
    let rest = running.finish().await;
    let (_, spans) = &rest[&Signal::Traces];
    let mut found = spans.refused.clone();
    found.sort_unstable();
    assert_eq!((spans.entered, found), (3502, vec![("missing_field", 3000), ("wrong_type", 501)]));
}

#[test]
#[cfg(target_os = "linux")]
fn half_of_what_linux_tells_was_granted() {
    for (granted, asked, is_less) in [
        (16 << 20, 16 << 20, true),
        (32 << 20, 16 << 20, false),
        (0, 0, false),
        ((1 << 31) - 2, 1 << 30, false),
    ] {
        assert_eq!(serve::is_less(granted, asked), is_less, "{granted} {asked}");
    }
}

#[tokio::test]
async fn a_region_is_looked_for_until_there_is_one() {
    let (cx, _ready) = testkit::run_cx(testkit::receiver_node());
    let tries = AtomicUsize::default();
    let open = || async {
        match tries.fetch_add(1, Ordering::Relaxed) {
            0..3 => Err(ProxyError::Session(aws::SessionError::NoRegion)),
            _ => Ok("open"),
        }
    };
    assert_eq!(until_open(Duration::from_millis(1), open, &cx).await.ok(), Some("open"));
    assert_eq!(tries.load(Ordering::Relaxed), 4);
    let taken = || async { Err::<(), _>(ProxyError::Other("the port is taken".into())) };
    let error = until_open(Duration::from_secs(3600), taken, &cx).await.unwrap_err();
    assert_eq!(error.to_string(), "the port is taken");
}

#[tokio::test]
async fn without_a_region_datagrams_are_taken_and_a_proxy_s_port_that_is_taken_ends_it() {
    let mut running = Running::start(
        ", proxy_server: {endpoint: '127.0.0.1:0', local_mode: true}",
        &[Signal::Xray],
        8,
        Budget::unlimited(),
    )
    .await;
    running.send(&document(3));
    let entry = running.next(Signal::Xray).await;
    assert_eq!(ids(&entry.batch), [3]);
    entry.batch.delivered();
    running.finish().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tcp = taken.local_addr().unwrap();
    let yaml = format!(
        "{{endpoint: '127.0.0.1:0', proxy_server: {{endpoint: '{tcp}', region: eu-west-1, local_mode: true}}}}"
    );
    let receiver = XrayReceiver { config: read(&yaml).0.unwrap(), environment: Environment::default() };
    let (cx, _ready) = testkit::run_cx(testkit::receiver_node());
    let ended = receiver.run(Outlets::default(), cx);
    let ended = tokio::time::timeout(Duration::from_secs(20), ended).await.expect("it ends at once");
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("address already in use"), "{error}");
}

/// 20,000 datagrams a second, sent evenly by a thread, none of them lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn none_of_twenty_thousand_a_second_is_lost() {
    let mut running = Running::start("", &[Signal::Traces], 64, Budget::unlimited()).await;
    let client = running.client.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        let begun = std::time::Instant::now();
        for turn in 0..1000_u32 {
            for id in 1..=20 {
                client.send(format!("{HEADER}{}", document(u64::from(turn) * 20 + id)).as_bytes()).unwrap();
            }
            let next = begun + Duration::from_millis(u64::from(turn) + 1);
            std::thread::sleep(next.saturating_duration_since(std::time::Instant::now()));
        }
    });
    let mut taken = 0;
    while taken < 20_000 {
        let entry = running.next(Signal::Traces).await;
        taken += entry.batch.items();
        entry.batch.delivered();
    }
    sender.join().unwrap();
    assert_eq!(running.metric("collimator_receiver_dropped_datagrams", "udp"), 0.0);
    let rest = running.finish().await;
    assert_eq!(rest[&Signal::Traces].1.left, 20_000);
}
