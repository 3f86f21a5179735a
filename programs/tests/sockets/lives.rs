//! Sockets outlive their app, their task, and, where somebody keeps them, their broker.

use std::collections::BTreeMap;
use std::io::{IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use bgtask_wire::{Error, ErrorKind, TransferOptions};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::harness::{Broker, Home, PATIENCE};
use crate::stage::{Stage, connection, is_closed};

/// Says something and hears it back.
fn echoed(peer: &mut TcpStream, text: &[u8]) {
    peer.write_all(text).unwrap();
    let mut bytes = vec![0; text.len()];
    peer.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, text);
}

/// SOC-13, SOC-14: what its task did not take, the app finds, and it is the very connection with all that has arrived.
#[tokio::test]
async fn soc_14_the_app_takes_back_what_its_task_did_not_take() {
    let stage = Stage::new().await;
    let (ours, mut peer) = connection();
    stage.hand_over("chat", ours, "ignore").await.unwrap();
    peer.write_all(b"unread").unwrap();
    stage.stands("chat", "kept").await;
    let (socket, info) = stage.user.broker.reclaim_socket(crate::harness::SAMPLE, "chat").await.unwrap();
    assert_eq!((info.kind, info.context.as_slice()), (3, b"ignore".as_slice()));
    let mut back = TcpStream::from(OwnedFd::from(socket));
    back.set_nonblocking(false).unwrap();
    let mut bytes = [0; 6];
    back.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"unread");
    let again = stage.user.broker.reclaim_socket(crate::harness::SAMPLE, "chat").await.map_err(Error::from);
    assert_eq!(again.unwrap_err().kind, ErrorKind::SocketNotFound);
    // The broker has no copy of it any more: the peer sees the end when the app closes its own.
    drop(back);
    assert!(is_closed(&mut peer));
}

#[tokio::test]
async fn nw_3_a_connection_that_the_peer_closes_is_told_as_closed_but_first_what_is_unread() {
    let stage = Stage::new().await;
    let (ours, peer) = connection();
    stage.hand_over("quiet", ours, "ignore").await.unwrap();
    drop(peer);
    assert_eq!(stage.told_times(1).await["reason"], "SocketClosed");

    let (ours, mut peer) = connection();
    peer.write_all(b"last words").unwrap();
    drop(peer);
    stage.hand_over("spoke", ours, "drop").await.unwrap();
    assert_eq!(stage.told_times(2).await["reason"], "SocketActivity");
}

#[tokio::test]
async fn soc_12_when_nothing_comes_the_task_runs_all_the_same() {
    let stage = Stage::new().await;
    let (ours, mut peer) = connection();
    let options =
        TransferOptions { context: Some(b"echo".to_vec()), keep_alive: Some(1_000_000), ..TransferOptions::default() };
    stage.hand_over_with("alive", ours, options).await.unwrap();
    assert_eq!(stage.told_times(1).await["reason"], "KeepAliveTimerExpired");
    stage.stands("alive", "watched").await;
    echoed(&mut peer, b"still here");
}

/// Without anybody who keeps them, the sockets of a broker end with it; their tasks hear that, once.
#[tokio::test]
async fn d7_a_broker_that_is_killed_loses_its_sockets_and_says_so() {
    let mut stage = Stage::new().await;
    let (ours, mut peer) = connection();
    stage.hand_over("chat", ours, "echo").await.unwrap();
    stage.broker.take().unwrap().kill();
    assert!(is_closed(&mut peer), "the peer sees the end of the connection");
    let _next = stage.home.start().await;
    let told = stage.told_times(1).await;
    assert_eq!((&told["reason"], &told["context"]), (&"SocketClosed".into(), &"echo".into()));
}

/// The service manager as the broker sees it: a socket for its words, and what it puts on the shelf.
struct Manager {
    words: UnixDatagram,
    kept: BTreeMap<String, OwnedFd>,
}

impl Manager {
    fn new(home: &Home) -> Self {
        let words = UnixDatagram::bind(home.root("notify")).unwrap();
        words.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { words, kept: BTreeMap::new() }
    }

    /// Takes the broker's words until one of them begins so.
    fn hear(&mut self, wanted: &str) {
        loop {
            let mut bytes = [0; 512];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let received =
                recvmsg(&self.words, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC);
            let length = received.expect("a word of the broker").bytes;
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            let name = text.lines().find_map(|line| line.strip_prefix("FDNAME=")).map(str::to_owned);
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(sockets) = message {
                    self.kept.extend(sockets.map(|socket| (name.clone().expect("it has a name"), socket)));
                }
            }
            if text.starts_with("FDSTOREREMOVE=1") {
                self.kept.remove(&name.expect("it has a name"));
            }
            if text.starts_with(wanted) {
                return;
            }
        }
    }

    /// Starts a broker with the one socket that is kept.
    fn start(&self, home: &Home) -> Broker {
        const HAND_OVER: &str = r#"exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@""#;
        let (name, socket) = self.kept.first_key_value().expect("one is kept");
        let broker = home.command();
        let mut command = Command::new("sh");
        command.args(["-c", HAND_OVER, "sh"]).arg(broker.get_program()).args(broker.get_args());
        home.isolate(&mut command);
        command.env("LISTEN_FDNAMES", name).env("NOTIFY_SOCKET", home.root("notify"));
        command.stdin(Stdio::from(socket.try_clone().unwrap()));
        Broker::spawn(home, &mut command)
    }
}

/// D7: where a service manager keeps descriptors, `kill -9` of the broker loses no connection, and none is kept too long.
#[tokio::test]
async fn d7_a_broker_that_is_killed_gets_its_sockets_back_from_the_service_manager() {
    let mut stage = Stage::new().await;
    stage.broker.take().unwrap().kill();
    let mut manager = Manager::new(&stage.home);
    let mut command = stage.home.command();
    command.env("NOTIFY_SOCKET", stage.home.root("notify"));
    let first = Broker::start(&stage.home, &mut command).await;
    stage.user = first.user().await;
    let (ours, mut peer) = connection();
    stage.hand_over("chat", ours, "echo").await.unwrap();
    manager.hear("FDSTORE=1");
    first.kill();
    assert_eq!(manager.kept.len(), 1);

    peer.write_all(b"while nobody ran").unwrap();
    let mut next = manager.start(&stage.home);
    stage.user = next.answers().await;
    let mut bytes = [0; 16];
    peer.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"while nobody ran", "the same connection, and nothing of it lost");
    assert_eq!(stage.told_times(1).await["reason"], "SocketActivity");
    // It was taken and came back: the one is off the shelf, the other on it.
    stage.stands("chat", "watched").await;
    while manager.kept.keys().ne(["bgtask-socket-2"]) {
        manager.hear("FDSTORE");
    }
}
