//! A NetworkManager that says what the network costs.

use zbus::interface;

use super::harness::{Bus, SysRoot};

const NAME: &str = "org.freedesktop.NetworkManager";
const PATH: &str = "/org/freedesktop/NetworkManager";
const RULES: &str = r#"<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>"#;

/// `NM_CONNECTIVITY_FULL`
const FULL: u32 = 4;

/// The part of NetworkManager that is asked.
struct Cost {
    metered: u32,
}

#[interface(name = "org.freedesktop.NetworkManager")]
impl Cost {
    #[zbus(property)]
    fn connectivity(&self) -> u32 {
        FULL
    }

    #[zbus(property)]
    fn metered(&self) -> u32 {
        self.metered
    }
}

/// It runs on the system bus of a private world.
pub(super) struct Network {
    _bus: Bus,
    manager: zbus::Connection,
}

impl Network {
    /// `None` where there is no daemon to start.
    pub(super) async fn start(world: &SysRoot, metered: bool) -> Option<Self> {
        let (socket, config) = (world.path("run/dbus/system_bus_socket"), world.path("bus.conf"));
        let bus = Bus::start("system", &socket, &config, RULES).await?;
        let manager = zbus::connection::Builder::address(bus.address.as_str()).build().await.unwrap();
        manager.object_server().at(PATH, Cost { metered: number(metered) }).await.unwrap();
        manager.request_name(NAME).await.unwrap();
        Some(Self { _bus: bus, manager })
    }

    /// The way to the internet is another one.
    pub(super) async fn costs(&self, metered: bool) {
        let cost = self.manager.object_server().interface::<_, Cost>(PATH).await.unwrap();
        cost.get_mut().await.metered = number(metered);
        cost.get().await.metered_changed(cost.signal_emitter()).await.unwrap();
    }
}

/// `NM_METERED_YES` and `NM_METERED_NO`
const fn number(metered: bool) -> u32 {
    if metered { 1 } else { 2 }
}
