//! `[Service]` and the conditions of `[Unit]` to a command and its conditions.

use std::sync::Arc;
use std::time::Duration;

use bgtask_core::limits::{MAX_INTERVAL, MIN_INTERVAL};
use bgtask_core::words::{duration_word, size};
use bgtask_core::{Command, Condition};
use bgtask_taskfile::{Severity, condition};

use super::command::{self, Wrong};
use super::unit::{Setting, Unit, is_true, span};
use super::words::{UnitKind, UnitNames, split};
use crate::{Difference, shell};

/// How often systemd starts a service again at most, unless it says otherwise.
const DEFAULT_BURST: u32 = 5;

/// What a service is as a task.
pub(super) struct Translated {
    pub(super) command: Command,
    pub(super) conditions: Vec<Condition>,
    pub(super) differences: Vec<Difference>,
}

pub(super) fn translate(service: &Unit, names: &UnitNames<'_>) -> Result<Translated, Wrong> {
    let mut differences = Vec::new();
    let mut first = tests(service, names, &mut differences)?;
    first.extend(environment_files(service, names, &mut differences)?);
    let mut command = command::translate(service, names, &first, &mut differences)?;
    environment(service, names, &mut command)?;
    folder(service, names, &mut command, &mut differences)?;
    bounds(service, &mut command, &mut differences);
    manners(service, &mut command, &mut differences);
    restarts(service, &mut command, &mut differences);
    let conditions = conditions(service, &mut differences);
    differences.extend(order(service));
    differences.extend(confinement(service));
    differences.extend(others(service));
    Ok(Translated { command, conditions, differences })
}

/// Conditions on files, which a test of the shell can answer.
fn tests(service: &Unit, names: &UnitNames<'_>, differences: &mut Vec<Difference>) -> Result<Vec<String>, Wrong> {
    let mut lines = Vec::new();
    for setting in service.section("Unit") {
        let (kind, status) = match setting.key.split_at_checked(setting.key.len().min(9)) {
            Some(("Condition", kind)) => (kind, 0),
            _ => (setting.key.strip_prefix("Assert").unwrap_or_default(), 1),
        };
        let Some((_, test)) = TESTS.iter().find(|(name, _)| *name == kind) else { continue };
        let path = names.expand(setting.value.trim_start_matches(['|', '!'])).map_err(|why| (setting.line, why))?;
        let not = if setting.value.trim_start_matches('|').starts_with('!') { "! " } else { "" };
        lines.push(format!("[ {not}{test} {} ] || exit {status}", shell::quoted(&path)));
        if setting.value.starts_with('|') {
            let before = "of the conditions that begin with | one is enough";
            differences.push(Difference::warning(&format!("{}=|", setting.key), before, "bgtask wants all of them"));
        }
    }
    Ok(lines)
}

/// Conditions and assertions of a unit that nothing here answers.
pub(super) fn conditions_unread(unit: &Unit, what: &str) -> Vec<Difference> {
    let is_one = |setting: &&Setting| setting.key.starts_with("Condition") || setting.key.starts_with("Assert");
    let unread = |setting: &Setting| {
        let before = format!("systemd leaves the {what} alone unless {}={}", setting.key, setting.value);
        Difference::warning(&format!("{}=", setting.key), before, "bgtask does not ask for that")
    };
    unit.section("Unit").filter(is_one).map(unread).collect()
}

/// `ConditionACPower=` as a condition; all others are said.
fn conditions(service: &Unit, differences: &mut Vec<Difference>) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for key in ["ConditionACPower", "AssertACPower"] {
        let Some(value) = service.last("Unit", key) else { continue };
        let word = if is_true(value) { "ac-power" } else { "not:ac-power" };
        conditions.extend(condition(word));
        differences.push(Difference::note(
            &format!("{key}="),
            "systemd leaves the run out where that does not hold",
            "bgtask waits until it holds, and runs it then",
        ));
    }
    let unread = conditions_unread(service, "service").into_iter();
    differences.extend(unread.filter(|difference| {
        let kind = difference.what.trim_end_matches('=');
        let kind = kind.strip_prefix("Condition").or_else(|| kind.strip_prefix("Assert")).unwrap_or(kind);
        kind != "ACPower" && !TESTS.iter().any(|(name, _)| *name == kind)
    }));
    conditions
}

fn environment_files(
    service: &Unit,
    names: &UnitNames<'_>,
    differences: &mut Vec<Difference>,
) -> Result<Vec<String>, Wrong> {
    let mut lines = Vec::new();
    for setting in service.all("Service", "EnvironmentFile") {
        let path = names.expand(setting.value.trim_start_matches('-')).map_err(|why| (setting.line, why))?;
        let path = shell::quoted(&path);
        let is_needed = if setting.value.starts_with('-') { format!("[ ! -r {path} ] || ") } else { String::new() };
        lines.push(format!("set -a; {is_needed}. {path}; set +a"));
        differences.push(Difference::warning(
            "EnvironmentFile=",
            format!("systemd reads {} as plain NAME=VALUE lines", setting.value),
            "the shell reads it now, which also replaces $ and ` in it",
        ));
    }
    Ok(lines)
}

