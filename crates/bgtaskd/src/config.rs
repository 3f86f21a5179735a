use std::path::Path;
use std::time::Duration;

use bgtask_core::limits::{MAX_FRESHNESS, MAX_STRETCH};
use bgtask_core::{Budgets, Stretch};
use bgtask_host::{Priority, Scheduling};
use bgtask_push::mqtt::{Server, Settings};
use bgtask_push::unified_push::DISTRIBUTOR_PREFIX;
use serde::Deserialize;
use zbus::names::WellKnownName;

use crate::confinement::Confinement;
use crate::containment;
use crate::failure::Failure;
use crate::fleet::{self, Rules};
use crate::push::Origin;

/// The most of anything the file may ask for: a number beyond it is a typing mistake.
const MAX_SECONDS: u64 = 24 * 3_600;
const MAX_DAYS: u64 = 366;
const DAY: u64 = 24 * 3_600;
const MAX_COUNT: usize = 1_024;
const MAX_MIB: u64 = 1_024 * 1_024;
const MAX_PROCESSES: u64 = 32_768;

/// The word for as much as a task wants, and the one for no look at it at all.
const UNLIMITED: &str = "unlimited";
const NEVER: &str = "never";

/// `config.toml`: every key is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    wall_budget_seconds: Option<u64>,
    long_wall_budget_seconds: Option<u64>,
    idle_after_seconds: Option<NumberOrWord>,
    timer_tick_seconds: Option<u64>,
    min_freshness_minutes: Option<u32>,
    stretch_saving: Option<u32>,
    stretch_rare: Option<u32>,
    rare_after_days: Option<u64>,
    cancel_grace_seconds: Option<u64>,
    warm_linger_seconds: Option<u64>,
    max_warm_hosts: Option<usize>,
    max_running: Option<usize>,
    max_attempts: Option<u32>,
    waiting_launchers: Option<usize>,
    budget_window_seconds: Option<u64>,
    cpu_budget_seconds: Option<NumberOrWord>,
    network_budget_mib: Option<NumberOrWord>,
    pool: Option<String>,
    pool_cpu_seconds: Option<u64>,
    pool_network_mib: Option<u64>,
    memory_mib: Option<NumberOrWord>,
    max_processes: Option<NumberOrWord>,
    load_delay_seconds: Option<u64>,
    may_wake: Option<bool>,
    containment: containment::Wanted,
    confinement: Option<String>,
    nice: Option<i32>,
    scheduling: Option<String>,
    push: PushFile,
    fleet: Option<fleet::File>,
}

/// Where push messages come from.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PushFile {
    mqtt: Option<Settings>,
    unified_push: Option<UnifiedPushFile>,
}

/// A distributor on the session bus.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnifiedPushFile {
    distributor: Option<String>,
}

