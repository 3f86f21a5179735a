//! Events: what happens, and carries something, as against levels that hold.
//!
//! A level can be read again; an event cannot. So here what arrives *is* the news: every one is passed on, in its order, and
//! where some were lost that is said. Whoever floods is held to a bound, and what exceeds it is counted.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::bluetooth::advertisement::{self, AdvertisementSpec};
use crate::bluetooth::connection::{self, BluetoothConnectionSpec};
use crate::bluetooth::gatt::{self, GattSpec};
use crate::device::{self, DeviceConnectionSpec, DeviceSpec};
use crate::folder_changes::{self, FolderChangesSpec};
use crate::library::{self, LibrarySpec};
use crate::location::geofence::{self, GeofenceSpec};
use crate::location::visit::{self, VisitSpec};
use crate::notifications::{self, NotificationSpec, Topic};
use crate::outbox::{Happening, MAX_HELD, Outbox, Told};
use crate::report::Status;
use crate::sensor::{self, SensorSpec};
use crate::signal::{self, SignalSpec};
use crate::smart_card::{self, SmartCardSpec};
use crate::sms::{self, SmsSpec};
use crate::store::{self, Keeping, StoreSpec};
use crate::unit::{self, UnitSpec};
use crate::world::World;

/// Events that are held until they are told. More are counted in the `lost` of an [`EventReport::Burst`].
pub const MAX_EVENTS: usize = MAX_HELD;

/// The longest text, and the most bytes, that one field of an event carries; what is longer is cut off.
pub const MAX_FIELD_BYTES: usize = 4096;

/// What is listened to.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Subject {
    /// Devices that come, change and go: `DeviceWatcherTrigger`.
    Device(DeviceSpec),
    /// Devices that are connected and disconnected: `DeviceConnectionChangeTrigger`.
    DeviceConnection(DeviceConnectionSpec),
    /// A calendar that changes: `AppointmentStoreNotificationTrigger`.
    Appointments(StoreSpec),
    /// An address book that changes: `ContactStoreNotificationTrigger`.
    Contacts(StoreSpec),
    /// A Bluetooth device that comes near or goes away: `BluetoothLEAdvertisementWatcherTrigger`.
    Advertisement(AdvertisementSpec),
    /// A value of a Bluetooth device: `GattCharacteristicNotificationTrigger`.
    Gatt(GattSpec),
    /// A Bluetooth device that is connected and disconnected: `DeviceConnectionChangeTrigger`.
    BluetoothConnection(BluetoothConnectionSpec),
    /// A fence on the map that is crossed: `LocationTrigger`.
    Geofence(GeofenceSpec),
    /// A stay somewhere that begins or ends: `GeovisitTrigger`.
    Visit(VisitSpec),
    /// A reading of a sensor that crosses a threshold: `SensorDataThresholdTrigger`.
    Sensor(SensorSpec),
    /// Any signal on a message bus: `DBusSignalTrigger`.
    Signal(SignalSpec),
    /// What happens to the files in libraries of the user: `StorageLibraryContentChangedTrigger`.
    Library(LibrarySpec),
    /// Everything that happens in a folder: `StorageLibraryChangeTrackerTrigger`.
    FolderChanges(FolderChangesSpec),
    /// A unit of systemd that reaches a state: `UnitStateTrigger`.
    Unit(UnitSpec),
    /// Smart cards that are put into readers and taken out: `SmartCardTrigger`.
    SmartCard(SmartCardSpec),
    /// A text message that a modem receives: `SmsMessageReceivedTrigger`.
    Sms(SmsSpec),
    /// What people do with the notifications of an app: `ToastNotificationActionTrigger`.
    NotificationAction(NotificationSpec),
    /// What becomes of the notifications of an app: `ToastNotificationHistoryChangedTrigger`.
    NotificationHistory(NotificationSpec),
}

impl Subject {
    /// What a trigger of this class and these properties listens to, or a sentence on what is wrong with them.
    ///
    /// ```
    /// # use std::collections::BTreeMap;
    /// use bgtask_sources::Subject;
    ///
    /// let properties = BTreeMap::from([("subsystem".to_owned(), "block".to_owned())]);
    /// assert!(Subject::read("DeviceWatcherTrigger", &properties).is_ok());
    /// ```
    ///
    /// # Errors
    ///
    /// Where the class carries no events, or a property is missing, unknown or makes no sense.
    pub fn read(class: &str, properties: &BTreeMap<String, String>) -> Result<Self, String> {
        match class {
            "DeviceWatcherTrigger" => DeviceSpec::read(properties).map(Self::Device),
            "DeviceConnectionChangeTrigger" => match BluetoothConnectionSpec::read(properties) {
                Ok(spec) => Ok(Self::BluetoothConnection(spec)),
                Err(_) => DeviceConnectionSpec::read(properties).map(Self::DeviceConnection),
            },
            "AppointmentStoreNotificationTrigger" => StoreSpec::read(properties).map(Self::Appointments),
            "ContactStoreNotificationTrigger" => StoreSpec::read(properties).map(Self::Contacts),
            "BluetoothLEAdvertisementWatcherTrigger" => AdvertisementSpec::read(properties).map(Self::Advertisement),
            "GattCharacteristicNotificationTrigger" => GattSpec::read(properties).map(Self::Gatt),
            "LocationTrigger" => GeofenceSpec::read(properties).map(Self::Geofence),
            "GeovisitTrigger" => VisitSpec::read(properties).map(Self::Visit),
            "SensorDataThresholdTrigger" => SensorSpec::read(properties).map(Self::Sensor),
            "DBusSignalTrigger" => SignalSpec::read(properties).map(Self::Signal),
            "StorageLibraryContentChangedTrigger" => LibrarySpec::read(properties).map(Self::Library),
            "StorageLibraryChangeTrackerTrigger" => FolderChangesSpec::read(properties).map(Self::FolderChanges),
            "SmsMessageReceivedTrigger" => SmsSpec::read(properties).map(Self::Sms),
            "ToastNotificationActionTrigger" => NotificationSpec::read(properties).map(Self::NotificationAction),
            "ToastNotificationHistoryChangedTrigger" => {
                NotificationSpec::read(properties).map(Self::NotificationHistory)
            }
            "UnitStateTrigger" => UnitSpec::read(properties).map(Self::Unit),
            "SmartCardTrigger" => SmartCardSpec::read(properties).map(Self::SmartCard),
            _ => Err(format!("{class} is no trigger that listens to events")),
        }
    }

