//! Registrations that cannot come to anything are refused, with what would help (D16).

use std::fs;
use std::os::unix::net::UnixListener;

use bgtask_core::{EventClass, Support};
use bgtask_wire::{Error, ErrorKind, NotificationInfo};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use crate::Stage;
use crate::harness::{Home, New, SAMPLE, kind};

impl Stage {
    async fn try_for(&self, class: &str, properties: &[(&str, &str)]) -> Result<String, Error> {
        self.user.register_for(New { entry: "Tasks.Tells", ..New::default() }, class, properties).await
    }

    async fn refuses(&self, class: &str, properties: &[(&str, &str)]) -> Error {
        self.try_for(class, properties).await.expect_err(&format!("{class} {properties:?} is refused"))
    }

    async fn has_no_task(&self) {
        assert!(self.user.broker.list_tasks(SAMPLE).await.unwrap().is_empty(), "nothing was registered");
    }
}

async fn stage() -> Stage {
    let (home, _app) = Home::with_sample();
    Stage::in_home(home).await
}

async fn with_a_mute_bus() -> (Stage, UnixListener) {
    let stage = stage().await;
    let uid = rustix::process::getuid().as_raw();
    let socket = stage.home.world.path(format!("run/user/{uid}/bus"));
    fs::create_dir_all(socket.parent().unwrap()).unwrap();
    (stage, UnixListener::bind(socket).unwrap())
}

/// Section 3 of the API reference: each class of Windows parses, and says honestly why nothing tells of its events.
#[tokio::test]
async fn a_class_that_nothing_tells_of_says_why_and_what_to_use_instead() {
    let stage = stage().await;
    let mut refused = 0;
    for class in EventClass::ALL {
        let Support::Never { why, help } = class.support() else { continue };
        let error = stage.refuses(class.name(), &[]).await;
        assert_eq!(error.kind, ErrorKind::NotSupported, "{class}: {error}");
        assert_eq!(error.message, format!("the trigger {class} is not supported here: {why}; {help}"));
        refused += 1;
    }
    assert!(refused > 20, "{refused}");
    stage.has_no_task().await;
}

#[tokio::test]
async fn properties_that_make_no_sense_are_refused_with_what_to_write() {
    use EventClass as Class;
    let stage = stage().await;
    for class in EventClass::ALL {
        let Support::Heard { .. } = class.support() else { continue };
        // Who does not declare a capability, or does not say whose channel or group it is, is told that first.
        if matches!(class, Class::SocketActivity | Class::ControlChannel | Class::BackgroundTransferCompletionGroup) {
            continue;
        }
        let error = stage.refuses(class.name(), &[("no_such", "x")]).await;
        assert_eq!(error.kind, ErrorKind::InvalidArgument, "{class}: {error}");
        assert!(error.message.contains("no_such"), "{class}: {error}");
    }
    for (class, properties, why) in [
        ("DBusSignalTrigger", &[][..], "member"),
        ("DBusSignalTrigger", &[("bus", "moon"), ("member", "Rang")], "moon"),
        ("DBusSignalTrigger", &[("member", "Rang"), ("most", "0")], "600"),
        ("StorageLibraryContentChangedTrigger", &[("libraries", "cookbooks")], "cookbooks"),
        ("StorageLibraryChangeTrackerTrigger", &[("folder", "here")], "here"),
        ("UnitStateTrigger", &[("unit", "backup.service"), ("state", "tired")], "tired"),
        ("ControlChannelTrigger", &[("no_such", "x")], "channel"),
        ("BackgroundTransferCompletionGroupTrigger", &[("no_such", "x")], "group"),
        ("DeviceWatcherTrigger", &[("action", "add")], "subsystem"),
        ("DeviceConnectionChangeTrigger", &[], "device_id"),
        ("LocationTrigger", &[("latitude", "91"), ("longitude", "0"), ("radius", "100")], "latitude"),
        ("SensorDataThresholdTrigger", &[("sensor", "smell")], "smell"),
        ("BluetoothLEAdvertisementWatcherTrigger", &[], "service"),
        ("ToastNotificationActionTrigger", &[("app", "org.example.Another")], "app"),
    ] {
        let error = stage.refuses(class, properties).await;
        assert_eq!(error.kind, ErrorKind::InvalidArgument, "{class} {properties:?}: {error}");
        assert!(error.message.contains(why), "{class} {properties:?}: {error}");
    }
    stage.has_no_task().await;
}

