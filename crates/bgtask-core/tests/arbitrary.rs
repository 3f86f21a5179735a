//! Whatever is put in, sense or nonsense: the core never panics, its tables agree with each other and with what it made durable.

use std::collections::BTreeMap;
use std::time::Duration;

use bgtask_core::{
    AccessSetting, Activation, ActivationState, App, AppId, CancellationReason, Change, ClientId, Completion,
    Condition, Config, Core, CustomSystemEventTriggerRecurrence, Details, Entry, EntryPoint, Fact, Firing, HostExit,
    HostId, HostKind, HostState, Input, InstanceId, NewRegistration, Now, Outcome, Output, Policy, PolicyEntry,
    PolicyRule, Registration, Reply, Report, Request, RequestId, Server, Sharing, Snapshot, SourceStatus, Standing,
    SystemConditionType, SystemTriggerType, TaskId, TaskType, Trigger, Usage, Zone,
};
use proptest::prelude::*;

/// One input, with numbers instead of ids: they are looked up among the ids there are.
#[derive(Clone, Copy, Debug)]
enum Move {
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
}

fn moves() -> impl Strategy<Value = Move> {
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
        4 => any::<(u8, bool)>().prop_map(|(fact, value)| M::Level(fact, value)),
        2 => any::<(u8, u8, u8, u8, bool)>().prop_map(|(a, b, c, d, e)| M::Update(a, b, c, d, e)),
        1 => any::<(u8, u8)>().prop_map(|(app, setting)| M::Setting(app, setting)),
        4 => any::<(u8, bool)>().prop_map(|(app, raise)| M::Demand(app, raise)),
        1 => any::<u8>().prop_map(M::Terminate),
        3 => any::<(u8, u16)>().prop_map(|(host, used)| M::Usage(host, used)),
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
    ]
}

fn pick<T: Clone>(from: &[T], number: u8) -> Option<T> {
    (!from.is_empty()).then(|| from[usize::from(number) % from.len()].clone())
}

fn app(number: u8) -> AppId {
    AppId::new(["org.example.A", "org.example.B", "org.example.C"][usize::from(number % 3)]).expect("well-formed")
}

fn installed(number: u8, version: u8) -> App {
    let entry = |name: &str| EntryPoint {
        name: name.into(),
        server: server(if version.is_multiple_of(4) { "other" } else { "tasks" }, sharing(version)),
        types: vec![TaskType::SystemEvent],
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
        commands: None,
    }
}

fn server(program: &str, sharing: Sharing) -> Server {
    Server { program: program.into(), application: "".into(), sharing }
}

fn sharing(version: u8) -> Sharing {
    match version % 7 {
        0 => Sharing::Apart,
        1 | 2 => Sharing::Together("group".into()),
        _ => Sharing::InTurn,
    }
}

/// Most of them are in order, so that something runs.
fn registration(entry: u8, trigger: u8, conditions: u8, flag: bool) -> NewRegistration {
    const SERVED: &[SystemTriggerType] = &[
        SystemTriggerType::TimeZoneChange,
        SystemTriggerType::InternetAvailable,
        SystemTriggerType::UserPresent,
        SystemTriggerType::UserAway,
    ];
    let kinds = if trigger < 230 { SERVED } else { SystemTriggerType::ALL };
    let wanted = if conditions < 150 { 0 } else { conditions };
    let served = SystemConditionType::ALL.iter().copied().take(4);
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
            _ => Trigger::System { kind: pick(kinds, trigger).expect("some"), one_shot: trigger.is_multiple_of(7) },
        },
        conditions: served.filter(|kind| (wanted >> kind.number()) & 1 == 1).map(Condition::from).collect(),
        cancel_on_condition_loss: flag,
        is_network_requested: false,
        group: None,
    }
}

/// The core with everything the outside knows of it.
struct World {
    core: Core,
    config: Config,
    now: Now,
    tasks: Vec<TaskId>,
    runs: Vec<(HostId, InstanceId)>,
    sequences: Vec<u64>,
    registrations: BTreeMap<TaskId, Standing>,
    activations: BTreeMap<InstanceId, TaskId>,
}

