//! How much a host gives way to what its user does.

use std::ffi::OsString;
use std::fs;

use rustix::process::{getpriority_process, setpriority_process};

use crate::raw::{self, DiskPriority};

/// The nice value of a host unless it is told another, and of a command that is to be nice; never lower than the broker's own.
pub const NICE: i32 = 10;

/// The place of hosts in line for the processors. At the disk they are always last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority {
    /// The nice value, 0 to 19; the broker's own where that is higher.
    pub nice: i32,
    /// Which policy of the kernel's they are scheduled by.
    pub scheduling: Scheduling,
}

impl Default for Priority {
    fn default() -> Self {
        Self { nice: NICE, scheduling: Scheduling::Normal }
    }
}

/// A policy of the kernel's for those that have no deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduling {
    /// `SCHED_OTHER`: as every program.
    Normal,
    /// `SCHED_BATCH`: its waking up never interrupts another program, which does more in less time and waits a little for it.
    Batch,
    /// `SCHED_IDLE`: it runs when nothing else wants the processor.
    Idle,
}

impl Scheduling {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Normal, Self::Batch, Self::Idle];

    /// One word, lower case.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Batch => "batch",
            Self::Idle => "idle",
        }
    }

    /// The one of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.word() == word)
    }
}

/// The argument of a launcher before those of its priority.
pub(crate) const PRIORITY: &str = "priority";

impl Priority {
    /// How a launcher is told of it.
    pub(crate) fn arguments(self) -> [OsString; 3] {
        [PRIORITY.into(), self.nice.to_string().into(), self.scheduling.word().into()]
    }

    /// What it was told; the default where it was not.
    pub(crate) fn from_arguments(arguments: &[OsString]) -> Self {
        let place = arguments.iter().position(|argument| argument == PRIORITY);
        let rest = place.map_or(&[][..], |place| &arguments[place + 1..]);
        let told = || {
            let [nice, scheduling, ..] = rest else { return None };
            let scheduling = Scheduling::from_word(scheduling.to_str()?)?;
            Some(Self { nice: nice.to_str()?.parse().ok()?, scheduling })
        };
        told().unwrap_or_default()
    }

    /// This process gives way so from now on, and all that it starts. Where the kernel refuses, it is as before.
    pub(crate) fn assume(self) {
        let own = getpriority_process(None).unwrap_or_default();
        let _refused = setpriority_process(None, own.max(self.nice));
        // Where processors are shared out between sessions, only this one's own value counts between them.
        let _unsupported = fs::write("/proc/self/autogroup", self.nice.to_string());
        raw::set_scheduling(self.scheduling);
        raw::set_disk_priority(DiskPriority::Low);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_launcher_is_told_it_understands() {
        for scheduling in Scheduling::ALL {
            let told = Priority { nice: 19, scheduling };
            assert_eq!(Priority::from_arguments(&told.arguments()), told);
        }
        assert_eq!(Priority::from_arguments(&[]), Priority::default());
        let unknown = ["launcher", PRIORITY, "5", "urgent"].map(OsString::from);
        assert_eq!(Priority::from_arguments(&unknown), Priority::default());
    }
}
