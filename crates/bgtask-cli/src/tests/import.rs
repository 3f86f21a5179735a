//! What people already have becomes tasks, and tasks change hands as files.

use serde_json::json;

use super::script::{Decided, ask_after, ask_on, command};
use super::{Ran, bgtask, json};

const CRONTAB: &str = "MAILTO=me\n30 2 * * 1-5  backup --all\n@reboot  sync.sh\n*/10 2 * * *  poll\nnonsense\n";

/// A folder with files of these names and texts.
fn folder<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn path(dir: &tempfile::TempDir, name: &str) -> String {
    dir.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_crontab_is_shown_with_every_difference_and_compared() {
    let dir = folder([("my-crontab", CRONTAB)]);
    let Ran { exit, out, err } = bgtask(&["import", "crontab", &path(&dir, "my-crontab"), "--zone", "Europe/Berlin"]);
    assert_eq!((exit, err.as_str()), (0, "Nothing was changed: with --apply it is.\n"));
    for part in [
        "my-crontab: 3 tasks\n",
        "backup (line 2)\n  when     at 30 2 * * 1-5, every weekday at 02:30\n  command  backup --all\n  note     MAILTO: ",
        "sync (line 3)\n  when     on session-start\n",
        "For all of them:\n",
        "Not taken over:\n  line 5: ",
        "Checked by simulation: ",
        " within 400 days in Europe/Berlin, and at 7 only one side runs:\n",
        " 03:00:00 +02:00  poll  only bgtask runs it\n",
        "No calendar to compare: sync\n",
    ] {
        assert!(out.contains(part), "{part}\nin\n{out}");
    }
}

#[test]
fn with_apply_the_tasks_are_added() {
    let dir = folder([("my-crontab", CRONTAB)]);
    let (ran, end) = ask_on(None, Decided::default(), &["import", &path(&dir, "my-crontab"), "--apply", "--json"]);
    assert_eq!((ran.exit, ran.err.as_str()), (0, ""));
    let names: Vec<_> = end.added.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["backup", "sync", "poll"]);
    let answer = json(&ran.out);
    let first = &answer[0]["tasks"][0];
    assert_eq!((&first["name"], &first["added"], &first["line"]), (&json!("backup"), &json!("registered"), &json!(2)));
    assert_eq!(answer[0]["checked"]["days"], 400);
    assert_eq!(answer[0]["skipped"][0]["line"], 5);
}

#[test]
fn a_timer_is_read_with_its_service_and_its_drop_ins() {
    let timer = "[Timer]\nOnCalendar=Mon..Fri 09:00\nPersistent=true\n";
    let service = "[Service]\nType=oneshot\nExecStart=/usr/bin/backup\n";
    let dir = folder([("backup.timer", timer), ("backup.service", service)]);
    std::fs::create_dir(dir.path().join("backup.service.d")).unwrap();
    std::fs::write(dir.path().join("backup.service.d/10.conf"), "[Service]\nNice=10\n").unwrap();
    let ran = bgtask(&["import", &path(&dir, "backup.timer"), "--json"]);
    assert_eq!(ran.exit, 0, "{ran:?}");
    let definition = json(&ran.out)[0]["tasks"][0]["definition"].as_str().unwrap().to_owned();
    assert!(definition.contains("at = \"Mon..Fri 09:00\"\ncatch-up = true\n"), "{definition}");
    assert!(definition.contains("nice = true"), "{definition}");
    std::fs::remove_file(dir.path().join("backup.service")).unwrap();
    let ran = bgtask(&["import", &path(&dir, "backup.timer")]);
    assert!(ran.exit == 3 && ran.err.contains("the service backup.service of"), "{ran:?}");
}

/// What was to wake the machine does so where it may, and elsewhere is added all the same, which is said.
#[test]
fn a_timer_that_wakes_the_machine_is_added_where_nothing_may_wake_it() {
    let timer = "[Timer]\nOnCalendar=daily\nWakeSystem=true\n";
    let dir = folder([("backup.timer", timer), ("backup.service", "[Service]\nExecStart=/usr/bin/backup\n")]);
    for no_waking in [false, true] {
        let decided = Decided { no_waking, ..Decided::default() };
        let (ran, end) = ask_on(None, decided, &["import", &path(&dir, "backup.timer"), "--apply"]);
        assert_eq!(ran.exit, 0, "{ran:?}");
        let [(_, definition, _)] = &end.added[..] else { panic!("{:?}", end.added) };
        assert_eq!(definition.contains("wake = true"), !no_waking, "{definition}");
        let said = "backup wakes no machine from its sleep: nothing may wake this machine\n";
        assert_eq!(ran.err, if no_waking { said } else { "" });
    }
}

