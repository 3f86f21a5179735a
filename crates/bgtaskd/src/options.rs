use std::path::PathBuf;

use clap::Parser;

/// The bgtask broker: waits for triggers, holds tasks until their conditions are met, runs them, tells their apps.
///
/// One broker serves one user. It listens on $XDG_RUNTIME_DIR/bgtask/broker and, where there is a session bus,
/// as org.bgtask.Broker1.
#[derive(Debug, Parser)]
#[command(name = "bgtaskd", version)]
pub(crate) struct Options {
    /// Keep everything below DIR (socket, state, apps, data, config.toml) and stay off the session bus
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Read system facts (etc/localtime, proc, dev, run/dbus) below DIR
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) sysroot: PathBuf,
    /// Write every decision to FILE, for `bgtask replay`
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// What to log: error, warn, info, debug, trace, or a tracing filter
    #[arg(long, value_name = "LEVEL", env = "BGTASK_LOG", default_value = "info")]
    pub(crate) log: String,
}
