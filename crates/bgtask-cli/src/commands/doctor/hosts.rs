//! What holds the programs of apps to what they may use: the kernel, or the broker, which looks now and then.

use std::path::Path;

use bgtask_host::{Keeper, Keepers, NICE, NetworkMeter, tree_of};

use super::places::Places;
use super::{Area, Finding};

const AREA: Area = Area("Hosts");

const HELP: &str =
    "let systemd start the broker (`systemctl --user start bgtask`) on a machine with the unified hierarchy alone";

pub(super) fn check(places: &Places) -> Vec<Finding> {
    let mut findings = vec![network()];
    let Some(broker) = places.broker_process() else {
        findings.push(AREA.ok("limits", "who keeps them is seen while the broker runs"));
        return findings;
    };
    let tree = tree_of(broker);
    let keepers = tree.as_deref().map_or(Keepers::NONE, Keepers::of_tree);
    findings.extend([
        suspension(tree.as_deref()),
        kept("memory", keepers.memory, "the resident memory of a host that has a limit is looked at every 2 s"),
        kept("processes", keepers.processes, "the processes of a host that runs something are counted every second"),
        priority(keepers.weight),
    ]);
    findings
}

fn suspension(tree: Option<&Path>) -> Finding {
    let name = "suspension";
    match tree {
        Some(tree) => AREA.ok(name, format!("each host has a cgroup in {} that the kernel stops", tree.display())),
        None => {
            AREA.warning(name, "hosts have no cgroups and are stopped by signals, which their parents notice", HELP)
        }
    }
}

fn kept(name: &str, keeper: Keeper, watched: &str) -> Finding {
    match keeper {
        Keeper::Kernel => AREA.ok(name, "kept by the kernel: a host never has more than its limit"),
        Keeper::Broker => AREA.warning(name, format!("watched, as there is no such controller: {watched}"), HELP),
    }
}

fn priority(weight: bool) -> Finding {
    let weight = if weight { ", a small cpu.weight" } else { "" };
    AREA.ok("priority", format!("hosts have a nice value of {NICE}{weight}, and come last at the disk"))
}

/// What cannot be counted is said here, as no task fails of it.
fn network() -> Finding {
    let name = "network";
    match NetworkMeter::probe() {
        Ok(()) => AREA.ok(
            name,
            "bytes of TCP are counted, of connections that are open when it is looked; UDP and QUIC are not counted",
        ),
        Err(error) => AREA.warning(
            name,
            format!("bytes are not counted, and no budget of them is kept: the kernel lists no connections: {error}"),
            "load the kernel module tcp_diag",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Verdict;

    /// What is watched may be exceeded until it is looked: that is told apart from what cannot be.
    #[test]
    fn what_is_watched_is_told_apart_from_what_is_kept() {
        assert_eq!(kept("memory", Keeper::Kernel, "every 2 s").verdict, Verdict::Ok);
        let watched = kept("memory", Keeper::Broker, "looked at every 2 s");
        assert_eq!(watched.verdict, Verdict::Warning);
        assert!(watched.what.ends_with("looked at every 2 s") && watched.help.is_some());
        assert_eq!(suspension(None).verdict, Verdict::Warning);
    }
}
