//! At least one value of every variant of every recorded type.

use std::time::Duration;

use bgtask_core::{
    AccessSetting, Account, Activation, ActivationState, App, AppAccess, AppId, AppService, AppServiceConnectionStatus,
    AppVersion, ApplicationTriggerResult, BackgroundAccessRequestKind, BackgroundAccessStatus, BootTime, CancelNotice,
    CancellationReason, Cause, Change, Class, ClassId, ClientId, Command, Completion, Condition, Config, Consent,
    ControlChannelTriggerResourceType, ControlChannelTriggerStatus, CustomSystemEventTriggerRecurrence, DayWindow,
    Demand, Details, DeviceTriggerResult, Edge, EdgeKind, EnergyLevel, EnergyUsage, Entry, EntryPoint, Event,
    EventClass, EventKind, Fact, Firing, FleetOrder, Gate, Grant, HostExit, HostId, Input, InstanceId, LastRun, Limit,
    NewControlChannel, NewOrder, NewRegistration, NewSocket, Notice, OrderId, OrderResult, OrderState, Outcome, Output,
    Pace, PathEvents, PathWatch, Policy, PolicyEntry, PolicyRule, Properties, Push, PushChannel, PushTicket, Readiness,
    Refusal, Registration, Reply, Report, Request, RequestId, Resource, Retry, RunOrder, Server, Sharing, Snapshot,
    Socket, SocketActivityConnectedStandbyAction, SocketActivityTriggerReason, SocketKey, SocketKind, SocketState,
    SourceStatus, Standing, Subject, Support, SystemConditionType, SystemTriggerType, TaskGroup, TaskId, TaskType,
    ThrottleCounts, Trigger, Unregistration, Update, Usage, Used, Wake, WakeReason, WallTime, Zone,
};

const TASK: TaskId = TaskId::from_random(0x1111_2222_3333_4444_5555_6666_7777_8888);
const INSTANCE: InstanceId = InstanceId::from_random(0x9999_aaaa_bbbb_cccc_dddd_eeee_ffff_0000);
const CLASS: ClassId = ClassId::from_random(0x14c5_882b_35d3_41be_86b2_5106_269b_97e6);
const HOST: HostId = HostId(7);
const CLIENT: ClientId = ClientId(u64::MAX);
const BOOT: BootTime = BootTime::from_micros(u64::MAX);
const WALL: WallTime = WallTime::from_micros(-1_234_567);

fn app_id() -> AppId {
    AppId::new("org.example.Photos").expect("well-formed")
}

fn triggers() -> Vec<Trigger> {
    let systems = SystemTriggerType::ALL.iter().map(|kind| Trigger::System { kind: *kind, one_shot: true });
    let events = CustomSystemEventTriggerRecurrence::ALL
        .iter()
        .map(|recurrence| Trigger::CustomSystemEvent { id: "org.example.jack".into(), recurrence: *recurrence });
    let others = [
        Trigger::Time { freshness: 15, one_shot: true },
        Trigger::Maintenance { freshness: u32::MAX, one_shot: false },
        Trigger::Application,
        Trigger::MediaProcessing,
        Trigger::DeviceUse,
    ];
    let classes = EventClass::ALL.iter().filter(|class| !LATER_CLASSES.contains(class)).copied().map(of_class);
    let service = Trigger::AppService { name: "org.example.photos.resize".into() };
    systems.chain(events).chain(others).chain(triggers_of_commands()).chain(classes).chain([service]).collect()
}

/// The classes of triggers that there were not when the files were frozen.
pub(crate) const LATER_CLASSES: [EventClass; 1] = [EventClass::BackgroundTransferCompletionGroup];

pub(crate) fn of_class(class: EventClass) -> Trigger {
    let heard = matches!(class.support(), Support::Heard { .. });
    let properties = if heard { properties() } else { Properties::new() };
    Trigger::Event { class, properties, one_shot: class.word().is_empty() }
}

fn properties() -> Properties {
    [("ID_FS_LABEL", "BACKUP*"), ("subsystem", "block")].map(|(name, value)| (name.into(), value.into())).into()
}

fn subjects() -> Vec<Subject> {
    triggers().iter().filter_map(Subject::of).collect()
}

fn triggers_of_commands() -> Vec<Trigger> {
    let pace = Pace { accuracy: Duration::from_secs(60), jitter: Duration::from_micros(1), wake: false };
    let calendar = |zone: Option<&str>, catch_up| Trigger::Calendar {
        calendar: "*-*-* 03:00".into(),
        zone: zone.map(Into::into),
        catch_up,
        pace: Pace::default(),
        one_shot: false,
    };
    let mut all = vec![
        Trigger::Interval { every: Duration::from_secs(21_600), pace, one_shot: false },
        calendar(None, true),
        calendar(Some("Europe/Paris"), false),
        Trigger::Path { watch: watch(), one_shot: true },
        Trigger::SessionStart { one_shot: false },
    ];
    all.extend(conditions().into_iter().map(|condition| Trigger::Condition { condition, one_shot: true }));
    all
}

