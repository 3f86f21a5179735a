//! What is put in: one input after the other, with numbers instead of ids.

use bgtask_core::{
    App, AppId, AppService, Condition, CustomSystemEventTriggerRecurrence, Entry, EntryPoint, EventClass,
    NewRegistration, Policy, PolicyEntry, PolicyRule, Server, Sharing, SourceStatus, SystemConditionType,
    SystemTriggerType, TaskType, Trigger,
};
use proptest::prelude::*;

/// One input, with numbers instead of ids: they are looked up among the ids there are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move {
    Wait(u32),
    Wake,
    Install(u8, u8),
    Remove(u8),
    Status(u8, u8),
    Zone(u8, Option<i32>),
    Internet(bool),
    User(bool),
    Level(u8, bool),
    Update(u8, u8, u8, u8, bool),
    Setting(u8, u8),
    Demand(u8, bool),
    Terminate(u8),
    Usage(u8, u16),
    Register(u8, u8, u8, u8, bool),
    Unregister(u8, Option<u8>, bool),
    Access(u8, bool),
    Acknowledge(u8, u8),
    Attach(u8, u8),
    Detach(u8),
    Started(u8, u8),
    Progress(u8, u8, u32),
    Finished(u8, u8, bool),
    Exited(u8, u8),
    Command(u8, u8, u8, bool),
    ByHand(u8, u8),
    Planned(Option<u32>),
    Event(u8, u8, u8),
    State(u8, u8),
    Heard(u8, u8),
    DeviceGone(u8),
    ClockSet(i32),
    Open(u8, u8),
    CallerGone(u8),
    Took(u8, u8),
    Restart,
}

pub(crate) fn moves() -> impl Strategy<Value = Move> {
    use Move as M;
    prop_oneof![
        4 => any::<u32>().prop_map(M::Wait),
        4 => Just(M::Wake),
        2 => any::<(u8, u8)>().prop_map(|(app, version)| M::Install(app, version)),
        1 => any::<u8>().prop_map(M::Remove),
        1 => any::<(u8, u8)>().prop_map(|(fact, status)| M::Status(fact, status)),
        10 => any::<(u8, Option<i32>)>().prop_map(|(zone, before)| M::Zone(zone, before)),
        6 => any::<bool>().prop_map(M::Internet),
        6 => any::<bool>().prop_map(M::User),
        8 => any::<(u8, bool)>().prop_map(|(fact, value)| M::Level(fact, value)),
        2 => any::<(u8, u8, u8, u8, bool)>().prop_map(|(a, b, c, d, e)| M::Update(a, b, c, d, e)),
        3 => any::<(u8, u8)>().prop_map(|(app, setting)| M::Setting(app, setting)),
        4 => any::<(u8, bool)>().prop_map(|(app, raise)| M::Demand(app, raise)),
        1 => any::<u8>().prop_map(M::Terminate),
        6 => any::<(u8, u16)>().prop_map(|(host, used)| M::Usage(host, used)),
        10 => any::<(u8, u8, u8, u8, bool)>().prop_map(|(a, b, c, d, e)| M::Register(a, b, c, d, e)),
        3 => any::<(u8, Option<u8>, bool)>().prop_map(|(task, scope, cancel)| M::Unregister(task, scope, cancel)),
        2 => any::<(u8, u8)>().prop_map(|(app, ask)| M::Access(app, ask > 60)),
        2 => any::<(u8, u8)>().prop_map(|(app, sequence)| M::Acknowledge(app, sequence)),
        2 => any::<(u8, u8)>().prop_map(|(client, app)| M::Attach(client, app)),
        1 => any::<u8>().prop_map(M::Detach),
        6 => any::<(u8, u8)>().prop_map(|(host, instance)| M::Started(host, instance)),
        4 => any::<(u8, u8, u32)>().prop_map(|(host, instance, value)| M::Progress(host, instance, value)),
        16 => any::<(u8, u8, bool)>().prop_map(|(host, instance, ok)| M::Finished(host, instance, ok)),
        4 => any::<(u8, u8)>().prop_map(|(host, exit)| M::Exited(host, exit)),
        10 => any::<(u8, u8, u8, bool)>().prop_map(|(name, a, b, update)| M::Command(name, a, b, update)),
        8 => any::<(u8, u8)>().prop_map(|(task, what)| M::ByHand(task, what)),
        6 => any::<Option<u32>>().prop_map(M::Planned),
        6 => any::<(u8, u8, u8)>().prop_map(|(task, lines, lost)| M::Event(task, lines, lost)),
        6 => any::<(u8, u8)>().prop_map(|(fact, state)| M::State(fact, state)),
        1 => any::<(u8, u8)>().prop_map(|(task, status)| M::Heard(task, status)),
        2 => any::<u8>().prop_map(M::DeviceGone),
        2 => any::<i32>().prop_map(M::ClockSet),
        8 => any::<(u8, u8)>().prop_map(|(app, caller)| M::Open(app, caller)),
        4 => any::<u8>().prop_map(M::CallerGone),
        4 => any::<(u8, u8)>().prop_map(|(host, instance)| M::Took(host, instance)),
        1 => Just(M::Restart),
    ]
}

pub(crate) fn pick<T: Clone>(from: &[T], number: u8) -> Option<T> {
    (!from.is_empty()).then(|| from[usize::from(number) % from.len()].clone())
}

