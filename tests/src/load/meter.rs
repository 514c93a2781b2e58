//! What the kernel says of a process: CPU time in nanoseconds, over all its threads and what the
//! kernel did in their name, resident memory, open files and threads.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// A process that is measured.
#[derive(Debug)]
pub struct Meter {
    pid: Pid,
    clock: ClockId,
}

impl Meter {
    /// Of this process id.
    pub fn new(pid: u32) -> Result<Self> {
        let pid = Pid::from_raw(pid.try_into()?);
        let clock = clock_getcpuclockid(pid)?;
        Ok(Self { pid, clock })
    }

    /// The CPU time the process has used.
    pub fn cpu(&self) -> Result<Duration> {
        Ok(clock_gettime(self.clock)?.into())
    }

    /// Its resident memory in bytes. `VmRSS` is an estimate on many cores; this is counted.
    pub fn memory(&self) -> Result<u64> {
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

impl Meter {
    /// Its open files.
    pub fn files(&self) -> Result<usize> {
        self.entries("fd")
    }

    /// Its threads.
    pub fn threads(&self) -> Result<usize> {
        self.entries("task")
    }

    fn entries(&self, directory: &str) -> Result<usize> {
        let path = format!("/proc/{}/{directory}", self.pid);
        Ok(std::fs::read_dir(&path).context(path)?.count())
    }
}

/// The CPU time this process has used.
pub fn own_cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

/// The CPU time this thread has used.
pub fn thread_cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
