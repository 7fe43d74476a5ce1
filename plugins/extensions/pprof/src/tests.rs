use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use net::http::server::Response;
use prost::Message as _;
use testkit::contract;

use super::*;
use crate::held::Shown;
use crate::profile::{Function, Profile, Stack};

/// One recording and one interval of samples in a process, so one test at a time.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[derive(Clone, PartialEq, prost::Message)]
struct Decoded {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<DecodedFunction>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DecodedFunction {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
}

impl Decoded {
    /// A sample's functions, outermost first.
    fn names(&self, sample: &Sample) -> Vec<&str> {
        let location =
            |id: &u64| self.location.iter().find(|it| it.id == *id).expect("a location of that id");
        let function = |id: u64| self.function.iter().find(|it| it.id == id).expect("a function of that id");
        let lines = sample.location_id.iter().rev().flat_map(|id| location(id).line.iter().rev());
        lines
            .map(|line| &*self.string_table[usize::try_from(function(line.function_id).name).unwrap()])
            .collect()
    }
}

fn config(text: &str) -> Config {
    ::config::read_text(text).unwrap_or_else(|error| panic!("{error}"))
}

async fn ask(path: &str) -> Response {
    let head = http::Request::get(path).body(()).unwrap().into_parts().0;
    admin::Site::answer(&Profiles { heap_interval: INTERVAL as u64 }, &head).await
}

/// Bytes between samples of the heap.
const INTERVAL: usize = 8192;

#[global_allocator]
static ALLOCATOR: heap::Sampling<std::alloc::System> = heap::Sampling::new(std::alloc::System);

#[inline(never)]
fn hold_a_megabyte() -> Vec<Vec<u8>> {
    (0..1000).map(|_| std::hint::black_box(vec![7; 1000])).collect()
}

#[tokio::test]
async fn what_is_held_is_in_the_heap_profile() {
    let _turn = TURN.lock().await;
    heap::start(INTERVAL);
    let held = hold_a_megabyte();
    let response = ask("/debug/pprof/heap").await;
    assert_eq!(response.status(), StatusCode::OK);
    let decoded = Decoded::decode(&**response.body()).unwrap();
    let text = |id: i64| &*decoded.string_table[usize::try_from(id).unwrap()];
    let types: Vec<_> = decoded.sample_type.iter().map(|it| (text(it.kind), text(it.unit))).collect();
    let expected = [
        ("alloc_objects", "count"),
        ("alloc_space", "bytes"),
        ("inuse_objects", "count"),
        ("inuse_space", "bytes"),
    ];
    assert_eq!(types, expected);
    assert_eq!((text(decoded.default_sample_type), decoded.period), ("inuse_space", INTERVAL as i64));
    let holds = |sample: &&Sample| decoded.names(sample).iter().any(|name| name.contains("hold_a_megabyte"));
    let bytes: i64 = decoded.sample.iter().filter(holds).map(|sample| sample.value[3]).sum();
    // About 120 samples: three deviations are 27 %.
    assert!((700_000..1_350_000).contains(&bytes), "{bytes}");
    let innermost = |sample: &Sample| decoded.names(sample).last().map(|name| (*name).to_owned());
    assert!(
        decoded.sample.iter().filter_map(innermost).all(|name| !name.contains("collimator_heap")),
        "the recording itself is not shown"
    );
    let text = String::from_utf8(ask("/debug/pprof/heap?format=collapsed").await.body().to_vec()).unwrap();
    assert!(text.lines().any(|line| line.contains("hold_a_megabyte")), "{text}");
    drop(held);
    let text = held::collapsed(&heap::snapshot(), Shown::Held);
    let left: f64 = text
        .lines()
        .filter(|line| line.contains("hold_a_megabyte"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    assert!(left < 1000.0, "{left} held after everything was freed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    let _turn = TURN.lock().await;
    contract::spec(&SPEC, true);
    let build = |text: &str| Pprof::build(&config(text), &testkit::build_cx()).unwrap();
    contract::extension(|endpoint| build(&format!("endpoint: \"{endpoint}\"")), "/debug/pprof/").await;
}

#[test]
fn a_profile_is_written_as_pprof_reads_it() {
    let function = |name: &str, line| Function { name: name.into(), file: "a.rs".into(), line };
    let inner = vec![function("inlined", 3), function("inner", 7)];
    let outer = vec![function("outer", 1)];
    let stack = |frames| Stack { thread: "worker-0".into(), frames };
    let stacks = [(stack(vec![inner.clone(), outer.clone()]), 3), (stack(vec![outer]), 1)];
    let profile = Profile { stacks: stacks.into(), began: None, lasted: Duration::from_secs(2) };
    assert_eq!(profile.collapsed(), "worker-0;outer;inner;inlined 3\nworker-0;outer 1\n");
    let decoded = Decoded::decode(&*profile.encoded()).unwrap();
    let text = |id: i64| &*decoded.string_table[usize::try_from(id).unwrap()];
    let types: Vec<_> = decoded.sample_type.iter().map(|it| (text(it.kind), text(it.unit))).collect();
    assert_eq!(types, [("samples", "count"), ("cpu", "nanoseconds")]);
    let samples: Vec<_> = decoded.sample.iter().map(|it| (decoded.names(it), &*it.value)).collect();
    let expected =
        [(vec!["outer", "inner", "inlined"], &[3, 30_000_000][..]), (vec!["outer"], &[1, 10_000_000][..])];
    assert_eq!(samples, expected);
    assert_eq!((decoded.string_table[0].as_str(), decoded.period), ("", 10_000_000));
    assert_eq!(
        (decoded.duration_nanos, decoded.location.len(), decoded.function.len()),
        (2_000_000_000, 2, 3)
    );
    assert_eq!(text(decoded.function[0].filename), "a.rs");
}

#[inline(never)]
fn burn_without_end(stop: &AtomicBool) -> u64 {
    let mut sum = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
    }
    sum
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_burns_time_is_in_the_profile() {
    let _turn = TURN.lock().await;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let burner = std::thread::spawn(move || burn_without_end(&stopped));
    let (response, meanwhile) = tokio::join!(ask("/debug/pprof/profile?seconds=1"), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        ask("/debug/pprof/profile?seconds=1").await
    });
    assert_eq!(meanwhile.status(), StatusCode::CONFLICT, "one at a time");
    assert_eq!(response.status(), StatusCode::OK, "{:?}", response.body());
    let decoded = Decoded::decode(&**response.body()).unwrap();
    let burns = |sample: &&Sample| decoded.names(sample).iter().any(|name| name.contains("burn_without_end"));
    let found: i64 = decoded.sample.iter().filter(burns).map(|sample| sample.value[0]).sum();
    assert!(found > 0, "{:?}", decoded.string_table);
    let again = ask("/debug/pprof/profile?seconds=1&format=collapsed").await;
    let text = String::from_utf8(again.body().to_vec()).unwrap();
    assert!(text.contains("burn_without_end"), "{text}");
    stop.store(true, Ordering::Relaxed);
    burner.join().unwrap();
}

#[tokio::test]
async fn what_is_not_there_says_why() {
    for (path, status) in [
        ("/debug/pprof/goroutine?debug=1", StatusCode::NOT_IMPLEMENTED),
        ("/debug/pprof/cmdline", StatusCode::NOT_IMPLEMENTED),
        ("/debug/pprof/nothing", StatusCode::NOT_FOUND),
        ("/debug/pprof/profile?seconds=0", StatusCode::BAD_REQUEST),
        ("/debug/pprof/profile?seconds=1e9", StatusCode::BAD_REQUEST),
        ("/debug/pprof/profile?seconds=301", StatusCode::BAD_REQUEST),
    ] {
        let response = ask(path).await;
        assert_eq!(response.status(), status, "{path}");
        assert!(!response.body().is_empty());
    }
    let head = http::Request::get("/debug/pprof/heap").body(()).unwrap().into_parts().0;
    let response = admin::Site::answer(&Profiles { heap_interval: 0 }, &head).await;
    assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED, "no samples, no profile");
    assert_eq!(ask("/debug/pprof").await.headers()["location"], "/debug/pprof/");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_of_the_whole_run_is_saved_at_the_end() {
    let _turn = TURN.lock().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cpu.pprof");
    let text = format!("{{endpoint: \"127.0.0.1:0\", save_to_file: \"{}\"}}", path.display());
    let (cx, ready) = testkit::run_cx(testkit::extension_node());
    let draining = cx.draining.clone();
    let task = tokio::spawn(Pprof { config: config(&text) }.run(cx));
    ready.await.expect("it becomes ready");
    assert_eq!(ask("/debug/pprof/profile?seconds=1").await.status(), StatusCode::CONFLICT);
    draining.cancel();
    task.await.unwrap().expect("it ends well");
    let saved = Decoded::decode(&*std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(saved.period, 10_000_000);

    let unwritable = config("{endpoint: \"127.0.0.1:0\", save_to_file: /no/such/directory/cpu}");
    let (cx, _ready) = testkit::run_cx(testkit::extension_node());
    let error = Pprof { config: unwritable }.run(cx).await.expect_err("it can't be written").to_string();
    assert!(error.contains("/no/such/directory/cpu"), "{error}");
}
