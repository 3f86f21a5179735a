//! [`Calendar`] to text, so that reading the text gives the same calendar again.

use std::fmt::{self, Display, Formatter, Write};

use crate::Calendar;
use crate::set::{Field, Run, Set, runs};
use crate::words::WEEKDAYS;

impl Display for Calendar {
    /// The normalized systemd form, or five normalized fields of cron where days of the month *or* weekdays count,
    /// which systemd cannot say.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.either {
            self.write_cron(f)?;
        } else {
            self.write_systemd(f)?;
        }
        match self.zone() {
            Some(zone) => write!(f, " {zone}"),
            None => Ok(()),
        }
    }
}

impl Calendar {
    fn write_systemd(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.weekdays != Field::WEEKDAY.all() {
            write!(f, "{} ", weekdays(self.weekdays))?;
        }
        let years = list(&Field::YEAR, self.years, 4, Steps::Open);
        let months = list(&Field::MONTH, self.months, 2, Steps::Open);
        let (mark, steps) = if self.days_from_end { ('~', Steps::Closed) } else { ('-', Steps::Open) };
        write!(f, "{years}-{months}{mark}{} ", list(&Field::DAY, self.days, 2, steps))?;
        let minutes = list(&Field::MINUTE, self.minutes, 2, Steps::Open);
        let seconds = list(&Field::SECOND, self.seconds, 2, Steps::Open);
        write!(f, "{}:{minutes}:{seconds}", self.hours_listed())
    }

    /// The hours: with a step exactly if they repeat, because that decides what happens when the clock is set back.
    fn hours_listed(&self) -> String {
        if !self.repeats {
            return list(&Field::HOUR, self.hours, 2, Steps::None);
        }
        let listed = list(&Field::HOUR, self.hours, 2, Steps::Open);
        if listed.contains(['*', '/']) {
            return listed;
        }
        let (first, rest) = listed.split_once(',').map_or((listed.as_str(), None), |(first, rest)| (first, Some(rest)));
        let first = if first.contains("..") { format!("{first}/1") } else { format!("{first}..{first}/1") };
        rest.map_or(first.clone(), |rest| format!("{first},{rest}"))
    }

    fn write_cron(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let weekdays = Field::WEEKDAY.values(self.weekdays).into_iter().map(|day| (day + 1) % 7);
        let weekdays = weekdays.map(|day| Field::CRON_WEEKDAY.only(day)).fold(Set::default(), Set::union);
        let fields = [
            cron_list(&Field::MINUTE, self.minutes, false),
            cron_list(&Field::HOUR, self.hours, self.repeats),
            cron_list(&Field::DAY, self.days, false),
            cron_list(&Field::MONTH, self.months, false),
            cron_list(&Field::CRON_WEEKDAY, weekdays, false),
        ];
        f.write_str(&fields.join(" "))
    }
}

/// How steps may be written.
#[derive(Clone, Copy, PartialEq)]
enum Steps {
    None,
    /// `0/15` goes on to the last value of the field.
    Open,
    /// Only `0..45/15`.
    Closed,
}

fn list(of: &Field, set: Set, width: usize, steps: Steps) -> String {
    if set == of.all() {
        return "*".to_owned();
    }
    joined(&runs(&of.values(set), steps != Steps::None), |text, run| {
        let Run { from, to, step } = *run;
        write!(text, "{from:0width$}")?;
        match step {
            _ if from == to => Ok(()),
            1 => write!(text, "..{to:0width$}"),
            _ if steps == Steps::Open && to + step > of.last => write!(text, "/{step}"),
            _ => write!(text, "..{to:0width$}/{step}"),
        }
    })
}

/// `repeats` writes at least one step, which only hours that repeat need.
fn cron_list(of: &Field, set: Set, repeats: bool) -> String {
    if set == of.stepped(of.first, of.whole(), 1) {
        return "*".to_owned();
    }
    let is_hour = of.name == Field::HOUR.name;
    let runs = runs(&of.values(set), repeats || !is_hour);
    let mut stepless = repeats && runs.iter().all(|run| run.step == 1);
    joined(&runs, |text, run| {
        let Run { from, to, step } = *run;
        match step {
            1 if std::mem::take(&mut stepless) => write!(text, "{from}-{to}/1"),
            _ if from == to => write!(text, "{from}"),
            1 => write!(text, "{from}-{to}"),
            _ => write!(text, "{from}-{to}/{step}"),
        }
    })
}

/// `Mon..Fri`, `Sat,Sun`.
pub(crate) fn weekdays(set: Set) -> String {
    let short = |day: u32| &WEEKDAYS[day as usize][..3];
    joined(&runs(&Field::WEEKDAY.values(set), false), |text, run| {
        text.push_str(short(run.from));
        if run.from != run.to { write!(text, "..{}", short(run.to)) } else { Ok(()) }
    })
}

fn joined(runs: &[Run], mut write: impl FnMut(&mut String, &Run) -> fmt::Result) -> String {
    let mut text = String::new();
    for (i, run) in runs.iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        write(&mut text, run).expect("a string takes what is written");
    }
    text
}
