//! The bytes that hosts send and receive, without any privilege.
//!
//! The kernel counts the bytes of each connection of TCP and tells them to everybody; whose it is say the files that the
//! processes have open. When a connection ends the kernel says the last count, but no longer whose it was. So a connection
//! counts to its end once it was seen, and one that begins and ends between two looks does not. UDP, and with it QUIC, is not
//! counted at all.

mod diag;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::getxattr;

use crate::Host;
use diag::{Connection, Ends, List};

/// The most connections that are remembered of a host; of more only those that are open when it is looked for them count.
pub const MAX_CONNECTIONS: usize = 4096;

/// Counts the bytes of hosts: those of TCP, and not those that stay on the machine.
///
/// What it knows of a host it learns when it is asked. It wakes nobody in between.
#[derive(Debug, Default)]
pub struct NetworkMeter {
    /// While there is a host whose bytes are counted.
    kernel: Option<Kernel>,
    bills: HashMap<u64, Bill>,
}

#[derive(Debug)]
struct Kernel {
    list: List,
    ends: Ends,
}

/// The bytes of one host.
#[derive(Debug, Default)]
struct Bill {
    /// By cookie. What has ended stays here until that is heard.
    connections: HashMap<u64, u64>,
    ended: u64,
}

impl NetworkMeter {
    /// Whether bytes can be counted here, and else why not.
    ///
    /// # Errors
    ///
    /// With what the kernel says, if it does not list connections.
    pub fn probe() -> io::Result<()> {
        Kernel::open()?.list.each(drop)
    }

    /// The bytes of TCP that a host has sent and received, as far as they were seen; `None` where they cannot be counted.
    ///
    /// `key` tells this host from the others, until it is [forgotten](Self::forget).
    pub fn bytes_of(&mut self, key: u64, host: &Host) -> Option<u64> {
        let counted = self.look(key, &open_in(&host.pids()));
        if counted.is_err() {
            // What it would say next may be the rest of this.
            self.kernel = None;
        }
        counted.ok()
    }

    /// Forgets a host of which nothing is left.
    pub fn forget(&mut self, key: u64) {
        self.bills.remove(&key);
        if self.bills.is_empty() {
            self.kernel = None;
        }
    }

    fn look(&mut self, key: u64, open: &HashSet<u32>) -> io::Result<u64> {
        if open.is_empty() && !self.bills.contains_key(&key) {
            return Ok(0);
        }
        let kernel = match &mut self.kernel {
            Some(kernel) => kernel,
            none => none.insert(Kernel::open()?),
        };
        let bill = self.bills.entry(key).or_default();
        let mut beyond = 0;
        // The list takes the kernel a millisecond on a machine with much memory; most hosts have nothing on it.
        if !open.is_empty() {
            kernel.list.each(|connection| beyond += bill.see(connection, open))?;
        }
        // Afterwards: what ended in between was seen.
        kernel.ends.each(|connection| self.bills.values_mut().for_each(|bill| bill.end(connection)));
        Ok(self.bills.get(&key).map_or(0, Bill::total).saturating_add(beyond))
    }
}

impl Kernel {
    fn open() -> io::Result<Self> {
        Ok(Self { list: List::open()?, ends: Ends::open()? })
    }
}

/// The sockets of TCP that these processes have open.
fn open_in(pids: &[i32]) -> HashSet<u32> {
    let folders = pids.iter().filter_map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).ok());
    folders.flatten().flatten().filter_map(|file| tcp_socket(&file.path())).collect()
}

/// The number of a socket, if it is one of TCP.
fn tcp_socket(file: &Path) -> Option<u32> {
    let inode = fs::read_link(file).ok()?.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()?;
    let mut name = [0; 16];
    let length = getxattr(file, c"system.sockprotoname", &mut name).ok()?;
    let name = name[..length].split(|byte| *byte == 0).next();
    matches!(name, Some(b"TCP" | b"TCPv6" | b"MPTCP" | b"MPTCPv6")).then_some(inode)
}

impl Bill {
    /// Notes a connection, if it is of this host. Answers the bytes that there is no room to remember.
    fn see(&mut self, connection: Connection, open: &HashSet<u32>) -> u64 {
        if let Some(bytes) = self.connections.get_mut(&connection.cookie) {
            *bytes = connection.bytes;
            return 0;
        }
        if connection.is_loopback || !open.contains(&connection.inode) {
            return 0;
        }
        if self.connections.len() >= MAX_CONNECTIONS {
            return connection.bytes;
        }
        self.connections.insert(connection.cookie, connection.bytes);
        0
    }

    fn end(&mut self, connection: Connection) {
        if let Some(seen) = self.connections.remove(&connection.cookie) {
            self.ended = self.ended.saturating_add(connection.bytes.max(seen));
        }
    }

    fn total(&self) -> u64 {
        self.connections.values().fold(self.ended, |sum, bytes| sum.saturating_add(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(cookie: u64, bytes: u64) -> Connection {
        Connection { cookie, inode: 7, bytes, is_loopback: false }
    }

    #[test]
    fn a_connection_counts_once_and_to_its_end() {
        let mut bill = Bill::default();
        let open = HashSet::from([7]);
        assert_eq!(bill.see(connection(1, 100), &open) + bill.see(connection(2, 10), &open), 0);
        bill.see(connection(8, 1_000), &HashSet::from([8]));
        assert_eq!(bill.total(), 110, "another one's is not its own");
        // Its program has closed it, and the kernel still sends what is left.
        bill.see(connection(1, 150), &HashSet::new());
        assert_eq!(bill.total(), 160);
        bill.end(connection(1, 200));
        bill.end(connection(3, 5_000));
        assert_eq!(bill.total(), 210, "of one that was never seen nobody knows whose it was");
        bill.end(connection(1, 200));
        assert_eq!(bill.total(), 210);
        bill.see(Connection { is_loopback: true, ..connection(4, 1) }, &open);
        assert_eq!(bill.total(), 210, "what stays on the machine is no network");
    }

    #[test]
    fn no_more_connections_are_remembered_than_the_bound() {
        let mut bill = Bill::default();
        let open = HashSet::from([7]);
        for cookie in 0..MAX_CONNECTIONS as u64 {
            assert_eq!(bill.see(connection(cookie, 1), &open), 0);
        }
        assert_eq!(bill.see(connection(u64::MAX, 7), &open), 7, "it counts while it is open");
        assert_eq!(bill.see(connection(0, 2), &open), 0);
        assert_eq!(bill.total(), MAX_CONNECTIONS as u64 + 1);
        bill.end(connection(0, 2));
        assert_eq!(bill.see(connection(u64::MAX, 7), &open), 0);
    }

    #[test]
    fn this_kernel_counts() {
        NetworkMeter::probe().unwrap();
    }
}
