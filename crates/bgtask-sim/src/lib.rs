//! The simulator: the core in a fake world with faults from a seed.
//!
//! A [`Simulation`] drives the real core through the loop of the real driver, with everything else faked: apps, clients, the
//! user and the user's commands, sources, calendars, events that are listened to, hosts, the store and time. First comes a phase full of
//! faults: crashes between any two effects, lost and repeated reports, hours of sleep, clock steps back and forth, updates
//! while no broker runs, hosts that die, hang, idle or lie, commands that fail, ignore what they are told or use up the
//! processor, bursts of events larger than there is room for, clients that lose what they hear. Then comes a quiet phase in
//! which everything owed must happen.
//!
//! Three things are compared at every step: what the core decided with a model that decides everything a second time, what is
//! durable with what was decided and answered, and what hosts and clients really met with what they may meet.
//!
//! ```
//! let report = bgtask_sim::Simulation::new(1).run(100).expect("no invariant is broken");
//! assert_eq!(report.seed, 1);
//! ```
//!
//! A seed that fails gives a [`Failure`] with a recording: `bgtask replay` reproduces the decisions of the life that failed.
//! [`REGRESSION_SEEDS`] keeps the seeds that once failed.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod agenda;
mod apps;
mod asks;
mod chance;
mod clients;
mod devices;
mod driver;
mod fleet;
mod hosts;
mod listeners;
mod oracle;
mod planner;
mod plant;
mod pushes;
mod report;
mod simulation;
mod sockets;
mod sources;
mod store;
mod tempers;
mod trace;
mod wakes;
mod years;

use std::ops::Range;

pub use plant::Bug;
pub use report::{Failure, Report};
pub use simulation::Simulation;
pub use wakes::{WakeStudy, WakeUps};
pub use years::{Years, YearsReport};

/// Seeds that once broke an invariant, with the number of steps that did it. They always run.
pub const REGRESSION_SEEDS: &[(u64, u32)] = &[
    // A decision about one app ended what ran of another, which had given its access up itself.
    (1, 300),
    // A timer that was unregistered while it ran went on firing.
    (49, 300),
    // Maintenance that was unregistered while it ran was due again at the loss of power.
    (2198, 300),
    // A host in which a task was told to stop got another one beside it.
    (128, 300),
    // A one-shot command that was paused after it had fired had its path unwatched twice.
    (2, 300),
    // The loss of external power ended maintenance that the user had started by hand.
    (28, 300),
    // A host died before it heard of one task, and what another had used in it was charged to nobody.
    (30, 300),
    // A paused command that was unregistered while it ran waited for ever after the end of the broker.
    (52, 300),
    // A failed try was forgotten when its time came together with a calendar that was missed.
    (584, 300),
    // A command was killed before it was started, and ran on.
    (1414, 300),
];

/// What many simulations did together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many seeds ran.
    pub seeds: u64,
    /// Inputs given to cores.
    pub inputs: usize,
    /// Lives of brokers.
    pub lives: u64,
    /// Activations that came to an outcome.
    pub completions: usize,
}

/// Runs a simulation of `steps` steps for each seed; one in eight is replayed to prove that the core is deterministic.
///
/// # Errors
///
/// The first seed that broke an invariant.
pub fn run_seeds(seeds: Range<u64>, steps: u32) -> Result<Summary, Box<Failure>> {
    let mut summary = Summary::default();
    for seed in seeds {
        let report = Simulation::new(seed).run(steps)?;
        if seed % 8 == 0 {
            report.replay()?;
        }
        summary.seeds += 1;
        summary.inputs += report.inputs;
        summary.lives += u64::from(report.lives);
        summary.completions += report.completions;
    }
    Ok(summary)
}
