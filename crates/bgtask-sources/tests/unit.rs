//! Units of systemd: a manager of our own on private buses, with one unit.

mod common;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bgtask_sources::{Status, Subject};
use common::{Ear, Sysroot, TestBus, is_available, is_degraded, pass};
use serde_json::json;
use zbus::object_server::SignalEmitter;
use zbus::wire::{OwnedObjectPath, Variant};
use zbus::{fdo, interface};

const NAME: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "/org/freedesktop/systemd1";
const PATH: &str = "/org/freedesktop/systemd1/unit/backup_2eservice";

fn subject(state: &str, manager: &str) -> Subject {
    let properties = [("unit", "backup.service"), ("state", state), ("manager", manager)];
    let owned = properties.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Subject::read("UnitStateTrigger", &BTreeMap::from(owned)).unwrap()
}

#[derive(Clone)]
struct Unit {
    load: &'static str,
    state: &'static str,
    sub: &'static str,
    result: &'static str,
    changed: u64,
    active: u64,
    inactive: u64,
}

impl Unit {
    const RUNNING: Self = Self {
        load: "loaded",
        state: "active",
        sub: "running",
        result: "success",
        changed: 10,
        active: 10,
        inactive: 0,
    };
    const FAILED: Self =
        Self { state: "failed", sub: "failed", result: "exit-code", changed: 20, inactive: 20, ..Self::RUNNING };
    const STARTED_AGAIN: Self = Self { changed: 30, active: 30, inactive: 20, ..Self::RUNNING };
}

type Shared = Arc<Mutex<Unit>>;

struct UnitObject(Shared);

#[interface(name = "org.freedesktop.systemd1.Unit")]
impl UnitObject {
    #[zbus(property)]
    fn load_state(&self) -> String {
        self.0.lock().unwrap().load.to_owned()
    }

    #[zbus(property)]
    fn active_state(&self) -> String {
        self.0.lock().unwrap().state.to_owned()
    }

    #[zbus(property)]
    fn sub_state(&self) -> String {
        self.0.lock().unwrap().sub.to_owned()
    }

    #[zbus(property)]
    fn state_change_timestamp_monotonic(&self) -> u64 {
        self.0.lock().unwrap().changed
    }

    #[zbus(property)]
    fn active_enter_timestamp_monotonic(&self) -> u64 {
        self.0.lock().unwrap().active
    }

    #[zbus(property)]
    fn inactive_enter_timestamp_monotonic(&self) -> u64 {
        self.0.lock().unwrap().inactive
    }
}

struct ServiceObject(Shared);

#[interface(name = "org.freedesktop.systemd1.Service")]
impl ServiceObject {
    #[zbus(property)]
    fn result(&self) -> String {
        self.0.lock().unwrap().result.to_owned()
    }
}

