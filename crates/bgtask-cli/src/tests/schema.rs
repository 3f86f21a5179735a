//! The JSON of every command is that of its schema in `docs/schema`, with no key that the schema does not know.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::CommandFactory as _;
use serde_json::{Value, json};

use super::script::{Decided, ask, ask_on, command};
use super::{Ran, bgtask};
use crate::Cli;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema")
}

fn schema(name: &str) -> Value {
    let path = folder().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    super::json(&text)
}

/// What is wrong with a value, with the place. Knows the part of JSON Schema that the schemas use, and refuses any other.
fn problem(value: &Value, schema: &Value, place: &str) -> Option<String> {
    const KNOWN: [&str; 11] =
        ["$schema", "title", "$ref", "type", "properties", "required", "items", "enum", "format", "anyOf", "allOf"];
    let keywords = schema.as_object().unwrap();
    if let Some(unknown) = keywords.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Some(format!("{place}: the schema says {unknown}, which nobody checks"));
    }
    let within = |inner: &Value| problem(value, inner, place);
    if let Some(name) = schema["$ref"].as_str() {
        return within(&self::schema(name.strip_suffix(".json").unwrap()));
    }
    if let Some(all) = schema["allOf"].as_array() {
        return all.iter().find_map(within).or_else(|| unknown_key(value, schema, place));
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let problems: Vec<_> = any.iter().map(|one| within(one).or_else(|| unknown_key(value, one, place))).collect();
        let fits = problems.iter().any(Option::is_none);
        return (!fits).then(|| format!("{place}: fits none of: {problems:?}"));
    }
    let types: Vec<_> = match &schema["type"] {
        Value::Array(types) => types.iter().collect(),
        Value::Null => return None,
        one => vec![one],
    };
    if !types.iter().any(|wanted| *wanted == kind(value)) {
        return Some(format!("{place}: {value} is not {types:?}"));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return Some(format!("{place}: {value} is not one of {}", schema["enum"]));
    }
    if schema["format"] == "date-time" && value.as_str().is_some_and(|time| time.len() != 27 || !time.ends_with('Z')) {
        return Some(format!("{place}: {value} is no time"));
    }
    let of_items = value.as_array().into_iter().flatten().enumerate();
    let in_items = of_items.map(|(at, item)| (item, &schema["items"], format!("{place}[{at}]")));
    let missing =
        schema["required"].as_array().into_iter().flatten().find(|key| value.get(key.as_str().unwrap()).is_none());
    if let Some(key) = missing {
        return Some(format!("{place}: {key} is missing"));
    }
    let of_keys = value
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, inner)| Some((key, inner, schema["properties"].get(key)?)));
    let in_keys = of_keys.map(|(key, inner, schema)| (inner, schema, format!("{place}.{key}")));
    in_items.chain(in_keys).find_map(|(inner, schema, place)| {
        problem(inner, schema, &place).or_else(|| unknown_key(inner, schema, &place))
    })
}

/// A key of an object that its schema does not list.
fn unknown_key(value: &Value, schema: &Value, place: &str) -> Option<String> {
    let known = keys(schema)?;
    let unknown = value.as_object()?.keys().find(|key| !known.contains(*key))?;
    Some(format!("{place}: the schema does not know {unknown}"))
}

/// Every key a schema lists for an object; `None` where it is for something else.
fn keys(schema: &Value) -> Option<BTreeSet<String>> {
    if let Some(name) = schema["$ref"].as_str() {
        return keys(&self::schema(name.strip_suffix(".json").unwrap()));
    }
    if let Some(all) = schema["allOf"].as_array() {
        return Some(all.iter().filter_map(keys).flatten().collect());
    }
    Some(schema["properties"].as_object()?.keys().cloned().collect())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

pub(super) fn check(name: &str, text: &str) {
    let (value, schema) = (super::json(text), schema(name));
    let problem = problem(&value, &schema, name).or_else(|| unknown_key(&value, &schema, name));
    assert_eq!(problem, None, "{text}");
}

#[test]
fn every_command_with_json_has_a_schema() {
    fn collect(command: &clap::Command, path: &str, found: &mut BTreeSet<String>) {
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            let path =
                if path.is_empty() { below.get_name().to_owned() } else { format!("{path}-{}", below.get_name()) };
            let is_parent = below.has_subcommands() && below.get_positionals().next().is_none();
            if !is_parent && below.get_arguments().any(|argument| argument.get_long() == Some("json")) {
                found.insert(path.clone());
            }
            collect(below, &path, found);
        }
    }
    let mut command = Cli::command();
    command.build();
    let mut found = BTreeSet::new();
    collect(&command, "", &mut found);
    assert!(found.contains("list") && found.contains("access-set") && found.contains("manifest-check"), "{found:?}");
    for name in found {
        assert!(folder().join(format!("{name}.json")).is_file(), "there is no docs/schema/{name}.json");
    }
}

