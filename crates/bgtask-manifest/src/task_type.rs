//! The task types of a manifest and the triggers they allow (§13.2 of the Windows behaviour rules, MAN-1, MAN-3).

use std::fmt;

use crate::appx::namespace;

/// A task type. A registration succeeds only if its entry point lists a type that covers its trigger (MA-1, MAN-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TaskType {
    /// System events, and most events that come from a service of the system.
    SystemEvent,
    /// Time.
    Timer,
    /// Anything without a type of its own.
    General,
    /// Raw push messages.
    PushNotification,
    /// Kept-open network connections of Windows 8.
    ControlChannel,
    /// Geofences and visits.
    Location,
    /// Long work with a device.
    DeviceUse,
    /// Long updates of a device.
    DeviceServicing,
    /// A device comes or goes.
    DeviceConnectionChange,
    /// Bluetooth advertisements, connections and characteristics.
    Bluetooth,
    /// Background audio of Windows 8.
    Audio,
    /// Real-time communication of Windows 8 (MAN-1).
    RealTimeCommunication,
    /// Media transcoding the app asks for.
    MediaProcessing,
    /// Phone events.
    PhoneCall,
    /// Text messages.
    ChatMessageNotification,
    /// VPN plug-ins.
    VpnClient,
    /// Start of a device without a screen.
    Startup,
}

impl TaskType {
    /// Every type, in the order of the documentation.
    pub const ALL: [Self; 17] = [
        Self::SystemEvent,
        Self::Timer,
        Self::General,
        Self::PushNotification,
        Self::ControlChannel,
        Self::Location,
        Self::DeviceUse,
        Self::DeviceServicing,
        Self::DeviceConnectionChange,
        Self::Bluetooth,
        Self::Audio,
        Self::RealTimeCommunication,
        Self::MediaProcessing,
        Self::PhoneCall,
        Self::ChatMessageNotification,
        Self::VpnClient,
        Self::Startup,
    ];

    /// The type with this name. Names are case-sensitive, as in the Windows schema.
    ///
    /// ```
    /// use bgtask_manifest::TaskType;
    /// assert_eq!(TaskType::from_name("systemEvent"), Some(TaskType::SystemEvent));
    /// assert_eq!(TaskType::from_name("SystemEvent"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// The name to write in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SystemEvent => "systemEvent",
            Self::Timer => "timer",
            Self::General => "general",
            Self::PushNotification => "pushNotification",
            Self::ControlChannel => "controlChannel",
            Self::Location => "location",
            Self::DeviceUse => "deviceUse",
            Self::DeviceServicing => "deviceServicing",
            Self::DeviceConnectionChange => "deviceConnectionChange",
            Self::Bluetooth => "bluetooth",
            Self::Audio => "audio",
            Self::RealTimeCommunication => "realTimeCommunication",
            Self::MediaProcessing => "mediaProcessing",
            Self::PhoneCall => "phoneCall",
            Self::ChatMessageNotification => "chatMessageNotification",
            Self::VpnClient => "vpnClient",
            Self::Startup => "startup",
        }
    }

    /// The types that cover a trigger, the usual one first; `None` for a trigger class nobody knows.
    ///
    /// `trigger` is the class name of the Windows API, such as `SystemTrigger`, or `CalendarTrigger`, which is ours.
    ///
    /// ```
    /// use bgtask_manifest::TaskType;
    /// assert_eq!(TaskType::for_trigger("TimeTrigger"), Some(&[TaskType::Timer][..]));
    /// assert!(TaskType::for_trigger("MaintenanceTrigger").unwrap().contains(&TaskType::General));
    /// ```
    pub fn for_trigger(trigger: &str) -> Option<&'static [Self]> {
        TRIGGERS.iter().find(|(name, _)| *name == trigger).map(|(_, types)| *types)
    }

    /// Every trigger class that [`for_trigger`](Self::for_trigger) knows, in alphabetical order.
    pub fn trigger_names() -> impl Iterator<Item = &'static str> {
        TRIGGERS.iter().map(|(name, _)| *name)
    }

    /// The namespace and usual prefix of this type's `Task` element in a Windows 10 manifest; no prefix for the default one.
    pub const fn home(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::MediaProcessing | Self::PhoneCall | Self::ChatMessageNotification | Self::VpnClient => {
                (namespace::UAP, Some("uap"))
            }
            Self::Startup => (namespace::IOT, Some("iot")),
            _ => (namespace::FOUNDATION, None),
        }
    }
}

impl fmt::Display for TaskType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Real manifests declare these as `systemEvent`, or come from the same family; the Windows App SDK declares all as `general`.
const SYSTEM: &[TaskType] = &[TaskType::SystemEvent, TaskType::General];
/// Real manifests declare these as `general`, or no known manifest declares them at all.
const GENERAL: &[TaskType] = &[TaskType::General, TaskType::SystemEvent];
const BLUETOOTH: &[TaskType] = &[TaskType::Bluetooth];
const CHAT: &[TaskType] = &[TaskType::ChatMessageNotification];
const LOCATION: &[TaskType] = &[TaskType::Location];
const TIMER: &[TaskType] = &[TaskType::Timer];

