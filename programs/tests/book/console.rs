use std::fmt;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::blocks::Block;
use crate::book::Page;
use crate::harness::PATIENCE;
use crate::matching::is_same;
use crate::world::World;

/// Ends the answer of each command, with the command's exit code.
const MARK: char = '\u{1}';

/// A session that goes otherwise than its page shows.
pub(crate) struct Difference {
    place: String,
    /// The block's text in the page.
    pub(crate) shown: String,
    /// What it would be today.
    pub(crate) answered: String,
}

/// Whether the pages are to be changed to what is answered.
pub(crate) fn writes() -> bool {
    std::env::var_os("BGTASK_BOOK").is_some_and(|word| word == "write")
}

/// Types a session. A block that is `eventually` so is asked again until it is.
pub(crate) fn play(page: &Page, block: &Block, world: &World) -> Option<Difference> {
    let exchanges = exchanges(&block.text);
    assert!(!exchanges.is_empty(), "{} line {}: a session begins with `$ `", page.name, block.line);
    let end = Instant::now() + if writes() { Duration::from_secs(5) } else { PATIENCE };
    loop {
        let answers = type_in(&exchanges, world);
        // What has nothing to wait for would be right at once, whatever comes later.
        let waits_for_something = !block.is("eventually") || exchanges.iter().any(|it| !it.shown.is_empty());
        let is_right = |(exchange, answer): (&Exchange, &Answer)| {
            is_same(&exchange.shown, &answer.text) && (answer.code == 0 || exchange.may_fail(&exchange.shown))
        };
        if waits_for_something && answers.len() == exchanges.len() && exchanges.iter().zip(&answers).all(is_right) {
            return None;
        }
        if block.is("eventually") && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(200));
            continue;
        }
        let answered = exchanges.iter().zip(&answers).map(|(exchange, answer)| exchange.with(answer)).collect();
        return Some(Difference {
            place: format!("{} line {}", page.name, block.line),
            shown: block.text.clone(),
            answered,
        });
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} shows\n{}but it is\n{}", self.place, self.shown, self.answered)
    }
}

/// A command, and what is shown as its answer.
struct Exchange {
    /// As in the page: `$ ` and `> ` begin its lines.
    typed: String,
    command: String,
    shown: String,
}

struct Answer {
    text: String,
    code: i32,
}

impl Exchange {
    /// Whether its reader sees that it goes wrong: only then it may.
    fn may_fail(&self, said: &str) -> bool {
        said.lines().any(|line| line.starts_with("bgtask: ")) || self.command.contains("|| ")
    }

    fn with(&self, answer: &Answer) -> String {
        let is_same = is_same(&self.shown, &answer.text);
        let text = if is_same { &self.shown } else { &answer.text };
        let code = match answer.code {
            0 => String::new(),
            _ if self.may_fail(text) => String::new(),
            code => format!("[exit code {code}]\n"),
        };
        format!("{}{text}{code}", self.typed)
    }
}

fn exchanges(text: &str) -> Vec<Exchange> {
    let mut found: Vec<Exchange> = Vec::new();
    for line in text.lines() {
        let more = found.last().is_some_and(|last| last.shown.is_empty());
        match (line.strip_prefix("$ "), line.strip_prefix("> ").or((line == ">").then_some("")), found.last_mut()) {
            (Some(command), _, _) => {
                found.push(Exchange { typed: format!("{line}\n"), command: command.to_owned(), shown: String::new() });
            }
            (None, Some(command), Some(last)) if more => {
                last.typed.push_str(&format!("{line}\n"));
                last.command.push_str(&format!("\n{command}"));
            }
            (None, _, Some(last)) => last.shown.push_str(&format!("{line}\n")),
            (None, _, None) => return Vec::new(),
        }
    }
    found
}

/// Runs the commands in one shell, in the reader's home.
fn type_in(exchanges: &[Exchange], world: &World) -> Vec<Answer> {
    let mut script = String::from("exec 2>&1\n");
    for exchange in exchanges {
        script.push_str(&format!("{}\nprintf '\\001%s\\n' $?\n", exchange.command));
    }
    let file = world.private("session.sh");
    fs::write(&file, script).unwrap();
    let said = world.private("said");
    let mut command = world.command("bash");
    command.arg(&file).stdin(Stdio::null()).stdout(File::create(&said).unwrap()).process_group(0);
    let mut child = command.spawn().expect("there is bash");
    let end = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            kill_process_group(Pid::from_child(&child), Signal::KILL).unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let text = world.as_shown(&String::from_utf8_lossy(&fs::read(&said).unwrap()));
    let mut answers = Vec::new();
    let mut rest = text.as_str();
    while let Some((answer, after)) = rest.split_once(MARK) {
        let (code, after) = after.split_once('\n').unwrap_or((after, ""));
        answers.push(Answer { text: ended(answer), code: code.parse().unwrap_or(-1) });
        rest = after;
    }
    if answers.len() < exchanges.len() {
        answers.push(Answer { text: format!("{}[it did not end]\n", ended(rest)), code: -1 });
    }
    answers
}

/// With an end of its last line.
fn ended(answer: &str) -> String {
    let lines = answer.lines().map(str::trim_end);
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_session_is_commands_with_their_answers() {
    let found = exchanges("$ cat > x <<'END'\n> one\n>\n> END\n$ echo a\na\n\nb\n");
    let [first, second] = &found[..] else { panic!() };
    assert_eq!((first.command.as_str(), first.shown.as_str()), ("cat > x <<'END'\none\n\nEND", ""));
    assert_eq!((second.command.as_str(), second.shown.as_str()), ("echo a", "a\n\nb\n"));
}
