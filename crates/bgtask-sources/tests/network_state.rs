//! The state of the network: a NetworkManager and a networkd of our own on a private bus, and default routes in files.

mod common;

use std::fmt::Write as _;

use bgtask_sources::{NETWORK_SETTLE, Report, SourceKind, Status};
use common::service::{Answer, Identity, Mood, Service, Value};
use common::{Inbox, Sysroot, TestBus};
use zbus::interface;
use zbus::wire::{ObjectPath, OwnedObjectPath};

const NETWORK_MANAGER: &str = "org.freedesktop.NetworkManager";
const PATH: &str = "/org/freedesktop/NetworkManager";
const HOME: &str = "0d6cb9a4-4f2b-4f5e-9d3c-0c9f0e2a7c11";
const PHONE: &str = "8f3a52ab-7c0e-4c39-8a6f-6a1f5b0e9d22";

struct Manager {
    connectivity: u32,
    metered: u32,
    primary: &'static str,
    startup: bool,
}

#[interface(name = "org.freedesktop.NetworkManager")]
impl Manager {
    #[zbus(property)]
    fn connectivity(&self) -> u32 {
        self.connectivity
    }

    #[zbus(property)]
    fn state(&self) -> u32 {
        70
    }

    #[zbus(property)]
    fn metered(&self) -> u32 {
        self.metered
    }

    #[zbus(property)]
    fn primary_connection(&self) -> OwnedObjectPath {
        ObjectPath::try_from(self.primary).unwrap().into()
    }

    #[zbus(property)]
    fn startup(&self) -> bool {
        self.startup
    }
}

struct Active(&'static str);

#[interface(name = "org.freedesktop.NetworkManager.Connection.Active")]
impl Active {
    #[zbus(property)]
    fn uuid(&self) -> &str {
        self.0
    }
}

const AT_HOME: &str = "/org/freedesktop/NetworkManager/ActiveConnection/1";
const BY_PHONE: &str = "/org/freedesktop/NetworkManager/ActiveConnection/2";

async fn network_manager(bus: &TestBus, startup: bool) -> zbus::Connection {
    let connection = bus.connect().await;
    let manager = Manager { connectivity: 4, metered: 4, primary: AT_HOME, startup };
    connection.object_server().at(PATH, manager).await.unwrap();
    connection.object_server().at(AT_HOME, Active(HOME)).await.unwrap();
    connection.object_server().at(BY_PHONE, Active(PHONE)).await.unwrap();
    connection.request_name(NETWORK_MANAGER).await.unwrap();
    connection
}

async fn change(service: &zbus::Connection, change: impl FnOnce(&mut Manager)) {
    let manager = service.object_server().interface::<_, Manager>(PATH).await.unwrap();
    change(&mut *manager.get_mut().await);
    manager.get().await.connectivity_changed(manager.signal_emitter()).await.unwrap();
}

async fn state(inbox: &mut Inbox) -> String {
    match inbox.level().await {
        Report::State(SourceKind::NetworkState, word) => word,
        other => panic!("expected the state of the network, got {other:?}"),
    }
}

fn route(interfaces: &[&str]) -> String {
    let mut table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n".to_owned();
    for interface in interfaces {
        writeln!(table, "{interface}\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0").unwrap();
    }
    table
}

// --- NetworkManager -------------------------------------------------------------------------------------------------

/// `NetworkStateChange`: "a network change occurs, such as a change in cost or connectivity".
#[tokio::test]
async fn connectivity_cost_and_way_are_each_a_change() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = network_manager(&bus, false).await;
    let mut inbox = sysroot.watch(SourceKind::NetworkState);
    assert_eq!(inbox.status().await, Status::Available { how: "NetworkManager".into() });
    assert_eq!(state(&mut inbox).await, format!("full unmetered {HOME}"));
    change(&service, |manager| manager.connectivity = 2).await;
    assert_eq!(state(&mut inbox).await, format!("portal unmetered {HOME}"));
    change(&service, |manager| manager.connectivity = 3).await;
    assert_eq!(state(&mut inbox).await, format!("limited unmetered {HOME}"));
    change(&service, |manager| (manager.connectivity, manager.metered) = (4, 1)).await;
    assert_eq!(state(&mut inbox).await, format!("full metered {HOME}"));
    change(&service, |manager| manager.primary = BY_PHONE).await;
    assert_eq!(state(&mut inbox).await, format!("full metered {PHONE}"), "another of several networks is used");
    change(&service, |manager| manager.metered = 0).await;
    assert_eq!(state(&mut inbox).await, format!("full unknown {PHONE}"));
    change(&service, |manager| (manager.connectivity, manager.primary) = (1, "/")).await;
    assert_eq!(state(&mut inbox).await, "none unknown");
}

#[tokio::test]
async fn a_guess_is_as_good_as_knowledge_and_no_change_of_its_own() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = network_manager(&bus, false).await;
    let mut inbox = sysroot.watch(SourceKind::NetworkState);
    assert_eq!(state(&mut inbox).await, format!("full unmetered {HOME}"));
    // From "guessed not to be" over "is not" to "guessed to be".
    change(&service, |manager| manager.metered = 2).await;
    tokio::time::sleep(2 * NETWORK_SETTLE).await;
    change(&service, |manager| manager.metered = 3).await;
    assert_eq!(state(&mut inbox).await, format!("full metered {HOME}"));
}

