//! What triggers listen to: events, which happen and carry something.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::app::TaskType;
use super::trigger::{PathWatch, SystemTriggerType, Trigger};

/// The properties of an event trigger, by their names. What they mean is the source's.
pub type Properties = BTreeMap<Arc<str>, Arc<str>>;

/// What a registration has listened to for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Changes at a path.
    Path(PathWatch),
    /// Events of a class.
    Events {
        /// Which class.
        class: EventClass,
        /// Which events of it.
        properties: Properties,
    },
}

impl Subject {
    /// What a trigger listens to; `None` where it does not.
    pub fn of(trigger: &Trigger) -> Option<Self> {
        match trigger {
            Trigger::Path { watch, .. } => Some(Self::Path(watch.clone())),
            // Whoever hands a socket over, or opens a channel, says which, and the core itself hears of it.
            Trigger::Event { class: EventClass::SocketActivity | EventClass::ControlChannel, .. } => None,
            Trigger::Event { class, properties, .. } => {
                Some(Self::Events { class: *class, properties: properties.clone() })
            }
            Trigger::System { kind: SystemTriggerType::SmsReceived, .. } => {
                Some(Self::Events { class: EventClass::SmsMessageReceived, properties: Properties::new() })
            }
            _ => None,
        }
    }

    /// Whether a trigger listens to something.
    pub const fn is_behind(trigger: &Trigger) -> bool {
        match trigger {
            Trigger::Event { class, .. } => !matches!(class, EventClass::SocketActivity | EventClass::ControlChannel),
            Trigger::Path { .. } | Trigger::System { kind: SystemTriggerType::SmsReceived, .. } => true,
            _ => false,
        }
    }
}

/// Whether tasks can be registered for the events of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// There is a source for them. Whether it works on this machine is found out when it listens (D16).
    Heard {
        /// The names of the properties. A `*` among them: any name in capitals too.
        properties: &'static [&'static str],
    },
    /// Nothing on Linux tells of them, or nothing in this version does.
    Never {
        /// Why not, half a sentence.
        why: &'static str,
        /// What to use instead, half a sentence.
        help: &'static str,
    },
}

macro_rules! event_classes {
    ($($(#[$doc:meta])* $class:ident, $word:literal, [$($kind:ident)*], $support:expr;)+) => {
        /// The classes of triggers that listen to events: those of Windows without a variant of [`Trigger`] of their own, and
        /// two beyond it (`DBusSignalTrigger`, `UnitStateTrigger`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventClass { $($(#[$doc])* $class,)+ }

        impl EventClass {
            /// Every class.
            pub const ALL: &'static [Self] = &[$(Self::$class,)+];

            /// The name of the class, as Windows gives it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$class => concat!(stringify!($class), "Trigger"),)+ }
            }

            /// The word a person writes, before `:` and the properties. Empty where nothing hears such events.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$class => $word,)+ }
            }

            /// Whether tasks can be registered for it.
            pub const fn support(self) -> Support {
                match self { $(Self::$class => $support,)+ }
            }

            /// The manifest's task types that allow it (§13.2): `general` always does.
            pub const fn task_types(self) -> &'static [TaskType] {
                match self { $(Self::$class => &[$(TaskType::$kind,)* TaskType::General],)+ }
            }
        }
    };
}

const fn heard(properties: &'static [&'static str]) -> Support {
    Support::Heard { properties }
}

const fn never(why: &'static str, help: &'static str) -> Support {
    Support::Never { why, help }
}

const OPERATOR: &str = "a task that only the operator of a mobile network may register has no counterpart on Linux";
const MODEM: &str = "listen to ModemManager with a DBusSignalTrigger";
const CHAT: &str = "Linux has no common store of chat messages that tells of new ones";
const NOTIFICATIONS: &str = "use a ToastNotificationActionTrigger for the app's own notifications";
const HOTSPOT: &str = "NetworkManager never asks an app to bring a hotspot up";
const CONTROL: &str = "use a CustomSystemEventTrigger, which the program that knows of it raises";
const SOCKETS: &str = "this version hands no sockets to tasks";

