//! Bluetooth: a BlueZ of our own on a private bus. Somebody else's is asked in `foreign_bluez.rs`.

mod common;

use std::collections::HashMap;
use std::time::Duration;

use bgtask_sources::Status;
use common::bluez::{
    ADDRESS, Adapter, Bluez, Characteristic, DEVICE, Device, HCI, HEART, HEART_RATE, HEART_SERVICE, Nonsense,
};
use common::listener::{Listener, fields, is_missing, until};
use common::{Sysroot, TestBus, is_available, is_degraded, pass};
use serde_json::json;
use zbus::wire::Variant;

const NEAR: Device = Device { connected: true, near: true, attempts: 0, hangs: false };
const FAR: Device = Device { connected: false, near: false, attempts: 0, hangs: false };

fn connection(sysroot: &Sysroot) -> Listener {
    Listener::of(sysroot, "DeviceConnectionChangeTrigger", &[("device_id", "a4:c1:38:00:11:22")])
}

fn heart(sysroot: &Sysroot, mode: &str) -> Listener {
    let properties = [("device", ADDRESS), ("service", "180d"), ("characteristic", "2a37"), ("mode", mode)];
    Listener::of(sysroot, "GattCharacteristicNotificationTrigger", &properties)
}

fn watcher(sysroot: &Sysroot, properties: &[(&str, &str)]) -> Listener {
    Listener::of(sysroot, "BluetoothLEAdvertisementWatcherTrigger", properties)
}

fn makers() -> Variant<'static> {
    HashMap::from([(0x004c_u16, Variant::from(vec![0x02_u8, 0x15]))]).into()
}

async fn subscribed(bluez: &Bluez, times: u32) {
    until("subscribed", || async { bluez.ask(HEART, |heart: &mut Characteristic| heart.subscribed).await >= times })
        .await;
}

async fn searching(bluez: &Bluez, asked: usize) -> Vec<String> {
    until("searching", || async { bluez.ask(HCI, |adapter: &mut Adapter| adapter.asked.len()).await >= asked }).await;
    bluez.ask(HCI, |adapter: &mut Adapter| adapter.asked.clone()).await
}

#[tokio::test]
async fn without_bluez_an_adapter_or_power_help_is_given() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let mut listener = watcher(&sysroot, &[("name", "T")]);
    let status = listener.status_that(|_| true).await.to_string();
    assert_eq!(status, "missing: BlueZ cannot be asked: it is not running; install and start bluez");
    let bluez = Bluez { connection: bus.connect().await };
    bluez.add("/", zbus::fdo::ObjectManager).await;
    let bluez = bluez.named().await;
    let status = listener.status_that(|_| true).await.to_string();
    assert!(status.starts_with("missing: BlueZ knows no Bluetooth adapter"), "{status}");
    bluez.add(HCI, Adapter::default()).await;
    let status = listener.status_that(|_| true).await.to_string();
    assert_eq!(status, "missing: Bluetooth is switched off; switch it on: `bluetoothctl power on`");
    bluez.ask(HCI, |adapter: &mut Adapter| adapter.powered = true).await;
    bluez.say(HCI, "org.bluez.Adapter1", &[("Powered", true.into())]).await;
    listener.status_that(is_available).await;
}

#[tokio::test]
async fn a_connection_is_told_when_it_changes_and_not_as_it_was() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let bluez = Bluez::with_device(&bus, NEAR).await.named().await;
    let mut listener = connection(&sysroot);
    listener.status_that(is_available).await;
    for connected in [false, true] {
        bluez.connect(connected).await;
        let expected = fields([("device_id", ADDRESS.into()), ("connected", connected.into())]);
        assert_eq!(listener.event().await, expected);
    }
    bluez.connection.close().await.unwrap();
    listener.status_that(is_missing).await;
    let bluez = Bluez::with_device(&bus, NEAR).await.named().await;
    listener.status_that(is_available).await;
    bluez.connection.close().await.unwrap();
    listener.status_that(is_missing).await;
    let _bluez = Bluez::with_device(&bus, FAR).await.named().await;
    assert_eq!(listener.event().await["connected"], false, "it went while BlueZ was away");
}

