//! What the processes of a cgroup have used.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::time::Duration;

use super::Cgroup;
use crate::usage::{self, Usage};

impl Cgroup {
    /// What its processes have used: the processor time of all, the rest of those that live.
    pub(crate) fn usage(&self) -> io::Result<Usage> {
        let pids = self.processes()?;
        let numbers = || pids.iter().map(|pid| pid.as_raw_nonzero().get());
        Ok(Usage {
            cpu: self.cpu_time()?,
            io: numbers().map(usage::io_of).fold(0, u64::saturating_add),
            memory: self.memory().unwrap_or_else(|| numbers().map(usage::memory_of).fold(0, u64::saturating_add)),
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

    /// What the kernel calls it, and those below it, at a socket. The number of a cgroup is that of its directory.
    pub(crate) fn ids(&self) -> Vec<u64> {
        self.nested().into_iter().filter_map(|dir| Some(fs::metadata(dir).ok()?.ino())).collect()
    }

    /// Where there is a memory controller.
    fn memory(&self) -> Option<u64> {
        fs::read_to_string(self.path.join("memory.current")).ok()?.trim().parse().ok()
    }

    /// Processes and threads, as a controller counts them.
    fn threads(&self) -> u32 {
        let lists = self.nested().into_iter().filter_map(|dir| fs::read(dir.join("cgroup.threads")).ok());
        let lines = lists.map(|list| list.iter().filter(|byte| **byte == b'\n').count()).sum::<usize>();
        u32::try_from(lines).unwrap_or(u32::MAX)
    }
}
