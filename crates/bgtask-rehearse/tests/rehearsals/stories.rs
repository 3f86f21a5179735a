//! What a person learns from a rehearsal before the day comes.

use std::time::Duration;

use bgtask_core::{
    App, AppId, CancellationReason, CustomSystemEventTriggerRecurrence, Entry, EntryPoint, Gate, NewRegistration,
    PathEvents, PathWatch, Policy, PolicyEntry, PolicyRule, Retry, Server, Sharing, SystemTriggerType, TaskType,
    Trigger, WallTime,
};
use bgtask_rehearse::{Ending, Hold, MAX_LENGTH, Rehearsal, RehearsalError, RehearsedTask, Scenario};

use crate::day::{Day, at, clock, command, every, fired, hours, lane, monday, ran, waited, with};

/// CO-2: what fires while its condition does not hold is latched, and runs when it does.
#[test]
fn a_backup_waits_until_the_user_leaves() {
    let day =
        monday("at start: user present\n12:30-13:30 user away").task(command("backup", every("6h"), &["user-away"]));
    let timeline = day.played();
    assert_eq!(fired(&timeline, "backup"), ["06:00", "12:00", "18:00"]);
    assert_eq!(ran(&timeline, "backup"), ["12:30"], "both firings of the morning are one run (D1)");
    assert_eq!(
        waited(&timeline, "backup"),
        ["06:00-12:30 latched until user-away", "18:00-00:00 latched until user-away"]
    );
}

/// CO-3: a run that asked for it is told to stop when its condition is lost.
#[test]
fn a_long_run_is_told_to_stop_when_the_user_comes_back() {
    let mut backup = command("backup", at("08:00", true), &["user-away"]);
    backup.cancel_on_condition_loss = true;
    let timeline = monday("at start: user away\ntask backup takes 2h\n09:00 user comes").task(backup).played();
    let [run] = lane(&timeline, "backup").runs[..] else { panic!("one run") };
    assert_eq!(run.ending, Ending::Cancelled(CancellationReason::ConditionLoss));
    assert_eq!((clock(&timeline, run.from), clock(&timeline, run.to)), ("08:00".into(), "09:00".into()));
    assert_eq!(timeline.totals.cancelled, 1);
}

/// D11: what is missed while the machine sleeps makes one run when it wakes; the phase stays.
#[test]
fn sleep_ends_with_one_catch_up() {
    let timeline = monday("01:30 machine sleeps until 06:30").task(command("mail", every("1h"), &[])).played();
    assert_eq!(fired(&timeline, "mail")[..3], ["01:00", "06:30", "07:00"]);
    let asleep = timeline.bands.iter().find(|band| band.name == "machine asleep").expect("a band");
    assert_eq!(asleep.spans.len(), 1);
}

/// A calendar that is not made up for says what was missed.
#[test]
fn a_calendar_without_catch_up_misses_what_comes_while_the_machine_sleeps() {
    let day = monday("01:30 machine sleeps until 06:30");
    let timeline =
        day.task(command("digest", at("05:00", false), &[])).task(command("news", at("05:00", true), &[])).played();
    let missed: Vec<_> = lane(&timeline, "digest").missed.iter().map(|due| clock(&timeline, *due)).collect();
    assert_eq!((missed, fired(&timeline, "digest")), (vec!["05:00".to_owned()], vec![]));
    assert_eq!(fired(&timeline, "news"), ["06:30"]);
}

/// A run stops with the machine and goes on with it.
#[test]
fn what_runs_sleeps_with_the_machine() {
    let scenario = "task backup takes 1h\n05:30 machine sleeps until 06:30";
    let timeline = monday(scenario).task(command("backup", at("05:00", true), &[])).played();
    let [run] = lane(&timeline, "backup").runs[..] else { panic!("one run") };
    assert_eq!(clock(&timeline, run.to), "07:00", "half an hour before, half an hour after");
    assert_eq!(run.ending, Ending::Succeeded);
}

