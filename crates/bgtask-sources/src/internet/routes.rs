//! The kernel's default routes: a hint of the internet where nobody knows better.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use tokio::time::sleep;

use crate::attribute;
use crate::inotify::BLIND_REREAD;
use crate::netlink::{heard, listen};
use crate::path::PathWatch;
use crate::ready::Ready;
use crate::world::World;

/// Bytes of a route table that are searched. The default route comes first in it; a router's full table may have
/// a hundred megabytes.
const MAX_ROUTE_BYTES: u64 = 1024 * 1024;

const IPV4_ROUTES: &str = "proc/net/route";
const IPV6_ROUTES: &str = "proc/net/ipv6_route";

const INTERFACES: &str = "sys/class/net";

// Flags of a route, in both tables.
const RTF_UP: u32 = 0x1;
const RTF_REJECT: u32 = 0x200;

// Multicast groups of NETLINK_ROUTE, as bits of the address.
const RTMGRP_LINK: u32 = 0x1;
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
const RTMGRP_IPV4_ROUTE: u32 = 0x40;
const RTMGRP_IPV6_IFADDR: u32 = 0x100;
const RTMGRP_IPV6_ROUTE: u32 = 0x400;

/// The interface of the default route that is taken, if there is a usable one; `None` where no table can be read at all.
pub(super) fn default_route(world: &World, watch: &mut RouteWatch) -> Option<Option<String>> {
    watch.rearm();
    let ipv4 = first(&world.path(IPV4_ROUTES), ipv4_default);
    let ipv6 = first(&world.path(IPV6_ROUTES), ipv6_default);
    match (ipv4, ipv6) {
        (None, None) => None,
        (ipv4, ipv6) => Some(ipv4.flatten().or(ipv6.flatten()).filter(|interface| is_linked(world, interface))),
    }
}

/// Whether anything is at the other end: a route outlives the cable that is drawn. A link that cannot tell is taken for one.
fn is_linked(world: &World, interface: &str) -> bool {
    let state = attribute::read(&world.path(INTERFACES).join(interface).join("operstate"));
    !state.is_ok_and(|state| matches!(state.as_str(), "down" | "lowerlayerdown" | "notpresent" | "dormant"))
}

/// The interface of the first route that is wanted: of several default routes the kernel lists, and takes, that of the
/// lowest metric first.
fn first(path: &Path, wanted: impl Fn(&str) -> Option<&str>) -> Option<Option<String>> {
    let table = BufReader::new(File::open(path).ok()?.take(MAX_ROUTE_BYTES));
    // A line that cannot be read ends the table: what came before it still counts.
    Some(table.lines().map_while(Result::ok).find_map(|line| wanted(&line).map(str::to_owned)))
}

/// Columns: interface, destination, gateway, flags, references, uses, metric, mask …; numbers in hexadecimal.
fn ipv4_default(line: &str) -> Option<&str> {
    let mut columns = line.split_ascii_whitespace();
    let interface = columns.next()?;
    let destination = columns.next().and_then(hexadecimal)?;
    let flags = columns.nth(1).and_then(hexadecimal)?;
    let mask = columns.nth(3).and_then(hexadecimal)?;
    (destination == 0 && mask == 0 && is_usable(flags)).then_some(interface)
}

/// Columns: destination, its length, source, its length, next hop, metric, references, uses, flags, interface.
fn ipv6_default(line: &str) -> Option<&str> {
    let mut columns = line.split_ascii_whitespace();
    let anywhere = columns.next()?.bytes().all(|digit| digit == b'0');
    let length = columns.next().and_then(hexadecimal)?;
    let flags = columns.nth(6).and_then(hexadecimal)?;
    let interface = columns.next().filter(|name| *name != "lo")?;
    (anywhere && length == 0 && is_usable(flags)).then_some(interface)
}

fn hexadecimal(digits: &str) -> Option<u32> {
    u32::from_str_radix(digits, 16).ok()
}

fn is_usable(flags: u32) -> bool {
    flags & RTF_UP != 0 && flags & RTF_REJECT == 0
}

/// Hears that routes may have changed.
#[derive(Debug)]
pub(super) enum RouteWatch {
    /// The kernel tells, whatever the messages say.
    Netlink(Ready),
    /// Below another root the tables are plain files.
    Files(Box<[PathWatch; 2]>),
    /// Nobody tells, for this reason.
    Blind(String),
}

