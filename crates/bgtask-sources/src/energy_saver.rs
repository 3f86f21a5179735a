//! Whether the user wants energy saved: the profile of power-profiles-daemon, or of what plays its part.
//!
//! On Linux the saver is a choice of the user, which holds on a plug as well as on a battery. So the profile is told
//! as it is, where Windows calls its saver off whenever the machine is plugged in (POL-11); who wants that rule joins
//! this level with the one of external power.

use std::time::Duration;

use tokio::time::sleep;

use crate::bus::{Bus, CALL_RETRY, CallError, Link, Object, Rules};
use crate::report::{Status, Teller, Unheard};
use crate::world::World;

/// The shortest time between two readings. A daemon that restarts within it is not missed.
pub const SAVER_SETTLE: Duration = Duration::from_millis(250);

/// Coming, going and the properties of the daemon under both its names.
const RULES: Rules = &[
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',\
     interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.freedesktop.UPower.PowerProfiles'",
    "type='signal',sender='org.freedesktop.UPower.PowerProfiles',path='/org/freedesktop/UPower/PowerProfiles',\
     interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',\
     arg0='org.freedesktop.UPower.PowerProfiles'",
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',\
     interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='net.hadess.PowerProfiles'",
    "type='signal',sender='net.hadess.PowerProfiles',path='/net/hadess/PowerProfiles',\
     interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='net.hadess.PowerProfiles'",
];

/// The daemon's name since 0.20 and the one before, which newer ones may have too.
const NAMES: [Object<'static>; 2] = [
    Object {
        service: "org.freedesktop.UPower.PowerProfiles",
        path: "/org/freedesktop/UPower/PowerProfiles",
        interface: "org.freedesktop.UPower.PowerProfiles",
    },
    Object {
        service: "net.hadess.PowerProfiles",
        path: "/net/hadess/PowerProfiles",
        interface: "net.hadess.PowerProfiles",
    },
];

/// The profile that saves energy. The others are "balanced" and "performance".
const SAVER: &str = "power-saver";

/// Watches until nobody listens.
pub(crate) async fn run(world: &World, mut teller: Teller) -> Unheard {
    let mut bus = Bus::open(world, RULES);
    loop {
        let link = bus.link().await;
        let profile = active_profile(&link).await;
        if let Err(unheard) = tell(&mut teller, &profile).await {
            return unheard;
        }
        let retry = matches!(profile, Err(CallError::Failed(_)));
        tokio::select! {
            () = bus.edge() => {}
            () = sleep(CALL_RETRY), if retry => {}
        }
        sleep(SAVER_SETTLE).await;
    }
}

async fn tell(teller: &mut Teller, profile: &Result<String, CallError>) -> Result<(), Unheard> {
    teller.status(status(profile)).await?;
    let saves = profile.as_ref().is_ok_and(|profile| profile == SAVER);
    teller.level(saves).await
}

/// The newer name wins. If it fails, what the older one says is worth more than nothing.
async fn active_profile(link: &Link) -> Result<String, CallError> {
    let mut failure = CallError::NoService;
    for name in NAMES {
        match profile_of(link, name).await {
            Ok(profile) => return Ok(profile),
            Err(error) if failure == CallError::NoService => failure = error,
            Err(_) => {}
        }
    }
    Err(failure)
}

async fn profile_of(link: &Link, name: Object<'static>) -> Result<String, CallError> {
    name.properties(link.connection()?).await?.require("ActiveProfile")
}

fn status(profile: &Result<String, CallError>) -> Status {
    let Err(error) = profile else {
        return Status::Available { how: "power-profiles-daemon".to_owned() };
    };
    let why = format!("power-profiles-daemon cannot be asked: {error}; the saver counts as off");
    let help = match error {
        CallError::NoService => "install and start power-profiles-daemon, or tuned-ppd in its place",
        _ => "restart power-profiles-daemon",
    };
    Status::Missing { why, help: help.to_owned() }
}
