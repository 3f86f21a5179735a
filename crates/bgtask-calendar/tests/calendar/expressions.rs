//! What is read, how it is written, when it comes and what people are told.

use bgtask_calendar::{Calendar, FIRST_YEAR, LAST_YEAR, MAX_EXPRESSION_BYTES, cron};

use crate::{at, upcoming, zone};

/// Asked, normalized, told.
const EXPRESSIONS: &[(&str, &str, &str)] = &[
    // The shorthands of systemd.
    ("minutely", "*-*-* *:*:00", "every minute"),
    ("hourly", "*-*-* *:00:00", "every hour"),
    ("daily", "*-*-* 00:00:00", "every day at 00:00"),
    ("Weekly", "Mon *-*-* 00:00:00", "every Monday at 00:00"),
    ("monthly", "*-*-01 00:00:00", "on the 1st of every month at 00:00"),
    ("quarterly", "*-01/3-01 00:00:00", "*-01/3-01 00:00:00"),
    ("semiannually", "*-01,07-01 00:00:00", "*-01,07-01 00:00:00"),
    ("yearly", "*-01-01 00:00:00", "every year on 1 January at 00:00"),
    ("annually UTC", "*-01-01 00:00:00 UTC", "every year on 1 January at 00:00 (UTC)"),
    ("daily Europe/Berlin", "*-*-* 00:00:00 Europe/Berlin", "every day at 00:00 (Europe/Berlin)"),
    // The long form of systemd.
    ("09:00", "*-*-* 09:00:00", "every day at 09:00"),
    ("9:0:30", "*-*-* 09:00:30", "*-*-* 09:00:30"),
    ("Mon..Fri *-*-* 09:00", "Mon..Fri *-*-* 09:00:00", "every weekday at 09:00"),
    ("mon-fri 9:00", "Mon..Fri *-*-* 09:00:00", "every weekday at 09:00"),
    ("Wed, 17:48", "Wed *-*-* 17:48:00", "every Wednesday at 17:48"),
    (
        "Sat,Thu,Mon..Wed,Sat..Sun",
        "Mon..Thu,Sat,Sun *-*-* 00:00:00",
        "every Monday, Tuesday, Wednesday, Thursday, Saturday and Sunday at 00:00",
    ),
    ("Fri..Mon 8:00", "Mon,Fri..Sun *-*-* 08:00:00", "every Monday, Friday, Saturday and Sunday at 08:00"),
    ("*:0/15", "*-*-* *:00/15:00", "every 15 minutes"),
    ("*:5/20", "*-*-* *:05/20:00", "*-*-* *:05/20:00"),
    ("0/2:00", "*-*-* 00/2:00:00", "every 2 hours"),
    ("*/2:00", "*-*-* 00/2:00:00", "every 2 hours"),
    ("0,6,12,18:30", "*-*-* 00,06,12,18:30:00", "every day at 00:30, 06:30, 12:30 and 18:30"),
    ("9..17:00", "*-*-* 09..17:00:00", "*-*-* 09..17:00:00"),
    ("9..17/4:00", "*-*-* 09..17/4:00:00", "every day at 09:00, 13:00 and 17:00"),
    ("Mon..Fri *:0/15", "Mon..Fri *-*-* *:00/15:00", "every 15 minutes, every weekday"),
    ("Sat *-*-1..7 18:00:00", "Sat *-*-01..07 18:00:00", "on the first Saturday of every month at 18:00"),
    ("Mon *-05~07/1", "Mon *-05~01..07 00:00:00", "on the last Monday of May at 00:00"),
    ("*-*~1", "*-*~01 00:00:00", "on the last day of every month at 00:00"),
    ("*-2~3", "*-02~03 00:00:00", "*-02~03 00:00:00"),
    ("*-*~5/2", "*-*~01..05/2 00:00:00", "*-*~01..05/2 00:00:00"),
    ("2027-01-01", "2027-01-01 00:00:00", "on 2027-01-01 at 00:00"),
    ("27-1-1 12:30", "2027-01-01 12:30:00", "on 2027-01-01 at 12:30"),
    ("12-24 18:00", "*-12-24 18:00:00", "every year on 24 December at 18:00"),
    ("2027..2030/3-*-*", "2027,2030-*-* 00:00:00", "2027,2030-*-* 00:00:00"),
    ("*-6..8-1,15 7:00", "*-06..08-01,15 07:00:00", "*-06..08-01,15 07:00:00"),
    ("*-*-* *:*:*", "*-*-* *:*:*", "*-*-* *:*:*"),
    ("9:00 utc", "*-*-* 09:00:00 UTC", "every day at 09:00 (UTC)"),
    // Cron.
    ("* * * * *", "*-*-* *:*:00", "every minute"),
    ("*/15 * * * *", "*-*-* *:00/15:00", "every 15 minutes"),
    ("0 9 * * 1-5", "Mon..Fri *-*-* 09:00:00", "every weekday at 09:00"),
    (
        "0 9 * * mon-fri Europe/Berlin",
        "Mon..Fri *-*-* 09:00:00 Europe/Berlin",
        "every weekday at 09:00 (Europe/Berlin)",
    ),
    ("30 4 * * 0", "Sun *-*-* 04:30:00", "every Sunday at 04:30"),
    ("30 4 * * 7", "Sun *-*-* 04:30:00", "every Sunday at 04:30"),
    ("30 4 * * 5-7", "Fri..Sun *-*-* 04:30:00", "every Friday, Saturday and Sunday at 04:30"),
    ("30 4 * * Fri-Sun", "Fri..Sun *-*-* 04:30:00", "every Friday, Saturday and Sunday at 04:30"),
    ("5 4 1 jan,JUL *", "*-01,07-01 04:05:00", "*-01,07-01 04:05:00"),
    ("0 22-23,0-5 * * *", "*-*-* 00..05,22,23:00:00", "*-*-* 00..05,22,23:00:00"),
    ("0 8-18/5 * * *", "*-*-* 08..18/5:00:00", "every day at 08:00, 13:00 and 18:00"),
    ("17 * * * *", "*-*-* *:17:00", "every hour at minute 17"),
    ("@hourly", "*-*-* *:00:00", "every hour"),
    ("@daily", "*-*-* 00:00:00", "every day at 00:00"),
    ("@midnight", "*-*-* 00:00:00", "every day at 00:00"),
    ("@weekly", "Sun *-*-* 00:00:00", "every Sunday at 00:00"),
    ("@monthly", "*-*-01 00:00:00", "on the 1st of every month at 00:00"),
    ("@yearly", "*-01-01 00:00:00", "every year on 1 January at 00:00"),
    ("@annually UTC", "*-01-01 00:00:00 UTC", "every year on 1 January at 00:00 (UTC)"),
    // A day of the month or a weekday: only cron can say it, and so it stays cron.
    ("0 9 13 * fri", "0 9 13 * 5", "0 9 13 * 5"),
    ("0 */6 1-31/2 */3 1 UTC", "0 0-18/6 1-31/2 1-10/3 1 UTC", "0 0-18/6 1-31/2 1-10/3 1 UTC"),
    ("0 9 1-31 * 1", "*-*-* 09:00:00", "every day at 09:00"),
    // A star with a step restricts nothing by Vixie's rule, so both have to hold.
    ("0 9 */2 * 1", "Mon *-*-01/2 09:00:00", "Mon *-*-01/2 09:00:00"),
];