#[tokio::test]
async fn a_connection_that_ends_while_it_is_looked_at_is_no_way() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = network_manager(&bus, false).await;
    change(&service, |manager| manager.primary = "/org/freedesktop/NetworkManager/ActiveConnection/9").await;
    assert_eq!(state(&mut sysroot.watch(SourceKind::NetworkState)).await, "full unmetered");
}

/// A NetworkManager that is restarted knows nothing of the internet at first, and says that it is starting.
#[tokio::test]
async fn what_is_said_while_starting_again_is_no_news() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = network_manager(&bus, false).await;
    let mut inbox = sysroot.watch(SourceKind::NetworkState);
    assert_eq!(state(&mut inbox).await, format!("full unmetered {HOME}"));
    change(&service, |manager| (manager.startup, manager.connectivity, manager.primary) = (true, 1, "/")).await;
    tokio::time::sleep(2 * NETWORK_SETTLE).await;
    assert!(inbox.is_empty());
    change(&service, |manager| {
        (manager.startup, manager.connectivity, manager.primary) = (false, 4, BY_PHONE);
    })
    .await;
    assert_eq!(state(&mut inbox).await, format!("full unmetered {PHONE}"));
}

#[tokio::test]
async fn one_that_starts_for_ever_is_believed_in_the_end_and_one_that_starts_first_at_once() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = network_manager(&bus, true).await;
    let mut inbox = sysroot.watch(SourceKind::NetworkState);
    assert_eq!(state(&mut inbox).await, format!("full unmetered {HOME}"));
    change(&service, |manager| manager.startup = false).await;
    tokio::time::sleep(2 * NETWORK_SETTLE).await;
    change(&service, |manager| (manager.startup, manager.connectivity) = (true, 1)).await;
    assert_eq!(state(&mut inbox).await, format!("none unmetered {HOME}"));
}

// --- networkd and routes --------------------------------------------------------------------------------------------

const NETWORKD: Identity = Identity {
    name: "org.freedesktop.network1",
    path: "/org/freedesktop/network1",
    interface: "org.freedesktop.network1.Manager",
    signal: None,
};

#[tokio::test]
async fn networkd_and_the_default_route_are_the_second_choice() {
    const fn operation(state: &'static [(&'static str, Value)]) -> Answer {
        Answer::Properties(state)
    }
    let sysroot = Sysroot::new();
    sysroot.write("proc/net/route", route(&["eth0"]));
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let routable = operation(&[("OperationalState", Value::Text("routable"))]);
    let degraded = operation(&[("OperationalState", Value::Text("degraded"))]);
    let networkd = Service::start(&bus, NETWORKD, routable).await;
    let mut inbox = sysroot.watch(SourceKind::NetworkState);
    let Status::Degraded { how, why, .. } = inbox.status().await else { panic!("must be degraded") };
    assert_eq!(how, "systemd-networkd and default route");
    assert!(why.contains("does not prove that the internet answers"), "{why}");
    assert_eq!(state(&mut inbox).await, "unknown unknown eth0");
    networkd.set(degraded, Mood::Well);
    networkd.signal().await;
    assert_eq!(state(&mut inbox).await, "limited unknown eth0", "an address, but only of the link");
    networkd.set(routable, Mood::Well);
    sysroot.write("proc/net/route", route(&[]));
    assert_eq!(state(&mut inbox).await, "limited unknown", "no way out");
    let mut internet = sysroot.watch(SourceKind::Internet);
    assert!(!internet.holds().await);
    sysroot.write("proc/net/route", route(&["wlan0", "eth0"]));
    assert_eq!(state(&mut inbox).await, "unknown unknown wlan0");
    assert!(internet.holds().await);
}

#[tokio::test]
async fn a_word_of_networkd_that_nobody_knows_leaves_it_to_the_routes() {
    let sysroot = Sysroot::new();
    sysroot.write("proc/net/route", route(&["eth0"]));
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let answer = Answer::Properties(&[("OperationalState", Value::Text("splendid"))]);
    let _networkd = Service::start(&bus, NETWORKD, answer).await;
    let mut inbox = sysroot.watch(SourceKind::NetworkState);
    let Status::Degraded { how, .. } = inbox.status().await else { panic!("must be degraded") };
    assert_eq!(how, "default route");
    assert_eq!(state(&mut inbox).await, "unknown unknown eth0");
}

/// Several networks up at once: the kernel takes the one it lists first.
#[tokio::test]
async fn the_way_out_is_a_change_by_routes_too() {
    let sysroot = Sysroot::new();
    sysroot.write("proc/net/route", route(&["eth0", "wlan0"]));
    let mut inbox = sysroot.watch(SourceKind::NetworkState);
    assert_eq!(state(&mut inbox).await, "unknown unknown eth0");
    sysroot.write("proc/net/route", route(&["wlan0"]));
    assert_eq!(state(&mut inbox).await, "unknown unknown wlan0");
    sysroot.write("proc/net/route", route(&[]));
    assert_eq!(state(&mut inbox).await, "none unknown");
}
