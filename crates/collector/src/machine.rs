//! What the machine, or the container, gives the process.

use std::fs;
use std::path::Path;

use component::Machine;

/// The machine, for the components.
pub(crate) fn machine() -> Machine {
    Machine { memory: memory(), resident }
}

/// Bytes that the process holds resident.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Bytes of memory that the process may use: the limit of its control group, or what the machine has.
pub(crate) fn memory() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_of(&text));
    let group = fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| group_limit(&text));
    match (machine, group) {
        (Some(machine), Some(group)) => machine.min(group),
        (Some(bytes), None) | (None, Some(bytes)) => bytes,
        // Neither can be read: assume a small machine.
        (None, None) => 1 << 30,
    }
}

/// Threads of the data plane when the configuration leaves it open.
///
/// One carries about two million spans a second, so half of the processors (or of the quota) is plenty, and
/// fewer threads pass work among themselves more cheaply.
pub(crate) fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get().div_ceil(2))
}

fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// The smallest memory limit on the way from the group up to the root (version 2), or that of version 1.
fn group_limit(cgroup: &str) -> Option<u64> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"));
    if let Some(path) = path {
        let root = Path::new("/sys/fs/cgroup");
        let own = root.join(path.trim_start_matches('/'));
        let above = own.ancestors().take_while(|above| above.starts_with(root));
        return above.filter_map(|group| limit_in(&group.join("memory.max"))).min();
    }
    limit_in(Path::new("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
}

fn limit_in(file: &Path) -> Option<u64> {
    // "max" means no limit, and is no number.
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_total() {
        assert_eq!(total_of("MemFree: 1 kB\nMemTotal:       16384 kB\n"), Some(16384 * 1024));
        assert_eq!(total_of("MemTotal: lots"), None);
    }

    #[test]
    fn there_is_memory_and_a_worker() {
        assert!(memory() > 1 << 20);
        assert!(workers() >= 1);
    }
}