/// A number, or the word for none.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum NumberOrWord {
    Number(u64),
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
    /// Whether the tasks of apps run behind walls.
    pub(crate) confinement: Confinement,
    /// How much hosts give way to everything else.
    pub(crate) priority: Priority,
    /// Where push messages come from.
    pub(crate) push: Option<Origin>,
    /// What the fleet may order here, and from where.
    pub(crate) fleet: Option<(Rules, Server)>,
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
            idle_after: match self.idle_after_seconds.as_ref() {
                None => default.idle_after,
                given => number("idle_after_seconds", given, NEVER, 1, MAX_SECONDS)?.map(Duration::from_secs),
            },
            timer_tick: seconds("timer_tick_seconds", self.timer_tick_seconds, 1, default.timer_tick)?,
            min_freshness: in_range(
                "min_freshness_minutes",
                self.min_freshness_minutes,
                1,
                MAX_FRESHNESS,
                default.min_freshness,
            )?,
            stretch: self.stretch(default.stretch)?,
            cancel_grace: seconds("cancel_grace_seconds", self.cancel_grace_seconds, 1, default.cancel_grace)?,
            warm_linger: seconds("warm_linger_seconds", self.warm_linger_seconds, 0, default.warm_linger)?,
            max_warm_hosts: in_range("max_warm_hosts", self.max_warm_hosts, 0, MAX_COUNT, default.max_warm_hosts)?,
            max_running: in_range("max_running", self.max_running, 1, MAX_COUNT, default.max_running)?,
            max_attempts: self.max_attempts.unwrap_or(default.max_attempts).max(1),
            budgets: self.budgets(default.budgets)?,
            processors: processors(),
            load_delay: seconds("load_delay_seconds", self.load_delay_seconds, 0, default.load_delay)?,
            may_wake: self.may_wake.unwrap_or(default.may_wake),
            machine: machine(),
        };
        let most = bgtask_host::MAX_SPARES;
        let waiting_launchers = in_range("waiting_launchers", self.waiting_launchers, 0, most, 1)?;
        let confinement = Confinement::of(self.confinement.as_deref())?;
        let priority = self.priority()?;
        let push = self.push.origin()?;
        let fleet = self.fleet.map(|file| ordered_by(file, push.as_ref())).transpose()?;
        Ok(Config { core, waiting_launchers, containment: self.containment, confinement, priority, push, fleet })
    }

    fn priority(&self) -> Result<Priority, String> {
        let default = Priority::default();
        let scheduling = match self.scheduling.as_deref() {
            None => default.scheduling,
            Some(word) => Scheduling::from_word(word)
                .ok_or_else(|| format!("scheduling = {word:?}: it has to be \"normal\", \"batch\" or \"idle\""))?,
        };
        Ok(Priority { nice: in_range("nice", self.nice, 0, 19, default.nice)?, scheduling })
    }

    fn stretch(&self, default: Stretch) -> Result<Stretch, String> {
        let days = in_range("rare_after_days", self.rare_after_days, 1, MAX_DAYS, default.rare_after.as_secs() / DAY)?;
        Ok(Stretch {
            saving: in_range("stretch_saving", self.stretch_saving, 1, MAX_STRETCH, default.saving)?,
            rare: in_range("stretch_rare", self.stretch_rare, 1, MAX_STRETCH, default.rare)?,
            rare_after: Duration::from_secs(days * DAY),
        })
    }

    fn budgets(&self, default: Budgets) -> Result<Budgets, String> {
        let limit = |key, given: &Option<NumberOrWord>, most, unset| match given {
            None => Ok(unset),
            given => number(key, given.as_ref(), UNLIMITED, 1, most),
        };
        let (cpu, network) = (default.cpu.map(|time| time.as_secs()), default.network.map(mib_of));
        let processes = limit("max_processes", &self.max_processes, MAX_PROCESSES, default.processes.map(u64::from))?;
        let budgets = Budgets {
            window: seconds("budget_window_seconds", self.budget_window_seconds, 1, default.window)?,
            cpu: limit("cpu_budget_seconds", &self.cpu_budget_seconds, MAX_SECONDS, cpu)?.map(Duration::from_secs),
            network: limit("network_budget_mib", &self.network_budget_mib, MAX_MIB, network)?.map(bytes_of),
            pool_cpu: seconds("pool_cpu_seconds", self.pool_cpu_seconds, 0, default.pool_cpu)?,
            pool_network: in_range("pool_network_mib", self.pool_network_mib, 0, MAX_MIB, mib_of(default.pool_network))
                .map(bytes_of)?,
            memory: limit("memory_mib", &self.memory_mib, MAX_MIB, default.memory.map(mib_of))?.map(bytes_of),
            processes: processes.map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
        };
        match self.pool.as_deref() {
            None | Some("normal") => Ok(budgets),
            Some("conservative") => Ok(Budgets { pool_cpu: Duration::ZERO, pool_network: 0, ..budgets }),
            Some(word) => Err(format!("pool = {word:?}: it has to be \"normal\" or \"conservative\"")),
        }
    }
}

impl PushFile {
    fn origin(self) -> Result<Option<Origin>, String> {
        match (self.mqtt, self.unified_push) {
            (None, None) => Ok(None),
            (Some(mqtt), None) => {
                let server = mqtt.server().map_err(|error| format!("[push.mqtt]: {error}"))?;
                Ok(Some(Origin::Mqtt(Box::new(server))))
            }
            (None, Some(UnifiedPushFile { distributor })) => {
                let wrong = distributor.as_ref().filter(|name| {
                    !name.starts_with(DISTRIBUTOR_PREFIX) || WellKnownName::try_from(name.as_str()).is_err()
                });
                match wrong {
                    Some(name) => Err(format!(
                        "[push.unified_push]: {name:?} is no distributor: it has to be a name on the session bus such as \
                         \"{DISTRIBUTOR_PREFIX}kde\""
                    )),
                    None => Ok(Some(Origin::UnifiedPush(distributor))),
                }
            }
            (Some(_), Some(_)) => {
                Err("messages come from [push.mqtt] or from [push.unified_push]: remove one of them".into())
            }
        }
    }
}

/// What the fleet may order, from a server of its own or from that of push messages.
fn ordered_by(file: fleet::File, push: Option<&Origin>) -> Result<(Rules, Server), String> {
    let rules = file.checked().map_err(|error| format!("[fleet]: {error}"))?;
    let server = match (&rules.server, push) {
        (Some(server), _) => server.clone(),
        (None, Some(Origin::Mqtt(server))) => Server::clone(server),
        (None, Some(Origin::UnifiedPush(_)) | None) => {
            return Err(
                "[fleet]: no server is named that orders could come from: write [push.mqtt] or [fleet.mqtt]".into()
            );
        }
    };
    Ok((rules, server))
}

