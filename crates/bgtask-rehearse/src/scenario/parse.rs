//! From the text of a scenario to its lines.

use std::ops::Range;

use bgtask_core::{AccessSetting, AppId, words};

use super::error::{Problem, ScenarioError, shown};
use super::tokens::{Token, tokens};
use super::{
    Clock, Days, Line, MAX_CHANGES, MAX_MISTAKES, MAX_SCENARIO_BYTES, Manner, Statement, When, phrases, times,
};
use crate::world::{Level, Reading};

pub(super) fn parse(text: &str) -> Result<Vec<Line>, Vec<ScenarioError>> {
    if text.len() > MAX_SCENARIO_BYTES {
        let message = format!("the scenario has {} bytes", text.len());
        let help = format!("at most {MAX_SCENARIO_BYTES} are read");
        return Err(vec![ScenarioError { line: 1, span: 0..0, message, help }]);
    }
    let (mut lines, mut mistakes, mut offset) = (Vec::new(), Vec::new(), 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        match read_line(line, offset, index + 1) {
            Ok(read) => lines.extend(read),
            Err(problem) => mistakes.push(problem.at_line(index + 1)),
        }
        offset += line.len();
    }
    mistakes.truncate(MAX_MISTAKES);
    if mistakes.is_empty() { Ok(lines) } else { Err(mistakes) }
}

fn read_line(line: &str, offset: usize, number: usize) -> Result<Vec<Line>, Problem> {
    let words = tokens(line, offset)?;
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return Ok(Vec::new()) };
    let span = first.span.start..last.span.end;
    let (when, rest) = when(&words, &span)?;
    let mut lines = Vec::new();
    for part in rest.split(Token::is_comma) {
        if part.is_empty() {
            let help = "write what happens, as user leaves; several with a comma between them";
            return Err(Problem::new(span, "it is not said what happens", help));
        }
        let (part, until) = until(part)?;
        let (when, what) = (ending(when.clone(), until)?, statement(part)?);
        check(&when, &what, part[0].span.start..part[part.len() - 1].span.end)?;
        lines.push(Line { number, span: span.clone(), when, what });
    }
    Ok(lines)
}

/// When it happens, and the words that follow.
fn when<'a>(words: &'a [Token], line: &Range<usize>) -> Result<(When, &'a [Token]), Problem> {
    let start = When::Start { until: None };
    match words {
        [at, word, colon, rest @ ..] if at.is("at") && word.is("start") && colon.is(":") => return Ok((start, rest)),
        [at, word, rest @ ..] if at.is("at") && (word.is("start") || word.is("start:")) => return Ok((start, rest)),
        [word, ..] if word.is("task") || word.is("app") => return Ok((start, words)),
        _ => {}
    }
    let (days, rest) = times::days(words)?;
    let (from, until, rest) = times::time(rest).map_err(|problem| match problem.span {
        Range { start: 0, end: 0 } => Problem { span: line.clone(), ..problem },
        _ => problem,
    })?;
    Ok((When::Clock { days, from, until }, rest))
}

/// A time that ends something, and where it stands.
type End = (Clock, Range<usize>);

/// `… until 10:30` at the end of a statement.
fn until(words: &[Token]) -> Result<(&[Token], Option<End>), Problem> {
    let Some(place) = words.iter().position(|word| word.is("until")) else { return Ok((words, None)) };
    let wrong = || {
        let help = "write until and a time at the end: no internet until 10:30";
        Problem::new(words[place].span.clone(), "this is no end of something", help)
    };
    let (before, [_, time]) = words.split_at(place) else { return Err(wrong()) };
    if before.is_empty() {
        return Err(wrong());
    }
    Ok((before, Some((times::end(&time.text, time.span.clone())?, time.span.clone()))))
}

fn ending(when: When, end: Option<End>) -> Result<When, Problem> {
    let Some((end, at)) = end else { return Ok(when) };
    match when {
        When::Start { .. } => Ok(When::Start { until: Some(end) }),
        When::Clock { until: Some(_), .. } => {
            Err(Problem::new(at, "it ends twice", "leave out until, or the second time of the span"))
        }
        When::Clock { days, from, until: None } => {
            if from == end {
                return Err(Problem::new(at, "it ends when it begins", "write another time after until"));
            }
            Ok(When::Clock { days, from, until: Some(end) })
        }
    }
}

