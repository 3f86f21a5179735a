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
//! A line says when, and what happens. A `#` begins a comment. Several things that happen together have commas between
//! them. Times are those of the rehearsal's time zone.
//!
//! ```text
//! at start: user present, wifi metered until 10:30, ac power
//! 09:00 user leaves                          # every day
//! 12:00-13:00 no internet                    # what holds before holds again after it
//! 18:00 ac power
//! mon-fri 08:30 user comes                   # also: sat,sun  weekdays  weekends  every day
//! every day 23:00 machine sleeps until 06:30 # nothing runs; what is due meanwhile comes when it wakes
//! 2026-03-29 10:00 time zone Europe/Lisbon   # once; also: day 2 10:00
//! 09:00-13:00 battery 100% to 20%            # evenly
//! 14:00 path /home/me/notes changes 5 times
//! 16:00 event org.example.jack
//! task backup takes 20min                    # from the start; with a time in front from then on
//! 11:00 task "my sync" fails 2 times
//! ```
//!
//! | when | |
//! |---|---|
//! | `at start:` | before anything else |
//! | `09:00`, `09:00:30` | at that time of every day |
//! | `12:00-13:00`, `12:00 to 13:00` | from that time to that; over midnight (`22:00-06:00`) for 12 hours at most |
//! | `mon-fri 09:00`, `sat,sun 10:00`, `weekdays`, `weekends`, `every day` | on those days |
//! | `2026-03-29 10:00`, `day 2 10:00` | on that day only; one at which the rehearsal does not play is a mistake |
//! | `… until 10:30` | at the end of anything that lasts: up to the next such time |
//!
//! | what | |
//! |---|---|
//! | `user present` (`comes`, `returns`, `back`), `user away` (`leaves`, `gone`) | who is away is idle since then (`idle:10min`) |
//! | `internet` (`online`), `no internet` (`offline`) | |
//! | `wifi unmetered` (`network unmetered`, `unmetered`), `wifi metered` | a network that costs nothing, where there is one |
//! | `ac power` (`plugged in`), `battery power` (`on battery`, `unplugged`, `no ac power`) | |
//! | `battery 35%`, `battery 100% to 20%` | how full it is; it is not used up by itself |
//! | `energy saver`, `no energy saver`, `memory pressure`, `no memory pressure` | |
//! | `disk free 10G`, `load 1.5` | |
//! | the word of a condition: `user-away`, `not:ac-power` | the same as above |
//! | `machine sleeps`, `machine wakes` | what runs stops for the time |
//! | `machine off`, `machine on` | what runs is told to stop; with the machine a new session begins |
//! | `user logs in` | a new session: what runs is told to stop |
//! | `time zone Europe/Lisbon` | the machine's, for conditions and calendars |
//! | `path /home/me/notes changes`, `… changes 5 times` | what watches that path, or a folder it is in, is told |
//! | `event org.example.jack` | a custom event |
//! | `task NAME takes 20min`, `… fails`, `… fails 2 times`, `… succeeds` | how its runs go |
//! | `task NAME paused`, `… resumed`, `… runs now` | what the user does with it |
//! | `app ID denied`, `… allowed`, `… always allowed` | what the user decides about an app |
//!
//! Without a scenario of their own, people rehearse [an ordinary working day](WORKING_DAY).
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
