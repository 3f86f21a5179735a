//! The apps and the registrations that stories are told of.

use std::time::Duration;

use bgtask_core::{
    App, AppId, Command, Condition, Entry, EntryPoint, NewRegistration, Pace, Server, Sharing, SystemConditionType,
    SystemTriggerType, TaskType, Trigger,
};

pub(crate) const PHOTOS: &str = "org.example.Photos";
pub(crate) const MAIL: &str = "org.example.Mail";
/// The entry point every test app declares.
pub(crate) const EXAMPLE: &str = "Tasks.Example";

pub(crate) fn app_id(name: &str) -> AppId {
    AppId::new(name).expect("a well-formed app id")
}

/// A program whose instances run one after the other in a process.
pub(crate) fn program(name: &str) -> Server {
    Server { program: name.into(), application: "".into(), sharing: Sharing::InTurn, budget: None }
}

/// An app that declares the usual entry point.
pub(crate) fn app(name: &str, version: &str) -> App {
    let types = vec![TaskType::SystemEvent, TaskType::Timer, TaskType::MediaProcessing];
    let entry = EntryPoint { name: EXAMPLE.into(), server: program("tasks"), types };
    App {
        id: app_id(name),
        version: version.into(),
        entry_points: vec![entry],
        classes: Vec::new(),
        itself: None,
        applications: Vec::new(),
        raises: Vec::new(),
        services: vec![],
        commands: None,
    }
}

/// A registration for time zone changes, without conditions.
pub(crate) fn zone_task(name: &str) -> NewRegistration {
    NewRegistration {
        name: name.into(),
        entry: Entry::Component(EXAMPLE.into()),
        trigger: Trigger::System { kind: SystemTriggerType::TimeZoneChange, one_shot: false },
        conditions: Vec::new(),
        cancel_on_condition_loss: false,
        is_network_requested: false,
        group: None,
    }
}

/// The same with another trigger.
pub(crate) fn triggered(name: &str, trigger: Trigger) -> NewRegistration {
    NewRegistration { trigger, ..zone_task(name) }
}

/// The same with conditions.
pub(crate) fn zone_task_when(name: &str, conditions: &[SystemConditionType]) -> NewRegistration {
    NewRegistration { conditions: conditions.iter().copied().map(Condition::from).collect(), ..zone_task(name) }
}

pub(crate) fn on(kind: SystemTriggerType, name: &str) -> NewRegistration {
    NewRegistration { trigger: Trigger::System { kind, one_shot: false }, ..zone_task(name) }
}

pub(crate) fn one_shot(mut new: NewRegistration) -> NewRegistration {
    if let Trigger::System { one_shot, .. } = &mut new.trigger {
        *one_shot = true;
    }
    new
}

/// A command that waits for this.
pub(crate) fn command(name: &str, trigger: Trigger) -> NewRegistration {
    NewRegistration { name: name.into(), entry: Entry::Command(Command::new([name]).into()), trigger, ..zone_task("") }
}

/// The same with something else about the command.
pub(crate) fn but(mut new: NewRegistration, change: impl FnOnce(&mut Command)) -> NewRegistration {
    let mut command = new.entry.command().expect("it is one").clone();
    change(&mut command);
    new.entry = Entry::Command(command.into());
    new
}

/// The same with conditions, by their words.
pub(crate) fn when(mut new: NewRegistration, words: &[&str]) -> NewRegistration {
    new.conditions = words.iter().map(|word| Condition::from_name(word).expect("a condition")).collect();
    new
}

/// The trigger of a timer.
pub(crate) const fn every(interval: Duration) -> Trigger {
    Trigger::Interval { every: interval, pace: NO_PACE, one_shot: false }
}

const NO_PACE: Pace = Pace { accuracy: Duration::ZERO, jitter: Duration::ZERO, wake: false };
pub(crate) const HOUR: Duration = seconds(3_600);
pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
