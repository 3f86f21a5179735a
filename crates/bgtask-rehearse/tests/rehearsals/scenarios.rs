//! Scenarios: what is read, and what is refused with words that help.

use std::time::Duration;

use bgtask_core::WallTime;
use bgtask_rehearse::{
    MAX_MISTAKES, MAX_SCENARIO_BYTES, Rehearsal, RehearsalError, Scenario, ScenarioError, WORKING_DAY,
};
use proptest::prelude::*;

use crate::day::{Day, command, every};

fn mistake(text: &str) -> ScenarioError {
    match Scenario::parse(text) {
        Ok(_) => panic!("{text:?} was read"),
        Err(mut errors) => errors.0.remove(0),
    }
}

#[test]
fn every_line_of_the_documentation_is_read() {
    let documentation = include_str!("../../../../docs/scenarios.md");
    let block = documentation.split("```scenario\n").nth(1).and_then(|rest| rest.split("```").next());
    let lines: Vec<_> = block.expect("an example").lines().collect();
    assert!(lines.len() > 8, "{lines:?}");
    Scenario::parse(&lines.join("\n")).unwrap_or_else(|errors| panic!("{errors}"));
    // Every phrase of the table, in its first column.
    let table = documentation.split("| what | |").nth(1).expect("a table");
    for cell in table.lines().filter_map(|line| line.split('|').nth(1)) {
        for phrase in cell.split('`').skip(1).step_by(2) {
            let (begin, when) =
                (cell.split('`').nth(1).unwrap_or(""), if phrase.contains(" to ") { "09:00-10:00" } else { "09:00" });
            let subject = begin.split(' ').take(
                if begin.starts_with("path") || begin.starts_with("task") || begin.starts_with("app") { 2 } else { 1 },
            );
            let phrase = phrase.replace("… ", &format!("{} ", subject.collect::<Vec<_>>().join(" ")));
            let phrase = phrase.replace("app ID", "app org.example.App");
            let alone = ["comes", "returns", "back", "leaves", "gone"].contains(&phrase.as_str());
            let phrase = if alone { format!("user {phrase}") } else { phrase };
            if phrase.starts_with("idle:") {
                continue;
            }
            Scenario::parse(&format!("{when} {phrase}")).unwrap_or_else(|errors| panic!("{phrase}: {errors}"));
        }
    }
}

#[test]
fn the_working_day_is_a_scenario() {
    assert_eq!(Scenario::parse(WORKING_DAY), Ok(Scenario::working_day()));
}

#[test]
fn impossible_times_are_refused() {
    for (text, says, helps) in [
        ("25:00 user leaves", "\"25:00\" is no time of the day", "from 00:00 to 23:59"),
        ("09:60 user leaves", "\"09:60\" is no time of the day", "from 00:00 to 23:59"),
        ("24:00 user leaves", "\"24:00\" is no time of the day", "from 00:00 to 23:59"),
        ("13:00-12:00 no internet", "the span ends before it begins", "22:00-06:00"),
        ("13:00-13:00 no internet", "the span ends when it begins", "12:00-13:00"),
        ("09:00 no internet until 09:00", "it ends when it begins", "another time"),
        ("2026-02-30 09:00 user leaves", "\"2026-02-30\" is no date", "mon-fri"),
        ("day 0 09:00 user leaves", "\"0\" is no day", "day 2"),
        ("day 99999999999 09:00 user leaves", "is no day", "day 2"),
        ("mon-fri user leaves", "\"user\" says not when it happens", "at start"),
        ("user leaves", "\"user\" says not when it happens", "at start"),
    ] {
        let error = mistake(text);
        assert!(error.message.contains(says) && error.help.contains(helps), "{text:?}: {error}");
        assert!(text.get(error.span.clone()).is_some_and(|part| !part.is_empty()), "{text:?}: {:?}", error.span);
    }
}

