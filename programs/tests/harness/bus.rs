use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{eventually, has_program, skipped};

/// A bus of the test's own, of either type. It ends with this value.
pub(crate) struct Bus {
    daemon: Child,
    pub(crate) address: String,
}

impl Bus {
    /// Starts one that listens at this socket, or says why the test is skipped.
    pub(crate) async fn start(kind: &str, socket: &Path, config: &Path, rules: &str) -> Option<Self> {
        if !has_program("dbus-daemon") {
            skipped("dbus-daemon is not installed");
            return None;
        }
        let address = format!("unix:path={}", socket.display());
        fs::create_dir_all(socket.parent().unwrap()).unwrap();
        fs::write(config, configuration(kind, &address, rules)).unwrap();
        let mut daemon = Command::new("dbus-daemon");
        daemon.arg(format!("--config-file={}", config.display())).args(["--nofork", "--nopidfile"]);
        let daemon = daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let bus = Self { daemon, address };
        eventually(&format!("the {kind} bus listens"), async || UnixStream::connect(socket).ok()).await;
        Some(bus)
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ended = self.daemon.kill();
        let _reaped = self.daemon.wait();
    }
}

fn configuration(kind: &str, address: &str, rules: &str) -> String {
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>{kind}</type>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">{rules}</policy>
</busconfig>
"#
    )
}
