//! Text messages: a ModemManager of our own on a private bus, with modems that come, go and receive.

mod common;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bgtask_sources::{MAX_INCOMPLETE_MESSAGES, Status, Subject};
use common::{Ear, Sysroot, TestBus, is_available, pass};
use serde_json::{Value, json};
use zbus::interface;
use zbus::object_server::{InterfaceRef, SignalEmitter};
use zbus::wire::{OwnedObjectPath, Variant};

const NAME: &str = "org.freedesktop.ModemManager1";
const ROOT: &str = "/org/freedesktop/ModemManager1";
const MODEM: &str = "org.freedesktop.ModemManager1.Modem";
const MESSAGING: &str = "org.freedesktop.ModemManager1.Modem.Messaging";

const ENABLING: i32 = 5;
const REGISTERED: i32 = 8;
const RECEIVING: u32 = 2;
const RECEIVED: u32 = 3;

/// What the manager lists: number and state of each modem.
#[derive(Default)]
struct Modems(BTreeMap<u32, i32>);

type Interfaces = HashMap<&'static str, HashMap<&'static str, Variant<'static>>>;

#[interface(name = "org.freedesktop.DBus.ObjectManager")]
impl Modems {
    fn get_managed_objects(&self) -> HashMap<OwnedObjectPath, Interfaces> {
        let object = |(modem, state): (&u32, &i32)| (path(modem_path(*modem)), interfaces(*state));
        self.0.iter().map(object).collect()
    }

    #[zbus(signal)]
    async fn interfaces_added(
        emitter: &SignalEmitter<'_>,
        object: OwnedObjectPath,
        interfaces: Interfaces,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn interfaces_removed(
        emitter: &SignalEmitter<'_>,
        object: OwnedObjectPath,
        interfaces: Vec<&str>,
    ) -> zbus::Result<()>;
}

fn interfaces(state: i32) -> Interfaces {
    HashMap::from([(MODEM, HashMap::from([("State", state.into())])), (MESSAGING, HashMap::new())])
}

struct Modem;

#[interface(name = "org.freedesktop.ModemManager1.Modem")]
impl Modem {
    #[zbus(signal)]
    async fn state_changed(emitter: &SignalEmitter<'_>, old: i32, new: i32, reason: u32) -> zbus::Result<()>;
}

struct Messaging;

#[interface(name = "org.freedesktop.ModemManager1.Modem.Messaging")]
impl Messaging {
    #[zbus(signal)]
    async fn added(emitter: &SignalEmitter<'_>, path: OwnedObjectPath, received: bool) -> zbus::Result<()>;
}

struct Sms {
    state: u32,
    text: &'static str,
    hangs: Arc<AtomicBool>,
}

#[interface(name = "org.freedesktop.ModemManager1.Sms")]
impl Sms {
    #[zbus(property)]
    async fn state(&self) -> u32 {
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.state
    }

    #[zbus(property)]
    fn number(&self) -> &str {
        "+491234"
    }

    #[zbus(property)]
    fn text(&self) -> &str {
        self.text
    }

    #[zbus(property)]
    fn timestamp(&self) -> &str {
        "2026-11-21T20:00:00+01"
    }
}

struct ModemManager {
    connection: zbus::Connection,
    hangs: Arc<AtomicBool>,
}

impl ModemManager {
    async fn start(bus: &TestBus) -> Self {
        let connection = bus.connect().await;
        connection.object_server().at(ROOT, Modems::default()).await.unwrap();
        connection.request_name(NAME).await.unwrap();
        Self { connection, hangs: Arc::default() }
    }

    async fn modems(&self) -> InterfaceRef<Modems> {
        self.connection.object_server().interface(ROOT).await.unwrap()
    }

    fn emitter(&self, modem: u32) -> SignalEmitter<'static> {
        SignalEmitter::new(&self.connection, modem_path(modem)).unwrap().into_owned()
    }

    async fn plug(&self, modem: u32, state: i32) {
        let modems = self.modems().await;
        modems.get_mut().await.0.insert(modem, state);
        Modems::interfaces_added(modems.signal_emitter(), path(modem_path(modem)), interfaces(state)).await.unwrap();
    }

    async fn pull(&self, modem: u32) {
        let modems = self.modems().await;
        modems.get_mut().await.0.remove(&modem);
        let gone = vec![MODEM, MESSAGING];
        Modems::interfaces_removed(modems.signal_emitter(), path(modem_path(modem)), gone).await.unwrap();
    }

    async fn set_state(&self, modem: u32, state: i32) {
        let old = self.modems().await.get_mut().await.0.insert(modem, state).unwrap();
        Modem::state_changed(&self.emitter(modem), old, state, 0).await.unwrap();
    }

    /// A message comes into being, and is announced.
    async fn announce(&self, modem: u32, message: u32, state: u32, text: &'static str) {
        self.put(message, state, text).await;
        self.say_added(modem, message, state == RECEIVED || state == RECEIVING).await;
    }

