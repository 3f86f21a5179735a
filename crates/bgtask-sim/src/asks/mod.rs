//! What clients ask for: mostly sense, sometimes nonsense that has to be refused.

mod commands;

use bgtask_core::{
    AccessSetting, AppId, BackgroundAccessRequestKind, Condition, CustomSystemEventTriggerRecurrence, Demand, Details,
    Entry, EventClass, NewRegistration, Policy, PolicyEntry, PolicyRule, Request, SystemConditionType,
    SystemTriggerType, TaskGroup, TaskId, Trigger, limits,
};

use crate::apps::{self, EDITOR, EVENTS};
use crate::chance::Chance;

const TRIGGERS: &[SystemTriggerType] = &[
    SystemTriggerType::TimeZoneChange,
    SystemTriggerType::InternetAvailable,
    SystemTriggerType::UserPresent,
    SystemTriggerType::UserAway,
    SystemTriggerType::ServicingComplete,
    SystemTriggerType::ServicingComplete,
    SystemTriggerType::SessionConnected,
    SystemTriggerType::NetworkStateChange,
    SystemTriggerType::PowerStateChange,
    SystemTriggerType::OnlineIdConnectedStateChange,
    SystemTriggerType::DefaultSignInAccountChange,
    SystemTriggerType::BackgroundWorkCostChange,
    SystemTriggerType::LockScreenApplicationAdded,
    SystemTriggerType::LockScreenApplicationRemoved,
    SystemTriggerType::SmsReceived,
];
const CONDITIONS: &[SystemConditionType] = &[
    SystemConditionType::InternetAvailable,
    SystemConditionType::InternetNotAvailable,
    SystemConditionType::UserPresent,
    SystemConditionType::UserNotPresent,
    SystemConditionType::SessionConnected,
    SystemConditionType::SessionDisconnected,
    SystemConditionType::BackgroundWorkCostNotHigh,
];

/// A request with what the core must make of it.
pub(crate) struct Ask {
    pub(crate) request: Request,
    /// It is nonsense: anything but a refusal is wrong.
    pub(crate) must_fail: bool,
}

impl From<Request> for Ask {
    fn from(request: Request) -> Self {
        Self { request, must_fail: false }
    }
}

/// So many tasks that they are not fired in one turn.
pub(crate) fn crowd(chance: &mut Chance) -> Vec<Request> {
    let trigger =
        Trigger::CustomSystemEvent { id: apps::CROWD.into(), recurrence: CustomSystemEventTriggerRecurrence::Always };
    let new = |number| NewRegistration {
        name: format!("crowd {number}"),
        entry: Entry::Component("Tasks.First".into()),
        trigger: trigger.clone(),
        conditions: vec![],
        cancel_on_condition_loss: false,
        is_network_requested: false,
        group: None,
    };
    let app = apps::any_name(chance);
    let many = limits::MAX_FIRED_PER_TURN as u64 + 1 + chance.below(40);
    (0..many).map(|number| Request::Register(app.clone(), new(number))).collect()
}

/// Any request but an acknowledgement, which only somebody who has heard something makes.
pub(crate) fn any(number: u64, known: &[(TaskId, AppId)], chance: &mut Chance) -> Ask {
    let app = apps::any_name(chance);
    let application = if chance.percent(35) { EDITOR.to_owned() } else { String::new() };
    match chance.below(89) {
        0..=15 => register(number, chance),
        16..=18 => update(chance),
        19..=22 => unregister(known, chance),
        23..=28 => Request::RequestAccess { app, application }.into(),
        29..=30 => request_kind(app, application, chance).into(),
        31 => Request::RemoveAccess { app, application }.into(),
        32..=33 | 86..=88 => Request::SetAccess(app, any_setting(chance)).into(),
        34 => Request::SetBackground { enabled: chance.percent(75) }.into(),
        35 => Request::Terminate(app).into(),
        50..=52 => Request::CreatePushChannel(app).into(),
        53 => Request::ClosePushChannel(app).into(),
        36 => Ask { request: Request::RequestAccess { app, application: "Nobody".into() }, must_fail: true },
        37..=44 | 82..=85 => activate(number, app, chance).into(),
        45..=49 => raise(chance),
        _ => commands::any(known, chance),
    }
}

