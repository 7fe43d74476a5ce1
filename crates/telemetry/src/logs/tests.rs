use std::sync::{Mutex, PoisonError};

use data::{ManualClock, Time};
use tracing::field::Empty;

use super::*;

#[test]
fn console_lines() {
    let lines = logged(&settings(Encoding::Console), |_| {
        tracing::info!("Everything is ready.");
        tracing::warn!(items = 3, ratio = 0.5, ok = true, delta = -1_i64, "refused");
        tracing::error!(error = "a \"b\"\n\u{1b}[31m", path = ?Some("x"), "two\nlines\u{1b}");
    });
    let expected = "\
2026-11-21T01:14:41.502Z\tinfo\tlogs/tests.rs:_\tEverything is ready.
2026-11-21T01:14:41.502Z\twarn\tlogs/tests.rs:_\trefused\t{\"items\": 3, \"ratio\": 0.5, \"ok\": true, \"delta\": -1}
2026-11-21T01:14:41.502Z\terror\tlogs/tests.rs:_\ttwo\nlines\\u001b\t\
{\"error\": \"a \\\"b\\\"\\n\\u001b[31m\", \"path\": \"Some(\\\"x\\\")\"}
";
    assert_eq!(lines, expected);
}

#[test]
fn spans_name_the_component() {
    let settings = LogSettings { level: Level::Error, ..settings(Encoding::Console) };
    let lines = logged(&settings, |_| {
        let outer = tracing::info_span!(
            "receiver",
            otelcol.component.id = "otlp",
            otelcol.component.kind = "receiver",
            otelcol.signal = Empty,
            attempt = 1
        );
        let _outer = outer.enter();
        outer.record("otelcol.signal", "traces");
        let _inner = tracing::info_span!("request", peer = %"[::1]:9").entered();
        tracing::error!(attempt = 2, "failed");
        tracing::warn!("not written");
    });
    let expected = "2026-11-21T01:14:41.502Z\terror\tlogs/tests.rs:_\tfailed\t{\"otelcol.component.id\": \"otlp\", \
                    \"otelcol.component.kind\": \"receiver\", \"attempt\": 2, \"otelcol.signal\": \"traces\", \
                    \"peer\": \"[::1]:9\"}\n";
    assert_eq!(lines, expected);
}

#[test]
fn json_lines() {
    let all = LogSettings {
        resource: Some(Resource::new("collimator", "0.1.0", "id")),
        initial_fields: vec![("site".to_owned(), r#""a\\b""#.to_owned()), ("n".to_owned(), "5".to_owned())],
        ..settings(Encoding::Json)
    };
    let lines = logged(&all, |_| tracing::warn!(nan = f64::NAN, "a \"b\"\n"));
    let expected = r#"{"level":"warn","ts":"2026-11-21T01:14:41.502Z","caller":"logs/tests.rs:_","msg":"a \"b\"\n","resource":{"service.instance.id":"id","service.name":"collimator","service.version":"0.1.0"},"site":"a\\b","n":5,"nan":"NaN"}
"#;
    assert_eq!(lines, expected);

    let bare = LogSettings { disable_caller: true, ..settings(Encoding::Json) };
    let lines = logged(&bare, |_| tracing::info!("b"));
    assert_eq!(lines, "{\"level\":\"info\",\"ts\":\"2026-11-21T01:14:41.502Z\",\"msg\":\"b\"}\n");
}

#[test]
fn the_resource_is_spaced_on_the_console() {
    let mut resource = Resource::new("c", "1", "id");
    resource.set("service.instance.id", None);
    let settings =
        LogSettings { resource: Some(resource), disable_caller: true, ..settings(Encoding::Console) };
    let lines = logged(&settings, |_| tracing::info!(n = 1, "m"));
    let expected = "2026-11-21T01:14:41.502Z\tinfo\tm\t\
                    {\"resource\": {\"service.name\": \"c\", \"service.version\": \"1\"}, \"n\": 1}\n";
    assert_eq!(lines, expected);
}

#[test]
fn the_x_ray_daemon_s_lines() {
    let daemon = LogSettings { encoding: Encoding::XrayDaemon, ..settings(Encoding::Console) };
    let lines = logged(&daemon, |_| {
        tracing::info!("Using region: eu-west-1");
        tracing::warn!(n = 1, "odd");
        tracing::error!("bad");
    });
    let expected = "2026-11-21T01:14:41Z [Info] Using region: eu-west-1\n\
                    2026-11-21T01:14:41Z [Warn] odd {\"n\": 1}\n2026-11-21T01:14:41Z [Error] bad\n";
    assert_eq!(lines, expected);
}

#[test]
fn levels() {
    let check = |level: &str, expected: [bool; 5]| {
        let settings = LogSettings { level: level.parse().unwrap(), ..settings(Encoding::Console) };
        let lines = logged(&settings, |_| {
            tracing::error!("m0");
            tracing::warn!("m1");
            tracing::info!("m2");
            tracing::debug!("m3");
            tracing::trace!("m4");
            tracing::debug!(target: "h2::codec", "frame");
        });
        let written: Vec<bool> = (0..5).map(|n| lines.contains(&format!("m{n}"))).collect();
        assert_eq!(written, expected, "{level}");
        assert!(!lines.contains("frame"));
    };
    check("DEBUG", [true, true, true, true, false]);
    check("Info", [true, true, true, false, false]);
    check("warn", [true, true, false, false, false]);
    check("error", [true, false, false, false, false]);
    check("DPANIC", [false; 5]);
    assert_eq!("x".parse::<Level>().unwrap_err().to_string(), "unrecognized level: \"x\"");
    assert_eq!("x".parse::<Encoding>().unwrap_err().to_string(), "no encoder registered for name \"x\"");
}

#[test]
fn repeated_lines_are_limited() {
    let repeat = |clock: &ManualClock| {
        for n in 0..150 {
            tracing::warn!(n, "refused");
        }
        clock.advance(Duration::from_secs(10));
        tracing::warn!("refused");
    };
    let limited = LogSettings { sampling: Some(Sampling::default()), ..settings(Encoding::Console) };
    assert_eq!(logged(&limited, repeat).lines().count(), 12);
    assert_eq!(logged(&settings(Encoding::Console), repeat).lines().count(), 151);
}

#[test]
fn texts_are_cut() {
    let long = "é".repeat(fields::MAX_TEXT);
    let lines = logged(&settings(Encoding::Console), |_| {
        tracing::info!(text = long, shown = %long, debug = ?long, "{long}");
    });
    assert!(lines.len() < 4 * fields::MAX_TEXT + 200, "{}", lines.len());
    assert!(lines.ends_with("\"}\n"));
}

#[test]
fn an_output_that_cannot_be_opened_is_told() {
    let output = Output::from("/nonexistent/collimator.log");
    let error = open(&output, 0, &mut Files::default()).map(drop).unwrap_err().to_string();
    assert!(error.starts_with("couldn't open sink \"/nonexistent/collimator.log\": "), "{error}");
    assert_eq!(Output::from("stdout"), Output::Stdout);
}

#[test]
fn settings_can_change_while_it_runs() {
    let folder = std::env::temp_dir().join(format!("collimator-logs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let to = |file: &str| Output::File(folder.join(file));
    let info = LogSettings { outputs: vec![to("one")], ..settings(Encoding::Console) };
    let state = shared(state(&info).unwrap());
    let logs = Logs { state: Arc::clone(&state) };
    let layer = LogLayer::new(state, Arc::new(ManualClock::at(Time::default())));
    let say = |text: &str| tracing::debug!("{text}");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        say("unheard");
        let json = LogSettings { level: Level::Debug, encoding: Encoding::Json, ..info.clone() };
        logs.change(&LogSettings { outputs: vec![to("two")], ..json.clone() }).unwrap();
        say("heard");
        assert!(logs.change(&LogSettings { outputs: vec![Output::from("/nonexistent/x")], ..json }).is_err());
        say("still");
        logs.change(&info).unwrap();
        say("unheard");
    });
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    assert_eq!(read("one"), "");
    assert!(read("two").contains("\"msg\":\"heard\"") && read("two").lines().count() == 2, "{}", read("two"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn lines_say_where_they_come_from() {
    let sink = Sink::default();
    let state = State::new(&settings(Encoding::Console), vec![Box::new(sink.clone())], Vec::new());
    let layer = LogLayer::new(shared(state), Arc::new(ManualClock::default()));
    let line = line!() + 2;
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!("here");
    });
    let text = String::from_utf8(sink.bytes.lock().unwrap().clone()).unwrap();
    assert!(text.ends_with(&format!("Z\tinfo\tlogs/tests.rs:{line}\there\n")), "{text}");
}

#[test]
fn a_line_that_cannot_be_written_is_told() {
    let (sink, told) = (Sink::default(), Sink::default());
    let clock = Arc::new(ManualClock::at(Time { mono: 0, wall: 1_795_223_681_502_000_000 }));
    let outputs: Vec<layer::Writer> = vec![Box::new(Full), Box::new(sink.clone())];
    let state = State::new(&settings(Encoding::Console), outputs, vec![Box::new(told.clone())]);
    let layer = LogLayer::new(shared(state), clock);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!("hello");
    });
    let text = |sink: &Sink| anywhere(&String::from_utf8(sink.bytes.lock().unwrap().clone()).unwrap());
    assert_eq!(text(&told), "2026-11-21T01:14:41.502Z write error: no storage space\n");
    assert_eq!(text(&sink), "2026-11-21T01:14:41.502Z\tinfo\tlogs/tests.rs:_\thello\n");
}

/// A disk without room.
struct Full;

impl Write for Full {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Without a limit, since tests log what they like.
fn settings(encoding: Encoding) -> LogSettings {
    LogSettings { encoding, sampling: None, ..LogSettings::default() }
}

fn shared(state: State) -> Shared {
    Arc::new(RwLock::new(Arc::new(state)))
}

/// What `log` leads to, at 2026-11-21T01:14:41.502Z.
fn logged(settings: &LogSettings, log: impl FnOnce(&ManualClock)) -> String {
    let clock = Arc::new(ManualClock::at(Time { mono: 0, wall: 1_795_223_681_502_000_000 }));
    let sink = Sink::default();
    let state = State::new(settings, vec![Box::new(sink.clone())], Vec::new());
    let layer = LogLayer::new(shared(state), clock.clone());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || log(&clock));
    let bytes = sink.bytes.lock().unwrap().clone();
    anywhere(&String::from_utf8(bytes).unwrap())
}

/// Lines of this file are `_`, since they change.
fn anywhere(text: &str) -> String {
    let mut parts = text.split("logs/tests.rs:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + "logs/tests.rs:_" + part.trim_start_matches(|character: char| character.is_ascii_digit())
    })
}

#[derive(Clone, Default)]
struct Sink {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Write for Sink {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
