//! Triggers on their way to the broker and back, and what their tasks get.

use bgtask_wire::TaskInfo;
use proptest::prelude::*;
use zbus::Variant;

use super::*;
use crate::{EventDetails, PropertyValue, TriggerEvents, Uuid, ValueSet};

/// One of each class that listens.
pub(crate) fn examples() -> Vec<Trigger> {
    let (service, characteristic) = (Uuid::from_u128(1), Uuid::from_u128(2));
    vec![
        DBusSignalTrigger::new(MessageBus::System)
            .sender("org.freedesktop.UPower")
            .interface("org.freedesktop.UPower")
            .member("DeviceAdded")
            .most(10)
            .into(),
        UnitStateTrigger::new("backup.service", UnitState::Failed).manager(UnitManager::User).into(),
        DeviceWatcherTrigger::new()
            .subsystem("block")
            .device_type("partition")
            .id("/sys/class/block/*")
            .property("ID_FS_LABEL", "backup*")
            .actions([DeviceAction::Add, DeviceAction::Remove])
            .into(),
        DeviceConnectionChangeTrigger::from_id("4C:87:5D:01:02:03").one_shot(true).into(),
        StorageLibraryContentChangedTrigger::create_from_libraries([KnownLibrary::Pictures, KnownLibrary::Videos])
            .into(),
        StorageLibraryChangeTrackerTrigger::new("/home/me/notes").into(),
        ToastNotificationActionTrigger::new().into(),
        ToastNotificationHistoryChangedTrigger::new().into(),
        SocketActivityTrigger::new().into(),
        PushNotificationTrigger::new().into(),
        SmsMessageReceivedTrigger::new().from("+49").text("Your code").one_shot(true).into(),
        LocationTrigger::new(52.5186, -13.3763, 200).on(MonitoredGeofenceStates::Exited).into(),
        GeovisitTrigger::new(VisitMonitoringScope::Venue).into(),
        SensorDataThresholdTrigger::light(Some(500.5), Some(20.0)).into(),
        BluetoothLEAdvertisementWatcherTrigger::of_service(service)
            .in_range(-70)
            .out_of_range(-90)
            .out_of_range_timeout(30)
            .into(),
        GattCharacteristicNotificationTrigger::new("4C:87:5D:01:02:03", service, characteristic)
            .mode(BluetoothEventTriggeringMode::Batch)
            .into(),
        SmartCardTrigger::new(SmartCardTriggerType::ReaderCardAddedOrRemoved).reader("Alcor*").into(),
        AppointmentStoreNotificationTrigger::new().store("system-calendar").into(),
        ContactStoreNotificationTrigger::new().into(),
        crate::transfer::BackgroundTransferCompletionGroup::new().trigger().into(),
    ]
}

/// What the broker says of a trigger that it was given.
fn told(trigger: &Trigger) -> TaskInfo {
    let (class, properties) = trigger.to_wire().unwrap();
    let one_shot = properties.get("one_shot").is_some_and(|value| **value == Variant::Bool(true));
    let text = |value: &Variant<'_>| if let Variant::Str(text) = value { Some(text.to_string()) } else { None };
    let texts = properties.iter().filter_map(|(name, value)| Some(((*name).to_owned(), text(value)?)));
    TaskInfo { trigger: class.into(), trigger_properties: Some(texts.collect()), one_shot, ..TaskInfo::default() }
}

/// TR-5
#[test]
fn every_trigger_that_listens_comes_back_as_it_was() {
    let triggers = examples();
    let classes: Vec<_> = triggers.iter().filter_map(|trigger| Some(trigger.listens_to()?.0)).collect();
    assert_eq!(classes, Trigger::LISTENING, "one of each");
    for trigger in triggers {
        assert_eq!(Trigger::read(&told(&trigger)), Some(trigger));
    }
    let device_use = Trigger::from(DeviceUseTrigger::new());
    assert_eq!(Trigger::read(&told(&device_use)), Some(device_use));
}

/// REG-2
#[test]
fn a_class_of_a_later_version_is_none() {
    let later = TaskInfo { trigger: "TelepathyTrigger".into(), ..told(&examples()[0]) };
    assert_eq!(Trigger::read(&later), None);
}

fn set(fields: &[(&str, PropertyValue)]) -> ValueSet {
    fields.iter().map(|(name, value)| (*name, value.clone())).collect()
}

