//! What a shell offers after TAB: the commands and their options, the words of triggers and conditions, and for tasks and apps what
//! the broker knows.
//!
//! The shell runs `bgtask` itself for it, with `$COMPLETE` set; `bgtask completions SHELL` writes the script that does so.

use std::ffi::OsStr;
use std::time::Duration;

use bgtask_core::PathEvents;
use bgtask_taskfile::catalog::{self, Entry};
use bgtask_wire::{BrokerProxy, TaskInfo};
use clap::{Arg, Command, CommandFactory as _};
use clap_complete::CompleteEnv;
use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter as _,
};

use crate::Cli;
use crate::connection::Target;
use crate::failure::Failure;

/// How long a person who has pressed TAB waits for the broker.
const PATIENCE: Duration = Duration::from_secs(1);

/// Most tasks or apps that are offered: nobody reads more.
const MAX_OFFERED: usize = 1_000;

/// Answers a shell that completes a command line, and ends the program; returns where it was started for something else.
pub(crate) fn answer_shell() {
    CompleteEnv::with_factory(|| with_values(Cli::command())).complete();
}

/// Every command, with what its arguments may be: they are known by their names.
fn with_values(command: Command) -> Command {
    let of_commands = OF_COMMANDS.contains(&command.get_name());
    command.mut_args(|arg| with_value(arg, of_commands)).mut_subcommands(with_values)
}

/// What is only done with the user's own commands.
const OF_COMMANDS: [&str; 9] = ["run", "logs", "pause", "resume", "cancel", "remove", "edit", "lint", "export"];

fn with_value(arg: Arg, of_commands: bool) -> Arg {
    match arg.get_id().as_str() {
        "task" | "tasks" if of_commands => arg.add(ArgValueCandidates::new(|| tasks(bgtask_core::App::COMMANDS))),
        "task" | "tasks" => arg.add(ArgValueCandidates::new(|| tasks(""))),
        "app" => arg.add(ArgValueCandidates::new(apps)),
        "on" => arg.add(ArgValueCompleter::new(triggers)),
        "when" => arg.add(ArgValueCompleter::new(conditions)),
        "changes" => arg.add(ArgValueCompleter::new(|typed: &OsStr| {
            listed(typed, PathEvents::NAMES.into_iter().map(CompletionCandidate::new))
        })),
        _ => arg,
    }
}

/// Every trigger that this build knows, and every condition, as it is one too.
fn triggers(typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    if let Some(path) = typed.strip_prefix("path:") {
        let paths = PathCompleter::any().complete(OsStr::new(path));
        return paths.into_iter().map(|found| found.add_prefix("path:")).collect();
    }
    // These have options of their own.
    let words = catalog::triggers().iter().filter(|entry| !["every", "at"].contains(&entry.word));
    let is_new = |entry: &&Entry| catalog::triggers().iter().all(|word| word.word != entry.word);
    let more = catalog::conditions().iter().filter(is_new);
    starting_with(&typed, words.chain(more).filter_map(offered_word)).collect()
}

/// Every condition that this build knows, after those that are written already.
fn conditions(typed: &OsStr) -> Vec<CompletionCandidate> {
    let negated = |word: CompletionCandidate| word.add_prefix("not:");
    let words = || catalog::conditions().iter().filter(|entry| entry.word != "not").filter_map(offered_word);
    let typed_not = typed.to_string_lossy().rsplit(',').next().is_some_and(|last| last.starts_with("not:"));
    if typed_not { listed(typed, words().map(negated)) } else { listed(typed, words().chain([not()])) }
}

fn not() -> CompletionCandidate {
    CompletionCandidate::new("not:").help(Some("the opposite of any condition".into()))
}

fn offered_word(entry: &Entry) -> Option<CompletionCandidate> {
    // What is to be filled in is left to the person.
    let word = if entry.takes_value() { format!("{}:", entry.word) } else { entry.word.to_owned() };
    entry.unavailable.is_none().then(|| CompletionCandidate::new(word).help(Some(entry.meaning.into())))
}

/// Of words that are joined by commas, what the last one may be.
fn listed(typed: &OsStr, words: impl Iterator<Item = CompletionCandidate>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let (before, last) = typed.rfind(',').map_or(("", &*typed), |comma| typed.split_at(comma + 1));
    starting_with(last, words).map(|word| word.add_prefix(before)).collect()
}

