//! What background work costs now.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::Error;
use crate::session::{Broker, Session};
use crate::windows_enum::windows_enum;

windows_enum! {
    /// What background work costs the user.
    BackgroundWorkCostValue {
        /// Little: the machine is on external power, or has no battery.
        Low = 0,
        /// A medium amount: it runs on its battery.
        Medium = 1,
        /// Much: it runs on its battery and saves energy.
        High = 2,
    }
}

/// A hint for how much a task should do now.
#[derive(Clone, Copy, Debug)]
pub enum BackgroundWorkCost {}

impl BackgroundWorkCost {
    /// What background work costs at this moment, read from the system (CO-5, D14): `Low` on external power or without a battery,
    /// `High` on battery with the power profile that saves energy, else `Medium`.
    ///
    /// It is what one process can see. The broker, which sees the screen and the pressure on the machine too, decides by itself
    /// for the condition [`BackgroundWorkCostNotHigh`](crate::SystemConditionType::BackgroundWorkCostNotHigh).
    /// Reads a few small files of `/sys`; what it cannot read it takes for absent.
    ///
    /// ```
    /// use bgtask::{BackgroundWorkCost, BackgroundWorkCostValue};
    /// let batch = if BackgroundWorkCost::current_background_work_cost() == BackgroundWorkCostValue::High { 1 } else { 100 };
    /// # assert!(batch > 0);
    /// ```
    #[must_use]
    pub fn current_background_work_cost() -> BackgroundWorkCostValue {
        cost(&Power::read(Path::new("/sys")))
    }

    /// What background work costs at this moment, as the broker sees it (POL-4, D14): with the screen, the energy saver and the pressure
    /// on the machine. It watches these as long as a task, of whatever app, has the condition
    /// [`BackgroundWorkCostNotHigh`](crate::SystemConditionType::BackgroundWorkCostNotHigh) or the trigger
    /// [`BackgroundWorkCostChange`](crate::SystemTriggerType::BackgroundWorkCostChange). While none has, it is
    /// [what one process can see](Self::current_background_work_cost).
    ///
    /// # Errors
    ///
    /// [`is_no_broker`](Error::is_no_broker), [`is_unknown_app`](Error::is_unknown_app).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), bgtask::Error> {
    /// use bgtask::{BackgroundWorkCost, BackgroundWorkCostValue};
    /// if BackgroundWorkCost::current().await? == BackgroundWorkCostValue::High {
    ///     return Ok(()); // The next time will do.
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn current() -> Result<BackgroundWorkCostValue, Error> {
        let watched = Session::current().work_cost().await?;
        Ok(watched.unwrap_or_else(Self::current_background_work_cost))
    }
}

impl Session {
    /// What the broker knows; `None` where it does not watch.
    pub(crate) async fn work_cost(&self) -> Result<Option<BackgroundWorkCostValue>, Error> {
        let request = |broker: Broker, _: Arc<str>| async move { broker.get_work_cost().await };
        let (known, cost) = self.ask("GetWorkCost", request).await?;
        let read = || {
            let value = BackgroundWorkCostValue::from_number(cost);
            value.ok_or_else(|| Error::protocol(format!("the broker sent {cost} as a cost of background work")))
        };
        known.then(read).transpose()
    }
}

/// What the kernel says about the machine's power.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Power {
    /// Whether a supply from outside is connected.
    external: bool,
    /// What its batteries do: `Charging`, `Discharging`, `Full`, `Not charging`, `Unknown`.
    batteries: Vec<String>,
    /// The power profile of the firmware.
    profile: Option<String>,
}

fn cost(power: &Power) -> BackgroundWorkCostValue {
    // A desktop has no battery, and some machines that have one report no supply: then the battery tells.
    let drains = power.batteries.iter().any(|status| status == "Discharging");
    match power.profile.as_deref() {
        _ if power.external || !drains => BackgroundWorkCostValue::Low,
        Some("low-power") => BackgroundWorkCostValue::High,
        _ => BackgroundWorkCostValue::Medium,
    }
}

impl Power {
    fn read(sys: &Path) -> Self {
        let mut power = Self { profile: read(&sys.join("firmware/acpi/platform_profile")).ok(), ..Self::default() };
        let supplies = std::fs::read_dir(sys.join("class/power_supply"));
        for supply in supplies.into_iter().flatten().flatten() {
            let supply = supply.path();
            let says = |what: &str| read(&supply.join(what)).unwrap_or_default();
            // The battery of a mouse is not the machine's.
            if says("scope") == "Device" {
                continue;
            }
            match says("type").as_str() {
                "Battery" => power.batteries.push(says("status")),
                "Mains" | "USB" | "Wireless" => power.external |= says("online") == "1",
                _ => {}
            }
        }
        power
    }
}

fn read(file: &Path) -> io::Result<String> {
    Ok(std::fs::read_to_string(file)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use BackgroundWorkCostValue::{High, Low, Medium};

    use super::*;

    #[test]
    fn the_cost_follows_from_power_and_profile() {
        let table: [(bool, &[&str], Option<&str>, BackgroundWorkCostValue); 9] = [
            (false, &[], None, Low),
            (false, &[], Some("low-power"), Low),
            (true, &["Charging"], Some("low-power"), Low),
            (true, &["Discharging"], None, Low),
            (false, &["Full"], None, Low),
            (false, &["Discharging"], None, Medium),
            (false, &["Discharging"], Some("balanced"), Medium),
            (false, &["Full", "Discharging"], Some("performance"), Medium),
            (false, &["Discharging"], Some("low-power"), High),
        ];
        for (external, batteries, profile, expected) in table {
            let power = Power {
                external,
                batteries: batteries.iter().map(ToString::to_string).collect(),
                profile: profile.map(Into::into),
            };
            assert_eq!(cost(&power), expected, "D14, CO-5: {power:?}");
        }
    }

    #[test]
    fn what_the_kernel_says_is_read_and_the_battery_of_a_mouse_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{content}\n")).unwrap();
        };
        assert_eq!(Power::read(folder.path()), Power::default(), "a machine that says nothing");
        file("firmware/acpi/platform_profile", "low-power");
        file("class/power_supply/AC/type", "Mains");
        file("class/power_supply/AC/online", "0");
        file("class/power_supply/BAT0/type", "Battery");
        file("class/power_supply/BAT0/status", "Discharging");
        file("class/power_supply/hid/type", "Battery");
        file("class/power_supply/hid/scope", "Device");
        file("class/power_supply/hid/status", "Full");
        let batteries = vec!["Discharging".to_owned()];
        let power = Power { external: false, batteries, profile: Some("low-power".into()) };
        assert_eq!(Power::read(folder.path()), power);
        file("class/power_supply/AC/online", "1");
        assert_eq!(cost(&Power::read(folder.path())), Low);
    }
}