fn watch() -> PathWatch {
    let on = PathEvents { deleted: false, ..PathEvents::default() };
    PathWatch { path: "/home/anna/no\u{301}tes".into(), recursive: true, on, settle: Duration::from_millis(500) }
}

/// The eight of Windows, one for each other fact, and their opposites.
fn conditions() -> Vec<Condition> {
    let of_windows = SystemConditionType::ALL.iter().copied().map(Condition::System);
    let beyond = facts().into_iter().flat_map(|fact| [true, false].map(|holds| Condition::Fact { fact, holds }));
    // What is the same as a condition of Windows has its name, and not everything is a condition.
    let plain = |condition: &Condition| Condition::from_name(&condition.name()) == Some(*condition);
    of_windows.chain(beyond.filter(plain)).collect()
}

fn facts() -> Vec<Fact> {
    let with_a_parameter = [
        Fact::BatteryAbove(50),
        Fact::Idle(Duration::from_secs(600)),
        Fact::DiskFree(10 << 30),
        Fact::LoadBelow(150),
        Fact::Between(DayWindow { from: 22 * 60, to: 6 * 60 }),
    ];
    Fact::ALL.iter().copied().chain(with_a_parameter).collect()
}

fn command() -> Command {
    Command {
        env: [("LANG".into(), "C".into())].into(),
        dir: "/srv".into(),
        cpu: Some(Duration::from_secs(60)),
        memory: Some(1 << 30),
        network: false,
        nice: true,
        retry: Retry { times: 3, backoff: Duration::from_secs(30) },
        fresh_within: Some(Duration::from_secs(86_400)),
        checkpoint: true,
        file: Some("/home/anna/.config/bgtask/tasks/backup.toml".into()),
        ..Command::new(["restic", "backup", "a \"b\"\n"])
    }
}

fn entries() -> [Entry; 5] {
    let bare = Command::new(["true"]);
    let [full, bare] = [command(), bare].map(|command| Entry::Command(command.into()));
    [Entry::Component("Tasks.Example".into()), Entry::Class(CLASS), Entry::InProcess, full, bare]
}

fn group() -> Box<TaskGroup> {
    TaskGroup { id: "org.example.lib".into(), name: "The Library".into() }.into()
}

fn zone() -> Zone {
    Zone { identity: "Amérique/\"Nulle Part\"".into(), offset_seconds: -16_200 }
}

fn firing() -> Firing {
    Firing { at: WALL, count: u32::MAX, details: None, lost: 0, by_hand: false, socket: None }
}

fn details() -> Details {
    Details([0, 9, 171, 255].into())
}

fn notice(reason: CancellationReason) -> CancelNotice {
    let seconds = Duration::from_secs;
    CancelNotice { reason, budget: seconds(25), used: Duration::from_micros(24_999_999), grace: seconds(5) }
}

pub(crate) fn config() -> Config {
    let wall_budget = Duration::from_micros(25_000_001);
    Config { wall_budget, max_running: 3, idle_after: None, ..Config::default() }
}

fn app() -> App {
    let server = |program: &str, sharing| Server {
        program: program.into(),
        application: "Editor".into(),
        sharing,
        budget: None,
    };
    let types = ["general", "systemEvent", "timer", "mediaProcessing", "deviceUse", "anything"]
        .map(TaskType::from_name)
        .to_vec();
    let entry =
        |name: &str, sharing, types| EntryPoint { name: name.into(), server: server("bin/tasks", sharing), types };
    App {
        id: app_id(),
        version: "1.2.3".into(),
        entry_points: vec![entry("Tasks.Example", Sharing::InTurn, types), entry("", Sharing::Apart, vec![])],
        classes: vec![Class { id: CLASS, server: server("server --embedding", Sharing::Together("key".into())) }],
        itself: Some(server("photos", Sharing::Together("".into()))),
        applications: vec!["Editor".into()],
        raises: vec!["org.example.jack".into()],
        services: vec![service(Some(vec![app_id()])), service(None)],
        commands: None,
    }
}

fn service(allow: Option<Vec<AppId>>) -> AppService {
    AppService { name: "org.example.photos.resize".into(), entry: Entry::InProcess, allow }
}

fn bare_app() -> App {
    let none = App { itself: None, applications: vec![], raises: vec![], ..App::of_commands() };
    App { entry_points: vec![], classes: vec![], ..none }
}

fn new_registrations() -> [NewRegistration; 2] {
    let full = NewRegistration {
        name: "Sync ☃ \u{1F600}".into(),
        entry: Entry::Component("Tasks.Example".into()),
        trigger: Trigger::System { kind: SystemTriggerType::TimeZoneChange, one_shot: true },
        conditions: conditions(),
        cancel_on_condition_loss: true,
        is_network_requested: false,
        group: Some(group()),
    };
    let bare = NewRegistration { entry: Entry::InProcess, conditions: vec![], group: None, ..full.clone() };
    [full, bare]
}

