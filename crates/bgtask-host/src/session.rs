//! Containment without cgroups: a session and its living descendants, found through `/proc`.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::ops::Add as _;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::Usage;

/// How often the processes are listed and killed, for those that are forked meanwhile.
const KILL_PASSES: usize = 4;

/// Kills the session that `leader` leads and all that descends from it. The caller has not reaped
/// `leader`, so that its number means nothing else.
pub(crate) fn kill(leader: Pid) {
    for _ in 0..KILL_PASSES {
        let members = members(leader);
        if members.is_empty() {
            break;
        }
        for member in &members {
            let _gone = pidfd_send_signal(member, Signal::KILL);
        }
    }
}

/// Stops them all. One that is forked meanwhile is met in the next pass.
pub(crate) fn stop(leader: Pid) {
    for _ in 0..KILL_PASSES {
        signal(leader, Signal::STOP);
        if family(leader).iter().all(|stat| stat.dead || stat.stopped) {
            break;
        }
    }
}

/// Sends `signal` to all of them.
pub(crate) fn signal(leader: Pid, signal: Signal) {
    for member in &members(leader) {
        let _gone = pidfd_send_signal(member, signal);
    }
}

/// Waits for the last of them; kills those that it meets.
pub(crate) fn wait_until_empty(leader: Pid, deadline: Instant) -> io::Result<bool> {
    loop {
        let members = members(leader);
        let Some(first) = members.first() else {
            return Ok(true);
        };
        let Some(left) = remaining(deadline) else {
            return Ok(false);
        };
        kill(leader);
        match poll(&mut [PollFd::new(first, PollFlags::IN)], Some(&left)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// The processes that are alive in the session of `leader` or descend from it.
pub(crate) fn members(leader: Pid) -> Vec<OwnedFd> {
    family(leader).iter().filter(|stat| !stat.dead).filter_map(Stat::pidfd).collect()
}

/// The numbers of those that live.
pub(crate) fn pids(leader: Pid) -> Vec<i32> {
    family(leader).iter().filter(|stat| !stat.dead).map(|stat| stat.pid).collect()
}

/// What they have used. A child that ended is counted with its parent.
pub(crate) fn usage(leader: Pid) -> Usage {
    let used = family(leader).into_iter().filter_map(|stat| Usage::of_process(stat.pid));
    used.fold(Usage::default(), Usage::add)
}

fn family(leader: Pid) -> Vec<Stat> {
    let all: Vec<Stat> = processes().collect();
    let leader = leader.as_raw_nonzero().get();
    let mut family = HashSet::from([leader]);
    loop {
        let known = family.len();
        let related = |stat: &&Stat| stat.session == leader || family.contains(&stat.parent);
        let related: Vec<i32> = all.iter().filter(related).map(|stat| stat.pid).collect();
        family.extend(related);
        if family.len() == known {
            break;
        }
    }
    all.into_iter().filter(|stat| family.contains(&stat.pid)).collect()
}

/// The session that the process with this number is in: the number of the process that leads it.
///
/// None of a process that has ended, and of one whose session was begun outside of this PID namespace: there it has no number.
#[must_use]
pub fn session_of(pid: i32) -> Option<i32> {
    Stat::read(pid).map(|stat| stat.session).filter(|&session| session > 0)
}

/// When the process with this number began, in clock ticks since boot; with the number it names
/// one process of one boot.
pub(crate) fn start_of(pid: Pid) -> Option<u64> {
    Stat::read(pid.as_raw_nonzero().get()).map(|stat| stat.start)
}

/// The line of `/proc/PID/stat`, which names one process of one boot for [`parse_line`].
pub(crate) fn line_of(pid: Pid) -> io::Result<Vec<u8>> {
    fs::read(format!("/proc/{pid}/stat"))
}

/// Number and start of the process that the line is of.
pub(crate) fn parse_line(line: &[u8]) -> Option<(Pid, u64)> {
    let stat = Stat::parse(line)?;
    Some((Pid::from_raw(stat.pid)?, stat.start))
}

/// What is left until `deadline`, for `poll`.
pub(crate) fn remaining(deadline: Instant) -> Option<Timespec> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left == Duration::ZERO {
        return None;
    }
    Timespec::try_from(left).ok()
}

fn processes() -> impl Iterator<Item = Stat> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Stat::read)
}

/// The part of `/proc/PID/stat` that matters here.
#[derive(Debug, PartialEq)]
pub(crate) struct Stat {
    pid: i32,
    parent: i32,
    session: i32,
    start: u64,
    dead: bool,
    stopped: bool,
    threads: u32,
    /// Processor time, its own and that of its ended children, in clock ticks.
    ticks: u64,
}

impl Stat {
    pub(crate) fn read(pid: i32) -> Option<Self> {
        // Not as a string: the name of the program, which is in it, need not be UTF-8.
        Self::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(line: &[u8]) -> Option<Self> {
        // The name is in parentheses and may have any of its own, so the last one counts.
        let name_end = line.iter().rposition(|&byte| byte == b')')?;
        let pid = line.split(|&byte| byte == b' ').next()?;
        let rest = str::from_utf8(&line[name_end + 1..]).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        Some(Self {
            pid: str::from_utf8(pid).ok()?.parse().ok()?,
            dead: matches!(*fields.first()?, "Z" | "X"),
            stopped: *fields.first()? == "T",
            threads: fields.get(17)?.parse().ok()?,
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
            ticks: fields.get(11..15)?.iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum(),
        })
    }

    pub(crate) fn cpu_time(&self) -> Duration {
        Duration::from_micros(self.ticks.saturating_mul(1_000_000) / clock_ticks_per_second().max(1))
    }

    /// It and its threads; none if only its end is left.
    pub(crate) fn threads(&self) -> u32 {
        if self.dead { 0 } else { self.threads }
    }

    /// A handle for this very process, not for one that has its number by now.
    fn pidfd(&self) -> Option<OwnedFd> {
        let pid = Pid::from_raw(self.pid)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        (start_of(pid) == Some(self.start)).then_some(pidfd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_program_name_confuses_nothing() {
        let line = b"42 (a) S 1 (\xff) Z 7 8 9 0 -1 0 0 0 0 0 1 2 3 4 20 0 1 0 4711 0 0\n";
        let stat = Stat::parse(line).unwrap();
        let expected =
            Stat { pid: 42, parent: 7, session: 9, start: 4711, dead: true, stopped: false, threads: 1, ticks: 10 };
        assert_eq!(stat, expected);
        assert_eq!(Stat::parse(b"42 (a) S 1"), None);
        assert_eq!(Stat::parse(b""), None);
    }

    #[test]
    fn waiting_has_an_end() {
        let own = rustix::process::getpid();
        assert!(!wait_until_empty(own, Instant::now()).unwrap());
        assert!(remaining(Instant::now()).is_none());
    }

    #[test]
    fn this_process_is_found() {
        let own = rustix::process::getpid();
        assert!(start_of(own).is_some_and(|start| start > 0));
        assert!(!members(own).is_empty());
    }
}
