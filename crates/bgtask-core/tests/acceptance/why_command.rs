//! `why` of a command: in the words it was added with, with the one change that would start it now.

use bgtask_core::{App, Config, Fact, Input, NewRegistration, Report, Request, Retry, SourceStatus, TaskId, WallTime};

use crate::harness::{Broker, HOUR, PHOTOS, but, command, every, seconds, when, zone_task, zone_task_when};

/// The sentence and the remedy.
fn told(broker: &Broker, task: TaskId) -> (String, String) {
    let why = broker.why(task);
    (why.sentence, why.remedy.unwrap_or_default())
}

fn backup() -> NewRegistration {
    command("backup", every(HOUR))
}

const BY_HAND: &str = "`bgtask run backup` starts it now, whatever it waits for";

/// A command that has fired and waits for these conditions, half a minute ago.
fn waiting(words: &[&str]) -> (Broker, TaskId) {
    let mut broker = Broker::of_commands();
    let task = broker.add(when(backup(), words));
    broker.passes(HOUR + seconds(30));
    (broker, task)
}

#[test]
fn it_follows_a_command_through_its_life() {
    let mut broker = Broker::of_commands();
    let task = broker.add(when(but(backup(), |command| command.timeout = HOUR), &["ac-power"]));
    let mut lines = Vec::new();
    let mut tell = |broker: &Broker| {
        let why = broker.why(task);
        lines.push(format!("{}: {} [{}]", why.phase, why.sentence, why.remedy.unwrap_or_default()));
    };
    broker.passes(HOUR / 2);
    tell(&broker);
    broker.passes(HOUR / 2);
    tell(&broker);
    broker.reads(Report::Level(Fact::ExternalPower, false));
    broker.passes(HOUR);
    tell(&broker);
    broker.reads(Report::Level(Fact::ExternalPower, true));
    let run = broker.expect_run("backup");
    broker.passes(seconds(1));
    tell(&broker);
    run.started(&mut broker);
    broker.passes(seconds(60));
    tell(&broker);
    broker.request(Request::Cancel(task)).expect("it runs");
    tell(&broker);
    broker.passes(seconds(5));
    tell(&broker);
    broker.exits(run.host, bgtask_core::HostExit::Signal(9));
    broker.passes(seconds(60));
    tell(&broker);
    let expected = [
        "idle: The command waits for its trigger: the timer of 1h fires in 30 min; it was registered 30 min ago. [`bgtask run backup` starts it now, whatever it waits for]",
        "latched: The timer of 1h fired 0 s ago and the command is held since 0 s ago until ac-power holds (its source has not reported yet). [plug the machine in]",
        "latched: The timer of 1h fired 2 times, first 60 min ago and the command is held since 60 min ago until ac-power holds. [plug the machine in]",
        "starting: The command is starting; its budget ends in 60 min. []",
        "running: The command is running since 60 s ago; its budget ends in 59 min. []",
        "cancelling: The command was told to stop (Abort) and has 5 s left before it is killed. []",
        "cancelling: The command was told to stop (Abort), did not, and it is being killed. []",
        "idle: The command waits for its trigger: the timer of 1h fires in 58 min; its last run failed 60 s ago. [`bgtask run backup` starts it now, whatever it waits for]",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn the_one_change_is_what_opens_the_one_closed_gate_where_a_person_can_open_it_at_once() {
    for (word, fact, remedy) in [
        ("ac-power", Fact::ExternalPower, "plug the machine in"),
        ("not:ac-power", Fact::ExternalPower, "unplug the machine"),
        ("internet", Fact::Internet, "connect the machine to the internet"),
        ("no-internet", Fact::Internet, "disconnect the machine from the internet"),
        ("unmetered", Fact::FreeNetwork, "connect to a network that costs nothing"),
        ("not:unmetered", Fact::FreeNetwork, "leave the network that costs nothing"),
        ("user-present", Fact::UserPresence, "use the machine"),
        ("disk-free:10G", Fact::DiskFree(10 << 30), "free disk space: 10G are wanted where the home folder is"),
        ("user-away", Fact::UserPresence, BY_HAND),
        ("idle:10min", Fact::Idle(seconds(600)), BY_HAND),
        ("load-below:1.5", Fact::LoadBelow(150), BY_HAND),
        ("battery-above:50", Fact::BatteryAbove(50), BY_HAND),
    ] {
        let (mut broker, task) = waiting(&[word]);
        let condition = bgtask_core::Condition::from_name(word).expect("a condition");
        broker.reads(Report::Level(fact, !condition.holds_at(true)));
        let (sentence, told) = told(&broker, task);
        assert!(sentence.ends_with(&format!("until {word} holds.")), "{sentence}");
        assert_eq!(told, remedy, "{word}");
    }
}

#[test]
fn an_app_is_told_what_to_wait_for_as_nobody_runs_it_by_hand() {
    for (word, remedy) in [
        ("user-away", "leave the machine, or lock its screen"),
        ("idle:10min", "leave the machine alone for 10min"),
        ("load-below:1.5", "wait until the load is below 1.5"),
        ("battery-above:50", "charge the battery to 50 %"),
        ("between:22:00-06:00", "wait until 22:00"),
        ("not:between:22:00-06:00", "wait until 06:00"),
        ("not:disk-free:1G", "wait until not:disk-free:1G holds"),
        ("energy-saver", "switch energy saving on"),
    ] {
        let mut broker = Broker::new();
        let task = broker.register(when(zone_task("Sync"), &[word]));
        broker.zone_changes("Europe/Paris", 3_600);
        broker.zone_changes("Europe/London", 0);
        assert_eq!(told(&broker, task).1, remedy, "{word}");
    }
}

#[test]
fn where_several_gates_are_closed_the_first_is_opened_and_the_others_are_named() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task_when(
        "Sync",
        &[bgtask_core::SystemConditionType::InternetAvailable, bgtask_core::SystemConditionType::UserNotPresent],
    ));
    broker.internet(false);
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let remedy = "connect the machine to the internet; then it still waits for UserNotPresent";
    assert_eq!(told(&broker, task).1, remedy);
    broker.reads(Report::Level(Fact::EnergySaver, true));
    let remedy = "switch energy saving off; then it still waits for InternetAvailable and UserNotPresent";
    assert_eq!(told(&broker, task).1, remedy);

    let (broker, task) = waiting(&["ac-power", "internet"]);
    assert_eq!(told(&broker, task).1, BY_HAND, "for a command one change does it all");
}

