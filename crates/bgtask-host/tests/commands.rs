//! Commands as real processes: what they find, how they are bounded, how they end.

mod common;

use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use bgtask_host::{
    Blame, CommandSpec, Exit, FinalUsage, HostError, MAX_PAYLOAD, MAX_SPEC_BYTES, MemoryBound, NICE, Running, sealed,
};
use common::{Place, exit, is_alive, kill_and_close, testbed, wait_readable};
use tempfile::TempDir;

fn command(argv: &[&str]) -> CommandSpec {
    let argv = argv.iter().map(OsString::from).collect();
    CommandSpec::new(argv, vec![("PATH".into(), "/usr/bin:/bin".into())], "/".into())
}

fn script(text: &str) -> CommandSpec {
    command(&["sh", "-c", text])
}

fn start(place: &mut Place, spec: CommandSpec) -> Running {
    place.spawner.prepare(spec).unwrap().start().unwrap()
}

fn refused(place: &mut Place, spec: CommandSpec) -> HostError {
    match place.spawner.prepare(spec).and_then(|prepared| prepared.start()) {
        Err(error) => error,
        Ok(_) => panic!("it runs"),
    }
}

fn read_line(running: &mut Running) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        wait_readable(&running.output);
        assert_eq!(running.output.read(&mut byte).unwrap(), 1, "ended in {line:?}");
        match byte[0] {
            b'\n' => return String::from_utf8(line).unwrap(),
            letter => line.push(letter),
        }
    }
}

fn read_all(running: &mut Running) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut some = [0; 65536];
    loop {
        wait_readable(&running.output);
        match running.output.read(&mut some).unwrap() {
            0 => return bytes,
            length => bytes.extend_from_slice(&some[..length]),
        }
    }
}

/// Runs it to its end, and tells what the broker learns.
fn run(place: &mut Place, spec: CommandSpec) -> (Exit, String, FinalUsage) {
    let mut running = start(place, spec);
    let text = String::from_utf8(read_all(&mut running)).unwrap();
    let exit = exit(&running.host);
    kill_and_close(&mut running.host);
    (exit, text, running.host.final_usage().unwrap())
}

#[test]
fn a_command_finds_what_is_promised_and_nothing_else() {
    for mut place in Place::each() {
        let mut spec = command(&[testbed().to_str().unwrap(), "probe", "an arg", ""]);
        spec.env = vec![("LANG".into(), "C".into()), ("LANG".into(), "de".into())];
        spec.dir = "/usr".into();
        spec.descriptors = vec![("BGTASK_DETAILS_FD".into(), sealed(b"{}").unwrap())];
        let (exit, text, _) = run(&mut place, spec);
        assert_eq!(exit, Exit::Code(0), "{text}");
        let facts: Vec<_> =
            text.lines().filter(|line| !line.starts_with("cgroup") && !line.starts_with("Umask")).collect();
        let own_oom = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
        let own_oom: i32 = own_oom.trim().parse().unwrap();
        let limits = fs::read_to_string("/proc/self/limits").unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core")).unwrap();
        let expected = [
            "fd 0 /dev/null",
            "fd 1 pipe",
            "fd 2 pipe",
            "fd 3 /memfd",
            "env BGTASK_DETAILS_FD=3",
            "env LANG=de",
            "args [\"an arg\", \"\"]",
            "dir /usr",
            "NoNewPrivs: 0",
            "leads its group: true",
            &format!("leads its session: {}", place.cgroup().is_none() || fs::File::open("/dev/tty").is_ok()),
            "terminal: false",
            &core.split_whitespace().collect::<Vec<_>>().join(" "),
            &format!("oom {}", (own_oom + 200).min(1000)),
        ];
        assert_eq!(facts, expected);
        if let Some(tree) = place.cgroup() {
            let name = tree.file_name().unwrap().to_str().unwrap();
            assert!(text.lines().any(|line| line.starts_with("cgroup ") && line.contains(name)), "{text}");
        }
    }
}

