//! The energy saver source: a power-profiles-daemon of our own on a private bus, under its new and its old
//! name, and a portal.

mod common;

use bgtask_sources::{BusKind, Report, SourceKind, Status};
use common::{Inbox, Sysroot, TestBus, is_available};
use zbus::interface;
use zbus::object_server::Interface;

/// What the daemon is called since 0.20, and before.
const NEWER: (&str, &str) = ("org.freedesktop.UPower.PowerProfiles", "/org/freedesktop/UPower/PowerProfiles");
const OLDER: (&str, &str) = ("net.hadess.PowerProfiles", "/net/hadess/PowerProfiles");

async fn saves(inbox: &mut Inbox) -> bool {
    match inbox.level().await {
        Report::Level(SourceKind::EnergySaver, saves) => saves,
        other => panic!("expected the energy saver, got {other:?}"),
    }
}

struct Newer {
    profile: &'static str,
}

#[interface(name = "org.freedesktop.UPower.PowerProfiles")]
impl Newer {
    #[zbus(property)]
    fn active_profile(&self) -> &str {
        self.profile
    }
}

struct Older {
    profile: &'static str,
}

#[interface(name = "net.hadess.PowerProfiles")]
impl Older {
    #[zbus(property)]
    fn active_profile(&self) -> &str {
        self.profile
    }
}

/// One that lost its mind.
struct Nonsense;

#[interface(name = "org.freedesktop.UPower.PowerProfiles")]
impl Nonsense {
    #[zbus(property)]
    fn active_profile(&self) -> bool {
        true
    }
}

async fn serve(bus: &TestBus, (name, path): (&'static str, &str), object: impl Interface) -> zbus::Connection {
    let connection = bus.connect().await;
    connection.object_server().at(path, object).await.unwrap();
    connection.request_name(name).await.unwrap();
    connection
}

async fn choose(service: &zbus::Connection, profile: &'static str) {
    let daemon = service.object_server().interface::<_, Newer>(NEWER.1).await.unwrap();
    daemon.get_mut().await.profile = profile;
    daemon.get().await.active_profile_changed(daemon.signal_emitter()).await.unwrap();
}

#[tokio::test]
async fn without_a_daemon_nobody_saves_and_help_is_given() {
    let sysroot = Sysroot::new();
    let mut inbox = sysroot.watch(SourceKind::EnergySaver);
    let Status::Missing { why, help } = inbox.status().await else { panic!("must be missing") };
    assert_eq!(why, "power-profiles-daemon cannot be asked: it is not running; the saver counts as off");
    assert_eq!(help, "install and start power-profiles-daemon, or tuned-ppd in its place");
    assert!(!saves(&mut inbox).await);
}

/// POL-11, where Linux differs: the user's choice counts, whether or not the machine is plugged in.
#[tokio::test]
async fn the_chosen_profile_is_followed_on_external_power_too() {
    let sysroot = Sysroot::new();
    sysroot.write("sys/class/power_supply/AC/type", "Mains");
    sysroot.write("sys/class/power_supply/AC/online", "1");
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let service = serve(&bus, NEWER, Newer { profile: "balanced" }).await;
    let mut inbox = sysroot.watch(SourceKind::EnergySaver);
    assert_eq!(inbox.status().await, Status::Available { how: "power-profiles-daemon".into() });
    assert!(!saves(&mut inbox).await);
    for _ in 0..2 {
        choose(&service, "power-saver").await;
        assert!(saves(&mut inbox).await);
        choose(&service, "performance").await;
        assert!(!saves(&mut inbox).await);
    }
}

#[tokio::test]
async fn a_profile_nobody_knows_saves_nothing() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    for profile in ["", "Power-Saver", "power-saver ", "cool"] {
        let service = serve(&bus, NEWER, Newer { profile }).await;
        let mut inbox = sysroot.watch(SourceKind::EnergySaver);
        assert!(is_available(&inbox.status().await));
        assert!(!saves(&mut inbox).await, "{profile:?}");
        service.close().await.unwrap();
    }
}

#[tokio::test]
async fn the_older_name_is_heard_and_the_newer_wins() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let older = serve(&bus, OLDER, Older { profile: "power-saver" }).await;
    let mut inbox = sysroot.watch(SourceKind::EnergySaver);
    assert!(is_available(&inbox.status().await));
    assert!(saves(&mut inbox).await);
    let daemon = older.object_server().interface::<_, Older>(OLDER.1).await.unwrap();
    daemon.get_mut().await.profile = "balanced";
    daemon.get().await.active_profile_changed(daemon.signal_emitter()).await.unwrap();
    assert!(!saves(&mut inbox).await, "its signals are heard");
    let newer = serve(&bus, NEWER, Newer { profile: "power-saver" }).await;
    assert!(saves(&mut inbox).await, "the newer wins");
    newer.close().await.unwrap();
    assert!(!saves(&mut inbox).await, "the older is still there");
}

#[tokio::test]
async fn nonsense_is_named_and_the_older_name_asked() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let _mad = serve(&bus, NEWER, Nonsense).await;
    let mut inbox = sysroot.watch(SourceKind::EnergySaver);
    let Status::Missing { why, help } = inbox.status().await else { panic!("must be missing") };
    assert!(why.contains("its property ActiveProfile has the type 'b'"), "{why}");
    assert_eq!(help, "restart power-profiles-daemon");
    assert!(!saves(&mut inbox).await);
    let _older = serve(&bus, OLDER, Older { profile: "power-saver" }).await;
    assert!(is_available(&inbox.status().await));
    assert!(saves(&mut inbox).await);
}

// --- The portal -----------------------------------------------------------------------------------------------------

struct Portal {
    saves: bool,
}

#[interface(name = "org.freedesktop.portal.PowerProfileMonitor")]
impl Portal {
    #[zbus(property, name = "power-saver-enabled")]
    fn power_saver_enabled(&self) -> bool {
        self.saves
    }
}

const PORTAL: (&str, &str) = ("org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop");

#[tokio::test]
async fn the_portal_is_asked_where_the_daemon_cannot_be_and_the_daemon_wins() {
    let sysroot = Sysroot::new();
    let Some(session_bus) = TestBus::start_on(&sysroot, BusKind::Session) else { return };
    let _portal = serve(&session_bus, PORTAL, Portal { saves: true }).await;
    let mut inbox = sysroot.watch(SourceKind::EnergySaver);
    let Status::Degraded { how, why, help } = inbox.status().await else { panic!("must be degraded") };
    assert_eq!(how, "desktop portal");
    assert!(why.contains("it is not running; the portal calls the saver off where nobody knows"), "{why}");
    assert!(help.contains("install and start power-profiles-daemon"), "{help}");
    assert!(saves(&mut inbox).await);
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let _daemon = serve(&bus, NEWER, Newer { profile: "balanced" }).await;
    assert_eq!(inbox.status().await, Status::Available { how: "power-profiles-daemon".into() });
    assert!(!saves(&mut inbox).await);
}
