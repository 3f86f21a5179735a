//! The past of a task, told from lines of its history.

use bgtask_core::{
    App, CancelNotice, CancellationReason, Cause, Condition, EventKind, Outcome, Trigger, Unregistration, WallTime,
};
use bgtask_record::Record as _;
use bgtask_wire::HistoryInfo;

use super::past::{Past, gap};
use super::sentence::{Spoken, of};
use crate::output::time::Clock;

/// 2026-07-28T12:00:00Z
const NOON: i64 = 1_785_240_000_000_000;

/// That time of this day.
fn at(hour: i64, minute: i64) -> i64 {
    NOON + ((hour - 12) * 60 + minute) * 60_000_000
}

fn line(at: i64, instance: Option<&str>, kind: &EventKind) -> HistoryInfo {
    HistoryInfo {
        sequence: 1,
        at,
        app: App::COMMANDS.into(),
        task: "a0c4d2e8-1111-4222-8333-444455556666".into(),
        name: "backup".into(),
        instance: instance.map(str::to_owned),
        event: kind.word().into(),
        text: kind.to_string(),
        detail: kind.to_json().to_string(),
    }
}

fn fired() -> EventKind {
    EventKind::Fired { trigger: Trigger::Application, count: 1, cause: Cause::World }
}

fn latched(words: &[&str]) -> EventKind {
    EventKind::Latched(words.iter().map(|word| Condition::from_name(word).unwrap()).collect())
}

fn started() -> EventKind {
    EventKind::Started { attempt: 1, warm: false }
}

fn succeeded() -> EventKind {
    EventKind::Completed { outcome: Outcome::Succeeded, progress: None, used: None }
}

/// What is said of 3 o'clock.
fn said(lines: &[HistoryInfo]) -> String {
    let three = at(3, 0);
    let after = lines.iter().position(|line| line.at > three).unwrap_or(lines.len());
    let past = Past::read(three, &lines[..after], &lines[after..]);
    let past = Past { gap: gap(three, lines[..after].last(), lines.get(after)), ..past };
    of(&past, None, &Spoken { clock: Clock::fixed(NOON) })
}

#[test]
fn it_was_held_until_it_ran() {
    let held = [
        line(at(1, 0), None, &EventKind::Registered),
        line(at(2, 0), Some("1"), &fired()),
        line(at(2, 0), Some("1"), &latched(&["user-away"])),
        line(at(3, 12), Some("1"), &started()),
        line(at(3, 15), Some("1"), &succeeded()),
    ];
    let expected =
        "At 03:00 it was latched since 02:00: user-away did not hold. It ran at 03:12 and ended at 03:15: succeeded.";
    assert_eq!(said(&held), expected);
    let expected = "At 03:00 it was latched since 02:00: user-away did not hold. It ran at 03:12, and has not ended.";
    assert_eq!(said(&held[..4]), expected);
    let expected =
        "At 03:00 it was latched since 02:00: user-away did not hold. Since then it has neither run nor ended.";
    assert_eq!(said(&held[..3]), expected);
    let two = [held[1].clone(), line(at(2, 30), Some("1"), &latched(&["user-away", "ac-power"]))];
    assert!(
        said(&two)
            .contains("latched since 02:30: user-away and ac-power did not all hold; its trigger had fired at 02:00.")
    );
}

#[test]
fn it_ran_and_was_told_to_stop() {
    let notice = CancelNotice {
        reason: CancellationReason::ConditionLoss,
        budget: std::time::Duration::from_secs(600),
        used: std::time::Duration::from_secs(60),
        grace: std::time::Duration::from_secs(5),
    };
    let lines = [
        line(at(2, 0), Some("1"), &fired()),
        line(at(2, 0), Some("1"), &started()),
        line(at(3, 30), Some("1"), &succeeded()),
    ];
    assert_eq!(said(&lines), "At 03:00 it was running since 02:00. It ended at 03:30: succeeded.");
    let mut lines = lines.to_vec();
    lines.insert(2, line(at(2, 59), Some("1"), &EventKind::Cancelled(notice)));
    assert!(said(&lines).starts_with("At 03:00 it was told to stop at 02:59: "), "{}", said(&lines));
}

