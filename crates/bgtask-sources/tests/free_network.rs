//! The free network source: what it adds to the internet source, which asks the same services.

mod common;

use bgtask_sources::{SourceKind, Status};
use common::{Sysroot, TestBus, is_available, is_degraded};
use zbus::interface;

const NETWORK_MANAGER: &str = "org.freedesktop.NetworkManager";
const PATH: &str = "/org/freedesktop/NetworkManager";
const ROUTES: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                      eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";

const UNKNOWN: u32 = 0;
const YES: u32 = 1;
const NO: u32 = 2;
const GUESS_YES: u32 = 3;
const GUESS_NO: u32 = 4;

struct Mock {
    connectivity: u32,
    metered: u32,
}

#[interface(name = "org.freedesktop.NetworkManager")]
impl Mock {
    #[zbus(property)]
    fn connectivity(&self) -> u32 {
        self.connectivity
    }

    #[zbus(property)]
    fn metered(&self) -> u32 {
        self.metered
    }
}

/// One that is older than metering.
struct Old;

#[interface(name = "org.freedesktop.NetworkManager")]
impl Old {
    #[zbus(property)]
    fn connectivity(&self) -> u32 {
        4
    }
}

async fn network_manager(bus: &TestBus, metered: u32) -> zbus::Connection {
    let connection = bus.connect().await;
    connection.object_server().at(PATH, Mock { connectivity: 4, metered }).await.unwrap();
    connection.request_name(NETWORK_MANAGER).await.unwrap();
    connection
}

async fn set(service: &zbus::Connection, change: impl FnOnce(&mut Mock)) {
    let mock = service.object_server().interface::<_, Mock>(PATH).await.unwrap();
    change(&mut *mock.get_mut().await);
    mock.get().await.metered_changed(mock.signal_emitter()).await.unwrap();
}

#[tokio::test]
async fn a_network_is_free_unless_it_is_said_or_guessed_to_be_metered() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    for (metered, free) in [(UNKNOWN, true), (YES, false), (NO, true), (GUESS_YES, false), (GUESS_NO, true)] {
        let service = network_manager(&bus, metered).await;
        let mut inbox = sysroot.watch(SourceKind::FreeNetwork);
        assert_eq!(inbox.status().await, Status::Available { how: "NetworkManager".into() });
        assert_eq!(inbox.holds().await, free, "metered {metered}");
        service.close().await.unwrap();
    }
}

#[tokio::test]
async fn the_phone_is_plugged_in_and_out() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = network_manager(&bus, NO).await;
    let mut free = sysroot.watch(SourceKind::FreeNetwork);
    assert!(free.holds().await);
    set(&service, |mock| mock.metered = GUESS_YES).await;
    assert!(!free.holds().await);
    set(&service, |mock| mock.metered = GUESS_NO).await;
    assert!(free.holds().await);
}

/// A network that leads nowhere costs nothing, and is of no use.
#[tokio::test]
async fn a_free_network_without_internet_is_not_free_internet() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = network_manager(&bus, NO).await;
    let mut free = sysroot.watch(SourceKind::FreeNetwork);
    assert!(free.holds().await);
    set(&service, |mock| mock.connectivity = 2).await;
    assert!(!free.holds().await, "a portal");
    set(&service, |mock| mock.connectivity = 4).await;
    assert!(free.holds().await);
}

/// What is metered is the internet all the same.
#[tokio::test]
async fn the_internet_source_does_not_mind_metering() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let _service = network_manager(&bus, YES).await;
    assert!(sysroot.watch(SourceKind::Internet).holds().await);
}

#[tokio::test]
async fn a_network_manager_that_knows_no_metering_calls_nothing_metered() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = bus.connect().await;
    service.object_server().at(PATH, Old).await.unwrap();
    service.request_name(NETWORK_MANAGER).await.unwrap();
    let mut inbox = sysroot.watch(SourceKind::FreeNetwork);
    assert!(is_available(&inbox.status().await));
    assert!(inbox.holds().await);
}

#[tokio::test]
async fn without_network_manager_a_default_route_is_assumed_to_be_free_and_that_is_said() {
    let sysroot = Sysroot::new();
    sysroot.write("proc/net/route", ROUTES);
    let mut inbox = sysroot.watch(SourceKind::FreeNetwork);
    let Status::Degraded { how, why, help } = inbox.status().await else { panic!("must be degraded") };
    assert_eq!(how, "default route");
    assert!(why.contains("nobody knows whether it is metered: it is assumed to be free"), "{why}");
    assert!(help.contains("start NetworkManager"), "{help}");
    assert!(inbox.holds().await);
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = network_manager(&bus, YES).await;
    assert!(is_available(&inbox.status().await));
    assert!(!inbox.holds().await);
    service.close().await.unwrap();
    assert!(is_degraded(&inbox.status().await));
    assert!(inbox.holds().await);
}
