//! The command line, and under their names the programs that its demonstration starts: `cargo run` builds only this one.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let name = std::env::args_os().next().unwrap_or_default();
    match Path::new(&name).file_name().and_then(|name| name.to_str()) {
        Some("bgtaskd") => bgtaskd::main(),
        Some("bgtask-launcher") => bgtask_host::launcher::main(),
        Some("bgtask-transfer") => bgtask_transfer::worker::main(),
        _ => bgtask_cli::main(),
    }
}
