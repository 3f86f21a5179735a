//! At least one value of every variant of every recorded type.

use std::time::Duration;

use bgtask_core::{
    Activation, ActivationState, App, AppId, BackgroundAccessStatus, BootTime, CancellationReason, Change, ClientId,
    Completion, Config, EntryPoint, Event, EventKind, Fact, Firing, Gate, HostExit, HostId, Input, InstanceId, Limit,
    NewRegistration, Notice, Outcome, Output, Refusal, Registration, Reply, Report, Request, RequestId, RunOrder,
    Snapshot, SourceStatus, Standing, SystemConditionType, SystemTriggerType, TaskId, TaskType, Trigger, Wake,
    WakeReason, WallTime, Zone,
};

const TASK: TaskId = TaskId::from_random(0x1111_2222_3333_4444_5555_6666_7777_8888);
const INSTANCE: InstanceId = InstanceId::from_random(0x9999_aaaa_bbbb_cccc_dddd_eeee_ffff_0000);
const HOST: HostId = HostId(7);
const BOOT: BootTime = BootTime::from_micros(u64::MAX);
const WALL: WallTime = WallTime::from_micros(-1_234_567);

fn app_id() -> AppId {
    AppId::new("org.example.Photos").expect("well-formed")
}

fn trigger() -> Trigger {
    Trigger::System { kind: SystemTriggerType::TimeZoneChange, one_shot: true }
}

fn zone() -> Zone {
    Zone { identity: "Amérique/\"Nulle Part\"".into(), offset_seconds: -16_200 }
}

fn firing() -> Firing {
    Firing { at: WALL, count: u32::MAX }
}

pub(crate) fn config() -> Config {
    Config { wall_budget: Duration::from_micros(25_000_001), max_running: 3, ..Config::default() }
}

fn app() -> App {
    let types = vec![TaskType::General, TaskType::SystemEvent, TaskType::Timer, TaskType::Other];
    let entry = EntryPoint { name: "Tasks.Example".into(), program: "bin/tasks".into(), types };
    let bare = EntryPoint { name: "Tasks.Bare".into(), program: "".into(), types: vec![] };
    App { id: app_id(), version: "1.2.3".into(), entry_points: vec![entry, bare] }
}

fn new_registration() -> NewRegistration {
    NewRegistration {
        name: "Sync ☃ \u{1F600}".into(),
        entry_point: "Tasks.Example".into(),
        trigger: trigger(),
        conditions: SystemConditionType::ALL.to_vec(),
        cancel_on_condition_loss: true,
        is_network_requested: false,
    }
}

pub(crate) fn registrations() -> Vec<Registration> {
    let standings = [Standing::Active, Standing::Spent, Standing::Unregistered];
    let kinds = SystemTriggerType::ALL.iter().zip(standings.into_iter().cycle());
    let with = |(number, (kind, standing)): (u128, (&SystemTriggerType, Standing))| Registration {
        id: TaskId::from_random(number),
        app: app_id(),
        name: "Sync".into(),
        entry_point: "Tasks.Example".into(),
        trigger: Trigger::System { kind: *kind, one_shot: false },
        conditions: SystemConditionType::ALL.iter().copied().take(usize::try_from(number % 4).unwrap_or(0)).collect(),
        cancel_on_condition_loss: false,
        is_network_requested: true,
        registered_at: WALL,
        standing,
    };
    (1..).zip(kinds).map(with).collect()
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
    let with = |state| Activation { instance: INSTANCE, firing: firing(), attempt: 3, state, next: None };
    let mut all: Vec<_> = states.map(with).into();
    all.push(Activation { next: Some(firing()), ..all[0].clone() });
    all
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
        all.push(Outcome::HostFailed { exit, output_tail: output_tail.clone() });
    }
    all
}

