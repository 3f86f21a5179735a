//! The sources that ask services, one row each way they ask.

use std::time::Duration;

use bgtask_sources::{BusKind, SourceKind};

use crate::common::service::Value::{Bool, F64, I32, Text, U32, U64};
use crate::common::service::{Answer, Identity};

/// One way of one source.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) kind: SourceKind,
    pub(crate) bus: BusKind,
    pub(crate) identity: Identity,
    /// What its status says it sees by.
    pub(crate) how: &'static str,
    /// What else there is on the machine.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// What the service answers first, and what is told of it. Without the service something else would be told.
    pub(crate) one: Answer,
    pub(crate) told_one: &'static str,
    /// What it answers after a change.
    pub(crate) other: Answer,
    pub(crate) told_other: &'static str,
}

const LOGIND: Identity = Identity {
    name: "org.freedesktop.login1",
    path: "/org/freedesktop/login1/session/c1",
    interface: "org.freedesktop.login1.Session",
    signal: None,
};
const LOGIND_MANAGER: Identity = Identity {
    path: "/org/freedesktop/login1",
    interface: "org.freedesktop.login1.Manager",
    signal: Some("PrepareForSleep"),
    ..LOGIND
};
const NETWORK_MANAGER: Identity = Identity {
    name: "org.freedesktop.NetworkManager",
    path: "/org/freedesktop/NetworkManager",
    interface: "org.freedesktop.NetworkManager",
    signal: None,
};
const NETWORKD: Identity = Identity {
    name: "org.freedesktop.network1",
    path: "/org/freedesktop/network1",
    interface: "org.freedesktop.network1.Manager",
    signal: None,
};
const UPOWER: Identity = Identity {
    name: "org.freedesktop.UPower",
    path: "/org/freedesktop/UPower",
    interface: "org.freedesktop.UPower",
    signal: None,
};
const BATTERY: Identity = Identity {
    path: "/org/freedesktop/UPower/devices/DisplayDevice",
    interface: "org.freedesktop.UPower.Device",
    ..UPOWER
};
const PROFILES: Identity = Identity {
    name: "org.freedesktop.UPower.PowerProfiles",
    path: "/org/freedesktop/UPower/PowerProfiles",
    interface: "org.freedesktop.UPower.PowerProfiles",
    signal: None,
};
const OLDER_PROFILES: Identity = Identity {
    name: "net.hadess.PowerProfiles",
    path: "/net/hadess/PowerProfiles",
    interface: "net.hadess.PowerProfiles",
    signal: None,
};
const PORTAL: Identity = Identity {
    name: "org.freedesktop.portal.Desktop",
    path: "/org/freedesktop/portal/desktop",
    interface: "org.freedesktop.portal.PowerProfileMonitor",
    signal: None,
};
const MUTTER: Identity = Identity {
    name: "org.gnome.Mutter.DisplayConfig",
    path: "/org/gnome/Mutter/DisplayConfig",
    interface: "org.gnome.Mutter.DisplayConfig",
    signal: None,
};
const KDE_SAVER: Identity = Identity {
    name: "org.freedesktop.ScreenSaver",
    path: "/org/freedesktop/ScreenSaver",
    interface: "org.freedesktop.ScreenSaver",
    signal: Some("ActiveChanged"),
};
const GNOME_SAVER: Identity = Identity {
    name: "org.gnome.ScreenSaver",
    path: "/org/gnome/ScreenSaver",
    interface: "org.gnome.ScreenSaver",
    signal: Some("ActiveChanged"),
};

const ROUTE: &[(&str, &str)] = &[("proc/net/route", "eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n")];

/// A desktop session: whether it is in front, whether it is idle, and since when.
macro_rules! session {
    ($front:expr, $idle:expr, $since:expr) => {
        Answer::Properties(&[
            ("Class", Text("user")),
            ("Type", Text("wayland")),
            ("State", Text(if $front { "active" } else { "online" })),
            ("Active", Bool($front)),
            ("LockedHint", Bool(false)),
            ("IdleHint", Bool($idle)),
            ("IdleSinceHint", U64($since)),
        ])
    };
}

macro_rules! network {
    ($connectivity:expr, $metered:expr) => {
        Answer::Properties(&[("Connectivity", U32($connectivity)), ("State", U32(70)), ("Metered", U32($metered))])
    };
}

macro_rules! properties {
    ($($name:literal: $value:expr),*) => { Answer::Properties(&[$(($name, $value)),*]) };
}

