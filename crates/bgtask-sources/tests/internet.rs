//! The internet source: default routes in files, and a NetworkManager of our own on a private bus.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bgtask_sources::{NETWORK_SETTLE, Report, SourceKind, Status};
use common::{Inbox, Sysroot, TestBus, is_available, is_degraded, pass};
use zbus::interface;

const NETWORK_MANAGER: &str = "org.freedesktop.NetworkManager";
const PATH: &str = "/org/freedesktop/NetworkManager";

const NO_ROUTE: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
const IPV6_ROUTE: &str = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
     fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n";

fn ipv4_route() -> String {
    format!("{NO_ROUTE}eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n")
}

fn offline() -> Sysroot {
    let sysroot = Sysroot::new();
    sysroot.write("proc/net/route", NO_ROUTE);
    sysroot.write("proc/net/ipv6_route", "");
    sysroot
}

async fn online(inbox: &mut Inbox) -> bool {
    match inbox.level().await {
        Report::Level(SourceKind::Internet, online) => online,
        other => panic!("expected the internet, got {other:?}"),
    }
}

// --- Default routes -------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_default_route_is_a_hint_and_is_called_one() {
    let sysroot = offline();
    sysroot.write("proc/net/route", ipv4_route());
    let mut inbox = sysroot.watch(SourceKind::Internet);
    let Status::Degraded { how, why, .. } = inbox.status().await else { panic!("must be degraded") };
    assert_eq!(how, "default route");
    assert!(why.contains("NetworkManager cannot be asked: it is not running"), "{why}");
    assert!(why.contains("does not prove that the internet answers"), "{why}");
    assert!(online(&mut inbox).await);
}

#[tokio::test]
async fn routes_of_either_protocol_come_and_go() {
    let sysroot = offline();
    let mut inbox = sysroot.watch(SourceKind::Internet);
    assert!(!online(&mut inbox).await);
    sysroot.write("proc/net/ipv6_route", IPV6_ROUTE);
    assert!(online(&mut inbox).await);
    sysroot.write("proc/net/ipv6_route", "");
    assert!(!online(&mut inbox).await);
    sysroot.write("proc/net/route", ipv4_route());
    assert!(online(&mut inbox).await);
}

#[tokio::test]
async fn a_machine_without_ipv6_is_no_worse() {
    let sysroot = Sysroot::new();
    sysroot.write("proc/net/route", ipv4_route());
    let mut inbox = sysroot.watch(SourceKind::Internet);
    assert!(is_degraded(&inbox.status().await));
    assert!(online(&mut inbox).await);
}

#[tokio::test]
async fn nothing_to_read_is_said_and_healed() {
    let sysroot = Sysroot::new();
    let mut inbox = sysroot.watch(SourceKind::Internet);
    let Status::Missing { why, help } = inbox.status().await else { panic!("must be missing") };
    assert!(why.contains("/proc/net/route cannot be read"), "{why}");
    assert!(help.contains("start NetworkManager"), "{help}");
    assert!(!online(&mut inbox).await);
    sysroot.write("proc/net/route", ipv4_route());
    assert!(is_degraded(&inbox.status().await));
    assert!(online(&mut inbox).await);
}

#[tokio::test]
async fn a_flap_within_the_settle_time_is_not_reported() {
    let sysroot = offline();
    let mut inbox = sysroot.watch(SourceKind::Internet);
    assert!(!online(&mut inbox).await);
    sysroot.write("proc/net/route", ipv4_route());
    assert!(online(&mut inbox).await);
    // Let the source arm itself again, then flap and stay: whatever is said next would be the flap.
    tokio::task::yield_now().await;
    // However slow the machine is, all of it is within the settle time.
    tokio::time::pause();
    for _ in 0..20 {
        sysroot.write("proc/net/route", NO_ROUTE);
        tokio::task::yield_now().await;
        sysroot.write("proc/net/route", ipv4_route());
    }
    tokio::time::resume();
    tokio::time::sleep(NETWORK_SETTLE + Duration::from_millis(100)).await;
    assert!(inbox.is_empty());
    sysroot.write("proc/net/route", NO_ROUTE);
    assert!(!online(&mut inbox).await);
}

// --- NetworkManager -------------------------------------------------------------------------------------------------

struct Mock {
    connectivity: u32,
    state: u32,
    check: bool,
}

#[interface(name = "org.freedesktop.NetworkManager")]
impl Mock {
    #[zbus(property)]
    fn connectivity(&self) -> u32 {
        self.connectivity
    }

    #[zbus(property)]
    fn state(&self) -> u32 {
        self.state
    }

    #[zbus(property)]
    fn connectivity_check_enabled(&self) -> bool {
        self.check
    }
}

/// One that lost its mind.
struct Nonsense;

#[interface(name = "org.freedesktop.NetworkManager")]
impl Nonsense {
    #[zbus(property)]
    fn connectivity(&self) -> String {
        "full".to_owned()
    }
}

/// One that hangs until told to go on.
struct Hung {
    hangs: Arc<AtomicBool>,
}

#[interface(name = "org.freedesktop.NetworkManager")]
impl Hung {
    #[zbus(property)]
    async fn connectivity(&self) -> u32 {
        if self.hangs.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        4
    }
}

async fn network_manager(bus: &TestBus, connectivity: u32, state: u32) -> zbus::Connection {
    let connection = bus.connect().await;
    let mock = Mock { connectivity, state, check: true };
    connection.object_server().at(PATH, mock).await.unwrap();
    connection.request_name(NETWORK_MANAGER).await.unwrap();
    connection
}

