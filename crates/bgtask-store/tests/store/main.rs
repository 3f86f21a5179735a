//! The store against its promises: see each module.

mod bounds;
mod crash;
mod failures;
mod meaning;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use bgtask_store::{HistoryRow, Row, Store, StoreError};

fn put(key: &str, value: &str) -> Row {
    Row::Put { kind: "test", key: key.to_owned(), value: value.to_owned() }
}

fn delete(key: &str) -> Row {
    Row::Delete { kind: "test", key: key.to_owned() }
}

fn event(task: &str, wall_us: i64, detail: &str) -> Row {
    Row::History(HistoryRow {
        wall_us,
        app: "org.example.App".to_owned(),
        task: task.to_owned(),
        name: format!("name of {task}"),
        instance: None,
        event: "fired".to_owned(),
        detail: detail.to_owned(),
    })
}

/// Everything in the store's state, by key.
fn state(store: &Store) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    store
        .load(|row| {
            found.insert(row.key.to_owned(), row.value.to_owned());
            Ok::<(), StoreError>(())
        })
        .unwrap();
    found
}

/// This test program again, running only `test`, with `folder` in its environment under `variable`.
fn again(test: &str, variable: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(variable, folder);
    command
}

/// The same command, after `script` has run as root of a mount namespace of its own. `None` where the system allows no such
/// namespace, which is an error in CI.
fn in_namespace(script: &str, command: &Command) -> Option<Command> {
    let unshared = |script: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--mount", "--", "sh", "-ec", script]);
        unshare
    };
    let probe = unshared("mount -t tmpfs tmpfs /tmp").output();
    if !probe.as_ref().is_ok_and(|probe| probe.status.success()) {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "no user namespaces: {probe:?}");
        eprintln!("SKIPPED: this system gives no mount namespace to an ordinary user: {probe:?}");
        return None;
    }
    let mut wrapped = unshared(&format!("{script}\nexec \"$@\""));
    wrapped.arg("sh").arg(command.get_program()).args(command.get_args());
    wrapped.envs(command.get_envs().filter_map(|(name, value): (&OsStr, _)| Some((name, value?))));
    Some(wrapped)
}

fn assert_success(mut command: Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
