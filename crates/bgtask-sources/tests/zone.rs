//! The time zone source on a root of files.

mod common;

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant, SystemTime};

use bgtask_sources::{MAX_ZONE_BYTES, Report, SourceKind, Status, ZoneChange, ZoneReading, zone_rules};
use common::{DEADLINE, Inbox, Sysroot, TestBus, is_available, is_degraded};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

const HOUR: i32 = 3600;

/// A zone file with one fixed offset, or whatever `rule` says.
fn tzif(offset_seconds: i32, rule: &str) -> Vec<u8> {
    let mut file = Vec::new();
    for _both_versions in 0..2 {
        file.extend(b"TZif2");
        file.extend([0; 15]);
        for count in [0u32, 0, 0, 0, 1, 4] {
            file.extend(count.to_be_bytes());
        }
        file.extend(offset_seconds.to_be_bytes());
        file.extend([0, 0]);
        file.extend(b"XXX\0");
    }
    file.extend(format!("\n{rule}\n").bytes());
    file
}

fn fixed(hours_east: i32) -> Vec<u8> {
    tzif(hours_east * HOUR, &format!("XXX{}", -hours_east))
}

fn summer_time() -> Vec<u8> {
    tzif(HOUR, "CET-1CEST,M3.5.0,M10.5.0/3")
}

/// A root with a few zones, `/etc/localtime` linked to the first.
fn zones() -> Sysroot {
    let sysroot = Sysroot::new();
    for (name, hours) in [("Test/One", 1), ("Test/Uno", 1), ("Test/Nine", 9), ("Etc/UTC", 0)] {
        sysroot.write(format!("usr/share/zoneinfo/{name}"), fixed(hours));
    }
    sysroot.link("/usr/share/zoneinfo/Test/One", "etc/localtime");
    sysroot
}

async fn zone(inbox: &mut Inbox) -> ZoneReading {
    match inbox.level().await {
        Report::TimeZone(reading) => reading,
        other => panic!("expected a zone, got {other:?}"),
    }
}

async fn started(sysroot: &Sysroot) -> (Inbox, ZoneReading) {
    let mut inbox = sysroot.watch(SourceKind::TimeZone);
    let first = zone(&mut inbox).await;
    assert_eq!(first.changed, None, "the first reading is no change");
    (inbox, first)
}

fn moved(from_hours: i32, to_hours: i32) -> Option<ZoneChange> {
    Some(ZoneChange { from_offset_seconds: from_hours * HOUR, to_offset_seconds: to_hours * HOUR })
}

#[tokio::test]
async fn the_first_reports_are_the_status_and_the_zone() {
    let sysroot = zones();
    let mut inbox = sysroot.watch(SourceKind::TimeZone);
    assert_eq!(inbox.status().await, Status::Available { how: "inotify on /etc/localtime".into() });
    let first = zone(&mut inbox).await;
    assert_eq!(first.name.as_deref(), Some("Test/One"));
    assert_eq!(first.offset_seconds, HOUR);
}

#[tokio::test]
async fn a_link_renamed_over_the_old_one_moves_the_clock() {
    let sysroot = zones();
    let (mut inbox, first) = started(&sysroot).await;
    sysroot.link("/usr/share/zoneinfo/Test/Nine", "etc/localtime");
    let second = zone(&mut inbox).await;
    assert_eq!((second.name.as_deref(), second.changed), (Some("Test/Nine"), moved(1, 9)));
    sysroot.link("../usr/share/zoneinfo/Test/One", "etc/localtime");
    let third = zone(&mut inbox).await;
    assert_eq!((third.identity, third.changed), (first.identity, moved(9, 1)));
}

/// SYS-3, and step 9 of the first sample scenario.
#[tokio::test]
async fn another_zone_with_the_same_offset_does_not_move_the_clock() {
    let sysroot = zones();
    let (mut inbox, first) = started(&sysroot).await;
    sysroot.link("/usr/share/zoneinfo/Test/Uno", "etc/localtime");
    let second = zone(&mut inbox).await;
    assert_eq!((second.name.as_deref(), second.changed), (Some("Test/Uno"), None));
    assert_ne!(second.identity, first.identity);
}

