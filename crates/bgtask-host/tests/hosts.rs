//! Hosts as real processes: what they find, how they start, end and fail.

mod common;

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};

use bgtask_host::{
    Blame, Containment, Exit, HostError, HostSpec, Limits, MAX_PAYLOAD, MAX_SPARES, MAX_SPEC_BYTES, NICE, Priority,
    Scheduling, Signal, Spawner, TAIL_BYTES, Tail,
};
use common::{Place, config, exit, is_alive, kill_and_close, read_all, read_line, sh, started, testbed, wait_readable};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

#[test]
fn a_host_finds_what_is_promised_and_nothing_else() {
    for mut place in Place::each() {
        let spec = HostSpec {
            program: testbed(),
            args: vec!["probe".into(), "an arg".into(), "".into()],
            env: vec![("LANG".into(), "C".into()), ("EMPTY".into(), "".into())],
            dir: "/usr".into(),
            confine: None,
        };
        let (outcome, exit, text) = place.run(&spec);
        outcome.unwrap();
        assert_eq!(exit, Exit::Code(0), "{text}");
        let text = text.replace("probe", "");
        let cgroup = text.lines().find(|line| line.starts_with("cgroup ")).unwrap();
        if let Some(tree) = place.cgroup() {
            let name = tree.file_name().unwrap().to_str().unwrap();
            assert!(cgroup.ends_with(&format!("{name}/1")), "{cgroup}");
        }
        let own_oom = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
        let own_oom: i32 = own_oom.trim().parse().unwrap();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let umask = status.lines().find(|line| line.starts_with("Umask")).unwrap();
        let expected = [
            "fd 0 /dev/null",
            "fd 1 pipe",
            "fd 2 pipe",
            "fd 3 socket",
            "env EMPTY=",
            "env LANG=C",
            "args [\"an arg\", \"\"]",
            "dir /usr",
            &umask.replace('\t', " "),
            "NoNewPrivs: 1",
            "leads its group: true",
            "leads its session: true",
            "terminal: false",
            "Max core file size 0 0 bytes",
            &format!("oom {}", (own_oom + 200).min(1000)),
            cgroup,
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn no_signal_is_ignored_or_blocked() {
    for mut place in Place::each() {
        let (_, _, text) = place.run(&sh("grep -E 'Sig(Blk|Ign)' /proc/self/status"));
        assert_eq!(text, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    }
}

/// What the user does himself goes first, at the processors and at the disk.
#[test]
fn a_host_gives_way_to_everybody_else() {
    for mut place in Place::each() {
        let (_, _, text) = place.run(&sh("nice; ionice; cat /proc/self/autogroup 2>/dev/null || true"));
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(&*NICE.to_string()));
        assert_eq!(lines.next(), Some("best-effort: prio 7"));
        // The kernel lets others than root say it ten times a second, all of them together.
        if let Some(autogroup) = lines.next().filter(|_| rustix::process::geteuid().is_root()) {
            assert!(autogroup.ends_with(&format!("nice {NICE}")), "{autogroup}");
        }
    }
}

/// The owner of the machine may have it give way more, or less.
#[test]
fn a_host_has_the_priority_that_its_spawner_was_given() {
    let tell = "nice; awk '{ print $41 }' /proc/self/stat";
    for (scheduling, policy) in [(Scheduling::Normal, 0), (Scheduling::Batch, 3), (Scheduling::Idle, 5)] {
        let mut place = Place::with_priority(Priority { nice: 15, scheduling });
        let (_, _, text) = place.run(&sh(tell));
        assert_eq!(text, format!("15\n{policy}\n"));
    }
}

/// The broker raises its own limit for its clients; a program that uses `select` must not get it.
#[test]
fn a_host_may_open_as_many_files_as_the_broker_could_before() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let mut place = Place::new(true, 0);
    let before = getrlimit(Resource::Nofile);
    let current = before.current.expect("the kernel has a bound");
    setrlimit(Resource::Nofile, Rlimit { current: Some(current - 1), maximum: before.maximum }).unwrap();
    let mut launch = place.launch(&sh("ulimit -Sn"));
    let told = read_line(&mut launch);
    setrlimit(Resource::Nofile, before).unwrap();
    assert_eq!(told, current.to_string());
}

#[test]
fn a_host_may_run_on_every_processor_the_broker_may() {
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find(|line| line.starts_with("Cpus_allowed_list")).unwrap();
    // A launcher that waited, and some that had hardly begun when they were woken.
    for mut place in Place::each() {
        for _ in 0..10 {
            let (_, _, text) = place.run(&sh("grep Cpus_allowed_list /proc/self/status"));
            assert_eq!(text.trim_end(), own, "it was kept off the broker's processor for its wake-up only");
        }
    }
}

#[test]
fn the_payload_follows_the_channel() {
    for mut place in Place::each() {
        let dir = tempfile::tempdir().unwrap();
        let files: Vec<File> = (0..MAX_PAYLOAD)
            .map(|number| {
                let path = dir.path().join(number.to_string());
                fs::write(&path, format!("payload {number}")).unwrap();
                File::open(path).unwrap()
            })
            .collect();
        let fds: Vec<_> = files.iter().map(|file| file.as_fd()).collect();
        let spec = sh("cat <&4; echo; cat /proc/self/fd/19; ls /proc/self/fd | wc -l");
        let mut launch = place.spawner.launch(&spec, &fds, Limits::default()).unwrap();
        // `ls` has one of its own.
        assert_eq!(read_all(&mut launch), "payload 0\npayload 1521\n");

        let too_many = [fds.as_slice(), &fds[..1]].concat();
        let error = place.spawner.launch(&spec, &too_many, Limits::default()).unwrap_err();
        assert_eq!(error.to_string(), "17 descriptors for a host: the most is 16");
    }
}

#[test]
fn the_channel_is_two_way_and_ends_with_the_host() {
    for mut place in Place::each() {
        let mut launch = place.launch(&sh("read line <&3; echo got $line >&3"));
        launch.channel.write_all(b"hello\n").unwrap();
        wait_readable(&launch.channel);
        let mut answer = [0; 16];
        let length = launch.channel.read(&mut answer).unwrap();
        assert_eq!(&answer[..length], b"got hello\n");
        assert_eq!(exit(&launch.host), Exit::Code(0));
        wait_readable(&launch.channel);
        assert_eq!(launch.channel.read(&mut answer).unwrap(), 0);
    }
}

#[test]
fn a_program_that_cannot_run_is_named_with_its_errno() {
    for mut place in Place::each() {
        let plain = tempfile::NamedTempFile::new().unwrap();
        let mut failure = |program: &str, dir: &str| {
            let mut spec = sh("");
            spec.program = program.into();
            spec.dir = dir.into();
            let (outcome, exit, text) = place.run(&spec);
            assert_eq!((exit, text.as_str()), (Exit::Code(127), ""));
            outcome.unwrap_err()
        };

        let missing = failure("/nowhere/program", "/");
        assert_eq!(missing.to_string(), "cannot execute /nowhere/program");
        assert_eq!(missing.blame(), Blame::Program);
        assert!(matches!(missing, HostError::Execute { source, .. } if source.kind() == ErrorKind::NotFound));
        let forbidden = failure(plain.path().to_str().unwrap(), "/");
        assert!(matches!(forbidden, HostError::Execute { source, .. } if source.raw_os_error() == Some(13)));
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        common::install(&script, 0o755, "#!/nowhere/python\n");
        let unseen = failure(script.to_str().unwrap(), "/");
        assert!(unseen.to_string().contains("what its first line names"), "{unseen}");
        assert_eq!(unseen.blame(), Blame::Program);
        let homeless = failure("/bin/sh", "/nowhere");
        assert_eq!(homeless.to_string(), "cannot enter the working directory /nowhere");
        assert!(matches!(homeless, HostError::Directory { source, .. } if source.kind() == ErrorKind::NotFound));
    }
}

#[test]
fn the_end_of_a_program_is_told() {
    for mut place in Place::each() {
        let (outcome, exit, _) = place.run(&sh("exit 3"));
        outcome.unwrap();
        assert_eq!(exit, Exit::Code(3));
        assert_eq!(place.run(&sh("kill -SEGV $$")).1, Exit::Signal(11));
    }
}

#[test]
fn the_output_of_a_failure_is_kept() {
    let mut place = Place::new(true, 1);
    let mut launch = place.launch(&sh("seq 100000; echo the reason >&2; exit 1"));
    let mut tail = Tail::new();
    tail.push(read_all(&mut launch).as_bytes());
    assert!(tail.text().ends_with("\n100000\nthe reason\n"));
    assert!(tail.text().len() <= TAIL_BYTES);
}

#[test]
fn a_notice_reaches_what_a_shell_waits_for() {
    for mut place in Place::each() {
        let command = "sh -c 'echo ready; exec sleep 1000'";
        let script = format!("trap 'echo noticed; exit 5' TERM; {command}; echo survived");
        let mut launch = place.launch(&sh(&script));
        assert_eq!(read_line(&mut launch), "ready");
        launch.host.signal(Signal::TERM).unwrap();
        let rest = read_all(&mut launch);
        assert!(rest.ends_with("noticed\n"), "{rest}");
        assert_eq!(exit(&launch.host), Exit::Code(5));
        launch.host.signal(Signal::TERM).unwrap();
        assert!(launch.host.try_close().unwrap());
        launch.host.signal(Signal::TERM).unwrap();
        launch.host.kill().unwrap();
    }
}

#[test]
fn killing_takes_the_children_too() {
    for mut place in Place::each() {
        let mut launch = place.launch(&sh("sh -c 'echo $$; exec sleep 1000' & wait"));
        let child = read_line(&mut launch);
        assert!(is_alive(&child));
        kill_and_close(&mut launch.host);
        assert_eq!(read_all(&mut launch), "");
    }
}

#[test]
fn a_host_is_not_closed_before_its_last_process_is_gone() {
    for mut place in Place::each() {
        let mut launch = place.launch(&sh("sh -c 'echo $$; exec sleep 1000' &"));
        let child = read_line(&mut launch);
        assert_eq!(exit(&launch.host), Exit::Code(0));
        assert!(!launch.host.try_close().unwrap());
        let closing = launch.host.closing().unwrap();
        assert!(is_alive(&child));
        launch.host.kill().unwrap();
        wait_readable(&closing);
        while !launch.host.try_close().unwrap() {
            wait_readable(&launch.host.closing().unwrap());
        }
        assert!(launch.host.try_close().unwrap());
    }
}

#[test]
fn a_cgroup_holds_a_daemon_that_forked_twice() {
    let Some(mut place) = Place::with_cgroup() else {
        return;
    };
    let script = "(setsid sh -c 'echo $$; exec sleep 1000' &)";
    let mut launch = place.launch(&sh(script));
    let daemon = read_line(&mut launch);
    assert_eq!(exit(&launch.host), Exit::Code(0));
    assert!(is_alive(&daemon));
    kill_and_close(&mut launch.host);
    // The end of the pipe: nobody has it open any more.
    assert_eq!(read_all(&mut launch), "");
}

/// CA-9: whether a host does anything can be seen, whatever holds it together.
#[test]
fn what_a_host_uses_is_counted() {
    for mut place in Place::each() {
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; cat /proc/self/exe >/dev/null; echo done; exec sleep 1000";
        let mut launch = place.launch(&sh(script));
        assert_eq!(read_line(&mut launch), "done");
        let used = launch.host.usage().unwrap();
        assert!(used.cpu.as_millis() >= 10, "{used:?}");
        // The bytes of `cat`, which the shell has waited for.
        assert!(used.io > 4_096, "{used:?}");
        kill_and_close(&mut launch.host);
    }
}

/// The kernel keeps the account of a cgroup, of what has ended too.
#[test]
fn cpu_time_is_counted_in_a_cgroup() {
    let Some(mut place) = Place::with_cgroup() else {
        return;
    };
    let launch = place.launch(&sh("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"));
    assert_eq!(exit(&launch.host), Exit::Code(0));
    assert!(launch.host.usage().unwrap().cpu.as_micros() > 1000);
}

#[test]
fn an_environment_fills_the_bound_but_not_more() {
    let mut place = Place::new(true, 1);
    let mut spec = sh("echo ${#BIG}");
    let size = MAX_SPEC_BYTES - 1024;
    spec.env.push(("BIG".into(), "x".repeat(size).into()));
    assert_eq!(place.run(&spec).2, format!("{size}\n"));

    spec.env.push(("MORE".into(), "x".repeat(1024).into()));
    let error = place.spawner.launch(&spec, &[], Limits::default()).unwrap_err();
    assert!(matches!(error, HostError::TooMany { max: MAX_SPEC_BYTES, .. }), "{error}");
}

#[test]
fn a_spare_that_was_killed_is_replaced() {
    let Some(mut place) = Place::with_cgroup() else {
        return;
    };
    let procs = place.cgroup().unwrap().join("1/cgroup.procs");
    let spare = fs::read_to_string(procs).unwrap();
    let spare = Pid::from_raw(spare.trim().parse().unwrap()).unwrap();
    let pidfd = pidfd_open(spare, PidfdFlags::empty()).unwrap();
    rustix::process::kill_process(spare, Signal::KILL).unwrap();
    wait_readable(&pidfd);
    assert_eq!(place.run(&sh("echo here")).2, "here\n");
}

#[test]
fn without_spares_a_launch_works_all_the_same() {
    let mut place = Place::new(true, 0);
    assert_eq!(place.run(&sh("echo here")).2, "here\n");
    place.spawner.refill().unwrap();
}

#[test]
fn a_spawner_that_cannot_work_says_so() {
    let records = tempfile::tempdir().unwrap();
    for use_cgroups in [true, false] {
        let mut config = config(&records, use_cgroups, 1);
        config.launcher = "/nowhere/launcher".into();
        let error = Spawner::new(config).unwrap_err();
        assert_eq!(error.to_string(), "cannot execute the launcher /nowhere/launcher");
        assert_eq!(error.blame(), Blame::Environment);
    }
    let error = Spawner::new(config(&records, true, MAX_SPARES + 1)).unwrap_err();
    assert_eq!(error.to_string(), "17 waiting launchers: the most is 16");
    let spawner = Spawner::new(config(&records, true, MAX_SPARES)).unwrap();
    let error = Spawner::new(config(&records, true, 0)).unwrap_err();
    assert!(matches!(error, HostError::InUse { .. }), "{error}");
    drop(spawner);
}

#[test]
fn something_else_than_a_launcher_is_noticed() {
    let records = tempfile::tempdir().unwrap();
    for use_cgroups in [true, false] {
        let mut config = config(&records, use_cgroups, 0);
        config.launcher = "/bin/true".into();
        let mut spawner = Spawner::new(config).unwrap();
        // It may take the order before it is gone, and then it merely ends.
        match spawner.launch(&sh("echo here"), &[], Limits::default()) {
            Ok(mut launch) => assert_eq!(read_all(&mut launch), ""),
            Err(error) => assert_eq!(error.blame(), Blame::Broker, "{error}"),
        }
    }
}

#[test]
fn the_lack_of_cgroups_is_told() {
    let place = Place::new(false, 0);
    let why = "cgroups are switched off".to_owned();
    assert_eq!(place.spawner.containment(), &Containment::Session { why });
}

#[test]
fn a_launcher_started_by_hand_explains_itself() {
    let output = Command::new(testbed()).arg("launcher").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(127));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("started by the broker of bgtask, not by hand"), "{text}");
}

#[test]
fn a_dropped_host_is_gone() {
    for mut place in Place::each() {
        let mut launch = place.launch(&sh("sleep 1000 & echo ready; wait"));
        assert_eq!(read_line(&mut launch), "ready");
        started(&launch.start).unwrap();
        drop(launch.host);
        wait_readable(&launch.output);
        assert_eq!(launch.output.read(&mut [0]).unwrap(), 0, "nobody has it open any more");
    }
}