fn events(fields: &[(&str, PropertyValue)]) -> TriggerEvents {
    let events = vec![PropertyValue::Set(set(fields))];
    TriggerEvents::of(&set(&[("events", events.into()), ("lost", 2_u32.into())]))
}

fn read<T: EventDetails>(fields: &[(&str, PropertyValue)]) -> Option<T> {
    events(fields).details().pop()
}

#[test]
fn an_event_has_its_time_its_fields_and_what_was_lost() {
    let happened = events(&[("at", 1_000_000_i64.into()), ("path", "/a".into())]);
    let event = &happened.events()[0];
    assert_eq!(event.at(), std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1));
    assert_eq!(event.fields().get::<String>("path").unwrap().as_deref(), Some("/a"));
    assert_eq!(happened.lost(), 2);
    assert_eq!(TriggerEvents::of(&ValueSet::from([("folder", "/a")])), TriggerEvents::default(), "no events at all");
}

#[test]
fn what_happened_is_read_in_the_type_of_its_class() {
    let told = set(&[("ID_FS_LABEL", "backup".into()), ("PARTN", 1.into())]);
    let device: DeviceWatcherEvent = read(&[
        ("kind", "Add".into()),
        ("action", "add".into()),
        ("id", "/sys/devices/x".into()),
        ("subsystem", "block".into()),
        ("node", "/dev/sdb1".into()),
        ("properties", told.into()),
    ])
    .unwrap();
    assert_eq!((device.kind, device.node.as_str()), (DeviceWatcherEventKind::Add, "/dev/sdb1"));
    assert_eq!(device.device_type, "", "what is missing is empty");
    assert_eq!(device.properties.into_iter().collect::<Vec<_>>(), [("ID_FS_LABEL".into(), "backup".into())]);

    let change: StorageLibraryChange =
        read(&[("change", "renamed".into()), ("path", "/b".into()), ("previous_path", "/a".into())]).unwrap();
    assert_eq!(change.change_type, StorageLibraryChangeType::MovedOrRenamed);
    assert_eq!(change.previous_path.as_deref(), Some(std::path::Path::new("/a")));
    let reset: StorageLibraryChange = read(&[("change", "reset".into())]).unwrap();
    assert_eq!(reset.change_type, StorageLibraryChangeType::ChangeTrackingLost);
    let photo: StorageLibraryChange = read(&[("change", "created".into()), ("library", "pictures".into())]).unwrap();
    assert_eq!(photo.library, Some(KnownLibrary::Pictures));

    let signal: DBusSignalEvent = read(&[
        ("bus", "system".into()),
        ("member", "DeviceAdded".into()),
        ("arguments", vec![PropertyValue::from("/x"), 7_i64.into()].into()),
    ])
    .unwrap();
    assert_eq!((signal.bus, signal.arguments), (MessageBus::System, vec!["/x".into(), 7_i64.into()]));
    let unit: UnitStateEvent = read(&[("unit", "a.service".into()), ("state", "failed".into())]).unwrap();
    assert_eq!((unit.state, unit.manager), (UnitState::Failed, UnitManager::System));

    let chosen: ToastNotificationActionTriggerDetail =
        read(&[("id", 7_i64.into()), ("action", "retry".into())]).unwrap();
    assert_eq!((chosen.id, chosen.action.as_str(), chosen.text.as_str()), (7, "retry", ""));
    let gone: ToastNotificationHistoryChangedTriggerDetail = read(&[("change", "Expired".into())]).unwrap();
    assert_eq!(gone.change_type, ToastHistoryChangedType::Expired);

    let entered: GeofenceStateChangeReport = read(&[("state", "Entered".into()), ("accuracy", 30_i64.into())]).unwrap();
    assert_eq!((entered.state, entered.accuracy), (GeofenceState::Entered, 30.0), "a number without a fraction");
    let arrived: GeovisitStateChange = read(&[("state", "Arrival".into()), ("latitude", 52.5.into())]).unwrap();
    assert_eq!((arrived.state, arrived.latitude), (VisitStateChange::Arrived, 52.5));

    let near = read(&[("sensor", "proximity".into()), ("value", true.into())]);
    assert_eq!(near, Some(SensorDataThresholdTriggerDetails::Proximity(true)));
    let light = read(&[("sensor", "light".into()), ("value", 500_i64.into())]);
    assert_eq!(light, Some(SensorDataThresholdTriggerDetails::Light(500.0)));

    let data = set(&[("0x004c", "0215".into()), ("x", "00".into())]);
    let seen: BluetoothLEAdvertisement = read(&[
        ("state", "InRange".into()),
        ("address", "4C:87:5D:01:02:03".into()),
        ("rssi", (-60_i64).into()),
        ("manufacturer_data", data.into()),
        ("services", vec![PropertyValue::from(Uuid::from_u128(1).to_string()), "?".into()].into()),
    ])
    .unwrap();
    assert_eq!((seen.rssi, seen.manufacturer_data), (Some(-60), vec![(76, vec![2, 0x15])]));
    assert_eq!(seen.services, [Uuid::from_u128(1)]);
    let beat: GattCharacteristicNotification = read(&[("value", "00ff".into())]).unwrap();
    assert_eq!((beat.value.clone(), beat.values), (vec![0, 0xff], vec![vec![0, 0xff]]));
    let batch = [("value", "02".into()), ("values", vec![PropertyValue::from("01"), "02".into()].into())];
    let batch: GattCharacteristicNotification = read(&batch).unwrap();
    assert_eq!((batch.value, batch.values), (vec![2], vec![vec![1], vec![2]]));

    let card: SmartCardTriggerDetails = read(&[("change", "removed".into()), ("reader", "Alcor".into())]).unwrap();
    assert!(!card.added && card.atr.is_empty());
    let store: StoreChange = read(&[("change", "added".into()), ("store", "x".into())]).unwrap();
    assert_eq!(store.change, StoreChangeKind::Added);
    let message: SmsMessageReceivedTriggerDetails = read(&[("number", "+49".into()), ("text", "x".into())]).unwrap();
    assert_eq!((message.text.as_str(), message.received_at.as_str()), ("x", ""));
    let disconnected: DeviceConnectionChangeTriggerDetails = read(&[("connected", false.into())]).unwrap();
    assert!(!disconnected.connected);
}

