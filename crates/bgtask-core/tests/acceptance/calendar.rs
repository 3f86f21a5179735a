//! `--at`: a calendar expression comes true. The driver knows calendars, the core knows what to do when.

use bgtask_core::{EventKind, Input, NewRegistration, Output, Pace, TaskId, Trigger, WallTime};

use crate::harness::{Broker, HOUR, command, every, seconds};

const DAY: u64 = 86_400;

/// Every day at three on the machine's clock.
fn daily(catch_up: bool) -> NewRegistration {
    calendar("daily 3", None, catch_up, false)
}

fn calendar(calendar: &str, zone: Option<&str>, catch_up: bool, one_shot: bool) -> NewRegistration {
    let (calendar, zone) = (calendar.into(), zone.map(Into::into));
    command("report", Trigger::Calendar { calendar, zone, catch_up, pace: Pace::default(), one_shot })
}

/// A broker that started at midnight.
fn broker() -> Broker {
    let mut broker = Broker::of_commands();
    broker.now = bgtask_core::Now::ZERO;
    broker
}

fn due(broker: &Broker, task: TaskId) -> Option<u64> {
    let due = broker.core.task(task).and_then(|(it, _)| it.due)?;
    Some(due.as_micros().cast_unsigned() / 1_000_000)
}

/// How often it runs within that time.
fn runs(broker: &mut Broker, hours: u64) -> usize {
    let mut runs = 0;
    for _ in 0..hours {
        broker.passes(HOUR);
        while broker.core.hosts().next().is_some() {
            runs += 1;
            let host = broker.core.hosts().next().expect("just seen").id;
            broker.exits(host, bgtask_core::HostExit::Code(0));
        }
    }
    runs
}

#[test]
fn it_fires_when_the_calendar_comes_true_and_is_planned_again() {
    let mut broker = broker();
    let task = broker.add(daily(true));
    assert_eq!(due(&broker, task), Some(3 * 3_600));
    broker.passes(seconds(3 * 3_600));
    broker.expect_run("report").exits(&mut broker, 0);
    assert_eq!(due(&broker, task), Some(DAY + 3 * 3_600));
    assert_eq!(runs(&mut broker, 240), 10, "one on each of ten days");
}

#[test]
fn the_order_to_plan_names_the_zone_it_is_read_in() {
    let mut broker = broker();
    broker.add(calendar("daily 3", Some("Asia/Tokyo"), true, false));
    let plans = broker.orders().into_iter().find_map(|order| match order {
        Output::Plan { zone, after, .. } => Some((zone, after)),
        _ => None,
    });
    assert_eq!(plans, Some((Some("Asia/Tokyo".into()), WallTime::from_micros(0))));
}

#[test]
fn catch_up_makes_up_once_for_what_was_missed_asleep_or_off() {
    let mut broker = broker();
    broker.add(daily(true));
    broker.tell_after(seconds(10 * DAY), Input::Tick);
    broker.expect_run("report").exits(&mut broker, 0);
    broker.expect_no_run();
    broker.now = broker.now + seconds(10 * DAY);
    broker.restarts();
    broker.tell(Input::Tick);
    broker.expect_run("report").exits(&mut broker, 0);
    assert_eq!(runs(&mut broker, 24), 1, "and then every day again");
}

#[test]
fn without_catch_up_a_missed_time_is_told_and_passed_over() {
    let mut broker = broker();
    let task = broker.add(daily(false));
    broker.tell_after(seconds(10 * 3_600), Input::Tick);
    broker.expect_no_run();
    assert_eq!(broker.story(task), ["registered", "missed"]);
    assert_eq!(due(&broker, task), Some(DAY + 3 * 3_600));
    assert_eq!(runs(&mut broker, 24), 1);
}

#[test]
fn a_machine_that_is_a_little_late_has_missed_nothing() {
    let mut broker = broker();
    broker.add(daily(false));
    broker.tell_after(seconds(3 * 3_600 + 30), Input::Tick);
    broker.expect_run("report");
}

#[test]
fn once_a_calendar_never_comes_true_again_nobody_is_woken_for_it() {
    let mut broker = broker();
    let task = broker.add(calendar("at 100", None, true, false));
    broker.passes(seconds(100));
    broker.expect_run("report").exits(&mut broker, 0);
    assert_eq!((due(&broker, task), broker.next_wake()), (None, None));
    let why = broker.why(task);
    assert_eq!(
        why.sentence,
        "The command waits for nothing: the calendar \"at 100\" never comes true again; its last run succeeded 0 s ago."
    );
    assert_eq!((why.next, why.remedy.is_some()), (None, true));
    broker.restarts();
    assert_eq!(broker.next_wake(), None);
}

#[test]
fn d6_one_shot_it_is_spent_by_the_first_time_it_fires() {
    let mut broker = broker();
    broker.add(calendar("daily 3", None, true, true));
    assert_eq!(runs(&mut broker, 72), 1);
    assert_eq!(broker.durable.registrations, []);
}

#[test]
fn a_one_shot_that_was_missed_and_is_not_made_up_for_waits_for_its_next_time() {
    let mut broker = broker();
    broker.add(calendar("daily 3", None, false, true));
    broker.tell_after(seconds(10 * 3_600), Input::Tick);
    broker.expect_no_run();
    assert_eq!(runs(&mut broker, 72), 1);
}

