//! The idle source: terminals that are files, and a logind of our own on a private bus.

mod common;

use std::time::{Duration, SystemTime};

use bgtask_sources::{SourceKind, Status};
use common::logind::{Logind, Session, own_uid, strike};
use common::{Sysroot, TestBus, is_available, is_degraded};

const LEAST: Duration = Duration::from_secs(600);
const IDLE: SourceKind = SourceKind::Idle(LEAST);

/// Time enough to look before it is over, on a busy machine.
const LEFT: Duration = Duration::from_secs(5);

/// What logind shows for that long ago.
fn micros_ago(ago: Duration) -> u64 {
    (SystemTime::now() - ago).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros() as u64
}

// --- Terminals ------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn without_logind_it_begins_exactly_so_long_after_the_last_key_and_ends_with_the_next() {
    let sysroot = Sysroot::new();
    let last_key = SystemTime::now() - (LEAST - LEFT);
    strike(&sysroot, "dev/pts/0", LEAST - LEFT);
    let mut inbox = sysroot.watch(IDLE);
    let Status::Degraded { how, .. } = inbox.status().await else { panic!("must be degraded") };
    assert_eq!(how, "terminal activity");
    assert!(!inbox.holds().await);
    assert!(inbox.holds().await);
    assert!(SystemTime::now() >= last_key + LEAST - Duration::from_millis(50), "too early");
    strike(&sysroot, "dev/pts/0", Duration::ZERO);
    assert!(!inbox.holds().await);
}

#[tokio::test]
async fn each_duration_has_its_own_moment() {
    let sysroot = Sysroot::new();
    strike(&sysroot, "dev/pts/0", LEAST);
    assert!(sysroot.watch(IDLE).holds().await);
    assert!(!sysroot.watch(SourceKind::Idle(LEAST * 2)).holds().await);
    assert!(!sysroot.watch(SourceKind::Idle(Duration::MAX)).holds().await, "beyond the end of time");
}

#[tokio::test]
async fn where_there_is_nobody_to_see_it_counts_from_the_first_look() {
    let sysroot = Sysroot::new();
    std::fs::create_dir_all(sysroot.path("dev/pts")).unwrap();
    let mut inbox = sysroot.watch(SourceKind::Idle(LEFT));
    assert!(is_degraded(&inbox.status().await));
    assert!(!inbox.holds().await);
    assert!(inbox.holds().await);
    strike(&sysroot, "dev/pts/0", Duration::ZERO);
    assert!(!inbox.holds().await, "a first terminal");
}

// --- logind ---------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_desktop_says_since_when() {
    let sysroot = Sysroot::new();
    let uid = own_uid(&sysroot);
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Logind::start(&bus).await;
    logind.add("c1", uid, Session::DESKTOP).await;
    let mut inbox = sysroot.watch(IDLE);
    assert!(is_available(&inbox.status().await));
    assert!(!inbox.holds().await);
    let idle_since = micros_ago(LEAST);
    logind.change("c1", |session| (session.idle, session.idle_since) = (true, idle_since)).await;
    assert!(inbox.holds().await);
    logind.change("c1", |session| session.idle = false).await;
    assert!(!inbox.holds().await);
}

#[tokio::test]
async fn a_desktop_that_became_idle_just_now_is_waited_for_by_the_clock_alone() {
    let sysroot = Sysroot::new();
    let uid = own_uid(&sysroot);
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Logind::start(&bus).await;
    let idle_since = micros_ago(LEAST - LEFT);
    logind.add("c1", uid, Session { idle: true, idle_since, ..Session::DESKTOP }).await;
    let mut inbox = sysroot.watch(IDLE);
    assert!(!inbox.holds().await);
    assert!(inbox.holds().await);
    assert!(micros_ago(LEAST) >= idle_since, "too early");
}

/// The desktop tells of its idleness minutes after its session was locked.
#[tokio::test]
async fn a_locked_session_is_idle_from_when_it_was_seen_locked_whatever_is_said_later() {
    let sysroot = Sysroot::new();
    let uid = own_uid(&sysroot);
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Logind::start(&bus).await;
    logind.add("c1", uid, Session { locked: true, ..Session::DESKTOP }).await;
    let mut inbox = sysroot.watch(SourceKind::Idle(LEFT));
    assert!(!inbox.holds().await);
    assert!(inbox.holds().await);
    let idle_since = micros_ago(Duration::ZERO);
    logind.change("c1", |session| (session.idle, session.idle_since) = (true, idle_since)).await;
    logind.change("c1", |session| (session.idle, session.locked) = (false, false)).await;
    assert!(!inbox.holds().await, "the first that is told is that the user is back");
    assert!(inbox.is_empty());
}

/// logind calls a text session idle after half an hour, and says nothing when a key is struck then.
#[tokio::test]
async fn a_text_session_goes_by_its_terminal_even_when_logind_calls_it_idle() {
    let sysroot = Sysroot::new();
    let uid = own_uid(&sysroot);
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Logind::start(&bus).await;
    strike(&sysroot, "dev/pts/0", LEAST * 4);
    let idle_since = micros_ago(LEAST * 4);
    logind.add("1", uid, Session { kind: "tty", idle: true, idle_since, ..Session::DESKTOP }).await;
    let mut idle = sysroot.watch(IDLE);
    let mut presence = sysroot.watch(SourceKind::UserPresence);
    assert!(idle.holds().await);
    assert!(!presence.holds().await);
    strike(&sysroot, "dev/pts/0", Duration::ZERO);
    assert!(!idle.holds().await);
    assert!(presence.holds().await);
}

#[tokio::test]
async fn of_several_sessions_the_one_in_use_counts() {
    let sysroot = Sysroot::new();
    let uid = own_uid(&sysroot);
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Logind::start(&bus).await;
    let idle_since = micros_ago(LEAST);
    logind.add("old", uid, Session { idle: true, idle_since, ..Session::DESKTOP }).await;
    let mut inbox = sysroot.watch(IDLE);
    assert!(inbox.holds().await);
    logind.add("new", uid, Session::DESKTOP).await;
    assert!(!inbox.holds().await);
    logind.remove("new").await;
    assert!(inbox.holds().await);
}
