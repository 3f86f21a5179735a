use std::fmt;
use std::time::Duration;

use super::command::Usage;
use super::windows_enum;
use crate::limits::{ENERGY_OF_A_SECOND, ENERGY_PERIOD, IO_OF_A_SECOND, NETWORK_OF_A_SECOND};
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
            pool_cpu: Duration::from_secs(30),
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
///
/// A window begins when the app first uses something after the last one has ended, a period likewise: an app that does
/// nothing has neither. Both are counted on the clock on the wall, and a clock that is set back makes none of them longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// When the window began; nothing was used in it as long as there is none.
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

/// What an app may still use of its own, and borrow beyond that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowed {
    pub(crate) cpu: Option<Duration>,
    pub(crate) network: Option<u64>,
    pub(crate) pool_cpu: Duration,
    pub(crate) pool_network: u64,
}

impl Account {
    /// When its window ends, if it is in one.
    pub fn refill(&self, window: Duration) -> Option<WallTime> {
        (!self.cpu.is_zero() || self.network > 0).then(|| self.window + window)
    }

    /// When its period of energy ends, if it is in one.
    pub fn period_end(&self) -> Option<WallTime> {
        (self.energy > 0).then(|| self.period + ENERGY_PERIOD)
    }

    /// Nothing was used.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As it reads then: of a window or a period that has ended nothing is left, and none began later than now.
    pub(crate) fn at(mut self, now: WallTime, window: Duration) -> Self {
        (self.window, self.period) = (self.window.min(now), self.period.min(now));
        if self.refill(window).is_none_or(|end| end <= now) {
            self = Self { period: self.period, energy: self.energy, ..Self::default() };
        }
        if self.period_end().is_none_or(|end| end <= now) {
            (self.period, self.energy) = Default::default();
        }
        self
    }

    /// Something was used now: of its own, and when that is used up of what all apps may borrow together.
    pub(crate) fn spend(&mut self, cpu: Duration, network: u64, allowed: &Allowed, now: WallTime) {
        if cpu.is_zero() && network == 0 {
            return;
        }
        if self.cpu.is_zero() && self.network == 0 {
            self.window = now;
        }
        self.cpu = self.cpu.saturating_add(cpu);
        self.network = self.network.saturating_add(network);
        self.borrowed_cpu += self.over_cpu(allowed).min(allowed.pool_cpu);
        self.borrowed_network += self.over_network(allowed).min(allowed.pool_network);
    }

    /// The same of energy.
    pub(crate) fn spend_energy(&mut self, units: u64, now: WallTime) {
        if self.energy == 0 && units > 0 {
            self.period = now;
        }
        self.energy = self.energy.saturating_add(units);
    }

    /// What it has used up and may use no more of.
    pub(crate) fn exhausted(&self, allowed: &Allowed) -> Option<Resource> {
        let (cpu, network) = self.left(allowed);
        let none_left = |resource| match resource {
            Resource::Cpu => cpu.is_some_and(|left| left.is_zero()),
            Resource::Network => network == Some(0),
        };
        [Resource::Cpu, Resource::Network].into_iter().find(|resource| none_left(*resource))
    }

    /// What is left of its own and of what it may borrow; `None` is as much as it wants.
    pub(crate) fn left(&self, allowed: &Allowed) -> (Option<Duration>, Option<u64>) {
        let (cpu, network) = self.own_left(allowed);
        let pool_cpu = allowed.pool_cpu.saturating_sub(self.over_cpu(allowed));
        let pool_network = allowed.pool_network.saturating_sub(self.over_network(allowed));
        (cpu.map(|own| own.saturating_add(pool_cpu)), network.map(|own| own.saturating_add(pool_network)))
    }

    /// What is left of its own.
    pub(crate) fn own_left(&self, allowed: &Allowed) -> (Option<Duration>, Option<u64>) {
        let cpu = allowed.cpu.map(|own| own.saturating_sub(self.cpu.saturating_sub(self.borrowed_cpu)));
        let network = allowed.network.map(|own| own.saturating_sub(self.network.saturating_sub(self.borrowed_network)));
        (cpu, network)
    }

    /// Whether it has used up its own of something, and borrows if it goes on.
    pub(crate) fn borrows(&self, allowed: &Allowed) -> bool {
        let (cpu, network) = self.own_left(allowed);
        cpu.is_some_and(|left| left.is_zero()) || network == Some(0)
    }

    /// What it has used beyond its own and not borrowed.
    fn over_cpu(&self, allowed: &Allowed) -> Duration {
        allowed.cpu.map_or(Duration::ZERO, |own| self.cpu.saturating_sub(self.borrowed_cpu).saturating_sub(own))
    }

    fn over_network(&self, allowed: &Allowed) -> u64 {
        allowed.network.map_or(0, |own| self.network.saturating_sub(self.borrowed_network).saturating_sub(own))
    }
}

/// What of its budget an app has left in its present window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetLeft {
    /// Percent of the usual that the policy gives it.
    pub percent: u32,
    /// How long a window is.
    pub window: Duration,
    /// Processor time of its own in a window, policy included; `None` is as much as it wants.
    pub cpu: Option<Duration>,
    /// What is left of that, and of what it may borrow.
    pub cpu_left: Option<Duration>,
    /// Bytes sent and received of its own in a window, policy included; `None` is as many as it wants.
    pub network: Option<u64>,
    /// What is left of that, and of what it may borrow.
    pub network_left: Option<u64>,
    /// What it has used up, where its tasks are suspended for that.
    pub throttled: Option<Resource>,
    /// When there is something again, at the latest, where something was used.
    pub refill: Option<WallTime>,
}

impl Usage {
    /// What it weighs as energy, in thousandths of a second of a processor.
    pub fn energy(&self) -> u64 {
        let part =
            |bytes: u64, of_a_second: u64| u128::from(bytes) * u128::from(ENERGY_OF_A_SECOND) / u128::from(of_a_second);
        let cpu = self.cpu.as_micros() * u128::from(ENERGY_OF_A_SECOND) / 1_000_000;
        let network = part(self.network.unwrap_or(0), NETWORK_OF_A_SECOND);
        u64::try_from(cpu + part(self.io, IO_OF_A_SECOND) + network).unwrap_or(u64::MAX)
    }
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

impl EnergyLevel {
    /// The level that so many percent of what is normal are.
    pub fn of(percent: u32) -> Self {
        Self::ALL.iter().rev().copied().find(|level| level.number() <= percent).unwrap_or(Self::Low)
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