const FRONT: Answer = session!(true, false, 0);
const BACKGROUND: Answer = session!(false, false, 0);
/// Since 1970.
const IDLE: Answer = session!(true, true, 1);
const SLEEPS: Answer = properties!("PreparingForSleep": Bool(true));
const AWAKE: Answer = properties!("PreparingForSleep": Bool(false));
const FULL: Answer = network!(4, 2);
const PORTAL_PAGE: Answer = network!(2, 2);
const GUESSED_METERED: Answer = network!(4, 3);
const ROUTABLE: Answer = properties!("OperationalState": Text("routable"));
const NO_CARRIER: Answer = properties!("OperationalState": Text("no-carrier"));
const CHARGED: Answer = properties!("IsPresent": Bool(true), "Percentage": F64(80.0), "State": U32(1));
const DRAINED: Answer = properties!("IsPresent": Bool(true), "Percentage": F64(20.0), "State": U32(2));
const PLUGGED: Answer = properties!("OnBattery": Bool(false));
const UNPLUGGED: Answer = properties!("OnBattery": Bool(true));
const SAVER: Answer = properties!("ActiveProfile": Text("power-saver"));
const BALANCED: Answer = properties!("ActiveProfile": Text("balanced"));
const PORTAL_SAVES: Answer = properties!("power-saver-enabled": Bool(true));
const PORTAL_WASTES: Answer = properties!("power-saver-enabled": Bool(false));
const DARK: Answer = properties!("PowerSaveMode": I32(3));
const LIT: Answer = properties!("PowerSaveMode": I32(0));

const LEVEL: [&str; 2] = ["true", "false"];
const REVERSE: [&str; 2] = ["false", "true"];

const fn case(
    kind: SourceKind,
    (identity, how): (Identity, &'static str),
    [one, other]: [Answer; 2],
    [told_one, told_other]: [&'static str; 2],
) -> Case {
    Case { kind, bus: BusKind::System, identity, how, files: &[], one, told_one, other, told_other }
}

const fn on_session_bus(case: Case) -> Case {
    Case { bus: BusKind::Session, ..case }
}

const fn with_route(case: Case) -> Case {
    Case { files: ROUTE, ..case }
}

const BY_LOGIND: (Identity, &str) = (LOGIND, "logind");
const BY_NETWORK_MANAGER: (Identity, &str) = (NETWORK_MANAGER, "NetworkManager");
const BY_NETWORKD: (Identity, &str) = (NETWORKD, "systemd-networkd and default route");
const BY_UPOWER: (Identity, &str) = (UPOWER, "UPower");
const BY_BATTERY: (Identity, &str) = (BATTERY, "UPower");

pub(crate) const CASES: &[Case] = &[
    case(SourceKind::UserPresence, BY_LOGIND, [FRONT, IDLE], LEVEL),
    case(SourceKind::SessionConnected, BY_LOGIND, [FRONT, BACKGROUND], LEVEL),
    case(SourceKind::Idle(Duration::from_secs(60)), BY_LOGIND, [IDLE, FRONT], LEVEL),
    case(SourceKind::Standby, (LOGIND_MANAGER, "logind"), [SLEEPS, AWAKE], LEVEL),
    case(SourceKind::Internet, BY_NETWORK_MANAGER, [FULL, PORTAL_PAGE], LEVEL),
    case(SourceKind::FreeNetwork, BY_NETWORK_MANAGER, [FULL, GUESSED_METERED], LEVEL),
    case(SourceKind::NetworkState, BY_NETWORK_MANAGER, [FULL, PORTAL_PAGE], ["full unmetered", "portal unmetered"]),
    with_route(case(SourceKind::Internet, BY_NETWORKD, [NO_CARRIER, ROUTABLE], REVERSE)),
    with_route(case(
        SourceKind::NetworkState,
        BY_NETWORKD,
        [NO_CARRIER, ROUTABLE],
        ["none unknown", "unknown unknown eth0"],
    )),
    case(SourceKind::ExternalPower, BY_UPOWER, [PLUGGED, UNPLUGGED], LEVEL),
    case(SourceKind::BatteryAbove(50), BY_BATTERY, [CHARGED, DRAINED], LEVEL),
    case(SourceKind::PowerState, BY_BATTERY, [CHARGED, DRAINED], ["charging", "discharging"]),
    case(SourceKind::EnergySaver, (PROFILES, "power-profiles-daemon"), [SAVER, BALANCED], LEVEL),
    case(SourceKind::EnergySaver, (OLDER_PROFILES, "power-profiles-daemon"), [SAVER, BALANCED], LEVEL),
    on_session_bus(case(SourceKind::EnergySaver, (PORTAL, "desktop portal"), [PORTAL_SAVES, PORTAL_WASTES], LEVEL)),
    on_session_bus(case(SourceKind::Screen, (MUTTER, "Mutter"), [DARK, LIT], REVERSE)),
    on_session_bus(case(
        SourceKind::Screen,
        (KDE_SAVER, "screen saver"),
        [Answer::Method(true), Answer::Method(false)],
        REVERSE,
    )),
    on_session_bus(case(
        SourceKind::Screen,
        (GNOME_SAVER, "screen saver"),
        [Answer::Method(true), Answer::Method(false)],
        REVERSE,
    )),
];
