//! What a history comes to, and how that is said.

mod common;

use std::time::Duration;

use bgtask_core::{Cause, EventKind, Outcome, Resource, Usage, Used, WallTime};
use bgtask_report::{Report, account, json, page, text, top};
use common::*;
use jiff::tz::TimeZone;

fn accounted(story: Story) -> Report {
    account(&story.sorted(), &TimeZone::UTC, NOON - DAY, NOON)
}

#[test]
fn a_wake_up_that_serves_three_tasks_costs_each_a_third() {
    let mut story = Story::new();
    for number in 1..=3 {
        let task = teller("org.example.App", "task", number);
        story.run(&task, NOON, 0, SECOND, Cause::Timer { shared: 3 }, Outcome::Succeeded);
    }
    story.run(&teller("org.example.App", "task", 1), NOON + 1, 0, SECOND, Cause::World, Outcome::Succeeded);
    let report = accounted(story);
    assert!((report.totals.wakeups - 1.0).abs() < 1e-9, "{}", report.totals.wakeups);
    assert!((report.tasks[0].totals.wakeups - 1.0 / 3.0).abs() < 1e-9, "the world wakes for nothing");
    assert_eq!((report.totals.firings, report.totals.runs()), (4, 4));
    assert_eq!(report.apps.len(), 1);
    assert_eq!(report.apps[0].totals, report.totals, "what its tasks came to");
}

#[test]
fn every_try_costs_and_only_the_first_start_ends_the_waiting() {
    let task = teller("org.bgtask.Commands", "backup", 1);
    let mut story = Story::new();
    let instance = Some(story.instance());
    story.tell(&task, NOON, instance, fired(Cause::World));
    story.tell(&task, NOON + 20 * SECOND, instance, started(1));
    let retrying = EventKind::Retrying {
        outcome: failure(),
        attempt: 2,
        at: WallTime::from_micros(NOON + 60 * SECOND),
        used: used(10 * SECOND, 4 * SECOND, 1000, 50),
    };
    story.tell(&task, NOON + 30 * SECOND, instance, retrying);
    story.tell(&task, NOON + 40 * SECOND, instance, fired(Cause::World));
    story.tell(&task, NOON + 60 * SECOND, instance, started(2));
    let end = completed(Outcome::Succeeded, used(5 * SECOND, SECOND, 24, 70));
    story.tell(&task, NOON + 65 * SECOND, instance, end);
    let totals = accounted(story).totals;
    assert_eq!((totals.runs(), totals.retries, totals.firings), (1, 1, 2));
    assert_eq!((totals.wall, totals.cpu), (Duration::from_secs(15), Duration::from_secs(5)));
    assert_eq!((totals.io, totals.memory_peak, totals.measured), (1024, Some(70), 2));
    assert_eq!(totals.waits.sorted(), [Duration::from_secs(20)]);
    assert_eq!(totals.durations.sorted(), [Duration::from_secs(5), Duration::from_secs(10)]);
}

/// POL-1, POL-6: the weights of energy, and suspensions.
#[test]
fn energy_is_what_was_used_and_woke_the_machine_and_suspensions_are_counted() {
    let task = teller("org.example.App", "task", 1);
    let mut story = Story::new();
    let instance = Some(story.instance());
    story.tell(&task, NOON, instance, fired(Cause::Timer { shared: 2 }));
    story.tell(&task, NOON, instance, started(1));
    let suspended = EventKind::Suspended { resource: Resource::Cpu, until: WallTime::from_micros(NOON) };
    story.tell(&task, NOON + SECOND, instance, suspended);
    story.tell(&task, NOON + SECOND, instance, EventKind::Released);
    let usage = Usage { cpu: Duration::from_secs(2), io: 64 << 20, network: Some(16 << 20), ..Usage::default() };
    let used = Some(Used { wall: Duration::from_secs(3), usage: Some(usage), wakes: 4_000 });
    story.tell(&task, NOON + 3 * SECOND, instance, completed(Outcome::Succeeded, used));
    let report = accounted(story);
    let totals = &report.totals;
    assert_eq!((totals.network, totals.suspensions), (16 << 20, 1));
    assert_eq!(totals.energy, 5.025, "2 s, 1 s for the bytes, 2 s for the traffic, half of a wake-up of its timer");
    let line = "as much energy as 5.0 s of a processor takes, 1 suspension for want of budget";
    assert!(text(&report).contains(line), "{}", text(&report));
}