/// This program ignores SIGPIPE, as every Rust program does; `yes | head` must end all the same.
#[test]
fn no_signal_is_ignored_or_blocked() {
    for mut place in Place::each() {
        let (_, text, _) = run(&mut place, script("grep -E 'Sig(Blk|Ign)' /proc/self/status; yes | head -1"));
        assert_eq!(text, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\ny\n");
    }
}

#[test]
fn the_end_of_a_command_is_told() {
    for mut place in Place::each() {
        assert_eq!(run(&mut place, script("exit 3")).0, Exit::Code(3));
        assert_eq!(run(&mut place, script("kill -SEGV $$")).0, Exit::Signal(11));
        assert_eq!(run(&mut place, command(&["true"])).0, Exit::Code(0));
    }
}

#[test]
fn a_program_is_found_as_a_shell_finds_it() {
    for mut place in Place::each() {
        let dir = tempfile::tempdir().unwrap();
        let install = |path: &str, mode: u32, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            common::install(&path, mode, text);
        };
        install("first/tool", 0o644, "#!/bin/sh\necho not executable");
        install("second/tool", 0o755, "#!/bin/sh\necho second $0 $1");
        install("third/tool", 0o755, "echo third");
        install("plain", 0o755, "echo run by a shell: $1");
        let here = dir.path().to_str().unwrap();
        let mut text = |path: &str, argv: &[&str]| {
            let mut spec = command(argv);
            spec.env = vec![("PATH".into(), path.into())];
            spec.dir = here.into();
            run(&mut place, spec).1
        };
        let path = format!("/nowhere:{here}/first:{here}/second:{here}/third");
        assert_eq!(text(&path, &["tool", "arg"]), format!("second {here}/second/tool arg\n"));
        assert_eq!(text("third", &["tool"]), "third\n", "a relative directory is one of the working directory");
        assert_eq!(text("", &["plain", "arg"]), "run by a shell: arg\n");
        assert_eq!(text("/nowhere", &["./plain", "x y"]), "run by a shell: x y\n");
        assert_eq!(text("/nowhere", &["second/tool"]), "second second/tool\n");
    }
}

#[test]
fn what_cannot_run_is_named_with_what_to_do() {
    for mut place in Place::each() {
        let missing = refused(&mut place, command(&["no-such-tool"]));
        let expected =
            "there is no program \"no-such-tool\" in the PATH \"/usr/bin:/bin\": install it, or give its full path";
        assert_eq!(missing.to_string(), expected);
        assert_eq!(missing.blame(), Blame::Program);
        let missing = refused(&mut place, command(&["/nowhere/tool"]));
        assert_eq!(missing.to_string(), "cannot execute /nowhere/tool");

        let mut spec = command(&["true"]);
        spec.dir = "/nowhere".into();
        assert_eq!(refused(&mut place, spec).to_string(), "cannot enter the working directory /nowhere");

        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tool");
        common::install(&file, 0o644, "#!/nowhere/perl -w\n");
        let error = refused(&mut place, command(&[file.to_str().unwrap()]));
        let HostError::Execute { path, source } = error else { panic!("{error}") };
        assert_eq!((path.as_path(), source.raw_os_error()), (file.as_path(), Some(libc_eacces())));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let error = refused(&mut place, command(&[file.to_str().unwrap()]));
        let expected = "its first line asks for \"/nowhere/perl\", which does not exist";
        assert!(error.to_string().ends_with(expected), "{error}");

        assert!(matches!(refused(&mut place, command(&[])), HostError::NoProgram));
        assert!(matches!(refused(&mut place, command(&[""])), HostError::NoProgram));
        assert!(refused(&mut place, command(&["true", "a\0b"])).to_string().contains("argument cannot"));
        let mut spec = command(&["true"]);
        spec.env.push(("A=B".into(), "".into()));
        assert!(refused(&mut place, spec).to_string().contains("variable name"));
        let mut spec = command(&["true"]);
        spec.dir = "relative".into();
        assert!(refused(&mut place, spec).to_string().contains("absolute"));
        nothing_is_left(&place);
    }
}

