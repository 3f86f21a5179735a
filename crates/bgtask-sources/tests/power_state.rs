//! What the battery does: supplies that are files, and a UPower of our own on a private bus.

mod common;

use bgtask_sources::{Report, SourceKind, Status};
use common::service::{Answer, Identity, Mood, Service, Value};
use common::{Inbox, Sysroot, TestBus};

const DISPLAY_DEVICE: Identity = Identity {
    name: "org.freedesktop.UPower",
    path: "/org/freedesktop/UPower/devices/DisplayDevice",
    interface: "org.freedesktop.UPower.Device",
    signal: None,
};

async fn state(inbox: &mut Inbox) -> String {
    match inbox.level().await {
        Report::State(SourceKind::PowerState, word) => word,
        other => panic!("expected the state of power, got {other:?}"),
    }
}

/// A desktop machine.
#[tokio::test]
async fn without_a_battery_there_is_none() {
    let sysroot = Sysroot::new();
    std::fs::create_dir_all(sysroot.path("sys/class")).unwrap();
    let mut inbox = sysroot.watch(SourceKind::PowerState);
    assert_eq!(inbox.status().await, Status::Available { how: "/sys/class/power_supply".into() });
    assert_eq!(state(&mut inbox).await, "not-present");
}

/// SYS-4, by the kernel's word.
#[tokio::test]
async fn a_plug_is_put_in_the_battery_fills_and_the_plug_is_drawn() {
    let sysroot = Sysroot::new();
    let battery = |status: &str| {
        sysroot.write("sys/class/power_supply/BAT0/type", "Battery\n");
        sysroot.write("sys/class/power_supply/BAT0/status", status);
    };
    battery("Discharging\n");
    let mut inbox = sysroot.watch(SourceKind::PowerState);
    assert_eq!(state(&mut inbox).await, "discharging");
    for (status, word) in [("Charging\n", "charging"), ("Full\n", "idle"), ("Discharging\n", "discharging")] {
        battery(status);
        assert_eq!(state(&mut inbox).await, word);
    }
    std::fs::remove_dir_all(sysroot.path("sys/class/power_supply/BAT0")).unwrap();
    assert_eq!(state(&mut inbox).await, "not-present", "taken out");
}

/// SYS-4, by UPower's word: each of its states.
#[tokio::test]
async fn upower_decides_where_it_runs() {
    const STATES: [(Answer, &str); 7] = [
        (Answer::Properties(&[("IsPresent", Value::Bool(true)), ("State", Value::U32(2))]), "discharging"),
        (Answer::Properties(&[("IsPresent", Value::Bool(true)), ("State", Value::U32(1))]), "charging"),
        (Answer::Properties(&[("IsPresent", Value::Bool(true)), ("State", Value::U32(4))]), "idle"),
        (Answer::Properties(&[("IsPresent", Value::Bool(true)), ("State", Value::U32(3))]), "discharging"),
        (Answer::Properties(&[("IsPresent", Value::Bool(true)), ("State", Value::U32(5))]), "idle"),
        (Answer::Properties(&[("IsPresent", Value::Bool(false)), ("State", Value::U32(0))]), "not-present"),
        (Answer::Properties(&[("IsPresent", Value::Bool(true)), ("State", Value::U32(0))]), "idle"),
    ];
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let upower = Service::start(&bus, DISPLAY_DEVICE, STATES[0].0).await;
    let mut inbox = sysroot.watch(SourceKind::PowerState);
    assert_eq!(inbox.status().await, Status::Available { how: "UPower".into() });
    for (answer, word) in STATES {
        upower.set(answer, Mood::Well);
        upower.signal().await;
        assert_eq!(state(&mut inbox).await, word);
    }
}

#[tokio::test]
async fn nothing_to_read_is_said() {
    let sysroot = Sysroot::new();
    let mut inbox = sysroot.watch(SourceKind::PowerState);
    let Status::Missing { why, help } = inbox.status().await else { panic!("must be missing") };
    assert!(why.contains("/sys/class/power_supply cannot be read"), "{why}");
    assert_eq!(help, "install and start UPower, or mount /sys");
    assert_eq!(state(&mut inbox).await, "not-present");
}