    /// A message comes into being. Its properties are read for that, so a manager that hangs already never gets there.
    async fn put(&self, message: u32, state: u32, text: &'static str) {
        let sms = Sms { state, text, hangs: self.hangs.clone() };
        self.connection.object_server().at(message_path(message), sms).await.unwrap();
    }

    async fn say_added(&self, modem: u32, message: u32, received: bool) {
        Messaging::added(&self.emitter(modem), path(message_path(message)), received).await.unwrap();
    }

    async fn complete(&self, message: u32, text: &'static str) {
        let sms = self.connection.object_server().interface::<_, Sms>(message_path(message)).await.unwrap();
        (sms.get_mut().await.state, sms.get_mut().await.text) = (RECEIVED, text);
        sms.get().await.state_changed(sms.signal_emitter()).await.unwrap();
    }
}

fn path(path: String) -> OwnedObjectPath {
    OwnedObjectPath::try_from(path).unwrap()
}

fn modem_path(modem: u32) -> String {
    format!("{ROOT}/Modem/{modem}")
}

fn message_path(message: u32) -> String {
    format!("{ROOT}/SMS/{message}")
}

fn subject(properties: &[(&str, &str)]) -> Subject {
    let owned = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Subject::read("SmsMessageReceivedTrigger", &owned.collect::<BTreeMap<_, _>>()).unwrap()
}

async fn text(ear: &mut Ear) -> Value {
    ear.event().await["text"].take()
}

/// A machine with ModemManager, one modem that is ready, and somebody who listens.
async fn receiving(bus: &TestBus, sysroot: &Sysroot) -> (ModemManager, Ear) {
    let manager = ModemManager::start(bus).await;
    manager.plug(0, REGISTERED).await;
    let mut ear = sysroot.listen(subject(&[]));
    assert_eq!(ear.status().await, Status::Available { how: "ModemManager".into() });
    (manager, ear)
}

#[tokio::test]
async fn a_message_that_arrives_is_told_whole() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let (manager, mut ear) = receiving(&bus, &sysroot).await;
    manager.announce(0, 3, RECEIVED, "Hello").await;
    let expected = json!({
        "number": "+491234", "text": "Hello", "received_at": "2026-11-21T20:00:00+01",
        "modem": modem_path(0), "message": message_path(3),
    });
    assert_eq!(ear.event().await, expected);
}

#[tokio::test]
async fn a_message_of_several_parts_is_told_when_it_is_complete() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let (manager, mut ear) = receiving(&bus, &sysroot).await;
    manager.announce(0, 1, RECEIVING, "Hel").await;
    manager.announce(0, 2, RECEIVED, "meanwhile").await;
    assert_eq!(text(&mut ear).await, json!("meanwhile"));
    manager.complete(1, "Hello").await;
    assert_eq!(text(&mut ear).await, json!("Hello"));
    manager.complete(1, "Hello").await;
    manager.announce(0, 4, RECEIVED, "last").await;
    assert_eq!(text(&mut ear).await, json!("last"), "told once");
}

/// What is written here, sent from here, or was there before is not received.
#[tokio::test]
async fn only_what_arrives_is_told() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let manager = ModemManager::start(&bus).await;
    manager.plug(0, REGISTERED).await;
    manager.announce(0, 1, RECEIVED, "before").await;
    let mut ear = sysroot.listen(subject(&[]));
    assert!(is_available(&ear.status().await));
    for (message, state) in [(2, 1), (3, 4), (4, 5)] {
        manager.announce(0, message, state, "mine").await;
        manager.say_added(0, message, true).await;
    }
    manager.announce(0, 5, RECEIVED, "now").await;
    assert_eq!(text(&mut ear).await, json!("now"));
}

#[tokio::test]
async fn a_prefix_of_number_and_text_decides() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let (manager, mut all) = receiving(&bus, &sysroot).await;
    let mut none = sysroot.listen(subject(&[("from", "+48")]));
    let mut some = sysroot.listen(subject(&[("from", "+491"), ("text", "PIN")]));
    none.status_that(is_available).await;
    some.status_that(is_available).await;
    manager.announce(0, 1, RECEIVED, "Your PIN").await;
    manager.announce(0, 2, RECEIVED, "PIN 42").await;
    assert_eq!(text(&mut some).await, json!("PIN 42"));
    assert_eq!((text(&mut all).await, text(&mut all).await), (json!("Your PIN"), json!("PIN 42")));
    manager.connection.close().await.unwrap();
    none.status_that(|status| !is_available(status)).await;
}

/// A modem announces what is in its memory while it is being enabled.
#[tokio::test]
async fn modems_come_and_go_with_what_they_hold() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let (manager, mut ear) = receiving(&bus, &sysroot).await;
    for modem in 1..4 {
        manager.plug(modem, ENABLING).await;
        manager.announce(modem, 10 * modem, RECEIVED, "old").await;
        manager.set_state(modem, REGISTERED).await;
        manager.announce(modem, 10 * modem + 1, RECEIVED, "new").await;
        let event = ear.event().await;
        assert_eq!((&event["text"], &event["modem"]), (&json!("new"), &json!(modem_path(modem))));
        manager.announce(0, 100 + modem, RECEIVED, "of the other").await;
        assert_eq!(ear.event().await["modem"], json!(modem_path(0)));
        manager.announce(modem, 10 * modem + 2, RECEIVING, "never whole").await;
        manager.pull(modem).await;
    }
    manager.pull(0).await;
    let Status::Missing { why, help } = ear.status().await else { panic!("must be missing") };
    assert_eq!(why, "ModemManager knows no modem that receives messages");
    assert_eq!(help, "plug in a modem with a SIM card");
}

