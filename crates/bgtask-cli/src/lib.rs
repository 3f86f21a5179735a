//! The bgtask command line: what runs in the background, why not now, and what happened.
//!
//! [`main`] is the whole program `bgtask`. `docs/cli.md` describes its commands, their JSON and the exit codes.
//!
//! ```text
//! main ─▶ commands (one file each) ─▶ connection ─▶ broker
//!                  │                      find: which task is meant
//!                  └─▶ output: tables for people, JSON for programs
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod commands;
mod complete;
mod connection;
mod demo;
mod failure;
mod find;
mod lint;
mod machine;
mod output;
#[cfg(test)]
mod tests;

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use clap::Parser;

use commands::Command;
use connection::Target;
use failure::{Exit, Failure};
use output::Screen;
use output::text::printable_lines;
use output::time::Clock;

/// Background tasks of this user: what is registered, why it is not running now, what happened, who may.
#[derive(Debug, Parser)]
#[command(name = "bgtask", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused or failed; the message says why
  2  wrong usage
  3  there is no such task, app or file, or no task heard the event
  4  the broker cannot be reached
  5  trigger: the task is running already
  6  trigger: the user or the policy does not let the app run in the background";

/// Most bytes that wait to be written where it is no terminal.
const MAX_BUFFERED: usize = 64 * 1024;

/// Runs the command line; also the programs of the demonstration, which are this one under other names.
pub fn main() -> ExitCode {
    if let Some(exit) = demo::play_part() {
        return exit;
    }
    complete::answer_shell();
    let cli = Cli::parse();
    let (mut out, mut err) = (anstream::stdout().lock(), anstream::stderr());
    ExitCode::from(cli.run(Clock::system(), output::terminal_width(), &mut out, &mut err) as u8)
}

impl Cli {
    /// `width`: how many columns there are, where people read it on a terminal.
    fn run(&self, clock: Clock, width: Option<usize>, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
        // Nobody reads a line before it is complete where it is no person who reads.
        let mut out = BufWriter::with_capacity(if width.is_some() { 0 } else { MAX_BUFFERED }, out);
        // It lives until everything is told: to give up what it watches takes the kernel longer than most commands do.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let done = match &runtime {
            Ok(runtime) => {
                let mut screen = Screen { out: &mut out, err: &mut *err, clock, width };
                runtime.block_on(self.command.run(&self.target, &mut screen))
            }
            Err(error) => Err(Failure::failed(format!("the asynchronous runtime cannot be started: {error}"))),
        };
        // Results come before what is said of them, also where that is a failure.
        let flushed = out.flush();
        match done.and_then(|()| Ok(flushed?)) {
            Ok(()) => Exit::Done,
            Err(failure) => {
                // With standard error closed too there is nobody left to tell.
                let _nobody = tell(&failure, self.command.wants_json(), err);
                failure.exit
            }
        }
    }
}

fn tell(failure: &Failure, json: bool, err: &mut dyn Write) -> std::io::Result<()> {
    match failure.exit {
        Exit::Done => Ok(()),
        _ if json => writeln!(err, "{}", failure.to_json()),
        _ => writeln!(err, "{bad}bgtask:{bad:#} {}", printable_lines(&failure.message), bad = output::style::BAD),
    }
}
