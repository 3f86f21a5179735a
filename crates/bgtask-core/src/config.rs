use std::time::Duration;

use crate::model::budget::Budgets;

/// What the owner of the machine may set. Every value has the default of the design (D2, D7, D10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long one activation may run before it is told to stop (D10: 25 s).
    pub wall_budget: Duration,
    /// The same for tasks that may take longer: application, media processing and maintenance triggers (D10: 10 min).
    pub long_wall_budget: Duration,
    /// How long a running task may do nothing at all, no processor time, no input or output, no word, before it is told
    /// to stop as idle (CA-9); `None` never looks.
    pub idle_after: Option<Duration>,
    /// The grid on which timers are released: one wake-up for everybody (TM-1: 15 min).
    pub timer_tick: Duration,
    /// The shortest interval of a timer, in minutes (TM-2: 15).
    pub min_freshness: u32,
    /// How much longer the intervals of apps become (TM-4); by default they do not.
    pub stretch: Stretch,
    /// How long it may take to stop after that (CA-3, D10: 5 s); then its host is killed.
    pub cancel_grace: Duration,
    /// How long a host may linger for the next activation after its work is done; zero ends it at once.
    pub warm_linger: Duration,
    /// How many hosts may linger at the same time; the one that lingers longest goes first.
    pub max_warm_hosts: usize,
    /// How many activations may run at the same time on the whole machine (D2).
    pub max_running: usize,
    /// How often one activation is tried when the broker dies under it (D7: 3).
    pub max_attempts: u32,
    /// What each app may use (§9 of the behaviour of Windows).
    pub budgets: Budgets,
    /// How many processors the machine has: so much faster than the clock may processor time be used up.
    pub processors: u32,
    /// How long a ready task may be held because the processors are busy; zero starts it at once.
    pub load_delay: Duration,
    /// Whether a task that asks for it may wake the machine from its sleep.
    pub may_wake: bool,
    /// What this machine is told from others by: spreads what has jitter.
    pub machine: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            wall_budget: Duration::from_secs(25),
            long_wall_budget: Duration::from_secs(600),
            idle_after: Some(Duration::from_secs(120)),
            timer_tick: Duration::from_secs(900),
            min_freshness: 15,
            stretch: Stretch::default(),
            cancel_grace: Duration::from_secs(5),
            warm_linger: Duration::from_secs(30),
            max_warm_hosts: 8,
            max_running: 16,
            max_attempts: 3,
            budgets: Budgets::default(),
            processors: 1,
            load_delay: Duration::from_secs(60),
            may_wake: false,
            machine: 0,
        }
    }
}

/// By how much the intervals of `TimeTrigger` and `MaintenanceTrigger` are stretched (TM-4): each is so many times as long, but
/// none becomes longer than [`MAX_STRETCHED`](crate::limits::MAX_STRETCHED) by it. Where several apply, the largest does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// While the user saves energy; 1 is not at all.
    pub saving: u32,
    /// Of an app that is rarely used and not always allowed; 1 is not at all.
    pub rare: u32,
    /// An app is rarely used that has not run by itself for so long.
    pub rare_after: Duration,
}

impl Default for Stretch {
    fn default() -> Self {
        Self { saving: 1, rare: 1, rare_after: Duration::from_secs(14 * 86_400) }
    }
}
