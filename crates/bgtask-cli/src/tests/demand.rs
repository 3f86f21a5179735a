//! What the user makes happen: triggers, events, and the end of what runs.

use serde_json::json;

use super::script::ask;
use super::{bgtask, done, json};

#[test]
fn trigger_fires_with_typed_arguments() {
    let ran = ask(&["trigger", "org.example.Photos"]);
    assert_eq!(ran, done("Allowed: the trigger fired with {}.\n"));
    let ran = ask(&[
        "trigger",
        "org.example.Photos",
        "--arg",
        "album=Summer 2026",
        "--arg",
        "count:=3",
        "--json-args",
        "{\"full\":true}",
    ]);
    let expected =
        r#"Allowed: the trigger fired with {"album": "\"Summer 2026\"", "count": "int64 3", "full": "true"}."#;
    assert_eq!(ran, done(&format!("{expected}\n")));
    let expected = json!({
        "app": "org.example.Photos", "class": "ApplicationTrigger", "result": "Allowed", "why": "the trigger fired with {}",
    });
    assert_eq!(json(&ask(&["trigger", "org.example.Photos", "--json"]).out), expected);
}

#[test]
fn trigger_tells_by_its_exit_code_what_became_of_it() {
    let ran = ask(&["trigger", "org.example.Kiosk"]);
    assert_eq!((ran.exit, ran.err.as_str()), (5, "bgtask: CurrentlyRunning: the task runs already\n"), "D3");
    let ran = ask(&["trigger", "org.example.Corp"]);
    let expected = "bgtask: DisabledByPolicy: DeniedBySystemPolicy, says the policy /etc/bgtask/policy.d/10-corp.toml\n\
                    `bgtask access org.example.Corp` shows who decides\n";
    assert_eq!((ran.exit, ran.err.as_str()), (6, expected), "AC-10");
    let ran = ask(&["trigger", "org.example.Photos", "--media", "--json"]);
    let answer = json(&ran.out);
    assert_eq!((&answer["class"], &answer["result"]), (&json!("MediaProcessingTrigger"), &json!("UnknownError")));
    assert_eq!((ran.exit, &json(&ran.err)["exit_code"]), (1, &json!(1)));
}

#[test]
fn trigger_of_what_cannot_be() {
    let ran = ask(&["trigger", "org.example.Phtos"]);
    assert_eq!(ran.exit, 3);
    assert!(ran.err.ends_with("did you mean \"org.example.Photos\"?\n"), "{}", ran.err);
    for arguments in [
        &["--arg", "album"][..],
        &["--arg", "count:=three"],
        &["--json-args", "[1]"],
        &["--arg", "nothing:=null"],
        &["--arg", "a=1", "--arg", "a=2"],
    ] {
        // There is no broker here: what is wrong is found before anybody is asked.
        let ran = bgtask(&[&["--root", "/nowhere", "trigger", "org.example.Photos"], arguments].concat());
        assert_eq!(ran.exit, 2, "{arguments:?}: {ran:?}");
    }
}

#[test]
fn raise_says_how_many_heard_it() {
    assert_eq!(ask(&["raise", "org.example.jack"]), done("2 tasks heard org.example.jack.\n"));
    let ran = ask(&["raise", "org.example.jack", "--json"]);
    assert_eq!((json(&ran.out), ran.exit), (json!({"event": "org.example.jack", "count": 2}), 0));
}

#[test]
fn raise_of_what_nobody_hears_has_an_exit_code_of_its_own() {
    let ran = ask(&["raise", "org.example.nothing-like-it"]);
    assert_eq!((ran.exit, ran.out.as_str()), (3, ""));
    assert!(ran.err.contains("none waits for it, `bgtask list` shows what tasks wait for"), "{}", ran.err);
    let ran = ask(&["raise", "org.example.onec"]);
    assert!(ran.exit == 3 && ran.err.ends_with("; did you mean \"org.example.once\"?\n"), "{ran:?}");
    let ran = ask(&["raise", "org.example.once"]);
    assert!(ran.exit == 3 && ran.err.contains("1 task with that trigger heard it earlier in this session"), "{ran:?}");
    let ran = ask(&["raise", "org.example.onec", "--json"]);
    assert_eq!((json(&ran.out)["count"].as_u64(), json(&ran.err)["exit_code"].as_u64()), (Some(0), Some(3)));
    assert_eq!(bgtask(&["raise", ""]).exit, 2, "an event has a name");
}

#[test]
fn stop() {
    let expected = "Told 2 running instances of org.example.Photos to stop.\n";
    assert_eq!(ask(&["stop", "org.example.Photos"]), done(expected));
    assert_eq!(ask(&["stop", "org.example.Kiosk"]), done("Nothing of org.example.Kiosk runs in the background.\n"));
    let expected = json!({"app": "org.example.Photos", "count": 2});
    assert_eq!(json(&ask(&["stop", "org.example.Photos", "--json"]).out), expected);
    let ran = ask(&["stop", "Photos"]);
    let expected = "bgtask: there is no app \"Photos\"; did you mean \"org.example.Photos\"?\n";
    assert_eq!((ran.exit, ran.err.as_str()), (3, expected));
}
