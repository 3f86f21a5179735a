//! The devices of one class, each a folder in sysfs, and hearing that one of them may have changed.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::inotify::WatchFlags;
use rustix::net::netlink;
use tokio::time::sleep;

use crate::inotify::{BLIND_REREAD, Inotify};
use crate::netlink::{heard, listen};
use crate::path::{End, PathWatch, walk};
use crate::ready::Ready;
use crate::world::World;

/// The group in which the kernel itself broadcasts; udev has another.
const KERNEL_EVENTS: u32 = 1;

/// The folder of all classes of devices, without which nothing can be said of any.
const CLASSES: &str = "sys/class";

/// Devices of a class that are looked at. Of power supplies a laptop has two to ten.
const MAX_DEVICES: usize = 64;

/// The folder of each device of a class, as `sys/class/power_supply`, free of links; or a sentence why that cannot be read.
pub(crate) fn folders(world: &World, class: &str) -> Result<Vec<PathBuf>, String> {
    let unreadable = |error| format!("/{class} cannot be read: {error}");
    let folder = match walk(world, Path::new(class)).end {
        End::Found(folder) => folder,
        End::Blocked(why) => return Err(why),
        // A kernel that knows no such devices at all shows no such folder; that is none of them.
        End::Absent if world.path(CLASSES).is_dir() => return Ok(Vec::new()),
        End::Absent => return Err(unreadable(ErrorKind::NotFound.into())),
    };
    let names = fs::read_dir(folder).map_err(unreadable)?.flatten().map(|entry| entry.file_name());
    let ends = names.take(MAX_DEVICES).map(|name| walk(world, &Path::new(class).join(name)).end);
    Ok(ends.filter_map(|end| if let End::Found(folder) = end { Some(folder) } else { None }).collect())
}

/// Watches every device of a class.
#[derive(Debug)]
pub(crate) struct ClassWatch {
    world: World,
    class: &'static str,
    means: Means,
}

#[derive(Debug)]
enum Means {
    /// The kernel broadcasts an event of the device. (inotify says nothing about files in sysfs.)
    Uevents(Ready),
    /// Below another root the devices are plain files.
    Files { class: Box<PathWatch>, inside: Inotify },
    /// Nobody tells, for this reason.
    Blind(String),
}

impl ClassWatch {
    pub(crate) fn new(world: &World, class: &'static str) -> Self {
        Self { world: world.clone(), class, means: Means::new(world, class) }
    }

    /// Watches what is there now. To be called before each reading.
    pub(crate) fn rearm(&mut self) {
        if let Means::Blind(_) = self.means {
            self.means = Means::new(&self.world, self.class);
        }
        if let Means::Files { class, inside } = &mut self.means
            && let Err(error) = watch_files(&self.world, self.class, class, inside)
        {
            self.means = Means::Blind(error.to_string());
        }
    }

    /// Why changes are not heard at once, if so.
    pub(crate) fn problem(&self) -> Option<&str> {
        match &self.means {
            Means::Uevents(_) => None,
            Means::Files { class, .. } => class.problem(),
            Means::Blind(why) => Some(why),
        }
    }

    /// Waits until a device may have changed. Cancel safe.
    pub(crate) async fn changed(&self) {
        match &self.means {
            Means::Uevents(socket) => heard(socket).await,
            Means::Files { class, inside } => tokio::select! {
                () = class.changed() => {}
                () = inside.wait(|_| true) => {}
            },
            Means::Blind(_) => sleep(BLIND_REREAD).await,
        }
    }

    /// The same for a watch that may not be needed, which waits for ever.
    pub(crate) async fn edge_of(watch: Option<&Self>) {
        match watch {
            Some(watch) => watch.changed().await,
            None => std::future::pending().await,
        }
    }
}

impl Means {
    fn new(world: &World, class: &str) -> Self {
        Self::open(world, class).unwrap_or_else(|error| Self::Blind(error.to_string()))
    }

    fn open(world: &World, class: &str) -> io::Result<Self> {
        match world.is_machine() {
            true => Ok(Self::Uevents(listen(Some(netlink::KOBJECT_UEVENT), KERNEL_EVENTS)?)),
            false => Ok(Self::Files { class: Box::new(PathWatch::new(world, class)), inside: Inotify::new()? }),
        }
    }
}

/// What is gone by now needs no watch: that it went is an event of what it was in.
fn watch_files(world: &World, class: &str, watch: &mut PathWatch, inside: &Inotify) -> io::Result<()> {
    let End::Found(folder) = watch.look().end else { return Ok(()) };
    let happens = WatchFlags::CREATE | WatchFlags::MOVE | WatchFlags::DELETE | WatchFlags::CLOSE_WRITE;
    inside.add(&folder, happens)?;
    for folder in folders(world, class).unwrap_or_default() {
        match inside.add(&folder, happens) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const CLASS: &str = "sys/class/power_supply";

    fn world() -> (tempfile::TempDir, World) {
        let root = tempfile::tempdir().unwrap();
        let world = World::new(root.path());
        fs::create_dir_all(world.path(CLASS)).unwrap();
        (root, world)
    }

    /// In the real folder every device is a link.
    #[test]
    fn links_lead_to_devices_inside_the_root() {
        let (_root, world) = world();
        fs::create_dir_all(world.path("sys/devices/BAT0")).unwrap();
        symlink("/sys/devices/BAT0", world.path(CLASS).join("BAT0")).unwrap();
        symlink("nowhere", world.path(CLASS).join("BAT1")).unwrap();
        assert_eq!(folders(&world, CLASS), Ok(vec![world.path("sys/devices/BAT0")]));
    }

    #[test]
    fn no_class_is_no_device_but_no_sys_is_no_answer() {
        let root = tempfile::tempdir().unwrap();
        let world = World::new(root.path());
        assert!(folders(&world, CLASS).unwrap_err().contains("/sys/class/power_supply cannot be read"));
        fs::create_dir_all(world.path(CLASSES)).unwrap();
        assert_eq!(folders(&world, CLASS), Ok(Vec::new()));
    }

    #[test]
    fn devices_are_counted() {
        let (_root, world) = world();
        for n in 0..MAX_DEVICES + 8 {
            fs::create_dir(world.path(CLASS).join(n.to_string())).unwrap();
        }
        assert_eq!(folders(&world, CLASS).unwrap().len(), MAX_DEVICES);
    }
}