#[test]
fn an_expression_is_normalized_told_and_read_back() {
    for &(asked, normalized, told) in EXPRESSIONS {
        let calendar = Calendar::parse(asked).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(calendar.to_string(), normalized, "{asked}");
        assert_eq!(Calendar::parse(normalized).unwrap(), calendar, "{asked} as {normalized}");
        assert_eq!(calendar.describe(), told, "{asked}");
    }
}

#[test]
fn the_two_forms_say_the_same() {
    for (cron, systemd) in [
        ("0 9 * * 1-5", "Mon..Fri 09:00"),
        ("*/15 * * * *", "*:0/15"),
        ("0 0 1 * *", "monthly"),
        ("0 */4 * * *", "0/4:00"),
        ("30 6 24 12 *", "12-24 6:30"),
    ] {
        assert_eq!(Calendar::parse(cron).unwrap(), Calendar::parse(systemd).unwrap(), "{cron} and {systemd}");
    }
}

#[test]
fn the_next_time_is_strictly_after_the_one_given() {
    let utc = zone("UTC");
    let nine = Calendar::parse("09:00").unwrap();
    let today = at("2027-01-01 09:00", &utc);
    assert_eq!(nine.next(today - 1, &utc), Some(today));
    assert_eq!(nine.next(today, &utc), Some(at("2027-01-02 09:00", &utc)));
}

