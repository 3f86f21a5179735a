//! What becomes of crontabs.

use std::time::Duration;

use bgtask_core::{Command, Trigger};
use bgtask_import::{CrontabKind, Import, Imported, MAX_TASKS, MAX_TEXT_BYTES, Original, Severity, crontab};
use bgtask_taskfile::write;

const USER: &str = include_str!("data/user.crontab");
const SYSTEM: &str = include_str!("data/system.crontab");

fn command(imported: &Imported) -> &Command {
    imported.task.registration.entry.command().expect("a command")
}

fn named<'a>(import: &'a Import, name: &str) -> &'a Imported {
    import.tasks.iter().find(|it| it.task.registration.name == name).expect("it was imported")
}

fn what(imported: &Imported) -> Vec<&str> {
    imported.differences.iter().map(|difference| difference.what.as_str()).collect()
}

#[test]
fn every_line_becomes_a_task_with_a_name_of_its_own_or_is_skipped_with_a_reason() {
    let import = crontab(USER, CrontabKind::User);
    let names: Vec<_> = import.tasks.iter().map(|it| (it.line, it.task.registration.name.as_str())).collect();
    assert_eq!(
        names,
        [
            (7, "restic-backup"),
            (8, "git"),
            (9, "fetchmail"),
            (10, "mail"),
            (11, "syncthing"),
            (12, "find"),
            (13, "updatedb"),
            (14, "echo"),
            (16, "markets"),
            (18, "restic-backup-2"),
        ]
    );
    let skipped: Vec<_> = import.skipped.iter().map(|it| (it.line, it.why.as_str())).collect();
    assert_eq!(skipped.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [19, 20, 21, 22]);
    assert!(skipped[0].1.contains("there is no minute 61"), "{skipped:?}");
    assert!(skipped[1].1.contains("less than the 5 fields"), "{skipped:?}");
    assert!(skipped[2].1.contains("*-*~1"), "the form that can say it is named: {skipped:?}");
    assert!(skipped[3].1.contains("not a nickname"), "{skipped:?}");
}

#[test]
fn the_shell_of_the_crontab_runs_the_command_with_its_variables() {
    let import = crontab(USER, CrontabKind::User);
    let git = command(named(&import, "git"));
    let script = "cd ~/notes && git commit -qam \"nightly $(date +%F)\" && git push -q";
    assert_eq!(git.argv.iter().map(|it| &**it).collect::<Vec<_>>(), ["/bin/bash", "-c", script], "\\% is %");
    assert_eq!(git.env.keys().map(|it| &**it).collect::<Vec<_>>(), ["PATH"], "what is cron's own is not handed on");
    assert_eq!(what(named(&import, "git")), ["MAILTO"]);
    let plain = crontab("@hourly  x --y\n", CrontabKind::User);
    assert_eq!(write(&plain.tasks[0].task), "name = \"x\"\ncommand = \"x --y\"\nat = \"@hourly\"\n");
}

#[test]
fn what_follows_a_percent_sign_is_the_input_by_a_here_document() {
    let import = crontab(USER, CrontabKind::User);
    let mail = named(&import, "mail");
    let script = "{ mail -s \"rent\" me@example.org\n} <<'END_OF_INPUT'\nPay the rent.\n\nThanks.\nEND_OF_INPUT";
    assert_eq!(&*command(mail).argv[2], script);
    assert_eq!(what(mail), ["%", "MAILTO"]);
    let fish = crontab("SHELL=/usr/bin/fish\n@daily  cat%x\n", CrontabKind::User);
    assert!(fish.skipped[0].why.contains("cannot be given to it by /usr/bin/fish"), "{fish:?}");
}

/// The here-document gives the command exactly what cron would.
#[test]
fn the_input_arrives() {
    let import = crontab("@daily  cat%one%'two' $HOME%END_OF_INPUT\n", CrontabKind::User);
    let argv: Vec<_> = command(&import.tasks[0]).argv.iter().map(|it| it.to_string()).collect();
    let output = std::process::Command::new(&argv[0]).args(&argv[1..]).output().expect("there is a shell");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "one\n'two' $HOME\nEND_OF_INPUT\n");
}