fn environment(service: &Unit, names: &UnitNames<'_>, command: &mut Command) -> Result<(), Wrong> {
    for setting in service.all("Service", "Environment") {
        let wrong = |why: String| (setting.line, why);
        for word in split(&setting.value).map_err(wrong)? {
            let word = names.expand(&word).map_err(wrong)?;
            let (name, value) = word.split_once('=').ok_or_else(|| wrong(format!("{word} is no NAME=VALUE")))?;
            command.env.insert(Arc::from(name), Arc::from(value));
        }
    }
    Ok(())
}

fn folder(
    service: &Unit,
    names: &UnitNames<'_>,
    command: &mut Command,
    differences: &mut Vec<Difference>,
) -> Result<(), Wrong> {
    if let Some(setting) = service.all("Service", "WorkingDirectory").last() {
        let path = names.expand(setting.value.trim_start_matches('-')).map_err(|why| (setting.line, why))?;
        command.dir = if path == "~" { "".into() } else { path.into() };
        if setting.value.starts_with('-') {
            let before = "systemd starts it elsewhere where that folder is missing";
            differences.push(Difference::note("WorkingDirectory=-", before, "bgtask does not start it then"));
        }
    } else if names.kind == UnitKind::System {
        command.dir = "/".into();
    }
    Ok(())
}

/// How long it may take and how much memory it may use.
fn bounds(service: &Unit, command: &mut Command, differences: &mut Vec<Difference>) {
    let is_oneshot = service.last("Service", "Type") == Some("oneshot");
    for (key, counts) in [("TimeoutStartSec", is_oneshot), ("TimeoutSec", is_oneshot), ("RuntimeMaxSec", !is_oneshot)] {
        let Some(limit) = service.last("Service", key).and_then(span).filter(|_| counts) else { continue };
        command.timeout = limit.clamp(MIN_INTERVAL, MAX_INTERVAL);
    }
    let memory = ["MemoryMax", "MemoryLimit"].iter().find_map(|key| service.last("Service", key));
    match memory.filter(|memory| *memory != "infinity") {
        None => {}
        Some(memory) => match size(memory).filter(|bytes| *bytes >= 1 << 20) {
            Some(bytes) => command.memory = Some(bytes),
            None => {
                let before = format!("systemd lets it use {memory} of the memory");
                differences.push(Difference::warning("MemoryMax=", before, "bgtask takes a number of bytes, from 1M"));
            }
        },
    }
    if let Some(quota) = service.last("Service", "CPUQuota") {
        differences.push(Difference::warning(
            "CPUQuota=",
            format!("systemd lets it use {quota} of a processor at a time"),
            "bgtask has no such limit: cpu bounds what a run uses in all, and nice lets others go first",
        ));
    }
}

/// How much it gives way to others, and whether it may use the network.
fn manners(service: &Unit, command: &mut Command, differences: &mut Vec<Difference>) {
    let get = |key| service.last("Service", key);
    let level: i32 = get("Nice").and_then(|level| level.parse().ok()).unwrap_or(0);
    let is_idle = ["IOSchedulingClass", "CPUSchedulingPolicy"].iter().any(|key| get(key) == Some("idle"));
    command.nice = level > 0 || is_idle;
    if command.nice {
        let said = ["Nice", "IOSchedulingClass", "CPUSchedulingPolicy"];
        let said: Vec<_> = said.iter().filter_map(|key| Some(format!("{key}={}", get(key)?))).collect();
        let before = format!("systemd runs it with {}", said.join(" and "));
        differences.push(Difference::note("Nice=", before, "bgtask has one step: nice, which gives way to everything"));
    }
    if level < 0 {
        let before = format!("systemd lets it go before others, with Nice={level}");
        differences.push(Difference::warning("Nice=", before, "bgtask runs it like any other"));
    }
    if service.flag("Service", "PrivateNetwork") || get("IPAddressDeny") == Some("any") {
        command.network = false;
    }
}

fn restarts(service: &Unit, command: &mut Command, differences: &mut Vec<Difference>) {
    let what = "Restart=";
    match service.last("Service", "Restart") {
        None | Some("no") => {}
        Some("on-failure" | "on-abnormal" | "on-abort" | "on-watchdog") => {
            let burst = service.last("Unit", "StartLimitBurst").and_then(|burst| burst.parse().ok());
            let pause = service.last("Service", "RestartSec").and_then(span).unwrap_or(Duration::ZERO);
            command.retry.times = burst.unwrap_or(DEFAULT_BURST).saturating_sub(1).min(1_000);
            command.retry.backoff = pause.clamp(MIN_INTERVAL, MAX_INTERVAL);
            differences.push(Difference::note(
                what,
                "systemd starts a failed run again after the same pause each time, until it was too often",
                format!(
                    "bgtask tries {} more times, after {} and then twice as long each time",
                    command.retry.times,
                    duration_word(command.retry.backoff)
                ),
            ));
        }
        Some(other) => differences.push(Difference::error(
            what,
            format!("systemd starts it again with Restart={other}, also when it has succeeded"),
            "bgtask runs it once each time it fires",
        )),
    }
}

