//! Devices that are connected and disconnected: whether they are there, as edges.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};

use crate::device::DeviceAction;
use crate::device::feed::{Ear, Heard};
use crate::device::id::DeviceId;
use crate::device::uevent::Uevent;
use crate::event::EventTeller;
use crate::path::{End, PathWatch, walk};
use crate::report::Status;
use crate::world::World;

/// Devices that one listener keeps in mind; what comes to more counts as lost. A machine of today has some thousand at most.
pub const MAX_CONNECTED_DEVICES: usize = 8192;

/// Whether a device is there now that `id` means.
///
/// A task that uses a device is started only while this is so, and cancelled when it ends. So that nothing is missed, listen
/// first (`DeviceConnectionChangeTrigger` with the same id), and ask this when the first status has come: from then on each
/// end is told as `connected: false`.
///
/// ```
/// # use bgtask_sources::{DeviceId, World, is_connected};
/// let world = World::new("/");
/// assert!(!is_connected(&DeviceId::read("/sys/class/net/none-of-that-name").unwrap(), &world));
/// ```
pub fn is_connected(id: &DeviceId, world: &World) -> bool {
    !those_there(id, world).is_empty()
}

/// Listens for ever.
pub(super) async fn run(id: DeviceId, world: &World, teller: EventTeller) -> Infallible {
    match id.literal_path().filter(|_| !world.is_machine()) {
        Some(path) => watch_files(&id, path, world, &teller).await,
        None => watch_devices(id, world, teller).await,
    }
}

/// Below another root devices are plain files, of which the kernel tells as of others.
async fn watch_files(id: &DeviceId, path: &str, world: &World, teller: &EventTeller) -> Infallible {
    let mut watch = PathWatch::new(world, path);
    let mut here = None;
    loop {
        watch.look();
        look_again(id, world, &mut here, teller);
        teller.status(Status::Available { how: format!("inotify on {path}") });
        watch.changed().await;
    }
}

async fn watch_devices(id: DeviceId, world: &World, teller: EventTeller) -> Infallible {
    let mut ear = Ear::new(world);
    // Only what changes is told: what is there before anything can be heard is no news.
    let mut here = None;
    loop {
        match ear.next().await {
            Heard::Status(status) => {
                if !matches!(status, Status::Missing { .. }) {
                    look_again(&id, world, &mut here, &teller);
                }
                teller.status(status);
            }
            // Nothing that can be seen in the end is lost here.
            Heard::Lost(_) => look_again(&id, world, &mut here, &teller),
            Heard::Device(uevent) => {
                if let Some(here) = &mut here {
                    hear(&id, &uevent, here, &teller);
                }
            }
        }
    }
}

/// Tells how what is there differs from what was known.
fn look_again(id: &DeviceId, world: &World, here: &mut Option<BTreeSet<String>>, teller: &EventTeller) {
    let now = those_there(id, world);
    if let Some(before) = here.replace(now.clone()) {
        before.difference(&now).for_each(|device| tell(teller, device, false));
        now.difference(&before).for_each(|device| tell(teller, device, true));
    }
}

/// What came or went since the last look is told, whatever became of it by now.
fn hear(id: &DeviceId, uevent: &Uevent, here: &mut BTreeSet<String>, teller: &EventTeller) {
    if let Some(from) = uevent.moved_from()
        && here.remove(&from)
    {
        tell(teller, &from, false);
    }
    match uevent.action {
        DeviceAction::Remove if here.remove(&uevent.path) => tell(teller, &uevent.path, false),
        DeviceAction::Add | DeviceAction::Move if id.is_of(&uevent.path, uevent.property("SUBSYSTEM")) => {
            if here.len() >= MAX_CONNECTED_DEVICES {
                teller.lost(1);
            } else if here.insert(uevent.path.clone()) {
                tell(teller, &uevent.path, true);
            }
        }
        _ => {}
    }
}

fn tell(teller: &EventTeller, device: &str, connected: bool) {
    teller.event([("device_id", device.into()), ("connected", connected.into())]);
}

/// The places of the devices that are there, free of links.
fn those_there(id: &DeviceId, world: &World) -> BTreeSet<String> {
    let found = id.folders(world).into_iter().flat_map(|folder| devices_in(&folder, world));
    let meant = found.filter(|(place, subsystem)| id.is_of(place, subsystem)).map(|(place, _)| place);
    meant.take(MAX_CONNECTED_DEVICES).collect()
}

