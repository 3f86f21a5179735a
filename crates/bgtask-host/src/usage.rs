//! What processes have used, as the kernel counts it.

use std::fs;
use std::io;
use std::ops::Add;
use std::time::Duration;

use rustix::process::Pid;

use crate::session::Stat;

/// What processes have used since they began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time. A process in no cgroup of its own is counted in clock ticks, of which there are 100 in a second.
    pub cpu: Duration,
    /// Bytes that went through system calls that read and write, whether or not a disk had to move for it.
    pub io: u64,
}

impl Usage {
    /// What one process has used, with those of its children that ended before; `None` if there is no such process.
    ///
    /// A process that does not let others look at it has no bytes.
    #[must_use]
    pub fn of_process(pid: i32) -> Option<Self> {
        Stat::read(pid).map(|stat| Self { cpu: stat.cpu_time(), io: io_of(pid) })
    }
}

/// What a host or command used in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FinalUsage {
    /// Processor time and bytes.
    ///
    /// In a session what nobody waited for does not count, and of the bytes never.
    pub used: Usage,
    /// The most memory it had at a time, in bytes. In a cgroup with a memory controller that of all its processes together,
    /// else of the largest one. `None` if that is not known: without the controller a program that stays smaller than
    /// the broker is not told apart from it.
    pub memory_peak: Option<u64>,
    /// Whether the kernel killed some of it because it reached its bound on memory, or the machine had none left.
    pub out_of_memory: bool,
}

impl Add for Usage {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self { cpu: self.cpu + more.cpu, io: self.io.saturating_add(more.io) }
    }
}

/// How far the kernel's two counts of the memory of a process may be apart, in bytes.
pub(crate) const RESIDENT_ERROR: u64 = 1 << 20;

/// The bytes that these processes have read and written.
pub(crate) fn io_of_all(pids: impl Iterator<Item = Pid>) -> u64 {
    pids.map(|pid| io_of(pid.as_raw_nonzero().get())).fold(0, u64::saturating_add)
}

/// The bytes that one process has read and written, also while it is a zombie.
pub(crate) fn io_of(pid: i32) -> u64 {
    fs::read_to_string(format!("/proc/{pid}/io")).ok().and_then(|text| parse_io(&text).ok()).unwrap_or_default()
}

fn parse_io(text: &str) -> io::Result<u64> {
    let count = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.and_then(|value| value.parse::<u64>().ok()).ok_or(io::ErrorKind::InvalidData)
    };
    Ok(count("rchar")?.saturating_add(count("wchar")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_process_are_those_of_its_system_calls() {
        let text =
            "rchar: 300\nwchar: 20\nsyscr: 9\nsyscw: 9\nread_bytes: 9\nwrite_bytes: 9\ncancelled_write_bytes: 9\n";
        assert_eq!(parse_io(text).unwrap(), 320);
        assert!(parse_io("rchar: 1\n").is_err());
    }

    #[test]
    fn this_process_has_used_something_and_one_that_is_not_there_nothing() {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let before = Usage::of_process(own).unwrap();
        let read = fs::read("/proc/self/exe").unwrap().len() as u64;
        let after = Usage::of_process(own).unwrap();
        assert!(after.io >= before.io + read, "{before:?} {after:?}");
        assert!(after.cpu >= before.cpu);
        assert_eq!(Usage::of_process(i32::MAX), None);
    }
}