fn libc_eacces() -> i32 {
    rustix::io::Errno::ACCESS.raw_os_error()
}

/// Besides the spare that waits.
fn nothing_is_left(place: &Place) {
    if let Some(tree) = place.cgroup() {
        let dirs = fs::read_dir(tree).unwrap().flatten().filter(|entry| entry.path().is_dir());
        assert_eq!(dirs.count(), 1);
    } else {
        let records = fs::read_dir(place.records.path().join("hosts")).unwrap();
        assert_eq!(records.count(), 2, "the lock and a spare");
    }
}

#[test]
fn the_bounds_are_exact() {
    let mut place = Place::new(true, 1);
    let mut spec = script("echo ${#BIG}");
    let others = "/".len() + "sh -c echo ${#BIG} ".len() + "PATH=/usr/bin:/bin ".len() + "BIG= ".len();
    let size = MAX_SPEC_BYTES - others;
    spec.env.push(("BIG".into(), "x".repeat(size).into()));
    assert_eq!(run(&mut place, spec).1, format!("{size}\n"));

    let mut spec = script("echo ${#BIG}");
    spec.env.push(("BIG".into(), "x".repeat(size + 1).into()));
    let error = refused(&mut place, spec);
    assert!(
        matches!(error, HostError::TooMany { count, max: MAX_SPEC_BYTES, .. } if count == MAX_SPEC_BYTES + 1),
        "{error}"
    );

    let descriptors = |count: usize| {
        let mut spec = script("cat <&$LAST");
        spec.descriptors =
            (0..count).map(|number| (format!("FD_{number}").into(), sealed(b"number").unwrap())).collect();
        spec.descriptors.push(("LAST".into(), sealed(b"last").unwrap()));
        spec
    };
    let mut spec = descriptors(MAX_PAYLOAD - 1);
    spec.argv = ["sh", "-c", "cat /proc/self/fd/$LAST"].map(OsString::from).to_vec();
    assert_eq!(run(&mut place, spec).1, "last");
    let error = refused(&mut place, descriptors(MAX_PAYLOAD));
    assert_eq!(error.to_string(), "17 descriptors for a command: the most is 16");
}

#[test]
fn a_megabyte_of_output_arrives() {
    for mut place in Place::each() {
        let mut running = start(&mut place, script("head -c 1048576 /dev/zero; echo end >&2"));
        let bytes = read_all(&mut running);
        assert_eq!(bytes.len(), (1 << 20) + 4);
        assert!(bytes.ends_with(b"end\n"));
        assert_eq!(exit(&running.host), Exit::Code(0));
    }
}

#[test]
fn what_a_command_leaves_behind_is_killed() {
    for mut place in Place::each() {
        let mut running = start(&mut place, script("sh -c 'echo $$; exec sleep 1000' & exit 5"));
        let child = read_line(&mut running);
        assert_eq!(exit(&running.host), Exit::Code(5));
        assert!(is_alive(&child));
        kill_and_close(&mut running.host);
        assert_eq!(read_all(&mut running), b"", "nobody has it open any more");
        nothing_is_left(&place);
    }
}

#[test]
fn a_daemon_that_forked_twice_is_killed() {
    let Some(mut place) = Place::with_cgroup() else { return };
    let mut running = start(&mut place, script("(setsid sh -c 'echo $$; exec sleep 1000' &)"));
    let daemon = read_line(&mut running);
    assert_eq!(exit(&running.host), Exit::Code(0));
    assert!(is_alive(&daemon));
    kill_and_close(&mut running.host);
    assert_eq!(read_all(&mut running), b"", "nobody has it open any more");
}

