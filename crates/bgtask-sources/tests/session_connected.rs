//! The source of connected sessions: a logind of our own on a private bus, and terminals that are files.

mod common;

use std::time::Duration;

use bgtask_sources::{LOGGED_OFF, Report, SourceKind, Status};
use common::logind::{Logind, Session, own_uid, strike};
use common::{Sysroot, TestBus};

const REMOTE: Session = Session { kind: "tty", ..Session::DESKTOP };

fn leave(session: &mut Session) {
    (session.active, session.state) = (false, "online");
}

fn come_back(session: &mut Session) {
    (session.active, session.state) = (true, "active");
}

/// CND-3: the condition `SessionConnected` is met at a log-in, `SessionDisconnected` at a fast user switch.
#[tokio::test]
async fn a_log_in_connects_and_a_switch_to_another_user_disconnects() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Logind::start(&bus).await;
    logind.add("other", own_uid(&sysroot) + 1, Session::DESKTOP).await;
    let mut inbox = sysroot.watch(SourceKind::SessionConnected);
    assert_eq!(inbox.status().await, Status::Available { how: "logind".into() });
    assert!(!inbox.holds().await, "somebody else is logged in");
    logind.change("other", leave).await;
    logind.add("c1", own_uid(&sysroot), Session::DESKTOP).await;
    assert!(inbox.holds().await);
    logind.change("c1", leave).await;
    assert!(!inbox.holds().await, "switched away");
    logind.change("c1", |session| session.locked = true).await;
    logind.change("c1", come_back).await;
    assert!(inbox.holds().await, "a locked session is connected too");
    assert!(inbox.is_empty());
}

/// CND-3: "it is not a log-off signal".
#[tokio::test]
async fn to_log_off_is_not_to_disconnect_and_the_next_log_in_is_an_edge() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Logind::start(&bus).await;
    logind.add("c1", own_uid(&sysroot), Session::DESKTOP).await;
    let mut inbox = sysroot.watch(SourceKind::SessionConnected);
    assert!(inbox.holds().await);
    logind.change("c1", |session| (session.active, session.state) = (false, "closing")).await;
    logind.remove("c1").await;
    assert_eq!(inbox.level().await, Report::State(SourceKind::SessionConnected, LOGGED_OFF.into()));
    logind.add("c2", own_uid(&sysroot), Session::DESKTOP).await;
    assert!(inbox.holds().await, "told again: an edge");
    assert!(inbox.is_empty());
}

#[tokio::test]
async fn of_several_sessions_on_several_seats_one_is_enough() {
    let sysroot = Sysroot::new();
    let uid = own_uid(&sysroot);
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Logind::start(&bus).await;
    logind.add("seat0", uid, Session::DESKTOP).await;
    logind.add("seat1", uid, Session::DESKTOP).await;
    let mut inbox = sysroot.watch(SourceKind::SessionConnected);
    assert!(inbox.holds().await);
    logind.change("seat0", leave).await;
    logind.change("seat1", leave).await;
    assert!(!inbox.holds().await, "both in the background");
    logind.change("seat1", come_back).await;
    assert!(inbox.holds().await);
    logind.change("seat1", leave).await;
    assert!(!inbox.holds().await);
    logind.add("ssh", uid, REMOTE).await;
    assert!(inbox.holds().await, "a remote session has no seat and is active while it lasts");
    logind.remove("ssh").await;
    assert!(!inbox.holds().await, "the remote end hung up, and the local ones are still in the background");
}

#[tokio::test]
async fn sessions_of_no_person_do_not_count() {
    let sysroot = Sysroot::new();
    let uid = own_uid(&sysroot);
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Logind::start(&bus).await;
    for class in ["greeter", "lock-screen", "background", "manager", "user-incomplete"] {
        logind.add(&class.replace('-', "_"), uid, Session { class, ..Session::DESKTOP }).await;
    }
    let mut inbox = sysroot.watch(SourceKind::SessionConnected);
    assert!(!inbox.holds().await);
    logind.add("early", uid, Session { class: "user-early", ..Session::DESKTOP }).await;
    assert!(inbox.holds().await);
}

#[tokio::test]
async fn without_logind_a_terminal_is_a_connection_and_none_says_nothing() {
    let sysroot = Sysroot::new();
    std::fs::create_dir_all(sysroot.path("dev/pts")).unwrap();
    let mut inbox = sysroot.watch(SourceKind::SessionConnected);
    let Status::Degraded { how, why, help } = inbox.status().await else { panic!("must be degraded") };
    assert_eq!(how, "terminals of this user");
    assert!(why.contains("logind cannot be asked: it is not running; a switch to another user is not seen"), "{why}");
    assert!(help.contains("systemd-logind or elogind"), "{help}");
    assert!(!inbox.holds().await);
    strike(&sysroot, "dev/pts/0", Duration::from_secs(10_000));
    assert!(inbox.holds().await);
    std::fs::remove_file(sysroot.path("dev/pts/0")).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(inbox.is_empty(), "to log off is not to disconnect");
}