event_classes! {
    /// Beyond Windows: a signal on a message bus.
    DBusSignal, "signal", [SystemEvent],
        heard(&["bus", "sender", "path", "path_namespace", "interface", "member", "arg0", "most"]);
    /// Beyond Windows: a unit of systemd reaches a state.
    UnitState, "unit", [SystemEvent], heard(&["unit", "state", "manager"]);
    /// A device appears, changes or goes.
    DeviceWatcher, "device", [SystemEvent], heard(&["subsystem", "device_type", "id", "action", "*"]);
    /// A device is connected or disconnected.
    DeviceConnectionChange, "device-connection", [DeviceConnectionChange], heard(&["device_id"]);
    /// Something changes in the user's libraries.
    StorageLibraryContentChanged, "library", [SystemEvent], heard(&["libraries"]);
    /// Something changes in a folder, each change told.
    StorageLibraryChangeTracker, "folder-changes", [SystemEvent], heard(&["folder"]);
    /// The user acts on a notification of the app.
    ToastNotificationAction, "notification-action", [SystemEvent], heard(&[]);
    /// A notification of the app appears or goes.
    ToastNotificationHistoryChanged, "notification-history", [SystemEvent], heard(&[]);
    /// A text message arrives.
    SmsMessageReceived, "sms", [SystemEvent], heard(&["from", "text"]);
    /// The machine enters or leaves an area.
    Location, "location", [Location], heard(&["latitude", "longitude", "radius", "on"]);
    /// The machine arrives somewhere for a while, or departs.
    Geovisit, "visit", [Location], heard(&["scope"]);
    /// A sensor passes a threshold.
    SensorDataThreshold, "sensor", [SystemEvent], heard(&["sensor", "above", "below"]);
    /// A Bluetooth device advertises itself.
    BluetoothLEAdvertisementWatcher, "bluetooth-advertisement", [Bluetooth],
        heard(&["service", "manufacturer", "name", "in_range", "out_of_range", "out_of_range_timeout"]);
    /// A Bluetooth device notifies of a value.
    GattCharacteristicNotification, "gatt", [Bluetooth], heard(&["device", "service", "characteristic", "mode"]);
    /// A smart card is put into a reader.
    SmartCard, "smart-card", [SystemEvent], heard(&["reader", "on"]);
    /// The user's calendars change.
    AppointmentStoreNotification, "calendar-change", [SystemEvent], heard(&["store"]);
    /// The user's contacts change.
    ContactStoreNotification, "contacts-change", [SystemEvent], heard(&["store"]);
    /// Advertising the machine by Bluetooth.
    BluetoothLEAdvertisementPublisher, "", [Bluetooth],
        never("an advertisement lasts only as long as the program that made it", "register one with BlueZ while the app runs");
    /// A Bluetooth device connects to a service by RFCOMM.
    RfcommConnection, "", [Bluetooth], never(SOCKETS, "register a profile with BlueZ in a service of its own");
    /// A Bluetooth device asks a service of the machine.
    GattServiceProvider, "", [Bluetooth],
        never("a GATT service has to answer at once, whatever a task waits for", "register one with BlueZ in a service of its own");
    /// A packet or a connection arrives on a handed-over socket.
    SocketActivity, "socket", [SystemEvent], heard(&[]);
    /// Something arrives at the connection of a control channel, or its server wants to hear something.
    ControlChannel, "control-channel", [ControlChannel], heard(&["channel", "on"]);
    /// A push notification arrives.
    PushNotification, "push", [PushNotification], heard(&[]);
    /// The user's kind of movement changes.
    ActivitySensor, "", [SystemEvent],
        never("Linux has no sensor of activities", "use a SensorDataThresholdTrigger");
    /// Content is to be fetched before the user asks for it.
    ContentPrefetch, "", [SystemEvent],
        never("nothing on Linux foresees when an app will be used", "use a MaintenanceTrigger with the condition FreeNetworkAvailable");
    /// A file that another program keeps is opened or changed.
    CachedFileUpdater, "", [SystemEvent],
        never("that needs a file system in user space for every such file", "use a StorageLibraryChangeTrackerTrigger");
    /// Any program's notification appears or goes.
    UserNotificationChanged, "", [SystemEvent],
        never("notification servers show nobody the notifications of others", NOTIFICATIONS);
    /// A manufacturer's event.
    DeviceManufacturerNotification, "", [SystemEvent],
        never("Windows itself has given it up (SYS-7)", CONTROL);
    /// A device's firmware is to be serviced.
    DeviceServicing, "", [DeviceServicing],
        never("fwupd services devices and lets no app take part", "listen to fwupd with a DBusSignalTrigger");
    /// The telephone.
    Phone, "", [PhoneCall], never("this version reads no calls of a modem", MODEM);
    /// A mobile network's registration changes.
    MobileBroadbandRegistrationStateChange, "", [SystemEvent], never("this version does not follow a modem's registration", MODEM);
    /// A modem's radio is switched.
    MobileBroadbandRadioStateChange, "", [SystemEvent], never("this version does not follow a modem's radio", MODEM);
    /// A SIM card is locked or unlocked.
    MobileBroadbandPinLockStateChange, "", [SystemEvent], never("this version does not follow a SIM card's lock", MODEM);
    /// A mobile network's configuration changes.
    MobileBroadbandPcoDataChange, "", [SystemEvent], never("this version does not read a network's configuration options", MODEM);
    /// A modem's own service tells something.
    MobileBroadbandDeviceServiceNotification, "", [SystemEvent],
        never("the services of MBIM devices are on no bus", "use libmbim in a service of its own");
    /// A message of the mobile network's operator.
    NetworkOperatorNotification, "", [SystemEvent], never(OPERATOR, "use an SmsMessageReceivedTrigger");
    /// The mobile plan's use passes a mark.
    NetworkOperatorDataUsage, "", [SystemEvent], never(OPERATOR, "use the condition FreeNetworkAvailable");
    /// A hotspot asks who the user is.
    NetworkOperatorHotspotAuthentication, "", [SystemEvent], never(OPERATOR, "use a SystemTrigger of the type NetworkStateChange, and read there what stands in the way");
    /// Whether the operator lets the user share the network.
    TetheringEntitlementCheck, "", [SystemEvent], never(OPERATOR, "share the network with NetworkManager, which asks nobody");
    /// A hotspot is to be brought up.
    WiFiOnDemandHotspotConnect, "", [SystemEvent], never(HOTSPOT, "bring it up with NetworkManager");
    /// What is known of a hotspot is to be renewed.
    WiFiOnDemandHotspotUpdateMetadata, "", [SystemEvent], never(HOTSPOT, "bring it up with NetworkManager");
    /// A chat message arrives.
    ChatMessageNotification, "", [ChatMessageNotification], never(CHAT, "use an SmsMessageReceivedTrigger for text messages");
    /// A chat message may be filtered.
    ChatMessageReceivedNotification, "", [ChatMessageNotification], never(CHAT, "use an SmsMessageReceivedTrigger for text messages");
    /// A rich message has to be shown.
    RcsEndUserMessageAvailable, "", [ChatMessageNotification], never(CHAT, "use an SmsMessageReceivedTrigger for text messages");
    /// The user's mail changes.
    EmailStoreNotification, "", [SystemEvent],
        never("Linux has no common store of mail that tells of changes", "watch the mail folder with a StorageLibraryChangeTrackerTrigger");
    /// The app becomes the one that blocks calls.
    CommunicationBlockingAppSetAsActive, "", [SystemEvent], never("Linux has no apps that block calls", CONTROL);
    /// A conversation is to be begun.
    ConversationalAgent, "", [SystemEvent], never("Linux has no common voice assistant that wakes apps", CONTROL);
    /// A payment is asked for.
    PaymentAppCanMakePayment, "", [SystemEvent], never("Linux has no common way of payment that asks apps", CONTROL);
    /// A companion device is to say who the user is.
    SecondaryAuthenticationFactorAuthentication, "", [SystemEvent],
        never("PAM asks its modules at once and waits for no task", "write a PAM module");
    /// The screen is broadcast.
    AppBroadcast, "", [SystemEvent], never("the broadcast of games is a service of Windows alone", CONTROL);
    /// All background transfers of a group have ended.
    BackgroundTransferCompletionGroup, "transfer-group", [SystemEvent], heard(&["group"]);
}