/// The place and the subsystem of each device in one of the kernel's folders of devices, or of the one that is named.
fn devices_in(folder: &Path, world: &World) -> Vec<(String, String)> {
    let End::Found(found) = walk(world, folder).end else { return Vec::new() };
    if found.join("uevent").is_file() {
        return device_at(folder, world).into_iter().collect();
    }
    let names = fs::read_dir(found).into_iter().flatten().flatten().map(|entry| folder.join(entry.file_name()));
    names.filter_map(|path| device_at(&path, world)).collect()
}

fn device_at(path: &Path, world: &World) -> Option<(String, String)> {
    let End::Found(found) = walk(world, path).end else { return None };
    let place = Path::new("/").join(found.strip_prefix(world.sysroot()).ok()?);
    let subsystem = fs::read_link(found.join("subsystem")).unwrap_or_default();
    let subsystem = subsystem.file_name().unwrap_or_default();
    Some((place.to_str()?.to_owned(), subsystem.to_str()?.to_owned()))
}

impl DeviceId {
    /// Where devices that may be meant are listed.
    fn folders(&self, world: &World) -> Vec<PathBuf> {
        if let (Some(place), None) = (self.literal_path(), self.subsystem()) {
            return vec![place.into()];
        }
        let folder = |path: &str| PathBuf::from(format!("/sys/{path}"));
        if let Some(subsystem) = self.subsystem() {
            return vec![folder(&format!("class/{subsystem}")), folder(&format!("bus/{subsystem}/devices"))];
        }
        let listed = |kind: &str, below: &str| {
            let subsystems = fs::read_dir(world.path(format!("sys/{kind}"))).into_iter().flatten().flatten();
            subsystems.map(|entry| folder(kind).join(entry.file_name()).join(below)).collect::<Vec<_>>()
        };
        [listed("class", ""), listed("bus", "devices")].concat()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A root in which the kernel shows a network device, two disks and a partition.
    fn world() -> (tempfile::TempDir, World) {
        let root = tempfile::tempdir().unwrap();
        let world = World::new(root.path());
        let devices = [
            ("devices/pci/eth0", "class/net", "class/net"),
            ("devices/pci/usb1/1-2", "bus/usb", "bus/usb/devices"),
            ("devices/pci/usb1/1-2/block/sda", "class/block", "class/block"),
            ("devices/pci/usb1/1-2/block/sda/sda1", "class/block", "class/block"),
        ];
        for (place, subsystem, listed) in devices {
            let place = Path::new("/sys").join(place);
            fs::create_dir_all(world.path(&place)).unwrap();
            fs::write(world.path(&place).join("uevent"), "").unwrap();
            symlink(Path::new("/sys").join(subsystem), world.path(&place).join("subsystem")).unwrap();
            let listed = world.path("sys").join(listed);
            fs::create_dir_all(&listed).unwrap();
            symlink(&place, listed.join(place.file_name().unwrap())).unwrap();
        }
        (root, world)
    }

    #[test]
    fn those_are_there_that_the_kernel_shows() {
        let (_root, world) = world();
        let sda = "/sys/devices/pci/usb1/1-2/block/sda";
        let sda1 = "/sys/devices/pci/usb1/1-2/block/sda/sda1";
        let table: &[(&str, &[&str])] = &[
            ("/sys/class/net/eth0", &["/sys/devices/pci/eth0"]),
            ("/sys/class/net/eth1", &[]),
            ("/sys/class/none/eth0", &[]),
            ("/sys/block/sd*", &[sda, sda1]),
            ("/sys/bus/usb/devices/1-*", &["/sys/devices/pci/usb1/1-2"]),
            ("/sys/devices/pci/usb1/1-2/block/sda", &[sda]),
            ("/devices/pci/usb1/1-2/block/sda", &[sda]),
            ("/sys/devices/*/sda*", &[sda, sda1]),
            ("/sys/devices/pci", &[]),
            ("/sys/devices/pci/../pci/eth0", &[]),
        ];
        for (id, expected) in table {
            let id = DeviceId::read(id).unwrap();
            assert!(those_there(&id, &world).iter().eq(*expected), "{id}: {:?}", those_there(&id, &world));
            assert_eq!(is_connected(&id, &world), !expected.is_empty(), "{id}");
        }
    }

    #[test]
    fn devices_are_counted() {
        let id = DeviceId::read("/sys/devices/*").unwrap();
        let mut here: BTreeSet<String> = (1..MAX_CONNECTED_DEVICES).map(|n| n.to_string()).collect();
        for n in 0..2 {
            let message = format!("\0ACTION=add\0DEVPATH=/devices/{n}\0");
            hear(&id, &Uevent::read(message.as_bytes()).unwrap(), &mut here, &EventTeller::default());
        }
        assert_eq!(here.len(), MAX_CONNECTED_DEVICES);
        assert!(here.contains("/sys/devices/0") && !here.contains("/sys/devices/1"));
    }
}
