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
    let (mut battery, mut disk) = (Bounds::default(), Bounds::default());
    for (fact, value) in levels {
        match fact {
            Fact::Internet => world.internet = value,
            Fact::UserPresence => world.user_present = value,
            Fact::ExternalPower => world.ac_power = value,
            Fact::EnergySaver => world.energy_saver = value,
            Fact::FreeNetwork => world.unmetered = value,
            Fact::BatteryAbove(percent) => battery.learn(u64::from(percent) + 1, value),
            Fact::DiskFree(bytes) => disk.learn(bytes, value),
            // What passes in minutes says nothing of a day, and the rest follows from time.
            Fact::MemoryPressure | Fact::CpuPressure | Fact::LoadBelow(_) => {}
            Fact::Screen | Fact::SessionConnected | Fact::Standby => {}
            Fact::Idle(_) | Fact::Between(_) | Fact::TimeZone | Fact::WorkCost => {}
            Fact::NetworkState | Fact::PowerState | Fact::OnlineAccounts | Fact::DefaultAccount => {}
        }
    }
    let full = u64::from(world.battery);
    world.battery = battery.some_value().map_or(full, |percent| percent.min(full)) as u8;
    world.disk_free = disk.some_value().unwrap_or(world.disk_free);
    world
}

/// What is known of a quantity: only whether it is at least this or that.
#[derive(Default)]
struct Bounds {
    least: Option<u64>,
    below: Option<u64>,
}

impl Bounds {
    fn learn(&mut self, bound: u64, is_at_least: bool) {
        match is_at_least {
            true => self.least = self.least.max(Some(bound)),
            false => self.below = Some(self.below.map_or(bound, |below| below.min(bound))),
        }
    }

    /// A value that fits what is known, if anything is.
    fn some_value(&self) -> Option<u64> {
        self.below.map(|below| below.saturating_sub(1)).or(self.least)
    }
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
            source("memory-pressure", "true"),
        ]);
        assert!(world.user_present && !world.internet && !world.unmetered && !world.ac_power);
        assert!((31..=80).contains(&world.battery), "{}", world.battery);
        assert!(world.disk_free >= 10 << 30);
        assert!(!world.memory_pressure && world.load == 0, "what passes in minutes");
    }

    #[test]
    fn of_what_nobody_watches_the_usual_is_taken() {
        assert_eq!(world(&[]), World::default());
    }
}
