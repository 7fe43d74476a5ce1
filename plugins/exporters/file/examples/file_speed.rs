//! Prints what a span costs on its way into a file:
//! `cargo run --release -p collimator-exporter-file --example file_speed [directory]`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example that measures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use collimator_exporter_file::{Compression, Config, FileExporter, Format};
use component::{Exporter as _, Facilities, Fatal, Listeners, NodeId, Progress, RunCx, Workers};
use data::{Batch, Budget, Part, Signal, SystemClock, Time};
use prost::Message as _;
use testkit::generate::{attribute, traces};
use tokio::sync::oneshot;

const SPANS: usize = 1 << 20;
/// Nanoseconds of the unit of `/proc/self/stat`.
const TICK: u64 = 10_000_000;

fn main() {
    let directory = std::env::args().nth(1).unwrap_or_else(|| "/tmp".to_owned());
    let path = format!("{directory}/file_speed.out");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (format, compression) in [
        (Format::Json, Compression::None),
        (Format::Proto, Compression::None),
        (Format::Json, Compression::Zstd),
    ] {
        for flush_interval in [Duration::from_secs(1), Duration::ZERO] {
            for per_batch in [10, 128, 8192] {
                let config = Config {
                    path: path.clone(),
                    format,
                    flush_interval: Some(flush_interval),
                    compression,
                    ..Config::default()
                };
                let before = cpu_ticks();
                let took = runtime.block_on(run(config, &batch(per_batch), SPANS / per_batch));
                let nanos = took.as_nanos() / SPANS as u128;
                let [user, system] = [0, 1].map(|i| (cpu_ticks()[i] - before[i]) * TICK / SPANS as u64);
                println!(
                    "{format:?}, {compression:?}, flush {flush_interval:?}, {per_batch} spans a batch: {nanos} ns/span \
                     ({user} user, {system} system)"
                );
            }
        }
    }
    std::fs::remove_file(&path).unwrap();
}

/// CPU time of this process, user and system.
fn cpu_ticks() -> [u64; 2] {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let mut fields = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11);
    [(); 2].map(|()| fields.next().unwrap().parse().unwrap())
}

async fn run(config: Config, batch: &Batch, rounds: usize) -> Duration {
    let exporter = FileExporter::new(config);
    exporter.start(&run_cx()).await.unwrap();
    let start = Instant::now();
    for _ in 0..rounds {
        exporter.export(batch, &mut Progress::default()).await.unwrap();
    }
    exporter.close().await.unwrap();
    start.elapsed()
}

/// As from the `batch` processor: parts of 128 spans of about 400 bytes.
fn batch(spans: usize) -> Batch {
    let part = |first: u64, count: u64| {
        let mut request = traces(first..first + count);
        for span in &mut request.resource_spans[0].scope_spans[0].spans {
            span.parent_span_id = vec![3; 8];
            let more = [
                ("server.address", "cart.shop.internal"),
                ("user_agent.original", "Mozilla/5.0 (X11; Linux)"),
            ];
            span.attributes.extend(more.map(|(key, value)| attribute(key, value)));
            span.attributes
                .push(attribute("url.full", "https://cart.shop.internal/api/v1/carts/17/items?limit=100"));
            span.attributes.push(attribute("http.route", "/api/v1/carts/{id}/items"));
        }
        Part::from(request.encode_to_vec())
    };
    let parts: Vec<Part> =
        (0..spans).step_by(128).map(|at| part(at as u64, (spans - at).min(128) as u64)).collect();
    Batch::new(Signal::Traces, parts, spans, Time::default())
}

fn run_cx() -> RunCx {
    let options = telemetry::metrics::Options::default();
    let registry = telemetry::metrics::Registry::new(options, telemetry::Resource::default());
    RunCx::new(
        NodeId::exporter("file", Signal::Traces),
        Facilities {
            clock: Arc::new(SystemClock::new()),
            budget: Budget::unlimited(),
            workers: Workers::new(vec![tokio::runtime::Handle::current()], Fatal::default()),
            listeners: Listeners::default(),
            meters: Arc::new(registry.scope()),
        },
        oneshot::channel().0,
    )
}
