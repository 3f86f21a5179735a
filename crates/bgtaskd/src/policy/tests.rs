//! What an administrator writes, and what then holds.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use bgtask_core::AppId;

/// A machine with nothing on it but policy files.
struct Machine {
    root: tempfile::TempDir,
    policies: Policies,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join(FOLDER);
        fs::create_dir_all(&folder).expect("the policy folder");
        Self { root, policies: Policies::new(folder) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(FOLDER).join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        fs::write(self.path(name), content).expect("a policy file");
        self
    }

    /// Reads the folder, and says of each app what holds and which file says so.
    fn rules<const N: usize>(&mut self, apps: [&str; N]) -> [Option<(PolicyRule, String)>; N] {
        let _changed = self.policies.read();
        apps.map(|app| self.rule(app))
    }

    fn rule(&self, app: &str) -> Option<(PolicyRule, String)> {
        let policy = &self.policies.policy;
        let entry = policy.apps.get(&AppId::new(app).expect("legal")).or(policy.default.as_ref())?;
        let file = Path::new(&*entry.file).file_name().expect("a file").to_string_lossy();
        Some((entry.rule, file.into_owned()))
    }
}

fn user(file: &str) -> Option<(PolicyRule, String)> {
    Some((PolicyRule::UserInControl, file.to_owned()))
}

fn allow(file: &str) -> Option<(PolicyRule, String)> {
    Some((PolicyRule::ForceAllow, file.to_owned()))
}

fn deny(file: &str) -> Option<(PolicyRule, String)> {
    Some((PolicyRule::ForceDeny, file.to_owned()))
}

const DENY_GAMES: &str = "[background]\nforce_deny = [\"org.example.Games\"]\n";

#[test]
fn where_no_file_says_anything_there_is_no_policy() {
    let mut machine = Machine::new();
    assert_eq!(machine.policies.read(), None);
    machine.write("10-empty.toml", "# nothing yet\n").write("20-empty.toml", "[background]\n");
    assert_eq!(machine.policies.read(), None);
    let mut nowhere = Policies::new(machine.root.path().join("nowhere"));
    assert_eq!(nowhere.read(), None, "a machine without the folder has no policy");
}

/// AC-7: `LetAppsRunInBackground` and its three lists.
#[test]
fn a_file_decides_for_single_apps_and_for_all_others() {
    let mut machine = Machine::new();
    machine.write(
        "50-site.toml",
        "[background]\n\
         default = \"deny\"\n\
         force_allow = [\"org.example.Backup\"]\n\
         force_deny = [\"org.example.Games\"]\n\
         user_in_control = [\"org.example.Mail\"]\n",
    );
    let file = "50-site.toml";
    let apps = ["org.example.Backup", "org.example.Games", "org.example.Mail", "org.example.Other"];
    assert_eq!(machine.rules(apps), [allow(file), deny(file), user(file), deny(file)]);
    let policy = machine.policies.policy.clone();
    assert_eq!(*policy.default.expect("a default").file, *machine.path(file).to_string_lossy(), "people see the path");
    for (word, rule) in [("user", user(file)), ("allow", allow(file)), ("deny", deny(file))] {
        machine.write(file, format!("[background]\ndefault = \"{word}\"\n"));
        assert_eq!(machine.rules(["org.example.Other"]), [rule]);
    }
}

#[test]
fn later_names_win_for_each_app() {
    let mut machine = Machine::new();
    machine.write("10-vendor.toml", "[background]\ndefault = \"deny\"\nforce_deny = [\"a\", \"b\"]\n");
    machine.write("20-site.toml", "[background]\ndefault = \"user\"\nforce_allow = [\"b\"]\n");
    machine.write("30-lab.toml", "[background]\nuser_in_control = [\"c\"]\n");
    let expected = [deny("10-vendor.toml"), allow("20-site.toml"), user("30-lab.toml"), user("20-site.toml")];
    assert_eq!(machine.rules(["a", "b", "c", "d"]), expected);
}

