//! `docs/budgets.md` is the one place of all limits: each table of numbers is that of the code.

use std::time::Duration;

use bgtask_core::{Budgets, Config, EnergyLevel, SystemTriggerType, Trigger, limits};

const PAGE: &str = include_str!("../../../docs/budgets.md");

/// The page has this row, among those of the section that begins with `title`.
#[track_caller]
fn has_row(title: &str, cells: &[&str]) {
    let section = PAGE.split("\n## ").find(|section| section.starts_with(title));
    let section = section.unwrap_or_else(|| panic!("no section {title:?}"));
    let row = format!("| {} |", cells.join(" | "));
    assert!(section.lines().any(|line| line == row), "below {title:?} there has to be the row\n{row}");
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

fn bound<T>(most: Option<T>, told: impl Fn(T) -> String) -> String {
    most.map_or_else(|| "unlimited".to_owned(), told)
}

/// D10, Q-9, Q-10: the time of each class.
#[test]
fn the_time_of_an_activation_is_that_of_its_class() {
    let config = Config::default();
    let title = "The time of an activation";
    let long = [
        Trigger::Application,
        Trigger::MediaProcessing,
        Trigger::DeviceUse,
        Trigger::Maintenance { freshness: 15, one_shot: false },
    ];
    assert!(long.iter().all(Trigger::is_long_running));
    let classes: Vec<_> = long.iter().map(Trigger::class).collect();
    has_row(title, &[&classes.join(", "), &seconds(config.long_wall_budget), "`long_wall_budget_seconds`"]);
    has_row(title, &["every other", &seconds(config.wall_budget), "`wall_budget_seconds`"]);
    let grace = format!("has {} s (`cancel_grace_seconds`)", config.cancel_grace.as_secs());
    assert!(PAGE.contains(&grace), "{grace}");
}

/// a window, what an app has in it, and what it may borrow.
#[test]
fn the_budgets_of_a_window_are_the_defaults() {
    let Budgets { window, cpu, network, pool_cpu, pool_network, .. } = Budgets::default();
    let title = "Processor time and network";
    has_row(title, &["the window", &seconds(window), "–", "`budget_window_seconds`"]);
    let keys = "`cpu_budget_seconds`, `pool_cpu_seconds`";
    has_row(title, &["processor time", &bound(cpu, seconds), &seconds(pool_cpu), keys]);
    let keys = "`network_budget_mib`, `pool_network_mib`";
    has_row(title, &["bytes sent and received", &bound(network, mib), &mib(pool_network), keys]);
}

/// what a host may take.
#[test]
fn the_bounds_of_a_host_are_the_defaults() {
    let Budgets { memory, processes, .. } = Budgets::default();
    let title = "Memory and processes";
    has_row(title, &["memory of a host", &bound(memory, mib), "`memory_mib`"]);
    let processes = bound(processes, |most| most.to_string());
    has_row(title, &["processes and threads of a host", &processes, "`max_processes`"]);
}

/// critical tasks are those of these triggers.
#[test]
fn critical_triggers_are_named() {
    let system = |kind| Trigger::System { kind, one_shot: false };
    let critical = SystemTriggerType::ALL.iter().filter(|kind| system(**kind).is_critical());
    let section =
        PAGE.split("\n## Critical tasks").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a section");
    let named: Vec<_> = critical.map(|kind| kind.name()).collect();
    assert!(!named.is_empty() && named.iter().all(|name| section.contains(name)), "{named:?}");
}

/// POL-6, Q-17: what weighs how much, and where the levels begin.
#[test]
fn the_weights_and_levels_of_energy_are_those_of_the_code() {
    let title = "Energy";
    let second = limits::ENERGY_OF_A_SECOND.to_string();
    has_row(title, &["one second of a processor", &second]);
    let wake = "one wake-up that a timer of the app makes; several that share it share the weight";
    has_row(title, &[wake, &limits::ENERGY_OF_A_WAKE.to_string()]);
    has_row(title, &[&format!("{} read and written", mib(limits::IO_OF_A_SECOND)), &second]);
    has_row(title, &[&format!("{} sent and received", mib(limits::NETWORK_OF_A_SECOND)), &second]);
    has_row(title, &["normal in a period", &limits::ENERGY_NORMAL.to_string()]);
    assert!(PAGE.contains(&format!("for a *period* of {} min", limits::ENERGY_PERIOD.as_secs() / 60)));
    let table = PAGE.split("| level | from | what it means |\n|---|---|---|\n").nth(1).expect("a table");
    let rows: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let expected: Vec<_> = EnergyLevel::ALL.iter().map(|level| format!("| {level} | {} % |", level.number())).collect();
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(&expected) {
        assert!(row.starts_with(expected), "{row} has to begin with {expected}");
    }
}

/// D2: what all apps share.
#[test]
fn the_bounds_of_the_machine_are_the_defaults() {
    let config = Config::default();
    let title = "The machine";
    has_row(title, &["activations that run at the same time", &config.max_running.to_string(), "`max_running`"]);
    let load = "a ready task waits for busy processors at most";
    has_row(title, &[load, &seconds(config.load_delay), "`load_delay_seconds`"]);
    let warm = config.max_warm_hosts.to_string();
    has_row(title, &["hosts that wait for their next activation", &warm, "`max_warm_hosts`"]);
    has_row(title, &["how long one waits", &seconds(config.warm_linger), "`warm_linger_seconds`"]);
    has_row(title, &["the nice value of a host", &bgtask_host::NICE.to_string(), "`nice`"]);
    assert_eq!((config.stretch.saving, config.stretch.rare), (1, 1));
    let stretched =
        "the intervals of apps' timers, [while energy is saved or the app is rarely used](time.md#stretched-intervals)";
    has_row(title, &[stretched, "as they ask for", "`stretch_saving`, `stretch_rare`"]);
}

/// The overview at the top says the same in the words of people.
#[test]
fn the_overview_has_the_same_numbers() {
    let config = Config::default();
    let overview = PAGE.split("\n## ").next().expect("a beginning");
    let minutes = |time: Duration| time.as_secs() / 60;
    for wanted in [
        format!("{} s; {} min for", config.wall_budget.as_secs(), minutes(config.long_wall_budget)),
        format!(
            "{} min in a window of {} h",
            minutes(config.budgets.cpu.expect("it is bounded")),
            minutes(config.budgets.window) / 60
        ),
        format!("{}, threads included", config.budgets.processes.expect("they are bounded")),
        format!("{} min | told to stop: `IdleTask`", minutes(config.idle_after.expect("it is looked at"))),
        format!("{} activations of all apps", config.max_running),
    ] {
        assert!(overview.contains(&wanted), "{wanted}");
    }
    assert_eq!(EnergyLevel::Termination.number(), 300, "three times what is normal");
}

/// Every key it names is one of the configuration.
#[test]
fn every_key_is_one_of_the_configuration() {
    let operating = include_str!("../../../docs/operating.md");
    let keys = PAGE.split('`').filter(|word| word.ends_with("_seconds") || word.ends_with("_mib"));
    for key in keys.filter(|key| *key != "wall_seconds") {
        assert!(operating.contains(&format!("\n{key} = ")), "{key} is no key of config.toml");
    }
}
