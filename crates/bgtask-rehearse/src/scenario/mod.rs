//! The scenario of a rehearsal: what happens to the machine and its user. The language is told in the crate's documentation.

mod agenda;
mod error;
mod parse;
mod phrases;
mod times;
mod tokens;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bgtask_core::AccessSetting;
use jiff::civil::Date;

pub(crate) use agenda::{Cue, CueKind, Span};
pub(crate) use error::shown;
pub use error::{ScenarioError, ScenarioErrors};
pub(crate) use phrases::nearest;

use crate::world::{Level, Reading};

/// The longest scenario that is read, in bytes.
pub const MAX_SCENARIO_BYTES: usize = 65_536;
/// The most mistakes that are told at once.
pub const MAX_MISTAKES: usize = 20;
/// How often a line can let a path change at once.
pub const MAX_CHANGES: u32 = 10_000;

/// What happens to the machine and its user, read from text: see [the language](crate#the-language-of-scenarios).
///
/// ```
/// use bgtask_rehearse::Scenario;
///
/// assert!(Scenario::parse("at start: user present, wifi metered\n09:00 user leaves").is_ok());
///
/// let mistakes = Scenario::parse("09:00 user leafs").expect_err("nobody does");
/// assert_eq!(mistakes.to_string(), "line 1: nothing is known of \"user leafs\"; did you mean \"user leaves\"?");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scenario {
    lines: Vec<Line>,
}

/// An ordinary working day, in the language of scenarios: what [`Scenario::working_day`] reads.
pub const WORKING_DAY: &str = "\
# An ordinary working day: the user is there from nine to six with a break, the machine is plugged in meanwhile.
at start: user away, battery power, battery 80%, internet, unmetered
mon-fri 09:00-12:00 user present
mon-fri 13:00-18:00 user present
mon-fri 09:00-18:00 ac power
mon-fri 09:00 battery 100%
mon-fri 18:00-23:00 battery 100% to 60%
";

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    ///
    /// What is wrong in it.
    pub fn parse(text: &str) -> Result<Self, ScenarioErrors> {
        parse::parse(text).map(|lines| Self { lines }).map_err(ScenarioErrors)
    }

    /// An ordinary working day: [`WORKING_DAY`].
    pub fn working_day() -> Self {
        Self::parse(WORKING_DAY).expect("a test reads it")
    }

    /// Nothing changes: everything stays as it is in the [`World`](crate::World) at the beginning.
    pub fn unchanged() -> Self {
        Self::default()
    }
}

/// One thing that happens, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// From 1.
    pub(crate) number: usize,
    pub(crate) span: Range<usize>,
    pub(crate) when: When,
    pub(crate) what: Statement,
}

/// When it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Before anything else, and up to the first such time where there is one.
    Start { until: Option<Clock> },
    /// At a time of some days, and up to the first such time after it where there is one.
    Clock { days: Days, from: Clock, until: Option<Clock> },
}

/// Seconds after midnight, 86 400 included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Clock(pub(crate) u32);

/// On which days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Days {
    /// Bits, Monday first: every day is all of them.
    Weekdays(u8),
    /// Only then.
    Date(Date),
    /// Only on the so-manieth day of the rehearsal, from 1.
    Nth(u32),
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    /// A level reads so from now on.
    Set(Level, Reading),
    /// The battery goes evenly from one to the other, in percent.
    Battery { from: u64, to: u64 },
    /// The machine is moved to another time zone.
    Zone(Arc<str>),
    /// Something changes so many times at a path.
    Path { path: Arc<str>, count: u32 },
    /// A program raises a custom event.
    Event(Arc<str>),
    /// The user logs out and in again.
    Login,
    /// How a task behaves from now on.
    Task(Arc<str>, Manner),
    /// The user decides about an app.
    Access(Arc<str>, AccessSetting),
}

/// How a task behaves, or what the user does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// A run takes so long.
    Takes(Duration),
    /// The next so many runs fail; [`u32::MAX`] is all of them.
    Fails(u32),
    /// The user switches it off, or on again.
    Paused(bool),
    /// The user runs it by hand.
    RunsNow,
}
