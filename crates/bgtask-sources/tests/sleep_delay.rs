//! Delaying sleep: what python-dbusmock believes of logind, which is not what we believe of it.

mod common;

use bgtask_sources::{SleepDelay, SourceKind, Status};
use common::dbusmock::DbusMock;
use common::listener::until;
use common::{Sysroot, TestBus};
use rustix::io::{FdFlags, fcntl_getfd};

const LOGIND: &str = "org.freedesktop.login1";
const OBJECT: &str = "/org/freedesktop/login1";

/// What is inhibited, by whom, why and how; user and process.
type Inhibitor = (String, String, String, String, u32, u32);

async fn inhibitors_of(logind: &DbusMock) -> Vec<Inhibitor> {
    let manager = Some("org.freedesktop.login1.Manager");
    let reply = logind.user.call_method(Some(LOGIND), OBJECT, manager, "ListInhibitors", &()).await.unwrap();
    reply.body().deserialize().unwrap()
}

/// D15.
#[tokio::test]
async fn sleep_is_delayed_until_the_delay_is_given_back() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let Some(logind) = DbusMock::start(&sysroot, &bus, "logind", LOGIND).await else { return };
    let delay = SleepDelay::take(&sysroot.world(), "a task sends what it has").await.unwrap();
    let inhibitors = inhibitors_of(&logind).await;
    let [(what, who, why, mode, ..)] = inhibitors.as_slice() else { panic!("{inhibitors:?}") };
    assert_eq!([what, who, why, mode], ["sleep", "bgtask", "a task sends what it has", "delay"]);
    assert!(fcntl_getfd(&delay).unwrap().contains(FdFlags::CLOEXEC), "no task may inherit it");
    drop(delay);
    until("the delay is given back", || async { inhibitors_of(&logind).await.is_empty() }).await;
}

/// The source of standby asks the same mock, and understands it.
#[tokio::test]
async fn a_foreign_logind_says_that_it_is_awake() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let Some(_logind) = DbusMock::start(&sysroot, &bus, "logind", LOGIND).await else { return };
    let mut inbox = sysroot.watch(SourceKind::Standby);
    assert_eq!(inbox.status().await, Status::Available { how: "logind".into() });
    assert!(!inbox.holds().await);
}

#[tokio::test]
async fn without_logind_it_is_said_why_not() {
    let sysroot = Sysroot::new();
    let error = SleepDelay::take(&sysroot.world(), "a task").await.unwrap_err().to_string();
    assert!(error.starts_with("sleep cannot be delayed: the system bus cannot be reached: "), "{error}");
    let Some(_bus) = TestBus::start(&sysroot) else { return };
    let error = SleepDelay::take(&sysroot.world(), "a task").await.unwrap_err().to_string();
    let expected = "sleep cannot be delayed: logind cannot be asked: it is not running";
    assert_eq!(error, expected);
    assert_eq!(SleepDelay::longest(&sysroot.world()).await.unwrap_err().to_string(), expected);
}
