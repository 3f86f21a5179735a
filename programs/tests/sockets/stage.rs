//! A broker with an app whose task is for sockets.

use std::fs;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd as _, OwnedFd};

use bgtask_wire::{Error, SocketInfo, TransferOptions};
use serde_json::Value;

use crate::harness::{Broker, Home, New, PATIENCE, SAMPLE, User, copy_program, eventually, example};

pub(crate) const TASK: &str = "Chat";

/// A broker, a client that speaks for the user, and the task that sockets are handed over for.
pub(crate) struct Stage {
    pub(crate) home: Home,
    pub(crate) broker: Option<Broker>,
    pub(crate) user: User,
    pub(crate) task: String,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// With lines of configuration.
    pub(crate) async fn with(config: &str) -> Self {
        let home = Home::new();
        home.configure(config);
        install(&home, SAMPLE);
        let broker = home.start().await;
        let user = broker.user().await;
        user.broker.request_access(SAMPLE, "").await.unwrap();
        let task = register(&user, SAMPLE).await;
        user.sources_know().await;
        Self { home, broker: Some(broker), user, task }
    }

    /// Hands a socket over with what its task is to do, and gives up its own.
    pub(crate) async fn hand_over(&self, id: &str, socket: impl Into<OwnedFd>, does: &str) -> Result<(), Error> {
        let options = TransferOptions { context: Some(does.into()), ..TransferOptions::default() };
        self.hand_over_with(id, socket, options).await
    }

    pub(crate) async fn hand_over_with(
        &self,
        id: &str,
        socket: impl Into<OwnedFd>,
        options: TransferOptions,
    ) -> Result<(), Error> {
        let socket = socket.into();
        let handed = self.user.broker.transfer_socket(SAMPLE, &self.task, id, socket.as_fd().into(), options).await;
        handed.map_err(Error::from)
    }

    pub(crate) async fn sockets(&self) -> Vec<SocketInfo> {
        self.user.broker.list_sockets(SAMPLE).await.unwrap()
    }

    /// Waits until a socket stands there.
    pub(crate) async fn stands(&self, id: &str, state: &str) -> SocketInfo {
        eventually(&format!("{id} is {state}"), async || {
            self.sockets().await.into_iter().find(|socket| socket.id == id && socket.state == state)
        })
        .await
    }

    /// What tasks were told so far.
    pub(crate) fn told(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.home.data(SAMPLE).join("told")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until so many were told, and gives the last of them.
    pub(crate) async fn told_times(&self, count: usize) -> Value {
        eventually(&format!("the task is told {count} times"), async || self.told().into_iter().nth(count - 1)).await
    }
}

/// Installs an app with the task program for sockets.
pub(crate) fn install(home: &Home, id: &str) {
    let folder = home.root("..").join("bin").join(id);
    fs::create_dir_all(&folder).unwrap();
    let tasks = folder.join("socket_tasks");
    fs::hard_link(example("socket_tasks"), &tasks).unwrap_or_else(|_| copy_program(&example("socket_tasks"), &tasks));
    let manifest = format!(
        "[app]\nid = {id:?}\nversion = \"1\"\ncapabilities = [\"internetClient\", \"pushNotifications\"]\n\
         [[task]]\nentry_point = \"Tasks.Sockets\"\ntypes = [\"systemEvent\"]\nexecutable = {tasks:?}\n"
    );
    fs::write(home.manifest(id), manifest).unwrap();
}

pub(crate) async fn register(user: &User, app: &str) -> String {
    let new = New { app, name: TASK, entry: "Tasks.Sockets", ..New::default() };
    user.register_for(new, "SocketActivityTrigger", &[]).await.unwrap()
}

/// A connection: the end for the broker, and the peer's, which does not wait for ever.
pub(crate) fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer.set_write_timeout(Some(PATIENCE)).unwrap();
    (listener.accept().unwrap().0, peer)
}

/// Whether nobody has the other end of a connection any more; nothing may be left to read.
pub(crate) fn is_closed(peer: &mut TcpStream) -> bool {
    match peer.read(&mut [0; 1]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}
