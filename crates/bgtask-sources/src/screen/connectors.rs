//! The kernel's displays: what is plugged in, and whether it is lit.

use std::path::Path;

use crate::attribute;
use crate::device_class::folders;
use crate::world::World;

/// Where the kernel shows the plugs of its graphics cards, in folders such as `card0-eDP-1`.
pub(super) const CONNECTORS: &str = "sys/class/drm";
/// Where it shows lamps behind panels, on machines whose graphics are not in the other place.
const LAMPS: &str = "sys/class/backlight";

/// Whether any display is on; `None` if none is seen.
pub(super) fn any_on(world: &World) -> Option<bool> {
    any(world, CONNECTORS, display).or_else(|| any(world, LAMPS, lamp))
}

fn any(world: &World, class: &str, is_on: fn(&Path) -> Option<bool>) -> Option<bool> {
    folders(world, class).unwrap_or_default().iter().filter_map(|folder| is_on(folder)).reduce(|a, b| a | b)
}

/// Whether the display at this plug is on; `None` where there is none. One that is connected and shown nothing to is off.
fn display(folder: &Path) -> Option<bool> {
    let attribute = |name| attribute::read(&folder.join(name)).ok();
    if attribute("status")? != "connected" {
        return None;
    }
    Some(attribute("enabled")? == "enabled" && attribute("dpms")? == "On")
}

/// `FB_BLANK_UNBLANK` is 0; everything above is a kind of dark.
fn lamp(folder: &Path) -> Option<bool> {
    let power: u32 = attribute::read(&folder.join("bl_power")).ok()?.parse().ok()?;
    Some(power == 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn device(world: &World, path: &str, attributes: &[(&str, &str)]) {
        let folder = world.path("sys/class").join(path);
        fs::create_dir_all(&folder).unwrap();
        for (name, value) in attributes {
            fs::write(folder.join(name), format!("{value}\n")).unwrap();
        }
    }

    #[test]
    fn a_display_is_on_that_is_connected_enabled_and_awake() {
        type Case<'a> = (&'a [(&'a str, &'a str)], Option<bool>);
        let table: &[Case<'_>] = &[
            (&[("status", "connected"), ("enabled", "enabled"), ("dpms", "On")], Some(true)),
            (&[("status", "connected"), ("enabled", "enabled"), ("dpms", "Off")], Some(false)),
            (&[("status", "connected"), ("enabled", "enabled"), ("dpms", "Standby")], Some(false)),
            (&[("status", "connected"), ("enabled", "disabled"), ("dpms", "On")], Some(false)),
            (&[("status", "disconnected"), ("enabled", "disabled"), ("dpms", "On")], None),
            (&[("status", "unknown"), ("enabled", "enabled"), ("dpms", "On")], None),
            (&[("status", "connected")], None),
            (&[("enabled", "enabled"), ("dpms", "On")], None),
            (&[], None),
        ];
        for (attributes, expected) in table {
            let root = tempfile::tempdir().unwrap();
            let world = World::new(root.path());
            device(&world, "drm/card0", &[]);
            device(&world, "drm/card0-eDP-1", attributes);
            assert_eq!(any_on(&world), *expected, "{attributes:?}");
        }
    }

    #[test]
    fn one_of_several_displays_is_enough_and_lamps_count_only_without_any() {
        let root = tempfile::tempdir().unwrap();
        let world = World::new(root.path());
        assert_eq!(any_on(&world), None, "no /sys at all");
        device(&world, "backlight/panel", &[("bl_power", "4")]);
        assert_eq!(any_on(&world), Some(false));
        device(&world, "backlight/panel", &[("bl_power", "dark")]);
        assert_eq!(any_on(&world), None);
        device(&world, "backlight/panel", &[("bl_power", "0")]);
        assert_eq!(any_on(&world), Some(true));
        device(&world, "drm/card0-eDP-1", &[("status", "connected"), ("enabled", "enabled"), ("dpms", "Off")]);
        assert_eq!(any_on(&world), Some(false));
        device(&world, "drm/card0-DP-2", &[("status", "connected"), ("enabled", "enabled"), ("dpms", "On")]);
        assert_eq!(any_on(&world), Some(true));
    }
}
