//! The system's time zone: the file `/etc/localtime` and what it links to.
//!
//! The file is the only truth. systemd's timedated changes it too and says so on the bus, so its signal is one more
//! edge; the service itself is never asked, because it would be started for that and leave again after half a minute.
//! `/etc/timezone` is not read: nothing keeps it in step.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::fs::OFlags;
use tokio::time::{Instant, sleep, sleep_until};

use crate::bus::{Bus, Link, Rules};
use crate::inotify::{BLIND_REREAD, WATCH_HELP};
use crate::path::{End, PathWatch, Walk, names_below, walk};
use crate::report::{Status, Teller, Unheard, ZoneChange, ZoneReading};
use crate::world::World;

/// How long `/etc/localtime` may be absent or unreadable before that is believed. Tools that replace it in two steps
/// leave such a gap; until it is over, the zone is the one before.
pub const ZONE_SETTLE: Duration = Duration::from_millis(200);

/// The largest zone file that is read, in bytes. Real ones stay below 4 KiB.
pub const MAX_ZONE_BYTES: u64 = 64 * 1024;

/// After news, how long everything else waits: whoever acts on the news goes first.
const NEWS_REST: Duration = Duration::from_millis(2);

/// The longest zone name that is told, in bytes. The IANA names stay below 40.
const MAX_ZONE_NAME: usize = 64;

pub(crate) const LOCALTIME: &str = "etc/localtime";

const RULES: Rules = &["type='signal',sender='org.freedesktop.timedate1',path='/org/freedesktop/timedate1',\
     interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='org.freedesktop.timedate1'"];

/// Watches the zone until nobody listens.
pub(crate) async fn run(world: &World, mut teller: Teller) -> Unheard {
    let mut watch = PathWatch::new(world, LOCALTIME);
    let mut bus = Bus::open(world, RULES);
    let mut current = None;
    let mut doubt = Doubt::default();
    loop {
        let link = bus.link().await;
        let seen = Zone::read(&watch.look());
        let settling = doubt.of(&seen);
        let seen_well = seen.is_ok();
        if settling.is_none() {
            let status = status(&watch, matches!(link, Link::Up(_)), &seen);
            if let Err(unheard) = tell(&mut teller, status, seen, &mut current).await {
                return unheard;
            }
        }
        tokio::select! {
            () = watch.changed() => {}
            () = bus.edge() => {}
            () = until(settling) => {}
        }
        // The news goes first, where no change of status does: to set every watch anew takes longer than to read the zone.
        if seen_well && let Ok(zone) = Zone::read(&watch.peek()) {
            if let Err(unheard) = tell_zone(&mut teller, zone, &mut current).await {
                return unheard;
            }
            sleep(NEWS_REST).await;
        }
    }
}

/// Waits with what cannot be read until it is believed.
#[derive(Default, Debug)]
pub(crate) struct Doubt(Option<Instant>);

impl Doubt {
    /// Until when `seen` is not believed yet.
    pub(crate) fn of(&mut self, seen: &Result<Zone, Unread>) -> Option<Instant> {
        let now = Instant::now();
        self.0 = seen.as_ref().err().map(|_| self.0.unwrap_or(now + ZONE_SETTLE));
        self.0.filter(|end| *end > now)
    }
}

/// Waits until then; for ever without a moment.
pub(crate) async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn tell(
    teller: &mut Teller,
    status: Status,
    seen: Result<Zone, Unread>,
    current: &mut Option<Zone>,
) -> Result<(), Unheard> {
    teller.status(status).await?;
    tell_zone(teller, Zone::believed(seen, current.as_ref()), current).await
}

async fn tell_zone(teller: &mut Teller, zone: Zone, current: &mut Option<Zone>) -> Result<(), Unheard> {
    if current.as_ref().is_some_and(|before| before.identity == zone.identity) {
        return Ok(());
    }
    let reading = zone.reading(current.as_ref(), Timestamp::now());
    *current = Some(zone);
    teller.zone(reading).await
}

