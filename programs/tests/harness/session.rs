use std::fs;
use std::process::Command;

use super::bus::Bus;
use super::{Broker, Home, SAMPLE};

const RULES: &str = r#"<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>"#;

/// A session bus of the test's own.
pub(crate) struct SessionBus {
    _bus: Bus,
    pub(crate) address: String,
}

impl SessionBus {
    /// Starts one, or says why the test is skipped.
    pub(crate) async fn start(home: &Home) -> Option<Self> {
        let bus = Bus::start("session", &home.root("bus"), &home.root("bus.conf"), RULES).await?;
        Some(Self { address: bus.address.clone(), _bus: bus })
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
