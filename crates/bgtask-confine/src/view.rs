//! A root of its own, with the declared files where they always are and nothing else.
//!
//! It grows on top of the root that is still in use: an empty file system in memory, into which folders are bound. Whoever
//! enters it has no privilege to leave. Taking the old root away instead would cost up to seven milliseconds, as the kernel then
//! waits until nobody on any processor looks at it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, StatVfsMountFlags, statvfs};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, fsconfig_create, fsconfig_set_string,
    fsmount, fsopen, mount_bind_recursive, mount_remount, move_mount,
};
use rustix::process::{chroot, fchdir};

/// The most bytes that a program may keep in its own `/tmp`, `/var/tmp` and `/dev/shm` together. They are memory.
pub const PRIVATE_BYTES: u64 = 64 * 1024 * 1024;

/// The most files in them.
const PRIVATE_FILES: u32 = 16_384;

/// The most symbolic links on the way to a file, as for the kernel.
const MAX_LINKS: usize = 40;

/// What every program sees, where it is there: programs, libraries, settings, devices that hold nothing, and the kernel's
/// account of itself.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/opt",
    "/nix",
    "/gnu",
    "/run/current-system",
    "/var/lib/ca-certificates",
    "/var/cache/fontconfig",
    "/proc",
    "/sys",
];

/// What every program may write to.
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// What it takes to look up names in a network.
const NAMES: &[&str] =
    &["/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager", "/run/connman", "/run/netconfig", "/run/nscd"];

/// What it takes to use devices.
const ALL_DEVICES: &[&str] = &["/dev", "/run/udev"];

/// Its own, and empty.
const PRIVATE: &[&str] = &["/tmp", "/var/tmp", "/dev/shm"];

/// The new root.
#[derive(Debug)]
pub(crate) struct View {
    root: OwnedFd,
    /// Where it can be reached from the old one.
    path: PathBuf,
    shown: BTreeSet<PathBuf>,
}

/// The system's files that exist: what is read, and what is written to.
pub(crate) fn system() -> impl Iterator<Item = &'static Path> {
    SYSTEM.iter().map(Path::new)
}

pub(crate) fn devices() -> impl Iterator<Item = &'static Path> {
    DEVICES.iter().map(Path::new)
}

pub(crate) fn names() -> impl Iterator<Item = &'static Path> {
    NAMES.iter().map(Path::new)
}

pub(crate) fn all_devices() -> impl Iterator<Item = &'static Path> {
    ALL_DEVICES.iter().map(Path::new)
}

