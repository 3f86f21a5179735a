//! What becomes of timers and their services.

use std::time::Duration;

use bgtask_core::{Command, Trigger};
use bgtask_import::{Import, Severity, UnitKind, UnitNames, systemd_timer};
use bgtask_taskfile::write;

const NAMES: UnitNames<'_> = UnitNames { timer: "work.timer", kind: UnitKind::User, home: "/home/me", user: "me" };

/// A timer with these lines for a service with these.
fn import(timer: &str, service: &str) -> Import {
    systemd_timer(&format!("[Timer]\n{timer}\n"), service, &NAMES)
}

/// The only task of a daily timer for a service with these lines.
#[track_caller]
fn service(lines: &str) -> (Command, Import) {
    let import = import("OnCalendar=daily", &format!("[Service]\nType=oneshot\n{lines}\n"));
    assert_eq!((import.tasks.len(), &import.skipped[..]), (1, &[][..]), "{import:#?}");
    (import.tasks[0].task.registration.entry.command().unwrap().clone(), import)
}

fn argv(command: &Command) -> Vec<&str> {
    command.argv.iter().map(|it| &**it).collect()
}

#[track_caller]
fn said<'a>(import: &'a Import, what: &str) -> &'a bgtask_import::Difference {
    let mut all = import.common.iter().chain(import.tasks.iter().flat_map(|it| &it.differences));
    all.find(|difference| difference.what == what).unwrap_or_else(|| panic!("{what} is not said: {import:#?}"))
}

#[test]
fn what_debian_ships_reads_as_a_task() {
    let timer = "[Unit]\nDescription=Daily apt download activities\n\n[Timer]\nOnCalendar=*-*-* 6,18:00\n\
                 RandomizedDelaySec=12h\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n";
    let service = "[Unit]\nDocumentation=man:apt(8)\nConditionACPower=true\nAfter=network-online.target\n\n[Service]\n\
                   Type=oneshot\nExecStartPre=-/usr/lib/apt/apt-helper wait-online\n\
                   ExecStart=/usr/lib/apt/apt.systemd.daily update\n";
    let names = UnitNames { timer: "apt-daily.timer", kind: UnitKind::System, ..NAMES };
    let import = systemd_timer(timer, service, &names);
    assert_eq!(
        write(&import.tasks[0].task),
        "name = \"apt-daily\"\n\
         command = \"\"\"\n/usr/lib/apt/apt-helper wait-online || :\n/usr/lib/apt/apt.systemd.daily update\"\"\"\n\
         at = \"*-*-* 6,18:00\"\ncatch-up = true\njitter = \"12h\"\nwhen = [\"ac-power\"]\ndir = \"/\"\n"
    );
    assert_eq!(said(&import, "whose it is").severity, Severity::Error);
    assert_eq!(said(&import, "network-online.target").severity, Severity::Warning);
    assert_eq!(said(&import, "ConditionACPower=").severity, Severity::Note);
    said(&import, "RandomizedDelaySec=");
}

#[test]
fn a_command_alone_needs_no_shell() {
    let (command, _) = service("ExecStart=/usr/bin/tool \"two words\" 'it''s' %h/%N 100%% $$HOME ;x");
    assert_eq!(argv(&command), ["/usr/bin/tool", "two words", "its", "/home/me/work", "100%", "$HOME", ";x"]);
}

#[test]
fn several_programs_are_a_script_that_stops_where_systemd_does() {
    let (command, _) = service(
        "ExecCondition=/bin/test -e /ready\nExecStartPre=/bin/mkdir -p '/tmp/a b'\nExecStart=-/bin/false ; /bin/echo one\n\
         ExecStart=/bin/echo --keep=${KEEP} $FLAGS\nExecStartPost=/bin/echo done\nEnvironment=KEEP=3 \"FLAGS=-a -b\"",
    );
    assert_eq!(
        argv(&command)[2],
        "set -f\n/bin/test -e /ready || exit 0\n/bin/mkdir -p '/tmp/a b' || exit\n/bin/false || :\n\
         /bin/echo one || exit\n/bin/echo --keep=\"${KEEP}\" $FLAGS || exit\n/bin/echo done"
    );
    assert_eq!((&*command.env["KEEP"], &*command.env["FLAGS"]), ("3", "-a -b"));
}