const fn bytes_of(mib: u64) -> u64 {
    mib << 20
}

const fn mib_of(bytes: u64) -> u64 {
    bytes >> 20
}

fn seconds(key: &str, value: Option<u64>, least: u64, default: Duration) -> Result<Duration, String> {
    in_range(key, value, least, MAX_SECONDS, default.as_secs()).map(Duration::from_secs)
}

/// What spreads tasks with jitter over the machines of a fleet; without an id all of them share one place.
fn machine() -> u64 {
    let id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    id.get(..16).and_then(|half| u64::from_str_radix(half, 16).ok()).unwrap_or_default()
}

/// How fast processor time can be used up.
fn processors() -> u32 {
    std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
}

/// A number, or nothing where the `word` for that stands.
fn number(key: &str, value: Option<&NumberOrWord>, word: &str, least: u64, most: u64) -> Result<Option<u64>, String> {
    match value {
        None => Ok(None),
        Some(NumberOrWord::Number(value)) => in_range(key, Some(*value), least, most, least).map(Some),
        Some(NumberOrWord::Word(given)) if given == word => Ok(None),
        Some(NumberOrWord::Word(given)) => Err(format!("{key} = {given:?}: it has to be a number, or {word:?}")),
    }
}

fn in_range<T: Copy + PartialOrd + std::fmt::Display>(
    key: &str,
    value: Option<T>,
    least: T,
    most: T,
    default: T,
) -> Result<T, String> {
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
        bgtask_core::Config { machine: machine(), processors: processors(), ..bgtask_core::Config::default() }
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
        assert!(read("confinement = \"strict\"").is_err_and(|error| error.contains("\"best-effort\"")));
        assert!(read("confinement = \"off\"").is_ok_and(|config| config.confinement == Confinement::Off));
        assert!(read("min_freshness_minutes = 0").is_err_and(|error| error.contains("between 1 and 43199")));
        assert!(read("stretch_saving = 97").is_err_and(|error| error.contains("between 1 and 96")));
        assert!(read("stretch_rare = 0").is_err_and(|error| error.contains("between 1 and 96")));
        assert!(read("rare_after_days = 0").is_err_and(|error| error.contains("between 1 and 366")));
        assert!(read("timer_tick_seconds = 0").is_err_and(|error| error.contains("timer_tick_seconds = 0")));
        assert!(read("idle_after_seconds = \"soon\"").is_err_and(|error| error.contains("\"never\"")));
        assert!(read("idle_after_seconds = 0").is_err_and(|error| error.contains("between 1 and 86400")));
        assert!(read("cpu_budget_seconds = \"much\"").is_err_and(|error| error.contains("\"unlimited\"")));
        assert!(read("network_budget_mib = 0").is_err_and(|error| error.contains("between 1 and 1048576")));
        assert!(read("max_processes = 40000").is_err_and(|error| error.contains("between 1 and 32768")));
        assert!(read("pool = \"off\"").is_err_and(|error| error.contains("\"conservative\"")));
        assert!(read("nice = 20").is_err_and(|error| error.contains("between 0 and 19")));
        assert!(read("scheduling = \"fifo\"").is_err_and(|error| error.contains("\"batch\"")));
        let least = Priority { nice: 19, scheduling: Scheduling::Idle };
        assert!(read("nice = 19\nscheduling = \"idle\"").is_ok_and(|config| config.priority == least));
        assert!(read("may_wake = 1").is_err_and(|error| error.contains("expected a boolean")));
    }

    /// What is wrong with where messages come from is said when it is read.
    #[test]
    fn a_server_of_push_messages_is_checked() {
        let read = |text: &str| {
            let file: Result<File, _> = toml::from_str(&format!("[push.mqtt]\n{text}"));
            file.map_err(|error| error.to_string()).and_then(File::checked).map(|config| config.push)
        };
        let server = read(
            "server = \"mqtts://h\"\nmachine = \"kitchen\"\nprefix = \"acme\"\nca_file = \"/ca.pem\"\nkeep_alive_seconds = 60\nsession_expiry_days = 2\n",
        );
        let Ok(Some(Origin::Mqtt(server))) = server else { panic!("{server:?}") };
        assert_eq!(server.topic_of("a"), "acme/kitchen/a");
        assert_eq!((server.keep_alive.as_secs(), server.session_expiry.as_secs()), (60, 172_800));
        for (text, part) in [
            ("", "server"),
            ("server = \"http://h\"", "mqtts://HOST"),
            ("server = \"mqtt://h\"\nmachine = \"+\"", "name of the machine"),
            ("server = \"mqtt://h\"\nca_file = \"/x\"", "mqtts://"),
            ("server = \"mqtts://h\"\nkey_file = \"/x\"", "go together"),
            ("server = \"mqtt://h\"\nkeep_alive_seconds = 3", "between 15"),
            ("server = \"mqtt://h\"\nsession_expiry_days = 0", "between 1"),
            ("server = \"mqtt://h\"\npasswort = \"x\"", "passwort"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn a_distributor_is_checked_and_there_is_one_origin() {
        let read = |text: &str| {
            let file: Result<File, _> = toml::from_str(text);
            file.map_err(|error| error.to_string()).and_then(File::checked).map(|config| config.push)
        };
        assert!(matches!(read("[push.unified_push]\n"), Ok(Some(Origin::UnifiedPush(None)))));
        let chosen = read("[push.unified_push]\ndistributor = \"org.unifiedpush.Distributor.kde\"\n");
        assert!(matches!(chosen, Ok(Some(Origin::UnifiedPush(Some(name)))) if name.ends_with(".kde")));
        for name in ["kde", "org.unifiedpush.Distributor.", "org.unifiedpush.Distributor.a b"] {
            let error = read(&format!("[push.unified_push]\ndistributor = {name:?}\n")).expect_err(name);
            assert!(error.contains("Distributor.kde"), "{error}");
        }
        let both = read("[push.unified_push]\n[push.mqtt]\nserver = \"mqtts://h\"\n");
        assert!(both.is_err_and(|error| error.contains("remove one of them")));
    }

    #[test]
    fn every_value_of_the_core_can_be_set() {
        let text = "wall_budget_seconds = 1\nlong_wall_budget_seconds = 2\nidle_after_seconds = \"never\"\n\
                    timer_tick_seconds = 3\nmin_freshness_minutes = 4\ncancel_grace_seconds = 5\n\
                    warm_linger_seconds = 6\nmax_warm_hosts = 7\nmax_running = 8\nmax_attempts = 9\n\
                    budget_window_seconds = 10\ncpu_budget_seconds = 11\nnetwork_budget_mib = 12\n\
                    pool_cpu_seconds = 13\npool_network_mib = 14\nmemory_mib = 15\nmax_processes = \"unlimited\"\n\
                    load_delay_seconds = 16\nmay_wake = true\nstretch_saving = 17\nstretch_rare = 18\n\
                    rare_after_days = 19\n";
        let file: File = toml::from_str(text).expect("known keys");
        let wanted = bgtask_core::Config {
            wall_budget: Duration::from_secs(1),
            long_wall_budget: Duration::from_secs(2),
            idle_after: None,
            timer_tick: Duration::from_secs(3),
            min_freshness: 4,
            stretch: Stretch { saving: 17, rare: 18, rare_after: Duration::from_secs(19 * DAY) },
            cancel_grace: Duration::from_secs(5),
            warm_linger: Duration::from_secs(6),
            max_warm_hosts: 7,
            max_running: 8,
            max_attempts: 9,
            budgets: Budgets {
                window: Duration::from_secs(10),
                cpu: Some(Duration::from_secs(11)),
                network: Some(12 << 20),
                pool_cpu: Duration::from_secs(13),
                pool_network: 14 << 20,
                memory: Some(15 << 20),
                processes: None,
            },
            processors: processors(),
            load_delay: Duration::from_secs(16),
            may_wake: true,
            machine: machine(),
        };
        assert_eq!(file.checked().map(|config| config.core), Ok(wanted));
    }

    /// Q-7: the owner's switch takes the pool away, whatever is in it.
    #[test]
    fn a_conservative_pool_is_empty() {
        let file: File = toml::from_str("pool = \"conservative\"\npool_network_mib = 5\n").expect("known keys");
        let budgets = file.checked().expect("legal values").core.budgets;
        assert_eq!((budgets.pool_cpu, budgets.pool_network), (Duration::ZERO, 0));
    }

    /// The page for the owner of the machine and the example of the package show every key with its default.
    #[test]
    fn the_documented_configuration_is_the_default_one() {
        let page = include_str!("../../../docs/operating.md");
        let block = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
        let (example, push) =
            include_str!("../../../packaging/config.toml").split_once("# [push.mqtt]").expect("its own part");
        assert!(push.contains("server"));
        let example = example.lines().filter(|line| line.contains(" = "));
        let example = example.map(|line| format!("{}\n", line.trim_start_matches("# "))).collect::<String>();
        for text in [block, &example] {
            let file: File = toml::from_str(text).expect("known keys");
            let config = file.checked().expect("legal values");
            assert_eq!(
                (config.core, config.waiting_launchers, config.containment),
                (unset(), 1, containment::Wanted::Auto)
            );
            assert_eq!((config.confinement, config.priority), (Confinement::BestEffort, Priority::default()));
            assert_eq!(text.lines().filter(|line| line.contains('=')).count(), 28, "every key is shown");
        }
    }
}
