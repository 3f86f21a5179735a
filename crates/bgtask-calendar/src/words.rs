//! The words of calendar expressions, and the nearest of them to a misspelt one.

use crate::error::{Problem, quoted};

pub(crate) const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The nicknames of cron and the five fields they stand for.
pub(crate) const NICKNAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// The shorthands of systemd and the long forms they stand for.
pub(crate) const SHORTHANDS: [(&str, &str); 10] = [
    ("minutely", "*-*-* *:*:00"),
    ("hourly", "*-*-* *:00:00"),
    ("daily", "*-*-* 00:00:00"),
    ("weekly", "Mon *-*-* 00:00:00"),
    ("monthly", "*-*-01 00:00:00"),
    ("quarterly", "*-01,04,07,10-01 00:00:00"),
    ("semiannually", "*-01,07-01 00:00:00"),
    ("biannually", "*-01,07-01 00:00:00"),
    ("yearly", "*-01-01 00:00:00"),
    ("annually", "*-01-01 00:00:00"),
];

/// Names of time zones that are one word, so that no other word is taken for one.
const ZONES_OF_ONE_WORD: [&str; 42] = [
    "UTC",
    "GMT",
    "UCT",
    "Zulu",
    "Universal",
    "Greenwich",
    "CET",
    "EET",
    "MET",
    "WET",
    "EST",
    "MST",
    "HST",
    "EST5EDT",
    "CST6CDT",
    "MST7MDT",
    "PST8PDT",
    "Cuba",
    "Egypt",
    "Eire",
    "GB",
    "GB-Eire",
    "Hongkong",
    "Iceland",
    "Iran",
    "Israel",
    "Jamaica",
    "Japan",
    "Kwajalein",
    "Libya",
    "NZ",
    "NZ-CHAT",
    "Navajo",
    "Poland",
    "Portugal",
    "PRC",
    "ROC",
    "ROK",
    "Singapore",
    "Turkey",
    "W-SU",
    "Factory",
];

/// The place of a weekday or month in its list, by its whole name or the first three letters, in any case.
pub(crate) fn position(word: &str, names: &[&str]) -> Option<usize> {
    names.iter().position(|name| name.eq_ignore_ascii_case(word) || name[..3].eq_ignore_ascii_case(word))
}

/// As [`position`], with an error that says the nearest name.
pub(crate) fn named(word: &str, names: &[&str], what: &str) -> Result<usize, Problem> {
    position(word, names).ok_or_else(|| {
        let short = names.iter().map(|name| &name[..3]);
        let help = did_you_mean(word, short.chain(names.iter().copied()))
            .unwrap_or_else(|| format!("a {what} is written as {}", &names[0][..3]));
        Problem::new(format!("{} is not a {what}", quoted(word)), help)
    })
}

/// The name of a time zone as the expression keeps it, if this has the form of one. Whether it exists is not known here.
pub(crate) fn zone(word: &str) -> Option<&str> {
    if word.eq_ignore_ascii_case("UTC") {
        return Some("UTC");
    }
    let formed = word.len() <= crate::MAX_ZONE_BYTES
        && word.starts_with(|first: char| first.is_ascii_alphabetic())
        && word.split('/').all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte))
        });
    (formed && (word.contains('/') || ZONES_OF_ONE_WORD.contains(&word))).then_some(word)
}

/// "did you mean …?", if some `known` word is near enough to `word`.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|nearest| format!("did you mean \"{nearest}\"?"))
}

/// The `known` word nearest to this one; of equally near ones the first.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    bgtask_suggest::nearest(word, known, bgtask_suggest::slips)
}
