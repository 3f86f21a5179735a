//! A test that needs a part of the machine for itself.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Says that a test runs in its own name spaces already.
const INSIDE: &str = "BGTASK_TEST_INSIDE";

/// Runs the test of this name again, alone, with a network and mounts of its own: `/run` is empty there, and `/sys` shows
/// that network. True inside, where the test shall do its work; false outside, when that has passed or was skipped.
pub(crate) fn is_inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if let Err(why) = check() {
        super::skip(&format!("no name spaces: {why}"));
        return false;
    }
    let this = std::env::current_exe().unwrap();
    let script = "mount -t sysfs sysfs /sys; mount -t tmpfs tmpfs /run; ip link set lo up; exec \"$@\"";
    let mut run = unshare(script);
    let output = run.arg(this).args([test, "--exact", "--nocapture"]).env(INSIDE, "1").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    print!("{told}");
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{test} failed in its name spaces");
    assert!(told.contains("1 passed"), "there is no test called {test}");
    false
}

/// Whether a program is installed.
pub(crate) fn has(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&folders).collect();
    folders.push("/usr/sbin".into());
    folders.iter().any(|folder| folder.join(program).is_file())
}

/// Runs a shell command, which must succeed.
pub(crate) fn sh(command: &str) {
    let status = Command::new("sh").args(["-ec", command]).status().unwrap();
    assert!(status.success(), "{command}: {status}");
}

fn check() -> Result<(), String> {
    if !has("unshare") || !has("ip") {
        return Err("unshare (util-linux) and ip (iproute2) are not installed".to_owned());
    }
    let script = "mount -t sysfs sysfs /sys; ip link add bgtask0 type veth peer name bgtask1";
    let output = unshare(script).stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn unshare(script: &str) -> Command {
    let mut unshare = Command::new("unshare");
    // With users of its own, so that the devices of the machine are not told of there.
    unshare.args(["--map-root-user", "--mount", "--net", "--propagation", "private", "sh", "-ec", script, "sh"]);
    unshare
}

/// Where the kernel is asked to tell once more of the loopback device, by writing an action.
pub(crate) const TELL_AGAIN: &str = "/sys/class/net/lo/uevent";

/// Whether that may be asked; if not, which is so for all but root, says that something is skipped.
pub(crate) fn may_tell_again() -> bool {
    let may = OpenOptions::new().write(true).open(TELL_AGAIN).is_ok();
    if !may {
        super::skip("only root may ask the kernel to tell of a device again");
    }
    may
}

/// Makes an empty folder visible at another place, for who is inside.
pub(crate) fn mount_at(folder: &Path, place: &str) {
    sh(&format!("mkdir -p {place}; mount --bind {} {place}", folder.display()));
}

/// A program that ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Asked to, it tidies up. What has ended already is no error.
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}
