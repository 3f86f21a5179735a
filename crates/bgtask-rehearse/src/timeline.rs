//! What came of a rehearsal.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bgtask_core::{AppId, CancellationReason, Condition, Gate, WallTime};
use jiff::tz::TimeZone;

/// What came of a rehearsal: what the world was like, and a lane for each task.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// When it began.
    pub from: WallTime,
    /// When it was over.
    pub to: WallTime,
    /// The time zone in which its times are shown.
    pub zone: TimeZone,
    /// Its name.
    pub zone_name: String,
    /// What some task stands on, and when the machine sleeps or is off.
    pub bands: Vec<Band>,
    /// The tasks, in the order given.
    pub lanes: Vec<Lane>,
    /// What a person should know about the scenario.
    pub notes: Vec<Note>,
    /// All together.
    pub totals: Totals,
    /// Where it ended before its time, because too much had happened: [`Rehearsal::most_steps`](crate::Rehearsal::most_steps).
    pub cut_short: Option<WallTime>,
}

/// One level over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// The word of the condition, as `user-present`; or `machine asleep`, `machine off`.
    pub name: Cow<'static, str>,
    /// When it held, in order, each from and up to.
    pub spans: Vec<(WallTime, WallTime)>,
}

/// One task over time. Every list is in the order of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Whose it is.
    pub app: AppId,
    /// Its name.
    pub name: Arc<str>,
    /// What fires it, for people.
    pub trigger: String,
    /// What must hold for it to run.
    pub conditions: Arc<[Condition]>,
    /// Why the core does not take it: then nothing happens in the lane.
    pub refused: Option<String>,
    /// When its trigger fired.
    pub firings: Vec<Fired>,
    /// When an activation of it waited.
    pub waits: Vec<Wait>,
    /// Its runs, each try by itself.
    pub runs: Vec<Run>,
    /// What it was due for and is not made up for.
    pub missed: Vec<WallTime>,
    /// When it had not succeeded for longer than it promised, each from and up to.
    pub overdue: Vec<(WallTime, WallTime)>,
    /// When it was switched off, each from and up to.
    pub paused: Vec<(WallTime, WallTime)>,
}

/// One firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fired {
    /// When.
    pub at: WallTime,
    /// How many firings are held in one since, this one included.
    pub count: u32,
    /// Whether the user asked for it.
    pub by_hand: bool,
}

/// How long an activation waited for one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Since when.
    pub from: WallTime,
    /// Until when.
    pub to: WallTime,
    /// For what.
    pub hold: Hold,
}

/// What an activation waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Conditions that do not hold.
    Latched(Vec<Condition>),
    /// Something else.
    Buffered(Gate),
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latched(missing) => {
                let words: Vec<_> = missing.iter().map(|condition| condition.word()).collect();
                write!(f, "latched until {}", words.join(", "))
            }
            Self::Buffered(gate) => write!(f, "buffered: {gate}"),
        }
    }
}

/// One try of an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// When it began.
    pub from: WallTime,
    /// When it ended; the end of the rehearsal where it had not.
    pub to: WallTime,
    /// Which try, from 1.
    pub attempt: u32,
    /// How it ended.
    pub ending: Ending,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It did not, in the time of the rehearsal.
    Unended,
    /// As it should.
    Succeeded,
    /// It failed, as the scenario says.
    Failed,
    /// It failed, and is tried again.
    Retried {
        /// When it may start.
        at: WallTime,
    },
    /// It was told to stop.
    Cancelled(CancellationReason),
}

impl Ending {
    /// Whether it came to what it was for.
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Succeeded)
    }
}

/// What a person should know about a line of the scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The line, from 1.
    pub line: usize,
    /// What.
    pub text: String,
}

/// A rehearsal in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How often triggers fired.
    pub firings: u64,
    /// How many tries ran.
    pub runs: u64,
    /// How many of them ended as they should.
    pub succeeded: u64,
    /// How many of them were told to stop.
    pub cancelled: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How often the broker had to be woken by time for some task: a timer, another try, a promise.
    pub wake_ups: u64,
    /// How long activations waited, added up.
    pub waited: Duration,
    /// The longest that one of them waited for one thing.
    pub longest_wait: Duration,
    /// How long tries ran, added up.
    pub ran: Duration,
    /// How many times were missed and not made up for.
    pub missed: u64,
    /// How many promises were broken.
    pub overdue: u64,
}

/// One thing that happened, for a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: WallTime,
    /// To what.
    pub kind: EntryKind,
    /// In a few words.
    pub text: String,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// The world: the band of that place.
    Band(usize),
    /// A task: the lane of that place.
    Lane(usize),
}

impl Timeline {
    /// How long it plays.
    pub fn length(&self) -> Duration {
        self.to - self.from
    }

    /// What a person should look at, a sentence each: tasks that fired and never ran, and those that never fired.
    pub fn findings(&self) -> Vec<String> {
        let taken = self.lanes.iter().filter(|lane| lane.refused.is_none() && lane.runs.is_empty());
        taken.map(Lane::idleness).collect()
    }

    /// Adds up the lanes.
    pub(crate) fn add_up(&mut self, wake_ups: u64) {
        let mut totals = Totals { wake_ups, ..Totals::default() };
        for lane in &self.lanes {
            totals.firings += lane.firings.len() as u64;
            totals.runs += lane.runs.len() as u64;
            totals.missed += lane.missed.len() as u64;
            totals.overdue += lane.overdue.len() as u64;
            for run in &lane.runs {
                totals.ran += run.to - run.from;
                match run.ending {
                    Ending::Succeeded => totals.succeeded += 1,
                    Ending::Failed | Ending::Retried { .. } => totals.failed += 1,
                    Ending::Cancelled(_) => totals.cancelled += 1,
                    Ending::Unended => {}
                }
            }
            for wait in &lane.waits {
                totals.waited += wait.to - wait.from;
                totals.longest_wait = totals.longest_wait.max(wait.to - wait.from);
            }
        }
        self.totals = totals;
    }
}

impl Lane {
    /// Why it did nothing.
    fn idleness(&self) -> String {
        let name = &self.name;
        let last = self.waits.last().map_or(String::new(), |wait| format!(", {} at last", wait.hold));
        match (self.firings.len(), self.missed.len()) {
            (0, 0) if !self.paused.is_empty() => format!("{name} is paused and never fired"),
            (0, 0) => format!("{name} never fired: {}", self.trigger),
            (0, 1) => format!("{name} never fired: what it was due for was missed, and is not made up for"),
            (0, missed) => format!("{name} never fired: {missed} times it was missed, and not made up for"),
            (1, _) => format!("{name} fired once and never ran{last}"),
            (fired, _) => format!("{name} fired {fired} times and never ran{last}"),
        }
    }
}
