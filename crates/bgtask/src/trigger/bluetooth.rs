//! Bluetooth, through BlueZ.

use uuid::Uuid;

use super::event::{event_trigger, property};
use crate::PropertyValue;
use crate::events::{EventDetails, TriggerEvent};
use crate::windows_enum::windows_enum;

event_trigger! {
    /// A trigger that fires when a Bluetooth device that advertises itself comes into range, and when it is out of range again. Its task
    /// gets [`BluetoothLEAdvertisement`]s, and is declared in the manifest with the type `bluetooth`, or `general`.
    ///
    /// As on Windows it has exactly one filter, which its constructor is given. Between coming and going nothing is told, as on Windows
    /// without sampling. The radio searches while such a task is registered, and stops when the last one is unregistered.
    ///
    /// ```
    /// use bgtask::{BluetoothLEAdvertisementWatcherTrigger, Uuid};
    /// const HEART_RATE: Uuid = Uuid::from_u128(0x0000180d_0000_1000_8000_00805f9b34fb);
    /// let strap = BluetoothLEAdvertisementWatcherTrigger::of_service(HEART_RATE).in_range(-70).out_of_range(-90);
    /// assert!(strap.properties().any(|property| property == ("in_range", "-70")));
    /// ```
    BluetoothLEAdvertisementWatcherTrigger
}

impl BluetoothLEAdvertisementWatcherTrigger {
    /// A trigger for devices that offer a service.
    pub fn of_service(service: Uuid) -> Self {
        Self::of([("service", service.to_string())])
    }

    /// A trigger for devices of a manufacturer, by the number that the Bluetooth SIG gave it.
    pub fn of_manufacturer(company_id: u16) -> Self {
        Self::of([("manufacturer", company_id.to_string())])
    }

    /// A trigger for devices whose name begins like this.
    pub fn of_name(name: impl Into<String>) -> Self {
        Self::of([("name", name.into())])
    }

    property! {
        /// The signal from which on a device is in range, −127 to 20 dBm; by default every signal will do.
        in_range: i16;
        /// The signal below which it is out of range again, −127 to 20 dBm and not above [`in_range`](Self::in_range); by default only
        /// silence takes it out of range.
        out_of_range: i16;
        /// For how many seconds it has to be silent or too weak to be out of range, 1 to 60; by default 60.
        out_of_range_timeout: u8;
    }
}

/// Whether a device that advertises itself can be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AdvertiserState {
    /// It came into range.
    InRange,
    /// It is out of range.
    OutOfRange,
}

/// A device that advertises itself came into range, or went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BluetoothLEAdvertisement {
    /// Which of both.
    pub state: AdvertiserState,
    /// The device's address.
    pub address: String,
    /// Its name; empty where it gives none.
    pub name: String,
    /// How strong its signal is, in dBm, where that is known; −127 is that of a device that is silent.
    pub rssi: Option<i16>,
    /// What it says in the form of a manufacturer, by the number of that.
    pub manufacturer_data: Vec<(u16, Vec<u8>)>,
    /// The services it offers.
    pub services: Vec<Uuid>,
}

impl EventDetails for BluetoothLEAdvertisement {
    fn read(event: &TriggerEvent) -> Option<Self> {
        let uuid = |value: PropertyValue| Uuid::try_parse(&String::try_from(value).ok()?).ok();
        let state = match event.text("state").as_str() {
            "InRange" => AdvertiserState::InRange,
            "OutOfRange" => AdvertiserState::OutOfRange,
            _ => return None,
        };
        Some(Self {
            state,
            address: event.word("address")?,
            name: event.text("name"),
            rssi: event.number("rssi"),
            manufacturer_data: event.bytes_by_number("manufacturer_data"),
            services: event.list("services").into_iter().filter_map(uuid).collect(),
        })
    }
}

event_trigger! {
    /// A trigger that fires when a Bluetooth device notifies of a value, of a GATT characteristic that notifies or indicates. Its task
    /// gets [`GattCharacteristicNotification`]s, and is declared in the manifest with the type `bluetooth`, or `general`.
    ///
    /// ```
    /// use bgtask::{BluetoothEventTriggeringMode, GattCharacteristicNotificationTrigger, Uuid};
    /// const HEART_RATE: Uuid = Uuid::from_u128(0x0000180d_0000_1000_8000_00805f9b34fb);
    /// const MEASUREMENT: Uuid = Uuid::from_u128(0x00002a37_0000_1000_8000_00805f9b34fb);
    /// let beats = GattCharacteristicNotificationTrigger::new("4C:87:5D:01:02:03", HEART_RATE, MEASUREMENT)
    ///     .mode(BluetoothEventTriggeringMode::KeepLatest);
    /// assert!(beats.properties().any(|property| property == ("mode", "KeepLatest")));
    /// ```
    GattCharacteristicNotificationTrigger
}

impl GattCharacteristicNotificationTrigger {
    /// A trigger for this characteristic of this service of a device, which is named by its address. It need not be there.
    pub fn new(device: impl Into<String>, service: Uuid, characteristic: Uuid) -> Self {
        let ids = [("service", service.to_string()), ("characteristic", characteristic.to_string())];
        Self::of(ids.into_iter().chain([("device", device.into())]))
    }

    property! {
        /// What becomes of values that come fast; by default [`Serial`](BluetoothEventTriggeringMode::Serial).
        mode: BluetoothEventTriggeringMode;
    }
}

windows_enum! {
    /// What becomes of values that come fast.
    BluetoothEventTriggeringMode {
        /// Each is told.
        Serial = 0,
        /// Those of a second are told together.
        Batch = 1,
        /// Of those of a second only the last is told.
        KeepLatest = 2,
    }
}

/// A device notified of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GattCharacteristicNotification {
    /// The device's address.
    pub device: String,
    /// The service.
    pub service: String,
    /// The characteristic.
    pub characteristic: String,
    /// The value; the last of a batch.
    pub value: Vec<u8>,
    /// All values of a [batch](BluetoothEventTriggeringMode::Batch), in order; of the other modes the one.
    pub values: Vec<Vec<u8>>,
}

impl EventDetails for GattCharacteristicNotification {
    fn read(event: &TriggerEvent) -> Option<Self> {
        event.word("value")?;
        let value = event.bytes("value");
        let batch = event.bytes_in_list("values");
        Some(Self {
            values: if batch.is_empty() { vec![value.clone()] } else { batch },
            device: event.text("device"),
            service: event.text("service"),
            characteristic: event.text("characteristic"),
            value,
        })
    }
}
