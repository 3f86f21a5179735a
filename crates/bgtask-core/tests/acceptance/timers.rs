//! `TimeTrigger` and `MaintenanceTrigger` (TIM, TM, D11, D12).

use bgtask_core::limits::MAX_FRESHNESS;
use bgtask_core::{Config, Fact, Now, Refusal, Reply, Report, Request, TaskId, Trigger, Update, WakeReason};

use crate::harness::{Broker, PHOTOS, app_id, seconds, triggered};

const MINUTE: u64 = 60;

fn timer(freshness: u32) -> bgtask_core::NewRegistration {
    triggered("Timer", Trigger::Time { freshness, one_shot: false })
}

/// A broker at three minutes past a tick.
fn broker() -> Broker {
    let mut broker = Broker::new();
    broker.now = Now::ZERO + seconds(48 * MINUTE);
    broker
}

/// After how many minutes from `since` the task was ordered to run, up to `most` of them.
fn runs_after(broker: &mut Broker, most: u64) -> Vec<u64> {
    let mut runs = Vec::new();
    for minute in 1..=most {
        broker.passes(seconds(MINUTE));
        let ordered: Vec<_> = broker.orders();
        for order in ordered {
            if let bgtask_core::Output::Run(host, order) = order {
                runs.push(minute);
                let run = crate::harness::Run { host, order: *order };
                run.finishes(broker, Ok(()));
                broker.orders();
            }
        }
    }
    runs
}

#[test]
fn tm_1_tm_3_a_timer_runs_on_the_next_quarter_of_an_hour_and_then_every_interval() {
    let mut broker = broker();
    broker.register(timer(15));
    assert_eq!(runs_after(&mut broker, 60), [27, 42, 57], "registered at :48, due at :03, released at :15");
}

#[test]
fn tm_3_the_first_run_comes_between_one_and_two_ticks_after_the_interval() {
    let mut broker = broker();
    broker.register(timer(40));
    assert_eq!(runs_after(&mut broker, 135), [42, 87, 132], "the phase is kept: due after 40, 80 and 120 minutes");
}

#[test]
fn tm_3_tm_11_a_one_shot_timer_runs_once_and_leaves() {
    let mut broker = broker();
    let task = broker.register(triggered("Timer", Trigger::Time { freshness: 20, one_shot: true }));
    assert_eq!(runs_after(&mut broker, 120), [27]);
    assert_eq!(broker.story(task), ["registered", "fired", "started", "completed"]);
    assert_eq!(broker.durable.registrations, []);
}

#[test]
fn tm_1_all_that_is_due_goes_with_one_wake() {
    let mut broker = broker();
    broker.register(timer(15));
    broker.register(timer(20));
    broker.register(timer(25));
    let (after, why) = broker.next_wake().expect("a timer is set");
    assert_eq!(after, seconds(27 * MINUTE));
    assert!(matches!(why, WakeReason::Timer(_)));
    broker.passes(after);
    let runs = broker.orders().into_iter().filter(|order| matches!(order, bgtask_core::Output::Run(..))).count();
    assert_eq!(runs, 3);
}

#[test]
fn tm_2_an_interval_out_of_range_is_refused_at_registration_with_the_range() {
    let mut broker = broker();
    for freshness in [0, 14, MAX_FRESHNESS + 1, u32::MAX] {
        for trigger in
            [Trigger::Time { freshness, one_shot: false }, Trigger::Maintenance { freshness, one_shot: true }]
        {
            let refusal = broker.try_register(PHOTOS, triggered("Timer", trigger)).expect_err("out of range");
            assert!(matches!(refusal, Refusal::InvalidArgument(_)));
            assert!(refusal.to_string().contains("15 to 43199 minutes"), "{refusal}");
        }
    }
    for freshness in [15, MAX_FRESHNESS] {
        assert!(broker.try_register(PHOTOS, timer(freshness)).is_ok());
    }
}

#[test]
fn u_7_the_owner_may_allow_shorter_intervals_on_a_finer_tick() {
    let config = Config { min_freshness: 1, timer_tick: seconds(1), ..Config::default() };
    let mut broker = Broker::with(config);
    broker.register(timer(1));
    assert_eq!(runs_after(&mut broker, 5), [1, 2, 3, 4, 5]);
}

#[test]
fn d11_ticks_missed_while_the_machine_was_off_make_one_run_and_keep_the_phase() {
    let mut broker = broker();
    broker.register(timer(15));
    broker.now = broker.now + seconds(5 * 3_600);
    broker.restarts();
    broker.tell(bgtask_core::Input::Tick);
    let run = broker.expect_run("Timer");
    assert_eq!(run.order.firing.count, 1);
    run.finishes(&mut broker, Ok(()));
    broker.orders();
    assert_eq!(runs_after(&mut broker, 30), [27], "it is 05:48 now; due again at 06:03, released at 06:15");
}

#[test]
fn d11_the_broker_asks_to_be_woken_for_a_timer_after_a_restart() {
    let mut broker = broker();
    broker.register(timer(15));
    broker.restarts();
    assert_eq!(broker.next_wake().map(|(after, _)| after), Some(seconds(27 * MINUTE)));
}