/// Every process gets the notice, not only the shell that waits for the others.
#[test]
fn all_processes_are_asked_to_end() {
    for mut place in Place::each() {
        let part = "sh -c 'trap \"echo part; exit\" TERM; echo ready; while :; do sleep 1000 & wait; done'";
        let mut running =
            start(&mut place, script(&format!("trap 'echo whole; exit 5' TERM; {part} & {part} & wait; wait")));
        assert_eq!([read_line(&mut running), read_line(&mut running)], ["ready", "ready"]);
        running.host.terminate().unwrap();
        let mut said = [read_line(&mut running), read_line(&mut running), read_line(&mut running)];
        said.sort();
        assert_eq!(said, ["part", "part", "whole"]);
        assert_eq!(exit(&running.host), Exit::Code(5));
        running.host.terminate().unwrap();
        kill_and_close(&mut running.host);
        running.host.terminate().unwrap();
    }
}

#[test]
fn a_command_that_does_not_listen_is_killed() {
    for mut place in Place::each() {
        let mut running = start(&mut place, script("trap '' TERM; echo ready; while :; do sleep 1000; done"));
        assert_eq!(read_line(&mut running), "ready");
        running.host.terminate().unwrap();
        kill_and_close(&mut running.host);
        assert_eq!(exit_of(&running), None, "reaped");
    }
}

fn exit_of(running: &Running) -> Option<Exit> {
    running.host.try_exit().ok().flatten()
}

#[test]
fn a_nice_command_is_nice() {
    for mut place in Place::each() {
        let text = "nice; ionice 2>/dev/null || echo idle";
        let mut spec = script(text);
        spec.nice = true;
        let (_, nice, _) = run(&mut place, spec);
        assert_eq!(nice, format!("{NICE}\nidle\n"));
        assert_eq!(run(&mut place, script("nice")).1, "0\n");
    }
}

/// It sees a loopback that is down, and cannot reach what listens here.
#[test]
fn without_the_network_there_is_none() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for mut place in Place::each() {
        let probe = |network: bool| {
            let mut spec = command(&[testbed().to_str().unwrap(), "network", &port]);
            spec.network = network;
            spec
        };
        assert!(run(&mut place, probe(true)).1.contains("connected"));
        let (exit, text, _) = run(&mut place, probe(false));
        assert_eq!(exit, Exit::Code(0));
        let uid = rustix::process::getuid().as_raw();
        assert_eq!(text, format!("interfaces [\"lo\"]\nlo down\nno connection\nuser {uid}\n"));
    }
}

#[test]
fn memory_is_bounded() {
    const MIB: u64 = 1 << 20;
    for mut place in Place::each() {
        let mut spec = command(&[testbed().to_str().unwrap(), "allocate", "256"]);
        let (exit, text, used) =
            run(&mut place, CommandSpec { memory: None, ..command(&[testbed().to_str().unwrap(), "allocate", "256"]) });
        assert_eq!((exit, text.as_str()), (Exit::Code(0), "allocated\n"));
        assert!(used.memory_peak.unwrap() >= 256 * MIB, "{used:?}");

        spec.memory = Some(64 * MIB);
        let prepared = place.spawner.prepare(spec).unwrap();
        let mut running = prepared.start().unwrap();
        let text = read_all(&mut running);
        assert!(!text.starts_with(b"allocated"), "{running:?}");
        assert_ne!(common::exit(&running.host), Exit::Code(0));
        // A memory controller or none: the broker is told which of the two promises it has.
        let together = place.cgroup().is_some_and(|tree| tree.join("memory.max").exists());
        let expected = if together { MemoryBound::Together } else { MemoryBound::EachProcess };
        assert_eq!(running.memory, Some(expected));
    }
}

