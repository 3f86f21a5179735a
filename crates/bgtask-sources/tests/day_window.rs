//! The window source. The machine's clock is left alone: a zone of our own puts the clock on the wall where the test needs it.

mod common;

use std::time::SystemTime;

use bgtask_sources::{DayWindow, SourceKind, Status};
use common::{Sysroot, is_available, is_degraded};

const DAY: i64 = 24 * 3600;
const NIGHT: DayWindow = DayWindow { from: 22 * 60, to: 6 * 60 };

/// A zone file with this offset from UTC.
fn tzif(offset_seconds: i64) -> Vec<u8> {
    let mut file = Vec::new();
    for _both_versions in 0..2 {
        file.extend(b"TZif2");
        file.extend([0; 15]);
        for count in [0u32, 0, 0, 0, 1, 4] {
            file.extend(count.to_be_bytes());
        }
        file.extend((offset_seconds as i32).to_be_bytes());
        file.extend([0, 0]);
        file.extend(b"XXX\0");
    }
    let (sign, west) = if offset_seconds > 0 { ("-", offset_seconds) } else { ("", -offset_seconds) };
    file.extend(format!("\nXXX{sign}{}:{:02}:{:02}\n", west / 3600, west / 60 % 60, west % 60).bytes());
    file
}

/// A zone in which it is `seconds` after midnight now.
fn zone_at(seconds: i64) -> Vec<u8> {
    let utc = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64 % DAY;
    let offset = (seconds - utc).rem_euclid(DAY);
    tzif(if offset > DAY / 2 { offset - DAY } else { offset })
}

fn machine_at(hour: i64, second: i64) -> Sysroot {
    let sysroot = Sysroot::new();
    set_zone(&sysroot, hour * 3600 + second);
    sysroot
}

/// As careful tools do: a new file, renamed over the old.
fn set_zone(sysroot: &Sysroot, seconds: i64) {
    sysroot.write("etc/new", zone_at(seconds));
    std::fs::rename(sysroot.path("etc/new"), sysroot.path("etc/localtime")).unwrap();
}

#[tokio::test]
async fn it_begins_and_ends_by_the_clock_alone() {
    let sysroot = machine_at(22, -5);
    let mut inbox = sysroot.watch(SourceKind::Between(NIGHT));
    assert_eq!(inbox.status().await, Status::Available { how: "inotify on /etc/localtime".into() });
    assert!(!inbox.holds().await);
    assert!(inbox.holds().await, "at ten in the evening");
    let sysroot = machine_at(6, -5);
    let mut inbox = sysroot.watch(SourceKind::Between(NIGHT));
    assert!(inbox.holds().await);
    assert!(!inbox.holds().await, "at six in the morning");
}

#[tokio::test]
async fn another_zone_is_another_time_of_day() {
    let sysroot = machine_at(12, 0);
    let mut inbox = sysroot.watch(SourceKind::Between(NIGHT));
    assert!(!inbox.holds().await);
    set_zone(&sysroot, 23 * 3600);
    assert!(inbox.holds().await);
    set_zone(&sysroot, 7 * 3600);
    assert!(!inbox.holds().await);
}

/// A zone that is read wrong for a moment must not start anything.
#[tokio::test]
async fn while_a_zone_file_is_torn_the_zone_before_stands() {
    let sysroot = machine_at(12, 0);
    let mut inbox = sysroot.watch(SourceKind::Between(NIGHT));
    assert!(is_available(&inbox.status().await));
    assert!(!inbox.holds().await);
    let whole = zone_at(23 * 3600);
    sysroot.write("etc/localtime", &whole[..whole.len() / 2]);
    assert!(is_degraded(&inbox.status().await));
    sysroot.write("etc/localtime", &whole);
    assert!(is_available(&inbox.status().await));
    assert!(inbox.holds().await);
}

#[tokio::test]
async fn a_whole_day_always_holds() {
    let mut inbox = machine_at(12, 0).watch(SourceKind::Between(DayWindow { from: 0, to: 1440 }));
    assert!(inbox.holds().await);
}