#[test]
fn what_runs_is_told_before_what_waits_behind_it() {
    let lines = [
        line(at(1, 0), Some("1"), &fired()),
        line(at(1, 0), Some("1"), &started()),
        line(at(2, 0), Some("2"), &fired()),
        line(at(2, 0), Some("2"), &EventKind::Buffered(bgtask_core::Gate::Running)),
        line(at(4, 0), Some("1"), &succeeded()),
    ];
    assert_eq!(said(&lines), "At 03:00 it was running since 01:00. It ended at 04:00: succeeded.");
}

#[test]
fn it_did_not_exist_yet_or_any_more() {
    let registered = line(at(4, 0), None, &EventKind::Registered);
    let expected = "At 03:00 it did not exist yet: it was registered at 04:00.";
    assert_eq!(said(&[registered]), expected);
    let gone = EventKind::Unregistered(Unregistration::Explicit { cancel: false });
    let lines = [line(at(1, 0), None, &EventKind::Registered), line(at(2, 0), None, &gone)];
    assert_eq!(said(&lines), "At 03:00 it did not exist any more: unregistered, at 02:00.");
    let lines = [line(at(4, 0), Some("1"), &started())];
    let expected = "Where it stood at 03:00 is not known: the history does not reach back that far. It ran at 04:00, and has not ended.";
    assert_eq!(said(&lines), expected);
}

#[test]
fn it_was_paused() {
    let lines = [
        line(at(1, 0), None, &EventKind::Registered),
        line(at(2, 0), None, &EventKind::Paused(true)),
        line(at(5, 0), None, &EventKind::Paused(false)),
    ];
    let expected = "At 03:00 it was paused since 02:00: nothing is known of a run before. Next, at 05:00: resumed.";
    assert_eq!(said(&lines), expected);
}

/// D7: a broker that comes back notes what the last one left; when that one ended nobody wrote.
#[test]
fn no_broker_ran() {
    let lines = [
        line(at(2, 0), Some("1"), &fired()),
        line(at(2, 0), Some("1"), &started()),
        line(at(3, 30), Some("1"), &EventKind::Interrupted { attempt: 2 }),
    ];
    let said_of_it = said(&lines);
    assert!(
        said_of_it.contains("No broker ran, or the machine was off or asleep, at some time between 02:00 and 03:30")
    );
    assert!(
        said_of_it.ends_with("It was interrupted by the end of the broker, as was noted at 03:30."),
        "{said_of_it}"
    );

    let missed = |due| line(at(3, 30), None, &EventKind::Missed { due: WallTime::from_micros(due) });
    assert!(said(&[line(at(1, 0), None, &EventKind::Registered), missed(at(2, 50))]).contains("No broker ran"));
    assert!(!said(&[line(at(1, 0), None, &EventKind::Registered), missed(at(3, 10))]).contains("No broker ran"));
}

#[test]
fn between_two_runs_it_waited_for_its_trigger() {
    let lines = [
        line(at(1, 0), Some("1"), &started()),
        line(at(1, 5), Some("1"), &succeeded()),
        line(at(7, 0), Some("2"), &fired()),
        line(at(7, 0), Some("2"), &started()),
        line(at(7, 0), Some("2"), &succeeded()),
    ];
    let expected =
        "At 03:00 it waited for its trigger: its last run, until 01:05, succeeded. It ran at 07:00: succeeded.";
    assert_eq!(said(&lines), expected);
    let foreign = HistoryInfo { detail: "what a newer broker writes".into(), ..lines[2].clone() };
    assert!(said(&[foreign]).starts_with("Where it stood at 03:00 is not known"));
}