/// Only levels last, and a battery that changes evenly needs to know how long.
fn check(when: &When, what: &Statement, at: Range<usize>) -> Result<(), Problem> {
    let ends = matches!(when, When::Clock { until: Some(_), .. } | When::Start { until: Some(_) });
    match what {
        Statement::Set(..) | Statement::Zone(_) => Ok(()),
        Statement::Battery { .. } if matches!(when, When::Clock { until: Some(_), .. }) => Ok(()),
        Statement::Battery { .. } => {
            let help = "write the span of time: 09:00-13:00 battery 100% to 20%";
            Err(Problem::new(at, "it is not said how long the battery takes", help))
        }
        _ if ends => Err(Problem::new(at, "this happens at a time and does not last", "write one time only")),
        _ => Ok(()),
    }
}

fn statement(words: &[Token]) -> Result<Statement, Problem> {
    let is =
        |wanted: &[&str]| words.len() >= wanted.len() && wanted.iter().zip(words).all(|(want, word)| word.is(want));
    let span = words[0].span.start..words[words.len() - 1].span.end;
    let needs = |what: &str, example: &str| {
        Problem::new(span.clone(), format!("{what} is missing"), format!("write {example}"))
    };
    if is(&["battery"]) && words.len() > 1 && !words[1].is("power") {
        return battery(&words[1..], span);
    }
    if is(&["disk", "free"]) {
        let word = words.get(2).ok_or_else(|| needs("how much is free", "disk free 10G"))?;
        let bytes = only(words, 3).and_then(|()| words::size(&word.text));
        let bytes = bytes.ok_or_else(|| wrong(&words[2..], "no size", "write disk free 10G"))?;
        return Ok(Statement::Set(Level::DiskFree, Reading::Flat(bytes)));
    }
    if is(&["load"]) {
        let word = words.get(1).ok_or_else(|| needs("the load", "load 1.5"))?;
        let load = only(words, 2).and_then(|()| hundredths(&word.text));
        let load = load.ok_or_else(|| wrong(&words[1..], "no load", "write load 1.5"))?;
        return Ok(Statement::Set(Level::Load, Reading::Flat(load)));
    }
    if is(&["time", "zone"]) {
        let word = words.get(2).ok_or_else(|| needs("the time zone", "time zone Europe/Lisbon"))?;
        only(words, 3).ok_or_else(|| wrong(&words[2..], "no time zone", "write time zone Europe/Lisbon"))?;
        return Ok(Statement::Zone(word.text.as_str().into()));
    }
    if is(&["path"]) {
        return path(&words[1..], span);
    }
    if is(&["event"]) {
        let word = words.get(1).ok_or_else(|| needs("the event's id", "event org.example.Done"))?;
        only(words, 2).ok_or_else(|| wrong(&words[1..], "no event's id", "write event org.example.Done"))?;
        return Ok(Statement::Event(word.text.as_str().into()));
    }
    if is(&["user", "logs", "in"]) && words.len() == 3 {
        return Ok(Statement::Login);
    }
    if is(&["task"]) {
        return task(&words[1..], span);
    }
    if is(&["app"]) {
        return app(&words[1..], span);
    }
    phrases::level(words).map(|(level, value)| Statement::Set(level, Reading::Flat(u64::from(value))))
}

fn battery(words: &[Token], span: Range<usize>) -> Result<Statement, Problem> {
    let percent = |text: &str| text.strip_suffix('%')?.parse::<u64>().ok().filter(|percent| *percent <= 100);
    let arrow = |word: &Token| word.is("to") || word.is("->") || word.is("→");
    match words {
        [value] => percent(&value.text).map(|value| Statement::Set(Level::Battery, Reading::Flat(value))),
        [from, to, end] if arrow(to) => {
            percent(&from.text).zip(percent(&end.text)).map(|(from, to)| Statement::Battery { from, to })
        }
        _ => None,
    }
    .ok_or_else(|| Problem::new(span, "this is no state of a battery", "write battery 35%, or battery 100% to 20%"))
}

