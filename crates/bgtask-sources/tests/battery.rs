//! The battery source: supplies in files, and a UPower of our own on a private bus.

mod common;

use std::fs;
use std::time::Duration;

use bgtask_sources::{BATTERY_BAND, BATTERY_REREAD, SourceKind, Status};
use common::{Sysroot, TestBus, is_available, is_degraded, pass};
use zbus::interface;

const HALF: SourceKind = SourceKind::BatteryAbove(50);
const CAPACITY: &str = "sys/class/power_supply/BAT0/capacity";
const PATH: &str = "/org/freedesktop/UPower/devices/DisplayDevice";

fn laptop(percent: &str) -> Sysroot {
    let sysroot = Sysroot::new();
    sysroot.write("sys/class/power_supply/BAT0/type", "Battery\n");
    sysroot.write(CAPACITY, format!("{percent}\n"));
    sysroot
}

// --- Power supplies -------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_machine_without_a_battery_is_always_full() {
    let sysroot = Sysroot::new();
    fs::create_dir_all(sysroot.path("sys/class")).unwrap();
    let mut inbox = sysroot.watch(SourceKind::BatteryAbove(100));
    let how = "/sys/class/power_supply; there is no battery, so it always holds".to_owned();
    assert_eq!(inbox.status().await, Status::Available { how });
    assert!(inbox.holds().await);
    sysroot.write("sys/class/power_supply/ups/type", "UPS\n");
    sysroot.write("sys/class/power_supply/ups/capacity", "99\n");
    assert!(is_degraded(&inbox.status().await));
    assert!(!inbox.holds().await);
}

/// It begins at what was asked, and ends one percent below.
#[tokio::test]
async fn a_charge_that_wavers_does_not_flap() {
    assert_eq!(BATTERY_BAND, 1);
    let sysroot = laptop("49");
    let mut inbox = sysroot.watch(HALF);
    let Status::Degraded { how, why, help } = inbox.status().await else { panic!("must be degraded") };
    assert_eq!(how, "/sys/class/power_supply, read every 120 s");
    assert!(why.contains("not every battery tells the kernel of every percent"), "{why}");
    assert_eq!(help, "install and start UPower");
    assert!(!inbox.holds().await);
    sysroot.write(CAPACITY, "50\n");
    assert!(inbox.holds().await);
    sysroot.write(CAPACITY, "49\n");
    sysroot.write(CAPACITY, "48\n");
    assert!(!inbox.holds().await);
    sysroot.write(CAPACITY, "50\n");
    assert!(inbox.holds().await);
}

/// A file that is kept open tells nobody, nor do many batteries.
#[tokio::test]
async fn a_battery_that_tells_nobody_is_read_by_the_clock() {
    use std::os::unix::fs::FileExt;

    let sysroot = laptop("90");
    let battery = fs::File::options().write(true).open(sysroot.path(CAPACITY)).unwrap();
    let mut inbox = sysroot.watch(HALF);
    assert!(inbox.holds().await);
    battery.write_all_at(b"20", 0).unwrap();
    pass(BATTERY_REREAD).await;
    assert!(!inbox.holds().await);
    drop(battery);
}

#[tokio::test]
async fn nothing_to_read_counts_as_empty_and_is_healed() {
    let sysroot = Sysroot::new();
    let mut inbox = sysroot.watch(SourceKind::BatteryAbove(0));
    let Status::Missing { why, help } = inbox.status().await else { panic!("must be missing") };
    assert!(why.contains("/sys/class/power_supply cannot be read"), "{why}");
    assert!(why.ends_with("the battery counts as empty"), "{why}");
    assert!(help.contains("or mount /sys"), "{help}");
    assert!(!inbox.holds().await);
    fs::create_dir_all(sysroot.path("sys/class/power_supply")).unwrap();
    assert!(is_available(&inbox.status().await));
    assert!(inbox.holds().await);
}

// --- UPower ---------------------------------------------------------------------------------------------------------

struct DisplayDevice {
    present: bool,
    percentage: f64,
}

#[interface(name = "org.freedesktop.UPower.Device")]
impl DisplayDevice {
    #[zbus(property)]
    fn is_present(&self) -> bool {
        self.present
    }

    #[zbus(property)]
    fn percentage(&self) -> f64 {
        self.percentage
    }
}

async fn upower(bus: &TestBus, present: bool, percentage: f64) -> zbus::Connection {
    let connection = bus.connect().await;
    connection.object_server().at(PATH, DisplayDevice { present, percentage }).await.unwrap();
    connection.request_name("org.freedesktop.UPower").await.unwrap();
    connection
}

async fn charge(service: &zbus::Connection, percentage: f64) {
    let device = service.object_server().interface::<_, DisplayDevice>(PATH).await.unwrap();
    device.get_mut().await.percentage = percentage;
    device.get().await.percentage_changed(device.signal_emitter()).await.unwrap();
}

#[tokio::test]
async fn upower_decides_where_it_runs() {
    let sysroot = laptop("90");
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = upower(&bus, true, 49.9).await;
    let mut inbox = sysroot.watch(HALF);
    assert_eq!(inbox.status().await, Status::Available { how: "UPower".into() });
    assert!(!inbox.holds().await);
    charge(&service, 50.0).await;
    assert!(inbox.holds().await);
    charge(&service, 48.9).await;
    assert!(!inbox.holds().await);
    service.close().await.unwrap();
    assert!(is_degraded(&inbox.status().await));
    assert!(inbox.holds().await, "the kernel's word");
}

#[tokio::test]
async fn upower_knows_of_no_battery() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let _service = upower(&bus, false, 0.0).await;
    let mut inbox = sysroot.watch(HALF);
    let how = "UPower; there is no battery, so it always holds".to_owned();
    assert_eq!(inbox.status().await, Status::Available { how });
    assert!(inbox.holds().await);
}

/// A signal is a nudge: whatever it says, the property is read.
#[tokio::test]
async fn ten_thousand_lying_signals_change_nothing() {
    let sysroot = laptop("90");
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = upower(&bus, true, 80.0).await;
    let mut inbox = sysroot.watch(HALF);
    assert!(inbox.holds().await);
    let lie = std::collections::HashMap::from([("Percentage", zbus::wire::Variant::from(1.0))]);
    let body = ("org.freedesktop.UPower.Device", lie, Vec::<&str>::new());
    for _ in 0..10_000 {
        let interface = "org.freedesktop.DBus.Properties";
        service.emit_signal(None::<&str>, PATH, interface, "PropertiesChanged", &body).await.unwrap();
    }
    assert!(inbox.is_empty());
    charge(&service, 10.0).await;
    assert!(!tokio::time::timeout(Duration::from_secs(60), inbox.holds()).await.unwrap(), "heard through the flood");
    assert!(inbox.is_empty());
}
