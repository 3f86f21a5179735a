//! The presence source: terminals that are files, and a logind of our own on a private bus.

mod common;

use std::time::{Duration, SystemTime};

use bgtask_sources::{PRESENCE_IDLE, Report, SourceKind, Status};
use common::logind::{Logind, MANAGER, Manager, Session, own_uid, session_path, strike};
use common::{Inbox, Sysroot, TestBus, is_available, is_degraded};
use zbus::interface;

/// For so long a user is still there in a test that waits until the user is away: time enough to look before, on a busy machine.
const LEFT: Duration = Duration::from_secs(5);

async fn present(inbox: &mut Inbox) -> bool {
    match inbox.level().await {
        Report::Level(SourceKind::UserPresence, present) => present,
        other => panic!("expected presence, got {other:?}"),
    }
}

// --- Terminals ------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_key_brings_the_user_back() {
    let sysroot = Sysroot::new();
    strike(&sysroot, "dev/pts/0", PRESENCE_IDLE);
    let mut inbox = sysroot.watch(SourceKind::UserPresence);
    let Status::Degraded { how, why, .. } = inbox.status().await else { panic!("must be degraded") };
    assert_eq!(how, "terminal activity");
    assert!(why.contains("logind cannot be asked: it is not running"), "{why}");
    assert!(!present(&mut inbox).await);
    strike(&sysroot, "dev/pts/0", Duration::ZERO);
    assert!(present(&mut inbox).await);
}

#[tokio::test]
async fn the_user_is_away_exactly_when_the_last_key_is_old_enough() {
    let sysroot = Sysroot::new();
    let last_key = SystemTime::now() - (PRESENCE_IDLE - LEFT);
    strike(&sysroot, "dev/pts/3", PRESENCE_IDLE - LEFT);
    let mut inbox = sysroot.watch(SourceKind::UserPresence);
    assert!(present(&mut inbox).await);
    assert!(!present(&mut inbox).await);
    assert!(SystemTime::now() >= last_key + PRESENCE_IDLE - Duration::from_millis(50), "too early");
    strike(&sysroot, "dev/pts/3", Duration::ZERO);
    assert!(present(&mut inbox).await, "and back again");
}

#[tokio::test]
async fn a_machine_without_terminals_waits_for_one() {
    let sysroot = Sysroot::new();
    std::fs::create_dir(sysroot.path("dev")).unwrap();
    let mut inbox = sysroot.watch(SourceKind::UserPresence);
    let Status::Degraded { why, .. } = inbox.status().await else { panic!("must be degraded") };
    assert!(why.contains("there is no terminal of this user"), "{why}");
    assert!(!present(&mut inbox).await);
    std::fs::create_dir(sysroot.path("dev/pts")).unwrap();
    strike(&sysroot, "dev/pts/0", Duration::ZERO);
    assert!(present(&mut inbox).await);
}

#[tokio::test]
async fn a_second_terminal_counts_too() {
    let sysroot = Sysroot::new();
    strike(&sysroot, "dev/tty1", PRESENCE_IDLE * 2);
    std::fs::create_dir_all(sysroot.path("dev/pts")).unwrap();
    let mut inbox = sysroot.watch(SourceKind::UserPresence);
    assert!(!present(&mut inbox).await);
    strike(&sysroot, "dev/pts/1", Duration::ZERO);
    assert!(present(&mut inbox).await);
}

// --- logind ---------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_session_is_followed_from_beginning_to_end() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Logind::start(&bus).await;
    let mut inbox = sysroot.watch(SourceKind::UserPresence);
    assert_eq!(inbox.status().await, Status::Available { how: "logind".into() });
    assert!(!present(&mut inbox).await, "nobody has logged in");
    logind.add("c1", own_uid(&sysroot), Session::DESKTOP).await;
    assert!(present(&mut inbox).await);
    logind.change("c1", |session| session.locked = true).await;
    assert!(!present(&mut inbox).await, "locked");
    logind.change("c1", |session| session.locked = false).await;
    assert!(present(&mut inbox).await);
    logind.change("c1", |session| session.idle = true).await;
    assert!(!present(&mut inbox).await, "idle");
    logind.change("c1", |session| session.idle = false).await;
    assert!(present(&mut inbox).await);
    logind.change("c1", |session| (session.active, session.state) = (false, "online")).await;
    assert!(!present(&mut inbox).await, "another user is in front");
    logind.change("c1", |session| (session.active, session.state) = (true, "active")).await;
    assert!(present(&mut inbox).await);
    logind.remove("c1").await;
    assert!(!present(&mut inbox).await, "logged out");
}

/// Several seats, each with a session of the same user in front, and one more in the background.
#[tokio::test]
async fn at_several_seats_the_user_is_away_when_nobody_sits_at_any() {
    let sysroot = Sysroot::new();
    let uid = own_uid(&sysroot);
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Logind::start(&bus).await;
    logind.add("first", uid, Session::DESKTOP).await;
    logind.add("second", uid, Session::DESKTOP).await;
    logind.add("behind", uid, Session { active: false, state: "online", ..Session::DESKTOP }).await;
    let mut inbox = sysroot.watch(SourceKind::UserPresence);
    assert!(present(&mut inbox).await);
    logind.change("first", |session| session.locked = true).await;
    logind.change("second", |session| session.idle = true).await;
    assert!(!present(&mut inbox).await, "locked here, idle there");
    logind.change("second", |session| session.idle = false).await;
    assert!(present(&mut inbox).await);
    logind.change("second", |session| (session.active, session.state) = (false, "online")).await;
    assert!(!present(&mut inbox).await, "the session in the background counts for nothing");
    logind.change("behind", |session| (session.active, session.state) = (true, "active")).await;
    assert!(present(&mut inbox).await, "until it is in front");
}