#[test]
fn a_day_of_the_month_or_a_weekday_is_enough_in_cron() {
    let expected = ["Fri 2027-08-06 09:00:00 +00", "Fri 2027-08-13 09:00:00 +00", "Fri 2027-08-20 09:00:00 +00"];
    assert_eq!(upcoming("0 9 13 * fri", "2027-08-01 00:00", "UTC", 3), expected);
    let expected = ["Fri 2027-09-10 09:00:00 +00", "Mon 2027-09-13 09:00:00 +00"];
    assert_eq!(upcoming("0 9 13 * fri", "2027-09-04 00:00", "UTC", 2), expected);
}

#[test]
fn days_are_counted_from_the_end_of_each_month() {
    let expected = ["Sun 2027-01-31 00:00:00 +00", "Sun 2027-02-28 00:00:00 +00", "Wed 2027-03-31 00:00:00 +00"];
    assert_eq!(upcoming("*-*~1", "2027-01-05 00:00", "UTC", 3), expected);
    assert_eq!(upcoming("*-2~3", "2028-01-01 00:00", "UTC", 1), ["Sun 2028-02-27 00:00:00 +00"]);
    assert_eq!(upcoming("Mon *-05~07/1", "2027-01-01 00:00", "UTC", 1), ["Mon 2027-05-31 00:00:00 +00"]);
    let expected = ["Thu 2027-05-27 00:00:00 +00", "Sat 2027-05-29 00:00:00 +00", "Mon 2027-05-31 00:00:00 +00"];
    assert_eq!(upcoming("*-*~5/2", "2027-05-01 00:00", "UTC", 3), expected);
}

#[test]
fn what_never_comes_has_no_next_time() {
    let utc = zone("UTC");
    for never in ["*-02-30", "*-02~30", "2026-12-31", "Mon 2027-01-01"] {
        let after = at("2027-01-01 00:00", &utc);
        assert_eq!(Calendar::parse(never).unwrap().next(after, &utc), None, "{never}");
    }
}

#[test]
fn the_first_and_the_last_year_are_the_bounds() {
    let utc = zone("UTC");
    let daily = Calendar::parse("daily").unwrap();
    assert_eq!((FIRST_YEAR, LAST_YEAR), (1970, 2199));
    assert_eq!(daily.next(i64::MIN, &utc), Some(0));
    assert_eq!(daily.next(at("2199-12-30 00:00", &utc), &utc), Some(at("2199-12-31 00:00", &utc)));
    assert_eq!(daily.next(at("2199-12-31 00:00", &utc), &utc), None);
    assert_eq!(daily.next(i64::MAX, &utc), None);
}

#[test]
fn the_longest_expression_that_is_read_has_the_bound() {
    let filled = format!("daily{}UTC", " ".repeat(MAX_EXPRESSION_BYTES - "dailyUTC".len()));
    assert!(Calendar::parse(&filled).is_ok());
    let error = Calendar::parse(&format!("{filled} ")).unwrap_err();
    assert!(error.wrong().contains("2049 bytes"), "{error}");
}

#[test]
fn the_zone_is_the_callers_to_resolve() {
    for (text, zone) in [
        ("daily", None),
        ("daily utc", Some("UTC")),
        ("0 9 * * * America/Argentina/Buenos_Aires", Some("America/Argentina/Buenos_Aires")),
        ("Mon 9:00 Japan", Some("Japan")),
        ("9:00 Etc/GMT-14", Some("Etc/GMT-14")),
    ] {
        assert_eq!(Calendar::parse(text).unwrap().zone(), zone, "{text}");
    }
}

#[test]
fn importers_get_the_fields_of_cron() {
    assert!(cron::is("@daily") && cron::is("1 2 3 4 5") && !cron::is("Mon *-*-* 09:00 UTC"));
    assert_eq!(cron::fields("@monthly").unwrap(), ["0", "0", "1", "*", "*"]);
    assert_eq!(cron::fields(" */5  8-18 * * mon-fri UTC").unwrap(), ["*/5", "8-18", "*", "*", "mon-fri"]);
    assert!(cron::fields("daily").unwrap_err().to_string().contains("this is not cron"));
    assert!(cron::fields("61 * * * *").is_err());
}