impl RouteWatch {
    pub(super) fn new(world: &World) -> Self {
        if !world.is_machine() {
            let watches = [IPV4_ROUTES, IPV6_ROUTES].map(|path| PathWatch::new(world, path));
            return Self::Files(Box::new(watches));
        }
        match listen_to_routes() {
            Ok(socket) => Self::Netlink(socket),
            Err(error) => Self::Blind(error.to_string()),
        }
    }

    /// Why changes are not heard at once, if so.
    pub(super) fn problem(&self) -> Option<&str> {
        match self {
            Self::Netlink(_) => None,
            Self::Files(watches) => watches.iter().find_map(PathWatch::problem),
            Self::Blind(why) => Some(why),
        }
    }

    /// Waits until a route may have changed. Cancel safe.
    pub(super) async fn changed(&self) {
        match self {
            Self::Netlink(socket) => heard(socket).await,
            Self::Files(watches) => tokio::select! {
                () = watches[0].changed() => {}
                () = watches[1].changed() => {}
            },
            Self::Blind(_) => sleep(BLIND_REREAD).await,
        }
    }

    fn rearm(&mut self) {
        match self {
            Self::Files(watches) => watches.iter_mut().for_each(|watch| drop(watch.look())),
            Self::Blind(_) => {
                if let Ok(socket) = listen_to_routes() {
                    *self = Self::Netlink(socket);
                }
            }
            Self::Netlink(_) => {}
        }
    }
}

fn listen_to_routes() -> std::io::Result<Ready> {
    let groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE;
    listen(None, groups)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_an_up_and_unrejected_default_counts() {
        let v4 = |flags: &str, mask: &str| format!("eth0\t00000000\t0100A8C0\t{flags}\t0\t0\t100\t{mask}\t0\t0\t0");
        assert_eq!(ipv4_default(&v4("0003", "00000000")), Some("eth0"));
        assert_eq!(ipv4_default(&v4("0002", "00000000")), None, "down");
        assert_eq!(ipv4_default(&v4("0201", "00000000")), None, "rejected");
        assert_eq!(ipv4_default(&v4("0003", "00000080")), None, "half of the internet");
        let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT";
        assert_eq!(ipv4_default(head), None);
        let zero = "0".repeat(32);
        let v6 = |flags: &str, name: &str| {
            format!("{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 {flags} {name}")
        };
        assert_eq!(ipv6_default(&v6("00000003", "    eth0")), Some("eth0"));
        assert_eq!(ipv6_default(&v6("00200200", "      lo")), None);
        assert_eq!(ipv6_default(&v6("00000003", "      lo")), None);
    }

    #[tokio::test]
    async fn a_route_through_a_link_that_is_down_is_none() {
        let root = tempfile::tempdir().unwrap();
        let world = World::new(root.path());
        let write = |path: &str, content: &str| {
            let path = world.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        let mut watch = RouteWatch::new(&world);
        assert_eq!(default_route(&world, &mut watch), None, "no table");
        write(IPV4_ROUTES, "eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n");
        let eth0 = Some(Some("eth0".to_owned()));
        assert_eq!(default_route(&world, &mut watch), eth0, "a link that cannot tell");
        for (state, expected) in
            [("up", eth0.clone()), ("unknown", eth0), ("down", Some(None)), ("dormant", Some(None))]
        {
            write("sys/class/net/eth0/operstate", &format!("{state}\n"));
            assert_eq!(default_route(&world, &mut watch), expected, "{state}");
        }
    }

    #[test]
    fn nonsense_is_no_route() {
        for line in ["", "x", "eth0 0", "eth0 zz 0 3 0 0 0 0", "é é é é é é é é é é"] {
            assert!(ipv4_default(line).is_none() && ipv6_default(line).is_none(), "{line:?}");
        }
    }

    #[test]
    fn a_huge_table_is_searched_only_at_its_beginning() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let default = "eth0\t00000000\t0\t0003\t0\t0\t0\t00000000\n";
        let other = "eth1\t0000000A\t0\t0001\t0\t0\t0\t000000FF\n";
        let filler = other.repeat(MAX_ROUTE_BYTES as usize / other.len() + 1);
        fs::write(file.path(), format!("{default}{filler}")).unwrap();
        assert_eq!(first(file.path(), ipv4_default), Some(Some("eth0".to_owned())));
        fs::write(file.path(), format!("{filler}{default}")).unwrap();
        assert_eq!(first(file.path(), ipv4_default), Some(None));
        assert_eq!(first(Path::new("/nonexistent"), ipv4_default), None);
    }
}
