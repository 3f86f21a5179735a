//! Bluetooth: what somebody else believes of BlueZ, which is python-dbusmock's template.

mod common;

use std::collections::HashMap;

use common::bluez::ADDRESS;
use common::dbusmock::DbusMock;
use common::listener::{Listener, until};
use common::{Sysroot, TestBus, is_available, is_degraded};
use zbus::wire::{DynamicType, OwnedVariant, Variant};

struct Mock(DbusMock);

impl Mock {
    async fn ask<B: serde::Serialize + DynamicType>(&self, method: &str, body: &B) {
        self.call("/", "org.bluez.Mock", method, body).await;
    }

    /// Changes a property, and says so.
    async fn update(&self, path: &str, interface: &str, (name, value): (&str, Variant<'_>)) {
        let body = (interface, HashMap::from([(name, value)]));
        self.call(path, "org.freedesktop.DBus.Mock", "UpdateProperties", &body).await;
    }

    /// Whether anybody asked the object to notify.
    async fn notifies(&self, path: &str) -> bool {
        let mock = "org.freedesktop.DBus.Mock";
        let calls =
            self.0.user.call_method(Some("org.bluez"), path, Some(mock), "GetMethodCalls", &"StartNotify").await;
        !calls.unwrap().body().deserialize::<Vec<(u64, Vec<OwnedVariant>)>>().unwrap().is_empty()
    }

    async fn call<B: serde::Serialize + DynamicType>(&self, path: &str, interface: &str, method: &str, body: &B) {
        self.0.user.call_method(Some("org.bluez"), path, Some(interface), method, body).await.unwrap();
    }
}

#[tokio::test]
async fn a_foreign_bluez_is_understood() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let Some(mock) = DbusMock::start(&sysroot, &bus, "bluez5", "org.bluez").await.map(Mock) else { return };
    mock.ask("AddAdapter", &("hci0", "my-pc")).await;
    let device = [("device_id", ADDRESS)];
    let mut connection = Listener::of(&sysroot, "DeviceConnectionChangeTrigger", &device);
    let mut nearby = Listener::of(&sysroot, "BluetoothLEAdvertisementWatcherTrigger", &[("name", "Pho")]);
    nearby.status_that(is_available).await;
    let gatt = [("device", ADDRESS), ("service", "180d"), ("characteristic", "2a37")];
    let mut heart = Listener::of(&sysroot, "GattCharacteristicNotificationTrigger", &gatt);

    mock.ask("AddDevice", &("hci0", ADDRESS, "Phone")).await;
    connection.status_that(is_available).await;
    let seen = nearby.event().await;
    assert_eq!(
        (&seen["state"], &seen["address"], &seen["name"]),
        (&"InRange".into(), &ADDRESS.into(), &"Phone".into())
    );

    mock.ask("ConnectDevice", &("hci0", ADDRESS)).await;
    assert_eq!(connection.event().await["connected"], true);
    heart.status_that(is_degraded).await;
    let path = "/org/bluez/hci0/dev_A4_C1_38_00_11_22";
    add_heart(&mock, path).await;
    mock.update(path, "org.bluez.Device1", ("ServicesResolved", true.into())).await;
    heart.status_that(is_available).await;
    until("notified", || async { mock.notifies(&format!("{path}/s/c")).await }).await;
    let beat = ("Value", Variant::from(vec![0_u8, 72]));
    mock.update(&format!("{path}/s/c"), "org.bluez.GattCharacteristic1", beat).await;
    assert_eq!(heart.event().await["value"], "0048");

    mock.ask("DisconnectDevice", &("hci0", ADDRESS)).await;
    assert_eq!(connection.event().await["connected"], false);
}

/// The template knows no services: they are made of its general means.
async fn add_heart(mock: &Mock, device: &str) {
    type Method = (&'static str, &'static str, &'static str, &'static str);
    let object = |path: &str| Variant::from(zbus::wire::ObjectPath::try_from(path.to_owned()).unwrap());
    let add = async |path: &str, interface: &str, properties: Vec<(&str, Variant<'_>)>, methods: &[Method]| {
        let properties = HashMap::<_, _>::from_iter(properties);
        mock.call("/", "org.freedesktop.DBus.Mock", "AddObject", &(path, interface, properties, methods)).await;
    };
    let service = format!("{device}/s");
    let uuid = "0000180d-0000-1000-8000-00805f9b34fb".into();
    add(&service, "org.bluez.GattService1", vec![("UUID", uuid), ("Device", object(device))], &[]).await;
    let characteristic = vec![
        ("UUID", "00002a37-0000-1000-8000-00805f9b34fb".into()),
        ("Service", object(&service)),
        ("Flags", Variant::from(vec!["notify"])),
        ("Notifying", false.into()),
        ("Value", Variant::from(vec![0_u8])),
    ];
    add(&format!("{service}/c"), "org.bluez.GattCharacteristic1", characteristic, &[("StartNotify", "", "", "")]).await;
}
