//! What happens when the clock is set forward or back.

use bgtask_calendar::Calendar;

use crate::{at, series, shown, upcoming, zone};

/// The rule, the expression, the zone, after when, and what comes.
const RULES: &[(&str, &str, &str, &str, &[&str])] = &[
    (
        "a time that does not come runs at the end of the gap, once",
        "02:30",
        "Europe/Berlin",
        "2027-03-27 12:00",
        &["Sun 2027-03-28 03:00:00 +02", "Mon 2027-03-29 02:30:00 +02"],
    ),
    (
        "several times that do not come run once together",
        "30,45 2 * * *",
        "America/New_York",
        "2027-03-13 12:00",
        &["Sun 2027-03-14 03:00:00 -04", "Mon 2027-03-15 02:30:00 -04"],
    ),
    (
        "a made-up time and one at the end of the gap are one",
        "2,3:00",
        "Europe/Berlin",
        "2027-03-27 12:00",
        &["Sun 2027-03-28 03:00:00 +02", "Mon 2027-03-29 02:00:00 +02"],
    ),
    (
        "a date that the gap is all there is of is not lost",
        "*-03-28 02:30",
        "Europe/Berlin",
        "2027-01-01 00:00",
        &["Sun 2027-03-28 03:00:00 +02", "Tue 2028-03-28 02:30:00 +02"],
    ),
    (
        "a day that begins in a gap has its midnight at the end of it",
        "daily",
        "America/Havana",
        "2027-03-13 12:00",
        &["Sun 2027-03-14 01:00:00 -04", "Mon 2027-03-15 00:00:00 -04"],
    ),
    (
        "a gap of half an hour",
        "02:15",
        "Australia/Lord_Howe",
        "2027-10-02 12:00",
        &["Sun 2027-10-03 02:30:00 +11", "Mon 2027-10-04 02:15:00 +11"],
    ),
    (
        "a day that was left out runs when the next begins",
        "09:00",
        "Pacific/Apia",
        "2011-12-29 08:00",
        &["Thu 2011-12-29 09:00:00 -10", "Sat 2011-12-31 00:00:00 +14", "Sat 2011-12-31 09:00:00 +14"],
    ),
    (
        "every hour goes on by the hour over a gap",
        "*:30",
        "Europe/Berlin",
        "2027-03-28 01:00",
        &["Sun 2027-03-28 01:30:00 +01", "Sun 2027-03-28 03:30:00 +02"],
    ),
    (
        "every second hour makes up for the one that does not come",
        "0 */2 * * *",
        "Europe/Berlin",
        "2027-03-27 23:00",
        &["Sun 2027-03-28 00:00:00 +01", "Sun 2027-03-28 03:00:00 +02", "Sun 2027-03-28 04:00:00 +02"],
    ),
    (
        "a time that comes twice runs the first time",
        "02:30",
        "Europe/Berlin",
        "2027-10-30 12:00",
        &["Sun 2027-10-31 02:30:00 +02", "Mon 2027-11-01 02:30:00 +01"],
    ),
    (
        "steps within a fixed hour run in the first of the two",
        "*/30 1 * * *",
        "America/New_York",
        "2027-11-06 12:00",
        &["Sun 2027-11-07 01:00:00 -04", "Sun 2027-11-07 01:30:00 -04", "Mon 2027-11-08 01:00:00 -05"],
    ),
    (
        "every hour runs in both",
        "hourly",
        "Europe/Berlin",
        "2027-10-31 01:30",
        &["Sun 2027-10-31 02:00:00 +02", "Sun 2027-10-31 02:00:00 +01", "Sun 2027-10-31 03:00:00 +01"],
    ),
    (
        "every half hour runs in both passes of half an hour",
        "*:0/30",
        "Australia/Lord_Howe",
        "2027-04-04 01:00",
        &["Sun 2027-04-04 01:30:00 +11", "Sun 2027-04-04 01:30:00 +10:30", "Sun 2027-04-04 02:00:00 +10:30"],
    ),
    (
        "a step of hours runs in both",
        "0/2:30",
        "Europe/Berlin",
        "2027-10-31 01:00",
        &["Sun 2027-10-31 02:30:00 +02", "Sun 2027-10-31 02:30:00 +01", "Sun 2027-10-31 04:30:00 +01"],
    ),
    (
        "the same hours in a list are fixed times",
        "0,2,4,6,8,10,12,14,16,18,20,22:30",
        "Europe/Berlin",
        "2027-10-31 01:00",
        &["Sun 2027-10-31 02:30:00 +02", "Sun 2027-10-31 04:30:00 +01"],
    ),
    (
        "an evening that comes twice before midnight",
        "23:30",
        "Atlantic/Azores",
        "2027-10-30 12:00",
        &["Sat 2027-10-30 23:30:00 +00", "Sun 2027-10-31 23:30:00 -01"],
    ),
    (
        "Ramadan sets the clock back",
        "02:30",
        "Africa/Casablanca",
        "2026-02-14 12:00",
        &["Sun 2026-02-15 02:30:00 +01", "Mon 2026-02-16 02:30:00 +00"],
    ),
    (
        "and forward again",
        "02:30",
        "Africa/Casablanca",
        "2026-03-21 12:00",
        &["Sun 2026-03-22 03:00:00 +01", "Mon 2026-03-23 02:30:00 +01"],
    ),
];

#[test]
fn each_rule_holds_for_the_time_it_is_about() {
    for (rule, text, zone, after, expected) in RULES {
        assert_eq!(&upcoming(text, after, zone, expected.len()), expected, "{rule}: {text} in {zone}");
    }
}

/// The broker may ask in the middle of the repeated hour, after a restart.
#[test]
fn a_fixed_time_does_not_come_back_for_who_asks_in_the_repeated_hour() {
    let berlin = zone("Europe/Berlin");
    let fixed = Calendar::parse("02:30").unwrap();
    let first = at("2027-10-31 02:30", &berlin);
    for minutes in 0..120 {
        let next = fixed.next(first + minutes * 60_000_000, &berlin).unwrap();
        assert_eq!(shown(next, &berlin), "Mon 2027-11-01 02:30:00 +01", "{minutes} minutes later");
    }
}

#[test]
fn a_fixed_daily_time_runs_once_a_day_whatever_the_clock_does() {
    for name in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Havana"] {
        let zone = zone(name);
        for text in ["00:00", "00:30", "01:00", "01:30", "01:45", "02:00", "02:15", "02:30", "03:00", "23:30"] {
            let daily = Calendar::parse(text).unwrap();
            let days = series(&daily, at("2026-12-31 23:59", &zone), &zone, 2 * 365 + 1);
            let mut dates: Vec<String> = days.iter().map(|at| shown(*at, &zone)[4..14].to_owned()).collect();
            assert_eq!((dates[0].as_str(), dates[730].as_str()), ("2027-01-01", "2028-12-31"), "{text} in {name}");
            dates.dedup();
            assert_eq!(dates.len(), 731, "{text} in {name} has each date once");
        }
    }
}
