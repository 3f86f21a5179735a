//! Getting connected to a bus, as often as it takes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::bus::BusKind;
use crate::bus::ear::Ear;
use crate::path::{End, PathWatch};
use crate::world::World;

/// How long connecting to the bus may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The first pause before connecting again to a bus whose socket is there; it doubles up to [`RECONNECT_LAST`]. A
/// socket that is not there costs nothing: its appearance is watched.
const RECONNECT_FIRST: Duration = Duration::from_millis(100);
const RECONNECT_LAST: Duration = Duration::from_secs(60);

/// Connects to one bus, again and again.
#[derive(Debug)]
pub(crate) struct Connector {
    bus: BusKind,
    world: World,
    pause: Duration,
    /// When the attempt before was made, whether or not it led to a connection.
    tried: Option<Instant>,
}

impl Connector {
    pub(crate) fn new(bus: BusKind, world: &World) -> Self {
        Self { bus, world: world.clone(), pause: RECONNECT_FIRST, tried: None }
    }

    /// A connection on which the signals that match any of `rules` are heard, as soon as there is one. Says `absent` whenever
    /// it turns out that there is none.
    pub(crate) async fn connect(&mut self, rules: &[String], mut absent: impl FnMut()) -> Ear {
        let mut socket = None;
        loop {
            if let Some(tried) = self.tried {
                absent();
                self.rest(tried, socket.as_ref()).await;
            }
            let address = self.world.bus_address(self.bus);
            socket = socket_of(address, &self.world).map(|path| PathWatch::new(&self.world, path));
            if let Some(socket) = &mut socket {
                while socket.look().end == End::Absent {
                    absent();
                    socket.changed().await;
                }
            }
            self.tried = Some(Instant::now());
            match timeout(CONNECT_TIMEOUT, Ear::open(address, rules)).await {
                // Other things in the socket's directories change all the time: they are watched no longer.
                Ok(Ok(ear)) => return ear,
                Ok(Err(error)) => tracing::debug!(address, %error, "no bus"),
                Err(_) => tracing::debug!(address, "the bus does not answer"),
            }
        }
    }

    /// A bus that throws us out at once must not be asked again at once, however often that works.
    async fn rest(&mut self, tried: Instant, socket: Option<&PathWatch>) {
        let lasted = tried.elapsed() > RECONNECT_LAST;
        let pause = if lasted { RECONNECT_FIRST } else { self.pause };
        self.pause = (pause * 2).min(RECONNECT_LAST);
        sleep(RECONNECT_FIRST).await;
        tokio::select! {
            () = sleep(pause) => {}
            () = replaced(socket) => {}
        }
    }
}

async fn replaced(socket: Option<&PathWatch>) {
    match socket {
        Some(socket) => socket.changed().await,
        None => std::future::pending().await,
    }
}

/// The path of the bus's socket below the root, where the address is a plain one. Other addresses (lists, abstract
/// sockets, escapes) are simply tried again and again.
fn socket_of(address: &str, world: &World) -> Option<PathBuf> {
    let path = address.strip_prefix("unix:path=")?;
    if path.contains([',', ';', '%']) {
        return None;
    }
    Path::new(path).strip_prefix(world.sysroot()).ok().map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_path_can_be_watched() {
        let world = World::new("/srv/root");
        let socket = socket_of("unix:path=/srv/root/run/dbus/system_bus_socket", &world);
        assert_eq!(socket, Some("run/dbus/system_bus_socket".into()));
        assert_eq!(socket_of("unix:path=/a,guid=1", &World::new("/")), None);
        assert_eq!(socket_of("unix:abstract=x", &World::new("/")), None);
        assert_eq!(socket_of("unix:path=/a;unix:path=/b", &World::new("/")), None);
    }
}