pub(crate) fn registrations() -> Vec<Registration> {
    let standings = [Standing::Active, Standing::Spent, Standing::Unregistered];
    let with = |(number, ((trigger, standing), entry)): (u128, ((Trigger, Standing), Entry))| Registration {
        id: TaskId::from_random(number),
        app: app_id(),
        name: "Sync".into(),
        entry,
        due: trigger.interval().map(|_| WALL),
        counted_in: matches!(trigger, Trigger::CustomSystemEvent { .. }).then(|| "session 1".into()),
        trigger,
        conditions: conditions().into_iter().rev().take(usize::try_from(number % 4).unwrap_or(0)).collect(),
        cancel_on_condition_loss: false,
        is_network_requested: true,
        group: number.is_multiple_of(3).then(group),
        registered_at: WALL,
        standing,
        paused: number.is_multiple_of(2),
        last: number.is_multiple_of(5).then_some(LastRun { at: WALL, ok: number.is_multiple_of(2) }),
        fresh_since: number.is_multiple_of(3).then_some(WALL),
        overdue: number.is_multiple_of(4),
    };
    (1..)
        .zip(triggers().into_iter().zip(standings.into_iter().cycle()).zip(entries().into_iter().cycle()))
        .map(with)
        .collect()
}

pub(crate) fn activations() -> Vec<Activation> {
    let reason = CancellationReason::QuietHoursEntered;
    let states = [
        ActivationState::Waiting { since: WALL },
        ActivationState::Starting { host: HOST, warm: true, deadline: BOOT },
        ActivationState::Running { host: HOST, since: WALL, deadline: BOOT, progress: None },
        ActivationState::Running { host: HOST, since: WALL, deadline: BOOT, progress: Some(0) },
        ActivationState::Cancelling { host: HOST, reason, kill_at: BOOT, progress: Some(u32::MAX) },
        ActivationState::Killing { host: HOST, reason, progress: None },
        ActivationState::Ended,
    ];
    let with = |(number, state): (u128, ActivationState)| Activation {
        instance: InstanceId::from_random(number),
        firing: Firing {
            details: number.is_multiple_of(2).then(details),
            lost: u32::from(number == 2),
            by_hand: number == 3,
            socket: (number == 2).then_some(SocketKey(5)),
            ..firing()
        },
        attempt: 3,
        failures: u32::from(number == 1) * 2,
        not_before: (number == 1).then_some(WALL),
        message: (number == 4).then(|| "half of it".into()),
        started: number.is_multiple_of(3).then_some(BOOT),
        state,
        throttled: bgtask_core::ThrottleCounts::default(),
    };
    (1..).zip(states).map(with).collect()
}

pub(crate) fn outcomes() -> Vec<Outcome> {
    let reasons = CancellationReason::ALL.iter();
    let mut all: Vec<_> = reasons.map(|reason| Outcome::Cancelled { reason: *reason, message: None }).collect();
    let reason = CancellationReason::Abort;
    let output_tail = "line 1\nline 2\t\u{0}".to_owned();
    all.push(Outcome::Succeeded);
    all.push(Outcome::TaskFailed { message: String::new() });
    all.push(Outcome::Cancelled { reason, message: Some("half".into()) });
    all.push(Outcome::Killed { reason, output_tail: output_tail.clone() });
    all.push(Outcome::Abandoned { attempts: 3 });
    for exit in exits() {
        all.push(Outcome::HostFailed { exit: exit.clone(), output_tail: output_tail.clone() });
        all.push(Outcome::CommandFailed { exit, output_tail: output_tail.clone() });
    }
    all
}

fn exits() -> [HostExit; 5] {
    [
        HostExit::Code(-1),
        HostExit::Signal(9),
        HostExit::NotStarted("no such file".into()),
        HostExit::Disconnected,
        HostExit::Condemned { by: "Stubborn".into() },
    ]
}

pub(crate) fn completions() -> Vec<Completion> {
    let with = |(sequence, outcome)| Completion {
        sequence,
        app: app_id(),
        task: TASK,
        name: "Sync".into(),
        instance: INSTANCE,
        at: WALL,
        outcome,
        progress: (sequence % 2 == 0).then_some(30),
    };
    (1..).zip(outcomes()).map(with).collect()
}

fn gates() -> Vec<Gate> {
    let mut all = vec![
        Gate::NotInstalled,
        Gate::Servicing,
        Gate::EntryPointGone,
        Gate::Unknown(Fact::EnergySaver),
        Gate::EnergySaver,
        Gate::Battery,
        Gate::MemoryPressure,
        Gate::Paused,
        Gate::Throttled(Resource::Cpu),
        Gate::Throttled(Resource::Network),
        Gate::Energy,
        Gate::Standby,
        Gate::Load,
        Gate::Backoff,
        Gate::Running,
        Gate::Holder,
        Gate::Slot,
    ];
    all.extend(conditions().into_iter().map(Gate::Condition));
    all.extend(BackgroundAccessStatus::ALL.iter().map(|status| Gate::Access(*status)));
    all
}

fn unregistrations() -> [Unregistration; 5] {
    [
        Unregistration::Explicit { cancel: true },
        Unregistration::Explicit { cancel: false },
        Unregistration::Replaced,
        Unregistration::EntryPointGone,
        Unregistration::Uninstalled,
    ]
}

