//! Windows of the day.

use bgtask_calendar::DayWindow;

use crate::{at, shown, zone};

#[test]
fn a_window_is_read_and_written() {
    for (text, from, to) in [("22:00-06:00", 1320, 360), ("9:00-17:30", 540, 1050), ("00:00 - 00:01", 0, 1)] {
        let window = DayWindow::parse(text).unwrap();
        assert_eq!(window, DayWindow::new(from, to).unwrap(), "{text}");
        assert_eq!(DayWindow::parse(&window.to_string()).unwrap(), window);
    }
    assert_eq!(DayWindow::parse("22:00-24:00").unwrap().to_string(), "22:00-00:00");
}

#[test]
fn what_is_no_window_is_refused_with_what_to_write() {
    for (text, message) in [
        ("", "it has no -; write a window as 22:00-06:00"),
        ("22:00", "it has no -"),
        ("22-6", "\"22\" is not a time of the day; write hour:minute from 00:00 to 23:59"),
        ("24:00-06:00", "\"24:00\" is not a time of the day"),
        ("22:60-06:00", "\"22:60\" is not a time of the day"),
        ("+2:00-06:00", "\"+2:00\" is not a time of the day"),
        ("06:00-06:00", "it begins when it ends; leave it out for the whole day"),
        ("00:00-24:00", "it begins when it ends"),
    ] {
        let error = DayWindow::parse(text).expect_err(text).to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
    assert!(DayWindow::new(0, 1440).unwrap_err().to_string().contains("a day has 1440 minutes"));
    assert!(DayWindow::new(u16::MAX, 0).is_err());
}

#[test]
fn a_window_holds_from_its_first_minute_and_not_in_its_last() {
    let berlin = zone("Europe/Berlin");
    let holds = |window: &str, time: &str| {
        DayWindow::parse(window).unwrap().holds(at(&format!("2027-06-01 {time}"), &berlin), &berlin)
    };
    for (window, time, held) in [
        ("09:00-17:00", "08:59:59.999999", false),
        ("09:00-17:00", "09:00", true),
        ("09:00-17:00", "16:59:59.999999", true),
        ("09:00-17:00", "17:00", false),
        ("22:00-06:00", "21:59", false),
        ("22:00-06:00", "22:00", true),
        ("22:00-06:00", "00:00", true),
        ("22:00-06:00", "05:59", true),
        ("22:00-06:00", "06:00", false),
    ] {
        assert_eq!(holds(window, time), held, "{window} at {time}");
    }
}

/// The window, the zone, after when, and its next changes.
const CHANGES: &[(&str, &str, &str, &[&str])] = &[
    (
        "22:00-06:00",
        "Europe/Berlin",
        "2027-06-01 12:00",
        &["Tue 2027-06-01 22:00:00 +02", "Wed 2027-06-02 06:00:00 +02", "Wed 2027-06-02 22:00:00 +02"],
    ),
    // Set forward over the beginning: it begins then.
    (
        "02:30-04:00",
        "Europe/Berlin",
        "2027-03-28 00:00",
        &["Sun 2027-03-28 03:00:00 +02", "Sun 2027-03-28 04:00:00 +02"],
    ),
    // Set forward over all of it: it does not come that day.
    (
        "02:15-02:45",
        "Europe/Berlin",
        "2027-03-28 00:00",
        &["Mon 2027-03-29 02:15:00 +02", "Mon 2027-03-29 02:45:00 +02"],
    ),
    // Set back: what a clock on the wall shows counts.
    (
        "02:30-04:00",
        "Europe/Berlin",
        "2027-10-31 00:00",
        &[
            "Sun 2027-10-31 02:30:00 +02",
            "Sun 2027-10-31 02:00:00 +01",
            "Sun 2027-10-31 02:30:00 +01",
            "Sun 2027-10-31 04:00:00 +01",
        ],
    ),
    // Set back from three to two, within the window: nothing changes.
    (
        "01:00-05:00",
        "Europe/Berlin",
        "2027-10-31 00:00",
        &["Sun 2027-10-31 01:00:00 +02", "Sun 2027-10-31 05:00:00 +01"],
    ),
];

#[test]
fn a_window_changes_when_the_clock_on_the_wall_shows_it() {
    for (text, name, after, expected) in CHANGES {
        let (window, zone) = (DayWindow::parse(text).unwrap(), zone(name));
        let mut now = at(after, &zone);
        for expected in *expected {
            now = window.next_change(now, &zone);
            assert_eq!(&shown(now, &zone), expected, "{text} in {name}");
            assert_ne!(window.holds(now, &zone), window.holds(now - 1, &zone));
        }
    }
}

#[test]
fn the_ends_of_time_are_no_panic() {
    let window = DayWindow::parse("22:00-06:00").unwrap();
    for zone in [zone("UTC"), zone("Europe/Berlin")] {
        assert_eq!(window.next_change(i64::MAX, &zone), i64::MAX);
        window.next_change(i64::MIN, &zone);
        window.holds(i64::MAX, &zone);
    }
}
