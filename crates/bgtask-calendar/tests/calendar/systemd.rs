//! The same expressions asked of the real systemd.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use bgtask_calendar::Calendar;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::{series, shown};

/// How many times of each expression are compared.
const COUNT: usize = 30;

/// How far they are compared: in the year after, systemd stops in zones whose clock is no longer set.
const UNTIL: &str = "2038-01-01T00:00:00Z";

const CORPUS: &[&str] = &[
    "minutely",
    "hourly",
    "daily",
    "weekly",
    "monthly",
    "quarterly",
    "semiannually",
    "yearly",
    "annually",
    "daily UTC",
    "weekly Asia/Tokyo",
    "hourly America/New_York",
    "09:00",
    "9:0:30",
    "00:00",
    "02:30",
    "01:30",
    "02:00",
    "03:00",
    "23:59:59",
    "05:40",
    "08:05:40",
    "*:0/15",
    "*:5/20",
    "*:00",
    "*:30",
    "*:2/3",
    "*:*:0/20",
    "*:0,10..15:30",
    "0/2:30",
    "1/3:00",
    "0/6:15",
    "0..12:30",
    "9..17/4:00",
    "2,9..11:00",
    "12,14,13,12:20,10,30",
    "02:0/10",
    "Mon",
    "Wed, 17:48",
    "Sat,Sun",
    "Mon..Fri *-*-* 09:00",
    "Mon-Fri 9:00",
    "Sat,Thu,Mon..Wed,Sat..Sun",
    "monday *-12-* 17:00",
    "Sat *-*-1..7 18:00:00",
    "Fri *-*-13 12:00",
    "Sun *-*-* 02:30",
    "Sun *:0/30",
    "Mon,Fri *-*-3,1,2 *:30:45",
    "*-*~1",
    "*-2~3",
    "*-*~1..3",
    "*-*~5/2",
    "*-*~1,3",
    "Mon *-05~07/1",
    "*-02~01 02:30",
    "*-*-1,15 02:30",
    "*-*-29..31",
    "*-*-1/2",
    "*-*-31",
    "*-02-29",
    "Mon *-02-29",
    "12-24 18:00",
    "10-15",
    "*-6..8-1,15 7:00",
    "*-1/5-10 1:00",
    "2027-01-01",
    "2027-03-28 02:30",
    "2027-10-31 02:30",
    "2027..2030-03-28 02:30",
    "2027/3-06-01",
    "27-12-31 23:59",
    "2003-02..04-05",
    "*-02-30",
    "2026-12-31",
    "*-*-* 02:30 Europe/Berlin",
    "Sun 01:59:59 America/New_York",
    "*-*-* 01:45:00 Australia/Lord_Howe",
];

/// The zone, and when the comparison begins: a quiet time, and shortly before the clock is set.
const SETTINGS: &[(&str, &str)] = &[
    ("UTC", "2026-12-31 11:07:30"),
    ("Europe/Berlin", "2027-05-02 10:00:01"),
    ("Europe/Berlin", "2027-03-27 21:40:00"),
    ("Europe/Berlin", "2027-10-30 20:40:00"),
    ("America/New_York", "2027-03-14 05:10:00"),
    ("America/New_York", "2027-11-07 04:10:00"),
    ("Australia/Lord_Howe", "2027-04-03 12:10:00"),
    ("Australia/Lord_Howe", "2027-10-02 12:10:00"),
    ("Africa/Casablanca", "2026-02-14 20:00:00"),
    ("Africa/Casablanca", "2026-03-21 20:00:00"),
    ("Asia/Kathmandu", "2027-07-07 07:07:07"),
];

/// What systemd leaves out and calendars here do not. There is no difference of another kind, but for expressions whose
/// calculation systemd gives up with "Resource deadlock avoided": those are compared as far as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Left {
    /// A time that does not come because the clock is set forward: made up for at the end of the gap.
    Gap,
    /// What repeats by the hour, in the second pass of an hour that comes twice.
    SecondPass,
    /// In Morocco, whose time in Ramadan is the one that counts as set, all of the day after a time in the gap.
    RestOfTheDay,
}

#[test]
fn times_are_those_of_systemd_but_for_what_it_leaves_out_when_the_clock_is_set() {
    let Some(systemd) = Systemd::here() else { return };
    let mut differences = BTreeSet::new();
    for (zone_name, base) in SETTINGS {
        let base: Timestamp = format!("{}Z", base.replace(' ', "T")).parse().unwrap();
        for text in CORPUS {
            let theirs = systemd.answer(text, zone_name, base);
            let calendar = Calendar::parse(text).unwrap_or_else(|error| panic!("{error}"));
            let zone = systemd.zone(calendar.zone().unwrap_or(zone_name));
            let ours = ours(&calendar, base, &zone, &theirs);
            let theirs = compared(theirs.times);
            let told = |all: &[i64]| all.iter().map(|at| shown(*at, &zone)).collect::<Vec<_>>();
            let kept: Vec<i64> = ours.iter().copied().filter(|at| theirs.contains(at)).collect();
            assert_eq!(told(&kept), told(&theirs), "{text} in {zone_name}: systemd (right) has more");
            for extra in ours.iter().filter(|at| !theirs.contains(at)) {
                let left = left_out(*extra, &zone);
                let left = left.unwrap_or_else(|| panic!("{text} in {zone_name}: {}", shown(*extra, &zone)));
                differences.insert((*text, *zone_name, left));
            }
        }
    }
    for (text, zone, left) in differences {
        println!("{text} in {zone}: systemd leaves out {left:?}");
    }
}

