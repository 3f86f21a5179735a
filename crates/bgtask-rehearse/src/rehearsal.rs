//! What is rehearsed.

use std::fmt;
use std::time::Duration;

use bgtask_core::{App, AppAccess, AppId, Config, NewRegistration, Policy, WallTime, words};
use jiff::tz::TimeZone;

use crate::scenario::{Scenario, ScenarioError};
use crate::stage;
use crate::timeline::Timeline;
use crate::world::World;

/// The real registrations of a user, and a virtual time for them.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// When it begins.
    pub from: WallTime,
    /// How long it plays: more than nothing, at most [`MAX_LENGTH`](crate::MAX_LENGTH).
    pub length: Duration,
    /// The machine's time zone at the beginning, and the one of the times in the scenario.
    pub zone: TimeZone,
    /// Its name.
    pub zone_name: String,
    /// Finds the other zones that calendars and the scenario name. [`no_zones`](Self::no_zones) finds none;
    /// `|name| jiff::tz::TimeZone::get(name).ok()` finds those of the machine.
    pub zones: fn(&str) -> Option<TimeZone>,
    /// The machine and its user at the beginning.
    pub world: World,
    /// What happens.
    pub scenario: Scenario,
    /// The installed apps; [`App::of_commands`] need not be among them.
    pub apps: Vec<App>,
    /// What apps may do. An app that is not named may run, as one that asked and was granted it.
    pub access: Vec<(AppId, AppAccess)>,
    /// What the owner of the machine decides.
    pub policy: Policy,
    /// The tasks, in the order of their lanes.
    pub tasks: Vec<RehearsedTask>,
    /// The rules of the broker.
    pub config: Config,
    /// Fixes the ids: the same seed gives the same timeline.
    pub seed: u64,
    /// After so many things that happened it ends before its time: [`MAX_STEPS`](crate::MAX_STEPS) bounds time and memory.
    pub most_steps: u64,
}

/// One task of a rehearsal.
#[derive(Clone, Debug)]
pub struct RehearsedTask {
    /// Whose it is; the user's own commands are those of [`App::COMMANDS`].
    pub app: AppId,
    /// What it is. It is registered in the rehearsal by the same rules as for real.
    pub new: NewRegistration,
    /// Whether the user has switched it off for a while.
    pub paused: bool,
    /// When its timer is due next; where nobody knows, one interval after the beginning, or when its calendar says.
    pub due: Option<WallTime>,
    /// When it last succeeded, for what it promises; where nobody knows, at the beginning.
    pub fresh_since: Option<WallTime>,
    /// How long a run of it takes.
    pub runs: Duration,
}

impl Rehearsal {
    /// A rehearsal without tasks, in UTC, of the user's own commands.
    pub fn new(from: WallTime, length: Duration, scenario: Scenario) -> Self {
        Self {
            from,
            length,
            zone: TimeZone::UTC,
            zone_name: "UTC".into(),
            zones: Self::no_zones,
            world: World::default(),
            scenario,
            apps: Vec::new(),
            access: Vec::new(),
            policy: Policy::default(),
            tasks: Vec::new(),
            config: Config::default(),
            seed: 1,
            most_steps: crate::MAX_STEPS,
        }
    }

    /// Finds no time zone.
    pub fn no_zones(_: &str) -> Option<TimeZone> {
        None
    }

    /// Lets it happen.
    ///
    /// # Errors
    ///
    /// The length is out of range, or the scenario names a day outside of it or a zone that nobody knows. A task that the
    /// core refuses is no error: its [lane](crate::Lane::refused) says why.
    pub fn play(self) -> Result<Timeline, RehearsalError> {
        if self.length.is_zero() || self.length > crate::MAX_LENGTH {
            return Err(RehearsalError::Length(self.length));
        }
        stage::play(self)
    }
}

impl RehearsedTask {
    /// How long a run takes where nobody knows: 10 s.
    pub const RUNS: Duration = Duration::from_secs(10);

    /// A task that nothing more is known of.
    pub const fn new(app: AppId, new: NewRegistration) -> Self {
        Self { app, new, paused: false, due: None, fresh_since: None, runs: Self::RUNS }
    }
}

/// Why a rehearsal cannot be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RehearsalError {
    /// It is too short or too long.
    Length(Duration),
    /// The scenario does not fit.
    Scenario(ScenarioError),
}

impl fmt::Display for RehearsalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => write!(
                f,
                "a rehearsal of {} cannot be played: it takes more than nothing and at most {}",
                words::duration_word(*length),
                words::duration_word(crate::MAX_LENGTH)
            ),
            Self::Scenario(error) => write!(f, "the scenario cannot be played: {error}"),
        }
    }
}

impl std::error::Error for RehearsalError {}

impl From<ScenarioError> for RehearsalError {
    fn from(error: ScenarioError) -> Self {
        Self::Scenario(error)
    }
}
