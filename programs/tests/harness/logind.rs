use std::collections::HashMap;
use std::process::{Child, Command, Stdio};

use zbus::wire::Variant;

use super::bus::Bus;
use super::{SysRoot, eventually, skipped};

const NAME: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const MOCK: &str = "org.freedesktop.DBus.Mock";

const RULES: &str = r#"<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>"#;

/// The system bus of a private world, with python-dbusmock's logind on it: what somebody else believes of that.
pub(crate) struct Logind {
    user: zbus::Connection,
    mock: Child,
    _bus: Bus,
}

/// What is inhibited, by whom, why and how; user and process.
pub(crate) type Inhibitor = (String, String, String, String, u32, u32);

impl Logind {
    /// Starts both; `None` where one of them is not installed.
    pub(crate) async fn start(world: &SysRoot) -> Option<Self> {
        let python = || Command::new("/usr/bin/python3");
        if !python().args(["-c", "import dbusmock"]).stderr(Stdio::null()).status().is_ok_and(|code| code.success()) {
            skipped("python3-dbusmock is not installed");
            return None;
        }
        let (socket, config) = (world.path("run/dbus/system_bus_socket"), world.path("bus.conf"));
        let bus = Bus::start("system", &socket, &config, RULES).await?;
        let mock = python()
            .args(["-m", "dbusmock", "--system", "--template", "logind"])
            .env("DBUS_SYSTEM_BUS_ADDRESS", &bus.address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let user = zbus::connection::Builder::address(bus.address.as_str()).build().await.unwrap();
        let logind = Self { user, mock, _bus: bus };
        eventually("logind is on the bus", async || {
            let ping = logind.user.call_method(Some(NAME), PATH, Some("org.freedesktop.DBus.Peer"), "Ping", &());
            ping.await.ok()
        })
        .await;
        Some(logind)
    }

    /// Who keeps the machine from what.
    pub(crate) async fn inhibitors(&self) -> Vec<Inhibitor> {
        let reply = self.user.call_method(Some(NAME), PATH, Some(MANAGER), "ListInhibitors", &()).await.unwrap();
        reply.body().deserialize().unwrap()
    }

    /// Waits until so many do.
    pub(crate) async fn has_inhibitors(&self, count: usize) {
        eventually("somebody inhibits, or nobody does", async || {
            (self.inhibitors().await.len() == count).then_some(())
        })
        .await;
    }

    /// The machine is going to sleep, or is awake again.
    pub(crate) async fn sleep(&self, sleeps: bool) {
        let property = [("PreparingForSleep", Variant::from(sleeps))];
        let properties = (MANAGER, HashMap::from(property));
        self.user.call_method(Some(NAME), PATH, Some(MOCK), "UpdateProperties", &properties).await.unwrap();
        let signal = (MANAGER, "PrepareForSleep", "b", vec![Variant::from(sleeps)]);
        self.user.call_method(Some(NAME), PATH, Some(MOCK), "EmitSignal", &signal).await.unwrap();
    }
}

impl Drop for Logind {
    fn drop(&mut self) {
        let _ended = self.mock.kill();
        let _reaped = self.mock.wait();
    }
}
