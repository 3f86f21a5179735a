//! Services of python-dbusmock's templates on a bus of the test's own: what somebody else believes of them.

use std::process::{Child, Command, Stdio};

use zbus::Connection;

use super::listener::until;
use super::{Sysroot, TestBus, skip};

/// One of them, which ends with this.
pub(crate) struct DbusMock {
    process: Child,
    /// Somebody who calls it.
    pub(crate) user: Connection,
}

impl DbusMock {
    /// Starts the template and waits until it has its name; `None` where python-dbusmock is not installed, which is said.
    pub(crate) async fn start(sysroot: &Sysroot, bus: &TestBus, template: &str, name: &str) -> Option<Self> {
        let python = || Command::new("/usr/bin/python3");
        if !python().args(["-c", "import dbusmock"]).stderr(Stdio::null()).status().is_ok_and(|code| code.success()) {
            skip("python3-dbusmock not installed");
            return None;
        }
        let address = format!("unix:path={}", sysroot.path("run/dbus/system_bus_socket").display());
        let process = python()
            .args(["-m", "dbusmock", "--system", "--template", template])
            .env("DBUS_SYSTEM_BUS_ADDRESS", address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mock = Self { process, user: bus.connect().await };
        let peer = "org.freedesktop.DBus.Peer";
        until("the mock has its name", || async {
            mock.user.call_method(Some(name), "/", Some(peer), "Ping", &()).await.is_ok()
        })
        .await;
        Some(mock)
    }
}

impl Drop for DbusMock {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
