//! Every source of triggers and conditions, looked at in this process.

use std::time::Duration;

use bgtask_sources::{DayWindow, Probe, Report, SourceKind, Status, World, probe};
use futures_util::future::join_all;

use super::{Area, Finding};

const AREA: Area = Area("Sources");

/// How long all of them together may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// The words of what they serve, and for those with a parameter some value of it: how well they see does not depend on that.
fn kinds() -> [(&'static str, SourceKind); 12] {
    [
        ("time-zone", SourceKind::TimeZone),
        ("internet", SourceKind::Internet),
        ("unmetered", SourceKind::FreeNetwork),
        ("user-present", SourceKind::UserPresence),
        ("idle", SourceKind::Idle(Duration::from_secs(300))),
        ("ac-power", SourceKind::ExternalPower),
        ("battery-above", SourceKind::BatteryAbove(50)),
        ("energy-saver", SourceKind::EnergySaver),
        ("memory-pressure", SourceKind::MemoryPressure),
        ("disk-free", SourceKind::DiskFree(1 << 30)),
        ("load-below", SourceKind::LoadBelow(100)),
        ("between", SourceKind::Between(DayWindow { from: 0, to: 720 })),
    ]
}

pub(super) async fn check() -> Vec<Finding> {
    let world = World::new("/");
    let world = &world;
    join_all(kinds().map(async |(word, kind)| finding(word, probe(kind, world, PATIENCE).await))).await
}

fn finding(word: &str, probe: Probe) -> Finding {
    let reads = match probe.value {
        // What a source with a parameter reads here is of some value of it, and says nothing.
        Some(Report::Level(SourceKind::BatteryAbove(_) | SourceKind::DiskFree(_) | SourceKind::LoadBelow(_), _)) => {
            None
        }
        Some(Report::Level(SourceKind::Idle(_) | SourceKind::Between(_), _)) => None,
        Some(Report::Level(_, holds)) => Some(if holds { "yes" } else { "no" }.to_owned()),
        Some(Report::TimeZone(zone)) => Some(zone.name.unwrap_or(zone.identity)),
        Some(Report::Status(..)) | None => None,
    };
    let reads = reads.map_or_else(String::new, |reads| format!(" (reads: {reads})"));
    match probe.status {
        Status::Available { how } => AREA.ok(word, format!("{how}{reads}")),
        Status::Degraded { how, why, help } => AREA.warning(word, format!("{how}{reads}; {why}"), help),
        Status::Missing { why, help } => AREA.warning(word, format!("cannot be seen: {why}"), help),
    }
}