#[tokio::test]
async fn a_device_nobody_paired_is_told_how_to() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let bluez = Bluez::start(&bus).await.named().await;
    let mut listener = connection(&sysroot);
    let Status::Missing { why, help } = listener.status_that(|_| true).await else { panic!("must be missing") };
    assert_eq!(
        (why, help),
        (format!("BlueZ knows no device {ADDRESS}"), format!("pair it: `bluetoothctl pair {ADDRESS}`"))
    );
    bluez.add(DEVICE, NEAR).await;
    assert_eq!(listener.event().await["connected"], true);
}

#[tokio::test]
async fn every_value_is_told_by_itself_in_its_order() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let bluez = Bluez::with_device(&bus, NEAR).await.named().await;
    let mut listener = heart(&sysroot, "Serial");
    listener.status_that(is_available).await;
    subscribed(&bluez, 1).await;
    for beat in [72, 72, 73] {
        bluez.beat(&[0, beat]).await;
    }
    let expected = fields([
        ("device", ADDRESS.into()),
        ("service", HEART_SERVICE.into()),
        ("characteristic", HEART_RATE.into()),
        ("value", "0048".into()),
    ]);
    assert_eq!(listener.event().await, expected);
    assert_eq!(listener.event().await["value"], "0048", "the same value again is another event");
    assert_eq!(listener.event().await["value"], "0049");
}

#[tokio::test]
async fn values_are_gathered_in_the_modes_that_do() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let bluez = Bluez::with_device(&bus, NEAR).await.named().await;
    let mut batch = heart(&sysroot, "Batch");
    subscribed(&bluez, 1).await;
    let mut latest = heart(&sysroot, "KeepLatest");
    subscribed(&bluez, 2).await;
    for beat in [1, 2, 3] {
        bluez.beat(&[beat]).await;
    }
    let batched = batch.event().await;
    let mut told: Vec<_> = batched["values"].as_array().unwrap().clone();
    while told.len() < 3 {
        // Only a machine that takes a second for three signals does not gather them all.
        told.extend(batch.event().await["values"].as_array().unwrap().clone());
    }
    assert_eq!(told, ["01", "02", "03"]);
    while latest.event().await["value"] != "03" {}
}

#[tokio::test]
async fn a_batch_has_a_bound_and_loses_nothing_for_it() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let bluez = Bluez::with_device(&bus, NEAR).await.named().await;
    let mut batch = heart(&sysroot, "Batch");
    subscribed(&bluez, 1).await;
    for n in 0..20 {
        bluez.beat(&[n; 512]).await;
    }
    let mut told = 0;
    while told < 20 {
        let values = batch.event().await["values"].as_array().unwrap().clone();
        assert!(values.len() <= 4, "4096 digits are four values of 512 bytes");
        told += values.len();
    }
}

#[tokio::test]
async fn a_device_that_goes_and_comes_back_is_connected_and_subscribed_again() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let bluez = Bluez::with_device(&bus, FAR).await.named().await;
    let mut listener = heart(&sysroot, "Serial");
    let Status::Degraded { why, .. } = listener.status_that(is_degraded).await else { panic!("must be degraded") };
    assert_eq!(why, format!("the device {ADDRESS} is not connected"));
    let attempts = || async { bluez.ask(DEVICE, |device: &mut Device| device.attempts).await };
    until("asked to connect", || async { attempts().await == 1 }).await;
    bluez.ask(DEVICE, |device: &mut Device| device.near = true).await;
    // Once only: another minute would pass for a call that is on its way, too.
    pass(Duration::from_secs(60)).await;
    until("asked again a minute later", || async { attempts().await > 1 }).await;
    listener.status_that(is_available).await;
    subscribed(&bluez, 1).await;
    bluez.beat(&[1]).await;
    assert_eq!(listener.event().await["value"], "01");
    bluez.connect(false).await;
    listener.status_that(is_available).await;
    subscribed(&bluez, 2).await;
    bluez.beat(&[2]).await;
    assert_eq!(listener.event().await["value"], "02");
}

#[tokio::test]
async fn a_device_that_refuses_is_asked_again_when_it_changes() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let bluez = Bluez::with_device(&bus, NEAR).await.named().await;
    bluez.ask(HEART, |heart: &mut Characteristic| heart.refuses = true).await;
    let mut listener = heart(&sysroot, "Serial");
    let Status::Degraded { why, .. } = listener.status_that(is_degraded).await else { panic!("must be degraded") };
    assert!(why.contains("does not notify") && why.contains("Not connected"), "{why}");
    bluez.ask(HEART, |heart: &mut Characteristic| heart.refuses = false).await;
    bluez.connect(true).await;
    listener.status_that(is_available).await;
    subscribed(&bluez, 2).await;
    bluez.beat(&[1]).await;
    assert_eq!(listener.event().await["value"], "01");
}