fn event_kinds() -> Vec<EventKind> {
    let mut all: Vec<_> = gates().into_iter().map(EventKind::Buffered).collect();
    all.extend([
        EventKind::Registered,
        EventKind::Latched(vec![]),
        EventKind::Latched(conditions()),
        EventKind::Started { attempt: 2, warm: true },
        EventKind::Cancelled(notice(CancellationReason::LoggingOff)),
        EventKind::Interrupted { attempt: 2 },
        EventKind::Missed { due: WALL },
        EventKind::Retrying {
            outcome: Outcome::CommandFailed { exit: HostExit::Code(3), output_tail: String::new() },
            attempt: 2,
            at: WALL,
            used: used().last().copied().flatten(),
        },
        EventKind::Overdue { since: WALL },
        EventKind::Suspended { resource: Resource::Cpu, until: WALL },
        EventKind::Released,
        EventKind::Paused(true),
        EventKind::Paused(false),
        EventKind::Dropped,
        EventKind::CompletionLost { sequence: u64::MAX },
    ]);
    all.extend(unregistrations().map(EventKind::Unregistered));
    let causes = [Cause::World, Cause::Timer { shared: 3 }, Cause::Hand, Cause::Fleet];
    let fired = triggers().into_iter().zip(causes.into_iter().cycle());
    all.extend(fired.map(|(trigger, cause)| EventKind::Fired { trigger, count: 2, cause }));
    let ended = outcomes().into_iter().zip(used().into_iter().cycle());
    all.extend(ended.map(|(outcome, used)| EventKind::Completed { outcome, progress: Some(1), used }));
    all
}

fn usage() -> Usage {
    Usage { cpu: Duration::from_micros(1), io: u64::MAX, memory_peak: Some(1 << 20), network: None, processes: None }
}

fn used() -> [Option<Used>; 3] {
    let wall = Duration::from_secs(3);
    [None, Some(Used { wall, usage: None, wakes: 0 }), Some(Used { wall, usage: Some(usage()), wakes: 1_333 })]
}

fn events() -> Vec<Event> {
    let with = |(number, kind): (usize, EventKind)| Event {
        at: WALL,
        app: app_id(),
        task: TASK,
        name: "Sync".into(),
        instance: number.is_multiple_of(2).then_some(INSTANCE),
        kind,
    };
    event_kinds().into_iter().enumerate().map(with).collect()
}

/// What apps may do, each kept under an app id of its own.
pub(crate) fn access() -> Vec<(AppId, AppAccess)> {
    let settings = AccessSetting::ALL.iter().copied().map(Some).chain([None]);
    let kinds = BackgroundAccessRequestKind::ALL.iter().copied().map(Some).chain([None]).cycle();
    let with = |(number, (setting, kind)): (usize, (_, Option<_>))| {
        let app = AppId::new(&format!("org.example.App{number}")).expect("well-formed");
        let grant = Grant { awake: kind, standby: kind.filter(|_| number % 2 == 0) };
        let grants = kind.map(|_| [("".into(), grant), ("Editor".into(), Grant::default())].into()).unwrap_or_default();
        (app, AppAccess { setting, grants })
    };
    settings.zip(kinds).enumerate().map(with).collect()
}

pub(crate) fn versions() -> Vec<(AppId, AppVersion)> {
    let version = |servicing| AppVersion { version: "1.2".into(), servicing, used: None };
    access().into_iter().take(2).map(|(app, _)| app).zip([version(true), version(false)]).collect()
}

pub(crate) fn changes() -> Vec<Change> {
    let mut all: Vec<_> = registrations().into_iter().map(Change::PutRegistration).collect();
    all.extend(activations().into_iter().map(|activation| Change::PutActivation(TASK, activation)));
    all.extend(completions().into_iter().map(Change::PutCompletion));
    all.extend(access().into_iter().map(|(app, access)| Change::PutAccess(app, access)));
    all.extend(versions().into_iter().map(|(app, version)| Change::PutVersion(app, version)));
    all.extend(events().into_iter().map(Change::Record));
    all.extend([
        Change::DeleteRegistration(TASK),
        Change::DeleteActivation(INSTANCE),
        Change::DeleteCompletion(12),
        Change::PutSequence(u64::MAX),
        Change::DeleteAccess(app_id()),
        Change::PutSwitchedOff(true),
        Change::DeleteVersion(app_id()),
        Change::PutZone(zone()),
        Change::DeleteZone,
        Change::DeleteAccount(app_id()),
        Change::DeleteSocket(SocketKey(5)),
        Change::PutChannel(PushChannel { uri: None, ..channel() }),
        Change::PutChannel(channel()),
        Change::DeleteChannel(app_id()),
        Change::PutEdge(edges().remove(0)),
        Change::DeleteEdge(1),
        Change::DeleteOrder(order_id()),
        Change::DeleteState(Fact::OnlineAccounts),
        Change::DeleteState(Fact::DefaultAccount),
    ]);
    all.extend(accounts().into_iter().map(|(app, account)| Change::PutAccount(app, account)));
    all.extend(states().into_iter().map(|(fact, state)| Change::PutState(fact, state)));
    all.extend(sockets().into_iter().map(Change::PutSocket));
    all.extend(fleet_orders().into_iter().map(Change::PutOrder));
    all
}

