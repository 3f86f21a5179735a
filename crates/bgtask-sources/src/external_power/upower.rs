//! UPower's opinion of where the power comes from.

use crate::bus::{CallError, Link, Object, Rules};
use crate::external_power::Reading;
use crate::report::Status;

/// What UPower is heard for: coming, going, and its own properties. (Not its devices, which tell every percent.)
pub(super) const RULES: Rules = &[
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',\
     interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.freedesktop.UPower'",
    "type='signal',sender='org.freedesktop.UPower',path='/org/freedesktop/UPower',\
     interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='org.freedesktop.UPower'",
];

const UPOWER: Object<'static> =
    Object { service: "org.freedesktop.UPower", path: "/org/freedesktop/UPower", interface: "org.freedesktop.UPower" };

/// Asks UPower. A machine without a battery is never on one.
pub(super) async fn read(link: &Link) -> Result<Reading, CallError> {
    let properties = UPOWER.properties(link.connection()?).await?;
    let external = !properties.require::<bool>("OnBattery")?;
    Ok(Reading { status: Status::Available { how: "UPower".to_owned() }, external })
}
