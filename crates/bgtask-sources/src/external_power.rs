//! Whether the machine runs on external power: UPower where it runs, else the kernel's power supplies.

pub(crate) mod supplies;
mod upower;

use std::time::Duration;

use crate::bus::{Bus, CallError};
use crate::device_class::ClassWatch;
use crate::external_power::supplies::SUPPLIES;
use crate::grace::{Grace, ask_again};
use crate::inotify::BLIND_REREAD;
use crate::pace::Flap;
use crate::report::{Status, Teller, Unheard};
use crate::world::World;

/// How long the power must be quiet before the level is read again. A plug that is drawn and put back within this time
/// is not reported.
pub const POWER_SETTLE: Duration = Duration::from_millis(250);

/// How long power that is never quiet is waited for.
pub const POWER_FLAP: Duration = Duration::from_secs(1);

/// How long a battery may go on saying "Charging" after its plug was drawn, without a word when it stops. So the
/// supplies are read once more this long after each edge, as UPower does.
pub(crate) const BATTERY_LAG: Duration = Duration::from_secs(5);

/// Watches until nobody listens.
pub(crate) async fn run(world: &World, mut teller: Teller) -> Unheard {
    let mut bus = Bus::open(world, upower::RULES);
    let mut grace = Grace::default();
    // Supplies are watched only while they are what decides: every device that comes and goes is heard there.
    let mut supplies = None;
    let mut after_edge = false;
    loop {
        let link = bus.link().await;
        let (answer, again) = grace.judge(upower::read(&link).await);
        let (reading, again) = match answer {
            Ok(reading) => {
                supplies = None;
                (reading, again)
            }
            Err(error) => {
                let watch = supplies.get_or_insert_with(|| ClassWatch::new(world, SUPPLIES));
                (by_supplies(world, watch, &error), after_edge.then_some(BATTERY_LAG).or(again))
            }
        };
        if let Err(unheard) = reading.tell(&mut teller).await {
            return unheard;
        }
        tokio::select! {
            () = bus.edge() => after_edge = true,
            () = ClassWatch::edge_of(supplies.as_ref()) => after_edge = true,
            () = ask_again(again) => after_edge = false,
        }
        let mut flap = Flap::new(POWER_SETTLE, POWER_FLAP);
        loop {
            tokio::select! {
                () = bus.edge() => flap.again(),
                () = ClassWatch::edge_of(supplies.as_ref()) => flap.again(),
                () = flap.over() => break,
            }
        }
    }
}

/// What was read, and how well.
#[derive(Clone, Debug)]
struct Reading {
    status: Status,
    external: bool,
}

impl Reading {
    async fn tell(self, teller: &mut Teller) -> Result<(), Unheard> {
        teller.status(self.status).await?;
        teller.level(self.external).await
    }
}

fn by_supplies(world: &World, watch: &mut ClassWatch, error: &CallError) -> Reading {
    watch.rearm();
    match supplies::external_power(world) {
        Ok(external) => Reading { status: status(watch, error), external },
        Err(unreadable) => {
            let why = format!("UPower cannot be asked: {error}; and {unreadable}");
            let help = "install and start UPower, or mount /sys".to_owned();
            Reading { status: Status::Missing { why, help }, external: false }
        }
    }
}

/// How well the supplies are seen in the place of UPower, which answered `error`.
pub(crate) fn status(watch: &ClassWatch, error: &CallError) -> Status {
    let how = "/sys/class/power_supply".to_owned();
    let why = format!("UPower cannot be asked: {error}");
    match (watch.problem(), error) {
        // The kernel tells by itself all that UPower would.
        (None, CallError::NoService) => Status::Available { how },
        (None, _) => {
            let why = format!("{why}; a supply that only it knows is not seen");
            Status::Degraded { how, why, help: "restart UPower".to_owned() }
        }
        (Some(problem), _) => {
            let how = format!("{how}, read every {} s", BLIND_REREAD.as_secs());
            let why = format!("{why}; the kernel refused to tell of changes: {problem}");
            Status::Degraded { how, why, help: "install and start UPower".to_owned() }
        }
    }
}
