//! What stands in a task file and what it means; and what a person is told who writes one wrongly.

use std::time::Duration;

use bgtask_core::{
    Command, Condition, CustomSystemEventTriggerRecurrence as Recurrence, Fact, Pace, PathEvents, SystemConditionType,
    SystemTriggerType, Trigger,
};
use bgtask_taskfile::{Diagnostic, Task, parse_at_home, write};

const HOUR: Duration = Duration::from_secs(3600);

#[track_caller]
fn task(text: &str) -> Task {
    parse_at_home("some task.toml", text, "/home/me").unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
}

fn mistakes(text: &str) -> Vec<Diagnostic> {
    parse_at_home("some task.toml", text, "/home/me").expect_err("it is wrong")
}

fn command(task: &Task) -> &Command {
    task.registration.entry.command().expect("a command")
}

#[track_caller]
fn trigger(line: &str) -> Trigger {
    task(&format!("command = \"true\"\n{line}\n")).registration.trigger
}

#[test]
fn three_lines_are_a_task() {
    let task =
        task("command = [\"restic\", \"backup\", \"~\"]\nevery = \"6h\"\nwhen = [\"unmetered\", \"ac-power\"]\n");
    assert_eq!(task.registration.name, "some task", "the file has given it its name");
    assert_eq!(command(&task), &Command::new(["restic", "backup", "~"]), "nothing is replaced in a list");
    let pace = Pace::default();
    assert_eq!(task.registration.trigger, Trigger::Interval { every: 6 * HOUR, pace, one_shot: false });
    let ac_power = Condition::Fact { fact: Fact::ExternalPower, holds: true };
    let unmetered = Condition::System(SystemConditionType::FreeNetworkAvailable);
    assert_eq!(task.registration.conditions, [unmetered, ac_power]);
    assert!(!task.paused);
}

#[test]
fn a_command_that_is_one_line_is_run_by_the_shell() {
    let task = task("command = \"git add -A && git push\"\non = \"path:~/notes\"\n");
    assert_eq!(command(&task), &Command::new(["/bin/sh", "-c", "git add -A && git push"]));
    assert!(write(&task).contains("command = \"git add -A && git push\"\n"));
}

#[test]
fn every_key_of_a_command_is_read_and_written_again() {
    let text = r#"
name = 'nightly: "all"'
command = ["./sync.sh", "--fast"]
at = "Mon..Fri 09:00"
zone = "Europe/Berlin"
catch-up = true
accuracy = "1min"
jitter = "30s"
wake = true
once = true
when = ["not:internet", "between:22:00-06:00", "load-below:1.5"]
cancel-on-condition-loss = true
paused = true
network-requested = true
dir = "~/work"
timeout = "90s"
cpu = "1h30m"
memory = "512MiB"
network = false
nice = true
retry = 3
backoff = "2min"
fresh-within = "2d"
checkpoint = true
sandbox = "home-read"
[env]
LANG = "C"
"odd name" = "a\nb"
"#;
    let task = task(text);
    let command = command(&task);
    assert_eq!(task.registration.name, "nightly: \"all\"");
    assert_eq!((&*command.dir, command.timeout, command.cpu), ("/home/me/work", HOUR / 40, Some(HOUR * 3 / 2)));
    assert_eq!((command.memory, command.network, command.nice), (Some(512 << 20), false, true));
    assert_eq!((command.retry.times, command.retry.backoff), (3, HOUR / 30));
    assert_eq!((command.fresh_within, command.checkpoint), (Some(48 * HOUR), true));
    assert_eq!(command.sandbox.as_deref(), Some("home-read"));
    assert!(task.registration.trigger.pace().is_some_and(|pace| pace.wake));
    assert_eq!((&*command.env["LANG"], &*command.env["odd name"]), ("C", "a\nb"));
    assert!(task.paused && task.registration.cancel_on_condition_loss && task.registration.is_network_requested);
    let words: Vec<_> = task.registration.conditions.iter().map(|it| it.word()).collect();
    assert_eq!(words, ["no-internet", "between:22:00-06:00", "load-below:1.5"]);
    assert_eq!(parse_at_home("other.toml", &write(&task), "/root").as_ref(), Ok(&task), "{}", write(&task));
}

#[test]
fn a_trigger_is_one_of_three_keys() {
    let pace = Pace { accuracy: Duration::from_secs(60), jitter: Duration::ZERO, wake: false };
    let every = Duration::from_secs(90);
    let read = trigger("every = \"90\"\naccuracy = \"1min\"");
    assert_eq!(read, Trigger::Interval { every, pace, one_shot: false });

    let read = trigger("at = \"0 9  * * 1-5 utc\"\ncatch-up = true");
    let Trigger::Calendar { calendar, zone, catch_up, .. } = read else { panic!("{read:?}") };
    assert_eq!((&*calendar, zone.as_deref(), catch_up), ("0 9 * * 1-5", Some("UTC"), true));

    let read = trigger("on = \"path:~/in\"\nrecursive = true\nchanges = [\"moved\"]\nsettle = \"2s\"");
    let Trigger::Path { watch, .. } = read else { panic!("{read:?}") };
    assert_eq!((&*watch.path, watch.recursive, watch.settle), ("/home/me/in", true, Duration::from_secs(2)));
    assert_eq!(watch.on, PathEvents { moved: true, ..PathEvents::NONE });
}

