//! What a shell offers after TAB: the commands and their options, the words of triggers and conditions, and for tasks and apps
//! what the broker knows.
//!
//! The shell runs `bgtask` itself for it, with `$COMPLETE` set; `bgtask completions SHELL` writes the script that does so.

use std::time::Duration;

use bgtask_taskfile::catalog::{self, Entry};
use bgtask_wire::BrokerProxy;
use clap::{Arg, Command, CommandFactory as _};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

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
    command.mut_args(with_value).mut_subcommands(with_values)
}

fn with_value(arg: Arg) -> Arg {
    match arg.get_id().as_str() {
        "task" | "tasks" => arg.add(ArgValueCandidates::new(tasks)),
        "app" => arg.add(ArgValueCandidates::new(apps)),
        "on" => arg.add(ArgValueCandidates::new(|| words(catalog::triggers().iter().chain(catalog::conditions())))),
        "when" => arg.add(ArgValueCandidates::new(|| words(catalog::conditions().iter()))),
        _ => arg,
    }
}

/// The words that mean something here, up to what a person has to fill in.
fn words(entries: impl Iterator<Item = &'static Entry>) -> Vec<CompletionCandidate> {
    let offered = entries.filter(|entry| entry.unavailable.is_none()).map(|entry| {
        let word = if entry.takes_value() { format!("{}:", entry.word) } else { entry.word.to_owned() };
        CompletionCandidate::new(word).help(Some(entry.meaning.into()))
    });
    offered.collect()
}

fn tasks() -> Vec<CompletionCandidate> {
    let offered = asked(async |broker| Ok(broker.list_tasks("").await?)).into_iter().map(|task| {
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
    fn triggers_and_conditions_are_offered() {
        assert_eq!(offered(&["bgtask", "add", "x", "--on", "time-z"]), ["time-zone-change"]);
        assert_eq!(offered(&["bgtask", "add", "x", "--on", "pat"]), ["path:"]);
        assert_eq!(offered(&["bgtask", "add", "x", "--when", "ac-"]), ["ac-power"]);
        assert_eq!(offered(&["bgtask", "add", "x", "--when", "ac-power,unm"]), ["ac-power,unmetered"]);
        assert!(!offered(&["bgtask", "add", "x", "--when", ""]).contains(&"time-zone-change".to_owned()));
    }

    #[test]
    fn what_a_shell_takes_apart_is_not_plain() {
        for name in ["my backup", "a'b", "a\"b", "a\\b", "$HOME", "a;b", "a\nb", "*", "a:b", "~x"] {
            assert!(!name.chars().all(is_plain), "{name:?}");
        }
        assert!("резервная-копия_2.0".chars().all(is_plain));
    }
}
