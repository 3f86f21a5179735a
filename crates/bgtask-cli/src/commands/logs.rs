use std::path::Path;

use bgtask_log::{Kind, LogError, Logs, Query};
use bgtask_wire::TaskInfo;
use serde_json::{Value, json};

use super::Format;
use crate::connection::Target;
use crate::failure::{Exit, Failure};
use crate::find::{find_task, quoted};
use crate::output::text::{plain, printable};
use crate::output::time::rfc3339;
use crate::output::{Screen, style};

/// How many lines are shown before what comes, where nothing else is said.
const BEFORE_FOLLOWING: usize = 10;

/// Show what a command wrote
///
/// The beginning and the end of every run are shown too. With -f it goes on with every line as it is written, until Ctrl-C.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A command's name, its id, or the first characters of its id
    task: String,
    /// Go on with what comes
    #[arg(short, long)]
    follow: bool,
    /// Only the last N lines; with -f of what was there before, where 10 are shown if nothing is said
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
    /// Only this run: its id, the first characters of its id, or `last`
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    /// Only what is newer: 90s, 15min, "2 days", 03:00, 2026-07-28, 2026-07-28T03:00
    #[arg(long, value_name = "DURATION|TIME")]
    since: Option<String>,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, target: &Target, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let since = args.since.as_deref().map(|text| screen.clock.since(text)).transpose();
    let since = since.map_err(|problem| Failure::new(Exit::Usage, problem))?;
    let task = find_task(&target.connect().await?, &args.task).await?;
    let (logs, log) = log_of(&task)?;
    let mut query = Query {
        since: since.map(|since| u64::try_from(since.as_microsecond()).unwrap_or(0)),
        last: args.lines.or(args.follow.then_some(BEFORE_FOLLOWING)),
        instance: None,
    };
    if let Some(wanted) = &args.instance {
        query.instance = Some(instance(wanted, &task, &logs, &log)?);
    }
    if args.follow {
        return follow(args, query, &logs, &log, screen).await;
    }
    let lines = logs.read(&log, &query).map_err(|error| unreadable(&error))?;
    if lines.is_empty() && !args.format.json {
        return Ok(writeln!(screen.out, "{} has written nothing{}.", printable(&task.name), of_what(args))?);
    }
    lines.iter().try_for_each(|line| show(args, line, screen)).map_err(Into::into)
}

/// Where what a command writes is kept, and under which name.
pub(super) fn log_of(task: &TaskInfo) -> Result<(Logs, String), Failure> {
    let Some(path) = task.log.as_deref().map(Path::new) else {
        let text = format!("{} belongs to the app {}: only commands have a log", task.name, task.app);
        return Err(Failure::failed(text));
    };
    let logs = Logs::open(path.parent().unwrap_or(Path::new("/"))).map_err(|error| unreadable(&error))?;
    // The name in the folder is the broker's choice, not the task's id.
    Ok((logs, path.file_stem().unwrap_or_default().to_string_lossy().into_owned()))
}

/// Writes one line of a log.
pub(super) fn write(line: &bgtask_log::Line, screen: &mut Screen<'_>) -> std::io::Result<()> {
    let at = i64::try_from(line.at).unwrap_or(i64::MAX);
    let text = plain(&line.text());
    let (dim, bad) = (style::HEADING, style::BAD);
    let time = screen.clock.time_of_day(at);
    let run = line.instance.get(..8).unwrap_or(&line.instance);
    match line.kind {
        Kind::Output | Kind::Part => writeln!(screen.out, "{dim}{time}{dim:#}  {text}"),
        Kind::Begin => {
            let day = screen.clock.absolute(at);
            writeln!(screen.out, "{dim}{time}  ┌ run {run} begins: {text}, {day}{dim:#}")
        }
        Kind::End => writeln!(screen.out, "{dim}{time}  └ run {run} ended: {text}{dim:#}"),
        Kind::Lost => writeln!(screen.out, "{time}  {bad}{text}{bad:#}"),
    }
}

async fn follow(args: &Args, query: Query, logs: &Logs, log: &str, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let mut follower = logs.follow(log, query).map_err(|error| unreadable(&error))?;
    loop {
        for line in follower.next().await.map_err(|error| unreadable(&error))? {
            show(args, &line, screen)?;
        }
        screen.out.flush()?;
    }
}

fn show(args: &Args, line: &bgtask_log::Line, screen: &mut Screen<'_>) -> std::io::Result<()> {
    if args.format.json { screen.json_line(&line_json(line)) } else { write(line, screen) }
}

fn line_json(line: &bgtask_log::Line) -> Value {
    let kind = match line.kind {
        Kind::Output => "output",
        Kind::Part => "part",
        Kind::Begin => "begin",
        Kind::End => "end",
        Kind::Lost => "lost",
    };
    let at = rfc3339(i64::try_from(line.at).unwrap_or(i64::MAX));
    json!({ "at": at, "instance": line.instance, "kind": kind, "text": line.text() })
}

/// The run that is meant, among those the log has.
fn instance(wanted: &str, task: &TaskInfo, logs: &Logs, log: &str) -> Result<String, Failure> {
    let lines = logs.read(log, &Query::default()).map_err(|error| unreadable(&error))?;
    let mut found: Vec<&str> = Vec::new();
    for line in &lines {
        if !found.contains(&line.instance.as_str()) {
            found.push(&line.instance);
        }
    }
    if wanted == "last" {
        let last = found.last().copied().or(task.instance.as_deref());
        return last.map(str::to_owned).ok_or_else(|| Failure::absent(format!("{} never ran", task.name)));
    }
    let lower = wanted.to_ascii_lowercase();
    found.extend(task.instance.as_deref().filter(|running| lines.iter().all(|line| line.instance != *running)));
    found.retain(|id| id.starts_with(&lower) && !lower.is_empty());
    match found[..] {
        [one] => Ok(one.to_owned()),
        [] => Err(Failure::absent(format!(
            "the log of {} knows no run {}: `bgtask history {0} --json` lists the runs",
            task.name,
            quoted(wanted)
        ))),
        _ => Err(Failure::failed(format!("{} stands for {} runs: write more of its id", quoted(wanted), found.len()))),
    }
}

fn of_what(args: &Args) -> &'static str {
    match (&args.instance, &args.since) {
        (None, None) => " yet",
        (Some(_), None) => " in that run",
        (_, Some(_)) => " in that time",
    }
}

pub(super) fn unreadable(error: &LogError) -> Failure {
    let cause = std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
    Failure::failed(format!("the log cannot be read: {error}{cause}"))
}
