//! The user's own commands: what is shown of them, their runs and their logs.

use bgtask_core::{HostExit, Outcome};
use bgtask_log::Logs;
use bgtask_record::Record as _;
use bgtask_wire::{HistoryInfo, TaskInfo};
use serde_json::json;

use super::script::{Decided, ask_after, ask_on, command};
use super::{INSTANCE, NOON, Ran, done, json};

const HOUR: i64 = 3_600_000_000;

fn backup() -> TaskInfo {
    TaskInfo {
        due: Some(NOON + HOUR),
        last_at: Some(NOON - 2 * HOUR),
        last_ok: Some(true),
        ..command(
            "backup",
            "command = [\"restic\", \"backup\", \"my notes\"]\nevery = \"6h\"\nwhen = \"unmetered, ac-power\"\n",
        )
    }
}

fn report() -> TaskInfo {
    TaskInfo {
        last_at: Some(NOON - HOUR),
        last_ok: Some(false),
        phase: "running".into(),
        progress: Some(40),
        message: Some("half way".into()),
        instance: Some(INSTANCE.into()),
        ..command("report", "command = \"make | tee x\"\nat = \"Mon..Fri 09:00\"\nonce = true\npaused = true\n")
    }
}

fn both() -> Decided {
    Decided { commands: vec![backup(), report()], ..Decided::default() }
}

#[test]
fn list_says_when_a_command_runs_on_which_conditions_and_how_it_went() {
    let expected = "\
NAME    WHEN                      IF                   STATE                 LAST            NEXT
backup  every 6 h                 unmetered, ac-power  idle                  ok 2 h ago      in 1 h
report  at Mon..Fri 09:00 (once)                       running 40 %, paused  failed 1 h ago
";
    assert_eq!(ask_after(both(), &["list"]), done(expected));
}

#[test]
fn list_on_a_terminal_of_20_columns_is_a_paragraph_for_each() {
    let (ran, _) = ask_on(Some(20), both(), &["list"]);
    let expected = "\
NAME backup
WHEN every 6 h
IF unmetered, ac-power
STATE idle
LAST ok 2 h ago
NEXT in 1 h

NAME report
WHEN at Mon..Fri 09:00 (once)
STATE running 40 %, paused
LAST failed 1 h ago
";
    assert_eq!(ran, done(expected));
}

#[test]
fn list_keeps_the_commands_apart_from_the_tasks_of_apps() {
    let of_app = super::task(super::MAIL, "org.example.Mail", "sync");
    let ran = ask_after(Decided { commands: vec![of_app, backup()], ..Decided::default() }, &["list"]);
    let lines: Vec<_> = ran.out.lines().collect();
    assert!(
        lines[0].starts_with("NAME    WHEN ") && lines[1].starts_with("backup ") && lines[2].is_empty(),
        "{lines:?}"
    );
    assert!(lines[3].starts_with("NAME  APP ") && lines[4].starts_with("sync  org.example.Mail"), "{lines:?}");
}

#[test]
fn show_tells_all_of_a_command() {
    let ran = ask_after(both(), &["show", "backup"]);
    let expected = "\
backup
  command       restic backup 'my notes'
  when          every 6 h
  if            unmetered, ac-power
  state         idle
  last run      ok 2 h ago
  next          2026-07-28 13:00:00 +00:00 (in 1 h)
  added         2026-07-28 11:57:00 +00:00 (3 min ago)
  id            e5d6e7f8-1111-4222-8333-000000000006
";
    assert!(ran.out.starts_with(expected), "{}", ran.out);
    assert!(ask_after(both(), &["show", "report"]).out.contains("  says          half way\n"));
}

fn ended(sequence: u64, outcome: &serde_json::Value, text: &str) -> HistoryInfo {
    let used = json!({"wall": 185_000_000, "usage": {"cpu": 1_500_000, "io": 4096, "memory_peak": 47_185_920}});
    HistoryInfo {
        sequence,
        at: NOON - 60_000_000,
        app: "org.bgtask.Commands".into(),
        task: backup().id,
        name: "backup".into(),
        instance: Some(INSTANCE.into()),
        event: "completed".into(),
        text: text.into(),
        detail: json!({"Completed": {"outcome": outcome, "progress": null, "used": used}}).to_string(),
    }
}

