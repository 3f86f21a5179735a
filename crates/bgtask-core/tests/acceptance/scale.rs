//! Many registrations: what one of them costs must not grow with the others.

use bgtask_core::limits::{MAX_FIRED_PER_TURN, MAX_PER_TURN, MAX_REGISTRATIONS_PER_APP};
use bgtask_core::{
    App, Cause, Change, Config, Core, Event, EventKind, Fact, HostExit, HostId, Input, InstanceId, Now, Output, Report,
    Request, RequestId, Trigger, WakeReason,
};

use crate::harness::{Broker, HOUR, app, app_id, but, command, every, seconds, triggered, when, zone_task};

/// As many as one user may have; every second one promises something, every third waits for its condition in vain.
fn thousand() -> Broker {
    let mut broker = Broker::empty(Config { max_running: 16, ..Config::default() });
    broker.install(App::of_commands());
    for number in 0..MAX_REGISTRATIONS_PER_APP {
        let new = command(&format!("task-{number}"), every(HOUR));
        let new = but(new, |command| command.fresh_within = number.is_multiple_of(2).then_some(30 * HOUR));
        broker.add(if number.is_multiple_of(3) { when(new, &["ac-power"]) } else { new });
    }
    broker.orders();
    broker
}

#[test]
fn a_thousand_commands_that_are_due_at_once_all_run_a_few_at_a_time() {
    let mut broker = thousand();
    broker.now = broker.now + 24 * HOUR;
    broker.goes_on();
    let (mut ran, until) = (0, broker.now + broker.config.load_delay);
    loop {
        if let Some((left, WakeReason::Load(_))) = broker.next_wake().filter(|_| broker.busy_host().is_none()) {
            broker.passes(left);
            assert!(broker.now.boot <= until.boot, "none is held for longer");
        }
        let hosts: Vec<_> = broker.core.hosts().map(|host| host.id).collect();
        assert!(hosts.len() <= 16);
        if hosts.is_empty() {
            break;
        }
        for host in hosts {
            broker.exits(host, bgtask_core::HostExit::Code(0));
            ran += 1;
        }
    }
    assert_eq!(ran, MAX_REGISTRATIONS_PER_APP - MAX_REGISTRATIONS_PER_APP.div_ceil(3));
    assert_eq!(broker.core.activations().count(), MAX_REGISTRATIONS_PER_APP.div_ceil(3));
}

/// Very many timers of an hour, without the store that the other tests play: it looks through everything at every change.
struct Crowd {
    core: Core,
    now: Now,
}

/// What one input has brought about.
struct Turn {
    /// How often a registration was looked at.
    looks: u64,
    changes: usize,
    events: Vec<Event>,
    ran: Vec<(HostId, InstanceId)>,
    /// Whether the core wants to go on at once.
    goes_on: bool,
}

/// At most so many registrations are looked at in a turn that is one of several: some times for each whose turn it is.
const MOST_LOOKS: u64 = 20 * MAX_PER_TURN as u64;

impl Crowd {
    /// So many timers, and one task that waits for another time zone; no more than one runs at the same time.
    fn of(timers: usize) -> Self {
        let mut crowd = Self {
            core: Core::new(Config { max_running: 1, warm_linger: seconds(0), ..Config::default() }, 1),
            now: Now::ZERO + seconds(1_000),
        };
        crowd.turn(Input::Policy(bgtask_core::Policy::default()));
        let apps: Vec<_> = (0..=timers.div_ceil(1_000)).map(|number| format!("org.example.App{number}")).collect();
        for name in &apps {
            crowd.turn(Input::AppInstalled(app(name, "1")));
            crowd.ask(Request::RequestAccess { app: app_id(name), application: String::new() });
        }
        for timer in 0..timers {
            let trigger = Trigger::Time { freshness: 60, one_shot: false };
            crowd.ask(Request::Register(app_id(&apps[1 + timer / 1_000]), triggered("Timer", trigger)));
        }
        crowd.ask(Request::Register(app_id(&apps[0]), zone_task("Clock")));
        for fact in [Fact::EnergySaver, Fact::MemoryPressure] {
            crowd.turn(Input::Report(Report::Level(fact, false)));
        }
        crowd.zone(0);
        crowd
    }