#[tokio::test]
async fn what_counts_is_the_offset_now_not_the_rules() {
    let sysroot = zones();
    sysroot.write("usr/share/zoneinfo/Test/Summer", summer_time());
    sysroot.link("/usr/share/zoneinfo/Test/Summer", "etc/localtime");
    let (mut inbox, first) = started(&sysroot).await;
    let now = first.offset_seconds / HOUR;
    sysroot.write("usr/share/zoneinfo/Test/Now", fixed(now));
    sysroot.link("/usr/share/zoneinfo/Test/Now", "etc/localtime");
    assert_eq!(zone(&mut inbox).await.changed, None);
    sysroot.write("usr/share/zoneinfo/Test/Other", fixed(3 - now));
    sysroot.link("/usr/share/zoneinfo/Test/Other", "etc/localtime");
    assert_eq!(zone(&mut inbox).await.changed, moved(now, 3 - now));
}

/// A zone whose clocks go forward by an hour, from UTC, at `moment`.
fn forward_at(moment: Timestamp) -> Vec<u8> {
    let utc = moment.to_zoned(TimeZone::UTC);
    // The day of a year without a 29 February, as the rule counts.
    let (year, month, day) = (2025, utc.month(), utc.day().min(if utc.month() == 2 { 28 } else { 31 }));
    let begins = Date::new(year, month, day).unwrap().day_of_year();
    let ends = (begins + 180) % 365 + 1;
    tzif(0, &format!("AAA0BBB-1,J{begins}/{},J{ends}/0", utc.strftime("%H:%M:%S")))
}

