//! The text of a unit: sections with settings, each of which may be given several times.

/// One `Key=value` of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) section: String,
    pub(crate) key: String,
    pub(crate) value: String,
    /// From 1.
    pub(crate) line: usize,
}

/// The settings in their order; an empty value has taken away those of its key before it.
#[derive(Debug, Default)]
pub(crate) struct Unit(Vec<Setting>);

impl Unit {
    /// Reads a unit: lines that go on after a backslash, `#` and `;` for comments.
    pub(crate) fn read(text: &str) -> Self {
        let mut unit = Self::default();
        let mut section = String::new();
        for (line, text) in logical_lines(text) {
            if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name.clone_into(&mut section);
            } else if let Some((key, value)) = text.split_once('=') {
                let (key, value) = (key.trim_end().to_owned(), value.trim().to_owned());
                unit.set(Setting { section: section.clone(), key, value, line });
            }
        }
        unit
    }

    fn set(&mut self, setting: Setting) {
        if setting.value.is_empty() {
            // One that lets a timer elapse takes all such away.
            let elapses = |it: &Setting| it.section == "Timer" && it.key.starts_with("On");
            let is_same = |it: &Setting| (&it.section, &it.key) == (&setting.section, &setting.key);
            self.0.retain(|other| !(is_same(other) || elapses(other) && elapses(&setting)));
        } else {
            self.0.push(setting);
        }
    }

    /// Every setting of a section.
    pub(crate) fn section<'a>(&'a self, section: &'a str) -> impl Iterator<Item = &'a Setting> {
        self.0.iter().filter(move |setting| setting.section == section)
    }

    /// Every setting of that key.
    pub(crate) fn all<'a>(&'a self, section: &'a str, key: &'a str) -> impl Iterator<Item = &'a Setting> {
        self.section(section).filter(move |setting| setting.key == key)
    }

    /// The last setting of that key, which counts where there can be one only.
    pub(crate) fn last(&self, section: &str, key: &str) -> Option<&str> {
        self.0.iter().rfind(|it| it.section == section && it.key == key).map(|setting| setting.value.as_str())
    }

    /// As [`last`](Self::last), for yes and no.
    pub(crate) fn flag(&self, section: &str, key: &str) -> bool {
        self.last(section, key).is_some_and(is_true)
    }
}

pub(crate) fn is_true(value: &str) -> bool {
    ["1", "yes", "y", "true", "t", "on"].iter().any(|word| word.eq_ignore_ascii_case(value))
}

/// Lines without comments, each with those that follow its backslash, and the number of the first.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.starts_with(['#', ';']) || line.is_empty() && !goes_on {
            continue;
        }
        let (content, continued) = line.strip_suffix('\\').map_or((line, false), |content| (content, true));
        match lines.last_mut().filter(|_| goes_on) {
            Some((_, last)) => last.extend([" ", content]),
            None => lines.push((number, content.to_owned())),
        }
        goes_on = continued;
    }
    lines
}

/// A time span such as `1h 30min`, `5M`, `90`; `None` if it is none, or `infinity`.
pub(crate) fn span(text: &str) -> Option<std::time::Duration> {
    let mut rest = text.trim();
    let mut micros = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        let factor = match unit {
            "us" | "usec" | "µs" => 1.0,
            "ms" | "msec" => 1e3,
            "" | "s" | "sec" | "second" | "seconds" => 1e6,
            "m" | "min" | "minute" | "minutes" => 6e7,
            "h" | "hr" | "hour" | "hours" => 3.6e9,
            "d" | "day" | "days" => 8.64e10,
            "w" | "week" | "weeks" => 6.048e11,
            "M" | "month" | "months" => 30.44 * 8.64e10,
            "y" | "year" | "years" => 365.25 * 8.64e10,
            _ => return None,
        };
        micros += number.parse::<f64>().ok()? * factor;
        rest = next.trim_start();
    }
    (!text.trim().is_empty() && micros < 3.2e15).then(|| std::time::Duration::from_micros(micros.round() as u64))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lists_are_emptied_and_lines_go_on() {
        let unit = Unit::read("[A]\nx=1\n# no\nx = 2 \\\n; no\n   3\ny=a=b\nz=4\nz=\n[B]\nx=5\nnonsense\n");
        let xs: Vec<_> = unit.all("A", "x").map(|it| (it.value.as_str(), it.line)).collect();
        assert_eq!(xs, [("1", 2), ("2  3", 4)]);
        assert_eq!((unit.last("A", "y"), unit.last("A", "z"), unit.last("B", "x")), (Some("a=b"), None, Some("5")));
    }

    #[test]
    fn spans_are_those_of_systemd() {
        for (text, seconds) in [("90", 90), ("1h 30min", 5400), ("2 h", 7200), ("1d12h", 129_600), ("1.5h", 5400)] {
            assert_eq!(span(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(span("1us"), Some(Duration::from_micros(1)));
        for wrong in ["", "infinity", "soon", "h", "1 fortnight", "99999999999999y", "-5"] {
            assert_eq!(span(wrong), None, "{wrong}");
        }
    }
}
