//! Whether a display of the machine is on.
//!
//! A desktop that switches its displays and says so is believed: GNOME's Mutter. Where none does, the kernel's connectors
//! are read; the kernel tells when a display comes or goes, and nobody when one is switched off, so they are read again
//! by time, and at once when a screen saver begins or ends. Without a display in sight the screen saver itself decides,
//! and without one of those the display counts as on: to wait for what no machine here has would be to wait for ever.

mod connectors;

use std::time::Duration;

use crate::bus::{Bus, BusKind, CallError, Link, Object, Rules};
use crate::device_class::ClassWatch;
use crate::grace::{Grace, ask_again};
use crate::pace::Pace;
use crate::report::{Status, Teller, Unheard};
use crate::reread::tick;
use crate::screen::connectors::{CONNECTORS, any_on};
use crate::world::World;

/// How often the kernel's displays are read while the screen is watched and no desktop tells of it.
pub const SCREEN_REREAD: Duration = Duration::from_secs(30);

/// The shortest time between two readings. A display that goes off and on within it is not missed.
pub const SCREEN_SETTLE: Duration = Duration::from_millis(250);

/// Coming, going and the words of whoever may know.
const RULES: Rules = &[
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',\
     interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.gnome.Mutter.DisplayConfig'",
    "type='signal',sender='org.gnome.Mutter.DisplayConfig',path='/org/gnome/Mutter/DisplayConfig',\
     interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='org.gnome.Mutter.DisplayConfig'",
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',\
     interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.freedesktop.ScreenSaver'",
    "type='signal',sender='org.freedesktop.ScreenSaver',interface='org.freedesktop.ScreenSaver',member='ActiveChanged'",
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',\
     interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.gnome.ScreenSaver'",
    "type='signal',sender='org.gnome.ScreenSaver',interface='org.gnome.ScreenSaver',member='ActiveChanged'",
];

const MUTTER: Object<'static> = Object {
    service: "org.gnome.Mutter.DisplayConfig",
    path: "/org/gnome/Mutter/DisplayConfig",
    interface: "org.gnome.Mutter.DisplayConfig",
};

/// KDE's, and those that speak its language; and GNOME's.
const SAVERS: [Object<'static>; 2] = [
    Object {
        service: "org.freedesktop.ScreenSaver",
        path: "/org/freedesktop/ScreenSaver",
        interface: "org.freedesktop.ScreenSaver",
    },
    Object { service: "org.gnome.ScreenSaver", path: "/org/gnome/ScreenSaver", interface: "org.gnome.ScreenSaver" },
];

/// Watches until nobody listens.
pub(crate) async fn run(world: &World, mut teller: Teller) -> Unheard {
    let rules = RULES.iter().map(|rule| (*rule).to_owned()).collect();
    let mut bus = Bus::open_on(BusKind::Session, world, rules);
    let (mut mutter, mut saver) = (Grace::default(), Grace::default());
    let mut displays = None;
    let mut pace = Pace::new(SCREEN_SETTLE);
    loop {
        let link = bus.link().await;
        let (answer, again) = mutter.judge(power_save_mode(&link).await);
        let (reading, again) = match answer {
            Ok(on) => {
                displays = None;
                (Reading::of_mutter(on), again)
            }
            Err(error) => {
                let watch = displays.get_or_insert_with(|| ClassWatch::new(world, CONNECTORS));
                watch.rearm();
                match any_on(world) {
                    Some(on) => (Reading::of_displays(on, &error), again),
                    None => {
                        let (active, sooner) = saver.judge(saver_active(&link).await);
                        (Reading::of_saver(active, &error), sooner.or(again))
                    }
                }
            }
        };
        let by_time = reading.by_time;
        if let Err(unheard) = reading.tell(&mut teller).await {
            return unheard;
        }
        tokio::select! {
            () = bus.edge() => {}
            () = ClassWatch::edge_of(displays.as_ref()) => {}
            () = ask_again(again) => {}
            () = tick(SCREEN_REREAD), if by_time => {}
        }
        pace.wait().await;
    }
}

/// What was read, and how well.
#[derive(Debug)]
struct Reading {
    status: Status,
    on: bool,
    /// Whether nobody will tell of a change.
    by_time: bool,
}

impl Reading {
    fn of_mutter(on: bool) -> Self {
        Self { status: Status::Available { how: "Mutter".to_owned() }, on, by_time: false }
    }

    fn of_displays(on: bool, error: &CallError) -> Self {
        let status = Status::Degraded {
            how: format!("/{CONNECTORS}, read every {} s", SCREEN_REREAD.as_secs()),
            why: format!("Mutter cannot be asked: {error}; the kernel does not tell when a display is switched off"),
            help: "run a desktop that tells of its displays on the session bus, as GNOME does".to_owned(),
        };
        Self { status, on, by_time: true }
    }

    fn of_saver(active: Result<bool, CallError>, error: &CallError) -> Self {
        let status = match active {
            Ok(_) => Status::Degraded {
                how: "screen saver".to_owned(),
                why: format!(
                    "Mutter cannot be asked: {error}; and /{CONNECTORS} shows no display; one whose saver is active \
                     counts as off"
                ),
                help: "run a desktop that tells of its displays on the session bus, as GNOME does".to_owned(),
            },
            Err(_) => Status::Available { how: format!("/{CONNECTORS}; there is no display, so it always holds") },
        };
        Self { status, on: !active.unwrap_or(false), by_time: false }
    }

    async fn tell(self, teller: &mut Teller) -> Result<(), Unheard> {
        teller.status(self.status).await?;
        teller.level(self.on).await
    }
}

/// Whether Mutter has its displays on: 0 is on, 1 to 3 are kinds of off, and with less it knows no such thing.
async fn power_save_mode(link: &Link) -> Result<bool, CallError> {
    match MUTTER.properties(link.connection()?).await?.require::<i32>("PowerSaveMode")? {
        0 => Ok(true),
        1..=3 => Ok(false),
        other => Err(CallError::Nonsense(format!("its property PowerSaveMode is {other}: it switches no display"))),
    }
}

/// Whether a screen saver is active, of those that run the first that knows.
async fn saver_active(link: &Link) -> Result<bool, CallError> {
    let connection = link.connection()?;
    let mut failure = CallError::NoService;
    for saver in SAVERS {
        match saver.call(connection, "GetActive", None).await {
            Ok(active) => return Ok(active),
            Err(error) if failure == CallError::NoService => failure = error,
            Err(_) => {}
        }
    }
    Err(failure)
}