struct Manager {
    /// Whether the unit is in memory.
    loaded: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
}

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.freedesktop.systemd1")]
enum Refusal {
    #[zbus(error)]
    ZBus(zbus::Error),
    NoSuchUnit(String),
}

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    async fn subscribe(&self) {
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    fn unsubscribe(&self) -> fdo::Result<()> {
        Err(fdo::Error::Failed("not subscribed".to_owned()))
    }

    fn load_unit(&self, name: &str) -> OwnedObjectPath {
        assert_eq!(name, "backup.service");
        OwnedObjectPath::try_from(PATH).unwrap()
    }

    fn get_unit(&self, name: &str) -> Result<OwnedObjectPath, Refusal> {
        match self.loaded.load(Ordering::Relaxed) {
            true => Ok(self.load_unit(name)),
            false => Err(Refusal::NoSuchUnit(name.to_owned())),
        }
    }

    #[zbus(signal)]
    async fn reloading(emitter: &SignalEmitter<'_>, active: bool) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn unit_new(emitter: &SignalEmitter<'_>, id: &str, unit: OwnedObjectPath) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn unit_removed(emitter: &SignalEmitter<'_>, id: &str, unit: OwnedObjectPath) -> zbus::Result<()>;
}

struct Systemd {
    connection: zbus::Connection,
    unit: Shared,
    loaded: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
}

impl Systemd {
    async fn start(bus: &TestBus, unit: Unit) -> Self {
        Self::start_that(bus, unit, false).await
    }

    async fn start_that(bus: &TestBus, unit: Unit, hangs: bool) -> Self {
        let connection = bus.connect().await;
        let (loaded, hangs) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(hangs)));
        let unit = Arc::new(Mutex::new(unit));
        let server = connection.object_server();
        server.at(MANAGER, Manager { loaded: loaded.clone(), hangs: hangs.clone() }).await.unwrap();
        server.at(PATH, UnitObject(unit.clone())).await.unwrap();
        server.at(PATH, ServiceObject(unit.clone())).await.unwrap();
        connection.request_name(NAME).await.unwrap();
        Self { connection, unit, loaded, hangs }
    }

    fn emitter(&self) -> SignalEmitter<'_> {
        SignalEmitter::new(&self.connection, MANAGER).unwrap()
    }

    /// Changes without a word.
    fn becomes(&self, unit: Unit) {
        *self.unit.lock().unwrap() = unit;
    }

    /// Tells of a change as systemd does: what belongs to the type first, then what all units have.
    async fn tell(&self, unit: &Unit) {
        self.tell_properties("org.freedesktop.systemd1.Service", &HashMap::from([("Result", unit.result.into())]))
            .await;
        let all = HashMap::from([
            ("ActiveState", unit.state.into()),
            ("SubState", unit.sub.into()),
            ("StateChangeTimestampMonotonic", unit.changed.into()),
            ("ActiveEnterTimestampMonotonic", unit.active.into()),
            ("InactiveEnterTimestampMonotonic", unit.inactive.into()),
        ]);
        self.tell_properties("org.freedesktop.systemd1.Unit", &all).await;
    }

    async fn tell_properties(&self, interface: &str, changed: &HashMap<&str, Variant<'_>>) {
        let body = (interface, changed, Vec::<&str>::new());
        let properties = "org.freedesktop.DBus.Properties";
        self.connection.emit_signal(None::<&str>, PATH, properties, "PropertiesChanged", &body).await.unwrap();
    }

    async fn change(&self, unit: Unit) {
        self.becomes(unit.clone());
        self.tell(&unit).await;
    }
}

async fn listening(sysroot: &Sysroot, state: &str) -> Ear {
    let mut ear = sysroot.listen(subject(state, "system"));
    assert_eq!(ear.status().await, Status::Available { how: "the system's systemd".into() });
    ear
}

#[tokio::test]
async fn a_unit_that_fails_is_told_with_how_it_went() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let systemd = Systemd::start(&bus, Unit::RUNNING).await;
    let mut ear = listening(&sysroot, "failed").await;
    systemd.change(Unit::FAILED).await;
    let failed = json!({
        "unit": "backup.service", "state": "failed", "sub_state": "failed", "result": "exit-code", "manager": "system",
    });
    assert_eq!(ear.event().await, failed);
}

/// The user's own manager is on the session bus.
#[tokio::test]
async fn units_of_the_user_are_heard_on_the_session_bus() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let systemd = Systemd::start(&bus, Unit::FAILED).await;
    let mut ear = sysroot.listen(subject("active", "user"));
    assert_eq!(ear.status().await, Status::Available { how: "the user's systemd".into() });
    systemd.change(Unit::STARTED_AGAIN).await;
    let event = ear.event().await;
    assert_eq!((&event["manager"], &event["sub_state"]), (&json!("user"), &json!("running")));
}

/// The state as it is when listening begins is no event; nor are words about it that bring nothing new.
#[tokio::test]
async fn what_is_so_already_is_no_event() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let systemd = Systemd::start(&bus, Unit::FAILED).await;
    let mut ear = listening(&sysroot, "failed").await;
    systemd.tell(&Unit::FAILED).await;
    systemd.change(Unit { sub: "again", changed: 21, ..Unit::FAILED }).await;
    systemd.change(Unit::STARTED_AGAIN).await;
    systemd.change(Unit { sub: "the second", changed: 40, inactive: 40, ..Unit::FAILED }).await;
    assert_eq!(ear.event().await["sub_state"], json!("the second"));
}

