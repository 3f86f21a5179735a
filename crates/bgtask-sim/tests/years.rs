//! Ten years of periodic tasks on a machine that sleeps, is switched off, travels and has its clock set.
//!
//! `cargo run --release -p bgtask-sim --example years` does the same with 1 000 tasks.

use std::time::Duration;

use bgtask_sim::Years;

const HOUR: Duration = Duration::from_secs(3_600);

/// TM-1 to TM-3, TM-7, D11, D12: exactly as often as the rules say, at exactly these times.
#[test]
fn in_ten_years_every_periodic_task_fired_when_the_rules_say_and_no_wake_up_was_in_vain() {
    let years = Years { years: 10, tasks: 24, shortest: 48 * HOUR, seed: 1 };
    let report = years.run().unwrap_or_else(|problem| panic!("{problem}"));
    println!("{report:?}");
    assert!(report.firings > 10_000 && report.missed > 100, "too little happened: {report:?}");
    assert!(
        report.sleeps > 1_000
            && report.steps > 50
            && report.restarts > 100
            && report.moves > 20
            && report.savings > 100,
        "{report:?}"
    );
    assert!(report.roused > 100, "{report:?}");
    assert!(report.runs < report.firings, "maintenance waits for external power: {report:?}");
}

#[test]
fn a_year_of_tasks_that_are_due_every_hour() {
    let years = Years { years: 1, tasks: 6, shortest: HOUR, seed: 2 };
    let report = years.run().unwrap_or_else(|problem| panic!("{problem}"));
    println!("{report:?}");
    assert!(report.firings > 3_000, "{report:?}");
}
