//! Sockets that apps hand over: from a packet to the task that has the socket in its hand, against a bare spawn of the same program
//! to its `main`; to the broker and back; and very many of them.
//!
//! This program is the app, its task, and every peer.

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod common;

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
use bgtask::network::{
    SocketActivityConnectedStandbyAction, SocketActivityContext, SocketActivityInformation, SocketActivityKind,
    SocketActivityTriggerDetails, StreamSocket, StreamSocketListener,
};
use bgtask_wire::{BrokerProxy, RegisterOptions, TransferOptions};
use common::caller::{Caller, ping};
use common::{Broker, GAP, Programs, ROUNDS, WARM_UP, durable_append, floor, median, millis, monotonic, ratio, row};

const APP: &str = "org.example.Bench";
const MANY: usize = 10_000;
/// How many of them speak at once.
const SPEAKING: usize = 500;
const IDLE: Duration = Duration::from_secs(10);
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    if Host::is_host() {
        return Host::new().entry_point("Bench.Task", Answers).run();
    }
    if std::env::args().nth(1).as_deref() == Some("floor") {
        return floor::begin();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
    ExitCode::SUCCESS
}

/// Says to the peer when it had the socket, and hands it over again. At a listener it lets everybody in.
struct Answers;

impl BackgroundTask for Answers {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let details = SocketActivityTriggerDetails::of(&instance).ok_or("another trigger fired")?;
        let information = details.socket_information();
        if information.socket_kind() == SocketActivityKind::StreamSocketListener {
            return accept(information).await;
        }
        let mut stream = TcpStream::from(information.stream_socket().await?.into_fd()?);
        let now = monotonic();
        let mut byte = [0; 64];
        if stream.read(&mut byte)? == 0 {
            return Ok(());
        }
        stream.write_all(&now.to_ne_bytes())?;
        hand_over(stream, information, information.id()).await
    }
}

