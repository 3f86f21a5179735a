//! What people are told when an expression cannot be read.

use bgtask_calendar::{Calendar, MAX_ZONE_BYTES};

const REFUSED: &[(&str, &str)] = &[
    ("", "it is empty; write, for example, \"daily\", \"Mon..Fri 09:00\" or \"0 9 * * 1-5\""),
    // Misspelt words.
    ("Mno 09:00", "\"Mno\" is not a weekday; did you mean \"Mon\"?"),
    ("Mon..Firday 09:00", "\"Firday\" is not a weekday; did you mean \"Friday\"?"),
    ("dayly", "\"dayly\" is not a known word; did you mean \"daily\"?"),
    ("dialy", "\"dialy\" is not a known word; did you mean \"daily\"?"),
    ("montly UTC", "\"montly\" is not a known word; did you mean \"monthly\"?"),
    ("@dialy", "\"@dialy\" is not a nickname of cron; did you mean \"@daily\"?"),
    ("@every", "\"@every\" is not a nickname of cron; there are @hourly, @daily, "),
    ("0 9 * * fir", "\"fir\" is not a weekday; did you mean \"Fri\"?"),
    ("0 9 * juli *", "\"juli\" is not a month; did you mean \"Jul\"?"),
    // What has another place.
    ("@reboot", "@reboot is not a time; a task that runs once at the start of each session has --on session-start"),
    ("9:00 Mon", "\"Mon\" stands behind the date or the time; weekdays come first"),
    ("0 9 * *", "cron has five fields, not 4; they are minute, hour, day, month and weekday, as in 0 9 * * 1-5"),
    ("0 0 9 * * 1-5", "\"1-5\" stands behind the five fields of cron and is not a time zone; for seconds or years"),
    ("09:00 Berlin", "\"Berlin\" is not a time zone; write UTC or a name as Europe/Berlin"),
    ("5", "5 alone is neither a date nor a time; write 5:00 for the hour, *-*-5 for the day of the month"),
    ("Mon 17", "17 alone is neither a date nor a time"),
    ("09:00 10:00", "\"10:00\" is neither a date nor a time; the parts are weekdays, date, time and zone"),
    // Numbers.
    ("24:00", "there is no hour 24; midnight is hour 0 of the next day"),
    ("*:60", "there is no minute 60; a minute is from 0 to 59"),
    ("*-13-01", "there is no month 13; a month is from 1 to 12"),
    ("*-*-0", "there is no day 0; a day is from 1 to 31"),
    ("2200-01-01", "there is no year 2200; a year is from 1970 to 2199"),
    ("61 * * * *", "there is no minute 61; a minute is from 0 to 59"),
    ("0 9 * * 8", "there is no weekday 8; a weekday is from 0 to 7"),
    ("0 9 * * 99999999999999999999", "there is no weekday 99999999999999999999"),
    ("9:-5", "\"-5\" is not a minute; a minute is a number from 0 to 59"),
    ("9:", "\"\" is not a minute"),
    ("*:0/0", "\"0\" is not a step of the minute; a step is a number from 1, as in 0/15"),
    ("*/x * * * *", "\"x\" is not a step of the minute"),
    ("17..9:00", "the range \"17..9\" runs backwards; write 17..23,0..9"),
    ("0 22-6 * * *", "the range \"22-6\" runs backwards; write 22-23,0-6"),
    ("5/15 * * * *", "in cron a step follows a range or a star, not \"5\"; write 5-59/15"),
    ("9:00pm", "\"9:00pm\" is on a clock of twelve hours; write the hour from 0 to 23, as in 17:00"),
    ("9:00:00.5", "\"9:00:00.5\" has a part of a second; calendars are exact to the second; leave it out"),
    ("1:2:3:4", "\"1:2:3:4\" is not a time; a time is hour:minute or hour:minute:second, as in 09:00"),
    ("1-2-3-4", "\"1-2-3-4\" is not a date; a date is year-month-day or month-day"),
    // What other crons have.
    (
        "0 9 L * *",
        "\"L\" is no cron as Unix knows it; for the last day of the month write the systemd form, as *-*~1 00:00",
    ),
    ("0 9 15W * *", "\"15W\" is no cron as Unix knows it; the weekday nearest to a day cannot be said"),
    ("0 9 * * 5L", "\"5L\" is no cron as Unix knows it; for the last Friday of the month write the systemd form"),
    ("0 9 * * 5#2", "\"5#2\" is no cron as Unix knows it; for the second Friday of the month write the systemd form"),
    ("0 9 ? * 1", "\"?\" is no cron as Unix knows it; write * for any"),
    // What is no text for a calendar at all.
    ("\u{1f980}", "is neither a date nor a time"),
    ("ＭＯＮ 9:00", "is not a weekday"),
    ("9:00\u{0}", "\"00\\0\" is not a minute"),
];

#[test]
fn a_refusal_says_what_is_wrong_and_what_to_write() {
    for (asked, message) in REFUSED {
        let error = Calendar::parse(asked).expect_err(asked).to_string();
        assert!(error.contains(message), "{asked}: {error}");
    }
}

#[test]
fn what_a_refusal_advises_is_read() {
    for text in ["17..23,0..9:00", "0 22-23,0-6 * * *", "5-59/15 * * * *", "Fri *-*-8..14 00:00", "Fri *-*~07/1 00:00"]
    {
        Calendar::parse(text).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn a_long_expression_is_cut_off_in_its_refusal() {
    let error = Calendar::parse(&"x".repeat(2_000)).unwrap_err();
    assert_eq!(error.asked(), format!("{}…", "x".repeat(80)));
    assert!(error.to_string().len() < 400, "{error}");
}

#[test]
fn the_longest_name_of_a_zone_has_the_bound() {
    let name = format!("Area/{}", "x".repeat(MAX_ZONE_BYTES - 5));
    assert_eq!(Calendar::parse(&format!("daily {name}")).unwrap().zone(), Some(&name[..]));
    let error = Calendar::parse(&format!("daily {name}x")).unwrap_err();
    assert!(error.wrong().ends_with("is not a time zone"), "{error}");
}
