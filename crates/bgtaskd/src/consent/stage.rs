//! A session bus of a test's own, and a service on it that a test plays.

use std::fs;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bgtask_core::AppId;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use zbus::fdo::{DBusProxy, RequestNameFlags};
use zbus::{Connection, Message, MessageStream};

use super::Answer;

/// Generous: only a failing test reaches it.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// The app in question.
pub(super) fn app() -> AppId {
    AppId::new("org.example.Photos").expect("legal")
}

/// Why there is no answer.
pub(super) fn why(answer: &Answer) -> &str {
    match answer {
        Answer::Open(why) | Answer::Nowhere(why) => why,
        Answer::Yes | Answer::No => panic!("somebody answered: {answer:?}"),
    }
}

/// A session bus.
pub(super) struct Bus {
    daemon: Child,
    pub(super) address: String,
    _folder: tempfile::TempDir,
}

impl Bus {
    /// Starts one, or says why the test is skipped. In CI a missing daemon fails the test.
    pub(super) fn start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let (socket, config) = (folder.path().join("bus"), folder.path().join("bus.conf"));
        let address = format!("unix:path={}", socket.display());
        let rules = "<allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/>";
        let text = format!(
            "<busconfig><type>session</type><listen>{address}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\">{rules}</policy></busconfig>"
        );
        fs::write(&config, text).expect("its configuration");
        let mut daemon = Command::new("dbus-daemon");
        daemon.arg("--config-file").arg(&config).args(["--nofork", "--nopidfile"]);
        let daemon = match daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            Ok(daemon) => daemon,
            Err(error) if std::env::var_os("CI").is_some_and(|ci| ci == "true") => {
                panic!("dbus-daemon cannot be started: {error}")
            }
            Err(error) => {
                println!("SKIPPED: dbus-daemon is not installed ({error})");
                return None;
            }
        };
        let bus = Self { daemon, address, _folder: folder };
        let deadline = Instant::now() + DEADLINE;
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < deadline, "dbus-daemon does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(bus)
    }

    async fn connect(&self) -> Connection {
        let builder = zbus::connection::Builder::address(self.address.as_str());
        builder.build().await.expect("a connection")
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ended = self.daemon.kill();
        let _reaped = self.daemon.wait();
    }
}

/// Who plays a service: its connection, and another program on the same bus.
pub(super) struct Actors {
    pub(super) service: Connection,
    pub(super) intruder: Connection,
    messages: MessageStream,
    hears: mpsc::UnboundedSender<Message>,
}

impl Actors {
    /// The next call to the service.
    pub(super) async fn call(&mut self) -> Option<Message> {
        loop {
            let message = self.messages.next().await?.ok()?;
            if message.header().message_type() == zbus::message::Type::MethodCall {
                let _test_is_over = self.hears.send(message.clone());
                return Some(message);
            }
        }
    }

    /// Waits until the bus has passed on what the intruder sent.
    pub(super) async fn intruder_was_heard(&self) -> zbus::Result<()> {
        DBusProxy::new(&self.intruder).await?.get_id().await?;
        Ok(())
    }
}

/// What a service heard.
pub(super) struct Stage {
    heard: mpsc::UnboundedReceiver<Message>,
}

impl Stage {
    /// A service under a well-known name; it takes the place of one that has the name.
    pub(super) async fn open<F>(bus: &Bus, name: &'static str, perform: impl FnOnce(Actors) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let builder = zbus::connection::Builder::address(bus.address.as_str());
        let messages = builder.build_message_stream().await.expect("a connection");
        let service = Connection::from(&messages);
        let flags = RequestNameFlags::ALLOW_REPLACEMENT | RequestNameFlags::REPLACE_EXISTING;
        service.request_name_with_flags(name, flags).await.expect("the service's name");
        let (hears, heard) = mpsc::unbounded_channel();
        tokio::spawn(perform(Actors { service, intruder: bus.connect().await, messages, hears }));
        Self { heard }
    }

    /// Every call of this name so far.
    pub(super) fn calls(mut self, member: &str) -> Vec<Message> {
        let all = std::iter::from_fn(|| self.heard.try_recv().ok());
        all.filter(|call| call.header().member().is_some_and(|it| it == member)).collect()
    }

    /// Waits for a call.
    pub(super) async fn hears(&mut self, member: &str) -> Message {
        loop {
            let heard = tokio::time::timeout(DEADLINE, self.heard.recv()).await;
            let call = heard.expect(member).expect("the service runs");
            if call.header().member().is_some_and(|it| it == member) {
                return call;
            }
        }
    }
}
