//! Why, when, and what if: commands that explain.

use bgtask_core::EventKind;
use bgtask_record::Record as _;
use bgtask_wire::HistoryInfo;
use serde_json::Value;

use super::script::{Decided, ask, ask_after, command};
use super::{INSTANCE, NOON, bgtask, json};

const HOUR: i64 = 3_600_000_000;

/// A command that runs every six hours while the user is away, next in one.
fn backup() -> Decided {
    let definition = "command = [\"restic\"]\nevery = \"6h\"\nwhen = \"user-away\"\n";
    let task = bgtask_wire::TaskInfo { due: Some(NOON + HOUR), ..command("backup", definition) };
    Decided { commands: vec![task], ..Decided::default() }
}

fn line(sequence: u64, at: i64, kind: &EventKind) -> HistoryInfo {
    HistoryInfo {
        sequence,
        at,
        app: "org.bgtask.Commands".into(),
        task: backup().commands[0].id.clone(),
        name: "backup".into(),
        instance: Some(INSTANCE.into()),
        event: kind.word().into(),
        text: kind.to_string(),
        detail: kind.to_json().to_string(),
    }
}

#[test]
fn why_at_a_time_that_is_to_come_or_is_none_is_wrong_usage() {
    let ran = ask(&["why", "sync", "--at", "2026-07-29"]);
    assert_eq!((ran.exit, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("`bgtask next`"), "{}", ran.err);
    assert_eq!(ask(&["why", "sync", "--at", "someday"]).exit, 2);
    let ran = ask_after(
        Decided { lines: vec![line(1, NOON, &EventKind::Registered)], ..backup() },
        &["why", "x", "--at", "1h"],
    );
    assert_eq!(ran.exit, 0, "what is gone has a past: {}", ran.err);
}

#[test]
fn why_at_a_time_answers_with_json_too() {
    let lines = vec![line(7, NOON - 2 * HOUR, &EventKind::Paused(true))];
    let ran = ask_after(Decided { lines, ..backup() }, &["why", "backup", "--at", "1h", "--json"]);
    let answer = json(&ran.out);
    assert_eq!((answer["paused"].as_bool(), answer["at"].as_str()), (Some(true), Some("2026-07-28T11:00:00.000000Z")));
    matches_schema("why-at", &answer);
}

#[test]
fn next_for_no_time_is_wrong_usage() {
    assert_eq!(bgtask(&["next", "--for", "0s"]).exit, 2);
    assert_eq!(bgtask(&["next", "--for", "soon"]).exit, 2);
}

/// The script says of every task that it has fired and is held.
#[test]
fn next_tells_what_waits_and_for_what() {
    let ran = ask_after(backup(), &["next"]);
    assert!(ran.out.contains("13:00  in 1 h  backup"), "{}", ran.out);
    assert!(ran.out.contains("has fired, every:6h"), "{}", ran.out);
    let answer = json(&ask_after(backup(), &["next", "--json", "--for", "30min"]).out);
    matches_schema("next", &answer);
    let entries = answer["entries"].as_array().unwrap();
    let kinds: Vec<_> =
        entries.iter().filter(|it| it["name"] == "backup").map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["held", "later"]);
}

#[test]
fn why_as_json_has_its_schema() {
    matches_schema("why", &json(&ask_after(backup(), &["why", "backup", "--json"]).out));
}

/// A rehearsal is of the registrations as they stand, and the same every time.
#[test]
fn simulate_plays_a_day_with_the_registrations_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let (scenario, svg) = (dir.path().join("day.txt"), dir.path().join("day.svg"));
    std::fs::write(&scenario, "at start: user present\n15:00 user leaves\n").unwrap();
    let (scenario, drawn) = (scenario.to_str().unwrap(), svg.to_str().unwrap());
    let arguments = ["simulate", "--task", "backup", "--scenario", scenario, "--svg", drawn, "--json"];
    let ran = ask_after(backup(), &arguments);
    assert_eq!((ran.exit, ran.err.as_str()), (0, ""));
    let answer = json(&ran.out);
    matches_schema("simulate", &answer);
    let task = &answer["tasks"][0];
    let fired: Vec<_> = task["fired"].as_array().unwrap().iter().map(|it| it["at"].as_str().unwrap()).collect();
    let at = |hour: &str| format!("2026-07-{hour}:00:00.000000Z");
    assert_eq!(fired, [at("28T13"), at("28T19"), at("29T01"), at("29T07")], "due as it was, in steps of its own");
    assert_eq!(task["runs"][0]["from"], at("28T15"), "held until the user left");
    assert_eq!(task["runs"][0]["to"], "2026-07-28T15:00:10.000000Z", "10 s where nothing is known of its runs");
    assert!(std::fs::read_to_string(&svg).unwrap().starts_with("<svg"));
    assert_eq!(ask_after(backup(), &arguments), ran);
}

