//! Calendars and address books: an Evolution Data Server of our own on a private session bus. The real one is asked in
//! `real_stores.rs`.

mod common;

use std::time::Duration;

use bgtask_sources::{STORE_SETTLE, Status};
use common::listener::{Listener, fields, is_missing, until};
use common::{Sysroot, TestBus, is_available, is_degraded, pass};
use zbus::fdo::ObjectManager;
use zbus::wire::OwnedObjectPath;
use zbus::{Connection, fdo, interface};

const REGISTRY: &str = "org.gnome.evolution.dataserver.Sources5";
const MANAGER: &str = "/org/gnome/evolution/dataserver/SourceManager";
const FACTORY: &str = "org.gnome.evolution.dataserver.Calendar8";
const CALENDAR: &str = "/org/gnome/evolution/dataserver/Subprocess/1";
const VIEW: &str = "/org/gnome/evolution/dataserver/CalendarView/1";

struct Source {
    uid: String,
    data: String,
}

#[interface(name = "org.gnome.evolution.dataserver.Source")]
impl Source {
    #[zbus(property, name = "UID")]
    fn uid(&self) -> &str {
        &self.uid
    }
    #[zbus(property)]
    fn data(&self) -> &str {
        &self.data
    }
}

/// One that lost its mind.
struct Nonsense;

#[interface(name = "org.gnome.evolution.dataserver.Source")]
impl Nonsense {
    #[zbus(property, name = "UID")]
    fn uid(&self) -> u32 {
        7
    }
}

#[derive(Default)]
struct Factory {
    opened: u32,
    refuses: bool,
}

#[interface(name = "org.gnome.evolution.dataserver.CalendarFactory")]
impl Factory {
    fn open_calendar(&mut self, _uid: &str) -> fdo::Result<(String, String)> {
        self.opened += 1;
        match self.refuses {
            true => Err(fdo::Error::Failed("the server cannot be reached".into())),
            false => Ok((CALENDAR.into(), FACTORY.into())),
        }
    }
}

struct Calendar;

#[interface(name = "org.gnome.evolution.dataserver.Calendar")]
impl Calendar {
    fn open(&self) -> Vec<String> {
        Vec::new()
    }
    fn get_view(&self, _query: &str) -> OwnedObjectPath {
        OwnedObjectPath::try_from(VIEW).unwrap()
    }
}

#[derive(Default)]
struct View {
    started: u32,
    disposed: u32,
}

#[interface(name = "org.gnome.evolution.dataserver.CalendarView")]
impl View {
    fn set_flags(&self, _flags: u32) {}
    fn set_fields_of_interest(&self, _fields: Vec<String>) {}
    fn start(&mut self) {
        self.started += 1;
    }
    fn dispose(&mut self) {
        self.disposed += 1;
    }
}

/// The registry of sources, with one calendar and something else.
async fn registry(bus: &TestBus) -> Connection {
    let registry = bus.connect().await;
    registry.object_server().at(MANAGER, ObjectManager).await.unwrap();
    add(&registry, "personal", "Personal", "Calendar").await;
    add(&registry, "tasks", "Tasks", "Task List").await;
    registry.request_name(REGISTRY).await.unwrap();
    registry
}

async fn add(registry: &Connection, uid: &str, name: &str, group: &str) {
    let data = format!("[Data Source]\nDisplayName={name}\nEnabled=true\n\n[{group}]\nBackendName=local\n");
    registry.object_server().at(format!("{MANAGER}/{uid}"), Source { uid: uid.into(), data }).await.unwrap();
}

async fn remove(registry: &Connection, uid: &str) {
    assert!(registry.object_server().remove::<Source, _>(format!("{MANAGER}/{uid}")).await.unwrap());
}

async fn factory(bus: &TestBus, refuses: bool) -> Connection {
    let factory = bus.connect().await;
    let objects = factory.object_server();
    objects.at("/org/gnome/evolution/dataserver/CalendarFactory", Factory { opened: 0, refuses }).await.unwrap();
    objects.at(CALENDAR, Calendar).await.unwrap();
    objects.at(VIEW, View::default()).await.unwrap();
    factory.request_name(FACTORY).await.unwrap();
    factory
}

async fn change(factory: &Connection) {
    let view = "org.gnome.evolution.dataserver.CalendarView";
    factory.emit_signal(None::<&str>, VIEW, view, "ObjectsModified", &(vec!["x1"],)).await.unwrap();
}

async fn started(factory: &Connection) -> (u32, u32) {
    let view = factory.object_server().interface::<_, View>(VIEW).await.unwrap();
    let view = view.get().await;
    (view.started, view.disposed)
}

fn calendars(sysroot: &Sysroot) -> Listener {
    Listener::of(sysroot, "AppointmentStoreNotificationTrigger", &[])
}

fn event(store: &str, name: &str, change: &str) -> serde_json::Map<String, serde_json::Value> {
    let [store, name, change] = [store, name, change].map(serde_json::Value::from);
    fields([("store", store), ("name", name), ("change", change)])
}

#[tokio::test]
async fn without_the_service_help_is_given() {
    let sysroot = Sysroot::new();
    let Some(_bus) = TestBus::start_session(&sysroot) else { return };
    let status = calendars(&sysroot).status_that(|_| true).await.to_string();
    let expected = "missing: Evolution Data Server cannot be asked: it is not running; install evolution-data-server";
    assert_eq!(status, expected);
}