#[test]
fn every_kind_of_trigger_has_a_word() {
    let on = |word: &str| trigger(&format!("on = \"{word}\"\nonce = true"));
    assert_eq!(on("session-start"), Trigger::SessionStart { one_shot: true });
    assert_eq!(on("every:1s"), trigger("every = \"1s\"\nonce = true"));
    assert_eq!(on("maintenance:1h"), Trigger::Maintenance { freshness: 60, one_shot: true });
    assert_eq!(on("timer:15m"), Trigger::Time { freshness: 15, one_shot: true });
    for word in ["internet", "InternetAvailable"] {
        assert_eq!(on(word), Trigger::System { kind: SystemTriggerType::InternetAvailable, one_shot: true });
    }
    let idle = Condition::Fact { fact: Fact::Idle(HOUR / 6), holds: true };
    assert_eq!(on("idle:10m"), Trigger::Condition { condition: idle, one_shot: true });
    let event = Trigger::CustomSystemEvent { id: "org.example.it".into(), recurrence: Recurrence::Once };
    assert_eq!(on("event:org.example.it"), event, "SYS-6: at most once in a session");
}

/// Each mistake as `where: what; help`.
fn told(text: &str) -> Vec<String> {
    let place = |mistake: &Diagnostic| mistake.span.clone().map_or("", |span| &text[span]).to_owned();
    let told = |mistake: &Diagnostic| {
        format!("{}: {}; {}", place(mistake), mistake.message, mistake.help.as_deref().expect("always some help"))
    };
    mistakes(text).iter().map(told).collect()
}

#[test]
fn all_mistakes_are_told_at_once_each_with_its_place_and_what_to_do() {
    let text = r#"
comand = "true"
every = "soon"
when = ["unmeterd", "battery-above:101", 3, "servicing-complete"]
timeout = "0s"
memory = 500
retry = -1
settle = "2s"
env = { "A=B" = "x", C = 1 }
nice = "true"
"#;
    assert_eq!(
        told(text),
        [
            r#"comand: a task has no key "comand"; did you mean "command"?"#,
            r#""soon": "soon" is no time; write it as 90s, 15min, 6h, 2d or 1h30min"#,
            r#""unmeterd": "unmeterd" is no condition; did you mean "unmetered"?"#,
            r#""battery-above:101": "101" is no value for battery-above; write battery-above:N, such as battery-above:50"#,
            "3: an item of when holds a number; it must be a string",
            "\"servicing-complete\": \"servicing-complete\" is no condition; it is a moment, so only a trigger; \
             `bgtask conditions` lists what can hold",
            r#""0s": a timeout of 0s is out of range; it takes 1s to 366d"#,
            r#"500: memory holds a number; it must be a string, such as "500M""#,
            "-1: retry holds a number; it must be a whole number from 0 to 1000",
            r#""A=B": "A=B" is no name of a variable; a name is not empty and has no =, and nothing has a NUL character"#,
            r#"1: "C" in env holds a number; it must be a string"#,
            r#""true": nice holds a string; it must be true or false"#,
            r#": the task has no command; say what to run, such as command = ["restic", "backup", "/home/me"]"#,
        ]
    );
}

#[test]
fn options_that_say_nothing_about_the_trigger_are_mistakes() {
    let text = "command = \"true\"\non = \"session-start\"\nzone = \"UTC\"\nrecursive = true\naccuracy = \"1s\"\nwake = true\n";
    assert_eq!(
        told(text),
        [
            "\"UTC\": zone says nothing about \"session-start\"; leave it out: it is for at:CALENDAR",
            "true: recursive says nothing about \"session-start\"; leave it out: it is for path:PATH",
            "\"1s\": accuracy says nothing about \"session-start\"; leave it out: it is for every:TIME and at:CALENDAR",
            "true: wake says nothing about \"session-start\"; leave it out: it is for every:TIME and at:CALENDAR",
        ]
    );
}

#[test]
fn a_task_has_one_trigger() {
    const ONE: &str = "write one of on = \"session-start\", every = \"6h\" or at = \"Mon..Fri 09:00\"";
    assert_eq!(told("command = \"true\"\n"), [format!(": the task has no trigger; {ONE}")]);
    let two = "command = \"true\"\nevery = \"1h\"\nat = \"daily\"\n";
    assert_eq!(told(two), [format!("\"daily\": the task has more than one trigger; {ONE}")]);
}