impl World {
    fn new(config: Config, snapshot: Snapshot) -> Self {
        let mut world = Self {
            core: Core::new(config.clone(), 3),
            config,
            now: Now::ZERO,
            tasks: snapshot.registrations.iter().map(|it| it.id).collect(),
            runs: vec![(HostId(u64::MAX), InstanceId::from_random(0))],
            sequences: vec![0, u64::MAX],
            registrations: BTreeMap::new(),
            activations: BTreeMap::new(),
        };
        world.tell(Input::AppInstalled(installed(0, 101)));
        world.registrations = snapshot.registrations.iter().map(|it| (it.id, it.standing)).collect();
        world.activations = snapshot.activations.iter().map(|(id, it)| (it.instance, *id)).collect();
        world.tell(Input::Restore(Box::new(snapshot)));
        for number in 0..3 {
            world.tell(Input::AppInstalled(installed(number, 101)));
            let request = Request::RequestAccess { app: app(number), application: String::new() };
            world.tell(Input::Request(RequestId(0), request));
        }
        world
    }

    fn make(&mut self, step: Move) {
        match step {
            Move::Wait(millis) => self.now = self.now + Duration::from_millis(u64::from(millis % 6_000)),
            Move::Wake => {
                if let Output::Wake(Some(wake)) = self.core.poll() {
                    self.now = self.now + wake.at.since(self.now.boot);
                }
                self.tell(Input::Tick);
            }
            step => {
                let input = self.input(step);
                self.tell(input);
            }
        }
    }

    fn input(&self, step: Move) -> Input {
        let request = |request| Input::Request(RequestId(1), request);
        // Mostly one of the last runs as it was ordered, now and then a host with the instance of another.
        let recent = &self.runs[self.runs.len().saturating_sub(4)..];
        let host = |number| pick(recent, number).expect("one is always there").0;
        let instance = |h, i: u8| pick(recent, if i.is_multiple_of(8) { i } else { h }).expect("one is always there").1;
        match step {
            Move::Install(number, version) => Input::AppInstalled(installed(number, version)),
            Move::Remove(number) => Input::AppRemoved(app(number)),
            Move::Status(fact, status) => Input::SourceStatus(pick(Fact::ALL, fact).expect("some"), status_of(status)),
            Move::Zone(zone, previous_offset_seconds) => Input::Report(Report::TimeZone {
                zone: Zone { identity: (zone % 4).to_string(), offset_seconds: i32::from(zone % 3) * 3_600 },
                previous_offset_seconds,
            }),
            Move::Internet(value) => Input::Report(Report::Level(Fact::Internet, value)),
            Move::User(value) => Input::Report(Report::Level(Fact::UserPresence, value)),
            Move::Register(number, entry, trigger, conditions, flag) => {
                request(Request::Register(app(number), registration(entry, trigger, conditions, flag)))
            }
            Move::Unregister(task, scope, cancel) => request(Request::Unregister {
                scope: scope.map(app),
                task: pick(&self.tasks, task).unwrap_or(TaskId::from_random(1)),
                cancel,
            }),
            Move::Level(fact, value) => Input::Report(match fact % 3 {
                0 => Report::Level(Fact::ExternalPower, value),
                1 => Report::Level(Fact::EnergySaver, value && fact > 180),
                _ => Report::Level(Fact::MemoryPressure, value && fact > 180),
            }),
            Move::Update(number, entry, trigger, conditions, flag) => {
                request(Request::RegisterOrUpdate(app(number), registration(entry, trigger, conditions, flag)))
            }
            Move::Setting(number, setting) => match setting {
                0..=20 => request(Request::SetBackground { enabled: setting > 3 }),
                21..=40 => Input::Policy(policy(number, setting)),
                _ => request(Request::SetAccess(app(number), AccessSetting::from_number(u32::from(setting % 5)))),
            },
            Move::Demand(number, true) => {
                request(Request::Raise { by: number.is_multiple_of(9).then(|| app(number)), event: "event".into() })
            }
            Move::Demand(number, false) => {
                let details = number.is_multiple_of(2).then(|| Details([number].into()));
                request(Request::Activate { app: app(number), media: false, details })
            }
            Move::Terminate(number) => request(Request::Terminate(app(number))),
            Move::Usage(h, used) => {
                let cpu = Duration::from_micros(u64::from(used));
                Input::HostUsage { host: host(h), usage: Usage { cpu, io: u64::from(used % 3), memory_peak: None } }
            }
            Move::Access(number, ask) => {
                let (app, application) = (app(number), String::new());
                request(if ask {
                    Request::RequestAccess { app, application }
                } else {
                    Request::RemoveAccess { app, application }
                })
            }
            Move::Acknowledge(number, sequence) => {
                request(Request::Acknowledge(app(number), pick(&self.sequences, sequence).expect("some")))
            }
            Move::Attach(client, number) => {
                Input::Attach { client: ClientId(u64::from(client % 4)), app: app(number), activates: client > 90 }
            }
            Move::Detach(client) => Input::Detach(ClientId(u64::from(client % 4))),
            Move::Started(h, i) => Input::HostStarted(host(h), instance(h, i)),
            Move::Progress(h, i, value) => Input::HostProgress(host(h), instance(h, i), value),
            Move::Finished(h, i, ok) => {
                let result = if ok { Ok(()) } else { Err("e".into()) };
                Input::HostFinished { host: host(h), instance: instance(h, i), result, usage: None }
            }
            Move::Exited(h, exit) => Input::HostExited {
                host: host(h),
                exit: HostExit::Code(i32::from(exit)),
                output_tail: String::new(),
                usage: None,
            },
            Move::Wait(_) | Move::Wake => Input::Tick,
        }
    }

