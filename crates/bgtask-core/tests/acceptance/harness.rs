//! A broker on virtual time, with its store, its hosts and its clients played by the test.

mod shapes;

use std::collections::VecDeque;
use std::time::Duration;

use bgtask_core::{
    App, Change, ClientId, Completion, Config, Core, Event, EventKind, Fact, HostExit, HostId, Input, InstanceId,
    NewRegistration, Notice, Now, Outcome, Output, Refusal, Reply, Report, Request, RequestId, RunOrder, Snapshot,
    SourceStatus, TaskId, Update, Usage, WakeReason, WallTime, Why, Zone,
};

pub(crate) use shapes::*;

pub(crate) struct Broker {
    pub(crate) core: Core,
    pub(crate) now: Now,
    pub(crate) config: Config,
    /// What the store would hold.
    pub(crate) durable: Snapshot,
    /// Everything that was recorded, over all lives.
    pub(crate) history: Vec<Event>,
    /// Orders no test has looked at yet.
    orders: VecDeque<Output>,
    installed: Vec<App>,
    zone: Option<i32>,
    /// What energy saver and memory pressure read when they are first watched; `None` leaves them unknown.
    pub(crate) first_levels: Option<bool>,
    requests: u64,
    lives: u64,
    /// The hours that the machine's clock is ahead of UTC, for the calendars of tests.
    pub(crate) hours_ahead: i64,
}

/// One instance on its host.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) host: HostId,
    pub(crate) order: RunOrder,
}

const DAY: i64 = 86_400_000_000;

impl Broker {
    /// A broker that knows no app but the user's own commands.
    pub(crate) fn of_commands() -> Self {
        Self::of_commands_with(Config::default())
    }

    pub(crate) fn of_commands_with(config: Config) -> Self {
        let mut broker = Self::empty(config);
        broker.install(App::of_commands());
        broker
    }