/// D10: the owner may give an app more of the usual budgets, or less, without deciding whether it may run.
#[test]
fn a_budget_is_given_to_single_apps_and_to_all_others() {
    let mut machine = Machine::new();
    machine
        .write("10-vendor.toml", "[background]\nforce_deny = [\"denied\"]\n[budget.apps]\nbackup = 200\ndenied = 50\n");
    machine.write("20-site.toml", "[budget]\ndefault = 80\napps = { backup = 400 }\n");
    let apps = ["backup", "denied", "other"];
    let _changed = machine.policies.read();
    let budgets = |machine: &Machine| {
        apps.map(|app| {
            let policy = &machine.policies.policy;
            let entry = policy.apps.get(&AppId::new(app).expect("legal")).or(policy.default.as_ref());
            entry.map(|entry| (entry.rule, entry.budget))
        })
    };
    let user = |budget| Some((PolicyRule::UserInControl, budget));
    assert_eq!(budgets(&machine), [user(400), Some((PolicyRule::ForceDeny, 50)), user(80)]);

    // Who may run stays with the default, also for an app that is named for its budget.
    machine.write("30-strict.toml", "[background]\ndefault = \"deny\"\n");
    let _changed = machine.policies.read();
    assert_eq!(budgets(&machine)[0], Some((PolicyRule::ForceDeny, 400)));
    assert_eq!(budgets(&machine)[2], Some((PolicyRule::ForceDeny, 80)));
}

#[test]
fn only_a_change_is_told() {
    let mut machine = Machine::new();
    machine.write("50-site.toml", DENY_GAMES);
    assert!(machine.policies.read().is_some_and(|policy| policy.apps.len() == 1));
    assert_eq!(machine.policies.read(), None);
    machine.write("50-site.toml", format!("# why\n{DENY_GAMES}"));
    assert_eq!(machine.policies.read(), None, "a comment changes nothing");
    fs::remove_file(machine.path("50-site.toml")).expect("removed");
    assert_eq!(machine.policies.read(), Some(Policy::default()));
}

#[test]
fn a_file_that_breaks_goes_on_saying_what_it_said() {
    let mut machine = Machine::new();
    machine.write("50-site.toml", DENY_GAMES).write("60-lab.toml", "");
    let apps = ["org.example.Games", "org.example.Other"];
    assert_eq!(machine.rules(apps), [deny("50-site.toml"), None]);
    machine
        .write("50-site.toml", "[background]\nforce_deny = [\n")
        .write("60-lab.toml", "[background]\ndefault = \"allow\"");
    assert_eq!(machine.rules(apps), [deny("50-site.toml"), allow("60-lab.toml")], "and the rest counts as it is now");
    fs::remove_file(machine.path("50-site.toml")).expect("removed");
    assert_eq!(machine.rules(apps), [allow("60-lab.toml"), allow("60-lab.toml")]);
}

/// Nobody knows what it denies, so it denies all that it could have: that delays tasks and loses none (D13).
#[test]
fn a_file_that_was_never_read_allows_nothing() {
    let mut machine = Machine::new();
    machine.write("10-vendor.toml", "[background]\ndefault = \"allow\"\nforce_allow = [\"a\", \"b\"]\n");
    machine.write("50-site.toml", "[background]\nforce_denny = [\"a\"]\n");
    machine
        .write("60-lab.toml", "[background]\ndefault = \"allow\"\nforce_allow = [\"b\"]\nuser_in_control = [\"c\"]\n");
    let unknown = || deny("50-site.toml");
    let expected = [unknown(), allow("60-lab.toml"), user("60-lab.toml"), unknown()];
    assert_eq!(machine.rules(["a", "b", "c", "d"]), expected);
    machine.write("50-site.toml", "[background]\nforce_deny = [\"a\"]\n");
    let repaired = [deny("50-site.toml"), allow("60-lab.toml"), user("60-lab.toml"), allow("60-lab.toml")];
    assert_eq!(machine.rules(["a", "b", "c", "d"]), repaired);
}

#[test]
fn a_folder_that_cannot_be_read_allows_nothing_new() {
    let mut machine = Machine::new();
    let folder = machine.root.path().join(FOLDER);
    fs::remove_dir(&folder).expect("removed");
    fs::write(&folder, "no folder").expect("a file in its place");
    assert_eq!(machine.rules(["a"]), [deny("policy.d")]);
    fs::remove_file(&folder).expect("removed");
    assert_eq!(machine.rules(["a"]), [None]);
    fs::create_dir(&folder).expect("a folder");
    machine.write("50-site.toml", DENY_GAMES);
    let apps = ["org.example.Games", "org.example.Other"];
    assert_eq!(machine.rules(apps), [deny("50-site.toml"), None]);
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).expect("opened to everybody");
    machine.write("60-intruder.toml", "[background]\nforce_allow = [\"org.example.Games\"]");
    assert_eq!(machine.rules(apps), [deny("50-site.toml"), None], "it stays as it was");
}

