//! systemd-networkd's opinion of the links: the second choice.

use crate::bus::{CallError, Link, Object, Rules};

/// What networkd is heard for: coming, going, and its own properties. (Not its links, which tell every address.)
pub(super) const RULES: Rules = &[
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',\
     interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.freedesktop.network1'",
    "type='signal',sender='org.freedesktop.network1',path='/org/freedesktop/network1',\
     interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='org.freedesktop.network1.Manager'",
];

const MANAGER: Object<'static> = Object {
    service: "org.freedesktop.network1",
    path: "/org/freedesktop/network1",
    interface: "org.freedesktop.network1.Manager",
};

/// How far the best of all links reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operation {
    /// No link has an address: not even a cable may be there.
    Nowhere,
    /// There are only addresses of the link itself.
    Local,
    /// A link has an address that is known beyond it.
    Routable,
}

/// Asks networkd about all links, those of others too. (Its `OnlineState` is about the links *it* was told to wait for,
/// and stays `offline` on a laptop whose unplugged port is one of them while another network is up.)
pub(super) async fn read(link: &Link) -> Result<Operation, CallError> {
    let properties = MANAGER.properties(link.connection()?).await?;
    let state: String = properties.require("OperationalState")?;
    match state.as_str() {
        "missing" | "off" | "no-carrier" | "dormant" | "carrier" => Ok(Operation::Nowhere),
        "degraded" | "degraded-carrier" | "enslaved" => Ok(Operation::Local),
        "routable" => Ok(Operation::Routable),
        _ => Err(CallError::Nonsense("its property OperationalState is a word that nobody knows".to_owned())),
    }
}
