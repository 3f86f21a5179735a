//! What holds for every task and for every text.

use std::sync::Arc;
use std::time::Duration;

use bgtask_core::limits::{MAX_ARGUMENTS, MAX_COMMAND_BYTES, MAX_CONDITIONS, MAX_NAME_BYTES, MAX_RETRIES};
use bgtask_core::{
    App, Command, Condition, Config, Core, CustomSystemEventTriggerRecurrence as Recurrence, DayWindow, Entry, Fact,
    Input, NewRegistration, Now, Output, Pace, PathEvents, PathWatch, Reply, Request, RequestId, Retry,
    SystemConditionType, SystemTriggerType, Trigger,
};
use bgtask_taskfile::{
    MAX_DIAGNOSTICS, MAX_TASK_FILE_BYTES, Options, Severity, Task, parse_at_home, trigger_word, write,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// What the broker answers to this registration of the user.
fn registered(new: NewRegistration) -> Result<(), String> {
    let app = App::of_commands();
    let mut core = Core::new(Config { may_wake: true, ..Config::default() }, 1);
    let id = app.id.clone();
    core.handle(Now::ZERO, Input::AppInstalled(app));
    core.handle(Now::ZERO, Input::Request(RequestId(1), Request::Register(id, new)));
    loop {
        match core.poll() {
            Output::Reply(_, Ok(Reply::Registered(_))) => return Ok(()),
            Output::Reply(_, Err(refusal)) => return Err(refusal.to_string()),
            Output::Wake(_) => return Err("no answer".into()),
            _ => {}
        }
    }
}

fn any_time(least: u64, most: u64) -> impl Strategy<Value = Duration> {
    (least * 1_000_000..=most * 1_000_000).prop_map(Duration::from_micros)
}

fn any_condition() -> impl Strategy<Value = Condition> {
    use SystemConditionType as S;
    let of_windows =
        [S::UserPresent, S::UserNotPresent, S::InternetAvailable, S::InternetNotAvailable, S::FreeNetworkAvailable];
    let fact = prop_oneof![
        prop::sample::select(vec![Fact::ExternalPower, Fact::EnergySaver, Fact::MemoryPressure]),
        (0..100_u8).prop_map(Fact::BatteryAbove),
        any_time(1, 7 * 86_400).prop_map(Fact::Idle),
        (1..u64::MAX).prop_map(Fact::DiskFree),
        (1..u32::MAX).prop_map(Fact::LoadBelow),
        (0..1440_u16, 1..1440_u16)
            .prop_map(|(from, length)| Fact::Between(DayWindow { from, to: (from + length) % 1440 })),
    ];
    prop_oneof![
        prop::sample::select(of_windows.to_vec()).prop_map(Condition::System),
        (fact, any::<bool>()).prop_map(|(fact, holds)| Condition::Fact { fact, holds }),
    ]
}

/// The beginning of a condition whose word is not also that of a system trigger.
fn any_edge() -> impl Strategy<Value = Condition> {
    use SystemConditionType as S;
    let taken = [S::InternetAvailable, S::UserPresent, S::UserNotPresent].map(Condition::System);
    any_condition().prop_filter("a word of its own", move |condition| !taken.contains(condition))
}

fn any_calendar() -> impl Strategy<Value = Trigger> {
    let calendars = ["daily", "Mon..Fri 09:00", "0 9 * * mon-fri", "*/5 * 1 * *", "@weekly", "*-*~1 23:59:59"];
    let zones = ["Europe/Berlin", "UTC", "Australia/Lord_Howe"].map(Arc::<str>::from);
    let zone = prop::option::of(prop::sample::select(zones.to_vec()));
    let flags = (any::<bool>(), any::<bool>());
    (prop::sample::select(calendars.to_vec()), zone, any_pace(), flags).prop_map(
        |(calendar, zone, pace, (catch_up, one_shot))| {
            let calendar = calendar.into();
            Trigger::Calendar { calendar, zone, catch_up, pace, one_shot }
        },
    )
}

fn any_pace() -> impl Strategy<Value = Pace> {
    let parts = (any_time(0, 86_400), any_time(0, 86_400), any::<bool>());
    parts.prop_map(|(accuracy, jitter, wake)| Pace { accuracy, jitter, wake })
}

/// An interval is never shorter than what it may be late by.
fn any_interval() -> impl Strategy<Value = Trigger> {
    (any_time(1, 366 * 86_400), any_pace(), any::<bool>()).prop_map(|(every, pace, one_shot)| {
        let pace = Pace { accuracy: pace.accuracy.min(every), jitter: pace.jitter.min(every), ..pace };
        Trigger::Interval { every, pace, one_shot }
    })
}

fn any_watch() -> impl Strategy<Value = PathWatch> {
    let events = any::<[bool; 5]>().prop_filter("at least one", |flags| flags.contains(&true)).prop_map(|flags| {
        let mut events = PathEvents::NONE;
        PathEvents::NAMES.into_iter().zip(flags).filter(|(_, on)| *on).for_each(|(name, _)| assert!(events.set(name)));
        events
    });
    ("/[^\\x00]{0,40}", any::<bool>(), events, any_time(0, 86_400))
        .prop_map(|(path, recursive, on, settle)| PathWatch { path: path.into(), recursive, on, settle })
}

fn any_trigger() -> impl Strategy<Value = Trigger> {
    use SystemTriggerType as S;
    let kinds = vec![S::TimeZoneChange, S::InternetAvailable, S::UserPresent, S::UserAway];
    let once = any::<bool>;
    prop_oneof![
        any_interval(),
        any_calendar(),
        (any_watch(), once()).prop_map(|(watch, one_shot)| Trigger::Path { watch, one_shot }),
        (any_edge(), once()).prop_map(|(condition, one_shot)| Trigger::Condition { condition, one_shot }),
        (prop::sample::select(kinds), once()).prop_map(|(kind, one_shot)| Trigger::System { kind, one_shot }),
        once().prop_map(|one_shot| Trigger::SessionStart { one_shot }),
        ("\\PC{1,40}", once()).prop_map(|(id, once)| {
            let recurrence = if once { Recurrence::Once } else { Recurrence::Always };
            Trigger::CustomSystemEvent { id: id.into(), recurrence }
        }),
        (15..=43_199_u32, once()).prop_map(|(freshness, one_shot)| Trigger::Time { freshness, one_shot }),
        (15..=43_199_u32, once()).prop_map(|(freshness, one_shot)| Trigger::Maintenance { freshness, one_shot }),
    ]
}

fn any_command() -> impl Strategy<Value = Command> {
    let text = || "[^\\x00]{0,30}".prop_map(Arc::<str>::from);
    let span = || any_time(1, 366 * 86_400);
    let program = "[^\\x00]{1,20}".prop_map(Arc::<str>::from);
    let argv = prop_oneof![
        (program, vec(text(), 0..5)).prop_map(|(program, rest)| [vec![program], rest].concat()),
        text().prop_map(|line| vec!["/bin/sh".into(), "-c".into(), line]),
    ];
    let env = btree_map("[^\\x00=]{1,10}".prop_map(Arc::<str>::from), text(), 0..4);
    let dir = prop_oneof![Just(String::new()), "/[^\\x00]{0,20}"];
    let retry = (0..=MAX_RETRIES, span()).prop_map(|(times, backoff)| Retry { times, backoff });
    let bounds = (span(), prop::option::of(span()), prop::option::of(1_u64 << 20..), prop::option::of(span()));
    let sandbox =
        prop::option::of(prop::sample::select(bgtask_taskfile::SANDBOXES.to_vec()).prop_map(Arc::<str>::from));
    ((argv, env, dir), any::<[bool; 3]>(), retry, bounds, sandbox).prop_map(|(what, flags, retry, bounds, sandbox)| {
        let (argv, env, dir) = what;
        let [network, nice, checkpoint] = flags;
        let (timeout, cpu, memory, fresh_within) = bounds;
        let (dir, command) = (dir.into(), Command::new(argv));
        Command { env, dir, timeout, cpu, memory, network, nice, retry, fresh_within, checkpoint, sandbox, ..command }
    })
}

prop_compose! {
    fn any_task()(
        name in "\\PC{1,60}",
        command in any_command(),
        trigger in any_trigger(),
        conditions in vec(any_condition(), 0..=MAX_CONDITIONS),
        flags in any::<[bool; 3]>(),
    ) -> Task {
        let [paused, cancel_on_condition_loss, is_network_requested] = flags;
        let entry = Entry::Command(Arc::new(command));
        let registration = NewRegistration {
            name, entry, trigger, conditions, cancel_on_condition_loss, is_network_requested, group: None,
        };
        Task { registration, paused }
    }
}

/// Reads the text; checks what must hold for any.
fn survive(text: &str) -> Option<Task> {
    match parse_at_home("some.toml", text, "/home/me") {
        Ok(task) => {
            assert_eq!(registered(task.registration.clone()), Ok(()), "{text}");
            assert_eq!(parse_at_home("x", &write(&task), "").as_ref(), Ok(&task));
            Some(task)
        }
        Err(mistakes) => {
            assert!((1..=MAX_DIAGNOSTICS + 1).contains(&mistakes.len()));
            for mistake in &mistakes {
                assert_eq!(mistake.severity, Severity::Error);
                assert!(mistake.help.is_some() && mistake.message.len() < 1_000, "{mistake}");
                assert!(mistake.span.clone().is_none_or(|span| text.get(span).is_some()), "{mistake:?}");
            }
            None
        }
    }
}

/// The text with some of its bytes replaced or cut out.
fn damaged(text: &str, changes: &[(usize, u8)]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (at, change) in changes {
        let at = at % bytes.len();
        match change {
            0..32 => drop(bytes.drain(at..(at + usize::from(*change)).clamp(at, bytes.len() - 1).max(at))),
            byte => bytes[at] = *byte,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

proptest! {
    #[test]
    fn every_task_is_read_again_from_its_file_and_the_broker_takes_it(task in any_task()) {
        let text = write(&task);
        let again = parse_at_home("other.toml", &text, "/root");
        prop_assert_eq!(again.as_ref(), Ok(&task), "{}", text);
        prop_assert_eq!(registered(task.registration), Ok(()));
    }

    #[test]
    fn every_trigger_is_read_again_from_its_word(trigger in any_trigger()) {
        let read = bgtask_taskfile::trigger(&trigger_word(&trigger), &Options::at_home("/"));
        prop_assert_eq!(trigger_word(&read.unwrap()), trigger_word(&trigger));
    }

    #[test]
    fn no_text_is_too_odd(text in any::<String>()) {
        survive(&text);
    }

    #[test]
    fn no_damage_is_too_odd(task in any_task(), changes in vec((any::<usize>(), any::<u8>()), 1..6)) {
        survive(&damaged(&write(&task), &changes));
    }

    #[test]
    fn no_value_is_too_odd(
        key in prop::sample::select(vec!["name", "on", "every", "at", "zone", "when", "dir", "memory", "changes", "env"]),
        value in "\\PC{0,20}|[0-9]{1,25}[a-z]{0,3}|[a-z-]{1,15}:.{0,20}|(\\[|\\{|\").{0,10}",
        quoted in any::<bool>(),
    ) {
        let value = if quoted { format!("{value:?}") } else { value };
        survive(&format!("command = \"true\"\n{key} = {value}\n"));
        survive(&format!("command = \"true\"\nevery = \"1h\"\n{key} = {value}\n"));
    }
}

#[track_caller]
fn refused(text: &str, words: &str) {
    assert!(survive(text).is_none(), "{text:.80}");
    let mistakes = parse_at_home("some.toml", text, "/home/me").unwrap_err();
    assert!(mistakes.iter().any(|mistake| mistake.message.contains(words)), "{mistakes:#?}");
}

#[test]
fn every_bound_is_one() {
    let task = |rest: &str| format!("command = \"true\"\nevery = \"1h\"\n{rest}\n");
    let list = |count: usize| format!("[{}]", vec!["\"ac-power\""; count].join(","));
    assert!(survive(&task(&format!("when = {}", list(MAX_CONDITIONS)))).is_some());
    refused(&task(&format!("when = {}", list(MAX_CONDITIONS + 1))), "17 conditions are too many");
    assert!(survive(&task(&format!("name = \"{}\"", "n".repeat(MAX_NAME_BYTES)))).is_some());
    refused(&task(&format!("name = \"{}\"", "n".repeat(MAX_NAME_BYTES + 1))), "the name has 256 bytes");
    refused(&task("name = \"a\\nb\""), "control characters");
    refused(&task("name = \"\""), "no name");
    refused(&task(&format!("retry = {}", MAX_RETRIES + 1)), "too much");
    refused(&task("memory = \"1023K\""), "starts no program");
    refused(&task(&format!("dir = \"/{}\"", "d".repeat(4_095))), "the path has 4096 bytes");
    let command = |list: String| format!("command = [{list}]\nevery = \"1h\"\n");
    assert!(survive(&command(vec!["\"a\""; MAX_ARGUMENTS].join(","))).is_some());
    refused(&command(vec!["\"a\""; MAX_ARGUMENTS + 1].join(",")), "1025 arguments");
    assert!(survive(&command(format!("\"{}\"", "a".repeat(MAX_COMMAND_BYTES - 2)))).is_some());
    refused(&command(format!("\"{}\"", "a".repeat(MAX_COMMAND_BYTES - 1))), "65537 bytes");
    refused(&format!("command = \"true\"\nat = \"{}\"", "daily ".repeat(500)), "the calendar");
    refused(&format!("command = \"true\"\nat = \"*-*-* {}:00\"", ["00"; 100].join(",")), "the calendar has");
    refused(&(0..1_000).map(|n| format!("k{n} = 1\n")).collect::<String>(), "902 more mistakes are not listed");
    refused(&"#".repeat(MAX_TASK_FILE_BYTES + 1), "larger than");
}

#[test]
fn the_largest_command_has_a_file_that_is_read() {
    let argv = ["\u{1}".repeat(MAX_COMMAND_BYTES - 2)];
    let registration = NewRegistration {
        name: "n".repeat(MAX_NAME_BYTES),
        entry: Entry::Command(Arc::new(Command::new(argv))),
        trigger: Trigger::SessionStart { one_shot: false },
        conditions: Vec::new(),
        cancel_on_condition_loss: false,
        is_network_requested: false,
        group: None,
    };
    let text = write(&Task { registration, paused: false });
    assert!(text.len() > 300_000 && survive(&text).is_some());
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    refused(&format!("command = {}", "[".repeat(100_000)), "not well-formed");
    refused(&format!("a{} = 1", ".a".repeat(100_000)), "not well-formed");
}
