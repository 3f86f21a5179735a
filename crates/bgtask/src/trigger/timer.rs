//! Triggers that fire by time.

/// A trigger that fires when some time has passed, once or again and again (TIM-1).
///
/// A device wakes for several such tasks together, so they are released on the next quarter of an hour after they are due (D11).
///
/// ```
/// use bgtask::TimeTrigger;
/// let hourly = TimeTrigger::new(60, false);
/// assert_eq!((hourly.freshness_time(), hourly.one_shot()), (60, false));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TimeTrigger {
    freshness_time: u32,
    one_shot: bool,
}

impl TimeTrigger {
    /// A trigger for every so many minutes, or with `one_shot` for once after so many: 15 to 43 199 (30 days). What is outside of that
    /// the broker refuses when the task is registered (BLD-17).
    pub const fn new(freshness_time: u32, one_shot: bool) -> Self {
        Self { freshness_time, one_shot }
    }

    /// The interval in minutes.
    pub const fn freshness_time(&self) -> u32 {
        self.freshness_time
    }

    /// Whether it fires only once.
    pub const fn one_shot(&self) -> bool {
        self.one_shot
    }
}

/// A trigger for work that can wait until the machine is on external power (TM-7). A task that runs when the power is taken away is
/// told to stop, and is due again (D12).
///
/// ```
/// use bgtask::MaintenanceTrigger;
/// let daily = MaintenanceTrigger::new(24 * 60, false);
/// assert_eq!(daily.freshness_time(), 1440);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MaintenanceTrigger {
    freshness_time: u32,
    one_shot: bool,
}

impl MaintenanceTrigger {
    /// A trigger for every so many minutes, or with `one_shot` for once after so many: 15 to 43 199, as for a [`TimeTrigger`].
    pub const fn new(freshness_time: u32, one_shot: bool) -> Self {
        Self { freshness_time, one_shot }
    }

    /// The interval in minutes.
    pub const fn freshness_time(&self) -> u32 {
        self.freshness_time
    }

    /// Whether it fires only once.
    pub const fn one_shot(&self) -> bool {
        self.one_shot
    }
}
