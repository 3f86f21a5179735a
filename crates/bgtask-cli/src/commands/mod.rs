//! The commands, one file each.

mod access;
mod add;
mod apps;
mod catalog;
mod channels;
mod completions;
mod doctor;
mod edit;
mod export;
mod fleet;
pub(crate) mod history;
mod import;
mod lint;
mod list;
mod logs;
mod man;
mod manifest;
mod next;
mod pause;
mod progress;
mod push;
mod raise;
mod replay;
mod report;
mod run;
mod show;
mod simulate;
mod sockets;
mod sources;
mod stop;
mod top;
mod transfers;
mod trigger;
mod ui;
mod unregister;
mod watch;
mod why;

use clap::Subcommand;

use crate::connection::Target;
use crate::demo;
use crate::failure::Failure;
use crate::output::Screen;
use catalog::Words;
use pause::Deed;

/// What can be asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Add(Box<add::Args>),
    /// List what can fire a task, and whether it works on this machine
    Triggers(catalog::Args),
    /// List what can hold a task back, and whether it works on this machine
    Conditions(catalog::Args),
    Run(run::Args),
    /// Switch commands off for a while
    Pause(pause::Args),
    /// Switch paused commands on again
    Resume(pause::Args),
    /// Stop what runs of commands, and give up what waits
    Cancel(pause::Args),
    /// Remove commands: they never run again
    Remove(pause::Args),
    Edit(edit::Args),
    Lint(lint::Args),
    Export(export::Args),
    Import(import::Args),
    Progress(progress::Args),
    List(list::Args),
    Show(show::Args),
    Why(why::Args),
    Next(next::Args),
    Simulate(simulate::Args),
    Doctor(doctor::Args),
    History(history::Args),
    Logs(logs::Args),
    Report(report::Args),
    Top(top::Args),
    Ui(ui::Args),
    Watch(watch::Args),
    Unregister(unregister::Args),
    Trigger(trigger::Args),
    Push(push::Args),
    Fleet(fleet::Args),
    Raise(raise::Args),
    Stop(stop::Args),
    Apps(apps::Args),
    Access(access::Args),
    Sockets(sockets::Args),
    Channels(channels::Args),
    Sources(sources::Args),
    Transfers(transfers::Args),
    #[command(subcommand)]
    Manifest(manifest::Manifest),
    Replay(replay::Args),
    Demo(demo::Args),
    Completions(completions::Args),
    #[command(hide = true)]
    Man(man::Args),
}

