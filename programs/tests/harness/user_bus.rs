use super::SysRoot;
use super::bus::Bus;

const RULES: &str = r#"<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>"#;

/// The session bus of a private world, with a bell on it.
pub(crate) struct UserBus {
    bus: Bus,
    bell: zbus::Connection,
}

impl UserBus {
    /// Starts it; `None` where there is no daemon to start.
    pub(crate) async fn start(world: &SysRoot) -> Option<Self> {
        let uid = rustix::process::getuid().as_raw();
        let socket = world.path(format!("run/user/{uid}/bus"));
        let bus = Bus::start("session", &socket, &world.path("user-bus.conf"), RULES).await?;
        let bell = zbus::connection::Builder::address(bus.address.as_str()).build().await.unwrap();
        Some(Self { bus, bell })
    }

    /// Where its clients find it.
    pub(crate) fn address(&self) -> &str {
        &self.bus.address
    }

    /// Another program of the user's session.
    pub(crate) async fn connect(&self) -> zbus::Connection {
        zbus::connection::Builder::address(self.address()).build().await.unwrap()
    }

    /// Sends the signal `org.example.Bell.Rang`.
    pub(crate) async fn ring(&self, number: u32) {
        self.ring_with(number, "").await;
    }

    /// The same with a text.
    pub(crate) async fn ring_with(&self, number: u32, text: &str) {
        let body = (number, text);
        self.bell.emit_signal(None::<()>, "/org/example/bell", "org.example.Bell", "Rang", &body).await.unwrap();
    }
}
