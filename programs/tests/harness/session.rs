use std::fs;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use super::{Broker, Home, SAMPLE, eventually, has_program, skipped};

/// A session bus of the test's own.
pub(crate) struct SessionBus {
    daemon: Child,
    pub(crate) address: String,
}

impl SessionBus {
    /// Starts one, or says why the test is skipped.
    pub(crate) async fn start(home: &Home) -> Option<Self> {
        if !has_program("dbus-daemon") {
            skipped("dbus-daemon is not installed");
            return None;
        }
        let (socket, config) = (home.root("bus"), home.root("bus.conf"));
        let address = format!("unix:path={}", socket.display());
        fs::write(&config, configuration(&address)).unwrap();
        let mut daemon = Command::new("dbus-daemon");
        daemon.arg(format!("--config-file={}", config.display())).args(["--nofork", "--nopidfile"]);
        let daemon = daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let bus = Self { daemon, address };
        eventually("the bus listens", async || UnixStream::connect(&socket).ok()).await;
        Some(bus)
    }

    /// A broker as a user's session has it: folders where the desktop says, the sample app, and this bus.
    pub(crate) async fn broker(&self, home: &Home) -> Broker {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bgtaskd"));
        command.arg("--sysroot").arg(home.world.path("")).args(["--log", "info"]);
        home.isolate(&mut command);
        for (variable, folder) in [("HOME", "home"), ("XDG_RUNTIME_DIR", "run"), ("XDG_STATE_HOME", "state")] {
            fs::create_dir_all(home.root(folder)).unwrap();
            command.env(variable, home.root(folder));
        }
        let apps = home.root("share/bgtask/apps");
        fs::create_dir_all(&apps).unwrap();
        fs::copy(home.manifest(SAMPLE), apps.join("sample.toml")).unwrap();
        command.env("XDG_DATA_HOME", home.root("share")).env("XDG_DATA_DIRS", home.root("none"));
        command.env("XDG_CONFIG_HOME", home.root("config")).env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        let mut broker = Broker::spawn(home, &mut command).at(home.root("run/bgtask/broker"));
        broker.answers().await;
        broker
    }
}

impl Drop for SessionBus {
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
  <type>session</type>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#
    )
}