#[test]
fn the_gates_of_a_command_are_named_by_its_words() {
    let (mut broker, task) = waiting(&["user-away", "battery-above:50", "not:load-below:2"]);
    broker.user(true);
    let gates: Vec<_> = broker.why(task).gates.into_iter().map(|gate| (gate.name, gate.open, gate.value)).collect();
    let gate = |name: &str, open, value: &str| (name.to_owned(), open, value.to_owned());
    let expected = [
        gate("Access", true, "AllowedSubjectToSystemPolicy"),
        gate("Paused", true, "false"),
        gate("EnergySaver", true, "false"),
        gate("user-away", false, "true"),
        gate("battery-above:50", false, "unknown"),
        gate("not:load-below:2", false, "unknown"),
        gate("MemoryPressure", true, "false"),
        gate("Running", true, "false"),
        gate("Slot", true, "0 of 16 taken"),
    ];
    assert_eq!(gates, expected);
}

#[test]
fn what_is_paused_says_so_and_what_would_go_on() {
    let (mut broker, task) = waiting(&["ac-power"]);
    broker.pause(task, true);
    let held = "The timer of 1h fired 30 s ago and the command is held since 30 s ago because it is paused.";
    assert_eq!(told(&broker, task), (held.into(), BY_HAND.into()), "its condition holds it too");
    broker.reads(Report::Level(Fact::ExternalPower, true));
    assert_eq!(told(&broker, task).1, "`bgtask resume backup`");
    broker.run_now(task);
    broker.expect_run("backup").exits(&mut broker, 0);
    let idle = "The command is paused and fires nothing until it is resumed; its last run succeeded 0 s ago.";
    assert_eq!(told(&broker, task), (idle.into(), BY_HAND.into()));
    assert_eq!(broker.why(task).next, None);
}

