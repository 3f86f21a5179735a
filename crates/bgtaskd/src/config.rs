use std::path::Path;
use std::time::Duration;

use bgtask_core::limits::MAX_FRESHNESS;
use serde::Deserialize;

use crate::containment;
use crate::failure::Failure;

/// The most of anything the file may ask for: a number beyond it is a typing mistake.
const MAX_SECONDS: u64 = 24 * 3_600;
const MAX_COUNT: usize = 1_024;

/// `config.toml`: every key is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    wall_budget_seconds: Option<u64>,
    long_wall_budget_seconds: Option<u64>,
    idle_after_seconds: Option<SecondsOrNever>,
    timer_tick_seconds: Option<u64>,
    min_freshness_minutes: Option<u32>,
    cancel_grace_seconds: Option<u64>,
    warm_linger_seconds: Option<u64>,
    max_warm_hosts: Option<usize>,
    max_running: Option<usize>,
    max_attempts: Option<u32>,
    waiting_launchers: Option<usize>,
    containment: containment::Wanted,
}

/// A time, or the word for no time at all.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum SecondsOrNever {
    Seconds(u64),
    Word(String),
}

/// What the owner of the machine has set.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) core: bgtask_core::Config,
    /// How many launchers wait for the next host.
    pub(crate) waiting_launchers: usize,
    /// What is to hold the processes of a host together.
    pub(crate) containment: containment::Wanted,
}

impl Config {
    /// Reads the file; a missing one is all defaults.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let cannot = |error: Box<dyn std::error::Error + Send + Sync>| {
            Failure::new(format!("the configuration {} cannot be used", path.display()), error)
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(cannot(error.into())),
        };
        let file: File = toml::from_str(&text).map_err(|error| cannot(error.into()))?;
        file.checked().map_err(|problem| cannot(problem.into()))
    }
}

impl File {
    fn checked(self) -> Result<Config, String> {
        let default = bgtask_core::Config::default();
        let core = bgtask_core::Config {
            wall_budget: seconds("wall_budget_seconds", self.wall_budget_seconds, 1, default.wall_budget)?,
            long_wall_budget: seconds(
                "long_wall_budget_seconds",
                self.long_wall_budget_seconds,
                1,
                default.long_wall_budget,
            )?,
            idle_after: idle_after(self.idle_after_seconds, default.idle_after)?,
            timer_tick: seconds("timer_tick_seconds", self.timer_tick_seconds, 1, default.timer_tick)?,
            min_freshness: min_freshness(self.min_freshness_minutes, default.min_freshness)?,
            cancel_grace: seconds("cancel_grace_seconds", self.cancel_grace_seconds, 1, default.cancel_grace)?,
            warm_linger: seconds("warm_linger_seconds", self.warm_linger_seconds, 0, default.warm_linger)?,
            max_warm_hosts: count("max_warm_hosts", self.max_warm_hosts, 0, MAX_COUNT, default.max_warm_hosts)?,
            max_running: count("max_running", self.max_running, 1, MAX_COUNT, default.max_running)?,
            max_attempts: self.max_attempts.unwrap_or(default.max_attempts).max(1),
            machine: machine(),
            ..default
        };
        let most = bgtask_host::MAX_SPARES;
        let waiting_launchers = count("waiting_launchers", self.waiting_launchers, 0, most, 1)?;
        Ok(Config { core, waiting_launchers, containment: self.containment })
    }
}

fn seconds(key: &str, value: Option<u64>, least: u64, default: Duration) -> Result<Duration, String> {
    match value {
        None => Ok(default),
        Some(value) if (least..=MAX_SECONDS).contains(&value) => Ok(Duration::from_secs(value)),
        Some(value) => Err(format!("{key} = {value}: it has to be between {least} and {MAX_SECONDS}")),
    }
}

/// What spreads tasks with jitter over the machines of a fleet; without an id all of them share one place.
fn machine() -> u64 {
    let id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    id.get(..16).and_then(|half| u64::from_str_radix(half, 16).ok()).unwrap_or_default()
}

fn idle_after(value: Option<SecondsOrNever>, default: Option<Duration>) -> Result<Option<Duration>, String> {
    const KEY: &str = "idle_after_seconds";
    match value {
        None => Ok(default),
        Some(SecondsOrNever::Seconds(value)) => seconds(KEY, Some(value), 1, Duration::ZERO).map(Some),
        Some(SecondsOrNever::Word(word)) if word == "never" => Ok(None),
        Some(SecondsOrNever::Word(word)) => Err(format!("{KEY} = {word:?}: it has to be a number, or \"never\"")),
    }
}

