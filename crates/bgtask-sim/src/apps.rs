//! The apps of the simulated machine and what their clients ask for.

use bgtask_core::{
    App, AppId, EntryPoint, NewRegistration, Request, SystemConditionType, SystemTriggerType, TaskId, TaskType, Trigger,
};

use crate::chance::Chance;

const NAMES: &[&str] = &["org.example.Photos", "org.example.Mail", "org.example.Notes"];
const TRIGGERS: &[SystemTriggerType] = &[
    SystemTriggerType::TimeZoneChange,
    SystemTriggerType::InternetAvailable,
    SystemTriggerType::UserPresent,
    SystemTriggerType::UserAway,
];
const CONDITIONS: &[SystemConditionType] = &[
    SystemConditionType::InternetAvailable,
    SystemConditionType::InternetNotAvailable,
    SystemConditionType::UserPresent,
    SystemConditionType::UserNotPresent,
];

/// A request with what the core must make of it.
pub(crate) struct Ask {
    pub(crate) request: Request,
    /// It is nonsense: anything but a refusal is wrong.
    pub(crate) must_fail: bool,
}

pub(crate) fn names() -> impl Iterator<Item = AppId> {
    NAMES.iter().map(|name| AppId::new(name).expect("it is well-formed"))
}

pub(crate) fn any_name(chance: &mut Chance) -> AppId {
    AppId::new(chance.pick(NAMES).expect("there are some")).expect("it is well-formed")
}

/// An app in its version 1 or 2; a later one no longer declares `Tasks.Second`.
pub(crate) fn app(id: AppId, version: u64) -> App {
    let entry = |name: &str, program: &str| EntryPoint {
        name: name.into(),
        program: program.into(),
        types: vec![TaskType::SystemEvent],
    };
    let mut entry_points = vec![entry("Tasks.First", "tasks"), entry("Tasks.Third", "other")];
    if version <= 2 {
        entry_points.push(entry("Tasks.Second", "tasks"));
    }
    App { id, version: version.to_string().into(), entry_points }
}

pub(crate) fn register(number: u64, chance: &mut Chance) -> Ask {
    let mut new = NewRegistration {
        name: if chance.percent(20) { "the same name".into() } else { format!("task {number}") },
        entry_point: (*chance.pick(&["Tasks.First", "Tasks.Second", "Tasks.Third"]).expect("three")).into(),
        trigger: Trigger::System { kind: *chance.pick(TRIGGERS).expect("some"), one_shot: chance.percent(25) },
        conditions: (0..chance.below(3)).map(|_| *chance.pick(CONDITIONS).expect("some")).collect(),
        cancel_on_condition_loss: chance.percent(50),
        is_network_requested: chance.percent(20),
    };
    let must_fail = chance.percent(15);
    if must_fail {
        spoil(&mut new, chance);
    }
    Ask { request: Request::Register(any_name(chance), new), must_fail }
}

pub(crate) fn unregister(known: &[(TaskId, AppId)], chance: &mut Chance) -> Ask {
    let cancel = chance.percent(50);
    let stranger = TaskId::from_random(u128::from(chance.number()));
    let ask = |scope, task, must_fail| Ask { request: Request::Unregister { scope, task, cancel }, must_fail };
    match chance.pick(known) {
        None => ask(None, stranger, true),
        Some((task, app)) => match chance.below(10) {
            0 => ask(Some(app.clone()), stranger, true),
            1 => ask(names().find(|other| other != app), *task, true),
            2 => ask(None, *task, false),
            _ => ask(Some(app.clone()), *task, false),
        },
    }
}

fn spoil(new: &mut NewRegistration, chance: &mut Chance) {
    match chance.below(7) {
        0 => new.name = String::new(),
        1 => new.name = "n".repeat(256),
        2 => new.name = "two\nlines".into(),
        3 => new.entry_point = "Tasks.Nowhere".into(),
        4 => new.entry_point = "e".repeat(10_000),
        5 => new.conditions = vec![SystemConditionType::UserPresent; 17],
        _ => new.trigger = Trigger::System { kind: SystemTriggerType::ControlChannelReset, one_shot: true },
    }
}
