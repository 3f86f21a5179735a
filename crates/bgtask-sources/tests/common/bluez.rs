//! A BlueZ of our own: objects below an object manager, and signals sent by hand.

use std::collections::HashMap;

use zbus::fdo::ObjectManager;
use zbus::object_server::Interface;
use zbus::wire::{ObjectPath, OwnedVariant, Variant};
use zbus::{Connection, fdo, interface};

use super::TestBus;

pub(crate) const ADDRESS: &str = "A4:C1:38:00:11:22";
pub(crate) const HCI: &str = "/org/bluez/hci0";
pub(crate) const DEVICE: &str = "/org/bluez/hci0/dev_A4_C1_38_00_11_22";
pub(crate) const SERVICE: &str = "/org/bluez/hci0/dev_A4_C1_38_00_11_22/service0010";
pub(crate) const HEART: &str = "/org/bluez/hci0/dev_A4_C1_38_00_11_22/service0010/char0011";

pub(crate) const HEART_SERVICE: &str = "0000180d-0000-1000-8000-00805f9b34fb";
pub(crate) const HEART_RATE: &str = "00002a37-0000-1000-8000-00805f9b34fb";

/// What was asked of it, in order.
#[derive(Default)]
pub(crate) struct Adapter {
    pub(crate) powered: bool,
    pub(crate) asked: Vec<String>,
}

#[interface(name = "org.bluez.Adapter1")]
impl Adapter {
    #[allow(clippy::needless_pass_by_value, reason = "the bus gives it")]
    fn set_discovery_filter(&mut self, filter: HashMap<String, OwnedVariant>) {
        let mut words: Vec<_> = filter.iter().map(|(name, value)| format!("{name}={}", **value)).collect();
        words.sort();
        self.asked.push(words.join(" "));
    }
    fn start_discovery(&mut self) -> fdo::Result<()> {
        // As dbusmock's and some versions of BlueZ do.
        if self.asked.is_empty() {
            return Err(fdo::Error::Failed("no filter was set".into()));
        }
        self.asked.push("start".into());
        Ok(())
    }
    #[zbus(property)]
    fn powered(&self) -> bool {
        self.powered
    }
}

#[derive(Default)]
pub(crate) struct Device {
    pub(crate) connected: bool,
    /// Whether it can be connected when asked.
    pub(crate) near: bool,
    pub(crate) attempts: u32,
    pub(crate) hangs: bool,
}

#[interface(name = "org.bluez.Device1")]
impl Device {
    async fn connect(
        &mut self,
        #[zbus(signal_emitter)] emitter: zbus::object_server::SignalEmitter<'_>,
    ) -> fdo::Result<()> {
        self.attempts += 1;
        if !self.near {
            return Err(fdo::Error::Failed("le-connection-abort-by-local".into()));
        }
        self.connected = true;
        Ok(self.connected_changed(&emitter).await?)
    }
    #[zbus(property)]
    async fn address(&self) -> &str {
        if self.hangs {
            return std::future::pending().await;
        }
        ADDRESS
    }
    #[zbus(property)]
    fn connected(&self) -> bool {
        self.connected
    }
    #[zbus(property)]
    fn services_resolved(&self) -> bool {
        self.connected
    }
}

/// A device that lost its mind.
pub(crate) struct Nonsense;

#[interface(name = "org.bluez.Device1")]
impl Nonsense {
    #[zbus(property)]
    fn address(&self) -> u32 {
        7
    }
}

struct GattService;

#[interface(name = "org.bluez.GattService1")]
impl GattService {
    #[zbus(property, name = "UUID")]
    fn uuid(&self) -> &str {
        HEART_SERVICE
    }
    #[zbus(property)]
    fn device(&self) -> ObjectPath<'static> {
        ObjectPath::try_from(DEVICE).unwrap()
    }
}

#[derive(Default)]
pub(crate) struct Characteristic {
    pub(crate) notifying: bool,
    pub(crate) subscribed: u32,
    pub(crate) refuses: bool,
}

#[interface(name = "org.bluez.GattCharacteristic1")]
impl Characteristic {
    async fn start_notify(
        &mut self,
        #[zbus(signal_emitter)] emitter: zbus::object_server::SignalEmitter<'_>,
    ) -> fdo::Result<()> {
        self.subscribed += 1;
        if self.refuses {
            return Err(fdo::Error::Failed("Not connected".into()));
        }
        self.notifying = true;
        Ok(self.notifying_changed(&emitter).await?)
    }
    #[zbus(property, name = "UUID")]
    fn uuid(&self) -> &str {
        HEART_RATE
    }
    #[zbus(property)]
    fn service(&self) -> ObjectPath<'static> {
        ObjectPath::try_from(SERVICE).unwrap()
    }
    #[zbus(property)]
    fn flags(&self) -> Vec<&str> {
        vec!["read", "notify"]
    }
    #[zbus(property)]
    fn notifying(&self) -> bool {
        self.notifying
    }
}

/// The daemon.
pub(crate) struct Bluez {
    pub(crate) connection: Connection,
}

impl Bluez {
    /// One with an adapter that is switched on.
    pub(crate) async fn start(bus: &TestBus) -> Self {
        let bluez = Self { connection: bus.connect().await };
        bluez.add("/", ObjectManager).await;
        bluez.add(HCI, Adapter { powered: true, asked: Vec::new() }).await;
        bluez
    }

    /// With a device that has a heart rate.
    pub(crate) async fn with_device(bus: &TestBus, device: Device) -> Self {
        let bluez = Self::start(bus).await;
        bluez.add(DEVICE, device).await;
        bluez.add(SERVICE, GattService).await;
        bluez.add(HEART, Characteristic::default()).await;
        bluez
    }

    /// Becomes known by its name.
    pub(crate) async fn named(self) -> Self {
        self.connection.request_name("org.bluez").await.unwrap();
        self
    }

    pub(crate) async fn add(&self, path: &str, object: impl Interface) {
        self.connection.object_server().at(path, object).await.unwrap();
    }

    pub(crate) async fn ask<I: Interface, T>(&self, path: &str, ask: impl FnOnce(&mut I) -> T) -> T {
        let object = self.connection.object_server().interface::<_, I>(path).await.unwrap();
        let mut object = object.get_mut().await;
        ask(&mut *object)
    }

    /// Says that these properties of a device changed.
    pub(crate) async fn say(&self, path: &str, interface: &str, properties: &[(&str, Variant<'_>)]) {
        let changed: HashMap<_, _> = properties.iter().map(|(name, value)| (*name, value)).collect();
        let none: [&str; 0] = [];
        let body = (interface, changed, &none[..]);
        let properties = "org.freedesktop.DBus.Properties";
        self.connection.emit_signal(None::<&str>, path, properties, "PropertiesChanged", &body).await.unwrap();
    }

    /// The device comes or goes.
    pub(crate) async fn connect(&self, connected: bool) {
        self.ask(DEVICE, |device: &mut Device| device.connected = connected).await;
        self.ask(HEART, |heart: &mut Characteristic| heart.notifying = false).await;
        self.say(DEVICE, "org.bluez.Device1", &[("Connected", connected.into())]).await;
    }

    pub(crate) async fn beat(&self, value: &[u8]) {
        let value = Variant::from(value.to_vec());
        self.say(HEART, "org.bluez.GattCharacteristic1", &[("Value", value)]).await;
    }
}
