//! Devices that come, change and go: the kernel's uevents, or udev's where it runs.
//!
//! udev tells the same a moment later, when its rules are through: with the name of the device's node, with what its
//! database knows, and when the node may be opened. The kernel tells what it knows by itself.

mod connection;
mod feed;
mod id;
mod uevent;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use serde_json::Value;

pub use crate::device::connection::{MAX_CONNECTED_DEVICES, is_connected};
pub(crate) use crate::device::feed::Feed;
use crate::device::feed::{Ear, Heard};
pub use crate::device::id::DeviceId;
use crate::device::uevent::Uevent;
use crate::event::EventTeller;
use crate::given::Given;
use crate::glob::Glob;
use crate::world::World;

/// The most properties of a device that one filter asks for.
pub const MAX_DEVICE_PROPERTIES: usize = 16;

/// What is told of which devices: `DeviceWatcherTrigger`. All that is given must be so.
///
/// ```
/// # use std::collections::BTreeMap;
/// use bgtask_sources::{DeviceAction, DeviceSpec};
///
/// let properties = [("subsystem", "block"), ("action", "add"), ("ID_FS_LABEL", "backup*")];
/// let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned()));
/// let spec = DeviceSpec::read(&BTreeMap::from(properties)).unwrap();
/// assert_eq!(spec.subsystem.as_deref(), Some("block"));
/// assert!(spec.actions.iter().eq(&[DeviceAction::Add]));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceSpec {
    /// The subsystem, such as `block`, `net` or `usb`.
    pub subsystem: Option<String>,
    /// The type within the subsystem, such as `partition` or `usb_device`.
    pub device_type: Option<String>,
    /// Which devices.
    pub id: Option<DeviceId>,
    /// What happens to them.
    pub actions: BTreeSet<DeviceAction>,
    /// Properties that the kernel or udev tell with it, and what their values are like. At most
    /// [`MAX_DEVICE_PROPERTIES`].
    pub properties: BTreeMap<String, Glob>,
}

/// What happens to a device, in the kernel's word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DeviceAction {
    /// It came.
    Add,
    /// Something of it changed: a disk was put into a drive, a battery has other values.
    Change,
    /// It went.
    Remove,
    /// A driver took it.
    Bind,
    /// A driver left it.
    Unbind,
    /// It has another name.
    Move,
    /// It can be used.
    Online,
    /// It cannot be used.
    Offline,
}

impl DeviceAction {
    /// All of them.
    pub const ALL: [Self; 8] = {
        use DeviceAction::{Add, Bind, Change, Move, Offline, Online, Remove, Unbind};
        [Add, Change, Remove, Bind, Unbind, Move, Online, Offline]
    };

    /// The kernel's word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Remove => "remove",
            Self::Bind => "bind",
            Self::Unbind => "unbind",
            Self::Move => "move",
            Self::Online => "online",
            Self::Offline => "offline",
        }
    }

    /// The action of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }

    /// What Windows calls it, as in `DeviceWatcherEventKind`.
    const fn kind(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Remove => "Remove",
            _ => "Update",
        }
    }
}

