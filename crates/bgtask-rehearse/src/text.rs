//! A timeline as text.

use std::fmt::Write as _;
use std::time::Duration;

use bgtask_core::WallTime;
use jiff::{Timestamp, Zoned};

use crate::timeline::{Ending, Entry, EntryKind, Lane, Timeline};

/// A line is never made narrower than this.
const LEAST_WIDTH: usize = 40;

/// So many findings are told.
pub(crate) const MOST_FINDINGS: usize = 20;

impl Timeline {
    /// Everything that happened, in its order: to the world first, where it is at the same moment.
    pub fn entries(&self) -> Vec<Entry> {
        self.happened().iter().map(|it| Entry { at: it.at, kind: it.kind, text: self.told_of(it) }).collect()
    }

    /// The same, not yet put in words.
    fn happened(&self) -> Vec<Happened> {
        let mut all = Vec::new();
        for (index, band) in self.bands.iter().enumerate() {
            let mut add = |at, what| all.push(Happened { at, kind: EntryKind::Band(index), what });
            if band.spans.first().is_none_or(|(from, _)| *from > self.from) {
                add(self.from, What::Level(false));
            }
            for (from, to) in &band.spans {
                add(*from, What::Level(true));
                if *to < self.to {
                    add(*to, What::Level(false));
                }
            }
        }
        for (index, lane) in self.lanes.iter().enumerate() {
            let mut add = |at, what| all.push(Happened { at, kind: EntryKind::Lane(index), what });
            lane.missed.iter().for_each(|due| add(*due, What::Missed));
            lane.firings.iter().enumerate().for_each(|(place, it)| add(it.at, What::Fired(place)));
            lane.waits.iter().enumerate().for_each(|(place, it)| add(it.from, What::Waits(place)));
            lane.runs.iter().enumerate().for_each(|(place, it)| add(it.from, What::Runs(place)));
            lane.overdue.iter().for_each(|(from, _)| add(*from, What::Overdue));
            for (from, to) in &lane.paused {
                add(*from, What::Paused(true));
                if *to < self.to {
                    add(*to, What::Paused(false));
                }
            }
        }
        all.sort_unstable();
        all
    }

    fn told_of(&self, happened: &Happened) -> String {
        match (happened.kind, happened.what) {
            (EntryKind::Lane(lane), what) => self.lanes[lane].told(what),
            (EntryKind::Band(_), What::Level(true)) => "yes".into(),
            (EntryKind::Band(_), _) => "no".into(),
        }
    }

    /// For people: what happened in its order, at most so many moments of it, then a table of the tasks and the totals.
    ///
    /// No line is wider than `width` characters, nor made narrower than 40: what is too long goes on in the next line.
    pub fn text(&self, width: usize, most: usize) -> String {
        let width = width.max(LEAST_WIDTH);
        let mut lines = vec![self.headline()];
        lines.extend(self.listed(width, most));
        lines.push(String::new());
        lines.extend(self.table(width));
        lines.push(String::new());
        lines.extend(self.summed_up().iter().flat_map(|line| hung("", line, width)));
        lines.iter().fold(String::new(), |mut text, line| {
            text.push_str(fit(line, width).trim_end());
            text.push('\n');
            text
        })
    }

    /// `Mon 2 Mar 2026 00:00 – 24:00, Europe/Berlin`
    pub(crate) fn headline(&self) -> String {
        let (from, to) = (self.local(self.from), self.local(self.to));
        let same = from.date() == to.date();
        let to = if same { to.strftime("%H:%M").to_string() } else { to.strftime("%a %-d %b %Y %H:%M").to_string() };
        format!("{} – {to}, {}", from.strftime("%a %-d %b %Y %H:%M"), self.zone_name)
    }

    fn listed(&self, width: usize, most: usize) -> Vec<String> {
        let happened = self.happened();
        let names = self.bands.iter().map(|band| band.name.chars().count());
        let names = names.chain(self.lanes.iter().map(|lane| lane.name.chars().count()));
        let column = names.max().unwrap_or(0).min(20);
        let (mut lines, mut day) = (Vec::new(), None);
        let mut moments = happened.chunk_by(|one, next| (one.at, one.kind) == (next.at, next.kind));
        for moment in moments.by_ref().take(most) {
            let (first, at) = (&moment[0], self.local(moment[0].at));
            if day != Some(at.date()) {
                lines.extend([String::new(), at.strftime("%A %-d %B %Y").to_string()]);
                day = Some(at.date());
            }
            let (name, mark) = match first.kind {
                EntryKind::Band(index) => (&*self.bands[index].name, '~'),
                EntryKind::Lane(index) => (&*self.lanes[index].name, ' '),
            };
            let texts = moment.iter().map(|it| self.told_of(it)).collect::<Vec<_>>().join("; ");
            let head = format!("{}  {mark} {}  ", self.clock(first.at), pad(name, column));
            lines.extend(hung(&head, &texts, width));
        }
        let left = moments.count();
        if left > 0 {
            lines.push(format!("… and {left} more"));
        }
        lines
    }