/// A machine that is switched off ends what runs and begins a new session.
#[test]
fn a_machine_that_is_off_tells_what_runs_to_stop_and_starts_anew() {
    let scenario = "task backup takes 3h\n05:30 machine off until 08:00";
    let timeline = monday(scenario)
        .task(command("backup", at("05:00", true), &[]))
        .task(command("hello", Trigger::SessionStart { one_shot: false }, &[]))
        .task(command("mail", every("1h"), &["user-present"]))
        .played();
    let ending = lane(&timeline, "backup").runs[0].ending;
    assert_eq!(ending, Ending::Cancelled(CancellationReason::LoggingOff), "CAN-5");
    assert_eq!(fired(&timeline, "hello"), ["08:00"]);
    let waits = waited(&timeline, "mail");
    assert_eq!(waits, ["01:00-00:00 latched until user-present"], "what waits outlives the machine's being off");
}

/// A failed run is tried again, later each time.
#[test]
fn a_sync_that_fails_is_tried_again() {
    let retry = Retry { times: 3, backoff: Duration::from_secs(600) };
    let sync = with(command("sync", at("09:00", true), &[]), |command| command.retry = retry);
    let timeline = monday("task sync takes 1min\ntask sync fails 2 times").task(sync).played();
    assert_eq!(ran(&timeline, "sync"), ["09:00", "09:11", "09:32"]);
    let lane = lane(&timeline, "sync");
    assert!(matches!(lane.runs[0].ending, Ending::Retried { at } if clock(&timeline, at) == "09:11"));
    assert_eq!(lane.runs[2].ending, Ending::Succeeded);
    assert_eq!(lane.runs[2].attempt, 3);
    assert!(lane.waits.iter().all(|wait| wait.hold == Hold::Buffered(Gate::Backoff)), "{:?}", lane.waits);
}

/// A promise that is broken is told, until it is kept again.
#[test]
fn a_backup_that_promised_to_be_fresh_is_overdue() {
    let backup = command("backup", every("6h"), &["ac-power"]);
    let backup = with(backup, |command| command.fresh_within = Some(hours(8)));
    let timeline = monday("at start: battery power\n15:00 ac power").task(backup).played();
    let [(from, to)] = lane(&timeline, "backup").overdue[..] else { panic!("once") };
    assert_eq!((clock(&timeline, from), clock(&timeline, to)), ("08:00".into(), "15:00:10".into()));
}

/// The day on which the clock is set forward: a time that does not come is made up for, an interval stays what it is.
#[test]
fn on_the_day_of_the_clock_change_a_calendar_follows_the_wall_and_an_interval_does_not() {
    let timeline = Day::new("2026-03-28T23:00:00Z", "23h", "Europe/Berlin", "03:30 user comes\nat start: user away")
        .task(command("wall", at("02:30", true), &[]))
        .task(command("every", every("2h"), &[]))
        .task(command("come", Trigger::System { kind: SystemTriggerType::UserPresent, one_shot: false }, &[]))
        .played();
    assert_eq!(clock(&timeline, timeline.to), "00:00", "that day has 23 hours");
    assert_eq!(fired(&timeline, "wall"), ["03:00"], "02:30 does not come: the clock goes from 02:00 to 03:00");
    assert_eq!(fired(&timeline, "every")[..2], ["03:00", "05:00"]);
    assert_eq!(fired(&timeline, "come"), ["03:30"]);
}

/// SYS-3: a machine that is moved fires, and its calendars follow it.
#[test]
fn calendars_follow_the_machine_to_another_time_zone() {
    let trigger = Trigger::System { kind: SystemTriggerType::TimeZoneChange, one_shot: false };
    let timeline = Day::new("2026-03-01T23:00:00Z", "24h", "Europe/Berlin", "15:00 time zone Europe/Lisbon")
        .task(command("notify", trigger, &[]))
        .task(command("tea", at("16:00", true), &[]))
        .played();
    assert_eq!(fired(&timeline, "notify"), ["15:00"]);
    assert_eq!(fired(&timeline, "tea"), ["17:00"], "at four in Lisbon it is five in Berlin");
}