#[test]
fn simulate_takes_a_file_that_is_not_added_and_needs_no_broker_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("new.toml");
    std::fs::write(&file, "command = [\"true\"]\nat = \"*-*-* 03:00\"\n").unwrap();
    let root = ["--root", dir.path().to_str().unwrap()];
    let ran =
        bgtask(&[&root[..], &["simulate", "--file", file.to_str().unwrap(), "--working-day", "--for", "7d"]].concat());
    assert_eq!((ran.exit, ran.err.as_str()), (0, ""));
    assert!(ran.out.starts_with("Tue 28 Jul 2026 12:00"), "{}", ran.out);
    assert!(ran.out.contains("7 firings, 7 runs"), "{}", ran.out);

    std::fs::write(&file, "command = [\"true\"]\nevry = \"1h\"\n").unwrap();
    let ran = bgtask(&[&root[..], &["simulate", "--file", file.to_str().unwrap()]].concat());
    assert_eq!(ran.exit, 1);
    assert!(ran.err.contains("evry"), "{}", ran.err);
}

#[test]
fn simulate_says_what_is_wrong_with_what_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = dir.path().join("day.txt");
    let given = scenario.to_str().unwrap();
    std::fs::write(&scenario, "25:00 user leaves\n09:00 user leafs\n").unwrap();
    let ran = bgtask(&["simulate", "--scenario", given]);
    assert_eq!((ran.exit, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("line 1") && ran.err.contains("did you mean \"user leaves\"?"), "{}", ran.err);
    std::fs::write(&scenario, "2020-01-01 09:00 user leaves\n").unwrap();
    assert_eq!(ask_after(backup(), &["simulate", "--scenario", given]).exit, 2, "a day that is not played");
    std::fs::write(&scenario, [0xff, 0xfe]).unwrap();
    assert_eq!(bgtask(&["simulate", "--scenario", given]).exit, 1);
    assert_eq!(bgtask(&["simulate", "--scenario", "/nowhere/day.txt"]).exit, 3);
    assert_eq!(ask(&["simulate", "--task", "nobody"]).exit, 3);
    assert_eq!(ask_after(backup(), &["simulate", "--svg", "/nowhere/day.svg"]).exit, 1);
    assert_eq!(bgtask(&["--root", "/nowhere", "simulate"]).exit, 4);
    assert_eq!(bgtask(&["--root", "/nowhere", "simulate", "--file", "/nowhere/x"]).exit, 3);
    assert_eq!(bgtask(&["simulate", "--scenario", given, "--working-day"]).exit, 2);
}

/// It works without a broker, and says what to do about its absence.
#[test]
fn doctor_looks_at_everything_without_a_broker() {
    let dir = tempfile::tempdir().unwrap();
    let ran = bgtask(&["--root", dir.path().to_str().unwrap(), "doctor", "--json"]);
    assert_eq!(ran.exit, 1, "{}", ran.out);
    let answer = json(&ran.out);
    matches_schema("doctor", &answer);
    let of = |name: &str| answer.as_array().unwrap().iter().find(|it| it["name"] == name).cloned().unwrap();
    assert_eq!(of("socket")["status"], "problem");
    assert!(of("socket")["help"].as_str().unwrap().contains("bgtaskd --root"));
    for name in ["time-zone", "internet", "unmetered", "user-present", "idle", "ac-power", "battery-above"] {
        assert!(!of(name)["what"].as_str().unwrap().is_empty(), "{name}");
    }
    assert_eq!(of("store")["status"], "ok", "there is none yet");
    assert_eq!(of("boot clock")["status"], "ok");
}

#[test]
fn doctor_of_a_broker_that_answers() {
    let ran = ask(&["doctor"]);
    assert!(ran.out.contains("answers at"), "{}", ran.out);
    assert!(ran.out.contains(&format!("{}, as this program", env!("CARGO_PKG_VERSION"))), "{}", ran.out);
}

#[test]
fn doctor_finds_a_damaged_store() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("state")).unwrap();
    std::fs::write(dir.path().join("state/broker.db"), "not a database, and long enough to be looked at as one")
        .unwrap();
    let ran = bgtask(&["--root", dir.path().to_str().unwrap(), "doctor", "--json"]);
    let answer = json(&ran.out);
    let store = answer.as_array().unwrap().iter().find(|it| it["name"] == "store").unwrap();
    assert_eq!(store["status"], "problem", "{store}");
}

/// Checks what `docs/schema` promises: the keys, the words of an `enum` and the kinds of values.
fn matches_schema(name: &str, value: &Value) {
    let path = format!("{}/../../docs/schema/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let schema = json(&std::fs::read_to_string(path).unwrap());
    check(&schema, &schema, value, name);
}

fn check(root: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        return check(root, root.pointer(&name[1..]).unwrap(), value, place);
    }
    if let Some(either) = schema["anyOf"].as_array() {
        assert_eq!(either[1]["type"], "null", "{place}");
        if !value.is_null() {
            check(root, &either[0], value, place);
        }
        return;
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{place}: {value}");
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match &schema["type"] {
        Value::String(expected) => assert_eq!(kind, expected, "{place}"),
        Value::Array(expected) => assert!(expected.contains(&kind.into()), "{place}: {value}"),
        _ => {}
    }
    if let Some(keys) = schema["properties"].as_object() {
        let found: Vec<_> = value.as_object().unwrap().keys().collect();
        assert_eq!(found, keys.keys().collect::<Vec<_>>(), "{place}");
        keys.iter().for_each(|(key, schema)| check(root, schema, &value[key], &format!("{place}.{key}")));
    }
    if let (Value::Object(_), Some(items)) = (&schema["items"], value.as_array()) {
        items.iter().for_each(|item| check(root, &schema["items"], item, place));
    }
}
