//! Whether the user wants energy saved: the profile of power-profiles-daemon, or of what plays its part, else what the
//! desktop portal says of it.
//!
//! On Linux the saver is a choice of the user, which holds on a plug as well as on a battery. So the profile is told
//! as it is, where Windows calls its saver off whenever the machine is plugged in (POL-11); who wants that rule joins
//! this level with the one of external power.

use std::time::Duration;

use crate::bus::{Bus, BusKind, CallError, Link, Object, Rules};
use crate::grace::{Grace, ask_again};
use crate::pace::Pace;
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

/// Coming, going and the properties of the portal, on the session bus.
const PORTAL_RULES: Rules = &[
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',\
     interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.freedesktop.portal.Desktop'",
    "type='signal',sender='org.freedesktop.portal.Desktop',path='/org/freedesktop/portal/desktop',\
     interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',\
     arg0='org.freedesktop.portal.PowerProfileMonitor'",
];

const PORTAL: Object<'static> = Object {
    service: "org.freedesktop.portal.Desktop",
    path: "/org/freedesktop/portal/desktop",
    interface: "org.freedesktop.portal.PowerProfileMonitor",
};

/// The profile that saves energy. The others are "balanced" and "performance".
const SAVER: &str = "power-saver";

/// Watches until nobody listens.
pub(crate) async fn run(world: &World, mut teller: Teller) -> Unheard {
    let mut bus = Bus::open(world, RULES);
    let mut grace = Grace::default();
    let mut portal = None;
    let mut pace = Pace::new(SAVER_SETTLE);
    loop {
        let link = bus.link().await;
        let (answer, again) = grace.judge(daemon(&link).await);
        let (status, saves, again) = match answer {
            Ok(saves) => {
                portal = None;
                (Status::Available { how: "power-profiles-daemon".to_owned() }, saves, again)
            }
            Err(error) => {
                let portal = portal.get_or_insert_with(|| Portal::new(world));
                let (saves, sooner) = portal.ask().await;
                (status(&error, saves.is_ok()), saves.unwrap_or(false), sooner.or(again))
            }
        };
        if let Err(unheard) = tell(&mut teller, status, saves).await {
            return unheard;
        }
        tokio::select! {
            () = bus.edge() => {}
            () = Portal::edge_of(portal.as_mut()) => {}
            () = ask_again(again) => {}
        }
        pace.wait().await;
    }
}

async fn tell(teller: &mut Teller, status: Status, saves: bool) -> Result<(), Unheard> {
    teller.status(status).await?;
    teller.level(saves).await
}

/// Whether the daemon saves. The newer name wins. If it fails, what the older one says is worth more than nothing.
async fn daemon(link: &Link) -> Result<bool, CallError> {
    let mut failure = CallError::NoService;
    for name in NAMES {
        match profile_of(link, name).await {
            Ok(profile) => return Ok(profile == SAVER),
            Err(error) if failure == CallError::NoService => failure = error,
            Err(_) => {}
        }
    }
    Err(failure)
}

async fn profile_of(link: &Link, name: Object<'static>) -> Result<String, CallError> {
    name.properties(link.connection()?).await?.require("ActiveProfile")
}

/// The desktop portal, which is asked only where the daemon cannot be: it asks the same one.
#[derive(Debug)]
struct Portal {
    bus: Bus,
    grace: Grace<bool>,
}

impl Portal {
    fn new(world: &World) -> Self {
        let rules = PORTAL_RULES.iter().map(|rule| (*rule).to_owned()).collect();
        Self { bus: Bus::open_on(BusKind::Session, world, rules), grace: Grace::default() }
    }

    async fn ask(&mut self) -> (Result<bool, CallError>, Option<Duration>) {
        let link = self.bus.link().await;
        self.grace.judge(Self::read(&link).await)
    }

    async fn read(link: &Link) -> Result<bool, CallError> {
        PORTAL.properties(link.connection()?).await?.require("power-saver-enabled")
    }

    /// Waits until it may say something else; for ever while it is not asked. Cancel safe.
    async fn edge_of(portal: Option<&mut Self>) {
        match portal {
            Some(portal) => portal.bus.edge().await,
            None => std::future::pending().await,
        }
    }
}

fn status(error: &CallError, portal: bool) -> Status {
    let mut why = format!("power-profiles-daemon cannot be asked: {error}");
    let help = match error {
        CallError::NoService => "install and start power-profiles-daemon, or tuned-ppd in its place",
        _ => "restart power-profiles-daemon",
    };
    let help = help.to_owned();
    if portal {
        why.push_str("; the portal calls the saver off where nobody knows");
        return Status::Degraded { how: "desktop portal".to_owned(), why, help };
    }
    why.push_str("; the saver counts as off");
    Status::Missing { why, help }
}