/// The script is run by the real shell, with what systemd would pass to the program.
#[test]
fn the_script_passes_what_systemd_passes() {
    let (command, _) = service(
        "ExecStart=-/bin/false\nExecStart=/usr/bin/printf '%%s|' a'b c'd \"it's\" x${V}y $V '' \\x41 *\nEnvironment='V=1 *'",
    );
    let envs = command.env.iter().map(|(name, value)| (&**name, &**value));
    let output = std::process::Command::new("/bin/sh").args(&argv(&command)[1..]).envs(envs).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ab cd|it's|x1 *y|1|*||A|*|", "{command:?}");
}

#[test]
fn marks_before_a_program_are_understood_or_said() {
    let (_, import) = service("ExecStart=+/bin/true");
    assert_eq!(said(&import, "ExecStart=+").severity, Severity::Error);
    let (command, import) = service("ExecStart=@/bin/tool other-name x");
    assert_eq!(argv(&command), ["/bin/tool", "x"]);
    said(&import, "ExecStart=@");
    let (command, _) = service("ExecStart=:/bin/echo ${HOME}");
    assert_eq!(argv(&command), ["/bin/echo", "${HOME}"], "without variables there is nothing for a shell to do");
}

#[test]
fn what_a_service_may_use_is_kept() {
    let (command, import) = service(
        "ExecStart=/bin/true\nTimeoutStartSec=2h\nMemoryMax=1G\nNice=19\nIOSchedulingClass=idle\nPrivateNetwork=yes\n\
         WorkingDirectory=%h/work\nRestart=on-failure\nRestartSec=30\nCPUQuota=20%\nProtectSystem=full\nPrivateTmp=true\n\
         PrivateDevices=no\nUser=man\nSuccessExitStatus=3\nWhatever=1",
    );
    assert_eq!((command.timeout, command.memory), (Duration::from_secs(7200), Some(1 << 30)));
    assert_eq!((command.nice, command.network, &*command.dir), (true, false, "/home/me/work"));
    assert_eq!((command.retry.times, command.retry.backoff), (4, Duration::from_secs(30)));
    for (what, severity) in [
        ("Nice=", Severity::Note),
        ("Restart=", Severity::Note),
        ("CPUQuota=", Severity::Warning),
        ("confinement", Severity::Warning),
        ("User=", Severity::Error),
        ("SuccessExitStatus=", Severity::Warning),
        ("Whatever=", Severity::Note),
    ] {
        assert_eq!(said(&import, what).severity, severity, "{what}");
    }
    assert_eq!(said(&import, "confinement").before, "systemd keeps it from much: ProtectSystem, PrivateTmp");
    assert_eq!(said(&import, "Nice=").before, "systemd runs it with Nice=19 and IOSchedulingClass=idle");
    let (_, import) = service("ExecStart=/bin/true\nRestart=always");
    assert_eq!(said(&import, "Restart=").severity, Severity::Error);
}

#[test]
fn conditions_become_conditions_or_tests_or_are_said() {
    let unit = "[Unit]\nConditionACPower=false\nConditionPathExists=!/run/no\nAssertFileNotEmpty=%h/list\n\
                ConditionVirtualization=no\n[Service]\nExecStart=/bin/true\n";
    let import = import("OnCalendar=daily", unit);
    let task = &import.tasks[0].task;
    assert_eq!(task.registration.conditions[0].word(), "not:ac-power");
    let script = argv(task.registration.entry.command().unwrap())[2];
    assert_eq!(script, "[ ! -e /run/no ] || exit 0\n[ -s /home/me/list ] || exit 1\n/bin/true");
    assert_eq!(
        said(&import, "ConditionVirtualization=").to_string(),
        "ConditionVirtualization=: systemd leaves the service alone unless ConditionVirtualization=no; \
         bgtask does not ask for that."
    );
}

#[test]
fn the_service_may_have_a_name_of_its_own_and_start_others() {
    let text = "[Unit]\nOnFailure=mail@%n.service\n[Service]\nExecStart=/bin/run %N\n";
    let import = import("OnCalendar=daily\nUnit=other.service", text);
    let task = &import.tasks[0].task;
    assert_eq!(argv(task.registration.entry.command().unwrap()), ["/bin/run", "other"]);
    assert_eq!(task.registration.name, "work", "the task is the timer");
    said(&import, "OnFailure=");
    said(&import, "accuracy");
}

#[test]
fn an_environment_file_is_read_by_the_shell_each_time() {
    let (command, import) = service("ExecStart=/bin/true\nEnvironmentFile=-/etc/default/work");
    assert_eq!(argv(&command)[2], "set -a; [ ! -r /etc/default/work ] || . /etc/default/work; set +a\n/bin/true");
    said(&import, "EnvironmentFile=");
}