    fn tell(&mut self, input: Input) {
        let is_request = matches!(input, Input::Request(..));
        let mut replies = 0;
        self.core.handle(self.now, input);
        loop {
            match self.core.poll() {
                Output::Wake(_) => break,
                Output::Persist(change) => self.persist(change),
                Output::Run(host, order) => self.runs.push((host, order.instance)),
                Output::Reply(_, reply) => {
                    replies += 1;
                    if let Ok(Reply::Registered(task) | Reply::Updated(task, _)) = reply {
                        self.tasks.push(task);
                    }
                }
                _ => {}
            }
        }
        assert_eq!(replies, usize::from(is_request), "one answer to one request");
        self.check();
    }

    fn persist(&mut self, change: Change) {
        match change {
            Change::PutRegistration(registration) => {
                self.registrations.insert(registration.id, registration.standing);
            }
            Change::DeleteRegistration(id) => {
                assert!(self.registrations.remove(&id).is_some(), "{id} is deleted twice");
            }
            Change::PutActivation(id, activation) => {
                self.activations.insert(activation.instance, id);
            }
            Change::DeleteActivation(instance) => {
                self.activations.remove(&instance);
            }
            Change::PutCompletion(completion) => self.sequences.push(completion.sequence),
            _ => {}
        }
    }

    fn check(&mut self) {
        let activations: BTreeMap<_, _> = self.core.activations().map(|(it, a)| (a.instance, it.id)).collect();
        assert_eq!(activations, self.activations, "live and durable activations");
        let listed = self.core.registrations(None).len();
        let durable = self.registrations.values().filter(|standing| **standing != Standing::Unregistered).count();
        assert_eq!(listed, durable, "live and durable registrations");

        let occupied: Vec<_> = self.core.activations().filter_map(|(it, a)| Some((a.state.host()?, it))).collect();
        assert!(occupied.len() <= self.config.max_running);
        let idle = self.core.hosts().filter(|host| matches!(host.state, HostState::Idle { until: Some(_) })).count();
        assert!(idle <= self.config.max_warm_hosts);
        for host in self.core.hosts() {
            let on_it: Vec<_> = occupied.iter().filter(|(id, _)| *id == host.id).collect();
            match host.state {
                HostState::Busy { instances } => assert_eq!(on_it.len(), instances as usize, "{host:?}"),
                HostState::Killing => {}
                HostState::Idle { .. } | HostState::Retiring { .. } => assert!(on_it.is_empty(), "{host:?}"),
            }
            assert!(on_it.iter().all(|(_, it)| it.app == host.app), "{host:?}");
            let alone = matches!(&host.kind, HostKind::Launched(its) if !matches!(its.sharing, Sharing::Together(_)));
            assert!(!alone || on_it.len() <= 1, "{host:?}");
        }
        assert!(
            occupied.iter().all(|(id, _)| self.core.hosts().any(|host| host.id == *id)),
            "an instance has its host"
        );
        for task in &self.tasks {
            let why = self.core.why(*task, self.now);
            assert!(why.is_none_or(|why| why.sentence.ends_with('.')));
        }
    }
}

fn policy(number: u8, setting: u8) -> Policy {
    let entry = PolicyEntry { rule: pick(PolicyRule::ALL, setting).expect("some"), file: "file".into() };
    Policy { default: None, apps: [(app(number), entry)].into() }
}