/// How well `seen` was seen, and whether timedated is heard `on_bus`.
pub(crate) fn status(watch: &PathWatch, on_bus: bool, seen: &Result<Zone, Unread>) -> Status {
    let mut how = match watch.problem() {
        None => "inotify on /etc/localtime".to_owned(),
        Some(_) => format!("reading /etc/localtime every {} s", BLIND_REREAD.as_secs()),
    };
    if on_bus {
        how.push_str(" and timedate1");
    }
    if let Err(Unread::Unreadable(why)) = seen {
        let help = "link /etc/localtime to a file below /usr/share/zoneinfo".to_owned();
        return Status::Degraded { how, why: format!("the zone before is assumed: {why}"), help };
    }
    match watch.problem() {
        None => Status::Available { how },
        Some(why) => {
            let why = format!("the kernel refused to watch /etc/localtime: {why}");
            Status::Degraded { how, why, help: WATCH_HELP.to_owned() }
        }
    }
}

/// The rules of the system's time zone as they are now: UTC where there are none, as the C library has it.
pub fn zone_rules(world: &World) -> TimeZone {
    Zone::believed(Zone::read(&walk(world, Path::new(LOCALTIME))), None).rules
}

/// One reading of `/etc/localtime`.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    name: Option<String>,
    identity: String,
    pub(crate) rules: TimeZone,
}

/// Why there is no zone to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Unread {
    /// There is no such file, which by convention means UTC.
    Absent,
    /// There is one that holds no zone; the sentence says why.
    Unreadable(String),
}

impl Zone {
    fn utc() -> Self {
        Self { name: Some("UTC".to_owned()), identity: "UTC".to_owned(), rules: TimeZone::UTC }
    }

    /// The zone that follows from a reading that is no longer doubted, after the one `before`.
    pub(crate) fn believed(seen: Result<Self, Unread>, before: Option<&Self>) -> Self {
        match seen {
            Ok(zone) => zone,
            Err(Unread::Absent) => Self::utc(),
            // Half a file says nothing about the zone, so the one before stands; without one, what the C library does.
            Err(Unread::Unreadable(_)) => before.cloned().unwrap_or_else(Self::utc),
        }
    }

    pub(crate) fn read(walk: &Walk) -> Result<Self, Unread> {
        let file = match &walk.end {
            End::Found(file) => file,
            End::Absent => return Err(Unread::Absent),
            End::Blocked(why) => return Err(Unread::Unreadable(why.clone())),
        };
        let bytes = read_bounded(file).map_err(Unread::Unreadable)?;
        let name = name_of(walk);
        let label = name.as_deref().unwrap_or_default();
        let rules = TimeZone::tzif(label, &bytes)
            .map_err(|error| Unread::Unreadable(format!("/etc/localtime is not a zone file: {error}")))?;
        let identity = format!("{label}@{:016x}", fingerprint(&bytes));
        Ok(Self { name, identity, rules })
    }

    fn reading(&self, before: Option<&Self>, now: Timestamp) -> ZoneReading {
        let offset_at = |zone: &Self| zone.rules.to_offset(now).seconds();
        let to_offset_seconds = offset_at(self);
        let changed = before
            .map(|before| ZoneChange { from_offset_seconds: offset_at(before), to_offset_seconds })
            .filter(|change| change.from_offset_seconds != change.to_offset_seconds);
        ZoneReading {
            name: self.name.clone(),
            identity: self.identity.clone(),
            offset_seconds: to_offset_seconds,
            changed,
        }
    }
}

/// The IANA name, where the path leads through a directory `zoneinfo`. Its variants `posix/` and `right/` hold the
/// same zones.
fn name_of(walk: &Walk) -> Option<String> {
    let below = names_below(&walk.steps, OsStr::new("zoneinfo"))?;
    let plain = below.strip_prefix("posix").or_else(|_| below.strip_prefix("right")).unwrap_or(&below);
    let name = plain.to_str()?;
    (!name.is_empty() && name.len() <= MAX_ZONE_NAME).then(|| name.to_owned())
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error| format!("/etc/localtime cannot be read: {error}");
    // A pipe or a device in this place must not make us wait.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err("/etc/localtime is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(MAX_ZONE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_ZONE_BYTES {
        return Err(format!("/etc/localtime is larger than {MAX_ZONE_BYTES} bytes"));
    }
    Ok(bytes)
}

/// FNV-1a: not secret, only the same everywhere and for ever, which the standard hasher does not promise.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
