//! Every bound of commands and of their triggers, with an error that says so.

use std::time::Duration;

use bgtask_core::limits::{
    MAX_ARGUMENTS, MAX_CALENDAR_BYTES, MAX_COMMAND_BYTES, MAX_INTERVAL, MAX_PATH_BYTES, MAX_PROGRESS_MESSAGE_BYTES,
    MAX_RETRIES, MAX_SETTLE, MIN_INTERVAL,
};
use bgtask_core::{
    Command, Limit, NewRegistration, Pace, PathEvents, PathWatch, Refusal, Reply, Request, Retry, Trigger,
};

use crate::harness::{Broker, HOUR, but, command, every, seconds};

fn backup(change: impl FnOnce(&mut Command)) -> NewRegistration {
    but(command("backup", every(HOUR)), change)
}

fn fits(new: NewRegistration) {
    let answer = Broker::of_commands().try_register(bgtask_core::App::COMMANDS, new);
    assert!(answer.is_ok(), "{answer:?}");
}

fn refusal(new: NewRegistration) -> String {
    Broker::of_commands().refused(new).to_string()
}

fn over(new: NewRegistration, limit: Limit) {
    assert_eq!(Broker::of_commands().refused(new), Refusal::LimitReached(limit));
}

#[test]
fn the_most_arguments() {
    let with = |count| backup(|command| command.argv = vec!["x".into(); count]);
    fits(with(MAX_ARGUMENTS));
    over(with(MAX_ARGUMENTS + 1), Limit::Arguments);
}

#[test]
fn the_longest_command_and_environment_together() {
    // Each text has its end besides: the program, the name, the value, the folder.
    let with = |bytes: usize| backup(|it| drop(it.env.insert("A".into(), "x".repeat(bytes - 6 - 1 - 4).into())));
    fits(with(MAX_COMMAND_BYTES));
    over(with(MAX_COMMAND_BYTES + 1), Limit::CommandBytes);
}

#[test]
fn a_command_that_no_program_can_be_started_with() {
    for (new, expected) in [
        (backup(|command| command.argv.clear()), "the command is empty: name a program to run"),
        (backup(|command| command.argv = vec!["".into()]), "the command is empty: name a program to run"),
        (
            backup(|command| command.argv.push("a\0b".into())),
            "the command has a NUL character: no program can be given one",
        ),
        (
            backup(|command| drop(command.env.insert("A=B".into(), "".into()))),
            "\"A=B\" is no name of an environment variable: it is not empty and has no '='",
        ),
        (backup(|command| command.dir = "notes".into()), "the folder \"notes\" is not absolute: begin it with '/'"),
        (
            backup(|command| command.memory = Some(1_000)),
            "less memory than 1048576 bytes starts no program: allow more",
        ),
    ] {
        assert_eq!(refusal(new), expected);
    }
}

#[test]
fn the_shortest_and_the_longest_time() {
    let (least, most) = (MIN_INTERVAL, MAX_INTERVAL);
    type Set = fn(Duration) -> NewRegistration;
    let times: [(&str, Set); 5] = [
        ("the interval", |time| command("backup", every(time))),
        ("the timeout", |time| backup(|command| command.timeout = time)),
        ("the processor time", |time| backup(|command| command.cpu = Some(time))),
        ("the promised freshness", |time| backup(|command| command.fresh_within = Some(time))),
        ("the pause before another try", |time| backup(|command| command.retry = Retry { times: 1, backoff: time })),
    ];
    for (what, set) in times {
        fits(set(least));
        fits(set(most));
        for wrong in [least - Duration::from_millis(1), most + seconds(1), Duration::ZERO, Duration::MAX] {
            let refusal = refusal(set(wrong));
            let range = "is out of range: it takes 1s to 366d";
            assert!(refusal.starts_with(what) && refusal.ends_with(range), "{refusal}");
        }
    }
}

#[test]
fn the_most_tries() {
    let with = |times| backup(|command| command.retry.times = times);
    fits(with(MAX_RETRIES));
    assert_eq!(refusal(with(MAX_RETRIES + 1)), "1001 tries are too many: at most 1000");
}

#[test]
fn how_much_later_than_due() {
    let calendar = |accuracy, jitter| {
        let (calendar, zone, pace) = ("daily 3".into(), None, Pace { accuracy, jitter, wake: false });
        command("report", Trigger::Calendar { calendar, zone, catch_up: true, pace, one_shot: false })
    };
    let interval = |accuracy, jitter| {
        let pace = Pace { accuracy, jitter, wake: false };
        command("report", Trigger::Interval { every: HOUR, pace, one_shot: false })
    };
    let more = seconds(1);
    fits(calendar(MAX_SETTLE, MAX_SETTLE));
    assert!(refusal(calendar(MAX_SETTLE + more, more)).starts_with("the accuracy of 1d1s"));
    assert!(refusal(calendar(more, MAX_SETTLE + more)).starts_with("the jitter of 1d1s"));
    fits(interval(HOUR, HOUR));
    assert!(refusal(interval(HOUR + more, more)).ends_with("it takes 0s to 1h"), "no firing is left out for it");
    assert!(refusal(interval(more, HOUR + more)).ends_with("it takes 0s to 1h"));
}

#[test]
fn the_longest_calendar_and_zone() {
    let with = |bytes: usize, zone: usize| {
        let (calendar, zone) = (format!("never {}", "x".repeat(bytes - 6)), Some("z".repeat(zone).into()));
        let pace = Pace::default();
        let calendar = calendar.into();
        command("report", Trigger::Calendar { calendar, zone, catch_up: true, pace, one_shot: false })
    };
    fits(with(MAX_CALENDAR_BYTES, MAX_CALENDAR_BYTES));
    over(with(MAX_CALENDAR_BYTES + 1, 1), Limit::CalendarBytes);
    over(with(9, MAX_CALENDAR_BYTES + 1), Limit::CalendarBytes);
}

#[test]
fn a_path_that_can_be_watched() {
    let with = |path: String, on, settle| {
        let watch = PathWatch { path: path.into(), recursive: true, on, settle };
        command("sync", Trigger::Path { watch, one_shot: false })
    };
    let any = PathEvents::default();
    let long = |bytes: usize| format!("/{}", "x".repeat(bytes - 1));
    fits(with(long(MAX_PATH_BYTES), any, MAX_SETTLE));
    over(with(long(MAX_PATH_BYTES + 1), any, Duration::ZERO), Limit::PathBytes);
    for (new, expected) in [
        (with("notes".into(), any, Duration::ZERO), "the path \"notes\" is not absolute: begin it with '/'"),
        (
            with("/".into(), PathEvents::NONE, Duration::ZERO),
            "no change counts: name some of created, changed, written, deleted, moved",
        ),
        (
            with("/".into(), any, MAX_SETTLE + seconds(1)),
            "the time to settle of 1d1s is out of range: it takes 0s to 1d",
        ),
    ] {
        assert_eq!(refusal(new), expected);
    }
}

#[test]
fn the_longest_words_beside_a_progress_are_cut() {
    let mut broker = Broker::of_commands();
    let task = broker.add(backup(|_| {}));
    broker.run_now(task);
    let instance = broker.expect_run("backup").instance();
    let message = "é".repeat(MAX_PROGRESS_MESSAGE_BYTES);
    let answer = broker.request(Request::ReportProgress { instance, value: 1, message });
    assert_eq!(answer, Ok(Reply::Noted));
    let said = broker.core.task(task).and_then(|(_, it)| it?.message.clone()).expect("it said something");
    assert_eq!(*said, *"é".repeat(MAX_PROGRESS_MESSAGE_BYTES / 2));
}
