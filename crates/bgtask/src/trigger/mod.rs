//! What fires a task.

mod bluetooth;
mod bus;
mod control_channel;
mod custom;
mod demand;
mod device;
mod event;
mod location;
mod notification;
mod push;
mod sensor;
mod smart_card;
mod sms;
mod socket;
mod storage;
mod system;
#[cfg(test)]
mod tests;
mod timer;
mod transfer;
mod user_data;
mod wire;

pub use bluetooth::{
    AdvertiserState, BluetoothEventTriggeringMode, BluetoothLEAdvertisement, BluetoothLEAdvertisementWatcherTrigger,
    GattCharacteristicNotification, GattCharacteristicNotificationTrigger,
};
pub use bus::{
    DBusSignalEvent, DBusSignalTrigger, MessageBus, UnitManager, UnitState, UnitStateEvent, UnitStateTrigger,
};

pub use control_channel::ControlChannelTrigger;
pub use custom::{CustomSystemEvent, CustomSystemEventTrigger, CustomSystemEventTriggerRecurrence};
pub use demand::{
    ApplicationTrigger, ApplicationTriggerResult, MediaProcessingTrigger, MediaProcessingTriggerResult, TriggerResponse,
};
pub use device::{
    DeviceAction, DeviceConnectionChangeTrigger, DeviceConnectionChangeTriggerDetails, DeviceTriggerResult,
    DeviceUseDetails, DeviceUseTrigger, DeviceWatcherEvent, DeviceWatcherEventKind, DeviceWatcherTrigger,
};
pub use location::{
    GeofenceState, GeofenceStateChangeReport, GeovisitStateChange, GeovisitTrigger, LocationTrigger,
    MonitoredGeofenceStates, VisitMonitoringScope, VisitStateChange,
};
pub use notification::{
    ToastHistoryChangedType, ToastNotificationActionTrigger, ToastNotificationActionTriggerDetail,
    ToastNotificationHistoryChangedTrigger, ToastNotificationHistoryChangedTriggerDetail,
};
pub use push::{PushNotificationTrigger, RawNotification};
pub use sensor::{SensorDataThresholdTrigger, SensorDataThresholdTriggerDetails};
pub use smart_card::{SmartCardTrigger, SmartCardTriggerDetails, SmartCardTriggerType};
pub use sms::{SmsMessageReceivedTrigger, SmsMessageReceivedTriggerDetails};
pub use socket::SocketActivityTrigger;
pub use storage::{
    KnownLibrary, StorageLibraryChange, StorageLibraryChangeTrackerTrigger, StorageLibraryChangeType,
    StorageLibraryContentChangedTrigger,
};
pub use system::{SystemTrigger, SystemTriggerType};
#[cfg(all(test, feature = "testing"))]
pub(crate) use tests::examples;
pub use timer::{MaintenanceTrigger, TimeTrigger};
pub use transfer::BackgroundTransferCompletionGroupTrigger;
pub use user_data::{
    AppointmentStoreNotificationTrigger, ContactStoreNotificationTrigger, StoreChange, StoreChangeKind,
};
pub(crate) use wire::WireTrigger;

macro_rules! from {
    ($($class:ident => $variant:ident;)*) => {$(
        impl From<$class> for Trigger {
            fn from(trigger: $class) -> Self {
                Self::$variant(trigger)
            }
        }

        impl From<&$class> for Trigger {
            fn from(trigger: &$class) -> Self {
                Self::$variant(trigger.clone())
            }
        }
    )*};
}

macro_rules! triggers {
    (
        { $($(#[$doc:meta])* $variant:ident($class:ident),)+ }
        listening { $($(#[$event_doc:meta])* $event:ident($event_class:ident),)+ }
    ) => {
        /// Any trigger. A registration has exactly one (LC-1).
        ///
        /// A trigger is a plain value: the same one may be registered again, also after it was unregistered (TR-2), and a registration
        /// gives it back as it was (TR-5).
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Trigger {
            $($(#[$doc])* $variant($class),)+
            $($(#[$event_doc])* $event($event_class),)+
        }

        from! { $($class => $variant;)+ $($event_class => $event;)+ }

        impl Trigger {
            /// The class of a trigger that listens, with its properties.
            pub(crate) fn listens_to(&self) -> Option<(&'static str, &event::EventProperties)> {
                match self {
                    $(Self::$event($event_class(properties)) => Some((stringify!($event_class), properties)),)+
                    _ => None,
                }
            }

            /// The trigger of that class that listens.
            fn listening(class: &str, properties: event::EventProperties) -> Option<Self> {
                match class {
                    $(stringify!($event_class) => Some(Self::$event($event_class(properties))),)+
                    _ => None,
                }
            }

            /// Every class that listens.
            #[cfg(test)]
            const LISTENING: &'static [&'static str] = &[$(stringify!($event_class),)+];
        }
    };
}

triggers! {
    {
    /// An event of the system.
    System(SystemTrigger),
    /// Time.
    Time(TimeTrigger),
    /// Time, on external power.
    Maintenance(MaintenanceTrigger),
    /// The app itself.
    Application(ApplicationTrigger),
    /// The app itself, for work on media.
    MediaProcessing(MediaProcessingTrigger),
    /// The app itself, to use a device.
    DeviceUse(DeviceUseTrigger),
    /// An event that another program raises.
    CustomSystemEvent(CustomSystemEventTrigger),
    }
    listening {
    /// A signal on a message bus. Beyond Windows.
    DBusSignal(DBusSignalTrigger),
    /// A state of a unit of systemd. Beyond Windows.
    UnitState(UnitStateTrigger),
    /// A device that comes, changes or goes.
    DeviceWatcher(DeviceWatcherTrigger),
    /// A device that is connected or disconnected.
    DeviceConnectionChange(DeviceConnectionChangeTrigger),
    /// A change in the user's libraries.
    StorageLibraryContentChanged(StorageLibraryContentChangedTrigger),
    /// Every change in a folder.
    StorageLibraryChangeTracker(StorageLibraryChangeTrackerTrigger),
    /// What the user does with a notification of the app.
    ToastNotificationAction(ToastNotificationActionTrigger),
    /// A notification of the app that appears or goes.
    ToastNotificationHistoryChanged(ToastNotificationHistoryChangedTrigger),
    /// What arrives at a socket that was handed over.
    SocketActivity(SocketActivityTrigger),
    /// What arrives at a connection that the app keeps, or that its server wants to hear something.
    ControlChannel(ControlChannelTrigger),
    /// A message that a server pushes.
    PushNotification(PushNotificationTrigger),
    /// A text message.
    SmsMessageReceived(SmsMessageReceivedTrigger),
    /// The border of an area.
    Location(LocationTrigger),
    /// A stay somewhere.
    Geovisit(GeovisitTrigger),
    /// The threshold of a sensor.
    SensorDataThreshold(SensorDataThresholdTrigger),
    /// A Bluetooth device that advertises itself.
    BluetoothLEAdvertisementWatcher(BluetoothLEAdvertisementWatcherTrigger),
    /// A value that a Bluetooth device notifies of.
    GattCharacteristicNotification(GattCharacteristicNotificationTrigger),
    /// A smart card in a reader.
    SmartCard(SmartCardTrigger),
    /// A change of the user's calendars.
    AppointmentStoreNotification(AppointmentStoreNotificationTrigger),
    /// A change of the user's contacts.
    ContactStoreNotification(ContactStoreNotificationTrigger),
    /// The end of a group of transfers.
    BackgroundTransferCompletionGroup(BackgroundTransferCompletionGroupTrigger),
    }
}