#[test]
fn a_pause_between_tries_says_how_often_it_failed_and_when_it_goes_on() {
    let mut broker = Broker::of_commands();
    let retry = Retry { times: 5, backoff: seconds(60) };
    let task = broker.add(but(backup(), |command| command.retry = retry));
    broker.passes(HOUR);
    broker.expect_run("backup").exits(&mut broker, 1);
    broker.passes(seconds(20));
    let once = "The timer of 1h fired 20 s ago; the command failed once 20 s ago, and its next try is in 40 s.";
    assert_eq!(told(&broker, task), (once.into(), BY_HAND.into()));
    assert_eq!(broker.why(task).next, Some(WallTime::from_micros(4_660_000_000)));
    let backoff = broker.why(task).gates.into_iter().find(|gate| !gate.open).expect("one is closed");
    assert_eq!((backoff.name.as_str(), backoff.value.as_str()), ("Backoff", "the next try is in 40 s"));
    broker.passes(seconds(40));
    broker.expect_run("backup").exits(&mut broker, 1);
    let twice = "the command failed 2 times, the last time 0 s ago, and its next try is in 120 s.";
    let sentence = told(&broker, task).0;
    assert!(sentence.ends_with(&twice.replace("120 s", "2 min")), "{sentence}");
}

#[test]
fn what_waits_by_hand_waits_for_its_turn_only() {
    let mut broker = Broker::empty(Config { max_running: 1, ..Config::default() });
    broker.install(App::of_commands());
    let other = broker.add(command("other", every(HOUR)));
    broker.run_now(other);
    let task = broker.add(when(backup(), &["ac-power"]));
    broker.run_now(task);
    let held = "It was asked to run by hand and the command is held since 0 s ago because 1 task runs, as many as may at the \
                same time: 1 command; the first has to end within 24 h.";
    assert_eq!(told(&broker, task), (held.into(), "wait until the task that runs has ended".into()));
    broker.request(Request::SetBackground { enabled: false }).expect("it is the user's");
    let (sentence, remedy) = told(&broker, task);
    let because =
        "because background access of commands is DeniedByUser, says the user's switch for all background work.";
    assert!(sentence.ends_with(because), "{sentence}");
    assert_eq!(remedy, "`bgtask access on`; then it still waits for a free slot");
}

#[test]
fn a_command_that_runs_by_hand_alone_would_still_wait_for_a_slot() {
    let mut broker = Broker::empty(Config { max_running: 1, ..Config::default() });
    broker.install(App::of_commands());
    let task = broker.add(when(backup(), &["ac-power"]));
    broker.passes(HOUR);
    let other = broker.add(command("other", every(HOUR)));
    broker.run_now(other);
    assert_eq!(told(&broker, task).1, format!("{BY_HAND}; then it still waits for a free slot"));
}

#[test]
fn access_is_given_back_by_who_took_it() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task("Clock"));
    let remedy = |broker: &Broker| broker.why(task).remedy.unwrap_or_default();
    assert_eq!(remedy(&broker), "", "nothing but its trigger starts it");
    let never = Some(bgtask_core::AccessSetting::Never);
    broker.request(Request::SetAccess(crate::harness::app_id(PHOTOS), never)).expect("it is the user's");
    assert_eq!(remedy(&broker), "`bgtask access set org.example.Photos managed`");
    broker.request(Request::SetBackground { enabled: false }).expect("it is the user's");
    assert_eq!(remedy(&broker), "`bgtask access on`");
    let file = "/etc/bgtask/policy.d/10-site.toml";
    let entry = bgtask_core::PolicyEntry { rule: bgtask_core::PolicyRule::ForceDeny, file: file.into(), budget: 100 };
    broker.tell(Input::Policy(bgtask_core::Policy { default: Some(entry), ..bgtask_core::Policy::default() }));
    assert_eq!(remedy(&broker), "ask the owner of this machine: /etc/bgtask/policy.d/10-site.toml decides");
}