impl EventClass {
    /// The class of that [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|class| class.name() == name)
    }

    /// The class of that [`word`](Self::word).
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|class| !word.is_empty() && class.word() == word)
    }
}

impl fmt::Display for EventClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 3 of the reference: 54 classes, of which seven have a variant of their own. What a control channel and a group of
    /// transfers give as their triggers has no class there.
    #[test]
    fn every_class_of_windows_is_in_the_model() {
        let beyond = [
            EventClass::DBusSignal,
            EventClass::UnitState,
            EventClass::BackgroundTransferCompletionGroup,
            EventClass::ControlChannel,
        ];
        let of_windows = EventClass::ALL.iter().filter(|class| !beyond.contains(class)).count();
        let own = ["System", "Time", "Maintenance", "Application", "MediaProcessing", "CustomSystemEvent", "DeviceUse"];
        assert_eq!(of_windows + own.len(), 54);
    }

    #[test]
    fn a_class_is_found_by_its_name_and_its_word() {
        for class in EventClass::ALL.iter().copied() {
            assert_eq!(EventClass::from_name(class.name()), Some(class));
            let word = Some(class).filter(|class| !class.word().is_empty());
            assert_eq!(EventClass::from_word(class.word()), word);
            assert_eq!(class.word().is_empty(), matches!(class.support(), Support::Never { .. }), "{class}");
        }
    }
}
