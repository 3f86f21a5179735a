//! A calendar in the words of people.

use crate::Calendar;
use crate::set::{Field, Set};
use crate::words::{MONTHS, WEEKDAYS};

/// Most times of a day that are read out one by one.
const MAX_TIMES: usize = 4;

/// A sentence without its subject, if there is a short one: "every weekday at 09:00".
pub(crate) fn describe(calendar: &Calendar) -> Option<String> {
    if calendar.either || calendar.seconds != Field::SECOND.only(0) {
        return None;
    }
    let every_day = calendar.years == Field::YEAR.all() && days(calendar).as_deref() == Some("every day");
    let said = match often(calendar) {
        Some(often) if every_day => often,
        Some(often) => format!("{often}, {}", days(calendar)?),
        None => format!("{} at {}", days(calendar)?, times(calendar)?),
    };
    Some(match calendar.zone() {
        Some(zone) => format!("{said} ({zone})"),
        None => said,
    })
}

/// What comes at even distances through the day: "every 15 minutes", "every hour".
fn often(calendar: &Calendar) -> Option<String> {
    let minutes = Field::MINUTE.values(calendar.minutes);
    let hours = Field::HOUR.values(calendar.hours);
    let every_hour = calendar.hours == Field::HOUR.all();
    match (even(&minutes, 60), even(&hours, 24)) {
        (Some(1), _) if every_hour => Some("every minute".to_owned()),
        (Some(step), _) if every_hour && minutes[0] == 0 => Some(format!("every {step} minutes")),
        (_, Some(1)) if minutes == [0] => Some("every hour".to_owned()),
        (_, Some(1)) if minutes.len() == 1 => Some(format!("every hour at minute {}", minutes[0])),
        (_, Some(step)) if minutes == [0] && hours[0] == 0 => Some(format!("every {step} hours")),
        _ => None,
    }
}

/// The distance of three or more values that are evenly spread over the whole.
fn even(values: &[u32], whole: u32) -> Option<u32> {
    let [first, second, _, ..] = values else { return None };
    let step = second - first;
    let evenly = values.windows(2).all(|pair| pair[1] - pair[0] == step);
    (evenly && step * values.len() as u32 == whole).then_some(step)
}

/// "09:00", "09:00 and 17:00".
fn times(calendar: &Calendar) -> Option<String> {
    let (hours, minutes) = (Field::HOUR.values(calendar.hours), Field::MINUTE.values(calendar.minutes));
    if hours.len() * minutes.len() > MAX_TIMES {
        return None;
    }
    let times = hours.iter().flat_map(|hour| minutes.iter().map(move |minute| format!("{hour:02}:{minute:02}")));
    Some(listed(times.collect()))
}

/// "every weekday", "on the 1st of every month", "every year on 24 December".
fn days(calendar: &Calendar) -> Option<String> {
    let any_weekday = calendar.weekdays == Field::WEEKDAY.all();
    let any_month = calendar.months == Field::MONTH.all();
    let years = Field::YEAR.values(calendar.years);
    match (days_of_month(calendar), any_weekday) {
        _ if years.len() == 1 => once(calendar, years[0]),
        _ if calendar.years != Field::YEAR.all() => None,
        (None, false) => Some(format!("{}{}", weekdays(calendar.weekdays), in_months(calendar.months)?)),
        (None, true) if any_month => Some("every day".to_owned()),
        (None, true) => Some(format!("every day{}", in_months(calendar.months)?)),
        (Some(Days::Exactly(days)), true) => Some(match (&days[..], &Field::MONTH.values(calendar.months)[..]) {
            (_, _) if any_month => format!("on the {} of every month", listed(days.into_iter().map(ordinal).collect())),
            ([day], [month]) => format!("every year on {day} {}", MONTHS[*month as usize - 1]),
            _ => return None,
        }),
        (Some(Days::Last), true) => Some(format!("on the last day of {}", of_months(calendar.months)?)),
        (Some(Days::Week(which)), false) => {
            let weekdays = Field::WEEKDAY.values(calendar.weekdays);
            let [weekday] = weekdays[..] else { return None };
            let weekday = WEEKDAYS[weekday as usize];
            Some(format!("on the {which} {weekday} of {}", of_months(calendar.months)?))
        }
        _ => None,
    }
}

/// The days of the month that have a name.
enum Days {
    Exactly(Vec<u32>),
    /// None of the names below, which is too much for a sentence.
    Nameless,
    Last,
    /// Seven days in which every weekday comes once.
    Week(&'static str),
}

fn days_of_month(calendar: &Calendar) -> Option<Days> {
    let days = Field::DAY.values(calendar.days);
    match (calendar.days_from_end, &days[..]) {
        (false, days) if days.len() == 31 => None,
        (false, days) if days.len() <= MAX_TIMES => Some(Days::Exactly(days.to_vec())),
        (true, [1]) => Some(Days::Last),
        (true, [1, 2, 3, 4, 5, 6, 7]) => Some(Days::Week("last")),
        (false, [first, .., _]) if days.len() == 7 && days[6] - first == 6 => match first {
            1 => Some(Days::Week("first")),
            8 => Some(Days::Week("second")),
            15 => Some(Days::Week("third")),
            22 => Some(Days::Week("fourth")),
            _ => Some(Days::Nameless),
        },
        _ => Some(Days::Nameless),
    }
}

/// "on 2027-01-01".
fn once(calendar: &Calendar, year: u32) -> Option<String> {
    let (months, days) = (Field::MONTH.values(calendar.months), Field::DAY.values(calendar.days));
    match (&months[..], &days[..]) {
        ([month], [day]) if !calendar.days_from_end && calendar.weekdays == Field::WEEKDAY.all() => {
            Some(format!("on {year}-{month:02}-{day:02}"))
        }
        _ => None,
    }
}

fn weekdays(set: Set) -> String {
    let days = Field::WEEKDAY.values(set);
    match days[..] {
        [0, 1, 2, 3, 4] => "every weekday".to_owned(),
        [5, 6] => "every Saturday and Sunday".to_owned(),
        _ => format!("every {}", listed(days.iter().map(|day| WEEKDAYS[*day as usize].to_owned()).collect())),
    }
}

fn of_months(set: Set) -> Option<String> {
    if set == Field::MONTH.all() { Some("every month".to_owned()) } else { months(set) }
}

fn in_months(set: Set) -> Option<String> {
    if set == Field::MONTH.all() { Some(String::new()) } else { months(set).map(|months| format!(" in {months}")) }
}

fn months(set: Set) -> Option<String> {
    let months = Field::MONTH.values(set);
    let names = months.iter().map(|month| MONTHS[*month as usize - 1].to_owned());
    (months.len() <= MAX_TIMES).then(|| listed(names.collect()))
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// "a", "a and b", "a, b and c".
fn listed(mut words: Vec<String>) -> String {
    match words.pop() {
        None => String::new(),
        Some(last) if words.is_empty() => last,
        Some(last) => format!("{} and {last}", words.join(", ")),
    }
}
