//! Every recorded value comes back as it was, today and in files of earlier versions.
//!
//! `BGTASK_BLESS=1` writes the frozen files anew. They are a promise: after a release they may grow but not change.

mod samples;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bgtask_core::{
    AppVersion, Change, Completion, Config, FleetOrder, Input, OrderResult, Output, Registration, Stretch, Usage,
    WallTime,
};
use bgtask_record::{Record, Row, row, snapshot};
use proptest::prelude::*;
use serde_json::Value;

fn returns<T: Record + PartialEq + Debug>(values: &[T]) {
    for value in values {
        let text = value.to_json().to_string();
        let json = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(T::from_json(&json).as_ref(), Ok(value), "{text}");
    }
}

#[test]
fn every_value_comes_back() {
    returns(&samples::inputs());
    returns(&samples::outputs());
    returns(&samples::changes());
    returns(&[samples::config(), Config::default()]);
}

/// The names are read off the list of recorded types: a variant added there and not here is noticed.
#[test]
fn every_variant_is_among_the_values() {
    let all = |values: Vec<Value>| values.iter().map(Value::to_string).collect::<String>();
    let inputs = all(samples::inputs().iter().map(Record::to_json).collect());
    let outputs = all(samples::outputs().iter().map(Record::to_json).collect());
    let listed = include_str!("../../src/fields.rs");
    let (_, enums) = listed.split_once("enum ActivationState").expect("they follow the structs");
    let (enums, _) = enums.split_once("macro_rules! names").expect("names end them");
    let words = enums.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut before = "enum";
    let mut missing = Vec::new();
    for word in words.filter(|word| !word.is_empty()) {
        let is_variant = before != "enum" && word.starts_with(|c: char| c.is_ascii_uppercase());
        let named = format!("\"{word}\"");
        if is_variant && !inputs.contains(&named) && !outputs.contains(&named) {
            missing.push(word);
        }
        before = word;
    }
    assert!(missing.is_empty(), "no sample of {missing:?}");
}

#[test]
fn the_rows_of_a_store_come_back_in_any_order() {
    let expected = samples::snapshot();
    let mut rows: Vec<_> = samples_as_rows();
    for _ in 0..2 {
        rows.reverse();
        let refs = rows.iter().map(|(kind, key, value)| (kind.as_str(), key.as_str(), value.as_str()));
        assert_eq!(snapshot(refs).as_ref(), Ok(&expected));
    }
}

#[test]
fn a_deletion_names_the_row_that_was_put() {
    let mut kinds = BTreeSet::new();
    for put in samples::changes() {
        let gone = match &put {
            Change::PutRegistration(it) => Change::DeleteRegistration(it.id),
            Change::PutActivation(_, it) => Change::DeleteActivation(it.instance),
            Change::PutCompletion(it) => Change::DeleteCompletion(it.sequence),
            Change::PutAccess(app, _) => Change::DeleteAccess(app.clone()),
            Change::PutVersion(app, _) => Change::DeleteVersion(app.clone()),
            Change::PutZone(_) => Change::DeleteZone,
            Change::PutOrder(order) => Change::DeleteOrder(order.id.clone()),
            Change::PutState(fact, _) => Change::DeleteState(*fact),
            _ => continue,
        };
        let Row::Put { kind, key, .. } = row(&put) else {
            panic!("{put:?} is put");
        };
        assert_eq!(row(&gone), Row::Delete { kind, key });
        kinds.insert(kind);
    }
    assert_eq!(
        Vec::from_iter(kinds),
        ["access", "activation", "completion", "order", "registration", "state", "version", "zone"]
    );
}

#[test]
fn a_row_of_history_has_the_columns_a_query_selects_by() {
    let changes = samples::changes();
    let lines = changes.iter().map(row).filter_map(|row| match row {
        Row::History(line) => Some(line),
        _ => None,
    });
    let lines: Vec<_> = lines.collect();
    let words: BTreeSet<_> = lines.iter().map(|line| line.event).collect();
    assert_eq!(words.len(), 18, "every kind of event has its own word: {words:?}");
    assert!(
        lines
            .iter()
            .all(|line| line.app == "org.example.Photos" && serde_json::from_str::<Value>(&line.detail).is_ok())
    );
}