fn status_of(number: u8) -> SourceStatus {
    let text = String::new;
    match number % 3 {
        0 => SourceStatus::Available { how: text() },
        1 => SourceStatus::Degraded { how: text(), why: text(), help: text() },
        _ => SourceStatus::Missing { why: text(), help: text() },
    }
}

/// What a store may hold after any crash, and some things it never should.
fn snapshots() -> impl Strategy<Value = Snapshot> {
    let row = (any::<u8>(), any::<u8>(), 0..3u8, 0..7u8, 1..5u32, any::<bool>());
    prop::collection::vec(row, 0..6).prop_map(|rows| {
        let mut snapshot = Snapshot { last_sequence: 3, ..Snapshot::default() };
        for (number, (entry, trigger, standing, state, attempt, next)) in (1u8..).zip(rows) {
            let id = TaskId::from_random(u128::from(number));
            let new = registration(entry, trigger, entry, next);
            let standing = [Standing::Active, Standing::Spent, Standing::Unregistered][usize::from(standing)];
            let state = state_of(state);
            // Only a registration that still fires may be without an activation.
            if state.is_some() || standing == Standing::Active || trigger.is_multiple_of(5) {
                snapshot.registrations.push(stored(id, entry, new, standing));
            }
            if let Some(state) = state {
                let firing = Firing { at: Now::ZERO.wall, count: attempt, details: None, lost: 0, by_hand: false };
                let instance = InstanceId::from_random(u128::from(number));
                snapshot.activations.push((id, activation(instance, firing.clone(), attempt, state)));
                if next {
                    let instance = InstanceId::from_random(u128::from(number) + 100);
                    let state = ActivationState::Waiting { since: Now::ZERO.wall };
                    snapshot.activations.push((id, activation(instance, firing, attempt, state)));
                }
            }
        }
        snapshot.completions.push(Completion {
            sequence: 2,
            app: app(0),
            task: TaskId::from_random(99),
            name: "old".into(),
            instance: InstanceId::from_random(99),
            at: Now::ZERO.wall,
            outcome: Outcome::Succeeded,
            progress: None,
        });
        snapshot
    })
}

fn activation(instance: InstanceId, firing: Firing, attempt: u32, state: ActivationState) -> Activation {
    Activation { instance, firing, attempt, failures: 0, not_before: None, message: None, started: None, state }
}

fn stored(id: TaskId, number: u8, new: NewRegistration, standing: Standing) -> Registration {
    Registration {
        id,
        app: app(number),
        name: new.name.into(),
        entry: new.entry,
        trigger: new.trigger,
        conditions: new.conditions.into(),
        cancel_on_condition_loss: new.cancel_on_condition_loss,
        is_network_requested: false,
        group: None,
        registered_at: Now::ZERO.wall,
        due: None,
        counted_in: None,
        standing,
        paused: false,
        last: None,
        fresh_since: None,
        overdue: false,
    }
}

fn state_of(number: u8) -> Option<ActivationState> {
    let (host, reason, progress) = (HostId(5), CancellationReason::Abort, Some(7));
    let (since, deadline) = (Now::ZERO.wall, Now::ZERO.boot);
    Some(match number {
        0 => ActivationState::Waiting { since },
        1 => ActivationState::Starting { host, warm: true, deadline },
        2 => ActivationState::Running { host, since, deadline, progress },
        3 => ActivationState::Cancelling { host, reason, kill_at: deadline, progress },
        4 => ActivationState::Killing { host, reason, progress },
        5 => ActivationState::Ended,
        _ => return None,
    })
}

fn configs() -> impl Strategy<Value = Config> {
    (0..8usize, 0..4usize, 0..3u64, 0..4u64, 0..4u32).prop_map(|(running, warm, grace, linger, attempts)| Config {
        max_running: running,
        max_warm_hosts: warm,
        cancel_grace: Duration::from_secs(grace),
        warm_linger: Duration::from_secs(linger * 10),
        max_attempts: attempts,
        ..Config::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_breaks_the_tables(
        config in configs(),
        snapshot in snapshots(),
        steps in prop::collection::vec(moves(), 0..200),
    ) {
        let mut world = World::new(config, snapshot);
        for step in steps {
            world.make(step);
        }
        world.tell(Input::Stop);
        for _ in 0..20 {
            world.make(Move::Wake);
        }
        prop_assert!(
            world.core.hosts().all(|host| host.state == HostState::Killing),
            "after the log-off every host that is left is being killed"
        );
    }
}
