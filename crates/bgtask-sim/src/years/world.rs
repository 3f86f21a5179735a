//! A machine for years: the core, the driver that wakes it, hosts that are done at once, and a list of all that mattered.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bgtask_calendar::Calendar;
use bgtask_core::{
    AccessSetting, App, AppId, BootTime, Budgets, Change, Config, Core, Event, EventKind, Fact, HostExit, Input,
    NewRegistration, Now, Output, Registration, Reply, Report, Request, RequestId, Snapshot, TaskId, Wake, WallTime,
    Zone,
};
use jiff::tz::TimeZone;

use super::tasks::{APPS, app};
use crate::chance::Chance;

/// 2030-01-01: ten years from then are across the end of 32-bit time.
const BEGIN: i64 = 1_893_456_000_000_000;
/// Where the machine is taken to.
const PLACES: [&str; 4] = ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Africa/Casablanca"];

/// So many times as long are the intervals of apps while the user saves energy.
pub(crate) const STRETCH: u32 = 4;

/// How long the machine is awake when it was woken.
const AWAKE: Duration = Duration::from_secs(5);

/// What changed the rules of the game between wake-ups.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    Begin,
    /// The clock was set back from then.
    SetBack(WallTime),
    /// The machine follows another zone, by its place in the list.
    Moved(usize),
    /// External power came or went.
    Power(bool),
    /// The user begins to save energy, or saves it no longer.
    Saving(bool),
    /// Another broker began.
    Restarted,
}

/// A time between two turns, in which the wall clock only goes forward.
#[derive(Clone, Debug)]
pub(crate) struct Stretch {
    pub(crate) turn: Turn,
    pub(crate) at: WallTime,
    /// When time was looked at, and how.
    pub(crate) looks: Vec<(WallTime, Look)>,
}

/// How it came that time was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// The broker was woken when it wanted to be.
    Woken,
    /// The machine slept until then, and could have been woken before.
    Slept,
    /// Before it was off, or its clock was another.
    Forced,
}

/// What became of one task.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) registration: Registration,
    /// In which stretch it was registered, and after how many looks.
    pub(crate) since: (usize, usize),
    pub(crate) fired: Vec<WallTime>,
    pub(crate) missed: u64,
    pub(crate) runs: u64,
}

