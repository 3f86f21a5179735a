//! What the end-to-end tests share: a real broker in a world of files, real apps and task programs, and patience.
//!
//! Nothing here sleeps for luck: a test waits for a level or an event, up to [`PATIENCE`], which only a failing test reaches.
#![allow(dead_code, unused_imports, reason = "each test program uses a part of it")]

mod app;
mod broker;
mod bus;
mod home;
mod leftovers;
mod logind;
mod mounts;
mod raw;
mod session;
mod sysroot;
mod system_bus;
mod user;
mod user_bus;

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(crate) use app::{App, Listener, copy_program, progress, write_program};
pub(crate) use broker::Broker;
pub(crate) use bus::Bus;
pub(crate) use home::Home;
pub(crate) use leftovers::leftovers;
pub(crate) use logind::Logind;
pub(crate) use mounts::Mounts;
pub(crate) use raw::Raw;
pub(crate) use session::SessionBus;
pub(crate) use sysroot::SysRoot;
pub(crate) use system_bus::SystemBus;
pub(crate) use user::{Heard, New, User, kind};
pub(crate) use user_bus::UserBus;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The app most tests are about.
pub(crate) const SAMPLE: &str = "org.example.Sample";

/// Looks until there is something to see.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// As [`eventually`], where nothing is asynchronous.
pub(crate) fn eventually_now<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Says that this machine cannot run a test; in CI that is a failure.
pub(crate) fn skipped(why: &str) {
    assert!(!is_ci(), "cannot run in CI: {why}");
    println!("SKIPPED: {why}");
}

pub(crate) fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|ci| ci == "true")
}

/// The program of an example of this package.
pub(crate) fn example(name: &str) -> PathBuf {
    let programs = PathBuf::from(env!("CARGO_BIN_EXE_bgtaskd"));
    let path = programs.with_file_name("examples").join(name);
    assert!(
        path.is_file(),
        "{} is missing: a whole `cargo test` builds it, a part of it does not; `cargo build -p bgtask-programs --examples` does",
        path.display()
    );
    path
}

/// Whether a program is installed.
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}