#[tokio::test]
async fn sessions_of_others_and_of_no_person_do_not_count() {
    let sysroot = Sysroot::new();
    let uid = own_uid(&sysroot);
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Logind::start(&bus).await;
    logind.add("other", uid + 1, Session::DESKTOP).await;
    logind.add("greeter", uid, Session { class: "greeter", ..Session::DESKTOP }).await;
    logind.add("closing", uid, Session { state: "closing", ..Session::DESKTOP }).await;
    let mut inbox = sysroot.watch(SourceKind::UserPresence);
    assert!(!present(&mut inbox).await);
    logind.add("mine", uid, Session { state: "opening", ..Session::DESKTOP }).await;
    assert!(present(&mut inbox).await, "logind does not tell when it is done with opening a session");
}

/// logind sends no signal when a text session becomes idle or is typed in again.
#[tokio::test]
async fn a_text_session_is_judged_by_its_terminal() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Logind::start(&bus).await;
    strike(&sysroot, "dev/pts/0", PRESENCE_IDLE);
    let typed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() - (PRESENCE_IDLE - LEFT);
    let idle_since = typed.as_micros() as u64;
    logind.add("1", own_uid(&sysroot), Session { kind: "tty", idle_since, ..Session::DESKTOP }).await;
    let mut inbox = sysroot.watch(SourceKind::UserPresence);
    assert!(is_available(&inbox.status().await));
    assert!(present(&mut inbox).await);
    assert!(!present(&mut inbox).await, "by the clock alone");
    strike(&sysroot, "dev/pts/0", Duration::ZERO);
    assert!(present(&mut inbox).await, "by the key alone");
}

#[tokio::test]
async fn logind_vanishes_and_returns() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Logind::start(&bus).await;
    logind.add("c1", own_uid(&sysroot), Session::DESKTOP).await;
    let mut inbox = sysroot.watch(SourceKind::UserPresence);
    assert!(present(&mut inbox).await);
    logind.connection.close().await.unwrap();
    assert!(is_degraded(&inbox.status().await));
    assert!(!present(&mut inbox).await, "no terminal either");
    let logind = Logind::start(&bus).await;
    assert!(is_available(&inbox.status().await));
    logind.add("c1", own_uid(&sysroot), Session::DESKTOP).await;
    assert!(present(&mut inbox).await);
}

/// Where the session's `IdleHint` should be a boolean.
struct Nonsense;

#[interface(name = "org.freedesktop.login1.Session")]
impl Nonsense {
    #[zbus(property)]
    fn class(&self) -> &str {
        "user"
    }

    #[zbus(property)]
    fn state(&self) -> &str {
        "active"
    }

    #[zbus(property)]
    fn active(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn idle_hint(&self) -> f64 {
        0.5
    }
}

#[tokio::test]
async fn nonsense_is_named_and_the_terminals_decide() {
    let sysroot = Sysroot::new();
    strike(&sysroot, "dev/pts/0", Duration::ZERO);
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Logind::start(&bus).await;
    logind.connection.object_server().at(session_path("c1"), Nonsense).await.unwrap();
    let manager = logind.connection.object_server().interface::<_, Manager>(MANAGER).await.unwrap();
    manager.get_mut().await.sessions.push(("c1".to_owned(), own_uid(&sysroot)));
    let mut inbox = sysroot.watch(SourceKind::UserPresence);
    let Status::Degraded { why, .. } = inbox.status().await else { panic!("must be degraded") };
    assert!(why.contains("its property IdleHint has the type 'd'"), "{why}");
    assert!(present(&mut inbox).await);
}

#[tokio::test]
async fn a_session_listed_but_gone_is_skipped() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Logind::start(&bus).await;
    let manager = logind.connection.object_server().interface::<_, Manager>(MANAGER).await.unwrap();
    manager.get_mut().await.sessions.push(("ghost".to_owned(), own_uid(&sysroot)));
    logind.add("c1", own_uid(&sysroot), Session::DESKTOP).await;
    assert!(present(&mut sysroot.watch(SourceKind::UserPresence)).await);
}

/// Sixty-four sessions of one user are looked at, so the sixty-fifth is not.
#[tokio::test]
async fn of_too_many_sessions_the_first_are_asked() {
    let sysroot = Sysroot::new();
    let uid = own_uid(&sysroot);
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Logind::start(&bus).await;
    for n in 0..63 {
        logind.add(&format!("idle{n}"), uid, Session { idle: true, ..Session::DESKTOP }).await;
    }
    logind.add("at_bound", uid, Session { idle: true, ..Session::DESKTOP }).await;
    logind.add("beyond", uid, Session::DESKTOP).await;
    let mut inbox = sysroot.watch(SourceKind::UserPresence);
    assert!(!present(&mut inbox).await);
    logind.change("at_bound", |session| session.idle = false).await;
    assert!(present(&mut inbox).await);
}
