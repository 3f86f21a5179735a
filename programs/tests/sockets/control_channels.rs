//! Control channels (CCT): a real app keeps real connections, of TCP, HTTP and WebSockets, and its tasks run where they are.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use bgtask_wire::ControlChannelInfo;
use rustix::net::sockopt::{socket_keepalive, tcp_keepidle};
use serde_json::{Value, json};
use tungstenite::Message;

use crate::harness::{Broker, Home, PATIENCE, SAMPLE, User, copy_program, eventually, example};

/// A broker, the app, and the server that it connects to.
struct Stage {
    // Before its home, whose files it has.
    app: Option<Child>,
    broker: Option<Broker>,
    user: User,
    server: TcpListener,
    home: Home,
}

impl Stage {
    /// The app has opened its channel over such a connection; gives the server's end.
    async fn with(kind: &str) -> (Self, TcpStream) {
        let home = Home::new();
        let program = program(&home);
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        copy_program(&example("control_channels"), &program);
        let manifest = format!(
            "[app]\nid = {SAMPLE:?}\nversion = \"1\"\nexecutable = {program:?}\ncapabilities = [\"internetClient\"]\n"
        );
        fs::write(home.manifest(SAMPLE), manifest).unwrap();
        let broker = home.start().await;
        let user = broker.user().await;
        user.sources_know().await;
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let data = home.data(SAMPLE);
        fs::create_dir_all(&data).unwrap();
        let address = server.local_addr().unwrap();
        fs::write(data.join("where"), format!("{kind} {address}")).unwrap();
        let mut stage = Self { app: None, broker: Some(broker), user, server, home };
        stage.app_starts(kind);
        let peer = stage.accept();
        (stage, peer)
    }

    fn app_starts(&mut self, kind: &str) {
        let mut command = Command::new(program(&self.home));
        command.arg(kind).arg(self.server.local_addr().unwrap().to_string());
        command.env("BGTASK_ADDRESS", self.home.address()).env_remove("BGTASK_APP_ID");
        command.env("BGTASK_APP_DATA", self.home.data(SAMPLE)).stdin(Stdio::piped());
        self.app = Some(command.spawn().unwrap());
    }

    fn accept(&self) -> TcpStream {
        let (peer, _) = self.server.accept().unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer
    }

    fn app_hears(&mut self, word: &str) {
        self.app.as_mut().unwrap().stdin.as_mut().unwrap().write_all(format!("{word}\n").as_bytes()).unwrap();
    }

    fn app_dies(&mut self) {
        let mut app = self.app.take().unwrap();
        app.kill().unwrap();
        app.wait().unwrap();
    }

    /// What the app has left word of.
    fn told(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.home.data(SAMPLE).join("told")).unwrap_or_default();
        // A line may be half written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    async fn told_of(&self, what: &str, times: usize) -> Value {
        eventually(&format!("{what} is told {times} times"), async || {
            self.told().into_iter().filter(|line| line.get(what).is_some()).nth(times - 1)
        })
        .await
    }

    /// Waits until everything that was sent has been read, and gives it in its order.
    async fn reads(&self, count: usize) -> Vec<String> {
        eventually("all of it is read", async || {
            let told = self.told();
            let read = told.iter().filter_map(|line| line["read"].as_array()).flatten();
            let read: Vec<_> = read.filter_map(|text| text.as_str().map(str::to_owned)).collect();
            (read.len() >= count).then_some(read)
        })
        .await
    }

    async fn channel(&self) -> Option<ControlChannelInfo> {
        self.user.broker.list_control_channels(SAMPLE).await.unwrap().into_iter().next()
    }

    async fn stands(&self, state: &str) {
        eventually(&format!("the channel is {state}"), async || {
            self.channel().await.filter(|channel| channel.state == state)
        })
        .await;
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(app) = &mut self.app {
            let _gone = app.kill();
            let _reaped = app.wait();
        }
    }
}

fn program(home: &Home) -> PathBuf {
    home.root("bin").join("control_channels")
}

/// CCT-4, CCT-5, CCT-6, CCT-12, CCT-14: the transport was told before it was connected.
#[tokio::test]
async fn cct_5_cct_6_what_arrives_at_a_stream_is_read_by_a_task_in_the_process_that_has_it() {
    let (mut stage, mut peer) = Stage::with("tcp").await;
    let opened = stage.told_of("status", 1).await;
    assert_eq!(opened, json!({ "status": "SoftwareSlotAllocated", "network_keep_alive": 25 }));
    peer.write_all(b"one\n").unwrap();
    assert_eq!(stage.told_of("read", 1).await, json!({ "channel": "feed", "read": ["one"], "ended": false }));
    let mut answer = String::new();
    let mut lines = BufReader::new(peer.try_clone().unwrap());
    lines.read_line(&mut answer).unwrap();
    assert_eq!(answer, "thanks\n");
    stage.stands("watched").await;
    // Nothing is lost of what comes while a task runs, and nothing changes its place.
    for number in 0..200 {
        peer.write_all(format!("{number}\n").as_bytes()).unwrap();
    }
    let read = stage.reads(201).await;
    assert_eq!(read[1..], (0..200).map(|number| number.to_string()).collect::<Vec<_>>());

    drop((peer, lines));
    eventually("the end is read", async || stage.told().iter().any(|line| line["ended"] == true).then_some(())).await;
    stage.stands("ended").await;
    stage.app_hears("again");
    let mut peer = stage.accept();
    stage.told_of("status", 2).await;
    peer.write_all(b"back\n").unwrap();
    assert_eq!(stage.reads(202).await.last().unwrap(), "back");
    stage.app_hears("close");
    stage.told_of("closed", 1).await;
    assert_eq!(stage.channel().await, None, "CCT-13");
}

