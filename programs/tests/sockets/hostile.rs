//! What peers, apps and the machine can do to a broker that holds sockets.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use bgtask_wire::{Error, ErrorKind};
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{AddressFamily, SocketType};

use crate::harness::{Broker, Home, SAMPLE, eventually};
use crate::stage::{Stage, connection, install, is_closed, register};

/// A flood costs one activation, until its task wants more of it.
#[tokio::test]
async fn a_flood_is_told_once() {
    let stage = Stage::new().await;
    let ours = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = ours.local_addr().unwrap();
    stage.hand_over("flooded", ours, "ignore").await.unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..50_000 {
        let _full = peer.send_to(&[0; 512], address);
    }
    stage.stands("flooded", "kept").await;
    for _ in 0..50_000 {
        let _full = peer.send_to(&[0; 512], address);
    }
    stage.user.broker.list_sockets(SAMPLE).await.unwrap();
    assert_eq!(stage.told().len(), 1);
}

/// Each connection that is reset is told as closed, each once, and the broker goes on.
#[tokio::test]
async fn a_storm_of_resets() {
    const CONNECTIONS: usize = 60;
    let stage = Stage::new().await;
    let mut peers = Vec::new();
    for number in 0..CONNECTIONS {
        let (ours, peer) = connection();
        stage.hand_over(&format!("connection {number}"), ours, "ignore").await.unwrap();
        peers.push(peer);
    }
    for peer in peers {
        set_socket_linger(&peer, Some(Duration::ZERO)).unwrap();
    }
    stage.told_times(CONNECTIONS).await;
    let told = stage.told();
    assert!(told.iter().all(|told| told["reason"] == "SocketClosed"), "{told:?}");
    assert_eq!(told.len(), CONNECTIONS);
    eventually("nothing runs any more", async || {
        stage.sockets().await.iter().all(|socket| socket.state == "kept").then_some(())
    })
    .await;
}

/// Who sends a byte at a time costs a run for each at most, and holds up nobody else.
#[tokio::test]
async fn a_slow_drip_holds_up_nobody_else() {
    const BYTES: usize = 20;
    let stage = Stage::new().await;
    let (dripped_on, mut dripping) = connection();
    stage.hand_over("drip", dripped_on, "echo").await.unwrap();
    let (ours, mut peer) = connection();
    stage.hand_over("chat", ours, "echo").await.unwrap();
    for number in 0..BYTES {
        dripping.write_all(&[number as u8]).unwrap();
        peer.write_all(b"meanwhile").unwrap();
        let mut bytes = [0; 9];
        peer.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"meanwhile");
    }
    let mut bytes = [0; BYTES];
    dripping.read_exact(&mut bytes).unwrap();
    assert!(bytes.into_iter().eq(0..BYTES as u8), "{bytes:?}");
    let runs = stage.told().iter().filter(|told| told["id"] == "drip").count();
    assert!((1..=BYTES).contains(&runs), "{runs} runs for {BYTES} bytes");
}

/// A peer that has said all it will, and only listens now, has its answer; then its connection is told as closed, once.
#[tokio::test]
async fn nw_3_a_half_open_connection_is_answered_and_then_told_as_closed() {
    let stage = Stage::new().await;
    let (ours, mut peer) = connection();
    stage.hand_over("half", ours, "echo 8").await.unwrap();
    peer.write_all(b"question").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let mut answer = [0; 8];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"question");
    stage.told_times(2).await;
    stage.stands("half", "kept").await;
    let reasons: Vec<_> = stage.told().into_iter().map(|told| told["reason"].clone()).collect();
    assert_eq!(reasons, ["SocketActivity", "SocketClosed"]);
}

/// SOC-6: who takes a socket and does not hand it over again hears no more of it, and has its name back.
#[tokio::test]
async fn soc_6_a_task_that_never_hands_over_again_is_not_told_again() {
    let stage = Stage::new().await;
    let (ours, mut peer) = connection();
    stage.hand_over("once", ours, "drop").await.unwrap();
    peer.write_all(b"first").unwrap();
    assert_eq!(stage.told_times(1).await["reason"], "SocketActivity");
    assert!(is_closed(&mut peer), "the broker has no copy of what the task closed");
    let _closed = peer.write_all(b"more");
    eventually("the broker knows it no more", async || stage.sockets().await.is_empty().then_some(())).await;
    let (ours, mut peer) = connection();
    stage.hand_over("once", ours, "echo").await.unwrap();
    peer.write_all(b"next").unwrap();
    stage.told_times(2).await;
    let contexts: Vec<_> = stage.told().into_iter().map(|told| told["context"].clone()).collect();
    assert_eq!(contexts, ["drop", "echo"]);
}