#[test]
fn a_folder_with_too_many_files_is_not_read_at_all() {
    let mut machine = Machine::new();
    for number in 0..MAX_FILES {
        machine.write(&format!("{number:03}.toml"), "[background]\ndefault = \"allow\"");
    }
    assert_eq!(machine.rules(["a"]), [allow("063.toml")]);
    machine.write("999.toml", "[background]\ndefault = \"deny\"");
    assert_eq!(machine.rules(["a"]), [allow("063.toml")], "it stays as it was");
    let mut started_again = Policies::new(machine.policies.folder.clone());
    let policy = started_again.read().expect("a policy");
    assert_eq!(policy.default.expect("a default").rule, PolicyRule::ForceDeny);
    let problem = files(&machine.policies.folder).expect_err("too many");
    assert!(problem.contains("more than 64 policy files"), "{problem}");
}

#[test]
fn what_an_editor_leaves_beside_a_file_is_no_policy() {
    let mut machine = Machine::new();
    for name in ["50-site.toml~", "50-site.toml.dpkg-new", ".50-site.toml.swp", ".#50-site.toml", "README"] {
        machine.write(name, "[background]\ndefault = \"deny\"");
    }
    assert_eq!(machine.rules(["a"]), [None]);
}

mod watching {
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;
    use crate::inbox::Incoming;

    /// Generous: only a failing test reaches it.
    const DEADLINE: Duration = Duration::from_secs(60);

    async fn told(inbox: &mut mpsc::Receiver<Incoming>, what: &str) {
        let told = tokio::time::timeout(DEADLINE, inbox.recv()).await;
        assert!(matches!(told, Ok(Some(Incoming::Policies))), "{what} was not noticed");
    }

    /// Reads until the rule is there: the folder may be told of twice.
    async fn until(machine: &mut Machine, inbox: &mut mpsc::Receiver<Incoming>, rule: Option<(PolicyRule, String)>) {
        while machine.rules(["a"]) != [rule.clone()] {
            told(inbox, &format!("{rule:?}")).await;
        }
    }

    #[tokio::test]
    async fn every_change_is_noticed_also_of_the_folder_itself() {
        let mut machine = Machine::new();
        let etc = machine.root.path().join("etc");
        fs::remove_dir_all(&etc).expect("a machine without /etc");
        let (post, mut inbox) = mpsc::channel(64);
        watch(&machine.policies.folder, post).expect("watched before it exists");

        let folder = machine.policies.folder.clone();
        for round in 0..2 {
            fs::create_dir_all(&folder).expect("the policy folder");
            machine.write("50-site.toml", "[background]\ndefault = \"deny\"");
            until(&mut machine, &mut inbox, deny("50-site.toml")).await;
            machine.write("50-site.toml", "[background]\ndefault = \"allow\"");
            until(&mut machine, &mut inbox, allow("50-site.toml")).await;

            let new = machine.path("new");
            fs::write(&new, "[background]\ndefault = \"user\"").expect("a file beside it");
            fs::rename(new, machine.path("50-site.toml")).expect("renamed over it");
            until(&mut machine, &mut inbox, user("50-site.toml")).await;

            fs::set_permissions(machine.path("50-site.toml"), Permissions::from_mode(0o666)).expect("opened");
            machine.write("60-lab.toml", "[background]\ndefault = \"allow\"");
            until(&mut machine, &mut inbox, allow("60-lab.toml")).await;
            if round == 0 {
                fs::rename(&etc, machine.root.path().join("moved")).expect("moved with all that is in it");
            } else {
                fs::remove_dir_all(&etc).expect("removed");
            }
            until(&mut machine, &mut inbox, None).await;
        }
    }

    #[tokio::test]
    async fn a_mode_that_is_repaired_is_noticed() {
        let mut machine = Machine::new();
        machine.write("50-site.toml", "[background]\ndefault = \"user\"");
        fs::set_permissions(machine.path("50-site.toml"), Permissions::from_mode(0o666)).expect("opened");
        let (post, mut inbox) = mpsc::channel(64);
        watch(&machine.policies.folder, post).expect("watched");
        assert_eq!(machine.rules(["a"]), [deny("50-site.toml")]);
        fs::set_permissions(machine.path("50-site.toml"), Permissions::from_mode(0o644)).expect("repaired");
        told(&mut inbox, "chmod").await;
        until(&mut machine, &mut inbox, user("50-site.toml")).await;
    }
}
