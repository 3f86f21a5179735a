//! What holds for every expression, instant and zone.

use bgtask_calendar::{Calendar, DayWindow, MAX_EXPRESSION_BYTES};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{series, shown, zone};

const MINUTE: i64 = 60_000_000;
const ZONES: [&str; 6] =
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Havana"];

/// One field of cron, as text and as the values it names, made side by side.
#[derive(Clone, Debug)]
struct Field {
    text: String,
    values: Vec<u32>,
}

fn field(first: u32, last: u32) -> impl Strategy<Value = Field> {
    let star = Just(Field { text: "*".to_owned(), values: (first..=last).collect() });
    let stepped = (2u32..=last).prop_map(move |step| Field {
        text: format!("*/{step}"),
        values: (first..=last).step_by(step as usize).collect(),
    });
    let range = (first..=last, first..=last, 1u32..=4).prop_map(|(a, b, step)| Field {
        text: format!("{}-{}/{step}", a.min(b), a.max(b)),
        values: (a.min(b)..=a.max(b)).step_by(step as usize).collect(),
    });
    let list = vec(first..=last, 1..4).prop_map(|values| {
        let text: Vec<String> = values.iter().map(u32::to_string).collect();
        Field { text: text.join(","), values }
    });
    prop_oneof![2 => star, 1 => stepped, 1 => range, 3 => list]
}

#[derive(Clone, Debug)]
struct Cron {
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

impl Cron {
    fn text(&self) -> String {
        [&self.minute, &self.hour, &self.day, &self.month, &self.weekday].map(|field| field.text.as_str()).join(" ")
    }

    fn names(&self, local: jiff::civil::DateTime) -> bool {
        let has = |field: &Field, value: i8| field.values.contains(&(value as u32));
        let day = has(&self.day, local.day());
        let weekday = has(&self.weekday, local.weekday().to_sunday_zero_offset());
        let either = !self.day.text.starts_with('*') && !self.weekday.text.starts_with('*');
        has(&self.minute, local.minute())
            && has(&self.hour, local.hour())
            && has(&self.month, local.month())
            && if either { day || weekday } else { day && weekday }
    }

    /// The rules of the crate, minute by minute.
    fn runs_at(&self, at: Timestamp, zone: &TimeZone) -> bool {
        let local = zone.to_datetime(at);
        let first_pass = match zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Fold { before, .. } => before == zone.to_offset(at),
            _ => true,
        };
        let repeats = self.hour.text.contains(['*', '/']) || self.every_hour();
        self.names(local) && (first_pass || repeats) || !self.every_hour() && self.missed_until(at, zone)
    }

    fn every_hour(&self) -> bool {
        (0..24).all(|hour| self.hour.values.contains(&hour))
    }

    /// Whether the clock was set forward at this instant, over a time of this expression.
    fn missed_until(&self, at: Timestamp, zone: &TimeZone) -> bool {
        let (before, after) = (zone.to_offset(at - 1.second()), zone.to_offset(at));
        let minutes = (after.seconds() - before.seconds()) / 60;
        (1..=minutes).any(|back| self.names(zone.to_datetime(at) - i64::from(back).minutes()))
    }
}

fn cron() -> impl Strategy<Value = Cron> {
    (field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6))
        .prop_map(|(minute, hour, day, month, weekday)| Cron { minute, hour, day, month, weekday })
}

/// An expression that is not too rare: any day of any month, so that windows of days have some of it.
fn frequent() -> impl Strategy<Value = Cron> {
    let any = |first, last| Field { text: "*".to_owned(), values: (first..=last).collect() };
    (field(0, 59), field(0, 23)).prop_map(move |(minute, hour)| Cron {
        minute,
        hour,
        day: any(1, 31),
        month: any(1, 12),
        weekday: any(0, 6),
    })
}

fn any_zone() -> impl Strategy<Value = TimeZone> {
    prop::sample::select(&ZONES[..]).prop_map(zone)
}

/// Minutes since the epoch, from 2020 to 2060.
fn any_minute() -> impl Strategy<Value = i64> {
    26_297_280i64..47_335_680
}

/// Some minutes before a change of the clock.
fn before_a_change() -> impl Strategy<Value = (TimeZone, i64)> {
    (any_zone(), any_minute(), 0i64..2_000).prop_map(|(zone, near, back)| {
        let near = Timestamp::from_second(near * 60).unwrap();
        let change = zone.following(near).next().map_or(near, |change| change.timestamp());
        (zone.clone(), change.as_second() / 60 - back)
    })
}

/// Every instant of the expression in the `minutes` after this one.
fn scanned(cron: &Cron, after: i64, minutes: i64, zone: &TimeZone) -> Vec<i64> {
    let runs = |minute: &i64| cron.runs_at(Timestamp::from_second(minute * 60).unwrap(), zone);
    (after + 1..=after + minutes).filter(runs).map(|minute| minute * MINUTE).collect()
}

fn found(text: &str, after: i64, minutes: i64, zone: &TimeZone) -> Vec<i64> {
    let calendar = Calendar::parse(text).unwrap();
    let all = series(&calendar, after * MINUTE, zone, minutes as usize + 1);
    all.into_iter().take_while(|at| *at <= (after + minutes) * MINUTE).collect()
}

