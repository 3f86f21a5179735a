use std::fmt;
use std::time::Duration;

use super::windows_enum;
use crate::time::WallTime;

windows_enum! {
    /// Which suspensions of a task are counted (`BackgroundTaskThrottleCounter`, POL-2).
    BackgroundTaskThrottleCounter {
        /// All of them.
        All = 0,
        /// Those for processor time.
        Cpu = 1,
        /// Those for the network.
        Network = 2,
    }
}

/// What is rationed: each app has so much of it in each window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// Processor time.
    Cpu,
    /// Bytes sent and received.
    Network,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "processor time",
            Self::Network => "network",
        })
    }
}

/// How often an instance was suspended because its app had used up what it may (POL-1, POL-2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThrottleCounts {
    /// For processor time.
    pub cpu: u32,
    /// For the network.
    pub network: u32,
}

impl ThrottleCounts {
    /// The count that Windows gives for a counter.
    pub const fn get(self, counter: BackgroundTaskThrottleCounter) -> u32 {
        match counter {
            BackgroundTaskThrottleCounter::All => self.cpu.saturating_add(self.network),
            BackgroundTaskThrottleCounter::Cpu => self.cpu,
            BackgroundTaskThrottleCounter::Network => self.network,
        }
    }
}

/// What each app may use in each window, and all apps together beyond that. Commands of the user's own are not rationed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// How long a window is.
    pub window: Duration,
    /// Processor time of an app in a window; `None` is as much as it wants.
    pub cpu: Option<Duration>,
    /// Bytes an app may send and receive in a window; `None` is as many as it wants.
    pub network: Option<u64>,
    /// Processor time that apps may borrow in a window, all of them together, when their own is used up.
    pub pool_cpu: Duration,
    /// The same for bytes.
    pub pool_network: u64,
    /// Bytes of memory of a host; `None` is as many as it wants.
    pub memory: Option<u64>,
    /// Processes and threads of a host; `None` is as many as it wants.
    pub processes: Option<u32>,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(2 * 3_600),
            cpu: Some(Duration::from_secs(120)),
            network: None,
            pool_cpu: Duration::from_secs(600),
            pool_network: 0,
            memory: None,
            processes: Some(256),
        }
    }
}

/// What bounds a host from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u32>,
}

/// What an app has used in its present window, and what energy that took in the present period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// When the window began.
    pub window: WallTime,
    /// Processor time used in it.
    pub cpu: Duration,
    /// Bytes sent and received in it.
    pub network: u64,
    /// How much of the processor time was borrowed.
    pub borrowed_cpu: Duration,
    /// How many of the bytes were borrowed.
    pub borrowed_network: u64,
    /// When the period of energy began (Q-17: 30 min).
    pub period: WallTime,
    /// What was used in it, in thousandths of the weight of one second of a processor.
    pub energy: u64,
}

windows_enum! {
    /// How much energy an app uses, from the least (POL-6). The numbers are the percentages at which each begins.
    EnergyLevel {
        /// As an app should.
        Low = 0,
        /// Soon as much as is acceptable.
        NearMaxAcceptable = 80,
        /// As much as is acceptable: it may be shown to the user as one that uses much.
        MaxAcceptable = 100,
        /// More than is acceptable.
        Excessive = 150,
        /// It will soon be ended.
        NearTermination = 250,
        /// Its tasks are ended, and run again in the next period.
        Termination = 300,
    }
}

/// What an app used in the present period of 30 min (`BackgroundEnergyManager`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnergyUsage {
    /// Percent of what is normal.
    pub percent: u32,
    /// Its level.
    pub level: EnergyLevel,
    /// When the period ends.
    pub until: WallTime,
}
