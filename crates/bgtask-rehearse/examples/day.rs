//! A day of a few tasks, as text, and as a picture in a file.
//!
//! `cargo run -p bgtask-rehearse --example day [SVG]`

use std::sync::Arc;
use std::time::Duration;

use bgtask_core::{
    App, Command, Condition, Entry, NewRegistration, Pace, PathEvents, PathWatch, Retry, SystemTriggerType, Trigger,
    WallTime,
};
use bgtask_rehearse::{Rehearsal, RehearsedTask, Scenario};

/// Monday 2 March 2026, 00:00 UTC.
const FROM: i64 = 1_772_409_600_000_000;
const HOUR: Duration = Duration::from_secs(3_600);

const SCENARIO: &str = "\
at start: user away, battery power, battery 100%, wifi metered until 10:30
06:30-07:15 user present
09:00-12:30 user present
13:15-18:00 user present
09:00-18:00 ac power
12:00-13:00 no internet
18:00-23:30 battery 100% to 40%
23:30 machine sleeps
00:00 machine sleeps until 06:00
14:00 path /home/me/notes/todo.md changes 5 times
14:20 path /home/me/notes/todo.md changes
15:00 event org.example.jack
task backup takes 50min
task sync takes 4min
task sync fails 2 times
11:00 task flaky fails
16:00 task flaky succeeds
10:00 task paused paused
17:00 task paused resumed
";

fn main() {
    let scenario = Scenario::parse(SCENARIO).unwrap_or_else(|errors| panic!("{errors}"));
    let mut rehearsal = Rehearsal::new(WallTime::from_micros(FROM), 24 * HOUR, scenario);
    let every = |hours: f64| Trigger::Interval { every: HOUR.mul_f64(hours), pace: Pace::default(), one_shot: false };
    let at = |calendar: &str, catch_up| Trigger::Calendar {
        calendar: calendar.into(),
        zone: None,
        catch_up,
        pace: Pace::default(),
        one_shot: false,
    };
    let watch = PathWatch {
        path: "/home/me/notes".into(),
        recursive: true,
        on: PathEvents::default(),
        settle: Duration::from_secs(120),
    };
    let mut add = |name: &str, trigger, conditions: &[&str], change: fn(&mut Command, &mut NewRegistration)| {
        let conditions = conditions.iter().map(|word| Condition::from_name(word).expect("it is one")).collect();
        let mut command = Command::new(["true"]);
        let entry = Entry::InProcess;
        let (cancel_on_condition_loss, is_network_requested, group) = (false, false, None);
        let name = name.to_owned();
        let mut new =
            NewRegistration { name, entry, trigger, conditions, cancel_on_condition_loss, is_network_requested, group };
        change(&mut command, &mut new);
        new.entry = Entry::Command(Arc::new(command));
        rehearsal.tasks.push(RehearsedTask::new(App::of_commands().id, new));
    };
    add("backup", every(6.0), &["unmetered", "ac-power", "user-away"], |command, new| {
        new.cancel_on_condition_loss = true;
        command.fresh_within = Some(14 * HOUR);
    });
    add("sync", Trigger::Path { watch, one_shot: false }, &["internet"], |command, _| {
        command.retry = Retry { times: 3, backoff: Duration::from_secs(600) };
    });
    add("mail", every(0.25), &["internet"], |_, _| {});
    add("report", at("Mon..Fri 08:00", true), &["user-present"], |_, _| {});
    add("digest", at("*-*-* 05:00", false), &[], |_, _| {});
    add("tidy", every(1.0), &["idle:10min"], |_, _| {});
    add("flaky", every(1.0), &[], |_, _| {});
    add("paused", every(2.0), &[], |_, _| {});
    add(
        "jack",
        Trigger::CustomSystemEvent {
            id: "org.example.jack".into(),
            recurrence: bgtask_core::CustomSystemEventTriggerRecurrence::Always,
        },
        &["battery-above:60"],
        |_, _| {},
    );
    add("welcome", Trigger::System { kind: SystemTriggerType::UserPresent, one_shot: false }, &[], |_, _| {});
    add("night <&> \"work\"", every(3.0), &["between:22:00-06:00", "ac-power"], |_, _| {});
    add(
        "too often",
        Trigger::Interval { every: Duration::from_millis(10), pace: Pace::default(), one_shot: false },
        &[],
        |_, _| {},
    );
    let timeline = rehearsal.play().unwrap_or_else(|error| panic!("{error}"));
    print!("{}", timeline.text(100, 400));
    if let Some(path) = std::env::args().nth(1) {
        std::fs::write(&path, timeline.svg()).unwrap_or_else(|error| eprintln!("{path}: {error}"));
    }
}
