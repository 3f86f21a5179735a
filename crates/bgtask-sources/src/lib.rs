//! Linux facilities as sources of edges and levels.
//!
//! A *source* watches one thing the machine knows (its time zone, whether the internet answers, whether its user is
//! there) and says what it sees. It knows nothing of tasks and registrations. Each one follows the same three rules:
//!
//! * **A signal is only a nudge.** Whatever arrives (a D-Bus signal, an inotify event, a netlink message), its content
//!   is thrown away and the level is read again. Lost, repeated and forged signals therefore do no harm.
//! * **Subscribe first, then read**, so nothing can change unseen between the two.
//! * **Never die.** A service or a bus that vanishes is a [`Status`] and a fallback; its return is an edge like any other.
//!   One that is only restarted is waited for ([`SERVICE_GRACE`]), so that nothing is told of a world that did not change.
//!
//! Nothing polls, with one exception: free space, the load and displays that are switched off, of which no kernel tells,
//! are read again every [`DISK_REREAD`], [`LOAD_REREAD`] and [`SCREEN_REREAD`] for as long as somebody watches them. What a
//! kernel or a service refuses to tell on one machine is read by time there too, and its status says so.
//!
//! [`watch_path`] and [`listen`] watch something else: not a level, but everything that happens, in its order.
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
//!         Report::Level(kind, holds) => println!("{kind:?}: {holds}"),
//!         _ => {}
//!     }
//! }
//! # }
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod accounts;
mod attribute;
mod band;
mod battery;
mod bluetooth;
mod bus;
mod day_window;
mod device;
mod device_class;
mod disk_free;
mod energy_saver;
mod event;
mod external_power;
mod folder_changes;
mod given;
mod glob;
mod grace;
mod idle;
mod inotify;
mod internet;
mod library;
mod load;
mod location;
mod netlink;
mod notifications;
mod outbox;
mod pace;
mod path;
mod power_state;
mod presence;
mod pressure;
mod probe;
mod rate;
mod ready;
mod report;
mod reread;
mod screen;
mod sensor;
mod service;
mod session_connected;
mod signal;
mod sleep_delay;
mod smart_card;
mod sms;
mod standby;
mod store;
mod unit;
mod up_time;
mod wall_timer;
mod watch_path;
mod world;
mod zone;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use bgtask_calendar::DayWindow;