pub(crate) fn app(number: u8) -> AppId {
    AppId::new(["org.example.A", "org.example.B", "org.example.C"][usize::from(number % 3)]).expect("well-formed")
}

pub(crate) fn installed(number: u8, version: u8) -> App {
    let entry = |name: &str| EntryPoint {
        name: name.into(),
        server: server(if version.is_multiple_of(4) { "other" } else { "tasks" }, sharing(version)),
        types: vec![TaskType::General],
    };
    let declared = if version < 20 { 0 } else { 1 + usize::from(version % 2) };
    let entry_points = ["First", "Second"].into_iter().take(declared).map(entry).collect();
    App {
        id: app(number),
        version: (version % 3).to_string().into(),
        entry_points,
        classes: Vec::new(),
        itself: (version >= 20).then(|| server("app", Sharing::Together("".into()))),
        applications: Vec::new(),
        raises: Vec::new(),
        services: (version >= 40).then(|| service(version)).into_iter().collect(),
        commands: None,
    }
}

fn service(version: u8) -> AppService {
    let entry = if version.is_multiple_of(3) { Entry::InProcess } else { Entry::Component("First".into()) };
    AppService { name: "service".into(), entry, allow: version.is_multiple_of(5).then(|| vec![app(0)]) }
}

fn server(program: &str, sharing: Sharing) -> Server {
    let budget = (program == "other").then(|| std::time::Duration::from_secs(3));
    Server { program: program.into(), application: "".into(), sharing, budget }
}

fn sharing(version: u8) -> Sharing {
    match version % 7 {
        0 => Sharing::Apart,
        1 | 2 => Sharing::Together("group".into()),
        _ => Sharing::InTurn,
    }
}

/// Most of them are in order, so that something runs.
pub(crate) fn registration(entry: u8, trigger: u8, conditions: u8, flag: bool) -> NewRegistration {
    const SERVED: &[SystemTriggerType] = &[
        SystemTriggerType::TimeZoneChange,
        SystemTriggerType::InternetAvailable,
        SystemTriggerType::UserPresent,
        SystemTriggerType::UserAway,
        SystemTriggerType::SessionConnected,
        SystemTriggerType::NetworkStateChange,
        SystemTriggerType::PowerStateChange,
        SystemTriggerType::BackgroundWorkCostChange,
        SystemTriggerType::OnlineIdConnectedStateChange,
        SystemTriggerType::DefaultSignInAccountChange,
        SystemTriggerType::LockScreenApplicationAdded,
        SystemTriggerType::SmsReceived,
    ];
    let kinds = if trigger < 230 { SERVED } else { SystemTriggerType::ALL };
    let wanted = if conditions < 150 { 0 } else { conditions };
    NewRegistration {
        name: "n".repeat(usize::from(conditions % 16)),
        entry: match entry % 8 {
            0..=3 => Entry::Component("First".into()),
            4 => Entry::Component("Second".into()),
            5 => Entry::Component("Third".into()),
            _ => Entry::InProcess,
        },
        trigger: match trigger {
            0..=20 => {
                Trigger::Time { freshness: 15 + u32::from(trigger % 3) * 10, one_shot: trigger.is_multiple_of(7) }
            }
            21..=30 => Trigger::Maintenance { freshness: 20, one_shot: trigger.is_multiple_of(3) },
            31..=45 => Trigger::Application,
            46..=60 => {
                let recurrence = pick(CustomSystemEventTriggerRecurrence::ALL, trigger).expect("some");
                Trigger::CustomSystemEvent { id: "event".into(), recurrence }
            }
            // Some of them with conditions, or in the app itself, which is refused.
            61..=80 => Trigger::DeviceUse,
            81..=110 => Trigger::Event {
                class: if trigger == 110 { EventClass::Phone } else { EventClass::UnitState },
                properties: [("unit".into(), "a.service".into())].into(),
                one_shot: trigger.is_multiple_of(7),
            },
            _ => Trigger::System { kind: pick(kinds, trigger).expect("some"), one_shot: trigger.is_multiple_of(7) },
        },
        conditions: if matches!(trigger, 65..=80) { vec![] } else { wanted_of(wanted) },
        cancel_on_condition_loss: flag,
        is_network_requested: false,
        group: None,
    }
}

fn wanted_of(bits: u8) -> Vec<Condition> {
    let wanted = |(place, _): &(usize, &SystemConditionType)| (bits >> place) & 1 == 1;
    SystemConditionType::ALL.iter().enumerate().filter(wanted).map(|(_, kind)| Condition::from(*kind)).collect()
}

pub(crate) fn policy(number: u8, setting: u8) -> Policy {
    let budget = u32::from(setting % 7) * 40;
    let entry = PolicyEntry { rule: pick(PolicyRule::ALL, setting).expect("some"), file: "file".into(), budget };
    Policy { default: None, apps: [(app(number), entry)].into() }
}

pub(crate) fn status_of(number: u8) -> SourceStatus {
    let text = String::new;
    match number % 3 {
        0 => SourceStatus::Available { how: text() },
        1 => SourceStatus::Degraded { how: text(), why: text(), help: text() },
        _ => SourceStatus::Missing { why: text(), help: text() },
    }
}
