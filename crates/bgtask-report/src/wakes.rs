//! The ledger of wake-ups: which tasks wake the broker, how often, and with whom they share that.

use bgtask_text::{counted, short};

use crate::account::{Report, TaskReport};
use crate::text::{day_and_time, short_number, wakeups};
use crate::totals::Totals;

/// Columns of a name in the table.
const NAME: usize = 36;
/// Microseconds of a day.
const DAY: f64 = 86_400e6;

/// The ledger for a person: what all wake-ups by time come to, and a line for each app and task that caused any, those that
/// caused most first.
///
/// No line has more than 80 columns.
pub fn wakes(report: &Report) -> String {
    let totals = &report.totals;
    let mut text = format!("From {} to {}\n\n", day_and_time(report, report.from), day_and_time(report, report.to));
    if totals.wakeups == 0.0 {
        text.push_str("Nothing woke the broker by time.\n");
        return text;
    }
    let beside = totals.wakeups - totals.timer_wakeups;
    text.push_str(&format!(
        "  {} by time, {} a day: {} for timers, {} for what ran\n",
        wakeups(totals.wakeups),
        short_number(totals.wakeups / days(report)),
        short_number(totals.timer_wakeups),
        short_number(beside)
    ));
    text.push_str(&format!(
        "  {} of timers, {} of them with a wake-up that served others too\n\n",
        counted(totals.timer_firings as usize, "firing"),
        totals.shared_firings
    ));
    text.push_str(&table(report));
    text
}

/// How many days a report is about: from its first event to its end, and never less than one.
pub fn days(report: &Report) -> f64 {
    let since = report.first.map_or(report.from, |first| first.max(report.from));
    (report.to.saturating_sub(since) as f64 / DAY).max(1.0)
}

fn table(report: &Report) -> String {
    let name = "TASK";
    let mut text =
        format!("{name:NAME$} {:>6} {:>6} {:>7} {:>7} {:>6}\n", "WAKES", "A DAY", "TIMERS", "SHARED", "OTHER");
    for app in most_first(&report.apps, |app| &app.totals) {
        text.push_str(&row(report, "", app.app.as_str(), &app.totals));
        let its: Vec<&TaskReport> = report.tasks.iter().filter(|task| task.app == app.app).collect();
        for task in most_first(&its, |task| &task.totals) {
            text.push_str(&row(report, "  ", &task.name, &task.totals));
        }
    }
    text
}

/// Those that woke anybody, by how often.
fn most_first<T>(all: &[T], totals: impl Fn(&T) -> &Totals) -> Vec<&T> {
    let mut some: Vec<&T> = all.iter().filter(|it| totals(it).wakeups > 0.0).collect();
    some.sort_by(|a, b| totals(b).wakeups.total_cmp(&totals(a).wakeups));
    some
}

fn row(report: &Report, indent: &str, name: &str, totals: &Totals) -> String {
    let name = short(name, NAME - indent.len());
    let padding = " ".repeat((NAME - indent.len()).saturating_sub(bgtask_text::columns(&name)));
    format!(
        "{indent}{name}{padding} {:>6} {:>6} {:>7} {:>7} {:>6}\n",
        short_number(totals.wakeups),
        short_number(totals.wakeups / days(report)),
        totals.timer_firings,
        totals.shared_firings,
        short_number(totals.wakeups - totals.timer_wakeups),
    )
}