fn sockets() -> Vec<Socket> {
    let told = SocketActivityTriggerReason::ALL.iter().map(|reason| SocketState::Told { reason: *reason, held: true });
    let lost = SocketState::Told { reason: SocketActivityTriggerReason::SocketClosed, held: false };
    let states =
        [SocketState::Watched, SocketState::Taken, SocketState::Kept, SocketState::Gone, lost].into_iter().chain(told);
    let socket = |(number, state)| Socket {
        key: SocketKey(number),
        app: app_id(),
        task: TASK,
        id: format!("chat {number}").into(),
        kind: SocketKind::ALL[number as usize % 3],
        context: Details([0, 255].into()),
        keep_alive: (number == 1).then_some(Duration::from_secs(60)),
        due: (number == 1).then_some(WALL),
        action: SocketActivityConnectedStandbyAction::DoNotWake,
        state,
    };
    (1..).zip(states).map(socket).collect()
}

fn new_socket() -> NewSocket {
    NewSocket {
        key: SocketKey(5),
        task: TASK,
        id: "chat".into(),
        kind: SocketKind::StreamSocket,
        context: Details([1, 2].into()),
        keep_alive: Some(Duration::from_secs(60)),
        action: SocketActivityConnectedStandbyAction::Wake,
        again: Some(SocketKey(4)),
    }
}

fn states() -> Vec<(Fact, std::sync::Arc<str>)> {
    [(Fact::OnlineAccounts, "two\nlines".into()), (Fact::DefaultAccount, "".into())].into()
}

fn accounts() -> Vec<(AppId, Account)> {
    let account =
        Account { window: WALL, cpu: Duration::from_secs(3), network: u64::MAX, energy: 7, ..Account::default() };
    vec![(app_id(), account)]
}

/// Everything a store holds. The session is not kept: a driver reads it anew at every start.
pub(crate) fn snapshot() -> Snapshot {
    Snapshot {
        registrations: registrations(),
        activations: registrations().iter().map(|it| it.id).zip(activations()).collect(),
        completions: completions(),
        last_sequence: 99,
        access: access(),
        switched_off: true,
        versions: versions(),
        zone: Some(zone()),
        states: states(),
        session: "".into(),
        accounts: accounts(),
        sockets: sockets(),
        channels: vec![channel()],
        edges: edges(),
        orders: fleet_orders(),
    }
}

fn edges() -> Vec<Edge> {
    let kinds = [
        EdgeKind::System(SystemTriggerType::TimeZoneChange, None),
        EdgeKind::System(SystemTriggerType::ServicingComplete, Some(app_id())),
        EdgeKind::Condition(Fact::Internet, true),
        EdgeKind::Custom("org.example.burst".into()),
    ];
    let next = registrations()[0].id;
    (1..).zip(kinds).map(|(number, kind)| Edge { number, kind, next, spared: vec![next] }).collect()
}

fn channel() -> PushChannel {
    PushChannel { app: app_id(), uri: Some("mqtt://h/bgtask/m/a".into()), expires: WALL }
}

fn pushes() -> Vec<Push> {
    vec![Push { line: Some(details()), ticket: Some(PushTicket(7)) }, Push { line: None, ticket: None }]
}

fn order_id() -> OrderId {
    OrderId::new("3f2a").unwrap()
}

fn new_order() -> NewOrder {
    let (task, spread) = ("backup".into(), Duration::from_secs(600));
    NewOrder {
        id: order_id(),
        app: app_id(),
        task,
        spread,
        opened: true,
        reply: Some("a 00".into()),
        ticket: PushTicket(7),
    }
}

pub(crate) fn fleet_orders() -> Vec<FleetOrder> {
    let order = |(number, state): (usize, OrderState)| FleetOrder {
        id: OrderId::new(&format!("3f2a-{number}")).unwrap(),
        app: app_id(),
        task: "backup".into(),
        at: WALL,
        share: Duration::from_secs(7),
        opened: true,
        reply: Some("a 00".into()),
        state,
        came_of: None,
    };
    let result = |result| OrderState::Answering { at: WALL, result };
    let states = [
        OrderState::Held { due: WALL },
        OrderState::Fired(INSTANCE),
        result(OrderResult::Ran(Outcome::Succeeded)),
        result(OrderResult::Refused("it is not there".into())),
        result(OrderResult::Dropped),
        OrderState::Over,
    ];
    states.into_iter().enumerate().map(order).collect()
}

fn policies() -> [Policy; 2] {
    let entry = |rule| PolicyEntry { rule, file: "/etc/bgtask/policy.d/10-site.toml".into(), budget: 100 };
    let apps = access().into_iter().map(|(app, _)| app).zip(PolicyRule::ALL.iter().map(|rule| entry(*rule))).collect();
    [Policy::default(), Policy { default: Some(entry(PolicyRule::ForceDeny)), apps }]
}

fn statuses() -> [SourceStatus; 3] {
    let (how, why, help) = ("inotify".to_owned(), "blind".to_owned(), "look".to_owned());
    [
        SourceStatus::Available { how: how.clone() },
        SourceStatus::Degraded { how, why: why.clone(), help: help.clone() },
        SourceStatus::Missing { why, help },
    ]
}