fn exits() -> [HostExit; 3] {
    [HostExit::Code(-1), HostExit::Signal(9), HostExit::NotStarted("no such file".into())]
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

fn event_kinds() -> Vec<EventKind> {
    let gates =
        [Gate::NotInstalled, Gate::EntryPointGone, Gate::Slot, Gate::Condition(SystemConditionType::UserPresent)];
    let access = BackgroundAccessStatus::ALL.iter().map(|status| Gate::Access(*status));
    let mut all: Vec<_> = gates.into_iter().chain(access).map(EventKind::Buffered).collect();
    all.extend([
        EventKind::Registered,
        EventKind::Unregistered { cancel: true },
        EventKind::Fired { trigger: trigger(), count: 2 },
        EventKind::Latched(vec![]),
        EventKind::Latched(SystemConditionType::ALL.to_vec()),
        EventKind::Started { attempt: 2, warm: true },
        EventKind::Cancelled(CancellationReason::LoggingOff),
        EventKind::Interrupted { attempt: 2 },
        EventKind::Dropped,
        EventKind::CompletionLost { sequence: u64::MAX },
    ]);
    all.extend(outcomes().into_iter().map(|outcome| EventKind::Completed { outcome, progress: Some(1) }));
    all
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

pub(crate) fn changes() -> Vec<Change> {
    let mut all: Vec<_> = registrations().into_iter().map(Change::PutRegistration).collect();
    all.extend(activations().into_iter().map(|activation| Change::PutActivation(TASK, activation)));
    all.extend(completions().into_iter().map(Change::PutCompletion));
    all.extend(BackgroundAccessStatus::ALL.iter().map(|access| Change::PutAccess(app_id(), *access)));
    all.extend(events().into_iter().map(Change::Record));
    all.extend([
        Change::DeleteRegistration(TASK),
        Change::DeleteActivation(TASK),
        Change::DeleteCompletion(12),
        Change::PutSequence(u64::MAX),
        Change::PutZone(zone()),
        Change::DeleteZone,
    ]);
    all
}

pub(crate) fn snapshot() -> Snapshot {
    Snapshot {
        registrations: registrations(),
        activations: registrations().iter().map(|it| it.id).zip(activations()).collect(),
        completions: completions(),
        last_sequence: 99,
        access: vec![(app_id(), BackgroundAccessStatus::DeniedByUser)],
        zone: Some(zone()),
    }
}

fn statuses() -> [SourceStatus; 3] {
    let (how, why, help) = ("inotify".to_owned(), "blind".to_owned(), "look".to_owned());
    [
        SourceStatus::Available { how: how.clone() },
        SourceStatus::Degraded { how, why: why.clone(), help: help.clone() },
        SourceStatus::Missing { why, help },
    ]
}

fn requests() -> Vec<Request> {
    vec![
        Request::Register(app_id(), new_registration()),
        Request::Unregister { scope: None, task: TASK, cancel: false },
        Request::Unregister { scope: Some(app_id()), task: TASK, cancel: true },
        Request::RequestAccess(app_id()),
        Request::RemoveAccess(app_id()),
        Request::Acknowledge(app_id(), u64::MAX),
    ]
}

pub(crate) fn inputs() -> Vec<Input> {
    let mut all = vec![
        Input::Restore(Box::default()),
        Input::Restore(Box::new(snapshot())),
        Input::Tick,
        Input::AppInstalled(app()),
        Input::AppRemoved(app_id()),
        Input::Report(Report::TimeZone { zone: zone(), previous_offset_seconds: None }),
        Input::Report(Report::TimeZone { zone: zone(), previous_offset_seconds: Some(-3_600) }),
        Input::Report(Report::Internet(true)),
        Input::Report(Report::UserPresence(false)),
        Input::Attach(ClientId(u64::MAX), app_id()),
        Input::Detach(ClientId(0)),
        Input::HostStarted(HOST, INSTANCE),
        Input::HostProgress(HOST, INSTANCE, u32::MAX),
        Input::HostFinished(HOST, INSTANCE, Ok(())),
        Input::HostFinished(HOST, INSTANCE, Err(String::new())),
    ];
    all.extend(Fact::ALL.iter().zip(statuses()).map(|(fact, status)| Input::SourceStatus(*fact, status)));
    all.extend((1..).zip(requests()).map(|(id, request)| Input::Request(RequestId(id), request)));
    all.extend(exits().map(|exit| Input::HostExited { host: HOST, exit, output_tail: "bye".into() }));
    all.push(Input::Stop);
    all
}

fn replies() -> Vec<Result<Reply, Refusal>> {
    let limits = [
        Limit::RegistrationsPerApp,
        Limit::Registrations,
        Limit::Apps,
        Limit::NameBytes,
        Limit::EntryPointBytes,
        Limit::Conditions,
    ];
    let (app, entry_point, wanted) = (app_id(), "Tasks.Gone".to_owned(), vec![TaskType::SystemEvent]);
    let mut all = vec![
        Ok(Reply::Registered(TASK)),
        Ok(Reply::Unregistered),
        Ok(Reply::Acknowledged),
        Ok(Reply::Access(BackgroundAccessStatus::AlwaysAllowed)),
        Err(Refusal::UnknownApp(app_id())),
        Err(Refusal::UnknownTask(TASK)),
        Err(Refusal::InvalidArgument("the task has no name".into())),
        Err(Refusal::EntryPointNotDeclared {
            app: app.clone(),
            entry_point: entry_point.clone(),
            wanted: wanted.clone(),
            declared: vec!["Tasks.Example".into()],
        }),
        Err(Refusal::TaskTypeNotDeclared { app, entry_point, wanted }),
        Err(Refusal::NotSupported { what: "w".into(), why: "y".into(), help: "h".into() }),
    ];
    all.extend(limits.map(|limit| Err(Refusal::LimitReached(limit))));
    all
}

pub(crate) fn outputs() -> Vec<Output> {
    let order = RunOrder {
        instance: INSTANCE,
        task: TASK,
        name: "Sync".into(),
        entry_point: "Tasks.Example".into(),
        trigger: trigger(),
        firing: firing(),
        attempt: 2,
    };
    let mut all = vec![
        Output::Launch { host: HOST, app: app_id(), program: "bin/tasks".into() },
        Output::Run(HOST, Box::new(order)),
        Output::Cancel(HOST, INSTANCE, CancellationReason::EnergySaver),
        Output::Retire(HOST),
        Output::Kill(HOST),
        Output::Deliver(ClientId(1), Notice::Progress { task: TASK, instance: INSTANCE, value: 10 }),
        Output::Deliver(ClientId(1), Notice::Completed(completions().remove(0))),
        Output::Wake(None),
    ];
    let reasons =
        [WakeReason::Budget(TASK), WakeReason::Grace(TASK), WakeReason::Linger(HOST), WakeReason::Retirement(HOST)];
    all.extend(reasons.map(|why| Output::Wake(Some(Wake { at: BOOT, why }))));
    all.extend(Fact::ALL.iter().flat_map(|fact| [Output::Watch(*fact), Output::Unwatch(*fact)]));
    all.extend((1..).zip(replies()).map(|(id, reply)| Output::Reply(RequestId(id), reply)));
    all.extend(changes().into_iter().map(Output::Persist));
    all
}
