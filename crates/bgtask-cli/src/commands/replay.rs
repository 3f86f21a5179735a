use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;

use bgtask_record::{Replay, ReplayError};
use serde_json::json;

use super::Format;
use crate::failure::{Exit, Failure};
use crate::output::Screen;
use crate::output::text::{counted, printable};

/// Decide again what a broker decided, from its recording (`bgtaskd --record FILE`), and compare
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The recording
    file: PathBuf,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) fn run(args: &Args, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let file = File::open(&args.file).map_err(|error| cannot_read(args, &error))?;
    let done = bgtask_record::replay(BufReader::new(file)).map_err(|error| failure(args, &error))?;
    if args.format.json {
        let answer = json!({ "inputs": done.inputs, "outputs": done.outputs, "cut_short": done.cut_short });
        return Ok(screen.json(&answer)?);
    }
    Ok(write(done, screen)?)
}

fn write(done: Replay, screen: &mut Screen<'_>) -> io::Result<()> {
    let inputs = counted(usize::try_from(done.inputs).unwrap_or(usize::MAX), "input");
    let outputs = counted(usize::try_from(done.outputs).unwrap_or(usize::MAX), "decision");
    writeln!(screen.out, "{inputs}, {outputs}: this version decides the same.")?;
    if done.cut_short {
        writeln!(screen.out, "The last line is cut off, as when a broker is killed; it was left out.")?;
    }
    Ok(())
}

fn failure(args: &Args, error: &ReplayError) -> Failure {
    match error {
        ReplayError::Read(cause) => cannot_read(args, cause),
        other => Failure::failed(format!("{}: {other}", shown(args))),
    }
}

fn cannot_read(args: &Args, error: &io::Error) -> Failure {
    let exit = if error.kind() == io::ErrorKind::NotFound { Exit::Absent } else { Exit::Failed };
    Failure::new(exit, format!("the recording {} cannot be read: {error}", shown(args)))
}

fn shown(args: &Args) -> String {
    printable(&args.file.to_string_lossy()).into_owned()
}