fn open(caller: Option<AppId>, details: Option<Details>) -> Request {
    let service = "org.example.photos.resize".to_owned();
    Request::OpenAppService { caller, app: app_id(), service, socket: SocketKey(5), details }
}

fn requests() -> Vec<Request> {
    let (app, application, reason) = (app_id(), "Editor".to_owned(), "We sync \"all\" of it.".to_owned());
    let kind_of = |kind, standby| Request::RequestAccessKind {
        app: app_id(),
        application: String::new(),
        kind,
        standby,
        reason: reason.clone(),
    };
    let mut all: Vec<_> = new_registrations().map(|new| Request::Register(app_id(), new)).into();
    all.extend(new_registrations().map(|new| Request::RegisterOrUpdate(app_id(), new)));
    all.extend([
        Request::Unregister { scope: None, task: TASK, cancel: false },
        Request::Unregister { scope: Some(app_id()), task: TASK, cancel: true },
        Request::RequestAccess { app: app.clone(), application: application.clone() },
        kind_of(BackgroundAccessRequestKind::AlwaysAllowed, false),
        kind_of(BackgroundAccessRequestKind::AllowedSubjectToSystemPolicy, true),
        Request::RemoveAccess { app: app.clone(), application },
        Request::SetAccess(app.clone(), Some(AccessSetting::Managed)),
        Request::SetAccess(app.clone(), None),
        Request::SetBackground { enabled: false },
        Request::RunNow { task: TASK, respect_conditions: true },
        Request::SetPaused { task: TASK, paused: true },
        Request::Cancel(TASK),
        Request::ReportProgress { instance: INSTANCE, value: 40, message: "indexing".into() },
        Request::Terminate(app.clone()),
        Request::Activate { app: app.clone(), demand: Demand::Application, details: None },
        Request::Activate { app: app.clone(), demand: Demand::MediaProcessing, details: Some(details()) },
        Request::Activate { app: app.clone(), demand: Demand::DeviceUse, details: Some(details()) },
        Request::Raise { by: None, event: "org.example.jack".into() },
        Request::Raise { by: Some(app.clone()), event: String::new() },
        Request::Acknowledge(app.clone(), u64::MAX),
        Request::TransferSocket(app.clone(), new_socket()),
        Request::ReclaimSocket { app: app.clone(), id: "chat".into() },
        open(Some(app_id()), Some(details())),
        open(None, None),
        Request::CreatePushChannel(app.clone()),
        Request::ClosePushChannel(app.clone()),
        Request::EnableControlChannel(app.clone(), new_control_channel(None)),
        Request::EnableControlChannel(app.clone(), new_control_channel(Some(HOST))),
        Request::CloseControlChannel { app, id: "mail".into() },
    ]);
    all
}

fn new_control_channel(host: Option<HostId>) -> NewControlChannel {
    let resource = match host {
        None => ControlChannelTriggerResourceType::RequestSoftwareSlot,
        Some(_) => ControlChannelTriggerResourceType::RequestHardwareSlot,
    };
    NewControlChannel {
        key: SocketKey(6),
        id: "mail".into(),
        client: CLIENT,
        host,
        keep_alive: 25,
        resource,
        ended: host.is_some(),
    }
}

fn reports() -> Vec<Report> {
    let mut all = vec![
        Report::TimeZone { zone: zone(), previous_offset_seconds: None },
        Report::TimeZone { zone: zone(), previous_offset_seconds: Some(-3_600) },
    ];
    for value in [true, false] {
        let levels = facts().into_iter().filter(|fact| *fact != Fact::TimeZone && !fact.is_state());
        all.extend(levels.map(|fact| Report::Level(fact, value)));
    }
    let states = facts().into_iter().filter(|fact| fact.is_state());
    all.extend(states.map(|fact| Report::State(fact, "full metered".into())));
    all
}

