//! The machine as it is now.

use bgtask_core::Fact;
use bgtask_rehearse::World;
use bgtask_wire::SourceInfo;

/// The world that the broker's sources see. Of what none is watched, nothing is known and no task asks.
pub(super) fn world(sources: &[SourceInfo]) -> World {
    let levels = sources.iter().filter_map(|source| {
        let value = source.value.as_deref()?.parse::<bool>().ok()?;
        Some((Fact::from_name(&source.name)?, value))
    });
    let mut world = World::default();
    // Of a quantity only bounds are known: the least that fits them, so that nothing runs here that would not.
    let (mut disk_least, mut disk_most) = (None, None);
    let (mut battery_least, mut battery_most) = (None, None);
    for (fact, value) in levels {
        match fact {
            Fact::Internet => world.internet = value,
            Fact::UserPresence => world.user_present = value,
            Fact::ExternalPower => world.ac_power = value,
            Fact::EnergySaver => world.energy_saver = value,
            Fact::MemoryPressure => world.memory_pressure = value,
            Fact::FreeNetwork => world.unmetered = value,
            Fact::BatteryAbove(percent) if value => battery_least = battery_least.max(Some(percent)),
            Fact::BatteryAbove(percent) => {
                battery_most = Some(battery_most.map_or(percent, |most: u8| most.min(percent)))
            }
            Fact::DiskFree(bytes) if value => disk_least = disk_least.max(Some(bytes)),
            Fact::DiskFree(bytes) => disk_most = Some(disk_most.map_or(bytes, |most: u64| most.min(bytes))),
            Fact::LoadBelow(bound) if !value => world.load = world.load.max(bound),
            Fact::LoadBelow(_) | Fact::Idle(_) | Fact::Between(_) | Fact::TimeZone => {}
        }
    }
    world.battery = battery_most
        .map(|most| most.saturating_sub(1))
        .or(battery_least.map(|least| (least + 1).min(100)))
        .unwrap_or(world.battery);
    world.disk_free = disk_most.map(|most| most.saturating_sub(1)).or(disk_least).unwrap_or(world.disk_free);
    world
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, value: &str) -> SourceInfo {
        let value = Some(value.to_owned());
        SourceInfo { name: name.into(), status: "available".into(), how: None, why: None, help: None, value }
    }

    #[test]
    fn what_the_sources_read_is_what_the_rehearsal_begins_with() {
        let world = world(&[
            source("time-zone", "Europe/Berlin"),
            source("user-presence", "true"),
            source("internet", "false"),
            source("free-network", "false"),
            source("external-power", "false"),
            source("battery-above:30", "true"),
            source("battery-above:80", "false"),
            source("disk-free:10G", "true"),
            source("load-below:1.5", "false"),
        ]);
        assert!(world.user_present && !world.internet && !world.unmetered && !world.ac_power);
        assert!((30..80).contains(&world.battery), "{}", world.battery);
        assert!(world.disk_free >= 10 << 30);
        assert_eq!(world.load, 150);
    }

    #[test]
    fn of_what_nobody_watches_the_usual_is_taken() {
        assert_eq!(world(&[]), World::default());
    }
}
