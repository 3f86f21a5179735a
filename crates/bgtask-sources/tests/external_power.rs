//! The external power source: power supplies in files, and a UPower of our own on a private bus.

mod common;

use std::fs;
use std::time::Duration;

use bgtask_sources::{POWER_SETTLE, Report, SourceKind, Status};
use common::{Inbox, Sysroot, TestBus, is_available};
use zbus::interface;

const UPOWER: &str = "org.freedesktop.UPower";
const PATH: &str = "/org/freedesktop/UPower";

const PLUG: &str = "sys/class/power_supply/AC/online";
const BATTERY: &str = "sys/class/power_supply/BAT0/status";

fn laptop() -> Sysroot {
    let sysroot = Sysroot::new();
    sysroot.write("sys/class/power_supply/AC/type", "Mains\n");
    sysroot.write(PLUG, "1\n");
    sysroot.write("sys/class/power_supply/BAT0/type", "Battery\n");
    sysroot.write(BATTERY, "Charging\n");
    sysroot
}

fn unplug(sysroot: &Sysroot) {
    sysroot.write(PLUG, "0\n");
    sysroot.write(BATTERY, "Discharging\n");
}

fn plug(sysroot: &Sysroot) {
    sysroot.write(PLUG, "1\n");
    sysroot.write(BATTERY, "Charging\n");
}

async fn external(inbox: &mut Inbox) -> bool {
    match inbox.level().await {
        Report::Level(SourceKind::ExternalPower, external) => external,
        other => panic!("expected external power, got {other:?}"),
    }
}

// --- Power supplies -------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_machine_without_a_battery_has_external_power() {
    let sysroot = Sysroot::new();
    fs::create_dir_all(sysroot.path("sys/class")).unwrap();
    let mut inbox = sysroot.watch(SourceKind::ExternalPower);
    assert_eq!(inbox.status().await, Status::Available { how: "/sys/class/power_supply".into() });
    assert!(external(&mut inbox).await);
}

#[tokio::test]
async fn a_plug_is_drawn_and_put_back() {
    let sysroot = laptop();
    let mut inbox = sysroot.watch(SourceKind::ExternalPower);
    assert!(is_available(&inbox.status().await));
    assert!(external(&mut inbox).await);
    for _ in 0..2 {
        unplug(&sysroot);
        assert!(!external(&mut inbox).await);
        plug(&sysroot);
        assert!(external(&mut inbox).await);
    }
}

/// An uninterruptible supply that is connected later, and a dock with a plug of its own.
#[tokio::test]
async fn supplies_come_and_go() {
    let sysroot = Sysroot::new();
    fs::create_dir_all(sysroot.path("sys/class")).unwrap();
    let mut inbox = sysroot.watch(SourceKind::ExternalPower);
    assert!(external(&mut inbox).await);
    sysroot.write("sys/class/power_supply/ups/type", "UPS\n");
    sysroot.write("sys/class/power_supply/ups/status", "Discharging\n");
    assert!(!external(&mut inbox).await);
    sysroot.write("sys/class/power_supply/dock/type", "USB\n");
    sysroot.write("sys/class/power_supply/dock/online", "1\n");
    assert!(external(&mut inbox).await);
    fs::remove_dir_all(sysroot.path("sys/class/power_supply/dock")).unwrap();
    assert!(!external(&mut inbox).await);
    fs::remove_dir_all(sysroot.path("sys/class/power_supply")).unwrap();
    assert!(external(&mut inbox).await);
}

#[tokio::test]
async fn nothing_to_read_is_said_and_healed() {
    let sysroot = Sysroot::new();
    let mut inbox = sysroot.watch(SourceKind::ExternalPower);
    let Status::Missing { why, help } = inbox.status().await else { panic!("must be missing") };
    assert!(why.contains("UPower cannot be asked: it is not running; and /sys/class/power_supply cannot be"), "{why}");
    assert!(help.contains("mount /sys"), "{help}");
    assert!(!external(&mut inbox).await, "the cautious level");
    fs::create_dir_all(sysroot.path("sys/class/power_supply")).unwrap();
    assert!(is_available(&inbox.status().await));
    assert!(external(&mut inbox).await);
}

