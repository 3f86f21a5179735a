//! `bgtask manifest`: what a manifest says, and what is wrong with it. No broker is asked.

mod check;
mod show;

use std::io;
use std::path::Path;

use bgtask_manifest::{Parsed, ReadError};
use clap::Subcommand;

use super::Format;
use crate::failure::{Exit, Failure};
use crate::output::Screen;
use crate::output::text::printable_lines;

/// Read and check manifests
#[derive(Debug, Subcommand)]
pub(crate) enum Manifest {
    Show(show::Args),
    Check(check::Args),
}

impl Manifest {
    pub(crate) fn run(&self, screen: &mut Screen<'_>) -> Result<(), Failure> {
        match self {
            Self::Show(args) => show::run(args, screen),
            Self::Check(args) => check::run(args, screen),
        }
    }

    pub(crate) fn format(&self) -> &Format {
        match self {
            Self::Show(args) => &args.format,
            Self::Check(args) => &args.format,
        }
    }
}

fn read(file: &Path) -> Result<Parsed, Failure> {
    let bytes = bgtask_manifest::read(file).map_err(|error| {
        let is_absent = matches!(&error, ReadError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound);
        let exit = if is_absent { Exit::Absent } else { Exit::Failed };
        Failure::new(exit, printable_lines(&error.to_string()))
    })?;
    Ok(bgtask_manifest::parse(&file.to_string_lossy(), &bytes))
}