#[test]
fn what_the_broker_answers_is_as_the_schemas_say() {
    for (name, words) in [
        ("list", &["list"][..]),
        ("show", &["show", "tidy"]),
        ("why", &["why", "sync"]),
        ("history", &["history"]),
        ("unregister", &["unregister", "tidy", "--cancel"]),
        ("trigger", &["trigger", "org.example.Photos"]),
        ("trigger", &["trigger", "org.example.Corp"]),
        ("raise", &["raise", "org.example.jack"]),
        ("stop", &["stop", "org.example.Photos"]),
        ("apps", &["apps"]),
        ("access", &["access"]),
        ("access", &["access", "org.example.Corp"]),
        ("access-set", &["access", "set", "org.example.Corp", "always"]),
        ("access-set", &["access", "set", "org.example.None", "never", "--not-installed"]),
        ("access-off", &["access", "off"]),
        ("access-on", &["access", "on"]),
        ("sources", &["sources"]),
    ] {
        let ran = ask(&[words, &["--json"]].concat());
        assert!(!ran.out.is_empty(), "{words:?}: {ran:?}");
        check(name, &ran.out);
    }
    for line in ask(&["watch", "--app", "org.example.Mail", "--json"]).out.lines() {
        check("watch", line);
    }
}

#[test]
fn what_is_told_of_commands_is_as_the_schemas_say() {
    let backup = || command("backup", "command = [\"/bin/true\"]\nevery = \"1h\"\nfresh-within = \"1min\"\n");
    for (name, words) in [
        ("add", &["add", "x", "--every", "1h", "--json", "--", "true"][..]),
        ("run", &["run", "backup", "--json"]),
        ("pause", &["pause", "backup", "--json"]),
        ("resume", &["resume", "backup", "--json"]),
        ("cancel", &["cancel", "backup", "--json"]),
        ("remove", &["remove", "backup", "--json"]),
        ("list", &["list", "--json"]),
        ("show", &["show", "backup", "--json"]),
        ("lint", &["lint", "--json"]),
    ] {
        let decided = Decided { commands: vec![backup()], ..Decided::default() };
        let (ran, _) = ask_on(None, decided, words);
        assert!(ran.exit == 0 && !ran.out.is_empty(), "{words:?}: {ran:?}");
        check(name, &ran.out);
    }
}

#[test]
fn what_needs_no_broker_is_as_the_schemas_say() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name).to_str().unwrap().to_owned()
    };
    let crontab = file("crontab", "*/10 2 * * * poll\n@reboot x\nwrong\n");
    let manifest =
        file("Package.appxmanifest", include_str!("../../../bgtask-manifest/tests/fixtures/windows10.appxmanifest"));
    let native = file("bgtask.toml", "[app]\nid = \"org.example.A\"\nversion = \"1\"\nwrong = 1\n");
    let wrong = file("wrong.toml", "command = 1\n");
    for (name, words) in [
        ("triggers", &["triggers"][..]),
        ("conditions", &["conditions"]),
        ("import", &["import", &crontab, "--zone", "Europe/Berlin"]),
        ("import", &["import", &manifest]),
        ("manifest-show", &["manifest", "show", &manifest]),
        ("manifest-check", &["manifest", "check", &manifest, &native]),
        ("lint", &["--root", "/nowhere", "lint", &wrong]),
    ] {
        let ran = bgtask(&[words, &["--json"]].concat());
        assert!(!ran.out.is_empty(), "{words:?}: {ran:?}");
        check(name, &ran.out);
    }
    let Ran { err, .. } = bgtask(&["--root", "/nowhere", "list", "--json"]);
    check("failure", &err);
}

#[test]
fn what_is_not_as_the_schema_says_is_found() {
    let schema = schema("raise");
    let said = |value: Value| problem(&value, &schema, "").or_else(|| unknown_key(&value, &schema, ""));
    assert_eq!(said(json!({"event": "a", "count": 1})), None);
    for wrong in
        [json!({"event": "a"}), json!({"event": 1, "count": 1}), json!([]), json!({"event": "a", "count": 1, "x": 1})]
    {
        assert!(said(wrong.clone()).is_some(), "{wrong}");
    }
}
