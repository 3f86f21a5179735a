//! `[Timer]` to triggers.

use std::time::Duration;

use bgtask_core::Trigger;
use bgtask_core::limits::{MAX_INTERVAL, MAX_SETTLE, MIN_INTERVAL};
use bgtask_core::words::duration_word;
use bgtask_taskfile::{Options, trigger};

use super::unit::{Setting, Unit, is_true, span};
use crate::{Difference, Import, Original};

/// One thing that lets the timer elapse.
pub(super) struct Found {
    pub(super) trigger: Trigger,
    pub(super) differences: Vec<Difference>,
    pub(super) original: Original,
    pub(super) line: usize,
}

/// What the timer says besides: for every of its triggers.
struct Pace {
    accuracy: Option<Duration>,
    jitter: Option<Duration>,
    catch_up: bool,
    wake: bool,
    differences: Vec<Difference>,
}

/// The triggers; those that cannot be translated are skipped with a reason.
pub(super) fn translate(timer: &Unit, import: &mut Import) -> Vec<Found> {
    let pace = Pace::read(timer);
    let mut found = Vec::new();
    for setting in timer.section("Timer") {
        let translated = match setting.key.as_str() {
            "OnCalendar" => Some(calendar(setting, &pace)),
            "OnUnitActiveSec" | "OnUnitInactiveSec" => Some(interval(setting, timer, &pace)),
            "OnBootSec" | "OnStartupSec" | "OnActiveSec" if !has_interval(timer) => Some(start(setting)),
            "OnTimezoneChange" if is_true(&setting.value) => Some(named("time-zone-change", Vec::new())),
            "OnClockChange" if is_true(&setting.value) => {
                Some(Err("bgtask has no trigger for a clock that is set".to_owned()))
            }
            _ => None,
        };
        match translated {
            Some(Ok(translated)) => found.push(Found { line: setting.line, ..translated }),
            Some(Err(why)) => import.skip(setting.line, format!("{}={}: {why}", setting.key, setting.value)),
            None => {}
        }
    }
    found
}

/// What of the timer has no counterpart at all.
pub(super) fn unknown(timer: &Unit) -> Vec<Difference> {
    const KNOWN: [&str; 16] = [
        "OnCalendar",
        "OnUnitActiveSec",
        "OnUnitInactiveSec",
        "OnBootSec",
        "OnStartupSec",
        "OnActiveSec",
        "OnTimezoneChange",
        "OnClockChange",
        "AccuracySec",
        "RandomizedDelaySec",
        "FixedRandomDelay",
        "Persistent",
        "WakeSystem",
        "Unit",
        "RemainAfterElapse",
        "DeferReactivation",
    ];
    let mut all = super::service::conditions_unread(timer, "timer");
    let unknown = timer.section("Timer").filter(|setting| !KNOWN.contains(&setting.key.as_str()));
    all.extend(unknown.map(|setting| {
        let before = format!("the timer says {}={}", setting.key, setting.value);
        Difference::warning(&format!("{}=", setting.key), before, "bgtask has nothing like it")
    }));
    if timer.last("Timer", "AccuracySec").is_none() {
        all.push(Difference::note(
            "accuracy",
            "systemd may start it up to a minute later, to wake the machine less often",
            "bgtask starts it in time, unless accuracy says otherwise",
        ));
    }
    if timer.flag("Timer", "WakeSystem") {
        all.push(Difference::note(
            "WakeSystem=",
            "systemd wakes the machine from sleep for it",
            "bgtask does so where the owner of the machine permits it, and elsewhere runs it when the machine wakes",
        ));
    }
    all
}