    fn table(&self, width: usize) -> Vec<String> {
        let column = self.lanes.iter().map(|lane| lane.name.chars().count()).max().unwrap_or(0);
        let column = column.max(4).min(width.saturating_sub(58).max(12));
        let mut lines = vec![format!(
            "{} {:>6} {:>6} {:>6} {:>7} {:>8} {:>10}  {}",
            pad("task", column),
            "fired",
            "runs",
            "ok",
            "failed",
            "stopped",
            "waited",
            "ran"
        )];
        for lane in &self.lanes {
            if let Some(refused) = &lane.refused {
                let head = format!("{} ", pad(&lane.name, column));
                lines.extend(hung(&head, &format!("refused: {refused}"), width));
                continue;
            }
            let count = |of: fn(Ending) -> bool| lane.runs.iter().filter(|run| of(run.ending)).count();
            lines.push(format!(
                "{} {:>6} {:>6} {:>6} {:>7} {:>8} {:>10}  {}",
                pad(&lane.name, column),
                lane.firings.len(),
                lane.runs.len(),
                count(|it| it == Ending::Succeeded),
                count(|it| matches!(it, Ending::Failed | Ending::Retried { .. })),
                count(|it| matches!(it, Ending::Cancelled(_))),
                spoken(lane.waits.iter().map(|wait| wait.to - wait.from).sum()),
                spoken(lane.runs.iter().map(|run| run.to - run.from).sum()),
            ));
        }
        lines
    }

    fn summed_up(&self) -> Vec<String> {
        let its = &self.totals;
        let mut lines = vec![format!(
            "{} firings, {} runs, {} wake-ups; waited {} in all, {} at most",
            its.firings,
            its.runs,
            its.wake_ups,
            spoken(its.waited),
            spoken(its.longest_wait)
        )];
        if its.missed + its.overdue > 0 {
            lines.push(format!("{} missed and not made up for, {} overdue", its.missed, its.overdue));
        }
        if let Some(at) = self.cut_short {
            let day = self.local(at).strftime("%a %-d %b %H:%M:%S");
            lines.push(format!("cut short at {day}: too much had happened; rehearse fewer tasks, or less time"));
        }
        let findings = self.findings();
        lines.extend(findings.iter().take(MOST_FINDINGS).cloned());
        if findings.len() > MOST_FINDINGS {
            lines.push(format!("… and {} more tasks that did nothing", findings.len() - MOST_FINDINGS));
        }
        lines.extend(self.notes.iter().map(|note| format!("line {} of the scenario: {}", note.line, note.text)));
        lines
    }

    pub(crate) fn local(&self, at: WallTime) -> Zoned {
        let nearest = if at.as_micros() < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Timestamp::from_microsecond(at.as_micros()).unwrap_or(nearest).to_zoned(self.zone.clone())
    }

    /// The time of the day; with seconds only where there are some.
    pub(crate) fn clock(&self, at: WallTime) -> String {
        let at = self.local(at);
        at.strftime(if at.second() == 0 { "%H:%M   " } else { "%H:%M:%S" }).to_string()
    }
}

/// One thing that happened. At one moment the order is that of [`What`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Happened {
    at: WallTime,
    kind: EntryKind,
    what: What,
}

/// What happened, by its place in the list of the lane.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Level(bool),
    Missed,
    Fired(usize),
    Waits(usize),
    Runs(usize),
    Overdue,
    Paused(bool),
}

impl Lane {
    fn told(&self, what: What) -> String {
        match what {
            What::Fired(place) => {
                let fired = self.firings[place];
                let how = if fired.by_hand { "asked to run by hand" } else { "fired: " };
                let trigger = if fired.by_hand { "" } else { &self.trigger };
                let held = if fired.count > 1 { format!(" ({} held as one)", fired.count) } else { String::new() };
                format!("{how}{trigger}{held}")
            }
            What::Waits(place) => self.waits[place].hold.to_string(),
            What::Runs(place) => {
                let run = self.runs[place];
                let attempt = if run.attempt > 1 { format!(", attempt {}", run.attempt) } else { String::new() };
                format!("runs {}{attempt}: {}", spoken(run.to - run.from), run.ending.told())
            }
            What::Missed => "missed, and not made up for".into(),
            What::Overdue => "overdue: it promised to succeed before".into(),
            What::Paused(true) => "paused".into(),
            What::Paused(false) | What::Level(_) => "no longer paused".into(),
        }
    }
}

impl Ending {
    /// For people.
    pub(crate) fn told(self) -> String {
        match self {
            Self::Unended => "has not ended".into(),
            Self::Succeeded => "succeeds".into(),
            Self::Failed => "fails".into(),
            Self::Retried { .. } => "fails, is tried again".into(),
            Self::Cancelled(reason) => format!("told to stop, {reason}"),
        }
    }
}

/// A time as people say it: `0`, `45 s`, `12 min`, `1 h 30 min`, `2 d 4 h`.
pub(crate) fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    let two = |big: u64, unit: &str, small: u64, part: &str| match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {part}"),
    };
    match seconds {
        0 if time.is_zero() => "0".into(),
        0 => "< 1 s".into(),
        1..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds / 60 % 60, "min"),
        _ => two(seconds / 86_400, "d", seconds / 3_600 % 24, "h"),
    }
}

/// A text in lines of at most that width, between words where that can be, each below the first behind its head.
fn hung(head: &str, text: &str, width: usize) -> Vec<String> {
    let indent = head.chars().count();
    let room = width.saturating_sub(indent).max(1);
    let (mut lines, mut line) = (Vec::new(), String::new());
    let mut begin = |line: &mut String| {
        let head = if lines.is_empty() { head.to_owned() } else { " ".repeat(indent) };
        lines.push(head + &fit(&std::mem::take(line), room));
    };
    for word in text.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
            begin(&mut line);
        }
        line.extend((!line.is_empty()).then_some(' '));
        line.push_str(word);
    }
    begin(&mut line);
    lines
}

fn pad(text: &str, width: usize) -> String {
    let text = fit(text, width);
    let missing = width.saturating_sub(text.chars().count());
    text + &" ".repeat(missing)
}

/// Cut to so many characters, without what would disturb a terminal.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let plain = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    if text.chars().count() <= width {
        return plain.collect();
    }
    let mut cut: String = plain.take(width.saturating_sub(1)).collect();
    let _ = cut.write_char('…');
    cut
}