pub(crate) struct World {
    core: Core,
    seed: u64,
    now: Now,
    wake: Option<Wake>,
    durable: Snapshot,
    registrations: BTreeMap<TaskId, Registration>,
    /// When the machine is to be woken, if it sleeps.
    rouse: Option<BootTime>,
    /// How often it was.
    pub(crate) roused: u64,
    /// How often something fired that may wake it.
    fired_that_wakes: u64,
    /// When it was woken, and nothing fired that may wake it.
    pub(crate) in_vain: Option<WallTime>,
    on_power: bool,
    saving: bool,
    place: usize,
    calendars: BTreeMap<String, Calendar>,
    zones: BTreeMap<String, TimeZone>,
    pub(crate) stretches: Vec<Stretch>,
    pub(crate) lives: BTreeMap<TaskId, Life>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let now = Now { wall: WallTime::from_micros(BEGIN), ..Now::ZERO };
        let begin = Stretch { turn: Turn::Begin, at: now.wall, looks: Vec::new() };
        let mut world = Self {
            core: Core::new(config(), seed),
            seed,
            now,
            wake: None,
            durable: Snapshot::default(),
            registrations: BTreeMap::new(),
            rouse: None,
            roused: 0,
            fired_that_wakes: 0,
            in_vain: None,
            on_power: true,
            saving: false,
            place: 0,
            calendars: BTreeMap::new(),
            zones: PLACES.iter().map(|name| ((*name).to_owned(), zone(name))).collect(),
            stretches: vec![begin],
            lives: BTreeMap::new(),
        };
        world.begin_broker();
        // What may run while energy is saved is what is always allowed.
        for name in APPS.into_iter().chain([App::COMMANDS]) {
            let setting = Some(AccessSetting::Always);
            let app = AppId::new(name).expect("an id");
            world.tell(Input::Request(RequestId(0), Request::SetAccess(app, setting)));
        }
        world
    }

    fn begin_broker(&mut self) {
        for name in APPS {
            self.tell(Input::AppInstalled(app(name)));
        }
        self.tell(Input::AppInstalled(App::of_commands()));
        let registrations = self.registrations.values().cloned().collect();
        self.tell(Input::Restore(Box::new(Snapshot { registrations, ..self.durable.clone() })));
    }

    pub(crate) fn register(&mut self, (app, new): (AppId, NewRegistration)) -> Result<(), String> {
        let since = (self.stretches.len() - 1, self.last().looks.len());
        let reply = self.tell(Input::Request(RequestId(1), Request::Register(app, new)));
        let id = match reply {
            Some(Ok(Reply::Registered(id))) => id,
            other => return Err(format!("it is not registered: {other:?}")),
        };
        let (registration, _) = self.core.task(id).ok_or("it is registered and not there")?;
        let registration = registration.clone();
        self.lives.insert(id, Life { registration, since, fired: Vec::new(), missed: 0, runs: 0 });
        Ok(())
    }

    pub(crate) const fn wall(&self) -> i64 {
        self.now.wall.as_micros()
    }

    /// Every time at which time was looked at.
    pub(crate) fn looks(&self) -> impl Iterator<Item = WallTime> {
        self.stretches.iter().flat_map(|stretch| stretch.looks.iter().map(|(at, _)| *at))
    }

    /// Time passes while the machine is awake: the broker is woken when it wants to be.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(wake) = self.wake.filter(|wake| wake.at <= end.boot) {
            self.now = self.now + wake.at.since(self.now.boot);
            self.look(Look::Woken);
        }
        self.now = self.now + end.boot.since(self.now.boot);
    }

    /// Time passes while it is asleep, but for what wakes it.
    pub(crate) fn sleep(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.rouse.filter(|at| *at <= end.boot) {
            self.now = self.now + at.since(self.now.boot);
            self.rouse = None;
            self.is_roused(end.boot.since(self.now.boot));
        }
        self.now = self.now + end.boot.since(self.now.boot);
        self.look_if_due(Look::Slept);
    }

    /// It is awake for a moment: the clocks need not agree to the last bit.
    fn is_roused(&mut self, most: Duration) {
        let before = self.fired_that_wakes;
        self.roused += 1;
        self.look_if_due(Look::Slept);
        self.pass(AWAKE.min(most));
        if self.fired_that_wakes == before && AWAKE <= most {
            self.in_vain.get_or_insert(self.now.wall);
        }
    }

    /// The wall clock is set: the driver hears of it.
    pub(crate) fn set_clock(&mut self, micros: i64) {
        self.step(micros);
        self.look(Look::Forced);
    }

    pub(crate) fn move_zone(&mut self, chance: &mut Chance) {
        let place = chance.index(PLACES.len());
        if place != self.place {
            self.place = place;
            self.turn(Turn::Moved(place));
            let report = self.zone_report();
            self.tell(Input::Report(report));
        }
    }

    pub(crate) fn power(&mut self, on: bool) {
        if std::mem::replace(&mut self.on_power, on) != on {
            self.turn(Turn::Power(on));
            self.tell(Input::Report(Report::Level(Fact::ExternalPower, on)));
        }
    }

    pub(crate) fn save(&mut self, saving: bool) {
        if std::mem::replace(&mut self.saving, saving) != saving {
            self.turn(Turn::Saving(saving));
            self.tell(Input::Report(Report::Level(Fact::EnergySaver, saving)));
        }
    }

    /// The machine is off for a while; meanwhile its clock may be set.
    pub(crate) fn switch_off(&mut self, time: Duration, micros: i64) {
        self.now = self.now + time;
        self.now.wall = WallTime::from_micros(self.now.wall.as_micros() + micros);
        self.seed = self.seed.wrapping_add(1);
        self.core = Core::new(config(), self.seed);
        self.turn(Turn::Restarted);
        self.rouse = None;
        self.begin_broker();
        self.look_if_due(Look::Forced);
    }

    fn step(&mut self, micros: i64) {
        let before = self.now.wall;
        self.now.wall = WallTime::from_micros(before.as_micros() + micros);
        if micros < 0 {
            self.turn(Turn::SetBack(before));
        }
    }

    fn turn(&mut self, turn: Turn) {
        self.stretches.push(Stretch { turn, at: self.now.wall, looks: Vec::new() });
    }

    fn look_if_due(&mut self, how: Look) {
        if self.wake.is_some_and(|wake| wake.at <= self.now.boot) {
            self.look(how);
        }
    }

    fn look(&mut self, how: Look) {
        let now = self.now.wall;
        self.stretches.last_mut().expect("there is always one").looks.push((now, how));
        self.tell(Input::Tick);
    }

    fn last(&self) -> &Stretch {
        self.stretches.last().expect("there is always one")
    }

    /// Tells the core, does what it orders, and answers what it replies.
    fn tell(&mut self, input: Input) -> Option<Result<Reply, bgtask_core::Refusal>> {
        let mut inputs = VecDeque::from([input]);
        let mut reply = None;
        while let Some(input) = inputs.pop_front() {
            self.core.handle(self.now, input);
            loop {
                match self.core.poll() {
                    Output::Wake(wake) => {
                        self.wake = wake;
                        break;
                    }
                    Output::Reply(_, answer) => reply = Some(answer),
                    Output::Persist(change) => self.keep(change),
                    order => inputs.extend(self.answer(order)),
                }
            }
        }
        reply
    }

    /// What the world says to an order, at once.
    fn answer(&mut self, order: Output) -> Option<Input> {
        let exited =
            |host| Input::HostExited { host, exit: HostExit::Code(0), output_tail: String::new(), usage: None };
        match order {
            Output::Watch(Fact::TimeZone) => Some(Input::Report(self.zone_report())),
            Output::Watch(fact) => {
                let level = match fact {
                    Fact::ExternalPower => self.on_power,
                    Fact::EnergySaver => self.saving,
                    _ => false,
                };
                Some(Input::Report(Report::Level(fact, level)))
            }
            Output::Plan { task, calendar, zone, after } => {
                Some(Input::Planned { task, at: self.next(&calendar, zone.as_deref(), self.place, after) })
            }
            Output::Run(host, order) => {
                if let Some(life) = self.lives.get_mut(&order.task) {
                    life.runs += 1;
                }
                let finished = Input::HostFinished { host, instance: order.instance, result: Ok(()), usage: None };
                Some(if order.entry.command().is_some() { exited(host) } else { finished })
            }
            Output::Retire(host) | Output::Kill(host) => Some(exited(host)),
            Output::Rouse(at) => {
                self.rouse = at;
                None
            }
            _ => None,
        }
    }

    /// When a calendar comes true after that, on a machine in that place.
    pub(crate) fn next(&mut self, text: &str, named: Option<&str>, place: usize, after: WallTime) -> Option<WallTime> {
        let calendar = self.calendars.entry(text.to_owned());
        let calendar = calendar.or_insert_with(|| Calendar::parse(text).expect("a calendar"));
        let name = named.unwrap_or(PLACES[place]);
        let zone = self.zones.entry(name.to_owned()).or_insert_with(|| zone(name));
        calendar.next(after.as_micros(), zone).map(WallTime::from_micros)
    }

    fn zone_report(&self) -> Report {
        let identity = PLACES[self.place].to_owned();
        Report::TimeZone { zone: Zone { identity, offset_seconds: 0 }, previous_offset_seconds: None }
    }

    fn keep(&mut self, change: Change) {
        match change {
            Change::PutRegistration(registration) => drop(self.registrations.insert(registration.id, registration)),
            Change::PutAccess(app, access) => {
                self.durable.access.retain(|(its, _)| *its != app);
                self.durable.access.push((app, access));
            }
            Change::PutVersion(app, version) => {
                self.durable.versions.retain(|(its, _)| *its != app);
                self.durable.versions.push((app, version));
            }
            Change::PutZone(zone) => self.durable.zone = Some(zone),
            Change::PutSequence(sequence) => self.durable.last_sequence = sequence,
            // Maintenance that waits for power does so in the next life too.
            Change::PutActivation(id, activation) => {
                self.durable.activations.retain(|(_, its)| its.instance != activation.instance);
                self.durable.activations.push((id, activation));
            }
            Change::DeleteActivation(instance) => self.durable.activations.retain(|(_, it)| it.instance != instance),
            Change::Record(event) => self.record(&event),
            _ => {}
        }
    }

    fn record(&mut self, event: &Event) {
        let Some(life) = self.lives.get_mut(&event.task) else { return };
        match event.kind {
            EventKind::Fired { .. } => {
                life.fired.push(event.at);
                self.fired_that_wakes += u64::from(wakes(&life.registration));
            }
            EventKind::Missed { .. } => life.missed += 1,
            _ => {}
        }
    }
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Nothing that would keep a firing from running at once, or wake the broker for another reason.
fn config() -> Config {
    Config {
        max_running: 100_000,
        warm_linger: Duration::ZERO,
        load_delay: Duration::ZERO,
        idle_after: None,
        may_wake: true,
        stretch: bgtask_core::Stretch { saving: STRETCH, ..bgtask_core::Stretch::default() },
        budgets: Budgets { cpu: None, network: None, memory: None, ..Budgets::default() },
        ..Config::default()
    }
}

/// Whether the machine is woken for it.
pub(crate) fn wakes(registration: &Registration) -> bool {
    registration.trigger.pace().is_some_and(|pace| pace.wake)
}

/// The grid of the timers of apps.
pub(crate) fn tick() -> i64 {
    i64::try_from(config().timer_tick.as_micros()).unwrap_or(i64::MAX)
}
