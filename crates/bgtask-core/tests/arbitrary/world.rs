//! The core with everything the outside knows of it, and what must be true of both after every input.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bgtask_core::limits::MAX_DETAILS_BYTES;
use bgtask_core::{
    AccessSetting, ActivationState, App, AppId, Cause, Change, ClientId, Condition, Config, Core, Demand, Details,
    Entry, Event, EventKind, Fact, HostExit, HostId, HostKind, HostState, Input, InstanceId, Now, Output, Reply,
    Report, Request, RequestId, RunOrder, Sharing, Snapshot, Standing, TaskId, Usage, WallTime, Zone,
};

use crate::callers::Callers;
use crate::commands::command;
use crate::heard::Heard;
use crate::moves::{Move, app, installed, pick, policy, registration, status_of};
use crate::rations::Rations;
use crate::store::Store;

pub(crate) struct World {
    pub(crate) core: Core,
    config: Config,
    now: Now,
    lives: u64,
    store: Store,
    installed: BTreeMap<AppId, App>,
    tasks: Vec<TaskId>,
    runs: Vec<(HostId, InstanceId)>,
    /// The calendars that were asked for.
    plans: VecDeque<TaskId>,
    heard: Heard,
    callers: Callers,
    rations: Rations,
    stopped: bool,
    /// The broker wants to be woken for something that is due already.
    overslept: bool,
}

impl World {
    pub(crate) fn new(config: Config, snapshot: Snapshot) -> Self {
        let store = Store::new(snapshot);
        let mut world = Self {
            core: Core::new(config.clone(), 0),
            config,
            now: Now::ZERO,
            lives: 0,
            tasks: store.tasks().into_iter().collect(),
            store,
            installed: BTreeMap::new(),
            runs: vec![(HostId(u64::MAX), InstanceId::from_random(0))],
            plans: VecDeque::new(),
            heard: Heard::default(),
            callers: Callers::default(),
            rations: Rations::default(),
            stopped: false,
            overslept: false,
        };
        for app in [App::of_commands(), installed(0, 101)] {
            world.installed.insert(app.id.clone(), app);
        }
        world.restart();
        for number in 0..3 {
            world.tell(Input::AppInstalled(installed(number, 101)));
            let request = Request::RequestAccess { app: app(number), application: String::new() };
            world.tell(Input::Request(RequestId(0), request));
        }
        world
    }

    /// The broker is gone with everything it had in memory, and another one starts.
    fn restart(&mut self) {
        self.lives += 1;
        self.core = Core::new(self.config.clone(), self.lives);
        self.plans.clear();
        self.heard = Heard::default();
        self.callers.die();
        self.rations = Rations::default();
        for app in self.installed.clone().into_values() {
            self.give(Input::AppInstalled(app));
        }
        let snapshot = self.store.snapshot();
        self.tell(Input::Restore(Box::new(snapshot)));
    }

    pub(crate) fn make(&mut self, step: Move) {
        match step {
            Move::Wait(millis) => self.now = self.now + Duration::from_millis(u64::from(millis % 6_000)),
            Move::Wake => {
                if let Output::Wake(Some(wake)) = self.core.poll() {
                    self.now = self.now + wake.at.since(self.now.boot);
                }
                self.tick();
            }
            Move::ClockSet(millis) => {
                self.now.wall = WallTime::from_micros(self.now.wall.as_micros() + i64::from(millis) * 1_000);
                self.tick();
            }
            Move::Restart => self.restart(),
            Move::Open(number, caller) => {
                let request = Request::OpenAppService {
                    caller: (caller > 40).then(|| app(caller)),
                    app: app(number),
                    service: if number > 240 { "other" } else { "service" }.to_owned(),
                    socket: self.callers.keep(),
                    details: caller.is_multiple_of(2).then(|| Details([caller].into())),
                };
                self.tell(Input::Request(RequestId(1), request));
            }
            Move::Planned(_) => {
                let input = self.input(step);
                self.plans.pop_front();
                self.tell(input);
            }
            step => {
                let input = self.input(step);
                self.tell(input);
            }
        }
    }

