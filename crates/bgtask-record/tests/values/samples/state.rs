//! What is kept: registrations, activations, what came of them, and the whole of it.

use super::*;

pub(super) fn new_registrations() -> [NewRegistration; 2] {
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

pub(super) fn exits() -> [HostExit; 5] {
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

pub(super) fn gates() -> Vec<Gate> {
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

pub(super) fn unregistrations() -> [Unregistration; 5] {
    [
        Unregistration::Explicit { cancel: true },
        Unregistration::Explicit { cancel: false },
        Unregistration::Replaced,
        Unregistration::EntryPointGone,
        Unregistration::Uninstalled,
    ]
}

pub(super) fn event_kinds() -> Vec<EventKind> {
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

pub(super) fn usage() -> Usage {
    Usage { cpu: Duration::from_micros(1), io: u64::MAX, memory_peak: Some(1 << 20), network: None, processes: None }
}

pub(super) fn used() -> [Option<Used>; 3] {
    let wall = Duration::from_secs(3);
    [None, Some(Used { wall, usage: None, wakes: 0 }), Some(Used { wall, usage: Some(usage()), wakes: 1_333 })]
}

pub(super) fn events() -> Vec<Event> {
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

pub(super) fn states() -> Vec<(Fact, std::sync::Arc<str>)> {
    [(Fact::OnlineAccounts, "two\nlines".into()), (Fact::DefaultAccount, "".into())].into()
}

pub(super) fn accounts() -> Vec<(AppId, Account)> {
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

pub(super) fn edges() -> Vec<Edge> {
    let kinds = [
        EdgeKind::System(SystemTriggerType::TimeZoneChange, None),
        EdgeKind::System(SystemTriggerType::ServicingComplete, Some(app_id())),
        EdgeKind::Condition(Fact::Internet, true),
        EdgeKind::Custom("org.example.burst".into()),
    ];
    let next = registrations()[0].id;
    (1..).zip(kinds).map(|(number, kind)| Edge { number, kind, next, spared: vec![next] }).collect()
}