/// All changes of a burst are one activation; the time to settle begins anew with each.
#[test]
fn a_path_fires_when_nothing_has_changed_for_long_enough() {
    let settle = Duration::from_secs(120);
    let watch = PathWatch { path: "/home/me/notes".into(), recursive: false, on: PathEvents::default(), settle };
    let scenario =
        "14:00 path /home/me/notes/a changes 5 times\n14:01 path /home/me/notes/b changes\n14:10 path /tmp/x changes";
    let timeline = monday(scenario).task(command("sync", Trigger::Path { watch, one_shot: false }, &[])).played();
    let [firing] = lane(&timeline, "sync").firings[..] else { panic!("one firing") };
    assert_eq!((clock(&timeline, firing.at).as_str(), firing.count), ("14:03", 6));
    assert_eq!(timeline.notes.len(), 1);
    assert_eq!((timeline.notes[0].line, timeline.notes[0].text.as_str()), (3, "no task watches \"/tmp/x\""));
}

#[test]
fn events_conditions_that_begin_and_the_hand_of_the_user_fire_too() {
    let jack = Trigger::CustomSystemEvent {
        id: "org.example.jack".into(),
        recurrence: CustomSystemEventTriggerRecurrence::Always,
    };
    let idle = bgtask_core::Condition::from_name("idle:10min").expect("one");
    let timeline =
        monday("at start: user present\n10:00 event org.example.jack\n11:00 user leaves\n12:00 task now runs now")
            .task(command("jack", jack, &[]))
            .task(command("idle", Trigger::Condition { condition: idle, one_shot: false }, &[]))
            .task(command("now", at("23:00", true), &["not:internet"]))
            .played();
    assert_eq!((fired(&timeline, "jack"), fired(&timeline, "idle")), (vec!["10:00".into()], vec!["11:10".into()]));
    assert_eq!(ran(&timeline, "now"), ["12:00"], "by hand conditions do not count");
    assert!(lane(&timeline, "now").firings[0].by_hand);
}

#[test]
fn a_paused_task_does_not_fire_until_it_is_resumed() {
    let task =
        RehearsedTask { paused: true, ..RehearsedTask::new(App::of_commands().id, command("mail", every("1h"), &[])) };
    let timeline = monday("05:30 task mail resumed\n08:30 task mail paused").tasks(task).played();
    assert_eq!(fired(&timeline, "mail"), ["06:00", "07:00", "08:00"]);
    let spans: Vec<_> = lane(&timeline, "mail").paused.iter().map(|(_, to)| clock(&timeline, *to)).collect();
    assert_eq!(spans, ["05:30", "00:00"]);
}

/// A timer that is due before the rehearsal begins fires at once; otherwise its phase is kept.
#[test]
fn a_real_registration_keeps_its_phase() {
    let of = |name: &str, due: i64| {
        let due = WallTime::from_micros(1_772_409_600_000_000 + due * 60_000_000);
        RehearsedTask { due: Some(due), ..RehearsedTask::new(App::of_commands().id, command(name, every("8h"), &[])) }
    };
    let timeline = monday("").tasks(of("later", 90)).tasks(of("missed", -60)).played();
    assert_eq!(fired(&timeline, "later"), ["01:30", "09:30", "17:30"]);
    assert_eq!(fired(&timeline, "missed"), ["00:00", "07:00", "15:00", "23:00"]);
}

fn photos() -> (App, NewRegistration) {
    let server = Server { program: "photos".into(), application: "".into(), sharing: Sharing::InTurn, budget: None };
    let entry = EntryPoint { name: "Tasks.Upload".into(), server, types: vec![TaskType::Timer, TaskType::SystemEvent] };
    let id = AppId::new("org.example.Photos").expect("an id");
    let app = App {
        id,
        version: "1".into(),
        entry_points: vec![entry],
        classes: vec![],
        itself: None,
        applications: vec![],
        raises: vec![],
        services: vec![],
        commands: None,
    };
    let trigger = Trigger::Time { freshness: 120, one_shot: false };
    let new = NewRegistration { entry: Entry::Component("Tasks.Upload".into()), ..command("upload", trigger, &[]) };
    (app, new)
}