/// Neither the hour of summer time nor a step of the clock changes the zone: the file is what is watched, and what it
/// says is compared at one moment.
#[tokio::test]
async fn summer_time_that_begins_is_no_change_of_the_zone() {
    let sysroot = zones();
    sysroot.write("usr/share/zoneinfo/Test/Forward", forward_at(Timestamp::now() + Duration::from_secs(2)));
    sysroot.link("/usr/share/zoneinfo/Test/Forward", "etc/localtime");
    let (mut inbox, _) = started(&sysroot).await;
    let rules = zone_rules(&sysroot.world());
    let deadline = Instant::now() + DEADLINE;
    while rules.to_offset(Timestamp::now()).seconds() != HOUR {
        assert!(Instant::now() < deadline, "the clocks do not go forward");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sysroot.link("/usr/share/zoneinfo/Test/Forward", "etc/localtime");
    sysroot.link("/usr/share/zoneinfo/Test/One", "etc/localtime");
    let next = zone(&mut inbox).await;
    assert_eq!((next.name.as_deref(), next.changed), (Some("Test/One"), None), "the same offset by now");
}

#[tokio::test]
async fn a_link_deleted_and_made_again_is_one_change() {
    let sysroot = zones();
    let (mut inbox, _) = started(&sysroot).await;
    let localtime = sysroot.path("etc/localtime");
    fs::remove_file(&localtime).unwrap();
    symlink("/usr/share/zoneinfo/Test/Nine", &localtime).unwrap();
    assert_eq!(zone(&mut inbox).await.changed, moved(1, 9));
}

#[tokio::test]
async fn a_link_that_stays_away_means_utc() {
    let sysroot = zones();
    let (mut inbox, _) = started(&sysroot).await;
    fs::remove_file(sysroot.path("etc/localtime")).unwrap();
    let gone = zone(&mut inbox).await;
    assert_eq!((gone.name.as_deref(), gone.changed), (Some("UTC"), moved(1, 0)));
    sysroot.link("/usr/share/zoneinfo/Etc/UTC", "etc/localtime");
    assert_eq!(zone(&mut inbox).await.changed, None, "another identity, the same clock");
}

#[tokio::test]
async fn no_etc_at_all_is_utc_until_it_appears() {
    let sysroot = Sysroot::new();
    let (mut inbox, first) = started(&sysroot).await;
    assert_eq!((first.name.as_deref(), first.offset_seconds), (Some("UTC"), 0));
    sysroot.write("etc/localtime", fixed(9));
    assert_eq!(zone(&mut inbox).await.changed, moved(0, 9));
}

#[tokio::test]
async fn a_copied_file_is_followed_through_replacing_and_rewriting() {
    let sysroot = Sysroot::new();
    sysroot.write("etc/localtime", fixed(1));
    let (mut inbox, first) = started(&sysroot).await;
    assert_eq!(first.name, None, "a copy has no name");
    sysroot.write("etc/localtime.new", fixed(9));
    fs::rename(sysroot.path("etc/localtime.new"), sysroot.path("etc/localtime")).unwrap();
    assert_eq!(zone(&mut inbox).await.changed, moved(1, 9));
    sysroot.write("etc/localtime", fixed(2));
    assert_eq!(zone(&mut inbox).await.changed, moved(9, 2));
}

#[tokio::test]
async fn a_copy_under_a_second_name_is_followed() {
    let sysroot = Sysroot::new();
    sysroot.write("elsewhere/zone", fixed(1));
    fs::create_dir(sysroot.path("etc")).unwrap();
    fs::hard_link(sysroot.path("elsewhere/zone"), sysroot.path("etc/localtime")).unwrap();
    let (mut inbox, _) = started(&sysroot).await;
    sysroot.write("elsewhere/zone", fixed(9));
    assert_eq!(zone(&mut inbox).await.changed, moved(1, 9));
}

#[tokio::test]
async fn a_torn_write_is_waited_out() {
    let sysroot = Sysroot::new();
    sysroot.write("etc/localtime", fixed(1));
    let (mut inbox, _) = started(&sysroot).await;
    let whole = fixed(9);
    sysroot.write("etc/localtime", &whole[..whole.len() / 2]);
    let Status::Degraded { why, .. } = inbox.status_that(is_degraded).await else { unreachable!() };
    assert!(why.contains("not a zone file"), "{why}");
    sysroot.write("etc/localtime", &whole);
    inbox.status_that(is_available).await;
    assert_eq!(zone(&mut inbox).await.changed, moved(1, 9), "the zone before stood until then");
}

#[tokio::test]
async fn no_beginning_of_a_zone_file_passes_for_a_whole_one() {
    let sysroot = Sysroot::new();
    let whole = summer_time();
    for length in [0, 1, 4, 43, 44, 54, 98, whole.len() - 20, whole.len() - 1] {
        sysroot.write("etc/localtime", &whole[..length]);
        let mut inbox = sysroot.watch(SourceKind::TimeZone);
        assert!(is_degraded(&inbox.status().await), "{length} of {} bytes", whole.len());
        assert_eq!(zone(&mut inbox).await.name.as_deref(), Some("UTC"));
    }
}

#[tokio::test]
async fn garbage_directories_and_giants_are_no_zone() {
    let sysroot = Sysroot::new();
    let start = async |inbox: &mut Inbox| match inbox.status().await {
        Status::Degraded { why, .. } => why,
        other => panic!("{other:?}"),
    };
    sysroot.write("etc/localtime", vec![b'x'; MAX_ZONE_BYTES as usize]);
    assert!(start(&mut sysroot.watch(SourceKind::TimeZone)).await.contains("not a zone file"));
    sysroot.write("etc/localtime", vec![b'x'; MAX_ZONE_BYTES as usize + 1]);
    assert!(start(&mut sysroot.watch(SourceKind::TimeZone)).await.contains("larger than"));
    fs::remove_file(sysroot.path("etc/localtime")).unwrap();
    fs::create_dir(sysroot.path("etc/localtime")).unwrap();
    assert!(start(&mut sysroot.watch(SourceKind::TimeZone)).await.contains("not a regular file"));
}

#[tokio::test]
async fn a_new_timestamp_is_no_change() {
    let sysroot = zones();
    let (mut inbox, _) = started(&sysroot).await;
    let file = File::options().write(true).open(sysroot.path("usr/share/zoneinfo/Test/One")).unwrap();
    file.set_times(FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(9))).unwrap();
    sysroot.write("usr/share/zoneinfo/Test/One", fixed(1));
    sysroot.link("/usr/share/zoneinfo/Test/One", "etc/localtime");
    // The next thing said is the next thing that changed.
    sysroot.link("/usr/share/zoneinfo/Test/Nine", "etc/localtime");
    assert_eq!(zone(&mut inbox).await.changed, moved(1, 9));
}

