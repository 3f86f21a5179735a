//! What the user asks for: commands, and what can be done with them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bgtask_core::{
    App, AppId, Command, Condition, CustomSystemEventTriggerRecurrence, Entry, Fact, InstanceId, NewRegistration, Pace,
    PathEvents, PathWatch, Request, Retry, SystemConditionType, SystemTriggerType, TaskId, Trigger,
};

use super::Ask;
use crate::apps::{self, EVENTS};
use crate::chance::Chance;
use crate::planner;
use crate::sources::{BATTERY, DISK, NIGHT};

/// Few names, so that they are often taken.
const NAMES: u64 = 8;

pub(super) fn any(known: &[(TaskId, AppId)], chance: &mut Chance) -> Ask {
    let ours: Vec<_> = known.iter().filter(|(_, app)| app.as_str() == App::COMMANDS).map(|(task, _)| *task).collect();
    // Those that were registered last are most likely there still.
    let recent = &ours[ours.len().saturating_sub(10)..];
    let task = chance.pick(recent).copied();
    match (chance.below(20), task) {
        (0..=6, _) | (_, None) => register(chance),
        (7..=8, _) => update(chance),
        (9..=12, Some(task)) => Request::RunNow { task, respect_conditions: chance.percent(25) }.into(),
        (13..=15, Some(task)) => Request::SetPaused { task, paused: chance.percent(55) }.into(),
        (16, Some(task)) => Request::Cancel(task).into(),
        (17, Some(task)) => Request::Unregister { scope: None, task, cancel: chance.percent(50) }.into(),
        (18, Some(_)) => nonsense(known, chance),
        (_, Some(_)) => of_the_app(chance).into(),
    }
}

/// What the user can do with the commands as with any app.
fn of_the_app(chance: &mut Chance) -> Request {
    match chance.below(4) {
        0 => Request::Terminate(apps::commands()),
        1 => Request::RequestAccess { app: apps::commands(), application: String::new() },
        _ => Request::SetAccess(apps::commands(), super::any_setting(chance)),
    }
}

/// What only commands can be asked for, asked of something else.
fn nonsense(known: &[(TaskId, AppId)], chance: &mut Chance) -> Ask {
    let of_apps: Vec<_> =
        known.iter().filter(|(_, app)| app.as_str() != App::COMMANDS).map(|(task, _)| *task).collect();
    let stranger = TaskId::from_random(u128::from(chance.number()));
    let task = chance.pick(&of_apps).copied().unwrap_or(stranger);
    let request = match chance.below(4) {
        0 => Request::RunNow { task, respect_conditions: false },
        1 => Request::SetPaused { task, paused: true },
        2 => Request::Cancel(task),
        _ => Request::ReportProgress {
            instance: InstanceId::from_random(u128::from(chance.number())),
            value: 1,
            message: "who am I?".into(),
        },
    };
    Ask { request, must_fail: true }
}

fn register(chance: &mut Chance) -> Ask {
    let mut new = any_registration(chance);
    match chance.below(10) {
        0 => {
            spoil(&mut new, chance);
            Ask { request: Request::Register(apps::commands(), new), must_fail: true }
        }
        // An app has no commands, and none of their triggers.
        1 => {
            if chance.percent(50) {
                new.entry = apps::any_entry(chance);
                new.trigger = interval(chance);
            }
            Ask { request: Request::Register(apps::any_name(chance), new), must_fail: true }
        }
        _ => Request::Register(apps::commands(), new).into(),
    }
}

/// Sometimes the same again, so that nothing changes.
fn update(chance: &mut Chance) -> Ask {
    let mut new = any_registration(chance);
    if chance.percent(50) {
        new.name = "the same command".into();
        new.trigger = Trigger::Interval { every: Duration::from_secs(20), pace: Pace::default(), one_shot: false };
        (new.conditions, new.cancel_on_condition_loss) = (vec![], false);
        new.entry = Entry::Command(Arc::new(Command::new(["true"])));
    }
    Request::RegisterOrUpdate(apps::commands(), new).into()
}

fn any_registration(chance: &mut Chance) -> NewRegistration {
    NewRegistration {
        name: format!("command {}", chance.below(NAMES)),
        entry: Entry::Command(Arc::new(any_command(chance))),
        trigger: any_trigger(chance),
        conditions: (0..chance.below(8).saturating_sub(5)).map(|_| any_condition(chance)).collect(),
        cancel_on_condition_loss: chance.percent(50),
        is_network_requested: false,
        group: None,
    }
}