#[test]
fn a_source_that_is_missing_is_the_change() {
    let (mut broker, task) = waiting(&["load-below:1"]);
    let (why, help) = ("no /proc/loadavg".into(), "mount proc".into());
    broker.source(Fact::LoadBelow(100), SourceStatus::Missing { why, help });
    assert_eq!(told(&broker, task).1, "mount proc");
}

#[test]
fn every_other_gate_has_its_remedy() {
    let mut broker = Broker::new();
    broker.first_levels = None;
    let task = broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let remedy = |broker: &Broker| told(broker, task).1;
    let unknown = "wait a moment: the source of energy-saver has not reported yet; then it still waits for free memory";
    assert_eq!(remedy(&broker), unknown);
    broker.reads(Report::Level(Fact::EnergySaver, false));
    broker.reads(Report::Level(Fact::MemoryPressure, true));
    assert_eq!(remedy(&broker), "close programs that use much memory");
    let mut edited = crate::harness::app(PHOTOS, "1");
    edited.entry_points.clear();
    broker.install(edited);
    let declare = "declare Tasks.Example in the manifest of org.example.Photos; then it still waits for free memory";
    assert_eq!(remedy(&broker), declare);
}

#[test]
fn time_alone_starts_it_then() {
    let mut broker = Broker::of_commands();
    let task = broker.add(backup());
    let at = |seconds: i64| Some(WallTime::from_micros(seconds * 1_000_000));
    assert_eq!(broker.why(task).next, at(4_600));
    broker.passes(HOUR);
    broker.expect_run("backup");
    assert_eq!(broker.why(task).next, at(8_200), "it runs, and that is when it fires next");
    broker.pause(task, true);
    assert_eq!(broker.why(task).next, None);

    let (broker, task) = waiting(&["ac-power"]);
    assert_eq!(broker.why(task).next, None, "time alone does not plug a machine in");
}

#[test]
fn a_running_command_shows_its_budget_and_what_it_has_used() {
    let mut broker = Broker::of_commands();
    let task = broker.add(but(backup(), |command| command.timeout = seconds(600)));
    assert_eq!((broker.why(task).used, broker.why(task).budget), (None, None));
    broker.passes(HOUR);
    broker.expect_run("backup").started(&mut broker);
    broker.passes(seconds(90));
    assert_eq!((broker.why(task).used, broker.why(task).budget), (Some(seconds(90)), Some(seconds(600))));
}

#[test]
fn a_broken_promise_is_said_wherever_the_command_stands() {
    let mut broker = Broker::of_commands();
    let new = but(backup(), |command| command.fresh_within = Some(seconds(86_400)));
    let task = broker.add(when(new, &["ac-power"]));
    broker.passes(seconds(90_000));
    let broken = " It has not succeeded for 25 h, and promised to within 24 h.";
    let sentence = told(&broker, task).0;
    assert!(sentence.ends_with(broken), "{sentence}");
}

#[test]
fn a_calendar_without_a_source_of_the_zone_still_runs() {
    let mut broker = Broker::of_commands();
    let trigger = bgtask_core::Trigger::Calendar {
        calendar: "daily 3".into(),
        zone: None,
        catch_up: true,
        pace: bgtask_core::Pace::default(),
        one_shot: false,
    };
    let task = broker.add(command("report", trigger));
    broker.source(Fact::TimeZone, SourceStatus::Missing { why: "no".into(), help: "no".into() });
    let sentence = told(&broker, task).0;
    assert!(
        sentence.starts_with("The command waits for its trigger: the calendar \"daily 3\" fires in 3 h;"),
        "{sentence}"
    );
}

#[test]
fn a_name_in_a_remedy_can_be_pasted_into_a_shell() {
    for (name, word) in [("my backup", "'my backup'"), ("it's", r"'it'\''s'"), ("-x", "'-x'"), ("päck", "'päck'")] {
        let mut broker = Broker::of_commands();
        let task = broker.add(command(name, every(HOUR)));
        assert_eq!(told(&broker, task).1, format!("`bgtask run {word}` starts it now, whatever it waits for"));
    }
}