#[test]
fn what_was_exported_is_imported_again() {
    let tasks = vec![
        command("one", "command = [\"/bin/true\", \"a\"]\nevery = \"1h\"\n"),
        command("second", "command = \"echo 'x\\ny'\"\non = \"session-start\"\npaused = true\n"),
    ];
    let exported = ask_after(Decided { commands: tasks.clone(), ..Decided::default() }, &["export"]);
    let dir = folder([("all.toml", exported.out.as_str())]);
    let (ran, end) = ask_on(None, Decided::default(), &["import", &path(&dir, "all.toml"), "--apply"]);
    assert_eq!(ran.exit, 0, "{ran:?}");
    let definitions: Vec<_> = end.added.iter().map(|(_, definition, _)| Some(definition.clone())).collect();
    assert_eq!(definitions, tasks.into_iter().map(|task| task.definition).collect::<Vec<_>>());
}

#[test]
fn a_task_file_with_mistakes_is_shown_with_its_lines() {
    let dir = folder([("bad.toml", "command = [\"/bin/true\"]\nevery = \"soon\"\n")]);
    let ran = bgtask(&["import", &path(&dir, "bad.toml")]);
    assert_eq!(ran.exit, 1);
    assert!(ran.err.contains("every = \"soon\"") && ran.err.contains("bad.toml has 1 error"), "{}", ran.err);
}

#[test]
fn a_windows_manifest_becomes_a_native_one_that_declares_the_same() {
    let original = include_str!("../../../bgtask-manifest/tests/fixtures/windows10.appxmanifest");
    let dir = folder([("Package.appxmanifest", original)]);
    let file = path(&dir, "Package.appxmanifest");
    let ran = bgtask(&["import", &file]);
    assert_eq!(ran.exit, 0, "{ran:?}");
    let native = bgtask_manifest::parse("bgtask.toml", ran.out.as_bytes());
    let app = native.declare(std::path::Path::new("")).unwrap();
    let names: Vec<_> = app.entry_points.iter().map(|its| its.name.as_str()).collect();
    assert_eq!((app.id.as_str(), names), ("Example.Gallery", vec!["Tasks.Index", "Tasks.Calls", "Tasks.Service"]));
    let services: Vec<_> = app.app_services.iter().map(|its| (its.entry_point.as_deref(), its.allow_all)).collect();
    assert_eq!(services, [(Some("Tasks.Service"), true)], "open to all, as on Windows");
    assert!(ran.err.contains("of the applications App, Tool the first stands for all"), "{}", ran.err);

    let root = dir.path().to_str().unwrap();
    let apply = |more: &[&str]| bgtask(&[&["--root", root, "import", &file, "--apply"], more].concat());
    assert_eq!(apply(&[]).exit, 0, "the broker finds it there, now or later");
    assert_eq!(std::fs::read_to_string(dir.path().join("apps/Example.Gallery.toml")).unwrap(), ran.out);
    let again = apply(&[]);
    assert!(again.exit == 1 && again.err.contains("--replace overwrites it"), "{again:?}");
    assert_eq!(apply(&["--replace"]).exit, 0);
}

#[test]
fn what_cannot_be_imported_is_told_with_what_can() {
    for (words, exit, said) in [
        (&["import", "crontb"][..], 3, "there is no file \"crontb\"; did you mean \"crontab\"?"),
        (&["import", "/nowhere/x.toml"], 3, "/nowhere/x.toml cannot be read: No such file"),
        (&["import", "toml"], 2, "name a file to import, or - for standard input"),
        (&["import", "no-such-unit.timer"], 3, "there is no timer no-such-unit.timer"),
        (&["import", "/etc", "--format", "toml"], 1, "/etc cannot be read: Is a directory"),
        (&["import", "/dev/null", "--zone", "Europe/Berlni"], 2, "did you mean \"Europe/Berlin\""),
        (&["import"], 2, "FORMAT|FILE|-"),
        (&["import", "x.toml", "--replace"], 2, "--apply"),
    ] {
        let ran = bgtask(words);
        assert!(ran.exit == exit && ran.err.contains(said), "{words:?}: {ran:?}");
    }
}