pub(crate) fn inputs() -> Vec<Input> {
    let mut all = vec![
        Input::Restore(Box::default()),
        Input::Restore(Box::new(Snapshot { session: "session 1".into(), ..snapshot() })),
        Input::Tick,
        Input::CaughtUp,
        Input::Stop,
        Input::AppInstalled(app()),
        Input::AppInstalled(bare_app()),
        Input::AppRemoved(app_id()),
        Input::Attach { client: CLIENT, app: app_id(), activates: true },
        Input::Attach { client: CLIENT, app: app_id(), activates: false },
        Input::Detach(ClientId(0)),
        Input::HostStarted(HOST, INSTANCE),
        Input::HostProgress(HOST, INSTANCE, u32::MAX),
        Input::SocketTaken(HOST, INSTANCE),
        Input::HostFinished { host: HOST, instance: INSTANCE, result: Ok(()), usage: None },
        Input::HostFinished { host: HOST, instance: INSTANCE, result: Err(String::new()), usage: Some(usage()) },
        Input::HostUsage { host: HOST, usage: usage() },
        Input::Planned { task: TASK, at: Some(WALL) },
        Input::Planned { task: TASK, at: None },
        Input::Happened { task: TASK, events: details(), count: 2, lost: 1 },
        Input::DeviceGone(TASK),
        Input::SocketReady(SocketKey(5), Readiness::Readable),
        Input::SocketReady(SocketKey(5), Readiness::Closed),
        Input::SocketsGone(vec![SocketKey(5), SocketKey(u64::MAX)]),
        Input::CallerGone(INSTANCE),
        Input::ChannelSeen(SocketKey(6), Some(7)),
        Input::ChannelSeen(SocketKey(6), None),
        Input::ChannelOpened { app: app_id(), uri: "mqtt://h/bgtask/m/a".into() },
        Input::ChannelRefused { app: app_id(), why: "away".into(), help: "wait".into() },
        Input::Pushed { app: app_id(), messages: pushes() },
        Input::Ordered(vec![new_order()]),
        Input::OrderAnswered(order_id()),
    ];
    let consents = [Consent::Granted, Consent::Refused, Consent::Unavailable("no portal".into())];
    all.extend(policies().map(Input::Policy));
    all.extend(statuses().map(|status| Input::Heard(TASK, status)));
    all.extend((1..).zip(consents).map(|(id, consent)| Input::Consent(RequestId(id), consent)));
    all.extend(
        facts().into_iter().zip(statuses().into_iter().cycle()).map(|(fact, status)| Input::SourceStatus(fact, status)),
    );
    all.extend(reports().into_iter().map(Input::Report));
    all.extend((1..).zip(requests()).map(|(id, request)| Input::Request(RequestId(id), request)));
    all.extend(exits().map(|exit| Input::HostExited {
        host: HOST,
        exit,
        output_tail: "bye".into(),
        usage: Some(usage()),
    }));
    all
}

fn replies() -> Vec<Reply> {
    let mut all = vec![
        Reply::Registered(TASK),
        Reply::Unregistered,
        Reply::Approved(true),
        Reply::Set,
        Reply::Terminated(2),
        Reply::Raised(u32::MAX),
        Reply::Running(INSTANCE),
        Reply::Acknowledged,
        Reply::Noted,
        Reply::Transferred,
        Reply::Socket(Box::new(sockets().remove(0))),
        Reply::Channel(channel()),
        Reply::ChannelClosed,
    ];
    let updates = [Update::Registered, Update::Unchanged, Update::Replaced];
    all.extend(updates.map(|update| Reply::Updated(TASK, update)));
    all.extend(BackgroundAccessStatus::ALL.iter().map(|status| Reply::Access(*status)));
    all.extend(ApplicationTriggerResult::ALL.iter().map(|result| Reply::Activated(*result, "so".into())));
    let opened = |status: &AppServiceConnectionStatus| {
        let instance = (*status == AppServiceConnectionStatus::Success).then_some(INSTANCE);
        Reply::AppService { status: *status, why: "so".into(), instance }
    };
    all.extend(AppServiceConnectionStatus::ALL.iter().map(opened));
    let channel = |status: &_| Reply::ControlChannel { status: *status, why: "so".into() };
    all.extend(ControlChannelTriggerStatus::ALL.iter().map(channel));
    all.extend(DeviceTriggerResult::ALL.iter().map(|result| Reply::DeviceUse(*result, "so".into())));
    all
}

fn refusals() -> Vec<Refusal> {
    let limits = [
        Limit::RegistrationsPerApp,
        Limit::Registrations,
        Limit::Apps,
        Limit::NameBytes,
        Limit::EntryPointBytes,
        Limit::Conditions,
        Limit::GroupBytes,
        Limit::EventIdBytes,
        Limit::DetailsBytes,
        Limit::ApplicationTriggers,
        Limit::MediaProcessingTriggers,
        Limit::DeviceUseTriggers,
        Limit::Properties,
        Limit::PropertyBytes,
        Limit::Consents,
        Limit::Arguments,
        Limit::CommandBytes,
        Limit::PathBytes,
        Limit::CalendarBytes,
        Limit::Sources,
        Limit::SocketIdBytes,
        Limit::SocketContextBytes,
        Limit::SocketsPerApp,
        Limit::Sockets,
        Limit::AppServiceConnections,
        Limit::PushChannels,
    ];
    let (app, entry_point, wanted) = (app_id(), "Tasks.Gone".to_owned(), vec![TaskType::SystemEvent]);
    let mut all = vec![
        Refusal::UnknownApp(app_id()),
        Refusal::UnknownTask(TASK),
        Refusal::UnknownApplication(app_id(), "Viewer".into()),
        Refusal::ClassNotDeclared { app: app_id(), class: CLASS },
        Refusal::NoProgram(app_id()),
        Refusal::MayNotRaise { app: app_id(), event: "org.example.jack".into() },
        Refusal::OnlyForCommands("PathTrigger".into()),
        Refusal::NameTaken("backup".into()),
        Refusal::NotRunning(INSTANCE),
        Refusal::NotACommand(TASK),
        Refusal::Stopping,
        Refusal::InvalidArgument("the task has no name".into()),
        Refusal::EntryPointNotDeclared {
            app: app.clone(),
            entry_point: entry_point.clone(),
            wanted: wanted.clone(),
            declared: vec!["Tasks.Example".into()],
        },
        Refusal::TaskTypeNotDeclared { app, entry_point, wanted },
        Refusal::NotSupported { what: "w".into(), why: "y".into(), help: "h".into() },
        Refusal::SocketIdTaken("chat".into()),
        Refusal::UnknownSocket("chat".into()),
        Refusal::SocketInUse("chat".into()),
    ];
    all.extend(limits.map(Refusal::LimitReached));
    all
}