impl DeviceSpec {
    /// Reads `subsystem`, `device_type`, `id`, `action` (words joined by `+`; without it what comes, changes and goes) and
    /// names in capitals, each a property of the device with a pattern for its value.
    ///
    /// # Errors
    ///
    /// Where something makes no sense, or nothing but an action is given, with a sentence that says what to write.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let (told, ours) = properties.clone().into_iter().partition(|(name, _)| is_in_capitals(name));
        let given = Given::of(&["subsystem", "device_type", "id", "action", "a name in capitals"], &ours)?;
        let text = |name| given.text(name).filter(|value| !value.is_empty()).map(str::to_owned);
        let spec = Self {
            subsystem: text("subsystem"),
            device_type: text("device_type"),
            id: given.text("id").map(DeviceId::read).transpose()?,
            actions: read_actions(given.text("action").unwrap_or("add+change+remove"))?,
            properties: read_patterns(&told)?,
        };
        let has_filter = spec.subsystem.is_some() || spec.device_type.is_some() || spec.id.is_some();
        match has_filter || !spec.properties.is_empty() {
            true => Ok(spec),
            false => Err("nothing says which devices are meant: give at least one of subsystem, device_type, id or a \
                          property in capitals"
                .to_owned()),
        }
    }

    fn is_about(&self, uevent: &Uevent) -> bool {
        let is = |asked: &Option<String>, name| asked.as_deref().is_none_or(|asked| uevent.property(name) == asked);
        self.actions.contains(&uevent.action)
            && is(&self.subsystem, "SUBSYSTEM")
            && is(&self.device_type, "DEVTYPE")
            && self.id.as_ref().is_none_or(|id| id.is_of(&uevent.path, uevent.property("SUBSYSTEM")))
            && self.properties.iter().all(|(name, glob)| glob.matches(uevent.property(name)))
    }
}

fn read_actions(words: &str) -> Result<BTreeSet<DeviceAction>, String> {
    let known = || DeviceAction::ALL.map(DeviceAction::word).join(", ");
    let read = |word| DeviceAction::from_word(word).ok_or_else(|| format!("`{word}` is no action: use {}", known()));
    words.split('+').map(|word| read(word.trim())).collect()
}

fn read_patterns(given: &BTreeMap<String, String>) -> Result<BTreeMap<String, Glob>, String> {
    if given.len() > MAX_DEVICE_PROPERTIES {
        return Err(format!(
            "{} properties in capitals are too many: give at most {MAX_DEVICE_PROPERTIES}",
            given.len()
        ));
    }
    given.iter().map(|(name, pattern)| Ok((name.clone(), Glob::read(pattern)?))).collect()
}

fn is_in_capitals(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Which devices' coming and going is told: `DeviceConnectionChangeTrigger`.
///
/// What is there when the listening begins is not told; [`is_connected`] says it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceConnectionSpec {
    /// The devices.
    pub device: DeviceId,
}

impl DeviceConnectionSpec {
    /// Reads `device_id`.
    ///
    /// # Errors
    ///
    /// Where it is missing, or no device, with a sentence that says what to write.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let given = Given::of(&["device_id"], properties)?;
        let device = DeviceId::read(given.need("device_id", "/sys/class/net/usb0")?);
        let or_address = |error| format!("{error}; or the address of a Bluetooth device, such as 00:11:22:33:44:55");
        Ok(Self { device: device.map_err(or_address)? })
    }

    /// Listens for ever.
    pub(crate) async fn run(self, world: &World, teller: EventTeller) -> Infallible {
        connection::run(self.device, world, teller).await
    }
}

/// Listens for ever.
pub(crate) async fn run(spec: DeviceSpec, world: &World, teller: EventTeller) -> Infallible {
    let mut ear = Ear::new(world);
    loop {
        match ear.next().await {
            Heard::Status(status) => teller.status(status),
            Heard::Lost(count) => teller.lost(count),
            Heard::Device(uevent) if spec.is_about(&uevent) => teller.event(fields(&uevent)),
            Heard::Device(_) => {}
        }
    }
}