/// It is started again before anybody could read that it failed.
#[tokio::test]
async fn a_failure_of_a_moment_is_not_lost() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let systemd = Systemd::start(&bus, Unit::RUNNING).await;
    let mut ear = listening(&sysroot, "failed").await;
    systemd.becomes(Unit::STARTED_AGAIN);
    systemd.tell(&Unit::FAILED).await;
    // Something that makes it read the unit, which fails no longer.
    Manager::unit_new(&systemd.emitter(), "backup.service", PATH.try_into().unwrap()).await.unwrap();
    systemd.tell(&Unit::STARTED_AGAIN).await;
    assert_eq!(ear.event().await["result"], json!("exit-code"));
    systemd.change(Unit { changed: 50, inactive: 50, result: "oom-kill", ..Unit::FAILED }).await;
    assert_eq!(ear.event().await["result"], json!("oom-kill"), "and told once");
}

/// systemd drops what failed and was cleaned up, and what has stopped, without a word about its state.
#[tokio::test]
async fn a_unit_that_is_dropped_is_inactive() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let systemd = Systemd::start(&bus, Unit::FAILED).await;
    let mut ear = listening(&sysroot, "inactive").await;
    systemd.loaded.store(false, Ordering::Relaxed);
    for _ in 0..2 {
        Manager::unit_removed(&systemd.emitter(), "backup.service", PATH.try_into().unwrap()).await.unwrap();
    }
    assert_eq!(ear.event().await["sub_state"], json!("dead"));
    systemd.loaded.store(true, Ordering::Relaxed);
    systemd.change(Unit::STARTED_AGAIN).await;
    systemd.change(Unit { state: "inactive", sub: "told", changed: 40, inactive: 40, ..Unit::RUNNING }).await;
    assert_eq!(ear.event().await["sub_state"], json!("told"));
}

/// `daemon-reload` drops and takes up every unit; none of that is an event.
#[tokio::test]
async fn reading_the_files_again_is_no_event() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let systemd = Systemd::start(&bus, Unit::RUNNING).await;
    let mut active = listening(&sysroot, "active").await;
    let mut inactive = listening(&sysroot, "inactive").await;
    let emitter = systemd.emitter();
    for _ in 0..2 {
        Manager::reloading(&emitter, true).await.unwrap();
        Manager::unit_removed(&emitter, "backup.service", PATH.try_into().unwrap()).await.unwrap();
        Manager::unit_new(&emitter, "backup.service", PATH.try_into().unwrap()).await.unwrap();
        systemd.tell(&Unit::RUNNING).await;
        Manager::reloading(&emitter, false).await.unwrap();
    }
    systemd.change(Unit { state: "inactive", sub: "stopped", changed: 40, inactive: 40, ..Unit::RUNNING }).await;
    assert_eq!(inactive.event().await["sub_state"], json!("stopped"));
    systemd.change(Unit { sub: "started", changed: 50, active: 50, inactive: 40, ..Unit::RUNNING }).await;
    assert_eq!(active.event().await["sub_state"], json!("started"));
}

#[tokio::test]
async fn what_is_lacking_is_said_and_mended() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let systemd = Systemd::start(&bus, Unit { load: "not-found", state: "inactive", ..Unit::RUNNING }).await;
    let mut ear = sysroot.listen(subject("active", "system"));
    let Status::Degraded { how, why, help } = ear.status().await else { panic!("must be degraded") };
    assert_eq!((how.as_str(), why.as_str()), ("the system's systemd", "there is no unit backup.service so far"));
    assert_eq!(help, "see the names with `systemctl list-unit-files`, or install what brings the unit");
    systemd.becomes(Unit { load: "masked", state: "inactive", ..Unit::RUNNING });
    Manager::reloading(&systemd.emitter(), false).await.unwrap();
    let Status::Degraded { why, help, .. } = ear.status_that(is_degraded).await else { unreachable!() };
    assert!(why.contains("masked") && help.contains("systemctl unmask backup.service"), "{why}; {help}");
    systemd.becomes(Unit { state: "inactive", ..Unit::RUNNING });
    Manager::unit_new(&systemd.emitter(), "backup.service", PATH.try_into().unwrap()).await.unwrap();
    assert!(is_available(&ear.status().await));
    systemd.change(Unit::STARTED_AGAIN).await;
    ear.event().await;
}

