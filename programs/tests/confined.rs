//! Tasks behind walls, through the whole of the broker: what their manifests open, what they start, and what the owner decides.
//! `crates/bgtask-host/tests/escape.rs` tries every wall by itself.

mod harness;

use std::fs;
use std::path::Path;

use harness::{Broker, Home, New, write_program};

const APP: &str = "org.example.Confined";

/// A home in which an app has a task that is a script. It fails as a task, for it says nothing to the broker: what it leaves in
/// its data folder counts.
fn home(script: &str, manifest: &str) -> Home {
    let home = Home::new();
    let program = home.root("programs/task");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::create_dir_all(home.root("declared")).unwrap();
    fs::write(home.root("declared/file"), "declared\n").unwrap();
    fs::write(home.root("secret"), "secret\n").unwrap();
    let script = script.replace("ROOT", home.root("").to_str().unwrap());
    write_program(&program, &format!("#!/bin/sh\nexec >\"$BGTASK_APP_DATA/said\" 2>&1\n{script}\n"));
    let manifest = manifest.replace("ROOT", home.root("").to_str().unwrap());
    let task =
        format!("[[task]]\nentry_point = \"Tasks.Quick\"\ntypes = [\"systemEvent\"]\nexecutable = {program:?}\n");
    let text = format!("[app]\nid = {APP:?}\nversion = \"1\"\n{task}{manifest}");
    fs::write(home.manifest(APP), text).unwrap();
    home
}

/// What the script says when the task has fired.
async fn said(home: &Home) -> String {
    let broker = home.start().await;
    let user = broker.user().await;
    let task = user.ready(New { app: APP, ..New::default() }).await;
    home.world.zone("Asia/Tokyo");
    let _ended = user.line(&task, "completed", 1).await;
    fs::read_to_string(home.data(APP).join("said")).unwrap()
}

const LOOKS: &str = "cat 'ROOT/declared/file'; cat 'ROOT/secret' >/dev/null && echo reached; \
                     ls 'ROOT/state' >/dev/null && echo reached; echo x >'ROOT/declared/file' && echo written; \
                     echo $TMPDIR; ls /proc/self/ns >/dev/null && echo done";

/// MA-6: what is declared is there, and nothing else.
#[tokio::test]
async fn ma_6_a_task_finds_what_its_manifest_opens_and_nothing_else() {
    let home = home(LOOKS, "[sandbox]\nread = [\"ROOT/declared\"]\n");
    let said = said(&home).await;
    assert!(said.contains("declared\n") && said.contains("/tmp\n") && said.ends_with("done\n"), "{said}");
    assert!(!said.contains("reached") && !said.contains("written"), "{said}");
}

#[tokio::test]
async fn an_app_that_asks_for_no_walls_has_none_unless_the_owner_requires_them() {
    let none = "[sandbox]\nnone = true\nread = [\"ROOT/declared\"]\n";
    let free = home(LOOKS, none);
    assert!(said(&free).await.contains("reached\nreached\nwritten\n"));

    let required = home(LOOKS, none);
    required.configure("confinement = \"required\"\n");
    assert!(!said(&required).await.contains("reached"));
}

#[tokio::test]
async fn the_owner_can_switch_walls_off() {
    let home = home(LOOKS, "");
    home.configure("confinement = \"off\"\n");
    assert!(said(&home).await.contains("reached\nreached\nwritten\n"));
}

#[tokio::test]
async fn what_the_policy_requires_no_user_switches_off() {
    let home = home(LOOKS, "[sandbox]\nnone = true\n");
    home.configure("confinement = \"off\"\n");
    home.world.set_policy("walls.toml", "[confinement]\nrequired = true\n");
    assert!(!said(&home).await.contains("reached"));
}

/// A task that could speak as the user could have anything run without walls.
#[tokio::test]
async fn what_a_task_starts_is_its_app_and_not_the_user() {
    let programs = Path::new(env!("CARGO_BIN_EXE_bgtask")).parent().unwrap();
    let bgtask = env!("CARGO_BIN_EXE_bgtask");
    for sandbox in [format!("[sandbox]\nread = [{programs:?}]\n"), "[sandbox]\nnone = true\n".to_owned()] {
        let home = home(&format!("cd /; '{bgtask}' add escape --every 1h -- /bin/true; echo $?"), &sandbox);
        let said = said(&home).await;
        assert!(said.contains(&format!("the app {APP}")) && !said.ends_with("0\n"), "{said}");
    }
}

/// The profiles of commands, each by what it can do with a file of the user's, and whether it has the network of the machine.
#[tokio::test]
async fn a_command_runs_behind_the_walls_it_asks_for() {
    let home = Home::new();
    let own = home.root("own");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("file"), "mine\n").unwrap();
    let broker = Broker::start(&home, home.command().env("HOME", &own)).await;
    let user = broker.user().await;
    let network = fs::read_link("/proc/self/ns/net").unwrap();
    let line = "can=0; cat $HOME/file >/dev/null && can=$((can+1)); echo x >$HOME/new; \
                test $(readlink /proc/self/ns/net) = $NET && can=$((can+2)); exit $can";
    let profiles = [("strict", 0, false), ("home-read", 3, false), ("home-write", 3, true), ("no-network", 1, true)];
    for (profile, can, writes) in profiles {
        let definition = format!(
            "command = [\"/bin/sh\", \"-c\", {line:?}]\nenv = {{ NET = {network:?} }}\n\
             every = \"300d\"\nsandbox = {profile:?}\n"
        );
        let (task, _) = user.broker.add_task(profile, &definition, false).await.unwrap();
        user.broker.run_now(&task, false).await.unwrap();
        let ended = user.line(&task, "completed", 1).await.text;
        let expected = if can == 0 { "succeeded".to_owned() } else { format!("failed with exit code {can}") };
        assert_eq!(ended, expected, "{profile}");
        // Below `/tmp`, as here, it may find a folder of its own.
        assert_eq!(fs::remove_file(own.join("new")).is_ok(), writes, "{profile}");
    }
}

/// What cannot be executed behind walls is said where everything is that a command says.
#[tokio::test]
async fn a_confined_command_without_a_program_says_so() {
    let home = Home::new();
    let broker = home.start().await;
    let user = broker.user().await;
    let definition = "command = [\"no-such-program\"]\nevery = \"300d\"\nsandbox = \"strict\"\n";
    let (task, _) = user.broker.add_task("missing", definition, false).await.unwrap();
    user.broker.run_now(&task, false).await.unwrap();
    let ended = user.line(&task, "completed", 1).await;
    assert_eq!(ended.text, "failed with exit code 127");
    assert!(ended.detail.contains("cannot execute no-such-program"), "{}", ended.detail);
}