#[tokio::test]
async fn a_plug_that_flaps_within_the_settle_time_is_not_reported() {
    let sysroot = laptop();
    let mut inbox = sysroot.watch(SourceKind::ExternalPower);
    assert!(external(&mut inbox).await);
    for _ in 0..20 {
        unplug(&sysroot);
        plug(&sysroot);
    }
    tokio::time::sleep(POWER_SETTLE + Duration::from_millis(100)).await;
    assert!(inbox.is_empty());
    unplug(&sysroot);
    assert!(!external(&mut inbox).await);
}

/// Some batteries tell nobody when they stop charging. A file that is kept open tells nobody either.
#[tokio::test]
async fn a_battery_that_lags_behind_its_plug_is_looked_at_again() {
    use std::os::unix::fs::FileExt;

    let sysroot = laptop();
    sysroot.write(BATTERY, "Charging   \n");
    let mut inbox = sysroot.watch(SourceKind::ExternalPower);
    assert!(external(&mut inbox).await);
    let battery = fs::File::options().write(true).open(sysroot.path(BATTERY)).unwrap();
    sysroot.write(PLUG, "0\n");
    // The plug's edge is taken and read before the battery follows.
    tokio::time::sleep(POWER_SETTLE * 2).await;
    battery.write_all_at(b"Discharging\n", 0).unwrap();
    assert!(!external(&mut inbox).await);
    drop(battery);
}

// --- UPower ---------------------------------------------------------------------------------------------------------

struct UPower {
    on_battery: bool,
}

#[interface(name = "org.freedesktop.UPower")]
impl UPower {
    #[zbus(property)]
    fn on_battery(&self) -> bool {
        self.on_battery
    }
}

/// One that lost its mind.
struct Nonsense;

#[interface(name = "org.freedesktop.UPower")]
impl Nonsense {
    #[zbus(property)]
    fn on_battery(&self) -> u32 {
        7
    }
}

async fn upower(bus: &TestBus, on_battery: bool) -> zbus::Connection {
    serve(bus, UPower { on_battery }).await
}

async fn serve(bus: &TestBus, object: impl zbus::object_server::Interface) -> zbus::Connection {
    let connection = bus.connect().await;
    connection.object_server().at(PATH, object).await.unwrap();
    connection.request_name(UPOWER).await.unwrap();
    connection
}

async fn set_on_battery(service: &zbus::Connection, on_battery: bool) {
    let upower = service.object_server().interface::<_, UPower>(PATH).await.unwrap();
    upower.get_mut().await.on_battery = on_battery;
    upower.get().await.on_battery_changed(upower.signal_emitter()).await.unwrap();
}

#[tokio::test]
async fn upower_decides_where_it_runs() {
    let sysroot = laptop();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = upower(&bus, true).await;
    let mut inbox = sysroot.watch(SourceKind::ExternalPower);
    assert_eq!(inbox.status().await, Status::Available { how: "UPower".into() });
    assert!(!external(&mut inbox).await, "whatever the files say");
    set_on_battery(&service, false).await;
    assert!(external(&mut inbox).await);
    set_on_battery(&service, true).await;
    assert!(!external(&mut inbox).await);
}

#[tokio::test]
async fn upower_vanishes_and_returns() {
    let sysroot = laptop();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = upower(&bus, true).await;
    let mut inbox = sysroot.watch(SourceKind::ExternalPower);
    assert!(!external(&mut inbox).await);
    service.release_name(UPOWER).await.unwrap();
    assert_eq!(inbox.status().await, Status::Available { how: "/sys/class/power_supply".into() });
    assert!(external(&mut inbox).await);
    service.request_name(UPOWER).await.unwrap();
    assert_eq!(inbox.status().await, Status::Available { how: "UPower".into() });
    assert!(!external(&mut inbox).await);
    service.close().await.unwrap();
    assert!(external(&mut inbox).await);
    unplug(&sysroot);
    assert!(!external(&mut inbox).await, "the supplies are being watched");
}

#[tokio::test]
async fn nonsense_is_named_and_the_supplies_decide() {
    let sysroot = laptop();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let _service = serve(&bus, Nonsense).await;
    let mut inbox = sysroot.watch(SourceKind::ExternalPower);
    let Status::Degraded { how, why, .. } = inbox.status().await else { panic!("must be degraded") };
    assert_eq!(how, "/sys/class/power_supply");
    assert!(why.contains("its property OnBattery has the type 'u'"), "{why}");
    assert!(external(&mut inbox).await);
    unplug(&sysroot);
    assert!(!external(&mut inbox).await);
}