#[test]
fn what_was_not_measured_is_said_to_be_unknown_and_its_wall_time_is_that_of_the_clock() {
    let task = teller("org.example.App", "task", 1);
    let mut story = Story::new();
    let instance = Some(story.instance());
    story.tell(&task, NOON, instance, started(1));
    story.tell(&task, NOON + SECOND, instance, notice());
    story.tell(&task, NOON + 3 * SECOND, instance, completed(cancelled(), None));
    let report = accounted(story);
    assert_eq!((report.totals.wall, report.totals.measured), (Duration::from_secs(3), 0));
    assert_eq!(report.totals.waits.sorted(), [], "it fired before the history begins");
    assert!(
        text(&report).contains("3.0 s of wall time; what it used of the machine was not seen"),
        "{}",
        text(&report)
    );
    assert!(json(&report)["totals"]["memory_peak_bytes"].is_null());
}

#[test]
fn a_day_on_which_nothing_happened_is_a_day_and_it_is_that_of_the_zone() {
    let task = teller("org.example.App", "task", 1);
    let mut story = Story::new();
    story.run(&task, NOON - 3 * DAY, 0, SECOND, Cause::World, Outcome::Succeeded);
    story.run(&task, NOON + 11 * HOUR, 0, SECOND, Cause::World, failure());
    let events = story.sorted();
    let days = |zone: &TimeZone| {
        let report = account(&events, zone, NOON - 3 * DAY, NOON + DAY);
        report.days.iter().map(|day| format!("{} {}", day.date, day.totals.runs())).collect::<Vec<_>>()
    };
    assert_eq!(days(&TimeZone::UTC), ["2026-07-25 1", "2026-07-26 0", "2026-07-27 0", "2026-07-28 1"]);
    let east = TimeZone::fixed(jiff::tz::offset(2));
    assert_eq!(days(&east).last().unwrap(), "2026-07-29 1");
}

#[test]
fn a_clock_that_was_set_back_or_is_far_off_makes_no_nonsense() {
    let task = teller("org.example.App", "task", 1);
    let mut story = Story::new();
    let instance = Some(story.instance());
    story.tell(&task, NOON, instance, fired(Cause::Timer { shared: 0 }));
    story.tell(&task, NOON - HOUR, instance, started(1));
    story.tell(&task, NOON - 2 * HOUR, instance, completed(Outcome::Succeeded, None));
    story.tell(&task, i64::MIN, None, EventKind::Missed { due: WallTime::from_micros(0) });
    story.tell(&task, i64::MAX, None, EventKind::Missed { due: WallTime::from_micros(0) });
    let report = account(&story.events, &TimeZone::UTC, i64::MIN, i64::MAX);
    assert_eq!((report.totals.wall, report.totals.missed), (Duration::ZERO, 2));
    assert_eq!(report.days.len(), 400, "the days are bounded");
    assert!(!text(&report).is_empty() && !page(&report).is_empty());
}

#[test]
fn the_text_has_eighty_columns_whatever_tasks_are_called() {
    let report = account(&six_weeks(), &TimeZone::UTC, NOON - 42 * DAY, NOON);
    let text = text(&report);
    for line in text.lines().chain(top(&report).lines()) {
        assert!(bgtask_text::columns(line) <= 80 && !line.contains('\u{1b}'), "{line}");
    }
    assert!(text.contains("\norg.bgtask.Commands ") && text.contains("\n  backup "), "{text}");
    assert!(text.contains("= succeeded, x failed, - stopped"), "{text}");
}

