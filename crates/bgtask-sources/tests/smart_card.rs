//! Smart cards: a pcscd that is played, with all its moods, and the real one with a virtual card.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bgtask_sources::Status;
use common::events::{Ear, subject};
use common::namespaces::{Running, has, is_inside, mount_at};
use common::{DEADLINE, Sysroot, is_available, pass};
use serde_json::Value;

const CLASS: &str = "SmartCardTrigger";
const SOCKET: &str = "run/pcscd/pcscd.comm";
const FIELDS: [&str; 3] = ["reader", "change", "atr"];

fn both() -> bgtask_sources::Subject {
    subject(CLASS, &[("on", "both")])
}

fn is_missing(status: &Status) -> bool {
    matches!(status, Status::Missing { .. })
}

fn missing_because(status: &Status) -> &str {
    let Status::Missing { why, .. } = status else { panic!("{status:?}") };
    why
}

/// A reader as pcscd has it: its name, how often its card came or went, and the card.
#[derive(Clone)]
struct Reader(&'static str, u32, Option<&'static [u8]>);

/// What is asked of pcscd when it is played.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Well,
    /// Takes requests and says nothing.
    Hung,
    /// Hangs up when it is asked for its version, as on who may not ask.
    Shut,
    /// Speaks this version alone.
    Version(u32),
    /// Sends a table that cannot be.
    Nonsense,
}

/// Plays pcscd.
#[derive(Clone)]
struct Pcscd {
    place: PathBuf,
    state: Arc<Mutex<State>>,
}

struct State {
    mood: Mood,
    readers: Vec<Reader>,
    waiting: Vec<UnixStream>,
    all: Vec<UnixStream>,
    running: bool,
}