/// What the owner of the machine may decide.
pub(crate) fn any_policy(chance: &mut Chance) -> Policy {
    let mut entry = |percent| {
        let rule = *chance.pick(PolicyRule::ALL).expect("three");
        let budget = *chance.pick(&[10, 50, 100, 100, 400]).expect("five");
        chance.percent(percent).then(|| PolicyEntry { rule, file: "10-site.toml".into(), budget })
    };
    let default = entry(15);
    let apps = apps::every_name().filter_map(|app| entry(25).map(|entry| (app, entry))).collect();
    Policy { default, apps }
}

fn register(number: u64, chance: &mut Chance) -> Ask {
    let mut new = any_registration(chance);
    if !chance.percent(20) {
        new.name = format!("task {number}");
    }
    let must_fail = chance.percent(15);
    if must_fail {
        spoil(&mut new, chance);
    }
    Ask { request: Request::Register(app_for(&new.trigger, chance), new), must_fail }
}

/// Mostly one and the same app has what only happens to an app: with few registrations it would seldom happen to any.
fn app_for(trigger: &Trigger, chance: &mut Chance) -> AppId {
    use SystemTriggerType::{LockScreenApplicationAdded, LockScreenApplicationRemoved};
    let kinds = [LockScreenApplicationAdded, LockScreenApplicationRemoved];
    let news = matches!(trigger, Trigger::System { kind, .. } if kinds.contains(kind));
    if (news || *trigger == Trigger::DeviceUse) && chance.percent(75) {
        apps::names().next().expect("three")
    } else {
        apps::any_name(chance)
    }
}

/// One of few names, so that it often replaces what is there, and sometimes is the same again.
fn update(chance: &mut Chance) -> Ask {
    let mut new = any_registration(chance);
    new.name = format!("the same name {}", chance.below(2));
    if chance.percent(60) {
        new.trigger = Trigger::Time { freshness: 2, one_shot: false };
        (new.conditions, new.group) = (vec![], None);
        (new.cancel_on_condition_loss, new.is_network_requested) = (false, false);
        new.entry = Entry::Component("Tasks.First".into());
    }
    Request::RegisterOrUpdate(apps::any_name(chance), new).into()
}

fn any_registration(chance: &mut Chance) -> NewRegistration {
    let mut new = NewRegistration {
        name: "the same name 0".into(),
        entry: apps::any_entry(chance),
        trigger: any_trigger(chance),
        conditions: (0..chance.below(8).saturating_sub(5)).map(|_| any_condition(chance)).collect(),
        cancel_on_condition_loss: chance.percent(50),
        is_network_requested: chance.percent(20),
        group: chance.percent(20).then(|| TaskGroup { id: "group".into(), name: "Group".into() }.into()),
    };
    // A device is used without conditions, and not in the app itself; what asks for that is refused.
    if new.trigger == Trigger::DeviceUse && chance.percent(90) {
        (new.entry, new.conditions) = (Entry::Component("Tasks.First".into()), vec![]);
    }
    new
}

fn any_condition(chance: &mut Chance) -> Condition {
    (*chance.pick(CONDITIONS).expect("some")).into()
}

fn any_trigger(chance: &mut Chance) -> Trigger {
    let freshness = 1 + u32::try_from(chance.below(4)).unwrap_or(0);
    let one_shot = chance.percent(25);
    match chance.below(22) {
        0..=6 => Trigger::System { kind: *chance.pick(TRIGGERS).expect("some"), one_shot },
        7 => Trigger::Time { freshness, one_shot },
        8..=9 => Trigger::Maintenance { freshness, one_shot },
        10..=11 => Trigger::Application,
        12 => Trigger::MediaProcessing,
        13..=15 => Trigger::DeviceUse,
        16 => Trigger::Event { class: EventClass::SocketActivity, properties: [].into(), one_shot },
        17 => Trigger::Event { class: EventClass::PushNotification, properties: [].into(), one_shot },
        18..=19 => any_event(one_shot, chance),
        _ => Trigger::CustomSystemEvent {
            id: (*chance.pick(EVENTS).expect("two")).into(),
            recurrence: *chance.pick(CustomSystemEventTriggerRecurrence::ALL).expect("two"),
        },
    }
}

