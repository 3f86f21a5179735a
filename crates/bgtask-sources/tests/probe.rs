//! One look at a facility.

mod common;

use std::os::unix::net::UnixListener;
use std::time::Duration;

use bgtask_sources::{DayWindow, Probe, Report, SourceKind, Status, World, probe};
use common::{DEADLINE, Sysroot, is_available};

#[tokio::test]
async fn a_probe_gives_the_status_and_the_value() {
    let sysroot = Sysroot::new();
    sysroot.write("proc/loadavg", "0.50 0 0\n");
    let kind = SourceKind::LoadBelow(100);
    let status = Status::Available { how: "/proc/loadavg, read every 30 s".into() };
    let expected = Probe { status, value: Some(Report::Level(kind, true)) };
    assert_eq!(probe(kind, &sysroot.world(), DEADLINE).await, expected);
    let zone = probe(SourceKind::TimeZone, &sysroot.world(), DEADLINE).await;
    assert!(is_available(&zone.status));
    assert!(matches!(zone.value, Some(Report::TimeZone(reading)) if reading.name.as_deref() == Some("UTC")));
}

#[tokio::test]
async fn what_does_not_answer_in_time_is_missing() {
    let sysroot = Sysroot::new();
    std::fs::create_dir_all(sysroot.path("run/dbus")).unwrap();
    let _mute = UnixListener::bind(sysroot.path("run/dbus/system_bus_socket")).unwrap();
    let silent = probe(SourceKind::Internet, &sysroot.world(), Duration::from_millis(10)).await;
    let why = "it did not answer within 0.01 s".to_owned();
    let help = "try again when the machine is less busy".to_owned();
    assert_eq!(silent, Probe { status: Status::Missing { why, help }, value: None });
}

#[tokio::test]
async fn every_kind_has_a_status_and_a_value_on_this_machine() {
    let window = DayWindow { from: 0, to: 720 };
    let kinds = [
        SourceKind::TimeZone,
        SourceKind::Internet,
        SourceKind::FreeNetwork,
        SourceKind::UserPresence,
        SourceKind::Idle(Duration::from_secs(60)),
        SourceKind::ExternalPower,
        SourceKind::BatteryAbove(50),
        SourceKind::EnergySaver,
        SourceKind::MemoryPressure,
        SourceKind::CpuPressure,
        SourceKind::Standby,
        SourceKind::DiskFree(1 << 30),
        SourceKind::LoadBelow(100),
        SourceKind::Between(window),
    ];
    for kind in kinds {
        let probe = probe(kind, &World::new("/"), DEADLINE).await;
        println!("{kind:?}: {probe:?}");
        assert!(probe.value.is_some(), "{kind:?}: {}", probe.status);
    }
}
