//! A task that tries to get out, as root and as anybody, with cgroups and without; and what an ordinary task still can.

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use common::testbed;
use rustix::process::geteuid;
use tempfile::TempDir;

/// Every attempt of `testbed/escape.rs`, and what is told afterwards.
const ATTEMPTS: usize = 37;

#[test]
fn no_task_gets_out_and_every_task_works() {
    let counted = !geteuid().is_root();
    for use_cgroups in [true, false] {
        // Root's processes are counted by cgroups only, as `Wall::Processes` says: the bound there is the caller's.
        check(&Stage::new().play(use_cgroups, true), if counted { &[] } else { &["a fork bomb"] });
    }
}

#[test]
fn no_task_of_an_unprivileged_user_gets_out_either() {
    for use_cgroups in [true, false] {
        let Some(stage) = Stage::of_nobody(&[]) else { return };
        check(&stage.play(use_cgroups, true), &[]);
    }
}

/// As on systems that allow nobody but root to make namespaces: the files and the network are walled off all the same, and
/// nobody runs there who has to be behind every wall.
#[test]
fn without_namespaces_a_task_reaches_sockets_with_a_path_and_nothing_else() {
    let limit = "echo 0 >/proc/sys/user/max_user_namespaces";
    let none = "setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all";
    let script = format!("{limit} && exec {none} \"$0\" \"$@\"");
    let wrapper = ["unshare", "--user", "--map-root-user", "sh", "-c", &script];
    let can = Command::new("unshare").args(&wrapper[1..5]).arg(limit).status();
    if !can.is_ok_and(|status| status.success()) {
        println!("SKIPPED: this machine makes no user namespace");
        return;
    }
    let stage = || Stage::of_nobody(&wrapper);
    let Some(best_effort) = stage() else { return };
    let reached = ["reach another task's socket", "reach a socket in /tmp", "a fork bomb"];
    let text = best_effort.play(false, false);
    let text: String = text
        .lines()
        .filter(|line| !line.ends_with(" use its own /tmp: Permission denied (os error 13)"))
        .map(|line| format!("{line}\n"))
        .collect();
    check(&text, &reached);
    let refused = stage().unwrap().play(false, true);
    assert!(refused.starts_with("NOT STARTED") && refused.contains("the wall view cannot be put up"), "{refused}");
}

/// A world for a task to get out into.
struct Stage {
    world: TempDir,
    wrapper: Vec<String>,
}

impl Stage {
    fn new() -> Self {
        let world = tempfile::tempdir().unwrap();
        fs::set_permissions(world.path(), Permissions::from_mode(0o777)).unwrap();
        // Where the tests are built may be in the folder of somebody who lets nobody in.
        let program = world.path().join("testbed");
        assert!(Command::new("cp").arg(testbed()).arg(program).status().unwrap().success());
        Self { world, wrapper: Vec::new() }
    }

    /// Only root can be somebody else.
    fn of_nobody(wrapper: &[&str]) -> Option<Self> {
        if !geteuid().is_root() {
            println!("SKIPPED: only root can be another user");
            return None;
        }
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        let wrapper = nobody.iter().chain(wrapper).map(|word| (*word).to_owned()).collect();
        Some(Self { wrapper, ..Self::new() })
    }

    /// What was said by the task and by its broker.
    fn play(&self, use_cgroups: bool, required: bool) -> String {
        let mut words = self.wrapper.clone();
        words.push(self.world.path().join("testbed").to_str().unwrap().to_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("stage").arg(self.world.path());
        let output = command.args([use_cgroups, required].map(|word| word.to_string())).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        text
    }
}

/// Every attempt failed but those that nothing on this machine could hold, and every task works.
fn check(text: &str, reached: &[&str]) {
    if let Some(why) = text.lines().find(|line| line.starts_with("NOT STARTED")) {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
        println!("SKIPPED: {why}");
        return;
    }
    let of = |word: &str| text.lines().filter_map(|line| line.strip_prefix(word)).collect::<Vec<_>>();
    let (broken, held) = (of("BROKEN "), of("held "));
    assert!(broken.iter().all(|what| reached.contains(what)), "{broken:?} in\n{text}");
    assert_eq!(held.len() + broken.len(), ATTEMPTS, "{text}");
    assert!(of("FAILS ").is_empty(), "{text}");
    for last in ["done", "left over: 0", "the victim lives: true"] {
        assert!(text.lines().any(|line| line == last), "{last} is missing in\n{text}");
    }
}
