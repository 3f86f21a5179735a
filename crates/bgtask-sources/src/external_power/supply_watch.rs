//! Hearing that a power supply may have changed.

use std::io::{self, ErrorKind};

use rustix::fs::inotify::WatchFlags;
use rustix::net::netlink;
use tokio::time::sleep;

use crate::external_power::supplies::{SUPPLIES, folders};
use crate::inotify::{BLIND_REREAD, Inotify};
use crate::netlink::{heard, listen};
use crate::path::{End, PathWatch};
use crate::ready::Ready;
use crate::world::World;

/// The group in which the kernel itself broadcasts; udev has another.
const KERNEL_EVENTS: u32 = 1;

/// Watches every supply.
#[derive(Debug)]
pub(crate) struct SupplyWatch {
    world: World,
    means: Means,
}

#[derive(Debug)]
enum Means {
    /// The kernel broadcasts an event of the device. (inotify says nothing about files in sysfs.)
    Uevents(Ready),
    /// Below another root the supplies are plain files.
    Files { class: PathWatch, inside: Inotify },
    /// Nobody tells, for this reason.
    Blind(String),
}

impl SupplyWatch {
    pub(crate) fn new(world: &World) -> Self {
        Self { world: world.clone(), means: Means::new(world) }
    }

    /// Watches what is there now. To be called before each reading.
    pub(crate) fn rearm(&mut self) {
        if let Means::Blind(_) = self.means {
            self.means = Means::new(&self.world);
        }
        if let Means::Files { class, inside } = &mut self.means
            && let Err(error) = watch_files(&self.world, class, inside)
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

    /// Waits until a supply may have changed. Cancel safe.
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
    fn new(world: &World) -> Self {
        Self::open(world).unwrap_or_else(|error| Self::Blind(error.to_string()))
    }

    fn open(world: &World) -> io::Result<Self> {
        match world.is_machine() {
            true => Ok(Self::Uevents(listen(Some(netlink::KOBJECT_UEVENT), KERNEL_EVENTS)?)),
            false => Ok(Self::Files { class: PathWatch::new(world, SUPPLIES), inside: Inotify::new()? }),
        }
    }
}

/// What is gone by now needs no watch: that it went is an event of what it was in.
fn watch_files(world: &World, class: &mut PathWatch, inside: &Inotify) -> io::Result<()> {
    let End::Found(class) = class.look().end else { return Ok(()) };
    let happens = WatchFlags::CREATE | WatchFlags::MOVE | WatchFlags::DELETE | WatchFlags::CLOSE_WRITE;
    inside.add(&class, happens)?;
    for folder in folders(world).unwrap_or_default() {
        match inside.add(&folder, happens) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
