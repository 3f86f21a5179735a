//! Naming devices by their place below `/sys`.

use std::fmt;

use crate::glob::Glob;

/// Which devices, by a path below `/sys` in which `*` stands for anything.
///
/// Either the place of the device itself, below `/sys/devices`, which says to what it is connected; or its name in its
/// subsystem, below `/sys/class/SUBSYSTEM`, `/sys/bus/SUBSYSTEM/devices` or `/sys/block`, wherever it is connected.
///
/// ```
/// use bgtask_sources::DeviceId;
///
/// assert_eq!(DeviceId::read("/sys/class/net/eth0").unwrap().to_string(), "/sys/class/net/eth0");
/// assert!(DeviceId::read("/dev/sda").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceId {
    text: String,
    means: Means,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Means {
    /// The place of the device, as in `/sys/devices/pci0000:00/…`.
    Place(Glob),
    /// Its name in its subsystem.
    Name { subsystem: String, name: Glob },
}

impl DeviceId {
    /// Takes a path.
    ///
    /// # Errors
    ///
    /// Where it leads to no device, with a sentence that says what to write.
    pub fn read(text: &str) -> Result<Self, String> {
        let below = text.strip_prefix("/sys/").or_else(|| text.strip_prefix('/')).unwrap_or_default();
        let names: Vec<&str> = below.split('/').collect();
        let named = |subsystem: &str, name: &str| -> Result<Means, String> {
            Ok(Means::Name { subsystem: subsystem.to_owned(), name: Glob::read(name)? })
        };
        let means = match names[..] {
            ["devices", first, ..] if !first.is_empty() => Means::Place(Glob::read(&format!("/sys/{below}"))?),
            ["block", name] => named("block", name)?,
            ["class", subsystem, name] | ["bus", subsystem, "devices", name] => named(subsystem, name)?,
            _ => {
                return Err(format!(
                    "`{text}` is no device: write a path below /sys, such as /sys/class/net/eth0, /sys/block/sda, \
                     /sys/bus/usb/devices/1-2 or /sys/devices/…, with * for anything"
                ));
            }
        };
        Ok(Self { text: text.to_owned(), means })
    }

    /// Whether the device at this place, which is free of links, is meant.
    pub(super) fn is_of(&self, place: &str, in_subsystem: &str) -> bool {
        match &self.means {
            Means::Place(glob) => glob.matches(place),
            Means::Name { subsystem, name } => {
                subsystem == in_subsystem && name.matches(place.rsplit('/').next().unwrap_or_default())
            }
        }
    }

    /// The path below `/sys`, where it names one device and not many.
    pub(super) fn literal_path(&self) -> Option<&str> {
        match &self.means {
            Means::Place(glob) => glob.literal(),
            Means::Name { name, .. } => name.literal().map(|_| self.text.as_str()),
        }
    }

    /// The subsystem it names.
    pub(super) fn subsystem(&self) -> Option<&str> {
        match &self.means {
            Means::Place(_) => None,
            Means::Name { subsystem, .. } => Some(subsystem),
        }
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_a_place_and_a_name() {
        let place = "/sys/devices/pci0000:00/0000:00:1f.6/net/eth0";
        let table = [
            ("/sys/devices/pci0000:00/0000:00:1f.6/net/eth0", true),
            ("/devices/pci0000:00/0000:00:1f.6/net/eth0", true),
            ("/sys/devices/*/eth0", true),
            ("/sys/devices/pci0000:00/0000:00:1f.6/net", false),
            ("/sys/class/net/eth0", true),
            ("/sys/class/net/eth*", true),
            ("/sys/class/net/eth1", false),
            ("/sys/class/usb/eth0", false),
            ("/sys/bus/net/devices/eth0", true),
            ("/sys/block/eth0", false),
        ];
        for (id, expected) in table {
            assert_eq!(DeviceId::read(id).unwrap().is_of(place, "net"), expected, "{id}");
        }
    }

    #[test]
    fn what_is_no_path_of_a_device_is_refused() {
        for text in
            ["", "/", "eth0", "/dev/sda", "/sys", "/sys/devices", "/sys/devices/", "/sys/class/net", "/sys/kernel/x"]
        {
            assert!(DeviceId::read(text).unwrap_err().contains("/sys/class/net/eth0"), "{text}");
        }
    }
}
