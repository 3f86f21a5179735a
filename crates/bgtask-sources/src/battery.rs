//! How full the battery is: UPower where it runs, else the kernel's power supplies.

use std::time::Duration;

use crate::band::Band;
use crate::bus::{Bus, CallError, Link, Object, Rules};
use crate::device_class::ClassWatch;
use crate::external_power::POWER_SETTLE;
use crate::external_power::supplies::{self, SUPPLIES};
use crate::grace::{Grace, ask_again};
use crate::pace::Pace;
use crate::report::{Status, Teller, Unheard};
use crate::world::World;

/// How many percent below where it began the level ends.
pub const BATTERY_BAND: u8 = 1;

/// How often the kernel's supplies are read again while a battery is watched without UPower: the kernel passes on what a
/// battery tells, and many tell only when they are nearly empty. UPower does the same.
pub const BATTERY_REREAD: Duration = Duration::from_secs(120);

/// Coming, going, and the one device that stands for all batteries of the machine.
pub(crate) const RULES: Rules = &[
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',\
     interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.freedesktop.UPower'",
    "type='signal',sender='org.freedesktop.UPower',path='/org/freedesktop/UPower/devices/DisplayDevice',\
     interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='org.freedesktop.UPower.Device'",
];

pub(crate) const DISPLAY_DEVICE: Object<'static> = Object {
    service: "org.freedesktop.UPower",
    path: "/org/freedesktop/UPower/devices/DisplayDevice",
    interface: "org.freedesktop.UPower.Device",
};

const NO_BATTERY: &str = "there is no battery, so it always holds";

/// Watches until nobody listens.
pub(crate) async fn run(percent: u8, world: &World, mut teller: Teller) -> Unheard {
    let mut bus = Bus::open(world, RULES);
    let mut grace = Grace::default();
    let mut band = Band::at_least(percent.into(), percent.saturating_sub(BATTERY_BAND).into());
    let mut supplies = None;
    let mut pace = Pace::new(POWER_SETTLE);
    loop {
        let link = bus.link().await;
        let (answer, again) = grace.judge(display_device(&link).await);
        let (reading, again) = match answer {
            Ok(charge) => {
                supplies = None;
                (Reading::of("UPower", charge), again)
            }
            Err(error) => {
                let watch = supplies.get_or_insert_with(|| ClassWatch::new(world, SUPPLIES));
                let reading = by_supplies(world, watch, &error);
                let by_time = reading.charge.is_some().then_some(BATTERY_REREAD);
                (reading, again.or(by_time))
            }
        };
        if let Err(unheard) = reading.tell(&mut band, &mut teller).await {
            return unheard;
        }
        tokio::select! {
            () = bus.edge() => {}
            () = ClassWatch::edge_of(supplies.as_ref()) => {}
            () = ask_again(again) => {}
        }
        pace.wait().await;
    }
}

/// What was read, and how well.
#[derive(Debug)]
struct Reading {
    status: Status,
    /// In percent; `None` without a battery.
    charge: Option<f64>,
}

impl Reading {
    fn of(how: &str, charge: Option<f64>) -> Self {
        let how = match charge {
            Some(_) => how.to_owned(),
            None => format!("{how}; {NO_BATTERY}"),
        };
        Self { status: Status::Available { how }, charge }
    }

    async fn tell(self, band: &mut Band, teller: &mut Teller) -> Result<(), Unheard> {
        let blind = matches!(self.status, Status::Missing { .. });
        teller.status(self.status).await?;
        let holds = match self.charge {
            Some(charge) => band.judge(charge),
            None => !blind,
        };
        teller.level(holds).await
    }
}

/// The percent of all batteries together as UPower counts them; `None` without one.
async fn display_device(link: &Link) -> Result<Option<f64>, CallError> {
    let properties = DISPLAY_DEVICE.properties(link.connection()?).await?;
    match properties.require("IsPresent")? {
        true => Ok(Some(properties.require("Percentage")?)),
        false => Ok(None),
    }
}

fn by_supplies(world: &World, watch: &mut ClassWatch, error: &CallError) -> Reading {
    watch.rearm();
    let help = "install and start UPower".to_owned();
    match supplies::charge(world) {
        Ok(None) if watch.problem().is_none() => Reading::of(&format!("/{SUPPLIES}"), None),
        Ok(charge) => {
            let how = format!("/{SUPPLIES}, read every {} s", BATTERY_REREAD.as_secs());
            let mut why =
                format!("UPower cannot be asked: {error}; not every battery tells the kernel of every percent");
            if let Some(problem) = watch.problem() {
                why = format!("{why}, and the kernel refused to tell of changes: {problem}");
            }
            Reading { status: Status::Degraded { how, why, help }, charge }
        }
        Err(unreadable) => {
            let why = format!("UPower cannot be asked: {error}; and {unreadable}; the battery counts as empty");
            Reading { status: Status::Missing { why, help: format!("{help}, or mount /sys") }, charge: None }
        }
    }
}
