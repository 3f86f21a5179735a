//! The screen as it looks, and how it changes.

mod changes;
mod pictures;

use bgtask_text::Clock;
use bgtask_wire::{AppInfo, EventInfo, GateInfo, HistoryInfo, SourceInfo, TaskInfo, WhyInfo};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::message::{Ask, Effect, Message, News};
use crate::model::{Model, View};
use crate::update::update;

/// 2026-07-28T12:00:00Z
const NOON: i64 = 1_785_240_000_000_000;
const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

const COMMANDS: &str = "org.bgtask.Commands";
const BACKUP: &str = "3f2b9c1e-7a44-4d0f-9a55-0c7b2f1e6a01";
const HOSTILE: &str = "a0c4d2e8-1111-4222-8333-444455556666";
const LONG: &str = "c5d6e7f8-1111-4222-8333-000000000001";
const MAIL: &str = "d5d6e7f8-1111-4222-8333-000000000002";
const INSTANCE: &str = "0b8e6f10-2222-4333-8444-555566667777";

fn task(id: &str, app: &str, name: &str, word: &str) -> TaskInfo {
    TaskInfo {
        id: id.into(),
        app: app.into(),
        name: name.into(),
        word: word.into(),
        phase: "idle".into(),
        log: Some(format!("/nowhere/{id}.log")),
        ..TaskInfo::default()
    }
}

/// A running backup, a task with a name that would take a terminal over, one with a very long name, and one of an app.
fn tasks() -> Vec<TaskInfo> {
    vec![
        TaskInfo {
            due: Some(NOON + 7 * MINUTE),
            log: None,
            ..task(MAIL, "org.example.Mail", "Mail.Sync", "every:15min")
        },
        TaskInfo {
            phase: "running".into(),
            instance: Some(INSTANCE.into()),
            attempt: Some(2),
            progress: Some(40),
            message: Some("photos\u{1b}]0;owned\u{7}".into()),
            due: Some(NOON + 360 * MINUTE),
            last_at: Some(NOON - 180 * MINUTE),
            last_ok: Some(true),
            ..task(BACKUP, COMMANDS, "backup", "every:6h")
        },
        TaskInfo {
            phase: "latched".into(),
            last_at: Some(NOON - 5 * MINUTE),
            last_ok: Some(false),
            ..task(HOSTILE, COMMANDS, "背景任务\u{1b}[2J\n\u{202e}evil", "path:/home/\u{9b}31mme/笔记")
        },
        TaskInfo { paused: true, ..task(LONG, COMMANDS, &"long-".repeat(60), "at:Mon..Fri 03:12:00 Europe/Berlin") },
    ]
}

fn why() -> WhyInfo {
    let gate = |name: &str, open, value: &str, source: &str| GateInfo {
        name: name.into(),
        open,
        value: value.into(),
        since: Some(NOON - 3 * MINUTE),
        source: source.into(),
    };
    WhyInfo {
        sentence: "It is running, attempt 2, since 12 s ago; \"every:6h\" fired 3 min ago.".into(),
        phase: "running".into(),
        since: Some(NOON - 12 * SECOND),
        gates: vec![gate("Access", true, "allowed", "granted"), gate("ac-power", false, "false", "upower\u{1b}[5m")],
        remedy: Some("plug in the charger".into()),
        next: None,
        used: Some(12_000_000),
        budget: Some(600_000_000),
    }
}

fn event(word: &str, text: &str, name: &str, at: i64) -> EventInfo {
    EventInfo {
        at,
        app: COMMANDS.into(),
        task: BACKUP.into(),
        name: name.into(),
        instance: Some(INSTANCE.into()),
        event: word.into(),
        text: text.into(),
        detail: "{}".into(),
    }
}

fn line(sequence: u64, word: &str, text: &str, detail: &str, at: i64) -> HistoryInfo {
    HistoryInfo {
        sequence,
        at,
        app: COMMANDS.into(),
        task: BACKUP.into(),
        name: "backup".into(),
        instance: Some(INSTANCE.into()),
        event: word.into(),
        text: text.into(),
        detail: detail.into(),
    }
}

/// A run of the last hour: what it waited, took and used.
fn past() -> Vec<HistoryInfo> {
    let fired =
        r#"{"Fired":{"trigger":{"Time":{"freshness":360,"one_shot":false}},"count":1,"cause":{"Timer":{"shared":2}}}}"#;
    let completed = r#"{"Completed":{"outcome":"Succeeded","used":{"wall":63000000,"usage":{"cpu":21000000,"io":5242880,"memory_peak":41943040}}}}"#;
    vec![
        line(1, "fired", "every:6h fired", fired, NOON - 30 * MINUTE),
        line(2, "started", "started", r#"{"Started":{"attempt":1,"warm":false}}"#, NOON - 29 * MINUTE),
        line(3, "completed", "succeeded", completed, NOON - 28 * MINUTE),
    ]
}

fn app(id: &str, setting: Option<&str>, access: &str, decided_by: &str) -> AppInfo {
    AppInfo {
        id: id.into(),
        version: "1.0".into(),
        manifest: String::new(),
        entry_points: vec![],
        applications: vec![],
        access: access.into(),
        decided_by: decided_by.into(),
        setting: setting.map(str::to_owned),
        policy: None,
        policy_file: None,
    }
}

fn apps() -> Vec<AppInfo> {
    vec![
        app(COMMANDS, None, "AllowedSubjectToSystemPolicy", "what it was granted when it asked"),
        app("org.example.Mail", Some("never"), "DeniedByUser", "the user's setting"),
    ]
}

fn sources() -> Vec<SourceInfo> {
    let source = |name: &str, status: &str, value: Option<&str>, how: Option<&str>| SourceInfo {
        name: name.into(),
        status: status.into(),
        how: how.map(str::to_owned),
        why: None,
        help: None,
        value: value.map(str::to_owned),
    };
    vec![
        SourceInfo {
            why: Some("there is no logind".into()),
            help: Some("start systemd-logind".into()),
            ..source("user-presence", "missing", None, None)
        },
        source("external-power", "available", Some("true"), Some("/sys/class/power_supply")),
        source("time-zone", "available", Some("Europe/Berlin"), Some("/etc/localtime")),
    ]
}

/// A screen on which the tasks have just been read.
fn model(view: View) -> Model {
    let mut model = Model::new(view, Clock::fixed(NOON));
    tell(&mut model, News::Connected);
    tell(&mut model, News::Tasks(tasks()));
    tell(&mut model, News::Why(BACKUP.into(), Some(why())));
    model
}

fn tell(model: &mut Model, news: News) -> Vec<Ask> {
    asks(update(model, Message::News(news)))
}

fn press(model: &mut Model, code: KeyCode) -> Vec<Ask> {
    asks(update(model, Message::Key(KeyEvent::new(code, KeyModifiers::NONE))))
}

fn type_in(model: &mut Model, text: &str) {
    text.chars().for_each(|letter| drop(press(model, KeyCode::Char(letter))));
}

fn asks(effects: Vec<Effect>) -> Vec<Ask> {
    effects.into_iter().filter_map(|effect| if let Effect::Ask(ask) = effect { Some(ask) } else { None }).collect()
}
