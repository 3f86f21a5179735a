//! Fields of a time as tables of yes and no, and the date of a local time.

use jiff::civil::{Date, date};

/// For each value of a field whether it is in a list such as `1,10-20/5`.
pub(super) struct Table(Vec<bool>);

/// How the lists of a form are written.
pub(super) struct Form {
    /// Between the ends of a range.
    pub(super) range: &'static str,
    /// Whether `a/n` goes on to the last value.
    pub(super) open_steps: bool,
}

impl Table {
    pub(super) fn has(&self, value: i64) -> bool {
        usize::try_from(value).ok().and_then(|value| self.0.get(value).copied()).unwrap_or(false)
    }

    /// Reads a list of values from `first` to `last`; `name` reads what is not a number.
    pub(super) fn read(
        text: &str,
        first: usize,
        last: usize,
        form: &Form,
        name: fn(&str) -> Option<usize>,
    ) -> Option<Self> {
        let mut table = vec![false; last + 1];
        for part in text.split(',') {
            let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
            let value = |text: &str| text.parse().ok().or_else(|| name(text)).filter(|value| *value <= last);
            let (from, to) = match range.split_once(form.range) {
                _ if range == "*" => (first, last),
                Some((from, to)) => (value(from)?, value(to)?),
                None if step.is_some() && form.open_steps => (value(range)?, last),
                None => (value(range)?, value(range)?),
            };
            let step: usize = step.map_or(Some(1), |step| step.parse().ok()).filter(|step| *step > 0)?;
            (from..=to).step_by(step).for_each(|value| table[value] = true);
        }
        Some(Self(table))
    }
}

/// No field has names here.
pub(super) fn nameless(_: &str) -> Option<usize> {
    None
}

/// A local time, taken apart.
pub(super) struct Local {
    day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
}

impl Local {
    pub(super) fn of(shown: i64) -> Self {
        let time = shown.rem_euclid(86_400);
        Self { day: shown.div_euclid(86_400), hour: time / 3600, minute: time / 60 % 60 }
    }

    pub(super) fn date(&self) -> Date {
        let days = i32::try_from(self.day).unwrap_or(0);
        date(1970, 1, 1).saturating_add(jiff::Span::new().days(days))
    }
}