#[tokio::test]
async fn chained_links_stay_inside_the_root_and_are_watched_at_every_step() {
    let sysroot = zones();
    sysroot.link("/etc/current", "etc/localtime");
    sysroot.link("../../../../usr/share/zoneinfo/Test/One", "etc/current");
    let (mut inbox, first) = started(&sysroot).await;
    assert_eq!(first.name.as_deref(), Some("Test/One"));
    sysroot.link("/usr/share/zoneinfo/Test/Nine", "etc/current");
    assert_eq!(zone(&mut inbox).await.changed, moved(1, 9));
    // An update of the zone data puts a whole new directory in place.
    sysroot.write("usr/share/new/Test/Nine", fixed(10));
    fs::rename(sysroot.path("usr/share/zoneinfo"), sysroot.path("usr/share/old")).unwrap();
    fs::rename(sysroot.path("usr/share/new"), sysroot.path("usr/share/zoneinfo")).unwrap();
    let updated = zone(&mut inbox).await;
    assert_eq!((updated.name.as_deref(), updated.changed), (Some("Test/Nine"), moved(9, 10)));
}

#[tokio::test]
async fn posix_and_right_are_the_same_zone() {
    let sysroot = zones();
    sysroot.write("usr/share/zoneinfo/posix/Test/One", fixed(1));
    sysroot.link("/usr/share/zoneinfo/posix/Test/One", "etc/localtime");
    assert_eq!(started(&sysroot).await.1.name.as_deref(), Some("Test/One"));
}

#[tokio::test]
async fn an_endless_name_is_not_told() {
    let sysroot = zones();
    for (length, told) in [(64, true), (65, false)] {
        let name = "N".repeat(length);
        sysroot.write(format!("usr/share/zoneinfo/{name}"), fixed(1));
        sysroot.link(&format!("/usr/share/zoneinfo/{name}"), "etc/localtime");
        let (_inbox, first) = started(&sysroot).await;
        assert_eq!((first.name, first.offset_seconds), (told.then_some(name), HOUR));
    }
}

#[tokio::test]
async fn a_full_inbox_loses_nothing_that_still_holds() {
    let sysroot = zones();
    let mut inbox = sysroot.watch(SourceKind::TimeZone);
    for round in 0..100 {
        sysroot.write("usr/share/zoneinfo/Test/Flap", fixed(2 + round % 2));
        sysroot.link("/usr/share/zoneinfo/Test/Flap", "etc/localtime");
        tokio::task::yield_now().await;
    }
    sysroot.link("/usr/share/zoneinfo/Test/Nine", "etc/localtime");
    while zone(&mut inbox).await.offset_seconds != 9 * HOUR {}
    assert!(inbox.is_empty());
}

#[tokio::test]
async fn the_signal_of_timedated_is_one_more_edge() {
    let sysroot = zones();
    let mut inbox = sysroot.watch(SourceKind::TimeZone);
    assert!(is_available(&inbox.status().await));
    zone(&mut inbox).await;
    let Some(bus) = TestBus::start(&sysroot) else { return };
    let with_bus = Status::Available { how: "inotify on /etc/localtime and timedate1".into() };
    assert_eq!(inbox.status().await, with_bus, "the bus came later");
    let timedated = bus.service("org.freedesktop.timedate1").await;
    let nonsense = ("org.freedesktop.timedate1", 7u32, "Moon/Tranquility");
    let path = "/org/freedesktop/timedate1";
    let properties = "org.freedesktop.DBus.Properties";
    timedated.emit_signal(None::<&str>, path, properties, "PropertiesChanged", &nonsense).await.unwrap();
    sysroot.link("/usr/share/zoneinfo/Test/Nine", "etc/localtime");
    assert_eq!(zone(&mut inbox).await.changed, moved(1, 9));
    drop(bus);
    assert_eq!(inbox.status().await, Status::Available { how: "inotify on /etc/localtime".into() });
}
