//! What tasks can do about the sleep of the machine: hold it up for a moment, and end it.

use std::path::Path;

use bgtask_sources::{SleepDelay, World};

use super::places::Places;
use super::{Area, Finding};

const AREA: Area = Area("Machine");

/// The bit of `CAP_WAKE_ALARM` among the capabilities of a process.
const WAKE_ALARM: u64 = 1 << 35;

pub(super) async fn check(places: &Places) -> Vec<Finding> {
    vec![delay().await, wake_ups(Path::new("/"), places.broker_process())]
}

/// Whether a task that uses the network can end what it has begun before the machine sleeps (D15).
async fn delay() -> Finding {
    let name = "sleep delay";
    match SleepDelay::longest(&World::new("/")).await {
        Ok(longest) => {
            let most = crate::output::quantity::span(longest);
            AREA.ok(name, format!("logind waits up to {most} for tasks that asked for the network"))
        }
        Err(error) => AREA.warning(name, error.to_string(), SleepDelay::HELP),
    }
}

/// Whether a task can have the machine woken. What `config.toml` permits is said where such a task is added.
fn wake_ups(root: &Path, broker: Option<u32>) -> Finding {
    let name = "wake-ups";
    let clocks = std::fs::read_dir(root.join("sys/class/rtc")).into_iter().flatten().flatten();
    let Some(clock) = clocks.into_iter().map(|clock| clock.path()).find(|clock| clock.join("wakealarm").exists())
    else {
        return AREA.ok(name, "this machine has no clock that can wake it: tasks with --wake are refused");
    };
    let process = broker.map_or_else(|| "self".to_owned(), |process| process.to_string());
    let status = std::fs::read_to_string(root.join("proc").join(process).join("status")).unwrap_or_default();
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let capabilities = capabilities.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or_default();
    if capabilities & WAKE_ALARM == 0 {
        return AREA.warning(
            name,
            "the kernel does not let the broker wake the machine (CAP_WAKE_ALARM): tasks with --wake are refused",
            "log in at the machine with systemd 254 or later, or `sudo setcap cap_wake_alarm+ep /usr/bin/bgtaskd`",
        );
    }
    AREA.ok(name, format!("{} wakes the machine for tasks with --wake, where config.toml permits it", clock.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_machine_wakes_for_tasks_that_has_a_clock_and_permits_it() {
        let root = tempfile::tempdir().expect("a folder");
        let what = |broker| wake_ups(root.path(), broker).what;
        assert!(what(None).starts_with("this machine has no clock"), "{}", what(None));
        let clock = root.path().join("sys/class/rtc/rtc0");
        fs::create_dir_all(&clock).expect("a clock");
        fs::write(clock.join("wakealarm"), "").expect("that can wake");
        for (process, capabilities) in [("self", "0000000000000000"), ("42", "0000000800000000")] {
            let folder = root.path().join("proc").join(process);
            fs::create_dir_all(&folder).expect("a process");
            fs::write(folder.join("status"), format!("Name:\tx\nCapEff:\t{capabilities}\n")).expect("its status");
        }
        assert!(what(None).starts_with("the kernel does not let the broker"), "{}", what(None));
        assert!(what(Some(42)).contains("rtc0 wakes the machine"), "{}", what(Some(42)));
    }
}