/// Something that can be listened to.
fn any_event(one_shot: bool, chance: &mut Chance) -> Trigger {
    let events = [
        (EventClass::UnitState, "unit", "backup.service"),
        (EventClass::DeviceWatcher, "ID_FS_LABEL", "BACKUP*"),
        (EventClass::SmsMessageReceived, "from", "+49"),
        (EventClass::DBusSignal, "interface", "org.example.Jack"),
    ];
    let (class, name, value) = *chance.pick(&events).expect("some");
    Trigger::Event { class, properties: [(name.into(), value.into())].into(), one_shot }
}

fn unregister(known: &[(TaskId, AppId)], chance: &mut Chance) -> Ask {
    let cancel = chance.percent(50);
    let stranger = TaskId::from_random(u128::from(chance.number()));
    let ask = |scope, task, must_fail| Ask { request: Request::Unregister { scope, task, cancel }, must_fail };
    match chance.pick(known) {
        None => ask(None, stranger, true),
        Some((task, app)) => match chance.below(10) {
            0 => ask(Some(app.clone()), stranger, true),
            1 => ask(apps::names().find(|other| other != app), *task, true),
            2 => ask(None, *task, false),
            _ => ask(Some(app.clone()), *task, false),
        },
    }
}

fn request_kind(app: AppId, application: String, chance: &mut Chance) -> Request {
    let always = chance.percent(75);
    let kind = if always {
        BackgroundAccessRequestKind::AlwaysAllowed
    } else {
        BackgroundAccessRequestKind::AllowedSubjectToSystemPolicy
    };
    Request::RequestAccessKind { app, application, kind, standby: chance.percent(20), reason: "to sync".into() }
}

fn any_setting(chance: &mut Chance) -> Option<AccessSetting> {
    match chance.below(10) {
        0..=4 => None,
        5..=6 => Some(AccessSetting::Always),
        7..=8 => Some(AccessSetting::Managed),
        _ => Some(AccessSetting::Never),
    }
}

fn activate(number: u64, app: AppId, chance: &mut Chance) -> Request {
    let details = chance.percent(60).then(|| Details(number.to_be_bytes().into()));
    let (demand, app) = match chance.below(10) {
        0..=2 => (Demand::Application, app),
        3..=4 => (Demand::MediaProcessing, app),
        _ => (Demand::DeviceUse, app_for(&Trigger::DeviceUse, chance)),
    };
    Request::Activate { app, demand, details }
}

fn raise(chance: &mut Chance) -> Ask {
    let event = if chance.percent(8) { String::new() } else { (*chance.pick(EVENTS).expect("two")).into() };
    let by = chance.percent(40).then(|| apps::any_name(chance));
    let must_fail = event.is_empty() || by.is_some() && event != EVENTS[0];
    Ask { request: Request::Raise { by, event }, must_fail }
}

fn spoil(new: &mut NewRegistration, chance: &mut Chance) {
    let event =
        |class, name: &str| Trigger::Event { class, properties: [(name.into(), "x".into())].into(), one_shot: false };
    match chance.below(15) {
        0 => new.name = String::new(),
        1 => new.name = "n".repeat(256),
        2 => new.name = "two\nlines".into(),
        3 => new.entry = Entry::Component("Tasks.Nowhere".into()),
        4 => new.entry = Entry::Component("e".repeat(10_000).into()),
        5 => new.conditions = vec![SystemConditionType::UserPresent.into(); 17],
        6 => new.trigger = Trigger::Time { freshness: 0, one_shot: true },
        7 => new.trigger = Trigger::Maintenance { freshness: 43_200, one_shot: false },
        8 => new.entry = Entry::Class(bgtask_core::ClassId::from_random(1)),
        9 => new.group = Some(TaskGroup { id: "".into(), name: "".into() }.into()),
        10 => new.trigger = event(EventClass::Phone, "line"),
        11 => new.trigger = event(EventClass::UnitState, "sate"),
        12 => (new.trigger, new.entry) = (Trigger::DeviceUse, Entry::InProcess),
        13 => (new.trigger, new.conditions) = (Trigger::DeviceUse, vec![SystemConditionType::UserPresent.into()]),
        _ => new.trigger = Trigger::System { kind: SystemTriggerType::ControlChannelReset, one_shot: true },
    }
}
