//! What the kernel says of a process: CPU time in nanoseconds, over all its threads and what the
//! kernel did in their name, and resident memory.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// A process that is measured.
#[derive(Debug)]
pub(crate) struct Meter {
    pid: Pid,
    clock: ClockId,
}

impl Meter {
    pub(crate) fn new(pid: u32) -> Result<Self> {
        let pid = Pid::from_raw(pid.try_into()?);
        let clock = clock_getcpuclockid(pid)?;
        Ok(Self { pid, clock })
    }

    /// The CPU time the process has used.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        Ok(clock_gettime(self.clock)?.into())
    }

    /// Its resident memory in bytes. `VmRSS` is an estimate on many cores; this is counted.
    pub(crate) fn memory(&self) -> Result<u64> {
        let path = format!("/proc/{}/smaps_rollup", self.pid);
        let text = std::fs::read_to_string(&path).context(path)?;
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(1024
            * kilobytes
                .context("no Rss in smaps_rollup")?
                .parse::<u64>()?)
    }
}

/// The CPU time this process has used.
pub(crate) fn own_cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

/// The CPU time this thread has used.
pub(crate) fn thread_cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