fn any_command(chance: &mut Chance) -> Command {
    let seconds = |chance: &mut Chance, least, more| Duration::from_secs(least + chance.below(more));
    let times = u32::try_from(chance.below(7).saturating_sub(3)).unwrap_or(0);
    Command {
        timeout: seconds(chance, 2, 20),
        cpu: chance.percent(30).then(|| seconds(chance, 1, 4)),
        retry: Retry { times, backoff: seconds(chance, 1, 6) },
        fresh_within: chance.percent(40).then(|| seconds(chance, 5, 60)),
        checkpoint: chance.percent(10),
        ..Command::new(["backup", "/home"])
    }
}

fn any_trigger(chance: &mut Chance) -> Trigger {
    let one_shot = chance.percent(25);
    match chance.below(18) {
        0..=3 => interval(chance),
        4..=6 => Trigger::Calendar {
            calendar: planner::any_calendar(chance).into(),
            zone: chance.percent(40).then(|| "Europe/Paris".into()),
            catch_up: chance.percent(60),
            pace: Pace { accuracy: accuracy(chance), ..Pace::default() },
            one_shot,
        },
        7..=9 => Trigger::Path { watch: any_watch(), one_shot },
        10..=11 => Trigger::Condition { condition: any_condition(chance), one_shot },
        12 => Trigger::SessionStart { one_shot },
        13 => {
            let kinds = [
                SystemTriggerType::UserAway,
                SystemTriggerType::NetworkStateChange,
                SystemTriggerType::DefaultSignInAccountChange,
                SystemTriggerType::SmsReceived,
            ];
            Trigger::System { kind: *chance.pick(&kinds).expect("four"), one_shot }
        }
        16..=17 => super::any_event(one_shot, chance),
        14 => Trigger::Maintenance { freshness: 1, one_shot },
        _ => Trigger::CustomSystemEvent {
            id: (*chance.pick(EVENTS).expect("two")).into(),
            recurrence: *chance.pick(CustomSystemEventTriggerRecurrence::ALL).expect("two"),
        },
    }
}

fn interval(chance: &mut Chance) -> Trigger {
    let every = Duration::from_secs(5 + chance.below(90));
    let jitter = if chance.percent(30) { chance.millis(5_000) } else { Duration::ZERO };
    Trigger::Interval {
        every,
        pace: Pace { accuracy: accuracy(chance).min(every), jitter, wake: false },
        one_shot: chance.percent(20),
    }
}

fn accuracy(chance: &mut Chance) -> Duration {
    if chance.percent(40) { chance.millis(20_000) } else { Duration::ZERO }
}

fn any_watch() -> PathWatch {
    PathWatch { path: "/home/notes".into(), recursive: false, on: PathEvents::default(), settle: Duration::ZERO }
}

/// Only what the quiet phase brings about.
fn any_condition(chance: &mut Chance) -> Condition {
    use SystemConditionType as S;
    let fact = |fact, holds| Condition::Fact { fact, holds };
    let conditions = [
        S::InternetAvailable.into(),
        S::InternetNotAvailable.into(),
        S::UserPresent.into(),
        S::UserNotPresent.into(),
        S::FreeNetworkAvailable.into(),
        fact(Fact::FreeNetwork, false),
        fact(BATTERY, true),
        fact(BATTERY, false),
        fact(NIGHT, true),
        fact(NIGHT, false),
        fact(DISK, true),
        fact(Fact::ExternalPower, true),
        fact(Fact::EnergySaver, false),
        S::SessionConnected.into(),
        S::SessionDisconnected.into(),
        S::BackgroundWorkCostNotHigh.into(),
    ];
    *chance.pick(&conditions).expect("there are some")
}

fn spoil(new: &mut NewRegistration, chance: &mut Chance) {
    let mut command = Command::new(["true"]);
    match chance.below(15) {
        0 => command.argv = vec![],
        1 => command.argv = vec!["a".into(); 1_025],
        2 => command.argv = vec!["a".repeat(70_000).into()],
        3 => command.argv = vec!["a\0b".into()],
        4 => command.env = BTreeMap::from([("A=B".into(), "C".into())]),
        5 => command.dir = "here".into(),
        6 => command.timeout = Duration::ZERO,
        7 => command.memory = Some(1),
        8 => command.retry.times = 1_001,
        9 => command.fresh_within = Some(Duration::from_secs(400 * 86_400)),
        10 => new.trigger = Trigger::Path { watch: PathWatch { path: "notes".into(), ..any_watch() }, one_shot: false },
        11 => {
            new.trigger = Trigger::Path { watch: PathWatch { on: PathEvents::NONE, ..any_watch() }, one_shot: false };
        }
        12 => {
            let every = Duration::from_millis(999);
            new.trigger = Trigger::Interval { every, pace: Pace::default(), one_shot: false };
        }
        13 => new.trigger = Trigger::System { kind: SystemTriggerType::ServicingComplete, one_shot: false },
        _ => new.trigger = Trigger::Application,
    }
    new.entry = Entry::Command(Arc::new(command));
}