#[tokio::test]
async fn a_modem_that_is_switched_off_is_said_so() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let (manager, mut ear) = receiving(&bus, &sysroot).await;
    manager.set_state(0, 3).await;
    let Status::Degraded { why, help, .. } = ear.status().await else { panic!("must be degraded") };
    assert_eq!(why, "no modem is switched on");
    assert_eq!(help, "switch mobile broadband on, or run `mmcli --modem=any --enable`");
    manager.announce(0, 1, RECEIVED, "old").await;
    manager.set_state(0, REGISTERED).await;
    assert!(is_available(&ear.status().await));
    manager.announce(0, 2, RECEIVED, "new").await;
    assert_eq!(text(&mut ear).await, json!("new"));
}

#[tokio::test]
async fn modem_manager_restarts_and_the_bus_does() {
    let sysroot = Sysroot::new();
    let mut ear = sysroot.listen(subject(&[]));
    let Status::Missing { why, help } = ear.status().await else { panic!("must be missing") };
    assert_eq!(why, "ModemManager cannot be asked: it is not running");
    assert_eq!(help, "install and start modemmanager");
    pass(Duration::from_secs(3600)).await;
    for _ in 0..2 {
        let Some(bus) = TestBus::start(&sysroot) else { return };
        for _ in 0..2 {
            let manager = ModemManager::start(&bus).await;
            manager.plug(0, ENABLING).await;
            manager.announce(0, 1, RECEIVED, "old").await;
            manager.set_state(0, REGISTERED).await;
            ear.status_that(is_available).await;
            manager.announce(0, 2, RECEIVED, "new").await;
            assert_eq!(text(&mut ear).await, json!("new"));
            manager.connection.close().await.unwrap();
            ear.status_that(|status| !is_available(status)).await;
        }
    }
}

#[tokio::test]
async fn a_manager_that_hangs_is_asked_again_a_minute_later() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let (manager, mut ear) = receiving(&bus, &sysroot).await;
    manager.put(1, RECEIVED, "late").await;
    manager.hangs.store(true, Ordering::Relaxed);
    manager.say_added(0, 1, true).await;
    let Status::Missing { why, .. } = ear.status().await else { panic!("must be missing") };
    assert!(why.contains("it does not answer: GetAll took more than 3 s"), "{why}");
    manager.hangs.store(false, Ordering::Relaxed);
    pass(Duration::from_secs(60)).await;
    assert!(is_available(&ear.status().await));
    assert_eq!(text(&mut ear).await, json!("late"));
}

/// Whoever shows messages to people may take one away before it could be read.
#[tokio::test]
async fn what_is_gone_or_nonsense_counts_as_lost() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let (manager, mut ear) = receiving(&bus, &sysroot).await;
    manager.say_added(0, 77, true).await;
    manager.connection.object_server().at(message_path(78), NoSms).await.unwrap();
    manager.say_added(0, 78, true).await;
    manager.announce(0, 3, RECEIVED, "whole").await;
    assert_eq!(text(&mut ear).await, json!("whole"));
    assert_eq!(ear.lost, 2);
}

struct NoSms;

#[interface(name = "org.freedesktop.ModemManager1.Sms")]
impl NoSms {
    #[zbus(property)]
    fn state(&self) -> &str {
        "fine"
    }
}

/// [`MAX_INCOMPLETE_MESSAGES`]
#[tokio::test]
async fn so_many_incomplete_messages_are_waited_for() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let (manager, mut ear) = receiving(&bus, &sysroot).await;
    let most = u32::try_from(MAX_INCOMPLETE_MESSAGES).unwrap();
    for message in 0..=most {
        manager.announce(0, message, RECEIVING, "part").await;
    }
    manager.announce(0, 1000, RECEIVED, "between").await;
    assert_eq!(text(&mut ear).await, json!("between"));
    assert_eq!(ear.lost, 1);
    manager.complete(0, "the oldest").await;
    manager.complete(most, "the newest").await;
    assert_eq!(text(&mut ear).await, json!("the newest"));
}

#[tokio::test]
async fn messages_are_heard_through_ten_thousand_signals() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let (manager, mut ear) = receiving(&bus, &sysroot).await;
    for number in 0..10_000u32 {
        match number % 1_000 {
            999 => manager.announce(0, number, RECEIVED, "one of ten").await,
            _ => manager.say_added(0, 5, false).await,
        }
    }
    for _ in 0..10 {
        assert_eq!(text(&mut ear).await, json!("one of ten"));
    }
}
