//! Starts that wait for the load: busy processors, and many that come due at once after a sleep. Bounded, fair and jittered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bgtask_core::{App, Config, Fact, HostExit, Report, Request, Trigger, WakeReason};

use crate::harness::{Broker, HOUR, app, command, every, seconds, triggered, when};

const DELAY: Duration = seconds(60);

fn busy(broker: &mut Broker, busy: bool) {
    broker.reads(Report::Level(Fact::CpuPressure, busy));
}

/// Commands whose time has come while the processors are busy.
fn held(names: &[&str]) -> Broker {
    let mut broker = Broker::of_commands();
    for name in names {
        broker.add(command(name, every(HOUR)));
    }
    busy(&mut broker, true);
    broker.passes(HOUR);
    broker
}

/// After how long each of them was run, up to that time.
fn starts(broker: &mut Broker, until: Duration) -> BTreeMap<String, Duration> {
    let (begin, end) = (broker.now.boot, broker.now + until);
    let mut starts = BTreeMap::new();
    loop {
        for name in broker.ran() {
            starts.insert(name, broker.now.boot.since(begin));
        }
        while let Some(host) = broker.busy_host() {
            broker.exits(host, HostExit::Code(0));
            for name in broker.ran() {
                starts.insert(name, broker.now.boot.since(begin));
            }
        }
        match broker.next_wake() {
            Some((left, _)) if (broker.now + left).boot <= end.boot => broker.passes(left),
            _ => return starts,
        }
    }
}

#[test]
fn while_the_processors_are_busy_a_ready_task_is_held_and_starts_when_they_are_free() {
    let mut broker = held(&["backup"]);
    broker.expect_no_run();
    busy(&mut broker, false);
    broker.expect_run("backup").exits(&mut broker, 0);
    assert!(!matches!(broker.next_wake(), Some((_, WakeReason::Load(_)))), "nobody is woken for the load any more");
}

#[test]
fn it_is_held_for_no_longer_than_the_owner_lets_it_however_busy_they_are() {
    let mut broker = held(&["backup"]);
    let task = broker.core.registrations(None)[0].id;
    let (left, why) = broker.next_wake().expect("it is not forgotten");
    assert_eq!(why, WakeReason::Load(task));
    assert!((DELAY / 2..=DELAY).contains(&left), "{left:?}");
    let said = broker.why(task);
    assert!(said.sentence.contains("because the processors are busy; it starts in"), "{}", said.sentence);
    assert_eq!(said.next, Some(broker.now.wall + left));
    assert_eq!(
        said.remedy.as_deref(),
        Some("`bgtask run backup` starts it now, whatever it waits for"),
        "the user need not wait"
    );
    broker.passes(left);
    broker.expect_run("backup");
    assert_eq!(broker.story(task), ["registered", "fired", "buffered", "started"]);
}

#[test]
fn those_that_are_held_together_do_not_start_together() {
    let names: Vec<_> = (0..12).map(|number| format!("task{number}")).collect();
    let mut broker = held(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let starts = starts(&mut broker, DELAY);
    assert_eq!(starts.len(), 12);
    let moments: BTreeSet<_> = starts.values().collect();
    assert!(moments.len() > 8, "{starts:?}");
}

#[test]
fn pressure_that_comes_and_goes_does_not_make_it_wait_longer() {
    let mut broker = held(&["backup", "other"]);
    let before = broker.next_wake().expect("held").0;
    broker.passes(seconds(10));
    busy(&mut broker, true);
    assert_eq!(broker.next_wake().expect("still held").0, before - seconds(10));
}

#[test]
fn a_clock_that_is_set_back_holds_nobody_longer() {
    let mut broker = held(&["backup"]);
    broker.clock_set(-86_400);
    let (left, _) = broker.next_wake().expect("held");
    assert!(left <= DELAY, "{left:?}");
    broker.passes(left);
    broker.expect_run("backup");
}

#[test]
fn by_hand_and_where_the_owner_wants_no_delay_nothing_is_held() {
    let mut broker = held(&["backup"]);
    let task = broker.core.registrations(None)[0].id;
    broker.request(Request::RunNow { task, respect_conditions: false }).expect("it is a command");
    broker.expect_run("backup");
    let mut eager = Broker::empty(Config { load_delay: Duration::ZERO, ..Config::default() });
    eager.install(App::of_commands());
    eager.add(command("backup", every(HOUR)));
    busy(&mut eager, true);
    eager.passes(HOUR);
    eager.expect_run("backup");
}

#[test]
fn who_asks_for_busy_processors_is_not_held_by_them() {
    let mut broker = Broker::of_commands();
    broker.add(when(command("record", every(HOUR)), &["cpu-pressure"]));
    busy(&mut broker, true);
    broker.passes(HOUR);
    broker.expect_run("record");
}

/// An app with many timers, one with a single one, and a machine that slept through all of them.
fn storm(many: usize) -> Broker {
    let mut broker = Broker::new();
    for app_name in ["org.example.Many", "org.example.Single"] {
        broker.install(app(app_name, "1"));
        broker.allow(app_name);
    }
    let timer = |name: &str| triggered(name, Trigger::Time { freshness: 60, one_shot: true });
    for number in 0..many {
        broker.try_register("org.example.Many", timer(&format!("many{number}"))).expect("there is room");
    }
    broker.try_register("org.example.Single", timer("single")).expect("there is room");
    broker.tell_after(8 * HOUR, bgtask_core::Input::Tick);
    broker
}

#[test]
fn d11_after_a_sleep_no_more_run_than_may_each_once_spread_over_the_longest_time() {
    let mut broker = storm(200);
    let starts = starts(&mut broker, DELAY);
    assert_eq!(starts.len(), 201, "each runs once, and within that time");
    let in_quarter = |quarter: u32| {
        let range = DELAY / 4 * quarter..DELAY / 4 * (quarter + 1);
        starts.values().filter(|at| range.contains(at)).count()
    };
    for quarter in 0..4 {
        assert!((25..=75).contains(&in_quarter(quarter)), "{} in quarter {quarter}", in_quarter(quarter));
    }
}

#[test]
fn d2_after_a_sleep_one_app_with_many_does_not_hold_up_another() {
    let mut broker = storm(200);
    broker.passes(DELAY);
    let mut ran = broker.ran();
    assert_eq!(ran.len(), 16, "no more than may run at once");
    while !ran.iter().any(|name| name == "single") {
        let host = broker.busy_host().expect("some run");
        broker.exits(host, HostExit::Code(0));
        ran.extend(broker.ran());
        assert!(ran.len() <= 17, "the single one comes next: {ran:?}");
    }
}

#[test]
fn a_few_that_were_missed_start_at_once() {
    let mut broker = storm(10);
    assert_eq!(broker.ran().len(), 11);
}
