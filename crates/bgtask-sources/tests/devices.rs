//! Devices, as the real kernel tells of them: each test in a network of its own.

mod common;

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use bgtask_sources::{DeviceId, Status, World, is_connected};
use common::events::{Ear, subject};
use common::namespaces::{Running, TELL_AGAIN, is_inside, may_tell_again, sh};
use common::{Sysroot, is_available};
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, sendto, socket_with};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

const WATCHER: &str = "DeviceWatcherTrigger";
const CONNECTION: &str = "DeviceConnectionChangeTrigger";
const UDEV_GROUP: u32 = 2;

fn available(how: &str) -> Status {
    Status::Available { how: how.to_owned() }
}

#[tokio::test]
async fn a_pair_of_network_devices_comes_is_renamed_and_goes() {
    if !is_inside("a_pair_of_network_devices_comes_is_renamed_and_goes") {
        return;
    }
    let world = World::new("/");
    let all = "add+change+remove+bind+unbind+move+online+offline";
    let (mut ear, status) = Ear::ready(subject(WATCHER, &[("subsystem", "net"), ("action", all)]), &world).await;
    assert_eq!(status, available("kernel uevents"));
    let place = "/sys/devices/virtual/net/bg0*";
    let (mut first, _) = Ear::ready(subject(WATCHER, &[("id", place)]), &world).await;
    let (mut named, _) = Ear::ready(subject(WATCHER, &[("INTERFACE", "bg1"), ("action", "remove")]), &world).await;

    sh("ip link add bg0 type veth peer name bg1; ip link set bg0 name bg2; ip link del bg2");
    let mut told = Vec::new();
    while told.len() < 5 {
        let [kind, action, id] = ear.fields(["kind", "action", "id"]).await;
        told.push([kind, action, id].map(|value| value.as_str().unwrap().to_owned()).join(" "));
    }
    // Which of the two comes or goes first is the kernel's affair.
    told[..2].sort();
    told[3..].sort();
    let expected = [
        "Add add /sys/devices/virtual/net/bg0",
        "Add add /sys/devices/virtual/net/bg1",
        "Update move /sys/devices/virtual/net/bg2",
        "Remove remove /sys/devices/virtual/net/bg1",
        "Remove remove /sys/devices/virtual/net/bg2",
    ];
    assert_eq!(told, expected);

    let event = first.event().await;
    assert_eq!((&event.fields["subsystem"], &event.fields["node"]), (&"net".into(), &"".into()));
    assert_eq!(event.fields["properties"]["INTERFACE"], "bg0");
    assert!(event.at_micros > 0);
    // Its queues are devices too, in another subsystem.
    assert_eq!(first.fields(["kind", "subsystem"]).await, ["Add", "queues"]);
    assert_eq!(named.fields(["id"]).await, ["/sys/devices/virtual/net/bg1"]);
    assert!(named.is_quiet() && ear.is_quiet());
}

/// udev's messages are played by a process that may administer the network, as udev is one.
#[tokio::test]
async fn where_udev_runs_it_is_heard_and_the_kernel_is_not() {
    if !is_inside("where_udev_runs_it_is_heard_and_the_kernel_is_not") {
        return;
    }
    fs::create_dir("/run/udev").unwrap();
    let (mut ear, status) = Ear::ready(subject(WATCHER, &[("subsystem", "net")]), &World::new("/")).await;
    assert_eq!(status, available("kernel uevents"));
    fs::write("/run/udev/control", "").unwrap();
    ear.status_that(|status| *status == available("udev")).await;

    sh("ip link add bg0 type veth peer name bg1");
    // What is sent to the other group, to this socket alone, or is no message, counts as little as the kernel's.
    send(&message_of_udev("to-the-kernel's-group"), 1).unwrap();
    send(b"libudev\0nonsense", UDEV_GROUP).unwrap();
    send(&[0xff; 20_000], UDEV_GROUP).unwrap();
    send(&message_of_udev("from-udev"), UDEV_GROUP).unwrap();
    assert_eq!(ear.fields(["id", "node"]).await, ["/sys/devices/from-udev", "/dev/x"]);

    fs::remove_file("/run/udev/control").unwrap();
    ear.status_that(|status| *status == available("kernel uevents")).await;
    sh("ip link del bg0");
    assert_eq!(ear.fields(["kind", "subsystem"]).await, ["Remove", "net"]);
}

