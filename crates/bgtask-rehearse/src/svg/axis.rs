//! The hours and days above a picture.

use std::fmt::Write as _;

use bgtask_core::WallTime;
use jiff::ToSpan;
use jiff::civil::Date;

use super::sheet::{Sheet, Tenths};
use super::{PLOT, PLOT_WIDTH, Plot};
use crate::timeline::Timeline;

/// The steps there are, in minutes; from a day on whole days.
const STEPS: [i64; 16] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 31 * DAY];
const DAY: i64 = 24 * 60;
/// Labels stand no closer, in pixels.
const LEAST_STEP: i64 = 32;
/// A day's name needs so much, in pixels.
const DAY_NAME: i64 = 74;

/// What is written above, and where lines go down.
pub(super) struct Axis {
    hours: Vec<(WallTime, String)>,
    days: Vec<(WallTime, String)>,
}

impl Axis {
    pub(super) fn of(timeline: &Timeline) -> Self {
        let minutes = i64::try_from(timeline.length().as_secs() / 60).unwrap_or(i64::MAX).max(1);
        let fits = |step: &&i64| PLOT_WIDTH.saturating_mul(**step) / minutes >= LEAST_STEP;
        let step = STEPS.iter().find(fits).copied().unwrap_or(STEPS[STEPS.len() - 1]);
        let within = |at: &WallTime| *at >= timeline.from && *at <= timeline.to;
        let first = timeline.local(timeline.from).date();
        let last = timeline.local(timeline.to).date();
        let (mut hours, mut days): (Vec<(WallTime, String)>, Vec<_>) = (Vec::new(), Vec::new());
        for day in first.series(1.day()).take_while(|day| *day <= last) {
            let (above, below) = names(day, step, day == first);
            if let Some(name) = above
                && let Some(at) = moment(timeline, day, 0).filter(|at| *at <= timeline.to)
            {
                days.push((at.max(timeline.from), name));
            }
            for minute in (0..DAY).step_by(usize::try_from(step.min(DAY)).unwrap_or(1)) {
                let label = below.clone().unwrap_or_else(|| format!("{:02}:{:02}", minute / 60, minute % 60));
                let at = moment(timeline, day, minute).filter(within);
                // Where the clock is set forward, two times are one.
                let at = at.filter(|at| hours.last().is_none_or(|(last, _)| last < at));
                hours.extend(at.filter(|_| !label.is_empty()).map(|at| (at, label)));
            }
        }
        Self { hours, days }
    }

    /// Labels at `top`, and lines from there down to `bottom`.
    pub(super) fn draw(&self, sheet: &mut Sheet, plot: Plot, top: i64, lines: i64, bottom: i64) {
        let mut grid = String::new();
        for (at, label) in &self.hours {
            let x = plot.x(*at);
            let _ = write!(grid, "M{} {}V{bottom}", Tenths(x), lines - 6);
            sheet.centred("axis", x, top + 24, label);
        }
        sheet.path("grid", &grid, None);
        let (mut strong, mut free) = (String::new(), 0);
        for (at, label) in &self.days {
            let x = plot.x(*at);
            let _ = write!(strong, "M{} {}V{bottom}", Tenths(x), lines - 6);
            if x / 10 >= free && x / 10 <= PLOT + PLOT_WIDTH - DAY_NAME {
                sheet.text("axis-day", x / 10, top + 6, label);
                free = x / 10 + DAY_NAME;
            }
        }
        sheet.path("day", &strong, None);
    }
}

/// What stands above a day, and what below it; `None` below is the time of the day, and an empty text nothing.
fn names(day: Date, step: i64, first: bool) -> (Option<String>, Option<String>) {
    if step < DAY {
        return (Some(day.strftime("%a %-d %b").to_string()), None);
    }
    let (since, number) = (i64::from(day.day()) - 1, day.strftime("%-d").to_string());
    let shown =
        since % (step / DAY).max(1) == 0 && (step / DAY < 2 || day.days_in_month() as i64 - since >= step / DAY / 2);
    let month = (first || since == 0).then(|| day.strftime("%B %Y").to_string());
    (month, Some(if shown { number } else { String::new() }))
}

fn moment(timeline: &Timeline, day: Date, minute: i64) -> Option<WallTime> {
    let time = day.at(i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?, 0, 0);
    let at = timeline.zone.to_ambiguous_timestamp(time).compatible().ok()?;
    Some(WallTime::from_micros(at.as_microsecond()))
}
