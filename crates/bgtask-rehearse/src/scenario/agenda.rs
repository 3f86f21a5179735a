//! When the lines of a scenario come true between two moments.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::error::ScenarioError;
use super::{Clock, Days, Line, Scenario, Statement, When};

/// The time a rehearsal takes, in microseconds since the Unix epoch, and the clock on the wall.
#[derive(Clone)]
pub(crate) struct Span {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) zone: TimeZone,
}

/// One thing that happens at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cue {
    pub(crate) at: i64,
    pub(crate) kind: CueKind,
    /// The place of the line among all.
    pub(crate) line: usize,
    /// When that ends again, where it does.
    pub(crate) until: Option<i64>,
}

/// Whether something begins, or what lasted is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CueKind {
    End,
    Begin,
}

impl Scenario {
    pub(crate) fn all(&self) -> &[Line] {
        &self.lines
    }

    /// Everything that happens, in its order.
    ///
    /// # Errors
    ///
    /// A line that names a day at which the rehearsal does not play.
    pub(crate) fn agenda(&self, span: &Span) -> Result<Vec<Cue>, ScenarioError> {
        let mut cues = Vec::new();
        for (index, line) in self.lines.iter().enumerate() {
            let before = cues.len();
            let mut add = |begin: i64, end: Option<i64>| {
                if begin >= span.to || end.is_some_and(|end| end <= span.from) || (begin < span.from && end.is_none()) {
                    return;
                }
                cues.push(Cue { at: begin.max(span.from), kind: CueKind::Begin, line: index, until: end });
                cues.extend(end.map(|at| Cue { at, kind: CueKind::End, line: index, until: None }));
            };
            match &line.when {
                When::Start { until } => add(span.from, until.and_then(|until| first_after(until, span))),
                When::Clock { days, from, until } => {
                    for day in played(span).filter(|day| days.has(*day, span)) {
                        let begin = moment(day, *from, &span.zone);
                        let end = until.map(|until| {
                            let day = if until <= *from { day.saturating_add(1.day()) } else { day };
                            moment(day, until, &span.zone)
                        });
                        if let Some(begin) = begin {
                            add(begin, end.flatten());
                        }
                    }
                    if cues.len() == before && !days.recurs() {
                        return Err(line.never(span));
                    }
                }
            }
        }
        cues.sort_unstable();
        Ok(cues)
    }
}

impl Line {
    /// It names a day at which the rehearsal does not play.
    fn never(&self, span: &Span) -> ScenarioError {
        let show = |at: i64| local(at, &span.zone).strftime("%F %H:%M").to_string();
        ScenarioError {
            line: self.number,
            span: self.span.clone(),
            message: "this never comes".into(),
            help: format!("the rehearsal plays from {} to {}", show(span.from), show(span.to)),
        }
    }

    /// Whether what it says lasts for a while and is then undone.
    pub(crate) const fn lasts(&self) -> bool {
        matches!(self.what, Statement::Set(..) | Statement::Zone(_))
    }
}

impl Days {
    fn has(&self, day: Date, span: &Span) -> bool {
        match self {
            Self::Weekdays(bits) => bits & (1 << weekday(day.weekday())) != 0,
            Self::Date(date) => *date == day,
            Self::Nth(nth) => {
                let first = local(span.from, &span.zone).date();
                first.checked_add((i64::from(*nth) - 1).days()).is_ok_and(|wanted| wanted == day)
            }
        }
    }
}

fn weekday(day: Weekday) -> u32 {
    u32::try_from(day.to_monday_zero_offset()).unwrap_or(0)
}

/// The days of a span, and the one before: what began then may last.
fn played(span: &Span) -> impl Iterator<Item = Date> {
    let first = local(span.from, &span.zone).date().saturating_sub(1.day());
    let last = local(span.to, &span.zone).date();
    first.series(1.day()).take_while(move |day| *day <= last)
}

/// The first such time of a day that comes after the beginning.
fn first_after(clock: Clock, span: &Span) -> Option<i64> {
    played(span).filter_map(|day| moment(day, clock, &span.zone)).find(|at| *at > span.from)
}

/// When it is that time of a day. Of a time that comes twice it is the first; one that is left out comes as much later.
fn moment(day: Date, clock: Clock, zone: &TimeZone) -> Option<i64> {
    let (day, clock) = if clock.0 == 86_400 { (day.tomorrow().ok()?, 0) } else { (day, clock.0) };
    let part = |value: u32| i8::try_from(value).unwrap_or(0);
    let time = day.at(part(clock / 3_600), part(clock / 60 % 60), part(clock % 60), 0);
    Some(zone.to_ambiguous_timestamp(time).compatible().ok()?.as_microsecond())
}

fn local(at: i64, zone: &TimeZone) -> jiff::Zoned {
    let nearest = if at < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(at).unwrap_or(nearest).to_zoned(zone.clone())
}