/// Every trigger class and the types that cover it, in alphabetical order.
const TRIGGERS: &[(&str, &[TaskType])] = &[
    ("ActivitySensorTrigger", GENERAL),
    ("AppBroadcastTrigger", GENERAL),
    ("ApplicationTrigger", SYSTEM),
    ("AppointmentStoreNotificationTrigger", GENERAL),
    ("BackgroundTransferCompletionGroupTrigger", SYSTEM),
    ("BluetoothLEAdvertisementPublisherTrigger", BLUETOOTH),
    ("BluetoothLEAdvertisementWatcherTrigger", BLUETOOTH),
    ("CachedFileUpdaterTrigger", SYSTEM),
    ("CalendarTrigger", TIMER),
    ("ChatMessageNotificationTrigger", CHAT),
    ("ChatMessageReceivedNotificationTrigger", CHAT),
    ("CommunicationBlockingAppSetAsActiveTrigger", GENERAL),
    ("ContactStoreNotificationTrigger", GENERAL),
    ("ContentPrefetchTrigger", GENERAL),
    ("ControlChannelTrigger", &[TaskType::ControlChannel]),
    ("ConversationalAgentTrigger", GENERAL),
    ("CustomSystemEventTrigger", SYSTEM),
    ("DeviceConnectionChangeTrigger", &[TaskType::DeviceConnectionChange]),
    ("DeviceManufacturerNotificationTrigger", SYSTEM),
    ("DeviceServicingTrigger", &[TaskType::DeviceServicing]),
    ("DeviceUseTrigger", &[TaskType::DeviceUse]),
    ("DeviceWatcherTrigger", SYSTEM),
    ("EmailStoreNotificationTrigger", GENERAL),
    ("GattCharacteristicNotificationTrigger", BLUETOOTH),
    ("GattServiceProviderTrigger", BLUETOOTH),
    ("GeovisitTrigger", LOCATION),
    ("LocationTrigger", LOCATION),
    ("MaintenanceTrigger", SYSTEM),
    ("MediaProcessingTrigger", &[TaskType::MediaProcessing]),
    ("MobileBroadbandDeviceServiceNotificationTrigger", GENERAL),
    ("MobileBroadbandPcoDataChangeTrigger", GENERAL),
    ("MobileBroadbandPinLockStateChangeTrigger", GENERAL),
    ("MobileBroadbandRadioStateChangeTrigger", GENERAL),
    ("MobileBroadbandRegistrationStateChangeTrigger", GENERAL),
    ("NetworkOperatorDataUsageTrigger", GENERAL),
    ("NetworkOperatorHotspotAuthenticationTrigger", SYSTEM),
    ("NetworkOperatorNotificationTrigger", GENERAL),
    ("PaymentAppCanMakePaymentTrigger", GENERAL),
    ("PhoneTrigger", &[TaskType::PhoneCall]),
    ("PushNotificationTrigger", &[TaskType::PushNotification]),
    ("RcsEndUserMessageAvailableTrigger", GENERAL),
    ("RfcommConnectionTrigger", BLUETOOTH),
    ("SecondaryAuthenticationFactorAuthenticationTrigger", GENERAL),
    ("SensorDataThresholdTrigger", GENERAL),
    ("SmartCardTrigger", SYSTEM),
    ("SmsMessageReceivedTrigger", GENERAL),
    ("SocketActivityTrigger", SYSTEM),
    ("StorageLibraryChangeTrackerTrigger", GENERAL),
    ("StorageLibraryContentChangedTrigger", GENERAL),
    ("SystemTrigger", SYSTEM),
    ("TetheringEntitlementCheckTrigger", GENERAL),
    ("TimeTrigger", TIMER),
    ("ToastNotificationActionTrigger", SYSTEM),
    ("ToastNotificationHistoryChangedTrigger", SYSTEM),
    ("UserNotificationChangedTrigger", GENERAL),
    ("WiFiOnDemandHotspotConnectTrigger", SYSTEM),
    ("WiFiOnDemandHotspotUpdateMetadataTrigger", SYSTEM),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lead_back_to_their_type() {
        for known in TaskType::ALL {
            assert_eq!(TaskType::from_name(known.name()), Some(known));
        }
    }

    #[test]
    fn the_trigger_table_is_sorted_without_repetition() {
        assert!(TRIGGERS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(TRIGGERS.iter().all(|(_, types)| !types.is_empty()));
    }

    /// §13.2: the evidence of the six sample scenarios, which declare only systemEvent and timer.
    #[test]
    fn the_sample_manifest_covers_its_own_triggers() {
        let declared = [TaskType::SystemEvent, TaskType::Timer];
        for trigger in ["SystemTrigger", "TimeTrigger", "ApplicationTrigger", "MaintenanceTrigger"] {
            let covering = TaskType::for_trigger(trigger).unwrap();
            assert!(covering.iter().any(|one| declared.contains(one)), "{trigger}");
        }
    }

    #[test]
    fn an_unknown_trigger_has_no_types() {
        assert_eq!(TaskType::for_trigger("timetrigger"), None);
        assert_eq!(TaskType::for_trigger(""), None);
    }
}