#[test]
fn what_is_not_a_row_of_this_version_is_said_with_its_place() {
    let error = |row: (&str, &str, &str)| snapshot([row]).expect_err("it is damaged").to_string();
    assert_eq!(error(("registration", "abc", "{")), "registration abc: EOF while parsing an object at line 1 column 1");
    assert_eq!(error(("planet", "earth", "1")), "planet earth: no such kind of row is known");
    let missing = error(("registration", "abc", "{}"));
    assert_eq!(missing, "registration abc.id: an id expected, found null");
    let bad_key = error(("access", "../etc", "{\"grants\":[]}"));
    assert!(bad_key.starts_with("access ../etc: \"../etc\" is no app id"), "{bad_key}");
    let deep = registration_with("trigger", serde_json::json!({"System": {"kind": "Eclipse", "one_shot": true}}));
    let expected = "registration x.trigger.kind: SystemTriggerType expected, found \"Eclipse\"";
    assert_eq!(error(("registration", "x", &deep)), expected);
}

#[test]
fn an_unknown_field_is_ignored_and_a_missing_optional_one_is_none() {
    let mut json = samples::completions().remove(0).to_json();
    json["a field of the next version"] = Value::from(1);
    json.as_object_mut().expect("an object").remove("progress");
    let read = Completion::from_json(&json).expect("it is readable");
    assert_eq!(read, Completion { progress: None, ..samples::completions().remove(0) });
}

/// What was added to them since they were frozen comes back too.
#[test]
fn later_fields_come_back() {
    let (_, version) = samples::versions().remove(0);
    returns(&[AppVersion { used: Some(WallTime::from_micros(-1_234_567)), ..version }]);
    returns(&[Usage { processes: Some(257), ..Usage::default() }]);
    let stretch = Stretch { saving: 2, rare: 3, rare_after: Duration::from_secs(86_400) };
    returns(&[Config { stretch, ..samples::config() }]);
    let came_of = Some((WallTime::from_micros(-1_234_567), OrderResult::Dropped));
    returns(&[FleetOrder { came_of, ..samples::fleet_orders().remove(0) }]);
    returns(&samples::LATER_CLASSES.map(samples::of_class));
}

#[test]
fn frozen_values_still_load() {
    frozen("inputs.jsonl", &samples::inputs());
    frozen("outputs.jsonl", &samples::outputs());
}

/// The rows of a store written before there were commands: what was added since is what it was without being written.
#[test]
fn a_store_from_before_commands_still_loads() {
    let text = fs::read_to_string(frozen_path("rows-before-commands.jsonl")).expect("the frozen file is there");
    let rows: Vec<[String; 3]> = text.lines().map(frozen_row).collect();
    let refs = rows.iter().map(|[kind, key, value]| (kind.as_str(), key.as_str(), value.as_str()));
    let loaded = snapshot(refs).expect("this version reads it");
    assert_eq!((loaded.registrations.len(), loaded.activations.len()), (21, 7));
    for registration in &loaded.registrations {
        let added = (registration.paused, registration.last, registration.fresh_since, registration.overdue);
        assert_eq!(added, (false, None, None, false), "{registration:?}");
    }
    for (_, activation) in &loaded.activations {
        let added = (activation.failures, activation.not_before, activation.started, activation.message.as_ref());
        assert_eq!(added, (0, None, None, None), "{activation:?}");
        assert_eq!((activation.firing.lost, activation.firing.by_hand), (0, false), "{activation:?}");
    }
    let conditions = &loaded.registrations[1].conditions;
    assert_eq!(conditions.iter().map(|it| it.name()).collect::<Vec<_>>(), ["UserPresent", "UserNotPresent"]);
}

