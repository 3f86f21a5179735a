//! What controllers keep: memory, processes, and the share of the processors.

use std::fs;
use std::io;
use std::path::Path;

use super::{Cgroup, write_file};
use crate::limits::{Keeper, Keepers, Limits};

/// What a background host weighs at the processors beside the 100 of everything else.
pub(crate) const BACKGROUND_WEIGHT: u32 = 20;

const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// Asks for the controllers in a tree, one by one, as one that is not there fails the others with it. Where one is refused, as
/// it was not delegated or there is a process beside the tree, what it would keep is watched.
pub(super) fn enable(tree: &Path) {
    for controller in CONTROLLERS {
        for parent in tree.parent().into_iter().chain([tree]) {
            let _watched = write_file(&parent.join("cgroup.subtree_control"), &format!("+{controller}"));
        }
    }
}

impl Keepers {
    /// Who keeps the limits of the hosts in a tree of cgroups, of this process or another broker.
    #[must_use]
    pub fn of_tree(tree: &Path) -> Self {
        let enabled = fs::read_to_string(tree.join("cgroup.subtree_control")).unwrap_or_default();
        let has = |controller| enabled.split_whitespace().any(|word| word == controller);
        let keeper = |controller| if has(controller) { Keeper::Kernel } else { Keeper::Broker };
        Self { memory: keeper("memory"), processes: keeper("pids"), weight: has("cpu") }
    }
}

impl Cgroup {
    /// Lets its processes have no more than this together. Answers what the kernel does not see to.
    pub(crate) fn bound(&self, limits: Limits) -> Limits {
        let memory = limits.memory.filter(|bytes| self.bound_memory(*bytes).is_err());
        let processes = limits.processes.filter(|count| self.bound_processes(*count).is_err());
        Limits { memory, processes }
    }

    /// Fails where there is no memory controller.
    pub(crate) fn bound_memory(&self, bytes: u64) -> io::Result<()> {
        write_file(&self.path.join("memory.max"), &bytes.to_string())?;
        // What is left of a program without one of its processes is of no use to anybody.
        write_file(&self.path.join("memory.oom.group"), "1")
    }

    fn bound_processes(&self, count: u32) -> io::Result<()> {
        write_file(&self.path.join("pids.max"), &count.to_string())
    }

    /// Its share of the processors, beside its neighbours. Without the controller only what its processes are worth by
    /// themselves counts.
    pub(crate) fn weigh(&self, weight: u32) {
        let _no_controller = write_file(&self.path.join("cpu.weight"), &weight.to_string());
    }

    /// The most memory its processes had together, where there is a memory controller that tells.
    pub(crate) fn memory_peak(&self) -> Option<u64> {
        fs::read_to_string(self.path.join("memory.peak")).ok()?.trim().parse().ok()
    }

    /// Whether the kernel killed some of it for want of memory; `false` where there is no memory controller.
    pub(crate) fn was_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.path.join("memory.events")).unwrap_or_default();
        let kills = events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse::<u64>().ok());
        kills.is_some_and(|kills| kills > 0)
    }
}

/// With files like those of controllers, which a machine for tests need not have.
#[cfg(test)]
mod tests {
    use super::super::tests::undying;
    use super::*;

    #[test]
    fn memory_is_bounded_and_told_where_there_is_a_controller() {
        let dir = tempfile::tempdir().unwrap();
        let cgroup = Cgroup::open(undying(dir.path())).unwrap();
        assert!(cgroup.bound_memory(1 << 20).is_err());
        assert_eq!((cgroup.memory_peak(), cgroup.was_out_of_memory()), (None, false));
        for file in ["memory.max", "memory.oom.group"] {
            fs::write(cgroup.path.join(file), "").unwrap();
        }
        fs::write(cgroup.path.join("memory.peak"), "4096\n").unwrap();
        fs::write(cgroup.path.join("memory.events"), "low 0\nmax 7\noom 1\noom_kill 1\n").unwrap();
        cgroup.bound_memory(1 << 20).unwrap();
        let text = |file: &str| fs::read_to_string(cgroup.path.join(file)).unwrap();
        assert_eq!((text("memory.max"), text("memory.oom.group")), ("1048576".to_owned(), "1".to_owned()));
        assert_eq!((cgroup.memory_peak(), cgroup.was_out_of_memory()), (Some(4096), true));
    }

    #[test]
    fn what_no_controller_keeps_is_left_to_watch() {
        let dir = tempfile::tempdir().unwrap();
        let cgroup = Cgroup::open(undying(dir.path())).unwrap();
        let limits = Limits { memory: Some(1 << 20), processes: Some(256) };
        assert_eq!(cgroup.bound(limits), limits);
        for file in ["pids.max", "cpu.weight"] {
            fs::write(cgroup.path.join(file), "").unwrap();
        }
        assert_eq!(cgroup.bound(limits), Limits { processes: None, ..limits });
        cgroup.weigh(BACKGROUND_WEIGHT);
        let text = |file: &str| fs::read_to_string(cgroup.path.join(file)).unwrap();
        assert_eq!((text("pids.max"), text("cpu.weight")), ("256".to_owned(), "20".to_owned()));
        assert_eq!(cgroup.bound(Limits::default()), Limits::default());
    }

    /// A controller that is missing does not cost the others.
    #[test]
    fn each_controller_is_asked_for_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tree");
        fs::create_dir(&path).unwrap();
        let keepers = || Keepers::of_tree(&path);
        enable(&path);
        assert_eq!(keepers(), Keepers::NONE);
        fs::write(path.join("cgroup.subtree_control"), "pids\n").unwrap();
        assert_eq!(keepers(), Keepers { processes: Keeper::Kernel, ..Keepers::NONE });
        fs::write(path.join("cgroup.subtree_control"), "cpu memory pids\n").unwrap();
        assert_eq!(keepers(), Keepers { memory: Keeper::Kernel, processes: Keeper::Kernel, weight: true });
    }
}