pub use crate::accounts::{ACCOUNTS_SETTLE, MAX_ACCOUNTS};
pub use crate::battery::{BATTERY_BAND, BATTERY_REREAD};
pub use crate::bluetooth::advertisement::{
    AdvertisementFilter, AdvertisementSpec, MAX_ADVERTISERS, OUT_OF_RANGE_TIMEOUT, RSSI_MAX, RSSI_NONE,
};
pub use crate::bluetooth::connection::{BluetoothConnectionSpec, CONNECTION_SETTLE};
pub use crate::bluetooth::gatt::{GATT_GATHER, GattMode, GattSpec};
pub use crate::bus::BusKind;
pub use crate::device::{
    DeviceAction, DeviceConnectionSpec, DeviceId, DeviceSpec, MAX_CONNECTED_DEVICES, MAX_DEVICE_PROPERTIES,
    is_connected,
};
pub use crate::disk_free::{DISK_BAND, DISK_REREAD};
pub use crate::energy_saver::SAVER_SETTLE;
pub use crate::event::{Event, EventReport, Listening, MAX_EVENTS, MAX_FIELD_BYTES, Subject, listen};
pub use crate::external_power::{POWER_FLAP, POWER_SETTLE};
pub use crate::folder_changes::FolderChangesSpec;
pub use crate::glob::{Glob, MAX_PATTERN_BYTES};
pub use crate::grace::SERVICE_GRACE;
use crate::internet::Asked;
pub use crate::internet::{NETWORK_FLAP, NETWORK_SETTLE};
pub use crate::library::{Library, LibrarySpec, MAX_USER_DIRS_BYTES};
pub use crate::load::{LOAD_BAND, LOAD_REREAD};
pub use crate::location::geofence::{FENCE_BAND, FENCE_RADIUS, GeofenceSpec};
pub use crate::location::visit::{CITY_DWELL, CITY_RADIUS, VENUE_DWELL, VENUE_RADIUS, VisitSpec};
pub use crate::location::{LOCATION_DENIED_RETRY, LOCATION_DESKTOP_ID, LOCATION_SETTLE};
pub use crate::notifications::{
    MAX_ACTION_BYTES, MAX_ACTIONS, MAX_BODY_BYTES, MAX_NOTICES_WAITING, MAX_SHOWN, MAX_SHOWN_BY_APP, MAX_TAG_BYTES,
    MAX_TITLE_BYTES, Notification, NotificationCentre, NotificationSpec, Urgency,
};
pub use crate::presence::PRESENCE_IDLE;
pub use crate::pressure::{
    CPU_BUSY, CPU_RELIEF, CPU_STALL, MEMORY_RELIEF, MEMORY_SHORT, MEMORY_STALL, PRESSURE_REREAD, PRESSURE_WINDOW,
};
pub use crate::probe::{Probe, probe, probe_subject};
use crate::report::Teller;
pub use crate::report::{Report, Status, ZoneChange, ZoneReading};
pub use crate::screen::{SCREEN_REREAD, SCREEN_SETTLE};
pub use crate::sensor::{LIGHT_BAND, MAX_LUX, SENSOR_SETTLE, SensorSpec};
pub use crate::session_connected::LOGGED_OFF;
pub use crate::signal::{DEFAULT_SIGNALS_A_MINUTE, MAX_RULE_BYTES, MAX_SIGNALS_A_MINUTE, SignalSpec};
pub use crate::sleep_delay::{NoSleepDelay, SleepDelay};
pub use crate::smart_card::{SMART_CARD_SETTLE, SmartCardSpec};
pub use crate::sms::{MAX_INCOMPLETE_MESSAGES, MAX_MODEMS, MAX_PREFIX_BYTES, SmsSpec};
pub use crate::standby::STANDBY_SETTLE;
pub use crate::store::{MAX_STORES, STORE_SETTLE, StoreSpec};
pub use crate::unit::{UnitManager, UnitSpec, UnitState};
pub use crate::watch_path::{
    ChangeKind, MAX_PATH_CHANGES, MAX_PATH_FOLDERS, PathBurst, PathChange, PathEvents, PathReport, PathSpec,
    PathWatching, watch_path,
};
pub use crate::world::World;
pub use crate::zone::{MAX_ZONE_BYTES, ZONE_SETTLE, zone_rules};

