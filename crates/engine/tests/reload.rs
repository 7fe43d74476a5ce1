//! Exchanging a graph for another one: what runs on, what is built anew, and what a start that fails leaves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use collimator_engine::{Blueprint, Engine, EngineError, Services, Threads};
use component::{
    BuildCx, BuildError, Capacity, Component, Ended, Environment, ExporterStage, ExporterUnit, Fatal, Kind,
    Listeners, NodeId, Out, Outlets, Processor, Receiver, RunCx, Spec, Specs, Stage, channel,
};
use config::{Fields, Location, Section, load};
use data::{Account, Batch, Budget, Part, Signal, SystemClock, Ticket, Time, Verdict};
use telemetry::Resource;
use telemetry::metrics::{Options, Registry};

/// What happened to the components of all tests; each test has ids of its own.
#[derive(Default)]
struct Log {
    events: Vec<String>,
    built: BTreeMap<Arc<str>, usize>,
    outlets: BTreeMap<Arc<str>, Outlets>,
}

static LOG: Mutex<Option<Log>> = Mutex::new(None);

struct Locked(MutexGuard<'static, Option<Log>>);

impl Locked {
    fn get(&mut self) -> &mut Log {
        self.0.get_or_insert_default()
    }
}

fn log() -> Locked {
    Locked(LOG.lock().unwrap_or_else(PoisonError::into_inner))
}

fn note(id: &str, what: &str) {
    log().get().events.push(format!("{id} {what}"));
}

fn events(id: &str) -> Vec<String> {
    let prefix = format!("probe/{id} ");
    log().get().events.iter().filter_map(|event| event.strip_prefix(&prefix)).map(Into::into).collect()
}

static SPECS: &[&Spec] = &[
    &Spec::new::<Source>(Kind::Receiver, "probe", "Lends its way out to the tests"),
    &Spec::new::<Relay>(Kind::Processor, "probe", "Passes on"),
    &Spec::new::<Sink>(Kind::Exporter, "probe", "Takes everything"),
];

#[derive(Clone, Default)]
struct Config {
    fails_from_start: usize,
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("fails_from_start", "The first start that fails.", |c| &mut c.fails_from_start);
    }
}

/// How often a component of that id was built, this time included.
fn count_build(id: &Arc<str>) -> usize {
    let mut log = log();
    let built = log.get().built.entry(Arc::clone(id)).or_default();
    *built += 1;
    *built
}

struct Source {
    id: Arc<str>,
    fails: bool,
}

impl Component for Source {
    type Config = Config;

    fn build(config: &Config, cx: &BuildCx) -> Result<Stage, BuildError> {
        let built = count_build(&cx.id);
        let fails = config.fails_from_start > 0 && built >= config.fails_from_start;
        Ok(Stage::receiver(Self { id: Arc::clone(&cx.id), fails }))
    }
}

impl Receiver for Source {
    async fn run(self, outlets: Outlets, cx: RunCx) -> Ended {
        if self.fails {
            return Err("told to fail".into());
        }
        log().get().outlets.insert(Arc::clone(&self.id), outlets);
        cx.ready();
        cx.draining.cancelled().await;
        log().get().outlets.remove(&self.id);
        Ok(())
    }
}

struct Relay(Arc<str>);

impl Component for Relay {
    type Config = Config;

    fn build(_config: &Config, cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::processor(Self(Arc::clone(&cx.id))))
    }
}

impl Processor for Relay {
    fn process(&mut self, batch: Batch, out: &mut Out) {
        out.send(batch);
    }

    fn drain(&mut self, _out: &mut Out) {
        note(&self.0, "ends");
    }
}

struct Sink {
    id: Arc<str>,
    built: usize,
}

impl Component for Sink {
    type Config = Config;

    fn build(_config: &Config, cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::Exporter(Box::new(Self { id: Arc::clone(&cx.id), built: count_build(&cx.id) })))
    }
}

impl ExporterUnit for Sink {
    fn stage(&self, _: &NodeId, signal: Signal, account: Arc<Account>, _: &Arc<Budget>) -> ExporterStage {
        let (inlet, mut inbox) = channel(Capacity::inbox(), account);
        let (id, built) = (Arc::clone(&self.id), self.built);
        let run = move |cx: RunCx| async move {
            note(&id, &format!("{built} starts {signal}"));
            cx.ready();
            while let Some(entry) = inbox.recv().await {
                inbox.account().leave(entry.batch.items());
                entry.batch.delivered();
            }
            note(&id, &format!("{built} ends {signal}"));
            Ok(())
        };
        ExporterStage { inlet, run: Box::new(move |cx| Box::pin(run(cx))) }
    }
}

struct Bed {
    engine: Engine,
    fatal: Fatal,
    _threads: Threads,
}

impl Bed {
    fn new() -> Self {
        let fatal = Fatal::default();
        let threads = Threads::start(1, fatal.clone()).expect("threads");
        let services = Services {
            clock: Arc::new(SystemClock::new()),
            budget: Budget::unlimited(),
            workers: threads.workers(),
            listeners: Listeners::default(),
            registry: Registry::new(Options::default(), Resource::default()),
            fatal: fatal.clone(),
            environment: Environment::default(),
            user_agent: "test".into(),
        };
        Self { engine: Engine::new(services), fatal, _threads: threads }
    }

    async fn run(&mut self, text: &str) -> Result<(), EngineError> {
        let tree = load(&[Location::Yaml(text.to_owned())], &config::SystemEnv).expect("it is YAML");
        let mut diagnostics = tree.diagnostics();
        let blueprint = Blueprint::read(&tree, Specs(SPECS), 1 << 30, &mut diagnostics);
        self.engine.run(Arc::new(blueprint.unwrap_or_else(|| panic!("{diagnostics}")))).await
    }

