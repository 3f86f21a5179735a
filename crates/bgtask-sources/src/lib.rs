//! Linux facilities as sources of edges and levels.
//!
//! A *source* watches one thing the machine knows (its time zone, whether the internet answers, whether its user is
//! there) and says what it sees. It knows nothing of tasks and registrations. Each one follows the same three rules:
//!
//! * **A signal is only a nudge.** Whatever arrives (a D-Bus signal, an inotify event, a netlink message), its content
//!   is thrown away and the level is read again. Lost, repeated and forged signals therefore do no harm.
//! * **Subscribe first, then read**, so nothing can change unseen between the two.
//! * **Never die.** A service or a bus that vanishes is a [`Status`] and a fallback; its return is an edge like any other.
//!
//! [`start`] spawns one ordinary `Send` task on the current tokio runtime, and dropping the [`Source`] ends it.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use bgtask_sources::{Report, SourceKind, World, start};
//!
//! let (reports, mut inbox) = tokio::sync::mpsc::channel(16);
//! let _source = start(SourceKind::Internet, &World::new("/"), reports);
//! while let Some(report) = inbox.recv().await {
//!     match report {
//!         Report::Status(kind, status) => println!("{kind:?}: {status}"),
//!         Report::Internet(online) => println!("online: {online}"),
//!         _ => {}
//!     }
//! }
//! # }
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod attribute;
mod bus;
mod energy_saver;
mod external_power;
mod inotify;
mod internet;
mod memory_pressure;
mod netlink;
mod path;
mod presence;
mod ready;
mod report;
mod world;
mod zone;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use crate::energy_saver::SAVER_SETTLE;
pub use crate::external_power::POWER_SETTLE;
pub use crate::internet::NETWORK_SETTLE;
pub use crate::memory_pressure::{MEMORY_RELIEF, MEMORY_REREAD, MEMORY_SHORT, MEMORY_STALL, MEMORY_WINDOW};
pub use crate::presence::PRESENCE_IDLE;
use crate::report::Teller;
pub use crate::report::{Report, Status, ZoneChange, ZoneReading};
pub use crate::world::World;
pub use crate::zone::{MAX_ZONE_BYTES, ZONE_SETTLE};

/// One facility that can be watched.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SourceKind {
    /// The system's time zone: `/etc/localtime`. Serves the `TimeZoneChange` trigger (SYS-3).
    TimeZone,
    /// Whether the internet answers: NetworkManager, or else the default routes. Serves the `InternetAvailable`
    /// trigger and the conditions `InternetAvailable` and `InternetNotAvailable` (CO-4).
    Internet,
    /// Whether this user is at the machine: logind, or else typing in a terminal. Serves the `UserPresent` and
    /// `UserAway` triggers and the conditions `UserPresent` and `UserNotPresent`.
    UserPresence,
    /// Whether the machine runs on external power: UPower, or else the kernel's power supplies. One without a battery
    /// always does.
    ExternalPower,
    /// Whether the user wants energy saved: the profile of power-profiles-daemon (POL-11).
    EnergySaver,
    /// Whether the machine is short of memory: the kernel's pressure stall information.
    MemoryPressure,
}

/// A running source. It reports until it is dropped, which also closes everything it holds open.
#[derive(Debug)]
#[must_use = "dropping a source stops it"]
pub struct Source {
    kind: SourceKind,
    task: JoinHandle<()>,
}

impl Source {
    /// What this source watches.
    pub fn kind(&self) -> SourceKind {
        self.kind
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts watching `kind` in `world`.
///
/// The first two reports are a [`Report::Status`] and the level as it is now; after that a report comes only when
/// either has changed. A full channel is no loss: the source waits, and then reports what is true by then.
///
/// # Panics
///
/// Outside a tokio runtime with I/O and time enabled, as [`tokio::spawn`] does.
pub fn start(kind: SourceKind, world: &World, reports: mpsc::Sender<Report>) -> Source {
    let world = world.clone();
    let teller = Teller::new(kind, reports);
    // A source returns only when nobody listens any more, and then there is nobody to tell.
    let task = tokio::spawn(async move {
        let _unheard = match kind {
            SourceKind::TimeZone => zone::run(&world, teller).await,
            SourceKind::Internet => internet::run(&world, teller).await,
            SourceKind::UserPresence => presence::run(&world, teller).await,
            SourceKind::ExternalPower => external_power::run(&world, teller).await,
            SourceKind::EnergySaver => energy_saver::run(&world, teller).await,
            SourceKind::MemoryPressure => memory_pressure::run(&world, teller).await,
        };
    });
    Source { kind, task }
}