async fn set_connectivity(service: &zbus::Connection, connectivity: u32) {
    let mock = service.object_server().interface::<_, Mock>(PATH).await.unwrap();
    mock.get_mut().await.connectivity = connectivity;
    mock.get().await.connectivity_changed(mock.signal_emitter()).await.unwrap();
}

#[tokio::test]
async fn network_manager_decides_where_it_runs() {
    let sysroot = offline();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = network_manager(&bus, 4, 70).await;
    let mut inbox = sysroot.watch(SourceKind::Internet);
    assert_eq!(inbox.status().await, Status::Available { how: "NetworkManager".into() });
    assert!(online(&mut inbox).await);
    set_connectivity(&service, 3).await;
    assert!(!online(&mut inbox).await, "limited");
    set_connectivity(&service, 4).await;
    assert!(online(&mut inbox).await);
}

#[tokio::test]
async fn a_portal_is_not_the_internet() {
    let sysroot = offline();
    sysroot.write("proc/net/route", ipv4_route());
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = network_manager(&bus, 2, 70).await;
    let mut inbox = sysroot.watch(SourceKind::Internet);
    assert!(!online(&mut inbox).await);
    set_connectivity(&service, 4).await;
    assert!(online(&mut inbox).await);
    set_connectivity(&service, 2).await;
    assert!(!online(&mut inbox).await);
}

#[tokio::test]
async fn unknown_connectivity_goes_by_the_state() {
    let sysroot = offline();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    for (state, expected) in [(70, true), (60, false), (20, false)] {
        let service = network_manager(&bus, 0, state).await;
        assert_eq!(online(&mut sysroot.watch(SourceKind::Internet)).await, expected, "state {state}");
        service.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_check_that_is_off_is_said() {
    let sysroot = offline();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = bus.connect().await;
    let mock = Mock { connectivity: 4, state: 70, check: false };
    service.object_server().at(PATH, mock).await.unwrap();
    service.request_name(NETWORK_MANAGER).await.unwrap();
    let mut inbox = sysroot.watch(SourceKind::Internet);
    let Status::Degraded { how, why, .. } = inbox.status().await else { panic!("must be degraded") };
    assert_eq!(how, "NetworkManager");
    assert!(why.contains("connectivity check is off"), "{why}");
    assert!(online(&mut inbox).await);
}

#[tokio::test]
async fn network_manager_vanishes_and_returns() {
    let sysroot = offline();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = network_manager(&bus, 4, 70).await;
    let mut inbox = sysroot.watch(SourceKind::Internet);
    assert!(online(&mut inbox).await);
    service.close().await.unwrap();
    assert!(is_degraded(&inbox.status().await));
    assert!(!online(&mut inbox).await, "no default route either");
    sysroot.write("proc/net/route", ipv4_route());
    assert!(online(&mut inbox).await, "the routes are being watched");
    let _service = network_manager(&bus, 1, 20).await;
    assert!(is_available(&inbox.status().await));
    assert!(!online(&mut inbox).await);
}

#[tokio::test]
async fn nonsense_is_named_and_the_routes_decide() {
    let sysroot = offline();
    sysroot.write("proc/net/route", ipv4_route());
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = bus.connect().await;
    service.object_server().at(PATH, Nonsense).await.unwrap();
    service.request_name(NETWORK_MANAGER).await.unwrap();
    let mut inbox = sysroot.watch(SourceKind::Internet);
    let Status::Degraded { why, .. } = inbox.status().await else { panic!("must be degraded") };
    assert!(why.contains("its property Connectivity has the type 's'"), "{why}");
    assert!(online(&mut inbox).await);
}

#[tokio::test]
async fn a_service_that_hangs_is_given_up_on_and_asked_again_a_minute_later() {
    let sysroot = offline();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = bus.connect().await;
    let hangs = Arc::new(AtomicBool::new(true));
    service.object_server().at(PATH, Hung { hangs: hangs.clone() }).await.unwrap();
    service.request_name(NETWORK_MANAGER).await.unwrap();
    let mut inbox = sysroot.watch(SourceKind::Internet);
    let Status::Degraded { why, .. } = inbox.status().await else { panic!("must be degraded") };
    assert!(why.contains("it does not answer: GetAll took more than 3 s"), "{why}");
    assert!(!online(&mut inbox).await);
    hangs.store(false, Ordering::Relaxed);
    pass(Duration::from_secs(60)).await;
    assert!(is_available(&inbox.status().await));
    assert!(online(&mut inbox).await);
}

#[tokio::test]
async fn ten_thousand_signals_are_one_edge() {
    let sysroot = offline();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = network_manager(&bus, 4, 70).await;
    let mut inbox = sysroot.watch(SourceKind::Internet);
    assert!(online(&mut inbox).await);
    let mock = service.object_server().interface::<_, Mock>(PATH).await.unwrap();
    for _ in 0..10_000 {
        mock.get().await.connectivity_changed(mock.signal_emitter()).await.unwrap();
    }
    set_connectivity(&service, 1).await;
    assert!(!online(&mut inbox).await, "heard through the flood");
    assert!(inbox.is_empty());
}

#[tokio::test]
async fn a_dropped_source_closes_its_connection() {
    let sysroot = offline();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = network_manager(&bus, 4, 70).await;
    let mut inbox = sysroot.watch(SourceKind::Internet);
    assert!(online(&mut inbox).await);
    let daemon = zbus::fdo::DBusProxy::new(&service).await.unwrap();
    let unique_names = async || {
        let names = daemon.list_names().await.unwrap();
        names.iter().filter(|name| name.starts_with(':')).count()
    };
    assert_eq!(unique_names().await, 2);
    drop(inbox);
    let closed = async { while unique_names().await != 1 {} };
    tokio::time::timeout(common::DEADLINE, closed).await.expect("the connection stays open");
}