#[test]
fn history_tells_what_a_run_came_to_and_what_a_failed_one_wrote_last() {
    let tail = "one\ntwo\nthree\nfour\n\x1b[31mfive\x1b[0m\nsix\n";
    let failed = Outcome::CommandFailed { exit: HostExit::Code(3), output_tail: tail.into() }.to_json();
    let lines = vec![ended(1, &json!("Succeeded"), "succeeded"), ended(2, &failed, "failed with exit code 3")];
    let ran = ask_after(Decided { lines, ..both() }, &["history"]);
    let expected = "\
WHEN       NAME    EVENT      TOOK       CPU    MEMORY
1 min ago  backup  completed  3 min 5 s  1.5 s  45 MiB  succeeded
1 min ago  backup  completed  3 min 5 s  1.5 s  45 MiB  failed with exit code 3
  | two
  | three
  | four
  | five
  | six
";
    assert_eq!(ran, done(expected));
}

/// A command with a log of two runs.
fn logged() -> (tempfile::TempDir, Decided) {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    let task = TaskInfo { log: Some(dir.path().join(&backup().id).to_string_lossy().into()), ..backup() };
    let mut writer = logs.writer(&task.id).unwrap();
    let at = |seconds: u64| NOON as u64 - 600_000_000 + seconds * 1_000_000;
    writer.begin(at(0), "0b8e6f10-1", "every:6h");
    writer.write(at(1), "0b8e6f10-1", b"\x1b[32mscanning\x1b[0m\n17 files\n");
    writer.end(at(2), "0b8e6f10-1", "succeeded");
    writer.begin(at(300), "ffff-2", "by hand");
    writer.write(at(301), "ffff-2", b"no\tdisk\x07\n");
    writer.end(at(302), "ffff-2", "failed with exit code 1");
    (dir, Decided { commands: vec![task], ..Decided::default() })
}

#[test]
fn logs_show_what_was_written_run_by_run() {
    let (_dir, decided) = logged();
    let expected = "\
11:50:00.000  ┌ run 0b8e6f10 begins: every:6h, 2026-07-28 11:50:00 +00:00 (10 min ago)
11:50:01.000  scanning
11:50:01.000  17 files
11:50:02.000  └ run 0b8e6f10 ended: succeeded
11:55:00.000  ┌ run ffff-2 begins: by hand, 2026-07-28 11:55:00 +00:00 (5 min ago)
11:55:01.000  no    disk
11:55:02.000  └ run ffff-2 ended: failed with exit code 1
";
    assert_eq!(ask_after(decided.clone(), &["logs", "backup"]), done(expected));
    let last = "11:55:02.000  └ run ffff-2 ended: failed with exit code 1\n";
    assert_eq!(ask_after(decided.clone(), &["logs", "backup", "-n", "1"]), done(last));
    let ran = ask_after(decided.clone(), &["logs", "backup", "--since", "6min"]);
    assert_eq!(ran.out.lines().count(), 3);
    let ran = ask_after(decided, &["logs", "backup", "--since", "1min"]);
    assert_eq!(ran, done("backup has written nothing in that time.\n"));
}

#[test]
fn logs_of_one_run() {
    let (_dir, decided) = logged();
    let of = |instance: &str| ask_after(decided.clone(), &["logs", "backup", "--instance", instance]);
    assert_eq!(of("last").out.lines().count(), 3);
    assert!(of("0b8e").out.contains("17 files"));
    let Ran { exit, err, .. } = of("abc");
    assert_eq!(exit, 3);
    assert!(err.starts_with("bgtask: the log of backup knows no run \"abc\": `bgtask history backup --json`"), "{err}");
}

#[test]
fn logs_as_json_are_one_object_per_line() {
    let (_dir, decided) = logged();
    let ran = ask_after(decided, &["logs", "backup", "--json", "--instance", "last"]);
    ran.out.lines().for_each(|line| super::schema::check("logs", line));
    let lines: Vec<_> = ran.out.lines().map(json).collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["begin", "output", "end"]);
    let expected =
        json!({"at": "2026-07-28T11:55:01.000000Z", "instance": "ffff-2", "kind": "output", "text": "no\tdisk\u{7}"});
    assert_eq!(lines[1], expected);
}

