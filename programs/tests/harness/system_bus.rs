use zbus::interface;

use super::SysRoot;
use super::bus::Bus;

const NAME: &str = "org.freedesktop.UPower.PowerProfiles";
const PATH: &str = "/org/freedesktop/UPower/PowerProfiles";

const RULES: &str = r#"<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>"#;

/// The system bus of a private world, with a daemon of power profiles on it.
pub(crate) struct SystemBus {
    _bus: Bus,
    profiles: zbus::Connection,
}

/// The part of power-profiles-daemon that is asked.
struct Profiles {
    active: &'static str,
}

#[interface(name = "org.freedesktop.UPower.PowerProfiles")]
impl Profiles {
    #[zbus(property)]
    fn active_profile(&self) -> &str {
        self.active
    }
}

impl SystemBus {
    /// Starts both; `None` where there is no daemon to start.
    pub(crate) async fn start(world: &SysRoot) -> Option<Self> {
        let (socket, config) = (world.path("run/dbus/system_bus_socket"), world.path("bus.conf"));
        let bus = Bus::start("system", &socket, &config, RULES).await?;
        let profiles = zbus::connection::Builder::address(bus.address.as_str()).build().await.unwrap();
        profiles.object_server().at(PATH, Profiles { active: "balanced" }).await.unwrap();
        profiles.request_name(NAME).await.unwrap();
        Some(Self { _bus: bus, profiles })
    }

    /// The user chooses a profile.
    pub(crate) async fn choose(&self, profile: &'static str) {
        let server = self.profiles.object_server();
        let profiles = server.interface::<_, Profiles>(PATH).await.unwrap();
        profiles.get_mut().await.active = profile;
        profiles.get().await.active_profile_changed(profiles.signal_emitter()).await.unwrap();
    }
}
