//! What waits costs nothing. The kernel counts for each thread, so each test has one to itself.

mod common;

use std::fs;
use std::time::Duration;

use bgtask_sources::{
    BusKind, DayWindow, EventReport, PathEvents, PathReport, PathSpec, Report, SourceKind, Subject, World, listen,
    start, watch_path,
};
use common::{DEADLINE, Sysroot, TestBus};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// How often this thread has gone to sleep, and for how many nanoseconds it has run.
fn effort() -> (u64, u64) {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let sleeps = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
    let run = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    (sleeps.trim().parse().unwrap(), run.split(' ').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_hundred_path_watches_and_a_window_make_no_wake_ups() {
    let root = tempfile::tempdir().unwrap();
    let world = World::new(root.path());
    fs::create_dir(root.path().join("in")).unwrap();
    let (sender, mut changes) = mpsc::channel(16);
    let on = PathEvents::default();
    let watch = |n| {
        let path = format!("/in/{n}").into();
        watch_path(n, PathSpec { path, recursive: true, on, settle: Duration::ZERO }, &world, sender.clone())
    };
    let _watches: Vec<_> = (0..100).map(watch).collect();
    let (sender, mut levels) = mpsc::channel(16);
    let _window = start(SourceKind::Between(DayWindow { from: 0, to: 1440 }), &world, sender);
    while !matches!(levels.recv().await, Some(Report::Level(..))) {}
    fs::write(root.path().join("in/50"), "").unwrap();
    let told = async {
        let mut watched = 0;
        let mut heard = false;
        while watched < 101 || !heard {
            match changes.recv().await.unwrap().1 {
                PathReport::Status(_) => watched += 1,
                PathReport::Burst(_) => heard = true,
            }
        }
    };
    timeout(DEADLINE, told).await.expect("a watch says nothing");
    assert_quiet().await;
}

async fn assert_quiet() {
    let before = effort();
    sleep(Duration::from_secs(2)).await;
    let after = effort();
    // The timer of this test itself wakes the thread a few times.
    assert!(after.0 - before.0 < 20, "{} wake-ups in two seconds", after.0 - before.0);
    assert!(after.1 - before.1 < 100_000_000, "ran for {} ns", after.1 - before.1);
}

/// All that can be watched, on buses where nobody speaks, by the second and third best means.
#[tokio::test]
async fn all_sources_make_no_wake_ups() {
    const KINDS: [SourceKind; 22] = [
        SourceKind::TimeZone,
        SourceKind::Internet,
        SourceKind::FreeNetwork,
        SourceKind::NetworkState,
        SourceKind::UserPresence,
        SourceKind::SessionConnected,
        SourceKind::Idle(Duration::from_secs(60)),
        SourceKind::Idle(Duration::from_secs(3600)),
        SourceKind::Screen,
        SourceKind::ExternalPower,
        SourceKind::PowerState,
        SourceKind::BatteryAbove(50),
        SourceKind::BatteryAbove(20),
        SourceKind::EnergySaver,
        SourceKind::MemoryPressure,
        SourceKind::CpuPressure,
        SourceKind::Standby,
        SourceKind::DiskFree(1),
        SourceKind::LoadBelow(100),
        SourceKind::LoadBelow(1000),
        SourceKind::Between(DayWindow { from: 0, to: 1440 }),
        SourceKind::Between(DayWindow { from: 1, to: 1440 }),
    ];
    let sysroot = Sysroot::new();
    sysroot.write("proc/net/route", "");
    sysroot.write("proc/pressure/cpu", "some avg10=49.00 avg60=0.00 avg300=0.00 total=1\n");
    sysroot.write("proc/loadavg", "0.32 1.12 1.12 1/88 16534");
    fs::create_dir_all(sysroot.path("sys/class")).unwrap();
    fs::create_dir_all(sysroot.path("dev/pts")).unwrap();
    let Some(_system) = TestBus::start(&sysroot) else { return };
    let Some(_session) = TestBus::start_on(&sysroot, BusKind::Session) else { return };
    let (sender, mut reports) = mpsc::channel(64);
    let _sources = KINDS.map(|kind| start(kind, &sysroot.world(), sender.clone()));
    let told = async {
        let mut told = 0;
        while told < KINDS.len() {
            told += usize::from(!matches!(reports.recv().await, Some(Report::Status(..))));
        }
    };
    timeout(DEADLINE, told).await.expect("a source says nothing");
    // Whoever found a bus has heard of it by then.
    sleep(Duration::from_secs(1)).await;
    assert_quiet().await;
}

#[tokio::test]
async fn fifty_listeners_on_both_buses_make_no_wake_ups() {
    let sysroot = Sysroot::new();
    let (Some(_system), Some(_session)) = (TestBus::start(&sysroot), TestBus::start_session(&sysroot)) else { return };
    let world = sysroot.world();
    let (sender, mut reports) = mpsc::channel(16);
    let subjects = [
        ("DBusSignalTrigger", &[("member", "Changed")][..]),
        ("UnitStateTrigger", &[("unit", "backup.service"), ("state", "failed")]),
        ("SmsMessageReceivedTrigger", &[]),
        ("ToastNotificationActionTrigger", &[("app", "org.example.Mail")]),
        ("ToastNotificationHistoryChangedTrigger", &[("app", "org.example.Mail")]),
    ];
    let of = |(class, properties): (&str, &[(&str, &str)])| {
        let owned = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Subject::read(class, &owned.collect()).unwrap()
    };
    let listener = |n: u128| listen(n, of(subjects[n as usize % subjects.len()]), &world, sender.clone());
    let _listeners: Vec<_> = (0..50).map(listener).collect();
    let told = async {
        for _ in 0..50 {
            assert!(matches!(reports.recv().await, Some((_, EventReport::Status(_)))));
        }
    };
    timeout(DEADLINE, told).await.expect("a listener says nothing");
    assert_quiet().await;
}
