//! The memory pressure source: averages in files below a root, and what this machine's own kernel offers.
//!
//! To be really short of memory is more than a test may ask of a machine. That the kernel's alarm is heard is tested
//! beside the code, with another descriptor that becomes urgent.

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use bgtask_sources::{MEMORY_REREAD, Report, SourceKind, Status, World, start};
use common::{DEADLINE, Inbox, Sysroot, is_available, pass};
use tokio::sync::mpsc;
use tokio::time::timeout;

const PRESSURE: &str = "proc/pressure/memory";

fn averages(percent: &str) -> String {
    let rest = "avg60=0.00 avg300=0.00 total=1";
    format!("some avg10={percent} {rest}\nfull avg10=0.00 {rest}\n")
}

fn calm() -> Sysroot {
    let sysroot = Sysroot::new();
    sysroot.write(PRESSURE, averages("0.00"));
    sysroot
}

async fn short(inbox: &mut Inbox) -> bool {
    match inbox.level().await {
        Report::Level(SourceKind::MemoryPressure, short) => short,
        other => panic!("expected memory pressure, got {other:?}"),
    }
}

#[tokio::test]
async fn pressure_comes_and_goes() {
    let sysroot = calm();
    let mut inbox = sysroot.watch(SourceKind::MemoryPressure);
    assert_eq!(inbox.status().await, Status::Available { how: "/proc/pressure/memory".into() });
    assert!(!short(&mut inbox).await);
    for _ in 0..2 {
        sysroot.write(PRESSURE, averages("12.50"));
        assert!(short(&mut inbox).await);
        sysroot.write(PRESSURE, averages("0.99"));
        assert!(!short(&mut inbox).await);
    }
}

#[tokio::test]
async fn a_machine_that_is_short_of_memory_already_is_said_to_be() {
    let sysroot = Sysroot::new();
    sysroot.write(PRESSURE, averages("7.50"));
    let mut inbox = sysroot.watch(SourceKind::MemoryPressure);
    assert!(is_available(&inbox.status().await));
    assert!(short(&mut inbox).await);
}

/// The kernel says nothing when it is over. A file that is kept open tells nobody either.
#[tokio::test]
async fn while_it_lasts_the_average_is_read_by_the_clock() {
    let sysroot = Sysroot::new();
    sysroot.write(PRESSURE, averages("50.00"));
    let file = OpenOptions::new().write(true).open(sysroot.path(PRESSURE)).unwrap();
    let mut inbox = sysroot.watch(SourceKind::MemoryPressure);
    assert!(short(&mut inbox).await);
    file.write_all_at(averages("05.00").as_bytes(), 0).unwrap();
    pass(MEMORY_REREAD).await;
    assert!(timeout(Duration::from_millis(100), inbox.next()).await.is_err(), "still above the relief");
    file.write_all_at(averages("00.50").as_bytes(), 0).unwrap();
    pass(MEMORY_REREAD).await;
    assert!(!short(&mut inbox).await);
    drop(file);
}

#[tokio::test]
async fn nothing_to_read_is_said_and_healed() {
    let sysroot = Sysroot::new();
    let mut inbox = sysroot.watch(SourceKind::MemoryPressure);
    let Status::Missing { why, help } = inbox.status().await else { panic!("must be missing") };
    assert_eq!(why, "/proc/pressure/memory is not there");
    assert_eq!(help, "boot a kernel with CONFIG_PSI=y, and with psi=1 on its command line");
    assert!(!short(&mut inbox).await);
    sysroot.write(PRESSURE, averages("20.00"));
    assert!(short(&mut inbox).await);
    fs::remove_file(sysroot.path(PRESSURE)).unwrap();
    assert!(!short(&mut inbox).await);
}

#[tokio::test]
async fn nonsense_is_named_and_is_no_pressure() {
    for nonsense in ["", "some\n", "some avg10=much\n", "full avg10=99.00\n", "some avg10=-1.00\n", "\u{fffd}\0"] {
        let sysroot = Sysroot::new();
        sysroot.write(PRESSURE, nonsense);
        let mut inbox = sysroot.watch(SourceKind::MemoryPressure);
        let Status::Missing { why, .. } = inbox.status().await else { panic!("{nonsense:?} must be missing") };
        assert!(why.ends_with("it does not say the average over ten seconds"), "{why}");
        assert!(!short(&mut inbox).await);
        sysroot.write(PRESSURE, averages("0.00"));
        inbox.status_that(is_available).await;
    }
}

/// A file below another root is read and never written to.
#[tokio::test]
async fn a_plain_file_stays_as_it_is() {
    let sysroot = calm();
    let mut inbox = sysroot.watch(SourceKind::MemoryPressure);
    assert!(!short(&mut inbox).await);
    assert_eq!(fs::read_to_string(sysroot.path(PRESSURE)).unwrap(), averages("0.00"));
}

/// What the status says of this machine is what its kernel does.
#[tokio::test]
async fn the_machine_says_what_its_kernel_can() {
    let takes_a_trigger = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/proc/pressure/memory")
        .and_then(|mut file| file.write_all(b"some 150000 2000000\0"));
    let (sender, mut reports) = mpsc::channel(4);
    let _source = start(SourceKind::MemoryPressure, &World::new("/"), sender);
    let first = timeout(DEADLINE, reports.recv()).await.expect("the source says nothing");
    let Some(Report::Status(SourceKind::MemoryPressure, status)) = first else { panic!("no status but {first:?}") };
    match takes_a_trigger {
        Ok(()) => assert_eq!(status, Status::Available { how: "/proc/pressure/memory".into() }),
        Err(error) => {
            println!("this kernel takes no trigger of ours: {error}");
            let (Status::Degraded { why, .. } | Status::Missing { why, .. }) = status else { panic!("{status}") };
            assert!(why.contains(&format!("/proc/pressure/memory takes no trigger: {error}")), "{why}");
        }
    }
    let level = timeout(DEADLINE, reports.recv()).await.expect("the source tells no level");
    assert!(matches!(level, Some(Report::Level(SourceKind::MemoryPressure, _))), "{level:?}");
}