impl View {
    /// With the system in it. Takes a mount namespace of its own.
    pub(crate) fn new() -> io::Result<Self> {
        let files = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(files.as_fd(), "mode", "0755")?;
        fsconfig_set_string(files.as_fd(), "size", PRIVATE_BYTES.to_string())?;
        fsconfig_set_string(files.as_fd(), "nr_inodes", PRIVATE_FILES.to_string())?;
        fsconfig_create(files.as_fd())?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        let root = fsmount(files.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
        // On top of the root nobody meets it who has a root already.
        move_mount(root.as_fd(), "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
        let path = format!("/proc/self/fd/{}", root.as_raw_fd()).into();
        let mut view = Self { root, path, shown: BTreeSet::new() };
        for folder in PRIVATE {
            fs::create_dir_all(view.place(Path::new(folder)))?;
            fs::set_permissions(view.place(Path::new(folder)), fs::Permissions::from_mode(0o1777))?;
        }
        for path in system().chain(devices()) {
            view.show(path)?;
        }
        for (link, target) in [("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
            symlink(format!("/proc/self/{target}"), view.place(Path::new("/dev")).join(link))?;
        }
        Ok(view)
    }

    /// Its own folders for what does not last.
    pub(crate) fn private(&self) -> impl Iterator<Item = PathBuf> {
        PRIVATE.iter().map(|folder| self.place(Path::new(folder)))
    }

    /// Shows a file or folder, with the links on the way to it; nothing if it is not there.
    pub(crate) fn show(&mut self, path: &Path) -> io::Result<()> {
        self.bind(path).map(drop)
    }

    /// The same, and nobody writes to it: Landlock would allow that to whoever may write to a folder above it, as to a `/tmp` of
    /// one's own.
    pub(crate) fn show_only(&mut self, path: &Path) -> io::Result<()> {
        let Some(place) = self.bind(path)? else { return Ok(()) };
        let kept = [
            (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
            (StatVfsMountFlags::NODEV, MountFlags::NODEV),
            (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
            (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
            (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
            (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
        ];
        // What the owner of the machine has set, nobody in a user namespace may take back.
        let set = statvfs(&place)?.f_flag;
        let kept = kept.into_iter().filter_map(|(is, flag)| set.contains(is).then_some(flag)).collect::<MountFlags>();
        Ok(mount_remount(&place, kept | MountFlags::BIND | MountFlags::RDONLY, "")?)
    }

    /// Where it is, unless it is not there or shown already.
    fn bind(&mut self, path: &Path) -> io::Result<Option<PathBuf>> {
        let Some(real) = self.retrace(path)? else { return Ok(None) };
        if real == Path::new("/") || !self.shown.insert(real.clone()) {
            return Ok(None);
        }
        let place = self.place(&real);
        self.prepare(&real, &place)?;
        mount_bind_recursive(&real, &place)?;
        Ok(Some(place))
    }

    /// Makes a folder that is empty unless something is shown in it.
    pub(crate) fn make(&mut self, folder: &Path) -> io::Result<()> {
        let real = self.retrace(folder)?.unwrap_or_else(|| folder.to_owned());
        match fs::create_dir_all(self.place(&real)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    /// From here on this is the root.
    pub(crate) fn enter(self) -> io::Result<()> {
        fchdir(&self.root)?;
        Ok(chroot(".")?)
    }

    fn prepare(&self, real: &Path, place: &Path) -> io::Result<()> {
        if fs::symlink_metadata(place).is_ok() {
            return Ok(());
        }
        let kind = fs::symlink_metadata(real)?.file_type();
        if kind.is_dir() {
            return fs::create_dir_all(place);
        }
        debug_assert!(kind.is_file() || kind.is_socket() || kind.is_char_device() || kind.is_fifo());
        fs::create_dir_all(place.parent().unwrap_or(&self.path))?;
        fs::write(place, "")
    }

    /// The file's place without links; each link on the way is there in the new root, too. `None` if it is not there.
    fn retrace(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let mut ahead: Vec<OsString> = names_of(path);
        let (mut real, mut links) = (PathBuf::from("/"), 0);
        while let Some(name) = ahead.pop() {
            if name == ".." {
                real.pop();
                continue;
            }
            let next = real.join(&name);
            let Ok(data) = fs::symlink_metadata(&next) else { return Ok(None) };
            if !data.file_type().is_symlink() {
                real = next;
                continue;
            }
            links += 1;
            // A link of `/proc` is another one for each who looks.
            if links > MAX_LINKS || real.starts_with("/proc") {
                return Ok(None);
            }
            let target = fs::read_link(&next)?;
            self.link(&target, &next)?;
            if target.is_absolute() {
                real = PathBuf::from("/");
            }
            ahead.extend(names_of(&target));
        }
        Ok(Some(real))
    }

    fn link(&self, target: &Path, at: &Path) -> io::Result<()> {
        let place = self.place(at);
        if fs::symlink_metadata(&place).is_ok() {
            return Ok(());
        }
        fs::create_dir_all(place.parent().unwrap_or(&self.path))?;
        symlink(target, place)
    }

    fn place(&self, path: &Path) -> PathBuf {
        self.path.join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// The names in a path, the last one first.
fn names_of(path: &Path) -> Vec<OsString> {
    let names = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    names.collect()
}
