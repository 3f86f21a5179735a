//! The report as one page: no script, nothing from elsewhere, light and dark.

use std::fmt::Write as _;
use std::time::Duration;

use bgtask_text::{amount, counted, short_amount, short_span, span};

use crate::account::{Day, Report, TaskReport};
use crate::plot::{Bar, Column, bars, columns};
use crate::text::{moment, name, short_number, spreads};
use crate::totals::{Spread, Totals};

/// Most days of a plot, the latest ones.
const PLOTTED_DAYS: usize = 62;
/// Most tasks of a plot, those that used most; the others are one bar.
const PLOTTED_TASKS: usize = 10;
/// Most characters of a name in a plot.
const PLOTTED_NAME: usize = 24;

/// The bins of waiting times: up to so many milliseconds each, and the last one beyond.
const BINS: [(u64, &str); 8] = [
    (10, "10 ms"),
    (100, "100 ms"),
    (1_000, "1 s"),
    (10_000, "10 s"),
    (60_000, "1 min"),
    (600_000, "10 min"),
    (3_600_000, "1 h"),
    (21_600_000, "6 h"),
];

const HEADINGS: [&str; 15] = [
    "App and task",
    "Runs",
    "Succeeded",
    "Failed",
    "Cancelled",
    "Killed",
    "Dropped",
    "Retries",
    "Wall",
    "CPU",
    "Memory",
    "Bytes",
    "Wake-ups",
    "Median",
    "95 %",
];

/// The report as an HTML page that opens from a file, without a network.
///
/// Whatever tasks are called, none of it is read as HTML. The page's own policy lets it load nothing.
pub fn page(report: &Report) -> String {
    let (from, to) = (moment(report, report.from, "%-d %B %Y, %H:%M"), moment(report, report.to, "%-d %B %Y, %H:%M"));
    let zone = escaped(&moment(report, report.to, "%Z"));
    let body = if report.totals.is_empty() {
        "<section><p>Nothing happened.</p></section>".to_owned()
    } else {
        [tiles(&report.totals), plots(report), table(report)].concat()
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         img-src data:\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <link rel=\"icon\" href=\"data:,\"><title>Background tasks, {from} to {to}</title>\
         <style>\n{css}</style></head>\n<body><main>\n<h1>Background tasks</h1>\n<p>{from} to {to}</p>\n{body}\n\
         <footer>{notes} Times are in {zone}.</footer>\n</main></body></html>\n",
        css = include_str!("page.css"),
        notes = escaped(NOTES),
    )
}

const NOTES: &str = "A run counts on the day it ended. Processor time, memory and bytes are those of the runs in which \
                     they could be seen. A wake-up that serves several tasks is shared among them.";

/// Text as HTML shows it; what is no text is escaped before.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in bgtask_text::printable(text).chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            character => safe.push(character),
        }
    }
    safe
}

fn tiles(totals: &Totals) -> String {
    let share = |count: u64| format!("{:.1} %", 100.0 * count as f64 / totals.runs().max(1) as f64);
    let seen = |said: String| if totals.measured > 0 { said } else { "not seen".to_owned() };
    let tiles = [
        (
            totals.runs().to_string(),
            format!("{} from {}", run_word(totals.runs()), counted(totals.firings as usize, "firing")),
        ),
        (share(totals.succeeded), format!("succeeded, {} failed", totals.bad())),
        (seen(span(totals.cpu)), "processor time".to_owned()),
        (span(totals.wall), "wall time".to_owned()),
        (totals.memory_peak.map_or_else(|| "not seen".to_owned(), amount), "memory peak".to_owned()),
        (seen(amount(totals.io)), "read and written".to_owned()),
        (seen(span(Duration::from_secs_f64(totals.energy))), "energy, in time of a processor".to_owned()),
        (short_number(totals.wakeups), "wake-ups of the machine".to_owned()),
    ];
    let mut html = "<div class=\"tiles\" id=\"totals\">".to_owned();
    for (number, words) in tiles {
        put(
            &mut html,
            format_args!(
                "<section class=\"tile\"><b>{}</b><span>{}</span></section>",
                escaped(&number),
                escaped(&words)
            ),
        );
    }
    html.push_str("</div>");
    for sentence in spreads(totals) {
        put(&mut html, format_args!("<p>{}.</p>", escaped(&sentence)));
    }
    html
}

fn run_word(runs: u64) -> &'static str {
    if runs == 1 { "run" } else { "runs" }
}

fn plots(report: &Report) -> String {
    let days = &report.days[report.days.len().saturating_sub(PLOTTED_DAYS)..];
    let key = "<span class=\"key\"><i class=\"good\"></i>succeeded<i class=\"stopped\"></i>stopped\
               <i class=\"bad\"></i>failed</span>";
    [
        "<div class=\"plots\">".to_owned(),
        plot(
            "runs",
            "Runs a day",
            key,
            &columns("Runs a day by outcome", &days.iter().map(runs_of).collect::<Vec<_>>()),
        ),
        plot(
            "cpu",
            "Processor time by task",
            "what used most comes first",
            &bars("Processor time by task", &by_cpu(report)),
        ),
        plot(
            "waits",
            "Waiting",
            "from the firing to the start",
            &columns("Waiting times", &waits(&report.totals.waits)),
        ),
        plot(
            "wakeups",
            "Wake-ups a day",
            "one that serves several tasks is shared",
            &columns("Wake-ups a day", &days.iter().map(wakeups_of).collect::<Vec<_>>()),
        ),
        "</div>".to_owned(),
    ]
    .concat()
}