async fn accept(information: &SocketActivityInformation) -> Result<(), TaskError> {
    let listener = TcpListener::from(information.stream_socket_listener().await?.into_fd()?);
    listener.set_nonblocking(true)?;
    loop {
        match listener.accept() {
            Ok((stream, peer)) => hand_over(stream, information, &peer.to_string()).await?,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    let mut listener = StreamSocketListener::from(listener);
    listener.enable_transfer_ownership(information.task_id(), SocketActivityConnectedStandbyAction::DoNotWake)?;
    Ok(listener.transfer_ownership(information.id(), SocketActivityContext::default()).await?)
}

async fn hand_over(stream: TcpStream, information: &SocketActivityInformation, id: &str) -> Result<(), TaskError> {
    let mut socket = StreamSocket::from(stream);
    socket.enable_transfer_ownership(information.task_id(), SocketActivityConnectedStandbyAction::DoNotWake)?;
    Ok(socket.transfer_ownership(id, SocketActivityContext::default(), None).await?)
}

async fn measure() {
    println!("sockets (one run, this machine); medians of {ROUNDS} where nothing else is said\n");
    let floor = floor::measure();
    row("bare spawn of the task's program to its main (the floor)", &millis(floor), "", "");
    row("12 KiB appended durably (part of no row below)", &millis(durable_append()), "", "");
    for (kind, linger, target) in [("cold", 0, "≤ 2.2×"), ("warm", 600, "≤ 0.5×")] {
        let time = Stage::new(&format!("warm_linger_seconds = {linger}\n")).await.packets().await;
        let against = format!("{:.2}× the floor", ratio(time, floor));
        row(&format!("packet → the socket in the hand of a {kind} task"), &millis(time), &against, target);
    }
    Stage::new("").await.there_and_back().await;
    let config = "warm_linger_seconds = 600\ncpu_budget_seconds = \"unlimited\"\n";
    Stage::new(config).await.very_many().await;
    Stage::new(config).await.a_crowd().await;
}

/// A broker with the task, and somebody who hands sockets over for it.
struct Stage {
    _programs: Programs,
    broker: Broker,
    client: BrokerProxy<'static>,
    task: String,
}

impl Stage {
    async fn new(config: &str) -> Self {
        let programs = Programs::new();
        let apps = [APP.to_owned()];
        let broker = Broker::start(&programs.install(&apps), config);
        let client = broker.connect().await;
        client.request_access(APP, "").await.expect("access");
        let trigger = ("SocketActivityTrigger", HashMap::new());
        let registered = client.register(APP, "bench", "Bench.Task", trigger, &[], RegisterOptions::default()).await;
        Self { _programs: programs, broker, client, task: registered.expect("registered") }
    }

    async fn hand_over(&self, id: &str, socket: impl Into<OwnedFd>) {
        let socket = socket.into();
        let options = TransferOptions::default();
        let handed = self.client.transfer_socket(APP, &self.task, id, socket.as_fd().into(), options).await;
        handed.expect("handed over");
    }

    /// From a byte of the peer to the line of `run` that has the socket.
    async fn packets(&self) -> Duration {
        let (ours, mut peer) = connection();
        self.hand_over("packets", ours).await;
        let mut times = Vec::new();
        for _ in 0..ROUNDS + WARM_UP {
            self.rests().await;
            let begin = monotonic();
            peer.write_all(b"?").expect("it is connected");
            let mut bytes = [0; 8];
            peer.read_exact(&mut bytes).expect("its time");
            times.push(Duration::from_nanos(u64::from_ne_bytes(bytes) - begin));
        }
        median(times.split_off(WARM_UP))
    }

    /// Waits until the socket is watched again, nothing runs, and a launcher waits.
    async fn rests(&self) {
        while self.client.get_task(&self.task).await.expect("it is there").phase != "idle" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(GAP).await;
    }

    /// One socket, to the broker and back, each answered; of a machine that rests in between, and right after one another.
    async fn there_and_back(&self) {
        let (ours, _peer) = connection();
        let mut socket = OwnedFd::from(ours);
        for (how, pause) in [("after a rest", GAP), ("at once", Duration::ZERO)] {
            let byte = floor::round_trip(pause);
            row(&format!("{how}: a byte to another process and back"), &millis(byte), "", "");
            let (mut pings, mut there, mut back, mut both) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for _ in 0..ROUNDS + WARM_UP {
                std::thread::sleep(pause);
                let begin = Instant::now();
                ping(&self.client).await;
                pings.push(begin.elapsed());
                std::thread::sleep(pause);
                let begin = Instant::now();
                self.hand_over("back", socket).await;
                there.push(begin.elapsed());
                let again = Instant::now();
                let (came, _) = self.client.reclaim_socket(APP, "back").await.expect("it is there");
                back.push(again.elapsed());
                both.push(begin.elapsed());
                socket = came.into();
            }
            for (what, times, target) in [
                ("Peer.Ping", pings, ""),
                ("hand a socket over", there, ""),
                ("take it back", back, ""),
                ("both", both, "≤ 0.150 ms"),
            ] {
                let time = median(times.into_iter().skip(WARM_UP).collect());
                let against = format!("{:.1}× the byte", ratio(time, byte));
                row(&format!("{how}: {what}"), &millis(time), &against, target);
            }
        }
    }

    /// What very many take that are quiet, and how soon all are served when all speak at once.
    async fn very_many(&self) {
        let before = self.broker.status("VmRSS");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        let mut peers = Vec::new();
        let begin = Instant::now();
        for number in 0..MANY {
            peers.push(TcpStream::connect(address).expect("a connection"));
            self.hand_over(&format!("many {number}"), listener.accept().expect("it connects").0).await;
        }
        let rate = MANY as f64 / begin.elapsed().as_secs_f64();
        row(&format!("{MANY} connected and handed over, one after the other"), &format!("{rate:.0}/s"), "", "");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let each = (self.broker.status("VmRSS") - before) * 1_024 / MANY as u64;
        row("resident in the broker, each", &format!("{each} B"), "", "≤ 1 KB");
        let (woken, cpu) = (self.broker.status("voluntary_ctxt_switches"), self.broker.cpu());
        tokio::time::sleep(IDLE).await;
        let woken = self.broker.status("voluntary_ctxt_switches") - woken;
        row(&format!("wake-ups in {} s while all are quiet", IDLE.as_secs()), &woken.to_string(), "", "0");
        assert_eq!(self.broker.cpu(), cpu, "it rests");

        let begin = Instant::now();
        let speaking = &mut peers[..SPEAKING];
        for peer in speaking.iter_mut() {
            peer.write_all(b"?").expect("it is connected");
        }
        for peer in speaking {
            peer.set_read_timeout(Some(PATIENCE)).expect("it can be");
            peer.read_exact(&mut [0; 8]).expect("an answer");
        }
        let took = begin.elapsed();
        let share = (self.broker.cpu() - cpu).as_secs_f64() / took.as_secs_f64() * 100.0;
        let rate = format!("{:.0}/s", SPEAKING as f64 / took.as_secs_f64());
        row(
            &format!("{SPEAKING} of them speak at once: runs of one warm task"),
            &rate,
            &format!("broker at {share:.0} % of a core"),
            "",
        );
    }

    /// A crowd at one door, and somebody else who calls meanwhile.
    async fn a_crowd(&self) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        rustix::net::listen(&listener, 4_096).expect("it listens");
        let address = listener.local_addr().expect("its address");
        self.hand_over("door", listener).await;
        let cpu = self.broker.cpu();
        let caller = Caller::start(self.broker.connect().await, &[APP.to_owned()], std::slice::from_ref(&self.task));
        let begin = Instant::now();
        let connecting = std::thread::spawn(move || {
            (0..MANY).map(|_| TcpStream::connect(address).expect("a connection")).collect::<Vec<_>>()
        });
        while self.broker.open_files() < MANY {
            assert!(begin.elapsed() < PATIENCE, "not all were let in");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let took = begin.elapsed();
        let cpu = (self.broker.cpu() - cpu).as_secs_f64() / took.as_secs_f64() * 100.0;
        let rate = format!("{:.0}/s", MANY as f64 / took.as_secs_f64());
        row(
            &format!("{MANY} at one door: let in and handed over"),
            &rate,
            &format!("broker at {cpu:.0} % of a core"),
            "",
        );
        let mut calls = caller.stop().await;
        calls.sort();
        let (half, most) = (calls[calls.len() / 2], calls[calls.len() * 99 / 100]);
        row("a call meanwhile, median", &millis(half), &format!("99 of 100 within {}", millis(most)), "");
        drop(connecting.join().expect("it connects"));
    }
}

/// The end for the broker, and the peer's.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let peer = TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection");
    peer.set_nodelay(true).expect("it can be");
    (listener.accept().expect("it connects").0, peer)
}