#[test]
fn no_name_is_read_as_html() {
    let html = page(&account(&six_weeks(), &TimeZone::UTC, NOON - 42 * DAY, NOON));
    assert!(!html.contains("<script") && !html.contains('\u{1b}'));
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;背景&quot; \\u{1b}[31m"));
}

#[test]
fn the_json_has_the_promised_keys() {
    let report = account(&six_weeks(), &TimeZone::UTC, NOON - 42 * DAY, NOON);
    let json = json(&report);
    assert_eq!(json["from"], "2026-06-16T12:00:00.000000Z");
    assert_eq!(json["days"].as_array().unwrap().len(), 43);
    let task = &json["tasks"][0];
    assert_eq!((task["app"].as_str(), task["name"].as_str()), (Some("org.bgtask.Commands"), Some("backup")));
    let totals = &task["totals"];
    assert_eq!(totals["runs"], 168);
    let outcomes: u64 = totals["outcomes"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(outcomes, 168);
    assert_eq!(totals["duration_seconds"]["count"], 168);
    assert!(totals["wakeups"].as_f64().unwrap() > 55.9);
}

#[test]
fn the_ledger_of_wake_ups_charges_each_task_with_its_parts_and_sums_up_to_all() {
    let mut story = Story::new();
    let (early, late) = (teller("org.example.App", "early", 1), teller("org.bgtask.Commands", "late", 2));
    for day in 0..10 {
        let at = NOON - (10 - day) * DAY;
        story.run(&early, at, 0, SECOND, Cause::Timer { shared: 2 }, Outcome::Succeeded);
        story.run(&late, at, 0, SECOND, Cause::Timer { shared: 2 }, Outcome::Succeeded);
        let instance = Some(story.instance());
        story.tell(&late, at + HOUR, instance, fired(Cause::Timer { shared: 1 }));
        let looked_at = used(SECOND, SECOND, 0, 0).map(|used| bgtask_core::Used { wakes: 2_500, ..used });
        story.tell(&late, at + HOUR, instance, completed(Outcome::Succeeded, looked_at));
    }
    let report = account(&story.sorted(), &TimeZone::UTC, NOON - 30 * DAY, NOON);
    let totals = &report.totals;
    assert!((totals.wakeups - 45.0).abs() < 1e-9, "ten shared, ten alone, 25 for what ran: {}", totals.wakeups);
    assert!((totals.timer_wakeups - 20.0).abs() < 1e-9);
    assert_eq!((totals.timer_firings, totals.shared_firings), (30, 20));
    assert!((bgtask_report::days(&report) - 10.0).abs() < 1e-9, "nothing is known of the time before its first event");
    let ledger = bgtask_report::wakes(&report);
    let lines: Vec<_> = ledger.lines().map(str::trim_end).collect();
    assert_eq!(
        lines[2..4],
        [
            "  45 wake-ups by time, 4.5 a day: 20 for timers, 25 for what ran",
            "  30 firings of timers, 20 of them with a wake-up that served others too",
        ]
    );
    let rows: Vec<Vec<_>> = lines[5..].iter().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["TASK", "WAKES", "A", "DAY", "TIMERS", "SHARED", "OTHER"]);
    assert_eq!(rows[2], ["late", "40", "4", "20", "10", "25"], "who wakes most comes first: {ledger}");
    assert_eq!(rows[4], ["early", "5", "0.5", "10", "10", "0"]);
    assert_eq!(json(&report)["tasks"][0]["totals"]["timer_wakeups"], 15.0);
}

#[test]
fn a_ledger_of_nothing_says_so_and_none_has_more_than_eighty_columns() {
    let nothing = account(&[], &TimeZone::UTC, NOON - DAY, NOON);
    assert!(bgtask_report::wakes(&nothing).ends_with("Nothing woke the broker by time.\n"));
    let report = account(&six_weeks(), &TimeZone::UTC, NOON - 42 * DAY, NOON);
    for line in bgtask_report::wakes(&report).lines() {
        assert!(bgtask_text::columns(line) <= 80 && !line.contains('\u{1b}'), "{line}");
    }
}
