//! Every source of triggers and conditions, looked at in this process.

use std::time::Duration;

use bgtask_core::{DayWindow, Fact};
use bgtask_sources::{Probe, Report, SourceKind, Status};

use bgtask_wire::SourceInfo;

use super::{Area, Finding};
use crate::connection::Target;
use crate::machine;

const AREA: Area = Area("Sources");

/// The words of what they serve, and for those with a parameter some value of it: how well they see does not depend on that.
const FACTS: [(&str, Fact); 20] = [
    ("time-zone", Fact::TimeZone),
    ("internet", Fact::Internet),
    ("unmetered", Fact::FreeNetwork),
    ("user-present", Fact::UserPresence),
    ("idle", Fact::Idle(Duration::from_secs(300))),
    ("ac-power", Fact::ExternalPower),
    ("battery-above", Fact::BatteryAbove(50)),
    ("energy-saver", Fact::EnergySaver),
    ("memory-pressure", Fact::MemoryPressure),
    ("cpu-pressure", Fact::CpuPressure),
    ("standby", Fact::Standby),
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

pub(super) async fn check(target: &Target) -> Vec<Finding> {
    let facts = machine::look(FACTS.iter().map(|(_, fact)| *fact).collect());
    let (mut probes, listened) = tokio::join!(facts, listened(target));
    let seen = FACTS.iter().filter_map(|(word, fact)| Some(finding(word, probes.remove(fact)?)));
    seen.chain(listened).collect()
}

/// What the broker listens to for registered tasks. Without a broker there is nothing, which is said elsewhere.
async fn listened(target: &Target) -> Vec<Finding> {
    let Ok(broker) = target.connect().await else { return Vec::new() };
    let sources = broker.list_sources().await.unwrap_or_default();
    let listened = sources.into_iter().filter(|source| Fact::from_name(&source.name).is_none());
    listened.map(|source| heard(&source)).collect()
}

fn heard(source: &SourceInfo) -> Finding {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let (how, why, help) = (text(&source.how), text(&source.why), text(&source.help));
    match source.status.as_str() {
        "available" | "starting" => AREA.ok(&source.name, how),
        "degraded" => AREA.warning(&source.name, format!("{how}; {why}"), help),
        _ => AREA.warning(&source.name, format!("cannot be heard: {why}"), help),
    }
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
