//! Peers that do not even speak the contract: silent, babbling, enormous, deaf. The broker stays small and serves the others.

mod harness;

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use bgtask_wire::AttachOptions;
use futures_util::future::join_all;
use harness::{Home, New, PATIENCE, Raw, SAMPLE, User, eventually};

/// No honest broker of these tests grows beyond this.
const MAX_RESIDENT_KIB: u64 = 96 * 1024;

/// How soon others are answered while somebody misbehaves; generous, the machine is busy.
const SOON: Duration = Duration::from_secs(20);

/// Asserts that a client that is connected already is answered soon.
async fn is_served(user: &User) {
    let began = Instant::now();
    user.broker.list_tasks("").await.unwrap();
    assert!(began.elapsed() < SOON, "answered only after {:?}", began.elapsed());
}

/// Peers that do not introduce themselves are sent away; meanwhile the broker serves whoever comes. Ten of them, one after the other,
/// would keep the next one waiting for much longer than soon.
#[tokio::test]
async fn silent_peers() {
    let (home, _app) = Home::with_sample();
    let broker = home.start().await;
    let silent: Vec<_> = (0..10).map(|_| Raw::connect(&home.socket())).collect();
    let began = Instant::now();
    is_served(&broker.user().await).await;
    assert!(began.elapsed() < SOON, "let in only after {:?}", began.elapsed());
    for peer in silent {
        assert!(tokio::task::spawn_blocking(move || peer.is_cut_off()).await.unwrap());
    }
}

/// Six hundred of them are more than the broker lets in at a time: who is connected is served, who comes waits for a place.
#[tokio::test]
async fn six_hundred_silent_peers() {
    let (home, _app) = Home::with_sample();
    let broker = home.start().await;
    let user = broker.user().await;
    let socket = home.socket();
    // Connecting blocks while the system's queue is full.
    let crowd = std::thread::spawn(move || (0..600).map(|_| Raw::connect(&socket)).collect::<Vec<_>>());
    is_served(&user).await;
    let began = Instant::now();
    let crowd = tokio::task::spawn_blocking(|| crowd.join().unwrap()).await.unwrap();
    is_served(&user).await;
    is_served(&broker.user().await).await;
    println!("a newcomer behind 600 silent peers was served after {:?}", began.elapsed());
    assert!(broker.resident() < MAX_RESIDENT_KIB, "{} KiB", broker.resident());
    drop(crowd);
}

/// Bytes that are no D-Bus, before and after the introduction, end the connection.
#[tokio::test]
async fn garbage() {
    let (home, _app) = Home::with_sample();
    let broker = home.start().await;
    let user = broker.user().await;
    let garbage: Vec<u8> = (0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let before = [b"\0GET / HTTP/1.1\r\n\r\n".to_vec(), b"AUTH\r\n".to_vec(), garbage.clone(), vec![0; 100_000]];
    for bytes in before {
        let mut peer = Raw::connect(&home.socket());
        let _cut_off_while_writing = peer.0.write_all(&bytes);
        is_served(&user).await;
        assert!(tokio::task::spawn_blocking(move || peer.is_cut_off()).await.unwrap(), "{:?}", &bytes[..8]);
    }
    for bytes in [garbage, vec![0; 100_000], vec![b'l'; 100_000]] {
        let mut peer = Raw::introduced(&home.socket());
        let _cut_off_while_writing = peer.0.write_all(&bytes);
        is_served(&user).await;
        assert!(tokio::task::spawn_blocking(move || peer.is_cut_off()).await.unwrap(), "{:?}", &bytes[..8]);
    }
    is_served(&broker.user().await).await;
}

/// A message of 100 MB, announced honestly, is not waited for: its sender is cut off, and nothing is set aside for it.
#[tokio::test]
async fn a_message_of_100_megabytes() {
    let (home, _app) = Home::with_sample();
    let broker = home.start().await;
    let user = broker.user().await;
    let before = broker.resident();
    let mut peer = Raw::introduced(&home.socket());
    let megabytes = 100u32 << 20;
    // Little endian, a method call, no flags, version 1; length of the body, serial number, length of the header's fields.
    let header =
        [b"l\x01\0\x01".as_slice(), &megabytes.to_le_bytes(), &1u32.to_le_bytes(), &0u32.to_le_bytes()].concat();
    let _cut_off_while_writing = peer.0.write_all(&header).and_then(|()| peer.0.write_all(&vec![b'x'; 1 << 20]));
    assert!(tokio::task::spawn_blocking(move || peer.is_cut_off()).await.unwrap());
    is_served(&user).await;
    assert!(broker.resident() < before + 8 * 1024, "{before} KiB, then {} KiB", broker.resident());
}

/// D4: clients that never read are cut off when thousands of events wait for them; what they missed is told to the next one.
#[tokio::test]
async fn clients_that_never_read() {
    let (home, _app) = Home::with_sample();
    let broker = home.start().await;
    let user = broker.user().await;
    let task = user.ready(New::default()).await;
    let mut deaf: Vec<_> = (0..4).map(|_| Raw::introduced(&home.socket())).collect();
    for peer in &mut deaf {
        peer.call_with("Attach", &(SAMPLE, AttachOptions::default()));
        peer.call("Watch", "");
    }
    home.world.zone("Asia/Tokyo");
    user.line(&task, "completed", 1).await;
    for _hundred in 0..40 {
        let tasks = join_all((0..100).map(|_| user.register(New::default()))).await;
        let gone = tasks.iter().map(|task| user.broker.unregister(task.as_ref().unwrap(), false));
        assert!(join_all(gone).await.iter().all(Result::is_ok));
        is_served(&user).await;
    }
    assert!(broker.resident() < MAX_RESIDENT_KIB, "{} KiB", broker.resident());
    for peer in deaf {
        assert!(tokio::task::spawn_blocking(move || peer.is_cut_off()).await.unwrap());
    }
    assert_eq!(broker.user().await.unread(SAMPLE).await.len(), 1, "the completion is kept");
    broker.user().await.broker.acknowledge(SAMPLE, 1).await.unwrap();
}

/// A peer that calls and leaves before it is answered harms nobody.
#[tokio::test]
async fn callers_that_do_not_wait() {
    let (home, _app) = Home::with_sample();
    let broker = home.start().await;
    for _ in 0..200 {
        let mut peer = Raw::introduced(&home.socket());
        peer.call("ListTasks", "");
        peer.call_with("Attach", &(SAMPLE, AttachOptions::default()));
    }
    is_served(&broker.user().await).await;
}

/// Whoever waits for an answer that is longer than the socket takes at once gets all of it.
#[tokio::test]
async fn a_slow_reader_gets_a_long_answer() {
    let (home, _app) = Home::with_sample();
    let broker = home.start().await;
    let user = broker.user().await;
    let made = join_all((0..1_000).map(|_| user.register(New::default()))).await;
    assert!(made.iter().all(Result::is_ok));
    let mut slow = Raw::introduced(&home.socket());
    slow.call("ListTasks", "");
    is_served(&user).await;
    let mut read = 0;
    let mut some = [0; 4_096];
    eventually("the whole answer", async || {
        read += slow.0.read(&mut some).unwrap();
        (read > 300_000).then_some(())
    })
    .await;
    assert!(PATIENCE > SOON);
}
