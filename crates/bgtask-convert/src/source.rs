use bgtask_core::{DayWindow, Fact, SourceStatus};
use bgtask_sources::{SourceKind, Status};

/// The source that knows a fact; `None` of one that is derived from others.
pub const fn source_of(fact: Fact) -> Option<SourceKind> {
    Some(match fact {
        Fact::WorkCost => return None,
        Fact::TimeZone => SourceKind::TimeZone,
        Fact::Internet => SourceKind::Internet,
        Fact::UserPresence => SourceKind::UserPresence,
        Fact::ExternalPower => SourceKind::ExternalPower,
        Fact::EnergySaver => SourceKind::EnergySaver,
        Fact::MemoryPressure => SourceKind::MemoryPressure,
        Fact::CpuPressure => SourceKind::CpuPressure,
        Fact::Standby => SourceKind::Standby,
        Fact::FreeNetwork => SourceKind::FreeNetwork,
        Fact::SessionConnected => SourceKind::SessionConnected,
        Fact::Screen => SourceKind::Screen,
        Fact::NetworkState => SourceKind::NetworkState,
        Fact::PowerState => SourceKind::PowerState,
        Fact::OnlineAccounts => SourceKind::OnlineAccounts,
        Fact::DefaultAccount => SourceKind::DefaultAccount,
        Fact::BatteryAbove(percent) => SourceKind::BatteryAbove(percent),
        Fact::Idle(least) => SourceKind::Idle(least),
        Fact::DiskFree(bytes) => SourceKind::DiskFree(bytes),
        Fact::LoadBelow(hundredths) => SourceKind::LoadBelow(hundredths),
        Fact::Between(DayWindow { from, to }) => SourceKind::Between(bgtask_sources::DayWindow { from, to }),
    })
}

/// The fact that a source knows.
pub const fn fact_of(kind: SourceKind) -> Fact {
    match kind {
        SourceKind::TimeZone => Fact::TimeZone,
        SourceKind::Internet => Fact::Internet,
        SourceKind::UserPresence => Fact::UserPresence,
        SourceKind::ExternalPower => Fact::ExternalPower,
        SourceKind::EnergySaver => Fact::EnergySaver,
        SourceKind::MemoryPressure => Fact::MemoryPressure,
        SourceKind::CpuPressure => Fact::CpuPressure,
        SourceKind::Standby => Fact::Standby,
        SourceKind::FreeNetwork => Fact::FreeNetwork,
        SourceKind::SessionConnected => Fact::SessionConnected,
        SourceKind::Screen => Fact::Screen,
        SourceKind::NetworkState => Fact::NetworkState,
        SourceKind::PowerState => Fact::PowerState,
        SourceKind::OnlineAccounts => Fact::OnlineAccounts,
        SourceKind::DefaultAccount => Fact::DefaultAccount,
        SourceKind::BatteryAbove(percent) => Fact::BatteryAbove(percent),
        SourceKind::Idle(least) => Fact::Idle(least),
        SourceKind::DiskFree(bytes) => Fact::DiskFree(bytes),
        SourceKind::LoadBelow(hundredths) => Fact::LoadBelow(hundredths),
        SourceKind::Between(window) => Fact::Between(DayWindow { from: window.from, to: window.to }),
    }
}

/// How well a source works.
pub fn core_status(status: Status) -> SourceStatus {
    match status {
        Status::Available { how } => SourceStatus::Available { how },
        Status::Degraded { how, why, help } => SourceStatus::Degraded { how, why, help },
        Status::Missing { why, help } => SourceStatus::Missing { why, help },
    }
}