/// D10: an app's task that takes too long is told to stop.
#[test]
fn an_apps_task_runs_on_its_budget() {
    let (app, new) = photos();
    let mut day = monday("08:00 task upload takes 1min");
    day.rehearsal.apps.push(app.clone());
    let timeline = day.tasks(RehearsedTask::new(app.id, new)).played();
    let endings: Vec<_> = lane(&timeline, "upload").runs.iter().take(4).map(|run| run.ending).collect();
    let over = Ending::Cancelled(CancellationReason::ExecutionTimeExceeded);
    assert_eq!(endings, [Ending::Succeeded, Ending::Succeeded, Ending::Succeeded, over]);
}

/// AC-7: what would become of the apps under another policy, before it comes.
#[test]
fn a_policy_is_rehearsed_before_it_is_in_force() {
    let (app, new) = photos();
    let mut day = monday("");
    let entry = PolicyEntry { rule: PolicyRule::ForceDeny, file: "/etc/bgtask/policy.d/new.toml".into(), budget: 100 };
    day.rehearsal.policy = Policy { default: Some(entry), ..Policy::default() };
    day.rehearsal.apps.push(app.clone());
    let timeline = day.tasks(RehearsedTask::new(app.id, new)).played();
    assert_eq!(timeline.totals.runs, 0);
    let hold = &lane(&timeline, "upload").waits[0].hold;
    assert_eq!(*hold, Hold::Buffered(Gate::Access(bgtask_core::BackgroundAccessStatus::DeniedBySystemPolicy)));
}

#[test]
fn the_user_denies_an_app_for_an_hour() {
    let (app, new) = photos();
    let mut day = monday("05:30 app org.example.Photos denied\n06:30 app org.example.Photos allowed");
    day.rehearsal.apps.push(app.clone());
    let timeline = day.tasks(RehearsedTask::new(app.id, new)).played();
    assert_eq!(ran(&timeline, "upload")[1..4], ["04:00", "06:30", "08:00"]);
}

/// What cannot be registered says so in its lane, and the rest is rehearsed.
#[test]
fn a_task_the_core_refuses_says_why() {
    let timeline = monday("")
        .task(command("too often", every("1ms"), &[]))
        .task(command("nonsense", at("25:00", true), &[]))
        .task(command("elsewhere", at("05:00 Mars/Olympus", true), &[]))
        .task(command("same", every("6h"), &[]))
        .task(command("same", every("6h"), &[]))
        .played();
    let refused: Vec<_> = timeline.lanes.iter().map(|lane| lane.refused.as_deref().unwrap_or("")).collect();
    assert!(refused[0].contains("1ms"), "{refused:?}");
    assert!(refused[1].contains("25"), "{refused:?}");
    assert!(!refused[2].is_empty(), "{refused:?}");
    assert_eq!(refused[3], "");
    assert!(refused[4].contains("same"), "{refused:?}");
    assert_eq!(timeline.totals.runs, 3);
}

/// D2: no more run at the same time than may.
#[test]
fn what_finds_no_free_slot_waits_for_one() {
    let mut day = monday("");
    day.rehearsal.config.max_running = 1;
    let timeline = day.task(command("a", at("05:00", true), &[])).task(command("b", at("05:00", true), &[])).played();
    let waits: Vec<_> = timeline.lanes.iter().flat_map(|lane| &lane.waits).map(|wait| &wait.hold).collect();
    assert_eq!(waits, [&Hold::Buffered(Gate::Slot)]);
    assert_eq!(timeline.totals.wake_ups, 1, "one wake-up served both");
}

