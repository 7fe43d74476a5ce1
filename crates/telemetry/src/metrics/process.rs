//! What the process uses, read from `/proc` at each scrape; absent where there is none.

use std::fs;
use std::sync::Arc;

use data::Clock;

use super::Registry;

/// Clock ticks a second in `/proc/self/stat`: what the kernel's interface fixes as `USER_HZ`.
const TICKS_PER_SECOND: f64 = 100.0;

/// Registers the `otelcol_process_*` metrics; the uptime counts from now on.
///
/// Of the reference's runtime metrics those have a meaning here that the kernel can tell: resident anonymous memory
/// for the heap, and private mappings for what was obtained from the system.
pub fn register(registry: &Registry, clock: Arc<dyn Clock>) {
    let start = clock.now();
    registry.counter_fn("otelcol_process_uptime", "Uptime of the process [Alpha]", "s", &[], move || {
        clock.now().since(start).as_secs_f64()
    });
    if cpu_seconds().is_some() {
        registry.counter_fn(
            "otelcol_process_cpu_seconds",
            "Total CPU user and system time in seconds [Alpha]",
            "s",
            &[],
            || cpu_seconds().unwrap_or(f64::NAN),
        );
    }
    let memory = [
        ("otelcol_process_memory_rss", "Total physical memory (resident set size) [Alpha]", "VmRSS:"),
        (
            "otelcol_process_runtime_heap_alloc_bytes",
            "Bytes of resident anonymous memory, heap and stacks [Alpha]",
            "RssAnon:",
        ),
        (
            "otelcol_process_runtime_total_sys_memory_bytes",
            "Total bytes of private memory obtained from the OS [Alpha]",
            "VmData:",
        ),
    ];
    for (name, help, key) in memory {
        if status_bytes(key).is_some() {
            registry.gauge_fn(name, help, "By", &[], move || status_bytes(key).unwrap_or(f64::NAN));
        }
    }
}

fn cpu_seconds() -> Option<f64> {
    cpu_seconds_of(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// User and system time, the 14th and 15th field. The second, a name in parentheses, may hold anything.
fn cpu_seconds_of(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_ascii_whitespace().skip(11).map(str::parse::<f64>);
    let user = times.next()?.ok()?;
    let system = times.next()?.ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

fn status_bytes(key: &str) -> Option<f64> {
    status_bytes_of(&fs::read_to_string("/proc/self/status").ok()?, key)
}

fn status_bytes_of(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use data::ManualClock;

    use super::*;
    use crate::Resource;
    use crate::metrics::Options;

    #[test]
    fn reads_the_kernels_files() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0 100 1000 10";
        assert_eq!(cpu_seconds_of(stat), Some(3.0));
        assert_eq!(cpu_seconds_of("7 (a) S 1"), None);
        let status = "Name:\tx\nVmRSS:\t    2048 kB\nRssAnon:\t 12 pages\n";
        assert_eq!(status_bytes_of(status, "VmRSS:"), Some(2_097_152.0));
        assert_eq!(status_bytes_of(status, "RssAnon:"), None);
        assert_eq!(status_bytes_of(status, "VmData:"), None);
    }

    #[test]
    fn uptime_follows_the_clock() {
        let registry = Registry::new(Options::default(), Resource::default());
        let clock = Arc::new(ManualClock::default());
        register(&registry, clock.clone());
        clock.advance(Duration::from_millis(1_500));
        let mut text = String::new();
        registry.render(&mut text);
        assert!(text.contains("\notelcol_process_uptime 1.5\n"), "{text}");
        if cfg!(target_os = "linux") {
            assert!(text.contains("# TYPE otelcol_process_memory_rss gauge"), "{text}");
            assert!(text.contains("# TYPE otelcol_process_cpu_seconds counter"), "{text}");
        }
    }
}