#[test]
fn only_commands_have_a_log() {
    let ran = super::script::ask(&["logs", "sync"]);
    assert_eq!(
        (ran.exit, ran.err.as_str()),
        (1, "bgtask: sync belongs to the app org.example.Mail: only commands have a log\n")
    );
}

#[test]
fn add_registers_a_command_and_says_what_happens() {
    let (ran, end) = ask_on(
        None,
        Decided::default(),
        &["add", "sync", "--every", "6h", "--when", "between:08:00-20:00", "--", "true"],
    );
    assert_eq!((ran.exit, ran.err.as_str()), (0, ""));
    assert!(ran.out.starts_with("Added sync.\n"), "{}", ran.out);
    let [(name, definition, replace)] = &end.added[..] else { panic!("{:?}", end.added) };
    assert_eq!((name.as_str(), *replace), ("sync", false));
    assert!(definition.contains("every = \"6h\"\nwhen = [\"between:08:00-20:00\"]\n"), "{definition}");
}

#[test]
fn add_warns_of_what_is_likely_to_go_wrong_and_refuses_what_can_never_run() {
    let add = |words: &[&str]| ask_on(None, Decided::default(), &[&["add", "x"], words, &["--", "true"]].concat());
    let (ran, end) = add(&["--at", "09:00"]);
    let warning = "note: a time that comes while the machine is off or asleep is left out: --catch-up makes up for it, once [missed/catch-up]\n";
    assert_eq!((ran.exit, ran.err.as_str(), end.added.len()), (0, warning, 1));
    let never = ["--every", "6h", "--when", "between:08:00-09:00,between:10:00-11:00"];
    let (ran, end) = add(&never);
    assert_eq!((ran.exit, end.added.len()), (1, 0));
    let expected = "\
error: it can never run: between:08:00-09:00 and between:10:00-11:00 have no time of the day in common: leave one of them out, or make them overlap [never/between]
bgtask: x can never run as it is: correct it, or insist with --force
";
    assert_eq!(ran.err, expected);
    let (ran, end) = add(&[&never[..], &["--force"]].concat());
    assert_eq!((ran.exit, end.added.len()), (0, 1));
}

#[test]
fn lint_looks_at_every_command() {
    let poor = command("poor", "command = [\"/bin/true\"]\nevery = \"1h\"\nfresh-within = \"10min\"\n");
    let good = command("fine", "command = [\"/bin/true\"]\nevery = \"1h\"\n");
    let decided = || Decided {
        commands: vec![poor.clone(), good.clone()],
        lines: vec![ended(1, &json!("Succeeded"), "")],
        ..Decided::default()
    };
    let expected = "\
poor: 1 warning
  warning: it promises to succeed within 10 min, but it is due every 1 h: the promise will be broken again and again: give it more time with --fresh-within [fresh/period]
fine: good
";
    assert_eq!(ask_after(decided(), &["lint"]), done(expected));
    let ran = ask_after(decided(), &["lint", "fine", "--json"]);
    assert_eq!(json(&ran.out), json!([{"task": "fine", "file": null, "ok": true, "findings": []}]));
}

#[test]
fn lint_of_a_file_needs_no_broker() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name).to_str().unwrap().to_owned()
    };
    let lint = |file: &str| super::bgtask(&["--root", "/nowhere", "lint", file]);
    let good = write("good.toml", "command = [\"/bin/true\"]\nevery = \"1h\"\n");
    assert_eq!(lint(&good), done(&format!("{good}: good\n")));
    let gone = write("gone.toml", "command = [\"/no/such/program\"]\nevery = \"1h\"\n");
    let ran = lint(&gone);
    assert_eq!((ran.exit, ran.err.as_str()), (1, format!("bgtask: {gone} has 1 error\n").as_str()));
    assert!(ran.out.contains("there is no program /no/such/program"), "{}", ran.out);
    let wrong = write("wrong.toml", "command = [\"/bin/true\"]\nevry = \"1h\"\n");
    let ran = lint(&wrong);
    assert_eq!(ran.exit, 1);
    assert!(ran.out.contains("evry = \"1h\"") && ran.out.contains("did you mean \"every\"?"), "{}", ran.out);
    let ran = super::bgtask(&["--root", "/nowhere", "lint", "/nowhere/x.toml"]);
    assert_eq!(ran.exit, 4, "a name may look like that: {ran:?}");
}