fn compared(cron: &Cron, after: i64, minutes: i64, zone: &TimeZone) -> Result<(), TestCaseError> {
    let told = |all: Vec<i64>| all.into_iter().map(|at| shown(at, zone)).collect::<Vec<_>>();
    let found = told(found(&cron.text(), after, minutes, zone));
    prop_assert_eq!(found, told(scanned(cron, after, minutes, zone)), "{}", cron.text());
    Ok(())
}

/// Ways to write any part of the systemd form, right and nearly right.
const PIECES: &[&str] = &[
    "Mon",
    "..",
    "Fri",
    ",",
    "-",
    "*",
    "~",
    ":",
    "/",
    " ",
    "0",
    "1",
    "7",
    "15",
    "31",
    "59",
    "2027",
    "UTC",
    "Europe/Berlin",
    "daily",
    "@",
    "@daily",
    ".",
    "jan",
    "#",
    "L",
    "é",
    "\u{0}",
    "99999999999",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn around_a_change_of_the_clock_a_scan_by_minutes_finds_the_same(
        cron in frequent(), (zone, after) in before_a_change(),
    ) {
        compared(&cron, after, 2_500, &zone)?;
    }

    #[test]
    fn anywhere_a_scan_by_minutes_finds_the_same(cron in cron(), zone in any_zone(), after in any_minute()) {
        compared(&cron, after, 1_500, &zone)?;
    }

    #[test]
    fn the_next_time_is_later_and_the_next_after_just_before(cron in cron(), zone in any_zone(), after in any_minute()) {
        let calendar = Calendar::parse(&cron.text()).unwrap();
        if let Some(next) = calendar.next(after * MINUTE, &zone) {
            prop_assert!(next > after * MINUTE);
            prop_assert_eq!(calendar.next(next - 1, &zone), Some(next));
            prop_assert!(calendar.next(next, &zone).is_none_or(|later| later > next));
        }
    }

    #[test]
    fn who_asks_later_is_answered_later(
        cron in cron(), (zone, after) in before_a_change(), wait in 0i64..200_000,
    ) {
        let calendar = Calendar::parse(&cron.text()).unwrap();
        let (sooner, later) = (calendar.next(after * MINUTE, &zone), calendar.next((after + wait) * MINUTE, &zone));
        prop_assert!(later.is_none() || sooner <= later, "{sooner:?} {later:?}");
        prop_assert!(sooner.is_none_or(|sooner| sooner <= (after + wait) * MINUTE || Some(sooner) == later));
    }

    #[test]
    fn what_is_written_is_read_back(cron in cron()) {
        let calendar = Calendar::parse(&cron.text()).unwrap();
        prop_assert_eq!(Calendar::parse(&calendar.to_string()).unwrap(), calendar);
    }

    #[test]
    fn any_text_is_read_or_refused_and_what_is_read_is_read_back(text in "\\PC{0,60}") {
        read_back(&text)?;
    }

    #[test]
    fn nearly_right_text_is_read_or_refused(pieces in vec(prop::sample::select(PIECES), 0..16)) {
        read_back(&pieces.concat())?;
    }

    #[test]
    fn times_of_any_shape_are_read_back(
        (weekday, year, month, day) in (field(0, 6), field(1970, 2199), field(1, 12), field(1, 31)),
        (hour, minute, second) in (field(0, 23), field(0, 59), field(0, 59)),
        (from_end, weekdays) in (any::<bool>(), any::<bool>()),
    ) {
        let of_systemd = |field: &Field| field.text.replace('-', "..");
        let names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        let weekdays: Vec<_> = weekday.values.iter().map(|day| names[*day as usize]).filter(|_| weekdays).collect();
        let mark = if from_end { '~' } else { '-' };
        let [year, month, day] = [year, month, day].map(|field| of_systemd(&field));
        let [hour, minute, second] = [hour, minute, second].map(|field| of_systemd(&field));
        let text = format!("{} {year}-{month}{mark}{day} {hour}:{minute}:{second} UTC", weekdays.join(","));
        prop_assert!(Calendar::parse(&text).is_ok(), "{}", text);
        read_back(&text)?;
    }

    #[test]
    fn a_window_changes_next_where_a_scan_by_minutes_sees_it(
        (from, to) in (0u16..1440, 0u16..1440), (zone, after) in before_a_change(),
    ) {
        prop_assume!(from != to);
        let window = DayWindow::new(from, to).unwrap();
        let held = window.holds(after * MINUTE, &zone);
        let seen = (after + 1..).find(|minute| window.holds(minute * MINUTE, &zone) != held).unwrap();
        prop_assert_eq!(shown(window.next_change(after * MINUTE, &zone), &zone), shown(seen * MINUTE, &zone));
    }
}

fn read_back(text: &str) -> Result<(), TestCaseError> {
    if let Ok(calendar) = Calendar::parse(text) {
        let written = calendar.to_string();
        prop_assert!(written.len() < MAX_EXPRESSION_BYTES);
        prop_assert_eq!(Calendar::parse(&written).expect("read back"), calendar.clone(), "{}", written);
        calendar.describe();
        calendar.next(0, &TimeZone::UTC);
    }
    Ok(())
}
