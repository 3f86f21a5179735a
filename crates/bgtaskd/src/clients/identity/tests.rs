//! Who real processes are: a plain program, one in a desktop's scope, one in a Flatpak, one in a snap.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tempfile::TempDir;

use super::*;

const PHOTOS: &str = "org.example.Photos";

/// A process that waits to be looked at, and ends with this value.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it can be started"))
    }

    fn sleep(program: &Path) -> Self {
        Self::start(Command::new(program).arg("1000"))
    }

    fn identity(&self, apps: &Apps) -> Identity {
        self.process().expect("it runs").identify(apps, None)
    }

    fn process(&self) -> Option<Process> {
        Process::read(i32::try_from(self.0.id()).expect("a number"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn app(id: &str) -> Identity {
    Identity::Apps(vec![AppId::new(id).expect("legal")])
}

/// A folder with the manifests of these apps, whose programs are copies of `sleep` beside them.
fn installed(ids: &[&str]) -> (TempDir, Apps) {
    let folder = tempfile::tempdir().expect("a folder");
    for id in ids {
        let program = program(&folder, id);
        // Not by this process: while it starts another one, a program it writes to cannot be run.
        assert!(Command::new("cp").arg("/bin/sleep").arg(&program).status().expect("cp is there").success());
        let manifest = format!("[app]\nid = \"{id}\"\nversion = \"1\"\nexecutable = {program:?}\n");
        fs::write(folder.path().join(format!("{id}.toml")), manifest).expect("a manifest");
    }
    let mut apps = Apps::new(vec![folder.path().to_owned()]);
    assert_eq!(apps.read().len(), ids.len());
    (folder, apps)
}

fn program(folder: &TempDir, id: &str) -> PathBuf {
    folder.path().join(id)
}

/// Says that this machine cannot run a test; in CI that is a failure.
fn skipped(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "cannot run in CI: {why}");
    println!("SKIPPED: {why}");
}

/// A cgroup of the hierarchy this process is in, as a service manager makes them for its units.
struct Cgroup(PathBuf);

impl Cgroup {
    /// `None` where this machine lets nobody make one.
    fn make(unit: &str) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("it can be read");
        let own = fs::read_to_string("/proc/self/cgroup").expect("it can be read");
        let mount = mounts.lines().find(|line| line.contains(" - cgroup2 ")).and_then(|line| line.split(' ').nth(4));
        let (Some(mount), Some(own)) = (mount, own.lines().find_map(|line| line.strip_prefix("0::/"))) else {
            skipped("there is no hierarchy of cgroups, version 2");
            return None;
        };
        let above = Path::new(mount).join(own).join(format!("bgtaskd-test-{}", std::process::id()));
        let path = above.join(unit);
        match fs::create_dir_all(&path) {
            Ok(()) => Some(Self(path)),
            Err(error) => {
                skipped(&format!("no cgroup can be made at {}: {error}", path.display()));
                None
            }
        }
    }

    fn take_in(&self, process: &Running) {
        fs::write(self.0.join("cgroup.procs"), process.0.id().to_string()).expect("it moves");
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _in_use = fs::remove_dir(&self.0);
        let _in_use = self.0.parent().map(fs::remove_dir);
    }
}

#[test]
fn a_plain_program_is_the_app_whose_manifest_names_it() {
    let (folder, apps) = installed(&[PHOTOS, "org.example.Mail"]);
    assert_eq!(Running::sleep(&program(&folder, PHOTOS)).identity(&apps), app(PHOTOS));
    assert_eq!(Running::sleep(Path::new("/bin/sleep")).identity(&apps), Identity::User);
}

/// A process that has ended shows nothing of itself any more, and could have been in a sandbox: it is nobody, reaped or not.
#[test]
fn a_process_that_has_ended_is_nobody() {
    assert_eq!(Process::read(i32::MAX), None);
    let mut ended = Running::start(&mut Command::new("true"));
    let number = Pid::from_child(&ended.0);
    waitid(WaitId::Pid(number), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).expect("it is a child");
    assert_eq!(ended.process(), None, "nobody has asked for its end yet");
    ended.0.wait().expect("it is a child");
    assert_eq!(ended.process(), None);
}

/// A unit's name counts for an app that is installed, and less than the program.
#[test]
fn a_program_in_the_scope_of_an_app_is_that_app() {
    let (folder, apps) = installed(&[PHOTOS, "org.example.Mail"]);
    let Some(scope) = Cgroup::make("app-gnome-org.example.Photos-4711.scope") else { return };
    let (helper, mail) =
        (Running::sleep(Path::new("/bin/sleep")), Running::sleep(&program(&folder, "org.example.Mail")));
    for process in [&helper, &mail] {
        scope.take_in(process);
    }
    assert_eq!(helper.identity(&apps), app(PHOTOS));
    assert_eq!(mail.identity(&apps), app("org.example.Mail"));
    assert_eq!(helper.identity(&Apps::new(Vec::new())), Identity::User, "a terminal's shell is not the terminal");
    drop((helper, mail));
}

/// A snap is known by the cgroup snapd put it in, installed here or not, and whatever program it runs.
#[test]
fn a_program_in_the_cgroup_of_a_snap_is_that_snap() {
    let (folder, apps) = installed(&[PHOTOS]);
    let uuid = "0fa63bf6-6f9a-4e4e-8b5c-35a8c3f4b1d2";
    let Some(scope) = Cgroup::make(&format!("snap.photos_work.viewer-{uuid}.scope")) else { return };
    let process = Running::sleep(&program(&folder, PHOTOS));
    scope.take_in(&process);
    assert_eq!(process.identity(&apps), app("photos_work"));
    drop(process);
}

/// Anybody may say so in his own environment.
#[test]
fn the_environment_of_a_process_makes_it_no_snap() {
    let (_folder, apps) = installed(&[]);
    let process = Running::start(Command::new("/bin/sleep").arg("1000").env("SNAP_INSTANCE_NAME", "photos"));
    assert_eq!(process.identity(&apps), Identity::User);
}

/// The root of a Flatpak's process has a file that says whose it is, as flatpak makes it: also where the program it runs is
/// that of another app.
#[test]
fn a_program_in_the_root_of_a_flatpak_is_that_app() {
    let (_folder, apps) = installed(&[PHOTOS]);
    for (info, is) in [
        ("[Application]\nname=org.example.Boxed\n\n[Instance]\ninstance-id=1\n", app("org.example.Boxed")),
        ("[Runtime]\nname=org.example.Platform\n\n[Instance]\ninstance-id=1\n", Identity::Apps(Vec::new())),
    ] {
        let root = tempfile::tempdir().expect("a folder");
        let Some(process) = boxed(info, root.path()) else { return };
        assert_eq!(process.identity(&apps), is);
    }
}

/// A process with this root of its own, in a mount namespace of its own, with the system's programs in it.
fn boxed(info: &str, root: &Path) -> Option<Running> {
    const SCRIPT: &str = r#"
        root=$2
        mount -t tmpfs tmpfs "$root"
        for name in bin lib lib64 usr; do
            if [ -L "/$name" ]; then cp -P "/$name" "$root"; elif [ -d "/$name" ]; then
                mkdir "$root/$name"; mount --rbind "/$name" "$root/$name"
            fi
        done
        printf '%s' "$1" > "$root/.flatpak-info"
        exec chroot "$root" /bin/sh -c 'echo ready; exec sleep 1000'
    "#;
    let mut unshare = Command::new("unshare");
    unshare.args(["--map-root-user", "--mount", "--propagation", "private", "sh", "-ec", SCRIPT, "sh", info]);
    unshare.arg(root);
    let mut process = Running::start(&mut unshare);
    let mut line = String::new();
    let output = process.0.stdout.take().expect("a pipe");
    BufReader::new(output).read_line(&mut line).expect("it can be read");
    if line != "ready\n" {
        skipped("no mount namespace of one's own can be made");
        return None;
    }
    Some(process)
}

#[test]
fn an_app_names_itself_and_nobody_else() {
    let app = AppId::new(PHOTOS).expect("legal");
    let identity = Identity::Apps(vec![app.clone()]);
    assert_eq!(identity.one(""), Ok(app.clone()));
    assert_eq!(identity.one(PHOTOS), Ok(app));
    let denied = identity.one("org.example.Mail").expect_err("another app");
    assert_eq!(denied.kind, ErrorKind::AccessDenied);
    assert!(denied.message.contains("the caller is the app org.example.Photos"), "{denied}");
    assert_eq!(Identity::User.one("").map_err(|error| error.kind), Err(ErrorKind::UnknownApp));
    assert_eq!(Identity::User.scope(""), Ok(Scope::All));
}

#[test]
fn a_sandbox_of_no_app_may_do_nothing() {
    let nobody = Identity::Apps(Vec::new());
    for named in ["", PHOTOS] {
        let denied = nobody.one(named).expect_err("nobody");
        assert_eq!(denied.kind, ErrorKind::AccessDenied, "{denied}");
    }
}

/// A broker in a container has clients whose session was begun outside of it, as that of `docker exec` or `unshare` is.
#[test]
fn a_session_that_has_no_number_here_is_none() {
    const INSIDE: &str = "BGTASK_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        let own = Process::read(std::process::id().cast_signed()).expect("it runs");
        assert_eq!(own.session, None);
        return;
    }
    let mut inside = Command::new("unshare");
    inside.args(["--map-root-user", "--pid", "--fork", "--mount-proc"]);
    if !inside.arg("true").status().is_ok_and(|status| status.success()) {
        return skipped("no PID namespace of one's own can be made");
    }
    let mut inside = Command::new("unshare");
    inside.args(["--map-root-user", "--pid", "--fork", "--mount-proc"]).arg(std::env::current_exe().expect("its path"));
    inside.args(["--exact", "clients::identity::tests::a_session_that_has_no_number_here_is_none"]).env(INSIDE, "1");
    let output = inside.output().expect("it ran above");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