fn min_freshness(value: Option<u32>, default: u32) -> Result<u32, String> {
    match value {
        None => Ok(default),
        Some(value) if (1..=MAX_FRESHNESS).contains(&value) => Ok(value),
        Some(value) => Err(format!("min_freshness_minutes = {value}: it has to be between 1 and {MAX_FRESHNESS}")),
    }
}

fn count(key: &str, value: Option<usize>, least: usize, most: usize, default: usize) -> Result<usize, String> {
    match value {
        None => Ok(default),
        Some(value) if (least..=most).contains(&value) => Ok(value),
        Some(value) => Err(format!("{key} = {value}: it has to be between {least} and {most}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a broker is that nothing was set for, on this machine.
    fn unset() -> bgtask_core::Config {
        bgtask_core::Config { machine: machine(), ..bgtask_core::Config::default() }
    }

    #[test]
    fn a_key_that_is_unknown_or_out_of_range_is_named() {
        let read = |text: &str| {
            let file: Result<File, _> = toml::from_str(text);
            file.map_err(|error| error.to_string()).and_then(File::checked).map_err(|error| error.to_string())
        };
        assert!(read("").is_ok_and(|config| config.core == unset()));
        assert!(read("max_running = 4").is_ok_and(|config| config.core.max_running == 4));
        assert!(read("max_runing = 4").is_err_and(|error| error.contains("max_runing")));
        assert!(read("max_running = 0").is_err_and(|error| error.contains("between 1 and 1024")));
        assert!(read("wall_budget_seconds = 999999").is_err_and(|error| error.contains("86400")));
        assert!(read("waiting_launchers = 99").is_err());
        assert!(read("containment = \"units\"").is_ok_and(|config| config.containment == containment::Wanted::Units));
        assert!(
            read("containment = \"jail\"").is_err_and(|error| error.contains("`auto`, `cgroup`, `units`, `session`"))
        );
        assert!(read("min_freshness_minutes = 0").is_err_and(|error| error.contains("between 1 and 43199")));
        assert!(read("timer_tick_seconds = 0").is_err_and(|error| error.contains("timer_tick_seconds = 0")));
        assert!(read("idle_after_seconds = \"soon\"").is_err_and(|error| error.contains("\"never\"")));
        assert!(read("idle_after_seconds = 0").is_err_and(|error| error.contains("between 1 and 86400")));
    }

    #[test]
    fn every_value_of_the_core_can_be_set() {
        let text = "wall_budget_seconds = 1\nlong_wall_budget_seconds = 2\nidle_after_seconds = \"never\"\n\
                    timer_tick_seconds = 3\nmin_freshness_minutes = 4\ncancel_grace_seconds = 5\n\
                    warm_linger_seconds = 6\nmax_warm_hosts = 7\nmax_running = 8\nmax_attempts = 9\n";
        let file: File = toml::from_str(text).expect("known keys");
        let wanted = bgtask_core::Config {
            wall_budget: Duration::from_secs(1),
            long_wall_budget: Duration::from_secs(2),
            idle_after: None,
            timer_tick: Duration::from_secs(3),
            min_freshness: 4,
            cancel_grace: Duration::from_secs(5),
            warm_linger: Duration::from_secs(6),
            max_warm_hosts: 7,
            max_running: 8,
            max_attempts: 9,
            machine: machine(),
            ..bgtask_core::Config::default()
        };
        assert_eq!(file.checked().map(|config| config.core), Ok(wanted));
    }

    /// The page for the owner of the machine and the example of the package show every key with its default.
    #[test]
    fn the_documented_configuration_is_the_default_one() {
        let page = include_str!("../../../docs/operating.md");
        let block = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
        let example = include_str!("../../../packaging/config.toml").lines().filter(|line| line.contains(" = "));
        let example = example.map(|line| format!("{}\n", line.trim_start_matches("# "))).collect::<String>();
        for text in [block, &example] {
            let file: File = toml::from_str(text).expect("known keys");
            let config = file.checked().expect("legal values");
            assert_eq!(
                (config.core, config.waiting_launchers, config.containment),
                (unset(), 1, containment::Wanted::Auto)
            );
            assert_eq!(text.lines().filter(|line| line.contains('=')).count(), 12, "every key is shown");
        }
    }
}
