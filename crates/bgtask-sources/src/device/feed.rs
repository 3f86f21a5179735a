//! What is told of devices, read once for all who listen.
//!
//! Nobody can forge it: the kernel lets only who may administer the network of this name space (`CAP_NET_ADMIN`) send
//! anything to a socket of this protocol. Besides, what does not come from the kernel is taken from udev's group alone.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rustix::net::netlink::KOBJECT_UEVENT;
use rustix::net::sockopt::set_socket_recv_buffer_size;
use tokio::sync::{broadcast, watch};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::sleep;

use crate::device::uevent::Uevent;
use crate::netlink::{self, Received};
use crate::path::{End, PathWatch};
use crate::ready::Ready;
use crate::report::Status;
use crate::world::World;

/// Is there where udev runs.
const UDEV_CONTROL: &str = "run/udev/control";

/// The groups in which the kernel and udev tell.
const KERNEL_GROUP: u32 = 1;
const UDEV_GROUP: u32 = 2;

/// Bytes of one message that are read. The kernel's have 2048 at most, udev's 8192.
const MAX_MESSAGE: usize = 16 * 1024;

/// Bytes of messages that may wait in the kernel, as far as `net.core.rmem_max` allows.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Messages that are read at once, before who listens gets its turn, and those that wait for one of them.
const SLICE: usize = 256;
const MAX_WAITING: usize = 1024;

/// How long after the kernel refused a socket it is asked for another.
const REOPEN: Duration = Duration::from_secs(60);

/// Shares one socket among all listeners of a world.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    reader: Mutex<Weak<Reader>>,
}

/// The task that reads, for as long as somebody listens.
#[derive(Debug)]
struct Reader {
    news: broadcast::Sender<News>,
    status: watch::Receiver<Option<Status>>,
    task: JoinHandle<()>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone, Debug)]
enum News {
    Device(Arc<Uevent>),
    Lost,
}

/// One who listens.
#[derive(Debug)]
pub(super) struct Ear {
    news: broadcast::Receiver<News>,
    status: watch::Receiver<Option<Status>>,
    #[allow(dead_code, reason = "with the last of them the reader ends")]
    reader: Arc<Reader>,
}

/// What is heard.
#[derive(Debug)]
pub(super) enum Heard {
    /// How well: first of all, and whenever it changes.
    Status(Status),
    Device(Arc<Uevent>),
    /// At least so many messages were lost, about whatever device.
    Lost(u64),
}

impl Ear {
    /// Begins to listen.
    pub(super) fn new(world: &World) -> Self {
        let mut shared = world.devices().reader.lock().unwrap_or_else(PoisonError::into_inner);
        let reader = shared.upgrade().unwrap_or_else(|| {
            let reader = Arc::new(Reader::start(world));
            *shared = Arc::downgrade(&reader);
            reader
        });
        let mut status = reader.status.clone();
        status.mark_changed();
        Self { news: reader.news.subscribe(), status, reader }
    }

    /// Waits for what comes next. Cancel safe.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            tokio::select! {
                biased;
                Ok(()) = self.status.changed() => {
                    let status = self.status.borrow_and_update().clone();
                    if let Some(status) = status {
                        return Heard::Status(status);
                    }
                }
                news = self.news.recv() => match news {
                    Ok(News::Device(uevent)) => return Heard::Device(uevent),
                    Ok(News::Lost) => return Heard::Lost(1),
                    Err(broadcast::error::RecvError::Lagged(count)) => return Heard::Lost(count),
                    // Only at the end of the runtime.
                    Err(broadcast::error::RecvError::Closed) => return std::future::pending().await,
                },
            }
        }
    }
}

impl Reader {
    fn start(world: &World) -> Self {
        let (news, _) = broadcast::channel(MAX_WAITING);
        let (told, status) = watch::channel(None);
        let reading = Reading { world: world.clone(), news: news.clone(), told };
        Self { news, status, task: tokio::spawn(reading.run()) }
    }
}

/// The state of that task.
struct Reading {
    world: World,
    news: broadcast::Sender<News>,
    told: watch::Sender<Option<Status>>,
}

