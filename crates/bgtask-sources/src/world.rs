//! Where facts are read from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bus::BusKind;
use crate::device::Feed;
use crate::notifications::{Desk, NotificationCentre};
use crate::watch_path::Hub;

/// The address of the system bus below a root, in the words of the D-Bus specification.
const SYSTEM_BUS_SOCKET: &str = "run/dbus/system_bus_socket";

/// Where facts are read from: a file-system root, the user they concern, and the two message buses.
///
/// Clones of a world share one inotify instance for all its path watches, of which the kernel allows a user only 128, one
/// socket that tells of devices, and one [`NotificationCentre`].
///
/// The root is `/` on a machine and a directory of files in a test. Symbolic links are followed *inside* the root.
#[derive(Clone, Debug)]
pub struct World {
    sysroot: PathBuf,
    uid: u32,
    bus_address: String,
    session_address: String,
    shared: Arc<Shared>,
    desk: Arc<Desk>,
}

/// What all clones of a world share.
#[derive(Debug, Default)]
struct Shared {
    hub: Arc<Hub>,
    devices: Feed,
}

impl World {
    /// The world below `sysroot`, for the user this process runs as.
    ///
    /// The system bus is the socket `run/dbus/system_bus_socket` below the root. Only for `/` may
    /// `DBUS_SYSTEM_BUS_ADDRESS` name another one, so that a test's world never reaches the machine's bus. The session bus
    /// is `run/user/UID/bus`, or what `DBUS_SESSION_BUS_ADDRESS` names.
    pub fn new(sysroot: impl Into<PathBuf>) -> Self {
        let sysroot = sysroot.into();
        let uid = rustix::process::getuid().as_raw();
        let is_machine = sysroot == Path::new("/");
        let address = |variable: &str, socket: &str| {
            let named = is_machine.then(|| std::env::var(variable).ok()).flatten();
            named.unwrap_or_else(|| format!("unix:path={}", sysroot.join(socket).display()))
        };
        let bus_address = address("DBUS_SYSTEM_BUS_ADDRESS", SYSTEM_BUS_SOCKET);
        let session_address = address("DBUS_SESSION_BUS_ADDRESS", &format!("run/user/{uid}/bus"));
        let (shared, desk) = (Arc::default(), Arc::default());
        Self { sysroot, uid, bus_address, session_address, shared, desk }
    }

    /// The root that every path is below.
    pub fn sysroot(&self) -> &Path {
        &self.sysroot
    }

    /// The numeric id of the user whose presence is watched.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The home folder of the user: `HOME` on the machine, and below another root its `home`.
    pub fn home(&self) -> PathBuf {
        match self.is_machine() {
            true => std::env::var_os("HOME").filter(|home| !home.is_empty()).map_or_else(|| "/".into(), PathBuf::from),
            false => self.path("home"),
        }
    }

    /// The D-Bus address of a bus.
    pub fn bus_address(&self, bus: BusKind) -> &str {
        match bus {
            BusKind::System => &self.bus_address,
            BusKind::Session => &self.session_address,
        }
    }

    /// `path` below the root, whether or not it begins with a slash: `etc/localtime` → `<sysroot>/etc/localtime`.
    /// Links are not resolved.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.sysroot.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Where notifications of this world's user are shown.
    pub fn notifications(&self) -> NotificationCentre {
        NotificationCentre::new(self, &self.desk)
    }

    pub(crate) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// The same world, which does not keep this one's desk.
    pub(crate) fn with_another_desk(&self) -> Self {
        Self { desk: Arc::default(), ..self.clone() }
    }

    /// What reads for all path watches of this world.
    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.shared.hub
    }

    /// What reads for all who listen to devices of this world.
    pub(crate) fn devices(&self) -> &Feed {
        &self.shared.devices
    }

    /// Whether this is the machine itself, so that kernel interfaces without a path may be asked too.
    pub(crate) fn is_machine(&self) -> bool {
        self.sysroot == Path::new("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_root_with_or_without_a_leading_slash() {
        let world = World::new("/srv/root");
        assert_eq!(world.path("etc/localtime"), Path::new("/srv/root/etc/localtime"));
        assert_eq!(world.path("/etc/localtime"), Path::new("/srv/root/etc/localtime"));
        assert_eq!(world.bus_address(BusKind::System), "unix:path=/srv/root/run/dbus/system_bus_socket");
    }
}