/// What is not there is named, with the package that would bring it.
#[tokio::test]
async fn a_service_that_does_not_run_here_is_named() {
    let stage = stage().await;
    let area = &[("latitude", "52.5"), ("longitude", "13.4"), ("radius", "100")];
    let value = &[
        ("device", "00:11:22:33:44:55"),
        ("service", "0000180d-0000-1000-8000-00805f9b34fb"),
        ("characteristic", "00002a37-0000-1000-8000-00805f9b34fb"),
    ];
    for (class, properties, help) in [
        ("DBusSignalTrigger", &[("member", "Rang")][..], "dbus"),
        ("UnitStateTrigger", &[("unit", "backup.service"), ("state", "failed")], "systemd"),
        ("SmsMessageReceivedTrigger", &[], "modemmanager"),
        ("SystemTrigger", &[("type", "SmsReceived")], "modemmanager"),
        ("SystemTrigger", &[("type", "OnlineIdConnectedStateChange")], "gnome-online-accounts"),
        ("SystemTrigger", &[("type", "DefaultSignInAccountChange")], "gnome-online-accounts"),
        ("ToastNotificationActionTrigger", &[], "notification server"),
        ("ToastNotificationHistoryChangedTrigger", &[], "notification server"),
        ("LocationTrigger", area, "geoclue"),
        ("GeovisitTrigger", &[("scope", "venue")], "geoclue"),
        ("SensorDataThresholdTrigger", &[("sensor", "orientation")], "iio-sensor-proxy"),
        ("BluetoothLEAdvertisementWatcherTrigger", &[("name", "Thermometer")], "bluez"),
        ("GattCharacteristicNotificationTrigger", value, "bluez"),
        ("SmartCardTrigger", &[], "pcscd"),
        ("AppointmentStoreNotificationTrigger", &[], "evolution-data-server"),
        ("ContactStoreNotificationTrigger", &[], "evolution-data-server"),
    ] {
        let error = stage.refuses(class, properties).await;
        assert_eq!(error.kind, ErrorKind::NotSupported, "{class} {properties:?}: {error}");
        assert!(error.message.contains("is not supported here"), "{class}: {error}");
        assert!(error.message.contains(help), "{class} {properties:?}: {error}");
    }
    stage.has_no_task().await;
}

/// What is wrong with a registration besides is said first: nobody installs a package for a task that would be refused all the same.
#[tokio::test]
async fn what_is_wrong_with_the_task_is_said_before_what_is_missing_here() {
    let stage = stage().await;
    let sms = "SmsMessageReceivedTrigger";
    let undeclared = New { entry: "Tasks.Undeclared", ..New::default() };
    assert_eq!(kind(stage.user.register_for(undeclared, sms, &[]).await), ErrorKind::NotDeclared);
    let nobody = New { app: "org.example.Nobody", entry: "Tasks.Tells", ..New::default() };
    assert_eq!(kind(stage.user.register_for(nobody, sms, &[]).await), ErrorKind::UnknownApp);
}

/// `MAX_DOUBTS`: what is to be tried out first waits, and of too many the last are refused.
#[tokio::test]
async fn so_many_registrations_wait_to_be_tried_out() {
    let (stage, _mute) = with_a_mute_bus().await;
    // A few more than there is room for: on a slow machine the first may be through before the last is asked.
    let asked: FuturesUnordered<_> =
        (0..1_100).map(|_| stage.try_for("DBusSignalTrigger", &[("member", "Rang")])).collect();
    let mut refused = std::pin::pin!(asked.filter_map(async |answer| answer.err()));
    let error = refused.next().await.expect("some are too many");
    assert_eq!(error.kind, ErrorKind::LimitReached, "{error}");
    assert!(error.message.contains("1024 registrations wait"), "{error}");
    assert!(stage.try_for("DeviceUseTrigger", &[]).await.is_ok(), "what need not be tried out is not concerned");
}

/// `MAX_UNANSWERED`: a desktop that hangs does not fill the broker.
#[tokio::test]
async fn so_many_notifications_wait_for_the_desktop() {
    let (stage, _mute) = with_a_mute_bus().await;
    let note = NotificationInfo { title: "x".into(), ..NotificationInfo::default() };
    let asked: FuturesUnordered<_> =
        (0..1_100).map(|_| stage.user.broker.show_notification(SAMPLE, note.clone())).collect();
    let mut refused = std::pin::pin!(asked.filter_map(async |answer| answer.err().map(Error::from)));
    let error = refused.next().await.expect("some are too many");
    assert_eq!(error.kind, ErrorKind::LimitReached, "{error}");
    assert!(error.message.contains("1024 notifications wait"), "{error}");
}

/// A bus that accepts and says nothing may be one that is starting: such a task is registered, and its status says how it is heard.
#[tokio::test]
async fn who_says_nothing_in_time_is_given_the_benefit_of_the_doubt() {
    let (stage, _mute) = with_a_mute_bus().await;
    let task = stage.try_for("DBusSignalTrigger", &[("member", "Rang")]).await.unwrap();
    let info = stage.user.broker.get_task(&task).await.unwrap();
    assert_eq!((info.trigger.as_str(), info.phase.as_str()), ("DBusSignalTrigger", "idle"));
}
