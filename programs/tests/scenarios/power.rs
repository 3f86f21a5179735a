//! A power-profiles-daemon of the test's own, on a system bus of its own.

use std::collections::HashMap;
use std::fs;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use futures_util::StreamExt as _;
use tokio::task::JoinHandle;
use zbus::{Message, MessageStream, Variant};

use crate::harness::{Home, eventually, has_program, skipped};

const SERVICE: &str = "org.freedesktop.UPower.PowerProfiles";

/// The daemon and its bus. Both end with this value.
pub(crate) struct PowerProfiles {
    bus: Child,
    serving: JoinHandle<()>,
}

impl PowerProfiles {
    /// Starts it with this profile chosen, where the broker of this home looks for it.
    pub(crate) async fn start(home: &Home, profile: &'static str) -> Option<Self> {
        if !has_program("dbus-daemon") {
            skipped("dbus-daemon is not installed");
            return None;
        }
        let socket = home.world.path("run/dbus/system_bus_socket");
        fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let address = format!("unix:path={}", socket.display());
        let config = home.root("system-bus.conf");
        fs::write(&config, configuration(&address)).unwrap();
        let mut bus = Command::new("dbus-daemon");
        bus.arg("--config-file").arg(&config).args(["--nofork", "--nopidfile"]);
        let bus = bus.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        eventually("the system bus listens", async || UnixStream::connect(&socket).ok()).await;
        let messages = zbus::connection::Builder::address(address.as_str()).build_message_stream().await.unwrap();
        zbus::Connection::from(&messages).request_name(SERVICE).await.unwrap();
        Some(Self { bus, serving: tokio::spawn(serve(messages, profile)) })
    }
}

impl Drop for PowerProfiles {
    fn drop(&mut self) {
        self.serving.abort();
        let _ended = self.bus.kill();
        let _reaped = self.bus.wait();
    }
}

/// Answers whoever asks for its properties.
async fn serve(mut messages: MessageStream, profile: &'static str) {
    let connection = zbus::Connection::from(&messages);
    while let Some(Ok(message)) = messages.next().await {
        let header = message.header();
        if header.member().is_some_and(|member| member == "GetAll") {
            let properties = HashMap::from([("ActiveProfile", Variant::from(profile))]);
            let answer = Message::method_return(&header).build(&properties).unwrap();
            connection.send(&answer).await.unwrap();
        }
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
