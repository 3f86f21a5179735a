//! Recordings: written turn by turn, replayed to the same decisions, and read with care.

use std::time::Duration;

use bgtask_core::{
    App, AppId, Config, Core, Entry, EntryPoint, Input, NewRegistration, Now, Output, Report, Request, RequestId,
    Server, Sharing, Snapshot, SystemTriggerType, TaskType, Trigger, Zone,
};
use bgtask_record::{Recorder, Replay, ReplayError, replay};

const SEED: u64 = u64::MAX - 1;

/// A short life of a broker: an app registers, the zone changes, a task runs past its budget.
fn story() -> Vec<(Now, Input)> {
    let app = AppId::new("org.example.Photos").expect("well-formed");
    let server = Server { program: "tasks".into(), application: "".into(), sharing: Sharing::InTurn, budget: None };
    let entry = EntryPoint { name: "Tasks.Example".into(), server, types: vec![TaskType::SystemEvent] };
    let declared = App {
        id: app.clone(),
        version: "1".into(),
        entry_points: vec![entry],
        classes: vec![],
        itself: None,
        applications: vec![],
        raises: vec![],
        services: vec![],
        commands: None,
    };
    let new = NewRegistration {
        name: "Clock".into(),
        entry: Entry::Component("Tasks.Example".into()),
        trigger: Trigger::System { kind: SystemTriggerType::TimeZoneChange, one_shot: false },
        conditions: vec![],
        cancel_on_condition_loss: false,
        is_network_requested: false,
        group: None,
    };
    let zone = |identity: &str, offset_seconds, previous_offset_seconds| {
        let zone = Zone { identity: identity.into(), offset_seconds };
        Input::Report(Report::TimeZone { zone, previous_offset_seconds })
    };
    let inputs = [
        Input::AppInstalled(declared),
        Input::Restore(Box::<Snapshot>::default()),
        Input::Request(RequestId(1), Request::RequestAccess { app: app.clone(), application: String::new() }),
        Input::Request(RequestId(2), Request::Register(app, new)),
        zone("Europe/Paris", 3_600, None),
        zone("Europe/London", 0, Some(3_600)),
        Input::Tick,
    ];
    (0..).zip(inputs).map(|(turn, input)| (Now::ZERO + Duration::from_secs(turn * 10), input)).collect()
}

fn decide(core: &mut Core, now: Now, input: Input) -> Vec<Output> {
    core.handle(now, input);
    let mut outputs = Vec::new();
    while !matches!(outputs.last(), Some(Output::Wake(_))) {
        outputs.push(core.poll());
    }
    outputs
}

fn recorded_up_to(limit: u64) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    let mut taken = 0;
    let mut core = Core::new(Config::default(), SEED);
    let mut recorder = Recorder::with_limit(&mut bytes, &Config::default(), SEED, limit).expect("memory is writable");
    for (now, input) in story() {
        let outputs = decide(&mut core, now, input.clone());
        taken += usize::from(recorder.turn(now, &input, &outputs).expect("memory is writable"));
    }
    (bytes, taken)
}

fn recorded() -> String {
    String::from_utf8(recorded_up_to(u64::MAX).0).expect("JSON is text")
}

#[test]
fn a_recording_gives_the_same_decisions_again() {
    let done = replay(recorded().as_bytes()).expect("nothing has changed");
    assert_eq!((done.inputs, done.cut_short), (7, false));
    assert!(done.outputs > 15, "{done:?}");
}

#[test]
fn a_broker_that_was_killed_while_it_wrote_leaves_a_recording_that_is_good_up_to_there() {
    let text = recorded();
    let whole = replay(text.as_bytes()).expect("it is whole");
    let last_line = text.trim_end().rfind('\n').expect("several lines") + 1;
    for end in [last_line + 1, text.len() - 2] {
        let done = replay(&text.as_bytes()[..end]).expect("the end is missing, not wrong");
        assert_eq!((done.inputs, done.cut_short), (whole.inputs - 1, true));
    }
    let done = replay(&text.as_bytes()[..text.len() - 1]).expect("only the line end is missing");
    assert_eq!(done, whole);
}

#[test]
fn a_line_damaged_in_the_middle_is_not_taken_for_the_end() {
    let text = recorded();
    let mut lines: Vec<_> = text.lines().collect();
    lines[3] = &lines[3][..20];
    match replay(lines.join("\n").as_bytes()) {
        Err(ReplayError::Format { line: 4, .. }) => {}
        other => panic!("line 4 is damaged: {other:?}"),
    }
}

#[test]
fn what_is_no_recording_is_refused_at_its_first_line() {
    let cases = [
        ("", "the file is empty"),
        ("\n", "EOF"),
        ("hello", "expected value"),
        ("{}", "the header of a recording expected, found {}"),
        (r#"{"bgtask_recording":2,"seed":1,"config":{}}"#, "the header of a recording expected"),
        (r#"{"bgtask_recording":1,"seed":1,"config":{}}"#, "config.wall_budget: u64 expected, found null"),
        (r#"{"bgtask_recording":1,"seed":-1}"#, "config.wall_budget"),
    ];
    for (text, expected) in cases {
        let error = replay(text.as_bytes()).expect_err("it is none").to_string();
        assert!(error.starts_with("line 1 is not part of a bgtask recording of format 1"), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_turn_that_is_not_one_is_refused_with_its_place() {
    let header = recorded().lines().next().expect("a header").to_owned();
    let error = replay(format!("{header}\n{{\"at\":[1,2],\"in\":\"Explode\",\"out\":[]}}\n").as_bytes());
    let error = error.expect_err("no such input").to_string();
    assert!(error.contains("line 2") && error.contains("in: a value of Input expected, found \"Explode\""), "{error}");
}

#[test]
fn another_decision_is_shown_with_its_line() {
    let text = recorded().replacen("\"Registered\"", "\"Unregistered\"", 1);
    match replay(text.as_bytes()) {
        Err(ReplayError::Diverged { line, input, recorded, now }) => {
            assert_eq!(line, 5);
            assert!(input.contains("Register") && recorded.contains("Unregistered") && !now.contains("Unregistered"));
        }
        other => panic!("an edited decision is another one: {other:?}"),
    }
}

#[test]
fn another_seed_gives_other_ids() {
    let text = recorded().replacen(&SEED.to_string(), "5", 1);
    assert!(matches!(replay(text.as_bytes()), Err(ReplayError::Diverged { line: 5, .. })));
}

#[test]
fn a_recording_stops_at_its_bound_and_is_whole_up_to_there() {
    let (bytes, taken) = recorded_up_to(900);
    assert!((1..7).contains(&taken), "{taken} of 7 turns");
    let done = replay(bytes.as_slice()).expect("what is there is whole");
    assert_eq!(done, Replay { inputs: taken as u64, cut_short: false, ..done });
    assert_eq!(recorded_up_to(0).1, 0);
}

#[test]
fn a_frozen_recording_still_loads() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/frozen/recording.jsonl");
    if std::env::var_os("BGTASK_BLESS").is_some() {
        std::fs::write(path, recorded()).expect("the frozen file is written");
    }
    let text = std::fs::read(path).expect("the frozen file is there");
    // A later version may decide differently; it must always be able to read and to say so.
    match replay(text.as_slice()) {
        Ok(done) => assert_eq!(done.inputs, 7),
        Err(ReplayError::Diverged { line, .. }) => assert!(line > 1),
        Err(error) => panic!("{error}"),
    }
}