#[test]
fn a_frozen_store_still_loads() {
    let path = frozen_path("rows.jsonl");
    if blessing() {
        let lines = samples_as_rows().iter().map(|row| format!("{}\n", serde_json::json!(row))).collect::<String>();
        fs::write(&path, lines).expect("the frozen file is written");
    }
    let text = fs::read_to_string(path).expect("the frozen file is there");
    let rows: Vec<[String; 3]> = text.lines().map(frozen_row).collect();
    let refs = rows.iter().map(|[kind, key, value]| (kind.as_str(), key.as_str(), value.as_str()));
    assert_eq!(snapshot(refs), Ok(samples::snapshot()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_and_any_number_comes_back(name in ".*", tail in any::<String>(), boot in any::<u64>(), wall in any::<i64>()) {
        let mut registration = samples::registrations().remove(0);
        registration.name = name.into();
        registration.registered_at = bgtask_core::WallTime::from_micros(wall);
        returns(&[registration]);
        returns(&[bgtask_core::BootTime::from_micros(boot)]);
        returns(&[Input::HostExited {
            host: bgtask_core::HostId(boot),
            exit: bgtask_core::HostExit::NotStarted(tail.clone()),
            output_tail: tail,
            usage: None,
        }]);
    }

    #[test]
    fn any_json_is_read_or_refused_and_never_a_panic(text in "[\\[\\]{}\":,a-zA-Z0-9.\\- ]{0,60}") {
        if let Ok(json) = serde_json::from_str::<Value>(&text) {
            let _ = Input::from_json(&json);
            let _ = Output::from_json(&json);
            let _ = Registration::from_json(&json);
        }
        let _ = snapshot([("registration", "x", text.as_str())]);
    }
}

/// The same values, read from the file that an earlier version wrote.
fn frozen<T: Record + PartialEq + Debug>(name: &str, values: &[T]) {
    let path = frozen_path(name);
    if blessing() {
        let lines: String = values.iter().map(|value| format!("{}\n", value.to_json())).collect();
        fs::write(&path, lines).expect("the frozen file is written");
    }
    let text = fs::read_to_string(path).expect("the frozen file is there");
    let read = text.lines().map(|line| T::from_json(&serde_json::from_str(line).expect("it is JSON")));
    let read: Vec<_> = read.map(|value| value.expect("this version reads it")).collect();
    assert_eq!(read, values);
}

fn blessing() -> bool {
    std::env::var_os("BGTASK_BLESS").is_some()
}

fn frozen_path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "frozen", name].iter().collect()
}

fn frozen_row(line: &str) -> [String; 3] {
    let value: Value = serde_json::from_str(line).expect("it is JSON");
    [0, 1, 2].map(|place| value[place].as_str().expect("a text").to_owned())
}

fn samples_as_rows() -> Vec<(String, String, String)> {
    use Change as C;
    let sample = samples::snapshot();
    let mut changes: Vec<_> = sample.registrations.into_iter().map(C::PutRegistration).collect();
    changes.extend(sample.activations.into_iter().map(|(id, activation)| C::PutActivation(id, activation)));
    changes.extend(sample.completions.into_iter().map(C::PutCompletion));
    changes.extend(sample.access.into_iter().map(|(app, access)| C::PutAccess(app, access)));
    changes.extend(sample.versions.into_iter().map(|(app, version)| C::PutVersion(app, version)));
    changes.extend(sample.zone.map(C::PutZone));
    changes.extend(sample.states.into_iter().map(|(fact, state)| C::PutState(fact, state)));
    changes.extend(sample.sockets.into_iter().map(C::PutSocket));
    changes.extend(sample.accounts.into_iter().map(|(app, account)| C::PutAccount(app, account)));
    changes.extend(sample.channels.into_iter().map(C::PutChannel));
    changes.extend(sample.edges.into_iter().map(C::PutEdge));
    changes.extend(sample.orders.into_iter().map(C::PutOrder));
    changes.extend([C::PutSequence(sample.last_sequence), C::PutSwitchedOff(sample.switched_off)]);
    let rows = changes.iter().map(row).map(|row| match row {
        Row::Put { kind, key, value } => (kind.to_owned(), key, value),
        other => panic!("{other:?} is no row of the state"),
    });
    rows.collect()
}

fn registration_with(field: &str, value: Value) -> String {
    let mut json = samples::registrations().remove(0).to_json();
    json[field] = value;
    json.to_string()
}