#[test]
fn each_thing_that_lets_a_timer_elapse_is_a_task() {
    let run = "[Service]\nExecStart=/bin/true\n";
    let several = import("OnCalendar=Mon 09:00\nOnCalendar=Thu 17:00 Europe/Berlin\nOnTimezoneChange=true", run);
    let words: Vec<_> =
        several.tasks.iter().map(|it| bgtask_taskfile::trigger_word(&it.task.registration.trigger)).collect();
    assert_eq!(words, ["at:Mon 09:00", "at:Thu 17:00 Europe/Berlin", "time-zone-change"]);
    let names: Vec<_> = several.tasks.iter().map(|it| it.task.registration.name.as_str()).collect();
    assert_eq!(names, ["work", "work-2", "work-3"]);
    said(&several, "several triggers");
    said(&several, "times missed in sleep");

    let reset = import("OnCalendar=Mon 09:00\nOnBootSec=5\nOnCalendar=\nOnCalendar=Tue 09:00", run);
    assert_eq!(reset.tasks.len(), 1, "an empty one takes all away: {reset:#?}");
}

#[test]
fn intervals_count_from_start_to_start_and_that_is_said() {
    let run = "[Service]\nExecStart=/bin/true\n";
    let tmpfiles = import("OnBootSec=15min\nOnUnitActiveSec=1d\nAccuracySec=1h", run);
    assert_eq!(tmpfiles.tasks.len(), 1);
    let Trigger::Interval { every, pace, .. } = tmpfiles.tasks[0].task.registration.trigger else { panic!() };
    assert_eq!((every, pace.accuracy), (Duration::from_secs(86_400), Duration::from_secs(3600)));
    assert_eq!(
        said(&tmpfiles, "the first run").before,
        "systemd starts it 15min after the machine has started, and counts from there, after each start of the machine"
    );
    said(&import("OnStartupSec=1min\nOnUnitInactiveSec=2h", run), "OnUnitInactiveSec=");
    let boot = import("OnBootSec=5min", run);
    assert_eq!(boot.tasks[0].task.registration.trigger, Trigger::SessionStart { one_shot: false });
    said(&boot, "OnBootSec=");
    for (timer, wakes) in [("WakeSystem=yes", true), ("WakeSystem=no", false)] {
        for when in ["OnCalendar=daily", "OnUnitActiveSec=1d"] {
            let import = import(&format!("{when}\n{timer}"), run);
            let pace = import.tasks[0].task.registration.trigger.pace().expect("it fires by time");
            assert_eq!(pace.wake, wakes, "{when} {timer}");
            assert_eq!(
                import.tasks[0].differences.iter().chain(&import.common).any(|it| it.what == "WakeSystem="),
                wakes
            );
        }
    }
    said(&import("OnCalendar=daily\nRandomizedDelaySec=2d", run), "RandomizedDelaySec=");
}

#[test]
fn what_cannot_be_translated_is_skipped_with_its_line_and_reason() {
    let run = "[Service]\nExecStart=/bin/true\n";
    for (timer, service, line, why) in [
        ("OnCalendar=Mno", run, 2, "\"Mno\""),
        ("OnCalendar=daily\nOnUnitActiveSec=100ms", run, 3, "from 1s to 366d"),
        ("OnClockChange=true", run, 2, "no trigger for a clock"),
        ("Persistent=true", run, 0, "nothing that lets it elapse"),
        ("OnCalendar=daily", "[Service]\nType=oneshot\n", 0, "no ExecStart="),
        ("OnCalendar=daily", "[Service]\nExecStart=/bin/x \"open\n", 2, "not closed"),
        ("OnCalendar=daily", "[Service]\nExecStart=/bin/x %m\n", 2, "%m stands for is only known"),
        ("OnCalendar=daily", "[Service]\nExecStart=@/bin/x\n", 2, "wants the name"),
        ("OnCalendar=daily", "[Service]\nExecStart=/bin/x\nEnvironment=nothing\n", 3, "no NAME=VALUE"),
        ("OnCalendar=daily", "[Service]\nExecStart=/bin/x\nWorkingDirectory=here\n", 2, "not absolute"),
    ] {
        let import = import(timer, service);
        let skipped = import.skipped.first().unwrap_or_else(|| panic!("{import:#?}"));
        assert!(skipped.line == line && skipped.why.contains(why), "{skipped:?}");
    }
    let template = systemd_timer("", "", &UnitNames { timer: "pg_dump@.timer", ..NAMES });
    assert!(template.skipped[0].why.contains("pg_dump@NAME.timer"), "{template:?}");
}
