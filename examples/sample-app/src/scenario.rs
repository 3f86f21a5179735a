//! What the six scenarios register.

use bgtask::{ApplicationTrigger, SystemTrigger, SystemTriggerType, TimeTrigger, Trigger};

/// The group of the sixth scenario.
pub(crate) const GROUP_ID: &str = "3F2504E0-5F89-41D3-9A0C-0405E82C3333";
pub(crate) const GROUP_NAME: &str = "Background Task Group";

/// How often the fourth scenario runs, in minutes.
pub(crate) const INTERVAL: u32 = 15;

pub(crate) const SCENARIOS: [Scenario; 6] = [
    Scenario::new(1, "SampleBackgroundTask", Kind::TimeZone),
    Scenario { needs_internet: true, ..Scenario::new(2, "SampleBackgroundTaskWithCondition", Kind::TimeZone) },
    Scenario {
        entry_point: "Tasks.ServicingComplete",
        ..Scenario::new(3, "ServicingCompleteTask", Kind::ServicingComplete)
    },
    Scenario::new(4, "TimeTriggeredTask", Kind::Time),
    Scenario::new(5, "ApplicationTriggerTask", Kind::Application),
    Scenario { grouped: true, ..Scenario::new(6, "GroupedBackgroundTask", Kind::TimeZone) },
];

/// One page of the sample: a task, and how it is registered.
pub(crate) struct Scenario {
    pub(crate) number: usize,
    pub(crate) name: &'static str,
    pub(crate) entry_point: &'static str,
    pub(crate) kind: Kind,
    pub(crate) needs_internet: bool,
    pub(crate) grouped: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    TimeZone,
    ServicingComplete,
    Time,
    Application,
}

impl Scenario {
    const fn new(number: usize, name: &'static str, kind: Kind) -> Self {
        let entry_point = "Tasks.SampleBackgroundTask";
        Self { number, name, entry_point, kind, needs_internet: false, grouped: false }
    }

    /// The trigger; a timer has this interval, and the app's own trigger is the one of its page.
    pub(crate) fn trigger(&self, minutes: u32, own: &ApplicationTrigger) -> Trigger {
        match self.kind {
            Kind::TimeZone => SystemTrigger::new(SystemTriggerType::TimeZoneChange, false).into(),
            Kind::ServicingComplete => SystemTrigger::new(SystemTriggerType::ServicingComplete, false).into(),
            Kind::Time => TimeTrigger::new(minutes, false).into(),
            Kind::Application => own.into(),
        }
    }
}