#[test]
fn what_a_command_used_in_all_is_known_at_its_end() {
    for mut place in Place::each() {
        let burn = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; cat /proc/self/exe >/dev/null";
        let (_, _, used) = run(&mut place, script(burn));
        assert!(used.used.cpu.as_millis() >= 10, "{used:?}");
        assert!(used.used.io > 4096, "{used:?}");
        assert!(!used.out_of_memory);
        let mut running = start(&mut place, command(&["true"]));
        exit(&running.host);
        assert_eq!(running.host.final_usage(), None, "not before its end");
        kill_and_close(&mut running.host);
        assert!(running.host.final_usage().is_some());
    }
}

/// What the broker itself has is not taken for the command's.
#[test]
fn the_memory_of_a_small_command_is_not_the_brokers() {
    let ballast = vec![1_u8; 64 << 20];
    let mut place = Place::new(false, 0);
    let (_, _, used) = run(&mut place, command(&["true"]));
    assert_eq!(std::hint::black_box(&ballast).len(), 64 << 20);
    assert_eq!(used.memory_peak, None);
}

#[test]
fn a_command_that_is_dropped_before_it_starts_leaves_nothing() {
    for mut place in Place::each() {
        drop(place.spawner.prepare(command(&["true"])).unwrap());
        nothing_is_left(&place);
    }
}

/// The broker's loop is not to wait for a file system.
#[test]
fn a_command_may_be_started_on_another_thread() {
    for mut place in Place::each() {
        let prepared = place.spawner.prepare(command(&["echo", "here"])).unwrap();
        let mut running = std::thread::spawn(|| prepared.start().unwrap()).join().unwrap();
        assert_eq!(read_all(&mut running), b"here\n");
        assert_eq!(exit(&running.host), Exit::Code(0));
    }
}

/// Where this is root, who can become somebody else; what is started there has to be where everybody may look.
struct Unprivileged {
    dir: TempDir,
    listener: TcpListener,
}

impl Unprivileged {
    fn new() -> Option<Self> {
        let can = Command::new("setpriv").args(["--reuid=65534", "--regid=65534", "--clear-groups", "true"]).status();
        if !can.is_ok_and(|status| status.success()) {
            eprintln!("cannot become another user here");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        // By another process, as in `common::install`.
        assert!(Command::new("cp").arg(testbed()).arg(dir.path().join("testbed")).status().unwrap().success());
        Some(Self { dir, listener: TcpListener::bind("127.0.0.1:0").unwrap() })
    }

    /// What the testbed says that `wrapper` runs as a broker.
    fn broker_says(&self, wrapper: &[&str]) -> String {
        let port = self.listener.local_addr().unwrap().port().to_string();
        let output = Command::new(wrapper[0])
            .args(&wrapper[1..])
            .arg(self.dir.path().join("testbed"))
            .args(["without-network".as_ref(), self.dir.path().join("records").as_os_str(), port.as_ref()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn a_user_without_privileges_can_take_the_network_away_or_is_told_that_not() {
    let Some(unprivileged) = Unprivileged::new() else { return };
    let said = unprivileged.broker_says(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    let none = "interfaces [\"lo\"]\nlo down\nno connection\nuser 65534\n";
    assert!(said == none || said.starts_with("refused: this system does not let"), "{said}");
}

/// As on systems that allow nobody but root to make namespaces.
#[test]
fn a_command_does_not_run_with_the_network_where_it_cannot_run_without() {
    let Some(unprivileged) = Unprivileged::new() else { return };
    let limit = "echo 0 >/proc/sys/user/max_user_namespaces";
    let none = "setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all";
    let script = format!("{limit} && exec {none} \"$0\" \"$@\"");
    let wrapper = ["unshare", "--user", "--map-root-user", "sh", "-c"];
    let can = Command::new("unshare").args(&wrapper[1..]).args([limit]).status();
    if !can.is_ok_and(|status| status.success()) {
        eprintln!("cannot limit the namespaces of a namespace here");
        return;
    }
    let said = unprivileged.broker_says(&[&wrapper[..], &[&script]].concat());
    assert!(said.starts_with("refused: this system does not let a command run without the network"), "{said}");
}