    fn turn(&mut self, input: Input) -> Turn {
        let before = self.core.looks();
        self.core.handle(self.now, input);
        let mut turn = Turn { looks: 0, changes: 0, events: Vec::new(), ran: Vec::new(), goes_on: false };
        loop {
            match self.core.poll() {
                Output::Persist(change) => {
                    turn.changes += 1;
                    if let Change::Record(event) = change {
                        turn.events.push(event);
                    }
                }
                Output::Run(host, order) => turn.ran.push((host, order.instance)),
                Output::Wake(wake) => {
                    turn.looks = self.core.looks() - before;
                    turn.goes_on = wake.is_some_and(|wake| wake.at <= self.now.boot);
                    let why = wake.map(|wake| wake.why);
                    assert!(!turn.goes_on || matches!(why, Some(WakeReason::More | WakeReason::Timer(_))), "{why:?}");
                    return turn;
                }
                _ => {}
            }
        }
    }

    fn ask(&mut self, request: Request) -> Turn {
        self.turn(Input::Request(RequestId(1), request))
    }

    fn zone(&mut self, offset: i32) -> Turn {
        let zone = bgtask_core::Zone { identity: format!("zone {offset}"), offset_seconds: offset };
        self.turn(Input::Report(Report::TimeZone { zone, previous_offset_seconds: None }))
    }

    fn exits(&mut self, host: HostId) -> Turn {
        let (exit, output_tail) = (HostExit::Code(1), String::new());
        self.turn(Input::HostExited { host, exit, output_tail, usage: None })
    }

    /// Ticks for as long as the core wants to go on at once.
    fn portions(&mut self) -> Vec<Turn> {
        let mut turns = vec![self.turn(Input::Tick)];
        while turns.last().is_some_and(|turn| turn.goes_on) {
            assert!(turns.len() < 100_000, "it comes to no end");
            turns.push(self.turn(Input::Tick));
        }
        turns
    }

    /// It is time, on the tick that all share.
    fn everybody_is_due(&mut self) {
        self.now = Now::ZERO + seconds(5_400);
    }
}

/// How often registrations are looked at where only one is concerned: a registration, a firing and the end of its run, a tick
/// for nothing, an unregistration.
fn looks_for_one_among(timers: usize) -> Vec<u64> {
    let mut crowd = Crowd::of(timers);
    let registered = crowd.ask(Request::Register(app_id("org.example.App0"), triggered("More", Trigger::Application)));
    let fired = crowd.zone(3_600);
    let [(host, _)] = fired.ran[..] else { panic!("it runs") };
    let ended = crowd.exits(host);
    let ticked = crowd.turn(Input::Tick);
    let task = fired.events[0].task;
    let gone = crowd.ask(Request::Unregister { scope: None, task, cancel: false });
    let levels = crowd.turn(Input::Report(Report::Level(Fact::EnergySaver, true)));
    [registered, fired, ended, ticked, gone, levels].iter().map(|turn| turn.looks).collect()
}

#[test]
fn one_task_costs_the_same_among_twenty_thousand_as_among_ten() {
    assert_eq!(looks_for_one_among(20_000), looks_for_one_among(10));
}

#[test]
fn twenty_thousand_timers_that_are_due_at_once_fire_in_portions_that_share_one_wake_up() {
    const ALL: usize = 20_000;
    let mut crowd = Crowd::of(ALL);
    crowd.everybody_is_due();
    let turns = crowd.portions();
    assert!(turns.len() >= ALL.div_ceil(MAX_PER_TURN), "{} turns", turns.len());
    let most = turns.iter().map(|turn| (turn.looks, turn.changes)).max().expect("turns");
    assert!(turns.iter().all(|turn| turn.looks <= MOST_LOOKS), "one turn looks {most:?}");
    assert!(turns.iter().all(|turn| turn.changes <= 5 * MAX_PER_TURN), "one turn changes {most:?}");
    let causes = turns.iter().flat_map(|turn| &turn.events).filter_map(|event| match &event.kind {
        EventKind::Fired { cause, .. } => Some(*cause),
        _ => None,
    });
    let shared = Cause::Timer { shared: u32::try_from(ALL).expect("a number") };
    assert_eq!(causes.filter(|cause| *cause == shared).count(), ALL, "all were served by one wake-up");
    assert_eq!(crowd.core.activations().count(), ALL);
}

