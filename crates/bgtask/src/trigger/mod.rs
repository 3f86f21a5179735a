//! What fires a task.

mod custom;
mod demand;
mod system;
mod timer;
mod wire;

pub use custom::{CustomSystemEvent, CustomSystemEventTrigger, CustomSystemEventTriggerRecurrence};
pub use demand::{
    ApplicationTrigger, ApplicationTriggerResult, MediaProcessingTrigger, MediaProcessingTriggerResult, TriggerResponse,
};
pub use system::{SystemTrigger, SystemTriggerType};
pub use timer::{MaintenanceTrigger, TimeTrigger};
pub(crate) use wire::WireTrigger;

/// Any trigger. A registration has exactly one (LC-1).
///
/// A trigger is a plain value: the same one may be registered again, also after it was unregistered (TR-2), and a registration
/// gives it back as it was (TR-5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trigger {
    /// An event of the system.
    System(SystemTrigger),
    /// Time.
    Time(TimeTrigger),
    /// Time, on external power.
    Maintenance(MaintenanceTrigger),
    /// The app itself.
    Application(ApplicationTrigger),
    /// The app itself, for work on media.
    MediaProcessing(MediaProcessingTrigger),
    /// An event that another program raises.
    CustomSystemEvent(CustomSystemEventTrigger),
}

macro_rules! from {
    ($($class:ident => $variant:ident;)*) => {$(
        impl From<$class> for Trigger {
            fn from(trigger: $class) -> Self {
                Self::$variant(trigger)
            }
        }

        impl From<&$class> for Trigger {
            fn from(trigger: &$class) -> Self {
                Self::$variant(trigger.clone())
            }
        }
    )*};
}

from! {
    SystemTrigger => System;
    TimeTrigger => Time;
    MaintenanceTrigger => Maintenance;
    ApplicationTrigger => Application;
    MediaProcessingTrigger => MediaProcessing;
    CustomSystemEventTrigger => CustomSystemEvent;
}
