//! Bad input and faults: many programs at once, programs that die in the middle of a call, hosts that break every rule. Whatever they
//! do is decided, recorded, and nobody else's business.

#[path = "../harness/mod.rs"]
mod harness;

mod callers;
mod crowd;
mod hosts;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::{Home, copy_program};

/// A test that is no test but a program of others, started by itself.
fn program(exe: &Path, name: &str) -> Command {
    let mut command = Command::new(exe);
    command.args(["--exact", name, "--ignored", "--quiet"]).stdout(Stdio::null());
    command
}

/// This program in a place of its own, where it can be an app while this process is its user.
fn own_copy(home: &Home) -> PathBuf {
    let (own, copy) = (std::env::current_exe().unwrap(), home.root("an-app"));
    fs::hard_link(&own, &copy).unwrap_or_else(|_| copy_program(&own, &copy));
    copy
}
