//! NetworkManager's opinion of the internet.

use crate::bus::{CallError, Link, Object, Rules};
use crate::internet::Reading;
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

// `NMConnectivityState`: 0 unknown, 1 none, 2 portal, 3 limited, 4 full.
const CONNECTIVITY_UNKNOWN: u32 = 0;
const CONNECTIVITY_FULL: u32 = 4;
// `NMState`: 70 is a connection with global reach.
const STATE_CONNECTED_GLOBAL: u32 = 70;
// `NMMetered`: 0 unknown, 1 yes, 2 no, 3 guessed to be, 4 guessed not to be.
const METERED_YES: u32 = 1;
const METERED_GUESS_YES: u32 = 3;

/// Asks NetworkManager. A captive portal and a network without internet are both "no".
pub(super) async fn read(link: &Link) -> Result<Reading, CallError> {
    let connection = link.connection()?;
    let properties = MANAGER.properties(connection).await?;
    let online = match properties.require("Connectivity")? {
        CONNECTIVITY_FULL => true,
        CONNECTIVITY_UNKNOWN => properties.require::<u32>("State")? == STATE_CONNECTED_GLOBAL,
        _ => false,
    };
    // Versions before 1.2 do not know.
    let metered = matches!(properties.get("Metered")?, Some(METERED_YES | METERED_GUESS_YES));
    // Versions before 1.10 have neither property and say by `Connectivity` whether they checked.
    let possible = properties.get("ConnectivityCheckAvailable")?.unwrap_or(true);
    let wanted = properties.get("ConnectivityCheckEnabled")?.unwrap_or(true);
    let status = match possible && wanted {
        true => Status::Available { how: "NetworkManager".to_owned() },
        false => Status::Degraded {
            how: "NetworkManager".to_owned(),
            why: "its connectivity check is off, so it takes any default route for the internet".to_owned(),
            help: "set uri in the section [connectivity] of NetworkManager.conf".to_owned(),
        },
    };
    Ok(Reading { status, online, metered })
}
