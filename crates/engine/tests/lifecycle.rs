//! A graph of stages that say what happens to them: start, flow, drain, and a panic.

use std::sync::{Arc, Mutex, PoisonError};

use collimator_engine::{Blueprint, Engine, Services, Threads};
use component::{
    BuildCx, BuildError, Capacity, Component, Ended, Environment, ExporterStage, ExporterUnit, Extension,
    Fatal, Kind, Listeners, NodeId, Out, Outlets, Processor, Receiver, RunCx, Spec, Specs, Stage, channel,
};
use config::{Fields, Location, Section, load};
use data::{Account, Batch, Budget, Part, Signal, SystemClock, Ticket, Time};
use telemetry::Resource;
use telemetry::metrics::{Options, Registry};

/// What happened, in order. Ids of components begin with the name of the test, so that tests do not mix.
static EVENTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn note(id: &str, what: &str) {
    EVENTS.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{id} {what}"));
}

fn events(test: &str) -> Vec<String> {
    let events = EVENTS.lock().unwrap_or_else(PoisonError::into_inner);
    events.iter().filter_map(|event| event.strip_prefix(&format!("probe/{test}_"))).map(Into::into).collect()
}

/// A type of every kind that the tests need.
static SPECS: &[&Spec] = &[
    &Spec::new::<Source>(Kind::Receiver, "probe", "Sends one batch, and panics if told to"),
    &Spec::new::<Relay>(Kind::Processor, "probe", "Passes on"),
    &Spec::new::<Sink>(Kind::Exporter, "probe", "Takes everything"),
    &Spec::new::<Beside>(Kind::Extension, "probe", "Watches the phases"),
];

#[derive(Clone, Default)]
struct Config {
    panics: bool,
}

impl Section for Config {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("panics", "Whether it panics.", |c| &mut c.panics);
    }
}

struct Source {
    id: Arc<str>,
    panics: bool,
}

impl Component for Source {
    type Config = Config;

    fn build(config: &Config, cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::receiver(Self { id: Arc::clone(&cx.id), panics: config.panics }))
    }
}

impl Receiver for Source {
    async fn run(self, outlets: Outlets, cx: RunCx) -> Ended {
        note(&self.id, "starts");
        cx.ready();
        let outlet = outlets.get(Signal::Traces).expect("a pipeline takes traces");
        let (ticket, verdict) = Ticket::open(3);
        let batch = Batch::new(Signal::Traces, vec![Part::from(vec![0; 3])], 3, Time::default());
        outlet.offer(batch.with_ticket(ticket), std::time::Duration::ZERO).await;
        assert!(!self.panics, "told to");
        assert!(verdict.await.is_ok());
        note(&self.id, "is answered");
        cx.draining.cancelled().await;
        note(&self.id, "ends");
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

    fn attach(&mut self, _meters: &telemetry::metrics::Scope, _id: &str) {
        note(&self.0, "starts");
    }

    fn drain(&mut self, _out: &mut Out) {
        note(&self.0, "ends");
    }
}

struct Sink(Arc<str>);

impl Component for Sink {
    type Config = Config;

    fn build(_config: &Config, cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::Exporter(Box::new(Self(Arc::clone(&cx.id)))))
    }
}

impl ExporterUnit for Sink {
    fn stage(&self, _: &NodeId, _: Signal, account: Arc<Account>, _: &Arc<Budget>) -> ExporterStage {
        let (inlet, mut inbox) = channel(Capacity::inbox(), account);
        let id = Arc::clone(&self.0);
        let run = move |cx: RunCx| async move {
            note(&id, "starts");
            cx.ready();
            while let Some(entry) = inbox.recv().await {
                inbox.account().leave(entry.batch.items());
                entry.batch.delivered();
            }
            note(&id, "ends");
            Ok(())
        };
        ExporterStage { inlet, run: Box::new(move |cx| Box::pin(run(cx))) }
    }
}

/// Stands beside the graph and tells what it sees of it.
struct Beside(Arc<str>);

impl Component for Beside {
    type Config = Config;

    fn build(_config: &Config, cx: &BuildCx) -> Result<Stage, BuildError> {
        Ok(Stage::extension(Self(Arc::clone(&cx.id))))
    }
}

impl Extension for Beside {
    async fn run(self, cx: RunCx) -> Ended {
        note(&self.0, &format!("starts while {}", cx.process.phase().0.name()));
        assert_eq!(cx.process.graph().nodes.len(), 3, "it sees every node before any has started");
        cx.ready();
        cx.draining.cancelled().await;
        note(&self.0, &format!("ends while {}", cx.process.phase().0.name()));
        Ok(())
    }
}

/// An engine and the graph `in -> relay -> out` of the probes of `test`.
fn graph(test: &str, threads: &Threads, fatal: &Fatal, panics: bool) -> (Engine, Arc<Blueprint>) {
    let text = format!(
        "receivers: {{probe/{test}_in: {{panics: {panics}}}}}\nprocessors: {{probe/{test}_relay: }}\n\
         exporters: {{probe/{test}_out: }}\nextensions: {{probe/{test}_beside: }}\n\
         service: {{extensions: [probe/{test}_beside], pipelines: {{traces: {{receivers: [probe/{test}_in], \
         processors: [probe/{test}_relay], exporters: [probe/{test}_out]}}}}}}"
    );
    let tree = load(&[Location::Yaml(text)], &config::SystemEnv).expect("it is YAML");
    let mut diagnostics = tree.diagnostics();
    let blueprint = Blueprint::read(&tree, Specs(SPECS), 1 << 30, &mut diagnostics);
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
    (Engine::new(services), Arc::new(blueprint.unwrap_or_else(|| panic!("{diagnostics}"))))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(future)
}

#[test]
fn starts_backwards_and_drains_forwards() {
    let fatal = Fatal::default();
    let threads = Threads::start(2, fatal.clone()).expect("threads");
    let (mut engine, blueprint) = graph("order", &threads, &fatal, false);
    block_on(async {
        engine.run(blueprint).await.expect("it starts");
        while !events("order").contains(&"in is answered".to_owned()) {
            tokio::task::yield_now().await;
        }
        let report = engine.drain().await;
        assert!(report.is_clean(), "{report:?}");
    });
    let all = [
        "beside starts while starting",
        "out starts",
        "relay starts",
        "in starts",
        "in is answered",
        "in ends",
        "relay ends",
        "out ends",
        "beside ends while draining",
    ];
    assert_eq!(events("order"), all);
    assert!(engine.books().closed(), "{}", engine.books().render());
    assert_eq!(fatal.reason(), None);
}

#[test]
fn a_panic_is_reported_and_the_others_still_drain() {
    let fatal = Fatal::default();
    let threads = Threads::start(1, fatal.clone()).expect("threads");
    let (mut engine, blueprint) = graph("panic", &threads, &fatal, true);
    block_on(async {
        engine.run(blueprint).await.expect("it starts before it panics");
        fatal.reported().await;
        let report = engine.drain().await;
        assert_eq!(report.failed.len(), 1, "{report:?}");
    });
    assert_eq!(fatal.reason().as_deref(), Some("receiver probe/panic_in panicked: told to"));
    let of_graph = events("panic").into_iter().filter(|event| !event.starts_with("beside"));
    assert!(of_graph.eq(["out starts", "relay starts", "in starts", "relay ends", "out ends"]));
    let books = engine.books().render();
    assert!(books.contains("exporter probe/panic_out (traces), spans: entered 3 = left 3\n"), "{books}");
}