#[test]
fn times_zones_and_delays_are_those_of_the_line() {
    let import = crontab(USER, CrontabKind::User);
    let markets = named(&import, "markets");
    let Trigger::Calendar { calendar, zone, catch_up, .. } = &markets.task.registration.trigger else { panic!() };
    assert_eq!((&**calendar, zone.as_deref(), *catch_up), ("30 9 * * mon-fri", Some("America/New_York"), false));
    let zone = Some("America/New_York".to_owned());
    assert_eq!(markets.original, Original::Cron { expression: "30 9 * * mon-fri".to_owned(), zone });
    let check = named(&import, "restic-backup-2");
    let jitter = check.task.registration.trigger.pace().unwrap().jitter;
    assert_eq!((jitter, what(check)), (Duration::from_secs(1800), vec!["RANDOM_DELAY", "CRON_TZ", "MAILTO"]));
    let wrong = crontab("CRON_TZ=Mars/Base\n@daily x\n", CrontabKind::User);
    assert!(wrong.skipped[0].why.contains("\"Mars/Base\" is no time zone"), "{wrong:?}");
}

#[test]
fn reboot_is_the_start_of_the_session_and_that_is_said() {
    let import = crontab(USER, CrontabKind::User);
    let syncthing = named(&import, "syncthing");
    assert_eq!(syncthing.task.registration.trigger, Trigger::SessionStart { one_shot: false });
    assert_eq!(
        syncthing.differences[0].to_string(),
        "@reboot: cron runs it once when the machine has started; bgtask runs it each time you log in, and not before."
    );
}

#[test]
fn a_line_of_the_system_has_a_user_that_a_task_cannot_have() {
    let import = crontab(SYSTEM, CrontabKind::System);
    let names: Vec<_> = import.tasks.iter().map(|it| it.task.registration.name.as_str()).collect();
    assert_eq!(names, ["run-parts", "run-parts-2", "e2scrub_all_cron", "sessionclean", "checkarray"]);
    for imported in &import.tasks {
        let user = imported.differences.iter().find(|difference| difference.what == "user").unwrap();
        assert_eq!(user.severity, Severity::Error);
    }
    assert!(import.tasks[4].differences[0].before.contains("www-data"));
    assert_eq!((import.skipped.len(), import.skipped[0].line), (1, 8));
    assert_eq!(&*command(&import.tasks[0]).argv[2], "cd / && run-parts --report /etc/cron.hourly");
}

#[test]
fn what_is_different_for_all_is_said_once_and_as_a_sentence() {
    let import = crontab(USER, CrontabKind::User);
    let what: Vec<_> = import.common.iter().map(|it| it.what.as_str()).collect();
    let all = ["when nobody is logged in", "time limit", "what it leaves behind", "overlap", "environment", "output"];
    assert_eq!(what, all);
    for difference in import.common.iter().chain(import.tasks.iter().flat_map(|it| &it.differences)) {
        let sentence = difference.to_string();
        assert!(sentence.ends_with('.') && !sentence.contains(['\n']) && sentence.len() < 250, "{sentence}");
    }
    assert_eq!(crontab("# nothing\n\n", CrontabKind::User), Import::default());
}

#[test]
fn bounds_are_bounds() {
    let many = "@daily x\n".repeat(MAX_TASKS + 1);
    let import = crontab(&many, CrontabKind::User);
    assert_eq!((import.tasks.len(), import.skipped.len()), (MAX_TASKS, 1));
    assert!(import.skipped[0].why.contains("more than 1024 tasks"));
    let large = crontab(&"#".repeat(MAX_TEXT_BYTES + 1), CrontabKind::User);
    assert!(large.tasks.is_empty() && large.skipped[0].why.contains("larger than"));
    assert!(crontab("@daily a\0b\n", CrontabKind::User).skipped[0].why.contains("NUL"));
    let long = crontab(&format!("@daily {}\n", "x".repeat(70_000)), CrontabKind::User);
    assert!(long.skipped[0].why.contains("bytes"), "{:?}", long.skipped);
}
