//! Spans of time and sizes in a few columns.

use std::time::Duration;

/// How long something took, in at most six columns: `340us`, `14ms`, `1.2s`, `59s`, `3m20s`, `2h03m`, `4d02h`, `812d`.
pub fn span(duration: Duration) -> String {
    let (micros, seconds) = (duration.as_micros(), duration.as_secs());
    match micros {
        0 => "0".to_owned(),
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
pub fn bytes(size: u64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_the_unit_that_one_would_say() {
        for (micros, said) in [
            (0, "0"),
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
            assert_eq!(span(Duration::from_micros(micros)), said, "{micros}");
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
            assert_eq!(bytes(size), said, "{size}");
        }
    }
}
