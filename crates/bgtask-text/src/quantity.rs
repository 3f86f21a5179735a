//! Times and amounts: in a sentence, and in a few columns.

use std::time::Duration;

/// `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`, `3 days`: two units at most.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=9 => format!("{:.1} s", duration.as_secs_f64().min(9.9)),
        10..=59 => format!("{seconds} s"),
        60..=3_599 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..=86_399 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        86_400..=172_799 => two(1, "day", seconds % 86_400 / 3_600, "h"),
        _ => two(seconds / 86_400, "days", seconds % 86_400 / 3_600, "h"),
    }
}

/// `every 1 h 30 min`: a time exactly, as it was written, with its units apart.
pub fn exact(duration: Duration) -> String {
    let word = bgtask_core::words::duration_word(duration);
    let mut text = String::with_capacity(word.len() + 8);
    let mut before = ' ';
    for character in word.chars() {
        if character.is_ascii_digit() != before.is_ascii_digit() && !text.is_empty() {
            text.push(' ');
        }
        text.push(character);
        before = character;
    }
    let days = |text: String| {
        text.strip_suffix(" d").map(|count| if count == "1" { "1 day".into() } else { format!("{count} days") })
    };
    days(text.clone()).unwrap_or(text)
}

/// `900 B`, `1.2 MiB`, `34 GiB`.
pub fn amount(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let Some((unit, size)) = UNITS.into_iter().find(|(_, size)| bytes >= *size) else {
        return format!("{bytes} B");
    };
    let tenths = (u128::from(bytes) * 10 / u128::from(size)) as u64;
    if tenths < 100 { format!("{}.{} {unit}", tenths / 10, tenths % 10) } else { format!("{} {unit}", tenths / 10) }
}

/// How long something took, in at most six columns: `340us`, `14ms`, `1.2s`, `59s`, `3m20s`, `2h03m`, `4d02h`, `812d`.
pub fn short_span(duration: Duration) -> String {
    let (micros, seconds) = (duration.as_micros(), duration.as_secs());
    match micros {
        0 => "0s".to_owned(),
        1..1_000 => format!("{micros}us"),
        1_000..1_000_000 => format!("{}ms", micros / 1_000),
        1_000_000..10_000_000 => format!("{seconds}.{}s", micros % 1_000_000 / 100_000),
        _ => match seconds {
            ..60 => format!("{seconds}s"),
            60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
            3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
            86_400..8_640_000 => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
            _ => format!("{}d", seconds / 86_400),
        },
    }
}

/// A size in at most five columns, by powers of 1024: `0`, `980`, `1.2K`, `34M`, `1023G`.
pub fn short_amount(size: u64) -> String {
    const UNITS: [&str; 6] = ["K", "M", "G", "T", "P", "E"];
    if size < 1024 {
        return size.to_string();
    }
    let power = (size.ilog2() / 10) as usize;
    let unit = 1_u64 << (10 * power);
    let (whole, tenth) = (size / unit, size % unit / (unit / 10 + 1));
    let unit = UNITS[power - 1];
    if whole < 10 { format!("{whole}.{tenth}{unit}") } else { format!("{whole}{unit}") }
}

fn two(many: u64, unit: &str, few: u64, small: &str) -> String {
    if few == 0 { format!("{many} {unit}") } else { format!("{many} {unit} {few} {small}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_two_units_at_most() {
        for (millis, said) in [
            (0, "0.0 s"),
            (430, "0.4 s"),
            (9_990, "9.9 s"),
            (59_000, "59 s"),
            (60_000, "1 min"),
            (185_000, "3 min 5 s"),
            (7_800_000, "2 h 10 min"),
            (90_000_000, "1 day 1 h"),
            (259_200_000, "3 days"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), said);
        }
    }

    #[test]
    fn an_exact_time_keeps_every_unit_it_was_written_with() {
        for (seconds, said) in [
            (21_600, "6 h"),
            (5_400, "1 h 30 min"),
            (86_400, "1 day"),
            (172_800, "2 days"),
            (90_061, "1 d 1 h 1 min 1 s"),
        ] {
            assert_eq!(exact(Duration::from_secs(seconds)), said);
        }
    }

    #[test]
    fn an_amount_has_two_digits_or_more() {
        for (bytes, said) in
            [(0, "0 B"), (1023, "1023 B"), (1 << 20, "1.0 MiB"), (34 << 30, "34 GiB"), (u64::MAX, "16777215 TiB")]
        {
            assert_eq!(amount(bytes), said);
        }
    }

    #[test]
    fn a_span_has_the_unit_that_one_would_say() {
        for (micros, said) in [
            (0, "0s"),
            (340, "340us"),
            (14_900, "14ms"),
            (999_999, "999ms"),
            (1_240_000, "1.2s"),
            (9_999_999, "9.9s"),
            (59_999_999, "59s"),
            (200_000_000, "3m20s"),
            (7_380_000_000, "2h03m"),
            (352_800_000_000, "4d02h"),
            (u64::MAX, "213503982d"),
        ] {
            assert_eq!(short_span(Duration::from_micros(micros)), said, "{micros}");
        }
    }

    #[test]
    fn a_size_is_cut_never_rounded_up() {
        for (size, said) in [
            (0, "0"),
            (980, "980"),
            (1_023, "1023"),
            (1_024, "1.0K"),
            (2_047, "1.9K"),
            (34 << 20, "34M"),
            ((1 << 40) - 1, "1023G"),
            (u64::MAX, "15E"),
        ] {
            assert_eq!(short_amount(size), said, "{size}");
        }
    }
}
