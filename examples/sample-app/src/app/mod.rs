//! The terminal app.

mod command;
mod in_process;
mod page;
mod pages;

use std::process::ExitCode;
use std::sync::Arc;

use bgtask::{ApplicationData, CoreApplication};
use tokio::sync::mpsc;

use crate::APP;
use crate::notes::Notes;
use command::{Command, HELP};
use pages::Pages;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Runs the app: what its `main` does. With `--in-process` it runs its tasks itself.
#[tokio::main(flavor = "current_thread")]
#[must_use]
pub async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        // Only for a task without an entry point does the broker start the app.
        [] if CoreApplication::is_background_start() => in_process::background().await,
        [] => out_of_process().await,
        ["--in-process"] => in_process::interactive().await,
        _ => Err("usage: sample-app [--in-process]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn out_of_process() -> Outcome {
    bgtask::act_for(APP);
    let notes = Arc::new(Notes::Settings(ApplicationData::local_settings().await?));
    converse(Pages::open(notes, true).await?).await
}

/// Does what is typed, line by line, until `quit` or the end of the input.
async fn converse(mut pages: Pages) -> Outcome {
    page::say(HELP);
    pages.show();
    let mut lines = typed();
    while let Some(line) = lines.recv().await {
        let done = match Command::read(&line) {
            Ok(Command::Nothing) => Ok(()),
            Ok(Command::Quit) => return Ok(()),
            Ok(command) => pages.perform(command).await,
            Err(problem) => Err(problem.into()),
        };
        if let Err(problem) = done {
            page::say(format_args!("{}: {problem}", line.trim()));
        }
    }
    Ok(())
}

/// The lines of the standard input, read by a thread of their own: reading them blocks.
fn typed() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Pages {
    async fn perform(&mut self, command: Command) -> Outcome {
        match command {
            Command::Register(scenario, minutes) => self.register(scenario, minutes).await,
            Command::Unregister(scenario) => self.unregister(scenario).await,
            Command::Signal(arguments) => self.signal(arguments).await,
            Command::UnregisterUngrouped => self.unregister_ungrouped().await,
            Command::Tasks => self.list().await,
            Command::Tick(milliseconds) => {
                let settings = ApplicationData::local_settings().await?;
                Ok(settings.set(crate::body::TICK_SETTING, milliseconds)?)
            }
            Command::Refresh => {
                self.show();
                Ok(())
            }
            Command::Nothing | Command::Quit => Ok(()),
        }
    }
}
