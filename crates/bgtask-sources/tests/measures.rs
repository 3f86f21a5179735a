//! The sources that are read by time: the load, from a file below a root, and free space, of a real file system.

mod common;

use std::fs;
use std::time::Duration;

use bgtask_sources::{LOAD_REREAD, SourceKind, Status};
use common::{Sysroot, is_available, pass};

const LOAD: &str = "proc/loadavg";
const BELOW_TWO: SourceKind = SourceKind::LoadBelow(200);

fn loaded(load: &str) -> Sysroot {
    let sysroot = Sysroot::new();
    sysroot.write(LOAD, format!("{load} 9.00 9.00 1/88 16534\n"));
    sysroot
}

#[tokio::test]
async fn the_load_is_read_by_the_clock_and_that_is_said() {
    let sysroot = loaded("2.00");
    let mut inbox = sysroot.watch(BELOW_TWO);
    assert_eq!(inbox.status().await, Status::Available { how: "/proc/loadavg, read every 30 s".into() });
    assert!(!inbox.holds().await);
    sysroot.write(LOAD, "1.99 0 0");
    pass(LOAD_REREAD).await;
    assert!(inbox.holds().await);
    sysroot.write(LOAD, "2.20 0 0");
    pass(LOAD_REREAD).await;
    assert!(!inbox.holds().await);
}

/// It begins below what was asked, and ends a tenth above.
#[tokio::test]
async fn a_load_that_wavers_does_not_flap() {
    let sysroot = loaded("1.50");
    let mut inbox = sysroot.watch(BELOW_TWO);
    assert!(inbox.holds().await);
    for load in ["2.00", "2.19", "1.99"] {
        sysroot.write(LOAD, load);
        pass(LOAD_REREAD).await;
        assert!(tokio::time::timeout(Duration::from_millis(20), inbox.next()).await.is_err(), "at {load}");
    }
    sysroot.write(LOAD, "2.21");
    pass(LOAD_REREAD).await;
    assert!(!inbox.holds().await);
}

#[tokio::test]
async fn nonsense_is_no_load_and_is_healed() {
    for nonsense in ["", "much", "-1.00", "NaN", "inf", "\u{fffd}\0"] {
        let sysroot = loaded(nonsense);
        let mut inbox = sysroot.watch(BELOW_TWO);
        sysroot.write(LOAD, nonsense);
        let Status::Missing { why, help } = inbox.status().await else { panic!("{nonsense:?} must be missing") };
        assert_eq!((why.as_str(), help.as_str()), ("/proc/loadavg does not begin with a load", "mount /proc"));
        assert!(!inbox.holds().await);
        sysroot.write(LOAD, "0.00");
        pass(LOAD_REREAD).await;
        assert!(is_available(&inbox.status().await));
        assert!(inbox.holds().await);
    }
    let mut nothing = Sysroot::new().watch(BELOW_TWO);
    let Status::Missing { why, .. } = nothing.status().await else { panic!("must be missing") };
    assert!(why.starts_with("/proc/loadavg cannot be read: No such file"), "{why}");
}

#[tokio::test]
async fn free_space_is_that_of_the_home_folder() {
    let sysroot = Sysroot::new();
    let mut homeless = sysroot.watch(SourceKind::DiskFree(0));
    let Status::Missing { why, help } = homeless.status().await else { panic!("must be missing") };
    assert!(why.contains("home cannot be read: No such file"), "{why}");
    assert!(help.contains("set HOME"), "{help}");
    assert!(!homeless.holds().await);
    fs::create_dir(sysroot.path("home")).unwrap();
    let mut inbox = sysroot.watch(SourceKind::DiskFree(1));
    let how = format!("the file system of {}, read every 60 s", sysroot.path("home").display());
    assert_eq!(inbox.status().await, Status::Available { how });
    assert!(inbox.holds().await, "there is a byte");
    assert!(!sysroot.watch(SourceKind::DiskFree(u64::MAX)).holds().await, "there is no such disk");
}