/// What happened while nobody heard is told where the state differs afterwards, and not where it does not.
#[tokio::test]
async fn the_manager_restarts_and_what_changed_meanwhile_is_told() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let systemd = Systemd::start(&bus, Unit::RUNNING).await;
    let mut ear = listening(&sysroot, "failed").await;
    systemd.connection.close().await.unwrap();
    let Status::Missing { why, .. } = ear.status().await else { panic!("must be missing") };
    assert_eq!(why, "the system's systemd cannot be asked: it is not running");
    let systemd = Systemd::start(&bus, Unit { sub: "meanwhile", ..Unit::FAILED }).await;
    assert!(is_available(&ear.status().await));
    assert_eq!(ear.event().await["sub_state"], json!("meanwhile"));
    systemd.connection.close().await.unwrap();
    assert!(!is_available(&ear.status().await));
    let systemd = Systemd::start(&bus, Unit::FAILED).await;
    assert!(is_available(&ear.status().await));
    systemd.change(Unit { sub: "later", changed: 90, inactive: 90, ..Unit::FAILED }).await;
    assert_eq!(ear.event().await["sub_state"], json!("later"));
}

#[tokio::test]
async fn a_bus_that_appears_later_and_restarts_is_heard() {
    let sysroot = Sysroot::new();
    let mut ear = sysroot.listen(subject("failed", "system"));
    let Status::Missing { why, help } = ear.status().await else { panic!("must be missing") };
    assert_eq!(why, "the system's systemd cannot be asked: it is not running");
    assert_eq!(help, "units exist only where systemd runs the machine");
    pass(Duration::from_secs(3600)).await;
    for turn in 1..3 {
        let Some(bus) = TestBus::start(&sysroot) else { return };
        let changed = turn * 100;
        let systemd = Systemd::start(&bus, Unit { changed, active: changed, ..Unit::STARTED_AGAIN }).await;
        ear.status_that(is_available).await;
        systemd.change(Unit { changed: changed + 50, inactive: changed + 50, ..Unit::FAILED }).await;
        assert_eq!(ear.event().await["result"], json!("exit-code"));
        drop(bus);
        ear.status_that(|status| !is_available(status)).await;
    }
}

#[tokio::test]
async fn a_manager_that_hangs_is_given_up_on_and_asked_again_a_minute_later() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let systemd = Systemd::start_that(&bus, Unit::RUNNING, true).await;
    let mut ear = sysroot.listen(subject("failed", "system"));
    let Status::Missing { why, help } = ear.status().await else { panic!("must be missing") };
    assert!(why.contains("it does not answer: Subscribe took more than 3 s"), "{why}");
    assert_eq!(help, "run `systemctl daemon-reexec`");
    systemd.hangs.store(false, Ordering::Relaxed);
    pass(Duration::from_secs(60)).await;
    assert!(is_available(&ear.status().await));
    systemd.change(Unit::FAILED).await;
    ear.event().await;
}

/// Who took the name and knows nothing of units.
struct Nonsense;

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Nonsense {
    fn subscribe(&self) -> &str {
        "why not"
    }

    fn load_unit(&self, _name: &str) -> u32 {
        7
    }
}

#[tokio::test]
async fn nonsense_is_named_and_healed_by_a_restart() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let mad = bus.connect().await;
    mad.object_server().at(MANAGER, Nonsense).await.unwrap();
    mad.request_name(NAME).await.unwrap();
    let mut ear = sysroot.listen(subject("failed", "system"));
    let Status::Missing { why, .. } = ear.status().await else { panic!("must be missing") };
    assert!(why.contains("answered what cannot be read"), "{why}");
    mad.close().await.unwrap();
    let systemd = Systemd::start(&bus, Unit::RUNNING).await;
    ear.status_that(is_available).await;
    systemd.change(Unit::FAILED).await;
    ear.event().await;
}

#[tokio::test]
async fn an_edge_is_heard_through_ten_thousand_signals() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let systemd = Systemd::start(&bus, Unit::RUNNING).await;
    let mut ear = listening(&sysroot, "failed").await;
    for number in 0..10_000 {
        match number {
            5_000 => systemd.change(Unit::FAILED).await,
            5_001 => systemd.change(Unit::STARTED_AGAIN).await,
            _ if number % 2 == 0 => {
                let unit = systemd.unit.lock().unwrap().clone();
                systemd.tell(&unit).await;
            }
            _ => {
                systemd.tell_properties("org.freedesktop.systemd1.Unit", &HashMap::from([("Job", 1u32.into())])).await;
            }
        }
    }
    systemd.change(Unit { sub: "last", changed: 90, inactive: 90, ..Unit::FAILED }).await;
    assert_eq!(ear.event().await["sub_state"], json!("failed"));
    assert_eq!(ear.event().await["sub_state"], json!("last"));
}
