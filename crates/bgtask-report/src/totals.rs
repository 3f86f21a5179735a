//! Sums over tries and activations.

use std::time::Duration;

use bgtask_core::limits::{ENERGY_OF_A_SECOND, ENERGY_OF_A_WAKE};
use bgtask_core::{Cause, EventKind, Outcome, Used};

/// What one task, one app or one day came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// How often a trigger fired, the user's hand included.
    pub firings: u64,
    /// Activations that ran and succeeded.
    pub succeeded: u64,
    /// Activations whose task said that it failed.
    pub failed: u64,
    /// Activations that were told to stop, and did.
    pub cancelled: u64,
    /// Activations that were told to stop and did not: their host was killed.
    pub killed: u64,
    /// Activations whose host ended before the task was complete (D8).
    pub host_failed: u64,
    /// Activations that were given up after the broker died under them too often (D7).
    pub abandoned: u64,
    /// Activations that were given up before they ran.
    pub dropped: u64,
    /// Failed tries that were followed by another.
    pub retries: u64,
    /// Tries that ended with the broker.
    pub interrupted: u64,
    /// Times that passed while the machine was off or asleep.
    pub missed: u64,
    /// What all tries took together.
    pub wall: Duration,
    /// Processor time of all tries of which it is known.
    pub cpu: Duration,
    /// Bytes read and written by all tries of which it is known.
    pub io: u64,
    /// Bytes sent and received by all tries of which it is known.
    pub network: u64,
    /// What all that took of energy, and the wake-ups of timers, weighed against seconds of a processor.
    pub energy: f64,
    /// How often one was suspended because its app had used up its budget.
    pub suspensions: u64,
    /// The most bytes of memory that one try had, where it is known.
    pub memory_peak: Option<u64>,
    /// Of how many tries processor time and bytes are known.
    pub measured: u64,
    /// Wake-ups by time: one that serves n tasks costs each of them 1/n.
    pub wakeups: f64,
    /// Those of them that fired timers; the others ended pauses and budgets, looked at what runs, ended hosts.
    pub timer_wakeups: f64,
    /// How often a timer or a calendar fired.
    pub timer_firings: u64,
    /// How often one of these fired with a wake-up that served others too.
    pub shared_firings: u64,
    /// How long tries took.
    pub durations: Spread,
    /// How long activations waited from their firing to their first start.
    pub waits: Spread,
}

impl Totals {
    /// Activations that ran to an outcome.
    pub fn runs(&self) -> u64 {
        self.succeeded + self.bad() + self.stopped()
    }

    /// Those that went wrong by themselves: failed, host failed, abandoned.
    pub fn bad(&self) -> u64 {
        self.failed + self.host_failed + self.abandoned
    }

    /// Those that were stopped: cancelled, killed.
    pub fn stopped(&self) -> u64 {
        self.cancelled + self.killed
    }

    /// Whether nothing happened that is counted.
    pub fn is_empty(&self) -> bool {
        self.firings + self.runs() + self.dropped + self.missed + self.retries + self.interrupted == 0
    }

    pub(crate) fn count(&mut self, kind: &EventKind) {
        match kind {
            EventKind::Fired { cause, .. } => {
                self.firings += 1;
                if let Cause::Timer { shared } = cause {
                    let part = 1.0 / f64::from(*shared.max(&1));
                    self.wakeups += part;
                    self.timer_wakeups += part;
                    self.energy += part * in_seconds(ENERGY_OF_A_WAKE);
                    self.timer_firings += 1;
                    self.shared_firings += u64::from(*shared > 1);
                }
            }
            EventKind::Completed { outcome, .. } => match outcome {
                Outcome::Succeeded => self.succeeded += 1,
                Outcome::TaskFailed { .. } | Outcome::CommandFailed { .. } => self.failed += 1,
                Outcome::Cancelled { .. } => self.cancelled += 1,
                Outcome::Killed { .. } => self.killed += 1,
                Outcome::HostFailed { .. } => self.host_failed += 1,
                Outcome::Abandoned { .. } => self.abandoned += 1,
            },
            EventKind::Retrying { .. } => self.retries += 1,
            EventKind::Interrupted { .. } => self.interrupted += 1,
            EventKind::Missed { .. } => self.missed += 1,
            EventKind::Dropped => self.dropped += 1,
            EventKind::Suspended { .. } => self.suspensions += 1,
            _ => {}
        }
    }

    /// Adds what one try came to cost.
    pub(crate) fn spend(&mut self, wall: Duration, used: Option<&Used>) {
        self.wall += wall;
        self.durations.add(wall);
        self.wakeups += used.map_or(0.0, |used| f64::from(used.wakes) / 1_000.0);
        if let Some(usage) = used.and_then(|used| used.usage) {
            self.measured += 1;
            self.cpu += usage.cpu;
            self.io = self.io.saturating_add(usage.io);
            self.network = self.network.saturating_add(usage.network.unwrap_or(0));
            self.energy += in_seconds(usage.energy());
            self.memory_peak = self.memory_peak.max(usage.memory_peak);
        }
    }
}

/// A weight of energy in seconds of a processor.
fn in_seconds(weight: u64) -> f64 {
    weight as f64 / ENERGY_OF_A_SECOND as f64
}

/// Many durations, of which the middle and the far end are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    sorted: Vec<Duration>,
}

impl Spread {
    pub(crate) fn add(&mut self, duration: Duration) {
        self.sorted.push(duration);
    }

    pub(crate) fn sort(&mut self) {
        self.sorted.sort_unstable();
    }

    /// The smallest duration that at least so many of 100 do not exceed (the nearest rank); `None` of nothing.
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let rank = (self.sorted.len() * percent).div_ceil(100).max(1);
        self.sorted.get(rank - 1).copied()
    }

    /// All of them, the shortest first.
    pub fn sorted(&self) -> &[Duration] {
        &self.sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let mut spread = Spread::default();
        assert_eq!(spread.percentile(50), None);
        (1..=20).rev().for_each(|seconds| spread.add(Duration::from_secs(seconds)));
        spread.sort();
        let said = |percent| spread.percentile(percent).unwrap().as_secs();
        assert_eq!((said(0), said(50), said(95), said(100)), (1, 10, 19, 20));
    }
}
