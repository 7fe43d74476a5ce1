//! What the machine, or the container, gives the process.

use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups are mounted.
const GROUPS: &str = "/sys/fs/cgroup";

use component::Machine;

/// The machine, for the components.
pub(crate) fn machine() -> Machine {
    Machine { memory: memory(), resident }
}

/// Takes memory in pages of 4 KiB, whatever the allocator asks for.
///
/// It asks for pages of 2 MiB, of which each thread then holds one or more: 24 MiB resident when idle instead of 16, for
/// no less CPU time per span.
pub(crate) fn use_small_pages() {
    // A kernel without them has small pages only; other systems than Linux have no such switch.
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_thp_disable(true).ok();
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
    let group = Groups::of_process().and_then(|groups| groups.memory());
    match (machine, group) {
        (Some(machine), Some(group)) => machine.min(group),
        (Some(bytes), None) | (None, Some(bytes)) => bytes,
        // Neither can be read: assume a small machine.
        (None, None) => 1 << 30,
    }
}

/// Thousandths of processors that the process may use: those it may run on, or the quota of its control group.
pub(crate) fn millicpus() -> u64 {
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let quota = Groups::of_process().and_then(|groups| groups.millicpus());
    quota.unwrap_or(u64::MAX).min(processors.saturating_mul(1000))
}

/// Threads of the data plane when the configuration leaves it open.
///
/// One carries about two million spans a second, so half of the processors (or of the quota) is plenty, and
/// fewer threads pass work among themselves more cheaply.
pub(crate) fn workers() -> usize {
    usize::try_from(millicpus().div_ceil(2000)).map_or(1, |workers| workers.max(1))
}

fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// The control groups of the process, in both versions: a machine may have the controllers in either.
///
/// A limit holds for all groups below, so the smallest on the way up to the mount counts. In a container the path is
/// often that of the host, which is not there; what is mounted then is the container's own group.
struct Groups {
    mount: PathBuf,
    /// The lines of `/proc/self/cgroup`: `4:memory:/a/b`, and `0::/a/b` in version 2.
    text: String,
}

impl Groups {
    fn of_process() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/cgroup").ok()?;
        Some(Self { mount: GROUPS.into(), text })
    }

    fn memory(&self) -> Option<u64> {
        let limit = |folder: &Path, file: &str| {
            // "max" means no limit, and is no number.
            fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok()
        };
        let first = self.first("memory").filter_map(|folder| limit(&folder, "memory.limit_in_bytes"));
        let second = self.second().filter_map(|folder| limit(&folder, "memory.max"));
        first.chain(second).min()
    }

    fn millicpus(&self) -> Option<u64> {
        let first = self.first("cpu").filter_map(|folder| {
            let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
            millicpus_of(&read("cpu.cfs_quota_us")?, &read("cpu.cfs_period_us")?)
        });
        let second = self.second().filter_map(|folder| {
            let text = fs::read_to_string(folder.join("cpu.max")).ok()?;
            let (quota, period) = text.trim().split_once(' ')?;
            millicpus_of(quota, period)
        });
        first.chain(second).min()
    }

    /// The folders of a controller of version 1, from the group up to the mount.
    fn first(&self, controller: &str) -> impl Iterator<Item = PathBuf> {
        let path = self.text.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            controllers.split(',').any(|name| name == controller).then_some(path)
        });
        up(self.mount.join(controller), path)
    }

    /// The folders of version 2, which may be mounted below those of version 1.
    fn second(&self) -> impl Iterator<Item = PathBuf> {
        let path = self.text.lines().find_map(|line| line.strip_prefix("0::"));
        up(self.mount.clone(), path).chain(up(self.mount.join("unified"), path))
    }
}

/// The folders from `path` below `mount` up to `mount` itself; none without a path.
fn up(mount: PathBuf, path: Option<&str>) -> impl Iterator<Item = PathBuf> {
    let own = path.map(|path| mount.join(path.trim_start_matches('/')));
    let above = own.iter().flat_map(|own| own.ancestors()).take_while(|above| above.starts_with(&mount));
    above.map(Path::to_path_buf).collect::<Vec<_>>().into_iter()
}

/// A quota in thousandths of processors, at least one; none for `-1` and `max`.
fn millicpus_of(quota: &str, period: &str) -> Option<u64> {
    let (quota, period): (u64, u64) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
    quota.saturating_mul(1000).checked_div(period).map(|millis| millis.max(1))
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

    /// Groups as files say them.
    fn check(cgroup: &str, files: &[(&str, &str)], memory: Option<u64>, millicpus: Option<u64>) {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("it is below the mount")).expect("folders");
            fs::write(path, text).expect("files");
        }
        let groups = Groups { mount: folder.path().into(), text: cgroup.into() };
        assert_eq!((groups.memory(), groups.millicpus()), (memory, millicpus), "{cgroup} {files:?}");
    }

    #[test]
    fn limits_of_version_2() {
        let files = [
            ("memory.max", "max\n"),
            ("a/memory.max", "1000\n"),
            ("a/b/memory.max", "2000\n"),
            ("a/cpu.max", "150000 100000\n"),
            ("a/b/cpu.max", "max 100000\n"),
        ];
        check("0::/a/b\n", &files, Some(1000), Some(1500));
        // In a container with a namespace of its own, and in one without.
        check("0::/\n", &[("memory.max", "500\n"), ("cpu.max", "50000 100000\n")], Some(500), Some(500));
        check("0::/docker/1f\n", &[("memory.max", "500\n"), ("cpu.max", "max 100000\n")], Some(500), None);
        check("", &[("memory.max", "500\n")], None, None);
    }

    #[test]
    fn limits_of_version_1() {
        let cgroup = "4:memory:/a\n3:cpuset:/\n2:cpu,cpuacct:/b\n0::/\n";
        let files = [
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/a/memory.limit_in_bytes", "4000\n"),
            ("cpu/cpu.cfs_quota_us", "-1\n"),
            ("cpu/cpu.cfs_period_us", "100000\n"),
            ("cpu/b/cpu.cfs_quota_us", "250000\n"),
            ("cpu/b/cpu.cfs_period_us", "100000\n"),
        ];
        check(cgroup, &files, Some(4000), Some(2500));
        check(cgroup, &files[..1], Some(9_223_372_036_854_771_712), None);
    }

    #[test]
    fn odd_quotas() {
        assert_eq!(millicpus_of("1", "100000"), Some(1));
        assert_eq!(millicpus_of("100", "0"), None);
        assert_eq!(millicpus_of("-1", "100000"), None);
        assert_eq!(millicpus_of("200000\n", "100000\n"), Some(2000));
    }
}