#[tokio::test]
async fn what_has_no_such_characteristic_is_told_so() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let _bluez = Bluez::with_device(&bus, NEAR).await.named().await;
    let properties = [("device", ADDRESS), ("service", "180d"), ("characteristic", "2a38")];
    let mut listener = Listener::of(&sysroot, "GattCharacteristicNotificationTrigger", &properties);
    let Status::Missing { why, .. } = listener.status_that(is_missing).await else { panic!("must be missing") };
    assert!(why.contains("has no characteristic 00002a38-"), "{why}");
}

/// A device in range is told once; it goes when it was silent for its time.
#[tokio::test]
async fn an_advertiser_comes_into_range_once_and_goes_out_of_it() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let bluez = Bluez::with_device(&bus, FAR).await.named().await;
    let strength = [("in_range", "-60"), ("out_of_range", "-80"), ("out_of_range_timeout", "60")];
    let mut listener = watcher(&sysroot, &[&[("manufacturer", "0x004c")][..], &strength].concat());
    listener.status_that(is_available).await;
    let asked = searching(&bluez, 2).await;
    assert_eq!(asked, ["DuplicateData=true Transport=\"le\"", "start"]);
    let say = async |rssi: i16| {
        let news = [("RSSI", Variant::from(rssi)), ("Name", "Tag".into()), ("ManufacturerData", makers())];
        bluez.say(DEVICE, "org.bluez.Device1", &news).await;
    };
    for rssi in [-70, -61, -60, -50, -75] {
        say(rssi).await;
    }
    let expected = |state: &str, rssi: i32| {
        json!({
            "state": state, "address": ADDRESS, "name": "Tag", "rssi": rssi,
            "manufacturer_data": {"0x004c": "0215"}, "services": [],
        })
    };
    assert_eq!(json!(listener.event().await), expected("InRange", -60));
    // Another device's event says that all of the above was heard.
    let other = "/org/bluez/hci0/dev_00_00_00_00_00_01";
    let news = [("RSSI", Variant::from(-50_i16)), ("ManufacturerData", makers())];
    bluez.say(other, "org.bluez.Device1", &news).await;
    assert_eq!(listener.event().await["address"], "00:00:00:00:00:01");
    pass(Duration::from_secs(40)).await;
    say(-81).await;
    assert!(listener.is_silent(Duration::from_millis(200)).await);
    pass(Duration::from_secs(20)).await;
    let gone = [listener.event().await, listener.event().await].map(|event| json!(event));
    assert!(gone.contains(&json!(expected("OutOfRange", -127))), "{gone:?}");
}

#[tokio::test]
async fn a_service_is_asked_of_the_radio_and_other_devices_are_passed_over() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let bluez = Bluez::start(&bus).await.named().await;
    let mut listener = watcher(&sysroot, &[("service", "180d")]);
    let asked = searching(&bluez, 2).await;
    assert!(asked[0].contains(&format!("UUIDs=[\"{HEART_SERVICE}\"]")), "{asked:?}");
    let uuids = |uuid: &str| Variant::from(vec![uuid.to_owned()]);
    for (last, uuid) in [("01", HEART_RATE), ("02", HEART_SERVICE)] {
        let path = format!("/org/bluez/hci0/dev_00_00_00_00_00_{last}");
        bluez.say(&path, "org.bluez.Device1", &[("RSSI", Variant::from(-90_i16)), ("UUIDs", uuids(uuid))]).await;
    }
    let event = listener.event().await;
    assert_eq!((&event["address"], &event["services"]), (&json!("00:00:00:00:00:02"), &json!([HEART_SERVICE])));
}