/// One facility that can be watched.
///
/// All but the time zone and the states are levels that hold or do not ([`Report::Level`]). A kind with a parameter is one
/// source for each value of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SourceKind {
    /// The system's time zone: `/etc/localtime`. Serves the `TimeZoneChange` trigger (SYS-3).
    TimeZone,
    /// Whether the internet answers: NetworkManager, or else systemd-networkd and the default routes. Serves the
    /// `InternetAvailable` trigger and the conditions `InternetAvailable` and `InternetNotAvailable` (CO-4).
    Internet,
    /// Whether the internet answers over a network that costs nothing by volume: the same, and NetworkManager's word on
    /// metering. Serves the condition `FreeNetworkAvailable`.
    FreeNetwork,
    /// What the network is good for, in one word ([`Report::State`]) of two or three parts: how far it reaches (`full`,
    /// `unknown` where nobody tries, `limited`, `portal`, `none`), at what cost (`metered`, `unmetered`, `unknown`), and
    /// which way (the UUID of NetworkManager's primary connection, else the interface of the default route), as in
    /// `full unmetered 7a1fe5f4-…` or `unknown unknown eth0`. From NetworkManager, or else systemd-networkd and the default
    /// routes. Serves the `NetworkStateChange` trigger.
    NetworkState,
    /// Whether this user is at the machine: logind, or else typing in a terminal. Serves the `UserPresent` and
    /// `UserAway` triggers and the conditions `UserPresent` and `UserNotPresent`.
    UserPresence,
    /// Whether somebody is connected to a session of this user: one in front on its seat, or a remote one (logind, or else
    /// any terminal of the user). To log off is not to disconnect: the end of the last session is told as a word of its own, a
    /// [`Report::State`] of [`LOGGED_OFF`], and the next log-in as the level, be it the same as before. Serves the `SessionConnected` trigger and the conditions
    /// `SessionConnected` and `SessionDisconnected` (CND-3).
    SessionConnected,
    /// Whether this user has given no input for at least so long: logind, or else typing in a terminal.
    Idle(Duration),
    /// Whether a display is on: GNOME's Mutter, or else the kernel's displays, read every [`SCREEN_REREAD`], or else a
    /// screen saver that is not active. Where no display is known it counts as on.
    Screen,
    /// Whether the machine runs on external power: UPower, or else the kernel's power supplies. One without a battery
    /// always does. Where nothing can be seen at all it counts as on battery.
    ExternalPower,
    /// What the machine's batteries do together, in one word ([`Report::State`]): `not-present`, `discharging`, `idle` or
    /// `charging`. UPower, or else the kernel's power supplies. Serves the `PowerStateChange` trigger (SYS-4).
    PowerState,
    /// Whether the battery holds at least so many percent: UPower, or else the kernel's power supplies. A machine without
    /// a battery always does. It ends [`BATTERY_BAND`] percent lower.
    BatteryAbove(u8),
    /// Whether the user wants energy saved, on battery or not: the profile of power-profiles-daemon (POL-11). Where nobody
    /// can be asked, nobody does. The desktop portal is the second choice.
    EnergySaver,
    /// Whether the machine is short of memory: the kernel's pressure stall information. Where the kernel does not measure
    /// that, it never is.
    MemoryPressure,
    /// Whether the processors are busy: the same, of programs that wait for one. Where the kernel does not measure that, they
    /// never are.
    CpuPressure,
    /// Whether the machine is going to sleep, or sleeps: logind. Where it cannot be asked, it never is.
    Standby,
    /// Whether the file system of the user's home folder has at least so many bytes free, for this user. It ends a
    /// twentieth lower ([`DISK_BAND`]), and is read every [`DISK_REREAD`], since no kernel tells.
    DiskFree(u64),
    /// Whether the load average over one minute is below so many hundredths. It ends a tenth
    /// higher ([`LOAD_BAND`]), and is read every [`LOAD_REREAD`], since no kernel tells.
    LoadBelow(u32),
    /// Whether it is this time of day, in the system's time zone.
    Between(DayWindow),
    /// Which of the user's online accounts are connected, as one word ([`Report::State`]) that differs when the set of them
    /// does: GNOME Online Accounts. An account that needs attention is not. Told only while it can be known, so that the
    /// service may come and go. Serves the `OnlineIdConnectedStateChange` trigger.
    OnlineAccounts,
    /// The id of the user's oldest online account, or `none`, as one word ([`Report::State`]): GNOME Online Accounts, which
    /// has no other notion of a first one. Told only while it can be known. Serves the `DefaultSignInAccountChange` trigger.
    DefaultAccount,
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
/// The first two reports are a [`Report::Status`] and the level as it is now, where it can be known; after that a report comes only when
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
            SourceKind::Internet => internet::run(Asked::Internet, &world, teller).await,
            SourceKind::FreeNetwork => internet::run(Asked::Free, &world, teller).await,
            SourceKind::NetworkState => internet::run(Asked::State, &world, teller).await,
            SourceKind::UserPresence => presence::run(&world, teller).await,
            SourceKind::SessionConnected => session_connected::run(&world, teller).await,
            SourceKind::Screen => screen::run(&world, teller).await,
            SourceKind::ExternalPower => external_power::run(&world, teller).await,
            SourceKind::PowerState => power_state::run(&world, teller).await,
            SourceKind::EnergySaver => energy_saver::run(&world, teller).await,
            SourceKind::MemoryPressure => pressure::run(&pressure::MEMORY, &world, teller).await,
            SourceKind::CpuPressure => pressure::run(&pressure::PROCESSORS, &world, teller).await,
            SourceKind::Standby => standby::run(&world, teller).await,
            SourceKind::BatteryAbove(percent) => battery::run(percent, &world, teller).await,
            SourceKind::DiskFree(bytes) => disk_free::run(bytes, &world, teller).await,
            SourceKind::LoadBelow(hundredths) => load::run(hundredths, &world, teller).await,
            SourceKind::Idle(least) => idle::run(least, &world, teller).await,
            SourceKind::OnlineAccounts => accounts::run(accounts::Asked::Connected, &world, teller).await,
            SourceKind::DefaultAccount => accounts::run(accounts::Asked::Default, &world, teller).await,
            SourceKind::Between(window) => day_window::run(window, &world, teller).await,
        };
    });
    Source { kind, task }
}
