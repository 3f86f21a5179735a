//! Quantities as people write them: `90s`, `1h30m`, `10G`, `22:00-06:00`.

use std::time::Duration;

const UNITS: [(&str, u64); 6] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];
const SIZES: [(&str, u64); 4] = [("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];

/// The time of that word: numbers with `w`, `d`, `h`, `min` (or `m`), `s`, `ms`, `us`, several after one another (`1h30m`);
/// a number alone is seconds. `None` where it is not one, or longer than 100 years.
///
/// ```
/// use std::time::Duration;
/// use bgtask_core::words::duration;
/// assert_eq!(duration("1h30m"), Some(Duration::from_secs(5_400)));
/// assert_eq!(duration("soon"), None);
/// ```
pub fn duration(word: &str) -> Option<Duration> {
    const LONGEST: u64 = 100 * 365 * 86_400_000_000;
    let mut rest = word.trim();
    if let Ok(seconds) = rest.parse::<u64>() {
        return Some(Duration::from_secs(seconds)).filter(|it| it.as_micros() <= u128::from(LONGEST));
    }
    let mut micros: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic() && c != 'µ').unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        micros = micros.checked_add(number.parse::<u64>().ok()?.checked_mul(unit_micros(unit)?)?)?;
        rest = next.trim_start();
    }
    (!word.trim().is_empty() && micros <= LONGEST).then(|| Duration::from_micros(micros))
}

fn unit_micros(unit: &str) -> Option<u64> {
    Some(match unit {
        "w" | "week" | "weeks" => 7 * 86_400_000_000,
        "d" | "day" | "days" => 86_400_000_000,
        "h" | "hr" | "hour" | "hours" => 3_600_000_000,
        "m" | "min" | "minute" | "minutes" => 60_000_000,
        "s" | "sec" | "second" | "seconds" => 1_000_000,
        "ms" => 1_000,
        "us" | "µs" => 1,
        _ => return None,
    })
}

/// The word of a time, which [`duration`] reads again: `1h30min`.
pub fn duration_word(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let mut word = String::new();
    for (unit, micros) in UNITS {
        if rest >= micros {
            word.push_str(&format!("{}{unit}", rest / micros));
            rest %= micros;
        }
    }
    if word.is_empty() { "0s".to_owned() } else { word }
}

/// The bytes of that word: a number with `K`, `M`, `G` or `T` (powers of 1024; `KiB`, `KB` … are the same), or of bytes.
///
/// ```
/// use bgtask_core::words::size;
/// assert_eq!(size("10G"), Some(10 << 30));
/// assert_eq!(size("much"), None);
/// ```
pub fn size(word: &str) -> Option<u64> {
    let word = word.trim();
    let digits = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    let (number, unit) = word.split_at(digits);
    let factor = match unit.trim().to_ascii_uppercase().trim_end_matches('B').trim_end_matches('I') {
        "" => 1,
        unit => SIZES.iter().find(|(name, _)| *name == unit)?.1,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// The word of a number of bytes, which [`size`] reads again.
pub fn size_word(bytes: u64) -> String {
    match SIZES.iter().find(|(_, factor)| bytes != 0 && bytes.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => bytes.to_string(),
    }
}

/// A decimal number in hundredths: `1.5` is 150.
pub(crate) fn hundredths(word: &str) -> Option<u32> {
    let (whole, part) = word.split_once('.').unwrap_or((word, ""));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || part.len() > 2 || !digits(whole) || !digits(part) {
        return None;
    }
    let part: u32 = format!("{part:0<2}").parse().ok()?;
    whole.parse::<u32>().ok()?.checked_mul(100)?.checked_add(part)
}

/// The decimal number of hundredths.
pub(crate) fn hundredths_word(value: u32) -> String {
    let text = format!("{}.{:02}", value / 100, value % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Minutes after midnight of `HH:MM`.
pub(crate) fn minute(word: &str) -> Option<u16> {
    let (hour, minute) = word.split_once(':')?;
    let number = |text: &str, below: u16| -> Option<u16> {
        let short = (1..=2).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit());
        text.parse().ok().filter(|value| short && *value < below)
    };
    Some(number(hour, 24)? * 60 + number(minute, 60).filter(|_| minute.len() == 2)?)
}

/// `HH:MM` of minutes after midnight.
pub(crate) fn minute_word(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_again_as_what_it_was_written_for() {
        for micros in [0, 1, 1_500, 1_000_000, 90_000_000, 5_400_000_000, 86_400_000_000, 700_000_000_000_000] {
            let duration_of = Duration::from_micros(micros);
            assert_eq!(duration(&duration_word(duration_of)), Some(duration_of));
        }
        for bytes in [0, 1, 1023, 1024, 5 << 20, (5 << 30) + 1, 3 << 40, u64::MAX] {
            assert_eq!(size(&size_word(bytes)), Some(bytes));
        }
        for value in [0, 5, 50, 100, 150, 1234] {
            assert_eq!(hundredths(&hundredths_word(value)), Some(value));
        }
    }

    #[test]
    fn what_is_no_quantity_is_none() {
        for word in ["", "s", "1x", "-5s", "1h 2", "99999999999999999999s", "200000d", "1.5h"] {
            assert_eq!(duration(word), None, "{word:?}");
        }
        for word in ["", "G", "1.5G", "-1", "10 apples", "99999999999T"] {
            assert_eq!(size(word), None, "{word:?}");
        }
        for word in ["", ".", ".5", "1.234", "-1", "x"] {
            assert_eq!(hundredths(word), None, "{word:?}");
        }
        for word in ["", "24:00", "6", "6:5", "06:60", "006:00", "+6:00"] {
            assert_eq!(minute(word), None, "{word:?}");
        }
        assert_eq!(minute("6:05"), Some(365));
    }

    #[test]
    fn people_write_one_quantity_in_several_ways() {
        for word in ["90s", "90", "1m30s", "1min 30s", "90 seconds", "90000ms"] {
            assert_eq!(duration(word), Some(Duration::from_secs(90)), "{word:?}");
        }
        for word in ["1G", "1GiB", "1gb", "1024M", "1048576K"] {
            assert_eq!(size(word), Some(1 << 30), "{word:?}");
        }
    }
}
