//! The wake ledger: each wake-up by time is charged to whom it serves, in equal parts.

use std::time::Duration;

use bgtask_core::{Cause, EventKind, Output, Retry, Trigger, Used, WakeReason};

use crate::budget::{WINDOW, config, spinning};
use crate::burning::{Burning, burn};
use crate::harness::{Broker, HOUR, Run, but, command, every, seconds, triggered, zone_task};

/// Among how many each firing by time shared its wake-up, by the task's name.
fn shares(broker: &Broker) -> Vec<(String, u32)> {
    let fired = broker.history.iter().filter_map(|event| match event.kind {
        EventKind::Fired { cause: Cause::Timer { shared }, .. } => Some((event.name.to_string(), shared)),
        _ => None,
    });
    fired.collect()
}

/// The thousandths of wake-ups that each try was told, beside those of its timer.
fn beside(broker: &Broker) -> Vec<u32> {
    let told = broker.history.iter().filter_map(|event| match &event.kind {
        EventKind::Completed { used, .. } | EventKind::Retrying { used, .. } => used.as_ref(),
        _ => None,
    });
    told.map(|used: &Used| used.wakes).collect()
}

#[test]
fn tm_1_what_a_tick_releases_shares_it_and_commands_that_are_due_then_too() {
    let mut broker = Broker::new();
    broker.install(bgtask_core::App::of_commands());
    for (name, freshness) in [("A", 15), ("B", 20)] {
        broker.register(triggered(name, Trigger::Time { freshness, one_shot: false }));
    }
    broker.add(command("exact", every(seconds(2_700 - 1_000))));
    broker.passes(seconds(2_700 - 1_000));
    let mut shared = shares(&broker);
    shared.sort();
    assert_eq!(shared, [("A".into(), 3), ("B".into(), 3), ("exact".into(), 3)], "all at 00:45");
}

#[test]
fn a_wake_up_for_a_budget_is_told_at_the_end_of_the_run() {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run("Clock");
    run.started(&mut broker);
    broker.passes(seconds(25));
    run.finishes(&mut broker, Ok(()));
    assert_eq!(beside(&broker), [1_000], "it was told to stop by one wake-up, and stopped");
}

#[test]
fn a_host_that_lingers_wakes_for_who_ran_in_it_last() {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    for offset in [3_600, 0] {
        broker.zone_changes("UTC", 1_800);
        broker.zone_changes("Somewhere", offset);
    }
    let run = broker.expect_run("Clock");
    run.finishes(&mut broker, Ok(()));
    let again = broker.expect_run("Clock");
    again.finishes(&mut broker, Ok(()));
    broker.passes(seconds(30));
    broker.exits(again.host, bgtask_core::HostExit::Code(0));
    broker.zone_changes("UTC", 1_800);
    broker.expect_run("Clock").finishes(&mut broker, Ok(()));
    assert_eq!(beside(&broker), [0, 0, 1_000], "told with the next run");
}

#[test]
fn a_pause_that_ends_with_a_timer_shares_its_wake_up() {
    let mut broker = Broker::of_commands();
    let failing = but(command("failing", every(HOUR)), |command| {
        command.retry = Retry { times: 1, backoff: seconds(600) };
    });
    broker.add(failing);
    broker.add(command("exact", every(HOUR + seconds(600))));
    broker.passes(HOUR);
    broker.expect_run("failing").exits(&mut broker, 1);
    broker.passes(seconds(600));
    broker.expect_run("exact").exits(&mut broker, 0);
    broker.expect_run("failing").exits(&mut broker, 0);
    assert_eq!(shares(&broker), [("failing".into(), 1), ("exact".into(), 2)]);
    assert_eq!(beside(&broker), [0, 0, 500], "half of the second is the end of its pause");
}

#[test]
fn the_parts_of_all_are_as_much_as_there_were_wake_ups() {
    let mut broker = Broker::of_commands();
    for (name, minutes) in [("a", 7), ("b", 14), ("c", 21), ("d", 10)] {
        broker.add(but(command(name, every(seconds(minutes * 60))), |command| {
            command.fresh_within = Some(seconds(5 * 3_600));
        }));
    }
    let (mut wakes, mut end) = (0, 24 * 3_600);
    while let Some((left, _)) = broker.next_wake().filter(|(left, _)| left.as_secs() <= end) {
        end -= left.as_secs();
        wakes += 1;
        broker.passes(left);
        while let Some(host) = broker.busy_host() {
            broker.exits(host, bgtask_core::HostExit::Code(0));
        }
        broker.orders();
    }
    let timers: f64 = shares(&broker).iter().map(|(_, shared)| 1.0 / f64::from(*shared)).sum();
    let others = beside(&broker).into_iter().sum::<u32>();
    assert!((timers - f64::from(wakes)).abs() < 1e-6, "{timers} of {wakes}");
    assert_eq!(others, 0, "nothing else woke it");
}

/// How often the broker woke by time in so long.
fn wakes(broker: &mut Broker, time: Duration, hosts: &mut [Burning]) -> u32 {
    let (end, mut wakes) = (broker.now.boot + time, 0);
    while let Some((after, _)) = broker.next_wake().filter(|(after, _)| broker.now.boot + *after <= end) {
        wakes += 1;
        burn(broker, after, hosts);
    }
    burn(broker, end.since(broker.now.boot), hosts);
    wakes
}

/// POL-1: what is suspended pays for the looks that led to that and for its release, and for nothing between.
#[test]
fn pol_1_a_task_that_was_suspended_is_charged_with_every_wake_up_that_served_it() {
    let (mut broker, run, mut host) = spinning(config());
    let looks = wakes(&mut broker, seconds(30), &mut host);
    assert!(looks > 0 && host[0].frozen);
    let waits = broker.next_wake().map(|(after, why)| (after > WINDOW - seconds(60), why));
    assert_eq!(waits, Some((true, WakeReason::Refill)), "nobody looks at it while it stands still");
    host[0].percent = 0;
    let later = wakes(&mut broker, WINDOW, &mut host);
    assert!(!host[0].frozen && later > 1, "it was released, and is looked at again");
    run.finishes(&mut broker, Ok(()));
    assert_eq!(beside(&broker), [(looks + later) * 1_000]);
}

/// POL-2: several that wait for the same refill share its wake-up.
#[test]
fn pol_2_what_waits_for_a_refill_shares_its_wake_up_with_what_is_suspended_until_then() {
    let (mut broker, run, mut host) = spinning(config());
    broker.register(zone_task("Other"));
    let looks = wakes(&mut broker, seconds(30), &mut host);
    crate::budget::fire(&mut broker);
    host[0].percent = 0;
    let (refill, _) = broker.next_wake().expect("the window ends");
    let orders = burn(&mut broker, refill, &mut host);
    let begun = orders.into_iter().find_map(|order| match order {
        Output::Run(host, order) => Some(Run { host, order: *order }),
        _ => None,
    });
    let other = begun.expect("it waited for nothing else");
    run.finishes(&mut broker, Ok(()));
    other.finishes(&mut broker, Ok(()));
    assert_eq!(beside(&broker), [looks * 1_000 + 500, 500]);
}