#[test]
fn systemd_reads_what_is_written() {
    let Some(systemd) = Systemd::here() else { return };
    let base: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
    for text in CORPUS {
        let written = Calendar::parse(text).unwrap().to_string();
        let (asked, again) = (systemd.answer(text, "UTC", base), systemd.answer(&written, "UTC", base));
        assert_eq!(asked, again, "{text} is written as {written}");
    }
}

/// Ours as far as systemd was asked: to the last of its times, or, if it says there are no more, as far as is compared.
fn ours(calendar: &Calendar, base: Timestamp, zone: &TimeZone, theirs: &Answer) -> Vec<i64> {
    let asked = theirs.times.len() == COUNT || theirs.gave_up;
    let end = if asked { theirs.times.last().copied().unwrap_or(i64::MIN) } else { i64::MAX };
    let all = series(calendar, base.as_microsecond(), zone, 2 * COUNT);
    compared(all).into_iter().take_while(|at| *at <= end).collect()
}

fn compared(times: Vec<i64>) -> Vec<i64> {
    let until: Timestamp = UNTIL.parse().unwrap();
    times.into_iter().filter(|at| *at < until.as_microsecond()).collect()
}

fn left_out(at: i64, zone: &TimeZone) -> Option<Left> {
    let at = Timestamp::from_microsecond(at).unwrap();
    let (border, before) =
        zone.preceding(at.checked_add(jiff::Span::new().seconds(1)).unwrap()).next().map(|border| {
            let border = border.timestamp();
            (border, zone.to_offset(border.checked_sub(jiff::Span::new().seconds(1)).unwrap()))
        })?;
    let moved = zone.to_offset(at).seconds() - before.seconds();
    let since = at.as_second() - border.as_second();
    match moved {
        _ if moved > 0 && since == 0 => Some(Left::Gap),
        _ if since < i64::from(-moved) => Some(Left::SecondPass),
        _ if moved > 0 && since < 24 * 3600 && zone.iana_name() == Some("Africa/Casablanca") => {
            Some(Left::RestOfTheDay)
        }
        _ => None,
    }
}

/// What systemd says of one expression.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    times: Vec<i64>,
    gave_up: bool,
}

/// The `systemd-analyze` and the zones of this machine.
struct Systemd;

impl Systemd {
    fn here() -> Option<Self> {
        let runs = Command::new("systemd-analyze").arg("--version").output();
        let why = match runs {
            Err(error) => format!("systemd-analyze is not installed ({error})"),
            Ok(_) if !Path::new("/usr/share/zoneinfo/Europe/Berlin").exists() => "tzdata is not installed".to_owned(),
            Ok(_) => return Some(Self),
        };
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "cannot run in CI: {why}");
        println!("SKIPPED: {why}");
        None
    }

    /// The zone from the data systemd reads, so that only the rules of calendars are compared.
    fn zone(&self, name: &str) -> TimeZone {
        let rules = std::fs::read(Path::new("/usr/share/zoneinfo").join(name)).expect(name);
        TimeZone::tzif(name, &rules).expect(name)
    }

    /// The next times of an expression.
    fn answer(&self, text: &str, zone: &str, base: Timestamp) -> Answer {
        let output = Command::new("systemd-analyze")
            .args(["calendar", &format!("--iterations={COUNT}")])
            .arg(format!("--base-time={} UTC", base.strftime("%F %T")))
            .arg(text)
            .env("TZ", zone)
            .env("LC_ALL", "C")
            .output()
            .expect("systemd-analyze");
        let errors = String::from_utf8_lossy(&output.stderr);
        let gave_up = errors.contains("Resource deadlock avoided");
        assert!(output.status.success() || gave_up, "{text} in {zone}: {errors}");
        let output = String::from_utf8(output.stdout).expect("text");
        let labelled = output.lines().filter_map(|line| line.trim().split_once(": "));
        let times = labelled.filter(|(label, value)| match *label {
            "(in UTC)" => true,
            "Next elapse" => value.ends_with(" UTC"),
            _ => label.starts_with("Iter") && value.ends_with(" UTC"),
        });
        Answer { times: times.map(|(_, value)| read(value)).collect(), gave_up }
    }
}

/// `Sun 2027-03-28 01:00:00 UTC`
fn read(text: &str) -> i64 {
    let local = text[4..].trim_end_matches(" UTC");
    let local: jiff::civil::DateTime = local.parse().expect(text);
    local.to_zoned(TimeZone::UTC).expect(text).timestamp().as_microsecond()
}