    /// Time passed; what that brings about is done with a few ticks, and then nothing is due.
    fn tick(&mut self) {
        for _ in 0..5 {
            self.tell(Input::Tick);
            match self.core.poll() {
                Output::Wake(Some(wake)) if wake.at <= self.now.boot => {}
                _ => return,
            }
        }
        panic!("the core asks to be woken again and again: {:?}", self.core.poll());
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
            Move::Unregister(task, scope, cancel) => {
                request(Request::Unregister { scope: scope.map(app), task: self.any_task(task), cancel })
            }
            Move::Level(fact, value) => Input::Report(match fact % 6 {
                0 => Report::Level(Fact::ExternalPower, value),
                1 => Report::Level(Fact::EnergySaver, value && fact > 180),
                2 => Report::Level(Fact::MemoryPressure, value && fact > 180),
                3 => Report::Level(Fact::BatteryAbove(if fact > 128 { 50 } else { 33 }), value),
                4 => Report::Level(Fact::Screen, value),
                _ => Report::Level(Fact::SessionConnected, value),
            }),
            Move::State(fact, state) => {
                let states = [Fact::NetworkState, Fact::PowerState, Fact::OnlineAccounts, Fact::DefaultAccount];
                Input::Report(Report::State(pick(&states, fact).expect("four"), (state % 3).to_string().into()))
            }
            Move::Heard(number, status) => Input::Heard(self.any_task(number), status_of(status)),
            Move::DeviceGone(number) => Input::DeviceGone(self.any_task(number)),
            Move::Update(number, entry, trigger, conditions, flag) => {
                request(Request::RegisterOrUpdate(app(number), registration(entry, trigger, conditions, flag)))
            }
            Move::Setting(number, setting) => match setting {
                0..=60 => request(Request::SetBackground { enabled: setting > 20 }),
                61..=90 => Input::Policy(policy(number, setting)),
                _ => request(Request::SetAccess(app(number), AccessSetting::from_number(u32::from(setting % 5)))),
            },
            Move::Demand(number, true) => {
                request(Request::Raise { by: number.is_multiple_of(9).then(|| app(number)), event: "event".into() })
            }
            Move::Demand(number, false) => {
                let details = number.is_multiple_of(2).then(|| Details([number].into()));
                let demand = if number % 3 == 0 { Demand::DeviceUse } else { Demand::Application };
                request(Request::Activate { app: app(number / 3), demand, details })
            }
            Move::Terminate(number) => request(Request::Terminate(app(number))),
            Move::Usage(h, used) => {
                // Sometimes less than before, and not always of everything.
                let cpu = Duration::from_millis(u64::from(used));
                let memory_peak = used.is_multiple_of(3).then_some(u64::from(used) * 2);
                let network = (used % 4 > 0).then_some(u64::from(used));
                let processes = used.is_multiple_of(5).then_some(u32::from(used));
                let usage = Usage { cpu, io: u64::from(used % 3), memory_peak, network, processes };
                Input::HostUsage { host: host(h), usage }
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
                request(Request::Acknowledge(app(number), pick(&self.store.sequences(), sequence).expect("some")))
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
                exit: HostExit::Code(i32::from(exit % 3)),
                output_tail: String::new(),
                usage: Some(Usage { cpu: Duration::from_secs(u64::from(exit)), io: 1, ..Usage::default() }),
            },
            Move::Command(name, a, b, update) => {
                let (app, new) = (AppId::new(App::COMMANDS).expect("it is one"), command(name, a, b));
                request(if update { Request::RegisterOrUpdate(app, new) } else { Request::Register(app, new) })
            }
            Move::ByHand(number, what) => request(self.by_hand(number, what, recent)),
            Move::Planned(after) => {
                let task = self.plans.front().copied().or(pick(&self.tasks, 0)).unwrap_or(TaskId::from_random(1));
                let early = self.now.wall.as_micros() - 100_000_000;
                let at = |seconds: u32| WallTime::from_micros(early + i64::from(seconds % 4_000) * 1_000_000);
                Input::Planned { task, at: after.map(at) }
            }
            Move::Event(number, lines, lost) => {
                let lines = if lines > 240 { 7_000 } else { usize::from(lines % 4) };
                Input::Happened {
                    task: self.any_task(number),
                    events: Details("line\n".repeat(lines).into_bytes().into()),
                    count: u32::try_from(lines).expect("few"),
                    lost: u32::from(lost % 3),
                }
            }
            Move::CallerGone(number) => {
                let some = pick(&self.callers.instances, number);
                Input::CallerGone(some.unwrap_or(InstanceId::from_random(1)))
            }
            Move::Took(h, i) => Input::SocketTaken(host(h), instance(h, i)),
            Move::Wait(_) | Move::Wake | Move::ClockSet(_) | Move::Open(..) | Move::Restart => Input::Tick,
        }
    }

    fn any_task(&self, number: u8) -> TaskId {
        pick(&self.tasks, number).unwrap_or(TaskId::from_random(1))
    }

    fn by_hand(&self, number: u8, what: u8, recent: &[(HostId, InstanceId)]) -> Request {
        let task = self.any_task(number);
        match what % 8 {
            0..=2 => Request::RunNow { task, respect_conditions: what.is_multiple_of(2) },
            3 | 4 => Request::SetPaused { task, paused: true },
            5 => Request::SetPaused { task, paused: false },
            6 => Request::Cancel(task),
            _ => {
                let instance = pick(recent, number).expect("one is always there").1;
                Request::ReportProgress { instance, value: u32::from(what), message: "half".into() }
            }
        }
    }

    pub(crate) fn tell(&mut self, input: Input) {
        match &input {
            Input::AppInstalled(app) => drop(self.installed.insert(app.id.clone(), app.clone())),
            Input::AppRemoved(app) => drop(self.installed.remove(app)),
            Input::Stop => self.stopped = true,
            _ => {}
        }
        self.give(input);
        self.check();
    }

    fn give(&mut self, input: Input) {
        let is_request = matches!(input, Input::Request(..));
        let mut replies = 0;
        let mut readings = Vec::new();
        self.core.handle(self.now, input);
        loop {
            match self.core.poll() {
                Output::Wake(wake) => {
                    self.overslept = wake.is_some_and(|wake| wake.at <= self.now.boot);
                    break;
                }
                Output::Persist(change) => {
                    if let Change::Record(event) = &change {
                        self.check_event(event);
                    }
                    self.store.apply(change);
                }
                Output::Run(host, order) => {
                    self.rations.obey(&Output::Run(host, order.clone()));
                    self.check_start(&order);
                    self.runs.push((host, order.instance));
                }
                Output::Reply(id, reply) => {
                    self.callers.obey(&Output::Reply(id, reply.clone()));
                    replies += 1;
                    if let Ok(Reply::Registered(task) | Reply::Updated(task, _)) = reply
                        && !self.tasks.contains(&task)
                    {
                        self.tasks.push(task);
                    }
                }
                // In every third life nothing is known of the machine at first.
                Output::Watch(fact @ (Fact::EnergySaver | Fact::MemoryPressure)) if !self.lives.is_multiple_of(3) => {
                    readings.push(Input::Report(Report::Level(fact, false)));
                }
                Output::Plan { task, .. } => self.plans.push_back(task),
                order => {
                    self.rations.obey(&order);
                    self.heard.obey(&order);
                    self.callers.obey(&order);
                }
            }
        }
        assert_eq!(replies, usize::from(is_request), "one answer to one request");
        readings.into_iter().for_each(|reading| self.give(reading));
    }

    /// What is paused fires by hand only.
    fn check_event(&self, event: &Event) {
        let EventKind::Fired { cause, .. } = event.kind else { return };
        let paused = self.store.registrations.get(&event.task).is_some_and(|it| it.paused);
        assert!(!paused || cause == Cause::Hand, "{event:?}");
    }

    /// What starts by itself has its conditions; the details are within their bound.
    fn check_start(&self, order: &RunOrder) {
        let (registration, _) = self.core.task(order.task).expect("it runs");
        let holds = |condition: &Condition| self.core.levels().holds(*condition);
        let free = registration.conditions.iter().all(holds) && !registration.paused;
        assert!(free || order.firing.by_hand, "{order:?}");
        assert!(order.firing.details.as_ref().is_none_or(|details| details.0.len() <= MAX_DETAILS_BYTES));
        assert!(order.firing.count > 0 && order.attempt > 0, "{order:?}");
        let in_background = matches!(order.entry, Entry::Component(_)) && !order.trigger.is_critical();
        let left = self.core.budget_left(&registration.app, self.now);
        assert!(left.throttled.is_none() || !in_background, "{order:?} with {left:?}");
    }

    fn check(&mut self) {
        self.check_store();
        self.check_hosts();
        self.check_commands();
        self.heard.check(&self.core, &self.store);
        self.callers.check(&self.core);
        self.rations.check(&self.core, &self.config, self.now, &self.store);
        self.check_why();
    }

    /// Every task has its sentence, and who may run does.
    fn check_why(&self) {
        let occupied = self.core.activations().filter(|(_, it)| it.state.host().is_some()).count();
        let room = occupied < self.config.max_running && !self.stopped && !self.overslept;
        for why in self.tasks.iter().filter_map(|task| self.core.why(*task, self.now)) {
            assert!(why.sentence.ends_with('.'), "{why:?}");
            let waits = matches!(why.phase, "latched" | "buffered");
            let may_run = why.gates.iter().all(|gate| gate.open);
            assert!(!(waits && may_run && room), "{why:?}");
            assert_eq!(
                why.used.is_some(),
                matches!(why.phase, "starting" | "running" | "suspended" | "cancelling"),
                "{why:?}"
            );
        }
    }

    /// What lives is what is durable; of what runs only that it does.
    fn check_store(&self) {
        let live: BTreeMap<_, _> = self.core.activations().map(|(it, a)| (a.instance, (it.id, a))).collect();
        let durable: Vec<_> = self.store.activations.keys().collect();
        assert_eq!(live.keys().collect::<Vec<_>>(), durable, "live and durable activations");
        for (instance, (id, activation)) in live {
            let (durable_id, durable) = &self.store.activations[&instance];
            let waits = matches!(activation.state, ActivationState::Waiting { .. });
            assert!(id == *durable_id && (!waits || activation == durable), "{activation:?} and {durable:?}");
        }
        for (id, durable) in &self.store.registrations {
            assert_eq!(self.core.task(*id).map(|(it, _)| it), Some(durable), "live and durable registrations");
        }
        let unlisted = self.store.registrations.values().filter(|it| it.standing == Standing::Unregistered).count();
        assert_eq!(self.core.registrations(None).len() + unlisted, self.store.registrations.len());
    }

    fn check_commands(&self) {
        let listed: Vec<_> = self.core.registrations(None);
        let commands = || listed.iter().filter(|it| it.entry.command().is_some());
        let names: BTreeSet<_> = commands().map(|it| &it.name).collect();
        assert_eq!(names.len(), commands().count(), "the name of a command is its own");
    }

    fn check_hosts(&self) {
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
    }
}