fn orders() -> Vec<RunOrder> {
    let with = |(trigger, entry): (Trigger, Entry)| RunOrder {
        instance: INSTANCE,
        task: TASK,
        name: "Sync".into(),
        group: (entry == Entry::InProcess).then(|| "org.example.lib".into()),
        brokered: (entry == Entry::InProcess).then(|| sockets().remove(0)),
        entry,
        firing: Firing { details: (trigger == Trigger::Application).then(details), ..firing() },
        trigger,
        attempt: 2,
        budget: Duration::from_secs(600),
        throttled: bgtask_core::ThrottleCounts::default(),
    };
    triggers().into_iter().zip(entries().into_iter().cycle()).map(with).collect()
}

fn energy() -> EnergyUsage {
    EnergyUsage { percent: 120, level: EnergyLevel::MaxAcceptable, until: WALL }
}

pub(crate) fn outputs() -> Vec<Output> {
    let mut all = vec![
        Output::Launch {
            host: HOST,
            app: app_id(),
            program: "bin/tasks".into(),
            limits: bgtask_core::Limits::default(),
        },
        Output::Adopt { host: HOST, client: CLIENT },
        Output::Cancel(HOST, INSTANCE, notice(CancellationReason::EnergySaver)),
        Output::Sample(HOST),
        Output::Freeze(HOST),
        Output::Thaw(HOST),
        Output::Throttled(HOST, INSTANCE, ThrottleCounts { cpu: 2, network: 1 }),
        Output::Inhibit(INSTANCE),
        Output::Uninhibit(INSTANCE),
        Output::DropSocket(SocketKey(5)),
        Output::WatchSocket(SocketKey(5)),
        Output::UnwatchSocket(SocketKey(5)),
        Output::ForgetCaller(INSTANCE),
        Output::Rouse(Some(BOOT)),
        Output::Rouse(None),
        Output::OpenChannel(app_id()),
        Output::CloseChannel(app_id()),
        Output::AcknowledgePushes(app_id(), vec![PushTicket(7), PushTicket(u64::MAX)]),
        Output::AcknowledgeOrders(vec![PushTicket(7)]),
        Output::Plan { task: TASK, calendar: "@daily".into(), zone: None, after: WALL },
        Output::Plan { task: TASK, calendar: "0 3 * * *".into(), zone: Some("Asia/Tokyo".into()), after: WALL },
        Output::Unlisten(TASK),
        Output::WatchDevice(TASK, details()),
        Output::UnwatchDevice(TASK),
        Output::Progressed { task: TASK, instance: INSTANCE, value: 10, message: None },
        Output::Progressed { task: TASK, instance: INSTANCE, value: 10, message: Some("indexing".into()) },
        Output::Ask { request: RequestId(1), app: app_id(), reason: "We sync.".into() },
        Output::Retire(HOST),
        Output::Kill(HOST),
        Output::Deliver(ClientId(1), Notice::Progress { task: TASK, instance: INSTANCE, value: 10 }),
        Output::Deliver(ClientId(1), Notice::Energy(energy())),
        Output::Deliver(ClientId(1), Notice::Completed(completions().remove(0))),
        Output::Wake(None),
    ];
    let reasons = [
        WakeReason::Budget(TASK),
        WakeReason::Grace(TASK),
        WakeReason::Linger(HOST),
        WakeReason::Retirement(HOST),
        WakeReason::Idle(HOST),
        WakeReason::Timer(TASK),
        WakeReason::Retry(TASK),
        WakeReason::Overdue(TASK),
        WakeReason::Usage(HOST),
        WakeReason::Refill,
        WakeReason::Load(TASK),
        WakeReason::KeepAlive(TASK),
        WakeReason::More,
        WakeReason::ChannelExpiry,
        WakeReason::Fleet,
    ];
    let answers = replies().into_iter().map(Ok).chain(refusals().into_iter().map(Err));
    all.extend(subjects().into_iter().map(|subject| Output::Listen { task: TASK, app: app_id(), subject }));
    all.extend(fleet_orders().into_iter().map(|order| Output::AnswerOrder(Box::new(order))));
    all.extend(orders().into_iter().map(|order| Output::Run(HOST, Box::new(order))));
    all.extend(reasons.map(|why| Output::Wake(Some(Wake { at: BOOT, why }))));
    all.extend(facts().into_iter().flat_map(|fact| [Output::Watch(fact), Output::Unwatch(fact)]));
    all.extend((1..).zip(answers).map(|(id, reply)| Output::Reply(RequestId(id), reply)));
    all.extend(changes().into_iter().map(Output::Persist));
    all
}