fn fields(uevent: &Uevent) -> [(&'static str, Value); 7] {
    let properties = uevent.properties.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
    [
        ("kind", uevent.action.kind().into()),
        ("action", uevent.action.word().into()),
        ("id", uevent.path.as_str().into()),
        ("subsystem", uevent.property("SUBSYSTEM").into()),
        ("device_type", uevent.property("DEVTYPE").into()),
        ("node", uevent.node().into()),
        ("properties", Value::Object(properties.collect())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(properties: &[(&str, &str)]) -> Result<DeviceSpec, String> {
        DeviceSpec::read(&properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn uevent(message: &str) -> Uevent {
        Uevent::read(message.replace(' ', "\0").as_bytes()).unwrap()
    }

    #[test]
    fn all_that_is_given_must_be_so() {
        let disk = uevent(
            "add@/devices/x/block/sda/sda1 ACTION=add DEVPATH=/devices/x/block/sda/sda1 SUBSYSTEM=block \
             DEVTYPE=partition DEVNAME=sda1 ID_FS_LABEL=backup-2",
        );
        let table: &[(&[(&str, &str)], bool)] = &[
            (&[("subsystem", "block")], true),
            (&[("subsystem", "net")], false),
            (&[("device_type", "partition")], true),
            (&[("device_type", "disk")], false),
            (&[("id", "/sys/devices/x/*")], true),
            (&[("id", "/devices/x/block/sda")], false),
            (&[("id", "/sys/class/block/sd*")], true),
            (&[("id", "/sys/block/sda1")], true),
            (&[("ID_FS_LABEL", "backup*")], true),
            (&[("ID_FS_LABEL", "backup")], false),
            (&[("ID_FS_UUID", "*")], true),
            (&[("ID_FS_UUID", "1*")], false),
            (&[("subsystem", "block"), ("action", "add")], true),
            (&[("subsystem", "block"), ("action", "remove+change")], false),
            (&[("subsystem", "block"), ("device_type", "partition"), ("ID_FS_LABEL", "other")], false),
        ];
        for (properties, expected) in table {
            assert_eq!(read(properties).unwrap().is_about(&disk), *expected, "{properties:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_said_with_what_to_write() {
        let capitals: Vec<String> = (0..=MAX_DEVICE_PROPERTIES).map(|n| format!("ID_{n}")).collect();
        let too_many: Vec<(&str, &str)> = capitals.iter().map(|name| (name.as_str(), "x")).collect();
        assert!(read(&too_many[1..]).is_ok());
        let long = "x".repeat(2000);
        let table: &[(&[(&str, &str)], &str)] = &[
            (
                &[],
                "nothing says which devices are meant: give at least one of subsystem, device_type, id or a property in capitals",
            ),
            (&[("action", "add")], "nothing says which devices are meant"),
            (&[("subsystem", "")], "nothing says which devices are meant"),
            (
                &[("subsystem", "usb"), ("action", "plugged")],
                "`plugged` is no action: use add, change, remove, bind, unbind, move, online, offline",
            ),
            (&[("subsystem", "usb"), ("action", "add+")], "`` is no action"),
            (
                &[("Subsystem", "usb")],
                "there is no property `Subsystem`: this trigger takes `subsystem`, `device_type`, `id`, `action`, `a name \
                 in capitals`",
            ),
            (&[("id", "eth0")], "`eth0` is no device: write a path below /sys"),
            (&[("ID_MODEL", &long)], "a pattern of 2000 bytes is too long"),
            (&too_many, "17 properties in capitals are too many: give at most 16"),
        ];
        for (properties, expected) in table {
            let error = read(properties).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_connected_device_has_a_path_or_an_address() {
        let read = |id: &str| DeviceConnectionSpec::read(&[("device_id".to_owned(), id.to_owned())].into());
        assert_eq!(read("/sys/class/net/usb0").unwrap().device, DeviceId::read("/sys/class/net/usb0").unwrap());
        let error = read("usb0").unwrap_err();
        assert!(error.starts_with("`usb0` is no device: write a path below /sys"), "{error}");
        assert!(error.ends_with("or the address of a Bluetooth device, such as 00:11:22:33:44:55"), "{error}");
        assert!(DeviceConnectionSpec::read(&BTreeMap::new()).unwrap_err().starts_with("`device_id` is missing"));
    }

    #[test]
    fn windows_knows_three_kinds() {
        let kinds: Vec<_> = DeviceAction::ALL.map(DeviceAction::kind).into();
        assert_eq!(kinds, ["Add", "Update", "Remove", "Update", "Update", "Update", "Update", "Update"]);
        assert!(DeviceAction::ALL.iter().all(|action| DeviceAction::from_word(action.word()) == Some(*action)));
    }
}