#[test]
fn unknown_words_are_refused_with_what_is_near() {
    for (text, says, helps) in [
        ("09:00 user leafs", "nothing is known of \"user leafs\"", "did you mean \"user leaves\"?"),
        ("09:00 wifi unmeterd", "nothing is known of", "did you mean \"wifi unmetered\"?"),
        ("09:00 rain", "nothing is known of \"rain\"", "write user present|away"),
        ("09:00 battery-above:50", "battery-above:50 is not said", "battery 35%"),
        ("09:00 idle:10min", "is not said", "user leaves"),
        ("09:00 cost-not-high", "is not said", "what it follows from"),
        ("09:00", "it is not said what happens", "user leaves"),
        ("09:00 user leaves,", "it is not said what happens", "comma"),
        ("09:00 battery 101%", "no state of a battery", "battery 35%"),
        ("09:00 battery 100% to 20%", "how long the battery takes", "09:00-13:00"),
        ("09:00 disk free much", "\"much\" is no size", "disk free 10G"),
        ("09:00 load high", "\"high\" is no load", "load 1.5"),
        ("09:00 path notes changes", "is not absolute", "/home/me/notes"),
        ("09:00 path /notes changes 0 times", "not how often", "1 to 10000"),
        ("09:00 path /notes changes 10001 times", "not how often", "1 to 10000"),
        ("task backup takes 367d", "how the task behaves", "takes 20min"),
        ("09:00-10:00 event x", "does not last", "one time only"),
        ("task", "the task's name is missing", "takes 20min"),
        ("task backup takes long", "how the task behaves", "takes 20min"),
        ("app a b", "what the user decides", "denied"),
        ("app ../etc denied", "is no app id", "denied"),
        ("09:00 task \"my backup takes 1h", "does not end", "close it"),
        ("09:00-10:00 no internet until 11:00", "it ends twice", "leave out until"),
        ("09:00 until", "this is no end of something", "until 10:30"),
        ("09:00 time zone", "the time zone is missing", "Europe/Lisbon"),
    ] {
        let error = mistake(text);
        assert!(error.message.contains(says) && error.help.contains(helps), "{text:?}: {error}");
        assert!(text.get(error.span.clone()).is_some_and(|part| !part.is_empty()), "{text:?}: {:?}", error.span);
    }
}

#[test]
fn a_mistake_is_told_with_its_line_and_place() {
    let text = "# Äpfel\nat start: user present\n  09:00 user leafs # oops\n";
    let error = mistake(text);
    assert_eq!((error.line, &text[error.span.clone()]), (3, "user leafs"));
    assert_eq!(error.to_string(), "line 3: nothing is known of \"user leafs\"; did you mean \"user leaves\"?");
    let many = Scenario::parse(&"oops\n".repeat(100)).expect_err("none is right");
    assert_eq!(many.0.len(), MAX_MISTAKES);
}

#[test]
fn a_scenario_is_bounded() {
    assert!(Scenario::parse(&"#".repeat(MAX_SCENARIO_BYTES)).is_ok());
    assert!(mistake(&"#".repeat(MAX_SCENARIO_BYTES + 1)).help.contains("at most"));
}

#[test]
fn a_day_on_which_the_rehearsal_does_not_play_is_refused() {
    for line in ["2026-03-09 09:00 user leaves", "day 3 09:00 user leaves", "2026-03-01 09:00 user leaves"] {
        let day = Day::new("2026-03-02T00:00:00Z", "24h", "UTC", &format!("\n{line}"));
        let Err(RehearsalError::Scenario(error)) = day.rehearsal.play() else { panic!("{line} was played") };
        assert_eq!((error.line, error.message.as_str()), (2, "this never comes"), "{line}");
        assert_eq!(error.help, "the rehearsal plays from 2026-03-02 00:00 to 2026-03-03 00:00");
    }
    for line in [
        "2026-03-02 09:00 user leaves",
        "day 1 09:00 user leaves",
        "2026-03-01 23:00-01:00 no internet",
        "sat 09:00 user leaves",
    ] {
        assert!(Day::new("2026-03-02T00:00:00Z", "24h", "UTC", line).rehearsal.play().is_ok(), "{line}");
    }
}

