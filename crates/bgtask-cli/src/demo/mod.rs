//! `bgtask demo`: the guide's example played for real, on a stage of its own.
//!
//! ```text
//! demo ─▶ stage   a folder with programs, a machine and an app in it
//!      ─▶ cast    broker and app as processes; [`app`] and [`tasks`] are their parts, written as the guide has them
//!      ─▶ story   what happens, and what must be true
//!      ─▶ narrator
//! ```

mod app;
mod cast;
mod narrator;
mod stage;
mod story;
mod tasks;

use std::path::Path;
use std::process::ExitCode;

use futures_util::future::select_all;
use tokio::signal::unix::{Signal, SignalKind, signal};

use cast::Cast;
use narrator::Narrator;
use stage::Stage;

use crate::failure::{Exit, Failure};
use crate::output::Screen;

/// The name this program has as the app.
const APP_PROGRAM: &str = "guide-app";
/// The name this program has as the app's task program.
const TASKS_PROGRAM: &str = "guide-tasks";

/// Play an example in ten seconds: a task is registered, held, run by a real change of the time zone, and heard
///
/// Everything happens in a temporary folder, with a broker of its own; nothing is left behind. It needs no root and no bus.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Plays the part this program was started for, if its name is that of one.
pub(crate) fn play_part() -> Option<ExitCode> {
    let name = std::env::args_os().next()?;
    match Path::new(&name).file_name()?.to_str()? {
        APP_PROGRAM => Some(match app::main() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        }),
        TASKS_PROGRAM => Some(tasks::main()),
        _ => None,
    }
}

pub(crate) async fn run(screen: &mut Screen<'_>) -> Result<(), Failure> {
    let mut interruption = Interruption::listen()?;
    let mut narrator = Narrator::new(screen);
    let stage = Stage::build("Europe/Berlin")?;
    let played = play(&stage, &mut narrator, &mut interruption).await;
    let had_to_kill = cast::sweep(&stage).await;
    let log = stage.end_of_log();
    let removed = stage.remove();
    narrator.remark("")?;
    if interruption.came {
        return played;
    }
    played.map_err(|failure| with_log(failure, &log))?;
    removed?;
    if had_to_kill {
        return Err(with_log(Failure::failed("processes of the demonstration did not end and were killed"), &log));
    }
    let seconds = narrator.elapsed();
    Ok(narrator.remark(&format!("All of this was real, took {seconds:.1} s, was checked, and left nothing behind."))?)
}

/// Starts the broker, plays the story, and ends everybody, however the story went.
async fn play(stage: &Stage, narrator: &mut Narrator<'_, '_>, interruption: &mut Interruption) -> Result<(), Failure> {
    let mut cast = tokio::select! {
        cast = Cast::assemble(stage) => cast?,
        failure = interruption.comes() => return Err(failure),
    };
    let played = tokio::select! {
        played = story::play(stage, &mut cast, narrator) => played,
        failure = interruption.comes() => Err(failure),
    };
    cast.dismiss().await;
    played
}

/// Ctrl-C and its like, which must not end this program before it has cleaned up.
struct Interruption {
    signals: Vec<Signal>,
    came: bool,
}

impl Interruption {
    fn listen() -> Result<Self, Failure> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let signals = kinds.into_iter().map(signal).collect::<Result<Vec<_>, _>>();
        let signals = signals.map_err(|error| Failure::failed(format!("signals cannot be heard: {error}")))?;
        Ok(Self { signals, came: false })
    }

    async fn comes(&mut self) -> Failure {
        select_all(self.signals.iter_mut().map(|signal| Box::pin(signal.recv()))).await;
        self.came = true;
        Failure::failed("interrupted; everything that was started has ended")
    }
}

fn with_log(failure: Failure, log: &str) -> Failure {
    match failure.exit {
        Exit::Done => failure,
        _ if log.is_empty() => failure,
        _ => Failure { message: format!("{}\nthe end of the broker's log:\n{log}", failure.message), ..failure },
    }
}
