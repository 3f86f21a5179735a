//! Who listens to a service that has nothing to say costs nothing. The kernel counts for each thread, so this test has
//! one to itself.

mod common;

use std::fs;
use std::time::Duration;

use common::bluez::{ADDRESS, Bluez, Device};
use common::listener::Listener;
use common::{Sysroot, TestBus};

/// How often this thread has gone to sleep.
fn sleeps() -> u64 {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let sleeps = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
    sleeps.trim().parse().unwrap()
}

#[tokio::test]
async fn fourteen_listeners_make_no_wake_ups() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let near = Device { connected: true, near: true, ..Device::default() };
    let _bluez = Bluez::with_device(&bus, near).await.named().await;
    let gatt = [("device", ADDRESS), ("service", "180d"), ("characteristic", "2a37")];
    let fence = [("latitude", "52.5"), ("longitude", "13.4"), ("radius", "100")];
    let subjects: [(&str, &[(&str, &str)]); 7] = [
        ("BluetoothLEAdvertisementWatcherTrigger", &[("name", "Tag")]),
        ("GattCharacteristicNotificationTrigger", &gatt),
        ("DeviceConnectionChangeTrigger", &[("device_id", ADDRESS)]),
        // Nobody serves these: they wait for somebody who does.
        ("SensorDataThresholdTrigger", &[("sensor", "proximity")]),
        ("LocationTrigger", &fence),
        ("GeovisitTrigger", &[("scope", "city")]),
        ("AppointmentStoreNotificationTrigger", &[]),
    ];
    let twice = subjects.iter().chain(&subjects);
    let mut listeners: Vec<_> = twice.map(|(class, properties)| Listener::of(&sysroot, class, properties)).collect();
    for listener in &mut listeners {
        listener.status_that(|_| true).await;
    }
    // What was just set up answers its last calls.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = sleeps();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = sleeps();
    println!("{} wake-ups in two seconds", after - before);
    // The timer of this test itself wakes the thread a few times.
    assert!(after - before < 20, "{} wake-ups in two seconds", after - before);
}