#[test]
fn a_zone_nobody_knows_and_a_task_nobody_rehearses_are_told() {
    let day = Day::new("2026-03-02T00:00:00Z", "24h", "UTC", "15:00 time zone Mars/Olympus");
    let error = day.rehearsal.play().expect_err("nobody was there");
    assert_eq!(
        error.to_string(),
        "the scenario cannot be played: line 1: no time zone \"Mars/Olympus\" is known; write a name as Europe/Lisbon"
    );
    let day =
        Day::new("2026-03-02T00:00:00Z", "24h", "UTC", "task bakup fails").task(command("backup", every("6h"), &[]));
    assert_eq!(day.played().notes[0].text, "no task \"bakup\" is rehearsed; did you mean \"backup\"?");
}

/// A line that says something, with times and words as people and machines get them wrong.
fn line() -> impl Strategy<Value = String> {
    let when = prop_oneof![
        Just(String::new()),
        Just("at start:".into()),
        (0..30_u8, 0..70_u8).prop_map(|(hour, minute)| format!("{hour}:{minute:02}")),
        (0..26_u8, 0..26_u8).prop_map(|(from, to)| format!("mon-fri {from:02}:00-{to:02}:00")),
        (0..4_u32, 0..24_u8).prop_map(|(day, hour)| format!("day {day} {hour:02}:30")),
    ];
    let what = prop_oneof![
        Just("user leaves"),
        Just("user comes, no internet"),
        Just("machine sleeps until 06:00"),
        Just("machine off"),
        Just("machine on"),
        Just("user logs in"),
        Just("battery 90% to 10%"),
        Just("battery 5%"),
        Just("metered until 24:00"),
        Just("path /a changes 3 times"),
        Just("event x"),
        Just("task t takes 0s"),
        Just("task t takes 3h"),
        Just("task t fails"),
        Just("task t runs now"),
        Just("task t paused"),
        Just("app org.bgtask.Commands denied"),
        Just("load 0.5"),
        Just("disk free 1G"),
        Just("energy saver"),
        Just("memory pressure"),
        Just("time zone UTC"),
        Just("\"é"),
        Just(","),
    ];
    prop_oneof![4 => (when, what).prop_map(|(when, what)| format!("{when} {what}")), 1 => ".{0,40}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn no_text_makes_the_reader_panic(text in "(\\PC|[\n\"#,:0-9-]){0,200}") {
        let _ = Scenario::parse(&text);
    }

    /// Whatever can be read can be played, drawn and told, and every mistake lies within the text.
    #[test]
    fn no_scenario_makes_the_rehearsal_panic(lines in prop::collection::vec(line(), 0..12)) {
        let text = lines.join("\n");
        let scenario = match Scenario::parse(&text) {
            Ok(scenario) => scenario,
            Err(errors) => {
                for error in errors.0 {
                    prop_assert!(text.get(error.span.clone()).is_some(), "{error:?}");
                    prop_assert!((1..=lines.len().max(1) * 2).contains(&error.line));
                }
                return Ok(());
            }
        };
        let mut rehearsal = Rehearsal::new(WallTime::from_micros(1_772_409_600_000_000), Duration::from_secs(200_000), scenario);
        rehearsal.zones = crate::day::zone;
        let task = |name: &str, conditions: &[&str]| {
            bgtask_rehearse::RehearsedTask::new(bgtask_core::App::of_commands().id, command(name, every("50min"), conditions))
        };
        rehearsal.tasks = vec![task("t", &[]), task("u", &["user-away", "idle:20min"]), task("v", &["internet", "battery-above:40"])];
        if let Ok(timeline) = rehearsal.play() {
            prop_assert!(timeline.svg().ends_with("</svg>\n"));
            prop_assert!(timeline.text(80, 50).lines().all(|line| line.chars().count() <= 80));
            for lane in &timeline.lanes {
                prop_assert!(lane.runs.iter().all(|run| run.from <= run.to && run.to <= timeline.to));
                prop_assert!(lane.waits.iter().all(|wait| wait.from < wait.to));
            }
        }
    }
}