/// What cannot be heard has not gone: its time begins again when the radio searches again.
#[tokio::test]
async fn a_bluez_that_restarts_or_is_switched_off_sends_nobody_out_of_range() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let bluez = Bluez::start(&bus).await.named().await;
    let mut listener = watcher(&sysroot, &[("name", "Tag"), ("out_of_range_timeout", "60")]);
    searching(&bluez, 2).await;
    let news = || [("RSSI", Variant::from(-50_i16)), ("Name", "Tag".into())];
    bluez.say(DEVICE, "org.bluez.Device1", &news()).await;
    assert_eq!(listener.event().await["state"], "InRange");
    bluez.ask(HCI, |adapter: &mut Adapter| adapter.powered = false).await;
    bluez.say(HCI, "org.bluez.Adapter1", &[("Powered", false.into())]).await;
    listener.status_that(is_missing).await;
    pass(Duration::from_secs(60)).await;
    bluez.connection.close().await.unwrap();
    let bluez = Bluez::start(&bus).await.named().await;
    listener.status_that(is_available).await;
    searching(&bluez, 2).await;
    bluez.say(DEVICE, "org.bluez.Device1", &news()).await;
    assert!(listener.is_silent(Duration::from_millis(200)).await, "it was in range all the time");
    pass(Duration::from_secs(60)).await;
    assert_eq!(listener.event().await["state"], "OutOfRange");
}

#[tokio::test]
async fn nonsense_is_named_and_another_owner_is_heard() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let mad = Bluez::start(&bus).await;
    mad.add(DEVICE, Nonsense).await;
    let mad = mad.named().await;
    let mut listeners = [connection(&sysroot), heart(&sysroot, "Serial")];
    for listener in &mut listeners {
        let Status::Missing { why, .. } = listener.status_that(is_missing).await else { panic!("must be missing") };
        assert!(why.contains("its property Address has the type 'u'"), "{why}");
    }
    mad.connection.close().await.unwrap();
    let _bluez = Bluez::with_device(&bus, NEAR).await.named().await;
    for listener in &mut listeners {
        listener.status_that(is_available).await;
    }
}

#[tokio::test]
async fn a_service_that_hangs_is_given_up_on_and_another_owner_found() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let hung = Bluez::with_device(&bus, NEAR).await.named().await;
    hung.ask(DEVICE, |device: &mut Device| device.hangs = true).await;
    let mut listeners = [connection(&sysroot), heart(&sysroot, "Batch"), watcher(&sysroot, &[("name", "T")])];
    for listener in &mut listeners {
        let Status::Missing { why, .. } = listener.status_that(is_missing).await else { panic!("must be missing") };
        assert!(why.contains("GetManagedObjects took more than 3 s"), "{why}");
    }
    hung.connection.release_name("org.bluez").await.unwrap();
    let _bluez = Bluez::with_device(&bus, NEAR).await.named().await;
    for listener in &mut listeners {
        listener.status_that(is_available).await;
    }
}

/// Nobody but the owner of the name is believed, even if the signal is sent to the listener alone.
#[tokio::test]
async fn a_value_that_somebody_else_sends_is_not_heard() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let bluez = Bluez::with_device(&bus, NEAR).await.named().await;
    let mut listener = heart(&sysroot, "Serial");
    subscribed(&bluez, 1).await;
    let forger = bus.connect().await;
    let body = ("org.bluez.GattCharacteristic1", HashMap::from([("Value", Variant::from(vec![6_u8]))]), [""; 0]);
    let properties = "org.freedesktop.DBus.Properties";
    let asked = zbus::fdo::DBusProxy::new(&forger).await.unwrap().list_names().await.unwrap();
    for name in asked.iter().filter(|name| name.starts_with(':')) {
        let sent = forger.emit_signal(Some(name.as_str()), HEART, properties, "PropertiesChanged", &body).await;
        sent.unwrap();
    }
    bluez.beat(&[7]).await;
    assert_eq!(listener.event().await["value"], "07");
}

#[tokio::test]
async fn of_ten_thousand_values_what_is_not_told_is_counted() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let bluez = Bluez::with_device(&bus, NEAR).await.named().await;
    let mut listener = heart(&sysroot, "Serial");
    subscribed(&bluez, 1).await;
    for n in 0..10_000_u32 {
        bluez.beat(&n.to_be_bytes()).await;
    }
    let mut told = 0;
    while told + listener.lost_so_far() < 10_000 {
        listener.event_or_loss().await;
        told += listener.take_all().len() as u64;
    }
    assert_eq!(told + listener.lost_so_far(), 10_000);
    bluez.beat(&[7]).await;
    assert_eq!(listener.event().await["value"], "07");
}
