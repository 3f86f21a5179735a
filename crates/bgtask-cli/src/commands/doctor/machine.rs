//! What the machine gives a broker: places for its tasks, and the time.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::time::{ClockId, clock_gettime};

use super::ask::{ask, value};
use super::places::Places;
use super::{Area, Finding};

const AREA: Area = Area("Machine");

pub(super) async fn check(places: &Places) -> Vec<Finding> {
    vec![containment(places), in_step().await, boot_clock()]
}

/// Whether the broker can have a cgroup for each task, so that it ends with everything it has started.
fn containment(places: &Places) -> Finding {
    let name = "cgroups";
    let Some(mount) = unified() else {
        return AREA.warning(
            name,
            "there is no unified hierarchy: a task ends with its process group, and what has left that goes on",
            "start the machine with systemd.unified_cgroup_hierarchy=1",
        );
    };
    let Some(process) = places.broker_process() else {
        return AREA.ok(name, format!("unified, at {}; what is the broker's is seen while it runs", mount.display()));
    };
    let text = std::fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
    let its = text.lines().find_map(|line| line.strip_prefix("0::/")).map(|path| mount.join(path));
    match its {
        Some(its) if is_writable(&its) => AREA.ok(name, format!("the broker has {}", its.display())),
        its => AREA.warning(
            name,
            match its {
                Some(its) => {
                    format!("the broker may not write {}: a task ends with its process group only", its.display())
                }
                None => "the broker is in none: a task ends with its process group only".to_owned(),
            },
            "let systemd start it: `systemctl --user start bgtask`, whose unit has Delegate=yes",
        ),
    }
}

/// Where the unified hierarchy is mounted.
fn unified() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let point = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let point = fields.next()?;
        (fields.next()? == "cgroup2").then_some(point)
    })?;
    Some(point.into())
}

fn is_writable(folder: &Path) -> bool {
    access(folder, Access::WRITE_OK).is_ok() && access(folder.join("cgroup.procs"), Access::WRITE_OK).is_ok()
}

/// Calendars follow the clock on the wall.
async fn in_step() -> Finding {
    let name = "clock";
    let help = "`timedatectl set-ntp true`, with systemd-timesyncd or chrony installed";
    match ask("timedatectl", &["show", "--property=NTPSynchronized"]).await {
        Ok(answer) if value(&answer, "NTPSynchronized") == Some("yes") => {
            AREA.ok(name, "in step with the network's time")
        }
        Ok(_) => AREA.warning(name, "not in step with the network's time: what is due may come early or late", help),
        Err(why) => {
            AREA.warning(name, format!("whether it is in step with the network's time is not known: {why}"), help)
        }
    }
}

/// Budgets and intervals follow the clock that goes on while the machine sleeps.
fn boot_clock() -> Finding {
    let name = "boot clock";
    let seconds = |clock| clock_gettime(clock).tv_sec;
    let (boot, awake, wall) = (seconds(ClockId::Boottime), seconds(ClockId::Monotonic), seconds(ClockId::Realtime));
    // A machine was not started before clocks began.
    if boot < awake || boot <= 0 || wall < boot {
        return AREA.problem(
            name,
            format!(
                "it says {boot} s, the one that stops in sleep {awake} s, the wall {wall} s: these cannot be all right"
            ),
            "set the clock, then start the machine again",
        );
    }
    AREA.ok(name, format!("{} since the start, {} of it asleep", span(boot), span(boot - awake)))
}

fn span(seconds: i64) -> String {
    crate::output::quantity::span(std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}