/// `words` are HTML of this module.
fn plot(id: &str, title: &str, words: &str, svg: &str) -> String {
    format!("<section id=\"{id}\"><h2>{title}</h2><p>{words}</p>{svg}</section>\n")
}

fn runs_of(day: &Day) -> Column {
    let totals = &day.totals;
    Column {
        word: day.date.strftime("%-d %b").to_string(),
        said: format!(
            "{}: {} succeeded, {} stopped, {} failed",
            day.date,
            totals.succeeded,
            totals.stopped(),
            totals.bad()
        ),
        parts: vec![
            ("good", totals.succeeded as f64),
            ("stopped", totals.stopped() as f64),
            ("bad", totals.bad() as f64),
        ],
    }
}

fn wakeups_of(day: &Day) -> Column {
    Column {
        word: day.date.strftime("%-d %b").to_string(),
        said: format!("{}: {}", day.date, crate::text::wakeups(day.totals.wakeups)),
        parts: vec![("wake", day.totals.wakeups)],
    }
}

fn by_cpu(report: &Report) -> Vec<Bar> {
    let mut tasks: Vec<&TaskReport> = report.tasks.iter().filter(|task| task.totals.cpu > Duration::ZERO).collect();
    tasks.sort_by_key(|task| std::cmp::Reverse(task.totals.cpu));
    let bar = |name: String, cpu: Duration| Bar { name, said: short_span(cpu), value: cpu.as_secs_f64() };
    let shown = tasks.iter().take(PLOTTED_TASKS);
    let mut bars: Vec<Bar> = shown.map(|task| bar(cut(&name(task)), task.totals.cpu)).collect();
    let others = tasks.get(PLOTTED_TASKS..).unwrap_or_default();
    if !others.is_empty() {
        let sum = others.iter().map(|task| task.totals.cpu).sum();
        bars.push(bar(counted(others.len(), "other task"), sum));
    }
    bars
}

fn cut(name: &str) -> String {
    bgtask_text::short(name, PLOTTED_NAME).into_owned()
}

fn waits(spread: &Spread) -> Vec<Column> {
    let (sorted, mut from, mut before) = (spread.sorted(), 0, "0");
    let mut bins = Vec::new();
    for (limit, word) in BINS {
        let to = sorted.partition_point(|wait| *wait < Duration::from_millis(limit));
        bins.push(bin(format!("<{word}"), &format!("{before} to {word}"), to - from));
        (from, before) = (to, word);
    }
    bins.push(bin(format!("\u{2265}{before}"), &format!("{before} and more"), sorted.len() - from));
    bins
}

fn bin(word: String, range: &str, count: usize) -> Column {
    Column { word, said: format!("{range}: {}", counted(count, "run")), parts: vec![("wait", count as f64)] }
}

fn table(report: &Report) -> String {
    let mut html = "<section class=\"wide\" id=\"tasks\"><h2>By app and task</h2><table><thead><tr>".to_owned();
    for heading in HEADINGS {
        put(&mut html, format_args!("<th scope=\"col\">{heading}</th>"));
    }
    html.push_str("</tr></thead><tbody>");
    for app in &report.apps {
        html.push_str(&row("app", app.app.as_str(), &app.totals));
        for task in report.tasks.iter().filter(|task| task.app == app.app) {
            html.push_str(&row("task", &task.name, &task.totals));
        }
    }
    html + "</tbody></table></section>"
}

fn row(class: &str, name: &str, totals: &Totals) -> String {
    let name = escaped(name);
    let of =
        |percent| totals.durations.percentile(percent).map_or_else(nothing, |length| cell("", &short_span(length)));
    let seen = |said: &str| if totals.measured > 0 { cell("", said) } else { nothing() };
    let cells = [
        count(totals.runs(), ""),
        count(totals.succeeded, ""),
        count(totals.bad(), "warn"),
        count(totals.cancelled, ""),
        count(totals.killed, "warn"),
        count(totals.dropped, ""),
        count(totals.retries, ""),
        cell("", &short_span(totals.wall)),
        seen(&short_span(totals.cpu)),
        totals.memory_peak.map_or_else(nothing, |peak| cell("", &short_amount(peak))),
        seen(&short_amount(totals.io)),
        if totals.wakeups > 0.0 { cell("", &short_number(totals.wakeups)) } else { nothing() },
        of(50),
        of(95),
    ];
    format!("<tr class=\"{class}\"><td title=\"{name}\">{name}</td>{}</tr>", cells.concat())
}

fn count(count: u64, class: &str) -> String {
    if count == 0 { cell("zero", "0") } else { cell(class, &count.to_string()) }
}

fn nothing() -> String {
    cell("zero", "\u{2013}")
}

fn cell(class: &str, text: &str) -> String {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    format!("<td{class}>{}</td>", escaped(text))
}

fn put(html: &mut String, what: std::fmt::Arguments<'_>) {
    html.write_fmt(what).expect("a string takes everything");
}
