use std::fs;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use zbus::interface;

use super::{SysRoot, eventually_now, has_program, skipped};

const NAME: &str = "org.freedesktop.UPower.PowerProfiles";
const PATH: &str = "/org/freedesktop/UPower/PowerProfiles";

/// The system bus of a private world, with a daemon of power profiles on it.
pub(crate) struct SystemBus {
    daemon: Child,
    profiles: Option<zbus::Connection>,
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
        if !has_program("dbus-daemon") {
            skipped("dbus-daemon is not installed");
            return None;
        }
        let (socket, config) = (world.path("run/dbus/system_bus_socket"), world.path("bus.conf"));
        let address = format!("unix:path={}", socket.display());
        fs::create_dir_all(socket.parent().unwrap()).unwrap();
        fs::write(&config, configuration(&address)).unwrap();
        let mut daemon = Command::new("dbus-daemon");
        daemon.arg(format!("--config-file={}", config.display())).args(["--nofork", "--nopidfile"]);
        let daemon = daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut bus = Self { daemon, profiles: None };
        eventually_now("the system bus listens", || UnixStream::connect(&socket).ok());
        let connection = zbus::connection::Builder::address(address.as_str()).build().await.unwrap();
        connection.object_server().at(PATH, Profiles { active: "balanced" }).await.unwrap();
        connection.request_name(NAME).await.unwrap();
        bus.profiles = Some(connection);
        Some(bus)
    }

    /// The user chooses a profile.
    pub(crate) async fn choose(&self, profile: &'static str) {
        let server = self.profiles.as_ref().unwrap().object_server();
        let profiles = server.interface::<_, Profiles>(PATH).await.unwrap();
        profiles.get_mut().await.active = profile;
        profiles.get().await.active_profile_changed(profiles.signal_emitter()).await.unwrap();
    }
}

impl Drop for SystemBus {
    fn drop(&mut self) {
        let _ended = self.daemon.kill();
        let _reaped = self.daemon.wait();
    }
}

fn configuration(address: &str) -> String {
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"#
    )
}
