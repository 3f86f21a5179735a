//! What the battery does: UPower's device that stands for all of them, else the kernel's power supplies (SYS-4).

use crate::battery::{DISPLAY_DEVICE, RULES};
use crate::bus::{Bus, CallError, Link};
use crate::device_class::ClassWatch;
use crate::external_power::supplies::{BatteryStatus, SUPPLIES, battery_status};
use crate::external_power::{BATTERY_LAG, POWER_SETTLE, status};
use crate::grace::{Grace, ask_again};
use crate::pace::Pace;
use crate::report::{Status, Teller, Unheard};
use crate::world::World;

/// Watches until nobody listens.
pub(crate) async fn run(world: &World, mut teller: Teller) -> Unheard {
    let mut bus = Bus::open(world, RULES);
    let mut grace = Grace::default();
    let mut supplies = None;
    let mut after_edge = false;
    let mut pace = Pace::new(POWER_SETTLE);
    loop {
        let link = bus.link().await;
        let (answer, again) = grace.judge(display_device(&link).await);
        let (status, battery, again) = match answer {
            Ok(battery) => {
                supplies = None;
                (Status::Available { how: "UPower".to_owned() }, battery, again)
            }
            Err(error) => {
                let watch = supplies.get_or_insert_with(|| ClassWatch::new(world, SUPPLIES));
                let (status, battery) = by_supplies(world, watch, &error);
                (status, battery, after_edge.then_some(BATTERY_LAG).or(again))
            }
        };
        if let Err(unheard) = tell(&mut teller, status, battery).await {
            return unheard;
        }
        tokio::select! {
            () = bus.edge() => after_edge = true,
            () = ClassWatch::edge_of(supplies.as_ref()) => after_edge = true,
            () = ask_again(again) => after_edge = false,
        }
        pace.wait().await;
    }
}

async fn tell(teller: &mut Teller, status: Status, battery: BatteryStatus) -> Result<(), Unheard> {
    teller.status(status).await?;
    teller.state(word(battery)).await
}

/// The words that [`SourceKind::PowerState`](crate::SourceKind::PowerState) documents.
fn word(battery: BatteryStatus) -> &'static str {
    match battery {
        BatteryStatus::NotPresent => "not-present",
        BatteryStatus::Discharging => "discharging",
        BatteryStatus::Idle => "idle",
        BatteryStatus::Charging => "charging",
    }
}

// `UpDeviceState`: 0 unknown, 4 full, 5 waits to be charged, 6 waits to be drained.
const CHARGING: u32 = 1;
const DISCHARGING: u32 = 2;
const EMPTY: u32 = 3;

async fn display_device(link: &Link) -> Result<BatteryStatus, CallError> {
    let properties = DISPLAY_DEVICE.properties(link.connection()?).await?;
    if !properties.require::<bool>("IsPresent")? {
        return Ok(BatteryStatus::NotPresent);
    }
    Ok(match properties.require("State")? {
        CHARGING => BatteryStatus::Charging,
        DISCHARGING | EMPTY => BatteryStatus::Discharging,
        _ => BatteryStatus::Idle,
    })
}

fn by_supplies(world: &World, watch: &mut ClassWatch, error: &CallError) -> (Status, BatteryStatus) {
    watch.rearm();
    match battery_status(world) {
        Ok(battery) => (status(watch, error), battery),
        Err(unreadable) => {
            let why = format!("UPower cannot be asked: {error}; and {unreadable}");
            let help = "install and start UPower, or mount /sys".to_owned();
            (Status::Missing { why, help }, BatteryStatus::NotPresent)
        }
    }
}