    async fn run(self, world: &World, teller: EventTeller) -> Infallible {
        match self {
            Self::Device(spec) => device::run(spec, world, teller).await,
            Self::DeviceConnection(spec) => spec.run(world, teller).await,
            Self::Sensor(spec) => sensor::run(spec, world, teller).await,
            Self::Signal(spec) => signal::run(spec, world, teller).await,
            Self::Library(spec) => library::run(spec, world, teller).await,
            Self::FolderChanges(spec) => folder_changes::run(spec, world, teller).await,
            Self::Unit(spec) => unit::run(spec, world, teller).await,
            Self::Sms(spec) => sms::run(spec, world, teller).await,
            Self::NotificationAction(spec) => notifications::run(spec, Topic::Action, world, teller).await,
            Self::NotificationHistory(spec) => notifications::run(spec, Topic::History, world, teller).await,
            Self::SmartCard(spec) => smart_card::run(spec, world, teller).await,
            Self::Geofence(spec) => geofence::run(spec, world, teller).await,
            Self::Visit(spec) => visit::run(spec, world, teller).await,
            Self::Advertisement(spec) => advertisement::run(spec, world, teller).await,
            Self::Appointments(spec) => store::run(Keeping::Appointments, spec, world, teller).await,
            Self::Contacts(spec) => store::run(Keeping::Contacts, spec, world, teller).await,
            Self::Gatt(spec) => gatt::run(spec, world, teller).await,
            Self::BluetoothConnection(spec) => connection::run(spec, world, teller).await,
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
    source: JoinHandle<Infallible>,
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
    let source = tokio::spawn(async move { match subject.run(&world, teller).await {} });
    let delivery = tokio::spawn(async move { outbox.deliver(key, Duration::ZERO, reports).await });
    Listening { source, delivery }
}

/// Where a listener puts what it hears. It never waits.
#[derive(Clone, Default, Debug)]
pub(crate) struct EventTeller {
    outbox: Arc<Outbox<Event>>,
}

impl EventTeller {
    pub(crate) fn status(&self, status: Status) {
        self.outbox.set_status(status);
    }

    /// Something happened just now.
    pub(crate) fn event(&self, fields: impl IntoIterator<Item = (&'static str, Value)>) {
        let fields = fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), cut(value, &mut MAX_FIELD_BYTES.clone())))
            .collect();
        self.outbox.put([Event { at_micros: now_micros(), fields }], 0);
    }

    /// So many events happened that nobody can tell.
    pub(crate) fn lost(&self, count: u64) {
        self.outbox.put([], count);
    }
}

/// The value, as far as there is room: texts are cut off, and of lists the end is left out.
fn cut(value: Value, room: &mut usize) -> Value {
    match value {
        Value::String(mut text) => {
            text.truncate(text.floor_char_boundary(*room));
            *room -= text.len();
            Value::String(text)
        }
        Value::Array(values) => values.into_iter().map_while(|value| (*room > 0).then(|| cut(value, room))).collect(),
        Value::Object(entries) => {
            Value::Object(entries.into_iter().map_while(|entry| cut_entry(entry, room)).collect())
        }
        other => {
            *room = room.saturating_sub(size_of::<u64>());
            other
        }
    }
}

fn cut_entry((name, value): (String, Value), room: &mut usize) -> Option<(String, Value)> {
    *room = room.checked_sub(name.len())?;
    Some((name, cut(value, room)))
}

fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cut_to(mut room: usize, value: Value) -> Value {
        cut(value, &mut room)
    }

    #[test]
    fn what_has_no_room_in_a_field_is_cut_off() {
        assert_eq!(cut_to(3, json!("abcd")), "abc");
        assert_eq!(cut_to(3, json!("abß")), "ab");
        assert_eq!(cut_to(4, json!(["ab", "cd", "ef"])), json!(["ab", "cd"]));
        assert_eq!(cut_to(20, json!([1, 2, 3, 4])), json!([1, 2, 3]));
        assert_eq!(
            cut_to(8, json!({"a": "bc", "d": "ef", "g": "hi", "j": "kl"})),
            json!({"a": "bc", "d": "ef", "g": "h"})
        );
        assert_eq!(cut_to(9, json!(true)), json!(true));
    }
}