/// The form of the answer.
#[derive(Debug, clap::Args)]
pub(crate) struct Format {
    /// Answer with JSON, and with one JSON object on standard error if it fails
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Command {
    pub(crate) async fn run(&self, target: &Target, screen: &mut Screen<'_>) -> Result<(), Failure> {
        match self {
            Self::Add(args) => add::run(args, target, screen).await,
            Self::Triggers(args) => catalog::run(Words::Triggers, args, screen).await,
            Self::Conditions(args) => catalog::run(Words::Conditions, args, screen).await,
            Self::Run(args) => run::run(args, &target.connect().await?, screen).await,
            Self::Pause(args) => pause::run(Deed::Pause, args, &target.connect().await?, screen).await,
            Self::Resume(args) => pause::run(Deed::Resume, args, &target.connect().await?, screen).await,
            Self::Cancel(args) => pause::run(Deed::Cancel, args, &target.connect().await?, screen).await,
            Self::Remove(args) => pause::run(Deed::Remove, args, &target.connect().await?, screen).await,
            Self::Edit(args) => edit::run(args, &target.connect().await?, screen).await,
            Self::Lint(args) => lint::run(args, target, screen).await,
            Self::Export(args) => export::run(args, &target.connect().await?, screen).await,
            Self::Import(args) => import::run(args, target, screen).await,
            Self::Progress(args) => progress::run(args, target).await,
            Self::List(args) => list::run(args, &target.connect().await?, screen).await,
            Self::Show(args) => show::run(args, &target.connect().await?, screen).await,
            Self::Why(args) => why::run(args, &target.connect().await?, screen).await,
            Self::Next(args) => next::run(args, &target.connect().await?, screen).await,
            Self::Simulate(args) => simulate::run(args, target, screen).await,
            Self::Doctor(args) => doctor::run(target, args, screen).await,
            Self::History(args) => history::run(args, target, screen).await,
            Self::Logs(args) => logs::run(args, target, screen).await,
            Self::Report(args) => report::run(args, target, screen).await,
            Self::Top(args) => top::run(args, target, screen).await,
            Self::Ui(args) => ui::run(args, target).await,
            Self::Watch(args) => watch::run(args, &target.connect().await?, screen).await,
            Self::Unregister(args) => unregister::run(args, &target.connect().await?, screen).await,
            Self::Trigger(args) => trigger::run(args, target, screen).await,
            Self::Push(args) => push::run(args, &target.connect().await?, screen).await,
            Self::Fleet(args) => fleet::run(args, target, screen).await,
            Self::Raise(args) => raise::run(args, &target.connect().await?, screen).await,
            Self::Stop(args) => stop::run(args, &target.connect().await?, screen).await,
            Self::Apps(args) => apps::run(args, &target.connect().await?, screen).await,
            Self::Access(args) => access::run(args, target, screen).await,
            Self::Sockets(args) => sockets::run(args, &target.connect().await?, screen).await,
            Self::Channels(args) => channels::run(args, &target.connect().await?, screen).await,
            Self::Sources(args) => sources::run(args, &target.connect().await?, screen).await,
            Self::Transfers(args) => transfers::run(args, target, screen).await,
            Self::Manifest(command) => command.run(screen),
            Self::Replay(args) => replay::run(args, screen),
            Self::Demo(_) => demo::run(screen).await,
            Self::Completions(args) => completions::run(args, screen),
            Self::Man(args) => man::run(args, screen),
        }
    }

    /// Whether a failure is to be told as JSON.
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Add(args) => args.format.json,
            Self::Triggers(args) | Self::Conditions(args) => args.format.json,
            Self::Run(args) => args.format.json,
            Self::Pause(args) | Self::Resume(args) | Self::Cancel(args) | Self::Remove(args) => args.format.json,
            Self::Lint(args) => args.format.json,
            Self::Import(args) => args.format.json,
            Self::Edit(_) | Self::Export(_) | Self::Progress(_) => false,
            Self::List(args) => args.format.json,
            Self::Show(args) => args.format.json,
            Self::Why(args) => args.format.json,
            Self::Next(args) => args.format.json,
            Self::Simulate(args) => args.format.json,
            Self::Doctor(args) => args.format.json,
            Self::History(args) => args.format.json,
            Self::Logs(args) => args.format.json,
            Self::Report(args) => args.format.json,
            Self::Top(args) => args.format.json,
            Self::Ui(_) => false,
            Self::Watch(args) => args.format.json,
            Self::Unregister(args) => args.format.json,
            Self::Trigger(args) => args.format.json,
            Self::Push(args) => args.format.json,
            Self::Fleet(args) => args.format.json,
            Self::Raise(args) => args.format.json,
            Self::Stop(args) => args.format.json,
            Self::Apps(args) => args.format.json,
            Self::Access(args) => args.format.json,
            Self::Sockets(args) => args.format.json,
            Self::Channels(args) => args.format.json,
            Self::Sources(args) => args.format.json,
            Self::Transfers(args) => args.format.json,
            Self::Manifest(command) => command.format().json,
            Self::Replay(args) => args.format.json,
            Self::Demo(_) | Self::Completions(_) | Self::Man(_) => false,
        }
    }
}

/// A word as a shell takes it.
pub(crate) fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%~".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