/// What comes before it.
fn order(service: &Unit) -> Vec<Difference> {
    let mut differences = Vec::new();
    let needed: Vec<&str> = ["Requires", "Requisite", "BindsTo", "Wants", "After"]
        .iter()
        .flat_map(|key| service.all("Unit", key))
        .flat_map(|setting| setting.value.split_whitespace())
        .collect();
    if needed.contains(&"network-online.target") {
        differences.push(Difference::warning(
            "network-online.target",
            "systemd starts it after the network was there, once",
            "bgtask does not wait for that: add internet to when, which holds whenever it runs",
        ));
    }
    let others = OTHER_UNITS.iter().flat_map(|key| service.all("Unit", key));
    for setting in others.filter(|setting| setting.value != "network-online.target") {
        let before = format!("the service says {}={}", setting.key, setting.value);
        differences.push(Difference::warning(&format!("{}=", setting.key), before, "bgtask starts and stops no units"));
    }
    differences
}

fn confinement(service: &Unit) -> Option<Difference> {
    let confines = |setting: &&Setting| {
        setting.key != "PrivateNetwork"
            && CONFINES.iter().any(|beginning| setting.key.starts_with(beginning))
            && (is_true(&setting.value) || !["no", "false", "0", "off"].contains(&setting.value.as_str()))
    };
    let mut keys: Vec<_> = service.section("Service").filter(confines).map(|setting| setting.key.as_str()).collect();
    keys.dedup();
    let before = format!("systemd keeps it from much: {}", keys.join(", "));
    let difference = Difference::warning("confinement", before, "bgtask lets a command do what you may do");
    (!keys.is_empty()).then_some(difference)
}

/// Everything that is not read above.
fn others(service: &Unit) -> Vec<Difference> {
    let said = |setting: &Setting| {
        let (severity, after) = match setting.key.as_str() {
            "Type" if ["oneshot", "simple", "exec"].contains(&setting.value.as_str()) => return None,
            "Type" => (Severity::Error, "bgtask takes the end of the program for the end of the run"),
            "User" | "Group" | "DynamicUser" => (Severity::Error, "bgtask runs it as you"),
            "SuccessExitStatus" => (Severity::Warning, "for bgtask only 0 is success"),
            "StandardInput" => (Severity::Error, "bgtask gives it no input"),
            "StandardOutput" | "StandardError" if ["journal", "inherit"].contains(&setting.value.as_str()) => {
                return None;
            }
            "StandardOutput" | "StandardError" => (Severity::Warning, "bgtask writes it to the task's log"),
            "ExecStop" | "ExecStopPost" | "ExecReload" => (Severity::Warning, "bgtask sends SIGTERM and nothing else"),
            "TimeoutStopSec" | "KillMode" | "KillSignal" | "SendSIGKILL" => (
                Severity::Note,
                "bgtask sends SIGTERM to all its processes, and kills what is left after its own grace",
            ),
            key if READ.contains(&key) || key.starts_with("Exec") => return None,
            key if CONFINES.iter().any(|beginning| key.starts_with(beginning)) => return None,
            _ => (Severity::Note, "bgtask has nothing like it"),
        };
        let before = format!("the service says {}={}", setting.key, setting.value);
        Some(Difference::new(severity, &format!("{}=", setting.key), before, after))
    };
    service.section("Service").filter_map(said).collect()
}

/// What is read above.
const READ: [&str; 18] = [
    "Environment",
    "EnvironmentFile",
    "WorkingDirectory",
    "TimeoutStartSec",
    "TimeoutSec",
    "RuntimeMaxSec",
    "MemoryMax",
    "MemoryLimit",
    "CPUQuota",
    "Nice",
    "IOSchedulingClass",
    "IOSchedulingPriority",
    "CPUSchedulingPolicy",
    "PrivateNetwork",
    "Restart",
    "RestartSec",
    "SyslogIdentifier",
    "RemainAfterExit",
];

/// What names units that are started or stopped with it, or because of it.
const OTHER_UNITS: [&str; 10] = [
    "Requires",
    "Requisite",
    "BindsTo",
    "Wants",
    "Upholds",
    "PartOf",
    "Conflicts",
    "OnFailure",
    "OnSuccess",
    "RequiresMountsFor",
];

/// How settings begin that keep a service from something.
const CONFINES: [&str; 16] = [
    "Protect",
    "Private",
    "Restrict",
    "SystemCall",
    "ReadOnly",
    "ReadWrite",
    "Inaccessible",
    "NoExec",
    "Bind",
    "Capability",
    "Ambient",
    "NoNewPrivileges",
    "MemoryDenyWriteExecute",
    "LockPersonality",
    "RemoveIPC",
    "IPAddress",
];

/// Conditions on files, with the test of the shell.
const TESTS: [(&str, &str); 5] = [
    ("PathExists", "-e"),
    ("PathIsDirectory", "-d"),
    ("PathIsSymbolicLink", "-h"),
    ("FileNotEmpty", "-s"),
    ("FileIsExecutable", "-x"),
];
