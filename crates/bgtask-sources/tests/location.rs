//! Fences and visits: a GeoClue of our own on a private bus. The real one is asked in `real_location.rs`.

mod common;

use std::time::Duration;

use bgtask_sources::{LOCATION_DENIED_RETRY, LOCATION_SETTLE, Status, VENUE_DWELL};
use common::listener::{Listener, fields, is_missing, until};
use common::{Sysroot, TestBus, is_available, is_degraded, pass};
use zbus::wire::{ObjectPath, OwnedObjectPath};
use zbus::{Connection, fdo, interface};

const NAME: &str = "org.freedesktop.GeoClue2";
const MANAGER: &str = "/org/freedesktop/GeoClue2/Manager";
const CLIENT: &str = "/org/freedesktop/GeoClue2/Client/1";
const LOCATION: &str = "/org/freedesktop/GeoClue2/Client/1/Location/0";

struct Manager;

#[interface(name = "org.freedesktop.GeoClue2.Manager")]
impl Manager {
    fn get_client(&self) -> OwnedObjectPath {
        OwnedObjectPath::try_from(CLIENT).unwrap()
    }
}

#[derive(Default)]
struct Client {
    desktop: String,
    level: u32,
    step: u32,
    started: u32,
    denies: bool,
    hangs: bool,
    inactive: bool,
    lost: bool,
}

#[interface(name = "org.freedesktop.GeoClue2.Client")]
impl Client {
    async fn start(&mut self) -> fdo::Result<()> {
        self.started += 1;
        match self.denies {
            true => Err(fdo::Error::AccessDenied(format!("'{}' disallowed, no agent", self.desktop))),
            false => Ok(()),
        }
    }
    #[zbus(property)]
    async fn location(&self) -> ObjectPath<'static> {
        if self.hangs {
            return std::future::pending().await;
        }
        ObjectPath::try_from(if self.lost { "/" } else { LOCATION }).unwrap()
    }
    #[zbus(property)]
    fn active(&self) -> bool {
        !self.inactive
    }
    #[zbus(property)]
    fn desktop_id(&self) -> &str {
        &self.desktop
    }
    #[zbus(property)]
    fn set_desktop_id(&mut self, id: String) {
        self.desktop = id;
    }
    #[zbus(property)]
    fn distance_threshold(&self) -> u32 {
        self.step
    }
    #[zbus(property)]
    fn set_distance_threshold(&mut self, metres: u32) {
        self.step = metres;
    }
    #[zbus(property)]
    fn requested_accuracy_level(&self) -> u32 {
        self.level
    }
    #[zbus(property)]
    fn set_requested_accuracy_level(&mut self, level: u32) {
        self.level = level;
    }
    #[zbus(signal)]
    async fn location_updated(
        emitter: &zbus::object_server::SignalEmitter<'_>,
        old: ObjectPath<'_>,
        new: ObjectPath<'_>,
    ) -> zbus::Result<()>;
}

/// North of the place where everything begins, and how exactly.
struct Location {
    metres: f64,
    accuracy: f64,
}

#[interface(name = "org.freedesktop.GeoClue2.Location")]
impl Location {
    #[zbus(property)]
    fn latitude(&self) -> f64 {
        52.5 + self.metres / 111_195.0
    }
    #[zbus(property)]
    fn longitude(&self) -> f64 {
        13.4
    }
    #[zbus(property)]
    fn accuracy(&self) -> f64 {
        self.accuracy
    }
}

/// One that lost its mind.
struct Nonsense;

#[interface(name = "org.freedesktop.GeoClue2.Location")]
impl Nonsense {
    #[zbus(property)]
    fn latitude(&self) -> &str {
        "north"
    }
}

async fn serve(bus: &TestBus, client: Client, metres: f64) -> Connection {
    let connection = bus.connect().await;
    let objects = connection.object_server();
    objects.at(MANAGER, Manager).await.unwrap();
    objects.at(CLIENT, client).await.unwrap();
    objects.at(LOCATION, Location { metres, accuracy: 5.0 }).await.unwrap();
    connection.request_name(NAME).await.unwrap();
    connection
}

