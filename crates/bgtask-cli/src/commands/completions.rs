use clap_complete::Shell;
use clap_complete::env::Shells;

use crate::failure::Failure;
use crate::output::Screen;

/// Write the script that lets a shell complete bgtask commands
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let (shells, name) = (Shells::builtins(), args.shell.to_string());
    let Some(shell) = shells.completer(&name) else {
        return Err(Failure::failed(format!("nothing is known of the shell {name}")));
    };
    let mut script = Vec::new();
    shell.write_registration("COMPLETE", "bgtask", "bgtask", "bgtask", &mut script)?;
    Ok(screen.out.write_all(&script)?)
}
