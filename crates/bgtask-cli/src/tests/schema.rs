//! The JSON of every command is that of its schema in `docs/schema`, with no key that the schema does not know.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;

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

/// A schema, and the file it stands in.
#[derive(Clone)]
struct Schema {
    file: Rc<Value>,
    part: Value,
}

impl Schema {
    fn of_file(name: &str) -> Self {
        let file = schema(name);
        Self { part: file.clone(), file: Rc::new(file) }
    }

    fn part(&self, part: &Value) -> Self {
        Self { file: Rc::clone(&self.file), part: part.clone() }
    }

    fn parts(&self, keyword: &str) -> Option<Vec<Self>> {
        Some(self.part[keyword].as_array()?.iter().map(|part| self.part(part)).collect())
    }

    /// What is meant by `$ref`: a part of this file, or another.
    fn target(&self) -> Option<Self> {
        let name = self.part["$ref"].as_str()?;
        match name.strip_prefix('#') {
            Some(place) => Some(self.part(self.file.pointer(place).unwrap_or_else(|| panic!("there is no {name}")))),
            None => Some(Self::of_file(name.strip_suffix(".json").unwrap())),
        }
    }

    /// What is wrong with a value, with the place. Knows the part of JSON Schema that the schemas use, and refuses any other.
    fn problem(&self, value: &Value, place: &str) -> Option<String> {
        if let Some(unknown) = self.part.as_object().unwrap().keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Some(format!("{place}: the schema says {unknown}, which nobody checks"));
        }
        if let Some(target) = self.target() {
            return target.problem(value, place);
        }
        if let Some(all) = self.parts("allOf") {
            return all.iter().find_map(|one| one.problem(value, place));
        }
        if let Some(any) = self.parts("anyOf") {
            let problems: Vec<_> = any.iter().map(|one| one.refusal(value, place)).collect();
            let fits = problems.iter().any(Option::is_none);
            return (!fits).then(|| format!("{place}: fits none of: {problems:?}"));
        }
        self.own_problem(value, place).or_else(|| self.inner_problem(value, place))
    }

    /// As [`problem`](Self::problem), and a key of an object that is not listed is one too.
    fn refusal(&self, value: &Value, place: &str) -> Option<String> {
        let unknown = || {
            let known = self.keys()?;
            let unknown = value.as_object()?.keys().find(|key| !known.contains(*key))?;
            Some(format!("{place}: the schema does not know {unknown}"))
        };
        self.problem(value, place).or_else(unknown)
    }

    fn own_problem(&self, value: &Value, place: &str) -> Option<String> {
        let part = &self.part;
        let is_a = |wanted: &Value| *wanted == kind(value) || *wanted == "number" && value.is_number();
        let fits = match &part["type"] {
            Value::Array(types) => types.iter().any(is_a),
            Value::Null => true,
            one => is_a(one),
        };
        if !fits {
            return Some(format!("{place}: {value} is not {}", part["type"]));
        }
        if part["enum"].as_array().is_some_and(|words| !words.contains(value)) {
            return Some(format!("{place}: {value} is not one of {}", part["enum"]));
        }
        let is_time = part["format"] == "date-time" || part["pattern"] == TIME;
        if !is_time && !part["pattern"].is_null() {
            return Some(format!("{place}: the schema says the pattern {}, which nobody checks", part["pattern"]));
        }
        if is_time && value.as_str().is_some_and(|time| time.len() != 27 || !time.ends_with('Z')) {
            return Some(format!("{place}: {value} is no time"));
        }
        if value.as_i64().zip(part["minimum"].as_i64()).is_some_and(|(value, least)| value < least) {
            return Some(format!("{place}: {value} is too little"));
        }
        let length = value.as_array().map(|items| items.len() as u64);
        let bounds = part["minItems"].as_u64().unwrap_or(0)..=part["maxItems"].as_u64().unwrap_or(u64::MAX);
        if length.is_some_and(|length| !bounds.contains(&length)) {
            return Some(format!("{place}: it has {length:?} items"));
        }
        let required = part["required"].as_array().into_iter().flatten();
        let missing = required.filter(|_| value.is_object()).find(|key| value.get(key.as_str().unwrap()).is_none());
        missing.map(|key| format!("{place}: {key} is missing"))
    }

    fn inner_problem(&self, value: &Value, place: &str) -> Option<String> {
        let items = value.as_array().into_iter().flatten().enumerate().filter_map(|(at, item)| {
            let part = self.part["prefixItems"].get(at).or_else(|| self.part.get("items"))?;
            Some((item, part, format!("{place}[{at}]")))
        });
        let keys = value
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(key, inner)| Some((inner, self.part["properties"].get(key)?, format!("{place}.{key}"))));
        items.chain(keys).find_map(|(inner, part, place)| self.part(part).refusal(inner, &place))
    }

    /// Every key that is listed for an object; `None` where it is for something else.
    fn keys(&self) -> Option<BTreeSet<String>> {
        if let Some(target) = self.target() {
            return target.keys();
        }
        if let Some(all) = self.parts("allOf") {
            return Some(all.iter().filter_map(Self::keys).flatten().collect());
        }
        Some(self.part["properties"].as_object()?.keys().cloned().collect())
    }
}

/// The keywords that are understood.
const KNOWN: [&str; 18] = [
    "$schema",
    "$defs",
    "$ref",
    "title",
    "description",
    "type",
    "properties",
    "required",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "minimum",
    "enum",
    "format",
    "pattern",
    "anyOf",
    "allOf",
];

/// The one pattern there is.
const TIME: &str = r"^-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$";

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
    assert_eq!(Schema::of_file(name).refusal(&super::json(text), name), None, "{text}");
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
        ("push", &["push"]),
        ("push-open", &["push", "open"]),
        ("push-close", &["push", "close", "org.example.Photos"]),
        ("stop", &["stop", "org.example.Photos"]),
        ("apps", &["apps"]),
        ("access", &["access"]),
        ("access", &["access", "org.example.Corp"]),
        ("access-set", &["access", "set", "org.example.Corp", "always"]),
        ("access-set", &["access", "set", "org.example.None", "never", "--not-installed"]),
        ("access-off", &["access", "off"]),
        ("access-on", &["access", "on"]),
        ("sockets", &["sockets"]),
        ("channels", &["channels"]),
        ("sources", &["sources"]),
        ("why-at", &["why", "sync", "--at", "2026-07-28T11:50"]),
        ("next", &["next"]),
        ("report", &["report"]),
        ("transfers-list", &["transfers"]),
        ("transfers-list", &["transfers", "list"]),
        ("transfers-add", &["transfers", "add", "https://example.org/no-such-film.mkv"]),
        ("transfers-pause", &["transfers", "pause", "9c3f"]),
        ("transfers-resume", &["transfers", "resume", "/srv/film.mkv"]),
        ("transfers-cancel", &["transfers", "cancel", "9c3f"]),
        ("transfers-forget", &["transfers", "forget", "9c3f"]),
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
        ("fleet-outcomes", &["--root", "/nowhere", "fleet", "outcomes"]),
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
    let said = |value: Value| Schema::of_file("raise").refusal(&value, "");
    assert_eq!(said(json!({"event": "a", "count": 1})), None);
    for wrong in
        [json!({"event": "a"}), json!({"event": 1, "count": 1}), json!([]), json!({"event": "a", "count": 1, "x": 1})]
    {
        assert!(said(wrong.clone()).is_some(), "{wrong}");
    }
}
