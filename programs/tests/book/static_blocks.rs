//! What stands in the book as a file is read by what reads such files.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use bgtask_core::{App, WallTime};
use bgtask_import::{CrontabKind, crontab};
use bgtask_rehearse::{Rehearsal, RehearsedTask, Scenario};

use crate::blocks::{Block, Kind};
use crate::book::Page;
use crate::harness::Home;

/// What is wrong with a block, if anything is.
pub(crate) fn problem(page: &Page, block: &Block) -> Option<String> {
    let text = block.text.as_str();
    let found = match block.kind()? {
        Kind::TaskFile => task_file(text),
        Kind::Manifest => manifest(text),
        Kind::Toml => toml::from_str::<toml::Table>(text).map(drop).map_err(|error| error.to_string()),
        Kind::Scenario => scenario(text),
        Kind::Crontab => whole_crontab(text),
        Kind::Script => script(text),
        Kind::Json => serde_json::from_str::<serde_json::Value>(text).map(drop).map_err(|error| error.to_string()),
        Kind::Xml => roxmltree::Document::parse(text).map(drop).map_err(|error| error.to_string()),
        Kind::Policy | Kind::Configuration => taken_by_a_broker(text),
        Kind::Console | Kind::Rust | Kind::Python | Kind::Foreign | Kind::Text => return None,
    };
    found.err().map(|why| format!("{} line {}: {why}\n{text}", page.name, block.line))
}

pub(crate) fn python_problem(page: &Page, block: &Block) -> Option<String> {
    let compile = "import ast, sys; ast.parse(sys.stdin.read())";
    let found = fed(Command::new("python3").args(["-c", compile]), &block.text);
    found.err().map(|why| format!("{} line {}: {why}", page.name, block.line))
}

fn task_file(text: &str) -> Result<(), String> {
    let parsed = bgtask_taskfile::parse_at_home("example.toml", text, "/home/me");
    parsed.map(drop).map_err(|mistakes| format!("{mistakes:?}"))
}

/// A fragment is completed with an app.
fn manifest(text: &str) -> Result<(), String> {
    let app = "[app]\nid = \"org.example.App\"\nversion = \"1\"\nexecutable = \"app\"\n";
    let whole = if text.contains("[app]") { text.to_owned() } else { format!("{app}{text}") };
    let parsed = bgtask_manifest::parse("bgtask.toml", whole.as_bytes());
    match parsed.diagnostics.as_slice() {
        [] => Ok(()),
        found => Err(format!("{found:?}")),
    }
}

/// It is played for the week of its dates, with the tasks it speaks of.
fn scenario(text: &str) -> Result<(), String> {
    const TASKS: [&str; 3] = ["backup", "my sync", "report"];
    // 2026-03-23 00:00 UTC, a Monday.
    const MONDAY: WallTime = WallTime::from_micros(1_774_224_000_000_000);
    let scenario = Scenario::parse(text).map_err(|mistakes| mistakes.to_string())?;
    let mut rehearsal = Rehearsal::new(MONDAY, Duration::from_secs(7 * 86_400), scenario);
    rehearsal.zones = |name| jiff::tz::TimeZone::get(name).ok();
    for name in TASKS {
        let text = format!("name = {name:?}\ncommand = [\"true\"]\nevery = \"6h\"");
        let task = bgtask_taskfile::parse_at_home("task.toml", &text, "/home/me").expect("it is one");
        rehearsal.tasks.push(RehearsedTask::new(App::of_commands().id, task.registration));
    }
    rehearsal.play().map(drop).map_err(|error| error.to_string())
}

fn whole_crontab(text: &str) -> Result<(), String> {
    let import = crontab(text, CrontabKind::User);
    match import.skipped.as_slice() {
        [] => Ok(()),
        skipped => Err(format!("{skipped:?}")),
    }
}

fn script(text: &str) -> Result<(), String> {
    fed(Command::new("bash").arg("-n"), text)
}

/// A broker starts with it and complains of nothing.
fn taken_by_a_broker(text: &str) -> Result<(), String> {
    let home = Home::new();
    match text.contains("[background]") {
        true => home.world.set_policy("50-site.toml", text),
        false => home.configure(text),
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let broker = runtime.block_on(home.start());
    drop(broker);
    match home.log() {
        log if log.is_empty() => Ok(()),
        log => Err(log),
    }
}

/// Runs a program on a text.
fn fed(command: &mut Command, text: &str) -> Result<(), String> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