#[test]
fn tm_10_u_6_registering_the_same_again_by_name_keeps_the_phase() {
    let update = |broker: &mut Broker, new| match broker.request(Request::RegisterOrUpdate(app_id(PHOTOS), new)) {
        Ok(Reply::Updated(id, update)) => (id, update),
        other => panic!("{other:?}"),
    };
    let mut broker = broker();
    let (first, registered) = update(&mut broker, timer(60));
    assert_eq!(registered, Update::Registered);
    broker.passes(seconds(50 * MINUTE));
    assert_eq!(update(&mut broker, timer(60)), (first, Update::Unchanged));
    let due = |broker: &Broker, id: TaskId| broker.core.task(id).and_then(|(it, _)| it.due).expect("a timer");
    let before = due(&broker, first);
    let (second, replaced) = update(&mut broker, timer(30));
    assert_eq!(replaced, Update::Replaced);
    assert_ne!(second, first);
    assert!(due(&broker, second) > before, "another interval begins anew");
    assert_eq!(broker.core.registrations(None).len(), 1);
}

#[test]
fn tm_7_d12_maintenance_waits_for_external_power() {
    let mut broker = broker();
    let task = broker.register(triggered("Tidy", Trigger::Maintenance { freshness: 15, one_shot: false }));
    broker.reads(Report::Level(Fact::ExternalPower, false));
    broker.passes(seconds(30 * MINUTE));
    broker.expect_no_run();
    assert!(broker.why(task).sentence.contains("external power only"), "{}", broker.why(task).sentence);
    broker.reads(Report::Level(Fact::ExternalPower, true));
    let run = broker.expect_run("Tidy");
    assert_eq!(run.order.budget, seconds(600), "D10: the long-running class");
}

#[test]
fn a_timer_says_when_it_fires_next() {
    let mut broker = broker();
    let task = broker.register(timer(15));
    let why = broker.why(task);
    assert!(why.sentence.contains("fires in 27 min"), "{}", why.sentence);
}

#[test]
fn tim_12_a_timer_carries_nothing() {
    let mut broker = broker();
    broker.register(timer(15));
    broker.passes(seconds(30 * MINUTE));
    assert_eq!(broker.expect_run("Timer").order.firing.details, None);
}

#[test]
fn d11_a_machine_that_slept_through_its_tick_runs_the_task_when_it_wakes() {
    let mut broker = broker();
    broker.register(timer(15));
    broker.tell_after(seconds(3 * 3_600), bgtask_core::Input::Tick);
    let run = broker.expect_run("Timer");
    assert_eq!(run.order.firing.count, 1);
}

#[test]
fn d11_a_clock_that_steps_forward_releases_a_timer_and_one_that_steps_back_makes_its_interval_begin_anew() {
    let mut broker = broker();
    let hour = 3_600_000_000;
    let task = broker.register(timer(15));
    broker.now.wall = bgtask_core::WallTime::from_micros(broker.now.wall.as_micros() + hour);
    broker.tell(bgtask_core::Input::Tick);
    broker.expect_run("Timer").finishes(&mut broker, Ok(()));
    broker.orders();
    broker.now.wall = bgtask_core::WallTime::from_micros(broker.now.wall.as_micros() - hour);
    broker.tell(bgtask_core::Input::Tick);
    broker.expect_no_run();
    let why = broker.why(task).sentence;
    assert!(why.contains("fires in 27 min"), "due after its interval, not an hour later: {why}");
}

#[test]
fn lc_11_a_timer_that_was_unregistered_while_it_ran_fires_no_more() {
    let mut broker = broker();
    let task = broker.register(timer(15));
    broker.passes(seconds(27 * MINUTE));
    let run = broker.expect_run("Timer");
    run.started(&mut broker);
    broker.unregister(task, false).expect("it is listed");
    assert_eq!(broker.durable.registrations[0].due, None);
    broker.tell_after(seconds(60 * MINUTE), bgtask_core::Input::Tick);
    run.finishes(&mut broker, Ok(()));
    broker.expect_no_run();
    assert_eq!(broker.durable.registrations, [], "nothing of it is left");
}

#[test]
fn tm_8_maintenance_that_was_unregistered_while_it_ran_is_not_due_again() {
    let mut broker = broker();
    let task = broker.register(triggered("Tidy", Trigger::Maintenance { freshness: 15, one_shot: false }));
    broker.reads(Report::Level(Fact::ExternalPower, true));
    broker.passes(seconds(30 * MINUTE));
    let run = broker.expect_run("Tidy");
    broker.unregister(task, false).expect("it is listed");
    broker.reads(Report::Level(Fact::ExternalPower, false));
    run.finishes(&mut broker, Ok(()));
    broker.reads(Report::Level(Fact::ExternalPower, true));
    broker.expect_no_run();
    assert_eq!(broker.durable.registrations, [], "nothing of it is left");
}
