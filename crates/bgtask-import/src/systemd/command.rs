//! What a service runs, as one command.

use bgtask_core::Command;

use super::unit::{Setting, Unit};
use super::words::{UnitNames, for_shell, programs};
use crate::{Difference, shell};

/// Why a service cannot be translated, with the line.
pub(super) type Wrong = (usize, String);

/// One program that a service runs.
struct Step {
    words: Vec<String>,
    /// Whether `$` stands for a variable.
    has_variables: bool,
    /// What becomes of the rest when it fails.
    failure: Failure,
}

#[derive(Clone, Copy, PartialEq)]
enum Failure {
    /// The service has failed.
    Fails,
    /// It does not matter (`-`).
    Ignored,
    /// The rest is left out, and that is no failure (`ExecCondition=`).
    Skips,
}

/// The command of a service: its program alone, or a script that runs one after the other.
///
/// `first` are lines of shell that come before everything.
pub(super) fn translate(
    service: &Unit,
    names: &UnitNames<'_>,
    first: &[String],
    differences: &mut Vec<Difference>,
) -> Result<Command, Wrong> {
    let mut steps = Vec::new();
    for key in ["ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost"] {
        for setting in service.all("Service", key) {
            let read = read(setting, names, differences).map_err(|why| (setting.line, why))?;
            steps.extend(read);
        }
    }
    if service.last("Service", "ExecStart").is_none() {
        return Err((0, "it has no ExecStart=, so there is nothing to run".to_owned()));
    }
    let is_simple = |step: &Step| step.failure == Failure::Fails && !step.uses_variables();
    match &mut steps[..] {
        [step] if first.is_empty() && is_simple(step) => {
            let words = step.words.drain(..);
            let unescaped = |word: String| if step.has_variables { word.replace("$$", "$") } else { word };
            Ok(Command::new(words.map(unescaped)))
        }
        _ => Ok(Command::new(["/bin/sh", "-c", &script(first, &steps)])),
    }
}

fn script(first: &[String], steps: &[Step]) -> String {
    let mut lines = first.to_vec();
    if steps.iter().any(Step::has_split_variable) {
        lines.insert(0, "set -f".to_owned());
    }
    for (place, step) in steps.iter().enumerate() {
        let is_last = place + 1 == steps.len();
        lines.push(match step.failure {
            Failure::Fails if is_last => step.text(),
            Failure::Fails => format!("{} || exit", step.text()),
            Failure::Ignored => format!("{} || :", step.text()),
            Failure::Skips => format!("{} || exit 0", step.text()),
        });
    }
    lines.join("\n")
}

impl Step {
    fn uses_variables(&self) -> bool {
        self.has_variables && self.words.iter().any(|word| for_shell(word) != shell::quoted(&word.replace("$$", "$")))
    }

    /// Whether the value of a variable becomes several words, in which the shell would look for `*`.
    fn has_split_variable(&self) -> bool {
        self.has_variables && self.words.iter().any(|word| for_shell(word).starts_with('$'))
    }

    fn text(&self) -> String {
        let word = |word: &String| if self.has_variables { for_shell(word) } else { shell::quoted(word) };
        self.words.iter().map(word).collect::<Vec<_>>().join(" ")
    }
}

/// The programs of one line: several where a `;` stands between them.
fn read(setting: &Setting, names: &UnitNames<'_>, differences: &mut Vec<Difference>) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for words in programs(&setting.value)?.into_iter().filter(|words| !words.is_empty()) {
        let words = words.iter().map(|word| names.expand(word)).collect::<Result<Vec<_>, _>>()?;
        steps.push(step(&setting.key, words, differences)?);
    }
    if steps.is_empty() { Err("it is empty".to_owned()) } else { Ok(steps) }
}

fn step(key: &str, mut words: Vec<String>, differences: &mut Vec<Difference>) -> Result<Step, String> {
    let marks = words[0].find(|c| !"@-:+!|".contains(c)).unwrap_or(words[0].len());
    let program = words[0].split_off(marks);
    let marks = std::mem::replace(&mut words[0], program);
    if words[0].is_empty() {
        return Err(format!("{marks} stands before no program"));
    }
    if marks.contains('@') {
        if words.len() < 2 {
            return Err("@ wants the name that the program is told, behind it".to_owned());
        }
        let told = words.remove(1);
        let before = format!("systemd tells {} that its name is {told}", words[0]);
        differences.push(Difference::warning(&format!("{key}=@"), before, "bgtask tells it its real name"));
    }
    if marks.contains(['+', '!']) {
        let before = format!("systemd runs {} with more rights than the rest of the service", words[0]);
        differences.push(Difference::error(&format!("{key}=+"), before, "bgtask runs it as you, like the rest"));
    }
    let failure = match key {
        _ if marks.contains('-') => Failure::Ignored,
        "ExecCondition" => Failure::Skips,
        _ => Failure::Fails,
    };
    Ok(Step { words, has_variables: !marks.contains(':'), failure })
}
