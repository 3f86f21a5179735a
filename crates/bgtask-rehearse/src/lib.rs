//! Rehearsals: the user's real registrations on a virtual day, or month, on the real core.
//!
//! A [`Rehearsal`] is what there is: the apps, the tasks, the machine as it is, the rules. Its [`Scenario`] is what
//! happens: the user leaves, the network becomes metered, the machine sleeps. [`Rehearsal::play`] lets
//! [`bgtask_core::Core`] decide everything as it would that day, with programs that only take their time, and answers a
//! [`Timeline`]: when each task fires, what it waits for, when it runs and how that ends. It is told as
//! [text](Timeline::text) or drawn as [SVG](Timeline::svg).
//!
//! ```
//! use bgtask_core::{App, Command, Condition, Entry, NewRegistration, Pace, Trigger, WallTime};
//! use bgtask_rehearse::{Rehearsal, RehearsedTask, Scenario};
//! use std::{sync::Arc, time::Duration};
//!
//! let backup = NewRegistration {
//!     name: "backup".into(),
//!     entry: Entry::Command(Arc::new(Command::new(["restic", "backup", "/home"]))),
//!     trigger: Trigger::Interval { every: Duration::from_secs(6 * 3_600), pace: Pace::default(), one_shot: false },
//!     conditions: vec![Condition::from_name("user-away").expect("it is one")],
//!     cancel_on_condition_loss: false,
//!     is_network_requested: false,
//!     group: None,
//! };
//! let scenario = Scenario::parse("at start: user away\n05:00-09:30 user present")?;
//! let mut rehearsal = Rehearsal::new(WallTime::from_micros(0), Duration::from_secs(86_400), scenario);
//! rehearsal.tasks.push(RehearsedTask::new(App::of_commands().id, backup));
//! let timeline = rehearsal.play()?;
//!
//! let backup = &timeline.lanes[0];
//! assert_eq!(backup.firings.len(), 3, "at 6, 12 and 18 o'clock");
//! assert_eq!(backup.runs[0].from.as_micros(), 9 * 3_600_000_000 + 30 * 60_000_000, "it was held until the user left");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nothing here reads a file, a clock or a random number: the same rehearsal gives the same timeline, to the byte.
//!
//! # The language of scenarios
//!
#![doc = include_str!("../../../docs/scenarios.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod hosts;
mod recorder;
mod rehearsal;
mod scenario;
mod stage;
mod svg;
mod text;
mod timeline;
mod world;

use std::time::Duration;

pub use rehearsal::{Rehearsal, RehearsalError, RehearsedTask};
pub use scenario::{
    MAX_CHANGES, MAX_MISTAKES, MAX_SCENARIO_BYTES, Scenario, ScenarioError, ScenarioErrors, WORKING_DAY,
};
pub use svg::MAX_DRAWN_LANES;
pub use timeline::{Band, Ending, Entry, EntryKind, Fired, Hold, Lane, Note, Run, Timeline, Totals, Wait};
pub use world::World;

/// The longest rehearsal: a leap year.
pub const MAX_LENGTH: Duration = Duration::from_secs(366 * 86_400);
/// The longest that one run can take.
pub const MAX_RUN: Duration = Duration::from_secs(366 * 86_400);
/// After so many things that happened a rehearsal ends before its time, where it says no other number: see
/// [`Timeline::cut_short`]. A month of 1 000 tasks that run once an hour takes a third of them.
pub const MAX_STEPS: u64 = 5_000_000;