    async fn drain(mut self) {
        let report = self.engine.drain().await;
        assert!(report.is_clean(), "{report:?}");
        assert!(self.engine.books().closed(), "{}", self.engine.books().render());
    }
}

async fn send(id: &str, signal: Signal) {
    let outlets = log().get().outlets.get(format!("probe/{id}").as_str()).cloned().expect("it runs");
    let (ticket, verdict) = Ticket::open(1);
    let batch = Batch::new(signal, vec![Part::from(vec![0])], 1, Time::default()).with_ticket(ticket);
    outlets.get(signal).expect("a pipeline takes it").offer(batch, Duration::from_secs(5)).await;
    drop(outlets);
    assert_eq!(verdict.await, Verdict::Delivered);
}

/// A pipeline of each of the signals from the receivers `ins` through `{name}_relay` into `{name}_out`.
fn graph(name: &str, ins: &[&str], settings: &str, signals: &[&str]) -> String {
    let all: Vec<String> = ins.iter().map(|id| format!("probe/{id}")).collect();
    let declared: Vec<String> = all.iter().map(|id| format!("{id}: {settings}")).collect();
    let pipeline = |signal: &&str| {
        let ins = all.join(", ");
        format!(
            "{signal}: {{receivers: [{ins}], processors: [probe/{name}_relay], exporters: [probe/{name}_out]}}"
        )
    };
    let pipelines: Vec<String> = signals.iter().map(pipeline).collect();
    format!(
        "receivers: {{{}}}\nprocessors: {{probe/{name}_relay: }}\nexporters: {{probe/{name}_out: }}\n\
         service: {{pipelines: {{{}}}}}",
        declared.join(", "),
        pipelines.join(", ")
    )
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(future)
}

#[test]
fn an_exporter_whose_settings_stay_runs_on() {
    block_on(async {
        let mut bed = Bed::new();
        bed.run(&graph("same", &["same_a"], "", &["traces"])).await.expect("it starts");
        send("same_a", Signal::Traces).await;
        bed.run(&graph("same", &["same_b"], "", &["traces"])).await.expect("it starts");
        send("same_b", Signal::Traces).await;
        assert_eq!(events("same_out"), ["1 starts traces"]);
        assert_eq!(events("same_relay"), ["ends"]);
        bed.drain().await;
        assert_eq!(events("same_out"), ["1 starts traces", "1 ends traces"]);
    });
}

#[test]
fn an_exporter_of_one_more_signal_is_never_there_twice() {
    block_on(async {
        let mut bed = Bed::new();
        bed.run(&graph("more", &["more_in"], "", &["traces"])).await.expect("it starts");
        bed.run(&graph("more", &["more_in"], "", &["traces", "logs"])).await.expect("it starts");
        send("more_in", Signal::Traces).await;
        send("more_in", Signal::Logs).await;
        let mut seen = events("more_out");
        seen[2..].sort();
        assert_eq!(seen, ["1 starts traces", "1 ends traces", "2 starts logs", "2 starts traces"]);
        bed.drain().await;
    });
}

#[test]
fn a_start_that_fails_leaves_nothing_behind_and_stops_no_exporter() {
    block_on(async {
        let mut bed = Bed::new();
        bed.run(&graph("fail", &["fail_in"], "", &["traces"])).await.expect("it starts");
        let wrong = graph("fail", &["fail_in", "fail_bad"], "{fails_from_start: 1}", &["traces"]);
        let error = bed.run(&wrong).await.expect_err("a receiver fails").to_string();
        assert!(error.ends_with("told to fail"), "{error}");
        assert_eq!(
            events("fail_relay"),
            ["ends", "ends"],
            "the former one, and that of the graph that failed"
        );
        assert_eq!(events("fail_out"), ["1 starts traces"]);
        send("fail_in", Signal::Traces).await;
        assert_eq!(bed.fatal.reason(), None);
        bed.drain().await;
        assert_eq!(events("fail_out"), ["1 starts traces", "1 ends traces"]);
    });
}

#[test]
fn a_first_start_that_fails_ends_what_had_started() {
    block_on(async {
        let mut bed = Bed::new();
        let wrong = graph("first", &["first_in"], "{fails_from_start: 1}", &["traces"]);
        bed.run(&wrong).await.expect_err("the receiver fails");
        assert_eq!(events("first_relay"), ["ends"]);
        assert_eq!(events("first_out"), ["1 starts traces", "1 ends traces"]);
        assert_eq!(bed.fatal.reason(), None, "an end that was asked for");
    });
}

#[test]
fn a_former_graph_that_does_not_start_again_ends_the_process() {
    block_on(async {
        let mut bed = Bed::new();
        // Built once for the start, once for the reload, once for the way back.
        bed.run(&graph("back", &["back_in"], "{fails_from_start: 2}", &["traces"])).await.expect("it starts");
        let wrong = graph("back", &["back_bad"], "{fails_from_start: 1}", &["traces"]);
        let error = bed.run(&wrong).await.expect_err("a receiver fails").to_string();
        assert!(error.contains("back_bad"), "the first reason is told: {error}");
        let reason = bed.fatal.reason().expect("nothing runs any more");
        assert!(reason.starts_with("the former configuration can't be started again"), "{reason}");
        bed.drain().await;
        assert_eq!(events("back_out"), ["1 starts traces", "1 ends traces"], "the drain waits for it");
    });
}
