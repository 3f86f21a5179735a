//! The kernel's power supplies: one folder for each, its state in small files.

use std::path::Path;

use crate::attribute;
use crate::device_class::folders;
use crate::world::World;

/// Where the kernel shows them.
pub(crate) const SUPPLIES: &str = "sys/class/power_supply";

/// Whether the machine runs on external power, or a sentence why that cannot be read.
pub(crate) fn external_power(world: &World) -> Result<bool, String> {
    let supplies: Vec<Supply> = folders(world, SUPPLIES)?.iter().filter_map(|folder| Supply::read(folder)).collect();
    Ok(judge(&supplies))
}

/// How full the machine's batteries are, in percent: the mean of those that say it. `None` without one, or a sentence why
/// that cannot be read.
pub(crate) fn charge(world: &World) -> Result<Option<f64>, String> {
    let charges: Vec<f64> = folders(world, SUPPLIES)?.iter().filter_map(|folder| capacity(folder)).collect();
    Ok((!charges.is_empty()).then(|| charges.iter().sum::<f64>() / charges.len() as f64))
}

/// What the machine's batteries do together, as UPower sums them up: one that charges counts before one that drains. Or a
/// sentence why that cannot be read.
pub(crate) fn battery_status(world: &World) -> Result<BatteryStatus, String> {
    let all = folders(world, SUPPLIES)?;
    Ok(all.iter().filter_map(|folder| status(folder)).max().unwrap_or(BatteryStatus::NotPresent))
}

/// `PowerManager.BatteryStatus` (SYS-4), what counts last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum BatteryStatus {
    /// There is no battery.
    NotPresent,
    /// It neither charges nor drains.
    Idle,
    /// It drains.
    Discharging,
    /// It charges.
    Charging,
}

/// The rule of systemd's `ConditionACPower=` and of UPower: what is online decides, and without that a battery that
/// loses charge. Everything else is a machine without a battery, or a battery that something unseen keeps full.
fn judge(supplies: &[Supply]) -> bool {
    supplies.contains(&Supply::Source { online: true }) || !supplies.contains(&Supply::Battery { discharging: true })
}

/// What matters of one supply of the machine itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Supply {
    /// A plug.
    Source { online: bool },
    /// A battery, or an uninterruptible supply.
    Battery { discharging: bool },
}

impl Supply {
    /// `None` for a supply of something else (a mouse, a phone), an empty slot, and what cannot be understood.
    fn read(folder: &Path) -> Option<Self> {
        let attribute = |name| attribute::read(&folder.join(name)).ok();
        if attribute("scope").as_deref() == Some("Device") {
            return None;
        }
        match attribute("type")?.as_str() {
            // Online is 1, or 2 where the voltage can be chosen. Kernels before 5.8 have a type for each kind of USB plug.
            "Mains" | "Wireless" => Some(Self::Source { online: is_on(&attribute("online")?) }),
            usb if usb.starts_with("USB") => Some(Self::Source { online: is_on(&attribute("online")?) }),
            "Battery" | "UPS" if attribute("present").as_deref() != Some("0") => {
                Some(Self::Battery { discharging: attribute("status")? == "Discharging" })
            }
            _ => None,
        }
    }
}

/// Percent, where it is a battery and knows.
fn capacity(folder: &Path) -> Option<f64> {
    let percent = of_battery(folder, "capacity")?.parse().ok();
    percent.filter(|percent| (0.0..=100.0).contains(percent))
}

/// What it does, where it is a battery.
fn status(folder: &Path) -> Option<BatteryStatus> {
    Some(match of_battery(folder, "status")?.as_str() {
        "Charging" => BatteryStatus::Charging,
        "Discharging" => BatteryStatus::Discharging,
        _ => BatteryStatus::Idle,
    })
}

/// What a file says of a battery of the machine itself that is in its slot.
fn of_battery(folder: &Path, name: &str) -> Option<String> {
    let attribute = |name| attribute::read(&folder.join(name)).ok();
    let of_machine = attribute("scope").as_deref() != Some("Device") && attribute("present").as_deref() != Some("0");
    let stores = matches!(attribute("type")?.as_str(), "Battery" | "UPS");
    attribute(name).filter(|_| of_machine && stores)
}