fn path(words: &[Token], span: Range<usize>) -> Result<Statement, Problem> {
    const HELP: &str = "write path /home/me/notes changes, or … changes 5 times";
    let (path, count) = match words {
        [path, changes] if changes.is("changes") => (path, Some(1)),
        [path, changes, count, times] if changes.is("changes") && (times.is("times") || times.is("time")) => {
            (path, count.text.parse().ok().filter(|count| (1..=MAX_CHANGES).contains(count)))
        }
        _ => return Err(Problem::new(span, "it is not said what changes, and how often", HELP)),
    };
    if !path.text.starts_with('/') {
        let message = format!("the path {} is not absolute", shown(&path.text));
        return Err(Problem::new(path.span.clone(), message, HELP));
    }
    let help = format!("a number from 1 to {MAX_CHANGES}");
    let count = count.ok_or_else(|| Problem::new(words[2].span.clone(), "this is not how often it changes", help))?;
    Ok(Statement::Path { path: path.text.as_str().into(), count })
}

fn task(words: &[Token], span: Range<usize>) -> Result<Statement, Problem> {
    const HELP: &str =
        "write task NAME takes 20min, … fails, … fails 2 times, … succeeds, … paused, … resumed or … runs now";
    let [name, rest @ ..] = words else { return Err(Problem::new(span, "the task's name is missing", HELP)) };
    let texts: Vec<_> = rest.iter().map(|word| word.text.to_lowercase()).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).filter(|word| *word != "is").collect();
    let manner = match texts[..] {
        ["takes", ..] => words::duration(&texts[1..].join(" ")).filter(|it| *it <= crate::MAX_RUN).map(Manner::Takes),
        ["fails"] => Some(Manner::Fails(u32::MAX)),
        ["fails", "once"] => Some(Manner::Fails(1)),
        ["fails", count, "times" | "time"] => count.parse().ok().filter(|count| *count > 0).map(Manner::Fails),
        ["succeeds"] => Some(Manner::Fails(0)),
        ["paused"] => Some(Manner::Paused(true)),
        ["resumed" | "resumes"] => Some(Manner::Paused(false)),
        ["runs", "now"] => Some(Manner::RunsNow),
        _ => None,
    };
    let manner = manner.ok_or_else(|| Problem::new(span, "it is not said how the task behaves", HELP))?;
    Ok(Statement::Task(name.text.as_str().into(), manner))
}

fn app(words: &[Token], span: Range<usize>) -> Result<Statement, Problem> {
    const HELP: &str = "write app org.example.Photos allowed, … always allowed or … denied";
    let [name, rest @ ..] = words else { return Err(Problem::new(span, "the app's id is missing", HELP)) };
    AppId::new(&name.text).map_err(|invalid| Problem::new(name.span.clone(), invalid.to_string(), HELP))?;
    let setting = match rest {
        [word] if word.is("allowed") => AccessSetting::Managed,
        [word] if word.is("denied") => AccessSetting::Never,
        [always, word] if always.is("always") && word.is("allowed") => AccessSetting::Always,
        _ => return Err(Problem::new(span, "it is not said what the user decides about the app", HELP)),
    };
    Ok(Statement::Access(name.text.as_str().into(), setting))
}

/// Nothing follows.
fn only(words: &[Token], count: usize) -> Option<()> {
    (words.len() == count).then_some(())
}

fn wrong(words: &[Token], what: &str, help: &str) -> Problem {
    let text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let span = words[0].span.start..words[words.len() - 1].span.end;
    Problem::new(span, format!("{} is {what}", shown(&text)), help)
}

/// A decimal number in hundredths: the same words as of the condition `load-below`.
fn hundredths(word: &str) -> Option<u64> {
    if word.bytes().all(|byte| matches!(byte, b'0' | b'.')) && word.starts_with('0') {
        return Some(0);
    }
    match bgtask_core::Fact::from_name(&format!("load-below:{word}"))? {
        bgtask_core::Fact::LoadBelow(value) => Some(u64::from(value)),
        _ => None,
    }
}

impl Days {
    /// Whether it names no day by itself, so that it may come in any rehearsal.
    pub(super) const fn recurs(&self) -> bool {
        matches!(self, Self::Weekdays(_))
    }
}
