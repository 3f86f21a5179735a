//! Events: what happens, and carries something, as against levels that hold.
//!
//! A level can be read again; an event cannot. So here what arrives *is* the news: every one is passed on, in its order, and
//! where some were lost that is said. Whoever floods is held to a bound, and what exceeds it is counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::bluetooth::advertisement::{self, AdvertisementSpec};
use crate::bluetooth::connection::{self, BluetoothConnectionSpec};
use crate::bluetooth::gatt::{self, GattSpec};
use crate::location::geofence::{self, GeofenceSpec};
use crate::location::visit::{self, VisitSpec};
use crate::outbox::{Happening, MAX_HELD, Outbox, Told};
use crate::report::Status;
use crate::sensor::{self, SensorSpec};
use crate::store::{self, Keeping, StoreSpec};
use crate::world::World;

/// Events that are held until they are told. More are counted in [`EventReport::Burst`].
pub const MAX_EVENTS: usize = MAX_HELD;

/// The longest text, and the most bytes, that one field of an event carries; what is longer is cut off.
pub const MAX_FIELD_BYTES: usize = 4096;

/// What is listened to.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Subject {
    /// A calendar that changes.
    Appointments(StoreSpec),
    /// An address book that changes.
    Contacts(StoreSpec),
    /// A Bluetooth device that comes near or goes away.
    Advertisement(AdvertisementSpec),
    /// A value of a Bluetooth device.
    Gatt(GattSpec),
    /// A Bluetooth device that is connected or not any more.
    BluetoothConnection(BluetoothConnectionSpec),
    /// A fence on the map that is crossed.
    Geofence(GeofenceSpec),
    /// A stay somewhere that begins or ends.
    Visit(VisitSpec),
    /// A reading of a sensor that crosses a threshold.
    Sensor(SensorSpec),
}

impl Subject {
    /// Reads the subject of a trigger class from the properties that somebody wrote.
    ///
    /// # Errors
    ///
    /// One sentence: what is wrong, and what to write.
    pub fn read(class: &str, properties: &BTreeMap<String, String>) -> Result<Self, String> {
        match class {
            "AppointmentStoreNotificationTrigger" => StoreSpec::read(properties).map(Self::Appointments),
            "ContactStoreNotificationTrigger" => StoreSpec::read(properties).map(Self::Contacts),
            "BluetoothLEAdvertisementWatcherTrigger" => AdvertisementSpec::read(properties).map(Self::Advertisement),
            "DeviceConnectionChangeTrigger" => BluetoothConnectionSpec::read(properties).map(Self::BluetoothConnection),
            "GattCharacteristicNotificationTrigger" => GattSpec::read(properties).map(Self::Gatt),
            "LocationTrigger" => GeofenceSpec::read(properties).map(Self::Geofence),
            "GeovisitTrigger" => VisitSpec::read(properties).map(Self::Visit),
            "SensorDataThresholdTrigger" => SensorSpec::read(properties).map(Self::Sensor),
            _ => Err(format!("nothing is known of events of `{class}`")),
        }
    }
}

/// One thing that happened.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// When it was heard of, in microseconds since 1970.
    pub at_micros: i64,
    /// What is known of it, by the names that the table of triggers lists.
    pub fields: Map<String, Value>,
}

impl Happening for Event {
    fn repeats(&self, _before: &Self) -> bool {
        false
    }
}

/// What a listener says.
#[derive(Clone, PartialEq, Debug)]
pub enum EventReport {
    /// How well it can hear: the first report, and again whenever that changes. What happens after the first is told.
    Status(Status),
    /// What happened since the last burst, in its order.
    Burst {
        /// The events.
        events: Vec<Event>,
        /// Events that happened and are not listed.
        lost: u64,
    },
}

impl From<Told<Event>> for EventReport {
    fn from(told: Told<Event>) -> Self {
        match told {
            Told::Status(status) => Self::Status(status),
            Told::Burst(events, lost) => Self::Burst { events, lost },
        }
    }
}

/// A running listener. It reports until it is dropped, which also closes everything it holds open.
#[derive(Debug)]
#[must_use = "dropping a listener stops it"]
pub struct Listening {
    source: JoinHandle<()>,
    delivery: JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.source.abort();
        self.delivery.abort();
    }
}

/// Starts listening to `subject` in `world`. Each report comes with `key`, whose meaning is the caller's.
///
/// # Panics
///
/// Outside a tokio runtime with I/O and time enabled, as [`tokio::spawn`] does.
pub fn listen(key: u128, subject: Subject, world: &World, reports: mpsc::Sender<(u128, EventReport)>) -> Listening {
    let outbox = Arc::new(Outbox::default());
    let teller = EventTeller { outbox: outbox.clone() };
    let world = world.clone();
    let source = tokio::spawn(async move {
        match subject {
            Subject::Appointments(spec) => match store::run(Keeping::Appointments, spec, &world, teller).await {},
            Subject::Contacts(spec) => match store::run(Keeping::Contacts, spec, &world, teller).await {},
            Subject::Advertisement(spec) => match advertisement::run(spec, &world, teller).await {},
            Subject::Gatt(spec) => match gatt::run(spec, &world, teller).await {},
            Subject::BluetoothConnection(spec) => match connection::run(spec, &world, teller).await {},
            Subject::Geofence(spec) => match geofence::run(spec, &world, teller).await {},
            Subject::Visit(spec) => match visit::run(spec, &world, teller).await {},
            Subject::Sensor(spec) => match sensor::run(spec, &world, teller).await {},
        }
    });
    let delivery = tokio::spawn(async move { outbox.deliver(key, Duration::ZERO, reports).await });
    Listening { source, delivery }
}

/// Where a listener puts what it hears. It never waits.
#[derive(Clone, Debug)]
pub(crate) struct EventTeller {
    outbox: Arc<Outbox<Event>>,
}

impl EventTeller {
    pub(crate) fn status(&self, status: Status) {
        self.outbox.set_status(status);
    }

    /// Something happened just now.
    pub(crate) fn event(&self, fields: impl IntoIterator<Item = (&'static str, Value)>) {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), cut(value))).collect();
        self.outbox.put([Event { at_micros: now_micros(), fields }], 0);
    }

    /// So many events happened that nobody can tell.
    pub(crate) fn lost(&self, count: u64) {
        self.outbox.put([], count);
    }
}

fn cut(value: Value) -> Value {
    match value {
        Value::String(mut text) if text.len() > MAX_FIELD_BYTES => {
            text.truncate(text.floor_char_boundary(MAX_FIELD_BYTES));
            Value::String(text)
        }
        other => other,
    }
}

fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
