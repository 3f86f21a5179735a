use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::failure::Failure;

/// The most of anything the file may ask for: a number beyond it is a typing mistake.
const MAX_SECONDS: u64 = 24 * 3_600;
const MAX_COUNT: usize = 1_024;

/// `config.toml`: every key is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    wall_budget_seconds: Option<u64>,
    cancel_grace_seconds: Option<u64>,
    warm_linger_seconds: Option<u64>,
    max_warm_hosts: Option<usize>,
    max_running: Option<usize>,
    max_attempts: Option<u32>,
    waiting_launchers: Option<usize>,
}

/// What the owner of the machine has set.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) core: bgtask_core::Config,
    /// How many launchers wait for the next host.
    pub(crate) waiting_launchers: usize,
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
            cancel_grace: seconds("cancel_grace_seconds", self.cancel_grace_seconds, 1, default.cancel_grace)?,
            warm_linger: seconds("warm_linger_seconds", self.warm_linger_seconds, 0, default.warm_linger)?,
            max_warm_hosts: count("max_warm_hosts", self.max_warm_hosts, 0, MAX_COUNT, default.max_warm_hosts)?,
            max_running: count("max_running", self.max_running, 1, MAX_COUNT, default.max_running)?,
            max_attempts: self.max_attempts.unwrap_or(default.max_attempts).max(1),
        };
        let most = bgtask_host::MAX_SPARES;
        let waiting_launchers = count("waiting_launchers", self.waiting_launchers, 0, most, 1)?;
        Ok(Config { core, waiting_launchers })
    }
}

fn seconds(key: &str, value: Option<u64>, least: u64, default: Duration) -> Result<Duration, String> {
    match value {
        None => Ok(default),
        Some(value) if (least..=MAX_SECONDS).contains(&value) => Ok(Duration::from_secs(value)),
        Some(value) => Err(format!("{key} = {value}: it has to be between {least} and {MAX_SECONDS}")),
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

    #[test]
    fn a_key_that_is_unknown_or_out_of_range_is_named() {
        let read = |text: &str| {
            let file: Result<File, _> = toml::from_str(text);
            file.map_err(|error| error.to_string()).and_then(File::checked).map_err(|error| error.to_string())
        };
        assert!(read("").is_ok_and(|config| config.core == bgtask_core::Config::default()));
        assert!(read("max_running = 4").is_ok_and(|config| config.core.max_running == 4));
        assert!(read("max_runing = 4").is_err_and(|error| error.contains("max_runing")));
        assert!(read("max_running = 0").is_err_and(|error| error.contains("between 1 and 1024")));
        assert!(read("wall_budget_seconds = 999999").is_err_and(|error| error.contains("86400")));
        assert!(read("waiting_launchers = 99").is_err());
    }
}