#[tokio::test]
async fn stores_that_come_and_go_and_change_are_told_and_those_there_were_are_not() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let registry = registry(&bus).await;
    let factory = factory(&bus, false).await;
    let mut listener = calendars(&sysroot);
    assert_eq!(listener.status_that(|_| true).await, Status::Available { how: "Evolution Data Server".into() });
    add(&registry, "work", "Work", "Calendar").await;
    add(&registry, "friends", "Friends", "Address Book").await;
    assert_eq!(listener.event().await, event("work", "Work", "added"));
    until("both have a view", || async { started(&factory).await == (2, 0) }).await;
    remove(&registry, "work").await;
    assert_eq!(listener.event().await, event("work", "Work", "removed"));
    until("one is closed", || async { started(&factory).await == (2, 1) }).await;
    change(&factory).await;
    assert_eq!(listener.event().await, event("personal", "Personal", "changed"));
}

#[tokio::test]
async fn one_store_alone_can_be_watched() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let registry = registry(&bus).await;
    let _factory = factory(&bus, false).await;
    let class = "AppointmentStoreNotificationTrigger";
    let mut listener = Listener::of(&sysroot, class, &[("store", "work")]);
    listener.status_that(is_available).await;
    add(&registry, "home", "Home", "Calendar").await;
    add(&registry, "work", "Work", "Calendar").await;
    assert_eq!(listener.event().await, event("work", "Work", "added"));
}

#[tokio::test]
async fn a_flood_of_changes_is_few_events_and_the_last_is_not_missed() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let _registry = registry(&bus).await;
    let factory = factory(&bus, false).await;
    let mut listener = calendars(&sysroot);
    listener.status_that(is_available).await;
    for _ in 0..10_000 {
        change(&factory).await;
    }
    assert_eq!(listener.event().await, event("personal", "Personal", "changed"));
    while !listener.is_silent(STORE_SETTLE * 2).await {
        assert!(listener.take_all().len() < 30, "at most one in a second");
    }
    change(&factory).await;
    assert_eq!(listener.event().await["change"], "changed");
}

#[tokio::test]
async fn a_keeper_that_restarts_is_opened_again() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let _registry = registry(&bus).await;
    let first = factory(&bus, false).await;
    let mut listener = calendars(&sysroot);
    listener.status_that(is_available).await;
    first.close().await.unwrap();
    let Status::Degraded { why, .. } = listener.status_that(is_degraded).await else { panic!("must be degraded") };
    assert_eq!(why, "the content of one is not seen: `personal`: it is not running");
    let second = factory(&bus, false).await;
    listener.status_that(is_available).await;
    change(&second).await;
    assert_eq!(listener.event().await, event("personal", "Personal", "changed"));
}

#[tokio::test]
async fn a_registry_that_restarts_invents_nothing_and_loses_nothing() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let first = registry(&bus).await;
    let _factory = factory(&bus, false).await;
    let mut listener = calendars(&sysroot);
    listener.status_that(is_available).await;
    first.close().await.unwrap();
    listener.status_that(is_missing).await;
    let second = registry(&bus).await;
    listener.status_that(is_available).await;
    second.close().await.unwrap();
    listener.status_that(is_missing).await;
    let third = bus.connect().await;
    third.object_server().at(MANAGER, ObjectManager).await.unwrap();
    add(&third, "work", "Work", "Calendar").await;
    third.request_name(REGISTRY).await.unwrap();
    assert_eq!(listener.event().await, event("personal", "Personal", "removed"));
    assert_eq!(listener.event().await, event("work", "Work", "added"));
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_is_named_and_still_comes_and_goes() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let registry = registry(&bus).await;
    let _factory = factory(&bus, true).await;
    let mut listener = calendars(&sysroot);
    let Status::Degraded { why, .. } = listener.status_that(is_degraded).await else { panic!("must be degraded") };
    assert!(why.contains("`personal`") && why.contains("the server cannot be reached"), "{why}");
    remove(&registry, "personal").await;
    assert_eq!(listener.event().await, event("personal", "Personal", "removed"));
}

#[tokio::test]
async fn nonsense_is_named_and_another_owner_is_heard() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let mad = bus.connect().await;
    mad.object_server().at(MANAGER, ObjectManager).await.unwrap();
    mad.object_server().at(format!("{MANAGER}/x"), Nonsense).await.unwrap();
    mad.request_name(REGISTRY).await.unwrap();
    let _factory = factory(&bus, false).await;
    let mut listener = calendars(&sysroot);
    let Status::Missing { why, .. } = listener.status_that(is_missing).await else { panic!("must be missing") };
    assert!(why.contains("its property UID has the type 'u'"), "{why}");
    mad.close().await.unwrap();
    let _registry = registry(&bus).await;
    listener.status_that(is_available).await;
}

#[tokio::test]
async fn a_service_that_hangs_is_asked_again_a_minute_later() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    // It has the name, and answers nothing: nobody serves its objects.
    let hung = bus.connect().await;
    hung.request_name(REGISTRY).await.unwrap();
    let mut listener = calendars(&sysroot);
    let Status::Missing { why, .. } = listener.status_that(is_missing).await else { panic!("must be missing") };
    assert!(why.contains("GetManagedObjects took more than 3 s"), "{why}");
    hung.object_server().at(MANAGER, ObjectManager).await.unwrap();
    pass(Duration::from_secs(60)).await;
    listener.status_that(is_available).await;
}

#[tokio::test]
async fn a_bus_that_appears_later_and_restarts_is_found() {
    let sysroot = Sysroot::new();
    let mut listener = calendars(&sysroot);
    for _ in 0..2 {
        listener.status_that(is_missing).await;
        let Some(bus) = TestBus::start_session(&sysroot) else { return };
        let _registry = registry(&bus).await;
        let _factory = factory(&bus, false).await;
        listener.status_that(is_available).await;
    }
}