fn is_on(online: &str) -> bool {
    online.parse::<u32>().is_ok_and(|online| online > 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ON: Supply = Supply::Source { online: true };
    const OFF: Supply = Supply::Source { online: false };
    const DRAINING: Supply = Supply::Battery { discharging: true };
    const FULL: Supply = Supply::Battery { discharging: false };

    fn world() -> (tempfile::TempDir, World) {
        let root = tempfile::tempdir().unwrap();
        let world = World::new(root.path());
        fs::create_dir_all(world.path(SUPPLIES)).unwrap();
        (root, world)
    }

    fn supply(world: &World, name: &str, attributes: &[(&str, &str)]) {
        let folder = world.path(SUPPLIES).join(name);
        fs::create_dir_all(&folder).unwrap();
        for (name, value) in attributes {
            fs::write(folder.join(name), format!("{value}\n")).unwrap();
        }
    }

    #[test]
    fn only_a_battery_that_drains_while_no_plug_is_online_means_battery() {
        let table: [(&[Supply], bool); 9] = [
            (&[], true),
            (&[OFF], true),
            (&[ON, DRAINING], true),
            (&[DRAINING, OFF, ON], true),
            (&[FULL], true),
            (&[OFF, FULL], true),
            (&[DRAINING], false),
            (&[OFF, DRAINING], false),
            (&[FULL, DRAINING], false),
        ];
        for (supplies, external) in table {
            assert_eq!(judge(supplies), external, "{supplies:?}");
        }
    }

    #[test]
    fn a_supply_is_what_its_files_say() {
        type Case<'a> = (&'a [(&'a str, &'a str)], Option<Supply>);
        let table: &[Case<'_>] = &[
            (&[("type", "Mains"), ("online", "1")], Some(ON)),
            (&[("type", "Mains"), ("online", "0")], Some(OFF)),
            (&[("type", "USB"), ("online", "2")], Some(ON)),
            (&[("type", "USB_PD"), ("online", "1")], Some(ON)),
            (&[("type", "Wireless"), ("online", "1"), ("scope", "System")], Some(ON)),
            (&[("type", "USB"), ("online", "1"), ("scope", "Device")], None),
            (&[("type", "Battery"), ("status", "Discharging")], Some(DRAINING)),
            (&[("type", "Battery"), ("status", "Not charging"), ("present", "1")], Some(FULL)),
            (&[("type", "UPS"), ("status", "Discharging"), ("scope", "System")], Some(DRAINING)),
            (&[("type", "Battery"), ("status", "Discharging"), ("scope", "Device")], None),
            (&[("type", "Battery"), ("status", "Unknown"), ("present", "0")], None),
            (&[("type", "Mains"), ("online", "yes")], Some(OFF)),
            (&[("type", "Mains"), ("online", "-1")], Some(OFF)),
            (&[("type", "Mains")], None),
            (&[("type", "Battery")], None),
            (&[("type", "Flux capacitor"), ("online", "1")], None),
            (&[], None),
        ];
        for (n, (attributes, expected)) in table.iter().enumerate() {
            let (_root, world) = world();
            supply(&world, &n.to_string(), attributes);
            let folder = world.path(SUPPLIES).join(n.to_string());
            assert_eq!(Supply::read(&folder), *expected, "{attributes:?}");
        }
    }

    #[test]
    fn the_charge_is_the_mean_of_the_batteries_that_know_it() {
        let (_root, world) = world();
        assert_eq!(charge(&world), Ok(None));
        supply(&world, "AC", &[("type", "Mains"), ("capacity", "1")]);
        supply(&world, "mouse", &[("type", "Battery"), ("capacity", "1"), ("scope", "Device")]);
        supply(&world, "slot", &[("type", "Battery"), ("capacity", "1"), ("present", "0")]);
        supply(&world, "mute", &[("type", "Battery")]);
        for nonsense in ["", "full", "-1", "101", "NaN"] {
            supply(&world, "mad", &[("type", "Battery"), ("capacity", nonsense)]);
            assert_eq!(charge(&world), Ok(None), "{nonsense:?}");
        }
        supply(&world, "BAT0", &[("type", "Battery"), ("capacity", "40")]);
        assert_eq!(charge(&world), Ok(Some(40.0)));
        supply(&world, "BAT1", &[("type", "UPS"), ("capacity", "100"), ("present", "1")]);
        assert_eq!(charge(&world), Ok(Some(70.0)));
    }

    #[test]
    fn the_status_is_that_of_all_batteries_together() {
        let (_root, world) = world();
        assert_eq!(battery_status(&world), Ok(BatteryStatus::NotPresent));
        supply(&world, "AC", &[("type", "Mains"), ("online", "1"), ("status", "Charging")]);
        supply(&world, "mouse", &[("type", "Battery"), ("status", "Discharging"), ("scope", "Device")]);
        assert_eq!(battery_status(&world), Ok(BatteryStatus::NotPresent), "none of the machine itself");
        for (status, expected) in [
            ("Charging", BatteryStatus::Charging),
            ("Discharging", BatteryStatus::Discharging),
            ("Not charging", BatteryStatus::Idle),
            ("Full", BatteryStatus::Idle),
            ("Unknown", BatteryStatus::Idle),
            ("gibberish", BatteryStatus::Idle),
        ] {
            supply(&world, "BAT0", &[("type", "Battery"), ("status", status)]);
            assert_eq!(battery_status(&world), Ok(expected), "{status}");
        }
        supply(&world, "BAT1", &[("type", "Battery"), ("status", "Discharging")]);
        assert_eq!(battery_status(&world), Ok(BatteryStatus::Discharging), "one idles, one drains");
        supply(&world, "BAT0", &[("type", "Battery"), ("status", "Charging")]);
        assert_eq!(battery_status(&world), Ok(BatteryStatus::Charging), "as UPower has it");
    }

    #[test]
    fn no_class_is_no_battery_but_no_sys_is_no_answer() {
        let root = tempfile::tempdir().unwrap();
        let world = World::new(root.path());
        assert!(external_power(&world).unwrap_err().contains("/sys/class/power_supply cannot be read"));
        fs::create_dir_all(world.path("sys/class")).unwrap();
        assert_eq!(external_power(&world), Ok(true));
        assert_eq!(battery_status(&world), Ok(BatteryStatus::NotPresent));
    }
}