#[test]
fn another_zone_of_the_machine_moves_what_has_no_zone_of_its_own() {
    let mut broker = broker();
    let task = broker.add(daily(true));
    broker.zone_changes("UTC", 0);
    broker.hours_ahead = 2;
    broker.zone_changes("Europe/Helsinki", 7_200);
    assert_eq!(due(&broker, task), Some(3_600), "three there is one here");
    let own = calendar("daily 3", Some("UTC"), true, false);
    let own = broker.add(NewRegistration { name: "own".into(), ..own });
    broker.orders();
    broker.zone_changes("UTC", 0);
    let planned: Vec<_> = broker.orders().into_iter().filter(|order| matches!(order, Output::Plan { .. })).collect();
    assert!(matches!(planned.as_slice(), [Output::Plan { task: it, .. }] if *it == task && *it != own));
}

#[test]
fn another_zone_takes_nothing_away_that_was_due_already() {
    let mut broker = broker();
    broker.zone_changes("UTC", 0);
    broker.add(daily(true));
    broker.now = broker.now + seconds(5 * 3_600);
    broker.hours_ahead = 2;
    broker.zone_changes("Europe/Helsinki", 7_200);
    broker.tell(Input::Tick);
    broker.expect_run("report");
}

#[test]
fn another_zone_while_no_broker_ran_is_seen_when_one_runs_again() {
    let mut broker = broker();
    let task = broker.add(daily(true));
    broker.hours_ahead = 2;
    broker.restarts();
    assert_eq!(due(&broker, task), Some(3_600));
}

/// The size of a step is that of the clock, not what is left of it since the broker last heard of anything.
#[test]
fn a_clock_set_back_by_hours_after_hours_of_silence_repeats_what_comes_again() {
    let mut broker = broker();
    let task = broker.add(daily(true));
    broker.passes(seconds(3 * 3_600));
    broker.expect_run("report").exits(&mut broker, 0);
    broker.now = broker.now + seconds(2 * 3_600);
    broker.clock_set(-4 * 3_600);
    assert_eq!(due(&broker, task), Some(3 * 3_600), "it is one o'clock again");
    assert_eq!(runs(&mut broker, 24), 1);
}

#[test]
fn a_clock_set_back_a_little_repeats_nothing() {
    let mut broker = broker();
    broker.add(daily(true));
    broker.passes(seconds(3 * 3_600 + 60));
    broker.expect_run("report").exits(&mut broker, 0);
    broker.clock_set(-3_600);
    assert_eq!(runs(&mut broker, 20), 0);
    assert_eq!(runs(&mut broker, 5), 1);
}

#[test]
fn a_clock_set_back_far_goes_through_its_times_again() {
    let mut broker = broker();
    broker.add(daily(true));
    broker.now = broker.now + seconds(9_000 * DAY);
    broker.tell(Input::Tick);
    broker.expect_run("report").exits(&mut broker, 0);
    broker.clock_set(-9_000 * DAY.cast_signed());
    assert_eq!(runs(&mut broker, 24), 1, "and does not wait for years");
}

#[test]
fn a_clock_set_back_far_while_no_broker_ran_is_seen_when_one_runs_again() {
    let mut broker = broker();
    broker.now = broker.now + seconds(9_000 * DAY);
    broker.add(daily(true));
    broker.now = bgtask_core::Now::ZERO;
    broker.restarts();
    assert_eq!(runs(&mut broker, 24), 1);
}

#[test]
fn a_broker_that_dies_between_a_firing_and_the_next_plan_fires_no_time_twice() {
    let mut broker = broker();
    let task = broker.add(daily(true));
    broker.passes(seconds(3 * 3_600));
    broker.expect_run("report");
    // What would be in the store if the answer had not come.
    broker.durable.registrations[0].due = None;
    broker.durable.activations.clear();
    broker.restarts();
    broker.tell(Input::Tick);
    broker.expect_no_run();
    assert_eq!(due(&broker, task), Some(DAY + 3 * 3_600));
}

#[test]
fn a_time_that_fired_is_not_in_the_store_any_more_before_the_next_is_known() {
    let mut broker = broker();
    let task = broker.add(daily(true));
    broker.now = broker.now + seconds(3 * 3_600);
    broker.core.handle(broker.now, Input::Tick);
    let mut dues = Vec::new();
    loop {
        match broker.core.poll() {
            Output::Persist(bgtask_core::Change::PutRegistration(registration)) => dues.push(registration.due),
            Output::Wake(_) => break,
            _ => {}
        }
    }
    assert_eq!((dues, broker.core.task(task).and_then(|(it, _)| it.due)), (vec![None], None));
}

#[test]
fn an_answer_that_is_not_the_last_one_asked_for_is_not_listened_to() {
    let mut broker = broker();
    let task = broker.add(daily(true));
    let later = Some(WallTime::from_micros(7_000_000));
    broker.tell(Input::Planned { task, at: later });
    assert_eq!(due(&broker, task), Some(3 * 3_600), "nobody asked");
    let other = broker.add(command("beat", every(HOUR)));
    broker.tell(Input::Planned { task: other, at: later });
    assert_eq!(due(&broker, other), Some(3_600), "it has no calendar");
    broker.tell(Input::Planned { task: TaskId::from_random(1), at: later });
}

#[test]
fn accuracy_counts_before_a_time_is_missed() {
    let mut broker = broker();
    let pace = Pace { accuracy: HOUR, ..Pace::default() };
    let new = daily(false);
    let Trigger::Calendar { calendar, zone, catch_up, one_shot, .. } = new.trigger.clone() else { unreachable!() };
    let trigger = Trigger::Calendar { calendar, zone, catch_up, one_shot, pace };
    let task = broker.add(NewRegistration { trigger, ..new });
    assert_eq!(broker.next_wake().map(|(left, _)| left), Some(4 * HOUR));
    broker.tell_after(seconds(4 * 3_600), Input::Tick);
    broker.expect_run("report");
    assert!(!broker.history.iter().any(|event| matches!(event.kind, EventKind::Missed { .. })), "{task}");
}