/// What udev's rules find out comes with the event, in which the node may be opened already. (Its devices are a folder of
/// the name space, so that no device of the machine is touched.)
#[tokio::test]
async fn a_real_udev_tells_what_it_found_out() {
    const UDEVD: &str = "/lib/systemd/systemd-udevd";
    if !fs::exists(UDEVD).unwrap() {
        return common::skip("udev is not installed");
    }
    if !is_inside("a_real_udev_tells_what_it_found_out") {
        return;
    }
    sh("mkdir /run/udev /run/dev; for node in null urandom; do
            touch /run/dev/$node; mount --bind /dev/$node /run/dev/$node
        done; mount --rbind /run/dev /dev");
    let properties = [("subsystem", "net"), ("ID_NET_DRIVER", "veth"), ("action", "add+remove")];
    let (mut ear, status) = Ear::ready(subject(WATCHER, &properties), &World::new("/")).await;
    assert_eq!(status, available("kernel uevents"));
    let _udevd = Running(Command::new(UDEVD).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    ear.status_that(|status| *status == available("udev")).await;
    // It listens a moment later than its socket is there.
    sh("timeout 60 sh -c 'until udevadm control --ping; do sleep 0.01; done' 2> /dev/null; \
        ip link add bg0 type veth peer name bg1; udevadm settle; ip link del bg0");
    let mut kinds = Vec::new();
    for _ in 0..4 {
        let event = ear.event().await;
        assert!(event.fields["properties"]["USEC_INITIALIZED"].is_string(), "{event:?}");
        kinds.push(event.fields["kind"].as_str().unwrap().to_owned());
    }
    assert_eq!(kinds, ["Add", "Add", "Remove", "Remove"]);
}

/// Forging takes the power over the network, and who has that needs no forgery. (The name space's root without a
/// capability stands for any other user.)
#[tokio::test]
async fn who_may_not_administer_the_network_cannot_send_at_all() {
    const NAME: &str = "who_may_not_administer_the_network_cannot_send_at_all";
    if std::env::var_os("BGTASK_TEST_POWERLESS").is_some() {
        for group in [1, UDEV_GROUP] {
            assert_eq!(send(&message_of_udev("forged"), group), Err(rustix::io::Errno::PERM));
        }
        return;
    }
    if !is_inside(NAME) {
        return;
    }
    fs::create_dir("/run/udev").unwrap();
    fs::write("/run/udev/control", "").unwrap();
    let (mut ear, _) = Ear::ready(subject(WATCHER, &[("subsystem", "net")]), &World::new("/")).await;
    let this = std::env::current_exe().unwrap();
    sh(&format!(
        "BGTASK_TEST_POWERLESS=1 setpriv --inh-caps=-all --bounding-set=-all {} {NAME} --exact --nocapture",
        this.display()
    ));
    send(&message_of_udev("true"), UDEV_GROUP).unwrap();
    assert_eq!(ear.fields(["id"]).await, ["/sys/devices/true"]);
}

#[tokio::test]
async fn a_device_is_connected_renamed_and_disconnected() {
    if !is_inside("a_device_is_connected_renamed_and_disconnected") {
        return;
    }
    let world = World::new("/");
    sh("ip link add bg0 type veth peer name bg1");
    let listen = async |id| Ear::ready(subject(CONNECTION, &[("device_id", id)]), &world).await.0;
    let mut first = listen("/sys/class/net/bg0").await;
    let mut place = listen("/sys/devices/virtual/net/bg0").await;
    let mut any = listen("/sys/devices/*/bg*").await;
    let connected = |id| is_connected(&DeviceId::read(id).unwrap(), &world);
    assert!(connected("/sys/class/net/bg0") && connected("/sys/devices/*/bg1"));

    sh("ip link set bg0 name bg2; ip link del bg2; ip link add bg0 type veth peer name x0");
    for ear in [&mut first, &mut place] {
        // What was there is no news.
        assert_eq!(ear.fields(["device_id", "connected"]).await, news("bg0", false));
        assert_eq!(ear.fields(["device_id", "connected"]).await, news("bg0", true));
        assert!(ear.is_quiet());
    }
    let mut told: Vec<_> = Vec::new();
    while told.last() != Some(&news("bg0", true)) {
        told.push(any.fields(["device_id", "connected"]).await);
    }
    assert_eq!(told[..2], [news("bg0", false), news("bg2", true)]);
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(told.contains(&news("bg1", false)) && told.contains(&news("bg2", false)));
    assert!(!connected("/sys/class/net/bg2") && connected("/sys/class/net/bg0"));
}

/// While this thread works, it does not listen; and what it does is more than the kernel keeps for it.
#[tokio::test]
async fn a_device_that_went_in_a_storm_is_missed_nevertheless() {
    if !is_inside("a_device_that_went_in_a_storm_is_missed_nevertheless") || !may_tell_again() {
        return;
    }
    sh("ip link add bg0 type veth peer name x0; ip link add bg1 type veth peer name x1");
    let world = World::new("/");
    let (mut ear, _) = Ear::ready(subject(CONNECTION, &[("device_id", "/sys/class/net/bg*")]), &world).await;
    for _ in 0..20_000 {
        fs::write(TELL_AGAIN, "change").unwrap();
    }
    sh("ip link del bg0; ip link add bg2 type veth peer name x2");
    let mut told = [ear.fields(["device_id", "connected"]).await, ear.fields(["device_id", "connected"]).await];
    told.sort_by_key(|[id, _]| id.to_string());
    assert_eq!(told, [news("bg0", false), news("bg2", true)]);
    assert!(!is_available(&ear.status) && ear.is_quiet());
}

/// The kernel's own queue is full while nobody reads it: this thread makes the changes and is the one that would.
#[tokio::test]
async fn what_the_kernel_dropped_is_counted_and_said() {
    if !is_inside("what_the_kernel_dropped_is_counted_and_said") || !may_tell_again() {
        return;
    }
    let (mut ear, status) = Ear::ready(subject(WATCHER, &[("subsystem", "net")]), &World::new("/")).await;
    assert!(is_available(&status));
    for _ in 0..20_000 {
        fs::write(TELL_AGAIN, "change").unwrap();
    }
    let status = ear.status_that(|status| !is_available(status)).await;
    let Status::Degraded { how, why, help } = status else { panic!("{status:?}") };
    assert_eq!(how, "kernel uevents");
    assert_eq!(why, "the kernel dropped messages about devices, which came faster than they could be read");
    assert!(help.contains("net.core.rmem_max"), "{help}");
    // The next are heard again, as soon as what was held is told.
    loop {
        if ear.events.is_empty() {
            fs::write(TELL_AGAIN, "add").unwrap();
        }
        if ear.event().await.fields["action"] == "add" {
            break;
        }
    }
    assert!(ear.lost > 0);
}

/// What is told is in order and nothing of it is invented; what was too much is counted.
#[tokio::test]
async fn a_flood_is_held_to_the_bound_and_costs_less_than_a_second() {
    if !is_inside("a_flood_is_held_to_the_bound_and_costs_less_than_a_second") || !may_tell_again() {
        return;
    }
    const FLOOD: u64 = 10_000;
    let (mut ear, _) = Ear::ready(subject(WATCHER, &[("subsystem", "net")]), &World::new("/")).await;
    let before = clock_gettime(ClockId::ThreadCPUTime);
    let flood = std::thread::spawn(|| {
        for _ in 0..FLOOD {
            fs::write(TELL_AGAIN, "change").unwrap();
        }
    });
    let (mut told, mut last, mut ends) = (0, 0, 0);
    loop {
        let event = ear.event().await;
        let number: u64 = event.fields["properties"]["SEQNUM"].as_str().unwrap().parse().unwrap();
        assert!(number > last, "{number} after {last}");
        last = number;
        match event.fields["action"] == "add" {
            true => break,
            false => told += 1,
        }
        if flood.is_finished() && ear.events.is_empty() {
            fs::write(TELL_AGAIN, "add").unwrap();
            ends += 1;
        }
    }
    let after = clock_gettime(ClockId::ThreadCPUTime);
    let spent = Duration::try_from(after).unwrap() - Duration::try_from(before).unwrap();
    println!("told {told}, lost {}, {spent:?} of processor time", ear.lost);
    assert!(told + ear.lost <= FLOOD + ends);
    assert!(told + ear.lost >= FLOOD || !is_available(&ear.status), "{:?}", ear.status);
    assert!(spent < Duration::from_secs(1), "{spent:?}");
}

#[tokio::test]
async fn below_another_root_there_is_no_kernel() {
    let sysroot = Sysroot::new();
    let (_ear, status) = Ear::ready(subject(WATCHER, &[("subsystem", "net")]), &sysroot.world()).await;
    let Status::Missing { why, .. } = status else { panic!("{status:?}") };
    assert!(why.starts_with("the kernel tells of the devices of the machine, not of those below /"), "{why}");
}

/// There a device is whatever looks like one.
#[tokio::test]
async fn below_another_root_one_device_can_be_watched() {
    let sysroot = Sysroot::new();
    let device = "sys/devices/pci/usb1/1-2";
    let plug = || {
        sysroot.write(format!("{device}/uevent"), "");
        sysroot.link("/sys/bus/usb", &format!("{device}/subsystem"));
        sysroot.link("/sys/devices/pci/usb1/1-2", "sys/bus/usb/devices/1-2");
    };
    plug();
    let ids = ["/sys/devices/pci/usb1/1-2", "/sys/bus/usb/devices/1-2"];
    for id in ids {
        let (mut ear, status) = Ear::ready(subject(CONNECTION, &[("device_id", id)]), &sysroot.world()).await;
        assert_eq!(status, available(&format!("inotify on {id}")));
        let id = DeviceId::read(id).unwrap();
        assert!(is_connected(&id, &sysroot.world()));
        for connected in [false, true] {
            match connected {
                true => plug(),
                false => fs::remove_dir_all(sysroot.path("sys/devices/pci")).unwrap(),
            }
            let expected = [Value::from("/sys/devices/pci/usb1/1-2"), connected.into()];
            assert_eq!(ear.fields(["device_id", "connected"]).await, expected);
        }
    }
}

fn news(name: &str, connected: bool) -> [Value; 2] {
    [format!("/sys/devices/virtual/net/{name}").into(), connected.into()]
}

fn message_of_udev(device: &str) -> Vec<u8> {
    let lines = format!("ACTION=add\0DEVPATH=/devices/{device}\0SUBSYSTEM=net\0DEVNAME=/dev/x\0");
    let mut message = b"libudev\0\xfe\xed\xca\xfe".to_vec();
    for word in [40, 40, lines.len() as u32, 0, 0, 0, 0] {
        message.extend(word.to_ne_bytes());
    }
    message.extend(lines.as_bytes());
    message
}

fn send(message: &[u8], group: u32) -> rustix::io::Result<usize> {
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(KOBJECT_UEVENT)).unwrap();
    sendto(&socket, message, SendFlags::empty(), &SocketAddrNetlink::new(0, group))
}