fn starting_with(
    typed: &str,
    words: impl Iterator<Item = CompletionCandidate>,
) -> impl Iterator<Item = CompletionCandidate> {
    words.filter(move |word| word.get_value().to_string_lossy().starts_with(typed))
}

fn tasks(app: &str) -> Vec<CompletionCandidate> {
    let offered = asked(async |broker| Ok(broker.list_tasks(app).await?)).into_iter().map(|task: TaskInfo| {
        // What a shell would not take for one word is meant by its id.
        let help = format!("{} of {}", task.name, task.app);
        let plain = !task.name.is_empty() && task.name.chars().all(is_plain);
        CompletionCandidate::new(if plain { task.name } else { task.id }).help(Some(help.into()))
    });
    offered.take(MAX_OFFERED).collect()
}

fn apps() -> Vec<CompletionCandidate> {
    let offered = asked(async |broker| Ok(broker.list_apps().await?)).into_iter();
    offered.map(|app| CompletionCandidate::new(app.id)).take(MAX_OFFERED).collect()
}

fn is_plain(character: char) -> bool {
    character.is_alphanumeric() || "-_.,+@%/".contains(character)
}

/// What the user's broker says; nothing where it does not: a shell has no place for an explanation.
fn asked<T>(ask: impl AsyncFnOnce(BrokerProxy<'static>) -> Result<Vec<T>, Failure>) -> Vec<T> {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Vec::new() };
    let answer = async { ask(Target::default().connect().await?).await };
    runtime
        .block_on(async { tokio::time::timeout(PATIENCE, answer).await })
        .ok()
        .and_then(Result::ok)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a shell would offer for the last of these words.
    fn offered(words: &[&str]) -> Vec<String> {
        let words = words.iter().map(Into::into).collect::<Vec<_>>();
        let last = words.len() - 1;
        let found = clap_complete::engine::complete(&mut with_values(Cli::command()), words, last, None).unwrap();
        found.iter().map(|found| found.get_value().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn commands_options_and_words_are_offered() {
        assert_eq!(offered(&["bgtask", "wh"]), ["why"]);
        let commands = offered(&["bgtask", ""]);
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            assert!(commands.contains(&command.get_name().to_owned()), "{}", command.get_name());
        }
        assert!(offered(&["bgtask", "list", "--"]).contains(&"--json".to_owned()));
        assert_eq!(offered(&["bgtask", "completions", "z"]), ["zsh"]);
    }

    #[test]
    fn triggers_and_conditions_are_offered_with_what_is_written_already() {
        assert_eq!(offered(&["bgtask", "add", "x", "--on", "time"]), ["timer:", "time-zone-change"]);
        assert_eq!(offered(&["bgtask", "add", "x", "--on", "ac"]), ["ac-power"]);
        assert_eq!(offered(&["bgtask", "add", "x", "--on", "sms"]), ["sms-received", "sms:"]);
        assert_eq!(offered(&["bgtask", "add", "x", "--on", "serv"]), [""; 0], "it is for apps");
        assert_eq!(offered(&["bgtask", "add", "x", "--when", "unm"]), ["unmetered"]);
        assert_eq!(
            offered(&["bgtask", "add", "x", "--when", "unmetered,user-"]),
            ["unmetered,user-present", "unmetered,user-away"]
        );
        assert_eq!(
            offered(&["bgtask", "add", "x", "--when", "ac-power,not:i"]),
            ["ac-power,not:internet", "ac-power,not:idle:"]
        );
        assert_eq!(offered(&["bgtask", "add", "x", "--when", "no"]), ["no-internet", "not:"]);
        assert_eq!(offered(&["bgtask", "add", "x", "--changes", "created,de"]), ["created,deleted"]);
        assert_eq!(offered(&["bgtask", "add", "x", "--on", "pat"]), ["path:"]);
        assert!(!offered(&["bgtask", "add", "x", "--when", ""]).contains(&"time-zone-change".to_owned()));
        assert!(offered(&["bgtask", "add", "x", "--on", "path:/et"]).contains(&"path:/etc/".to_owned()));
    }

    #[test]
    fn what_a_shell_takes_apart_is_not_plain() {
        for name in ["my backup", "a'b", "a\"b", "a\\b", "$HOME", "a;b", "a\nb", "*", "a:b", "~x"] {
            assert!(!name.chars().all(is_plain), "{name:?}");
        }
        assert!("резервная-копия_2.0".chars().all(is_plain));
    }
}
