//! NetworkManager's opinion of the internet.

use zbus::Connection;
use zbus::wire::OwnedObjectPath;

use crate::bus::{CallError, Link, Object, Properties, Rules};
use crate::internet::{Asked, Connectivity, Reading};
use crate::report::Status;

/// What NetworkManager is heard for: coming, going, and its own properties. (Not its access points and devices, which
/// chatter.)
pub(super) const RULES: Rules = &[
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',\
     interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.freedesktop.NetworkManager'",
    "type='signal',sender='org.freedesktop.NetworkManager',path='/org/freedesktop/NetworkManager',\
     interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='org.freedesktop.NetworkManager'",
];

const MANAGER: Object<'static> = Object {
    service: "org.freedesktop.NetworkManager",
    path: "/org/freedesktop/NetworkManager",
    interface: "org.freedesktop.NetworkManager",
};

// `NMConnectivityState`.
const CONNECTIVITY_UNKNOWN: u32 = 0;
const CONNECTIVITY_NONE: u32 = 1;
const CONNECTIVITY_PORTAL: u32 = 2;
const CONNECTIVITY_LIMITED: u32 = 3;
const CONNECTIVITY_FULL: u32 = 4;
// `NMState`: a connection that reaches the link or the site, and one of global reach.
const STATE_CONNECTED_LOCAL: u32 = 50;
const STATE_CONNECTED_GLOBAL: u32 = 70;
// `NMMetered`: 0 unknown, 1 yes, 2 no, 3 guessed to be, 4 guessed not to be.
const METERED: [u32; 2] = [1, 3];
const NOT_METERED: [u32; 2] = [2, 4];

/// What NetworkManager calls no object.
const NO_OBJECT: &str = "/";

/// Asks NetworkManager. A captive portal and a network without internet are both "no".
pub(super) async fn read(asked: Asked, link: &Link) -> Result<Reading, CallError> {
    let connection = link.connection()?;
    let properties = MANAGER.properties(connection).await?;
    let way = match asked {
        Asked::State => primary(connection, &properties).await?,
        Asked::Internet | Asked::Free => String::new(),
    };
    // Versions before 1.2 do not know.
    let metered = properties.get("Metered")?.unwrap_or_default();
    let metered = METERED.contains(&metered).then_some(true).or(NOT_METERED.contains(&metered).then_some(false));
    let starting = properties.get("Startup")?.unwrap_or(false);
    let connectivity = connectivity(&properties)?;
    Ok(Reading { status: status(&properties)?, connectivity, metered, way, starting })
}

fn connectivity(properties: &Properties) -> Result<Connectivity, CallError> {
    let of_state = |state| match state {
        STATE_CONNECTED_GLOBAL.. => Connectivity::Unknown,
        STATE_CONNECTED_LOCAL.. => Connectivity::Limited,
        _ => Connectivity::None,
    };
    match properties.require("Connectivity")? {
        CONNECTIVITY_UNKNOWN => Ok(of_state(properties.require("State")?)),
        CONNECTIVITY_NONE => Ok(Connectivity::None),
        CONNECTIVITY_PORTAL => Ok(Connectivity::Portal),
        CONNECTIVITY_LIMITED => Ok(Connectivity::Limited),
        CONNECTIVITY_FULL => Ok(Connectivity::Full),
        other => Err(CallError::Nonsense(format!("its property Connectivity is {other}, which means nothing"))),
    }
}

/// What stays the same of the connection that traffic takes, however often it is made: its UUID.
async fn primary(connection: &Connection, properties: &Properties) -> Result<String, CallError> {
    let path: Option<OwnedObjectPath> = properties.get("PrimaryConnection")?;
    let Some(path) = path.filter(|path| path.as_str() != NO_OBJECT) else { return Ok(String::new()) };
    let interface = "org.freedesktop.NetworkManager.Connection.Active";
    match (Object { path: path.as_str(), interface, ..MANAGER }).properties(connection).await {
        Ok(active) => active.require("Uuid"),
        // It ended since: the edge of that is on its way.
        Err(CallError::NoObject) => Ok(String::new()),
        Err(error) => Err(error),
    }
}

fn status(properties: &Properties) -> Result<Status, CallError> {
    let how = "NetworkManager".to_owned();
    // Versions before 1.10 have neither property and say by `Connectivity` whether they checked.
    let possible = properties.get("ConnectivityCheckAvailable")?.unwrap_or(true);
    let wanted = properties.get("ConnectivityCheckEnabled")?.unwrap_or(true);
    Ok(match possible && wanted {
        true => Status::Available { how },
        false => Status::Degraded {
            how,
            why: "its connectivity check is off, so it takes any default route for the internet".to_owned(),
            help: "set uri in the section [connectivity] of NetworkManager.conf".to_owned(),
        },
    })
}