impl Reading {
    async fn run(self) {
        if !self.world.is_machine() {
            let why = format!(
                "the kernel tells of the devices of the machine, not of those below {}",
                self.world.sysroot().display()
            );
            self.tell(Status::Missing { why, help: "watch devices of the machine itself".to_owned() });
            return std::future::pending().await;
        }
        let mut udev = PathWatch::new(&self.world, UDEV_CONTROL);
        loop {
            let group = group_where(&udev.look().end);
            match open(group) {
                Ok(socket) => {
                    self.tell(Status::Available { how: how(group).to_owned() });
                    while group_where(&udev.look().end) == group {
                        tokio::select! {
                            () = udev.changed() => {}
                            () = self.pass_on(&socket, group) => {}
                        }
                    }
                }
                Err(error) => {
                    let why = format!("the kernel refused a socket that tells of devices: {error}");
                    let help = "raise the limit of open files, or allow netlink sockets".to_owned();
                    self.tell(Status::Missing { why, help });
                    sleep(REOPEN).await;
                }
            }
        }
    }

    /// Passes messages on for ever. Cancel safe.
    async fn pass_on(&self, socket: &Ready, group: u32) {
        let mut buffer = vec![0; MAX_MESSAGE];
        loop {
            netlink::readable(socket).await;
            for _ in 0..SLICE {
                match netlink::receive(socket, &mut buffer) {
                    Received::Nothing => break,
                    Received::Lost => self.lost(group),
                    Received::Message { length, groups, .. } if groups != group || length > MAX_MESSAGE => {}
                    Received::Message { port, .. } if (port == 0) != (group == KERNEL_GROUP) => {}
                    Received::Message { length, .. } => {
                        if let Some(uevent) = Uevent::read(&buffer[..length]) {
                            // Nobody to hear it is no error.
                            let _ = self.news.send(News::Device(Arc::new(uevent)));
                        }
                    }
                }
            }
            yield_now().await;
        }
    }

    fn lost(&self, group: u32) {
        let _ = self.news.send(News::Lost);
        let why = "the kernel dropped messages about devices, which came faster than they could be read".to_owned();
        let help = "raise net.core.rmem_max, and restart the broker".to_owned();
        self.tell(Status::Degraded { how: how(group).to_owned(), why, help });
    }

    fn tell(&self, status: Status) {
        self.told.send_if_modified(|told| {
            let is_news = told.as_ref() != Some(&status);
            *told = Some(status);
            is_news
        });
    }
}

fn group_where(udev_control: &End) -> u32 {
    match udev_control {
        End::Found(_) => UDEV_GROUP,
        End::Absent | End::Blocked(_) => KERNEL_GROUP,
    }
}

fn how(group: u32) -> &'static str {
    match group {
        UDEV_GROUP => "udev",
        _ => "kernel uevents",
    }
}

fn open(group: u32) -> std::io::Result<Ready> {
    let socket = netlink::listen(Some(KOBJECT_UEVENT), group)?;
    // Less than asked for is no harm.
    let _ = set_socket_recv_buffer_size(socket.get_ref(), RECEIVE_BUFFER);
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A world without a kernel, so that nothing is heard but what the test says.
    fn world() -> World {
        World::new("/nonexistent")
    }

    #[tokio::test]
    async fn who_listens_too_slowly_is_told_how_much_was_missed() {
        let mut ear = Ear::new(&world());
        assert!(matches!(ear.next().await, Heard::Status(Status::Missing { .. })));
        for _ in 0..MAX_WAITING + 8 {
            ear.reader.news.send(News::Lost).unwrap();
        }
        assert!(matches!(ear.next().await, Heard::Lost(8)));
        assert!(matches!(ear.next().await, Heard::Lost(1)));
    }

    #[tokio::test]
    async fn all_who_listen_share_one_reader_and_each_hears_the_status_first() {
        let world = world();
        let mut first = Ear::new(&world);
        assert!(matches!(first.next().await, Heard::Status(_)));
        let mut second = Ear::new(&world.clone());
        assert!(Arc::ptr_eq(&first.reader, &second.reader));
        second.reader.news.send(News::Lost).unwrap();
        assert!(matches!(second.next().await, Heard::Status(_)));
        assert!(matches!(second.next().await, Heard::Lost(1)));
        assert!(matches!(first.next().await, Heard::Lost(1)));
        let reader = Arc::downgrade(&first.reader);
        drop((first, second));
        assert!(reader.upgrade().is_none(), "nobody listens any more");
        assert!(matches!(Ear::new(&world).next().await, Heard::Status(_)));
    }
}
