//! The source of standby: a logind of our own on a private bus.

mod common;

use bgtask_sources::{SourceKind, Status};
use common::service::{Answer, Identity, Mood, Service, Value::Bool};
use common::{Sysroot, TestBus};

const LOGIND: Identity = Identity {
    name: "org.freedesktop.login1",
    path: "/org/freedesktop/login1",
    interface: "org.freedesktop.login1.Manager",
    signal: Some("PrepareForSleep"),
};
const AWAKE: Answer = Answer::Properties(&[("PreparingForSleep", Bool(false))]);
const SLEEPS: Answer = Answer::Properties(&[("PreparingForSleep", Bool(true))]);

#[tokio::test]
async fn the_machine_goes_to_sleep_and_wakes_up() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Service::start(&bus, LOGIND, AWAKE).await;
    let mut inbox = sysroot.watch(SourceKind::Standby);
    assert_eq!(inbox.status().await, Status::Available { how: "logind".into() });
    assert!(!inbox.holds().await);
    for _ in 0..2 {
        logind.set(SLEEPS, Mood::Well);
        logind.signal().await;
        assert!(inbox.holds().await);
        logind.set(AWAKE, Mood::Well);
        logind.signal().await;
        assert!(!inbox.holds().await);
    }
}

/// The signal of this test says that sleep is near, as every one of its signals does; logind says that it is not.
#[tokio::test]
async fn what_the_signal_says_is_not_believed() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let logind = Service::start(&bus, LOGIND, SLEEPS).await;
    let mut inbox = sysroot.watch(SourceKind::Standby);
    assert!(inbox.holds().await);
    logind.set(AWAKE, Mood::Well);
    logind.signal().await;
    assert!(!inbox.holds().await);
}

#[tokio::test]
async fn without_logind_the_machine_counts_as_awake() {
    let mut inbox = Sysroot::new().watch(SourceKind::Standby);
    let Status::Degraded { how, why, help } = inbox.status().await else { panic!("must be degraded") };
    assert_eq!(how, "counts as awake");
    assert_eq!(why, "logind cannot be asked: it is not running; that the machine goes to sleep is not seen");
    assert_eq!(help, "install and start systemd-logind or elogind");
    assert!(!inbox.holds().await);
}
