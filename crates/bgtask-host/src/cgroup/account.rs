//! What the processes of a cgroup have used.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use super::Cgroup;
use crate::usage::{self, Usage};

/// The most processes of a host of which each is looked at for what it uses: the broker does not wait for a host that is a
/// crowd. What the cgroup counts is of all.
pub(crate) const MAX_LOOKED_AT: usize = 512;

impl Cgroup {
    /// What its processes have used: the processor time of all, the rest of those that live.
    pub(crate) fn usage(&self) -> io::Result<Usage> {
        let pids = self.pids();
        let sum = |of: fn(i32) -> u64| pids.iter().map(|pid| of(*pid)).fold(0, u64::saturating_add);
        Ok(Usage {
            cpu: self.cpu_time()?,
            io: sum(usage::io_of),
            memory: self.memory().unwrap_or_else(|| sum(usage::memory_of)),
            processes: self.threads(),
        })
    }

    /// CPU time of all its processes, dead or alive.
    pub(crate) fn cpu_time(&self) -> io::Result<Duration> {
        let mut text = [0; 64];
        let length = File::open(self.path.join("cpu.stat"))?.read_at(&mut text, 0)?;
        let text = str::from_utf8(&text[..length]).unwrap_or_default();
        let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
        let usage = usage.and_then(|usage| usage.parse().ok());
        usage.map(Duration::from_micros).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// Its processes, but no more than [`MAX_LOOKED_AT`].
    pub(crate) fn pids(&self) -> Vec<i32> {
        let pids = self.processes().unwrap_or_default();
        pids.iter().take(MAX_LOOKED_AT).map(|pid| pid.as_raw_nonzero().get()).collect()
    }

    /// Where there is a memory controller.
    fn memory(&self) -> Option<u64> {
        fs::read_to_string(self.path.join("memory.current")).ok()?.trim().parse().ok()
    }

    /// Processes and threads, as a controller counts them.
    pub(crate) fn threads(&self) -> u32 {
        let lists = self.nested().into_iter().filter_map(|dir| fs::read(dir.join("cgroup.threads")).ok());
        let lines = lists.map(|list| list.iter().filter(|byte| **byte == b'\n').count()).sum::<usize>();
        u32::try_from(lines).unwrap_or(u32::MAX)
    }
}