impl Pace {
    fn read(timer: &Unit) -> Self {
        let mut differences = Vec::new();
        let mut bounded = |key: &str| {
            let value = timer.last("Timer", key).and_then(span)?;
            if value > MAX_SETTLE {
                let [asked, most] = [value, MAX_SETTLE].map(duration_word);
                let before = format!("systemd starts it up to {asked} later");
                differences.push(Difference::warning(&format!("{key}="), before, format!("bgtask up to {most} later")));
            }
            Some(value.min(MAX_SETTLE)).filter(|value| !value.is_zero())
        };
        let (accuracy, jitter) = (bounded("AccuracySec"), bounded("RandomizedDelaySec"));
        if jitter.is_some() && !timer.flag("Timer", "FixedRandomDelay") {
            differences.push(Difference::note(
                "RandomizedDelaySec=",
                "systemd draws another delay each time",
                "bgtask has one for this task on this machine, always the same",
            ));
        }
        let (catch_up, wake) = (timer.flag("Timer", "Persistent"), timer.flag("Timer", "WakeSystem"));
        Self { accuracy, jitter, catch_up, wake, differences }
    }
}

fn has_interval(timer: &Unit) -> bool {
    ["OnUnitActiveSec", "OnUnitInactiveSec"].iter().any(|key| timer.last("Timer", key).is_some())
}

fn calendar(setting: &Setting, pace: &Pace) -> Result<Found, String> {
    let &Pace { accuracy, jitter, catch_up, wake, .. } = pace;
    let options = Options { accuracy, jitter, catch_up, wake, ..Options::default() };
    let trigger = trigger(&format!("at:{}", setting.value), &options).map_err(|error| error.to_string())?;
    let mut differences = pace.differences.clone();
    differences.push(match pace.catch_up {
        true => Difference::note(
            "Persistent=",
            "systemd makes up for a time that was missed while the machine was off",
            "bgtask does so too, and for one missed in sleep, once, when you are logged in again",
        ),
        false => Difference::warning(
            "times missed in sleep",
            "systemd runs it at once when the machine wakes up",
            "bgtask waits for the next time, unless catch-up is true",
        ),
    });
    Ok(Found { trigger, differences, original: Original::OnCalendar(setting.value.clone()), line: setting.line })
}

fn interval(setting: &Setting, timer: &Unit, pace: &Pace) -> Result<Found, String> {
    let every = span(&setting.value).ok_or("it is no time")?;
    if !(MIN_INTERVAL..=MAX_INTERVAL).contains(&every) {
        let [least, most] = [MIN_INTERVAL, MAX_INTERVAL].map(duration_word);
        return Err(format!("an interval of a task is from {least} to {most}"));
    }
    let &Pace { accuracy, jitter, wake, .. } = pace;
    let options = Options { accuracy, jitter, wake, ..Options::default() };
    let word = duration_word(every);
    let trigger = trigger(&format!("every:{word}"), &options).map_err(|error| error.to_string())?;
    let mut differences = pace.differences.clone();
    if setting.key == "OnUnitInactiveSec" {
        differences.push(Difference::warning(
            "OnUnitInactiveSec=",
            format!("systemd waits {word} after the end of a run"),
            format!("bgtask counts {word} from one start to the next"),
        ));
    }
    let starts = ["OnBootSec", "OnStartupSec", "OnActiveSec"];
    let first = starts.iter().find_map(|key| Some(format!("{} after {}", timer.last("Timer", key)?, since(key))));
    let first = first.unwrap_or_else(|| "when the service was started by something else".to_owned());
    differences.push(Difference::warning(
        "the first run",
        format!("systemd starts it {first}, and counts from there, after each start of the machine"),
        format!("bgtask starts it {word} after it was added, and goes on counting while the machine is off"),
    ));
    Ok(Found { trigger, differences, original: Original::Other, line: setting.line })
}

fn start(setting: &Setting) -> Result<Found, String> {
    let before = format!("systemd starts it {} after {}", setting.value, since(&setting.key));
    let after = "bgtask starts it each time you log in, at once";
    named("session-start", vec![Difference::warning(&format!("{}=", setting.key), before, after)])
}

fn since(key: &str) -> &'static str {
    match key {
        "OnBootSec" => "the machine has started",
        "OnStartupSec" => "its manager has started",
        _ => "the timer was started",
    }
}

fn named(word: &str, differences: Vec<Difference>) -> Result<Found, String> {
    let trigger = trigger(word, &Options::default()).map_err(|error| error.to_string())?;
    Ok(Found { trigger, differences, original: Original::Other, line: 0 })
}