/// Changes what the client knows, and says so.
async fn change(service: &Connection, change: impl FnOnce(&mut Client)) {
    let client = service.object_server().interface::<_, Client>(CLIENT).await.unwrap();
    change(&mut *client.get_mut().await);
    let path = ObjectPath::try_from(LOCATION).unwrap();
    Client::location_updated(client.signal_emitter(), path.clone(), path).await.unwrap();
}

async fn go(service: &Connection, metres: f64, accuracy: f64) {
    let location = service.object_server().interface::<_, Location>(LOCATION).await.unwrap();
    *location.get_mut().await = Location { metres, accuracy };
    change(service, |_| {}).await;
}

async fn known<T>(service: &Connection, ask: impl FnOnce(&Client) -> T) -> T {
    let client = service.object_server().interface::<_, Client>(CLIENT).await.unwrap();
    let client = client.get().await;
    ask(&client)
}

const FENCE: [(&str, &str); 3] = [("latitude", "52.5"), ("longitude", "13.4"), ("radius", "100")];

fn fence(sysroot: &Sysroot) -> Listener {
    Listener::of(sysroot, "LocationTrigger", &FENCE)
}

#[tokio::test]
async fn without_geoclue_help_is_given() {
    let sysroot = Sysroot::new();
    let Some(_bus) = TestBus::start(&sysroot) else { return };
    let Status::Missing { why, help } = fence(&sysroot).status_that(|_| true).await else { panic!("must be missing") };
    assert_eq!(why, "GeoClue does not tell where the machine is: it is not running");
    assert_eq!(help, "install geoclue-2.0");
}

#[tokio::test]
async fn a_fence_is_left_and_entered_and_the_first_place_is_no_event() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = serve(&bus, Client::default(), 0.0).await;
    let mut listener = fence(&sysroot);
    assert_eq!(listener.status_that(|_| true).await, Status::Available { how: "GeoClue".into() });
    let asked = known(&service, |client| (client.desktop.clone(), client.level, client.step, client.started)).await;
    assert_eq!(asked, ("org.bgtask.Broker".into(), 8, 10, 1));
    go(&service, 500.0, 8.0).await;
    let left = listener.event().await;
    assert_eq!(left["state"], "Exited");
    assert_eq!(left["longitude"], 13.4);
    assert_eq!(left["accuracy"], 8.0);
    go(&service, 10.0, 5.0).await;
    assert_eq!(listener.event().await["state"], "Entered");
}

#[tokio::test]
async fn a_restart_is_asked_again_and_only_a_border_crossed_over_it_is_an_event() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let mut service = serve(&bus, Client::default(), 0.0).await;
    let mut listener = fence(&sysroot);
    listener.status_that(is_available).await;
    for (metres, state) in [(20.0, None), (900.0, Some("Exited")), (800.0, None)] {
        service.close().await.unwrap();
        listener.status_that(is_missing).await;
        service = serve(&bus, Client::default(), metres).await;
        match state {
            Some(state) => assert_eq!(listener.event().await["state"], state),
            None => drop(listener.status_that(is_available).await),
        }
    }
    assert!(listener.is_silent(LOCATION_SETTLE).await);
}

#[tokio::test]
async fn who_is_refused_is_told_what_to_write_and_asks_again_a_quarter_of_an_hour_later() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = serve(&bus, Client { denies: true, ..Client::default() }, 0.0).await;
    let mut listener = fence(&sysroot);
    let Status::Missing { why, help } = listener.status_that(is_missing).await else { panic!("must be missing") };
    assert!(why.contains("disallowed, no agent"), "{why}");
    for line in ["[org.bgtask.Broker]", "allowed=true", "system=true", "users=", "/etc/geoclue/geoclue.conf"] {
        assert!(help.contains(line), "{help}");
    }
    pass(Duration::from_secs(60)).await;
    change(&service, |client| client.denies = false).await;
    assert_eq!(known(&service, |client| client.started).await, 1, "the user is not asked each minute");
    pass(LOCATION_DENIED_RETRY).await;
    listener.status_that(is_available).await;
}