/// Who asks between two portions is served at once, and waits for nobody of them but for a slot.
#[test]
fn who_fires_between_two_portions_is_accepted_at_once() {
    let mut crowd = Crowd::of(2_000);
    crowd.everybody_is_due();
    let first = crowd.turn(Input::Tick);
    assert!(first.goes_on);
    let other = crowd.zone(3_600);
    assert!(other.goes_on && other.looks <= MOST_LOOKS, "{} looks", other.looks);
    assert!(other.events.iter().any(|event| &*event.name == "Clock"));
    let [(host, _)] = first.ran[..] else { panic!("one runs") };
    assert_eq!(crowd.exits(host).ran.len(), 1, "the next one goes");
    crowd.portions();
    assert_eq!(crowd.core.activations().count(), 2_000, "one has ended, and the clock is one more");
}

/// CO-2, LC-10: what all of them wait for changes; that is looked at, told, and made undone in portions.
#[test]
fn what_twenty_thousand_wait_for_is_told_in_portions() {
    const ALL: usize = 20_000;
    let mut crowd = Crowd::of(ALL);
    crowd.everybody_is_due();
    let running = crowd.portions().iter().flat_map(|turn| turn.ran.clone()).next().expect("one runs").0;
    for (saver, told) in [(true, ALL - 1), (false, ALL - 1)] {
        let mut turns = vec![crowd.turn(Input::Report(Report::Level(Fact::EnergySaver, saver)))];
        turns.extend(crowd.portions());
        let buffered = turns.iter().flat_map(|turn| &turn.events);
        assert_eq!(buffered.filter(|event| matches!(event.kind, EventKind::Buffered(_))).count(), told);
        let most = turns.iter().map(|turn| (turn.looks, turn.changes)).max().expect("turns");
        assert!(most.0 <= MOST_LOOKS && most.1 <= 5 * MAX_PER_TURN, "{most:?}");
    }
    assert_eq!(crowd.exits(running).ran.len(), 1, "they run again");
}

/// Q-6, D2: whose turn it is next is known without asking every app that has something to run.
#[test]
fn the_next_turn_costs_the_same_among_four_thousand_apps_as_among_ten() {
    let looks = |apps: usize| {
        let mut crowd = Crowd::of(0);
        for number in 0..apps {
            let name = format!("org.example.Many{number}");
            crowd.turn(Input::AppInstalled(app(&name, "1")));
            crowd.ask(Request::RequestAccess { app: app_id(&name), application: String::new() });
            crowd.ask(Request::Register(app_id(&name), zone_task("Clock")));
        }
        let mut turns = vec![crowd.zone(3_600)];
        turns.extend(crowd.portions());
        let mut ran = turns.into_iter().flat_map(|turn| turn.ran);
        let (host, _) = ran.next().expect("one runs");
        assert_eq!(ran.next(), None, "there is one slot");
        let ended = crowd.exits(host);
        assert_eq!(ended.ran.len(), 1, "the next one goes");
        ended.looks
    };
    assert_eq!(looks(4_000), looks(10));
}

/// SYS-3: one change of the zone fires very many; who asks meanwhile waits for some of them and not for all.
#[test]
fn what_fires_two_thousand_at_once_fires_them_in_portions() {
    const ALL: usize = 2_000;
    let mut crowd = Crowd::of(0);
    let apps = ["org.example.Many0", "org.example.Many1"];
    for name in apps {
        crowd.turn(Input::AppInstalled(app(name, "1")));
        crowd.ask(Request::RequestAccess { app: app_id(name), application: String::new() });
        for number in 0..ALL / apps.len() {
            crowd.ask(Request::Register(app_id(name), zone_task(&format!("Clock {number}"))));
        }
    }
    let mut turns = vec![crowd.zone(3_600)];
    turns.extend(crowd.portions());
    let most = turns.iter().map(|turn| (turn.looks, turn.changes)).max().expect("turns");
    assert!(most.0 <= 20 * MAX_FIRED_PER_TURN as u64 && most.1 <= 5 * MAX_FIRED_PER_TURN, "{most:?}");
    assert_eq!(crowd.core.activations().count(), ALL + 1, "the clock of every crowd is one more");
}