/// CCT-16: the answer of a server that goes on and on, with hyper.
#[tokio::test]
async fn cct_16_a_client_of_http_keeps_its_connection_and_reads_in_its_task() {
    let (stage, mut peer) = tokio::task::spawn_blocking(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Stage::with("http"))
    })
    .await
    .unwrap();
    let mut request = [0; 1_024];
    let read = peer.read(&mut request).unwrap();
    assert!(request[..read].starts_with(b"GET /events HTTP/1.1"));
    peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    stage.told_of("status", 1).await;
    for (number, event) in ["first", "second"].into_iter().enumerate() {
        let chunk = format!("data: {event}\n");
        peer.write_all(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes()).unwrap();
        assert_eq!(stage.reads(number + 1).await[number], format!("data: {event}"));
    }
    drop(peer);
    eventually("the end is read", async || stage.told().iter().any(|line| line["ended"] == true).then_some(())).await;
}

/// CCT-16, CCT-17: with tungstenite.
#[tokio::test]
async fn cct_16_a_web_socket_is_kept_and_read_in_its_task() {
    let (stage, peer) = Stage::with("websocket").await;
    let mut socket = tokio::task::spawn_blocking(|| tungstenite::accept(peer).unwrap()).await.unwrap();
    stage.told_of("status", 1).await;
    for (number, text) in ["first", "second"].into_iter().enumerate() {
        socket.send(Message::text(text)).unwrap();
        assert_eq!(stage.reads(number + 1).await[number], text);
        assert_eq!(socket.read().unwrap(), Message::text("thanks"));
    }
}

/// CCT-15, G-6: the app is gone, and with it the session; the broker starts it, and it opens the channel anew.
#[tokio::test]
async fn cct_15_an_app_that_dies_is_told_of_its_reset_and_opens_the_channel_anew() {
    let (mut stage, peer) = Stage::with("tcp").await;
    stage.told_of("status", 1).await;
    stage.app_dies();
    drop(peer);
    let mut peer = stage.accept();
    let reset = stage.told_of("reset", 1).await;
    assert_eq!(reset, json!({ "reset": "ApplicationRestart", "software": true, "hardware": false }));
    stage.told_of("status", 2).await;
    // From now on it is held by the process that the broker has started, which stays for it.
    for (number, text) in ["one", "two"].into_iter().enumerate() {
        peer.write_all(format!("{text}\n").as_bytes()).unwrap();
        assert_eq!(stage.reads(number + 1).await[number], text);
        stage.stands("watched").await;
    }
    let hosts = stage.user.apps().await;
    assert_eq!(hosts.len(), 1);
}

/// The broker is killed and another one starts: the app and its connection are where they were, and the channel is open again.
#[tokio::test]
async fn a_channel_is_opened_again_with_the_next_broker() {
    let (mut stage, mut peer) = Stage::with("tcp").await;
    stage.told_of("status", 1).await;
    stage.broker.take().unwrap().kill();
    // What comes meanwhile waits at the connection.
    peer.write_all(b"meanwhile\n").unwrap();
    let broker = stage.home.start().await;
    stage.user = broker.user().await;
    stage.broker = Some(broker);
    assert_eq!(stage.reads(1).await, ["meanwhile"]);
    peer.write_all(b"after\n").unwrap();
    assert_eq!(stage.reads(2).await, ["meanwhile", "after"]);
    assert!(stage.told().iter().all(|line| line.get("reset").is_none()), "nobody was gone");
}

/// CCT-3: the kernel keeps the connection alive, at the server's interval and not at that of the machine.
#[tokio::test]
async fn cct_3_the_networks_keep_alive_takes_the_place_of_that_of_tcp() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    let mut channel = bgtask::network::ControlChannelTrigger::new("feed", 60).unwrap();
    channel.using_transport(&stream).unwrap();
    for minutes in [30, 15, 7, 3, 1, 1] {
        channel.decrease_network_keep_alive_interval().unwrap();
        assert_eq!(channel.current_keep_alive_interval_in_minutes(), minutes);
        let idle = tcp_keepidle(&stream).unwrap();
        assert_eq!((idle.as_secs(), socket_keepalive(&stream)), (u64::from(minutes) * 60, Ok(true)));
    }
}

/// CCT-6: what is no app, or runs no tasks, opens none; and what is no connection is none.
#[tokio::test]
async fn a_channel_needs_a_connection_and_a_process_that_runs_tasks() {
    use std::os::fd::AsFd as _;
    let (stage, peer) = Stage::with("tcp").await;
    let broker = &stage.user.broker;
    let refused = async |fd: std::os::fd::BorrowedFd<'_>, minutes, resource| {
        let answer = broker.enable_control_channel(SAMPLE, "other", fd.into(), minutes, resource).await;
        bgtask_wire::Error::from(answer.unwrap_err()).to_string()
    };
    let file = fs::File::open("/dev/null").unwrap();
    assert!(refused(file.as_fd(), 25, 0).await.contains("is no socket"));
    assert!(refused(peer.as_fd(), 14, 0).await.contains("15 to 1439"));
    assert!(refused(peer.as_fd(), 25, 1).await.contains("wakes no sleeping machine"));
    assert!(refused(peer.as_fd(), 25, 2).await.contains("ControlChannelTriggerResourceType 2"));
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    drop(theirs);
    let (status, why) = broker.enable_control_channel(SAMPLE, "other", ours.as_fd().into(), 25, 0).await.unwrap();
    assert_eq!((status, why.contains("connect anew")), (5, true), "TransportDisconnected: {why}");
}
