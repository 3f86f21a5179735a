//! Times and amounts, short enough for a column.

use std::time::Duration;

/// `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`, `3 days`: two units at most.
pub(crate) fn span(duration: Duration) -> String {
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
pub(crate) fn exact(duration: Duration) -> String {
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
pub(crate) fn amount(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let Some((unit, size)) = UNITS.into_iter().find(|(_, size)| bytes >= *size) else {
        return format!("{bytes} B");
    };
    let tenths = (u128::from(bytes) * 10 / u128::from(size)) as u64;
    if tenths < 100 { format!("{}.{} {unit}", tenths / 10, tenths % 10) } else { format!("{} {unit}", tenths / 10) }
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
}
