//! Histories to account for.

use std::time::Duration;

use bgtask_core::{
    AppId, CancelNotice, CancellationReason, Cause, Event, EventKind, HostExit, InstanceId, Outcome, TaskId, Trigger,
    Usage, Used, WallTime,
};

/// 2026-07-28T12:00:00Z
pub(crate) const NOON: i64 = 1_785_240_000_000_000;
pub(crate) const HOUR: i64 = 3_600_000_000;
pub(crate) const DAY: i64 = 24 * HOUR;
pub(crate) const SECOND: i64 = 1_000_000;

/// A history in the making.
pub(crate) struct Story {
    pub(crate) events: Vec<Event>,
    instances: u128,
}

/// A task in it.
#[derive(Clone)]
pub(crate) struct Teller {
    pub(crate) app: AppId,
    pub(crate) task: TaskId,
    pub(crate) name: &'static str,
}

pub(crate) fn teller(app: &str, name: &'static str, number: u128) -> Teller {
    Teller { app: AppId::new(app).unwrap(), task: TaskId::from_random(number), name }
}

pub(crate) fn used(wall: i64, cpu: i64, io: u64, memory_peak: u64) -> Option<Used> {
    let usage = Usage { cpu: micros(cpu), io, memory_peak: Some(memory_peak), network: None, processes: None };
    Some(Used { wall: micros(wall), usage: Some(usage), wakes: 0 })
}

fn micros(number: i64) -> Duration {
    Duration::from_micros(number.unsigned_abs())
}

pub(crate) fn fired(cause: Cause) -> EventKind {
    EventKind::Fired { trigger: Trigger::Time { freshness: 15, one_shot: false }, count: 1, cause }
}

pub(crate) fn started(attempt: u32) -> EventKind {
    EventKind::Started { attempt, warm: false }
}

pub(crate) fn completed(outcome: Outcome, used: Option<Used>) -> EventKind {
    EventKind::Completed { outcome, progress: None, used }
}

pub(crate) fn failure() -> Outcome {
    Outcome::CommandFailed { exit: HostExit::Code(1), output_tail: String::new() }
}

pub(crate) fn cancelled() -> Outcome {
    Outcome::Cancelled { reason: CancellationReason::ConditionLoss, message: None }
}

#[allow(dead_code, reason = "not every test cancels")]
pub(crate) fn notice() -> EventKind {
    EventKind::Cancelled(CancelNotice {
        reason: CancellationReason::ConditionLoss,
        budget: Duration::from_secs(600),
        used: Duration::from_secs(3),
        grace: Duration::from_secs(5),
    })
}

impl Story {
    pub(crate) fn new() -> Self {
        Self { events: Vec::new(), instances: 0 }
    }

    pub(crate) fn instance(&mut self) -> InstanceId {
        self.instances += 1;
        InstanceId::from_random(self.instances)
    }

    pub(crate) fn tell(&mut self, of: &Teller, at: i64, instance: Option<InstanceId>, kind: EventKind) {
        let (app, task, name) = (of.app.clone(), of.task, of.name.into());
        self.events.push(Event { at: WallTime::from_micros(at), app, task, name, instance, kind });
    }

    /// A whole run: fired, started after `wait`, ended after `wall`.
    pub(crate) fn run(&mut self, of: &Teller, at: i64, wait: i64, wall: i64, cause: Cause, outcome: Outcome) {
        let instance = Some(self.instance());
        self.tell(of, at, instance, fired(cause));
        self.tell(of, at + wait, instance, started(1));
        let used = used(wall, wall / 3, 1 << 20, 40 << 20);
        self.tell(of, at + wait + wall, instance, completed(outcome, used));
    }

    /// As the history has it: the oldest first.
    pub(crate) fn sorted(mut self) -> Vec<Event> {
        self.events.sort_by_key(|event| event.at);
        self.events
    }
}

/// Six weeks of a person's machine, always the same.
pub(crate) fn six_weeks() -> Vec<Event> {
    let commands = "org.bgtask.Commands";
    let backup = teller(commands, "backup", 1);
    let mail = teller("org.example.Mail", "Mail.Sync", 2);
    let photos = teller("org.example.Photos", "<script>alert(1)</script> & \"背景\" \u{1b}[31m", 3);
    let index = teller(commands, "search index with a name that is far too long for any table of this world", 4);
    let mut story = Story::new();
    let mut chance: u64 = 7;
    let mut dice = |sides: i64| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) as i64 % sides
    };
    for day in 0..42 {
        let morning = NOON - (42 - day) * DAY - 6 * HOUR;
        for quarter in 0..4 {
            let outcome = match dice(9) {
                0 => failure(),
                1 => cancelled(),
                _ => Outcome::Succeeded,
            };
            let (wait, wall) = (dice(3 * 60) * 60 * SECOND, (200 + dice(900)) * SECOND);
            story.run(&backup, morning + quarter * 6 * HOUR, wait, wall, Cause::Timer { shared: 3 }, outcome);
        }
        for call in 0..3 + dice(14) {
            let outcome = if dice(30) == 0 { failure() } else { Outcome::Succeeded };
            let (wait, wall) = (dice(400) * 1_000, (1 + dice(9)) * SECOND);
            story.run(&mail, morning + call * HOUR, wait, wall, Cause::Timer { shared: 2 }, outcome);
        }
        if day % 3 == 0 {
            story.run(&photos, morning + HOUR, 30 * SECOND, 90 * SECOND, Cause::World, Outcome::Succeeded);
            story.run(&index, morning + 2 * HOUR, 4 * HOUR, 700 * SECOND, Cause::Hand, cancelled());
        }
    }
    story.sorted()
}
