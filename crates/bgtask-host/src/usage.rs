//! What processes have used, as the kernel counts it.

use std::fs;
use std::io;
use std::ops::Add;
use std::time::Duration;

use crate::session::Stat;

/// What processes have used since they began, and what they have now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time. A process in no cgroup of its own is counted in clock ticks, of which there are 100 in a second.
    pub cpu: Duration,
    /// Bytes that went through system calls that read and write, whether or not a disk had to move for it.
    pub io: u64,
    /// Bytes of memory now. In a cgroup with a memory controller all that it counts, else the private and the shared memory of
    /// each process, in the machine or swapped out; what several of them share counts for each.
    pub memory: u64,
    /// Processes and threads now.
    pub processes: u32,
}

impl Usage {
    /// What one process has used, with those of its children that ended before; `None` if there is no such process.
    ///
    /// Of a process that does not let others look at it the bytes it read and wrote are not known, and are none.
    #[must_use]
    pub fn of_process(pid: i32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        Some(Self { cpu: stat.cpu_time(), io: io_of(pid), memory: memory_of(pid), processes: stat.threads() })
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
        Self {
            cpu: self.cpu + more.cpu,
            io: self.io.saturating_add(more.io),
            memory: self.memory.saturating_add(more.memory),
            processes: self.processes.saturating_add(more.processes),
        }
    }
}

/// How far the kernel's two counts of the memory of a process may be apart, in bytes.
pub(crate) const RESIDENT_ERROR: u64 = 1 << 20;

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

/// The memory that one process has, in bytes. Not out of `smaps`, which knows what is shared: reading that waits for the
/// process, which may be waiting for a disk.
pub(crate) fn memory_of(pid: i32) -> u64 {
    fs::read_to_string(format!("/proc/{pid}/status")).map_or(0, |text| parse_memory(&text))
}

/// What a zombie does not have is nothing.
fn parse_memory(text: &str) -> u64 {
    let kibibytes = |line: &str| {
        let (name, value) = line.split_once(':')?;
        matches!(name, "RssAnon" | "RssShmem" | "VmSwap")
            .then(|| value.trim().strip_suffix(" kB")?.parse::<u64>().ok())?
    };
    text.lines().filter_map(kibibytes).fold(0, u64::saturating_add).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The program's own file is no burden: the kernel can drop it at any time.
    #[test]
    fn the_memory_of_a_process_is_what_only_it_keeps_in_the_machine() {
        let text = "Name:\tRssAnon: 9 kB\nVmRSS:\t     900 kB\nRssAnon:\t     300 kB\nRssFile:\t     590 kB\n\
            RssShmem:\t      10 kB\nVmSwap:\t       2 kB\nThreads:\t1\n";
        assert_eq!(parse_memory(text), 312 * 1024);
        assert_eq!(parse_memory("Name:\tzombie\n"), 0);
    }

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
        assert!(after.memory > 0 && after.processes > 1, "{after:?}");
        assert_eq!(Usage::of_process(i32::MAX), None);
    }
}