#[test]
fn the_same_rehearsal_is_the_same_timeline_to_the_byte() {
    let play = || {
        let mut day = Day::new("2026-03-02T00:00:00Z", "7d", "Europe/Berlin", bgtask_rehearse::WORKING_DAY);
        for n in 0..40 {
            let trigger =
                if n % 2 == 0 { every(&format!("{}min", 5 + n)) } else { at(&format!("{n} */3 * * *"), true) };
            let name = format!("task {n}");
            day = day.task(command(&name, trigger, if n % 3 == 0 { &["user-away", "idle:5min"] } else { &[] }));
        }
        day.played()
    };
    let (one, other) = (play(), play());
    assert_eq!(one.svg(), other.svg());
    assert_eq!(one.text(80, usize::MAX), other.text(80, usize::MAX));
    assert_eq!(one, other);
}

#[test]
fn a_rehearsal_has_a_length() {
    for length in [Duration::ZERO, MAX_LENGTH + Duration::from_secs(1)] {
        let error = Rehearsal::new(WallTime::default(), length, Scenario::unchanged()).play().expect_err("refused");
        assert_eq!(error, RehearsalError::Length(length));
        assert!(error.to_string().contains("at most 366d"), "{error}");
    }
    for begin in [i64::MIN, -62_000_000_000_000_000, i64::MAX] {
        let timeline = Rehearsal::new(WallTime::from_micros(begin), MAX_LENGTH, Scenario::working_day()).play();
        assert!(timeline.expect("also long ago").svg().ends_with("</svg>\n"));
    }
}

/// A rehearsal of too much ends before its time and says so.
#[test]
fn a_rehearsal_takes_no_more_than_it_may() {
    let mut day = monday("").task(command("often", every("1s"), &[]));
    day.rehearsal.most_steps = 1_000;
    let timeline = day.played();
    let cut = timeline.cut_short.expect("it was too much");
    assert_eq!(timeline.to, cut);
    assert!(cut - timeline.from < hours(1), "{}", clock(&timeline, cut));
    assert!(timeline.text(80, 0).contains("cut short at Mon 2 Mar 00:"));
    assert!(timeline.svg().contains("cut short at"));
}

/// What never runs is what a rehearsal is for.
#[test]
fn a_task_that_never_runs_is_found() {
    let findings = monday("at start: user away")
        .task(command("never", every("6h"), &["user-present", "user-away"]))
        .task(command("not today", at("sat 09:00", true), &[]))
        .task(command("fine", every("6h"), &[]))
        .played()
        .findings();
    assert_eq!(
        findings,
        [
            "never fired 3 times and never ran, latched until user-present at last",
            "not today never fired: the calendar \"sat 09:00\""
        ]
    );
}

/// What one activation can be told of a burst is bounded; how much there was is not lost.
#[test]
fn a_burst_that_is_too_long_to_tell_is_counted() {
    let watch =
        PathWatch { path: "/n".into(), recursive: true, on: PathEvents::default(), settle: Duration::from_secs(1) };
    let scenario = format!("09:00 path /n/a/b changes {} times", bgtask_rehearse::MAX_CHANGES);
    let timeline = monday(&scenario).task(command("sync", Trigger::Path { watch, one_shot: false }, &[])).played();
    let [firing] = lane(&timeline, "sync").firings[..] else { panic!("one firing") };
    assert_eq!(firing.count, bgtask_rehearse::MAX_CHANGES);
}

/// An ordinary working day, as people rehearse who write no scenario.
#[test]
fn on_a_working_day_the_user_is_there_from_nine_to_six() {
    let timeline = Day::new("2026-03-02T00:00:00Z", "24h", "UTC", bgtask_rehearse::WORKING_DAY)
        .task(command("watch", every("1h"), &["user-present", "ac-power", "battery-above:70"]))
        .played();
    let told = |name: &str| {
        let band = timeline.bands.iter().find(|band| band.name == name).expect("a band");
        band.spans.iter().map(|(from, to)| format!("{}-{}", clock(&timeline, *from), clock(&timeline, *to))).collect()
    };
    let (present, power, battery): (Vec<_>, Vec<_>, Vec<_>) =
        (told("user-present"), told("ac-power"), told("battery-above:70"));
    assert_eq!(present, ["09:00-12:00", "13:00-18:00"]);
    assert_eq!(power, ["09:00-18:00"]);
    assert_eq!(battery, ["00:00-21:45"]);
}