/// A crowd at one door is let in by the task; the broker has each of them then, and each is answered.
#[tokio::test]
async fn a_crowd_on_one_listener() {
    const PEERS: usize = 120;
    let stage = Stage::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peers: Vec<_> = (0..60).map(|_| TcpStream::connect(address).unwrap()).collect();
    stage.hand_over("door", listener, "accept").await.unwrap();
    let late: Vec<_> = (60..PEERS).map(|_| TcpStream::connect(address).unwrap()).collect();
    eventually("all are in", async || (stage.sockets().await.len() == PEERS + 1).then_some(())).await;
    for (number, mut peer) in peers.into_iter().chain(late).enumerate().filter(|(number, _)| number % 20 == 0) {
        peer.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
        let text = format!("peer {number:05}");
        peer.write_all(text.as_bytes()).unwrap();
        let mut bytes = vec![0; text.len()];
        peer.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, text.as_bytes());
    }
}

#[tokio::test]
async fn what_is_no_such_socket_is_refused_and_the_connection_goes_on() {
    let stage = Stage::new().await;
    let wrong = |result: Result<(), Error>| result.expect_err("it is refused").kind;
    let file = File::open("/dev/null").unwrap();
    assert_eq!(wrong(stage.hand_over("file", file, "echo").await), ErrorKind::SocketWrongKind);
    let unconnected = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    assert_eq!(wrong(stage.hand_over("nobody", unconnected, "echo").await), ErrorKind::SocketWrongKind);
    let (ours, _peer) = connection();
    let copy = ours.try_clone().unwrap();
    stage.hand_over("chat", ours, "echo").await.unwrap();
    assert_eq!(wrong(stage.hand_over("twice", copy, "echo").await), ErrorKind::InvalidArgument);
    let (other, _other_peer) = connection();
    assert_eq!(wrong(stage.hand_over("chat", other, "echo").await), ErrorKind::SocketIdTaken);
    let missing = stage.user.broker.reclaim_socket(SAMPLE, "never was").await.map_err(Error::from);
    assert_eq!(missing.unwrap_err().kind, ErrorKind::SocketNotFound);
    assert_eq!(stage.sockets().await.len(), 1);
}

/// One app knows nothing of the sockets of another, and cannot use its tasks.
#[tokio::test]
async fn sockets_belong_to_their_app() {
    const OTHER: &str = "org.example.Other";
    let stage = Stage::new().await;
    install(&stage.home, OTHER);
    eventually("it is installed", async || stage.user.apps().await.iter().any(|app| app.id == OTHER).then_some(()))
        .await;
    stage.user.broker.request_access(OTHER, "").await.unwrap();
    register(&stage.user, OTHER).await;
    let (ours, _peer) = connection();
    stage.hand_over("chat", ours, "echo").await.unwrap();
    let strange = stage.user.broker.reclaim_socket(OTHER, "chat").await.map_err(Error::from);
    assert_eq!(strange.unwrap_err().kind, ErrorKind::SocketNotFound);
    assert!(stage.user.broker.list_sockets(OTHER).await.unwrap().is_empty());
    let (ours, _peer) = connection();
    use std::os::fd::AsFd as _;
    let foreign =
        stage.user.broker.transfer_socket(OTHER, &stage.task, "mine", ours.as_fd().into(), Default::default());
    assert_eq!(foreign.await.map_err(Error::from).unwrap_err().kind, ErrorKind::UnknownTask);
}

#[tokio::test]
async fn man_9_soc_2_an_app_without_the_capability_hands_no_sockets_over() {
    let (home, _app) = Home::with_sample();
    let broker = home.start().await;
    let user = broker.user().await;
    let new = crate::harness::New { entry: "Tasks.Quick", ..Default::default() };
    let refused = user.register_for(new, "SocketActivityTrigger", &[]).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NotDeclared);
    assert!(refused.message.contains("capabilities = [\"pushNotifications\"]"), "{}", refused.message);
}

/// A broker that has no descriptor left says so to whoever brings one more, and goes on for everybody else.
#[tokio::test]
async fn a_broker_without_descriptors_refuses_and_goes_on() {
    let mut stage = Stage::new().await;
    stage.broker.take().unwrap().kill();
    let broker = stage.home.command();
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -n 120; exec "$@""#, "sh"]).arg(broker.get_program()).args(broker.get_args());
    stage.home.isolate(&mut command);
    let mut poor = Broker::spawn(&stage.home, &mut command);
    stage.user = poor.answers().await;
    let mut peers = Vec::new();
    let mut refused = None;
    for number in 0..200 {
        let (ours, peer) = connection();
        peers.push(peer);
        if let Err(error) = stage.hand_over(&format!("socket {number}"), ours, "echo").await {
            refused = Some(error);
            break;
        }
    }
    let refused = refused.expect("120 descriptors are not enough for 200 sockets");
    assert_eq!(refused.kind, ErrorKind::LimitReached, "{refused}");
    // Whoever ran into it may have lost the connection; the broker has not.
    drop(peers);
    let socket = stage.home.socket();
    let user = eventually("the broker answers", async || crate::harness::User::connect(&socket).await.ok()).await;
    assert!(!user.broker.list_tasks("").await.unwrap().is_empty());
}