#[tokio::test]
async fn a_location_that_is_switched_off_unknown_or_too_coarse_is_said() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = serve(&bus, Client { lost: true, ..Client::default() }, 0.0).await;
    let mut listener = fence(&sysroot);
    let unknown = listener.status_that(is_degraded).await;
    assert!(unknown.to_string().contains("does not know yet where the machine is"), "{unknown}");
    change(&service, |client| client.inactive = true).await;
    let off = listener.status_that(is_missing).await;
    assert_eq!(off.to_string(), "missing: the user has switched locations off; switch them on in the settings");
    change(&service, |client| (client.inactive, client.lost) = (false, false)).await;
    listener.status_that(is_available).await;
    go(&service, 0.0, 5_000.0).await;
    let coarse = listener.status_that(is_degraded).await;
    assert!(coarse.to_string().contains("less exactly than what was asked is large"), "{coarse}");
}

#[tokio::test]
async fn nonsense_is_named_and_the_next_place_is_heard() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = serve(&bus, Client::default(), 0.0).await;
    let mut listener = fence(&sysroot);
    listener.status_that(is_available).await;
    service.object_server().remove::<Location, _>(LOCATION).await.unwrap();
    service.object_server().at(LOCATION, Nonsense).await.unwrap();
    change(&service, |_| {}).await;
    let mad = listener.status_that(is_degraded).await;
    assert!(mad.to_string().contains("its property Latitude has the type 's'"), "{mad}");
    service.object_server().remove::<Nonsense, _>(LOCATION).await.unwrap();
    service.object_server().at(LOCATION, Location { metres: 700.0, accuracy: 5.0 }).await.unwrap();
    change(&service, |_| {}).await;
    assert_eq!(listener.event().await["state"], "Exited");
}

#[tokio::test]
async fn a_service_that_hangs_is_given_up_on_and_another_owner_found() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let hung = serve(&bus, Client { hangs: true, ..Client::default() }, 0.0).await;
    let mut listener = fence(&sysroot);
    let Status::Missing { why, help } = listener.status_that(is_missing).await else { panic!("must be missing") };
    assert!(why.contains("it does not answer: GetAll took more than 3 s"), "{why}");
    assert_eq!(help, "restart geoclue");
    hung.close().await.unwrap();
    let _service = serve(&bus, Client::default(), 0.0).await;
    listener.status_that(is_available).await;
}

#[tokio::test]
async fn a_bus_that_appears_later_and_restarts_is_found() {
    let sysroot = Sysroot::new();
    let mut listener = fence(&sysroot);
    for _ in 0..2 {
        listener.status_that(is_missing).await;
        let Some(bus) = TestBus::start(&sysroot) else { return };
        let _service = serve(&bus, Client::default(), 0.0).await;
        listener.status_that(is_available).await;
    }
}

#[tokio::test]
async fn ten_thousand_signals_are_few_readings_and_the_last_is_right() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = serve(&bus, Client::default(), 0.0).await;
    let mut listener = fence(&sysroot);
    listener.status_that(is_available).await;
    for n in 0..10_000 {
        go(&service, f64::from(n % 7), 5.0).await;
    }
    go(&service, 600.0, 5.0).await;
    assert_eq!(listener.event().await["state"], "Exited");
}

#[tokio::test]
async fn a_visit_begins_after_its_time_and_ends_with_leaving() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = serve(&bus, Client::default(), 0.0).await;
    let mut listener = Listener::of(&sysroot, "GeovisitTrigger", &[("scope", "venue")]);
    listener.status_that(is_available).await;
    assert_eq!(known(&service, |client| (client.level, client.step)).await, (8, 25));
    // It came from the first place, so that the second can be arrived at.
    go(&service, 1_112.0, 300.0).await;
    listener.status_that(is_degraded).await;
    go(&service, 1_111.95, 5.0).await;
    listener.status_that(is_available).await;
    pass(VENUE_DWELL).await;
    let arrival = listener.event().await;
    let latitude = 52.5 + 1_111.95 / 111_195.0;
    let expected = |state: &'static str| {
        fields([
            ("state", state.into()),
            ("latitude", latitude.into()),
            ("longitude", 13.4.into()),
            ("accuracy", 5.0.into()),
        ])
    };
    assert_eq!(arrival, expected("Arrival"));
    go(&service, 0.0, 5.0).await;
    assert_eq!(listener.event().await, expected("Departure"));
    until("asked once", || async { known(&service, |client| client.started).await == 1 }).await;
}
