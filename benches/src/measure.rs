//! CPU time and memory of processes and threads, from the kernel's own counters.

use std::{fs, time::Duration};

use nix::{time::clock_getcpuclockid, unistd::Pid};

/// CPU time that a process has used so far, of all its threads, ended ones too, in nanoseconds' precision.
pub(crate) fn process_cpu(pid: u32) -> Option<Duration> {
    let now = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid).ok()?)).ok()?.now().ok()?;
    Some(Duration::new(u64::try_from(now.tv_sec()).ok()?, u32::try_from(now.tv_nsec()).ok()?))
}

/// CPU time that a process has spent in itself and in the kernel, in clock ticks: good for their proportion.
pub(crate) fn ticks(pid: u32) -> Option<[u64; 2]> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command, in parentheses, may hold anything; state follows it, and utime is the eleventh after that.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some([fields.next()?.parse().ok()?, fields.next()?.parse().ok()?])
}

/// CPU time of this process's living threads of that name.
pub(crate) fn threads_cpu(name: &str) -> Duration {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let times = tasks.flatten().filter_map(|task| {
        let comm = fs::read_to_string(task.path().join("comm")).ok()?;
        let schedstat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        (comm.trim_end() == name).then(|| schedstat.split(' ').next()?.parse::<u64>().ok()).flatten()
    });
    Duration::from_nanos(times.sum())
}

/// CPU time of this process.
pub(crate) fn own_cpu() -> Duration {
    process_cpu(std::process::id()).unwrap_or_default()
}

/// Resident memory of a process in bytes, now and at its peak.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) now: u64,
    pub(crate) peak: u64,
}

/// Reads a process's resident memory; `None` once it has gone.
pub(crate) fn memory(pid: u32) -> Option<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    };
    Some(Memory { now: value("VmRSS:")?, peak: value("VmHWM:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_process_has_used_time_and_memory() {
        assert!(own_cpu() > Duration::ZERO);
        assert!(ticks(std::process::id()).is_some());
        let memory = memory(std::process::id()).expect("own status");
        assert!(memory.peak >= memory.now && memory.now > 0);
    }
}