impl Pcscd {
    fn start(sysroot: &Sysroot, mood: Mood, readers: &[Reader]) -> Self {
        let place = sysroot.path(SOCKET);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let listener = UnixListener::bind(&place).unwrap();
        let state = State { mood, readers: readers.to_vec(), waiting: Vec::new(), all: Vec::new(), running: true };
        let pcscd = Self { place, state: Arc::new(Mutex::new(state)) };
        let playing = pcscd.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let mut state = playing.state.lock().unwrap();
                if !state.running {
                    return;
                }
                state.all.push(client.try_clone().unwrap());
                drop(state);
                let playing = playing.clone();
                thread::spawn(move || playing.serve(client));
            }
        });
        pcscd
    }

    fn serve(&self, mut client: UnixStream) {
        let mut header = [0; 8];
        while client.read_exact(&mut header).is_ok() {
            let [size, command] = [0, 4].map(|place| u32::from_ne_bytes(header[place..place + 4].try_into().unwrap()));
            let mut body = vec![0; size as usize];
            client.read_exact(&mut body).unwrap();
            let mut state = self.state.lock().unwrap();
            let answer = match (command, state.mood) {
                (_, Mood::Hung) => Vec::new(),
                (0x11, Mood::Shut) => return client.shutdown(std::net::Shutdown::Both).unwrap_or_default(),
                (0x11, Mood::Version(minor)) if body[4..8] != minor.to_ne_bytes() => words([4, minor, 0x8010_001e]),
                (0x11, _) => words([4, 4, 0]),
                (0x13, Mood::Nonsense) => vec![0xff; 2944],
                (0x13, _) => {
                    state.waiting.push(client.try_clone().unwrap());
                    table(&state.readers)
                }
                _ => panic!("nobody should ask for {command:#x}"),
            };
            let _ = client.write_all(&answer);
        }
    }

    /// Something changes, and who waits is told.
    fn change(&self, readers: &[Reader]) {
        let mut state = self.state.lock().unwrap();
        state.readers = readers.to_vec();
        for mut client in std::mem::take(&mut state.waiting) {
            let _ = client.write_all(&[0; 8]);
        }
    }

    /// Waits until somebody waits for a change. No time passes meanwhile for who sleeps on this thread.
    async fn is_waited_for(&self) {
        let deadline = Instant::now() + DEADLINE;
        while self.state.lock().unwrap().waiting.is_empty() {
            assert!(Instant::now() < deadline, "nobody listens");
            thread::sleep(Duration::from_millis(1));
            tokio::task::yield_now().await;
        }
    }

    fn stop(self) {
        fs::remove_file(&self.place).unwrap();
        let mut state = self.state.lock().unwrap();
        state.running = false;
        for client in state.all.drain(..) {
            let _ = client.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn words(words: [u32; 3]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn table(readers: &[Reader]) -> Vec<u8> {
    let mut table = vec![0; 16 * 184];
    for (Reader(name, counter, card), entry) in readers.iter().zip(table.chunks_exact_mut(184)) {
        entry[..name.len()].copy_from_slice(name.as_bytes());
        entry[128..132].copy_from_slice(&counter.to_ne_bytes());
        let state: u32 = if card.is_some() { 0x34 } else { 0x02 };
        entry[132..136].copy_from_slice(&state.to_ne_bytes());
        let atr = card.unwrap_or_default();
        entry[140..140 + atr.len()].copy_from_slice(atr);
        entry[176..180].copy_from_slice(&(atr.len() as u32).to_ne_bytes());
    }
    table
}

const A: Option<&[u8]> = Some(&[0x3b, 0x01]);
const B: Option<&[u8]> = Some(&[0x3b, 0x02]);

fn card(reader: &str, change: &str, atr: &str) -> [Value; 3] {
    [reader, change, atr].map(Value::from)
}

#[tokio::test]
async fn cards_are_put_in_exchanged_and_taken_out_of_several_readers() {
    let sysroot = Sysroot::new();
    let pcscd = Pcscd::start(&sysroot, Mood::Well, &[Reader("one", 3, A), Reader("two", 0, None)]);
    let world = sysroot.world();
    let (mut ear, status) = Ear::ready(both(), &world).await;
    assert_eq!(status, Status::Available { how: "pcscd".to_owned() });
    let (mut second, _) = Ear::ready(subject(CLASS, &[("reader", "two*")]), &world).await;
    // Nobody's turn comes between these two, so both are seen at once.
    pcscd.change(&[Reader("one", 3, A), Reader("two", 1, B)]);
    pcscd.change(&[Reader("one", 5, A), Reader("two", 1, B)]);
    let expected = [card("one", "removed", "3b01"), card("one", "added", "3b01"), card("two", "added", "3b02")];
    for event in expected {
        assert_eq!(ear.fields(FIELDS).await, event);
    }
    assert_eq!(second.fields(FIELDS).await, card("two", "added", "3b02"));
    pcscd.is_waited_for().await;
    pcscd.change(&[Reader("two", 1, B), Reader("three", 0, B)]);
    assert_eq!(ear.fields(FIELDS).await, card("one", "removed", "3b01"));
    assert_eq!(ear.fields(FIELDS).await, card("three", "added", "3b02"));
    assert!(ear.is_quiet() && second.is_quiet());
}

/// A restart is no change of any card: the counters begin anew, and the readers are found one after the other.
#[tokio::test]
async fn a_restart_invents_no_cards_and_misses_none() {
    let sysroot = Sysroot::new();
    let pcscd = Pcscd::start(&sysroot, Mood::Well, &[Reader("one", 9, A), Reader("two", 4, B)]);
    let (mut ear, _) = Ear::ready(both(), &sysroot.world()).await;
    pcscd.stop();
    let status = ear.status_that(is_missing).await;
    assert!(["pcscd has ended", "pcscd does not run here"].contains(&missing_because(&status)));
    // Time stands still, and is not hurried on either, while somebody works.
    let (done, work) = std::sync::mpsc::channel::<()>();
    let working = tokio::task::spawn_blocking(move || work.recv());
    tokio::time::pause();
    let pcscd = Pcscd::start(&sysroot, Mood::Well, &[]);
    // The first attempt may have come too early.
    tokio::time::advance(Duration::from_secs(1)).await;
    pcscd.is_waited_for().await;
    pcscd.change(&[Reader("one", 0, A)]);
    pcscd.is_waited_for().await;
    pcscd.change(&[Reader("one", 0, A), Reader("two", 1, None)]);
    pcscd.is_waited_for().await;
    tokio::time::resume();
    drop(done);
    working.await.unwrap().unwrap_err();
    ear.status_that(is_available).await;
    assert_eq!(ear.fields(FIELDS).await, card("two", "removed", "3b02"));
    assert!(ear.is_quiet());
}

#[tokio::test]
async fn without_pcscd_it_says_what_to_install_and_hears_it_an_hour_later() {
    let sysroot = Sysroot::new();
    let (mut ear, status) = Ear::ready(both(), &sysroot.world()).await;
    let expected = ("pcscd does not run here".to_owned(), "install pcscd, and start pcscd.socket".to_owned());
    assert_eq!(status, Status::Missing { why: expected.0, help: expected.1 });
    pass(Duration::from_secs(3600)).await;
    // It speaks the newer version, which is as good.
    let pcscd = Pcscd::start(&sysroot, Mood::Version(5), &[Reader("one", 0, None)]);
    ear.status_that(is_available).await;
    pcscd.change(&[Reader("one", 1, A)]);
    assert_eq!(ear.fields(FIELDS).await, card("one", "added", "3b01"));
}

#[tokio::test]
async fn a_pcscd_that_hangs_is_said_to_and_heard_when_it_is_well_again() {
    let sysroot = Sysroot::new();
    let pcscd = Pcscd::start(&sysroot, Mood::Hung, &[]);
    let mut ear = Ear::new(both(), &sysroot.world());
    pass(Duration::from_secs(10)).await;
    assert_eq!(missing_because(&ear.status_that(is_missing).await), "pcscd did not answer within 10 s");
    pcscd.state.lock().unwrap().mood = Mood::Well;
    ear.status_that(is_available).await;
}

#[tokio::test]
async fn whatever_pcscd_answers_it_is_said_and_tried_again() {
    let table = [
        (Mood::Shut, "pcscd hung up at once"),
        (Mood::Version(3), "pcscd speaks version 4.3 of its protocol, and neither 4.4 nor 4.5"),
        (Mood::Version(6), "pcscd speaks version 4.6 of its protocol, and neither 4.4 nor 4.5"),
        (Mood::Nonsense, "pcscd answered nonsense"),
    ];
    for (mood, why) in table {
        let sysroot = Sysroot::new();
        let pcscd = Pcscd::start(&sysroot, mood, &[Reader("one", 0, A)]);
        let (mut ear, status) = Ear::ready(both(), &sysroot.world()).await;
        assert_eq!(missing_because(&status), why);
        pcscd.state.lock().unwrap().mood = Mood::Well;
        ear.status_that(is_available).await;
        pcscd.stop();
    }
    // A socket that nobody listens at any more.
    let sysroot = Sysroot::new();
    fs::create_dir_all(sysroot.path("run/pcscd")).unwrap();
    drop(UnixListener::bind(sysroot.path(SOCKET)).unwrap());
    let (mut ear, status) = Ear::ready(both(), &sysroot.world()).await;
    assert!(missing_because(&status).starts_with("pcscd cannot be reached: "), "{status}");
    fs::remove_file(sysroot.path(SOCKET)).unwrap();
    let _pcscd = Pcscd::start(&sysroot, Mood::Well, &[]);
    ear.status_that(is_available).await;
}

/// Whoever says ten thousand times that something changed is asked what, and nothing did.
#[tokio::test]
async fn a_flood_of_words_without_a_change_invents_nothing() {
    let sysroot = Sysroot::new();
    let pcscd = Pcscd::start(&sysroot, Mood::Well, &[Reader("one", 0, None)]);
    let (mut ear, _) = Ear::ready(both(), &sysroot.world()).await;
    let flooding = pcscd.clone();
    let flood = thread::spawn(move || {
        for _ in 0..10_000 {
            flooding.change(&[Reader("one", 0, None)]);
        }
        while flooding.state.lock().unwrap().waiting.is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        flooding.change(&[Reader("one", 1, A)]);
    });
    assert_eq!(ear.fields(FIELDS).await, card("one", "added", "3b01"));
    flood.join().unwrap();
    assert!(ear.is_quiet() && ear.lost == 0);
}

/// The real pcscd, and a card that is a program: it is in its reader while it is connected.
#[tokio::test]
async fn a_virtual_card_in_the_real_pcscd() {
    if !has("pcscd") || !fs::exists("/etc/reader.conf.d/vpcd").unwrap() {
        return common::skip("pcscd and vsmartcard-vpcd are not installed");
    }
    if !is_inside("a_virtual_card_in_the_real_pcscd") {
        return;
    }
    let sysroot = Sysroot::new();
    fs::create_dir_all(sysroot.path("run/pcscd")).unwrap();
    mount_at(&sysroot.path("run/pcscd"), "/run/pcscd");
    let world = sysroot.world();
    let (mut ear, status) = Ear::ready(both(), &world).await;
    assert!(is_missing(&status), "{status:?}");

    let pcscd = start_pcscd();
    ear.status_that(is_available).await;
    let reader = "Virtual PCD 00 00";
    for _ in 0..2 {
        let card_in = VirtualCard::put_in();
        assert_eq!(ear.fields(FIELDS).await, card(reader, "added", "3b80800101"));
        card_in.take_out();
        assert_eq!(ear.fields(FIELDS).await, card(reader, "removed", "3b80800101"));
    }
    drop(pcscd);
    ear.status_that(is_missing).await;
    let _pcscd = start_pcscd();
    ear.status_that(is_available).await;
    let _card = VirtualCard::put_in();
    assert_eq!(ear.fields(FIELDS).await, card(reader, "added", "3b80800101"));
    assert!(ear.is_quiet());
}

fn start_pcscd() -> Running {
    let mut pcscd = Command::new("pcscd");
    pcscd.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").args(["--foreground", "--error"]);
    Running(pcscd.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// A card that answers to a reset and to everything else with success.
struct VirtualCard {
    stream: TcpStream,
    playing: thread::JoinHandle<()>,
}

impl VirtualCard {
    fn put_in() -> Self {
        let deadline = Instant::now() + DEADLINE;
        let stream = loop {
            match TcpStream::connect("127.0.0.1:35963") {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "no reader listens: {error}"),
            }
            thread::sleep(Duration::from_millis(5));
        };
        let mut client = stream.try_clone().unwrap();
        let playing = thread::spawn(move || while answer(&mut client).is_ok() {});
        Self { stream, playing }
    }

    fn take_out(self) {
        self.stream.shutdown(std::net::Shutdown::Both).unwrap();
        self.playing.join().unwrap();
    }
}

fn answer(client: &mut TcpStream) -> std::io::Result<()> {
    let mut length = [0; 2];
    client.read_exact(&mut length)?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    client.read_exact(&mut message)?;
    let answer: &[u8] = match message[..] {
        [4] => &[0x3b, 0x80, 0x80, 0x01, 0x01],
        [_] => return Ok(()),
        _ => &[0x90, 0x00],
    };
    client.write_all(&(answer.len() as u16).to_be_bytes())?;
    client.write_all(answer)
}
