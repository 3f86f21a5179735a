//! The broker under a service manager: its socket is there before it is, and it is watched while it works.

mod harness;

use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::{Command, Stdio};

use harness::{Broker, Home, PATIENCE, Raw, User};

/// Becomes the broker with what is its standard input now as the first inherited descriptor: the protocol wants the number of
/// the process that will be the broker.
const HAND_OVER: &str = r#"exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@""#;

fn handing_over(home: &Home, descriptor: impl Into<OwnedFd>) -> Command {
    let broker = home.command();
    let mut command = Command::new("sh");
    command.args(["-c", HAND_OVER, "sh"]).arg(broker.get_program()).args(broker.get_args());
    home.isolate(&mut command);
    command.stdin(Stdio::from(descriptor.into()));
    command
}

/// Who connects before there is a broker waits, and is served by it; so is who comes while it is started again.
#[tokio::test]
async fn a_socket_that_is_there_before_its_broker() {
    let home = Home::new();
    std::fs::create_dir_all(home.root("run")).unwrap();
    let listener = UnixListener::bind(home.socket()).unwrap();
    let (early, socket) = (Raw::connect(&home.socket()), home.socket());
    let waiting = tokio::spawn(async move { User::connect(&socket).await.unwrap().broker.list_tasks("").await });

    let mut broker = Broker::spawn(&home, &mut handing_over(&home, listener.try_clone().unwrap()));
    assert!(waiting.await.unwrap().unwrap().is_empty());
    drop(early);
    assert_eq!(broker.stop(), Some(0));

    let socket = home.socket();
    let waiting = tokio::spawn(async move { User::connect(&socket).await.unwrap().broker.list_tasks("").await });
    let next = Broker::spawn(&home, &mut handing_over(&home, listener));
    assert!(waiting.await.unwrap().unwrap().is_empty());
    drop(next);
}

/// A socket of another place is not the broker's: its hosts would be given an address at which nobody listens.
#[tokio::test]
async fn a_socket_of_another_place() {
    let home = Home::new();
    let elsewhere = UnixListener::bind(home.root("elsewhere")).unwrap();
    let mut broker = Broker::spawn(&home, &mut handing_over(&home, elsewhere));
    assert!(broker.answers().await.broker.list_tasks("").await.unwrap().is_empty());
}

/// An idle broker makes no wake-ups, not even to say that it lives: the watchdog watches only while there is work.
#[tokio::test]
async fn the_watchdog_sleeps_while_the_broker_does() {
    let home = Home::new();
    let manager = UnixDatagram::bind(home.root("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = home.command();
    command.env("NOTIFY_SOCKET", home.root("notify")).env("WATCHDOG_USEC", "60000000");
    let mut broker = Broker::spawn(&home, &mut command);
    let hears = || {
        let mut word = [0; 256];
        let length = manager.recv(&mut word).expect("a word of the broker");
        String::from_utf8_lossy(&word[..length]).into_owned()
    };
    const WATCH: &str = "WATCHDOG=1\nWATCHDOG_USEC=60000000\n";
    const REST: &str = "WATCHDOG_USEC=0\n";

    assert_eq!([hears(), hears()], ["READY=1\n", REST]);
    let user = broker.answers().await;
    assert_eq!([hears(), hears()], [WATCH, REST], "for one burst of work one word at its begin and one after it");
    user.broker.list_tasks("").await.unwrap();
    assert_eq!(hears(), WATCH);
    assert_eq!(hears(), REST);
}
