//! The report as text of 80 columns.

use std::fmt::Write as _;
use std::time::Duration;

use bgtask_text::{amount, counted, printable, short, short_amount, short_span, span};
use jiff::Timestamp;

use crate::account::{Report, TaskReport};
use crate::totals::{Spread, Totals};

/// Columns of a name in the table.
const NAME: usize = 22;
/// Days of which the runs are drawn.
const DRAWN_DAYS: usize = 14;
/// Columns of the longest bar.
const BAR: usize = 48;

/// The whole report, for a person: what it comes to, a line for each task, a bar for each of the last days.
///
/// No line has more than 80 columns.
pub fn text(report: &Report) -> String {
    let mut text = format!("From {} to {}\n\n", day_and_time(report, report.from), day_and_time(report, report.to));
    if report.totals.is_empty() {
        text.push_str("Nothing happened.\n");
        return text;
    }
    for line in summary(&report.totals) {
        text.push_str(&format!("  {line}\n"));
    }
    text.push('\n');
    text.push_str(&table(report));
    text.push('\n');
    text.push_str(&bars(report));
    text
}

/// The table alone, the tasks that used most processor time first: what `bgtask top` says of the last hour.
pub fn top(report: &Report) -> String {
    let mut tasks: Vec<&TaskReport> = report.tasks.iter().collect();
    tasks.sort_by_key(|task| std::cmp::Reverse((task.totals.cpu, task.totals.wall, task.totals.runs())));
    let mut text = heading();
    for task in tasks {
        text.push_str(&row("", &task.name, &task.totals));
    }
    text
}

/// Everything together in a few sentences.
fn summary(totals: &Totals) -> Vec<String> {
    let runs = totals.runs();
    let mut lines = vec![format!(
        "{}: {} succeeded, {} failed, {} stopped; {}",
        counted(runs as usize, "run"),
        totals.succeeded,
        totals.bad(),
        totals.stopped(),
        rest(totals)
    )];
    if totals.measured > 0 {
        let peak = totals.memory_peak.map_or(String::new(), |peak| format!("memory peak {}, ", amount(peak)));
        lines.push(format!("{} of processor time in {} of wall time", span(totals.cpu), span(totals.wall)));
        lines.push(format!("{peak}{} read and written", amount(totals.io)));
    } else {
        lines.push(format!("{} of wall time; what it used of the machine was not seen", span(totals.wall)));
    }
    if totals.energy > 0.0 {
        let energy = Duration::from_secs_f64(totals.energy);
        let suspended = match totals.suspensions {
            0 => String::new(),
            times => format!(", {} for want of budget", counted(times as usize, "suspension")),
        };
        lines.push(format!("as much energy as {} of a processor takes{suspended}", span(energy)));
    }
    lines.push(format!("{} of the machine, {}", wakeups(totals.wakeups), counted(totals.firings as usize, "firing")));
    lines.extend(spreads(totals));
    lines
}

/// How long runs take, and how long they wait before: a sentence each, as far as it is known.
pub(crate) fn spreads(totals: &Totals) -> Vec<String> {
    let takes = middle_and_end(&totals.durations);
    let takes = takes.map(|(middle, end)| format!("Half of the runs take up to {middle}, 95 of 100 up to {end}"));
    let waits = middle_and_end(&totals.waits);
    let waits =
        waits.map(|(middle, end)| format!("Half of them start within {middle} of firing, 95 of 100 within {end}"));
    takes.into_iter().chain(waits).collect()
}

/// `12 retries, 1 dropped, 2 missed, 1 interrupted`, as far as there were any.
fn rest(totals: &Totals) -> String {
    let retries = if totals.retries == 1 { "retry" } else { "retries" };
    let mut rest = format!("{} {retries}", totals.retries);
    for (count, word) in [(totals.dropped, "dropped"), (totals.missed, "missed"), (totals.interrupted, "interrupted")] {
        if count > 0 {
            write!(rest, ", {count} {word}").expect("a string takes everything");
        }
    }
    rest
}

pub(crate) fn wakeups(count: f64) -> String {
    let said = short_number(count);
    format!("{said} wake-up{}", if said == "1" { "" } else { "s" })
}

/// At most four characters, with one digit after the point where there is room for it.
pub(crate) fn short_number(number: f64) -> String {
    let text = if number < 99.95 { format!("{number:.1}") } else { format!("{number:.0}") };
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

fn middle_and_end(spread: &Spread) -> Option<(String, String)> {
    Some((short_span(spread.percentile(50)?), short_span(spread.percentile(95)?)))
}

fn table(report: &Report) -> String {
    let mut text = heading();
    for app in &report.apps {
        text.push_str(&row("", app.app.as_str(), &app.totals));
        for task in report.tasks.iter().filter(|task| task.app == app.app) {
            text.push_str(&row("  ", &task.name, &task.totals));
        }
    }
    text
}

fn heading() -> String {
    let name = "TASK";
    format!(
        "{name:NAME$} {:>5} {:>4} {:>5} {:>6} {:>6} {:>5} {:>5} {:>6} {:>6}\n",
        "RUNS", "BAD", "RETRY", "WALL", "CPU", "PEAK", "WAKES", "MEDIAN", "P95"
    )
}

fn row(indent: &str, name: &str, totals: &Totals) -> String {
    let name = short(name, NAME - indent.len());
    let padding = " ".repeat((NAME - indent.len()).saturating_sub(bgtask_text::columns(&name)));
    let of = |percent| totals.durations.percentile(percent).map_or(String::new(), short_span);
    let cpu = if totals.measured > 0 { short_span(totals.cpu) } else { "-".to_owned() };
    format!(
        "{indent}{name}{padding} {:>5} {:>4} {:>5} {:>6} {cpu:>6} {:>5} {:>5} {:>6} {:>6}\n",
        totals.runs(),
        totals.bad(),
        totals.retries,
        short_span(totals.wall),
        totals.memory_peak.map_or_else(|| "-".to_owned(), short_amount),
        short_number(totals.wakeups),
        of(50),
        of(95),
    )
}

fn bars(report: &Report) -> String {
    let days = &report.days[report.days.len().saturating_sub(DRAWN_DAYS)..];
    let most = days.iter().map(|day| day.totals.runs()).max().unwrap_or(0).max(1);
    let mut text = "RUNS A DAY  = succeeded, x failed, - stopped\n".to_owned();
    for day in days {
        let bar = |count: u64, mark: &str| mark.repeat((count as usize * BAR).div_ceil(most as usize));
        let totals = &day.totals;
        let bars = [bar(totals.succeeded, "="), bar(totals.bad(), "x"), bar(totals.stopped(), "-")].concat();
        let line = format!("{} {:>6} {bars}", day.date.strftime("%a %d %b"), totals.runs());
        text.push_str(&format!("  {}\n", line.trim_end()));
    }
    text
}

pub(crate) fn day_and_time(report: &Report, micros: i64) -> String {
    moment(report, micros, "%Y-%m-%d %H:%M")
}

/// A moment in the zone of the report.
pub(crate) fn moment(report: &Report, micros: i64, format: &str) -> String {
    let moment = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MIN);
    moment.to_zoned(report.zone.clone()).strftime(format).to_string()
}

/// A name with nothing in it that is not text.
pub(crate) fn name(task: &TaskReport) -> String {
    printable(&task.name).into_owned()
}

/// Seconds, for programs.
pub(crate) fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
