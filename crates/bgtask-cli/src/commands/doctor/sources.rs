//! Every source of triggers and conditions, looked at in this process.

use std::time::Duration;

use bgtask_core::{DayWindow, Fact};
use bgtask_sources::{Probe, Report, SourceKind, Status};

use super::{Area, Finding};
use crate::machine;

const AREA: Area = Area("Sources");

/// The words of what they serve, and for those with a parameter some value of it: how well they see does not depend on that.
const FACTS: [(&str, Fact); 18] = [
    ("time-zone", Fact::TimeZone),
    ("internet", Fact::Internet),
    ("unmetered", Fact::FreeNetwork),
    ("user-present", Fact::UserPresence),
    ("idle", Fact::Idle(Duration::from_secs(300))),
    ("ac-power", Fact::ExternalPower),
    ("battery-above", Fact::BatteryAbove(50)),
    ("energy-saver", Fact::EnergySaver),
    ("memory-pressure", Fact::MemoryPressure),
    ("disk-free", Fact::DiskFree(1 << 30)),
    ("load-below", Fact::LoadBelow(100)),
    ("session-connected", Fact::SessionConnected),
    ("screen", Fact::Screen),
    ("network-state-change", Fact::NetworkState),
    ("power-state-change", Fact::PowerState),
    ("online-id-connected-state-change", Fact::OnlineAccounts),
    ("default-sign-in-account-change", Fact::DefaultAccount),
    ("between", Fact::Between(DayWindow { from: 0, to: 720 })),
];

pub(super) async fn check() -> Vec<Finding> {
    let mut probes = machine::look(FACTS.iter().map(|(_, fact)| *fact).collect()).await;
    FACTS.iter().filter_map(|(word, fact)| Some(finding(word, probes.remove(fact)?))).collect()
}

fn finding(word: &str, probe: Probe) -> Finding {
    let reads = match probe.value {
        // What a source with a parameter reads here is of some value of it, and says nothing.
        Some(Report::Level(SourceKind::BatteryAbove(_) | SourceKind::DiskFree(_) | SourceKind::LoadBelow(_), _)) => {
            None
        }
        Some(Report::Level(SourceKind::Idle(_) | SourceKind::Between(_), _)) => None,
        Some(Report::Level(_, holds)) => Some(if holds { "yes" } else { "no" }.to_owned()),
        Some(Report::State(_, state)) => Some(state),
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