/// Whatever the events of this version or of a later one have in them.
fn read_all(happened: &TriggerEvents) -> usize {
    fn count<T: EventDetails>(happened: &TriggerEvents) -> usize {
        happened.details::<T>().len()
    }
    count::<DBusSignalEvent>(happened)
        + count::<UnitStateEvent>(happened)
        + count::<DeviceWatcherEvent>(happened)
        + count::<DeviceConnectionChangeTriggerDetails>(happened)
        + count::<StorageLibraryChange>(happened)
        + count::<ToastNotificationActionTriggerDetail>(happened)
        + count::<ToastNotificationHistoryChangedTriggerDetail>(happened)
        + count::<SmsMessageReceivedTriggerDetails>(happened)
        + count::<GeofenceStateChangeReport>(happened)
        + count::<GeovisitStateChange>(happened)
        + count::<SensorDataThresholdTriggerDetails>(happened)
        + count::<BluetoothLEAdvertisement>(happened)
        + count::<GattCharacteristicNotification>(happened)
        + count::<SmartCardTriggerDetails>(happened)
        + count::<StoreChange>(happened)
}

#[test]
fn what_makes_an_event_what_it_is_must_be_there() {
    assert_eq!(read_all(&events(&[])), 0);
    let later =
        ["kind", "change", "state", "sensor", "member", "action", "connected"].map(|name| (name, "later".into()));
    assert_eq!(read_all(&events(&later)), 2, "a signal and an action may have any name");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_event_is_a_panic(
        names in prop::collection::vec(prop::sample::select(&[
            "at", "kind", "properties", "change", "state", "arguments", "value", "sensor", "id", "rssi", "services",
            "manufacturer_data", "atr", "received_at", "connected", "latitude", "number", "address", "member", "events", "lost",
        ][..]), 0..12),
        values in prop::collection::vec(prop_oneof![
            any::<i64>().prop_map(PropertyValue::from),
            any::<f64>().prop_map(PropertyValue::from),
            any::<bool>().prop_map(PropertyValue::from),
            "[a-z0-9é]{0,6}".prop_map(PropertyValue::from),
            any::<Vec<u8>>().prop_map(PropertyValue::from),
            Just(PropertyValue::List(vec![1.into(), "x".into()])),
            Just(PropertyValue::Set(ValueSet::from([("0x1", "0g"), ("0xfffff", "00")]))),
        ], 12),
    ) {
        let fields: Vec<_> = names.into_iter().zip(values).collect();
        read_all(&events(&fields));
        let details = set(&fields);
        read_all(&TriggerEvents::of(&details));
        DeviceUseDetails::of(&details);
    }
}