#[test]
fn what_is_wrong_with_a_trigger_is_told_with_what_was_meant() {
    let told = |line: &str| {
        let told = told(&format!("command = \"true\"\n{line}\n"));
        told[0].split_once(": ").unwrap().1.to_owned()
    };
    for (line, expected) in [
        (r#"on = "time-zone-chnge""#, r#""time-zone-chnge" is no trigger; did you mean "time-zone-change"?"#),
        (r#"on = "TimeZoneChanged""#, r#""TimeZoneChanged" is no trigger; did you mean "TimeZoneChange"?"#),
        (r#"on = "pth.~/x""#, r#""pth.~/x" is no trigger; `bgtask triggers` lists what there is"#),
        (r#"on = "~/x""#, r#""~/x" is no trigger; did you mean "path:~/x"?"#),
        (r#"on = "6h""#, r#""6h" is no trigger; did you mean "every:6h"?"#),
        (r#"on = "daily""#, r#""daily" is no trigger; did you mean "at:daily"?"#),
        (r#"on = "evry:6h""#, r#""evry:6h" is no trigger; did you mean "every:6h"?"#),
        (r#"on = "every""#, r#"every needs a value; write every:TIME, such as every:6h"#),
        (r#"on = "ac_power""#, r#""ac_power" is no trigger; did you mean "ac-power"?"#),
        (r#"on = "qqqqqqqq""#, r#""qqqqqqqq" is no trigger; `bgtask triggers` lists what there is"#),
        (r#"on = """#, "the trigger is empty; write one such as every:6h; `bgtask triggers` lists them"),
        (r#"on = "idle:0s""#, r#""0s" is no value for idle; write idle:TIME, such as idle:10min"#),
        (
            r#"on = "servicing-complete""#,
            "\"servicing-complete\" cannot be served: it is for tasks of apps; a command is never updated by itself",
        ),
        (r#"every = "0s""#, "an interval of 0s is out of range; it takes 1s to 366d"),
        (r#"at = "Mno 09:00""#, r#"the calendar "Mno 09:00": "Mno" is not a weekday; did you mean "Mon"?"#),
        ("at = \"daily\"\nzone = \"Europe/Berln\"", r#""Europe/Berln" is no time zone; did you mean "Europe/Berlin"?"#),
        (
            r#"at = "daily Planets/Mars-and-beyond""#,
            r#""Planets/Mars-and-beyond" is no time zone; write UTC or a name such as Europe/Berlin"#,
        ),
        (
            "at = \"daily UTC\"\nzone = \"CET\"",
            r#"the zone "CET" differs from "UTC" in the calendar; keep one of them"#,
        ),
        (r#"on = "path:notes""#, r#"the path "notes" is not absolute; begin it with / or ~/"#),
        (
            r#"on = "path:~bob/x""#,
            "\"~bob/x\" names the home folder of somebody else; \
             write the path in full; only ~ and ~/… stand for your own",
        ),
        ("on = \"path:/x\"\nsettle = \"2d\"", "a time to settle of 2d is out of range; it takes 0s to 1d"),
        ("on = \"path:/x\"\nchanges = []", "no change counts; name some of created, changed, written, deleted, moved"),
        ("on = \"path:/x\"\nchanges = [\"create\"]", r#""create" is no change at a path; did you mean "created"?"#),
        (r#"on = "event:""#, "the event has no id; write event:ID with an id of 1 to 255 printable bytes"),
        (
            r#"on = "timer:90s""#,
            "a timer of 1min30s is not one of Windows; it takes 15 to 43199 whole minutes; every:TIME takes any time",
        ),
    ] {
        assert_eq!(told(line), expected);
    }
}

#[test]
fn what_is_wrong_with_a_condition_is_told_with_what_was_meant() {
    for (word, expected) in [
        ("not:unmeterd", r#""unmeterd" is no condition; did you mean "unmetered"?"#),
        ("not:not:internet", r#""not:not:internet" is no condition; leave out one not:"#),
        (
            "time-zone-change",
            "\"time-zone-change\" is no condition; it is a moment, so only a trigger; \
             `bgtask conditions` lists what can hold",
        ),
        ("idle", "idle needs a value; write idle:TIME, such as idle:10min"),
        ("ac-power:3", "ac-power takes no value; write it alone"),
        ("betwen:22:00-06:00", r#""betwen:22:00-06:00" is no condition; did you mean "between:22:00-06:00"?"#),
        ("", "a condition is empty; write one such as ac-power; `bgtask conditions` lists them"),
    ] {
        assert_eq!(bgtask_taskfile::condition(word).unwrap_err().to_string(), expected);
    }
    assert_eq!(bgtask_taskfile::conditions(" unmetered , ac-power ").unwrap().len(), 2);
    assert!(bgtask_taskfile::conditions("unmetered,,ac-power").is_err());
}

#[test]
fn a_file_that_is_half_saved_is_told_where_it_ends() {
    let text = "command = \"true\"\nevery = \"6";
    let found = mistakes(text);
    assert_eq!((found.len(), found[0].code), (1, "task/malformed"));
    assert!(found[0].span.clone().unwrap().start >= text.find("\"6").unwrap(), "{found:?}");
}
