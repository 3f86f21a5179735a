//! Whether the machine is going to sleep, or sleeps.
//!
//! logind says that it prepares for sleep before it waits for those who delay it, and says so until the machine is awake
//! again. Who sleeps is not asked, so what is told when the machine is up again is what is so then.

use std::time::Duration;

use crate::bus::{Bus, CallError, Link, Object, Rules};
use crate::grace::{Grace, ask_again};
use crate::pace::Pace;
use crate::report::{Status, Teller, Unheard};
use crate::world::World;

/// The shortest time between two readings. Who delays sleep has five seconds, so this is soon enough.
pub const STANDBY_SETTLE: Duration = Duration::from_millis(100);

/// Coming, going and the word of logind; it tells of this property by no signal but its own.
const RULES: Rules = &[
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',\
     interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.freedesktop.login1'",
    "type='signal',sender='org.freedesktop.login1',path='/org/freedesktop/login1',\
     interface='org.freedesktop.login1.Manager',member='PrepareForSleep'",
];

const MANAGER: Object<'static> = Object {
    service: "org.freedesktop.login1",
    path: "/org/freedesktop/login1",
    interface: "org.freedesktop.login1.Manager",
};

/// Watches until nobody listens.
pub(crate) async fn run(world: &World, mut teller: Teller) -> Unheard {
    let mut bus = Bus::open(world, RULES);
    let mut grace = Grace::default();
    let mut pace = Pace::new(STANDBY_SETTLE);
    loop {
        let link = bus.link().await;
        let (answer, again) = grace.judge(prepares(&link).await);
        if let Err(unheard) = tell(&mut teller, answer).await {
            return unheard;
        }
        tokio::select! {
            () = bus.edge() => {}
            () = ask_again(again) => {}
        }
        pace.wait().await;
    }
}

async fn tell(teller: &mut Teller, answer: Result<bool, CallError>) -> Result<(), Unheard> {
    let status = match &answer {
        Ok(_) => Status::Available { how: "logind".to_owned() },
        Err(error) => Status::Degraded {
            how: "counts as awake".to_owned(),
            why: format!("logind cannot be asked: {error}; that the machine goes to sleep is not seen"),
            help: "install and start systemd-logind or elogind".to_owned(),
        },
    };
    teller.status(status).await?;
    teller.level(answer.unwrap_or(false)).await
}

async fn prepares(link: &Link) -> Result<bool, CallError> {
    MANAGER.properties(link.connection()?).await?.require("PreparingForSleep")
}
