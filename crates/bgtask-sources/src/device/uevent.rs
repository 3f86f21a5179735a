//! What one message about a device says.

use std::collections::BTreeMap;

use crate::device::DeviceAction;

/// How a message of udev begins, and the number that follows.
const UDEV_PREFIX: &[u8] = b"libudev\0";
const UDEV_MAGIC: u32 = 0xfeed_cafe;

/// Something happened to a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Uevent {
    pub(super) action: DeviceAction,
    /// The place of the device: `/sys/devices/…`.
    pub(super) path: String,
    /// All that is told with it.
    pub(super) properties: BTreeMap<String, String>,
}

impl Uevent {
    /// Reads a message of the kernel or of udev. `None` for what is neither.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let lines = match message.starts_with(UDEV_PREFIX) {
            true => lines_of_udev(message)?,
            // The kernel begins with a summary, as in `add@/devices/…`.
            false => &message[message.iter().position(|byte| *byte == 0)?..],
        };
        let text = String::from_utf8_lossy(lines);
        let properties = text.split('\0').filter_map(|line| line.split_once('='));
        let properties: BTreeMap<_, _> = properties.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let action = DeviceAction::from_word(properties.get("ACTION")?)?;
        let path = properties.get("DEVPATH").filter(|path| path.starts_with('/'))?;
        Some(Self { action, path: format!("/sys{path}"), properties })
    }

    /// The value of a property; empty where it is not told.
    pub(super) fn property(&self, name: &str) -> &str {
        self.properties.get(name).map_or("", String::as_str)
    }

    /// The path of the device's node, as in `/dev/sda1`; empty without one.
    pub(super) fn node(&self) -> String {
        match self.property("DEVNAME") {
            name if name.is_empty() || name.starts_with('/') => name.to_owned(),
            name => format!("/dev/{name}"),
        }
    }

    /// Where it was before it moved.
    pub(super) fn moved_from(&self) -> Option<String> {
        let from = self.properties.get("DEVPATH_OLD").filter(|_| self.action == DeviceAction::Move)?;
        Some(format!("/sys{from}"))
    }
}

/// Behind the prefix and the number come the size of the header, and where the lines are and how long.
fn lines_of_udev(message: &[u8]) -> Option<&[u8]> {
    let word = |place: usize| <[u8; 4]>::try_from(message.get(place..place + 4)?).ok();
    let is_known = u32::from_be_bytes(word(8)?) == UDEV_MAGIC;
    let start = u32::from_ne_bytes(word(16)?) as usize;
    let length = u32::from_ne_bytes(word(20)?) as usize;
    message.get(start..start.checked_add(length)?).filter(|_| is_known)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of Linux 6.18, when `ip link add vx0 type veth peer name vx1` was done.
    const OF_KERNEL: &[u8] = b"add@/devices/virtual/net/vx1\0ACTION=add\0DEVPATH=/devices/virtual/net/vx1\0\
        SUBSYSTEM=net\0INTERFACE=vx1\0IFINDEX=2\0SEQNUM=1409\0";

    /// Of udev 252, when `ip link set vx0 name vy0` was done.
    const OF_UDEV: &[u8] =
        b"libudev\0\xfe\xed\xca\xfe(\0\0\0(\0\0\0\x8a\x01\0\0\xa7M<\xc8\0\0\0\0\x02\0\x04\0\x10\x80\0\0\
        UDEV_DATABASE_VERSION=1\0ACTION=move\0DEVPATH=/devices/virtual/net/vy0\0SUBSYSTEM=net\0\
        DEVPATH_OLD=/devices/virtual/net/vx0\0INTERFACE=vy0\0IFINDEX=3\0SEQNUM=1447\0USEC_INITIALIZED=24531451588\0\
        TAGS=:systemd:\0ID_MM_CANDIDATE=1\0ID_NET_DRIVER=veth\0\
        ID_NET_LINK_FILE=/usr/lib/systemd/network/99-default.link\0ID_NET_NAME=vy0\0NM_UNMANAGED=1\0\
        CURRENT_TAGS=:systemd:\0SYSTEMD_ALIAS=/sys/subsystem/net/devices/vy0\0";

    #[test]
    fn a_message_of_the_kernel() {
        let uevent = Uevent::read(OF_KERNEL).unwrap();
        assert_eq!((uevent.action, uevent.path.as_str()), (DeviceAction::Add, "/sys/devices/virtual/net/vx1"));
        assert_eq!((uevent.property("SUBSYSTEM"), uevent.property("INTERFACE")), ("net", "vx1"));
        assert_eq!((uevent.property("DEVTYPE"), uevent.node().as_str()), ("", ""));
        assert_eq!((uevent.properties.len(), uevent.moved_from()), (6, None));
    }

    #[test]
    fn a_message_of_udev() {
        let uevent = Uevent::read(OF_UDEV).unwrap();
        assert_eq!((uevent.action, uevent.path.as_str()), (DeviceAction::Move, "/sys/devices/virtual/net/vy0"));
        assert_eq!(uevent.property("ID_NET_DRIVER"), "veth");
        assert_eq!(uevent.property("SYSTEMD_ALIAS"), "/sys/subsystem/net/devices/vy0");
        assert_eq!(uevent.moved_from().as_deref(), Some("/sys/devices/virtual/net/vx0"));
        assert_eq!(uevent.properties.len(), 17);
    }

    /// The kernel names a node without its folder, udev with it.
    #[test]
    fn a_node_is_a_path() {
        for (told, node) in [("sda1", "/dev/sda1"), ("/dev/bus/usb/001/002", "/dev/bus/usb/001/002")] {
            let message = format!("add@/x\0ACTION=add\0DEVPATH=/devices/x\0DEVNAME={told}\0");
            assert_eq!(Uevent::read(message.as_bytes()).unwrap().node(), node);
        }
    }

    #[test]
    fn what_is_no_message_is_none_however_it_is_cut_or_damaged() {
        for message in [OF_KERNEL, OF_UDEV] {
            for end in 0..message.len() {
                let _ = Uevent::read(&message[..end]);
            }
            for place in 0..message.len() {
                let mut damaged = message.to_vec();
                damaged[place] = 0xff;
                let _ = Uevent::read(&damaged);
            }
        }
        let nonsense: [&[u8]; 7] = [
            b"",
            b"\0",
            b"libudev\0",
            b"add@/devices/x",
            b"add@/devices/x\0ACTION=add\0",
            b"add@/devices/x\0ACTION=explode\0DEVPATH=/devices/x\0",
            b"add@/devices/x\0ACTION=add\0DEVPATH=x\0",
        ];
        for message in nonsense {
            assert_eq!(Uevent::read(message), None, "{}", String::from_utf8_lossy(message));
        }
        let mut wrong = OF_UDEV.to_vec();
        wrong[8] = 0;
        assert_eq!(Uevent::read(&wrong), None, "another number");
    }
}