    /// A broker with the app [`PHOTOS`], which may run in the background.
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let mut broker = Self::empty(config);
        broker.install(app(PHOTOS, "1"));
        broker.allow(PHOTOS);
        broker
    }

    pub(crate) fn empty(config: Config) -> Self {
        Self {
            core: Core::new(config.clone(), 1),
            now: Now::ZERO + seconds(1_000),
            config,
            durable: Snapshot::default(),
            history: Vec::new(),
            orders: VecDeque::new(),
            installed: Vec::new(),
            zone: None,
            first_levels: Some(false),
            requests: 0,
            lives: 1,
            hours_ahead: 0,
        }
    }

    pub(crate) fn tell(&mut self, input: Input) {
        let mut answers = Vec::new();
        self.core.handle(self.now, input);
        loop {
            match self.core.poll() {
                Output::Persist(change) => self.persist(change),
                Output::Wake(_) => break,
                order => {
                    answers.extend(self.first_reading(&order).map(Input::Report));
                    answers.extend(self.planned(&order));
                    self.orders.push_back(order);
                }
            }
        }
        answers.into_iter().for_each(|answer| self.tell(answer));
    }

    /// The driver reads calendars: here `daily HH` on the machine's clock, `at SECONDS` once, and `never`.
    fn planned(&self, order: &Output) -> Option<Input> {
        let Output::Plan { task, calendar, after, .. } = order else { return None };
        let number = |text: &str| text.parse::<i64>().expect("a number");
        let at = match calendar.split_once(' ') {
            Some(("daily", hour)) => {
                let shift = (number(hour) - self.hours_ahead) * 3_600_000_000;
                let days = (after.as_micros() - shift).div_euclid(DAY) + 1;
                Some(WallTime::from_micros(days * DAY + shift))
            }
            Some(("at", second)) => Some(WallTime::from_micros(number(second) * 1_000_000)).filter(|at| at > after),
            _ => None,
        };
        Some(Input::Planned { task: *task, at })
    }

    /// The sources every task stands on know their level from the start, unless a test is about that.
    fn first_reading(&self, order: &Output) -> Option<Report> {
        match order {
            Output::Watch(Fact::EnergySaver) => self.first_levels.map(|value| Report::Level(Fact::EnergySaver, value)),
            Output::Watch(Fact::MemoryPressure) => {
                self.first_levels.map(|value| Report::Level(Fact::MemoryPressure, value))
            }
            _ => None,
        }
    }

    /// Time passes without a tick, as when the store fails; then this happens.
    pub(crate) fn tell_after(&mut self, time: Duration, input: Input) {
        self.now = self.now + time;
        self.tell(input);
    }

    /// Time passes, and the broker is woken whenever it asked for it.
    pub(crate) fn passes(&mut self, time: Duration) {
        let end = self.now + time;
        let mut wakes = 0;
        while let Output::Wake(Some(wake)) = self.core.poll()
            && wake.at <= end.boot
        {
            wakes += 1;
            assert!(wakes < 100, "the core asks to be woken again and again: {wake:?}");
            self.now = self.now + wake.at.since(self.now.boot);
            self.tell(Input::Tick);
        }
        self.now = self.now + end.boot.since(self.now.boot);
    }

    /// Ticks once, and again for as long as the core wants to go on at once.
    pub(crate) fn goes_on(&mut self) {
        self.tell(Input::Tick);
        while let Output::Wake(Some(wake)) = self.core.poll()
            && wake.at <= self.now.boot
        {
            self.tell(Input::Tick);
        }
    }

    /// The broker dies with everything it had in memory, and all hosts with it; another one starts.
    pub(crate) fn restarts(&mut self) {
        self.lives += 1;
        self.core = Core::new(self.config.clone(), self.lives);
        self.orders.clear();
        self.zone = None;
        self.installed.clone().into_iter().for_each(|app| self.tell(Input::AppInstalled(app)));
        let snapshot = self.durable.clone();
        self.tell(Input::Restore(Box::new(snapshot)));
    }

    pub(crate) fn install(&mut self, app: App) {
        self.installed.retain(|installed| installed.id != app.id);
        self.installed.push(app.clone());
        self.tell(Input::AppInstalled(app));
    }

    /// The manifest changes while no broker runs.
    pub(crate) fn replace_while_down(&mut self, app: App) {
        self.installed.retain(|installed| installed.id != app.id);
        self.installed.push(app);
    }

    pub(crate) fn uninstall(&mut self, name: &str) {
        self.installed.retain(|installed| installed.id.as_str() != name);
        self.tell(Input::AppRemoved(app_id(name)));
    }

    pub(crate) fn request(&mut self, request: Request) -> Result<Reply, Refusal> {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.tell(Input::Request(id, request));
        let place = self.orders.iter().position(|order| matches!(order, Output::Reply(to, _) if *to == id));
        match self.orders.remove(place.expect("every request is answered")) {
            Some(Output::Reply(_, reply)) => reply,
            _ => unreachable!("it was just found"),
        }
    }

    pub(crate) fn allow(&mut self, app: &str) {
        let application = String::new();
        self.request(Request::RequestAccess { app: app_id(app), application }).expect("access is granted");
    }

    pub(crate) fn try_register(&mut self, app: &str, new: NewRegistration) -> Result<TaskId, Refusal> {
        match self.request(Request::Register(app_id(app), new))? {
            Reply::Registered(id) => Ok(id),
            other => panic!("asked to register, answered {other:?}"),
        }
    }

    pub(crate) fn register(&mut self, new: NewRegistration) -> TaskId {
        self.try_register(PHOTOS, new).expect("the registration is in order")
    }

    /// The user adds a command.
    pub(crate) fn add(&mut self, new: NewRegistration) -> TaskId {
        self.try_register(App::COMMANDS, new).expect("the command is in order")
    }

    pub(crate) fn refused(&mut self, new: NewRegistration) -> Refusal {
        self.try_register(App::COMMANDS, new).expect_err("something is wrong with it")
    }

    /// The user adds a command again, perhaps another one.
    pub(crate) fn edit(&mut self, new: NewRegistration) -> (TaskId, Update) {
        match self.request(Request::RegisterOrUpdate(app_id(App::COMMANDS), new)) {
            Ok(Reply::Updated(task, update)) => (task, update),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn run_now(&mut self, task: TaskId) -> InstanceId {
        match self.request(Request::RunNow { task, respect_conditions: false }) {
            Ok(Reply::Running(instance)) => instance,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn pause(&mut self, task: TaskId, paused: bool) {
        assert_eq!(self.request(Request::SetPaused { task, paused }), Ok(Reply::Set));
    }

    /// The clock on the wall is set; no other clock is.
    pub(crate) fn clock_set(&mut self, seconds: i64) {
        self.now.wall = WallTime::from_micros(self.now.wall.as_micros() + seconds * 1_000_000);
        self.tell(Input::Tick);
    }

    /// The names of what was ordered to run since the last look.
    pub(crate) fn ran(&mut self) -> Vec<String> {
        let runs = self.orders().into_iter().filter_map(|order| match order {
            Output::Run(_, order) => Some(order.name.to_string()),
            _ => None,
        });
        runs.collect()
    }

    pub(crate) fn unregister(&mut self, task: TaskId, cancel: bool) -> Result<Reply, Refusal> {
        self.request(Request::Unregister { scope: Some(app_id(PHOTOS)), task, cancel })
    }

    /// The zone source reads another zone; its first reading says nothing about the zone before.
    pub(crate) fn zone_changes(&mut self, identity: &str, offset_seconds: i32) {
        let previous_offset_seconds = self.zone.replace(offset_seconds);
        let zone = Zone { identity: identity.into(), offset_seconds };
        self.tell(Input::Report(Report::TimeZone { zone, previous_offset_seconds }));
    }

    pub(crate) fn internet(&mut self, reachable: bool) {
        self.tell(Input::Report(Report::Level(Fact::Internet, reachable)));
    }

    pub(crate) fn reads(&mut self, report: Report) {
        self.tell(Input::Report(report));
    }

    pub(crate) fn user(&mut self, present: bool) {
        self.tell(Input::Report(Report::Level(Fact::UserPresence, present)));
    }

    pub(crate) fn source(&mut self, fact: Fact, status: SourceStatus) {
        self.tell(Input::SourceStatus(fact, status));
    }

    pub(crate) fn attach(&mut self, client: u64, app: &str) {
        self.tell(Input::Attach { client: ClientId(client), app: app_id(app), activates: false });
    }

    /// The app runs by itself and takes its own tasks; answers the host it is from now on.
    pub(crate) fn app_starts(&mut self, client: u64, app: &str) -> HostId {
        self.tell(Input::Attach { client: ClientId(client), app: app_id(app), activates: true });
        let adopted = self.orders().into_iter().find_map(|order| match order {
            Output::Adopt { host, .. } => Some(host),
            _ => None,
        });
        adopted.expect("the app is a host now")
    }

    pub(crate) fn exits(&mut self, host: HostId, exit: HostExit) {
        self.tell(Input::HostExited { host, exit, output_tail: "last words".into(), usage: None });
    }

    /// A host that has work, the first of several.
    pub(crate) fn busy_host(&self) -> Option<HostId> {
        let busy = |host: &&bgtask_core::Host| matches!(host.state, bgtask_core::HostState::Busy { .. });
        self.core.hosts().find(busy).map(|host| host.id)
    }

    /// Everything ordered since the last look.
    pub(crate) fn orders(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.orders).into()
    }

    /// The one run that was ordered for a task of that name; it is taken off the orders.
    pub(crate) fn expect_run(&mut self, name: &str) -> Run {
        let is_it = |order: &Output| matches!(order, Output::Run(_, order) if &*order.name == name);
        let place = self.orders.iter().position(is_it);
        match place.and_then(|place| self.orders.remove(place)) {
            Some(Output::Run(host, order)) => Run { host, order: *order },
            _ => panic!("{name} does not run; ordered was {:?}", self.orders),
        }
    }

    pub(crate) fn expect_no_run(&mut self) {
        let run = self.orders().into_iter().find(|order| matches!(order, Output::Run(..)));
        assert_eq!(run, None, "nothing may run now");
    }

    /// The outcomes delivered to a client since the last look.
    pub(crate) fn delivered(&mut self, client: u64) -> Vec<Completion> {
        let completions = self.orders().into_iter().filter_map(|order| match order {
            Output::Deliver(to, Notice::Completed(completion)) if to == ClientId(client) => Some(completion),
            _ => None,
        });
        completions.collect()
    }

    pub(crate) fn why(&self, task: TaskId) -> Why {
        self.core.why(task, self.now).expect("there is such a task")
    }

    /// How long until the broker wants to be woken, and why.
    pub(crate) fn next_wake(&mut self) -> Option<(Duration, WakeReason)> {
        match self.core.poll() {
            Output::Wake(wake) => wake.map(|wake| (wake.at.since(self.now.boot), wake.why)),
            other => panic!("{other:?} was not fetched"),
        }
    }

    /// What was recorded of one task, one word each.
    pub(crate) fn story(&self, task: TaskId) -> Vec<&'static str> {
        self.history.iter().filter(|event| event.task == task).map(|event| event.kind.word()).collect()
    }

    /// How the last activation that ended did.
    pub(crate) fn last_outcome(&self) -> Outcome {
        let outcomes = self.history.iter().rev().filter_map(|event| match &event.kind {
            EventKind::Completed { outcome, .. } => Some(outcome.clone()),
            _ => None,
        });
        outcomes.into_iter().next().expect("an activation has ended")
    }

    fn persist(&mut self, change: Change) {
        let durable = &mut self.durable;
        match change {
            Change::PutRegistration(new) => {
                durable.registrations.retain(|registration| registration.id != new.id);
                durable.registrations.push(new);
            }
            Change::DeleteRegistration(id) => durable.registrations.retain(|registration| registration.id != id),
            Change::PutActivation(id, activation) => {
                durable.activations.retain(|(_, other)| other.instance != activation.instance);
                durable.activations.push((id, activation));
            }
            Change::PutAccount(app, account) => {
                durable.accounts.retain(|(its, _)| *its != app);
                durable.accounts.push((app, account));
            }
            Change::DeleteAccount(app) => durable.accounts.retain(|(its, _)| *its != app),
            Change::DeleteActivation(instance) => durable.activations.retain(|(_, it)| it.instance != instance),
            Change::PutCompletion(completion) => durable.completions.push(completion),
            Change::DeleteCompletion(sequence) => durable.completions.retain(|it| it.sequence != sequence),
            Change::PutSequence(sequence) => durable.last_sequence = sequence,
            Change::PutAccess(app, access) => {
                durable.access.retain(|(other, _)| *other != app);
                durable.access.push((app, access));
            }
            Change::DeleteAccess(app) => durable.access.retain(|(other, _)| *other != app),
            Change::PutSwitchedOff(value) => durable.switched_off = value,
            Change::PutVersion(app, version) => {
                durable.versions.retain(|(other, _)| *other != app);
                durable.versions.push((app, version));
            }
            Change::DeleteVersion(app) => durable.versions.retain(|(other, _)| *other != app),
            Change::PutChannel(channel) => {
                durable.channels.retain(|it| it.app != channel.app);
                durable.channels.push(channel);
            }
            Change::DeleteChannel(app) => durable.channels.retain(|it| it.app != app),
            Change::PutEdge(edge) => {
                durable.edges.retain(|it| it.number != edge.number);
                durable.edges.push(edge);
            }
            Change::DeleteEdge(number) => durable.edges.retain(|it| it.number != number),
            Change::PutOrder(order) => {
                durable.orders.retain(|it| it.id != order.id);
                durable.orders.push(order);
            }
            Change::DeleteOrder(id) => durable.orders.retain(|it| it.id != id),
            Change::PutZone(zone) => durable.zone = Some(zone),
            Change::DeleteZone => durable.zone = None,
            Change::PutState(fact, state) => {
                durable.states.retain(|(other, _)| *other != fact);
                durable.states.push((fact, state));
            }
            Change::DeleteState(fact) => durable.states.retain(|(other, _)| *other != fact),
            Change::PutSocket(socket) => {
                durable.sockets.retain(|its| its.key != socket.key);
                durable.sockets.push(socket);
            }
            Change::DeleteSocket(key) => durable.sockets.retain(|its| its.key != key),
            Change::Record(event) => self.history.push(event),
        }
    }
}

impl Run {
    pub(crate) fn instance(&self) -> InstanceId {
        self.order.instance
    }

    pub(crate) fn started(&self, broker: &mut Broker) {
        broker.tell(Input::HostStarted(self.host, self.order.instance));
    }

    /// The first process of a command has ended, and nothing is left of it.
    pub(crate) fn exits(&self, broker: &mut Broker, code: i32) {
        broker.exits(self.host, HostExit::Code(code));
    }

    /// The same, with what was seen to be used.
    pub(crate) fn exits_after(&self, broker: &mut Broker, cpu: Duration, io: u64) {
        let usage = Some(Usage { cpu, io, memory_peak: Some(1 << 20), network: None, processes: None });
        broker.tell(Input::HostExited { host: self.host, exit: HostExit::Code(0), output_tail: String::new(), usage });
    }

    pub(crate) fn progress(&self, broker: &mut Broker, value: u32) {
        broker.tell(Input::HostProgress(self.host, self.order.instance, value));
    }

    pub(crate) fn finishes(&self, broker: &mut Broker, result: Result<(), &str>) {
        let (host, instance, result) = (self.host, self.order.instance, result.map_err(str::to_owned));
        broker.tell(Input::HostFinished { host, instance, result, usage: None });
    }

    /// The reason it was told to stop for, if it was since the last look.
    pub(crate) fn cancelled(&self, broker: &mut Broker) -> Option<bgtask_core::CancellationReason> {
        broker.orders().into_iter().find_map(|order| match order {
            Output::Cancel(host, instance, notice) if (host, instance) == (self.host, self.order.instance) => {
                Some(notice.reason)
            }
            _ => None,
        })
    }
}
